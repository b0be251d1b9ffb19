"""What on the ground raises and lowers a prediction: pictures, kinds of ground, and their tests.

It shows what explaining left: ``contributions.json``, ``shares.json``, ``kinds.json``,
``tests.json``, ``controls.json`` and ``curves.json``, of which any may be missing. All of it is
finer than areas, so none of it is ever published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.run import Record, read_json
from basrelief.tell.facts import Facts, Panel, select
from basrelief.tell.findings import Finding, find_findings
from basrelief.tell.intervals import write_range
from basrelief.tell.maps.contributions import (
    choose_contribution,
    find_reach,
    read_contributions,
)
from basrelief.tell.page import drawn_maps
from basrelief.tell.page.checks import draw_move_panels, show_tests
from basrelief.tell.page.doubts import is_doubted, say_doubt
from basrelief.tell.page.kinds import show_heat, show_kinds
from basrelief.tell.small import read_small
from basrelief.tell.words import (
    count_decimals,
    format_number,
    format_percent,
    name_layer,
    name_target,
    open_sentence,
    write_targets,
)

N_PICTURES = 2
"""Targets whose contributions are drawn; the map of the report has all of them."""

MAX_PX = 420
"""Longest side of a picture, in cells: noise hardly shrinks when it is packed."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what raises and lowers predictions; None where nothing explained it."""
    contributions = facts.tell(read_contributions(facts.run))
    panels = draw_pictures(facts, contributions)
    of_kinds, tests = _read(facts, "kinds"), _read(facts, "tests")
    kinds, heat = show_kinds(facts, of_kinds), show_heat(facts, of_kinds)
    charts = draw_move_panels(order_targets(facts, contributions), _read(facts, "curves"), tests)
    checks = show_tests(tests, charts, _read(facts, "controls"), find_doubted(facts, tests))
    if not (panels or kinds or heat or checks):
        return None
    doubts = say_doubts(facts)
    shares = say_shares(facts, contributions, _read(facts, "shares"))
    told = {"pictures": panels, "kinds": kinds, "heat": heat, "tests": checks}
    return told | {"doubts": doubts, "shares": shares}


def _read(facts: Facts, name: str) -> list[Record]:
    """Read one list that explaining left; empty where it left none."""
    path: Path = facts.run.explain / f"{name}.json"
    records: list[Record] = facts.tell(read_json(path)) if path.exists() else []
    return records


def draw_pictures(facts: Facts, records: Sequence[Record]) -> list[Panel]:
    """Draw the contributions to the targets that LIDAR alone predicts best."""
    panels: list[Panel] = []
    # Pictures lie nowhere, so that nothing can be drawn on the ground.
    if not facts.samples.has_places:
        return panels
    for target in order_targets(facts, records):
        record = choose_contribution(records, target, facts.shown.get(target))
        panel = _draw(facts, record) if record else None
        if panel is not None:
            panels.append(panel)
        if len(panels) == N_PICTURES:
            break
    return panels


def order_targets(facts: Facts, records: Sequence[Record]) -> list[str]:
    """Order targets by the skill of LIDAR alone, the best first.

    What is drawn is the ground that speaks for LIDAR: a recipe can owe its skill to place.

    Parameters
    ----------
    records
        Contribution maps; a target without one counts by the recipe that is shown for it.
    """

    def find_skill(target: str) -> float:
        record = choose_contribution(records, target, facts.shown.get(target))
        recipe = record["recipe"] if record else facts.shown.get(target, "")
        finding = find_finding(facts, recipe, target)
        # What was not scored comes last.
        return float(finding.record["skill"]) if finding else float("-inf")

    return sorted(facts.samples.targets, key=lambda target: -find_skill(target))


def find_finding(facts: Facts, recipe: str, target: str) -> Finding | None:
    """Find the score of what speaks for LIDAR in a recipe, in the scheme that is shown."""
    mine = select(facts.scores, recipe=facts.find_speaker(recipe), target=target)
    found = find_findings(mine, facts.shown_scheme)
    return found[0] if found else None


def _draw(facts: Facts, record: Record) -> Panel | None:
    """Draw one contribution map with the areas' outlines; None where nothing contributes."""
    values, transform, crs = read_small(facts.run.folder / record["file"], MAX_PX)
    reach = find_reach(values)
    if not reach > 0:
        return None
    name = name_target(record["target"])
    unit = record["unit"]
    places = count_decimals(reach)
    # Rounded before it is used, so that the legend tells the truth.
    reach = round(reach, places)
    # What place adds lies on no cell, so that of a recipe with place only LIDAR's part is drawn.
    alone = " (what LIDAR adds beside place)" if record["recipe"] in facts.joining else ""
    # Two recipes may look at two layers, and their maps at first glance are alike.
    layer = f", looking at {name_layer(record['layer'])}"
    caption = (
        f"{open_sentence(name)}, {record['recipe']}{layer}{alone}: orange ground raises an area's "
        f"prediction, purple lowers it, pale does neither. Lines are areas."
    )
    shares = select(_read(facts, "shares"), recipe=record["recipe"], target=record["target"])
    told = f" {open_sentence(say_share(shares[0]))}." if shares else ""
    caption += f" {say_cells(values, places, unit)}{told}{_say_skill(facts, record)}"
    ends = f"{format_number(-reach, places)} to {format_number(reach, places)} {unit}".strip()
    alt = f"Map. {caption} Colours end at {ends}."
    areas: Any = facts.samples.areas
    label = f"contribution to {name}" + (f", {unit}" if unit and unit != name else "")
    scale = drawn_maps.Scale(label, -reach, reach)
    return Panel(drawn_maps.draw_raster(areas.to_crs(crs), values, transform, scale, alt), caption)


