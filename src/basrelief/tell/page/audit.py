"""The leakage audit: skill by scheme in one table, and what it means."""

from __future__ import annotations

from typing import Any

from basrelief.judge.baselines import PLACE
from basrelief.run import Record
from basrelief.tell.audit_words import say_audit
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.page.verdict import name_column

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
    sentences = say_audit(audit)
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
