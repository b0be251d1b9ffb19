"""How well each recipe works beside its baselines, scheme by scheme and score by score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, Panel, choose_unit, select
from basrelief.tell.findings import Finding, name_preferred, say_r2
from basrelief.tell.intervals import say_intervals
from basrelief.tell.maps.classes import ENDS
from basrelief.tell.maps.layers import say_outside
from basrelief.tell.page import drawn_maps, figures
from basrelief.tell.page.chart import Chart, Row, Statement, choose_axis, plot_skill
from basrelief.tell.page.verdict import Preferred, find_preferred
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import (
    count,
    format_number,
    join_words,
    list_apart,
    name_apart,
    name_scheme,
    name_source,
    name_target,
    open_sentence,
)

MAP_SHARE = 0.5
"""Predictions of fewer areas than this share of those used make no map."""

VERSUS = {"better": "beats", "even": "cannot be told from", "worse": "is beaten by"}
"""How a recipe stands to others, by sense."""


def gather(facts: Facts) -> dict[str, Any]:
    """Gather, target by target, each recipe beside its baselines by scheme, and maps."""
    # The page shows the first scheme and folds the others.
    schemes = sorted(facts.schemes, key=lambda scheme: scheme != facts.shown_scheme)
    return {
        "eye": name_source(facts.has_ground),
        "results": [_show_target(facts, target, schemes) for target in facts.samples.targets],
        "intervals": say_intervals(facts.scores),
        # Without a claim its section is left out, and nothing may lead there.
        "has_chance": bool(facts.judged.claims),
        "versus": [Statement(sense, words) for sense, words in VERSUS.items()],
    }


def _show_target(facts: Facts, target: str, schemes: Sequence[str]) -> dict[str, Any]:
    """Gather what was found for one target."""
    charts = {scheme: _show_scheme(facts, target, scheme) for scheme in schemes}
    known = {scheme: chart for scheme, chart in charts.items() if chart}
    rows = [row for chart in known.values() for row in chart.rows]
    choices, axis = find_preferred(facts, target), choose_axis(rows)
    return {
        "target": target,
        "by_district": facts.say_by_district(target),
        "charts": list(known.values()),
        "axis": axis,
        "is_cut": axis.cuts(rows),
        "summary": _summarise(choices, list(known)),
        "elsewhere": _summarise(choices, list(known)[1:]),
        "panels": _draw_target(facts, target),
        "records": select(facts.scores, target=target),
    }


def _summarise(choices: dict[str, Preferred], schemes: Sequence[str]) -> str:
    """Name the recipes preferred for one target, for the line that opens its part."""
    # What is best for chips at random is no choice for a map.
    known = [scheme for scheme in schemes if scheme != "random" and scheme in choices]
    names = ["the mean" if choices[s].recipe == MEAN else choices[s].recipe for s in known]
    return f"preferred: {join_words(list(dict.fromkeys(names)))}" if names else ""


def _show_scheme(facts: Facts, target: str, scheme: str) -> Chart | None:
    """Gather one scheme's chart for one target; None where nothing was scored."""
    unit = choose_unit(facts.scores, target, scheme)
    records = select(facts.scores, target=target, scheme=scheme, unit=unit)
    knows = facts.judged.knows
    by_recipe = {
        r["recipe"]: Finding(r, tuple(knows.get(r["recipe"], ())))
        for r in records
        if r["skill"] is not None
    }
    if not by_recipe:
        return None
    choice = find_preferred(facts, target).get(scheme)
    sizes = sorted({finding.record["n"] for finding in by_recipe.values()})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    # Beside the figure itself, for it is the one that flatters.
    warning = ": says nothing about new ground" if scheme == "random" else ""
    # From the simplest on: each stands below what it has to beat.
    names = [name for name in facts.recipes if name in by_recipe]
    return Chart(
        title=open_sentence(name_scheme(scheme, facts.settings)),
        rows=[_show_recipe(facts, by_recipe[name], choice) for name in names],
        note=f"{count(sizes[0], unit) if len(sizes) == 1 else f'{n} {unit}s'}{warning}",
        lead="Preferred: " if choice else "",
        statement=Statement(choice.kind, name_preferred(choice.recipe)) if choice else None,
        because=f", {choice.reason}." if choice else "",
    )


def _show_recipe(facts: Facts, finding: Finding, choice: Preferred | None) -> Row:
    """Show one recipe's skill and, where it was asked for, what it beats."""
    is_asked = finding.recipe in facts.asked
    return Row(
        label=finding.recipe,
        points=(plot_skill(finding),),
        note=say_r2(finding.record),
        versus=say_versus(finding, facts.judged.comparisons) if is_asked else (),
        is_asked=is_asked,
        is_preferred=choice is not None and choice.recipe == finding.recipe,
    )


