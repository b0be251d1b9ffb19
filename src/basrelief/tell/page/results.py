"""How well each recipe works beside its baselines, scheme by scheme and score by score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from basrelief.judge.compare import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, Panel, select
from basrelief.tell.page import drawn_maps, figures
from basrelief.tell.page.verdict import Choice, choose_unit, find_choices
from basrelief.tell.verdict_words import say_worth
from basrelief.tell.words import (
    Finding,
    find_findings,
    format_number,
    join_words,
    name_scheme,
    name_target,
)

ENDS = (0.02, 0.98)
"""Quantiles that a map's colours end at, so that one odd area does not flatten the others."""

MAP_SHARE = 0.5
"""Predictions of fewer areas than this share of those used make no map."""


@dataclass(frozen=True)
class Axis:
    """The axis of a chart of skills; far below zero is cut off and marked."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Give a value's place, in per cent of the axis from its left end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Row:
    """One recipe in a chart, and what it beats."""

    finding: Finding
    is_asked: bool
    is_preferred: bool
    sense: str
    """Against the mean, by the interval alone: better, even, or worse."""

    versus: list[tuple[str, str]]
    """Sense and words, one of each, for what was asked for: beats, cannot be told, is beaten."""


@dataclass(frozen=True)
class Facet:
    """All recipes in one scheme, for one target."""

    scheme: str
    title: str
    n: str
    choice: Choice | None
    rows: list[Row]


def choose_axis(findings: Sequence[Finding]) -> Axis:
    """Choose the axis that shows all skills and intervals from −1 up.

    Examples
    --------
    >>> choose_axis([])
    Axis(low=-0.2, high=0.4)
    """
    values = [
        value
        for finding in findings
        for key in ("skill", "skill_low", "skill_high")
        if (value := finding.record[key]) is not None
    ]
    low = np.floor(10 * min([-0.2, *values])) / 10
    high = np.ceil(10 * max([0.4, *values])) / 10
    return Axis(float(max(low, -1.0)), float(min(high, 1.0)))


def find_main(facts: Facts) -> list[Finding]:
    """Put into words the scores of what was asked for, in the scheme that is shown."""
    findings = find_findings(facts.scores, facts.shown_scheme)
    return [finding for finding in findings if finding.recipe in facts.asked]


def show_results(facts: Facts) -> list[dict[str, Any]]:
    """Gather, target by target, each recipe beside its baselines by scheme, and maps."""
    shown = []
    for target in facts.samples.targets:
        facets = [facet for scheme in facts.schemes if (facet := _face(facts, target, scheme))]
        # The page shows the first and folds the others.
        facets.sort(key=lambda facet: facet.scheme != facts.shown_scheme)
        findings = [row.finding for facet in facets for row in facet.rows]
        shown.append(
            {
                "target": target,
                "facets": facets,
                "axis": choose_axis(findings),
                "summary": _summarise(facets),
                "elsewhere": _summarise(facets[1:]),
                "panels": _draw_target(facts, target),
                "records": select(facts.scores, target=target),
            }
        )
    return shown


def _summarise(facets: Sequence[Facet]) -> str:
    """Name the recipes preferred for one target, for the line that opens its part."""
    chosen = [f.choice.recipe for f in facets if f.choice and f.scheme != "random"]
    names = ["the mean" if name == MEAN else name for name in chosen]
    if not names:
        return ""
    return f"preferred: {join_words(list(dict.fromkeys(names)))}"


def _face(facts: Facts, target: str, scheme: str) -> Facet | None:
    """Gather one scheme's chart for one target; None where nothing was scored."""
    unit = choose_unit(facts.scores, target, scheme)
    records = select(facts.scores, target=target, scheme=scheme, unit=unit)
    by_recipe = {r["recipe"]: r for r in records if r["skill"] is not None}
    choice = find_choices(facts, target).get(scheme)
    rows = []
    for name in [name for name in facts.recipes if name in by_recipe]:
        finding = Finding(name, target, scheme, say_worth(by_recipe[name]), by_recipe[name])
        is_asked = name in facts.asked
        versus = say_versus(finding, facts.judged.comparisons) if is_asked else []
        is_preferred = choice is not None and choice.recipe == name
        rows.append(Row(finding, is_asked, is_preferred, find_sense(finding), versus))
    if not rows:
        return None
    sizes = sorted({row.finding.record["n"] for row in rows})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    title = name_scheme(scheme, facts.settings)
    note = f"{n} {unit}s" + (": says nothing about new ground" if scheme == "random" else "")
    return Facet(scheme, title[0].upper() + title[1:], note, choice, rows)


def find_sense(finding: Finding) -> str:
    """Say whether a recipe is told from the mean: by its interval, not by the skill alone."""
    high = finding.record["skill_high"]
    is_unsure = finding.sense == "worse" and (high is None or high >= 0)
    return "even" if is_unsure else finding.sense


