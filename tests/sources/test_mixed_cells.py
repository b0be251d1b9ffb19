"""Tiles of 1 m beside tiles of 2 m over a slope whose height is known everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from basrelief.config import InputError
from basrelief.grid import Grid
from basrelief.run import Notes, Run
from basrelief.sources.lidar import Mosaic, open_mosaic
from basrelief.sources.neighbours import order_tiles
from basrelief.typed import Typed

WEST, NORTH = 1000.0, 2000.0


def slope(grid: Grid) -> np.ndarray:
    rows, cols = np.indices(grid.shape)
    x = grid.west + (cols + 0.5) * grid.cell_m
    y = grid.north - (rows + 0.5) * grid.cell_m
    return (50 + (x - WEST) / 8 - (NORTH - y) / 16).astype(np.float32)


def lay(
    folder: Path, name: str, cell: float, *, west: float = WEST, add: float = 0.0, **more: Any
) -> Grid:
    """Write a tile of 40 by 40 m of the slope."""
    grid = Grid(west, NORTH, cell, (round(40 / cell), round(40 / cell)))
    values = slope(grid) + np.float32(add)
    if "hole" in more:
        values[more["hole"]] = -9999
    with rasterio.open(
        folder / name,
        "w",
        driver="GTiff",
        height=grid.shape[0],
        width=grid.shape[1],
        count=1,
        dtype="float32",
        crs="EPSG:27700",
        nodata=-9999,
        transform=grid.transform,
    ) as dataset:
        dataset.write(values, 1)
    return grid


def open_here(folder: Path, wanted_m: float | None) -> tuple[Mosaic, Notes]:
    notes = Notes(Run(folder / "run", quiet=True))
    return open_mosaic(Typed("dsm", "*.tif", folder / "*.tif"), None, notes, wanted_m), notes


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    lay(tmp_path, "a_DSM_1m.tif", 1.0)
    lay(tmp_path, "b_DSM_2m.tif", 2.0, west=WEST + 40)
    return tmp_path


def test_finer_tiles_are_averaged_to_the_chips_cells(beside: Path) -> None:
    mosaic, notes = open_here(beside, 2.0)
    whole = mosaic.read(mosaic.grid.bounds)
    assert whole.grid.cell_m == 2.0
    # Of a slope the mean over a cell is the height of its middle.
    np.testing.assert_allclose(whole.values, slope(whole.grid), atol=1e-4)
    assert notes.lines == [
        "data.dsm = '*.tif': a_DSM_1m.tif has cells of 1 m, of 2 tiles; heights are averaged to "
        "cells of 2 m"
    ]


def test_coarser_tiles_are_interpolated_where_chips_are_finer(beside: Path) -> None:
    mosaic, notes = open_here(beside, 1.0)
    whole = mosaic.read(mosaic.grid.bounds)
    assert whole.grid.cell_m == 1.0
    inner = (slice(2, -2), slice(None))
    # Half a cell from the edge of the coarser tile there is nothing to interpolate with.
    is_edge = np.zeros(whole.values.shape, dtype=bool)
    is_edge[:, [40, -1]] = True
    expected = slope(whole.grid)
    np.testing.assert_allclose(
        whole.values[inner][~is_edge[inner]], expected[inner][~is_edge[inner]], atol=1e-4
    )
    assert np.isfinite(whole.values).all()
    assert "interpolated to, and so look smoother" in notes.lines[0]


@pytest.mark.parametrize("wanted_m", [1.0, 2.0])
def test_windows_are_cut_out_of_one_surface(beside: Path, wanted_m: float) -> None:
    mosaic, _ = open_here(beside, wanted_m)
    whole = mosaic.read(mosaic.grid.bounds)
    for west in np.arange(WEST, WEST + 76, 6.0):
        part = mosaic.read((west, NORTH - 14, west + 4, NORTH - 6))
        rows, cols = whole.grid.find(part.grid)
        np.testing.assert_allclose(part.values, whole.values[rows, cols], atol=1e-5)


def test_holes_weigh_nothing_and_stay_holes(tmp_path: Path) -> None:
    # A single cell of a square of four, and a whole square.
    lay(
        tmp_path,
        "a_DSM_1m.tif",
        1.0,
        hole=(np.array([0, 10, 10, 11, 11]), np.array([0, 4, 5, 4, 5])),
    )
    lay(tmp_path, "b_DSM_2m.tif", 2.0, west=WEST + 40)
    mosaic, _ = open_here(tmp_path, 2.0)
    whole = mosaic.read(mosaic.grid.bounds)
    assert np.argwhere(np.isnan(whole.values)).tolist() == [[5, 2]]
    corner = slope(Grid(WEST, NORTH, 1.0, (2, 2)))
    assert whole.values[0, 0] == pytest.approx(corner.ravel()[1:].mean(), abs=1e-4)


@pytest.mark.parametrize(
    ("names", "taken", "says"),
    [
        (("DSM_1m_20100101.tif", "DSM_2m_20200101.tif"), 3.0, "the newer flight by name"),
        (("DSM_1m_20200101.tif", "DSM_2m_20100101.tif"), 0.0, "the newer flight by name"),
        (("b_DSM_1m.tif", "a_DSM_2m.tif"), 0.0, "the finer is taken"),
    ],
)
def test_over_each_other_the_newest_wins_and_then_the_finest(
    tmp_path: Path, names: tuple[str, str], taken: float, says: str
) -> None:
    lay(tmp_path, names[0], 1.0)
    lay(tmp_path, names[1], 2.0, add=3.0)
    mosaic, notes = open_here(tmp_path, 2.0)
    typed = Typed("dsm", "*.tif", tmp_path / "*.tif")
    settled = order_tiles(mosaic, list(mosaic.tiles), typed, notes)
    whole = settled.read(mosaic.grid.bounds)
    np.testing.assert_allclose(whole.values, slope(whole.grid) + taken, atol=1e-4)
    assert says in notes.lines[-1]


def test_much_coarser_tiles_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, "a.tif", 1.0)
    lay(tmp_path, "b.tif", 10.0, west=WEST + 40)
    with pytest.raises(InputError, match=r"a.tif has cells of 1 m, b.tif of 10 m, too coarse"):
        open_here(tmp_path, 1.0)
