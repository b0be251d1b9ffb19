"""PyTorch's files of weights are read as torchvision, timm and trainers write them, never run."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save, save_file
from torch import Tensor, nn

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.weights import create_backbone, load_backbone
from basrelief.stage_settings import ModelSettings

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


def hold_itself() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    return endless


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
    "a deeper network's": (
        lambda state, _: torchvision.models.resnet34().state_dict(),
        r"80 tensors in it are of another network.*no place for 'layer1.2.conv1.weight'.*resnet18",
    ),
    "one with more layers in its blocks": (
        lambda state, _: state | {"layer1.0.se.fc.0.weight": torch.ones(4, 64)},
        r"1 tensors in it are of another network.*'layer1.0.se.fc.0.weight'",
    ),
    "one with another stage, under a prefix": (
        lambda state, _: prefixed("net.", state | {"layer5.conv.weight": torch.ones(4, 4, 3, 3)}),
        r"1 tensors in it are of another network.*'layer5.conv.weight'",
    ),
    "a dict that holds itself": (lambda state, _: hold_itself(), r"a dict with 'model', not"),
    "no numbers at all": (
        lambda state, _: {key: value.to("meta") for key, value in state.items()},
        r"'conv1.weight' has a shape and no numbers",
    ),
    "nothing but zeros": (
        lambda state, _: {key: value * 0 for key, value in state.items()},
        r"every weight in it is 0",
    ),
    "variances below 0": (
        lambda state, _: state | {"bn1.running_var": -torch.ones(64)},
        r"'bn1.running_var' holds variances below 0",
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


@pytest.mark.parametrize(
    "beside",
    [
        {"fc.weight": torch.ones(7, 512), "fc.bias": torch.ones(7)},
        {"head_dist.weight": torch.ones(7, 512), "aux1.conv.weight": torch.ones(4, 4, 1, 1)},
        {"rent.0.weight": torch.ones(9, 512), "rent.1.running_var": torch.ones(9)},
        {"layer1.0.attn.relative_position_index": torch.ones(49, 49, dtype=torch.int64)},
        {"layer1.0.attn_mask": torch.zeros(4, 49, 49), "layer2.total_ops": torch.zeros(1)},
        {"model_ema.layer9.conv.weight": torch.ones(4, 4, 3, 3), "optimizer.x": torch.ones(2, 2)},
        {"mask_token": torch.ones(1, 1, 8), "decoder_blocks.0.conv.weight": torch.ones(4, 4, 1, 1)},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_heads_and_what_trainings_leave_may_stand_beside(
    beside: State, resnet: Any, tmp_path: Path
) -> None:
    torch.save(resnet.state_dict() | beside, tmp_path / "a.pth")
    loaded = load(tmp_path / "a.pth", "resnet18").state_dict()
    assert all(torch.equal(value, resnet.state_dict()[key]) for key, value in loaded.items())


@pytest.mark.parametrize("change", [{"depth": 24}, {"init_values": 1e-5}, {"patch_size": 32}])
def test_a_transformer_of_other_blocks_or_patches_is_refused(
    change: dict[str, Any], tmp_path: Path
) -> None:
    other = timm.create_model("vit_tiny_patch16_224", **change)
    save_file(other.state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"another network|\(192, 3, 32, 32\) instead of"):
        load(tmp_path / "a.safetensors", "vit_tiny_patch16_224")


KINDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a page.pth": (lambda: b"<!DOCTYPE html><html>404", "a web page, so its download failed"),
    "a page.h5": (lambda: b"<html>404", "a web page, so its download failed"),
    "packed.pth": (lambda: gzip.compress(b"weights"), "packed by gzip; unpack it"),
    "pointer.pth": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
    "pointer.safetensors": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs"),
    "tensors.pth": (lambda: save({"a": torch.ones(1)}), "safetensors; its name should end in"),
    "keras.pth": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5, as Keras writes it"),
    "settings.bin": (lambda: b'{"architecture": "resnet18"}', "JSON, such as the settings"),
    "strange.pth": (lambda: b"\x42" * 99, "its beginning is none that PyTorch writes"),
    "archive.tar": (lambda: pack_tar(), "a tar archive; unpack it"),
    "archive.pth": (lambda: pack_zip("a.txt"), "a zip archive without weights"),
    "archive.h5": (lambda: pack_zip("model.weights.h5"), "its name should end in .keras"),
}


def pack_tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return packed.getvalue()


def pack_zip(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, b"")
    return packed.getvalue()


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_kind_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    make, says = KINDS[name]
    (tmp_path / name).write_bytes(make())
    backbone = "vgg11" if name.endswith(".h5") else "resnet18"
    with pytest.raises(InputError, match=says) as refused:
        load(tmp_path / name, backbone)
    assert "\n" not in str(refused.value)
    # PyTorch advises to run what the file brings along.
    assert "weights_only" not in str(refused.value)


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
