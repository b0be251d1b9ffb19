"""The leakage audit: what the scores are under each scheme, and what that means."""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.config import SCHEMES
from basrelief.judge.baselines import PLACE
from basrelief.judge.scores import NEGLIGIBLE
from basrelief.run import Record

WORDS = {
    "random": "chips at random",
    "area": "whole areas held out",
    "msoa": "whole MSOAs held out",
    "lad": "whole districts held out",
    "block": "whole blocks and their buffer held out",
}

GOOD = 0.2
"""A skill from which coordinates alone are said to do well."""


def build_audit(
    scores: list[Record], comparisons: list[Record], leakage: list[Record], asked: Iterable[str]
) -> Record:
    """Set skill under each scheme side by side, and say what it means.

    No scheme is taken for the strictest: all that were run are shown.

    Parameters
    ----------
    scores, comparisons, leakage
        Records of ``scores.json``, ``evaluate/comparisons.json`` and ``splits/leakage.json``.
    asked
        Recipes that sentences are about; the others are in the table.

    Returns
    -------
    ``table`` (recipe, target, unit and the skill under each scheme, None where it was not run),
    ``same_label`` (share of the test chips whose label a training chip carries, by scheme),
    ``place_alone`` (target, unit and its skill under each scheme) and ``sentences``.
    """
    table = tabulate_skills(scores)
    place = [
        {key: value for key, value in row.items() if key != "recipe"}
        for row in table
        if row["recipe"] == PLACE
    ]
    chips = [record for record in leakage if record["unit"] == "chip"]
    sentences = [_tell_same_label(record) for record in chips if record["scheme"] == "random"]
    for target in dict.fromkeys(row["target"] for row in place):
        rows = {row["unit"]: row for row in place if row["target"] == target}
        sentences += _tell_place(target, rows)
    wanted = set(asked)
    for row in table:
        if row["recipe"] in wanted:
            sentences.append(_tell_recipe(row, scores, comparisons))
    return {
        "table": table,
        "same_label": {record["scheme"]: record["share_same_label"] for record in chips},
        "place_alone": place,
        "sentences": sentences,
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


def _tell_same_label(record: Record) -> str:
    """Say what a random split of chips gives away."""
    same_label, same_area = record["share_same_label"], record["share_same_area"]
    said = f"With chips at random, {same_label:.0%} of the test chips carry the very label"
    if same_area is not None:
        said += f", and {same_area:.0%} lie in the area,"
    return f"{said} of a training chip: a score there says little about ground never seen."


def _tell_place(target: str, rows: dict[str, Record]) -> list[str]:
    """Say how far coordinates alone go; nothing where they were not tried."""
    # Chips are tested on one fold of the schemes made of areas, areas on all of them.
    row = dict(rows.get("area", rows.get("chip", {})))
    if "chip" in rows:
        row["random"] = rows["chip"]["random"]
    known = [scheme for scheme in SCHEMES if row[scheme] is not None]
    if not known:
        return []
    said = f"{target}: place alone, without any LIDAR, has skill {_list_skills(row, known)}."
    good = [scheme for scheme in known if row[scheme] >= GOOD]
    if not good:
        return [f"{said} Knowing where an area lies says little about it."]
    where = f"with {_list_words(good)}" if len(good) < len(known) else "under every scheme"
    return [
        f"{said} It looks good {where}: a LIDAR score there has to be held against it, and not "
        "against 0."
    ]


def _tell_recipe(row: Record, scores: list[Record], comparisons: list[Record]) -> str:
    """Say what a recipe's skill under the schemes means for one target."""
    known = [scheme for scheme in SCHEMES if row[scheme] is not None]
    named = f"{row['recipe']} on {row['target']}, by {row['unit']}"
    if not known:
        return f"{named}: cannot be judged, what was observed does not vary."
    said = f"{named}: skill {_list_skills(row, known)}. "
    honest = [scheme for scheme in known if scheme != "random"]
    if not honest:
        return said + "Only chips at random were tried: nothing is known about other ground."
    sure = [scheme for scheme in honest if _beats_mean(row, scheme, scores)]
    said += _tell_mean(row, honest, sure)
    tried = [
        record
        for record in comparisons
        if record["versus"] == PLACE and _is_of(record, row) and record["scheme"] in honest
    ]
    return said + _tell_against_place(tried, is_sure=bool(sure))


def _tell_against_place(tried: list[Record], is_sure: bool) -> str:
    """Say under which honest schemes a recipe beats place alone, or is beaten by it."""
    lost = [record["scheme"] for record in tried if record["is_beaten"]]
    won = [record["scheme"] for record in tried if record["beats"]]
    said = ""
    if won:
        said += f" It beats place alone with {_list_words(won)}."
    if lost:
        said += f" Place alone beats it with {_list_words(lost)}."
    if tried and is_sure and not won:
        said += " It beats place alone nowhere: it may know no more than where an area is."
    return said


def _tell_mean(row: Record, honest: list[str], sure: list[str]) -> str:
    """Say under which honest schemes a recipe is better than the mean."""
    if not sure:
        if row["random"] is not None and row["random"] >= GOOD:
            return (
                "What looks good with chips at random is gone once ground is held out: it was "
                "the neighbours' label, and not LIDAR."
            )
        return "It cannot be told from the mean under any scheme that holds out ground."
    lost = [scheme for scheme in honest if scheme not in sure]
    if not lost:
        return "It is better than the mean under every scheme that holds out ground."
    return (
        f"It is better than the mean with {_list_words(sure)}, and not with {_list_words(lost)}: "
        "part of what it knows is the place."
    )


def _beats_mean(row: Record, scheme: str, scores: list[Record]) -> bool:
    """Whether a skill is above 0 with its whole interval, and by more than a trifle."""
    lows = [
        record["skill_low"]
        for record in scores
        if record["scheme"] == scheme and _is_of(record, row)
    ]
    low = lows[0] if lows else None
    return low is not None and low > 0 and row[scheme] >= NEGLIGIBLE


def _is_of(record: Record, row: Record) -> bool:
    return all(record[key] == row[key] for key in ("recipe", "target", "unit"))


def _list_skills(row: Record, schemes: list[str]) -> str:
    return _join([f"{row[scheme]:.2f} with {WORDS[scheme]}" for scheme in schemes])


def _list_words(schemes: list[str]) -> str:
    return _join([WORDS[scheme] for scheme in schemes])


def _join(parts: list[str]) -> str:
    """Join parts as a sentence lists them."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
