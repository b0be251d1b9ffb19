"""Ridge regression that falls back to the mean where nothing can be learnt."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.linalg import eigh

from basrelief.run import replacing
from basrelief.splits.folds import assign_folds

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RidgeModel:
    """A ridge regression for each target, on standardised features."""

    mean: Floats
    """(n_features,) Mean of each feature in the training fold."""

    scale: Floats
    """(n_features,) Its standard deviation there; 1 where it does not vary."""

    coef: Floats
    """(n_features, n_targets) Units of the target per standard deviation."""

    intercept: Floats
    """(n_targets,) Units of the target; NaN for a target without a label."""

    strength: Floats
    """(n_targets,) The penalty chosen; infinite where it fell back."""

    trust: Floats
    """(n_targets,) How much of the regression is kept, 0 (only the mean) to 1 (all)."""

    is_fallback: NDArray[np.bool_]
    """(n_targets,) Whether the target is predicted by its mean alone."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Targets that are known for the same rows, and how those rows are held out."""

    columns: NDArray[np.int64]
    groups: NDArray[np.str_]
    folds: NDArray[np.int64] | None
    """None where there are too few groups to hold any out."""


def fit_ridge(
    X: Floats,
    Y: Floats,
    strengths: list[float],
    inner_groups: NDArray[np.str_],
    inner_folds: int,
    rng: np.random.Generator,
) -> RidgeModel:
    """Fit a ridge regression to each target, with a strength of its own.

    The strength is the one with the least squared error over inner folds that keep groups
    whole. Its predictions are then drawn towards the mean by how surely it beat the mean
    there: what it gained over the groups, against that gain's standard error. Where the gain
    is within one standard error, the mean is the prediction.

    Parameters
    ----------
    X : (n, n_features)
        NaN counts as the feature's mean.
    Y : (n, n_targets)
        NaN where unknown.
    strengths
        Penalties to choose from, on the squared coefficients of standardised features.
    inner_groups : (n,)
        Ground that must not lie on both sides of an inner split: a block, or an area.
    inner_folds
        How many inner folds; fewer where there are fewer groups.

    References
    ----------
    Hoerl and Kennard (1970), Technometrics 12, 55-67.
    James and Stein (1961), Proc. 4th Berkeley Symposium 1, 361-379 (the drawing to the mean).
    """
    mean, scale = _measure_spread(X)
    model = RidgeModel(
        mean=mean,
        scale=scale,
        coef=np.zeros((X.shape[1], Y.shape[1])),
        intercept=np.full(Y.shape[1], np.nan),
        strength=np.full(Y.shape[1], np.inf),
        trust=np.zeros(Y.shape[1]),
        is_fallback=np.ones(Y.shape[1], dtype=bool),
    )
    # Targets that are known for the same rows share their decompositions.
    patterns, pattern_of = np.unique(~np.isnan(Y), axis=1, return_inverse=True)
    for pattern, is_known in enumerate(patterns.T):
        if is_known.any():
            columns, groups = np.flatnonzero(pattern_of == pattern), inner_groups[is_known]
            folds = inner_folds_of(groups, inner_folds, rng)
            choice = Choice(columns, groups, folds)
            _fit_known(model, choice, X[is_known], Y[is_known][:, columns], strengths)
    return model


def predict_ridge(model: RidgeModel, X: Floats) -> Floats:
    """Predict the targets in their units, (n, n_targets), from (n, n_features)."""
    predicted: Floats = _standardise(X, model.mean, model.scale) @ model.coef + model.intercept
    return predicted


def save_ridge(model: RidgeModel, path: Path) -> None:
    """Write a model as safetensors, whole or not at all."""
    tensors = {item.name: np.ascontiguousarray(getattr(model, item.name)) for item in fields(model)}
    with replacing(path) as part:
        save_file(tensors, part)


def load_ridge(path: Path) -> RidgeModel:
    """Read what `save_ridge` wrote."""
    return RidgeModel(**load_file(path))