def say_cells(values: NDArray[np.float32], places: int, unit: str) -> str:
    """Say how cells, (row, col) or flat, spread: where the middle half of them lies.

    Examples
    --------
    >>> say_cells(np.array([-2, -1, 0, 1, 2, np.nan], np.float32), 1, "points")
    'Half of its cells lie between −1.0 and 1.0 points.'
    """
    # The middle half: colours end where few cells lie, and tell little of the others.
    low, high = np.nanquantile(values, [0.25, 0.75])
    ends = f"{format_number(float(low), places)} and {format_number(float(high), places)}"
    return f"Half of its cells lie between {ends} {unit}".rstrip() + "."


def say_shares(facts: Facts, maps: Sequence[Record], shares: Sequence[Record]) -> list[str]:
    """Say of each recipe how much of its predictions its maps explain, target by target.

    Only of recipes in which something else predicts too: elsewhere it is all of them.
    """
    sentences = []
    for recipe in dict.fromkeys(record["recipe"] for record in maps):
        mine = [each for each in select(shares, recipe=recipe) if each["map"] is not None]
        if all(round(each["map"], 2) >= 1 for each in mine):
            continue
        told = [f"{name_target(each['target'])} {each['map']:.2f}" for each in mine]
        sentences.append(
            f"Of what {recipe} predicts the map explains only a part; the rest is place, district "
            f"or members that are not drawn. Share of the variance explained by the map: "
            f"{', '.join(told)}."
        )
    return sentences


def say_share(record: Record) -> str:
    """Say how much of a recipe's predictions of a target its map explains.

    Examples
    --------
    >>> say_share({"map": 0.72, "place": 0.23, "district": 0.05, "rest": 0.0})
    'the map explains 72% of how its predictions differ (place 23%, district 5%)'
    >>> say_share({"map": 1.0, "place": 0.0, "district": 0.0, "rest": 0.0})
    'the map explains 100% of how its predictions differ'
    """
    if record["map"] is None:
        return "all areas are predicted alike: the map explains nothing"
    names = {"place": "place", "district": "district", "rest": "what is not drawn"}
    others = [
        f"{words} {format_percent(record[name])}"
        for name, words in names.items()
        if round(record[name], 2)
    ]
    beside = f" ({', '.join(others)})" if others else ""
    return f"the map explains {format_percent(record['map'])} of how its predictions differ{beside}"


def _say_skill(facts: Facts, record: Record) -> str:
    """Say how good LIDAR alone is for a target; nothing where it was not scored."""
    finding = find_finding(facts, record["recipe"], record["target"])
    if finding is None:
        return ""
    record = finding.record
    skill, low, high = (record[name] for name in ("skill", "skill_low", "skill_high"))
    ends = "" if low is None or high is None else f" {write_range(low, high, record)}"
    told = "" if finding.sense == "better" else f": {finding.words}"
    return f" LIDAR alone ({finding.recipe}) has skill {format_number(skill)}{ends}{told}."


def find_doubted(facts: Facts, tests: Sequence[Record]) -> set[tuple[str, str]]:
    """Find the maps, by recipe and target, of recipes that cannot be told better than the mean."""
    pairs = {(str(test["recipe"]), str(test["target"])) for test in tests}
    return {
        (recipe, target)
        for recipe, target in pairs
        if is_doubted(facts, facts.find_speaker(recipe), target)
    }


def say_doubts(facts: Facts) -> list[str]:
    """Say how far to trust the maps of contributions, in sentences; none where there is no map.

    What ground adds to a prediction is worth as much as the prediction: a model that does no
    better than the mean has a map all the same, and the tests of maps ask only whether the map
    is the model's.
    """
    drawn: dict[str, list[str]] = {}
    for record in facts.tell(read_contributions(facts.run)):
        drawn.setdefault(facts.find_speaker(record["recipe"]), []).append(record["target"])
    sentences = [sentence for name in drawn if (sentence := say_doubt(facts, name, drawn[name]))]
    known = {target for targets in drawn.values() for target in targets}
    missing = [target for target in facts.samples.targets if target not in known]
    if drawn and missing:
        named = write_targets(missing)
        sentences.append(f"For {named} nothing is drawn: no such recipe found a use for LIDAR.")
    return sentences
