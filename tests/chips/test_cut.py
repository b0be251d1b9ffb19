from __future__ import annotations

from pathlib import Path

import numpy as np
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