def inner_folds_of(
    groups: NDArray[np.str_], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """Deal rows into inner folds; None where there are too few groups to hold any out."""
    if len(np.unique(groups)) < 2:
        return None
    return assign_folds(groups, n_folds, rng)


def _fit_known(
    model: RidgeModel, choice: Choice, X: Floats, Y: Floats, strengths: list[float]
) -> None:
    """Fill in the model's targets in ``choice.columns``, all known for every row of ``X``."""
    model.intercept[choice.columns] = Y.mean(axis=0)
    if choice.folds is None:
        return
    best, trust = _choose_strengths(X, Y, strengths, choice.folds, choice.groups)
    Z = _standardise(X, model.mean, model.scale)
    coef = _solve(Z, Y, strengths)  # (strength, feature, target)
    for k in np.flatnonzero(trust > 0):
        column = choice.columns[k]
        model.coef[:, column] = trust[k] * coef[best[k], :, k]
        model.intercept[column] -= Z.mean(axis=0) @ model.coef[:, column]
        model.strength[column] = strengths[best[k]]
        model.trust[column] = trust[k]
        model.is_fallback[column] = False


def _choose_strengths(
    X: Floats,
    Y: Floats,
    strengths: list[float],
    folds: NDArray[np.int64],
    groups: NDArray[np.str_],
) -> tuple[NDArray[np.int64], Floats]:
    """Pick the strength of least held-out error for each target, and how far to trust it."""
    gain = np.zeros((len(strengths), *Y.shape))  # (strength, row, target)
    for fold in np.unique(folds):
        is_train, is_held = folds != fold, folds == fold
        mean, scale = _measure_spread(X[is_train])
        Z = _standardise(X[is_train], mean, scale)
        coef = _solve(Z, Y[is_train], strengths)
        held = _standardise(X[is_held], mean, scale) - Z.mean(axis=0)
        residual = Y[is_held] - Y[is_train].mean(axis=0)
        gain[:, is_held] = residual**2 - (residual - held @ coef) ** 2
    best = gain.sum(axis=1).argmax(axis=0)
    columns = range(Y.shape[1])
    trust = [measure_trust(gain[best[k], :, k], groups) for k in columns]
    return best, np.array(trust)


def measure_trust(gain: Floats, groups: NDArray[np.str_]) -> float:
    """Say how much of a regression to keep, from what it gained on held-out rows.

    Parameters
    ----------
    gain : (n,)
        Squared error of the mean less that of the regression, for each row.
    groups : (n,)
        Rows of one group err alike, so the gain's standard error is taken over groups.

    Returns
    -------
    0 where the gain is within one standard error of nothing, towards 1 where it is far above.

    Examples
    --------
    >>> measure_trust(np.array([3.0, 1.0, 2.0, 2.0]), np.array(["a", "b", "c", "d"]))
    0.958333...
    """
    _, group_of = np.unique(groups, return_inverse=True)
    by_group = np.bincount(group_of, gain)
    total = float(by_group.sum())
    if total <= 0:
        return 0.0
    variance = len(by_group) * float(by_group.var(ddof=1))
    return max(0.0, 1.0 - variance / total**2)


def _solve(Z: Floats, Y: Floats, strengths: list[float]) -> Floats:
    """Solve the ridge regression for every strength at once, (strength, feature, target)."""
    # One decomposition serves all strengths: only the shrinkage of its directions differs. It
    # is of the smaller of the two products, for which no singular vectors need be found.
    centred, residual = Z - Z.mean(axis=0), Y - Y.mean(axis=0)
    penalty = np.asarray(strengths)[:, None, None]
    if len(Z) < Z.shape[1]:
        values, vectors = eigh(centred @ centred.T)
        rotated = vectors.T @ residual / (values[:, None] + penalty)
        basis = centred.T @ vectors
    else:
        values, basis = eigh(centred.T @ centred)
        rotated = basis.T @ (centred.T @ residual) / (values[:, None] + penalty)
    coef: Floats = basis @ rotated
    return coef


def _measure_spread(X: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature, over its known values."""
    is_known = np.isfinite(X)
    n_known = np.maximum(is_known.sum(axis=0), 1)
    mean = np.where(is_known, X, 0.0).sum(axis=0) / n_known
    deviation = np.where(is_known, X - mean, 0.0)
    scale = np.sqrt((deviation**2).sum(axis=0) / n_known)
    # A feature that varies by rounding alone must not be blown up to unit spread.
    is_flat = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(is_flat, 1.0, scale)


def _standardise(X: Floats, mean: Floats, scale: Floats) -> Floats:
    """Centre and scale; a value that is not known becomes the mean."""
    standard: Floats = np.where(np.isfinite(X), (X - mean) / scale, 0.0)
    return standard
