"""Cut rasters into surface and ground heights on a grid, a tract of chips at a time."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.terrain import HALO_M, Heights, estimate_ground
from basrelief.grid import Grid
from basrelief.sources.lidar import Mosaic, Raster
from basrelief.sources.warp import resample

SPARE_CELLS = 2
"""Cells around a tract that are read besides: what a cell is resampled from."""


def cut_heights(
    tract: Grid, surface: Mosaic, terrain: Mosaic | None, detail_m: float | None = None
) -> NDArray[np.float32]:
    """Cut a tract out of rasters, with ground estimated where there is no terrain raster.

    Parameters
    ----------
    detail_m : metres
        Side of the cells that finer rasters are averaged to before anything else, so that
        texture means the same as in rasters of that resolution. By default nothing is.

    Returns
    -------
    (2, row, col), metres
        Surface and ground on the tract's cells; NaN is nodata in both.
    """
    # The ground of a cell depends on surface this far away: with less, tracts would show seams.
    halo = ceil(HALO_M / tract.cell_m)
    wide = tract.pad(halo)
    top = _resample(_read_detail(surface, wide, detail_m), wide)
    if terrain is None:
        low = estimate_ground(top, tract.cell_m)
    else:
        low = _resample(_read_detail(terrain, wide, detail_m), wide)
    heights = np.stack([top, low])[:, halo:-halo, halo:-halo]
    # Nodata in one is nodata in both: a height above ground needs the two.
    heights[:, ~np.isfinite(heights).all(axis=0)] = np.nan
    return heights


def _read_detail(mosaic: Mosaic, grid: Grid, detail_m: float | None) -> Raster:
    """Read a margin more than a grid; cells finer than ``detail_m`` are averaged to it."""
    # Averaged first and resampled after: straight to the chips' cells a model of 2 m would see
    # texture of 1 m that it never learnt.
    if detail_m is None or mosaic.grid.cell_m > 0.99 * detail_m:
        native = mosaic.grid
        return mosaic.read(native.crop(native.cover(grid.bounds)).pad(SPARE_CELLS).bounds)
    # One grid from the mosaic's own corner, so that tracts agree where they meet.
    coarse = Grid.over(mosaic.grid.bounds, detail_m)
    snapped = coarse.crop(coarse.cover(grid.bounds)).pad(SPARE_CELLS)
    return Raster(_resample(mosaic.read(snapped.bounds), snapped), snapped)


def _resample(raster: Raster, grid: Grid) -> Heights:
    """Resample to a grid, (row, col); a cell whose centre has no data gets none."""
    native = raster.grid
    return resample(raster.values, native.transform, grid, cell_m=native.cell_m)
