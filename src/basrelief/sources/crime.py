"""Counts of recorded crime by small area and category, as police forces publish them."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.census import note_guarded
from basrelief.sources.crime_files import CrimeTable, open_file, read_long, read_wide
from basrelief.sources.crime_gaps import Gap, Known, find_known
from basrelief.sources.inputs import expand_pattern, refuse_absent
from basrelief.sources.people import rate_by_people
from basrelief.sources.single_crimes import count_crimes, read_crimes
from basrelief.sources.tables import say_slow
from basrelief.typed import Typed

LOCKDOWN_YEARS = (2020, 2021)
"""Years in which lockdowns kept people, and so crime, from where they usually are."""

DEFAULT_YEARS = 3
"""How many years are averaged by default: burglary of one year is a handful an area."""

MIN_SHARE = 0.5
"""A year counts as complete that is complete in this share of the areas; the others of them are
unknown in it."""


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

    vintage: tuple[int, str] | None
    """Census of its areas, and the heading that tells it."""

    gaps: dict[str, str] = field(default_factory=dict)
    """By ``area_id`` what is missing of ``years``, of the areas where something is."""

    @property
    def n_days(self) -> int:
        """Days in ``years``."""
        return sum(365 + calendar.isleap(year) for year in self.years)


def read_crime(
    typed: Typed,
    years: Sequence[int] | None,
    notes: Notes,
    wanted: Collection[str] = (),
    without: Collection[str] = (),
    among: Collection[str] | None = None,
) -> CrimeCounts:
    """Read counts of crime.

    Parameters
    ----------
    typed
        Glob of tables: one file a category, its name ending in ``major-`` or ``minor-`` and the
        category, with a column of area codes and one a year; the Metropolitan Police's, with
        ``LSOA Code``, ``Major Category``, ``Minor Category`` and one column a month; the same with
        one row a count; or police.uk's, with one row a crime.
    years
        Years to take as typed in ``data.crime_years``. By default the last three complete
        ones but those of lockdowns, where there are others.
    notes
        Takes what is odd about the files.
    wanted
        Categories that were asked for by name: where there are, years are taken in which they
        are known.
    without
        Areas whose rows are left out before anything is made of them: what is decided of the
        others is then decided without them.
    among
        Areas of the place: years are taken by default that are complete in these, wherever else
        the files have counts. By default all areas.

    Raises
    ------
    InputError
        If no file is found, one cannot be read or has no areas or counts, an area or period
        stands twice, a count is no number of 0 or more, or a year is not complete.
    """
    where = str(typed)
    paths = [path for path, _ in expand_pattern(typed.value, typed.path)]
    if not paths:
        raise refuse_absent(typed, "matches no file")
    say_slow(paths, where, notes)
    parts = _read_parts(paths, where, notes, without)
    # A code of 2011 may be another area in 2021; counts of both cannot be added up.
    vintages = {part.vintage[0]: part.vintage for part in parts if part.vintage is not None}
    if len(vintages) > 1:
        told = " and ".join(f"{year} ({vintages[year][1]!r})" for year in sorted(vintages))
        raise InputError(f"{where}: files have areas of {told}. Give the files of one census.")
    boroughs = pd.concat([part.boroughs for part in parts])
    # An area comes in every file, each time with the same borough.
    boroughs = boroughs[~boroughs.index.duplicated()]
    table = _join(parts, where, notes)
    # Before years are chosen: a year with gaps is no better than one that lacks months.
    known = find_known(parts, table, boroughs, where, notes)
    covered = known.covered
    is_whole = _find_whole_years(table, covered)
    is_here = is_whole.index.isin(list(among if among is not None else is_whole.index))
    # Areas of another census, or another place, have no say, and are refused or carried later.
    asked = is_whole[is_here] if is_here.any() else is_whole
    chosen = _choose_years(asked, known, table, (years, wanted), where)
    categories = tuple(dict.fromkeys(name for part in parts for name in part.main))
    _note_categories(known, (categories, wanted, chosen), where, notes)
    summed = _sum_years(table, known, chosen)
    return CrimeCounts(
        counts=summed,
        categories=categories,
        years=chosen,
        boroughs=boroughs.reindex(summed.index),
        vintage=next(iter(vintages.values()), None),
        gaps=_describe_gaps(is_whole, covered, chosen),
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
    >>> crime = CrimeCounts(counts, ("theft",), (2018, 2019, 2022), pd.Series(["X"], ["a"]), None)
    >>> find_rates(crime, pd.Series([2000.0, 500.0], ["a", "b"]))["theft"].tolist()
    [5.0, nan]
    """
    yearly = crime.counts.reindex(population.index) / len(crime.years)
    return rate_by_people(yearly, population)


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


