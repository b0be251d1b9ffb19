"""Rasters read small enough to be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling

Singles = NDArray[np.float32]


def read_small(path: Path, longest: int) -> tuple[Singles, rasterio.Affine, object]:
    """Read a raster with at most ``longest`` cells a side, averaged; NaN is nodata.

    Returns
    -------
    Values (row, col), the transform of these cells, and the CRS.
    """
    with rasterio.open(path) as raster:
        share = min(1.0, longest / max(raster.shape))
        shape = tuple(max(1, round(side * share)) for side in raster.shape)
        # Averaged as it is read: a map of a whole county need not fit into memory.
        values = raster.read(1, out_shape=shape, resampling=Resampling.average, masked=True)
        scale = rasterio.Affine.scale(raster.width / shape[1], raster.height / shape[0])
        return values.astype(np.float32).filled(np.nan), raster.transform @ scale, raster.crs
