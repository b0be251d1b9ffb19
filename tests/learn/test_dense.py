from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from numpy.typing import NDArray

from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.grid import coarsen
from basrelief.learn import dense
from basrelief.learn.dense import dense_features, forward, list_patches
from basrelief.learn.extract import Extractor, load_extractor
from basrelief.learn.grounds import find_ground
from basrelief.learn.recipes import DenseRecipe, Ground
from basrelief.learn.renderings import render_picture
from basrelief.run import Run
from basrelief.stage_settings import ModelSettings

Place = Callable[..., Run]

SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c"),
    models=ModelSettings(
        weights={"vgg11": "none", "vgg16": "none"}, device="cpu", precision="fp32"
    ),
)
RECIPE = DenseRecipe(
    kind="dense",
    name="small",
    about="a",
    backbone="vgg11",
    stages=[1, 2],
    resolutions_m=[1.0],
    pools=["raised", "rough"],
    statistics=["mean", "std"],
)
TOLERANCE = 1e-5
"""What features may differ by where the same ground is read in other pieces, relative to the
largest of them: sums of fp32 in another order."""


def make_recipe(**changes: object) -> DenseRecipe:
    return RECIPE.model_copy(update=changes)


def make_extractor(recipe: DenseRecipe = RECIPE) -> Extractor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_extractor(recipe, SETTINGS)


