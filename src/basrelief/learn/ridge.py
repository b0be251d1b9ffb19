"""Ridge regression for many areas, its strength chosen on inner folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from basrelief.learn.process import group_targets
from basrelief.learn.threads import sparing_threads

Floats = NDArray[np.float64]

STRENGTHS = np.geomspace(1e-3, 1e3, 13)
"""Penalties to choose from, as multiples of the mean square of all features together."""


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
