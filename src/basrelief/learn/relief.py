"""Relief statistics: numbers a person can read, pooled over each area's own ground."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basrelief.chips.canvas import Canvas, Tiling
from basrelief.chips.pooling import Measuring, pool_place
from basrelief.chips.store import Samples
from basrelief.chips.zonal import Planes, Pools
from basrelief.learn.measures import MEASURES
from basrelief.learn.urban_form import find_margin, measure_planes
from basrelief.run import Run

CELL_M = 2.0
"""Side of the cells that are measured: finer ones are averaged, so that a measure means the same
whatever the chips' resolution."""

TRACT_M = 1792.0
"""Side of the ground that is measured at once: the bound on memory."""

LEAST_M2 = 100.0
"""Of fewer square metres of roofs, crowns or ground nothing is said."""

STEP_M = 0.5
"""Steps in which heights of roofs are counted for their quantiles."""

SPREAD, COUNTED = "roof_height_mean_m", "roof heights"
"""The measure whose values are counted as well as summed, and the planes that count them."""


def relief_features(samples: Samples, run: Run) -> pd.DataFrame:
    """Compute the relief statistics of every area.

    `measures.MEASURES` says what each is. Every cell is measured with what lies
    around it, whichever tract that is in; cells count by the fraction of them in the area.

    Returns
    -------
    DataFrame
        One row an area that has ground, by ``area_id``; one column a measure, in its unit;
        NaN where an area has too little of what is measured, such as roofs in a wood.
    """
    factor = find_factor(samples, CELL_M)
    cell_m = factor * samples.resolution_m
    n_chips = max(1, round(TRACT_M / (samples.size_px * samples.resolution_m)))

    def measure(canvas: Canvas) -> Iterator[Planes]:
        """Measure the relief of a tract, (plane, row, col)."""
        return measure_relief(canvas, factor)

    tiling = Tiling(side_px=n_chips * samples.size_px, halo_px=find_margin(cell_m) * factor)
    measuring = Measuring("relief statistics", tiling, measure)
    pools = pool_place(samples, samples.areas[["area_id", "geometry"]], measuring, run)
    rows = {area_id: _finish(pools, area_id, cell_m) for area_id in pools.get(SPREAD, {})}
    columns = [measure.name for measure in MEASURES]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=np.float64)
    return table.rename_axis("area_id").sort_index()


def measure_relief(canvas: Canvas, factor: int) -> Iterator[Planes]:
    """Measure every plane of a tract, one at a time.

    Parameters
    ----------
    factor
        Pixels of the canvas a side of the cells that are measured.

    Yields
    ------
    What is summed for a measure, (1, row, col), of all ground with data; and where less counts,
    (2, row, col), how much it is the sum of. Roofs' heights come again, to be counted.
    """
    # Averaged first: a measure means the same at every resolution of the chips.
    surface, ground = canvas.average(factor)
    grid, margin = canvas.grid.coarser(factor), canvas.margin_px // factor
    has_data = np.isfinite(
        surface[margin : margin + grid.shape[0], margin : margin + grid.shape[1]]
    )
    for name, plane in measure_planes(surface, ground, grid.cell_m, margin):
        both = [plane.amounts] if plane.counts is None else [plane.amounts, plane.counts]
        yield Planes(name, grid, np.stack(both), has_data)
        if name == SPREAD:
            assert plane.counts is not None
            # A quantile is no sum over cells: heights are counted in steps, and read off later.
            yield Planes(COUNTED, grid, plane.amounts[None], has_data & plane.counts, step=STEP_M)


def _finish(pools: Pools, area_id: str, cell_m: float) -> dict[str, float]:
    """Turn an area's sums into the measures, in their order; NaN where too little ground counts."""
    found: dict[str, float] = {}
    for name in (each for each in pools if each != COUNTED):
        sums = pools[name][area_id]
        total, count = (*np.asarray(sums.total).tolist(), sums.weight)[:2]
        found[name] = total / count if count * cell_m**2 >= LEAST_M2 else np.nan
    mean, square = found["roof_height_mean_m"], found["roof_height_square_m2"]
    # From sums of squares, which can be gathered tract by tract.
    found["roof_height_variation"] = max(square - mean**2, 0.0) ** 0.5 / mean
    for share in (50, 90):
        is_known = np.isfinite(mean)
        height = pools[COUNTED][area_id].quantile(share / 100) if is_known else np.nan
        found[f"roof_height_q{share}_m"] = height
    return {measure.name: found[measure.name] for measure in MEASURES}


def find_factor(samples: Samples, cell_m: float) -> int:
    """Find the pixels a side of the cell nearest below the one wanted of which chips are whole."""
    wanted = max(1, round(cell_m / samples.resolution_m))
    return max(k for k in range(1, wanted + 1) if samples.size_px % k == 0)
