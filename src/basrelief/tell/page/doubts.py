"""Where maps of contributions show what a prediction that does not work rests on, or nothing."""

from __future__ import annotations

from basrelief.tell.facts import Facts
from basrelief.tell.maps.overlays import read_contributions
from basrelief.tell.words import find_findings, join_words, name_scheme, name_target


def say_doubts(facts: Facts) -> list[str]:
    """Say how far to trust the maps of contributions, in sentences; none where there is no map.

    What ground adds to a prediction is worth as much as the prediction: a model that does no
    better than the mean has a map all the same, and the tests of maps ask only whether the map
    is the model's.
    """
    drawn: dict[str, list[str]] = {}
    for record in read_contributions(facts.run):
        drawn.setdefault(find_speaker(facts, record["recipe"]), []).append(record["target"])
    said = [sentence for name in drawn if (sentence := say_doubt(facts, name, drawn[name]))]
    known = {target for targets in drawn.values() for target in targets}
    missing = [target for target in facts.samples.targets if target not in known]
    if drawn and missing:
        said.append(f"For {_name(missing)} nothing is drawn: no such recipe found a use for LIDAR.")
    return said


def find_speaker(facts: Facts, recipe: str) -> str:
    """Find what speaks for LIDAR in a recipe that joins place: that is what is drawn of it."""
    return facts.joining.get(recipe) or recipe


def say_doubt(facts: Facts, recipe: str, targets: list[str]) -> str:
    """Name the targets that a recipe cannot predict; empty where it can predict them all."""
    scheme = facts.shown_scheme
    findings = [each for each in find_findings(facts.scores, scheme) if each.recipe == recipe]
    senses = {each.target: each.sense for each in findings}
    weak = [target for target in dict.fromkeys(targets) if senses.get(target, "even") != "better"]
    if not weak:
        return ""
    return (
        f"For {_name(weak)}, {recipe} cannot be told better than always predicting the mean, with "
        f"{name_scheme(scheme, facts.settings)}: read nothing into its ground there."
    )


def _name(targets: list[str]) -> str:
    return join_words([name_target(target) for target in targets])
