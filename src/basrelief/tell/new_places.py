"""What a model predicted of a place that it never saw, in lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from basrelief.judge.scores import name_worth, write_skill
from basrelief.learn.shortening import label_recipe
from basrelief.run import Record, Run, read_json


def say_answer(out: Run) -> Iterator[str]:
    """Say what ``predict.json`` and, where there are labels, ``scores.json`` hold.

    Parameters
    ----------
    out
        The folder of predictions.
    """
    about = read_json(out.folder / "predict.json")
    counts, label = about["counts"], label_recipe(about["training"])
    is_of_areas = "areas_predicted" in counts
    if is_of_areas:
        yield _say_areas(label, counts, about["model"]["chips"]["min_area_coverage"])
    else:
        yield f"predict {label}: {counts['predicted']} pictures"
    if n_learnt := counts.get("areas_learnt_from"):
        yield (
            f"predict: the model learnt from {n_learnt} of these areas: what it says of "
            "them, and a score on them, shows nothing of a new place"
        )
    scores = read_json(out.scores) if out.scores.exists() else None
    # Labels that fit no area leave an empty list; without labels there is no file.
    if scores == []:
        yield "predict: none of the areas predicted has a label, so nothing is scored"
    for record in scores or []:
        yield _say_score(record)


def _say_areas(label: str, counts: Record, least: float) -> str:
    """Say how many areas were predicted, and how many are like those learnt from."""
    said = (
        f"predict {label}: {counts['areas_predicted']} of {counts['areas']} areas, "
        f"{counts['areas_with_enough_ground']} of which have at least {least:.0%} of their "
        "ground in the rasters"
    )
    # Networks measure no likeness, and so say none.
    inside = counts["areas_inside"] or {}
    known = [f"{target} {n}" for target, n in inside.items() if n is not None]
    rest = [target for target, n in inside.items() if n is None]
    said += f"; like what it learnt from, by target: {', '.join(known)}" if known else ""
    return f"{said}; nothing learnt, always the mean: {', '.join(rest)}" if rest else said


def _say_score(record: Record) -> str:
    """Say what a score comes to.

    Examples
    --------
    >>> record = {"label": "stack", "target": "crime", "n": 20, "unit": "area", "skill": 0.314}
    >>> _say_score(record | {"worth": "no_better", "n_inside": 3})
    'predict stack, crime, 20 areas: skill 0.31 against the mean label learnt from: no better'
    """
    units = "areas" if record["unit"] == "area" else "pictures"
    said = f"predict {record['label']}, {record['target']}, {record['n']} {units}: "
    said += f"skill {write_skill(record)} against the mean label learnt from: {name_worth(record)}"
    return said + ("; none of them is like those learnt from" if record["n_inside"] == 0 else "")
