"""The leakage audit: what the skills are under each scheme, and what that gives away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from basrelief.judge.baselines import PLACE_ALONE
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.stage_settings import SCHEMES

GOOD = 0.2
"""A skill from which coordinates alone are said to do well."""

Reading = Literal["unknown", "random_only", "leaks", "not_told", "everywhere", "in_some"]
"""What a recipe's skills under all schemes come to, see `build_audit`."""


def build_audit(
    scores: list[Record],
    comparisons: list[Record],
    leakage: list[Record],
    asked: Iterable[str],
    yardsticks: Mapping[str, str],
) -> Record:
    """Set skill under each scheme side by side, and say by codes what it means.

    No scheme is taken for the strictest: all that were run are shown.

    Parameters
    ----------
    scores, comparisons, leakage
        Records of ``scores.json``, ``evaluate/comparisons.json`` and ``splits/leakage.json``.
    asked
        Recipes that are read; the others are in the table alone.
    yardsticks
        By recipe, what differs from it in LIDAR alone (`yardsticks.find_yardstick`).

    Returns
    -------
    table
        ``recipe, target, unit`` and the skill under each scheme, None where it was not run.
    same_label, same_area
        Share of the test chips whose label, or area, a training chip has, by scheme.
    place_alone
        ``target``, the skill under each scheme, and the schemes where it looks ``good``.
    recipes
        The rows of ``table`` of what was asked for, with the schemes ``held_out`` (that hold
        out ground), of which it is ``better`` than the mean; what it is held ``versus`` besides
        (its yardstick or, where that is the mean, place alone), what the two differ in
        (``differs_in, differs_how``), and in which schemes it ``beats`` that or ``is_beaten``;
        ``beats`` is None where the two were not compared. And the ``reading``: ``unknown`` (no
        skill to be had), ``random_only`` (no ground was held out), ``leaks`` (good with chips at
        random, and gone once ground is held out), ``not_told`` (from the mean), better
        ``everywhere``, or ``in_some`` schemes.
    """
    table = tabulate_skills(scores)
    chips = [record for record in leakage if record["unit"] == "chip"]
    wanted = set(asked)
    return {
        "table": table,
        "same_label": {record["scheme"]: record["share_same_label"] for record in chips},
        "same_area": {record["scheme"]: record["share_same_area"] for record in chips},
        "place_alone": _read_place([row for row in table if row["recipe"] == PLACE_ALONE]),
        "recipes": [
            row | _read_recipe(row, scores, comparisons, yardsticks)
            for row in table
            if row["recipe"] in wanted
        ],
    }


def tabulate_skills(scores: list[Record]) -> list[Record]:
    """Lay skills out with one row a recipe, target and unit, one column a scheme."""
    rows: dict[tuple[str, str, str], Record] = {}
    for record in scores:
        key = (record["recipe"], record["target"], record["unit"])
        names = dict(zip(("recipe", "target", "unit"), key, strict=True))
        row = rows.setdefault(key, names | dict.fromkeys(SCHEMES))
        row[record["scheme"]] = record["skill"]
    return list(rows.values())


def list_scored_schemes(row: Record) -> list[str]:
    """List the schemes under which a row has a skill, in the order in which they are told."""
    return [scheme for scheme in SCHEMES if row[scheme] is not None]


def _read_place(rows: list[Record]) -> list[Record]:
    """Find under which schemes coordinates alone do well, for each target."""
    found = []
    for target in dict.fromkeys(row["target"] for row in rows):
        by_unit = {row["unit"]: row for row in rows if row["target"] == target}
        # Chips are tested on one fold of the schemes made of areas, areas on all of them.
        row = by_unit.get("area", by_unit.get("chip", {}))
        skills = {scheme: row[scheme] for scheme in SCHEMES}
        # No area recipe is run on chips held out at random.
        if "chip" in by_unit:
            skills["random"] = by_unit["chip"]["random"]
        good = [scheme for scheme in list_scored_schemes(skills) if skills[scheme] >= GOOD]
        found.append({"target": target} | skills | {"good": good})
    return found


def _read_recipe(
    row: Record,
    scores: list[Record],
    comparisons: list[Record],
    yardsticks: Mapping[str, str],
) -> Record:
    """Read what a recipe's skills under the schemes come to, for one target and unit."""
    yardstick, known = yardsticks.get(row["recipe"], MEAN), list_scored_schemes(row)
    # LIDAR alone that is no better than coordinates may know no more than where an area is.
    rival = PLACE_ALONE if yardstick == MEAN else yardstick
    held_out = [scheme for scheme in known if scheme != "random"]
    better = [scheme for scheme in held_out if _beats_mean(row, scheme, scores)]
    tried = [
        record
        for record in comparisons
        if record["versus"] == rival and _is_of(record, row) and record["scheme"] in held_out
    ]
    return {
        "held_out": held_out,
        "better": better,
        "versus": rival,
        **{name: tried[0][name] if tried else [] for name in ("differs_in", "differs_how")},
        "beats": [record["scheme"] for record in tried if record["beats"]] if tried else None,
        "is_beaten": [record["scheme"] for record in tried if record["is_beaten"]],
        "reading": _find_reading(row, held_out, better),
    }


def _find_reading(row: Record, held_out: list[str], better: list[str]) -> Reading:
    """Find what it comes to that a recipe is better than the mean under some schemes."""
    if not held_out:
        return "unknown" if row["random"] is None else "random_only"
    if better:
        return "everywhere" if better == held_out else "in_some"
    looks_good = row["random"] is not None and row["random"] >= GOOD
    # Good at random alone: neighbouring chips carry the same label into training.
    return "leaks" if looks_good else "not_told"


def _beats_mean(row: Record, scheme: str, scores: list[Record]) -> bool:
    """Whether a skill is better than the mean, and neither by chance nor by a trifle."""
    return any(
        record["worth"] == "better" and record["scheme"] == scheme and _is_of(record, row)
        for record in scores
    )


def _is_of(record: Record, row: Record) -> bool:
    return all(record[key] == row[key] for key in ("recipe", "target", "unit"))
