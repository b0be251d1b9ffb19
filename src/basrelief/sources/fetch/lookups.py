"""Lookups between codes of areas: which LSOAs of 2011 became which of 2021."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.sources.changes import GROUND, measure_ground, tidy_changes
from basrelief.sources.england import ONS
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.features import (
    N_CODES,
    FeatureLayer,
    query_features,
    query_rows,
    quote,
)
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.ons import CHANGES, LSOA
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.scotland import SCOTLAND

LOOKUP = "lookups/lsoa11-lsoa21.csv"


def find_lookup(place: NamedPlace) -> list[Offer]:
    """Offer what became of the LSOAs of a place; none of Scotland, which has no LSOAs.

    Returns
    -------
    list of Offer
        A table as `read_changes` takes it, whole for every LSOA of 2011 whose ground a place's
        LSOAs of 2021 have, with the ground that changed ones share.
    """
    # Its data zones of 2022 are in no index yet.
    if place.country == SCOTLAND:
        return []

    def make(client: Client, part: Path) -> None:
        codes = query_features(client, LSOA[2021], bounds=place.bounds)["LSOA21CD"].tolist()
        read_lookup(client, codes).to_csv(part, index=False)

    what = "lookup from LSOAs of 2011 to those of 2021"
    return [Offer(what, CHANGES.url, LOOKUP, 200_000, 2021, ONS, make=make)]


def read_lookup(client: Client, codes: list[str]) -> pd.DataFrame:
    """Read the rows of the lookup that concern LSOAs of 2021.

    Returns
    -------
    DataFrame
        The lookup's own columns: all that the areas came of, and all that became of these. Beside
        them ``shared_m2``, NaN where nothing changed.

    Raises
    ------
    ServiceError
        If it cannot be had, or is not whole.
    """
    rows = query_rows(client, CHANGES, "LSOA21CD", codes)
    lost = sorted(set(codes) - set(rows["LSOA21CD"]))
    if lost:
        raise ServiceError(f"ONS geography, {CHANGES.service}: knows nothing of {lost[0]}")
    # What an area was split into may lie beyond the place, and what was merged with it likewise.
    while True:
        became = query_rows(client, CHANGES, "LSOA11CD", rows["LSOA11CD"].tolist())
        came_of = query_rows(client, CHANGES, "LSOA21CD", became["LSOA21CD"].tolist())
        wider = pd.concat([rows, came_of]).drop_duplicates(ignore_index=True)
        if len(wider) == len(rows):
            break
        rows = wider
    named = rows.rename(columns={"LSOA11CD": "old", "LSOA21CD": "new", "CHGIND": "change"})
    try:
        tidy_changes(named[["old", "new", "change"]], f"ONS geography, {CHANGES.service}")
    except InputError as error:
        raise ServiceError(str(error)) from error
    rows = rows.sort_values(["LSOA11CD", "LSOA21CD"], ignore_index=True)
    return rows.assign(**{GROUND: _measure(client, rows)})


def _measure(client: Client, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Measure the ground that changed areas share, (row,); NaN where nothing changed."""
    is_changed = (rows["CHGIND"] != "U").to_numpy()
    pairs = rows.loc[is_changed].rename(columns={"LSOA11CD": "old", "LSOA21CD": "new"})
    # Here and not when it is used: who runs it has the boundaries of one census alone.
    drawn = [
        query_drawn(client, LSOA[year], sorted(set(pairs[side])))
        for year, side in ((2011, "old"), (2021, "new"))
    ]
    shared = np.full(len(rows), np.nan)
    shared[is_changed] = measure_ground(pairs, *drawn).round(1)
    return shared


def query_drawn(client: Client, layer: FeatureLayer, codes: list[str]) -> gpd.GeoSeries:
    """Read the polygons of areas by code, in EPSG:27700."""
    found = [
        query_features(
            client,
            layer,
            where=f"{layer.key[0]} IN ({','.join(map(quote, codes[k : k + N_CODES]))})",
        )
        for k in range(0, len(codes), N_CODES)
    ]
    # A place in which nothing changed asks for no outline.
    if not found:
        return gpd.GeoSeries([], crs=NATIONAL_GRID)
    shapes: gpd.GeoSeries = pd.concat(found).set_index(layer.key[0]).geometry
    return shapes
