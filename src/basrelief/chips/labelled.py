"""Areas with their labels: which table gives which target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from basrelief.chips.carried import carry_tables, open_lookup
from basrelief.chips.counted import make_rates, write_counted
from basrelief.chips.label_doubts import (
    describe_counts,
    name_areas,
    note_districts,
    note_gaps,
    note_lost,
    note_people,
    refuse_strangers,
)
from basrelief.chips.since import SINCE, find_changes, measure_changes
from basrelief.chips.tables import choose_targets
from basrelief.config import InputError, Settings
from basrelief.run import Notes, no_notes
from basrelief.sources.areas import read_areas
from basrelief.sources.census import fill_parents
from basrelief.sources.crime import (
    CrimeCounts,
    count_by_borough,
    find_rates,
    read_crime,
)
from basrelief.sources.labels import (
    find_label_year,
    read_label_headings,
    read_labels,
)
from basrelief.sources.lidar import Mosaic
from basrelief.sources.people import refuse_without_people
from basrelief.sources.targets import expand_targets, find_domains, find_target
from basrelief.sources.tenths import TENTH


def read_labelled_areas(
    settings: Settings, notes: Notes, folder: Path | None, surface: Mosaic | None
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Read the areas that the rasters touch, with one column a target.

    Without rasters, which say what the place is, it is the areas with a row in the table of labels.

    Parameters
    ----------
    notes
        Takes what is odd about the tables.
    folder
        Where ``crime.parquet`` goes where there are counts of crime; None to write nothing.

    Returns
    -------
    areas, targets
        Without a table of labels (a model's new place) the targets are unknown everywhere.
        ``label_year`` is the year that labels speak of, NaN where not known.

    Raises
    ------
    InputError
        If a table lacks a target, knows none of the areas, or is of another vintage.
    """
    data = settings.data
    own_crs = None if data.crs is None else settings.typed("crs")
    areas = read_areas(
        settings.typed("areas"),
        column=data.area_column,
        crs=own_crs if surface is None else surface.crs,
        bounds=None if surface is None else surface.grid.bounds,
        notes=notes,
    )
    among = list(areas["area_id"]) if surface is None else _list_with_tiles(areas, surface)
    crime = read_counts(settings, notes, folder, among)
    changes = {} if data.labels is None else find_own_changes(settings)
    labels, asked = _read_own_labels(settings, notes, crime, changes)
    lookup = open_lookup(settings, areas)
    labels, crime = carry_tables(settings, notes, lookup, labels, crime)
    refuse_strangers(settings, areas, labels, crime, lookup)
    if surface is None:
        areas = _keep_labelled(settings, notes, areas, labels)
    if crime is not None and asked:
        labels = labels.join(find_rates(crime, labels["population"])[asked])
    write_counted(settings, folder, asked)
    if changes:
        labels = labels.join(measure_changes(settings, notes, areas, labels, changes))
    categories = crime.categories if crime is not None else ()
    targets = choose_targets(settings, list(labels.columns), categories)
    _take_labels(areas, labels, targets)
    areas["label_year"] = np.nan
    if data.labels is None:
        areas[targets] = np.nan
    if data.labels is not None:
        areas["label_year"] = _find_year(settings, crime, targets)
        note_lost(settings, notes, areas, labels, crime)
        note_districts(settings, notes, areas, labels)
    if crime is not None:
        notes.run.say(describe_counts(crime, areas, labels))
        note_gaps(notes, areas, crime, str(settings.typed("crime")))
        if asked:
            note_people(settings, notes, areas, asked)
    return areas, targets


def find_own_changes(settings: Settings) -> dict[str, str]:
    """Find the targets that are changes since the last release, by name what changed."""
    # Nothing is read for nothing: a table of labels may be a country's workbook.
    if not any(name.endswith(SINCE) for name in expand_targets(settings.data.targets, ())):
        return {}
    return find_changes(
        settings, read_label_headings(settings.typed("labels"), settings.data.label_column)
    )


def list_label_targets(
    settings: Settings, changes: Mapping[str, str]
) -> list[str] | Literal["all"]:
    """List the targets that tables of labels are asked for: of changes, what changed."""
    targets = settings.data.targets
    if targets == "all":
        return targets
    return list(dict.fromkeys(changes.get(name, name) for name in targets))


def _take_labels(areas: gpd.GeoDataFrame, labels: pd.DataFrame, targets: Collection[str]) -> None:
    """Fill in what the table of labels says of areas; where they lie only if boundaries do not."""
    named = {*targets, *(f"{TENTH}{target}" for target in targets)}
    for column in labels.columns:
        is_place = column in ("msoa", "lad") and areas[column].isna().all()
        if is_place or column in named or column == "population":
            areas[column] = areas["area_id"].map(labels[column])
    fill_parents(areas)


