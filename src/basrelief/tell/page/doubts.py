"""What speaks against maps: a recipe that cannot predict a target has a map of it all the same."""

from __future__ import annotations

from collections.abc import Sequence

from basrelief.tell.facts import Facts
from basrelief.tell.findings import find_findings
from basrelief.tell.words import name_scheme, write_targets


def is_doubted(facts: Facts, recipe: str, target: str) -> bool:
    """Say whether a recipe cannot be told better than the mean, in the scheme that is shown."""
    findings = find_findings(facts.scores, facts.shown_scheme)
    mine = [each.sense for each in findings if (each.recipe, each.target) == (recipe, target)]
    # What was not scored is not known to be any good.
    return mine != ["better"]


def say_doubt(facts: Facts, recipe: str, targets: Sequence[str]) -> str:
    """Name the targets that a recipe cannot predict; empty where it can predict them all."""
    weak = [target for target in dict.fromkeys(targets) if is_doubted(facts, recipe, target)]
    if not weak:
        return ""
    return (
        f"For {write_targets(weak)}, {recipe} cannot be told better than always predicting the "
        f"mean, with {name_scheme(facts.shown_scheme, facts.settings)}: read nothing into its "
        "maps there."
    )
