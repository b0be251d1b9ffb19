from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from basrelief.chips.cut import cut_heights
from basrelief.chips.store import load_samples
from basrelief.grid import Grid
from basrelief.run import Notes, Run
from basrelief.sources.lidar import Mosaic, open_mosaic
from basrelief.typed import Typed


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
    return open_mosaic(Typed("dsm", path.name, path), None, Notes(Run("nowhere", quiet=True)))


def test_finer_cells_are_averaged_before_anything_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 20, (150, 150)).astype(np.float32)
    coarse[40:50, 60:70] = np.nan
    split = coarse.repeat(2, axis=0).repeat(2, axis=1)
    split += np.tile(np.array([[1, -1], [-1, 1]], np.float32), coarse.shape)
    expected, finer = mosaic_of(tmp_path, coarse, 2.0), mosaic_of(tmp_path, split, 1.0)
    grid = Grid.over(expected.grid.bounds, 1.5, unit=96)
    block = grid.crop((slice(0, 192), slice(96, 192)))
    averaged = cut_heights(block, expected, None, detail_m=2.0)
    same = cut_heights(block, finer, None, detail_m=2.0)
    plain = cut_heights(block, finer, None)
    np.testing.assert_allclose(same, averaged, atol=1e-4)
    # Without it the noise inside the cells is still there.
    assert np.nanmax(np.abs(plain - averaged)) > 0.05


def plane(n_cells: int, cell_m: float) -> NDArray[np.float32]:
    """A slope that is as high in the middle of a cell as its ground is on average."""
    at = (np.arange(n_cells) + 0.5) * cell_m
    return np.asarray(30 + np.add.outer(at / 16, at / 8), np.float32)


@pytest.mark.parametrize("cell_m", [1.0, 4.0])
def test_a_terrain_of_other_cells_lies_where_it_is(tmp_path: Path, cell_m: float) -> None:
    surface = mosaic_of(tmp_path, plane(300, 2.0) + np.float32(7), 2.0)
    terrain = mosaic_of(tmp_path, plane(round(600 / cell_m), cell_m), cell_m)
    grid = Grid.over(surface.grid.bounds, 1.5, unit=96)
    block = grid.crop((slice(96, 192), slice(96, 192)))
    top, low = cut_heights(block, surface, terrain)
    # Of a slope what is averaged or interpolated is known: seven metres stand on the ground. Where
    # cells are no whole number of each other's, GDAL weighs a part of one too much or too little.
    np.testing.assert_allclose(top - low, 7, atol=0.02)
