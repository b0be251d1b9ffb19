"""Units of scores in words, and which end of them is worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from basrelief.chips.since import SINCE
from basrelief.sources.iod import SHARE
from basrelief.sources.ranks import SUFFIX
from basrelief.sources.targets import DOMAINS, RANGES, TARGETS

# As the technical report of the English index defines its domains of income and employment.
PEOPLE = {
    "income": "people in families with low incomes",
    "employment": "people of working age who are kept out of work",
    "idaci": "children in families with low incomes",
    "idaopi": "people of 60 and over with low incomes",
    "adult_skills": "adults with few skills or little English",
}
"""Of whom a share is told, by target."""

CRIMES, CASES = "crimes", "cases"
"""What rates are made of: crimes, and what a user counts himself (``data.counts``)."""

COUNTED = {name: span for name, span in RANGES.items() if name not in DOMAINS and span[1] >= 1e4}
"""Targets that are rates of recorded crime."""


@dataclass(frozen=True)
class Unit:
    """How the numbers of a target are told to people."""

    factor: int
    """What a number is multiplied by before it is told."""

    words: str
    """What stands behind it."""

    meaning: str
    """What it counts, or that it is a score without a natural unit."""

    is_worse_up: bool | None
    """Whether more is worse; None where nobody knows."""


def find_unit(target: str, counted: Mapping[str, str]) -> Unit:
    """Find how the numbers of a target are told.

    Parameters
    ----------
    counted
        By target that is a rate which the run made, of what: `CRIMES` or `CASES`.

    Examples
    --------
    >>> find_unit("income", {}).words, find_unit("health", {}).words
    (' in 100', '')
    """
    if target in PEOPLE and RANGES.get(target) == SHARE:
        return Unit(100, " in 100", f"How many in 100: {PEOPLE[target]}.", True)
    if target in COUNTED or counted.get(target) == CRIMES:
        words = "Crimes that the police wrote down, in a year for 1,000 people."
        return Unit(1, " a year", words, True)
    if counted.get(target) == CASES:
        return Unit(1, " in 1,000", "Cases for 1,000 people.", None)
    known = target.removesuffix(SINCE)
    is_worse_up = True if known in TARGETS or known.removesuffix(SUFFIX) in DOMAINS else None
    return Unit(1, "", "A score, which has no unit of its own.", is_worse_up)


def say_scale(unit: Unit) -> str:
    """Say in what the numbers of a target are kept, in tables and layers.

    Examples
    --------
    >>> say_scale(find_unit("income", {})), say_scale(find_unit("health", {}))
    ('share, 0 to 1', 'score')
    """
    if unit.factor == 100:
        return "share, 0 to 1"
    return {" a year": "crimes a year per 1,000 people", " in 1,000": "cases per 1,000 people"}.get(
        unit.words, "score"
    )


def say_direction(unit: Unit) -> str:
    """Say which end of a target is worse; of a user's own numbers, that it is not known."""
    if unit.is_worse_up is None:
        return "Which end is worse is not known."
    return "Higher is worse."
