"""A Gaussian process for many targets at once, averaged over what items may have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Floats = NDArray[np.float64]

MANY = 500
"""Up to this many items of a place every candidate is tried on all of them: each takes a
decomposition of their square. Beyond, samples and inner folds choose in their stead."""

NOISE = np.concatenate([np.geomspace(0.01, 0.5, 12), np.linspace(0.6, 1.0, 9)])
"""Shares of the variance that may be noise; at 1 there is nothing but the mean."""


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A Gaussian process fitted to each target, its covariance a sum of components."""

    weights: Floats
    """(component, item, target) What each training item adds to the mean of the known labels
    where the component is 1: ``(components @ weights).sum(axis=0)`` predicts."""

    posterior: Floats
    """(candidate, noise, target) Probability of each point of the grid; sums to 1 a target."""


def has_many(n_items: int) -> bool:
    """Say whether a place has more items than every candidate can be tried on.

    The one question, asked once for all folds of a scheme: of the areas of the *place* that can
    be learnt from, and not of a fold's training areas, so that no scheme mixes two methods.
    """
    return n_items > MANY


def sample_items(n_items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the items that speak for all of a place where these are many; all of them, where not.

    Returns
    -------
    (item,)
        Positions, in any order.
    """
    return rng.choice(n_items, min(MANY, n_items), replace=False)


def fit_gaussian_process(
    components: Floats,
    Y: Floats,
    mixes: Floats | None = None,
    prior: Floats | None = None,
    noises: Floats = NOISE,
) -> GaussianProcess:
    """Fit a Gaussian process to each target.

    Candidates, each a mix of components, and the share of noise are averaged over by their
    marginal likelihood; the variance is in closed form. The most likely pair alone would see
    structure in noise. One decomposition a candidate serves all noises and targets.

    Parameters
    ----------
    components : (component, item, item)
        What labels of training items may have in common, 1 on average with themselves.
    Y : (item, target)
        Labels; NaN where unknown. In single precision where thousands of targets are drawn, and
        not measured: the arithmetic follows, in half the time.
    mixes : (candidate, component)
        Shares of the components in each candidate; by default every component is one.
    prior : (candidate,)
        Probability of each candidate before any label is seen; alike by default.
    noises : (noise,)
        Shares of the variance that may be noise.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 5.2, 5.4.
    Hoeting et al. (1999), Statistical Science 14, 382-417 (averaging over models).
    """
    n_components, n_items, n_targets = len(components), *Y.shape
    if mixes is None:
        mixes = np.eye(n_components)
    if prior is None:
        prior = np.full(len(mixes), 1 / len(mixes))
    process = GaussianProcess(
        weights=np.zeros((n_components, n_items, n_targets), Y.dtype),
        posterior=np.zeros((len(mixes), len(noises), n_targets), Y.dtype),
    )
    for is_known, columns in group_targets(Y):
        labels = Y[np.ix_(is_known, columns)]
        # Components are large: not copied where every item has a label.
        known = components if is_known.all() else components[:, is_known][:, :, is_known]
        weights, posterior = _fit_known(known, labels, mixes, prior, noises)
        process.weights[np.ix_(np.arange(n_components), is_known, columns)] = weights
        process.posterior[:, :, columns] = posterior
    return process


def group_targets(Y: Floats) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Group the targets that are known for the same items: what is solved once for all of them.

    Parameters
    ----------
    Y : (item, target)
        NaN where unknown.

    Returns
    -------
    For each group the mask of the items, (item,), and the columns of the targets, (n,). Targets
    that are known nowhere are in none.

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


def _fit_known(
    components: Floats, labels: Floats, mixes: Floats, prior: Floats, noises: Floats
) -> tuple[Floats, Floats]:
    """Fit targets that are known for the same items.

    Returns
    -------
    Weights (component, item, target), and the posterior (candidate, noise, target).
    """
    residual = labels - labels.mean(axis=0)
    exact = labels.dtype
    components, noises = components.astype(exact, copy=False), noises.astype(exact, copy=False)
    likelihood = np.empty((len(mixes), len(noises), labels.shape[1]), exact)
    weights = np.zeros((len(components), *labels.shape), exact)
    most = np.full(labels.shape[1], -np.inf, exact)  # (target,) Of the candidates so far.
    total = np.zeros(labels.shape[1], exact)
    for i, mix in enumerate(mixes):
        # Candidates are mixed one at a time: hundreds of them would not fit into memory.
        # Divide and conquer takes a half to a fifth of the default's time here.
        values, vectors = eigh(_mix(components, mix), driver="evd", check_finite=False)
        rotated = vectors.T @ residual
        signal = 1 - noises[:, None]
        spectra = signal * np.maximum(values, 0.0) + noises[:, None]  # (noise, item)
        likelihood[i] = _profile_likelihood(spectra, rotated) + math.log(prior[i])
        # Summed as they come, relative to the most likely so far: their weights would not fit
        # into memory where labels are drawn by the thousand.
        higher = np.maximum(most, likelihood[i].max(axis=0))
        chances = np.exp(likelihood[i] - higher)
        rises = np.flatnonzero(higher > most)
        fades = np.exp(most[rises] - higher[rises])
        weights[:, :, rises] *= fades
        total[rises] *= fades
        total += chances.sum(axis=0)
        # Noises are averaged before turning back: one product a candidate, and not one a noise.
        added = vectors @ (rotated * ((signal / spectra).T @ chances))
        for k in np.flatnonzero(mix):
            weights[k] += float(mix[k]) * added
        most = higher
    posterior: Floats = np.exp(likelihood - most) / total
    return weights / total, posterior


def _mix(components: Floats, mix: Floats) -> Floats:
    """Add up components, (component, item, item), by their shares, (component,)."""
    mixed = np.zeros(components.shape[1:], components.dtype)
    for k in np.flatnonzero(mix):
        mixed += float(mix[k]) * components[k]
    return mixed


def _profile_likelihood(spectra: Floats, rotated: Floats) -> Floats:
    """Log marginal likelihood with the variance in closed form, (noise, target)."""
    n_items = spectra.shape[1]
    fit = (1 / spectra) @ rotated**2
    # A target that does not vary fits at any scale: it has nothing to choose by.
    logarithm = np.log(np.where(fit > 0, fit / n_items, 1.0))
    determinant = np.log(spectra).sum(axis=1)[:, None]
    likelihood: Floats = -0.5 * (n_items * logarithm + determinant)
    return likelihood
