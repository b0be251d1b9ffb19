"""A linear model of areas: a sum over features, the same wherever the features are the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh

from basrelief.learn.gaussian_process import group_targets
from basrelief.learn.threads import sparing_threads

Floats = NDArray[np.float64]

REACH = 3.0
"""Standard deviations beyond which a feature counts no further: one odd area must not rule."""

STRENGTHS = np.geomspace(1e-3, 1e3, 13)
"""Penalties to choose from, as multiples of the mean square of all features together."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A regression for each target on the standardised features of all feature sets in turn."""

    mean: Floats
    """(feature,) Mean of each feature over the training areas."""

    scale: Floats
    """(feature,) Its standard deviation there; 1 where it does not vary."""

    coef: Floats
    """(feature, target) Units of the target per standard deviation, weights included."""

    intercept: Floats
    """(target,) What is predicted where every feature is at its mean; NaN without a label."""

    weight: Floats
    """(set, target) How much of each feature set is kept, 0 to 1: its weight in a stack, or the
    posterior probability that it says anything."""

    is_fallback: NDArray[np.bool_]
    """(target,) Whether the target is predicted by its mean alone."""


@dataclass(frozen=True, eq=False)
class Standard:
    """How features are brought to one scale: centred, and far values cut off."""

    mean: Floats
    """(feature,)"""

    scale: Floats
    """(feature,)"""

    shift: Floats
    """(feature,) Mean of the standardised features: not 0 where far values were cut off."""

    def apply(self, X: Floats) -> Floats:
        """Standardise features, (n, feature) before and after: 0 on average where it was learnt."""
        Z: Floats = standardise(X, self.mean, self.scale) - self.shift
        return Z


def predict_linear(model: LinearModel, X: Floats) -> Floats:
    """Predict the targets in their units, (n, target), from features, (n, feature)."""
    predicted: Floats = standardise(X, model.mean, model.scale) @ model.coef + model.intercept
    return predicted


def measure_spread(X: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation, (feature,) each, over the known values of (n, feature)."""
    is_known = np.isfinite(X)
    n_known = np.maximum(is_known.sum(axis=0), 1)
    mean = np.where(is_known, X, 0.0).sum(axis=0) / n_known
    deviation = np.where(is_known, X - mean, 0.0)
    scale = np.sqrt((deviation**2).sum(axis=0) / n_known)
    # A feature that varies by rounding alone must not be blown up to unit spread.
    is_flat = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(is_flat, 1.0, scale)


def standardise(X: Floats, mean: Floats, scale: Floats) -> Floats:
    """Centre, scale and cut off far values; a value that is not known becomes the mean.

    Parameters
    ----------
    X : (n, feature)
    mean, scale : (feature,)

    Returns
    -------
    (n, feature)

    Examples
    --------
    >>> standardise(np.array([[1.0], [np.nan], [99.0]]), np.array([0.0]), np.array([2.0]))
    array([[0.5],
           [0. ],
           [3. ]])
    """
    standard: Floats = np.where(np.isfinite(X), (X - mean) / scale, 0.0)
    return np.clip(standard, -REACH, REACH)


def learn_standard(X: Floats) -> Standard:
    """Learn the scale of features from the training areas, (area, feature)."""
    mean, scale = measure_spread(X)
    return Standard(mean, scale, standardise(X, mean, scale).mean(axis=0))


def average_known(labels: Floats) -> Floats:
    """Average known labels, (item, target), over items: (target,); NaN without one."""
    # Not nanmean: a target without a label has no mean, and that is no fault here.
    mean: Floats = pd.DataFrame(labels).mean().to_numpy(np.float64)
    return mean


def make_linear(standard: Standard, coef: Floats, labels: Floats, weight: Floats) -> LinearModel:
    """Make a model of coefficients on standardised features.

    Parameters
    ----------
    coef : (feature, target)
    labels : (area, target)
        Of the training areas; NaN where unknown. Their means are what is predicted there.
    weight : (set, target)
        How much each feature set counts.
    """
    return LinearModel(
        mean=standard.mean,
        scale=standard.scale,
        coef=coef,
        intercept=average_known(labels) - standard.shift @ coef,
        weight=weight,
        is_fallback=np.asarray((weight <= 0).all(axis=0)),
    )


def fit_ridge(Z: Floats, Y: Floats, folds: NDArray[np.int64]) -> Floats:
    """Fit a ridge regression to each target, with the strength of least held-out error.

    Memory is that of the features: no square of the areas is held where these are more.

    Parameters
    ----------
    Z : (n, feature)
        Standardised features.
    Y : (n, target)
        NaN where unknown.
    folds : (n,)
        Inner folds, which keep ground together.

    Returns
    -------
    (feature, target)
        Units of the target per unit of ``Z``.

    References
    ----------
    Hoerl and Kennard (1970), Technometrics 12, 55-67.
    """
    coef = np.zeros((Z.shape[1], Y.shape[1]))
    strengths = STRENGTHS * max(float((Z**2).sum()) / len(Z), 1e-12)
    # Many areas of few features are a small product too.
    side = round((Z.size * min(Z.shape)) ** (1 / 3))
    # Targets that are known for the same rows share their decompositions.
    for is_known, columns in group_targets(Y):
        labels, inner = Y[np.ix_(is_known, columns)], folds[is_known]
        with sparing_threads(side):
            best = _choose_strengths(Z[is_known], labels, strengths, inner)
            solved = _solve(Z[is_known], labels, strengths)  # (strength, feature, target)
        coef[:, columns] = solved[best, :, np.arange(len(columns))].T
    return coef


def _choose_strengths(
    Z: Floats, Y: Floats, strengths: Floats, folds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pick the strength of least held-out error for each target."""
    error = np.zeros((len(strengths), Y.shape[1]))
    for fold in np.unique(folds):
        is_held = folds == fold
        if is_held.all():
            continue
        coef = _solve(Z[~is_held], Y[~is_held], strengths)
        held = Z[is_held] - Z[~is_held].mean(axis=0)
        residual = Y[is_held] - Y[~is_held].mean(axis=0)
        error += ((residual - held @ coef) ** 2).sum(axis=1)
    best: NDArray[np.int64] = error.argmin(axis=0)
    return best


def _solve(Z: Floats, Y: Floats, strengths: Floats) -> Floats:
    """Solve the ridge regression for every strength at once, (strength, feature, target)."""
    # One decomposition serves all strengths: only the shrinkage of its directions differs. It
    # is of the smaller of the two products, for which no singular vectors need be found.
    centred, residual = Z - Z.mean(axis=0), Y - Y.mean(axis=0)
    penalty = strengths[:, None, None]
    if len(Z) < Z.shape[1]:
        values, vectors = eigh(centred @ centred.T)
        rotated = vectors.T @ residual / (values[:, None] + penalty)
        basis = centred.T @ vectors
    else:
        values, basis = eigh(centred.T @ centred)
        rotated = basis.T @ (centred.T @ residual) / (values[:, None] + penalty)
    coef: Floats = basis @ rotated
    return coef
