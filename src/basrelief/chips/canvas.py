"""Rectangles of a place read back from its chips, with what lies around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.sources.lidar import Bounds


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each chip of a place lies in the grid that it was cut from."""

    west: float
    north: float
    ground_m: float
    row_of: dict[tuple[int, int], int]
    """Position in ``samples.chips`` by (grid row, grid column)."""

    n_rows: int
    n_cols: int


@dataclass(frozen=True, eq=False)
class Canvas:
    """A rectangle of ground in the chips' resolution, and a margin around it."""

    bounds: Bounds
    """Bounds of the rectangle without its margin, in metres."""

    margin_px: int
    heights: NDArray[np.float32]
    """Surface and ground in metres, (2, row, col), margin included; NaN is nodata."""


def lay_out(samples: Samples) -> Layout:
    """Find the grid of a place's chips."""
    side = samples.size_px * samples.resolution_m
    west = float(samples.chips["easting"].min()) - side / 2
    north = float(samples.chips["northing"].max()) + side / 2
    cols = np.round((samples.chips["easting"].to_numpy() - west) / side - 0.5).astype(int)
    rows = np.round((north - samples.chips["northing"].to_numpy()) / side - 0.5).astype(int)
    places = zip(rows.tolist(), cols.tolist(), strict=True)
    return Layout(
        west=west,
        north=north,
        ground_m=side,
        row_of={place: position for position, place in enumerate(places)},
        n_rows=int(rows.max()) + 1,
        n_cols=int(cols.max()) + 1,
    )


def list_blocks(layout: Layout, side: int) -> list[tuple[int, int]]:
    """List the corners, (grid row, grid column), of blocks of chips that hold any chip."""
    held = {(row // side, col // side) for row, col in layout.row_of}
    return [(row * side, col * side) for row, col in sorted(held)]


def read_canvas(
    samples: Samples, layout: Layout, corner: tuple[int, int], side: int, margin_px: int
) -> Canvas:
    """Read a square block of chips and the ground around it.

    Parameters
    ----------
    corner
        Grid row and column of the block's north-west chip.
    side
        Side of the block, in chips.
    margin_px
        How far to read beyond the block, in pixels.
    """
    size = samples.size_px
    ring = ceil(margin_px / size)
    first_row, first_col = corner[0] - ring, corner[1] - ring
    extent_px = (side + 2 * ring) * size
    wide = np.full((2, extent_px, extent_px), np.nan, dtype=np.float32)
    for row, col, position in _chips_in(layout, (first_row, first_col), side + 2 * ring):
        top, left = (row - first_row) * size, (col - first_col) * size
        heights = samples.read_heights(np.array([position]))[0]
        wide[:, top : top + size, left : left + size] = heights
    cut = slice(ring * size - margin_px, (ring + side) * size + margin_px)
    west = layout.west + corner[1] * layout.ground_m
    north = layout.north - corner[0] * layout.ground_m
    extent = side * layout.ground_m
    bounds = (west, north - extent, west + extent, north)
    return Canvas(bounds, margin_px, wide[:, cut, cut])


def _chips_in(layout: Layout, corner: tuple[int, int], side: int) -> Iterator[tuple[int, int, int]]:
    """Go through the chips of a square of the grid: grid row, column, position."""
    for row in range(corner[0], corner[0] + side):
        for col in range(corner[1], corner[1] + side):
            position = layout.row_of.get((row, col))
            if position is not None:
                yield row, col, position
