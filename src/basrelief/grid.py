"""Squares of ground in rows and columns: which cell lies where, and which ground a cell is.

Windows are slices of rows and columns from a grid's north-west corner. They may reach beyond
the grid, on any side: what is there is for the reader to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine

Bounds = tuple[float, float, float, float]
"""West, south, east, north, in metres of a projected CRS."""

Window = tuple[slice, slice]
"""Rows and columns, each from a first to a last that is left out."""

SLACK = 1e-3
"""Share of a cell by which bounds may pass a line between cells. Real grids sit a tenth of a
millimetre off; that must not cost a row of cells."""


def intersect_bounds(one: Bounds, other: Bounds) -> Bounds:
    """Give the bounds of the ground that two share; west is not below east where they share none.

    >>> intersect_bounds((0, 0, 2, 2), (1, -1, 3, 1))
    (1, 0, 2, 1)
    """
    west, south = max(one[0], other[0]), max(one[1], other[1])
    return west, south, min(one[2], other[2]), min(one[3], other[3])


def coarsen(values: NDArray[Any], factor: int, more_than: float = 0.0) -> NDArray[Any]:
    """Average values over squares of cells: what `Grid.coarser` is to a grid.

    Parameters
    ----------
    values : (..., row, col)
        Sides are multiples of ``factor``; NaN is unknown. Of a mask (bool) the average is the
        share that is marked.
    factor
        Cells a side of a square.
    more_than
        Share of a square of which more must be known for it to have a value.

    Returns
    -------
    (..., row, col)
        In the values' own type, float32 for a mask; NaN where too little is known.

    Examples
    --------
    >>> coarsen(np.array([[1.0, np.nan, 5.0, 7.0], [np.nan, np.nan, np.nan, 9.0]]), 2, 0.5)
    array([[nan,  7.]])
    >>> coarsen(np.array([[True, False], [True, True]]), 2)
    array([[0.75]], dtype=float32)
    """
    *before, n_rows, n_cols = values.shape
    kind = np.float32 if values.dtype == np.bool_ else values.dtype
    total = np.zeros((*before, n_rows // factor, n_cols // factor), dtype=kind)
    n_known = np.zeros(total.shape, dtype=np.float32)
    # Slice by slice: a sum over short axes would take ten times as long.
    for row, col in np.ndindex(factor, factor):
        some = values[..., row::factor, col::factor]
        is_known = np.isfinite(some)
        n_known += is_known
        np.add(total, some, out=total, where=is_known)
    blank = np.full(total.shape, np.nan, dtype=kind)
    # Divided by what is known, not by all: nodata at an edge would pull heights towards 0.
    is_enough = n_known > more_than * factor**2
    mean: NDArray[Any] = np.divide(total, n_known, out=blank, where=is_enough)
    return mean


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells in rows from the north-west corner of a rectangle of ground.

    Examples
    --------
    >>> grid = Grid(west=500.0, north=900.0, cell_m=2.0, shape=(100, 50))
    >>> grid.bounds
    (500.0, 700.0, 600.0, 900.0)
    >>> grid.cover((501.0, 890.0, 503.0, 899.0))
    (slice(0, 5, None), slice(0, 2, None))
    >>> grid.coarser(8).shape
    (13, 7)
    """

    west: float
    north: float
    """The north-west corner, in metres."""

    cell_m: float
    """Side of a cell, in metres."""

    shape: tuple[int, int]
    """Rows and columns."""

    @classmethod
    def over(cls, bounds: Bounds, cell_m: float, unit: int = 1) -> Grid:
        """Lay cells over bounds from their north-west corner, in whole squares of ``unit`` cells.

        Examples
        --------
        >>> Grid.over((0.0, 0.0, 500.0, 300.0), 1.0, unit=224).shape
        (448, 672)
        """
        west, _, _, north = bounds
        rows, cols = cls(west, north, cell_m, (0, 0)).cover(bounds, unit)
        return cls(west, north, cell_m, (rows.stop, cols.stop))

    @property
    def bounds(self) -> Bounds:
        """West, south, east and north of the whole grid, in metres."""
        n_rows, n_cols = self.shape
        south, east = self.north - n_rows * self.cell_m, self.west + n_cols * self.cell_m
        return (self.west, south, east, self.north)

    @property
    def n_cells(self) -> int:
        """Rows times columns."""
        return self.shape[0] * self.shape[1]

    @property
    def transform(self) -> Affine:
        """What brings (column, row) to (easting, northing), as GDAL and rasterio have it."""
        # Rows count southwards, northings northwards: hence the minus.
        return Affine(self.cell_m, 0.0, self.west, 0.0, -self.cell_m, self.north)

    def cover(self, bounds: Bounds, unit: int = 1) -> Window:
        """Give the smallest window over bounds, in whole squares of ``unit`` cells."""
        west, south, east, north = bounds
        if not (west < east and south < north):
            raise ValueError(f"bounds must be west, south, east, north, got {bounds}.")
        # Slack is a share of a cell, positions are counted in squares.
        side_m, slack = unit * self.cell_m, SLACK / unit
        top, bottom = (self.north - north) / side_m, (self.north - south) / side_m
        left, right = (west - self.west) / side_m, (east - self.west) / side_m
        return (
            slice(floor(top + slack) * unit, ceil(bottom - slack) * unit),
            slice(floor(left + slack) * unit, ceil(right - slack) * unit),
        )

    def within(self, bounds: Bounds) -> Window:
        """Give the largest window of whole cells within bounds; empty where there is none.

        Examples
        --------
        >>> Grid(0.0, 10.0, 2.0, (5, 5)).within((1.0, 3.0, 9.0, 10.0))
        (slice(0, 3, None), slice(1, 4, None))
        """
        west, south, east, north = bounds
        rows = (self.north - north) / self.cell_m, (self.north - south) / self.cell_m
        cols = (west - self.west) / self.cell_m, (east - self.west) / self.cell_m
        starts = [(ceil(first - SLACK), floor(last + SLACK)) for first, last in (rows, cols)]
        found = [slice(start, max(start, stop)) for start, stop in starts]
        return found[0], found[1]

    def measure_shift(self, west: float, north: float) -> float:
        """Measure how far a corner lies off the lines between cells, as a share of a cell.

        Examples
        --------
        >>> Grid(0.0, 10.0, 2.0, (5, 5)).measure_shift(-4.0, 10.5)
        0.25
        """
        shifts = (west - self.west) / self.cell_m, (north - self.north) / self.cell_m
        return max(abs(shift - round(shift)) for shift in shifts)

    def find(self, other: Grid) -> Window:
        """Give the window that another grid of the same cells is."""
        # Rounded: corners went through division and files, and are a hair off whole cells.
        row = round((self.north - other.north) / self.cell_m)
        col = round((other.west - self.west) / self.cell_m)
        return slice(row, row + other.shape[0]), slice(col, col + other.shape[1])

    def crop(self, window: Window) -> Grid:
        """Give the grid of a window, which may reach beyond this one."""
        rows, cols = window
        # From this corner in one step: adding cell after cell would drift off the grid.
        return Grid(
            west=self.west + cols.start * self.cell_m,
            north=self.north - rows.start * self.cell_m,
            cell_m=self.cell_m,
            shape=(rows.stop - rows.start, cols.stop - cols.start),
        )

    def clip(self, window: Window) -> tuple[Window, Window]:
        """Cut a window to this grid: the window that is left, and where it lies in the whole.

        Examples
        --------
        >>> Grid(0.0, 0.0, 1.0, (4, 4)).clip((slice(-2, 3), slice(1, 9)))[1]
        (slice(2, 5, None), slice(0, 3, None))
        """
        left, within = [], []
        for asked, size in zip(window, self.shape, strict=True):
            first = min(max(asked.start, 0), size)
            # Wholly outside is an empty slice, not one that runs backwards.
            last = max(min(asked.stop, size), first)
            left.append(slice(first, last))
            within.append(slice(first - asked.start, last - asked.start))
        return (left[0], left[1]), (within[0], within[1])

    def pad(self, n_cells: int) -> Grid:
        """Add so many cells on each side; fewer than none takes them away."""
        n_rows, n_cols = self.shape
        return self.crop((slice(-n_cells, n_rows + n_cells), slice(-n_cells, n_cols + n_cells)))

    def snap(self, unit: int) -> Grid:
        """Extend to whole squares of ``unit`` cells, southwards and eastwards."""
        n_rows, n_cols = (-(-size // unit) * unit for size in self.shape)
        return self.crop((slice(0, n_rows), slice(0, n_cols)))

    def coarser(self, factor: int) -> Grid:
        """Make a cell of ``factor`` by ``factor``; the last may reach beyond this grid."""
        n_rows, n_cols = self.snap(factor).shape
        shape = (n_rows // factor, n_cols // factor)
        return Grid(self.west, self.north, self.cell_m * factor, shape)

    def tiles(self, side: int) -> Iterator[Grid]:
        """Part into squares of ``side`` cells, row by row, cut off at the grid's edge."""
        n_rows, n_cols = self.shape
        for row in range(0, n_rows, side):
            for col in range(0, n_cols, side):
                rows = slice(row, min(row + side, n_rows))
                yield self.crop((rows, slice(col, min(col + side, n_cols))))

    def trim(self, has_data: NDArray[np.bool_], unit: int) -> Window | None:
        """Give the smallest window of whole units that holds what is marked, (row, col)."""
        if not has_data.any():
            return None
        rows, cols = (np.flatnonzero(has_data.any(axis=axis)) for axis in (1, 0))
        ends = [(at[0] // unit * unit, -(-(at[-1] + 1) // unit) * unit) for at in (rows, cols)]
        (top, bottom), (left, right) = ((int(first), int(last)) for first, last in ends)
        return slice(top, bottom), slice(left, right)
