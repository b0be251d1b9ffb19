"""What kinds of ground add to the prediction of each area, as a table that other tools can read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from basrelief.explain.kinds import KINDS
from basrelief.explain.tally import AreaSums

ADDS = tuple(f"adds_{kind.replace(' ', '_')}" for kind in KINDS)
"""Columns of what each kind of an area's ground adds to its prediction, in the target's unit."""

SHARES = tuple(f"share_{kind.replace(' ', '_')}" for kind in KINDS)
"""Columns of each kind's share of an area's ground that has data, 0 to 1."""

NAMES = ("recipe", "target", "area_id")

SCHEMA = pa.schema(
    [(name, pa.string()) for name in NAMES] + [(name, pa.float64()) for name in (*ADDS, *SHARES)]
)
"""Of ``explain/areas.parquet``: one row a recipe, target and area."""


def write_areas(
    writer: pq.ParquetWriter, tally: Mapping[str, AreaSums], recipe: str, targets: tuple[str, ...]
) -> None:
    """Write what each kind of ground adds to each area's predictions by one recipe.

    The kinds add up to what all of an area's ground adds, see
    `basrelief.explain.readout.sum_of_cells`: with means of cells alone, to the final model's
    prediction less its intercept. One target at a time, a group of rows each: memory is that of
    one, and a reader of one target reads no others.

    Parameters
    ----------
    writer
        Of ``SCHEMA``.
    tally
        Sums by area, of these targets.
    """
    n_kinds, sums = len(KINDS), list(tally.values())
    ground = np.array([each.ground[:n_kinds] / each.coverage for each in sums])  # (area, kind)
    shares = dict(zip(SHARES, ground.reshape(-1, n_kinds).T, strict=True))
    for k, target in enumerate(targets):
        added = np.array([each.by_kind[:n_kinds, k] for each in sums]).reshape(-1, n_kinds)
        named = ([recipe] * len(sums), [target] * len(sums), list(tally))
        columns = dict(zip(NAMES, named, strict=True)) | dict(zip(ADDS, added.T, strict=True))
        writer.write_table(pa.table(columns | shares, schema=SCHEMA))