def _read_parts(
    paths: Sequence[Path], where: str, notes: Notes, without: Collection[str]
) -> list[CrimeTable]:
    """Read files, each as it is laid out, but for the rows of some areas."""
    parts, singles = [], []
    for path in paths:
        file = open_file(path, f"{where}: {path.name}", without)
        note_guarded(file.sheet.read([file.code])[file.code], file.where, notes)
        if file.has_single_crimes:
            singles.append((file, read_crimes(file)))
        elif file.has_columns_of_counts:
            parts.append(read_wide(file, notes))
        else:
            parts.append(read_long(file, notes))
    if singles:
        parts.append(count_crimes(singles, where, notes))
    return parts


def _join(parts: list[CrimeTable], where: str, notes: Notes) -> pd.DataFrame:
    """Set the files side by side; a period may be in one file only, or the same in several."""
    stacked = pd.concat([part.counts for part in parts])
    grouped = stacked.groupby(level=["area_id", "category"])
    twice = grouped.count().gt(1)
    if twice.any(axis=None):
        differs = twice & (grouped.max() != grouped.min())
        if differs.any(axis=None):
            period = differs.columns[differs.any()][0]
            area_id, category = differs.index[differs[period]][0]
            raise InputError(
                f"{where}: two files count {category!r} of {period} in {area_id}, and differ. "
                "Give a glob that takes each count once."
            )
        periods = sorted(twice.columns[twice.any()])
        notes.add(
            f"{where}: files overlap in {list_names(periods)} with equal counts, each counted once"
        )
    # By now a count is the same in every file that has it, and the first is as good as any.
    table = grouped.first()
    _compare_years(table, where, notes)
    return table


def _compare_years(table: pd.DataFrame, where: str, notes: Notes) -> None:
    """Stop where counts of a year are not the sum of its months', where there are both."""
    for year in [period for period in table.columns if len(period) == 4]:
        months = [month for month in _list_months(int(year)) if month in table]
        # A sum of eleven months is below the year, and no contradiction.
        if len(months) < 12:
            continue
        summed = table[months].sum(axis=1, skipna=False)
        differs = (summed != table[year]) & summed.notna() & table[year].notna()
        if differs.any():
            area_id, category = differs.index[differs][0]
            yearly, monthly = table.loc[(area_id, category), year], summed[area_id, category]
            raise InputError(
                f"{where}: {category!r} of {year} in {area_id} is {yearly:.0f} as a year and "
                f"{monthly:.0f} in its months. Give a glob that takes each count once."
            )
        if (summed.notna() & table[year].notna()).any():
            notes.add(f"{where}: {year} is there as a year and in months, with equal counts")


def _find_whole_years(table: pd.DataFrame, covered: pd.DataFrame | None) -> pd.DataFrame:
    """Mark the years that are complete, by area: all their months, or the year itself.

    Where every area has a row of its own for everything, a year is complete if each category has
    counts of it: what single areas lack is unknown by itself.
    """
    if covered is None:
        known = table.notna().groupby(level="category").any().all()
        covered = pd.DataFrame(
            {period: known[period] for period in table.columns}, index=table.index.unique("area_id")
        )
    found = {}
    for year in sorted({int(period[:4]) for period in covered.columns}):
        months = [month for month in _list_months(year) if month in covered]
        is_whole = covered[months].all(axis=1) if len(months) == 12 else False
        found[year] = is_whole | covered[str(year)] if str(year) in covered else is_whole
    return pd.DataFrame(found, index=covered.index).astype(bool)


