"""How far areas lie from what a model was trained on, in the features that matter to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.learn.linear import measure_spread
from basrelief.learn.threads import sparing_threads

MAX_SAMPLE = 3000
"""Training areas beyond this many are sampled for the threshold and for the mean distance."""

BLOCK_ROWS = 64
"""Rows whose distances to all training areas are held at once: bounds the memory."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Applicability:
    """Which areas a model may be applied to."""

    di: Floats
    """(n_test,) Dissimilarity index: distance to the nearest training area, over the mean
    distance between training areas. 0 is a training area itself."""

    threshold: float
    """The largest dissimilarity that is not an outlier among the training areas themselves."""

    is_inside: NDArray[np.bool_]
    """(n_test,) Whether the index is at most the threshold."""


def measure_applicability(
    features_train: Floats,
    features_test: Floats,
    weights: Floats,
    groups_train: NDArray[np.str_],
    rng: np.random.Generator,
) -> Applicability:
    """Measure how far test areas lie from the training areas in feature space.

    Features are standardised in the training fold and multiplied by their weights. The
    threshold is the upper whisker of the training areas' own index, each measured to the
    nearest training area of another group.

    Parameters
    ----------
    features_train : (n_train, n_features)
        NaN counts as the feature's mean, as in the regression.
    features_test : (n_test, n_features)
        In the same order of features.
    weights : (n_features,)
        How much the model rests on each feature, 0 or more. All 0 (a model that fell back to
        the mean) counts every feature alike.
    groups_train : (n_train,)
        Ground that was held out together: a block, a district or an area.
    rng
        Draws the sample of training areas where there are more than 3,000.

    References
    ----------
    Meyer and Pebesma (2021), Methods in Ecology and Evolution 12, 1620-1633.
    """
    # Distances count in what the model rests on, or useless features would drown the others.
    train, test = _scale(features_train, features_test, weights)
    _, group = np.unique(groups_train, return_inverse=True)
    sample = np.arange(len(train))
    if len(train) > MAX_SAMPLE:
        sample = np.sort(rng.choice(len(train), MAX_SAMPLE, replace=False))
    with sparing_threads(BLOCK_ROWS):
        unit = _mean_distance(train[sample])
        own = _nearest(train[sample], train, (group[sample], group)) / unit
        di = _nearest(test, train, None) / unit
    # Infinite where all training areas are one group: no other group to measure to.
    threshold = upper_whisker(own[np.isfinite(own)])
    return Applicability(di=di, threshold=threshold, is_inside=di <= threshold)


def mark_unknown(frame: pd.DataFrame) -> pd.DataFrame:
    """Give predictions a nullable ``is_inside``; null in every row where it is not measured."""
    if "is_inside" in frame:
        return frame.astype({"is_inside": "boolean"})
    return frame.assign(is_inside=pd.Series(pd.NA, index=frame.index, dtype="boolean"))


def upper_whisker(values: Floats) -> float:
    """Take the largest of values, (n,), within 1.5 interquartile ranges above the upper quartile.

    Examples
    --------
    >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    4.0
    """
    if not len(values):
        return float("inf")
    low, high = np.percentile(values, (25, 75))
    return float(values[values <= high + 1.5 * (high - low)].max())


def _scale(train: Floats, test: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Standardise by the training areas, fill what is unknown with their mean, and weigh."""
    # A model that fell back to the mean has no weights, and yet a place has its likes.
    if not (weights > 0).any():
        weights = np.ones_like(weights)
    # What did not vary in training has no scale: it counts where a test area differs at all.
    mean, scale = measure_spread(train)
    keep = weights > 0
    scaled = [np.where(np.isfinite(X), (X - mean) / scale, 0.0) * weights for X in (train, test)]
    return scaled[0][:, keep], scaled[1][:, keep]


def _mean_distance(points: Floats) -> float:
    """Mean distance between two different points; 1 where all are the same."""
    total = sum(
        float(np.sqrt(_squares(points[at : at + BLOCK_ROWS], points)).sum())
        for at in range(0, len(points), BLOCK_ROWS)
    )
    mean = total / max(1, len(points) * (len(points) - 1))
    return mean if mean > 0 else 1.0


def _nearest(
    points: Floats, train: Floats, groups: tuple[NDArray[np.int64], NDArray[np.int64]] | None
) -> Floats:
    """Distance of each point to the nearest training point; of another group, if any are given."""
    found = np.full(len(points), np.inf)
    for at in range(0, len(points), BLOCK_ROWS):
        block = slice(at, at + BLOCK_ROWS)
        square = _squares(points[block], train)
        if groups is not None:
            square[groups[0][block, None] == groups[1]] = np.inf
        nearest = square.argmin(axis=1)
        # Taken again from the pair itself: the product of matrices loses small distances.
        exact = np.linalg.norm(points[block] - train[nearest], axis=1)
        has_any = np.isfinite(square[np.arange(len(nearest)), nearest])
        found[block] = np.where(has_any, exact, np.inf)
    return found


def _squares(one: Floats, other: Floats) -> Floats:
    """Squared distances between two sets of points, (n_one, n_other), by one matrix product."""
    square: Floats = one @ (-2 * other.T)
    square += (one**2).sum(axis=1)[:, None]
    square += (other**2).sum(axis=1)
    return np.maximum(square, 0.0, out=square)
