"""Scores of held-out predictions, each beside the mean, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.judge import metrics
from basrelief.judge.resampling import Draws, bound, resample_skills
from basrelief.run import Record

KEYS = ["recipe", "target", "scheme", "unit"]

NEGLIGIBLE = 0.02
"""A skill this near 0 is called no better than the mean, whatever its interval."""


def score_predictions(
    predictions: pd.DataFrame, groups: Mapping[str, pd.Series[str]], rng: np.random.Generator
) -> list[Record]:
    """Score every recipe, target, scheme and unit.

    Metrics are taken per repeat over all its test folds, and averaged over the repeats.

    Parameters
    ----------
    predictions
        ``predictions.parquet``: one row a recipe, target, scheme, repeat, unit and id.
    groups
        For each unit, the block (or area) that each id is resampled with, by id; ids that
        are missing there have no group, and their scores no interval.

    Returns
    -------
    Records with ``recipe, target, scheme, unit, n, mse, mse_mean, rmse, mae, r2, skill,
    spearman, kendall, skill_low, skill_high``; ``mse_mean`` is that of always predicting the
    training fold's mean. What cannot be had is None.
    """
    records, draws = [], Draws(rng)
    for key, frame in predictions.groupby(KEYS, sort=False):
        record: Record = dict(zip(KEYS, key, strict=True))
        record["n"] = int(frame["id"].nunique())
        repeats = [measure(repeat) for _, repeat in frame.groupby("repeat")]
        for name in repeats[0]:
            record[name] = _or_none(float(np.mean([values[name] for values in repeats])))
        group_of = frame["id"].map(groups[record["unit"]])
        low, high = resample_skill(frame, group_of, draws)
        record |= {"skill_low": _or_none(low), "skill_high": _or_none(high)}
        records.append(record)
    return records


def measure(frame: pd.DataFrame) -> dict[str, float]:
    """Measure one repeat's predictions; NaN where a measure cannot be had."""
    y_true, y_pred, y_mean = (
        frame[column].to_numpy(np.float64) for column in ("y_true", "y_pred", "y_mean")
    )
    return {
        "mse": metrics.mse(y_true, y_pred),
        "mse_mean": metrics.mse(y_true, y_mean),
        "rmse": metrics.rmse(y_true, y_pred),
        "mae": metrics.mae(y_true, y_pred),
        "r2": metrics.r2(y_true, y_pred),
        "skill": metrics.skill(y_true, y_pred, y_mean),
        "spearman": metrics.spearman(y_true, y_pred),
        "kendall": metrics.kendall(y_true, y_pred),
    }


def resample_skill(
    frame: pd.DataFrame, group_of: pd.Series[Any], draws: Draws
) -> tuple[float, float]:
    """Take a 95 % interval of the skill by resampling whole groups with replacement.

    Neighbours err alike, so that resampling single areas or chips would make the interval
    too narrow. Repeats share each draw: they are the same ground, folded anew.

    Parameters
    ----------
    frame
        Predictions of one recipe, target, scheme and unit, all repeats.
    group_of
        Group of each row.

    Returns
    -------
    Low and high; NaN with fewer than ten groups, or where a row has no group.
    """
    if bool(group_of.isna().any()):
        return float("nan"), float("nan")
    error, error_of_mean = _sum_errors(frame, group_of)
    return bound(resample_skills(error, error_of_mean, draws), error.shape[1])


def verdict(record: Record) -> str:
    """Say in words whether a record beats the mean.

    Examples
    --------
    >>> verdict({"skill": 0.31, "skill_low": 0.12, "skill_high": 0.44})
    'better than always predicting the mean'
    >>> verdict({"skill": -0.11, "skill_low": -0.3, "skill_high": -0.02})
    'worse than always predicting the mean'
    """
    value, low, high = record["skill"], record["skill_low"], record["skill_high"]
    if value is None:
        return "cannot be judged: what was observed does not vary"
    mean = "always predicting the mean"
    if abs(value) < NEGLIGIBLE:
        return f"no better than {mean}"
    has_interval = low is not None and high is not None
    if not has_interval:
        word = "better" if value > 0 else "worse"
        return f"{word} than {mean} here (too few places for an interval)"
    if low > 0:
        return f"better than {mean}"
    if high < 0:
        return f"worse than {mean}"
    if value < 0:
        return f"worse than {mean}, though the interval includes 0"
    return f"no better than {mean} (the interval includes 0)"


def _sum_errors(
    frame: pd.DataFrame, group_of: pd.Series[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum squared errors of the prediction and of the mean: each (repeat, group)."""
    y_true = frame["y_true"].to_numpy(np.float64)
    repeat, repeats = pd.factorize(frame["repeat"])
    group, groups = pd.factorize(group_of)
    sums = []
    for column in ("y_pred", "y_mean"):
        total = np.zeros((len(repeats), len(groups)))
        np.add.at(total, (repeat, group), (y_true - frame[column].to_numpy(np.float64)) ** 2)
        sums.append(total)
    return sums[0], sums[1]


def _or_none(value: float) -> float | None:
    """Make what is not a number null, for JSON."""
    return value if math.isfinite(value) else None
