"""From ground to features of areas: a function measures a tract, one driver walks the place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from basrelief.chips.canvas import Canvas, Tiling, walk_place
from basrelief.chips.store import HEIGHTS, Samples
from basrelief.chips.zonal import Planes, Pools, Zoning, list_areas, pool_planes
from basrelief.run import Run


@dataclass(frozen=True, eq=False)
class Measuring:
    """How a recipe turns ground into planes."""

    label: str
    """What is done, for the progress bar."""

    tiling: Tiling
    measure: Callable[[Canvas], Iterable[Planes]]
    """Makes planes of a tract. Each goes when its sums are taken."""

    layer: str = HEIGHTS


class Columns(NamedTuple):
    """Columns of a table of features: one statistic of the planes of one name."""

    planes: str
    statistic: Literal["mean", "std"]
    names: list[str]
    """One a plane."""


def pool_place(samples: Samples, areas: gpd.GeoDataFrame, measuring: Measuring, run: Run) -> Pools:
    """Measure a place tract by tract and sum what lies in each area, by fractions of cells.

    Memory is that of a tract, and a row an area.
    """
    pools, zoning = Pools(), Zoning(areas)
    for canvas in walk_place(
        samples, zoning, measuring.tiling, run, measuring.label, measuring.layer
    ):
        # One at a time: hundreds of channels of a tract at once would not fit.
        for planes in measuring.measure(canvas):
            pool_planes(pools, planes, zoning.on(planes.grid))
    return pools


def tabulate_pools(pools: Pools, columns: Sequence[Columns]) -> pd.DataFrame:
    """Set statistics side by side, a row an area by ``area_id``; NaN where one has none of it."""
    area_ids, tables = list_areas(pools), list[pd.DataFrame]()
    for planes, statistic, names in columns:
        values = np.full((len(area_ids), len(names)), np.nan, np.float32)
        pool = pools.get(planes, {})
        for row, area_id in enumerate(area_ids):
            if area_id in pool:
                sums = pool[area_id]
                values[row] = sums.mean if statistic == "mean" else sums.std
        tables.append(pd.DataFrame(values, index=area_ids, columns=names))
    table: pd.DataFrame = pd.concat(tables, axis=1).rename_axis("area_id")
    return table
