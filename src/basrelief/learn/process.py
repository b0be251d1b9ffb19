"""A Gaussian process for many targets at once, averaged over its correlations and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import softmax

Floats = NDArray[np.float64]

NOISE = np.concatenate([np.geomspace(0.01, 0.5, 12), np.linspace(0.6, 1.0, 9)])
"""Shares of the variance that may be noise; at 1 there is nothing but the mean."""


@dataclass(frozen=True, eq=False)
class Process:
    """A Gaussian process fitted to each target, on correlations between items."""

    mean: Floats
    """(target,) The mean of the known labels, in their unit; NaN without a label."""

    weights: Floats
    """(candidate, item, target) What each training item adds where the correlation is 1."""

    noise: Floats
    """(target,) Expected share of the variance that is noise, 0 to 1."""

    odds: Floats
    """(candidate, noise, target) How likely each point of the grid is; sums to 1 a target."""


def correlate(distance: Floats, scale: float | Floats) -> Floats:
    """Give the Matérn correlation of smoothness 3/2 at distances.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equation 4.17.

    Examples
    --------
    >>> correlate(np.array([0.0, 1.0]), 1.0).round(3)
    array([1.   , 0.483])
    """
    ratio = np.sqrt(3.0) * distance / scale
    correlation: Floats = (1.0 + ratio) * np.exp(-ratio)
    return correlation


def choose_scales(distance: Floats, n_scales: int = 12) -> Floats:
    """Choose length scales to try, from the nearest neighbours' distance to twice the place's."""
    apart = distance[np.triu_indices_from(distance, 1)]
    apart = apart[apart > 0]
    if not len(apart):
        return np.array([1.0])
    return np.geomspace(np.quantile(apart, 0.01), 2.0 * apart.max(), n_scales)


def correlate_all(distance: Floats, scales: Floats) -> Floats:
    """Give the correlation at distances for each of some length scales, (scale, *distance)."""
    return np.stack([correlate(distance, scale) for scale in scales])


def fit_process(
    correlations: Floats, Y: Floats, odds_before: Floats | None = None, noises: Floats = NOISE
) -> Process:
    """Fit a Gaussian process to each target.

    Candidate correlations and the share of noise are averaged over by their marginal
    likelihood, the variance is in closed form. The most likely pair alone would see structure
    in noise. One decomposition a candidate serves all noises and targets.

    Parameters
    ----------
    correlations : (candidate, item, item)
        What labels of training items may have in common, 1 on average with themselves.
    Y : (item, target)
        Labels; NaN where unknown.
    odds_before : (candidate,)
        How likely each candidate is before any label is seen; alike by default.
    noises : (noise,)
        Shares of the variance that may be noise.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 5.2, 5.4.
    """
    n_candidates, n_items, n_targets = len(correlations), *Y.shape
    if odds_before is None:
        odds_before = np.full(n_candidates, 1 / n_candidates)
    process = Process(
        mean=np.full(n_targets, np.nan),
        weights=np.zeros((n_candidates, n_items, n_targets)),
        noise=np.ones(n_targets),
        odds=np.zeros((n_candidates, len(noises), n_targets)),
    )
    for is_known, columns in group_targets(Y):
        labels = Y[np.ix_(is_known, columns)]
        # Candidates are large: not copied where every item has a label.
        known = correlations if is_known.all() else correlations[:, is_known][:, :, is_known]
        weights, odds = _fit_known(known, labels, odds_before, noises)
        process.mean[columns] = labels.mean(axis=0)
        process.weights[np.ix_(np.arange(n_candidates), is_known, columns)] = weights
        process.odds[:, :, columns] = odds
        process.noise[columns] = np.einsum("ijt,j->t", odds, noises)
    return process


def group_targets(Y: Floats) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Group the targets that are known for the same items: what is solved once for all of them.

    Returns
    -------
    For each group the mask of the items (item,) and the columns of the targets. Targets that are
    known nowhere are in none.

    Examples
    --------
    >>> [columns.tolist() for _, columns in group_targets(np.array([[1, np.nan, 2], [3, 4, 5.0]]))]
    [[1], [0, 2]]
    """
    is_known = ~np.isnan(Y)
    columns_of: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(is_known.any(axis=0)).tolist():
        columns_of.setdefault(is_known[:, column].tobytes(), []).append(column)
    # Sorted, so that the order of the targets does not matter to what is drawn at random.
    found = [columns_of[pattern] for pattern in sorted(columns_of)]
    return [(is_known[:, columns[0]], np.array(columns)) for columns in found]


def predict_process(process: Process, correlations: Floats) -> Floats:
    """Predict targets from correlations with the training items.

    Parameters
    ----------
    correlations : (candidate, item, training item)

    Returns
    -------
    (item, target)
        In the labels' unit.
    """
    predicted = np.tile(process.mean, (correlations.shape[1], 1))
    for correlation, weights in zip(correlations, process.weights, strict=True):
        predicted += correlation @ weights
    return predicted


def _fit_known(
    correlations: Floats, labels: Floats, odds_before: Floats, noises: Floats
) -> tuple[Floats, Floats]:
    """Fit targets that are known for the same items: weights, and the odds of the grid."""
    residual = labels - labels.mean(axis=0)
    likelihood = np.empty((len(correlations), len(noises), labels.shape[1]))
    weights = np.empty((len(correlations), *labels.shape))
    for i, correlation in enumerate(correlations):
        values, vectors = eigh(correlation, check_finite=False)
        rotated = vectors.T @ residual
        signal = 1 - noises[:, None]
        spectra = signal * np.maximum(values, 0.0) + noises[:, None]  # (noise, item)
        likelihood[i] = _profile_likelihood(spectra, rotated) + np.log(odds_before[i])
        # Noises are averaged before turning back: one product a candidate, and not one a noise.
        kept = softmax(likelihood[i], axis=0).T @ (signal / spectra)  # (target, item)
        weights[i] = vectors @ (rotated * kept.T)
    odds: Floats = softmax(likelihood, axis=(0, 1))
    return weights * odds.sum(axis=1)[:, None, :], odds


def _profile_likelihood(spectra: Floats, rotated: Floats) -> Floats:
    """Log marginal likelihood with the variance in closed form, (noise, target)."""
    n_items = spectra.shape[1]
    fit = (1 / spectra) @ rotated**2
    # A target that does not vary fits at any scale: it has nothing to choose by.
    logarithm = np.log(np.where(fit > 0, fit / n_items, 1.0))
    determinant = np.log(spectra).sum(axis=1)[:, None]
    likelihood: Floats = -0.5 * (n_items * logarithm + determinant)
    return likelihood
