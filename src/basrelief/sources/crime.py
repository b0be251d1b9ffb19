"""Counts of recorded crime by small area and category, as police forces publish them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from basrelief.config import InputError, Typed
from basrelief.sources.areas import list_names, refuse_repeats
from basrelief.sources.census import find_column, name_district
from basrelief.sources.inputs import expand_pattern
from basrelief.sources.labels import read_csv, read_numbers

LOCKDOWN_YEARS = (2020, 2021)
"""Years in which lockdowns kept people, and so crime, from where they usually are."""

DEFAULT_YEARS = 3
"""How many years are averaged by default: burglary of one year is a handful an area."""

PERIOD = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])?")
"""A column of counts: a year, or a year and a month."""


@dataclass(frozen=True, eq=False)
class CrimeCounts:
    """What was recorded in some years, by area and category."""

    counts: pd.DataFrame
    """Index ``area_id`` (str); a column a category: recorded over all of ``years``, NaN where
    unknown."""

    categories: tuple[str, ...]
    """The main categories in snake case; ``counts`` may hold finer ones besides."""

    years: tuple[int, ...]
    boroughs: pd.Series[str]
    """Name of the district by ``area_id``; None where the files do not say."""

    headings: tuple[str, ...]
    """Headings of the first file, which tell the vintage of its codes."""

    @property
    def n_days(self) -> int:
        """Days in ``years``."""
        return sum(365 + calendar.isleap(year) for year in self.years)


@dataclass(frozen=True, eq=False)
class _Part:
    """One file: counts by ``(area_id, category)`` and period, and the areas' districts."""

    counts: pd.DataFrame
    boroughs: pd.Series[str]
    main: tuple[str, ...]
    is_sparse: bool
    """Whether an area without a row for a category had no such crime."""

    headings: tuple[str, ...]


def read_crime(typed: Typed, years: Sequence[int] | None) -> CrimeCounts:
    """Read counts of crime.

    Parameters
    ----------
    typed
        Glob of CSV files. Either one file a category, its name ending in ``major-`` or
        ``minor-`` and the category, with a column of area codes and one a year; or the
        Metropolitan Police's, with ``LSOA Code``, ``Major Category``, ``Minor Category`` and
        one column a month.
    years
        Years to take as typed in ``data.crime_years``. By default the last three complete
        ones but those of lockdowns, where there are others.

    Raises
    ------
    InputError
        If no file is found, one cannot be read or has no areas or counts, an area or period
        stands twice, a count is no number of 0 or more, or a year is not complete.
    """
    where = str(typed)
    paths = [path for path, _ in expand_pattern(typed.value, typed.path)]
    if not paths:
        raise InputError(f"{where}: matches no file. Paths are relative to {typed.origin}.")
    parts = [_read_part(path, f"{where}: {path.name}") for path in paths]
    table = _join([part.counts for part in parts], where)
    # Yearly files list every area, and a gap in them is unknown: then no gap may become a 0.
    is_sparse = all(part.is_sparse for part in parts)
    chosen = _choose_years(_complete_years(table, is_sparse), years, where)
    summed = _sum_years(table.fillna(0.0) if is_sparse else table, chosen)
    # Categories side by side open gaps anew, where an area has a row of one and not the other.
    summed = summed.fillna(0.0) if is_sparse else summed
    boroughs = pd.concat([part.boroughs for part in parts])
    # An area comes in every file, each time with the same borough.
    boroughs = boroughs[~boroughs.index.duplicated()].reindex(summed.index)
    return CrimeCounts(
        counts=summed,
        categories=tuple(dict.fromkeys(name for part in parts for name in part.main)),
        years=chosen,
        boroughs=boroughs,
        headings=parts[0].headings,
    )


