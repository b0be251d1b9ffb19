"""Tables of labels and counts held against a place: those of other areas, and what they lack."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd

from basrelief.chips.carried import Lookup
from basrelief.config import InputError, Settings
from basrelief.run import Notes
from basrelief.sources.areas import find_area_vintage, list_names, read_headings
from basrelief.sources.census import find_column, refuse_other_vintage, settle_vintage
from basrelief.sources.crime import LOCKDOWN_YEARS, CrimeCounts
from basrelief.sources.labels import find_label_vintage
from basrelief.sources.targets import expand_targets

MOST_CRIMES = 1000.0
"""Crimes of one category per 1,000 people and year that no usual area has: all categories together
are a hundred in England."""


def refuse_strangers(
    settings: Settings,
    areas: gpd.GeoDataFrame,
    labels: pd.DataFrame,
    crime: CrimeCounts | None,
    lookup: Lookup | None,
) -> None:
    """Stop where a table is of another vintage than the boundaries, or knows none of them."""
    data, where = settings.data, settings.typed("areas")
    drawn = settle_vintage(find_area_vintage(where, data.area_column), areas["area_id"], str(where))
    tables = []
    if data.labels is not None:
        typed = settings.typed("labels")
        # What was carried over is of the boundaries' own census now.
        told = find_label_vintage(typed, data.label_column) if lookup is None else None
        tables.append((str(typed), labels.index, told))
    if crime is not None:
        tables.append((str(settings.typed("crime")), crime.counts.index, crime.vintage))
    for table, codes, told in tables:
        n_matched = int(_mark_known(areas["area_id"], codes).sum())
        vintage = settle_vintage(told, codes, table)
        refuse_other_vintage(table, vintage, str(where), drawn, (n_matched, len(areas)))
        # Some codes always differ (boundaries change); none in common is the wrong table.
        if n_matched == 0:
            there = "none" if len(codes) == 0 else f"such as {codes[0]!r}"
            raise InputError(
                f"{table}: none of its area codes ({there}) is among the codes of "
                f"{where} (such as {areas['area_id'].iloc[0]!r}). "
                + _explain_strangers(areas["area_id"], codes)
            )


def _mark_known(area_ids: pd.Series[str], codes: pd.Index[str]) -> pd.Series[bool]:
    """Mark the areas of a place that are among a table's codes."""
    # The other way about first: pandas turns over each value that is asked for, one by one, and
    # of a country's table few are of this place.
    return area_ids.isin(codes[codes.isin(area_ids)])


def _explain_strangers(drawn: pd.Series[str], codes: pd.Index[str]) -> str:
    """Say what would make codes match that do not."""
    bare = {str(code).lstrip("0"): str(code) for code in codes}
    for code in drawn:
        if code.lstrip("0") in bare:
            return (
                f"{bare[code.lstrip('0')]!r} and {code!r} differ by a leading 0, as spreadsheets "
                "lose it: write the codes of both as text."
            )
    return "Give both for the same areas and year."


def note_lost(
    settings: Settings,
    notes: Notes,
    areas: gpd.GeoDataFrame,
    labels: pd.DataFrame,
    crime: CrimeCounts | None,
) -> None:
    """Note which areas of the place have no row in the table of labels, or a blank one."""
    typed = settings.typed("labels")
    labels = labels[labels.index.isin(areas["area_id"])]
    has_row = areas["area_id"].isin(labels.index)
    if not has_row.all():
        notes.add(
            f"{typed}: {name_areas(areas[~has_row], areas)} have no row and so no label; a table "
            "of other areas, or of another census, has other codes"
        )
    for target in expand_targets(settings.data.targets, ()):
        # Rates of crime are unknown for reasons of their own, which are said with the counts.
        if target not in labels or (crime is not None and target in crime.counts):
            continue
        is_blank = areas["area_id"].isin(labels.index[labels[target].isna()])
        # Where all are blank the target is refused, which says more.
        if 0 < is_blank.sum() < has_row.sum():
            notes.add(f"{typed}: {target!r} is not known in {name_areas(areas[is_blank], areas)}")


