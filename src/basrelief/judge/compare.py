"""Which recipe beats which, on the same held-out items, with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.judge.baselines import AREA_SIZE, DISTRICT_MEAN, PLACE_ALONE, PLACE_AND_DISTRICT
from basrelief.judge.resampling import (
    Draws,
    bound,
    mean_skill,
    or_none,
    resample_skills,
    sum_by_group,
)
from basrelief.judge.yardsticks import MEAN, NOTHING, Traits, tell_apart
from basrelief.run import Record
from basrelief.stage_settings import SCHEMES

Floats = NDArray[np.float64]
Replicated = tuple[float, Floats | None]
"""A value and its bootstrap replicates, (replicate,); None where there are none."""

SIMPLEST = (
    *(MEAN, DISTRICT_MEAN, AREA_SIZE, PLACE_ALONE, PLACE_AND_DISTRICT),
    *("relief-statistics", "random-features"),
)
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
    # From the scheme that leaks most on: the last of those that were run leaks least.
    ordered = [scheme for scheme in SCHEMES if scheme in known]
    return LISTED_SCHEME if LISTED_SCHEME in known else (ordered or ["random"])[-1]


@dataclass(frozen=True, eq=False)
class Errors:
    """Squared errors of one recipe in one scheme, in units of each target squared."""

    of_model: Floats
    """(target, repeat, item) NaN where the recipe predicts nothing."""

    of_mean: Floats
    """(target, repeat, item) Of the mean of its training fold."""

    def take(self, target: int) -> Errors:
        """Keep one target."""
        return Errors(self.of_model[[target]], self.of_mean[[target]])

    @property
    def always_mean(self) -> Errors:
        """Errors of always predicting the mean where this recipe predicts."""
        return Errors(np.where(np.isnan(self.of_model), np.nan, self.of_mean), self.of_mean)


@dataclass(frozen=True, eq=False)
class CommonErrors:
    """Squared errors of two recipes, summed by group over the items that both predict.

    In repeats that both are tested in: a network is in the first alone.
    """

    of_one: Floats
    """(target, repeat, group) 0 where a group is not tested."""

    of_other: Floats
    """(target, repeat, group)"""

    of_mean: Floats
    """(target, repeat, group) Of the mean: of both recipes' the average. A network leaves areas
    out of training to validate on, so that its mean is another; two recipes that predict the same
    are to differ by nothing."""

    is_tested: NDArray[np.bool_]
    """(target, repeat)"""

    n_items: int

    @property
    def n_groups(self) -> int:
        """How many groups have an item that both predict."""
        return int(self.of_mean.shape[-1])


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


def sum_common(one: Errors, other: Errors, groups: pd.Series[Any]) -> CommonErrors:
    """Sum the errors of two recipes over what both predict.

    Parameters
    ----------
    groups
        What each item is resampled with, in the order of the items; missing where unknown. Items
        that have none are one group, and so have no interval.
    """
    tables = (one.of_model, other.of_model, one.of_mean, other.of_mean)
    # A network is tested in the first repeat alone.
    n_repeats = min(table.shape[1] for table in tables)
    planes: Floats = np.stack([table[:, :n_repeats] for table in tables])
    is_common = np.asarray(np.isfinite(planes).all(axis=0))  # (target, repeat, item)
    items = np.asarray(is_common.any(axis=(0, 1)))
    # Zero, not dropped: an item may be tested in one repeat, or for one target, alone.
    planes = np.where(is_common, planes, 0.0)[..., items]
    # Of the items tested: a group without one says nothing, and is not to be drawn.
    group, names = pd.factorize(groups[items])
    group, n_groups = (0 * group, 1) if (group < 0).any() else (group, len(names))
    of_one, of_other, of_mean, of_their_mean = sum_by_group(planes, group, n_groups)
    return CommonErrors(
        of_one,
        of_other,
        (of_mean + of_their_mean) / 2,
        np.asarray(is_common.any(axis=2)),
        int(items.sum()),
    )


def compare_errors(
    one: Errors, other: Errors, groups: pd.Series[Any], draws: Draws
) -> list[Record]:
    """Compare two recipes target by target, on the items that both predict.

    Parameters
    ----------
    groups
        As for `sum_common`.

    Returns
    -------
    One record a target: ``n`` items, ``difference`` (skill of one less that of the other),
    ``low`` and ``high`` (95 % interval, resampling whole groups with the models held fixed; None
    where it cannot be had).
    """
    return [
        _compare_target(one, other, target, groups, draws) for target in range(len(one.of_model))
    ]


def compare_pairs(
    errors: dict[str, Errors],
    order: list[str],
    targets: tuple[str, ...],
    groups: pd.Series[Any],
    traits: Mapping[str, Traits],
    draws: Draws,
) -> dict[str, list[Record]]:
    """Compare every pair of recipes, the later in ``order`` with the earlier.

    Parameters
    ----------
    traits
        By recipe, what its predictions come from.

    Returns
    -------
    By target, the records of `compare_errors` with ``recipe, versus, target`` and what
    `tell_apart` names; each pair once.
    """
    pairs: dict[str, list[Record]] = {target: [] for target in targets}
    # Later against simpler, so that what beats says that more work pays.
    for simpler, other in combinations(order, 2):
        found = compare_errors(errors[other], errors[simpler], groups, draws)
        for target, record in zip(targets, found, strict=True):
            key = {"recipe": other, "versus": simpler, "target": target}
            pairs[target].append(key | tell_apart(traits[other], traits[simpler]) | record)
    return pairs


def list_comparisons(
    records: list[Record], asked: set[str], yardsticks: Mapping[str, Mapping[str, str]]
) -> list[Record]:
    """List what is reported: what was asked for against all others, others against theirs.

    Parameters
    ----------
    yardsticks
        By recipe and eye (`yardsticks.find_yardsticks`).
    """
    return [
        one
        for record in records
        for one in (record, turn_round(record))
        if one["recipe"] in asked or one["versus"] in yardsticks[one["recipe"]].values()
    ]


def average_targets(
    errors: dict[str, Errors],
    groups: pd.Series[Any],
    yardsticks: Mapping[str, str],
    traits: Mapping[str, Traits],
    draws: Draws,
) -> list[Record]:
    """Average each recipe's skill over the targets, and compare it with the others'.

    Every group is drawn for all targets at once: they are the same ground.

    Parameters
    ----------
    groups
        As for `sum_common`.
    yardsticks
        By recipe, what differs from it in LIDAR alone (`yardsticks.find_yardstick`).
    traits
        By recipe, what its predictions come from.

    Returns
    -------
    One record a recipe: ``recipe, n_targets, skill, skill_low, skill_high``; ``versus``, its
    yardstick, and ``difference, low, high, differs_in, differs_how`` against that; the same
    against each recipe in ``over``, by its name. None where it cannot be had.
    """
    # What has no group cannot be drawn again, and without a range nothing is claimed.
    if groups.isna().any():
        return []
    records = []
    for name, mine in errors.items():
        alone = _average_apart(mine, mine.always_mean, groups, draws)
        record: Record = {"recipe": name, "n_targets": len(mine.of_model)}
        record |= {
            "skill": alone["difference"],
            "skill_low": alone["low"],
            "skill_high": alone["high"],
        }
        over = {MEAN: alone | tell_apart(traits[name], NOTHING)}
        for other, theirs in errors.items():
            apart = tell_apart(traits[name], traits[other])
            over[other] = _average_apart(mine, theirs, groups, draws) | apart
        versus = yardsticks[name]
        records.append(record | {"versus": versus} | over.get(versus, {}) | {"over": over})
    return records


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
    common = sum_common(one.take(target), other.take(target), groups)
    difference, replicates = _replicate_difference(common, 0, draws)
    low, high = bound(replicates, common.n_groups)
    return {
        "n": common.n_items,
        "difference": or_none(difference),
        "low": or_none(low),
        "high": or_none(high),
    }


def turn_round(record: Record) -> Record:
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


def _average_apart(one: Errors, other: Errors, groups: pd.Series[Any], draws: Draws) -> Record:
    """Average over targets how far two recipes' skills are apart: ``difference, low, high``."""
    common = sum_common(one, other, groups)
    found = [_replicate_difference(common, target, draws) for target in range(len(one.of_model))]
    # One target without replicates leaves the mean over targets without any.
    replicates = [each for _, each in found if each is not None]
    mean = None if len(replicates) < len(found) else np.mean(replicates, axis=0)
    low, high = bound(mean, common.n_groups)
    value = float(np.mean([value for value, _ in found]))
    return dict(zip(("difference", "low", "high"), map(or_none, (value, low, high)), strict=True))


def _replicate_difference(common: CommonErrors, target: int, draws: Draws) -> Replicated:
    """Difference of two skills for one target, and its replicates; NaN where there is none."""
    tested = common.is_tested[target]
    of_mean = common.of_mean[target, tested]  # (repeat, group)
    return _subtract(
        _replicate_skill(common.of_one[target, tested], of_mean, draws),
        _replicate_skill(common.of_other[target, tested], of_mean, draws),
    )


def _replicate_skill(error: Floats, of_mean: Floats, draws: Draws) -> Replicated:
    """Skill, mean over repeats, and its replicates; (repeat, group) each. NaN if it has none."""
    skill = mean_skill(error, of_mean)
    return skill, None if np.isnan(skill) else resample_skills(error, of_mean, draws)


def _subtract(one: Replicated, other: Replicated) -> Replicated:
    if one[1] is None or other[1] is None:
        return one[0] - other[0], None
    return one[0] - other[0], one[1] - other[1]
