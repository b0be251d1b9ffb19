"""What LIDAR adds: a recipe beside what differs from it in LIDAR alone, in words."""

from __future__ import annotations

from collections.abc import Mapping

from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.intervals import write_range
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import format_number, name_recipe

# An amount stands in each: a difference that cannot be told may still be large.
DIFFERENCES = {
    "better": "adds {amount} to {other}",
    "even": "cannot be told from {other}: {amount}",
    "worse": "falls short of {other}: {amount}",
}
"""What the interval of a paired difference says, by sense."""


EYE_DIFFERENCES = {
    "better": "adds {amount} to {other}",
    "even": "is not known to add to {other}: {amount}",
    "worse": "takes from what is told by {other}: {amount}",
}
"""The same of an eye beside all others."""


def say_difference(
    record: Record, other: str, words: Mapping[str, str] = DIFFERENCES
) -> tuple[str, str] | None:
    """Say what a recipe adds to another, from ``difference, low, high, beats, is_beaten``.

    The range stands with what it is, from ``interval``.

    Returns
    -------
    The sense, of `SENSES`, and the words behind it; None without an interval.

    Examples
    --------
    >>> gain = {"difference": 0.186, "low": 0.121, "high": 0.247, "beats": True, "is_beaten": False}
    >>> gain["interval"] = "refitted"
    >>> say_difference(gain, "place alone")
    ('better', 'adds 0.19 (0.12 to 0.25; 95%) to place alone')
    >>> say_difference(gain | {"beats": False}, "place alone")
    ('even', 'cannot be told from place alone: 0.19 (0.12 to 0.25; 95%)')
    """
    difference, low, high = (record.get(key) for key in ("difference", "low", "high"))
    if difference is None or low is None or high is None:
        return None
    amount = f"{format_number(difference)} {write_range(low, high, record)}"
    sense = tell_comparison(record)
    return sense, words[sense].format(amount=amount, other=other)


def find_gain(
    facts: Facts, recipe: str, target: str, scheme: str, unit: str = "area"
) -> Record | None:
    """Find the comparison of a recipe that knows more than LIDAR with its yardstick.

    Returns
    -------
    None of LIDAR alone, whose yardstick is the mean: its skill is its gain; and where the two were
    not compared.
    """
    # Over the mean a recipe that knows place would be given LIDAR's credit for it.
    yardstick = facts.judged.yardsticks.get(recipe, MEAN)
    key = {"recipe": recipe, "target": target, "scheme": scheme, "unit": unit}
    found = select(facts.judged.comparisons, versus=yardstick, **key)
    return found[0] if found else None


def say_gain(facts: Facts, recipe: str, target: str, scheme: str) -> str:
    """Say in a sentence what LIDAR adds to a recipe that knows more; nothing of LIDAR alone."""
    record = find_gain(facts, recipe, target, scheme)
    if record is None:
        return ""
    other = name_recipe(record["versus"])
    found = say_difference(record, other)
    if found is None:
        return f" What LIDAR adds to {other} cannot be told: there are too few blocks or areas."
    return f" With LIDAR it {found[1]}."
