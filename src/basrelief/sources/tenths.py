"""National tenths of areas, as offices publish them beside scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from basrelief.run import Notes
from basrelief.sources.numbers import parse_numbers
from basrelief.typed import Typed

TENTH = "tenth_"
"""Begins the names of columns that hold a target's national tenth, 1 the most deprived."""


def find_tenths(columns: Sequence[str], headings: Mapping[str, str]) -> dict[str, str]:
    """Find the columns of national tenths that are published beside scores.

    Parameters
    ----------
    headings
        By target, the heading of its score.

    Returns
    -------
    Column by ``tenth_<target>``. Of scores alone there is none: their tenths could be told only
    where all areas of the nation are in the table.

    Examples
    --------
    >>> columns = ["Crime Score", "Crime Decile (where 1 is most deprived 10% of LSOAs)"]
    >>> list(find_tenths(columns, {"crime": "Crime Score"}))
    ['tenth_crime']
    """
    found = {}
    for target, heading in headings.items():
        stem, word, _ = heading.lower().partition(" score")
        for column in columns:
            told = column.lower()
            # Offices of other countries count from the other end: which it is has to be said.
            if word and told.startswith(f"{stem} decile") and "1 is most deprived" in told:
                found[f"{TENTH}{target}"] = column
    return found


def read_tenths(values: pd.Series, heading: str, typed: Typed, notes: Notes) -> pd.Series:
    """Read national tenths; what is no whole number from 1 to 10 is unknown, and is noted."""
    numbers = parse_numbers(values, "any").series
    is_tenth = numbers.isin(range(1, 11))
    n_others = int((values.notna() & ~is_tenth).sum())
    if n_others:
        notes.add(f"{typed}: {heading!r}: {n_others} are no tenths from 1 to 10: taken as unknown")
    return numbers.where(is_tenth)