def find_rates(crime: CrimeCounts, population: pd.Series[float]) -> pd.DataFrame:
    """Turn counts into recorded crimes per 1,000 people and year.

    Parameters
    ----------
    population
        People by ``area_id``.

    Returns
    -------
    One row an area of ``population``, one column a category. NaN where the counts do not cover
    the area or nobody is known to live there: an area that a force does not police has an
    unknown rate, not none.

    Examples
    --------
    >>> counts = pd.DataFrame({"theft": [30.0]}, index=["a"])
    >>> crime = CrimeCounts(counts, ("theft",), (2018, 2019, 2022), pd.Series(["X"], ["a"]), ())
    >>> find_rates(crime, pd.Series([2000.0, 500.0], ["a", "b"]))["theft"].tolist()
    [5.0, nan]
    """
    people = population.where(population > 0)
    yearly = crime.counts.reindex(population.index) / len(crime.years)
    return yearly.div(people, axis=0) * 1000.0


def count_by_borough(crime: CrimeCounts) -> pd.DataFrame:
    """Count crimes by borough and main category.

    Returns
    -------
    Columns ``borough, category, n_crimes, n_days``, sorted by borough; a row a category in
    the order of ``categories``. Empty where the files name no borough.
    """
    # A sum of nothing known must stay unknown; pandas would call it 0.
    sums = crime.counts[list(crime.categories)].groupby(crime.boroughs).sum(min_count=1)
    long = sums.rename_axis(index="borough").reset_index()
    long = long.melt("borough", var_name="category", value_name="n_crimes")
    # Stable, so that categories keep their order within a borough.
    long = long.sort_values("borough", kind="stable", ignore_index=True)
    return long.assign(n_days=crime.n_days)


def name_category(text: str) -> str:
    """Name a category in snake case.

    Examples
    --------
    >>> name_category("Violence Against the Person"), name_category("theft-all")
    ('violence_against_the_person', 'theft')
    """
    # London's yearly file of all thefts is called "major-theft-all".
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_").removesuffix("_all")


def _read_part(path: Path, where: str) -> _Part:
    sheet = read_csv(path, where)
    columns = list(dict.fromkeys(sheet.columns))
    table = sheet.read(columns)
    code = find_column(columns, "area_id")
    periods = [column for column in columns if PERIOD.fullmatch(column)]
    if code is None or not periods:
        wanted = "column of LSOA codes" if code is None else "columns of years or months"
        raise InputError(
            f"{where}: has no {wanted}. Give yearly counts (LSOA11CD, 2018, 2019) or the "
            f"police's (LSOA Code, Major Category, 201801). It has: {list_names(columns)}."
        )
    table = table[table[code].notna()]
    area_ids = table[code].astype(str).str.strip()
    counts = table[periods].apply(_to_counts, where=where).set_axis(area_ids.to_numpy(), axis=0)
    boroughs = pd.Series(_find_boroughs(table), index=area_ids.to_numpy(), dtype=object)
    boroughs = boroughs[~boroughs.index.duplicated()]
    # Yearly files have no column that says what they count: only their name does.
    kinds = [c for c in ("Major Category", "Minor Category") if c in columns]
    if not kinds:
        named = re.sub(r".*(?:^|[-_ ])(?:major|minor)[-_ ]", "", path.stem)
        labels = [np.full(len(counts), name_category(named))]
    else:
        labels = [table[c].astype(str).map(name_category).to_numpy() for c in kinds]
    refuse_repeats(table, [code, *kinds], where, "Keep one row an area and category.")
    grouped = _group(counts, labels)
    main = tuple(dict.fromkeys(str(name) for name in labels[0]))
    return _Part(grouped, boroughs, main, bool(kinds), tuple(columns))


def _to_counts(values: pd.Series[str], where: str) -> pd.Series[float]:
    """Turn text into counts; blank is NaN."""
    numbers, is_text = read_numbers(values)
    is_wrong = is_text | (numbers < 0)
    if is_wrong.any():
        raise InputError(
            f"{where}: column {values.name!r} must hold counts of 0 or more, found "
            f"{values[is_wrong].iloc[0]!r}. Leave the cell empty where nothing is known."
        )
    return numbers


