"""What goes with all that is taken: whose the data are, what they are worth, and of whom not."""

from __future__ import annotations

from typing import Any

from basrelief.run import Record
from basrelief.serve.editions import Edition
from basrelief.serve.tiers import Tier

NOTE = (
    "Figures of areas, not of people. Do not judge a person, a home or a street by them, and do "
    "not use them for policing, prices, loans, insurance or school places."
)


def credit(edition: Edition, tier: Tier) -> dict[str, Any]:
    """Give what goes with a collection, a layer or a file of a run.

    Returns
    -------
    ``note``, ``license`` (as STAC has it), ``attribution``, ``credits`` with source, licence,
    statement and address, ``skill`` by target, and ``coverage``: how many areas are published.
    """
    known: Record = edition.publish.get("credits", {})
    credits = [each for basis in ("known", "told", "usual") for each in known.get(basis, ())]
    words = [each["statement"] for each in credits if each.get("statement")]
    return {
        "note": NOTE,
        "license": "other",
        # Many inputs ask for the same words: once is enough.
        "attribution": "; ".join(dict.fromkeys(words)),
        "credits": [
            {key: each.get(key) for key in ("source", "licence", "statement", "url")}
            for each in credits
        ],
        # The run's own skills rest on withheld areas too: the public gets what the gate let out.
        "skill": edition.layers_worth if tier >= Tier.ANALYST else edition.figures,
        "coverage": {"areas_published": edition.publish.get("areas_published", 0)},
        "is_made_up": bool(edition.publish.get("is_made_up")),
    }
