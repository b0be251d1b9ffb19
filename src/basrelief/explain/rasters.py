"""Planes over a place, worked on tract by tract, and their cloud-optimised GeoTIFFs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from basrelief.grid import Grid

ROWS = 256
"""Rows that are finished at once: bounds the memory."""


class StoredPlanes:
    """Planes of numbers over a place, kept on disk and worked on tract by tract."""

    def __init__(self, grid: Grid, n_planes: int, path: Path) -> None:
        """Begin with zeros; ``path`` is a new file as large as the planes."""
        self.grid = grid
        shape = (n_planes, *grid.shape)
        # The system keeps in memory what it can of such a file, and no more.
        self._values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)

    def add(self, tract: Grid, values: NDArray[np.float32], first: int = 0) -> None:
        """Add a tract, (plane, row, col), to the planes from the first on, as far as they reach."""
        here, within = self.grid.clip(self.grid.find(tract))
        self._values[first : first + len(values), *here] += values[:, *within]

    def read(self, tract: Grid) -> NDArray[np.float32]:
        """Read a tract of all planes, (plane, row, col); 0 beyond the place."""
        here, within = self.grid.clip(self.grid.find(tract))
        values = np.zeros((len(self._values), *tract.shape), dtype=np.float32)
        values[:, *within] = self._values[:, *here]
        return values

    def read_rows(self, plane: int, rows: slice) -> NDArray[np.float32]:
        """Read rows of one plane, (row, col)."""
        return np.array(self._values[plane, rows])


def write_quotient(
    planes: StoredPlanes, above: int, below: int, crs: CRS, path: Path, unit: str
) -> None:
    """Write one plane over another, (row, col), as a cloud-optimised GeoTIFF; NaN where that is 0.

    Parameters
    ----------
    above, below
        Positions among the planes.
    unit
        Of the quotient, for whoever opens the file.
    """
    n_rows, n_cols = planes.grid.shape
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(
        plain,
        "w",
        driver="GTiff",
        width=n_cols,
        height=n_rows,
        count=1,
        dtype="float32",
        crs=crs,
        transform=planes.grid.transform,
        nodata=np.nan,
        tiled=True,
        bigtiff="if_safer",
    ) as raster:
        raster.units = (unit,)
        for row in range(0, n_rows, ROWS):
            rows = slice(row, min(row + ROWS, n_rows))
            below_rows = planes.read_rows(below, rows)
            blank = np.full_like(below_rows, np.nan)
            values = planes.read_rows(above, rows)
            np.divide(values, below_rows, out=blank, where=below_rows > 0)
            raster.write(blank, 1, window=Window(0, row, n_cols, len(blank)))
    # GDAL writes a cloud-optimised file only as a copy: overviews come first in it.
    copy_raster(
        plain,
        path,
        driver="COG",
        compress="DEFLATE",
        predictor="YES",
        overview_resampling="AVERAGE",
        bigtiff="if_safer",
    )
    plain.unlink()
