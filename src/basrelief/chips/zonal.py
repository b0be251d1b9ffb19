"""Zonal statistics: what cells of the ground hold, summed over areas by fractions of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from scipy.sparse import csr_array

from basrelief.grid import Grid

N_STEPS = 200
"""Steps in which values are counted for their quantiles; the last holds all that is above."""

MAX_GRIDS = 8
"""Grids whose coverage is remembered: those of one tract, or of one area's view."""

FEW, DENSE = 4, 8
"""Of so many planes sums are quickest plane by plane; of more, where areas hold at least an
eighth of the cells each, by a product over all cells; and else area by area."""

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


@dataclass(eq=False)
class Zones:
    """How much of each cell of a grid counts in each area: a sparse matrix (area, cell)."""

    area_ids: tuple[str, ...]
    starts: tuple[int, ...]
    """(area + 1,) Where each area's cells begin among all, and the last ends."""

    cells: Cells
    """Positions in the flattened grid, area by area, in order."""

    weight: NDArray[Any]
    """Share of each of them inside its area, 0 to 1; times how much of it counts, if weighed."""

    n_cells: int
    """Of the whole grid."""

    _weighed: tuple[NDArray[Any], Zones] | None = field(default=None, init=False, repr=False)

    def of_areas(self) -> Iterator[tuple[str, Cells, NDArray[Any]]]:
        """Go through the areas: code, cells and their weight, (cell,) each."""
        for k, area_id in enumerate(self.area_ids):
            own = slice(self.starts[k], self.starts[k + 1])
            yield area_id, self.cells[own], self.weight[own]

    def weigh(self, counts: NDArray[Any]) -> Zones:
        """Weigh each area's cells by how much of them counts; areas with nothing are left out.

        Parameters
        ----------
        counts : (row, col)
            Marks, or shares from 0 to 1. Weights have its precision; of marks, the coverage's.
        """
        # The planes of one tract often count the same cells: the last answer is kept for them.
        if self._weighed is None or self._weighed[0] is not counts:
            dtype = counts.dtype if np.issubdtype(counts.dtype, np.floating) else np.float64
            flat = counts.ravel()
            each = [(*own[:2], (own[2] * flat[own[1]]).astype(dtype)) for own in self.of_areas()]
            self._weighed = counts, _gather([own for own in each if own[2].sum() > 0], self.n_cells)
        return self._weighed[1]

    def sum(self, values: NDArray[Any]) -> Floats:
        """Sum planes over areas: (area, plane) of (plane, cell), in the weights' precision."""
        # One precision, or each product would copy all planes to the higher one.
        values = values.astype(self.weight.dtype, copy=False)
        if len(values) <= FEW:
            total = [self._matrix @ plane for plane in values]
            by_plane = np.reshape(total, (len(values), len(self.area_ids)))
        elif len(self.area_ids) * self.n_cells < DENSE * len(self.cells):
            by_plane = values @ self._matrix.toarray().T
        else:
            own = [values[:, cells] @ weight for _, cells, weight in self.of_areas()]
            by_plane = np.reshape(own, (len(self.area_ids), len(values))).T
        return np.asarray(by_plane.T, dtype=np.float64)

    @cached_property
    def _matrix(self) -> Any:
        shape = (len(self.area_ids), self.n_cells)
        return csr_array((self.weight, self.cells, self.starts), shape=shape)


def _gather(each: Sequence[tuple[str, Cells, NDArray[Any]]], n_cells: int) -> Zones:
    """Put areas' cells and weights one behind the other."""
    return Zones(
        area_ids=tuple(area_id for area_id, _, _ in each),
        starts=tuple(np.cumsum([0, *(len(cells) for _, cells, _ in each)]).tolist()),
        cells=np.concatenate([np.empty(0, np.int64), *(cells for _, cells, _ in each)]),
        weight=np.concatenate([weight for _, _, weight in each] or [np.empty(0)]),
        n_cells=n_cells,
    )


def find_zones(grid: Grid, areas: gpd.GeoDataFrame) -> Zones:
    """Find which cells of a grid areas cover, and by what share.

    Parameters
    ----------
    areas
        ``area_id`` and polygons in the grid's CRS; of those that lie aside nothing is found.
    """
    if areas.empty:
        return _gather([], grid.n_cells)
    # Only where cells lie is asked for: no value of theirs.
    nothing = NumPyRasterSource(np.zeros(grid.shape, dtype=np.uint8), *grid.bounds)
    polygons = _Polygons(areas.geometry.to_numpy())
    found = exact_extract(nothing, polygons, ["cell_id", "coverage"], output="geojson")
    own = [(each["properties"]["cell_id"], each["properties"]["coverage"]) for each in found]
    codes = areas["area_id"]
    return _gather([(code, *both) for code, both in zip(codes, own, strict=True)], grid.n_cells)


class _Polygon(Feature):  # type: ignore[misc]
    """A polygon as exactextract reads it: from a GeoDataFrame it takes three times as long."""

    def __init__(self, polygon: shapely.Geometry) -> None:
        super().__init__()
        self.polygon = polygon

    def geometry(self) -> bytes:
        return shapely.to_wkb(self.polygon)


