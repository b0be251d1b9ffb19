"""How sure: how often intervals hold what was observed, and how wide they are."""

from __future__ import annotations

from typing import Any

from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.page.marks import Mark, Point, keep_shown
from basrelief.tell.verdict_words import name_group
from basrelief.tell.words import format_number, join_words, name_target

WIDTH_LEVEL = 80
"""The level whose width is told beside the chart."""


def show_sureness(facts: Facts) -> dict[str, Any] | None:
    """Gather how often intervals held what was observed; None where it was not measured."""
    overall = select(facts.judged.coverage, scheme=facts.shown_scheme, group="all")
    mine = keep_shown(overall, facts)
    if not mine:
        return None
    levels = sorted({record["level"] for record in mine})
    told = [record for record in facts.judged.coverage if record["recipe"] in facts.asked]
    return {
        "marks": [_mark_coverage(select(mine, target=t), facts) for t in facts.shown],
        "levels": levels,
        "scheme": facts.shown_scheme,
        "table": _lay_out(told, levels, facts),
    }


def _mark_coverage(records: list[Record], facts: Facts) -> Mark:
    """Hold the realised coverages of one target against their levels."""
    target = records[0]["target"] if records else ""
    points = [_place_coverage(record) for record in records]
    missed = [(r["level"], p) for r, p in zip(records, points, strict=True) if p.sign != "●"]
    words = "hold as often as meant" if not missed else _say_missed(missed)
    return Mark(
        label=name_target(target),
        note=_say_width(records, facts),
        points=points,
        sense="worse" if missed else "better",
        sign=missed[0][1].sign if missed else "●",
        words=words,
    )


def _place_coverage(record: Record) -> Point:
    """Hold one realised coverage against its level."""
    level = record["level"] / 100
    sign = "▼" if record["high"] < level else "▲" if record["low"] > level else "●"
    return Point(
        share=record["covered"],
        low=record["low"],
        high=record["high"],
        against=level,
        beside=None,
        sense="better" if sign == "●" else "worse",
        sign=sign,
    )


def _say_missed(missed: list[tuple[int, Point]]) -> str:
    """Say at which levels intervals are too narrow or too wide."""
    parts = []
    for sign, words in (("▼", "too narrow"), ("▲", "wider than need be")):
        levels = [f"{level}%" for level, point in missed if point.sign == sign]
        if levels:
            parts.append(f"{words} at {join_words(levels)}")
    return ", ".join(parts)


def _say_width(records: list[Record], facts: Facts) -> str:
    """Say how wide intervals are, beside the range of what was observed."""
    found = [record for record in records if record["level"] == WIDTH_LEVEL]
    if not found:
        return ""
    areas = facts.samples.areas
    observed = areas.loc[areas["is_used"].astype(bool), found[0]["target"]]
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
        row["group"] = facts.districts.get(row["group"], name_group(row["group"]))
    return sorted(
        kept, key=lambda row: (targets.index(row["target"]), schemes.index(row["scheme"]))
    )
