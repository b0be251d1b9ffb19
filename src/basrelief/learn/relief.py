"""Relief statistics: numbers a person can read, pooled over each area's own ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from scipy.sparse import csr_array

from basrelief.chips.canvas import average_cells, lay_out, list_blocks, read_canvas
from basrelief.chips.store import Samples
from basrelief.chips.terrain import Heights
from basrelief.learn.measures import MEASURES
from basrelief.learn.urban_form import Plane, find_margin, measure_planes
from basrelief.run import Run
from basrelief.sources.lidar import Bounds

CELL_M = 2.0
"""Side of the cells that are measured: finer ones are averaged, so that a measure means the same
whatever the chips' resolution."""

BLOCK_M = 1792.0
"""Side of the ground that is measured at once: the bound on memory."""

LEAST_M2 = 100.0
"""Of fewer square metres of roofs, crowns or ground nothing is said."""

BIN_M, TOP_M = 0.5, 100.0
"""Steps in which heights of roofs are counted for their quantiles."""

SPREAD = "roof_height_mean_m"
"""The measure whose values are counted as well as summed."""

Floats = NDArray[np.float64]


@dataclass
class Pool:
    """Sums over one area's ground, added to block by block."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    """Square metres that each sum is over."""

    heights: Floats = field(default_factory=lambda: np.zeros(round(TOP_M / BIN_M)))
    """Square metres of roofs by height."""

    def add(self, name: str, total: float, count: float) -> None:
        """Add what a block holds of one plane."""
        self.sums[name] = self.sums.get(name, 0.0) + total
        self.counts[name] = self.counts.get(name, 0.0) + count

    def finish(self) -> dict[str, float]:
        """Turn sums into the measures, in their order; NaN where too little ground counts."""
        found = {
            name: total / self.counts[name] if self.counts[name] >= LEAST_M2 else np.nan
            for name, total in self.sums.items()
        }
        mean, square = found["roof_height_mean_m"], found["roof_height_square_m2"]
        found["roof_height_variation"] = max(square - mean**2, 0.0) ** 0.5 / mean
        for share in (50, 90):
            is_known = np.isfinite(mean)
            height = find_quantile(self.heights, share / 100) if is_known else np.nan
            found[f"roof_height_q{share}_m"] = height
        return {measure.name: found[measure.name] for measure in MEASURES}


@dataclass(frozen=True, eq=False)
class Wide:
    """A block of ground in cells, with what lies around it."""

    heights: NDArray[np.float32]
    """Surface and ground in metres, (2, row, col), margin included; NaN is nodata."""

    cell_m: float
    margin: int
    """Cells on each side beyond the block."""

    bounds: Bounds
    """Of the block without its margin, in metres."""


def relief_features(samples: Samples, run: Run) -> pd.DataFrame:
    """Compute the relief statistics of every area, reading one block of chips at a time.

    `measures.describe_measures` says what each is. Every cell is measured with what lies
    around it, whichever block that is in; cells count by the fraction of them in the area.

    Returns
    -------
    DataFrame
        One row an area that has ground, by ``area_id``; one column a measure, in its unit;
        NaN where an area has too little of what is measured, such as roofs in a wood.
    """
    layout = lay_out(samples)
    factor = _find_factor(samples)
    cell_m = factor * samples.resolution_m
    margin = find_margin(cell_m)
    side = max(1, round(BLOCK_M / (samples.size_px * samples.resolution_m)))
    polygons = samples.areas[["area_id", "geometry"]]
    pools: dict[str, Pool] = {}
    for block in run.track(list_blocks(layout, side), "relief statistics"):
        canvas = read_canvas(samples, layout, block, margin * factor)
        near = polygons.iloc[np.sort(polygons.sindex.query(shapely.box(*canvas.bounds)))]
        if len(near):
            wide = Wide(average_cells(canvas.heights, factor), cell_m, margin, canvas.bounds)
            _pool_block(pools, wide, near)
    rows = {area_id: pool.finish() for area_id, pool in pools.items()}
    columns = [measure.name for measure in MEASURES]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=np.float64)
    return table.rename_axis("area_id").sort_index()


def cover(
    surface: Heights, bounds: tuple[float, float, float, float], areas: gpd.GeoDataFrame
) -> list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
    """List, for each area, the cells with data that it covers and by what fraction."""
    source = NumPyRasterSource(surface, *bounds, srs_wkt=areas.crs.to_wkt())
    table = exact_extract(
        source, areas, ["cell_id", "coverage"], include_cols=["area_id"], output="pandas"
    )
    has_data = np.isfinite(surface).ravel()
    found = []
    for area_id, cells, coverage in table[["area_id", "cell_id", "coverage"]].itertuples(
        index=False
    ):
        keep = has_data[cells]
        found.append((area_id, cells[keep].astype(np.int64), coverage[keep].astype(np.float64)))
    return found


def _find_factor(samples: Samples) -> int:
    """Give how many pixels a side make a cell: chips must hold whole cells."""
    wanted = max(1, round(CELL_M / samples.resolution_m))
    return max(k for k in range(1, wanted + 1) if samples.size_px % k == 0)


def find_quantile(counted: Floats, share: float) -> float:
    """Find the height in metres that a share of what is counted by height lies below.

    Examples
    --------
    >>> find_quantile(np.array([0.0, 4.0, 0.0, 4.0]), 0.75)
    1.75
    """
    below = np.concatenate([[0.0], np.cumsum(counted)]) / counted.sum()
    at = int(np.searchsorted(below, share, side="left"))
    part = (share - below[at - 1]) / (below[at] - below[at - 1])
    return float((at - 1 + part) * BIN_M)


def _pool_block(pools: dict[str, Pool], wide: Wide, near: gpd.GeoDataFrame) -> None:
    """Add what a block holds of each area."""
    surface, ground = wide.heights
    rows, cols = surface.shape
    core = surface[wide.margin : rows - wide.margin, wide.margin : cols - wide.margin]
    covered = [piece for piece in cover(core, wide.bounds, near) if len(piece[1])]
    if not covered:
        return
    mine = [pools.setdefault(area_id, Pool()) for area_id, _, _ in covered]
    ground_m2 = _stack_cells(covered, core.size, wide.cell_m)
    all_m2 = ground_m2.sum(axis=1)
    for name, plane in measure_planes(surface, ground, wide.cell_m, wide.margin):
        totals = ground_m2 @ plane.amounts.ravel()
        counts = all_m2 if plane.counts is None else ground_m2 @ plane.counts.ravel()
        for pool, total, count in zip(mine, totals.tolist(), counts.tolist(), strict=True):
            pool.add(name, total, count)
        if name == SPREAD:
            _count_heights(mine, ground_m2, plane)


def _stack_cells(
    covered: list[tuple[str, NDArray[np.int64], Floats]], n_cells: int, cell_m: float
) -> Any:
    """Stack the square metres that areas cover of each cell as a sparse matrix, (area, cell)."""
    starts = np.cumsum([0, *(len(cells) for _, cells, _ in covered)])
    cells = np.concatenate([cells for _, cells, _ in covered])
    coverage = np.concatenate([coverage for _, _, coverage in covered])
    return csr_array((coverage * cell_m**2, cells, starts), shape=(len(covered), n_cells))


def _count_heights(mine: list[Pool], ground_m2: Any, plane: Plane) -> None:
    """Count roofs by height, for each area."""
    assert plane.counts is not None
    heights, is_roof = plane.amounts.ravel(), plane.counts.ravel()
    for k, pool in enumerate(mine):
        piece = slice(ground_m2.indptr[k], ground_m2.indptr[k + 1])
        cells = ground_m2.indices[piece]
        weight = ground_m2.data[piece] * is_roof[cells]
        bins = np.minimum(heights[cells] / BIN_M, len(pool.heights) - 1).astype(np.int64)
        pool.heights += np.bincount(bins, weight, minlength=len(pool.heights))
