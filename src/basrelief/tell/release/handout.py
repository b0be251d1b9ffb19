"""Area figures to be handed out, as tables for a spreadsheet and for a map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from basrelief.names import guard_table
from basrelief.sources.flights import FLIGHTS
from basrelief.tell.facts import Facts
from basrelief.tell.release.gate import find_open

FIGURES = {
    "y_pred": "predicted",
    "lower_80": "low_80",
    "upper_80": "high_80",
    "is_inside": "is_inside",
}
"""Columns of the judgement, and what they are called behind a target's name."""

SIGNIFICANT = 4
"""Digits of a figure: more would be noise."""

NOTE = (
    "Figures of areas, each predicted while it was held out. Sources, licences, columns: areas.md"
)


def list_tables(facts: Facts) -> list[str]:
    """List the tables that are handed out beside the page, by file name.

    Parameters
    ----------
    facts
        As `narrow_facts` leaves them.
    """
    if not find_open(facts):
        return []
    outlines = ["areas.geojson"] if facts.samples.has_places else []
    return ["areas.csv", *outlines, "areas.md"]


def tabulate_public(facts: Facts) -> pd.DataFrame:
    """Lay out the areas shown, one row each.

    Parameters
    ----------
    facts
        As `narrow_facts` leaves them.

    Returns
    -------
    Columns ``area_id, area_name, lad``, ``ground_covered`` where anything looked at the ground, of
    rasters ``label_year, flown_from, flown_to, years_apart``, and, for each target, ``_observed``,
    ``_predicted``, ``_low_80``, ``_high_80`` (the 80 % interval) and ``_is_inside`` (whether
    training had anything like the area). The predicted ones are missing where no recipe that
    was asked for has a score that may be shown, or it is no better than the mean.
    """
    areas = facts.samples.areas
    areas = areas[areas["is_used"].astype(bool)].set_index("area_id").sort_index()
    # Of ground that nothing looked at there is nothing to be told.
    of_ground = ("ground_covered", *FLIGHTS) if facts.has_ground else ()
    columns: dict[str, Any] = {
        name: areas[name] for name in ("area_name", "lad", *of_ground) if name in areas
    }
    # From the list that was narrowed already, and not from what the run wrote.
    ranked = facts.judged.ranked
    for target in facts.samples.targets:
        columns[f"{target}_observed"] = areas[target]
        if ranked.empty or target not in facts.shown:
            continue
        mine = ranked[ranked["target"] == target].set_index("area_id")
        if mine.empty:
            continue
        mine = mine.reindex(areas.index)
        for name, called in FIGURES.items():
            columns[f"{target}_{called}"] = mine[name]
    table = pd.DataFrame(columns, index=areas.index)
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].map(round_figure)
    return table.reset_index()


def round_figure(value: float) -> float:
    """Round to the digits that a figure is given with.

    Examples
    --------
    >>> round_figure(0.123456), round_figure(1234567.0)
    (0.1235, 1235000.0)
    """
    return float(f"{value:.{SIGNIFICANT}g}")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write the table for a spreadsheet."""
    # A name that begins as a formula does would be run by a spreadsheet.
    guard_table(table).to_csv(path, index=False, encoding="utf-8")


def outline_table(facts: Facts, table: pd.DataFrame) -> gpd.GeoDataFrame:
    """Give the areas of the table their outlines, in degrees."""
    areas = facts.samples.areas
    areas = areas[areas["is_used"].astype(bool)]
    # In the order of the table, which goes by code.
    outlines = gpd.GeoSeries(
        areas.geometry.to_numpy(), index=areas["area_id"], crs=areas.crs
    ).reindex(table["area_id"])
    # Six decimals of a degree are a tenth of a metre.
    degrees = shapely.transform(outlines.to_crs(4326).to_numpy(), lambda xy: xy.round(6))
    # The standard wants outer rings to run against the clock.
    degrees = shapely.orient_polygons(degrees)
    return gpd.GeoDataFrame(table, geometry=degrees, crs=4326)


def write_outlines(shown: gpd.GeoDataFrame, path: Path) -> None:
    """Write the table with its outlines as GeoJSON (RFC 7946)."""
    # Null for what is unknown: NaN is no JSON.
    features = list(shown.iterfeatures(na="null", drop_id=True))
    collection = {"type": "FeatureCollection", "note": NOTE, "features": features}
    path.write_text(json.dumps(collection, allow_nan=False) + "\n", encoding="utf-8")
