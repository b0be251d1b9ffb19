import os
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn import weights
from basrelief.learn.encoders import NetworkPlan, build_network
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.weights import check_weights, create_backbone, load_backbone
from basrelief.stage_settings import ModelSettings

DATA = Path(__file__).parents[2].parent / "shared" / "data"
VGG_FILE = DATA / "weights" / "vgg16_imagenet_notop.weights.h5"


def settings_with(**typed: str) -> Settings:
    return Settings(
        data=DataSettings(images="a", table="b"), models=ModelSettings(weights=dict(typed))
    )


@pytest.mark.real
@pytest.mark.skipif(not VGG_FILE.exists(), reason="no real data beside the repository")
def test_keras_vgg16_gives_the_same_maps() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    chips = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    reference = keras.applications.VGG16(
        weights=str(VGG_FILE), include_top=False, input_shape=(64, 64, 3)
    )
    prepared = keras.applications.vgg16.preprocess_input(chips.copy())
    with torch.no_grad():
        expected = np.asarray(reference(prepared).detach().cpu())
        model, normalise = load_backbone("vgg16", 64, settings_with(vgg16=str(VGG_FILE)))
        bands = torch.from_numpy(chips).permute(0, 3, 1, 2)
        got = model.forward_features(normalise(bands))  # type: ignore[operator]
    assert expected.max() > 1
    np.testing.assert_allclose(got.permute(0, 2, 3, 1).numpy(), expected, atol=1e-3, rtol=1e-4)


@pytest.mark.real
@pytest.mark.skipif(not VGG_FILE.exists(), reason="no real data beside the repository")
def test_the_coursework_network_predicts_what_keras_predicts() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    settings = settings_with(vgg16=str(VGG_FILE))
    recipe = load_recipe("coursework-vgg16", settings)
    assert isinstance(recipe, NetworkRecipe)
    ours = build_network(
        recipe, NetworkPlan("shaded", ("crime",), 64), settings, torch.Generator().manual_seed(0)
    ).eval()
    dense = [module for module in ours.head if isinstance(module, torch.nn.Linear)]
    layers = keras.layers
    theirs = keras.Sequential(
        [
            keras.applications.VGG16(
                weights=str(VGG_FILE), include_top=False, input_shape=(64, 64, 3)
            ),
            layers.Flatten(),
            *[layers.Dense(d.out_features, activation="relu") for d in dense[:-1]],
            layers.Dense(1),
        ]
    )
    for layer, d in zip(theirs.layers[2:], dense, strict=True):
        layer.set_weights([value.detach().numpy().T for value in d.parameters()])
    chips = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    prepared = keras.applications.vgg16.preprocess_input(chips.copy()) / 255
    with torch.no_grad():
        expected = np.asarray(theirs(prepared).detach().cpu())
        got = ours(torch.from_numpy(chips).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6, rtol=1e-4)


def write_keras_file(path: Path, model: Any, leave_out: int = 0) -> None:
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    with h5py.File(path, "w") as file:
        for number, m in enumerate(convolutions[leave_out:]):
            name = f"layers/conv2d_{number}" if number else "layers/conv2d"
            file[f"{name}/vars/0"] = m.weight.detach().permute(2, 3, 1, 0).numpy()
            file[f"{name}/vars/1"] = m.state_dict()["bias"].numpy()


