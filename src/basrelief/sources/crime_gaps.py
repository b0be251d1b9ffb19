"""What is known of which area, month and category of crime: a gap in the records is no 0."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.crime_files import CrimeTable

SILENT = 15.0
"""Crimes that are usual in a month from which a month without any is no chance (one in a million)
but a gap in the records."""

CUT_SHORT, USUAL_OF_ALL = 0.1, 30.0
"""Share of the usual below which a month of all categories was cut short, where at least so many
are usual: of 30 fewer than 3 are no chance. Lockdown halved recorded crime and left the centre of
London a quarter of it; no month since is known that left a tenth."""

RENAMED, USUAL_OF_ONE = 0.01, 300.0
"""The same of one category: what is left of one that is called otherwise by now. Single categories
may really fall further than all together: in lockdown few were left to have their pockets picked,
three in a hundred of the usual thefts."""

MIN_YEARS, MIN_MONTHS = 2, 3
"""Years, and months, in which a category has to occur for its usual count: what one riot fills is
none."""

ANYWHERE = "all areas"


@dataclass(frozen=True)
class Gap:
    """Periods in which a category is unknown in some areas."""

    category: str
    group: str
    area_ids: pd.Index[str]
    periods: tuple[str, ...]
    usual: float
    """Crimes in a usual period."""

    def describe(self, periods: Collection[str], where: str) -> str:
        """Say what is missing, of some of its periods."""
        shown = _name_periods([period for period in self.periods if period in periods])
        unit = "month" if len(self.periods[0]) > 4 else "year"
        return (
            f"{where}: hardly any or no {self.category!r} in {self.group} in {shown}, where a "
            f"usual {unit} has {self.usual:.0f}: missing or called otherwise there, and read as "
            "not known"
        )


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of counts."""

    covered: pd.DataFrame | None
    """By area and month, True where it is known; None where gaps are unknown everywhere."""

    gaps: Mapping[str, list[Gap]] = field(default_factory=dict)
    """By category what is unknown besides."""

    def mask(self, counts: pd.DataFrame, category: str) -> pd.DataFrame:
        """Fill in what did not happen, and take out what is unknown, of one category's counts.

        Parameters
        ----------
        counts
            By area and period; NaN where there is no row.
        """
        if self.covered is not None:
            known = self.covered.reindex_like(counts).fillna(False).astype(bool)
            # Files of single crimes have no rows of zeros: no row means none where the month is
            # known.
            counts = counts.fillna(0.0).where(known)
        for gap in self.gaps.get(category, []):
            rows = counts.index.isin(gap.area_ids)
            counts = counts.mask(np.outer(rows, counts.columns.isin(gap.periods)))
        return counts


def find_known(
    parts: list[CrimeTable], table: pd.DataFrame, boroughs: pd.Series[str], where: str, notes: Notes
) -> Known:
    """Find what is known: of which area and month, and of which category besides.

    Parameters
    ----------
    table
        Counts by ``(area_id, category)`` and period.
    """
    covered = _join_covered(parts, boroughs, where, notes)
    plain, gaps = Known(covered), {}
    area_ids = table.index.unique("area_id")
    for name in table.index.unique("category"):
        counts = pd.DataFrame(table.xs(name, level="category")).reindex(area_ids)
        found = _find_gaps(plain.mask(counts, str(name)), str(name), boroughs)
        if found:
            gaps[str(name)] = found
    return Known(covered, gaps)


def _find_gaps(counts: pd.DataFrame, category: str, boroughs: pd.Series[str]) -> list[Gap]:
    """Find where a category is missing: first in all areas together, then district by district."""
    gaps: list[Gap] = []
    # Years and months apart: what is usual in the one says nothing of the other.
    for length, at_least in ((4, MIN_YEARS), (6, MIN_MONTHS)):
        some = counts[[period for period in counts.columns if len(period) == length]]
        for groups in _list_groups(counts.index, boroughs):
            usual = _find_usual(some, groups, at_least)
            for group, periods in usual.find_low(RENAMED, USUAL_OF_ONE).items():
                ids = groups.index[(groups == group).to_numpy()]
                of = usual.tell(group, periods)
                gaps.append(Gap(category, group, ids, tuple(periods), of))
                # What is missing everywhere is not told again of every district.
                some = some.mask(np.outer(some.index.isin(ids), some.columns.isin(periods)))
    return gaps


def _list_groups(area_ids: pd.Index[str], boroughs: pd.Series[str]) -> list[pd.Series[str]]:
    """Group areas: all together, and by district where files name any."""
    together = pd.Series(ANYWHERE, index=area_ids, dtype=object)
    by_district = boroughs.reindex(area_ids).astype(object)
    # Without names of districts there is one group, and it is not asked twice.
    if by_district.isna().all():
        return [together]
    return [together, by_district.fillna(ANYWHERE)]