def _keep_labelled(
    settings: Settings, notes: Notes, areas: gpd.GeoDataFrame, labels: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Keep the areas with a row in the table of labels: boundaries come for whole countries."""
    has_row = areas["area_id"].isin(labels.index)
    if not has_row.all():
        notes.add(
            f"{settings.typed('areas')}: {name_areas(areas[~has_row], areas)} have no row in "
            f"{settings.typed('labels')} and are no part of the place"
        )
    return areas[has_row].reset_index(drop=True)


def _list_with_tiles(areas: gpd.GeoDataFrame, surface: Mosaic) -> list[str]:
    """List the areas by code that share ground with a tile: between tiles there may be others."""
    tree = shapely.STRtree([shapely.box(*tile.grid.bounds) for tile in surface.tiles])
    with_tiles = np.unique(tree.query(areas.geometry.values, predicate="intersects")[0])
    return list(areas["area_id"].iloc[with_tiles])


def read_counts(
    settings: Settings, notes: Notes, folder: Path | None, among: Collection[str] | None = None
) -> CrimeCounts | None:
    """Read counts of crime where they are given, and write their sums by borough.

    ``crime.parquet`` has ``borough, category, n_crimes, n_days``, for the describe stage.
    ``among`` as for `read_crime`.
    """
    data = settings.data
    if data.crime is None:
        return None
    # Years are chosen in which what was asked for by name is known; "all" asks for none by name.
    named = expand_targets(data.targets, ())
    crime = read_crime(settings.typed("crime"), data.crime_years, notes, named, among=among)
    if folder is not None:
        count_by_borough(crime).to_parquet(folder / "crime.parquet", index=False)
    return crime


def read_labels_without(
    settings: Settings,
    targets: Sequence[str],
    left_out: Collection[str],
    areas: gpd.GeoDataFrame,
) -> pd.DataFrame:
    """Read the labels of areas from tables as if some of their rows did not stand there.

    Which years are averaged, which months are known, and what a 99 means is decided over whole
    tables: so decided anew, it tells nothing of the rows that are left out.

    Parameters
    ----------
    targets
        Of a finished chips stage.
    left_out
        Areas by code.
    areas
        Of a finished chips stage.

    Returns
    -------
    Index ``area_id``; one float column a target, NaN where unknown.
    """
    data, typed = settings.data, settings.typed("labels")
    # What was odd about the tables was said of all their rows.
    notes = no_notes()
    lookup = open_lookup(settings, areas)
    # Of what an area withheld was split from, its other parts have the same score.
    left_out = left_out if lookup is None else lookup.trace_back(left_out)
    headings = read_label_headings(typed, data.label_column)
    changes = {name: of for name, of in find_own_changes(settings).items() if name in targets}
    wanted = list(dict.fromkeys(changes.get(name, name) for name in targets))
    own = [name for name in wanted if find_target(headings, name) is not None]
    crime = None
    if data.crime is not None:
        named = expand_targets(data.targets, ())
        among = set(areas["area_id"]) - set(left_out)
        crime = read_crime(settings.typed("crime"), data.crime_years, notes, named, left_out, among)
    labels = make_rates(settings, read_labels(typed, own, data.label_column, notes, left_out))
    labels, crime = carry_tables(settings, notes, lookup, labels, crime)
    if crime is not None:
        rates = find_rates(crime, labels["population"])
        # A category that stands in rows left out alone has no column.
        rates = rates.reindex(columns=[name for name in wanted if name not in own])
        labels = labels[own].join(rates)
    if changes:
        # Ranked anew: a rank among all would tell of those that are left out.
        changed = measure_changes(settings, notes, areas, labels, changes, left_out)
        labels = labels.join(changed)
    return labels[list(targets)]


def _read_own_labels(
    settings: Settings, notes: Notes, crime: CrimeCounts | None, changes: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read labels, none where a model's place has none; and name the rates of crime asked for."""
    data = settings.data
    if data.labels is None:
        return pd.DataFrame(), []
    typed, wanted = settings.typed("labels"), list_label_targets(settings, changes)
    if crime is None:
        return make_rates(settings, read_labels(typed, wanted, data.label_column, notes)), []
    headings = read_label_headings(typed, data.label_column)
    # "all" may mean all categories of crime: the table need not hold a deprivation score.
    targets = choose_targets(settings, find_domains(headings), crime.categories)
    targets = list(dict.fromkeys(changes.get(name, name) for name in targets))
    asked = [name for name in targets if name in crime.counts]
    for name in asked:
        heading = find_target(headings, name)
        if heading is not None:
            raise InputError(
                f"data.targets: {name!r} is both a column of {typed} ({heading!r}) and a "
                f"category of {settings.typed('crime')}. Give one of them."
            )
    others = [name for name in targets if name not in asked]
    labels = make_rates(settings, read_labels(typed, others, data.label_column, notes))
    if asked:
        refuse_without_people(labels, "data.crime", typed)
    return labels, asked


def _find_year(settings: Settings, crime: CrimeCounts | None, targets: Collection[str]) -> float:
    """Find the year that labels speak of; NaN where neither the user nor a table says one."""
    data = settings.data
    if data.label_year is not None:
        return data.label_year
    if crime is not None and set(targets) <= set(crime.categories):
        # The middle of the years that are averaged, the later of two.
        return sorted(crime.years)[len(crime.years) // 2]
    said = find_label_year(settings.typed("labels"), data.label_column)
    return np.nan if said is None else said
