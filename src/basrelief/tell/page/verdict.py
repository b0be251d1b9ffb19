"""The verdict: which recipe is worth having for which score, however ground is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from basrelief.judge.baselines import DISTRICT, PLACE, SIZE
from basrelief.judge.compare import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.verdict_words import say_preference
from basrelief.tell.words import format_length, join_words, name_scheme, name_target

SIGNS = {"lidar": "▲", "both": "▲◆", "plain": "◆", "mean": "●"}
"""Signs that tell the kinds of recipe apart without colour."""

SENSES = {"lidar": "better", "both": "better", "plain": "worse", "mean": "even"}
"""Colours of the kinds, as the style sheet names them."""

COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}

SHORT = {"random": "chips at random", "area": "areas", "msoa": "MSOAs", "lad": "districts"}


@dataclass(frozen=True)
class Choice:
    """The preferred recipe for one target and scheme."""

    recipe: str
    reason: str
    skill: float | None
    joins_place: bool = False
    """Whether it joins LIDAR and place."""

    @property
    def kind(self) -> str:
        """What it rests on: lidar, both, plain (place, district or size), or the mean."""
        if self.joins_place:
            return "both"
        if self.recipe == MEAN:
            return "mean"
        return "plain" if self.recipe in (DISTRICT, SIZE, PLACE) else "lidar"

    @property
    def sign(self) -> str:
        """Sign of its kind."""
        return SIGNS[self.kind]

    @property
    def sense(self) -> str:
        """Colour of its kind."""
        return SENSES[self.kind]


def find_choices(facts: Facts, target: str) -> dict[str, Choice]:
    """Find the preferred recipe by scheme: of areas, or of chips where no area was scored."""
    found = {}
    for scheme in facts.schemes:
        unit = choose_unit(facts.scores, target, scheme)
        wanted = {"target": target, "scheme": scheme, "unit": unit}
        for record in select(facts.judged.preferred, **wanted):
            scored = select(facts.scores, recipe=record["recipe"], **wanted)
            skill = scored[0]["skill"] if scored else None
            joins = record["recipe"] in facts.joining
            found[scheme] = Choice(record["recipe"], say_preference(record), skill, joins)
    return found


def choose_unit(scores: Sequence[Record], target: str, scheme: str) -> str:
    """Choose what a scheme's main score is of: areas, or chips where it holds out chips."""
    units = {record["unit"] for record in select(scores, target=target, scheme=scheme)}
    return "chip" if scheme == "random" or "area" not in units else "area"


def show_verdict(facts: Facts) -> dict[str, Any] | None:
    """Gather the headline and the grid of preferred recipes; None where nothing was preferred.

    Chips at random hold out no ground and are left to the audit.
    """
    schemes = [scheme for scheme in facts.schemes if scheme != "random"]
    rows = {target: find_choices(facts, target) for target in facts.samples.targets}
    grid = {
        target: {scheme: row[scheme] for scheme in schemes if scheme in row}
        for target, row in rows.items()
    }
    grid = {target: row for target, row in grid.items() if row}
    # Where no score has an interval nothing was compared, and there is nothing to prefer.
    lows = {record["skill_low"] for record in facts.scores if record["scheme"] in schemes}
    if not grid or lows == {None}:
        return None
    schemes = [scheme for scheme in schemes if any(scheme in row for row in grid.values())]
    how = f"with {name_scheme(schemes[0], facts.settings)}"
    groups = group_targets(grid, how if len(schemes) == 1 else "however ground is held out")
    return {
        "headline": say_headline(groups, len(grid)),
        "groups": groups,
        "schemes": [(scheme, name_column(scheme, facts)) for scheme in schemes],
        "grid": grid,
        "has_both": any(choice.kind == "both" for row in grid.values() for choice in row.values()),
        "n_tests": sum(len(row) for row in grid.values()),
    }


def name_column(scheme: str, facts: Facts) -> str:
    """Name a scheme in as few words as head a column."""
    if scheme == "block":
        return f"{format_length(facts.settings.split.block_m)} blocks"
    return SHORT[scheme]


def group_targets(grid: dict[str, dict[str, Choice]], how: str) -> list[dict[str, Any]]:
    """Group targets by what their preferred recipes rest on, LIDAR first."""
    members: dict[str, list[str]] = {"always": [], "sometimes": [], "plain": [], "mean": []}
    for target, row in grid.items():
        kinds = {choice.kind for choice in row.values()}
        if kinds <= {"lidar", "both"}:
            members["always"].append(target)
        elif kinds & {"lidar", "both"}:
            members["sometimes"].append(target)
        else:
            members["plain" if "plain" in kinds else "mean"].append(target)
    told = {
        "always": ("lidar", f"LIDAR is worth having {how}"),
        "sometimes": ("lidar", "LIDAR is worth having in some of the tests"),
        "plain": ("plain", "no LIDAR recipe beats the best of place, district and size"),
        "mean": ("mean", "nothing can be told from always predicting the mean"),
    }
    return [
        {
            "key": key,
            "sense": SENSES[kind],
            "sign": SIGNS[kind],
            "words": words,
            "named": join_words([name_target(target) for target in members[key]]),
            "n": len(members[key]),
        }
        for key, (kind, words) in told.items()
        if members[key]
    ]


def say_headline(groups: Sequence[dict[str, Any]], n_targets: int) -> str:
    """Say in a sentence whether LIDAR is worth having.

    Examples
    --------
    >>> say_headline([{"key": "mean", "n": 8, "words": "", "named": ""}], n_targets=8)
    'LIDAR is worth having for none of the 8 scores.'
    """
    by_key = {group["key"]: group for group in groups}
    if n_targets == 1:
        return f"For {groups[0]['named']}: {groups[0]['words']}."
    sometimes = by_key.get("sometimes")
    if always := by_key.get("always"):
        rest = f"; for {sometimes['named']}, in some of the tests only" if sometimes else ""
        return f"For {always['named']}, {always['words']}{rest}.{_say_rest(groups)}"
    if sometimes:
        return f"For {sometimes['named']}, {sometimes['words']}.{_say_rest(groups)}"
    return f"LIDAR is worth having for none of the {n_targets} scores."


def _say_rest(groups: Sequence[dict[str, Any]]) -> str:
    """Say for how many scores LIDAR is not worth having; nothing where there are none."""
    n_others = sum(group["n"] for group in groups if group["key"] in ("plain", "mean"))
    if not n_others:
        return ""
    return f" For the other {COUNTS.get(n_others, n_others)} it is not."
