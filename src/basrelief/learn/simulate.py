"""Labels as they might have been: drawn from the process that was fitted to the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from basrelief.learn.gaussian_process import NOISE, fit_gaussian_process
from basrelief.learn.joint import AreaTerms, prepare_joint
from basrelief.learn.linear import average_known

JITTER = 1e-9
"""Added to what an area has in common with itself, so that rounding leaves a root."""

Floats = NDArray[np.float64]


def simulate_labels(
    terms: AreaTerms,
    labels: Floats,
    n_draws: int,
    rng: np.random.Generator,
    *,
    is_smoother: bool = False,
) -> Floats:
    """Draw labels of areas anew, as the process of ``terms`` takes them to come about.

    The process is fitted to the labels. Each draw takes one of its candidates and one share of
    noise, as often as they are likely, and then labels by these. What the terms leave out is
    left out of the draws: without feature sets these know nothing of the ground.

    Targets are drawn together, as much alike as the labels are: they tell of the same people.

    Parameters
    ----------
    terms
        Of areas few enough for the square of them.
    labels : (area, target)
        NaN where unknown; unknown in the draws too.
    is_smoother
        Whether draws are of the half of the process with least noise. Where chance is to be
        measured the truth must not be smoother than what is drawn: the more neighbours share,
        the more does chance give.

    Returns
    -------
    (draw, area, target)
        With mean 0 and variance 1 on average, whatever the labels' units.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 6.5 (parametric).
    Berger and Boos (1994), JASA 89, 1012-1016 (the worst of the nuisance values that fit).
    """
    known = prepare_joint(terms)
    process = fit_gaussian_process(known.components, labels, known.mixes, known.prior)
    n_areas, n_targets = labels.shape
    root = cholesky(_correlate_targets(labels), lower=True)
    # (draw, area, target): what areas have in common, and what is each area's own.
    common, own = rng.standard_normal((2, n_draws, n_areas, n_targets)) @ root.T
    draws = np.full((n_draws, n_areas, n_targets), np.nan)
    for target in range(n_targets):
        posterior = process.posterior[:, :, target]
        if not posterior.any():  # no label at all
            continue
        if is_smoother:
            posterior = _keep_smoother(posterior)
        is_known = np.isfinite(labels[:, target])
        for rows, candidate, noise in _pick(posterior, n_draws, rng):
            mixed = np.tensordot(known.mixes[candidate], known.components, axes=1)
            factor = cholesky(mixed + JITTER * np.eye(n_areas), lower=True)
            drawn = np.sqrt(1 - noise) * common[rows, :, target] @ factor.T
            drawn += np.sqrt(noise) * own[rows, :, target]
            draws[rows, :, target] = np.where(is_known, drawn, np.nan)
    return draws


def _pick(
    posterior: Floats, n_draws: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], int, float]]:
    """Pick a candidate and a share of noise for each draw.

    Parameters
    ----------
    posterior : (candidate, noise)

    Yields
    ------
    Draws that picked the same, (n,), their candidate and their share of noise.
    """
    flat = posterior.ravel()
    picked = rng.choice(len(flat), n_draws, p=flat / flat.sum())
    # Draws of one candidate share a decomposition.
    for index in np.unique(picked).tolist():
        candidate, noise = divmod(index, len(NOISE))
        yield np.flatnonzero(picked == index), candidate, float(NOISE[noise])


def _keep_smoother(posterior: Floats) -> Floats:
    """Keep of a posterior, (candidate, noise), the half with least noise."""
    # From the least noise on, up to the median.
    upto = np.cumsum(posterior.sum(axis=0)) - posterior.sum(axis=0)
    kept: Floats = np.where(upto < posterior.sum() / 2, posterior, 0.0)
    return kept


def _correlate_targets(labels: Floats) -> Floats:
    """Correlate targets over the areas that have both, (target, target); positive definite."""
    apart = labels - average_known(labels)
    is_known = np.isfinite(apart)
    filled = np.where(is_known, apart, 0.0)
    products = filled.T @ filled
    squares = (filled**2).T @ is_known  # (target, other) over the areas that have both
    scale = np.sqrt(squares * squares.T)
    correlation = np.where(scale > 0, products / np.where(scale > 0, scale, 1.0), 0.0)
    values, vectors = np.linalg.eigh(correlation)
    # Targets made of others, as an overall index is, leave no root otherwise.
    raised = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    spread = np.sqrt(np.diag(raised))
    whole: Floats = raised / np.outer(spread, spread)
    np.fill_diagonal(whole, 1.0)
    return whole
