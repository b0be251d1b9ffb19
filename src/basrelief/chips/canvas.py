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
    size_px: int
    resolution_m: float
    row_of: dict[tuple[int, int], int]
    """Position in ``samples.chips`` by (grid row, grid column)."""

    n_rows: int
    n_cols: int


@dataclass(frozen=True)
class Block:
    """A rectangle of the grid of chips: its first row and column, and how many."""

    row: int
    col: int
    n_rows: int
    n_cols: int


@dataclass(frozen=True, eq=False)
class Canvas:
    """A rectangle of ground in the chips' resolution, and a margin around it."""

    bounds: Bounds
    """Bounds of the rectangle without its margin, in metres."""

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
        size_px=samples.size_px,
        resolution_m=samples.resolution_m,
        row_of={place: position for position, place in enumerate(places)},
        n_rows=int(rows.max()) + 1,
        n_cols=int(cols.max()) + 1,
    )


def list_blocks(layout: Layout, side: int) -> list[Block]:
    """Part the grid into squares of ``side`` chips, cut off at its edge; those with any chip."""
    held = sorted({(row // side, col // side) for row, col in layout.row_of})
    return [
        Block(
            row=row * side,
            col=col * side,
            n_rows=min(side, layout.n_rows - row * side),
            n_cols=min(side, layout.n_cols - col * side),
        )
        for row, col in held
    ]


def bounds_of(layout: Layout, block: Block) -> Bounds:
    """Bounds of a block on the ground, in metres."""
    ground_m = layout.size_px * layout.resolution_m
    west = layout.west + block.col * ground_m
    north = layout.north - block.row * ground_m
    return (west, north - block.n_rows * ground_m, west + block.n_cols * ground_m, north)


def read_canvas(samples: Samples, layout: Layout, block: Block, margin_px: int) -> Canvas:
    """Read a block of chips and the ground around it.

    Parameters
    ----------
    margin_px
        How far to read beyond the block, in pixels.
    """
    size = layout.size_px
    ring = ceil(margin_px / size)
    first_row, first_col = block.row - ring, block.col - ring
    n_rows, n_cols = block.n_rows + 2 * ring, block.n_cols + 2 * ring
    wide = np.full((2, n_rows * size, n_cols * size), np.nan, dtype=np.float32)
    around = Block(first_row, first_col, n_rows, n_cols)
    places = list(_chips_in(layout, around))
    chips = samples.read_heights(np.array([position for _, _, position in places], dtype=int))
    for (row, col, _), heights in zip(places, chips, strict=True):
        top, left = (row - first_row) * size, (col - first_col) * size
        wide[:, top : top + size, left : left + size] = heights
    edge = ring * size - margin_px
    inner = wide[:, edge : n_rows * size - edge, edge : n_cols * size - edge]
    return Canvas(bounds_of(layout, block), inner)


def trim_canvas(canvas: Canvas, margin_px: int, unit_px: int, resolution_m: float) -> Canvas | None:
    """Cut off what has no data at the sides of a canvas, in whole units; None if all has none.

    Parameters
    ----------
    margin_px
        The canvas' margin, which the trimmed one has too.
    unit_px
        Sides are cut by a multiple of it.
    """
    inner = np.isfinite(canvas.heights[0, margin_px:-margin_px, margin_px:-margin_px])
    if not inner.any():
        return None
    (top, bottom), (left, right) = (
        (at[0] // unit_px * unit_px, -(-(at[-1] + 1) // unit_px) * unit_px)
        for at in (np.flatnonzero(inner.any(axis=axis)) for axis in (1, 0))
    )
    west, _, _, north = canvas.bounds
    bounds = (
        west + left * resolution_m,
        north - bottom * resolution_m,
        west + right * resolution_m,
        north - top * resolution_m,
    )
    rows, cols = slice(top, bottom + 2 * margin_px), slice(left, right + 2 * margin_px)
    return Canvas(bounds, canvas.heights[:, rows, cols])


def average_cells(heights: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average heights, (2, row, col), over squares of cells; NaN where half has no data.

    Examples
    --------
    >>> average_cells(np.array([[[1.0, np.nan, 5.0, 7.0]] * 2], dtype=np.float32), 2)
    array([[[nan,  6.]]], dtype=float32)
    """
    planes, rows, cols = heights.shape
    total = np.zeros((planes, rows // factor, cols // factor), dtype=np.float32)
    n_known = np.zeros(total.shape, dtype=np.float32)
    # Slice by slice: a sum over short axes would take ten times as long.
    for row, col in np.ndindex(factor, factor):
        part = heights[:, row::factor, col::factor]
        has_data = np.isfinite(part)
        n_known += has_data
        np.add(total, part, out=total, where=has_data)
    is_known = 2 * n_known > factor**2
    blank = np.full(total.shape, np.nan, dtype=np.float32)
    mean: NDArray[np.float32] = np.divide(total, n_known, out=blank, where=is_known)
    return mean


def _chips_in(layout: Layout, block: Block) -> Iterator[tuple[int, int, int]]:
    """Go through the chips of a block: grid row, column, position."""
    for row in range(block.row, block.row + block.n_rows):
        for col in range(block.col, block.col + block.n_cols):
            position = layout.row_of.get((row, col))
            if position is not None:
                yield row, col, position