def make_heights(side: int = 96, seed: int = 0) -> NDArray[np.float32]:
    """Houses of 8 px on flat ground, some ground without data."""
    rng = np.random.default_rng(seed)
    built = np.kron(rng.uniform(0, 20, (side // 8, side // 8)), np.ones((8, 8)))
    surface = np.where(built > 6, built, 0.0) + rng.uniform(0, 1, (side, side))
    surface[10:20, 30:50] = np.nan
    ground = np.where(np.isfinite(surface), 0.0, np.nan)
    return np.stack([surface, ground]).astype(np.float32) + np.float32(40.0)


def make_areas(corner: tuple[float, float] = (500_000.0, 100_000.0)) -> gpd.GeoDataFrame:
    """Three areas whose borders cut cells: two that touch, and one beyond the place's edge."""
    west, north = corner
    outlines = [
        [(3.3, 2.1), (52.7, 9.2), (41.5, 60.9), (5.0, 47.0)],
        [(52.7, 9.2), (90.0, 4.4), (88.1, 70.3), (41.5, 60.9)],
        [(20.5, 70.5), (130.0, 75.0), (120.0, 130.0), (15.0, 120.0)],
    ]
    polygons = [shapely.Polygon([(west + x, north - y) for x, y in line]) for line in outlines]
    codes = ["E0", "E1", "E2"]
    return gpd.GeoDataFrame({"area_id": codes}, geometry=polygons, crs="EPSG:27700")


def pool(
    folder: Path, lay_place: Place, recipe: DenseRecipe = RECIPE, size_px: int = 32
) -> pd.DataFrame:
    run = lay_place(folder, make_heights(), make_areas(), size_px=size_px)
    return dense_features(load_samples(run), recipe, make_extractor(recipe), run)


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert list(one.columns) == list(other.columns)
    scale = float(np.abs(other.to_numpy()).max())
    np.testing.assert_allclose(one.loc[other.index], other, atol=TOLERANCE * scale, rtol=0)


def pool_by_hand(
    recipe: DenseRecipe, area: shapely.Polygon, pool: Ground, stage: int
) -> NDArray[np.float64]:
    """Mean, then standard deviation, of one area over one pool and stage, cell by cell."""
    extractor = make_extractor(recipe)
    stride, halo = extractor.strides[stage], extractor.halo_px
    wide = np.pad(make_heights(), ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    maps = extractor.read(render_picture(wide, 1.0, recipe.rendering))[stage]
    edge, n = halo // stride, 96 // stride
    counted = find_ground(wide, 1.0, pool)[halo:-halo, halo:-halo]
    values, weights = [], []
    for row, col in np.ndindex(n, n):
        share = counted[row * stride :, col * stride :][:stride, :stride].mean()
        west, north = 500_000.0 + col * stride, 100_000.0 - row * stride
        cell = shapely.box(west, north - stride, west + stride, north)
        weights.append(share * cell.intersection(area).area / stride**2)
        values.append(maps[:, edge + row, edge + col].astype(np.float64))
    mean = np.average(values, axis=0, weights=weights)
    square = np.average((np.array(values) - mean) ** 2, axis=0, weights=weights)
    return np.concatenate([mean, np.sqrt(square)])


def test_features_equal_brute_force_over_cells_cut_by_borders(
    tmp_path: Path, lay_place: Place
) -> None:
    features, areas = pool(tmp_path, lay_place), make_areas()
    assert list(features.index) == ["E0", "E1", "E2"]
    for name, (at, stage) in product(RECIPE.pools, enumerate(RECIPE.stages)):
        found = features.filter(regex=f"^1m/{name}/{stage}/")
        expected = pool_by_hand(RECIPE, areas.geometry[1], name, at)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.loc["E1"], expected, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize("size_px", [32, 96])
@pytest.mark.parametrize("tract_px", [32, 64])
def test_features_do_not_depend_on_how_the_ground_is_cut(
    tmp_path: Path, lay_place: Place, monkeypatch: pytest.MonkeyPatch, size_px: int, tract_px: int
) -> None:
    whole = pool(tmp_path / "whole", lay_place)
    monkeypatch.setattr(dense, "TRACT_PX", tract_px)
    assert_same(pool(tmp_path / "parts", lay_place, size_px=size_px), whole)


def test_the_halo_is_wider_than_what_vgg16_sees() -> None:
    recipe = make_recipe(backbone="vgg16", stages=[3])
    extractor = make_extractor(recipe)
    (stride,), rng = extractor.strides, np.random.default_rng(0)
    halo, far = extractor.halo_px, 4 * stride
    picture = rng.uniform(0, 255, (3, 2 * halo + stride, 2 * halo + stride)).astype(np.float32)
    around = np.pad(picture, ((0, 0), (far, far), (far, far)), constant_values=255.0)
    narrow, wide = (extractor.read(each)[0] for each in (picture, around))
    at, beyond = halo // stride, (halo + far) // stride
    np.testing.assert_allclose(wide[:, beyond, beyond], narrow[:, at, at], rtol=1e-4, atol=1e-5)


def test_moving_the_whole_place_changes_nothing(tmp_path: Path, lay_place: Place) -> None:
    here = pool(tmp_path / "here", lay_place)
    corner = (123_456.0, 654_321.0)
    run = lay_place(
        tmp_path / "there", make_heights(), make_areas(corner), size_px=32, corner=corner
    )
    there = dense_features(load_samples(run), RECIPE, make_extractor(), run)
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def test_raising_the_ground_of_the_whole_place_changes_nothing(
    tmp_path: Path, lay_place: Place
) -> None:
    here = pool(tmp_path / "here", lay_place)
    high = make_heights() + np.float32(64.0)
    run = lay_place(tmp_path / "high", high, make_areas(), size_px=32)
    found = dense_features(load_samples(run), RECIPE, make_extractor(), run)
    np.testing.assert_allclose(found, here, rtol=1e-3, atol=1e-4)


def test_statistics_stand_in_the_order_asked_for(tmp_path: Path, lay_place: Place) -> None:
    both = pool(tmp_path / "a", lay_place)
    turned = pool(tmp_path / "b", lay_place, make_recipe(statistics=["std", "mean"]))
    assert_same(turned[list(both.columns)], both)
    alone = pool(tmp_path / "c", lay_place, make_recipe(statistics=["std"]))
    assert_same(alone, both.filter(like="/std/"))


def test_each_stage_is_under_its_own_name_in_any_order(tmp_path: Path, lay_place: Place) -> None:
    both = pool(tmp_path / "a", lay_place)
    assert_same(pool(tmp_path / "b", lay_place, make_recipe(stages=[2, 1]))[both.columns], both)


def test_each_pool_is_under_its_own_name_and_the_same_beside_others(
    tmp_path: Path, lay_place: Place
) -> None:
    both = pool(tmp_path / "a", lay_place)
    for k, name in enumerate(RECIPE.pools):
        alone = pool(tmp_path / str(k), lay_place, make_recipe(pools=[name]))
        assert_same(alone, both.filter(regex=f"^1m/{name}/"))


def test_a_resolution_that_is_no_multiple_of_the_chips_is_refused(
    tmp_path: Path, lay_place: Place
) -> None:
    recipe = make_recipe(resolutions_m=[1.0, 1.5])
    with pytest.raises(InputError, match=r"resolutions_m = \[1.0, 1.5\] must be whole multiples"):
        pool(tmp_path, lay_place, recipe)


def test_coarser_pixels_are_averages_with_data_in_more_than_half() -> None:
    heights = np.array([[[1.0, 2.0, np.nan, np.nan], [3.0, np.nan, 5.0, 6.0]]], dtype=np.float32)
    np.testing.assert_allclose(coarsen(heights, 2, more_than=0.5), [[[2.0, np.nan]]])


def test_an_area_with_nothing_raised_has_no_features(tmp_path: Path, lay_place: Place) -> None:
    heights = make_heights()
    heights[0, :, :48] = heights[1, :, :48]
    areas = make_areas()
    areas.loc[0, "geometry"] = shapely.box(500_002.0, 99_960.0, 500_030.0, 99_998.0)
    run = lay_place(tmp_path, heights, areas, size_px=32)
    features = dense_features(load_samples(run), RECIPE, make_extractor(), run)
    assert list(features.index) == ["E1", "E2"]
    with_all = make_recipe(pools=["raised", "ground"])
    features = dense_features(load_samples(run), with_all, make_extractor(with_all), run)
    assert list(features.index) == ["E0", "E1", "E2"]
    assert features.loc["E0"].filter(like="/raised/").isna().all()
    assert features.loc["E0"].filter(like="/ground/").notna().all()
    assert features.loc["E1":].notna().all(axis=None)


def test_a_pool_that_no_area_has_keeps_its_features(tmp_path: Path, lay_place: Place) -> None:
    low = make_heights()
    low[0] = np.minimum(low[0], low[1] + 4.0)
    run = lay_place(tmp_path, low, make_areas(), size_px=32)
    recipe = make_recipe(pools=["raised", "roofs"])
    features = dense_features(load_samples(run), recipe, make_extractor(recipe), run)
    assert features.filter(like="/roofs/").shape == features.filter(like="/raised/").shape
    assert features.filter(like="/roofs/").isna().all(axis=None)


def test_blocks_that_no_area_touches_are_not_looked_at(
    tmp_path: Path, lay_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "TRACT_PX", 32)
    run = lay_place(tmp_path, make_heights(), make_areas()[:1], size_px=32)
    extractor = make_extractor()
    patches = list(list_patches(load_samples(run), RECIPE, extractor, 1.0, run))
    assert len(patches) == 4
    seen = [forward(patch, RECIPE, extractor, 1.0)[1] for patch in patches]
    assert [plane.shape for plane in seen] == [(256, 8, 8)] * 4
