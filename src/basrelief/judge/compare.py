"""Which recipe beats which, on the same held-out items, with an interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import SCHEMES
from basrelief.judge.baselines import DISTRICT, PLACE, SIZE
from basrelief.judge.resampling import Draws, bound, resample_skills
from basrelief.run import Record

Floats = NDArray[np.float64]

MEAN = "mean"
SIMPLEST = (MEAN, DISTRICT, SIZE, PLACE, "relief-statistics", "random-features")
"""From the simplest on; other recipes of areas come after these, networks last."""

LISTED_SCHEME = "block"
"""The scheme that maps, intervals and lists are made for, where it was run."""


def choose_listed(schemes: Iterable[str]) -> str:
    """Choose the scheme to list and show: blocks where they were run, else the last that was.

    Examples
    --------
    >>> choose_listed(["block", "random"]), choose_listed(["lad", "area"]), choose_listed([])
    ('block', 'lad', 'random')
    """
    known = set(schemes)
    ordered = [scheme for scheme in SCHEMES if scheme in known]
    return LISTED_SCHEME if LISTED_SCHEME in known else (ordered or ["random"])[-1]


@dataclass(frozen=True, eq=False)
class Errors:
    """Squared errors of one recipe in one scheme, in units of each target squared."""

    of_model: Floats
    """(target, repeat, item) NaN where the recipe predicts nothing."""

    of_mean: Floats
    """(target, repeat, item) Of the mean of its training fold."""


def collect_errors(
    frame: pd.DataFrame, items: pd.Index[Any], targets: tuple[str, ...], n_repeats: int
) -> Errors:
    """Lay the squared errors of one recipe, scheme and unit out by item.

    Parameters
    ----------
    frame
        Its rows of ``predictions.parquet``.
    items
        All areas, or the chips that the scheme tests.
    """
    shape = (len(targets), n_repeats, len(items))
    at = (
        pd.Index(targets).get_indexer(pd.Index(frame["target"])),
        frame["repeat"].to_numpy(np.int64),
        items.get_indexer(pd.Index(frame["id"])),
    )
    y_true = frame["y_true"].to_numpy(np.float64)
    found = []
    for column in ("y_pred", "y_mean"):
        table = np.full(shape, np.nan)
        table[at] = (y_true - frame[column].to_numpy(np.float64)) ** 2
        found.append(table)
    return Errors(*found)


def compare_errors(
    one: Errors, other: Errors, groups: pd.Series[Any], draws: Draws
) -> list[Record]:
    """Compare two recipes target by target, on the items that both predict.

    Parameters
    ----------
    groups
        What each item is resampled with, in the order of the items; missing where unknown.

    Returns
    -------
    One record a target: ``n`` items, ``difference`` (skill of one less that of the other),
    ``low`` and ``high`` (95 % interval, resampling whole groups; None where it cannot be had),
    ``beats`` and ``is_beaten`` (the interval lies above, or below, 0).
    """
    return [
        _compare_target(one, other, target, groups, draws) for target in range(len(one.of_model))
    ]


def average_targets(
    errors: dict[str, Errors], groups: pd.Series[Any], versus: str, draws: Draws
) -> list[Record]:
    """Average each recipe's skill over the targets, and compare it with the others'.

    Every group is drawn for all targets at once: they are the same ground.

    Parameters
    ----------
    groups
        As for `compare_errors`.
    versus
        The recipe that matters most to compare with, where it is there.

    Returns
    -------
    One record a recipe: ``recipe, n_targets, skill, skill_low, skill_high``;
    ``difference, low, high`` against ``versus``; the same against each recipe in ``over``, by
    its name. None where it cannot be had.
    """
    group, names = pd.factorize(groups)
    if (group < 0).any():
        return []
    sums = {name: _sum_by_group(each, group, len(names)) for name, each in errors.items()}
    # (target, repeat, group)
    skills = {
        name: [_draw_skills(*pair, draws) for pair in zip(error, of_mean, strict=True)]
        for name, (error, of_mean) in sums.items()
    }
    records = []
    for name, mine in skills.items():
        over = {}
        for other, theirs in skills.items():
            apart = [_subtract(a, b) for a, b in zip(mine, theirs, strict=True)]
            over[other] = _bound_mean(("difference", "low", "high"), apart, len(names))
        record: Record = {"recipe": name, "n_targets": len(mine)}
        record |= _bound_mean(("skill", "skill_low", "skill_high"), mine, len(names))
        records.append(record | over.get(versus, {}) | {"over": over})
    return records


def prefer_recipe(records: list[Record], skills: dict[str, Record], order: list[str]) -> Record:
    """Choose the simplest recipe that beats the mean and that nothing else beats.

    What beats nothing is not preferred for not being beaten: it is the mean, with more work.

    Parameters
    ----------
    records
        Comparisons of one target, scheme and unit, between all recipes: each pair once.
    skills
        The recipes' records of ``scores.json``, by name.
    order
        Recipes from the simplest on, without the mean.

    Returns
    -------
    ``recipe`` and ``reason``.
    """
    if all(skills[name]["skill_low"] is None for name in order):
        reason = "too few places for intervals: nothing can be told from the mean"
        return {"recipe": MEAN, "reason": reason}
    able = [name for name in order if (skills[name]["skill_low"] or 0.0) > 0]
    if not able:
        return {"recipe": MEAN, "reason": "nothing can be told from always predicting the mean"}
    beaten_by: dict[str, list[str]] = {name: [] for name in order}
    for record in records:
        if record["beats"]:
            beaten_by[record["versus"]].append(record["recipe"])
        if record["is_beaten"]:
            beaten_by[record["recipe"]].append(record["versus"])
    unbeaten = [name for name in able if not beaten_by[name]]
    chosen = unbeaten[0] if unbeaten else max(able, key=lambda name: float(skills[name]["skill"]))
    simpler = [f"{name} is beaten by {' and '.join(beaten_by[name])}" for name in able]
    simpler = simpler[: able.index(chosen)]
    alike = [name for name in unbeaten if name != chosen]
    reason = "; ".join(["the simplest that beats the mean and that nothing beats", *simpler])
    if alike:
        reason += f"; {' and '.join(alike)} cannot be told better"
    return {"recipe": chosen, "reason": reason}


def order_recipes(names: list[str], networks: set[str]) -> list[str]:
    """Order recipes from the simplest on."""

    def rank(name: str) -> tuple[int, int]:
        place = SIMPLEST.index(name) if name in SIMPLEST else len(SIMPLEST)
        return place + (name in networks), names.index(name)

    return sorted(names, key=rank)


def _compare_target(
    one: Errors, other: Errors, target: int, groups: pd.Series[Any], draws: Draws
) -> Record:
    """Compare two recipes on one target."""
    tables = [one.of_model, one.of_mean, other.of_model, other.of_mean]
    # A network is tested in the first repeat alone: only what both predict is compared.
    n_repeats = min(table.shape[1] for table in tables)
    planes: Floats = np.stack([table[target, :n_repeats] for table in tables])
    # (error, repeat, item)
    is_common = np.asarray(np.isfinite(planes).all(axis=0))
    repeats: NDArray[np.bool_] = np.asarray(is_common.any(axis=1))
    items: NDArray[np.bool_] = np.asarray(is_common.any(axis=0))
    planes = np.where(is_common, planes, 0.0)[:, repeats][:, :, items]
    totals = planes.sum(axis=2)  # (error, repeat)
    if not items.any() or (totals[[1, 3]] <= 0).any():
        difference = float("nan")
    else:
        difference = float(np.mean(totals[2] / totals[3] - totals[0] / totals[1]))
    low, high = _resample_difference(planes, groups[items], draws)
    return {
        "n": int(items.sum()),
        "difference": _or_none(difference),
        "low": _or_none(low),
        "high": _or_none(high),
        "beats": low > 0,
        "is_beaten": high < 0,
    }


def _sum_by_group(errors: Errors, group: NDArray[np.int64], n_groups: int) -> tuple[Floats, Floats]:
    """Sum squared errors by group, (target, repeat, group); repeats without any are left out."""
    found = []
    for table in (errors.of_model, errors.of_mean):
        known = np.isfinite(errors.of_model) & np.isfinite(errors.of_mean)
        filled = np.where(known, table, 0.0)
        sums = np.zeros((*table.shape[:2], n_groups))
        for index in np.ndindex(*table.shape[:2]):
            sums[index] = np.bincount(group, filled[index], n_groups)
        found.append(sums)
    return found[0], found[1]


def _draw_skills(error: Floats, of_mean: Floats, draws: Draws) -> tuple[float, Floats | None]:
    """Skill of one target, mean over repeats, and its draws; (repeat, group) each."""
    is_tested = of_mean.sum(axis=1) > 0
    if not is_tested.any():
        return float("nan"), None
    error, of_mean = error[is_tested], of_mean[is_tested]
    skill = float(np.mean(1 - error.sum(axis=1) / of_mean.sum(axis=1)))
    return skill, resample_skills(error, of_mean, draws)


def _subtract(
    one: tuple[float, Floats | None], other: tuple[float, Floats | None]
) -> tuple[float, Floats | None]:
    if one[1] is None or other[1] is None:
        return one[0] - other[0], None
    return one[0] - other[0], one[1] - other[1]


def _bound_mean(
    names: tuple[str, str, str], found: list[tuple[float, Floats | None]], n_groups: int
) -> Record:
    """Average values and their draws over targets."""
    drawn = [draw for _, draw in found if draw is not None]
    mean = None if len(drawn) < len(found) else np.mean(drawn, axis=0)
    low, high = bound(mean, n_groups)
    value = float(np.mean([value for value, _ in found]))
    return dict(zip(names, map(_or_none, (value, low, high)), strict=True))


def _resample_difference(
    planes: Floats, groups: pd.Series[Any], draws: Draws
) -> tuple[float, float]:
    """Take the 95 % interval of the difference in skill; planes are (error, repeat, item)."""
    group, names = pd.factorize(groups)
    if (group < 0).any():
        return float("nan"), float("nan")
    sums = np.zeros((*planes.shape[:2], len(names)))
    for index in np.ndindex(*planes.shape[:2]):
        sums[index] = np.bincount(group, planes[index], len(names))
    one = resample_skills(sums[0], sums[1], draws)
    other = resample_skills(sums[2], sums[3], draws)
    if one is None or other is None:
        return float("nan"), float("nan")
    return bound(one - other, len(names))


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
