from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.extract import Extractor, load_extractor, read_extractor, save_extractor
from basrelief.learn.recipes import DenseRecipe
from basrelief.stage_settings import ModelSettings

SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c"),
    models=ModelSettings(
        weights={"test_resnet": "none", "vgg11": "none"}, device="cpu", precision="fp32"
    ),
)
RECIPE = DenseRecipe(
    kind="dense",
    name="small",
    about="a",
    backbone="test_resnet",
    stages=[1, 2],
    resolutions_m=[1.0],
)


def make_extractor(recipe: DenseRecipe = RECIPE, seed: int = 0) -> Extractor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return load_extractor(recipe, SETTINGS)


def make_picture(side: int = 64) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 255, (3, side, side)).astype(np.float32)


def test_one_map_a_stage_with_its_stride() -> None:
    extractor = make_extractor()
    maps = extractor.read(make_picture())
    assert extractor.strides == (4, 8)
    assert [plane.shape for plane in maps] == [(32, 16, 16), (48, 8, 8)]


def test_maps_equal_timms_own_forward_pass() -> None:
    recipe = RECIPE.model_copy(update={"backbone": "vgg11", "stages": [5]})
    extractor = make_extractor(recipe)
    bands = extractor.normalise(torch.from_numpy(make_picture())[None])
    with torch.inference_mode():
        expected = extractor.backbone.features(bands)[0].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(extractor.read(make_picture())[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backbone", ["test_resnet", "vgg11"])
def test_what_is_written_and_read_gives_the_same_maps(tmp_path: Path, backbone: str) -> None:
    recipe = RECIPE.model_copy(update={"backbone": backbone})
    extractor = make_extractor(recipe)
    with torch.no_grad():
        extractor.normalise.mean += 7.0
    save_extractor(extractor, recipe, tmp_path / "b.safetensors")
    back = read_extractor(recipe, tmp_path / "b.safetensors", SETTINGS)
    for one, other in zip(extractor.read(make_picture()), back.read(make_picture()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_behind_the_last_stage_are_not_kept(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"backbone": "vgg11", "stages": [1]})
    extractor = make_extractor(recipe)
    save_extractor(extractor, recipe, tmp_path / "b.safetensors")
    kept = {key for key in load_file(tmp_path / "b.safetensors") if key.startswith("backbone.")}
    # Block 0 and 1 of VGG11 are one convolution each.
    assert kept == {f"backbone.features.{k}.{part}" for k in (0, 3) for part in ("weight", "bias")}


def test_random_weights_of_one_seed_are_the_same_and_of_another_are_not() -> None:
    one, same, other = (make_extractor(seed=seed).read(make_picture())[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_the_network_is_frozen() -> None:
    backbone = make_extractor().backbone
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_stages_that_a_network_does_not_have_are_refused() -> None:
    recipe = RECIPE.model_copy(update={"stages": [1, 5]})
    with pytest.raises(InputError, match=r"stages = \[1, 5\]; 'test_resnet' has stages 0 to 4"):
        make_extractor(recipe)


@pytest.mark.parametrize(
    ("backbone", "stages", "beyond"),
    # By hand: each 3 x 3 convolution sees one of its own pixels further; pooling, none.
    [("vgg11", [1], 1 + 2), ("vgg11", [1, 2], 1 + 2 + 8), ("vgg16", [3], 2 + 4 + 12 + 24)],
)
def test_the_halo_is_what_a_cell_sees_in_whole_cells(
    backbone: str, stages: list[int], beyond: int
) -> None:
    recipe = RECIPE.model_copy(update={"backbone": backbone, "stages": stages})
    settings = SETTINGS.model_copy(
        update={"models": SETTINGS.models.model_copy(update={"weights": {backbone: "none"}})}
    )
    extractor = load_extractor(recipe, settings)
    stride = max(extractor.strides)
    assert beyond <= extractor.halo_px < beyond + 2 * stride
    side = 2 * extractor.halo_px + stride
    picture = make_picture(side + 2 * stride)
    inner = extractor.read(picture[:, stride:-stride, stride:-stride])
    for one, other, cell in zip(inner, extractor.read(picture), extractor.strides, strict=True):
        at, n = extractor.halo_px // cell, stride // cell
        mine, moved = (slice(at + far, at + far + n) for far in (0, stride // cell))
        np.testing.assert_allclose(one[:, mine, mine], other[:, moved, moved], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "test_vit"])
def test_a_network_that_sees_the_whole_picture_is_refused(backbone: str) -> None:
    recipe = RECIPE.model_copy(update={"backbone": backbone, "stages": [1]})
    models = SETTINGS.models.model_copy(update={"weights": {backbone: "none"}})
    with pytest.raises(InputError, match="cannot be read piece by piece") as caught:
        load_extractor(recipe, SETTINGS.model_copy(update={"models": models}))
    assert "\n" not in str(caught.value)
