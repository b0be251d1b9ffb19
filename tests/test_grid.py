from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from basrelief.grid import Grid, Window, coarsen

CELLS = st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0, 10.0])


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    west, north = draw(st.floats(-1e6, 1e6)), draw(st.floats(-1e6, 2e6))
    shape = (draw(st.integers(1, 3000)), draw(st.integers(1, 3000)))
    return Grid(west, north, draw(CELLS), shape)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    row, col = draw(st.integers(-500, 3000)), draw(st.integers(-500, 3000))
    rows, cols = draw(st.integers(1, 900)), draw(st.integers(1, 900))
    return slice(row, row + rows), slice(col, col + cols)


@given(grid=grids(), window=windows())
def test_a_window_comes_back_from_its_bounds(grid: Grid, window: Window) -> None:
    part = grid.crop(window)
    assert grid.find(part) == window
    assert grid.cover(part.bounds) == window
    rows, cols = window
    west, south, east, north = part.bounds
    assert (east - west) / grid.cell_m == pytest.approx(cols.stop - cols.start)
    assert (north - south) / grid.cell_m == pytest.approx(rows.stop - rows.start)


@given(grid=grids(), n_cells=st.integers(0, 200))
def test_padding_is_taken_back_by_its_opposite(grid: Grid, n_cells: int) -> None:
    wide = grid.pad(n_cells)
    assert wide.shape == (grid.shape[0] + 2 * n_cells, grid.shape[1] + 2 * n_cells)
    assert grid.find(wide.pad(-n_cells)) == grid.find(grid)
    assert wide.pad(-n_cells).bounds == pytest.approx(grid.bounds)


@given(grid=grids(), factor=st.integers(1, 64))
def test_coarser_cells_begin_at_the_corner_and_cover_the_grid(grid: Grid, factor: int) -> None:
    # Coarser cells hold every cell, and less than one of their own more.
    coarse = grid.coarser(factor)
    assert (coarse.west, coarse.north) == (grid.west, grid.north)
    assert coarse.cell_m == grid.cell_m * factor
    spare = np.array(coarse.shape) * factor - np.array(grid.shape)
    assert ((spare >= 0) & (spare < factor)).all()


@settings(max_examples=50)
@given(rows=st.integers(1, 70), cols=st.integers(1, 70), side=st.integers(1, 80))
def test_tiles_hold_every_cell_once(rows: int, cols: int, side: int) -> None:
    grid = Grid(7.0, 11.0, 0.5, (rows, cols))
    held = np.zeros(grid.shape, dtype=int)
    for tile in grid.tiles(side):
        assert max(tile.shape) <= side
        held[grid.find(tile)] += 1
    assert (held == 1).all()


@settings(max_examples=50)
@given(
    west=st.floats(0, 6e5),
    south=st.floats(0, 1e6),
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    unit=st.integers(1, 256),
)
def test_whole_units_lie_over_bounds_and_no_more(
    west: float, south: float, width: int, height: int, unit: int
) -> None:
    bounds = (west, south, west + width, south + height)
    grid = Grid.over(bounds, 1.0, unit)
    assert grid.shape[0] % unit == grid.shape[1] % unit == 0
    assert grid.shape == (-(-height // unit) * unit, -(-width // unit) * unit)
    inner = (west + 0.5, south + 0.5, west + width - 0.4, south + height - 0.4)
    assert grid.find(grid.crop(grid.cover(inner, unit))) == grid.find(grid)


def test_bounds_a_hair_off_cost_no_row_of_cells() -> None:
    grid = Grid(1000.0, 2000.0, 2.0, (50, 40))
    shifted = (1000.0004, 1899.9996, 1080.0004, 1999.9996)
    assert grid.cover(shifted) == grid.find(grid)
    assert grid.cover((1000.1, 1899.9, 1080.1, 1999.9)) == (slice(0, 51), slice(0, 41))


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match=r"west, south, east, north, got \(2, 0, 1, 1\)"):
        Grid(0.0, 0.0, 1.0, (1, 1)).cover((2, 0, 1, 1))


@given(window=windows())
def test_what_is_clipped_is_what_an_array_has_of_a_window(window: Window) -> None:
    grid = Grid(0.0, 0.0, 1.0, (1200, 700))
    here, within = grid.clip(window)
    rows, cols = window
    marked = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=bool)
    marked[within] = True
    down, right = np.ogrid[rows, cols]
    expected = (down >= 0) & (down < 1200) & (right >= 0) & (right < 700)
    np.testing.assert_array_equal(marked, expected)
    assert np.zeros(grid.shape, dtype=bool)[here].size == expected.sum()


def test_sides_without_data_are_cut_off_in_whole_units() -> None:
    has_data = np.zeros((24, 32), dtype=bool)
    has_data[9, 5] = has_data[16, 23] = True
    grid = Grid(100.0, 48.0, 2.0, (24, 32))
    assert grid.trim(has_data, 4) == (slice(8, 20), slice(4, 24))
    assert grid.trim(np.zeros_like(has_data), 4) is None


def test_cells_lie_where_rasterio_puts_them() -> None:
    grid = Grid(500.0, 900.0, 2.0, (100, 50))
    assert grid.transform == rasterio.transform.from_origin(500.0, 900.0, 2.0, 2.0)
    assert rasterio.transform.array_bounds(100, 50, grid.transform) == grid.bounds


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("more_than", [0.0, 0.5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_coarsened_values_are_means_over_what_is_known(
    factor: int, more_than: float, kind: type[np.floating]
) -> None:
    rng = np.random.default_rng(factor)
    values = rng.normal(50, 20, (2, 4 * factor, 3 * factor)).astype(kind)
    values[rng.uniform(size=values.shape) < 0.45] = np.nan
    values[:, :factor, :factor] = np.nan
    found = coarsen(values, factor, more_than)
    assert found.dtype == np.dtype(kind)
    assert found.shape == (2, 4, 3)
    for band, row, col in np.ndindex(found.shape):
        rows, cols = (slice(at * factor, (at + 1) * factor) for at in (row, col))
        square = values[band, rows, cols].astype(np.float64)
        known = square[np.isfinite(square)]
        expected = known.mean() if len(known) > more_than * square.size else np.nan
        # A float32 has seven digits, and a sum of 25 heights loses one of them.
        np.testing.assert_allclose(found[band, row, col], expected, rtol=1e-6)


def test_a_coarsened_mask_is_the_share_that_is_marked() -> None:
    mask = np.random.default_rng(0).uniform(size=(6, 9)) < 0.4
    found = coarsen(mask, 3)
    corners = [[(3 * row, 3 * col) for col in range(3)] for row in range(2)]
    expected = [[mask[i : i + 3, j : j + 3].mean() for i, j in line] for line in corners]
    np.testing.assert_allclose(found, expected, rtol=1e-7)
