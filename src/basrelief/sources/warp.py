"""Rasters brought from one grid, or CRS, to another: what has no data gets none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.warp import Resampling, reproject

from basrelief.grid import Grid

ANY_CRS = "EPSG:27700"
"""One on both sides of resampling, whichever it is: the grid changes, the projection does not."""


def resample(
    values: NDArray[np.float32],
    transform: Affine,
    grid: Grid,
    *,
    cell_m: float,
    crs: tuple[Any, Any] = (ANY_CRS, ANY_CRS),
) -> NDArray[np.float32]:
    """Resample a plane to a grid, (row, col); a cell whose centre has no data gets none.

    Parameters
    ----------
    values : (row, col)
        NaN is no data.
    transform
        What brings their (column, row) to coordinates.
    cell_m : metres
        Side of their cells on the ground: finer ones than the grid's are averaged, others
        interpolated.
    crs
        Theirs, and the grid's.
    """
    options = {
        "src_transform": transform,
        "dst_transform": grid.transform,
        "src_crs": crs[0],
        "dst_crs": crs[1],
    }
    found = np.full(grid.shape, np.nan, dtype=np.float32)
    is_finer = cell_m < 0.99 * grid.cell_m
    reproject(
        values,
        found,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.average if is_finer else Resampling.bilinear,
        **options,
    )
    # GDAL fills from whatever neighbour has data, so edges would creep outwards.
    has_data = np.zeros(grid.shape, dtype=np.uint8)
    reproject(
        np.isfinite(values).astype(np.uint8),
        has_data,
        resampling=Resampling.nearest,
        **options,
    )
    found[has_data == 0] = np.nan
    return found
