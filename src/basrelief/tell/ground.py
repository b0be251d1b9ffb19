"""What on the ground raises and lowers a prediction: pictures, kinds of ground, and their tests.

It shows what explaining left: ``contributions.json``, ``kinds.json`` and ``tests.json``, of which
any may be missing. All of it is finer than areas, so none of it is ever published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import Any

from basrelief.run import Record, Run, read_json
from basrelief.tell import maps
from basrelief.tell.facts import Facts, Panel, select
from basrelief.tell.overlays import find_reach, read_contributions, read_small
from basrelief.tell.results import find_main
from basrelief.tell.words import format_number, join_words, name_target

N_PICTURES = 2
"""Targets whose contributions are drawn; the map of the report has all of them."""

MAX_PX = 420
"""Longest side of a picture, in cells: noise hardly shrinks when it is packed."""

EDGES = "edges of the chip"

KIND_WORDS = {"open and flat": "open flat ground", "low and rough": "low rough ground and trees"}
"""Kinds of ground as a sentence says them, where that is not their name."""

SIGNS = {True: "▲", False: "▼", None: "●"}
SENSES = {True: "better", False: "worse", None: "even"}


@dataclass(frozen=True)
class Kinds:
    """What kinds of ground add to one target's prediction."""

    target: str
    recipe: str
    sentence: str
    cells: list[tuple[str, str, str]]
    """Kind by kind: words with the interval, sense and sign."""


@dataclass(frozen=True)
class Checks:
    """How the explanation of one recipe stood its tests."""

    recipe: str
    summary: str
    failed: list[Record]
    others: list[Record]


def show_ground(facts: Facts) -> dict[str, Any] | None:
    """Gather what raises and lowers predictions; None where nothing explained it."""
    records = read_contributions(facts.run)
    panels = draw_pictures(facts, records)
    kinds = show_kinds(facts, _read(facts.run, "kinds"))
    tests = show_tests(_read(facts.run, "tests"))
    if not (panels or kinds or tests):
        return None
    shares = {
        record["kind"]: record["share_of_ground"]
        for record in _read(facts.run, "kinds")
        if record["share_of_ground"] is not None
    }
    return {"panels": panels, "kinds": kinds, "shares": shares, "tests": tests}


def _read(run: Run, name: str) -> list[Record]:
    """Read one list that explaining left; empty where it left none."""
    path: Path = run.explain / f"{name}.json"
    records: list[Record] = read_json(path) if path.exists() else []
    return records


def draw_pictures(facts: Facts, records: Sequence[Record]) -> list[Panel]:
    """Draw the contributions to the targets that are predicted best."""
    panels: list[Panel] = []
    if not facts.samples.has_places:
        return panels
    for target in order_targets(facts):
        mine = [record for record in records if record["target"] == target]
        mine.sort(key=lambda record: record["recipe"] != facts.shown.get(target))
        panel = _draw(facts, mine[0]) if mine else None
        if panel is not None:
            panels.append(panel)
        if len(panels) == N_PICTURES:
            break
    return panels


def order_targets(facts: Facts) -> list[str]:
    """Order targets by the skill of the recipe shown for each, the best first."""
    skill = {
        finding.target: float(finding.record["skill"])
        for finding in find_main(facts)
        if facts.shown.get(finding.target) == finding.recipe
    }
    targets = list(facts.samples.targets)
    return sorted(targets, key=lambda target: -skill.get(target, float("-inf")))


def _draw(facts: Facts, record: Record) -> Panel | None:
    """Draw one contribution map with the areas' outlines; None where nothing contributes."""
    values, transform, crs = read_small(facts.run.folder / record["file"], MAX_PX)
    reach = find_reach(values)
    if not reach > 0:
        return None
    name = name_target(record["target"])
    # A unit may begin with the target's short name, which the label has in words.
    unit = str(record["unit"]).removeprefix(f"{record['target']}, ")
    places = _count_places(reach)
    reach = round(reach, places)
    caption = (
        f"{name[0].upper()}{name[1:]}, {record['recipe']}: orange ground raises an area's "
        f"prediction, purple lowers it, pale does neither. Lines are areas."
    )
    ends = f"{format_number(-reach, places)} to {format_number(reach, places)} {unit}".strip()
    alt = f"Map. {caption} Colours end at {ends}."
    areas: Any = facts.samples.areas
    label = f"contribution to {name}" + (f", {unit}" if unit and unit != name else "")
    scale = maps.Scale(label, -reach, reach)
    return Panel(maps.draw_raster(areas.to_crs(crs), values, transform, scale, alt), caption)


