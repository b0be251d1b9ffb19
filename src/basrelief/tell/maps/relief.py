"""The relief of the ground itself, lit from the north-west: what lies under a map of areas.

Of ground heights alone, in cells of 20 m: neither a building nor a label has a part in it.
"""

from __future__ import annotations

from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster

from basrelief.chips.layers import HEIGHT_BANDS, Layer
from basrelief.chips.store import HEIGHTS, Samples
from basrelief.chips.terrain import hillshade
from basrelief.grid import Grid, coarsen

CELL_M = 20.0
"""Side of a cell, in metres: no house is seen."""

MOST_CELLS = 25_000_000
"""Cells are made larger where a place has more of them: a country's need not fit into memory."""

STEEPER = 4.0
"""How many times heights are exaggerated: on most built ground nothing would be seen otherwise."""

READ_PX = 2048
"""Cells of the layer that are read at once, along a side."""


def write_relief(samples: Samples, path: Path) -> None:
    """Write the lit ground as a cloud-optimised GeoTIFF; nothing where no heights are.

    Parameters
    ----------
    path
        Bytes from 1 (in the shade) to 255, 0 where no ground is known.
    """
    layer = samples.layers.get(HEIGHTS)
    if layer is None:
        return
    grid, ground = read_ground(layer)
    # Of one row nobody knows how it slopes.
    if min(grid.shape) < 2:
        return
    lit = hillshade(STEEPER * ground, grid.cell_m)
    # Light begins at 1: 0 stands for no ground.
    codes = np.where(np.isfinite(lit), 1 + np.round(254 * np.nan_to_num(lit)), 0).astype(np.uint8)
    profile: dict[str, Any] = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": 0}
    profile |= {"height": grid.shape[0], "width": grid.shape[1]}
    profile |= {"crs": samples.areas.crs, "transform": grid.transform}
    # By way of memory: the driver for such files only copies.
    with MemoryFile() as memory:
        with memory.open(**profile) as raster:
            raster.write(codes, 1)
        with memory.open() as raster:
            copy_raster(raster, path, driver="COG", compress="DEFLATE")


def read_ground(layer: Layer) -> tuple[Grid, NDArray[np.float32]]:
    """Read ground heights in large cells, each the mean of what is known in it.

    Returns
    -------
    Grid, and heights (row, col) in metres; NaN is nodata.
    """
    band = [each.name for each in layer.bands].index(HEIGHT_BANDS[1].name)
    fewest = sqrt(layer.grid.n_cells / MOST_CELLS)
    factor = max(1, round(CELL_M / layer.grid.cell_m), ceil(fewest))
    grid = layer.grid.coarser(factor)
    ground = np.full(grid.shape, np.nan, np.float32)
    # Whole squares of cells, block by block: layers are larger than memory.
    side = max(1, READ_PX // factor)
    for row in range(0, grid.shape[0], side):
        for col in range(0, grid.shape[1], side):
            block = ground[row : row + side, col : col + side]
            rows, cols = (
                slice(factor * start, factor * (start + n))
                for start, n in zip((row, col), block.shape, strict=True)
            )
            block[:] = coarsen(layer.read((rows, cols))[band], factor)
    return grid, ground
