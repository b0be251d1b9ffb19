"""How many people live in an area: which column counts all of them, and what its numbers can be.

Rates of crime are divided by these numbers, and a release is held back by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.census import find_columns
from basrelief.typed import Typed

PARTS = re.compile(
    r"\b(?:males?|females?|m[ae]n|wom[ae]n|boys?|girls?|aged?|ages|years|over|under|child(?:ren)?"
    r"|adults?|working|older|young(?:er)?|students|pensioners|workers|commuters|daytime"
    r"|employed|employment|born|white|asian|black|mixed|ethnic(?:ity)?|urban|rural"
    r"|households?|communal|dwellings?|dens(?:ity|e)|per|hectare|change|growth|difference"
    r"|increase|turnover|rank|decile|quintile|rate|ratio|share|proportion|percent(?:age)?|index"
    r"|error|thousands?)\b|%|[0-9] ?(?:-|–|to) ?[0-9]|'?000s",
    re.IGNORECASE,
)
"""What headings say of columns that count some people, or something of them, and not all."""

FEW_PEOPLE = 10
"""No census gives areas of so few: a whole table of them is in thousands, or no count."""

SMALLEST = 100
"""Fewest people of the smallest areas of a census (see `RESIDENTS`): fractions of people below it
are thousands or a density; above it people may have been shared out over other areas."""

FAR_BELOW = 100
"""A fraction of people so many times below the usual is in thousands, where others are whole."""


PER_PEOPLE = 1000.0
"""Rates are of so many people."""


def rate_by_people(counts: pd.DataFrame, population: pd.Series[float]) -> pd.DataFrame:
    """Turn counts of cases, a row an area, into rates per 1,000 people.

    NaN where nobody is known to live: an area without people has no rate, not that of none.

    Examples
    --------
    >>> cases = pd.DataFrame({"fires": [3.0, 1.0]}, index=["a", "b"])
    >>> rate_by_people(cases, pd.Series([1500.0, 0.0], ["a", "b"]))["fires"].tolist()
    [2.0, nan]
    """
    # By no people there is no rate; and some tables write 0 where they know of none.
    people = population.where(population > 0)
    return counts.div(people, axis=0) * PER_PEOPLE


def refuse_without_people(labels: pd.DataFrame, key: str, typed: Typed) -> None:
    """Stop where counts are to become rates and a table of labels has no people.

    Parameters
    ----------
    key
        That asks for the rates: ``data.crime`` or ``data.counts``.

    Raises
    ------
    InputError
        Says which column it needs.
    """
    if "population" not in labels:
        raise InputError(
            f"{key}: rates per 1,000 people need a column population (or one that begins "
            f"'Total population') in {typed}. Add one, or leave {key} out."
        )


def find_population(columns: Sequence[str], typed: Typed, notes: Notes) -> str | None:
    """Find the column that counts all people of an area, None if there is none.

    Parameters
    ----------
    columns
        Headings of the table.
    notes
        Takes what was found and is not taken.

    Raises
    ------
    InputError
        If several columns may be meant; names them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from basrelief.run import Run
    >>> typed, notes = Typed("labels", "a.csv", Path("a.csv")), Notes(Run("run", quiet=True))
    >>> find_population(["Total population: males", "Total population: mid 2022"], typed, notes)
    'Total population: mid 2022'
    """
    found = list(dict.fromkeys(find_columns(columns, "population")))
    plain = [c for c in found if c.strip().lower() == "population"]
    # Headings of males, of ages or of a change begin like that of all people.
    whole = [c for c in found if c in plain or not PARTS.search(c)]
    named = ", ".join(repr(c) for c in found if c not in plain)
    if len(plain) == 1 and len(found) > 1:
        # The program's own name: whoever wrote it beside others meant it.
        if len(whole) > 1:
            notes.add(f"{typed}: people are those of {plain[0]!r}, not those of {named}")
        return plain[0]
    if len(whole) > 1:
        raise InputError(
            f"{typed}: several columns count people ({', '.join(map(repr, whole))}). Keep the one "
            "that is meant, or call it population."
        )
    if found and not whole:
        notes.add(f"{typed}: {named} is not read as the people of an area: not all are counted")
    return whole[0] if whole else None


def check_population(people: pd.Series[float], heading: str, typed: Typed, notes: Notes) -> None:
    """Stop where numbers cannot be those of people: below 0, in thousands, or a density.

    Parameters
    ----------
    people
        By area code; NaN where unknown.

    Raises
    ------
    InputError
        Says what was found.
    """
    known = people.dropna()
    where = f"{typed}: {heading!r} must be 0 or more people"
    if (known < 0).any():
        below = known[known < 0]
        raise InputError(
            f"{where}, found {below.iloc[0]:g} in {below.index[0]}. Leave the cell empty where "
            "nothing is known."
        )
    if known.empty:
        return
    broken = known[known != known.round()]
    # Fractions come of sharing people out, too; small numbers with fractions are thousands.
    is_small = known.max() < FEW_PEOPLE or (len(broken) > 0 and known.median() < SMALLEST)
    # Where people were shared out, large numbers have fractions too.
    is_mixed = len(broken) > 0 and broken.max() < SMALLEST and not is_small
    if is_mixed and broken.min() * FAR_BELOW < known.median():
        own = str(broken.idxmin())
        raise InputError(
            f"{where}, found {broken[own]:g} in {own}, where half of all areas have "
            f"{known.median():g} and more: thousands beside people. Write 1500, not 1.5."
        )
    if is_small:
        shown = broken if len(broken) else known
        raise InputError(
            f"{where}, found {shown.iloc[0]:g} in {shown.index[0]} and none above {known.max():g}. "
            "Thousands or a density are no people: write 1500, not 1.5."
        )
    if len(broken):
        notes.add(
            f"{typed}: {heading!r} holds fractions of people ({broken.iloc[0]:g} in "
            f"{broken.index[0]}), as where they were shared out over other areas; taken so"
        )