def say_versus(finding: Finding, comparisons: Sequence[Record]) -> tuple[Statement, ...]:
    """Say what a recipe beats, what it cannot be told from, and what beats it.

    Against the mean its own interval decides; against others the interval of the paired
    difference. In brackets stands all that the two differ in.

    Returns
    -------
    One of each sense; those that no recipe has are left out.
    """
    record = finding.record
    key = {name: record[name] for name in ("recipe", "target", "scheme", "unit")}
    senses: dict[str, list[str]] = {sense: [] for sense in VERSUS}
    # Of a recipe of which nothing is known here no more can be said than its name.
    mean = name_apart("the mean", finding.knows) if finding.knows else "the mean"
    senses[finding.sense].append(mean)
    for other in select(comparisons, **key):
        senses[tell_comparison(other)].append(name_apart(other["versus"], list_apart(other)))
    return tuple(
        Statement(sense, f"{VERSUS[sense]} {join_words(names)}")
        for sense, names in senses.items()
        if names
    )


def _draw_target(facts: Facts, target: str) -> list[Panel]:
    """Draw maps and predicted against observed: of one recipe, or of each without areas."""
    findings = [finding for finding in facts.findings if finding.target == target]
    shown = facts.shown.get(target)
    # One recipe's maps a target: the table has the figures of the others.
    if shown is not None:
        findings = [finding for finding in findings if finding.recipe == shown]
    return [panel for finding in findings for panel in _draw_finding(facts, finding)]


def _draw_finding(facts: Facts, finding: Finding) -> list[Panel]:
    """Draw one recipe's predictions against the truth and, where they cover it, as a map."""
    # They are of the first repeat in the scheme shown, as the finding is.
    table = facts.predictions
    wanted = {key: finding.record[key] for key in ("recipe", "target", "unit")}
    is_asked = np.logical_and.reduce([table[key] == value for key, value in wanted.items()])
    tested = table[is_asked].dropna(subset=["y_true", "y_pred"])
    if tested.empty:
        return []
    label, unit = name_target(finding.target), finding.record["unit"]
    held_out = name_scheme(finding.scheme, facts.settings)
    caption = f"{finding.named}, {held_out}: {count(len(tested), unit)}, {finding.words}."
    alt = f"Predicted against observed {label} by {caption}"
    scatter = Panel(figures.draw_scatter(tested, label, alt), caption)
    if unit == "area" and covers_areas(facts, len(tested)):
        return [*_draw_maps(facts, finding, tested), scatter]
    return [scatter]


def covers_areas(facts: Facts, n: int) -> bool:
    """Whether there are polygons, and ``n`` of them are enough for a map."""
    n_used = int(facts.samples.areas["is_used"].sum())
    return facts.samples.has_places and n >= MAP_SHARE * n_used


def _draw_maps(facts: Facts, finding: Finding, tested: pd.DataFrame) -> list[Panel]:
    """Draw observed and predicted in one scale, so that the eye compares colours."""
    by_area = tested.set_index("id")
    both = by_area[["y_true", "y_pred"]].to_numpy(np.float64)
    low, high = (float(value) for value in np.nanquantile(both, ENDS))
    label = name_target(finding.target)
    scale = drawn_maps.Scale(label, low, high)
    outside = facts.find_outside(finding.recipe, finding.target)
    predicted = (
        f"Predicted by {finding.recipe}: {label}, each area while it was held out; same colours."
    )
    return [
        # Without stripes: what was observed holds wherever the model applies.
        draw_areas(facts, by_area["y_true"], scale, f"Observed {label}, areas as published."),
        draw_areas(facts, by_area["y_pred"], scale, predicted, outside),
    ]


def draw_areas(
    facts: Facts,
    values: pd.Series[float],
    scale: drawn_maps.Scale,
    caption: str,
    outside: Sequence[str] = (),
) -> Panel:
    """Draw one value an area, and say what stripes mean and from where to where values go.

    Parameters
    ----------
    values
        By ``area_id``.
    outside
        Areas unlike anything in training: they are striped.
    """
    caption = f"{caption}{say_outside(len(outside))}"
    alt = (
        f"Map. {caption} From {format_number(values.min())} to "
        f"{format_number(values.max())} over {count(len(values), 'area')}."
    )
    drawn = drawn_maps.draw_map(facts.samples.areas, values, scale, alt, outside)
    return Panel(drawn, caption)
