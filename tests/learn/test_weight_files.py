"""PyTorch's files of weights are read as torchvision, timm and trainers write them, never run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from basrelief.config import DataSettings, InputError, ModelSettings, Settings
from basrelief.learn.weights import create_backbone, load_backbone

State = dict[str, Tensor]


def settings_with(**typed: str) -> Settings:
    models = ModelSettings(weights=dict(typed))
    return Settings(data=DataSettings(images="a", table="b"), models=models)


@pytest.fixture(scope="module")
def resnet() -> Any:
    torch.manual_seed(3)
    return torchvision.models.resnet18().eval()


def some_chips(size_px: int = 64) -> Tensor:
    return torch.rand(2, 3, size_px, size_px, generator=torch.Generator().manual_seed(1))


def load(path: Path, backbone: str, size_px: int = 64) -> nn.Module:
    model, _ = load_backbone(backbone, size_px, settings_with(**{backbone: str(path)}))
    return model.eval()


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def in_lightning(state: State) -> dict[str, Any]:
    """What a Lightning checkpoint has beside the weights."""
    return {
        "epoch": 3,
        "global_step": 40,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": prefixed("model.backbone.", state) | {"model.head.weight": torch.ones(1, 3)},
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(0.4), "patience": 3}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": []}],
        "lr_schedulers": [],
        "hyper_parameters": {"lr": 1e-3},
    }


WRAPPED: dict[str, Callable[[State], Any]] = {
    "as torchvision saves it": lambda state: OrderedDict(state),
    "from DataParallel": lambda state: {"state_dict": prefixed("module.", state), "epoch": 3},
    "compiled": lambda state: {"model": prefixed("_orig_mod.", state), "optimizer": {}},
    "a Lightning checkpoint": in_lightning,
    "in half precision": lambda state: {
        key: value.half() if value.is_floating_point() else value for key, value in state.items()
    },
    "of an old version": lambda state: {
        key: value for key, value in state.items() if "num_batches" not in key
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_torchvisions_resnet_makes_its_own_maps(kind: str, resnet: Any, tmp_path: Path) -> None:
    torch.save(WRAPPED[kind](resnet.state_dict()), tmp_path / "a.pth")
    loaded, chips = load(tmp_path / "a.pth", "resnet18"), some_chips()
    with torch.no_grad():
        expected = nn.Sequential(*list(resnet.children())[:-2])(chips)
        got = loaded.forward_features(chips)  # type: ignore[operator]
    atol = 2e-2 if kind == "in half precision" else 1e-5
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=atol * float(expected.abs().max()))


def test_torchvisions_densenet_is_read_by_timms_own_names(tmp_path: Path) -> None:
    theirs = torchvision.models.densenet121().eval()
    # As the files that are downloaded name layers: "denselayer1.norm.1.weight".
    state = {
        key.replace("norm1.", "norm.1.").replace("norm2.", "norm.2."): value
        for key, value in theirs.state_dict().items()
    }
    torch.save(state, tmp_path / "a.pth")
    chips = some_chips()
    with torch.no_grad():
        expected = torch.relu(theirs.features(chips))
        got = load(tmp_path / "a.pth", "densenet121").forward_features(chips)  # type: ignore[operator]
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_places_of_tokens_are_brought_to_another_size_as_timm_does(tmp_path: Path) -> None:
    source = timm.create_model("vit_tiny_patch16_224")
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    overlay = {"file": str(tmp_path / "model.safetensors")}
    reference = timm.create_model(
        "vit_tiny_patch16_224",
        pretrained=True,
        pretrained_cfg_overlay=overlay,
        img_size=64,
        num_classes=0,
    )
    loaded = load(tmp_path / "model.safetensors", "vit_tiny_patch16_224")
    assert loaded.get_parameter("pos_embed").shape == (1, 17, 192)
    wanted, own = reference.state_dict(), loaded.state_dict()
    assert all(torch.equal(own[key], value) for key, value in wanted.items())


class Runs:
    """Would run a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


