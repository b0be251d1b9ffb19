"""Models whose unit is the area: fitted, trusted as far as inner folds allow, combined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.spatial.distance import cdist

from basrelief.learn.linear import LinearModel, measure_spread, standardise
from basrelief.learn.ridge import fit_ridge
from basrelief.learn.trend import fit_trend
from basrelief.splits.folds import assign_folds

MANY = 500
"""Beyond this many training areas the residual is not modelled: inner folds choose a ridge."""

INNER_FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingAreas:
    """What a model may learn from."""

    features: list[Floats]
    """(area, feature) of each member; NaN where unknown. Members count alike beforehand."""

    labels: Floats
    """(area, target) NaN where unknown."""

    xy: Floats
    """(area, 2) Easting and northing of a point inside, in metres."""

    blocks: NDArray[np.str_]
    """(area,) Ground that must not lie on both sides of an inner split."""

    def take(self, rows: NDArray[np.int64]) -> TrainingAreas:
        """Keep some of the areas."""
        features = [X[rows] for X in self.features]
        return TrainingAreas(features, self.labels[rows], self.xy[rows], self.blocks[rows])


def fit_areas(known: TrainingAreas, rng: np.random.Generator) -> LinearModel:
    """Fit a linear model to each target, of one or several members.

    Each member is a regression of its own. Inner folds of whole blocks say how much of each to
    keep: the weights, not below 0 and not above 1 together, that fit best what the members
    predict of blocks that they did not see. A target of which inner folds see nothing gets no
    weight, and so its mean.

    References
    ----------
    Breiman (1996), Machine Learning 24, 49-64 (stacked regressions).
    """
    members = [_fit_member(X, known, rng) for X in known.features]
    weight = _weigh_members(known, rng)
    coef = [member.coef * weight[k] for k, member in enumerate(members)]
    return join_members([member.standard for member in members], coef, known.labels, weight)


@dataclass(frozen=True, eq=False)
class Standard:
    """How features are brought to one scale: centred, and far values cut off."""

    mean: Floats
    scale: Floats
    shift: Floats
    """(feature,) Mean of the standardised features: not 0 where far values were cut off."""

    def apply(self, X: Floats) -> Floats:
        """Standardise features, (n, feature): 0 on average over those that it was learnt from."""
        Z: Floats = standardise(X, self.mean, self.scale) - self.shift
        return Z


def learn_standard(X: Floats) -> Standard:
    """Learn the scale of a member's features from its training areas, (area, feature)."""
    mean, scale = measure_spread(X)
    return Standard(mean, scale, standardise(X, mean, scale).mean(axis=0))


def join_members(
    standards: list[Standard], coef: list[Floats], labels: Floats, weight: Floats
) -> LinearModel:
    """Make one model of several members' regressions.

    Parameters
    ----------
    coef : (feature, target) of each member
        What is kept of its regression on its standardised features.
    labels : (area, target)
        Of the training areas; NaN where unknown.
    weight : (member, target)
        How much each member counts, 0 to 1 together.
    """
    shift = [standard.shift @ part for standard, part in zip(standards, coef, strict=True)]
    return LinearModel(
        mean=np.concatenate([standard.mean for standard in standards]),
        scale=np.concatenate([standard.scale for standard in standards]),
        coef=np.concatenate(coef),
        intercept=_mean_labels(labels) - np.sum(shift, axis=0),
        weight=weight,
        is_fallback=np.asarray((weight <= 0).all(axis=0)),
    )


@dataclass(frozen=True, eq=False)
class _Member:
    """One member's regression, on standardised features."""

    standard: Standard
    coef: Floats

    def lift(self, X: Floats) -> Floats:
        """Predict how far labels lie from their mean, (area, target)."""
        lift: Floats = self.standard.apply(X) @ self.coef
        return lift


def _fit_member(X: Floats, known: TrainingAreas, rng: np.random.Generator) -> _Member:
    """Fit one member's regression to the training areas."""
    standard = learn_standard(X)
    Z = standard.apply(X)
    if len(X) > MANY:
        coef = fit_ridge(Z, known.labels, _inner_folds(known.blocks, rng))
    else:
        coef = fit_trend(Z, known.labels, cdist(known.xy, known.xy))
    return _Member(standard, coef)


def _weigh_members(known: TrainingAreas, rng: np.random.Generator) -> Floats:
    """Find how much of each member inner folds bear out, (member, target)."""
    n_members, n_targets = len(known.features), known.labels.shape[1]
    weight = np.zeros((n_members, n_targets))
    if len(np.unique(known.blocks)) < 2:
        return weight
    lifts, residuals = [], []
    folds = _inner_folds(known.blocks, rng)
    for fold in np.unique(folds):
        train, held = known.take(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        members = [_fit_member(X, train, rng) for X in train.features]
        seen = [X[held] for X in known.features]
        lifts.append([each.lift(X) for each, X in zip(members, seen, strict=True)])
        residuals.append(known.labels[held] - _mean_labels(train.labels))
    lift = np.concatenate(lifts, axis=1)  # (member, area, target)
    residual = np.concatenate(residuals)
    for k in range(n_targets):
        is_known = np.isfinite(residual[:, k])
        if is_known.any():
            weight[:, k] = find_weights(lift[:, is_known, k].T, residual[is_known, k])
    return weight


def find_weights(lift: Floats, residual: Floats) -> Floats:
    """Find weights, each at least 0 and at most 1 together, of least squared error.

    Parameters
    ----------
    lift : (n, member)
        What each member predicts above the mean.
    residual : (n,)
        What was observed above the mean.

    Examples
    --------
    >>> find_weights(np.array([[1.0], [-1.0]]), np.array([0.5, -0.5])).round(3)
    array([0.5])
    >>> find_weights(np.array([[1.0], [-1.0]]), np.array([-3.0, 1.0]))
    array([0.])
    """
    weights, _ = nnls(lift, residual)
    if weights.sum() <= 1:
        return np.asarray(weights, dtype=np.float64)
    # The best on the edge: one heavy row asks that they make 1.
    heavy = 1e4 * max(float(np.abs(lift).max()), 1e-12) * np.sqrt(len(lift))
    edged = np.vstack([lift, np.full(lift.shape[1], heavy)])
    weights, _ = nnls(edged, np.append(residual, heavy))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _inner_folds(blocks: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal areas into inner folds by blocks; all into one where there is a single block."""
    if len(np.unique(blocks)) < 2:
        return np.zeros(len(blocks), dtype=np.int64)
    return assign_folds(blocks, INNER_FOLDS, rng)


def _mean_labels(labels: Floats) -> Floats:
    """Mean of each target's known labels; NaN without one."""
    # Not nanmean: a target without a label has no mean, and that is no fault here.
    mean: Floats = pd.DataFrame(labels).mean().to_numpy(np.float64)
    return mean
