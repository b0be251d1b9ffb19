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
    """Resample a plane, (row, col), as `spread_over` does; none where a centre has no data."""
    found = spread_over(values, transform, grid, cell_m=cell_m, crs=crs)
    # GDAL fills from whatever neighbour has data, so edges would creep outwards.
    has_data = np.zeros(grid.shape, dtype=np.uint8)
    reproject(
        np.isfinite(values).astype(np.uint8),
        has_data,
        resampling=Resampling.nearest,
        src_transform=transform,
        dst_transform=grid.transform,
        src_crs=crs[0],
        dst_crs=crs[1],
    )
    found[has_data == 0] = np.nan
    return found


def spread_over(
    values: NDArray[np.float32],
    transform: Affine,
    grid: Grid,
    *,
    cell_m: float,
    crs: tuple[Any, Any] = (ANY_CRS, ANY_CRS),
) -> NDArray[np.float32]:
    """Bring a plane to a grid, (row, col), from whatever cells around have data.

    Parameters
    ----------
    values : (row, col)
        NaN is no data, and weighs nothing.
    transform
        What brings their (column, row) to coordinates.
    cell_m : metres
        Side of their cells on the ground: finer ones than the grid's are averaged, others
        interpolated.
    crs
        Theirs, and the grid's.
    """
    found = np.full(grid.shape, np.nan, dtype=np.float32)
    if not (values.size and found.size):
        return found
    # Averaged where cells are finer: one in a hundred of them would stand for all others.
    is_finer = cell_m < 0.99 * grid.cell_m
    reproject(
        values,
        found,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.average if is_finer else Resampling.bilinear,
        src_transform=transform,
        dst_transform=grid.transform,
        src_crs=crs[0],
        dst_crs=crs[1],
    )
    return found
