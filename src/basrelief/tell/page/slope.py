"""What slope and altitude add once other things are held equal."""

from __future__ import annotations

from typing import Any

from basrelief.run import Record
from basrelief.tell.facts import Facts
from basrelief.tell.words import (
    count_decimals,
    format_interval,
    format_number,
    join_words,
    name_target,
)

CONTROLS = {
    "nothing": "nothing",
    "form": "built form",
    "form_and_district": "built form and district",
    "form_and_place": "built form and place",
}
"""What was held equal, by the code in ``evaluate/partial.json``."""


LITTLE_KEPT = 0.1
"""Share of an exposure's variance below which its effect cannot be told from what is held equal."""

MANY_TOLD = 4
"""More effects than this are counted and not listed."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather the partial effects of slope and altitude; None where judging wrote none."""
    records = facts.judged.partial
    if not records:
        return None
    controls = list(dict.fromkeys(record["controls"] for record in records))
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for record in records:
        of_target = rows.setdefault(record["target"], {})
        row = of_target.setdefault(f"{record['unit']} of {record['exposure']}", {})
        words = format_interval(record["per_unit"], record["low"], record["high"])
        row[CONTROLS[record["controls"]]] = words
    held = [CONTROLS[name] for name in controls[::-1]]
    strictest = [record for record in records if record["controls"] == controls[-1]]
    return {
        # What is held equal most is read first, and on a phone it is all that is seen.
        "controls": held,
        "columns": ["for each", *(_head(control) for control in held)],
        "rows": rows,
        "sentences": [say_effects(strictest), *warn_little_kept(strictest)],
        "n": max(record["n"] for record in records),
        "n_groups": max(record["n_groups"] for record in records),
    }


def _head(control: str) -> str:
    """Head the column of what was held equal; one alone has 95 % intervals."""
    # Without a surface of place the ranges are too narrow: see `judge.partial.MAX_KNOTS`.
    level = ", 95% intervals" if control == CONTROLS["form_and_place"] else ""
    return f"{control} held equal{level}"


def say_effects(records: list[Record]) -> str:
    """Say in one sentence what effects there are with the most held equal.

    Examples
    --------
    >>> record = {"target": "burglary", "exposure": "slope", "controls": "form"}
    >>> say_effects([record | {"differs": False}] * 2)
    'With built form held equal, none of 2 effects has an interval that leaves 0 out.'
    """
    held = f"With {CONTROLS[records[0]['controls']]} held equal"
    # Where what is held equal leaves too little, no interval was taken.
    judged = [record for record in records if record["differs"] is not None]
    if not judged:
        return f"{held}, there is too little ground to say what slope and altitude go with."
    found = [record for record in judged if record["differs"]]
    if not found:
        return f"{held}, none of {len(judged)} effects has an interval that leaves 0 out."
    have = "has an interval that leaves" if len(found) == 1 else "have intervals that leave"
    listed = "" if len(found) > MANY_TOLD else f" ({join_words([_say(each) for each in found])})"
    return (
        # One in twenty intervals of 95 % leaves 0 out where there is nothing.
        f"{held}, {len(found)} of {len(judged)} effects {have} 0 out{listed}; by luck alone "
        f"it would be about {len(judged) / 20:.1g}."
    )


def warn_little_kept(records: list[Record]) -> list[str]:
    """Warn where what is held equal says nearly all of an exposure."""
    kept = {record["exposure"]: record["kept"] for record in records if record["kept"] is not None}
    return [
        f"Where a place is says {1 - share:.0%} of its {exposure}: from what is left little can be "
        "learnt, and its intervals are wide."
        for exposure, share in kept.items()
        if share < LITTLE_KEPT
    ]


def _say(record: Record) -> str:
    direction = "more" if record["per_unit"] > 0 else "less"
    places = count_decimals(record["high"] - record["low"])
    amount = format_number(abs(record["per_unit"]), places)
    a_unit = "a degree" if record["unit"] == "degree" else f"every {record['unit']}"
    return f"{name_target(record['target'])} {amount} {direction} {a_unit} of {record['exposure']}"