def _find_boroughs(table: pd.DataFrame) -> list[str | None]:
    """Name the district of each row: by its own column, else from the area's name."""
    columns = list(table.columns)
    # The police's files have a column of names; in yearly ones the area's name may be all there is.
    heading = "Borough" if "Borough" in columns else find_column(columns, "lad_name")
    if heading is not None:
        return [None if pd.isna(name) else str(name).strip() for name in table[heading]]
    heading = find_column(columns, "area_name")
    if heading is None:
        return [None] * len(table)
    return [name_district(str(name)) for name in table[heading]]


def _group(counts: pd.DataFrame, labels: list[np.ndarray]) -> pd.DataFrame:
    """Add rows up by area and category; finer categories stand beside the main ones."""
    main = set(labels[0])
    frames = []
    for level, names in enumerate(labels):
        # A finer category that is called like a main one would stand twice.
        is_new = np.array([level == 0 or name not in main for name in names], dtype=bool)
        keys = [counts.index[is_new], names[is_new]]
        grouped = counts[is_new].groupby(keys).sum(min_count=1)
        frames.append(grouped.rename_axis(["area_id", "category"]))
    return pd.concat(frames)


def _join(frames: list[pd.DataFrame], where: str) -> pd.DataFrame:
    """Set the files side by side; a period may be in one file only."""
    stacked = pd.concat(frames)
    grouped = stacked.groupby(level=["area_id", "category"])
    twice = grouped.count().gt(1)
    if twice.any(axis=None):
        period = twice.columns[twice.any()][0]
        area_id, category = twice.index[twice[period]][0]
        raise InputError(
            f"{where}: two files count {category!r} of {period} in {area_id}. "
            "Give a glob that takes each count once."
        )
    # By now a count is in one file at most, and the first that is known is the only one.
    return grouped.first()


def _complete_years(table: pd.DataFrame, is_sparse: bool) -> list[int]:
    """List the years of which there are all months, or the year itself, of every category.

    Where an area without a row had no such crime, a category may have none at all.
    """
    known = table.notna()
    has_counts = known.any() if is_sparse else known.groupby(level="category").any().all()
    found = []
    for year in sorted({int(period[:4]) for period in table.columns}):
        is_whole = all(has_counts.get(month, False) for month in _list_months(year))
        if is_whole or has_counts.get(str(year), False):
            found.append(year)
    return found


def _choose_years(complete: list[int], typed: Sequence[int] | None, where: str) -> tuple[int, ...]:
    if typed is not None:
        missing = [year for year in typed if year not in complete]
        if missing:
            raise InputError(
                f"data.crime_years: {where} has no complete counts of {missing[0]}. "
                f"Complete years: {list_names([str(year) for year in complete]) or 'none'}."
            )
        return tuple(sorted(set(typed)))
    if not complete:
        raise InputError(f"{where}: holds no complete year (twelve months of every category).")
    # Where nothing else was counted, years of lockdown have to serve.
    usual = [year for year in complete if year not in LOCKDOWN_YEARS]
    return tuple((usual or complete)[-DEFAULT_YEARS:])


def _list_months(year: int) -> list[str]:
    return [f"{year}{month:02d}" for month in range(1, 13)]


def _sum_years(table: pd.DataFrame, years: tuple[int, ...]) -> pd.DataFrame:
    """Add up the chosen years, a column a category; NaN where a period is unknown."""
    columns = []
    for year in years:
        columns += [str(year)] if str(year) in table else _list_months(year)
    # One unknown month makes the sum unknown, not smaller.
    summed = table[columns].sum(axis=1, skipna=False)
    area_ids = table.index.unique("area_id")
    names = [str(name) for name in table.index.unique("category")]
    return pd.DataFrame(
        {name: summed.xs(name, level="category").reindex(area_ids) for name in names}
    )