@dataclass(frozen=True, eq=False)
class _Usual:
    """What was counted by group and period, and what is usual there."""

    observed: pd.DataFrame
    expected: pd.DataFrame
    """Of as many areas as are known in the period; 0 where nothing usual is known."""

    def tell(self, group: str, periods: list[str]) -> float:
        """Give what is usual in some periods of a group."""
        return float(np.median(self.expected.loc[group, periods].to_numpy()))

    def find_low(self, share: float, at_least: float) -> dict[str, list[str]]:
        """Find by group the periods with none, or hardly any, of what is usual."""
        is_none = (self.observed == 0) & (self.expected >= SILENT)
        is_few = (self.observed < share * self.expected) & (self.expected >= at_least)
        is_low = is_none | is_few
        return {
            str(group): list(is_low.columns[is_low.loc[group]])
            for group in is_low.index[is_low.any(axis=1)]
        }


def _find_usual(counts: pd.DataFrame, groups: pd.Series[str], at_least: int) -> _Usual:
    """Find what is usual in groups of areas, from the periods in which there is any.

    Parameters
    ----------
    counts
        By area and period; NaN where unknown.
    at_least
        Periods that have any; of fewer nothing usual is known.
    """
    # Not every area is known in every period: each has its own mean of those in which it is.
    mean = counts.notna().mul(counts.mean(axis=1).fillna(0.0), axis=0)
    observed, known = counts.groupby(groups).sum(), mean.groupby(groups).sum()
    is_any = observed > 0
    ratio = (observed / known.where(known > 0)).where(is_any).median(axis=1)
    ratio = ratio.where(is_any.sum(axis=1) >= at_least)
    return _Usual(observed, known.mul(ratio, axis=0).fillna(0.0))


def _join_covered(
    parts: list[CrimeTable], boroughs: pd.Series[str], where: str, notes: Notes
) -> pd.DataFrame | None:
    """Join what is known of which area and month; None where gaps are unknown everywhere.

    Where only some files leave out what did not happen, no gap may become a 0.
    """
    frames = [part.covered for part in parts if part.covered is not None]
    if len(frames) < len(parts):
        return None
    told = pd.concat(frames).groupby(level=0).max()
    # In the main categories: a finer one is in a main one already.
    totals = pd.concat([part.counts.loc[_is_main(part)] for part in parts])
    totals = totals.groupby(level="area_id").sum().reindex(told.index)[told.columns]
    covered = _follow_districts(told, totals, boroughs.reindex(told.index))
    for groups in _list_groups(covered.index, boroughs):
        usual = _find_usual(totals.fillna(0.0).where(covered), groups, 1)
        for group, months in usual.find_low(CUT_SHORT, USUAL_OF_ALL).items():
            covered.loc[(groups == group).to_numpy(), months] = False
            _note_low(usual, group, months, where, notes)
    return covered


def _note_low(usual: _Usual, group: str, months: list[str], where: str, notes: Notes) -> None:
    """Note months of all categories that are taken for gaps."""
    of = usual.tell(group, months)
    silent = [month for month in months if usual.observed.loc[group, month] == 0]
    short = [month for month in months if month not in silent]
    why = f"where a usual month has {of:.0f}: read as not known"
    if silent:
        notes.add(f"{where}: no crime at all in {group} in {list_names(silent)}, {why}")
    if short:
        most = usual.observed.loc[group, short].max()
        notes.add(
            f"{where}: hardly a crime ({most:.0f} at most) in {group} in {list_names(short)}, {why}"
        )


def _follow_districts(
    told: pd.DataFrame, totals: pd.DataFrame, boroughs: pd.Series[str]
) -> pd.DataFrame:
    """Mark the months that are known of each area: those of its rows, and of its district's.

    An area without a row in a file that has others of its district had no crime there, unless it
    usually has so many that this cannot be chance.
    """
    known = told.eq(1.0)
    if boroughs.isna().all():
        return known
    of_district = known.groupby(boroughs).transform("max").reindex(known.index, fill_value=False)
    of_district = of_district.where(of_district.notna(), other=False).astype(bool)
    is_filled = told.isna() & of_district
    usual = totals.where(known).mean(axis=1)
    is_chance = usual * is_filled.sum(axis=1) < SILENT
    return known | is_filled.mul(is_chance, axis=0).astype(bool)


def _name_periods(periods: list[str]) -> str:
    """Name periods, those in a row by the first and the last of them.

    >>> _name_periods(["201811", "201812", "201901", "201906"])
    '2018-11 to 2019-01, 2019-06'
    """
    rows: list[list[str]] = []
    for at, period in enumerate(periods):
        is_next = at and _count_periods(period) == _count_periods(periods[at - 1]) + 1
        rows = [*rows[:-1], [*rows[-1], period]] if is_next else [*rows, [period]]
    named = [[f"{p[:4]}-{p[4:]}".removesuffix("-") for p in (row[0], row[-1])] for row in rows]
    return list_names([first if first == last else f"{first} to {last}" for first, last in named])


def _count_periods(period: str) -> int:
    """Count years or months up to a period."""
    return int(period) if len(period) == 4 else 12 * int(period[:4]) + int(period[4:])


def _is_main(part: CrimeTable) -> NDArray[np.bool_]:
    is_main: NDArray[np.bool_] = part.counts.index.get_level_values("category").isin(part.main)
    return is_main
