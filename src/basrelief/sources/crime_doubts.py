"""Columns that look like counts of crime and are none: of times to come, added up, or smoothed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np
import pandas as pd

from basrelief.config import InputError
from basrelief.run import Notes

MIN_MONTHS, MIN_YEARS, MIN_ROWS = 6, 3, 20
"""Periods in a row, and rows with any crime, from which it is no chance that counts never fall: of
three years a quarter of all rows do so, of six months fewer, and never nearly all of twenty."""

NEARLY_ALL = 0.99
"""Share of rows that must do so; a single correction downwards makes no column one of counts."""

TOO_EVEN, FEWEST_STEPS, FEWEST_CRIMES = 0.5, 500, 1000
"""Share of their own sum that squares of steps from month to month come to, on average, in sums of
several months or smoothed counts: 1 where crimes happen one by one, and more where some come
together or seasons differ; a third in sums of 3 months, a twelfth in those of 12. Of as many steps
and crimes it is known to a tenth."""


def refuse_future(periods: Iterable[str], where: str) -> None:
    """Stop where a period that has not begun has counts: a projection, or no period at all.

    Parameters
    ----------
    periods
        Those that have counts, ``YYYY`` or ``YYYYMM``.

    Raises
    ------
    InputError
        Names the period.
    """
    today = dt.datetime.now(tz=dt.UTC)
    for period in periods:
        now = today.strftime("%Y" if len(period) == 4 else "%Y%m")
        if period > now:
            raise InputError(
                f"{where}: has counts of {period[:4]}{'-' if period[4:] else ''}{period[4:]}, "
                "which is still to come. Leave that column or those rows out, or empty."
            )


def doubt_running_totals(counts: pd.DataFrame, where: str, notes: Notes) -> None:
    """Stop where each month holds those of the year before it; note where years seem to.

    Raises
    ------
    InputError
        Names the year.
    """
    years = sorted(period for period in counts.columns if len(period) == 4)
    # Years may really rise, year after year: a word, and no refusal.
    if len(years) >= MIN_YEARS and _never_falls(counts[years]):
        notes.add(
            f"{where}: counts never fall from {years[0]} to {years[-1]} in any area: is each year "
            "added to those before it? They are taken as counts of single years"
        )
    monthly = [period for period in counts.columns if len(period) == 6]
    for year in sorted({period[:4] for period in monthly}):
        months = sorted(period for period in monthly if period[:4] == year)
        if len(months) >= MIN_MONTHS and _never_falls(counts[months]):
            raise InputError(
                f"{where}: counts of {year} never fall from month to month in any area: each "
                "month seems to hold those before it too. Give the counts of single months."
            )


def refuse_rolling_sums(counts: pd.DataFrame, where: str) -> None:
    """Stop where counts of months differ less from month to month than crimes do by chance.

    Parameters
    ----------
    counts
        A row an area and category, a column a period; NaN where unknown.

    Raises
    ------
    InputError
        Says how little they differ.
    """
    months = sorted(period for period in counts.columns if len(period) == 6)
    some = counts[months].to_numpy(np.float64)
    # What never changes is made up, or shared out, and no sum of what changes.
    some = some[np.nanmax(some, axis=1, initial=-1) > np.nanmin(some, axis=1, initial=np.inf)]
    is_next = np.diff([12 * int(month[:4]) + int(month[4:]) for month in months]) == 1
    squares = (np.diff(some, axis=1) ** 2)[:, is_next]
    sums = (some[:, 1:] + some[:, :-1])[:, is_next]
    is_known = np.isfinite(squares)
    if is_known.sum() < FEWEST_STEPS or sums[is_known].sum() < FEWEST_CRIMES:
        return
    share = float(squares[is_known].sum() / sums[is_known].sum())
    if share < TOO_EVEN:
        raise InputError(
            f"{where}: counts differ from one month to the next {share**0.5:.0%} as much as crimes "
            "do by chance alone: sums of several months each, or smoothed. Give the counts of "
            "single months, or of years."
        )


def _never_falls(counts: pd.DataFrame) -> bool:
    """Whether counts rise over all areas in each step, and fall in hardly any row."""
    some = counts.dropna()
    some = some[some.sum(axis=1) > 0]
    steps = some.diff(axis=1).iloc[:, 1:]
    is_rising = (steps >= 0).all(axis=1)
    return bool(
        len(some) >= MIN_ROWS and (steps.sum() > 0).all() and is_rising.mean() >= NEARLY_ALL
    )