def test_a_keras_file_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    source = create_backbone("vgg11", 32)
    write_keras_file(tmp_path / "a.weights.h5", source)
    typed = str(tmp_path / "a.weights.h5")
    loaded, normalise = load_backbone("vgg11", 32, settings_with(vgg11=typed))
    pairs = zip(source.state_dict().values(), loaded.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert normalise.mean.flatten().tolist() == pytest.approx([103.939, 116.779, 123.68])


def test_a_keras_file_of_another_network_is_refused(tmp_path: Path) -> None:
    write_keras_file(tmp_path / "a.h5", create_backbone("vgg11", 32), leave_out=1)
    with pytest.raises(InputError, match="its 7 convolutions do not fit the 8 of vgg11"):
        load_backbone("vgg11", 32, settings_with(vgg11=str(tmp_path / "a.h5")))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_state_dict_is_loaded_and_its_classifier_ignored(tmp_path: Path, suffix: str) -> None:
    source = create_backbone("test_resnet", 32)
    state = source.state_dict() | {"fc.weight": torch.zeros(10, 96)}
    path = tmp_path / f"a{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    loaded, _ = load_backbone("test_resnet", 32, settings_with(test_resnet=str(path)))
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in source.state_dict().items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"std": None, "order": None}, r"'normalise.order' in it is missing"),
        ({"mean": torch.zeros(2)}, r"'normalise.mean' in it is of shape \(2,\) instead of"),
        ({"mean": torch.full((3, 1, 1), torch.nan)}, r"'normalise.mean' in it is \[nan"),
        ({"std": torch.zeros(3, 1, 1)}, r"'normalise.std' in it is \[0.0, .*nothing can be norm"),
        ({"order": torch.tensor([0, 1, 9])}, r"'normalise.order' in it is \[0, 1, 9\], no order"),
    ],
)
def test_constants_of_our_own_files_are_looked_at(
    tmp_path: Path, change: dict[str, torch.Tensor | None], says: str
) -> None:
    own = {"order": torch.arange(3), "mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)}
    source = create_backbone("test_resnet", 32).state_dict()
    state = {f"backbone.{key}": value for key, value in source.items()}
    state |= {f"normalise.{k}": v for k, v in (own | change).items() if v is not None}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=says):
        load_backbone("test_resnet", 32, settings_with(test_resnet=str(tmp_path / "a.safetensors")))


def test_a_state_dict_of_another_network_is_refused(tmp_path: Path) -> None:
    save_file(create_backbone("vgg11", 32).state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"the first 'conv1.0.weight'.*timm state dict of test_re"):
        load_backbone("test_resnet", 32, settings_with(test_resnet=str(tmp_path / "a.safetensors")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.h5", "there is no such file. Give a file"),
        ("a.npz", "not a kind of file that is read. Allowed are Keras' .h5"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_runs(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_weights("vgg16", settings_with(vgg16=name))


@pytest.mark.parametrize("name", ["a.h5", "a.safetensors", "a.pth"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(InputError, match=r"not a Keras file|cannot be read|not a plain file"):
        load_backbone("vgg11", 32, settings_with(vgg11=str(tmp_path / name)))


def test_an_unknown_backbone_is_answered_with_near_names() -> None:
    with pytest.raises(InputError, match=r"'vgg61': timm has no model.*vgg16"):
        check_weights("vgg61", settings_with())


def test_without_a_network_the_answer_comes_soon_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(InputError, match=r'vgg16 = "FILE" \}, or "none"'):
        check_weights("vgg16", settings_with())
    assert time.monotonic() - start < 10


def test_an_address_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "HUB_WAIT_S", 0.2)
    start = time.monotonic()
    assert not weights._is_reachable("http://192.0.2.1")
    assert time.monotonic() - start < 2


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repo, name: name)


def test_weights_that_were_fetched_before_need_no_network(
    monkeypatch: pytest.MonkeyPatch, cached: None
) -> None:
    monkeypatch.setattr(weights, "_is_reachable", lambda address: pytest.fail("asked the hub"))
    check_weights("vgg16", settings_with())


def test_a_download_that_breaks_off_is_one_line(
    monkeypatch: pytest.MonkeyPatch, cached: None
) -> None:
    def break_off(name: str, **given: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("timm.create_model", break_off)
    with pytest.raises(InputError, match=r"could not be fetched \(ConnectionError\). Give a file"):
        load_backbone("test_resnet", 32, settings_with())


def test_timms_own_weights_come_with_timms_normalisation(
    monkeypatch: pytest.MonkeyPatch, cached: None
) -> None:
    random = create_backbone("vgg11", 32)
    monkeypatch.setattr("timm.create_model", lambda name, **given: random)
    model, normalise = load_backbone("vgg11", 32, settings_with())
    assert model is random
    assert normalise.mean.flatten().tolist() == pytest.approx(
        [255 * m for m in (0.485, 0.456, 0.406)]
    )


def test_a_backbone_that_timm_has_no_weights_of_is_said_so() -> None:
    with pytest.raises(InputError, match="'coatnet_0_224': timm has none"):
        check_weights("coatnet_0_224", settings_with())
