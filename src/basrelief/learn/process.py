"""A Gaussian process for many targets at once, averaged over its scale and noise."""

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
    """A Gaussian process fitted to each target, on distances between items."""

    mean: Floats
    """(target,) The mean of the known labels, in their unit; NaN without a label."""

    scales: Floats
    """(scale,) Length scales, in the unit of the distances."""

    weights: Floats
    """(scale, item, target) What each training item adds where the correlation is 1."""

    noise: Floats
    """(target,) Expected share of the variance that is noise, 0 to 1."""

    odds: Floats
    """(scale, noise, target) How likely each point of the grid is; sums to 1 a target."""


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


def fit_process(distance: Floats, Y: Floats, scales: Floats, noises: Floats = NOISE) -> Process:
    """Fit a Gaussian process to each target.

    Length scale and share of noise are averaged over a grid by their marginal likelihood, the
    variance is in closed form. The most likely pair alone would see structure in noise. One
    decomposition a scale serves all noises and targets.

    Parameters
    ----------
    distance : (item, item)
        Distances between training items.
    Y : (item, target)
        Labels; NaN where unknown.
    scales, noises
        The grid.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 5.2, 5.4.
    """
    n_items, n_targets = Y.shape
    process = Process(
        mean=np.full(n_targets, np.nan),
        scales=scales,
        weights=np.zeros((len(scales), n_items, n_targets)),
        noise=np.ones(n_targets),
        odds=np.zeros((len(scales), len(noises), n_targets)),
    )
    patterns, pattern_of = np.unique(~np.isnan(Y), axis=1, return_inverse=True)
    for pattern, is_known in enumerate(patterns.T):
        if is_known.any():
            columns = np.flatnonzero(pattern_of == pattern)
            labels = Y[np.ix_(is_known, columns)]
            weights, odds = _fit_known(distance[np.ix_(is_known, is_known)], labels, scales, noises)
            process.mean[columns] = labels.mean(axis=0)
            process.weights[np.ix_(np.arange(len(scales)), is_known, columns)] = weights
            process.odds[:, :, columns] = odds
            process.noise[columns] = np.einsum("ijt,j->t", odds, noises)
    return process


def predict_process(process: Process, distance: Floats) -> Floats:
    """Predict targets from distances to the training items.

    Parameters
    ----------
    distance : (item, training item)

    Returns
    -------
    (item, target)
        In the labels' unit.
    """
    predicted = np.tile(process.mean, (len(distance), 1))
    for scale, weights in zip(process.scales, process.weights, strict=True):
        predicted += correlate(distance, scale) @ weights
    return predicted


def _fit_known(
    distance: Floats, labels: Floats, scales: Floats, noises: Floats
) -> tuple[Floats, Floats]:
    """Fit targets that are known for the same items: weights, and the odds of the grid."""
    residual = labels - labels.mean(axis=0)
    likelihood = np.empty((len(scales), len(noises), labels.shape[1]))
    weights = np.empty((len(scales), *labels.shape))
    for i, scale in enumerate(scales):
        values, vectors = eigh(correlate(distance, scale))
        rotated = vectors.T @ residual
        signal = 1 - noises[:, None]
        spectra = signal * np.maximum(values, 0.0) + noises[:, None]  # (noise, item)
        likelihood[i] = _profile_likelihood(spectra, rotated)
        # Noises are averaged before turning back: one product a scale, and not one a noise.
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
