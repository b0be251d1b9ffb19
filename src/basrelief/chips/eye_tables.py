"""Tables of what else is known of areas, for those of a place: kept beside its chips."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import geopandas as gpd
import pandas as pd

from basrelief.chips.carried import open_lookup
from basrelief.config import Settings
from basrelief.run import Notes
from basrelief.sources.areas import find_area_vintage
from basrelief.sources.census import settle_vintage
from basrelief.sources.eye_tables import note_few, read_eye_tables, refuse_answers

FOLDER = "tables"


def read_place_tables(
    settings: Settings,
    notes: Notes,
    areas: gpd.GeoDataFrame,
    targets: list[str],
    left_out: Collection[str] = (),
    is_to_learn: bool = True,
) -> dict[str, pd.DataFrame]:
    """Read the tables of ``[data.tables]`` for the areas of a place, by the eyes' names.

    Parameters
    ----------
    left_out
        Areas of which tables are read as if no row of theirs stood there.
    is_to_learn
        Whether a model is to be learnt; one that is there already has nothing to learn an answer
        from.

    Raises
    ------
    InputError
        As `read_eye_tables` and `refuse_answers`.
    """
    if not settings.data.tables:
        return {}
    where = settings.typed("areas")
    told = find_area_vintage(where, settings.data.area_column)
    drawn = settle_vintage(told, areas["area_id"], str(where))
    lookup = open_lookup(settings, areas)
    # As labels are: shares, rates and scores are averaged where areas were merged.
    carry = None if lookup is None else partial(lookup.carry_labels, notes=notes)
    left_out = left_out if lookup is None else lookup.trace_back(left_out)
    ids = areas["area_id"].tolist()
    tables = read_eye_tables(settings, notes, ids, drawn, carry, left_out)
    if is_to_learn:
        refuse_answers(tables, pd.DataFrame(areas[targets]), settings, notes)
    return tables


def write_place_tables(
    settings: Settings,
    notes: Notes,
    folder: Path,
    tables: dict[str, pd.DataFrame],
    areas: gpd.GeoDataFrame,
    is_to_learn: bool = True,
) -> None:
    """Write each table to ``tables/<eye>.parquet`` of a chips folder; note what is too wide.

    Parameters
    ----------
    areas
        With ``is_used``: what can be learnt from.
    """
    for eye, table in tables.items():
        (folder / FOLDER).mkdir(exist_ok=True)
        table.to_parquet(folder / FOLDER / f"{eye}.parquet")
    if is_to_learn:
        note_few(tables, int(areas["is_used"].sum()), settings, notes)


def read_place_table(folder: Path, eye: str) -> pd.DataFrame:
    """Read what `write_place_tables` wrote of one eye: a row an area, by ``area_id``."""
    return pd.read_parquet(folder / FOLDER / f"{eye}.parquet")