def _choose_years(
    is_whole: pd.DataFrame,
    known: Known,
    table: pd.DataFrame,
    asked: tuple[Sequence[int] | None, Collection[str]],
    where: str,
) -> tuple[int, ...]:
    """Choose the years to be averaged; ``asked`` is years, or None, and categories."""
    typed, wanted = asked
    somewhere = [int(year) for year in is_whole.columns[is_whole.any()]]
    complete = [int(year) for year in is_whole.columns[is_whole.mean() >= MIN_SHARE]]
    told_of = table if known.covered is None else known.covered
    if typed is not None:
        # What was typed is taken if it is whole anywhere: the user may want just those areas.
        missing = [year for year in typed if year not in somewhere]
        if missing:
            told = _list_missing(missing[0], told_of)
            raise InputError(
                f"data.crime_years: {where} has no complete counts of {missing[0]}{told}. "
                f"Complete years: {list_names([str(year) for year in somewhere]) or 'none'}."
            )
        return tuple(sorted(set(typed)))
    complete = complete or somewhere
    if is_whole.empty:
        raise InputError(f"{where}: holds no count of any area. Give files with rows of LSOAs.")
    if not complete:
        told = _list_missing(int(is_whole.columns[-1]), told_of)
        raise InputError(
            f"{where}: holds no complete year (twelve months of every category){told}."
        )
    gaps = [gap for name in wanted for gap in known.gaps.get(name, [])]
    # Where what was asked for is known in no year, it is unknown, and the note says so.
    complete = [year for year in complete if _is_enough(is_whole, gaps, year)] or complete
    # Where nothing else was counted, years of lockdown have to serve.
    usual = [year for year in complete if year not in LOCKDOWN_YEARS]
    return tuple((usual or complete)[-DEFAULT_YEARS:])


def _is_enough(is_whole: pd.DataFrame, gaps: list[Gap], year: int) -> bool:
    """Whether every category with a gap is known in enough of the areas all year."""
    for category in {gap.category for gap in gaps}:
        is_known = is_whole[year].copy()
        for gap in gaps:
            # By year and not by month: rates are of whole years.
            if gap.category == category and any(int(p[:4]) == year for p in gap.periods):
                is_known[is_known.index.isin(gap.area_ids)] = False
        if is_known.mean() < MIN_SHARE:
            return False
    return True


def _note_categories(
    known: Known,
    taken: tuple[Collection[str], Collection[str], Collection[int]],
    where: str,
    notes: Notes,
) -> None:
    """Note where categories are missing: in the years taken, or at all if asked for by name."""
    main, wanted, years = taken
    for name, gaps in known.gaps.items():
        for gap in gaps:
            periods = [
                period for period in gap.periods if name in wanted or int(period[:4]) in years
            ]
            if periods and name in {*main, *wanted}:
                notes.add(gap.describe(periods, where))


def _list_missing(year: int, table: pd.DataFrame) -> str:
    """Say which months of a year are in no file; empty where all, or none, are."""
    missing = [
        month for month in _list_months(year) if month not in table or not table[month].any()
    ]
    if len(missing) in (0, 12):
        return ""
    return f"; of {year} it lacks {', '.join(f'{m[:4]}-{m[4:]}' for m in missing)}"


def _list_months(year: int) -> list[str]:
    return [f"{year}{month:02d}" for month in range(1, 13)]


def _sum_years(table: pd.DataFrame, known: Known, years: tuple[int, ...]) -> pd.DataFrame:
    """Add up the chosen years, a column a category; NaN where a period is unknown."""
    columns = []
    for year in years:
        columns += [str(year)] if str(year) in table else _list_months(year)
    area_ids = table.index.unique("area_id")
    summed = {}
    for name in table.index.unique("category"):
        counts = pd.DataFrame(table[columns].xs(name, level="category")).reindex(area_ids)
        # One unknown month makes the sum unknown, not smaller.
        summed[str(name)] = known.mask(counts, str(name)).sum(axis=1, skipna=False)
    return pd.DataFrame(summed, index=area_ids)


def _describe_gaps(
    is_whole: pd.DataFrame, covered: pd.DataFrame | None, years: tuple[int, ...]
) -> dict[str, str]:
    """Say of areas that lack a chosen year which of its months are missing."""
    gaps: dict[str, str] = {}
    if covered is None:
        return gaps
    for year in years:
        months = [month for month in _list_months(year) if month in covered]
        for area_id in is_whole.index[~is_whole[year]]:
            known = set(covered.columns[covered.loc[area_id]]) & set(months)
            missing = [month for month in _list_months(year) if month not in known]
            gaps.setdefault(str(area_id), _name_span(missing))
    return gaps


def _name_span(months: list[str]) -> str:
    """Name months by the first and the last of them."""
    first, last = (f"{month[:4]}-{month[4:]}" for month in (months[0], months[-1]))
    return first if first == last else f"{first} to {last}"
