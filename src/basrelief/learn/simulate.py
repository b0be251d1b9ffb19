"""Labels as they might have been: drawn from the process that was fitted to the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky

from basrelief.learn.gaussian_process import (
    NOISE,
    fit_gaussian_process,
    has_many,
    sample_items,
)
from basrelief.learn.joint import AreaTerms, JointPrior, prepare_joint
from basrelief.learn.linear import average_known

JITTER = 1e-9
"""Added to what an area has in common with itself, so that rounding leaves a root."""

N_WAVES = 1000
"""Waves that a smooth field of many areas is a sum of: what two areas have in common is then
right to 0.03."""

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

    The process is fitted to the labels, of many areas to those of a sample. Each draw takes one
    of its candidates and one share of noise, as often as they are likely, and then labels by
    these. What the terms leave out is left out of the draws: without feature sets these know
    nothing of the ground.

    Targets are drawn together, as much alike as the labels are: they tell of the same people. Of
    many areas they are somewhat less so, and the largest of several gains by chance is a little
    larger for it: more is asked of a claim, never less.

    Parameters
    ----------
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
    n_areas, n_targets = labels.shape
    is_many = has_many(n_areas)
    # No order is drawn where none is needed: a place that is small draws the same as ever.
    sample = sample_items(n_areas, rng) if is_many else np.arange(n_areas)
    known = prepare_joint(terms.take(sample))
    process = fit_gaussian_process(known.components, labels[sample], known.mixes, known.prior)
    root = cholesky(_correlate_targets(labels), lower=True)
    if is_many:
        fields = _list_fields(terms, known, n_draws, root, rng)
        # Fields of two candidates have nothing in common: targets that are alike take the same.
        chance = rng.random(n_draws)
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
        if not is_many:
            chance = rng.random(n_draws)
        for rows, candidate, noise in _pick(posterior, chance):
            mix = known.mixes[candidate]
            if is_many:
                shared = sum(
                    np.sqrt(share) * field.draw(rows, target)
                    for share, field in zip(mix, fields, strict=True)
                    if share > 0
                )
            else:
                mixed = np.tensordot(mix, known.components, axes=1)
                factor = cholesky(mixed + JITTER * np.eye(n_areas), lower=True)
                shared = common[rows, :, target] @ factor.T
            drawn = np.sqrt(1 - noise) * shared + np.sqrt(noise) * own[rows, :, target]
            draws[rows, :, target] = np.where(is_known, drawn, np.nan)
    return draws


def _pick(posterior: Floats, chance: Floats) -> Iterator[tuple[NDArray[np.int64], int, float]]:
    """Pick a candidate and a share of noise for each draw.

    Parameters
    ----------
    posterior : (candidate, noise)
    chance : (draw,)
        Evenly spread from 0 to 1.

    Yields
    ------
    Draws that picked the same, (n,), their candidate and their share of noise.
    """
    upto = np.cumsum(posterior.ravel())
    picked = np.searchsorted(upto / upto[-1], chance, side="right")
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


@dataclass(frozen=True, eq=False)
class _Field:
    """What areas have in common by one component, in every draw."""

    root: Floats
    """(area, n) Its product with itself, turned over, is what each two areas have in common."""

    own: Floats
    """(draw, n, target) Normal numbers, targets as alike as their labels."""

    def draw(self, rows: NDArray[np.int64], target: int) -> Floats:
        """Give the field of some of the draws, (draw, area)."""
        drawn: Floats = self.own[rows, :, target] @ self.root.T
        return drawn


def _list_fields(
    terms: AreaTerms, known: JointPrior, n_draws: int, root: Floats, rng: np.random.Generator
) -> list[_Field]:
    """List the fields of a process of many areas, one a component, in its order.

    The square of many areas has no root that could be had. Each component has one of its own that
    is narrow: a set's features, a district's areas, and for nearness a sum of waves.

    Parameters
    ----------
    known
        The process of a sample of the areas.
    root : (target, target)
        Lower root of how alike targets are.

    References
    ----------
    Rahimi and Recht (2007), NeurIPS 20 (random Fourier features).
    """
    at, Z = terms.locations, known.standard.apply(terms.join())
    sets = np.split(Z, terms.ends, axis=1)[: len(terms.feature_sets)]
    roots = [each / np.sqrt(size) for each, size in zip(sets, known.sizes, strict=True)]
    if at.xy is not None:
        roots += [_sum_waves(at.xy, float(scale), rng) for scale in known.scales]
    if at.district is not None:
        roots.append((at.district[:, None] == np.unique(at.district)).astype(np.float64))
    shapes = [(n_draws, each.shape[1], len(root)) for each in roots]
    return [
        _Field(each, rng.standard_normal(shape) @ root.T)
        for each, shape in zip(roots, shapes, strict=True)
    ]


def _sum_waves(xy: Floats, scale_m: float, rng: np.random.Generator) -> Floats:
    """Give waves over places, (area, wave), that have in common what `place.correlate` says.

    The frequencies of a Matérn process of smoothness 3/2 are of Student's distribution with three
    degrees of freedom (Rasmussen and Williams 2006, equation 4.15).
    """
    far = np.sqrt(3.0 / rng.chisquare(3, N_WAVES)) / scale_m
    frequency = rng.standard_normal((2, N_WAVES)) * far
    phase = rng.uniform(0, 2 * np.pi, N_WAVES)
    # From the middle of the place: far from it a cosine would lose its last digits.
    waves: Floats = np.sqrt(2 / N_WAVES) * np.cos((xy - xy.mean(axis=0)) @ frequency + phase)
    return waves
