"""Rows of the charts of shares: dots with intervals, and what they are held against."""

from __future__ import annotations

from dataclasses import dataclass

from basrelief.run import Record
from basrelief.tell.facts import Facts


@dataclass(frozen=True)
class Point:
    """A share with its interval."""

    share: float
    low: float | None
    high: float | None
    against: float
    """What it is compared with: the nominal level, or chance."""

    beside: float | None
    """The same of place alone; None where it is unknown or not asked."""

    sense: str
    sign: str


@dataclass(frozen=True)
class Mark:
    """One row of a chart: a target, and what was found for it in words."""

    label: str
    note: str
    points: list[Point]
    sense: str
    sign: str
    words: str


def keep_shown(records: list[Record], facts: Facts) -> list[Record]:
    """Keep the recipe that is shown for each target, in the targets' order."""
    return [
        record
        for target, recipe in facts.shown.items()
        for record in records
        if (record["target"], record["recipe"]) == (target, recipe)
    ]
