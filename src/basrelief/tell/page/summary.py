"""The report in short: what was asked and found, made of the findings, in 200 words at most."""

from __future__ import annotations

from collections.abc import Sequence

from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.intervals import write_range
from basrelief.tell.page.targeting import WORST_FIFTH, tell_hits
from basrelief.tell.words import (
    count,
    format_number,
    join_words,
    name_scheme,
    name_target,
    write_targets,
)

MOST_WORDS = 200

FEW_TARGETS = 3
"""Scores whose skills are told each; of more, the best and the worst."""

USE = "Do not use it to judge a person, a home or a street, nor where an official score exists."


def summarise(facts: Facts) -> list[str]:
    """Summarise a run in sentences, from what was asked to what not to do with it."""
    found = [_say_asked(facts), _say_skills(facts), _say_claims(facts), _say_held(facts)]
    return keep_short([*found, _say_found(facts), USE])


def keep_short(sentences: Sequence[str], most: int = MOST_WORDS) -> list[str]:
    """Keep sentences from the first on, without those that are empty, up to so many words.

    Examples
    --------
    >>> keep_short(["One two.", "", "Three four five.", "Six."], most=5)
    ['One two.', 'Three four five.']
    """
    kept, n_words = list[str](), 0
    for sentence in filter(None, sentences):
        n_words += len(sentence.split())
        # Whole sentences alone: half of one could say the opposite.
        if n_words > most:
            break
        kept.append(sentence)
    return kept


def _say_asked(facts: Facts) -> str:
    """Say what was to be predicted, by what, and over how much."""
    unit = "area" if facts.samples.has_places else "picture"
    # The headline has their names, which can be long.
    n = len(facts.asked)
    whom = f"{facts.asked[0]} was" if n == 1 else f"{n} recipes were"
    return (
        f"{whom} asked to predict "
        f"{write_targets(facts.samples.targets)} over {count(len(facts.labels), unit)}, each "
        f"while it was held out, with {name_scheme(facts.shown_scheme, facts.settings)}."
    )


def _say_skills(facts: Facts) -> str:
    """Say how much better than the mean the recipe shown for each score is; of many, the ends."""
    best: dict[str, Record] = {}
    for finding in facts.findings:
        known = best.get(finding.target)
        if known is None or finding.record["skill"] > known["skill"]:
            best[finding.target] = finding.record
    if not best:
        return ""
    if len(best) <= FEW_TARGETS:
        told = [f"{name_target(target)} {_write_skill(record)}" for target, record in best.items()]
        return f"Of those asked, the best has a skill of {'; '.join(told)} (0 is the mean)."
    ordered = sorted(best.items(), key=lambda item: -float(item[1]["skill"]))
    ends = [f"{name_target(target)} {_write_skill(record)}" for target, record in ordered]
    return (
        f"Of those asked, the best has most skill for {ends[0]}, and least for {ends[-1]}; 0 is "
        "the mean, 1 is perfect."
    )


def _write_skill(record: Record) -> str:
    skill, low, high = (record[key] for key in ("skill", "skill_low", "skill_high"))
    ends = "" if low is None or high is None else f" {write_range(low, high, record)}"
    return f"{format_number(skill)}{ends}"


def _say_claims(facts: Facts) -> str:
    """Say how many gains of LIDAR survive chance; empty where none was tried."""
    claims = [claim for claim in facts.judged.claims if claim["nothing"] == "no_lidar"]
    tested = [claim for claim in claims if claim["is_tested"]]
    if not tested:
        return ""
    n_held = sum(claim["holds"] for claim in tested)
    are = "survives" if n_held == 1 else "survive"
    return (
        f"Of {count(len(tested), 'gain')} that could be claimed for LIDAR, {n_held or 'none'} "
        f"{are} chance."
    )


def _say_held(facts: Facts) -> str:
    """Say how often 80 % intervals held what was observed."""
    wanted = {"level": 80, "group": "all", "scheme": facts.shown_scheme}
    held = facts.keep_shown(select(facts.judged.coverage, **wanted))
    shares = sorted(round(100 * r["covered"]) for r in held if r["covered"] is not None)
    if not shares:
        return ""
    often = f"{shares[0]}%" if shares[0] == shares[-1] else f"{shares[0]} to {shares[-1]}%"
    return f"Intervals meant to hold 80% of the observed scores held {often}."


def _say_found(facts: Facts) -> str:
    """Say for which scores picking the worst fifth finds more of them than chance."""
    wanted = {"share": WORST_FIFTH, "scheme": facts.shown_scheme}
    hits = facts.keep_shown(select(facts.judged.targeting, **wanted))
    failing = {target for targets in facts.find_failing().values() for target in targets}
    # What is no better than the mean is not praised for whom it finds.
    better = [r for r in hits if tell_hits(r) == "better" and r["target"] not in failing]
    if not hits:
        return ""
    if not better:
        return "Whether it finds more of the worst fifth of the areas than chance cannot be told."
    told = [
        f"{name_target(r['target'])} ({format_number(r['hits'], 1).removesuffix('.0')} of "
        f"{r['n_picked']})"
        for r in better
    ]
    return f"It finds more of the worst fifth of the areas than chance for {join_words(told)}."
