"""What dense features can know, and what they cannot: signals planted inside areas and beyond."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from numpy.typing import NDArray

from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, Settings
from basrelief.judge.metrics import skill
from basrelief.learn.area_models import TrainingAreas, fit_stack
from basrelief.learn.dense import dense_features
from basrelief.learn.extract import Extractor, load_extractor
from basrelief.learn.features import features_of
from basrelief.learn.joint import AreaTerms
from basrelief.learn.linear import predict_linear
from basrelief.learn.place import Locations
from basrelief.learn.recipes import DenseRecipe
from basrelief.run import Run
from basrelief.splits.folds import block_of
from basrelief.stage_settings import ModelSettings

Floats = NDArray[np.float64]

TILE_PX, PITCH, N_AREAS = 32, 4, 9
"""The ground is tiles with a share of tall buildings each. Every fourth tile is an area; the tile
in the middle between four areas is what none of them can see: a tile lies between."""

RECIPE = DenseRecipe(
    kind="dense",
    name="small",
    about="a",
    backbone="test_resnet",
    stages=[2],
    resolutions_m=[1.0],
)
SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c"),
    models=ModelSettings(weights={"test_resnet": "none"}, device="cpu", precision="fp32"),
)


def make_extractor() -> Extractor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_extractor(RECIPE, SETTINGS)


def build_tiles(rng: np.random.Generator) -> tuple[NDArray[np.float32], Floats]:
    """Draw heights, (2, row, col), and the share of buildings on each tile that are tall."""
    n, houses = PITCH * N_AREAS, TILE_PX // 8
    share = rng.uniform(0, 1, (n, n))
    is_tall = rng.uniform(size=(n * houses, n * houses)) < np.kron(share, np.ones((houses, houses)))
    house = np.zeros((8, 8))
    house[2:6, 2:6] = 1.0
    surface = np.kron(np.where(is_tall, 18.0, 6.0), house)
    found = is_tall.reshape(n, houses, n, houses).mean(axis=(1, 3))
    return np.stack([surface, np.zeros_like(surface)]).astype(np.float32), found


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, lay_place: Callable[..., Run]
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Areas with a label planted inside and one beyond, and their features."""
    heights, share = build_tiles(np.random.default_rng(0))
    at = PITCH * np.arange(N_AREAS)
    north = 100_000.0
    polygons = [
        shapely.box(x, north - y - TILE_PX, x + TILE_PX, north - y)
        for y in at * TILE_PX
        for x in 500_000.0 + at * TILE_PX
    ]
    areas = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:27700")
    areas["area_id"] = [f"E{k:02d}" for k in range(len(areas))]
    areas["inside"] = share[np.ix_(at, at)].ravel()
    areas["beyond"] = share[np.ix_(at + 2, at + 2)].ravel()
    run = lay_place(tmp_path_factory.mktemp("planted"), heights, areas, size_px=128)
    return areas, dense_features(load_samples(run), RECIPE, make_extractor(), run)


def test_a_signal_inside_areas_is_found_and_one_beyond_what_is_seen_is_not(
    planted: tuple[gpd.GeoDataFrame, pd.DataFrame],
) -> None:
    areas, features = planted
    ids = areas["area_id"].to_numpy(dtype=object).astype(str)
    xy = shapely.get_coordinates(areas.centroid.to_numpy())
    labels = areas[["inside", "beyond"]].to_numpy(np.float64)
    terms = AreaTerms({"small": features_of(features, ids)}, Locations(xy))
    order = np.random.default_rng(1).permutation(len(ids))
    train, test = np.sort(order[:54]), order[54:]
    known = TrainingAreas(terms, labels, block_of(xy, 256), is_many=False)
    model = fit_stack(known.take(train), np.random.default_rng(0))
    guess, mean = predict_linear(model, terms.take(test).join()), labels[train].mean(axis=0)
    skills = [skill(labels[test, k], guess[:, k], np.full(len(test), mean[k])) for k in range(2)]
    assert skills[0] > 0.7
    assert abs(skills[1]) < 0.15


def test_what_lies_a_tile_away_is_beyond_the_receptive_field() -> None:
    extractor, rng = make_extractor(), np.random.default_rng(0)
    picture = rng.uniform(0, 255, (3, 4 * TILE_PX, TILE_PX)).astype(np.float32)
    changed = picture.copy()
    changed[:, 2 * TILE_PX :] = 0.0
    n_cells = TILE_PX // extractor.strides[0]
    one, other = (extractor.read(each)[0][:, :n_cells] for each in (picture, changed))
    np.testing.assert_array_equal(one, other)
