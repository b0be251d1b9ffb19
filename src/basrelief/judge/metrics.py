"""Measures of how well predictions meet what was observed."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
"""(n,) One value an item, in the same order wherever two are compared."""


def mse(y_true: Values, y_pred: Values) -> float:
    """Mean squared error of (n,) pairs, in squared units of the target; lower is better.

    Examples
    --------
    >>> mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    _check_pairs(y_true, y_pred)
    return float(np.mean((y_true - y_pred) ** 2))


def rmse(y_true: Values, y_pred: Values) -> float:
    """Root of the mean squared error of (n,) pairs, in the target's units; lower is better."""
    return float(np.sqrt(mse(y_true, y_pred)))


def mae(y_true: Values, y_pred: Values) -> float:
    """Mean absolute error of (n,) pairs, in the target's units; lower is better."""
    _check_pairs(y_true, y_pred)
    return float(np.mean(np.abs(y_true - y_pred)))


def r2(y_true: Values, y_pred: Values) -> float:
    """Share of (n,) values' variance explained, against the mean of the values tested themselves.

    1 is perfect, 0 is their own mean, below 0 is worse; NaN where they do not vary.
    """
    _check_pairs(y_true, y_pred)
    return skill(y_true, y_pred, np.full_like(y_true, y_true.mean()))


def skill(y_true: Values, y_pred: Values, y_mean: Values) -> float:
    """Share of the squared error that the prediction takes off the training mean's.

    Unlike R², the mean is that of the training fold: what could have been known without
    LIDAR. 1 is perfect, 0 is the mean, below 0 is worse; NaN where the mean has no error.

    Parameters
    ----------
    y_mean : (n,)
        Mean of the training fold that each prediction comes from.

    Examples
    --------
    >>> y = np.array([0.0, 1.0, 2.0])
    >>> skill(y, y_pred=np.array([0.0, 1.0, 1.0]), y_mean=np.ones(3))
    0.5
    """
    _check_pairs(y_true, y_pred)
    _check_pairs(y_true, y_mean)
    baseline = float(np.sum((y_true - y_mean) ** 2))
    # The mean of equal numbers can miss them by a rounding error, and that is no variance.
    if baseline <= len(y_true) * np.spacing(np.abs(y_true).max()) ** 2:
        return float("nan")
    return 1.0 - float(np.sum((y_true - y_pred) ** 2)) / baseline


def spearman(y_true: Values, y_pred: Values) -> float:
    """Rank correlation of (n,) pairs, -1 to 1; NaN where either side does not vary."""
    _check_pairs(y_true, y_pred)
    with warnings.catch_warnings():
        # A recipe that is the mean never varies: that is no fault to be warned of.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(y_true, y_pred).statistic)


def kendall(y_true: Values, y_pred: Values) -> float:
    """Kendall's tau-b of (n,) pairs, -1 to 1; NaN where either side does not vary."""
    _check_pairs(y_true, y_pred)
    if len(y_true) < 2:
        return float("nan")
    return float(stats.kendalltau(y_true, y_pred).statistic)


def _check_pairs(one: Values, other: Values) -> None:
    """Refuse shapes that NumPy would broadcast into something else than pairs."""
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(
            f"Metrics compare two arrays of shape (n,), got {one.shape} and {other.shape}."
        )
    if len(one) == 0:
        raise ValueError("Metrics need at least one pair of values, got none.")