def show_kinds(facts: Facts, records: Sequence[Record]) -> list[Kinds]:
    """Gather, target by target, what each kind of ground adds, of the recipe shown where it can."""
    shown = []
    for target in facts.samples.targets:
        mine = [record for record in records if record["target"] == target]
        recipes = list(dict.fromkeys(record["recipe"] for record in mine))
        recipes.sort(key=lambda recipe: recipe != facts.shown.get(target))
        if not recipes:
            continue
        mine = select(mine, recipe=recipes[0])
        cells = [_word_cell(record) for record in mine]
        shown.append(Kinds(target, recipes[0], say_kinds(mine), cells))
    return shown


def say_kinds(records: Sequence[Record]) -> str:
    """Say in a sentence what raises a prediction and what lowers it, where intervals allow.

    Examples
    --------
    >>> large = {"kind": "large buildings", "contribution": 0.5, "low": 0.2, "high": 0.8}
    >>> flat = {"kind": "open and flat", "contribution": -0.3, "low": -0.4, "high": -0.2}
    >>> say_kinds([large, flat])
    'large buildings raise it; open flat ground lowers it'
    >>> say_kinds([large | {"low": -0.1}])
    'of no kind of ground can it be told whether it raises or lowers it'
    """
    ground = [record for record in records if record["kind"] != EDGES]
    raises = [_name(r) for r in ground if _tell_direction(r) is True]
    lowers = [_name(r) for r in ground if _tell_direction(r) is False]
    said = [
        f"{join_words(names)} {verb if _is_many(names) else f'{verb}s'} it"
        for names, verb in ((raises, "raise"), (lowers, "lower"))
        if names
    ]
    if not said:
        return "of no kind of ground can it be told whether it raises or lowers it"
    return "; ".join(said)


def _name(record: Record) -> str:
    return KIND_WORDS.get(record["kind"], str(record["kind"]))


def _is_many(names: Sequence[str]) -> bool:
    """Whether a verb after these names is plural."""
    return len(names) > 1 or names[0].endswith("s")


def _tell_direction(record: Record) -> bool | None:
    """Tell whether a kind raises (True) or lowers (False); None where the interval has 0 in it."""
    if record["low"] is None or record["high"] is None:
        return None
    return True if record["low"] > 0 else False if record["high"] < 0 else None


def _word_cell(record: Record) -> tuple[str, str, str]:
    """Write a contribution and its interval: kind, words, sign."""
    value, low, high = record["contribution"], record["low"], record["high"]
    direction = _tell_direction(record)
    sign = {True: "▲", False: "▼", None: ""}[direction]
    if low is None or high is None:
        return record["kind"], format_number(value, _count_places(abs(value or 0.0))), sign
    places = _count_places(high - low)
    ends = f"{format_number(low, places)} to {format_number(high, places)}"
    return record["kind"], f"{format_number(value, places)} ({ends})", sign


def _count_places(size: float) -> int:
    """Say how many decimal places show two figures of a size.

    Examples
    --------
    >>> _count_places(0.034), _count_places(1.7), _count_places(250.0)
    (3, 1, 0)
    """
    return max(0, 1 - floor(log10(size))) if size > 0 else 2


def show_tests(records: Sequence[Record]) -> list[Checks]:
    """Gather recipe by recipe which tests its explanation passed, what failed first.

    A recipe alone and with place on top can rest on one model: then they are told together.
    """
    alike: dict[str, list[str]] = {}
    for recipe in dict.fromkeys(record["recipe"] for record in records):
        told = [record | {"recipe": ""} for record in select(records, recipe=recipe)]
        alike.setdefault(repr(told), []).append(recipe)
    shown = []
    for recipes in alike.values():
        mine = [_mark(record) for record in select(records, recipe=recipes[0])]
        judged = [record for record in mine if record["passes"] is not None]
        failed = [record for record in judged if not record["passes"]]
        others = [record for record in mine if record not in failed]
        shown.append(Checks(join_words(recipes), _sum_up(len(judged), len(failed)), failed, others))
    return shown


def _mark(record: Record) -> Record:
    """Give a test's record its sign and sense, and its target a name."""
    target = name_target(record["target"]) if record["target"] else ""
    signs = {"sign": SIGNS[record["passes"]], "sense": SENSES[record["passes"]], "about": target}
    return record | signs


def _sum_up(n_judged: int, n_failed: int) -> str:
    if not n_judged:
        return "no test could be judged"
    if not n_failed:
        return f"passes all of {n_judged} tests" if n_judged > 1 else "passes the one test"
    return f"fails {n_failed} of {n_judged} tests"
