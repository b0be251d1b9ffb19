"""Short answers: what was asked, how sure it is, whether heights help, how it was tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from basrelief.judge.scores import name_worth
from basrelief.learn.knowledge import DISTRICT, LIDAR, PLACE, sees_lidar
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.findings import beats_mean
from basrelief.tell.gains import find_gain
from basrelief.tell.page.targeting import WORST_FIFTH, tell_hits
from basrelief.tell.senses import tell_comparison
from basrelief.tell.units import find_unit
from basrelief.tell.words import (
    count_decimals,
    format_length,
    format_number,
    is_lidar_alone,
    join_words,
    name_target,
    write_targets,
)

SEEN = {
    "photo": "a photo from above",
    "embedding": "pictures from satellites",
    "street": "pictures taken in its streets",
}
HEIGHTS = "the heights of its ground, roofs and trees, measured by laser from an aeroplane"
"""What was looked at, in words; whatever else was known stands in tables."""

WORTH = {"better": "yes", "worse": "no, it is worse"}
"""Whether an estimate is better than a blind guess, by what judging made of it."""


@dataclass(frozen=True)
class Answer:
    """How well one score is estimated."""

    name: str
    is_better: bool
    worth: str
    miss: str
    """How far an estimate is off, as a mean over areas; empty where it is not known."""

    found: str
    """How many of those picked as the worst are; empty where nobody was picked."""


def list_answers(facts: Facts) -> list[Answer]:
    """List how well each score is estimated that any recipe asked for predicts by area."""
    wanted = {"scheme": facts.shown_scheme, "unit": "area"}
    found = []
    for target, recipe in facts.shown.items():
        for record in select(facts.scores, recipe=recipe, target=target, **wanted)[:1]:
            worth = WORTH.get(name_worth(record), "cannot be told")
            is_better = beats_mean(record)
            miss, picked = _say_miss(facts, record), _say_found(facts, record, is_better)
            found.append(Answer(name_target(target), is_better, worth, miss, picked))
    return found


def _say_miss(facts: Facts, record: Record) -> str:
    """Say how far estimates are off, in the target's unit."""
    unit = find_unit(record["target"], facts.counted)
    if record["mae"] is None:
        return ""
    miss = unit.factor * record["mae"]
    return f"{format_number(miss, count_decimals(miss))}{unit.words}"


def _say_found(facts: Facts, record: Record, is_better: bool) -> str:
    """Say how many of the areas picked as the worst fifth are, and whether that may be luck."""
    key = {name: record[name] for name in ("recipe", "target", "scheme")}
    for hits in select(facts.judged.targeting, share=WORST_FIFTH, **key):
        found = format_number(hits["hits"], 1).removesuffix(".0")
        # Whoever is no better than a guess is not praised for whom it finds.
        is_told = is_better and tell_hits(hits) == "better"
        doubt = "" if is_told else ", may be luck"
        return f"{found} of {hits['n_picked']}{doubt}"
    return ""


def say_asked(facts: Facts) -> str:
    """Say what was asked: which scores, and from what."""
    known = {code for recipe in facts.shown.values() for code in facts.judged.knows.get(recipe, ())}
    seen = [HEIGHTS] if sees_lidar(known) else []
    seen += [words for code, words in SEEN.items() if code in known]
    tables = facts.settings.data.tables
    last = {name for name, table in tables.items() if table.role == "last_release"}
    if last & known:
        seen.append("its score of some years ago")
    # The size of an area is known without any table.
    if known - {*LIDAR, *SEEN, *last, PLACE, DISTRICT, "size"}:
        seen.append("tables of facts about it")
    if {PLACE, DISTRICT} & known:
        seen.append("the scores of areas near it")
    known_from = join_words(seen) or "what is known"
    return f"Can a computer tell {_name_scores(facts)} of a small area from {known_from}?"


def _name_scores(facts: Facts) -> str:
    """Name the scores; many of them by their number."""
    targets = facts.samples.targets
    if len(targets) > 4:
        return f"{len(targets)} official scores"
    return f"the score for {write_targets(targets)}"


def say_sure(facts: Facts, answers: Sequence[Answer]) -> str:
    """Say how sure the estimates are, all of them together."""
    better = [answer.name for answer in answers if answer.is_better]
    n = len(answers)
    if not n:
        return "Nothing could be tested, so nothing is known."
    if not better:
        of = "" if n == 1 else f" for any of the {n} scores"
        return f"Not at all. It could not be shown to beat a blind guess{of}."
    if len(better) == n:
        of = "" if n == 1 else f" for all {n} scores"
        return f"It beats a blind guess{of}.{_say_held(facts)}"
    return (
        f"It beats a blind guess for {len(better)} of {n} scores: {join_words(better)}. For the "
        f"rest that could not be shown.{_say_held(facts)}"
    )


def _say_held(facts: Facts) -> str:
    """Say how often official scores lie in the likely range."""
    held = facts.keep_shown(
        select(facts.judged.coverage, level=80, group="all", scheme=facts.shown_scheme)
    )
    shares = sorted(
        round(100 * record["covered"])
        for record in held
        # Of these no estimate is shown, and so no range.
        if record["target"] not in facts.unshown and record["covered"] is not None
    )
    if not shares:
        return ""
    often = f"{shares[0]}" if shares[0] == shares[-1] else f"{shares[0]} to {shares[-1]}"
    return (
        " Single areas can be far off. Each estimate has a likely range: the official score was "
        f"in it for {often} of 100 areas."
    )


def say_heights(facts: Facts) -> str:
    """Say for which scores the heights help; empty where no estimate shown rests on them."""
    knows = facts.judged.knows
    asked = [t for t, recipe in facts.shown.items() if sees_lidar(knows.get(recipe, ()))]
    if not asked:
        return ""
    helped = [target for target in asked if _do_heights_help(facts, target)]
    if not helped:
        return "That could not be shown for any score."
    rest = "" if len(helped) == len(asked) else " For the other scores that could not be shown."
    return f"For {write_targets(helped)}, the estimate is better with them than without.{rest}"


def _do_heights_help(facts: Facts, target: str) -> bool:
    """Tell whether an estimate is better than the same without heights."""
    recipe, scheme = facts.shown[target], facts.shown_scheme
    if is_lidar_alone(facts.judged.knows.get(recipe, ())):
        # Without heights nothing is left to it but the blind guess.
        return target not in facts.unshown
    gain = find_gain(facts, recipe, target, scheme)
    return gain is not None and tell_comparison(gain) == "better"


def say_tested(facts: Facts) -> str:
    """Say what the computer was not told when it estimated an area."""
    split = facts.settings.split
    clear = (
        f" and of all ground within {format_length(split.buffer_m)} of it" if split.buffer_m else ""
    )
    without = {
        "area": "its own score",
        "msoa": "the scores of its neighbourhood",
        "lad": "any score of its district",
        "block": f"the scores of its square of {format_length(split.block_m)}{clear}",
        "random": "the scores of some pictures, though it knew their neighbours'",
    }[facts.shown_scheme]
    return (
        f"For each area, the computer had to do without {without}. Then its estimate was held "
        "against the official score."
    )
