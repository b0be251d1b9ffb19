"""A linear trend on features, fitted beside a residual that neighbours share."""

from __future__ import annotations

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
    product = Z @ Z.T
    size = float(np.trace(product)) / len(Z)
    if size <= 0:
        return np.zeros((Z.shape[1], Y.shape[1]))
    trend = product / size
    scales = choose_scales(distance, N_SCALES)
    residuals = correlate_all(distance, scales)
    shares = np.array([0.0, *SHARES])
    mixed = [(1 - share) * residual + share * trend for residual in residuals for share in shares]
    share_of = np.array([*np.tile(shares, len(scales)), 1.0])
    is_nothing = share_of == 0
    odds = np.where(is_nothing, 0.5 / is_nothing.sum(), 0.5 / (~is_nothing).sum())
    process = fit_process(np.stack([*mixed, trend]), Y, odds)
    weights = np.einsum("c,cnt->nt", share_of, process.weights) / size
    coef: Floats = Z.T @ weights
    return coef
