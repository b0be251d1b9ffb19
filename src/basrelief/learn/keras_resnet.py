"""ResNet50V2 as Keras has it, so that Keras' weights mean here what they mean there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width within the blocks of each stage, and how many blocks it has."""

N_CHANNELS = 2048
"""Channels of the last map."""

MOMENTUM = 0.01
"""Share of a batch in what is remembered; Keras states the rest, 0.99."""


class KerasBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Keras' epsilon, momentum, and spread that it remembers.

    Both divide by the batch's own spread while training. For later, torch remembers the spread
    that the batch is a sample of, n / (n - 1) times as large, and Keras 3 that of the batch.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels, eps=1.001e-5, momentum=MOMENTUM)

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise (chip, channel, row, col), and remember mean and spread while training."""
        if not self.training:
            return super().forward(maps)
        assert self.running_var is not None  # only without tracking, which is never asked for
        # A copy: what torch wrote there must stay as it is until the gradients are known.
        theirs = self.running_var.clone()
        normalised = functional.batch_norm(
            maps, self.running_mean, theirs, self.weight, self.bias, True, MOMENTUM, self.eps
        )
        n = maps.numel() // maps.shape[1]
        kept = (1 - MOMENTUM) * self.running_var
        self.running_var.copy_(kept + (theirs - kept) * (n - 1) / n)
        return normalised


class ResidualBlock(nn.Module):
    """A bottleneck whose activations come first; the last block of a stage halves the map.

    Layers are made in the order in which Keras lists them, which is that of its files.
    """

    def __init__(self, n_in: int, width: int, stride: int, has_convolved_shortcut: bool) -> None:
        super().__init__()
        n_out = 4 * width
        self.preact_bn = KerasBatchNorm(n_in)
        self.conv_1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn_1 = KerasBatchNorm(width)
        self.conv_2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn_2 = KerasBatchNorm(width)
        self.conv_0 = nn.Conv2d(n_in, n_out, 1) if has_convolved_shortcut else None
        self.conv_3 = nn.Conv2d(width, n_out, 1)
        # Keras pools over a single pixel: it picks one in two.
        self.pick = nn.MaxPool2d(1, stride=stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (chip, channel, row, col) into (chip, 4 * width, row / stride, col / stride)."""
        active = torch.relu(self.preact_bn(maps))
        shortcut = self.pick(maps) if self.conv_0 is None else self.conv_0(active)
        inner = torch.relu(self.bn_1(self.conv_1(active)))
        inner = torch.relu(self.bn_2(self.conv_2(inner)))
        added: Tensor = shortcut + self.conv_3(inner)
        return added


class KerasResNet50V2(nn.Module):
    """ResNet50V2 without its classifier, as ``keras.applications`` builds it.

    timm's ``resnetv2_50`` is another network: it halves the map in the first block of a stage
    instead of the last, pads the first pooling with minus infinity instead of 0, has no biases
    in its convolutions, and another epsilon.

    References
    ----------
    He et al. (2016), Identity mappings in deep residual networks, ECCV; Keras 3,
    ``keras/src/applications/resnet.py``, ``ResNet`` with ``preact=True``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STAGES[0][0], 7, stride=2, padding=3)
        # Zeros, and not pooling's own padding: what is below zero loses to them at the rim.
        self.pool1 = nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2))
        self.stages = nn.Sequential(*_make_blocks())
        self.norm = KerasBatchNorm(N_CHANNELS)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _start(module)

    def forward_features(self, bands: Tensor) -> Tensor:
        """Turn (chip, 3, row, col) into the map after its last activation, (chip, 2048, ...)."""
        maps = self.stages(self.pool1(self.conv1(bands)))
        return torch.relu(self.norm(maps))


def _make_blocks() -> list[ResidualBlock]:
    """Make the blocks of all stages, in order."""
    blocks, n_in = [], STAGES[0][0]
    for stage, (width, n_blocks) in enumerate(STAGES):
        for number in range(n_blocks):
            # The last stage keeps its size: nothing comes after it.
            halves = number == n_blocks - 1 and stage < len(STAGES) - 1
            blocks.append(ResidualBlock(n_in, width, 2 if halves else 1, number == 0))
            n_in = 4 * width
    return blocks


def _start(convolution: nn.Conv2d) -> None:
    """Draw a convolution's weights as Keras does: Glorot-uniform, zero bias."""
    nn.init.xavier_uniform_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
