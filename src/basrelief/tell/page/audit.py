"""The leakage audit: skill by scheme in one table, and in sentences what it gives away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from basrelief.judge.audit import list_scored_schemes
from basrelief.judge.baselines import BASELINES, PLACE_ALONE
from basrelief.judge.scores import is_fixed
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.findings import Finding
from basrelief.tell.page.verdict import name_column
from basrelief.tell.words import (
    HELD_OUT,
    format_number,
    is_lidar_alone,
    list_apart,
    name_recipe,
    name_source,
    name_target,
    open_sentence,
    say_apart,
)

SCHEME_NAMES = HELD_OUT | {
    "random": "chips at random",
    "block": "whole blocks and their buffer held out",
}
"""How each scheme holds out, in as few words as fit many to a sentence."""


MANY_SENTENCES = 4
"""More sentences than this are folded away behind the first."""

STRONGEST = 45
"""Per cent of colour behind a number: with more it could not be read on a dark page."""


def gather(facts: Facts) -> dict[str, Any]:
    """Gather the audit's sentences and its table."""
    audit = facts.judged.audit
    schemes = [
        (scheme, "random chips" if scheme == "random" else name_column(scheme, facts))
        for scheme in facts.schemes
    ]
    # Many are folded behind the first: the table says the same.
    eye = name_source(facts.has_ground)
    sentences = say_audit(audit, facts.judged.comparisons, eye)
    n_first = len(sentences) if len(sentences) <= MANY_SENTENCES else 1
    return {
        "first": sentences[:n_first],
        "eye": eye,
        "others": sentences[n_first:],
        "schemes": schemes,
        "same_label": audit["same_label"],
        "targets": {target: _lay_out(facts, target) for target in facts.samples.targets},
        "table": audit["table"],
        "place": PLACE_ALONE,
        "baselines": list(BASELINES),
    }


def _lay_out(facts: Facts, target: str) -> dict[str, dict[str, Record]]:
    """Lay out skill by scheme, for one target, of what was asked for and of what sees no LIDAR.

    That is place alone and, beside what knows more than LIDAR, its yardstick.

    Returns
    -------
    By recipe and scheme: ``skill``, and ``tone`` as `find_tone` gives it.
    """
    found = {}
    yardsticks = [facts.judged.yardsticks.get(name, MEAN) for name in facts.asked]
    for recipe in dict.fromkeys([*facts.asked, PLACE_ALONE, *yardsticks]):
        rows = select(facts.judged.audit["table"], target=target, recipe=recipe)
        by_unit = {row["unit"]: row for row in rows}
        skills = {}
        for scheme in facts.schemes:
            # By the unit of each scheme's main score, so that this table agrees with the results.
            unit = choose_unit(facts.scores, target, scheme)
            own = {"target": target, "recipe": recipe, "scheme": scheme, "unit": unit}
            skill = by_unit.get(unit, {}).get(scheme)
            skills[scheme] = {"skill": skill, "tone": find_tone(select(facts.scores, **own))}
        if any(cell["skill"] is not None for cell in skills.values()):
            found[recipe] = skills
    return found


def find_tone(scores: Sequence[Record]) -> str:
    """Find the colour of a skill: ``up`` or ``down`` where its score is told from the mean.

    A colour is a claim: a skill that chance gives too has none, however large it looks.

    Examples
    --------
    >>> find_tone([{"worth": "better"}]), find_tone([{"worth": "by_chance"}]), find_tone([])
    ('up', '', '')
    """
    return {"better": "up", "worse": "down"}.get(Finding(scores[0]).sense, "") if scores else ""


def tint(skill: float | None) -> int:
    """Give the strength of a cell's colour, in per cent.

    Examples
    --------
    >>> tint(0.5), tint(-3.0), tint(None)
    (22, 45, 0)
    """
    # By size alone: which side of 0 it lies on is for the hue to say.
    return 0 if skill is None else round(STRONGEST * min(1.0, abs(skill)))


def say_audit(audit: Record, comparisons: Sequence[Record] = (), eye: str = "LIDAR") -> list[str]:
    """Say what the audit found, from ``evaluate/audit.json`` and ``evaluate/comparisons.json``.

    Parameters
    ----------
    eye
        What sentences call that which is asked beside place.

    Returns
    -------
    A sentence or two on what chips at random give away, on how far coordinates alone go for
    each target, and on each recipe that was asked for.
    """
    sentences = []
    # Chips at random may have been left out, and then nothing is shared.
    if "random" in audit["same_label"]:
        sentences.append(_say_shared(audit["same_label"]["random"], audit["same_area"]["random"]))
    sentences += [
        _say_place(record, eye) for record in audit["place_alone"] if list_scored_schemes(record)
    ]
    return sentences + [_say_recipe(record, comparisons) for record in audit["recipes"]]


