"""Contribution maps as explaining left them, and as the map stage hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio.shutil import copy as copy_raster

from basrelief.names import name_file
from basrelief.run import Record, Run, read_json
from basrelief.style import DIVERGING
from basrelief.tell.maps import qgis
from basrelief.tell.small import Singles, read_small

MAX_PX = 800
"""Longest side of a map as it is read to be shown, in cells."""


SHOWN_SHARE = 0.98
"""Quantile of the sizes that the colours end at."""


def read_contributions(run: Run) -> list[Record]:
    """Read which contribution maps explaining left; none where it left no list.

    Returns
    -------
    Records with ``recipe, target, file`` (relative to the run folder), ``unit``.
    """
    path = run.explain / "contributions.json"
    records: list[Record] = read_json(path) if path.exists() else []
    # The list may name what was taken away since.
    return [record for record in records if (run.folder / record["file"]).exists()]


def choose_contribution(
    records: Sequence[Record], target: str, recipe: str | None
) -> Record | None:
    """Choose a target's contribution map: that of a recipe, where it has one."""
    mine = [record for record in records if record["target"] == target]
    return min(mine, key=lambda record: record["recipe"] != recipe, default=None)


def write_rasters(records: list[Record], run: Run, folder: Path) -> None:
    """Write each contribution map as a cloud-optimised GeoTIFF, with a style for QGIS beside it."""
    for record in run.track(records, "contribution maps"):
        path = folder / name_raster(record)
        copy_raster(
            run.folder / record["file"],
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            # Cells hold what ground adds per share of its area: a mean of them is one too.
            overview_resampling="AVERAGE",
        )
        # From the copy, whose overviews make reading it small cheap.
        reach = find_reach(read_small(path, MAX_PX)[0])
        style = qgis.draw_ramp(reach, DIVERGING, name_unit(record))
        path.with_suffix(".qml").write_text(style, encoding="utf-8")


def name_raster(record: Record) -> str:
    """Name a contribution map's file in ``maps/``."""
    return f"{name_file(record['target'])}-{name_file(record['recipe'])}.tif"


def name_unit(record: Record) -> str:
    """Name the unit of a contribution map's cells, its target first."""
    return f"{record['target']}, {record['unit']}"


def find_reach(values: Singles) -> float:
    """Find the size that colours end at, so that one odd cell, (row, col), pales no other."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.quantile(sizes, SHOWN_SHARE)) if len(sizes) else 0.0
