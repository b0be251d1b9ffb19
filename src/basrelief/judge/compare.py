"""Which recipe beats which, on the same held-out items, with an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import SCHEMES
from basrelief.judge.baselines import DISTRICT, PLACE, SIZE
from basrelief.judge.resampling import Draws, bound, or_none, resample_skills, sum_by_group
from basrelief.judge.scores import find_worth
from basrelief.run import Record

Floats = NDArray[np.float64]
Replicated = tuple[float, Floats | None]
"""A value and its bootstrap replicates, (replicate,); None where there are none."""

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


def collect_errors(frame: pd.DataFrame, items: pd.Index[Any], targets: tuple[str, ...]) -> Errors:
    """Lay the squared errors of one recipe, scheme and unit out by item.

    Parameters
    ----------
    frame
        Its rows of ``predictions.parquet``.
    items
        All areas, or the chips that the scheme tests.
    """
    # A dense table: one square a recipe is all that is held of it while others are judged.
    repeat = frame["repeat"].to_numpy(np.int64)
    shape = (len(targets), repeat.max() + 1, len(items))
    at = (
        pd.Index(targets).get_indexer(pd.Index(frame["target"])),
        repeat,
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


def compare_pairs(
    errors: dict[str, Errors],
    order: list[str],
    targets: tuple[str, ...],
    groups: pd.Series[Any],
    draws: Draws,
) -> dict[str, list[Record]]:
    """Compare every pair of recipes, the later in ``order`` with the earlier.

    Returns
    -------
    By target, the records of `compare_errors` with ``recipe, versus, target``; each pair once.
    """
    pairs: dict[str, list[Record]] = {target: [] for target in targets}
    # Later against simpler, so that `beats` says that more work pays.
    for simpler, other in combinations(order, 2):
        found = compare_errors(errors[other], errors[simpler], groups, draws)
        for target, record in zip(targets, found, strict=True):
            key = {"recipe": other, "versus": simpler, "target": target}
            pairs[target].append(key | record)
    return pairs


def list_comparisons(records: list[Record], asked: set[str]) -> list[Record]:
    """List what is reported: what was asked for against all others, baselines against place."""
    return [
        one
        for record in records
        for one in (record, _turn_round(record))
        if one["recipe"] in asked or one["versus"] == PLACE
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
    One record a recipe: ``recipe, n_targets, skill, skill_low, skill_high, worth``;
    ``difference, low, high`` against ``versus``; the same against each recipe in ``over``, by
    its name. None where it cannot be had.
    """
    group, names = pd.factorize(groups)
    if (group < 0).any():
        return []
    sums = {name: _sum_known(each, group, len(names)) for name, each in errors.items()}
    skills = {
        name: [_replicate_tested(*pair, draws) for pair in zip(error, of_mean, strict=True)]
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
        record["worth"] = find_worth(record)
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
    recipe
    reason
        ``no_intervals`` (too few groups, so it is the mean), ``none_better`` (none beats the
        mean, so it is the mean), ``simplest``, or ``most_skill`` (each that beats the mean is
        beaten by another).
    beaten
        The simpler ones that beat the mean, each with what beats it.
    alike
        The others that beat the mean and that nothing beats.
    """
    # Skill of the whole interval: what may be the mean is not preferred to it.
    able = [name for name in order if (skills[name]["skill_low"] or 0.0) > 0]
    if not able:
        has_none = all(skills[name]["skill_low"] is None for name in order)
        reason = "no_intervals" if has_none else "none_better"
        return {"recipe": MEAN, "reason": reason, "beaten": {}, "alike": []}
    beaten_by: dict[str, list[str]] = {name: [] for name in order}
    for record in records:
        if record["beats"]:
            beaten_by[record["versus"]].append(record["recipe"])
        if record["is_beaten"]:
            beaten_by[record["recipe"]].append(record["versus"])
    unbeaten = [name for name in able if not beaten_by[name]]
    # Beating is not transitive: each may be beaten by another.
    chosen = unbeaten[0] if unbeaten else max(able, key=lambda name: float(skills[name]["skill"]))
    return {
        "recipe": chosen,
        "reason": "simplest" if unbeaten else "most_skill",
        "beaten": {name: beaten_by[name] for name in able[: able.index(chosen)]},
        "alike": [name for name in unbeaten if name != chosen],
    }


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
    # Zero, not dropped: a group may be tested in one repeat and not in another.
    planes = np.where(is_common, planes, 0.0)[:, repeats][:, :, items]
    group, names = pd.factorize(groups[items])
    # Items that have no group are one group, of which no interval is taken.
    group, n_groups = (0 * group, 1) if (group < 0).any() else (group, len(names))
    mine, of_mean, theirs, of_their_mean = sum_by_group(planes, group, n_groups)
    difference, replicates = _subtract(
        _replicate_skill(mine, of_mean, draws), _replicate_skill(theirs, of_their_mean, draws)
    )
    low, high = bound(replicates, n_groups)
    return {
        "n": int(items.sum()),
        "difference": or_none(difference),
        "low": or_none(low),
        "high": or_none(high),
        "beats": low > 0,
        "is_beaten": high < 0,
    }


def _turn_round(record: Record) -> Record:
    """Say the same of the other recipe."""

    def negate(value: float | None) -> float | None:
        return None if value is None else -value

    return record | {
        "recipe": record["versus"],
        "versus": record["recipe"],
        "difference": negate(record["difference"]),
        "low": negate(record["high"]),
        "high": negate(record["low"]),
        "beats": record["is_beaten"],
        "is_beaten": record["beats"],
    }


def _sum_known(errors: Errors, group: NDArray[np.int64], n_groups: int) -> tuple[Floats, Floats]:
    """Sum errors of the model and of the mean where both are known, (target, repeat, group)."""
    is_known = np.isfinite(errors.of_model) & np.isfinite(errors.of_mean)
    of_model, of_mean = (
        sum_by_group(np.where(is_known, table, 0.0), group, n_groups)
        for table in (errors.of_model, errors.of_mean)
    )
    return of_model, of_mean


def _replicate_tested(error: Floats, of_mean: Floats, draws: Draws) -> Replicated:
    """Skill of one target over the repeats that test it; (repeat, group) each."""
    # A network is tested in the first repeat alone.
    is_tested = of_mean.sum(axis=1) > 0
    return _replicate_skill(error[is_tested], of_mean[is_tested], draws)


def _replicate_skill(error: Floats, of_mean: Floats, draws: Draws) -> Replicated:
    """Skill, mean over repeats, and its replicates; (repeat, group) each. NaN if it has none."""
    total = of_mean.sum(axis=1)
    if not len(total) or (total <= 0).any():
        return float("nan"), None
    skill = float(np.mean(1 - error.sum(axis=1) / total))
    return skill, resample_skills(error, of_mean, draws)


def _subtract(one: Replicated, other: Replicated) -> Replicated:
    if one[1] is None or other[1] is None:
        return one[0] - other[0], None
    return one[0] - other[0], one[1] - other[1]


def _bound_mean(names: tuple[str, str, str], found: list[Replicated], n_groups: int) -> Record:
    """Average values and their replicates over targets."""
    # One target without replicates leaves the mean over targets without any.
    replicates = [each for _, each in found if each is not None]
    mean = None if len(replicates) < len(found) else np.mean(replicates, axis=0)
    low, high = bound(mean, n_groups)
    value = float(np.mean([value for value, _ in found]))
    return dict(zip(names, map(or_none, (value, low, high)), strict=True))
