"""What no figure can show, what a prediction must not be used for, and whose data it rests on."""

from __future__ import annotations

from typing import Any

from basrelief.tell.credits import list_credits
from basrelief.tell.facts import Facts


def gather(facts: Facts) -> dict[str, Any]:
    """Gather which limits this run has."""
    return {"has_crime": "crime" in facts.samples.targets, "has_districts": "lad" in facts.schemes}


def gather_credits(facts: Facts) -> dict[str, Any]:
    """Gather the words that sources usually ask for."""
    return {"credits": list_credits(facts.settings, facts.samples.areas["area_id"])}