def name_areas(some: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> str:
    """Count areas and name the first five by code."""
    codes = list_names(sorted(some["area_id"]), limit=5)
    return f"{len(some)} of the {len(areas)} areas here ({codes})"


def note_districts(
    settings: Settings, notes: Notes, areas: gpd.GeoDataFrame, labels: pd.DataFrame
) -> None:
    """Note where boundaries and labels speak of other districts; the boundaries' are taken."""
    if "lad" not in labels or areas["lad"].isna().all():
        return
    pair = pd.DataFrame({"drawn": areas["lad"], "told": areas["area_id"].map(labels["lad"])})
    pair = pair.dropna().astype(str)
    if (pair["drawn"] != pair["told"]).any():
        where = settings.typed("areas")
        heading = find_column(read_headings(where, settings.data.area_column), "lad")
        notes.add(
            f"{where}: districts are those of its column {heading!r} "
            f"({pair['drawn'].nunique()} here: {list_names(sorted(pair['drawn'].unique()), 5)}); "
            f"{settings.typed('labels')} has others "
            f"({pair['told'].nunique()}: {list_names(sorted(pair['told'].unique()), 5)})"
        )


def note_gaps(notes: Notes, areas: gpd.GeoDataFrame, crime: CrimeCounts, where: str) -> None:
    """Note which areas of the place have no counts, or lack months of the years that are taken."""
    absent = areas[~areas["area_id"].isin(crime.counts.index)]
    if len(absent):
        notes.add(f"{where}: no counts for {name_areas(absent, areas)}: their rates are unknown")
    here = areas[areas["area_id"].isin(crime.gaps)]
    for span in sorted({crime.gaps[code] for code in here["area_id"]}):
        some = here[here["area_id"].map(crime.gaps) == span]
        notes.add(
            f"{where}: no counts of {span} for {name_areas(some, areas)}: their rates are unknown"
        )


def note_people(
    settings: Settings, notes: Notes, areas: gpd.GeoDataFrame, asked: list[str]
) -> None:
    """Note where rates of crime have no people behind them, or more crimes than people."""
    typed = settings.typed("labels")
    is_empty = ~(areas["population"] > 0)
    # Where nobody is known of at all nothing can be learnt, which is refused.
    if 0 < is_empty.sum() < len(areas):
        notes.add(
            f"{typed}: nobody is known to live in {name_areas(areas[is_empty], areas)}: their "
            "rates are unknown"
        )
    for target in asked:
        usual = areas[target].median()
        if usual > MOST_CRIMES:
            notes.add(
                f"{settings.typed('crime')}: half of the areas have {usual:,.0f} or more of "
                f"{target!r} per 1,000 people and year: are its counts of single years, and the "
                f"people of {typed} all of them?"
            )


def describe_counts(crime: CrimeCounts, areas: gpd.GeoDataFrame, labels: pd.DataFrame) -> str:
    """Say which years the rates are of, and which areas have none."""
    years = list_names([str(year) for year in crime.years])
    taken = [str(year) for year in LOCKDOWN_YEARS if year in crime.years]
    note = f"lockdown in {' and '.join(taken)}" if taken else "2020 and 2021 were lockdown years"
    line = f"crime: {len(crime.categories)} categories, mean of {years} ({note})"
    absent = labels[~labels.index.isin(crime.counts.index)]
    if absent.empty:
        return line
    names = [] if "lad_name" not in absent else [str(name) for name in absent["lad_name"].unique()]
    of = f" (in {list_names(names, limit=3)})" if names else ""
    n_here = int((~areas["area_id"].isin(crime.counts.index)).sum())
    return (
        f"{line}; no counts for {len(absent)} of {len(labels)} areas with labels{of}, "
        f"{n_here} of them in this place: their rates are unknown, not zero"
    )