def _say_shared(same_label: float, same_area: float | None) -> str:
    """Say what a random split of chips gives away."""
    sentence = f"With chips at random, {same_label:.0%} of the test chips carry the very label"
    if same_area is not None:
        sentence += f", and {same_area:.0%} lie in the area,"
    return f"{sentence} of a training chip: a skill there says little about ground never seen."


def _say_place(record: Record, eye: str) -> str:
    """Say how far coordinates alone go for one target, beside what else is asked."""
    known, good = list_scored_schemes(record), record["good"]
    name = name_target(record["target"])
    sentence = (
        f"{open_sentence(name)}: place alone, without any {eye}, has skill "
        f"{_list_skills(record, known)}."
    )
    if not good:
        return f"{sentence} That knowing where an area lies helps cannot be told."
    where = f"with {_list_schemes(good)}" if len(good) < len(known) else "under every scheme"
    return (
        f"{sentence} It looks good {where}: a skill of {eye} there has to be held against it, and "
        "not against 0."
    )


def _say_recipe(record: Record, comparisons: Sequence[Record]) -> str:
    """Say what a recipe's skill under the schemes means for one target."""
    named = f"{record['recipe']} on {name_target(record['target'])}, by {record['unit']}"
    if record["reading"] == "unknown":
        return f"{named}: cannot be judged, what was observed does not vary."
    skills = _list_skills(record, list_scored_schemes(record))
    pair = {key: record[key] for key in ("recipe", "target", "unit", "versus")}
    fixed = {each["scheme"] for each in select(comparisons, **pair) if is_fixed(each)}
    return f"{named}: skill {skills}. {_say_reading(record)}{_say_against(record, fixed)}"


def _say_reading(record: Record) -> str:
    """Say under which schemes a recipe is better than the mean."""
    better = record["better"]
    lost = [scheme for scheme in record["held_out"] if scheme not in better]
    if record["reading"] == "in_some":
        return (
            f"It is better than the mean with {_list_schemes(better)}, which cannot be told with "
            f"{_list_schemes(lost)}: part of what it knows may be the place."
        )
    return {
        "random_only": ("Only chips at random were tried: nothing is known about other ground."),
        "leaks": (
            "What looks good with chips at random cannot be told once ground is held out: "
            "neighbours' labels are enough to explain it."
        ),
        "not_told": "It cannot be told from the mean under any scheme that holds out ground.",
        "everywhere": "It is better than the mean under every scheme that holds out ground.",
    }[record["reading"]]


def _say_against(record: Record, fixed: Collection[str]) -> str:
    """Say under which schemes a recipe beats what it is held against besides the mean.

    Not under those, ``fixed``, where the two were compared with models held fixed.
    """
    rival = name_recipe(record["versus"])
    won = None if record["beats"] is None else [s for s in record["beats"] if s not in fixed]
    lost = [scheme for scheme in record["is_beaten"] if scheme not in fixed]
    apart = say_apart(list_apart(record))
    sentences = ""
    if won:
        sentences += f" It beats {rival} with {_list_schemes(won)}."
    if lost:
        sentences += f" {open_sentence(rival)} beats it with {_list_schemes(lost)}."
    # An empty list, not None: that means that the two were never compared.
    if won == [] and record["better"]:
        is_lidar = is_lidar_alone(record["differs_in"])
        so = "that LIDAR adds to it" if is_lidar else "that it knows more than where an area is"
        sentences += f" It beats {rival} nowhere: {so} cannot be told."
    return f"{sentences} {apart}" if sentences else ""


def _list_skills(record: Record, schemes: Sequence[str]) -> str:
    return _join(
        [f"{format_number(record[scheme])} with {SCHEME_NAMES[scheme]}" for scheme in schemes]
    )


def _list_schemes(schemes: Sequence[str]) -> str:
    return _join([SCHEME_NAMES[scheme] for scheme in schemes])


def _join(parts: list[str]) -> str:
    """Join parts as `join_words` does, without its comma: no target is among them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
