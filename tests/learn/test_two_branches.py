"""A network of two branches: relief and the photo of the same ground, joined before the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch

from basrelief.chips.layers import Band, create_layer, open_layer
from basrelief.chips.store import Samples, load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.explain.chip_samples import map_rows
from basrelief.eyes import PhotoSettings
from basrelief.grid import Grid
from basrelief.learn.choice import choose_recipes
from basrelief.learn.encoders import NetworkPlan, build_network, set_trainable
from basrelief.learn.maps import extract_map
from basrelief.learn.networks import train_network
from basrelief.learn.predict import load_network, predict_fold
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.run import Run
from basrelief.splits.heldout import ChipFold
from basrelief.stage_settings import ModelSettings

SIDE, SIZE_PX, CELL_M = 8, 32, 4.0
"""Chips a side, pixels a side of each, and metres a pixel."""

CORNER = (500_000.0, 100_000.0)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory, lay_place: Callable[..., Run]) -> Samples:
    """Chips with a target that the photo alone shows, one area a chip."""
    rng, n_px = np.random.default_rng(0), SIDE * SIZE_PX
    green = rng.uniform(0, 1, (SIDE, SIDE))
    heights = rng.uniform(0, 10, (2, n_px, n_px)).astype(np.float32)
    heights[1] = 0
    side = SIZE_PX * CELL_M
    west, north = np.meshgrid(
        CORNER[0] + side * np.arange(SIDE), CORNER[1] - side * np.arange(SIDE)
    )
    corners = zip(west.ravel(), north.ravel(), strict=True)
    areas = gpd.GeoDataFrame(
        {"area_id": [f"E{k:02d}" for k in range(SIDE**2)], "upkeep": 4 * (green.ravel() - 0.5)},
        geometry=[shapely.box(x, y - side, x + side, y) for x, y in corners],
        crs="EPSG:27700",
    )
    run = lay_place(
        tmp_path_factory.mktemp("branches"), heights, areas, size_px=SIZE_PX, resolution_m=CELL_M
    )
    # The photo has the chips' own cells, so that what is read can be told to the digit.
    grid = Grid(*CORNER, CELL_M, (n_px, n_px))
    bands = tuple(Band(name, "brightness") for name in ("blue", "green", "red", "nir"))
    layer = create_layer(run.chips / "layers" / "photo.zarr", grid, bands, areas.crs, SIZE_PX)
    values = rng.integers(1, 60, (4, n_px, n_px)).astype(np.float32)
    values[1] += np.kron(green, np.full((SIZE_PX, SIZE_PX), 190.0)).astype(np.float32)
    layer.write(grid.find(grid), values)
    return load_samples(run)


def make_recipe(bands: Any = "relief+photo", **train: Any) -> NetworkRecipe:
    given: dict[str, Any] = {"trainable": "all", "epochs": 12, "batch_size": 8}
    given |= {"frozen_epochs": 0} | train
    return NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone="test_resnet",
        bands=[bands],
        head=HeadRecipe(dropout=0.0),
        optimiser=OptimiserRecipe(learning_rate=3e-3),
        train=TrainRecipe(**given),
    )


def make_settings() -> Settings:
    photo = PhotoSettings(files="*.tif", bands=["red", "green", "blue"])
    models = ModelSettings(weights={"test_resnet": "none"}, device="cpu", precision="fp32")
    return Settings(data=DataSettings(dsm="a", areas="b", labels="c", photo=photo), models=models)


def test_a_chip_is_relief_and_the_photo_of_the_same_ground(samples: Samples) -> None:
    rows = np.array([0, SIDE + 3])
    both = samples.read_bands(rows, "relief+photo")
    assert both.shape == (2, 6, SIZE_PX, SIZE_PX)
    np.testing.assert_array_equal(both[:, :3], samples.read_bands(rows, "relief"))
    layer = open_layer(samples.folder / "layers" / "photo.zarr")
    photo = layer.read(layer.grid.find(layer.grid))
    for chip, (row, col) in zip(both, ((0, 0), (1, 3)), strict=True):
        square = (
            slice(row * SIZE_PX, (row + 1) * SIZE_PX),
            slice(col * SIZE_PX, (col + 1) * SIZE_PX),
        )
        # Red, green and blue by name, whatever their order in the file.
        np.testing.assert_allclose(chip[3:], photo[[2, 1, 0]][:, *square], atol=1e-3)


def test_the_head_sees_both_maps_side_by_side(samples: Samples) -> None:
    plan = NetworkPlan("relief+photo", ("upkeep",), SIZE_PX)
    network = build_network(make_recipe(), plan, make_settings(), torch.Generator().manual_seed(0))
    network.eval()
    last = network.head[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight)
    chips = torch.as_tensor(samples.read_bands(np.arange(4), "relief+photo"))
    relief = extract_map(network.backbone, network.normalise(network.scale(chips[:, :3])))
    assert network.photo_backbone is not None
    photo = extract_map(network.photo_backbone, network.normalise(chips[:, 3:]))
    expected = network.head(torch.cat([relief, photo], dim=1))
    with torch.no_grad():
        torch.testing.assert_close(network(chips), expected)


def test_last_convolutions_are_counted_in_each_branch(samples: Samples) -> None:
    plan = NetworkPlan("relief+photo", ("upkeep",), SIZE_PX)
    network = build_network(make_recipe(), plan, make_settings(), torch.Generator().manual_seed(0))
    set_trainable(network, 2)
    moving = [
        sum(
            isinstance(module, torch.nn.Conv2d) and module.weight.requires_grad
            for module in each.modules()
        )
        for each in network.backbones
    ]
    assert moving == [2, 2]


def test_two_branches_learn_what_the_photo_alone_shows(samples: Samples, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).permutation(SIDE**2)
    codes = np.array(["a"])
    fold = ChipFold("random", 0, 0, rows[:44], rows[44:54], rows[54:], codes, codes)
    run, errors = Run(tmp_path, quiet=True), {}
    truth = samples.chips["upkeep"].to_numpy()[fold.test]
    for bands in ("relief+photo", "relief"):
        folder = tmp_path / bands
        train_network(make_recipe(bands), samples, fold, folder, make_settings(), run)
        predicted = predict_fold(folder, samples, fold.test, make_settings())[:, 0]
        errors[bands] = float(np.mean((predicted - truth) ** 2) / np.var(truth))
    assert errors["relief+photo"] < 0.3
    assert errors["relief"] > 0.7
    # What was kept can be explained: heat has the chip's own pixels.
    network = load_network(tmp_path / "relief+photo", make_settings())
    _, heat = map_rows(network, samples, rows[:2], "upkeep")
    assert heat.shape == (2, SIZE_PX, SIZE_PX)
    history = pd.read_csv(tmp_path / "relief+photo" / "history.csv")
    assert len(history) == 12


def test_a_recipe_of_both_needs_a_photo_with_colours() -> None:
    models = ModelSettings(recipes=["vgg16-photo"], weights={"vgg16": "none"})
    rasters: dict[str, Any] = {"dsm": "a", "areas": "b", "labels": "c"}
    with pytest.raises(InputError, match=r"'vgg16-photo' looks at a photo, and none is given"):
        choose_recipes(Settings(data=DataSettings(**rasters), models=models))
    photo = PhotoSettings(files="*.tif", bands=["nir", "green", "blue"])
    data = DataSettings(**rasters, photo=photo)
    with pytest.raises(InputError, match=r"data\.photo\.bands = .* have no 'red'"):
        choose_recipes(Settings(data=data, models=models))
    pictures = Settings(data=DataSettings(images="a", table="b"), models=models)
    with pytest.raises(InputError, match="needs heights"):
        choose_recipes(pictures)
