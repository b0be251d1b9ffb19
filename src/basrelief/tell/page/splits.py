"""What was held out together, and what each way of holding out leaks."""

from __future__ import annotations

from typing import Any

from basrelief.stage_settings import SCHEMES
from basrelief.tell.facts import Facts, Panel
from basrelief.tell.page import drawn_maps
from basrelief.tell.words import count, name_scheme, open_sentence


def gather(facts: Facts) -> dict[str, Any]:
    """Gather the schemes, what leaks in each, and maps of their folds."""
    # Facts that may be handed out have no folds: who was held out with whom is not told.
    known = {*facts.folds["scheme"], *facts.schemes, *(r["scheme"] for r in facts.leakage)}
    schemes = [scheme for scheme in SCHEMES if scheme in known]
    return {
        "held_out": [name_scheme(scheme, facts.settings) for scheme in schemes],
        "pictures": [panel for scheme in schemes if (panel := _draw(facts, scheme))],
        "leakage": facts.leakage,
    }


def _draw(facts: Facts, scheme: str) -> Panel | None:
    """Draw the folds of one scheme; None where it has none of areas with a place."""
    drawn = facts.folds[(facts.folds["scheme"] == scheme) & (facts.folds["repeat"] == 0)]
    if drawn.empty or not facts.samples.has_places or drawn["unit"].iloc[0] != "area":
        return None
    folds = drawn.set_index("id")["fold"].astype(int)
    held_out = open_sentence(name_scheme(scheme, facts.settings))
    caption = f"{held_out}: areas of one number are held out together (first repeat)."
    alt = f"Map of {count(len(folds), 'area')} in {count(folds.nunique(), 'fold')}: {caption}"
    return Panel(drawn_maps.draw_folds(facts.samples.areas, folds, alt), caption)