def say_versus(finding: Finding, comparisons: Sequence[Record]) -> list[tuple[str, str]]:
    """Say what a recipe beats, what it cannot be told from, and what beats it.

    Against the mean its own interval decides; against others the interval of the paired
    difference.

    Returns
    -------
    Sense (``better``, ``even``, ``worse``) and words; senses that no recipe has are left out.
    """
    record = finding.record
    key = {name: record[name] for name in ("recipe", "target", "scheme", "unit")}
    against = select(comparisons, **key)
    senses: dict[str, list[str]] = {"better": [], "even": [], "worse": []}
    senses[find_sense(finding)].append("the mean")
    for other in against:
        sense = "better" if other["beats"] else "worse" if other["is_beaten"] else "even"
        senses[sense].append(other["versus"])
    words = {"better": "beats", "even": "cannot be told from", "worse": "is beaten by"}
    return [(sense, f"{words[sense]} {join_words(n)}") for sense, n in senses.items() if n]


def _draw_target(facts: Facts, target: str) -> list[Panel]:
    """Draw maps and predicted against observed: of one recipe, or of each without areas."""
    findings = [finding for finding in find_main(facts) if finding.target == target]
    shown = facts.shown.get(target)
    if shown is not None:
        findings = [finding for finding in findings if finding.recipe == shown]
    return [panel for finding in findings for panel in _draw_finding(facts, finding)]


def _draw_finding(facts: Facts, finding: Finding) -> list[Panel]:
    """Draw one recipe's predictions against the truth and, where they cover it, as a map."""
    table = facts.predictions
    wanted = {
        "recipe": finding.recipe,
        "target": finding.target,
        "scheme": finding.scheme,
        "unit": finding.record["unit"],
        "repeat": 0,
    }
    is_asked = np.logical_and.reduce([table[key] == value for key, value in wanted.items()])
    tested = table[is_asked].dropna(subset=["y_true", "y_pred"])
    if tested.empty:
        return []
    label, unit = name_target(finding.target), finding.record["unit"]
    held_out = name_scheme(finding.scheme, facts.settings)
    told = f"{finding.recipe}, {held_out}: {len(tested)} {unit}s, {finding.words}."
    alt = f"Predicted against observed {label} by {told}"
    scatter = Panel(figures.draw_scatter(tested, label, alt), told)
    if unit == "area" and covers_areas(facts, len(tested)):
        return [*_draw_maps(facts, finding, tested), scatter]
    return [scatter]


def covers_areas(facts: Facts, n: int) -> bool:
    """Whether there are polygons, and ``n`` of them are enough for a map."""
    n_used = int(facts.samples.areas["is_used"].sum())
    return facts.samples.has_places and n >= MAP_SHARE * n_used


def find_outside(facts: Facts, recipe: str, target: str) -> list[str]:
    """List the areas that lie outside the ground that a recipe was trained for, by id."""
    residuals = facts.judged.residuals
    if residuals.empty:
        return []
    mine = residuals[(residuals["recipe"] == recipe) & (residuals["target"] == target)]
    is_outside = mine["is_inside"].astype("boolean").eq(False).fillna(False)
    outside: list[str] = mine.loc[is_outside.to_numpy(bool), "area_id"].tolist()
    return outside


def say_outside(n: int) -> str:
    """Say what the stripes on a map mean; nothing where there are none."""
    if not n:
        return ""
    one = "area is" if n == 1 else "areas are"
    return f" Striped: {n} {one} unlike anything in training."


def _draw_maps(facts: Facts, finding: Finding, tested: pd.DataFrame) -> list[Panel]:
    """Draw observed and predicted in one scale, so that the eye compares colours."""
    by_area = tested.set_index("id")
    both = by_area[["y_true", "y_pred"]].to_numpy(np.float64)
    low, high = (float(value) for value in np.nanquantile(both, ENDS))
    label = name_target(finding.target)
    outside = find_outside(facts, finding.recipe, finding.target)
    told = {
        "y_true": (f"Observed {label}, areas as published.", []),
        "y_pred": (
            f"Predicted by {finding.recipe}: {label}, each area while it was held out; same "
            f"colours.{say_outside(len(outside))}",
            outside,
        ),
    }
    panels = []
    for column, (caption, striped) in told.items():
        values = by_area[column]
        alt = (
            f"Map. {caption} From {format_number(values.min())} to "
            f"{format_number(values.max())} over {len(values)} areas."
        )
        scale = drawn_maps.Scale(label, low, high)
        drawn = drawn_maps.draw_map(facts.samples.areas, values, scale, alt, striped)
        panels.append(Panel(drawn, caption))
    return panels
