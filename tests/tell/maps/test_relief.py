"""The lit ground: which light it has, where it lies, and what of it a page draws."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
from PIL import Image
from rasterio import Affine
from shapely.geometry import box

from basrelief.chips.layers import HEIGHT_BANDS, create_layer, open_layer
from basrelief.grid import Grid
from basrelief.run import Run
from basrelief.tell.maps.relief import CELL_M, STEEPER, read_ground
from basrelief.tell.page.map_place import MAX_BYTES, draw_relief, find_districts
from basrelief.tell.relief import FILE, Relief, read_relief


def test_ground_is_read_in_large_cells_and_buildings_are_not_seen(tmp_path: Path) -> None:
    grid = Grid(530_000.0, 181_000.0, 2.0, (40, 60))
    create_layer(tmp_path / "heights.zarr", grid, HEIGHT_BANDS, pyproj.CRS(27700), chunk_px=8)
    layer = open_layer(tmp_path / "heights.zarr")
    ground = np.arange(40.0, dtype=np.float32)[:, None] + np.zeros((1, 60), np.float32)
    ground[:, 50:] = np.nan
    surface = ground + np.random.default_rng(0).uniform(0, 50, ground.shape).astype(np.float32)
    layer.write((slice(0, 40), slice(0, 60)), np.stack([surface, ground]))
    coarse, found = read_ground(layer)
    assert (coarse.cell_m, coarse.shape) == (CELL_M, (4, 6))
    assert (coarse.west, coarse.north) == (grid.west, grid.north)
    assert found[:, :5] == pytest.approx(np.repeat([[4.5], [14.5], [24.5], [34.5]], 5, axis=1))
    assert np.isnan(found[:, 5]).all()


def test_the_relief_of_a_town_lies_where_the_town_does(town_run: Run) -> None:
    areas = gpd.read_parquet(town_run.chips / "areas.parquet")
    with rasterio.open(town_run.maps / FILE) as raster:
        assert raster.crs == areas.crs
        assert raster.res == (CELL_M, CELL_M)
        bounds, nodata, light = raster.bounds, raster.nodata, raster.read(1)
    west, south, east, north = areas.total_bounds
    assert bounds.left <= west + CELL_M
    assert bounds.right >= east - CELL_M
    assert bounds.bottom <= south + CELL_M
    assert bounds.top >= north - CELL_M
    assert (nodata, light.dtype) == (0, np.uint8)
    # A slope that looks north-west is lighter than a plain, one that looks away darker.
    flat = 1 + round(254 * np.sqrt(0.5))
    assert light[light > 0].min() < flat < light.max()
    assert STEEPER > 1


def make_relief(n: int) -> Relief:
    light = np.random.default_rng(0).uniform(1, 255, (n, n)).astype(np.float32)
    return Relief(light, Affine(20, 0, 530_000, 0, -20, 181_000 + 20 * n), "EPSG:27700")


def test_only_the_ground_of_areas_is_drawn_and_it_fits() -> None:
    relief = make_relief(900)
    middle = box(534_000, 185_000, 544_000, 195_000)
    drawn = draw_relief(relief, gpd.GeoDataFrame(geometry=[middle], crs="EPSG:27700"))
    assert drawn is not None
    png = base64.b64decode(drawn["picture"].partition(",")[2])
    assert len(png) <= MAX_BYTES
    opacity = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]
    assert set(np.unique(opacity)) == {0, 255}
    assert (opacity > 0).mean() == pytest.approx((10_000 / 18_000) ** 2, abs=0.03)
    assert opacity[:5].max() == opacity[:, :5].max() == 0


def test_without_areas_or_heights_there_is_no_relief(tmp_path: Path) -> None:
    nothing = gpd.GeoDataFrame(geometry=[], crs="EPSG:27700")
    assert draw_relief(make_relief(9), nothing) is None
    assert read_relief(tmp_path / FILE) is None


def test_districts_meet_where_both_are_known() -> None:
    squares = [box(x, y, x + 1, y + 1) for y in range(3) for x in range(4)]
    names = ["West", "West", "East", "East"] * 2 + ["West", None, None, "East"]
    areas = gpd.GeoDataFrame({"district": names}, geometry=squares)
    found = find_districts(areas, areas.geometry.to_numpy())
    (line,) = found["borders"]
    assert {x for x, _ in line} == {2.0}
    assert (min(y for _, y in line), max(y for _, y in line)) == (0.0, 2.0)
    assert {each["name"]: each["at"][0] > 2 for each in found["names"]} == {
        "East": True,
        "West": False,
    }
    unnamed = find_districts(areas.drop(columns="district"), areas.geometry.to_numpy())
    assert unnamed == {"borders": [], "names": []}
