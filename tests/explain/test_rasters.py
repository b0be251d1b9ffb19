from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import CRS

from basrelief.explain import rasters
from basrelief.explain.rasters import StoredPlanes, write_quotient
from basrelief.grid import Grid

GRID = Grid(west=1000.0, north=2000.0, cell_m=4.0, shape=(7, 5))


def block_of(row: int, col: int, n_rows: int, n_cols: int) -> Grid:
    return GRID.crop((slice(row, row + n_rows), slice(col, col + n_cols)))


def test_blocks_are_added_where_they_lie_and_read_back(tmp_path: Path) -> None:
    planes = StoredPlanes(GRID, 3, tmp_path / "p.npy")
    block = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    planes.add(block_of(1, 2, 2, 2), block, first=1)
    planes.add(block_of(1, 2, 2, 2), block, first=1)
    np.testing.assert_array_equal(planes.read(block_of(1, 2, 2, 2))[1:], 2 * block)
    assert planes.read(block_of(1, 2, 2, 2))[0].max() == 0
    np.testing.assert_array_equal(planes.read_rows(2, slice(1, 2))[0], [0, 0, 8, 10, 0])


def test_what_lies_beyond_the_place_is_left_out(tmp_path: Path) -> None:
    planes = StoredPlanes(GRID, 1, tmp_path / "p.npy")
    block = block_of(5, 3, 4, 4)
    planes.add(block, np.ones((1, 4, 4), dtype=np.float32))
    read = planes.read(block)[0]
    assert read[:2, :2].min() == 1
    assert read.sum() == 4


@pytest.mark.parametrize("n_at_once", [2, 256])
def test_a_quotient_is_written_in_parts_on_its_ground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_at_once: int
) -> None:
    monkeypatch.setattr(rasters, "ROWS", n_at_once)
    planes, rng = StoredPlanes(GRID, 2, tmp_path / "p.npy"), np.random.default_rng(0)
    values = rng.uniform(1, 2, (2, 7, 5)).astype(np.float32)
    values[1, 3, 2] = 0.0
    planes.add(block_of(0, 0, 7, 5), values)
    write_quotient(planes, 0, 1, CRS.from_epsg(27700), tmp_path / "q.tif", "points")
    with rasterio.open(tmp_path / "q.tif") as raster:
        found = raster.read(1)
        assert raster.bounds == GRID.bounds
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.units == ("points",)
    assert np.isnan(found[3, 2])
    is_known = values[1] > 0
    np.testing.assert_allclose(found[is_known], values[0][is_known] / values[1][is_known])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.npy", "q.tif"]
