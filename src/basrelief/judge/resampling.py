"""Intervals by the bootstrap of whole groups: blocks of ground, or areas."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

N_REPLICATES = 1000
INTERVAL = (2.5, 97.5)
"""Percentiles of the 95 % interval."""

MIN_GROUPS = 10
"""With fewer groups to resample, an interval would be make-believe."""

MAX_CACHED = 4
"""Numbers of groups whose draws are kept for the next sums: bounds the memory."""

Floats = NDArray[np.float64]
Interval = tuple[float | None, float | None]

NO_INTERVAL: Interval = (None, None)


@dataclass
class Draws:
    """How often each group is taken in each bootstrap replicate, drawn once a number of groups.

    What is compared is resampled alike, and drawing takes longer than summing.
    """

    rng: np.random.Generator
    _drawn: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def take(self, n_groups: int) -> NDArray[np.float32]:
        """Draw groups with replacement: counts, (replicate, group)."""
        if n_groups not in self._drawn:
            while len(self._drawn) >= MAX_CACHED:
                del self._drawn[next(iter(self._drawn))]
            share = np.full(n_groups, 1 / n_groups)
            taken = self.rng.multinomial(n_groups, share, size=N_REPLICATES)
            # float32 holds such counts exactly, in half of the memory.
            self._drawn[n_groups] = taken.astype(np.float32)
        return self._drawn[n_groups]


def inflate_percentiles(n_groups: int) -> tuple[float, float]:
    """Give the percentiles of bootstrap replicates that make a 95 % interval.

    A plain percentile interval of few groups is too narrow, as a normal quantile is where
    Student's is due: it is inflated by as much.

    References
    ----------
    Hesterberg (2015), The American Statistician 69, 371-386, section 5.3.

    Examples
    --------
    >>> [round(value, 2) for value in inflate_percentiles(25)]
    [1.76, 98.24]
    """
    low = INTERVAL[0] / 100
    quantile = np.sqrt(n_groups / (n_groups - 1)) * stats.t.ppf(low, n_groups - 1)
    share = 100 * float(stats.norm.cdf(quantile))
    return share, 100 - share


def resample_skills(error: Floats, error_of_mean: Floats, draws: Draws) -> Floats | None:
    """Resample skills from squared errors summed by group.

    Parameters
    ----------
    error, error_of_mean : (repeat, group)
        Sums of squared errors of the prediction, and of always predicting the mean.

    Returns
    -------
    (replicate,)
        Means over repeats, which share each draw: they are the same ground, folded anew. None
        with fewer than ten groups, or where a draw may leave the mean without error.

    References
    ----------
    Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    if error.shape[1] < MIN_GROUPS:
        return None
    taken = draws.take(error.shape[1])
    drawn, drawn_of_mean = taken @ error.T, taken @ error_of_mean.T  # (replicate, repeat)
    if (drawn_of_mean <= 0).any():
        return None
    skills: Floats = np.mean(1.0 - drawn / drawn_of_mean, axis=1)
    return skills


def mean_skill(error: Floats, error_of_mean: Floats) -> float:
    """Give the skill, a mean over repeats, from squared errors summed by group.

    Parameters
    ----------
    error, error_of_mean : (repeat, group)
        Of the prediction, and of what it is held against.

    Returns
    -------
    NaN where what it is held against has no error in some repeat, or there is no repeat.

    Examples
    --------
    >>> mean_skill(np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]]))
    0.75
    """
    total = error_of_mean.sum(axis=1)
    if not len(total) or (total <= 0).any():
        return float("nan")
    return float(np.mean(1 - error.sum(axis=1) / total))


def sum_by_repeat(
    values: Floats, repeat: NDArray[np.int64], group: NDArray[np.int64], shape: tuple[int, int]
) -> Floats:
    """Sum over the rows of each repeat and group, (repeat, group), as many as ``shape`` says.

    Parameters
    ----------
    values, repeat, group : (row,)
        Repeats and groups are numbered from 0.
    """
    # One bincount for all: a repeat and a group as a single number.
    cell = np.ravel_multi_index((repeat, group), shape)
    return sum_by_group(values, cell, shape[0] * shape[1]).reshape(shape)


def sum_by_group(values: Floats, group: NDArray[np.int64], n_groups: int) -> Floats:
    """Sum over the items of each group.

    Parameters
    ----------
    values : (..., item)
    group : (item,)
        From 0.

    Returns
    -------
    (..., group)

    Examples
    --------
    >>> sum_by_group(np.array([[1.0, 2.0, 4.0]]), np.array([0, 1, 0]), 2)
    array([[5., 2.]])
    """
    sums = np.zeros((*values.shape[:-1], n_groups))
    # bincount adds in the order of the items: sums do not depend on threads.
    for index in np.ndindex(*values.shape[:-1]):
        sums[index] = np.bincount(group, values[index], n_groups)
    return sums


def bound(values: Floats | None, n_groups: int) -> tuple[float, float]:
    """Take the 95 % interval of bootstrap replicates, (replicate,); NaN where there are none."""
    if values is None:
        return float("nan"), float("nan")
    low, high = np.percentile(values, inflate_percentiles(n_groups))
    return float(low), float(high)


def or_none(value: float) -> float | None:
    """Make what is not a number null, as JSON has it."""
    return value if math.isfinite(value) else None


def bound_ratio(above: Floats, below: Floats, draws: Draws) -> Interval:
    """Take the 95 % interval of a ratio of sums over groups, (group,) each.

    Returns
    -------
    None twice with too few groups, or where a replicate may have nothing below.
    """
    if len(above) < MIN_GROUPS:
        return NO_INTERVAL
    taken = draws.take(len(above)).astype(np.float64)
    total = taken @ below
    if (total <= 0).any():
        return NO_INTERVAL
    return bound((taken @ above) / total, len(above))
