"""What no figure can show, what a prediction must not be used for, and whose data it rests on."""

from __future__ import annotations

from typing import Any

from basrelief.judge.scores import is_fixed
from basrelief.tell.facts import Facts
from basrelief.tell.intervals import REFITTED
from basrelief.tell.words import has_index


def gather(facts: Facts) -> dict[str, Any]:
    """Gather which limits this run has."""
    return {
        "has_index": has_index(facts.samples.targets),
        "has_crime": "crime" in facts.samples.targets,
        "has_districts": "lad" in facts.schemes,
        "has_refitted": any(record["interval"] in REFITTED for record in facts.scores),
        "has_fixed": any(map(is_fixed, facts.scores)),
        "has_ground": facts.has_ground,
    }


def gather_use(facts: Facts) -> dict[str, Any]:
    """Gather whether anything looks at the ground: else nothing is said of who might read it."""
    return {"has_ground": facts.has_ground}


def gather_credits(facts: Facts) -> dict[str, Any]:
    """Gather the words that sources ask for: those that were kept, and those usually asked for."""
    credits = facts.credits
    return {"known": credits.known, "told": credits.told, "usual": credits.usual}
