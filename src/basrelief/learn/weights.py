"""Backbones and their weights: from files of timm's or Keras', by timm's name, or none."""

from __future__ import annotations

import difflib
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import huggingface_hub
import numpy as np
import timm
import torch
from huggingface_hub import constants as hub
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from basrelief.config import InputError, Settings
from basrelief.hashes import hash_file
from basrelief.learn.keras_resnet import KerasResNet50V2
from basrelief.learn.recipes import Variant

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Mean blue, green, red that the Oxford VGG weights were trained with."""

KERAS_CLASSES = {"vgg16": "VGG16", "vgg19": "VGG19", "resnetv2_50": "ResNet50V2"}
"""Backbones that Keras has too, and what it calls them."""

HUB_WAIT_S = 5.0
"""How long an answer of the hub is waited for before it counts as out of reach."""

State = dict[str, Tensor]
Array = np.ndarray[Any, Any]


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
        """Reorder, subtract and divide: (chip, band, row, col)."""
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
        close = difflib.get_close_matches(backbone, timm.list_models(), n=3)
        hint = f" Near it are {', '.join(close)}." if close else ""
        raise InputError(f"backbone = {backbone!r}: timm has no model of this name.{hint}")
    typed = settings.models.weights.get(backbone)
    if typed is None and variant == "keras":
        raise InputError(
            f"weights of {backbone!r} as Keras builds it: they come from a file alone. "
            f"{_hint_keras(backbone)} {_hint(backbone)}"
        )
    if typed is None:
        _check_hub(backbone)
    elif typed != "none":
        _check_file(backbone, typed, settings.locate(typed), variant)


def stamp_weights(backbone: str, settings: Settings) -> list[Any]:
    """Describe a backbone's weights, to notice when they change: their file, or what was typed."""
    typed = settings.models.weights.get(backbone)
    is_file = typed not in (None, "none") and settings.locate(str(typed)).is_file()
    # What timm or a seed gives is told by the name alone; a file by what it holds.
    return [hash_file(settings.locate(str(typed)))] if is_file else [typed]


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
    if path.suffix == ".h5":
        _load_keras(model, backbone, typed, path)
        return model, keras_normalisation(backbone)
    state, normalisation = _read_state(typed, path)
    _load_state(model, backbone, typed, state)
    return model, normalisation or usual


def create_backbone(backbone: str, size_px: int, variant: Variant = "timm") -> nn.Module:
    """Build a backbone without its classifier, with random weights."""
    if variant == "keras":
        return KerasResNet50V2()
    if backbone.startswith("vgg"):
        # Its two dense layers of 4096 are not used: make them small, then drop them.
        model = timm.create_model(backbone, num_classes=0, mlp_ratio=1 / 4096)
    else:
        model = timm.create_model(backbone, num_classes=0, **_size_argument(backbone, size_px))
    return _strip(model)


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


def _hint(backbone: str) -> str:
    return f'Give a file, models.weights = {{ {backbone} = "FILE" }}, or "none" for random ones.'


def _hint_keras(backbone: str) -> str:
    name = KERAS_CLASSES.get(backbone, "VGG16")
    return f"Keras writes one: keras.applications.{name}(include_top=False).save_weights(FILE)."


def _check_hub(backbone: str) -> None:
    repo = _facts_of(backbone).hf_hub_id
    if not repo:
        raise InputError(f"weights of {backbone!r}: timm has none. {_hint(backbone)}")
    names = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(huggingface_hub.try_to_load_from_cache(repo, n), str) for n in names):
        return
    if hub.HF_HUB_OFFLINE or not _is_reachable(hub.ENDPOINT):
        raise InputError(
            f"weights of {backbone!r}: not on this machine, and {hub.ENDPOINT} is out of reach. "
            f"{_hint(backbone)}"
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
            f"{_hint(backbone)}"
        ) from error
    return _strip(model)


