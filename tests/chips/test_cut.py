from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from basrelief.chips.cut import Block, make_grid, measure_ground, split_block
from basrelief.chips.store import load_samples
from basrelief.config import ChipSettings
from basrelief.run import Run


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
