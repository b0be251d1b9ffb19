"""Planes over a place, worked on block by block, and their cloud-optimised GeoTIFFs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from basrelief.chips.canvas import Layout
from basrelief.sources.lidar import Bounds

ROWS = 256
"""Rows that are finished at once: bounds the memory."""


@dataclass(frozen=True)
class Frame:
    """The grid of a map: cells in rows from the north-west corner, over all chips of a place."""

    west: float
    north: float
    cell_m: float
    n_rows: int
    n_cols: int

    def find_corner(self, bounds: Bounds) -> tuple[int, int]:
        """Find the row and column of the north-west cell of a block of whole cells."""
        row, col = (self.north - bounds[3]) / self.cell_m, (bounds[0] - self.west) / self.cell_m
        return round(row), round(col)


def frame_place(layout: Layout, cell_px: int) -> Frame:
    """Lay a grid of cells of ``cell_px`` pixels of the chips over a place."""
    return Frame(
        west=layout.west,
        north=layout.north,
        cell_m=cell_px * layout.resolution_m,
        n_rows=-(-layout.n_rows * layout.size_px // cell_px),
        n_cols=-(-layout.n_cols * layout.size_px // cell_px),
    )


class Planes:
    """Planes of numbers over a place, kept on disk and worked on block by block."""

    def __init__(self, frame: Frame, n_planes: int, path: Path) -> None:
        """Begin with zeros; ``path`` is a new file as large as the planes."""
        self.frame = frame
        shape = (n_planes, frame.n_rows, frame.n_cols)
        # The system keeps in memory what it can of such a file, and no more.
        self._values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)

    def add(self, bounds: Bounds, values: NDArray[np.float32], first: int = 0) -> None:
        """Add a block, (plane, row, col), to the planes from the first on."""
        rows, cols = self._window(bounds, values.shape)
        inside = values[:, : rows.stop - rows.start, : cols.stop - cols.start]
        self._values[first : first + len(values), rows, cols] += inside

    def read(self, bounds: Bounds, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Read a block of all planes, (plane, row, col); 0 beyond the place."""
        rows, cols = self._window(bounds, (0, *shape))
        values = np.zeros((len(self._values), *shape), dtype=np.float32)
        values[:, : rows.stop - rows.start, : cols.stop - cols.start] = self._values[:, rows, cols]
        return values

    def read_rows(self, plane: int, rows: slice) -> NDArray[np.float32]:
        """Read rows of one plane."""
        return np.array(self._values[plane, rows])

    def _window(self, bounds: Bounds, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Find a block's rows and columns; what lies beyond the place has no data."""
        row, col = self.frame.find_corner(bounds)
        last_row = min(row + shape[1], self.frame.n_rows)
        last_col = min(col + shape[2], self.frame.n_cols)
        return slice(row, last_row), slice(col, last_col)


def write_quotient(planes: Planes, above: int, below: int, crs: CRS, path: Path, unit: str) -> None:
    """Write one plane over another as a cloud-optimised GeoTIFF; NaN where that is 0."""
    frame = planes.frame
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(
        plain,
        "w",
        driver="GTiff",
        width=frame.n_cols,
        height=frame.n_rows,
        count=1,
        dtype="float32",
        crs=crs,
        transform=rasterio.Affine(frame.cell_m, 0, frame.west, 0, -frame.cell_m, frame.north),
        nodata=np.nan,
        tiled=True,
        bigtiff="if_safer",
    ) as raster:
        raster.units = (unit,)
        for row in range(0, frame.n_rows, ROWS):
            rows = slice(row, min(row + ROWS, frame.n_rows))
            below_rows = planes.read_rows(below, rows)
            blank = np.full_like(below_rows, np.nan)
            values = planes.read_rows(above, rows)
            np.divide(values, below_rows, out=blank, where=below_rows > 0)
            raster.write(blank, 1, window=Window(0, row, frame.n_cols, len(blank)))
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
