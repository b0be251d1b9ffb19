"""Dense features of a photo: the same wherever it lies and however it is cut, and its own eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from basrelief.chips.colours import render_colours
from basrelief.chips.layers import Band, create_layer
from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import PhotoSettings
from basrelief.grid import Grid
from basrelief.learn import dense
from basrelief.learn.choice import choose_recipes
from basrelief.learn.dense import dense_features, settle_resolutions
from basrelief.learn.extract import Extractor, load_extractor
from basrelief.learn.knowledge import list_known
from basrelief.learn.recipes import DenseRecipe, KrigedRecipe, StackRecipe
from basrelief.run import Run
from basrelief.stage_settings import ModelSettings

Place = Callable[..., Run]

PHOTO = PhotoSettings(files="*.tif", bands=["red", "green", "blue"])
SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c", photo=PHOTO),
    models=ModelSettings(
        weights={"vgg11": "none", "vgg16": "none"}, device="cpu", precision="fp32"
    ),
)
RECIPE = DenseRecipe(
    kind="dense",
    name="small-photo",
    about="a",
    backbone="vgg11",
    stages=[1, 2],
    layer="photo",
    rendering="colours",
    pools=["ground"],
    statistics=["mean", "std"],
)
BANDS = tuple(Band(name, "brightness") for name in ("nir", "red", "green", "blue"))
CORNER, CELL_M, SIDE = (500_000.0, 100_000.0), 10.0, 96


def make_extractor(recipe: DenseRecipe = RECIPE) -> Extractor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_extractor(recipe, SETTINGS)


def draw_photo(seed: int = 0) -> NDArray[np.float32]:
    """Fields of 4 cells, some ground without data."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 255, (len(BANDS), SIDE // 4, SIDE // 4))
    photo: NDArray[np.float32] = np.kron(values, np.ones((4, 4))).astype(np.float32)
    photo[:, 20:40, 60:80] = np.nan
    return photo


def make_areas(corner: tuple[float, float] = CORNER) -> gpd.GeoDataFrame:
    """Three areas of a few hundred metres; the last has no photo."""
    west, north = corner
    outlines = [
        [(33, 21), (527, 92), (415, 609), (50, 470)],
        [(527, 92), (900, 44), (881, 703), (415, 609)],
        [(205, 705), (700, 750), (690, 900), (150, 900)],
    ]
    polygons = [shapely.Polygon([(west + x, north - y) for x, y in line]) for line in outlines]
    codes = ["E0", "E1", "E2"]
    return gpd.GeoDataFrame({"area_id": codes}, geometry=polygons, crs="EPSG:27700")


def lay_overlay(
    run: Run, photo: NDArray[np.float32], corner: tuple[float, float] = CORNER, chunk_px: int = 32
) -> None:
    """Put a photo beside the heights of a place, which shows all areas but the last."""
    grid = Grid(*corner, CELL_M, photo.shape[1:])
    path = run.chips / "layers" / "photo.zarr"
    layer = create_layer(path, grid, BANDS, gpd.GeoSeries(crs=27700).crs, chunk_px)
    layer.write(grid.find(grid), photo)
    areas = gpd.read_parquet(run.chips / "areas.parquet")
    areas["has_photo"] = areas["area_id"] != "E2"
    areas.to_parquet(run.chips / "areas.parquet")


def pool(
    folder: Path,
    lay_place: Place,
    recipe: DenseRecipe = RECIPE,
    *,
    corner: tuple[float, float] = CORNER,
    size_px: int = 32,
    chunk_px: int = 32,
) -> pd.DataFrame:
    heights = np.zeros((2, 96, 96), np.float32)
    areas = make_areas(corner)
    run = lay_place(folder, heights, areas, size_px=size_px, resolution_m=10.0, corner=corner)
    lay_overlay(run, draw_photo(), corner, chunk_px)
    return dense_features(load_samples(run), recipe, make_extractor(recipe), run)


