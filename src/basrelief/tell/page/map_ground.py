"""What its kinds of ground add to each area's prediction, packed for the map of the report."""

from __future__ import annotations

import base64
from math import floor, log10

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from basrelief.explain.area_sums import ADDS, SHARES
from basrelief.explain.kinds import KINDS
from basrelief.run import Record, Run
from basrelief.tell.facts import Facts
from basrelief.tell.maps.contributions import find_reach
from basrelief.tell.maps.layers import MapLayer
from basrelief.tell.page.doubts import say_doubt
from basrelief.tell.page.kinds import KIND_WORDS

MOST = np.iinfo(np.int16).max
"""Largest code of a sum: two bytes a number, whatever its size."""

# Codes that nothing else has: sums go as far below 0 as above, shares to 100.
NO_SUM, NO_SHARE = -1 - MOST, 255
"""Codes of areas that nothing is told of."""


def show_sums(facts: Facts, layer: MapLayer) -> Record | None:
    """Gather what the ground of each area adds to its prediction by the recipe shown.

    Of areas without a held-out prediction nothing is told: they have too little ground or no
    score to judge it by.

    Returns
    -------
    None where the recipe has no such sums, else ``kinds`` (their names), ``adds`` and
    ``shares`` (as `pack_sums` and `pack_shares` say), ``places`` (of the sums), ``reach`` (where
    bars end) and ``notes`` (what has to be said beside them, in sentences).
    """
    table = read_sums(facts.run, facts.find_code(layer.recipe), layer.target)
    if table is None:
        return None
    # In the order of the layer's areas, by which the page's script finds them.
    table = table.reindex(layer.table["area_id"])
    table[layer.table["predicted"].isna().to_numpy()] = np.nan
    adds = table[list(ADDS)].to_numpy(np.float64)
    if not np.isfinite(adds).any():
        return None
    places = fit_places(adds, layer.classes.places)
    return {
        "kinds": [KIND_WORDS.get(kind, kind) for kind in KINDS],
        "adds": pack_sums(adds, places),
        "shares": pack_shares(table[list(SHARES)].to_numpy(np.float64)),
        "places": places,
        "reach": round(find_reach(adds.astype(np.float32)), max(0, places)),
        "notes": say_notes(facts, layer),
    }


def say_notes(facts: Facts, layer: MapLayer) -> list[str]:
    """Say what is not in the sums, and where nothing can be read into them."""
    speaker = facts.find_speaker(layer.recipe)
    place = "This is what LIDAR adds beside place." if layer.recipe in facts.joining else ""
    return [each for each in (place, say_doubt(facts, speaker, [layer.target])) if each]


def read_sums(run: Run, recipe: str, target: str) -> pd.DataFrame | None:
    """Read the sums of one recipe and target by ``area_id``; None where explaining left none."""
    path = run.explain / "areas.parquet"
    if not path.exists():
        return None
    filters = [("recipe", "==", recipe), ("target", "==", target)]
    columns = ["area_id", *ADDS, *SHARES]
    table: pd.DataFrame = pq.read_table(path, columns=columns, filters=filters).to_pandas()
    return None if table.empty else table.set_index("area_id")


def fit_places(values: NDArray[np.float64], places: int) -> int:
    """Give the decimal places shown of values, (area, kind), or the fewer that fit two bytes.

    Examples
    --------
    >>> fit_places(np.array([1.5, np.nan]), 2), fit_places(np.array([-250_000.0]), 0)
    (2, -1)
    """
    largest = float(np.nanmax(np.abs(values)))
    return min(places, floor(log10(MOST / largest))) if largest > 0 else places


def pack_sums(values: NDArray[np.float64], places: int) -> str:
    """Pack sums, (area, kind), as whole numbers of the last digit shown.

    Returns
    -------
    Two bytes a number, the lower first, in base 64; `NO_SUM` is NaN.
    """
    codes = np.where(np.isfinite(values), np.round(values * 10.0**places), NO_SUM)
    # The lower byte first on every machine, as the page's script reads it.
    return _write_base64(codes.astype("<i2"))


def pack_shares(values: NDArray[np.float64]) -> str:
    """Pack shares, (area, kind), as whole per cents, a byte each; `NO_SHARE` is NaN."""
    codes = np.where(np.isfinite(values), np.round(100 * values), NO_SHARE)
    return _write_base64(codes.astype(np.uint8))


def _write_base64(codes: NDArray[np.integer]) -> str:
    return base64.b64encode(codes.tobytes()).decode()
