"""What charts on the pages are made of: rows of figures with intervals, in the one legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from basrelief.run import Record
from basrelief.tell.findings import Finding, say_r2
from basrelief.tell.intervals import name_level
from basrelief.tell.words import format_number, format_percent


@dataclass(frozen=True)
class Axis:
    """An axis, and how its figures are written; far below its low end is cut off and marked."""

    low: float
    high: float
    is_share: bool = False
    """Whether figures are shares, written in per cent, and not skills."""

    def locate(self, value: float) -> float:
        """Locate a value, in per cent of the axis from its left end."""
        # One recipe that fails utterly would press all others into one line.
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def write(self, value: float) -> str:
        """Write a value as figures of this axis are written."""
        return format_percent(value) if self.is_share else format_number(value)

    def cuts(self, rows: Iterable[Row]) -> bool:
        """Whether a figure lies beyond the low end."""
        # Only low: above 1 there is no skill, and no share.
        return any(point.value < self.low for row in rows for point in row.points)


SHARES = Axis(0.0, 1.0, is_share=True)


@dataclass(frozen=True)
class Statement:
    """Words behind the sign of their sense."""

    sense: str
    """One of `SENSES`."""

    words: str


@dataclass(frozen=True)
class Point:
    """A figure with its interval, drawn as the sign of its sense."""

    value: float
    low: float | None
    high: float | None
    sense: str
    against: float = 0.0
    """What it is held against: the mean, chance, or what was meant."""

    beside: float | None = None
    """The same of what differs in LIDAR alone; None where that is the mean."""

    level: str = ""
    """How often its range holds what is to be expected; empty where the chart says it of all."""


@dataclass(frozen=True)
class Row:
    """One line of a chart: most have one point."""

    label: str
    points: tuple[Point, ...]
    note: str = ""
    """Small, under the label."""

    statement: Statement | None = None
    """What the figures come to."""

    versus: tuple[Statement, ...] = ()
    """What it beats, cannot be told from, and is beaten by."""

    is_asked: bool = False
    """Whether the reader wants to know about it: others are drawn faint."""

    is_preferred: bool = False

    @property
    def sense(self) -> str:
        """What colours the row."""
        return self.statement.sense if self.statement else self.points[0].sense


@dataclass(frozen=True)
class Chart:
    """Rows under a title, and a line that says what they come to."""

    title: str
    rows: list[Row]
    note: str = ""
    lead: str = ""
    """Before what is said."""

    statement: Statement | None = None
    because: str = ""
    """Behind what is said, with the stop or comma between."""


def plot_skill(finding: Finding) -> Point:
    """Plot a skill against the mean, which is 0."""
    record: Record = finding.record
    ends = (record["skill_low"], record["skill_high"])
    # Ranges of four kinds stand side by side, so that each has to say what it is.
    return Point(record["skill"], *ends, finding.sense, level=name_level(record))


def show_skills(
    records: Iterable[Record], labels: Mapping[str, str], asked: str, *, names_recipes: bool = False
) -> list[Row]:
    """Make a row of each record with a skill, by its recipe's label; the one asked stands out."""
    return [
        Row(
            label=labels[record["recipe"]],
            points=(plot_skill(Finding(record)),),
            note=f"{record['recipe']}, {say_r2(record)}" if names_recipes else say_r2(record),
            is_asked=record["recipe"] == asked,
        )
        for record in records
        if record["skill"] is not None
    ]


def choose_axis(rows: Iterable[Row]) -> Axis:
    """Choose the axis that shows all skills and intervals from −1 up.

    Examples
    --------
    >>> choose_axis([])
    Axis(low=-0.2, high=0.4, is_share=False)
    """
    values = [
        value
        for row in rows
        for point in row.points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    # At least so wide an axis: on a narrow one differences of nothing would look large.
    low = np.floor(10 * min([-0.2, *values])) / 10
    high = np.ceil(10 * max([0.4, *values])) / 10
    # From −1 down a recipe is twice as bad as the mean: how much worse tells nothing more.
    return Axis(float(max(low, -1.0)), float(min(high, 1.0)))