def _check_file(backbone: str, typed: str, path: Path, variant: Variant) -> None:
    where = f"models.weights = {{ {backbone} = {typed!r} }}"
    if path.suffix not in (".h5", ".safetensors", ".pth", ".pt"):
        raise InputError(
            f"{where}: not a kind of file that is read. Allowed are Keras 3 .weights.h5, "
            '.safetensors, .pth, .pt, and "none".'
        )
    if path.suffix == ".h5" and not backbone.startswith("vgg") and variant != "keras":
        raise InputError(
            f"{where}: Keras files are read for VGG networks, and for ResNet50V2 in recipes with "
            f"variant = 'keras' (coursework-resnet50v2); timm's {backbone} is another network. "
            "Give a timm file, or leave out the recipe that wants it."
        )
    if not path.is_file():
        raise InputError(f"{where}: there is no such file. {_hint(backbone)}")


def _read_state(typed: str, path: Path) -> tuple[State, Normalise | None]:
    """Read a state dict, and the normalisation if one of our own networks wrote it."""
    try:
        if path.suffix == ".safetensors":
            state: State = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"weights {typed!r}: cannot be read ({reason}).") from error
    except Exception as error:  # an unpickler raises many kinds
        raise InputError(f"weights {typed!r}: not a plain file of weights.") from error
    if "normalise.mean" not in state:
        return state, None
    normalisation = Normalise((0, 1, 2), (0.0,) * 3, (1.0,) * 3)
    normalisation.load_state_dict(take_prefixed("normalise.", state))
    return take_prefixed("backbone.", state), normalisation


def take_prefixed(prefix: str, state: State) -> State:
    """Take the tensors whose names begin with a prefix, under what follows it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _load_state(model: nn.Module, backbone: str, typed: str, state: State) -> None:
    """Load what the backbone needs, and ignore classifiers."""
    wanted = model.state_dict()
    # By the backbone's own names: a file may hold a classifier besides, and more.
    missing = [k for k in wanted if k not in state or state[k].shape != wanted[k].shape]
    if missing:
        wants = f"The file must be a timm state dict of {backbone}."
        if isinstance(model, KerasResNet50V2):
            wants = f"This recipe has Keras' network, not timm's. {_hint_keras(backbone)}"
        raise InputError(
            f"models.weights = {{ {backbone} = {typed!r} }}: {len(missing)} of {len(wanted)} "
            f"tensors are missing or of another shape, the first {missing[0]!r}. {wants}"
        )
    model.load_state_dict({key: state[key] for key in wanted})


def _load_keras(model: nn.Module, backbone: str, typed: str, path: Path) -> None:
    """Load a Keras 3 file, kind by kind of layer, in the order in which Keras lists them."""
    where = f"models.weights = {{ {backbone} = {typed!r} }}"
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kinds: list[tuple[str, str, Sequence[nn.Module]]] = [
        ("conv2d", "convolutions", list_convolutions(model)),
        ("batch_normalization", "batch normalisations", norms),
    ]
    for kind, called, modules in kinds:
        stored = _read_keras_layers(where, path, kind)
        wanted = [_view_as_keras(module) for module in modules]
        if _shapes_of(stored) != _shapes_of(wanted):
            raise InputError(
                f"{where}: its {len(stored)} {called} do not fit {backbone} "
                f"({len(wanted)} {called}). {_hint_keras(backbone)}"
            )
        with torch.no_grad():
            for arrays, tensors in zip(stored, wanted, strict=True):
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


def _shapes_of(layers: Sequence[Sequence[Array | Tensor]]) -> list[list[tuple[int, ...]]]:
    return [[tuple(values.shape) for values in layer] for layer in layers]


def _read_keras_layers(where: str, path: Path, kind: str) -> list[list[Array]]:
    """Read the variables of all layers of a kind; the first has no number, the next is 1."""
    try:
        with h5py.File(path) as file:
            layers = file["layers"]
            names = [name for name in layers if re.fullmatch(rf"{kind}(_\d+)?", name)]
            names.sort(key=lambda name: int(name.removeprefix(kind).lstrip("_") or 0))
            variables = [layers[name]["vars"] for name in names]
            # By number, not as text: "10" would come before "2".
            return [[np.asarray(v[str(n)]) for n in range(len(v))] for v in variables]
    except (OSError, KeyError) as error:
        raise InputError(f"{where}: not a Keras 3 .weights.h5 file ({error}).") from error
