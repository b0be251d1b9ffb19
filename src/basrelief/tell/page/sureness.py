"""How sure: how often intervals hold what was observed, and how wide they are."""

from __future__ import annotations

from typing import Any

from basrelief.judge.intervals import OTHERS
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.page.chart import SHARES, Point, Row, Statement
from basrelief.tell.senses import SENSES, tell_sense
from basrelief.tell.words import format_number, join_words, name_scheme, name_target

WIDTH_LEVEL = 80
"""The level whose width is told beside the chart."""

COVERAGE = {"better": "wide", "even": "holds", "worse": "narrow"}
"""What it means that intervals hold more often than was meant, as often, or less often."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather how often intervals held what was observed; None where it was not measured."""
    coverage = facts.judged.coverage
    # Over all areas: groups have few, and stand in the table.
    mine = facts.keep_shown(select(coverage, scheme=facts.shown_scheme, group="all"))
    if not mine:
        return None
    levels = sorted({record["level"] for record in mine})
    asked = [record for record in coverage if record["recipe"] in facts.asked]
    return {
        "rows": [_show_coverage(select(mine, target=target), facts) for target in facts.shown],
        "axis": SHARES,
        "levels": levels,
        "marks": [(f"{level}%", level) for level in levels],
        "held_out": name_scheme(facts.shown_scheme, facts.settings),
        "columns": [
            *("score", "recipe", "scheme", "group", "n"),
            *(name for level in levels for name in (f"held at {level}%", "width")),
        ],
        "table": _lay_out(asked, levels, facts),
    }


def _show_coverage(records: list[Record], facts: Facts) -> Row:
    """Hold the realised coverages of one target against their levels."""
    points = tuple(_plot_coverage(record) for record in records)
    missed = {
        sense: [r["level"] for r, p in zip(records, points, strict=True) if p.sense == sense]
        for sense in ("narrow", "wide")
    }
    words = [
        f"{SENSES[sense].words} at {join_words([f'{level}%' for level in levels])}"
        for sense, levels in missed.items()
        if levels
    ]
    # One level that misses is enough: intervals are used at any of them.
    first = next((point.sense for point in points if point.sense != "holds"), "holds")
    return Row(
        label=name_target(records[0]["target"]) if records else "",
        points=points,
        note=_say_width(records, facts),
        statement=Statement(first, ", ".join(words) or SENSES["holds"].words),
    )


def _plot_coverage(record: Record) -> Point:
    """Plot one realised coverage against its level."""
    # Against its own level, not against 0: too wide is a miss as well.
    level = record["level"] / 100
    sense = COVERAGE[tell_sense(record["low"], record["high"], level)]
    return Point(record["covered"], record["low"], record["high"], sense, against=level)


def _say_width(records: list[Record], facts: Facts) -> str:
    """Say how wide intervals are, beside the range of what was observed."""
    found = [record for record in records if record["level"] == WIDTH_LEVEL]
    if not found:
        return ""
    areas = facts.samples.areas
    observed = areas.loc[areas["is_used"].astype(bool), found[0]["target"]]
    # A width says nothing without the range that it is a part of.
    width = f"{WIDTH_LEVEL}%: {format_number(found[0]['mean_width'])} wide"
    if observed.empty:
        return width
    return f"{width}; observed {format_number(observed.min())} to {format_number(observed.max())}"


def _lay_out(records: list[Record], levels: list[int], facts: Facts) -> list[dict[str, Any]]:
    """Lay coverage out with a row a recipe, target, scheme and group, a column a level."""
    targets, schemes = facts.samples.targets, facts.schemes
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in records:
        names = ("recipe", "target", "scheme", "group")
        key = tuple(str(record[name]) for name in names)
        row = rows.setdefault(key, {name: record[name] for name in names} | {"n": record["n"]})
        row[f"at_{record['level']}"] = record
    empty = {f"at_{level}": None for level in levels}
    kept = [empty | row for row in rows.values() if row["scheme"] in schemes]
    for row in kept:
        row["group"] = name_group(facts.name_district(row["group"]))
    return sorted(
        kept, key=lambda row: (targets.index(row["target"]), schemes.index(row["scheme"]))
    )


def name_group(group: str) -> str:
    """Name a group of ``evaluate/coverage.json`` that is no district.

    Examples
    --------
    >>> name_group("predicted_1_of_3"), name_group("E09000007")
    ('predicted 1 of 3', 'E09000007')
    """
    is_made = group == OTHERS or group.startswith("predicted_")
    return group.replace("_", " ") if is_made else group
