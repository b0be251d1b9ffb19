"""Backbones and their weights: from files of timm's or Keras', by timm's name, or none."""

from __future__ import annotations

import difflib
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from huggingface_hub import constants as hub
from torch import Tensor, nn

from basrelief.config import InputError, Settings
from basrelief.hashes import hash_file
from basrelief.learn import keras_files, weight_files
from basrelief.learn.beforehand import (
    KERAS_SUFFIXES,
    check_weights_path,
    hint_file,
    hint_keras,
)
from basrelief.learn.choice import name_weights
from basrelief.learn.keras_resnet import KerasResNet50V2
from basrelief.learn.recipes import Variant
from basrelief.learn.weight_files import State, take_prefixed

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Mean blue, green, red that the Oxford VGG weights were trained with."""

HUB_WAIT_S = 5.0
"""How long an answer of the hub is waited for before it counts as out of reach."""


class Normalise(nn.Module):
    """Bring raw bands (0 to 255) to what the weights expect.

    The constants are part of the network's state, so that they travel with the weights.
    """

    order: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self, order: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(order))
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, chips: Tensor) -> Tensor:
        """Reorder, subtract and divide, (chip, band, row, col) before and after."""
        return (chips[:, self.order] - self.mean) / self.std


def check_weights(backbone: str, settings: Settings, variant: Variant = "timm") -> None:
    """Check, without building anything, that a backbone exists and its weights can be had.

    Raises
    ------
    InputError
        If timm has no such model, or the weights file is missing or of another kind, or
        weights by name are neither on this machine nor within reach. Keras' variant has
        none by name.
    """
    if not timm.is_model(backbone):
        # timm has a thousand names: a list of them all would hide the one that is meant.
        close = difflib.get_close_matches(backbone, timm.list_models(), n=3)
        hint = f" Near it are {', '.join(close)}." if close else ""
        raise InputError(f"backbone = {backbone!r}: timm has no model of this name.{hint}")
    typed = settings.models.weights.get(backbone)
    if typed is None and variant == "keras":
        raise InputError(
            f"weights of {backbone!r} as Keras builds it: they come from a file alone. "
            f"{hint_keras(backbone)} {hint_file(backbone)}"
        )
    if typed is None:
        _check_hub(backbone)
    elif typed != "none":
        check_weights_path(backbone, typed, settings.locate(typed), variant)


def stamp_weights(backbone: str, settings: Settings) -> list[Any]:
    """Describe a backbone's weights, to notice when they change: their file, or what was typed."""
    typed = settings.models.weights.get(backbone)
    is_file = typed not in (None, "none") and settings.locate(str(typed)).is_file()
    # What timm or a seed gives is told by the name alone; a file by what it holds.
    return [hash_file(settings.locate(str(typed)))] if is_file else [typed]


def suit_keras(backbone: str, settings: Settings) -> bool:
    """Say whether pictures prepared as Keras does suit a backbone's weights: its own, or random."""
    typed = settings.models.weights.get(backbone) or ""
    return typed == "none" or Path(typed).suffix.lower() in KERAS_SUFFIXES


def load_backbone(
    backbone: str, size_px: int, settings: Settings, variant: Variant = "timm"
) -> tuple[nn.Module, Normalise]:
    """Build a backbone without its classifier, with weights and their normalisation.

    Weights are random where the settings say ``"none"``; seed torch before.

    Raises
    ------
    InputError
        As `check_weights`, or if the file does not fit the backbone.
    """
    check_weights(backbone, settings, variant)
    typed = settings.models.weights.get(backbone)
    if typed is None:
        return _load_by_name(backbone, size_px), timm_normalisation(backbone)
    model = create_backbone(backbone, size_px, variant)
    usual = keras_normalisation(backbone) if variant == "keras" else timm_normalisation(backbone)
    if typed == "none":
        return model, usual
    path = settings.locate(typed)
    where = f"models.{name_weights(backbone, typed)}"
    if path.suffix.lower() in KERAS_SUFFIXES:
        _load_keras(model, backbone, where, path)
        return model, keras_normalisation(backbone)
    # A network of our own brings the normalisation that it learnt with.
    state, normalisation = _take_own(where, weight_files.read_state(where, path))
    wants = f"The file must be a timm state dict of {backbone}."
    if variant == "keras":
        wants = f"This recipe has Keras' network, not timm's. {hint_keras(backbone)}"
    model.load_state_dict(weight_files.fit_state(where, state, model, wants))
    return model, normalisation or usual