def pool_by_hand(area: shapely.Polygon, stage: int) -> NDArray[np.float64]:
    """Means of one area at one stage, cell by cell."""
    extractor = make_extractor()
    stride, halo = extractor.strides[stage], extractor.halo_px
    wide = np.pad(draw_photo(), ((0, 0), (halo, halo), (halo, halo)), constant_values=np.nan)
    picture = np.nan_to_num(wide[1:], nan=115.0)  # red, green and blue of four bands
    maps, edge = extractor.read(picture)[stage], halo // stride
    has_data = np.isfinite(draw_photo()[0])
    values, weights = [], []
    for row, col in np.ndindex(SIDE // stride, SIDE // stride):
        share = has_data[row * stride :, col * stride :][:stride, :stride].mean()
        west, north = CORNER[0] + col * stride * CELL_M, CORNER[1] - row * stride * CELL_M
        cell = shapely.box(west, north - stride * CELL_M, west + stride * CELL_M, north)
        weights.append(share * cell.intersection(area).area)
        values.append(maps[:, edge + row, edge + col].astype(np.float64))
    return np.asarray(np.average(values, axis=0, weights=weights))


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert list(one.columns) == list(other.columns)
    scale = float(np.abs(other.to_numpy()).max())
    np.testing.assert_allclose(one.loc[other.index], other, atol=1e-5 * scale, rtol=0)


def test_features_of_a_photo_equal_brute_force_over_its_own_cells(
    tmp_path: Path, lay_place: Place
) -> None:
    features = pool(tmp_path, lay_place)
    # Of an area that the photo does not show nothing is known.
    assert list(features.index) == ["E0", "E1"]
    for at, stage in enumerate(RECIPE.stages):
        found = features.filter(regex=f"^10m/ground/{stage}/mean/")
        expected = pool_by_hand(make_areas().geometry[1], at)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.loc["E1"], expected, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize(("size_px", "chunk_px", "tract_px"), [(32, 32, 32), (96, 16, 64)])
def test_features_of_a_photo_do_not_depend_on_how_the_ground_is_cut(
    tmp_path: Path,
    lay_place: Place,
    monkeypatch: pytest.MonkeyPatch,
    size_px: int,
    chunk_px: int,
    tract_px: int,
) -> None:
    whole = pool(tmp_path / "whole", lay_place)
    monkeypatch.setattr(dense, "TRACT_PX", tract_px)
    parts = pool(tmp_path / "parts", lay_place, size_px=size_px, chunk_px=chunk_px)
    assert_same(parts, whole)


def test_moving_the_place_changes_no_feature_of_a_photo(tmp_path: Path, lay_place: Place) -> None:
    here = pool(tmp_path / "here", lay_place)
    there = pool(tmp_path / "there", lay_place, corner=(CORNER[0] + 7000.0, CORNER[1] + 3000.0))
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def test_coarser_pixels_are_asked_for_by_multiples_of_the_photos_cells(
    tmp_path: Path, lay_place: Place
) -> None:
    coarse = RECIPE.model_copy(update={"resolutions_m": [20.0]})
    features = pool(tmp_path / "a", lay_place, coarse)
    assert all(name.startswith("20m/") for name in features.columns)
    odd = RECIPE.model_copy(update={"resolutions_m": [15.0]})
    with pytest.raises(InputError, match=r"multiples of the photo's cells in metres = 10"):
        pool(tmp_path / "b", lay_place, odd)


def test_a_model_that_is_kept_says_which_pixels_it_saw(tmp_path: Path, lay_place: Place) -> None:
    pool(tmp_path, lay_place)
    samples = load_samples(Run(tmp_path, quiet=True))
    assert settle_resolutions(RECIPE, samples).resolutions_m == [10.0]


def test_a_place_without_a_photo_is_refused(tmp_path: Path, lay_place: Place) -> None:
    run = lay_place(tmp_path, np.zeros((2, 32, 32), np.float32), make_areas(), size_px=32)
    with pytest.raises(InputError, match="looks at a photo, and the place has none"):
        dense_features(load_samples(run), RECIPE, make_extractor(), run)


def test_colours_are_drawn_alike_whatever_the_rest_of_the_place_is() -> None:
    values = np.array([[[0.0, 0.15, 0.3]], [[0.6, np.nan, -0.1]], [[0.03, 0.3, 0.2]]], np.float32)
    bands = [Band(name, "reflectance") for name in ("red", "green", "blue")]
    found = render_colours(values, bands, ["blue", "green", "red"])
    expected = [[[25.5, 255.0, 170.0]], [[255.0, 115.0, 0.0]], [[0.0, 127.5, 255.0]]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pools": ["ground", "raised"]}, "not seen in a photo"),
        ({"rendering": "shaded"}, "rendering = 'shaded' cannot show layer = 'photo'"),
        ({"layer": "heights"}, "rendering = 'colours' cannot show layer = 'heights'"),
        ({"bands": ["red"]}, "at least 3"),
    ],
)
def test_a_recipe_asks_of_a_photo_what_is_in_it(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DenseRecipe.model_validate(RECIPE.model_dump(exclude_none=True) | changes)


def test_a_recipe_that_looks_at_a_photo_knows_it_and_no_lidar(
    tmp_path: Path, lay_place: Place
) -> None:
    pool(tmp_path, lay_place)
    samples = load_samples(Run(tmp_path, quiet=True))
    alone = load_recipe_named("dense-photo")
    assert list_known(alone, samples, SETTINGS) == ("photo",)
    both = StackRecipe(
        kind="stack", name="b", about="a", members=["relief-statistics", "dense-photo"]
    )
    assert list_known(both, samples, SETTINGS) == ("heights", "photo")
    joined = KrigedRecipe(kind="kriged", name="k", about="a", trend="dense-photo", districts=False)
    assert list_known(joined, samples, SETTINGS) == ("photo", "place")


def load_recipe_named(name: str) -> DenseRecipe:
    from basrelief.learn.recipe_files import load_recipe

    recipe = load_recipe(name, SETTINGS)
    assert isinstance(recipe, DenseRecipe)
    return recipe


def test_a_photo_is_looked_at_by_default_where_there_is_one() -> None:
    given = Settings(data=SETTINGS.data)
    with_photo, _ = choose_recipes(given)
    assert "dense-photo" in [recipe.name for recipe in with_photo]
    data = SETTINGS.data.model_copy(update={"photo": None})
    recipes, left_out = choose_recipes(Settings(data=data))
    assert "dense-photo" not in [recipe.name for recipe in recipes]
    assert left_out == []


def test_bands_that_the_photo_has_not_are_refused_at_the_start() -> None:
    photo = PhotoSettings(files="a", bands=["nir", "red", "green"])
    data = SETTINGS.data.model_copy(update={"photo": photo})
    asked = Settings(data=data, models=ModelSettings(recipes=["dense-photo"]))
    with pytest.raises(InputError, match=r"data.photo.bands = .* have no 'blue'"):
        choose_recipes(asked)
