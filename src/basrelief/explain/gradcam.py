"""Grad-CAM for regression: where a network's own layer raised or lowered a prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn


def map_heat(
    network: nn.Module, layer: nn.Module, bands: Tensor, target: int, *, n_at_once: int = 8
) -> NDArray[np.float32]:
    """Map how strongly each place in a picture raised or lowered one prediction.

    Signed: the usual rectification keeps only what raises a class score, and in a
    regression the other half of the answer lies below zero. Positive heat raises the
    prediction, negative heat lowers it.

    Parameters
    ----------
    network
        Takes raw ``(chip, band, row, col)`` bands, gives ``(chip, target)``. It is used in
        evaluation mode, and left in the mode in which it came.
    layer
        The module of ``network`` whose output, ``(chip, feature, row, col)``, is weighed.
    bands : (chip, band, row, col)
        As the network takes them, on the network's device.
    target
        Position of the prediction to explain.
    n_at_once
        Chips in memory together.

    Returns
    -------
    (chip, row, col)
        As large as ``bands``, interpolated from the layer's grid; the unit is the
        network's output times activation, so compare signs and shares, not values
        between networks.

    References
    ----------
    Selvaraju et al. (2017), ICCV, 618-626, without the final ReLU.
    """
    gradcam = LayerGradCam(network, layer)
    heats = []
    with evaluating(network), torch.enable_grad():
        for part in torch.split(bands, n_at_once):
            # Frozen layers carry no gradient of their own: it has to start at the picture.
            picture = part.detach().clone().requires_grad_()
            heat = gradcam.attribute(picture, target=target, relu_attributions=False)
            size = (int(bands.shape[2]), int(bands.shape[3]))
            heat = LayerAttribution.interpolate(heat.detach(), size, "bilinear")
            heats.append(heat[:, 0].float().cpu().numpy())  # (chip, row, col)
    return np.concatenate(heats).astype(np.float32)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Switch dropout and batch statistics off, and back to what they were."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, is_training in modes.items():
            module.training = is_training
