"""A linear trend on features, fitted beside a residual that neighbours share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basrelief.learn.process import choose_scales, correlate_all, fit_process

SHARES = (0.2, 0.5, 0.8)
"""Shares of the trend in what labels have in common; nothing and all of it besides."""

N_SCALES = 3
"""Length scales of the residual that are averaged over."""

Floats = NDArray[np.float64]


def fit_trend(Z: Floats, Y: Floats, distance: Floats) -> Floats:
    """Fit labels by a trend on features, a residual that falls off with distance, and noise.

    Neighbours are alike in features *and* in labels, whatever the reason. A plain regression
    takes that for knowledge, and loses it where no neighbour is known; here the residual may
    explain it as well. Shares of trend, residual and noise, and the residual's length scale, are
    averaged over by their marginal likelihood. That there is no trend is as likely beforehand as
    that there is one. Distances serve to weigh the training areas alone: the trend is a function
    of features.

    Parameters
    ----------
    Z : (n, feature)
        Standardised features.
    Y : (n, target)
        NaN where unknown.
    distance : (n, n)
        Between the training areas, in any unit.

    Returns
    -------
    (feature, target)
        Coefficients of the trend, in units of the target per unit of ``Z``; the mean label is
        its value where all features are 0.

    References
    ----------
    Chiles and Delfiner (2012), Geostatistics, section 3.4 (kriging with a trend).
    Hoerl and Kennard (1970), Technometrics 12, 55-67 (a normal trend is a ridge regression).
    Hoeting et al. (1999), Statistical Science 14, 382-417 (averaging over models).
    """
    near = correlate_all(distance, choose_scales(distance, N_SCALES))
    return fit_parts([Z], Y, near).coef[0]


@dataclass(frozen=True, eq=False)
class Parts:
    """Trends, and what near areas share, as parts of one process."""

    coef: list[Floats]
    """(feature, target) of each member: units of the target per unit of its features."""

    likely: Floats
    """(member, target) How likely it is that there is a trend on the member's features."""

    weights: Floats
    """(near, area, target) What each training area adds where the correlation is 1."""


def fit_parts(members: list[Floats], Y: Floats, near: Floats) -> Parts:
    """Fit labels by trends on members' features and what near areas share, at once.

    Parameters
    ----------
    members : (n, feature) each
        Standardised features; a candidate has a trend on one of them at most.
    Y : (n, target)
        NaN where unknown.
    near : (near, n, n)
        Correlations that near areas may have.
    """
    sizes = [max(float((Z**2).sum()) / len(Z), 1e-12) for Z in members]
    trends = [Z @ Z.T / size for Z, size in zip(members, sizes, strict=True)]
    mixes = _list_mixes(len(near), len(members))
    process = fit_process(
        np.stack([_mix(near, trends, mix) for mix in mixes]), Y, _weigh_before(mixes)
    )
    coef, likely = [], np.zeros((len(members), Y.shape[1]))
    for k, (Z, size) in enumerate(zip(members, sizes, strict=True)):
        share = np.array([mix.share if mix.member == k else 0.0 for mix in mixes])
        coef.append(Z.T @ np.einsum("c,cnt->nt", share, process.weights) / size)
        likely[k] = process.odds.sum(axis=1)[share > 0].sum(axis=0)
    weights = np.zeros((len(near), *Y.shape))
    for mix, added in zip(mixes, process.weights, strict=True):
        if mix.near is not None:
            weights[mix.near] += (1 - mix.share) * added
    return Parts(coef, likely, weights)


@dataclass(frozen=True)
class _Mix:
    """A candidate: how much of what areas have in common is a member's trend, the rest nearness."""

    near: int | None
    """Which correlation of near areas; None where the trend is all."""

    member: int | None
    share: float


def _list_mixes(n_near: int, n_members: int) -> list[_Mix]:
    """List the candidates: nearness alone, each member beside it in some shares, and alone."""
    mixes = [_Mix(near, None, 0.0) for near in range(n_near)]
    for member in range(n_members):
        mixes += [_Mix(near, member, share) for near in range(n_near) for share in SHARES]
        mixes.append(_Mix(None, member, 1.0))
    return mixes


def _weigh_before(mixes: list[_Mix]) -> Floats:
    """Say how likely each candidate is before any label is seen."""
    is_nothing = np.array([mix.member is None for mix in mixes])
    odds: Floats = np.where(is_nothing, 0.5 / is_nothing.sum(), 0.5 / (~is_nothing).sum())
    return odds


def _mix(near: Floats, trends: list[Floats], mix: _Mix) -> Floats:
    mixed = np.zeros(near.shape[1:])
    if mix.near is not None:
        mixed += (1 - mix.share) * near[mix.near]
    if mix.member is not None:
        mixed += mix.share * trends[mix.member]
    return mixed