class _Polygons(FeatureSource):  # type: ignore[misc]
    """Polygons in the plane's CRS, whichever it is."""

    def __init__(self, polygons: NDArray[np.object_]) -> None:
        super().__init__()
        self.polygons = polygons

    def count(self) -> int:
        return len(self.polygons)

    def __iter__(self) -> Iterator[_Polygon]:
        return (_Polygon(polygon) for polygon in self.polygons)

    def srs_wkt(self) -> None:
        return None


@dataclass(eq=False)
class Zoning:
    """Areas to be laid on one grid after another; coverage is measured once a grid."""

    areas: gpd.GeoDataFrame
    """``area_id`` and polygons."""

    _found: dict[Grid, Zones] = field(default_factory=dict, init=False, repr=False)

    def is_touched(self, grid: Grid) -> bool:
        """Whether any area touches a grid's ground."""
        return len(self._near(grid)) > 0

    def on(self, grid: Grid) -> Zones:
        """Lay the areas that touch a grid on it."""
        if grid not in self._found:
            if len(self._found) >= MAX_GRIDS:
                # The oldest: a walk over the place does not come back.
                self._found.pop(next(iter(self._found)))
            self._found[grid] = find_zones(grid, self.areas.iloc[self._near(grid)])
        return self._found[grid]

    def count_cells(self, grid: Grid, marks: NDArray[np.bool_]) -> Floats:
        """Count the marked cells, (row, col), in each area by their share inside it: (area,)."""
        counted = np.zeros(len(self.areas))
        counted[self._near(grid)] = self.on(grid).sum(marks.reshape(1, -1))[:, 0]
        return counted

    def forget(self) -> None:
        """Let go of what was found: a tract is left for the next."""
        self._found.clear()

    def _near(self, grid: Grid) -> NDArray[np.int64]:
        """Positions of the areas that touch a grid, in their order."""
        square = shapely.box(*grid.bounds)
        found: NDArray[np.int64] = self.areas.sindex.query(square, "intersects", sort=True)
        return found


@dataclass(frozen=True, eq=False)
class Planes:
    """What is measured of each cell of a grid, and how much each cell counts."""

    name: str
    grid: Grid
    values: NDArray[Any]
    """(plane, row, col) No plane at all where only what counts is summed."""

    counts: NDArray[Any]
    """(row, col) Marks, or shares from 0 to 1, in whose precision sums are taken."""

    has_spread: bool = False
    """Whether squares are summed too, for standard deviations."""

    step: float | None = None
    """Where quantiles are wanted of the first plane: the steps from 0 in which it is counted."""


@dataclass(eq=False)
class Sums:
    """Weighted sums over one area's cells, added to tract by tract."""

    weight: float = 0.0
    """Cells that count, by their share inside the area."""

    total: Floats | float = field(default=0.0, repr=False)
    square: Floats | float = field(default=0.0, repr=False)
    """(plane,) Sums of values and of their squares, each times its weight."""

    counted: Floats = field(default_factory=lambda: np.zeros(N_STEPS), repr=False)
    """(step,) Weight by value of the first plane, where quantiles are wanted."""

    step: float = 0.0

    @property
    def mean(self) -> Floats:
        """Mean of each plane, (plane,)."""
        return np.atleast_1d(self.total / self.weight)

    @property
    def std(self) -> Floats:
        """Standard deviation of each plane, (plane,), where planes have a spread."""
        # Where all is alike, rounding takes the difference of two equal numbers below 0.
        spread: Floats = np.sqrt(np.maximum(self.square / self.weight - self.mean**2, 0.0))
        return spread

    def quantile(self, share: float) -> float:
        """Find the value of the first plane that a share of what counts lies below.

        Examples
        --------
        >>> sums = Sums(counted=np.array([0.0, 4.0, 0.0, 4.0]), step=0.5)
        >>> sums.quantile(0.75)
        1.75
        """
        below = np.concatenate([[0.0], np.cumsum(self.counted)]) / self.counted.sum()
        # Left: where nothing lies in a step, the value is the end of the last that has something.
        at = int(np.searchsorted(below, share, side="left"))
        beyond = (share - below[at - 1]) / (below[at] - below[at - 1])
        return float((at - 1 + beyond) * self.step)


Pools = dict[str, dict[str, Sums]]
"""Sums by name of planes and area."""


def pool_planes(pools: Pools, planes: Planes, zones: Zones) -> None:
    """Add what a tract's planes, (plane, row, col), hold of each area that they have any of."""
    pool, weighed = pools.setdefault(planes.name, {}), zones.weigh(planes.counts)
    values = planes.values.reshape(len(planes.values), planes.grid.n_cells)
    total = weighed.sum(values)
    # Squares rather than two passes: a tract is gone when the area's mean is known.
    square = weighed.sum(values**2) if planes.has_spread else np.zeros_like(total)
    for k, (area_id, cells, weight) in enumerate(weighed.of_areas()):
        sums = pool.setdefault(area_id, Sums())
        sums.weight += float(weight.sum())
        # Not in place: the first sum is a number, and later ones are views of this tract's.
        sums.total = sums.total + total[k]
        sums.square = sums.square + square[k]
        if planes.step is not None:
            sums.step = planes.step
            at = np.minimum(values[0, cells] / planes.step, N_STEPS - 1).astype(np.int64)
            sums.counted += np.bincount(at, weight, minlength=N_STEPS)


def list_areas(pools: Pools) -> list[str]:
    """List the areas that any planes have something of, in the order of their codes."""
    return sorted({area_id for pool in pools.values() for area_id in pool})
