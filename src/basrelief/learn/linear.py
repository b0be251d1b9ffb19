"""A linear model of areas: a sum over features, the same wherever the features are the same."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from basrelief.run import replacing

Floats = NDArray[np.float64]

REACH = 3.0
"""Standard deviations beyond which a feature counts no further: one odd area must not rule."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A regression for each target on standardised features."""

    mean: Floats
    """(feature,) Mean of each feature over the training areas."""

    scale: Floats
    """(feature,) Its standard deviation there; 1 where it does not vary."""

    coef: Floats
    """(feature, target) Units of the target per standard deviation, weights included."""

    intercept: Floats
    """(target,) What is predicted where every feature is at its mean; NaN without a label."""

    weight: Floats
    """(member, target) How much of each member's regression is kept, 0 to 1 together."""

    is_fallback: NDArray[np.bool_]
    """(target,) Whether the target is predicted by its mean alone."""


def predict_linear(model: LinearModel, X: Floats) -> Floats:
    """Predict the targets in their units, (n, target), from features, (n, feature)."""
    predicted: Floats = standardise(X, model.mean, model.scale) @ model.coef + model.intercept
    return predicted


def measure_spread(X: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature, over its known values."""
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

    Examples
    --------
    >>> standardise(np.array([[1.0], [np.nan], [99.0]]), np.array([0.0]), np.array([2.0]))
    array([[0.5],
           [0. ],
           [3. ]])
    """
    standard: Floats = np.where(np.isfinite(X), (X - mean) / scale, 0.0)
    return np.clip(standard, -REACH, REACH)


def save_linear(model: LinearModel, path: Path) -> None:
    """Write a model as safetensors, whole or not at all."""
    tensors = {item.name: np.ascontiguousarray(getattr(model, item.name)) for item in fields(model)}
    with replacing(path) as part:
        save_file(tensors, part)


def load_linear(path: Path) -> LinearModel:
    """Read what `save_linear` wrote."""
    return LinearModel(**load_file(path))