REFUSED: dict[str, tuple[Callable[[State, Path], Any], str]] = {
    "a pickled module": (
        lambda _, path: torchvision.models.resnet18(),
        r"holds Python objects \('torchvision.models.resnet.ResNet'\).*torch.save\(model.state",
    ),
    "a pickle that runs": (
        lambda _, path: Runs(path / "ran"),
        r"holds Python objects \('getattr'\)",
    ),
    "a list": (
        lambda state, _: list(state.values()),
        r"holds something of type list, not tensors by name",
    ),
    "a number": (lambda state, _: 7, r"holds something of type int, not tensors by name"),
    "an empty dict": (lambda state, _: {}, r"a dict with nothing, not tensors"),
    "an optimiser": (
        lambda state, _: {"state": {}, "param_groups": []},
        r"a dict with 'state', 'param_groups', not tensors",
    ),
    "two networks that differ": (
        lambda state, _: (
            prefixed("student.", state)
            | prefixed("teacher.", {key: value + 1 for key, value in state.items()})
        ),
        r"2 networks in it fit, and they differ: their names begin with 'student.' and 'teacher.'",
    ),
    "not a number": (
        lambda state, _: state | {"layer1.0.conv1.weight": torch.full((64, 64, 3, 3), torch.nan)},
        r"'layer1.0.conv1.weight' holds numbers that are not finite",
    ),
    "whole numbers": (
        lambda state, _: state | {"conv1.weight": torch.ones(64, 3, 7, 7, dtype=torch.int8)},
        r"'conv1.weight' is torch.int8",
    ),
    "a layer missing": (
        lambda state, _: {key: v for key, v in state.items() if not key.startswith("layer4.1.bn2")},
        r"4 of 120 tensors are missing .* the first 'layer4.1.bn2.weight'",
    ),
    "another shape": (
        lambda state, _: state | {"conv1.weight": torch.ones(64, 4, 7, 7)},
        r"'conv1.weight' \(\(64, 4, 7, 7\) instead of \(64, 3, 7, 7\)\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_is_refused(kind: str, resnet: Any, tmp_path: Path) -> None:
    make, says = REFUSED[kind]
    torch.save(make(resnet.state_dict(), tmp_path), tmp_path / "a.pth")
    with pytest.raises(InputError, match=says) as refused:
        load(tmp_path / "a.pth", "resnet18")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_names_that_a_damaged_file_broke_are_told_in_one_line(tmp_path: Path) -> None:
    torch.save({"conv1\n.weight": torch.ones(1)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"it has 'conv1\\n.weight'"):
        load(tmp_path / "a.pth", "resnet18")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    class Traced(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.trace(Traced(), torch.zeros(1)), str(tmp_path / "a.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(InputError, match=r"not a plain file of weights.*TorchScript"):
        load(tmp_path / "a.pt", "resnet18")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bytes_changed_at_random_never_end_in_another_error(suffix: str, tmp_path: Path) -> None:
    source = create_backbone("test_resnet", 32)
    path, rng = tmp_path / f"a{suffix}", np.random.default_rng(0)
    if suffix == ".pth":
        torch.save(source.state_dict(), path)
    else:
        save_file(source.state_dict(), path)
    content = path.read_bytes()
    for number in range(60):
        spoilt = bytearray(content)
        # The head of a file says what is in it: there a byte does most harm.
        for at in rng.integers(0, 3000 if number % 2 else len(spoilt), rng.integers(1, 20)):
            spoilt[at] = rng.integers(256)
        path.write_bytes(spoilt[: rng.integers(1, len(spoilt))] if number % 3 == 0 else spoilt)
        try:
            loaded = load(path, "test_resnet", 32)
        except InputError:
            continue
        assert all(torch.isfinite(value.float()).all() for value in loaded.state_dict().values())
