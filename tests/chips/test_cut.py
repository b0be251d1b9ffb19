from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from basrelief.chips.cut import Block, make_grid, measure_ground, read_block, split_block
from basrelief.chips.store import load_samples
from basrelief.config import ChipSettings, Typed
from basrelief.run import Run
from basrelief.sources.lidar import Mosaic, open_mosaic


@settings(max_examples=50, deadline=None)
@given(
    west=st.floats(0, 6e5),
    south=st.floats(0, 1e6),
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
)
def test_chips_cover_the_ground_once(west: float, south: float, width: int, height: int) -> None:
    grid = make_grid((west, south, west + width, south + height), ChipSettings(size_px=128))
    squares = [
        shapely.box(*grid.bounds_of(row, col))
        for row in range(grid.n_rows)
        for col in range(grid.n_cols)
    ]
    place = shapely.box(west, south, west + width, south + height)
    shared = shapely.area(shapely.intersection(squares, place)).sum()
    assert shared == pytest.approx(place.area, rel=1e-4)
    assert shapely.area(squares).sum() == pytest.approx(shapely.union_all(squares).area)


@settings(max_examples=20, deadline=None)
@given(n_rows=st.integers(1, 20), n_cols=st.integers(1, 20))
def test_blocks_hold_every_chip_once(n_rows: int, n_cols: int) -> None:
    chips = ChipSettings(size_px=32)
    grid = make_grid((0, 0, n_cols * 32.0, n_rows * 32.0), chips)
    found = [
        (row + i, col + j)
        for row, col, rows, cols in grid.blocks()
        for i in range(rows)
        for j in range(cols)
    ]
    assert sorted(found) == [(row, col) for row in range(n_rows) for col in range(n_cols)]


def test_a_block_splits_into_chips_with_their_bounds() -> None:
    heights = np.full((2, 64, 96), np.nan, np.float32)
    heights[:, :32, 32:64] = 5.0
    chips = list(split_block(Block((100.0, 0.0, 196.0, 64.0), heights), 32))
    assert [chip.bounds for chip in chips] == [(132.0, 32.0, 164.0, 64.0)]
    assert chips[0].valid == 1.0


def test_ground_inside_an_area_counts_fractions_of_cells() -> None:
    heights = np.ones((2, 10, 10), np.float32)
    heights[:, :, 5:] = np.nan
    block = Block((0.0, 0.0, 20.0, 20.0), heights)
    polygons = [shapely.box(1, 1, 13, 19), shapely.box(50, 50, 60, 60)]
    areas = gpd.GeoDataFrame({"area_id": ["a", "far"]}, geometry=polygons, crs="EPSG:27700")
    covered = measure_ground(block, areas)
    assert covered.to_dict() == pytest.approx({"a": 9 * 18})
    assert measure_ground(block, areas.iloc[1:]).empty


def test_the_towns_chips_show_its_rasters(town_run: Run) -> None:
    samples = load_samples(town_run)
    assert samples.chips["chip_id"].is_unique
    surface, ground = samples.read_heights(np.array([0]))[0]
    assert surface.shape == (samples.size_px, samples.size_px)
    assert np.nanmin(surface - ground) > -1.0
    assert samples.areas["ground_covered"].between(0, 1).all()
    inside = samples.membership.groupby("chip_id")["weight"].sum()
    assert inside.max() <= 1 + 1e-9


def mosaic_of(folder: Path, values: NDArray[np.float32], cell_m: float) -> Mosaic:
    """Write heights as one tile whose north-west corner is at (1000, 2000)."""
    folder.mkdir(exist_ok=True)
    path = folder / f"dsm_{cell_m:g}.tif"
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:27700"}
    profile |= {"height": values.shape[0], "width": values.shape[1]}
    transform = rasterio.transform.from_origin(1000.0, 2000.0, cell_m, cell_m)
    with rasterio.open(path, "w", transform=transform, nodata=-9999, **profile) as file:
        file.write(np.nan_to_num(values, nan=-9999.0), 1)
    return open_mosaic(Typed("dsm", path.name, path), None)


def test_finer_cells_are_averaged_before_anything_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 20, (150, 150)).astype(np.float32)
    coarse[40:50, 60:70] = np.nan
    split = coarse.repeat(2, axis=0).repeat(2, axis=1)
    split += np.tile(np.array([[1, -1], [-1, 1]], np.float32), coarse.shape)
    expected, finer = mosaic_of(tmp_path, coarse, 2.0), mosaic_of(tmp_path, split, 1.0)
    grid = make_grid(expected.bounds, ChipSettings(size_px=96, resolution_m=1.5))
    place = (0, 1, 2, 1)
    blocks = [
        read_block(grid, place, expected, None, detail_m=2.0),
        read_block(grid, place, finer, None, detail_m=2.0),
        read_block(grid, place, finer, None),
    ]
    averaged, same, plain = (block.heights for block in blocks)
    np.testing.assert_allclose(same, averaged, atol=1e-4)
    # Without it the noise inside the cells is still there.
    assert np.nanmax(np.abs(plain - averaged)) > 0.05
