"""Scores of held-out predictions, each beside the mean, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.judge import metrics
from basrelief.judge.resampling import Draws, bound, or_none, resample_skills, sum_by_repeat
from basrelief.run import Record

KEYS = ["recipe", "target", "scheme", "unit"]

SMALLEST_GAIN = 0.02
"""The smallest gain that matters: a skill nearer 0 is no better than the mean, whatever its
interval, and no claim is made of a smaller difference."""

Worth = Literal[
    "better", "worse", "no_better", "by_chance", "untested", "unsure", "no_interval", "unknown"
]
"""What a score is worth beside always predicting the mean, see `find_worth`."""


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
    spearman, kendall, skill_low, skill_high``; ``mse_mean`` is that of always predicting
    the training fold's mean. What cannot be had is None.
    """
    records, draws = [], Draws(rng)
    for key, frame in predictions.groupby(KEYS, sort=False):
        record: Record = dict(zip(KEYS, key, strict=True))
        record["n"] = int(frame["id"].nunique())
        # By repeat: an item is tested once in each.
        repeats = [measure(repeat) for _, repeat in frame.groupby("repeat")]
        for name in repeats[0]:
            record[name] = or_none(float(np.mean([values[name] for values in repeats])))
        # Neighbours err alike: whole blocks are drawn, and not areas.
        group_of = frame["id"].map(groups[record["unit"]])
        low, high = resample_skill(frame, group_of, draws)
        record |= {"skill_low": or_none(low), "skill_high": or_none(high)}
        records.append(record)
    return records


def measure(frame: pd.DataFrame) -> dict[str, float]:
    """Measure one repeat's predictions; NaN where a measure cannot be had.

    Ranks are of prediction and truth above their fold's mean: that mean is low exactly where the
    fold held out is high, so that a recipe that knows nothing would else rank areas the wrong way
    round.
    """
    y_true, y_pred, y_mean = (
        frame[column].to_numpy(np.float64) for column in ("y_true", "y_pred", "y_mean")
    )
    above, predicted_above = y_true - y_mean, y_pred - y_mean
    return {
        "mse": metrics.mse(y_true, y_pred),
        "mse_mean": metrics.mse(y_true, y_mean),
        "rmse": metrics.rmse(y_true, y_pred),
        "mae": metrics.mae(y_true, y_pred),
        "r2": metrics.r2(y_true, y_pred),
        "skill": metrics.skill(y_true, y_pred, y_mean),
        "spearman": metrics.spearman(above, predicted_above),
        "kendall": metrics.kendall(above, predicted_above),
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


def find_worth(record: Record, survives: bool | None = True) -> Worth:
    """Judge whether a skill tells a recipe from always predicting the mean.

    Parameters
    ----------
    survives
        Whether the claim that it does survives chance over all that the report may claim; None
        where it was held against nothing.

    Returns
    -------
    ``better`` or ``worse`` where the whole interval lies above or below 0, ``by_chance`` where it
    lies above but the claim does not survive, ``untested`` where it lies above and was not held
    against chance, ``unsure`` where it holds 0, ``no_interval`` where there is none;
    ``no_better`` for a skill too near 0 to matter, ``unknown`` without any.

    Examples
    --------
    >>> find_worth({"skill": 0.31, "skill_low": 0.12, "skill_high": 0.44})
    'better'
    >>> find_worth({"skill": -0.11, "skill_low": -0.3, "skill_high": 0.02})
    'unsure'
    """
    value, low, high = record["skill"], record["skill_low"], record["skill_high"]
    if value is None:
        return "unknown"
    # Before the interval: of a country's areas even a trifle is told from 0.
    if abs(value) < SMALLEST_GAIN:
        return "no_better"
    if low is None or high is None:
        return "no_interval"
    if low > 0:
        return "untested" if survives is None else "better" if survives else "by_chance"
    return "worse" if high < 0 else "unsure"


def is_fixed(record: Record) -> bool:
    """Say whether a figure's range holds models fixed, so that as it stands it can claim nothing.

    Examples
    --------
    >>> is_fixed({"interval": "resampled"}), is_fixed({"interval": "refitted"}), is_fixed({})
    (True, False, False)
    """
    return record.get("interval") == "resampled"


def name_worth(record: Record) -> str:
    """Name what a score's ``worth`` may be called: ``not told`` where no claim bears it out.

    Examples
    --------
    >>> worse = {"worth": "worse", "interval": "resampled"}
    >>> name_worth(worse), name_worth(worse | {"interval": "refitted"})
    ('not told', 'worse')
    """
    # With models held fixed what is better stands by a claim that survived; nobody claims worse.
    if record["worth"] == "worse" and is_fixed(record):
        return "not told"
    return str(record["worth"]).replace("_", " ")


def sum_up(record: Record) -> str:
    """Give a score's figure and what it is worth, for a line of progress.

    Examples
    --------
    >>> sum_up({"skill": 0.314, "worth": "no_better"})
    'skill 0.31, no better'
    """
    return f"skill {write_skill(record)}, {name_worth(record)}"


def write_skill(record: Record) -> str:
    """Write a score's skill with two decimals, or that it is unknown."""
    # Plus 0.0: what rounds to -0.00 is 0.
    return "unknown" if record["skill"] is None else f"{round(record['skill'], 2) + 0.0:.2f}"


def _sum_errors(
    frame: pd.DataFrame, group_of: pd.Series[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum squared errors of the prediction and of the mean: each (repeat, group)."""
    y_true = frame["y_true"].to_numpy(np.float64)
    repeat, repeats = pd.factorize(frame["repeat"])
    group, groups = pd.factorize(group_of)
    shape = (len(repeats), len(groups))
    error, error_of_mean = (
        sum_by_repeat((y_true - frame[column].to_numpy(np.float64)) ** 2, repeat, group, shape)
        for column in ("y_pred", "y_mean")
    )
    return error, error_of_mean