def create_backbone(backbone: str, size_px: int, variant: Variant = "timm") -> nn.Module:
    """Build a backbone without its classifier, with random weights."""
    if variant == "keras":
        return KerasResNet50V2()
    if backbone.startswith("vgg"):
        # Its two dense layers of 4096 are not used: make them small, then drop them.
        model = timm.create_model(backbone, num_classes=0, mlp_ratio=1 / 4096)
    else:
        try:
            arguments = _size_argument(backbone, size_px)
            model = timm.create_model(backbone, num_classes=0, **arguments)
        # Networks refuse sizes in many ways, and each says which it wants.
        except Exception as error:
            raise InputError(
                f"backbone = {backbone!r}: timm cannot build it for chips.size_px = {size_px} "
                f"{describe_size_fault(error, backbone)}"
            ) from error
    return _strip(model)


def describe_size_fault(error: Exception, backbone: str) -> str:
    """Say why a network refuses a size, in its own words, and what would work."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return (
        f"({reason}). It was made for {native_size(backbone)} pixels. Give another size, or a "
        "backbone that takes any, such as 'resnet50'."
    )


def timm_normalisation(backbone: str) -> Normalise:
    """Make the normalisation of timm's own weights, for bands of 0 to 255."""
    facts = _facts_of(backbone)
    mean, std = facts.mean, facts.std
    return Normalise((0, 1, 2), tuple(255 * m for m in mean), tuple(255 * s for s in std))


def keras_normalisation(backbone: str) -> Normalise:
    """Make the normalisation of Keras' own weights, its ``preprocess_input``."""
    if backbone.startswith("vgg"):
        return Normalise((2, 1, 0), CAFFE_MEAN, (1.0, 1.0, 1.0))
    return Normalise((0, 1, 2), (127.5,) * 3, (127.5,) * 3)


def list_convolutions(backbone: nn.Module) -> list[nn.Conv2d]:
    """List a network's convolutions in its own order."""
    return [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]


def is_of_one_size(backbone: str) -> bool:
    """Say whether a network takes pictures of the size it was built for alone."""
    return bool(_facts_of(backbone).fixed_input_size)


def native_size(backbone: str) -> int:
    """Side of the pictures that timm made a network for, in pixels."""
    return int(_facts_of(backbone).input_size[-1])


def _facts_of(backbone: str) -> Any:
    """Read what timm says of its own weights: where they are, their normalisation."""
    facts = timm.get_pretrained_cfg(backbone)
    assert facts is not None  # check_weights refused names that timm does not have
    return facts


def _size_argument(backbone: str, size_px: int) -> dict[str, Any]:
    """Tell networks made for one size of picture the size of a chip."""
    return {"img_size": size_px} if is_of_one_size(backbone) else {}


def _strip(model: Any) -> nn.Module:
    """Drop what a map does not need, and keep activations from overwriting their input."""
    if hasattr(model, "pre_logits"):
        model.pre_logits = nn.Identity()
    for module in model.modules():
        if hasattr(module, "inplace"):
            # Hooks of explanations read what an activation was given.
            module.inplace = False
    stripped: nn.Module = model
    return stripped


def _check_hub(backbone: str) -> None:
    repo = _facts_of(backbone).hf_hub_id
    if not repo:
        raise InputError(f"weights of {backbone!r}: timm has none. {hint_file(backbone)}")
    names = ("model.safetensors", "pytorch_model.bin")
    # Looked for on this machine first: people without a network have fetched them before.
    if any(isinstance(huggingface_hub.try_to_load_from_cache(repo, n), str) for n in names):
        return
    if hub.HF_HUB_OFFLINE or not _is_reachable(hub.ENDPOINT):
        raise InputError(
            f"weights of {backbone!r}: not on this machine, and {hub.ENDPOINT} is out of reach. "
            f"{hint_file(backbone)}"
        )


