"""What LIDAR adds, and any other eye: beside what differs in it alone, and to single areas."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pyarrow.parquet as pq

from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import EMBEDDING, PLACE, STREET
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


PLURAL = (STREET, EMBEDDING)
"""Eyes that sentences name in the plural."""


def word_eye(eye: str) -> dict[str, str]:
    """Give what `DIFFERENCES` gives, of an eye beside all others: behind its name.

    Examples
    --------
    >>> word_eye("photo")["even"], word_eye("street")["even"]
    ('is not known to add to {other}: {amount}', 'are not known to add to {other}: {amount}')
    """
    adds, is_not, takes = ("add", "are", "take") if eye in PLURAL else ("adds", "is", "takes")
    return {
        "better": f"{adds} {{amount}} to {{other}}",
        "even": f"{is_not} not known to add to {{other}}: {{amount}}",
        "worse": f"{takes} from what is told by {{other}}: {{amount}}",
    }


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


def find_whole(facts: Facts) -> str | None:
    """Find the recipe of all eyes with place; None where LIDAR is the only eye."""
    eyes = set(facts.judged.list_eyes())
    for record in facts.judged.recipes:
        is_whole = eyes and {PLACE, *eyes} <= set(record["knows"])
        # One that a user made of all eyes may lack the twins that the gains are over.
        if is_whole and set(record["yardsticks"]) >= eyes:
            return str(record["recipe"])
    return None


def name_sets(facts: Facts, whole: str) -> dict[str, str]:
    """Name by feature set of the recipe of all eyes the eye that it is of."""
    knows = facts.judged.knows
    members = {
        m for record in select(facts.judged.member_weights, recipe=whole) for m in record["members"]
    }
    return {m: knows[m][0] for m in sorted(members) if len(knows.get(m, ())) == 1}


def read_added(facts: Facts, target: str, scheme: str) -> pd.DataFrame | None:
    """Read what each eye, place and district add to each area by the recipe of all eyes.

    Returns
    -------
    By ``area_id`` a column a part, named by its code; in the target's unit. None where LIDAR is
    the only eye, the scheme is not the one that maps show, or the facts are public.
    """
    # What may be handed out has no such figures, and no run folder to read them from.
    whole = None if facts.is_public else find_whole(facts)
    if whole is None:
        return None
    of = {"recipe": facts.find_code(whole), "target": target, "scheme": scheme}
    path = facts.run.folder / "evaluate" / "parts.parquet"
    filters = [(name, "==", value) for name, value in of.items()]
    table: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    if table.empty:
        return None
    # As files have them: sets are told by names that say how far networks were trained.
    sets = {facts.find_code(name): eye for name, eye in name_sets(facts, whole).items()}
    # In the order of the parts as they were written: eyes first, then where an area lies.
    parts = list(dict.fromkeys(table["part"].astype(str)))
    wide = table.astype({"part": str}).pivot_table("added", "area_id", "part", dropna=False)
    return wide[parts].rename(columns=sets)
