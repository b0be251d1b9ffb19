"""Rectangles of a place read from a layer, with what lies around them, tract by tract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.layers import HEIGHT_BANDS, Band, Layer
from basrelief.chips.store import HEIGHTS, Samples
from basrelief.chips.zonal import Zoning
from basrelief.grid import Grid, coarsen
from basrelief.run import Run


@dataclass(frozen=True, eq=False)
class Canvas:
    """A rectangle of ground as a layer has it, and a margin around it."""

    grid: Grid
    """The rectangle without its margin, in the layer's cells."""

    values: NDArray[Any]
    """(band, row, col), margin included. Of heights: surface and ground in metres, NaN where
    there is no data."""

    bands: tuple[Band, ...] = HEIGHT_BANDS
    """What the values are."""

    @property
    def heights(self) -> NDArray[np.float32]:
        """The values, where the layer is that of heights: (2, row, col), margin included."""
        return self.values

    @property
    def margin_px(self) -> int:
        """Width of the margin, in the layer's cells."""
        return (int(self.values.shape[1]) - self.grid.shape[0]) // 2

    @property
    def has_data(self) -> NDArray[np.bool_]:
        """Whether a cell of the rectangle has data, (row, col) without the margin."""
        edge, (n_rows, n_cols) = self.margin_px, self.grid.shape
        inner = self.values[0, edge : edge + n_rows, edge : edge + n_cols]
        return np.asarray(np.isfinite(inner))

    def average(self, factor: int) -> NDArray[Any]:
        """Average the values over squares of cells, (band, row, col), margin included."""
        # More than half: a mean of a few cells at the edge of data would be noise.
        return coarsen(self.values, factor, more_than=0.5)


@dataclass(frozen=True)
class Tiling:
    """In which pieces a place is gone through: the bound on memory. In cells of the layer."""

    side_px: int
    halo_px: int = 0
    """How far what is made of a cell depends on the ground around it."""

    unit_px: int = 1
    """Pieces are whole squares of so many cells a side."""

    is_trimmed: bool = False
    """Whether sides without data are cut off, in whole units."""


def walk_place(
    samples: Samples, zoning: Zoning, tiling: Tiling, run: Run, label: str, layer: str = HEIGHTS
) -> Iterator[Canvas]:
    """Go through the ground that areas have, tract by tract; one without data is left out.

    Parameters
    ----------
    label
        What is done, for the progress bar.
    layer
        Which of the place's layers is read.
    """
    tracts = [
        tract for tract in samples.extent(layer).tiles(tiling.side_px) if zoning.is_touched(tract)
    ]
    # Only tracts that areas touch: rasters reach far beyond a place with few areas.
    source = samples.layers[layer]
    for tract in run.track(tracts, label):
        canvas = read_canvas(source, tract.snap(tiling.unit_px), tiling.halo_px)
        if canvas.has_data.any():
            # Fewer cells go through networks, and along a coast most would be empty.
            yield trim_canvas(canvas, tiling.unit_px) if tiling.is_trimmed else canvas
            zoning.forget()


def read_canvas(layer: Layer, grid: Grid, margin_px: int) -> Canvas:
    """Read a rectangle of a layer and the ground around it; beyond the layer there is no data.

    Parameters
    ----------
    grid
        Cells of the layer's own grid.
    margin_px
        How far to read beyond them, in cells.
    """
    return Canvas(grid, layer.read(layer.grid.find(grid.pad(margin_px))), layer.bands)


def trim_canvas(canvas: Canvas, unit_px: int) -> Canvas:
    """Cut off what has no data at the sides of a canvas that has some.

    Parameters
    ----------
    unit_px
        Sides are cut by a multiple of it. The margin stays as wide as it was.
    """
    window, both = canvas.grid.trim(canvas.has_data, unit_px), 2 * canvas.margin_px
    assert window is not None
    rows, cols = window
    values = canvas.values[:, rows.start : rows.stop + both, cols.start : cols.stop + both]
    return Canvas(canvas.grid.crop(window), values, canvas.bands)