def _is_reachable(address: str) -> bool:
    """Ask an address once. In a thread, since a name server can take longer than a socket."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(address, method="HEAD")  # noqa: S310
            urllib.request.urlopen(request, timeout=HUB_WAIT_S).close()  # noqa: S310
            answers.append(True)
        except urllib.error.HTTPError as error:
            error.close()
            answers.append(True)
        except (OSError, ValueError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_WAIT_S)
    return bool(answers and answers[0])


def _load_by_name(backbone: str, size_px: int) -> nn.Module:
    try:
        model = timm.create_model(
            backbone, pretrained=True, num_classes=0, **_size_argument(backbone, size_px)
        )
    except Exception as error:  # the hub's client raises many kinds
        raise InputError(
            f"weights of {backbone!r}: could not be fetched ({type(error).__name__}). "
            f"{hint_file(backbone)}"
        ) from error
    return _strip(model)


def _take_own(where: str, state: State) -> tuple[State, Normalise | None]:
    """Take the backbone out of one of our own networks, with the normalisation that it has."""
    own = take_prefixed("normalise.", state)
    normalisation = Normalise((0, 1, 2), (0.0,) * 3, (1.0,) * 3)
    if not own.keys() & normalisation.state_dict().keys():
        return state, None
    for name, wanted in normalisation.state_dict().items():
        fault = _find_fault(name, own.get(name), wanted)
        if fault:
            raise InputError(
                f"{where}: 'normalise.{name}' in it {fault}. Give a file as this program wrote it, "
                "or one of timm's, without 'normalise.'."
            )
    normalisation.load_state_dict({name: own[name] for name in normalisation.state_dict()})
    return take_prefixed("backbone.", state), normalisation


def _find_fault(name: str, values: Tensor | None, wanted: Tensor) -> str:
    """Say what is wrong with a constant that bands are normalised by; empty where nothing is."""
    if values is None:
        return "is missing"
    if values.shape != wanted.shape or values.is_meta or values.layout != torch.strided:
        return f"is of shape {tuple(values.shape)} instead of {tuple(wanted.shape)}, or no numbers"
    numbers = values.flatten().tolist()
    if name == "order":
        return "" if sorted(numbers) == [0, 1, 2] else f"is {numbers}, no order of three bands"
    if not bool(torch.isfinite(values).all()) or (name == "std" and min(numbers) <= 0):
        return f"is {numbers}, by which nothing can be normalised"
    return ""


def _load_keras(model: nn.Module, backbone: str, where: str, path: Path) -> None:
    """Load a file of Keras', kind by kind of layer, in the order in which Keras lists them."""
    # Kind by kind: the two take turns in another order in Keras' list than in torch's.
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kinds: dict[str, list[nn.Conv2d] | list[nn.BatchNorm2d]] = {
        "convolutions": list_convolutions(model),
        "batch normalisations": norms,
    }
    own = {kind: [_view_as_keras(module) for module in modules] for kind, modules in kinds.items()}
    shapes = {
        kind: [[tuple(tensor.shape) for tensor in tensors] for tensors in layers]
        for kind, layers in own.items()
    }
    stored = keras_files.read_keras(where, path, shapes, backbone, hint_keras(backbone))
    with torch.no_grad():
        for kind, layers in own.items():
            for arrays, tensors in zip(stored[kind], layers, strict=True):
                for array, tensor in zip(arrays, tensors, strict=True):
                    tensor.copy_(torch.from_numpy(array))


def _view_as_keras(module: nn.Module) -> list[Tensor]:
    """View a layer's tensors in Keras' order, kernels as (row, col, in, out)."""
    if isinstance(module, nn.Conv2d):
        own = [module.weight.permute(2, 3, 1, 0), module.bias]
    else:
        assert isinstance(module, nn.BatchNorm2d)
        own = [module.weight, module.bias, module.running_mean, module.running_var]
    return [tensor for tensor in own if tensor is not None]
