from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from basrelief.chips.canvas import (
    Block,
    Canvas,
    Layout,
    bounds_of,
    lay_out,
    list_blocks,
    read_canvas,
    trim_canvas,
)
from basrelief.chips.store import Samples, load_samples
from basrelief.run import Run

SIZE_PX, CORNER = 8, (500_000.0, 100_000.0)
N_ROWS, N_COLS = 3, 4


def make_heights() -> NDArray[np.float32]:
    """Three by four chips of ground, one of them without any data, and a hole in another."""
    rng = np.random.default_rng(0)
    heights = rng.normal(size=(2, N_ROWS * SIZE_PX, N_COLS * SIZE_PX)).astype(np.float32)
    heights[:, 8:16, 16:24] = np.nan
    heights[:, 2:4, 3:5] = np.nan
    return heights


@pytest.fixture
def samples(tmp_path: Path, lay_place: Callable[..., Run]) -> Samples:
    area = gpd.GeoDataFrame({"area_id": ["E0"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=27700)
    return load_samples(lay_place(tmp_path, make_heights(), area, size_px=SIZE_PX, corner=CORNER))


@pytest.mark.parametrize("margin", [0, 3, 8, 19])
@pytest.mark.parametrize("place", [(0, 0, 3, 4), (1, 1, 1, 2), (2, 3, 1, 1), (2, 2, 4, 4)])
def test_a_block_reads_back_as_the_raster_it_was_cut_from(
    samples: Samples, place: tuple[int, int, int, int], margin: int
) -> None:
    canvas = read_canvas(samples, lay_out(samples), Block(*place), margin)
    far = 64  # what lies beyond the place has no data
    whole = np.pad(make_heights(), ((0, 0), (far, far), (far, far)), constant_values=np.nan)
    row, col, n_rows, n_cols = (SIZE_PX * part for part in place)
    rows = slice(far + row - margin, far + row + n_rows + margin)
    cols = slice(far + col - margin, far + col + n_cols + margin)
    np.testing.assert_array_equal(canvas.heights, whole[:, rows, cols])


def test_blocks_hold_every_chip_once(samples: Samples) -> None:
    layout = lay_out(samples)
    for side in (1, 2, 3, 9):
        held = np.zeros((N_ROWS, N_COLS), dtype=int)
        for block in list_blocks(layout, side):
            held[block.row : block.row + block.n_rows, block.col : block.col + block.n_cols] += 1
        assert held.max() == 1
        assert all(held[place] == 1 for place in layout.row_of)


def test_squares_of_the_grid_without_a_chip_are_no_block(samples: Samples) -> None:
    assert len(list_blocks(lay_out(samples), 1)) == N_ROWS * N_COLS - 1


def test_a_block_lies_where_its_chips_lie(samples: Samples) -> None:
    layout = lay_out(samples)
    assert bounds_of(layout, Block(0, 0, 3, 4)) == (500_000.0, 99_976.0, 500_032.0, 100_000.0)
    (position,) = [at for place, at in layout.row_of.items() if place == (2, 1)]
    square = samples.chips.geometry.iloc[position]
    assert square.bounds == bounds_of(layout, Block(2, 1, 1, 1))


def test_a_place_is_laid_out_the_same_wherever_it_lies(
    tmp_path: Path, lay_place: Callable[..., Run]
) -> None:
    area = gpd.GeoDataFrame({"area_id": ["E0"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=27700)
    layouts: list[Layout] = []
    for name, corner in (("here", CORNER), ("there", (123_456.7, 654_321.1))):
        run = lay_place(tmp_path / name, make_heights(), area, size_px=SIZE_PX, corner=corner)
        layouts.append(lay_out(load_samples(run)))
    assert layouts[0].row_of == layouts[1].row_of
    assert (layouts[1].west, layouts[1].north) == pytest.approx((123_456.7, 654_321.1))


def test_sides_without_data_are_cut_off_in_whole_units() -> None:
    heights = np.full((2, 4 + 24, 4 + 32), np.nan, dtype=np.float32)
    heights[:, 2 + 9, 2 + 5] = 1.0
    heights[:, 2 + 16, 2 + 23] = 2.0
    heights[:, 0] = 3.0  # the margin's data keep nothing
    canvas = Canvas((100.0, 0.0, 164.0, 48.0), heights)
    found = trim_canvas(canvas, margin_px=2, unit_px=4, resolution_m=2.0)
    assert found is not None
    assert found.bounds == (108.0, 8.0, 148.0, 32.0)
    np.testing.assert_array_equal(found.heights, heights[:, 8 : 8 + 12 + 4, 4 : 4 + 20 + 4])


def test_a_canvas_with_data_in_its_margin_alone_is_none() -> None:
    heights = np.full((2, 12, 12), np.nan, dtype=np.float32)
    heights[:, :2] = 1.0
    assert trim_canvas(Canvas((0.0, 0.0, 8.0, 8.0), heights), 2, 4, 1.0) is None
