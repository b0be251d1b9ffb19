"""The leakage audit: skill by scheme in one table, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from basrelief.judge.baselines import PLACE
from basrelief.run import Record
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.page.verdict import name_column
from basrelief.tell.words import name_target, open_sentence

MANY_SENTENCES = 4
"""More sentences than this are folded away behind the first."""

STRONGEST = 45
"""Per cent of colour behind a number: with more it could not be read on a dark page."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather the audit's sentences and its table; None where judging wrote none."""
    audit = facts.judged.audit
    if not audit:
        return None
    schemes = [
        (scheme, "random chips" if scheme == "random" else name_column(scheme, facts))
        for scheme in facts.schemes
    ]
    targets = facts.samples.targets
    sentences = [tidy_sentence(sentence, targets) for sentence in audit["sentences"]]
    n_first = len(sentences) if len(sentences) <= MANY_SENTENCES else 1
    return {
        "first": sentences[:n_first],
        "others": sentences[n_first:],
        "schemes": schemes,
        "same_label": audit["same_label"],
        "targets": {target: _lay_out(facts, target) for target in facts.samples.targets},
        "table": audit["table"],
        "place": PLACE,
    }


def tidy_sentence(sentence: str, targets: Sequence[str]) -> str:
    """Write targets' names as a person would, and minus signs as minus signs.

    Examples
    --------
    >>> tidy_sentence("imd: skill -0.05, and -0.00 there.", ["imd"])
    'Multiple deprivation: skill −0.05, and 0.00 there.'
    """
    sentence = re.sub(r"(?<!\w)-(?=0\.00\b)", "", sentence)
    sentence = re.sub(r"(?<!\w)-(?=\d)", "−", sentence)
    for target in targets:
        name = name_target(target)
        if sentence.startswith(f"{target}:"):
            sentence = f"{open_sentence(name)}{sentence[len(target) :]}"
        sentence = sentence.replace(f" on {target},", f" on {name},")
    return sentence


def _lay_out(facts: Facts, target: str) -> dict[str, Record]:
    """Lay out skill by scheme of what was asked for, and of place alone, for one target."""
    found = {}
    for recipe in [*facts.asked, *([PLACE] if PLACE not in facts.asked else [])]:
        rows = select(facts.judged.audit["table"], target=target, recipe=recipe)
        by_unit = {row["unit"]: row for row in rows}
        skills = {}
        for scheme in facts.schemes:
            row = by_unit.get(choose_unit(facts.scores, target, scheme), {})
            skills[scheme] = row.get(scheme)
        if any(skill is not None for skill in skills.values()):
            found[recipe] = skills
    return found


def tint(skill: float | None) -> int:
    """Give the strength of a cell's colour, in per cent.

    Examples
    --------
    >>> tint(0.5), tint(-3.0), tint(None)
    (22, 45, 0)
    """
    return 0 if skill is None else round(STRONGEST * min(1.0, abs(skill)))
