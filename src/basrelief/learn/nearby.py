"""Interpolation of labels from places alone, by a Gaussian process that scales."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from basrelief.learn.process import (
    NOISE,
    choose_scales,
    correlate,
    correlate_all,
    fit_process,
    group_targets,
    predict_process,
)
from basrelief.learn.threads import one_torch_thread, sparing_threads

MAX_WHOLE = 3000
"""Beyond this many labelled places a process sees the nearest alone."""

N_NEAREST = 64
N_SAMPLE = 500
"""Beyond this many places length scale and noise are chosen on a sample of so many."""

CHUNK = 100
"""Places predicted at once: their small systems fit into a processor's cache."""

SHARES = (0.0, 0.3, 0.6)
"""Shares of a district in what places have in common."""

Floats = NDArray[np.float64]
Pair = tuple[float, float, NDArray[np.int64]]
"""Length scale, share of noise, and the targets (columns) that they are likeliest for."""


def interpolate_places(
    train_xy: Floats,
    labels: Floats,
    test_xy: Floats,
    rng: np.random.Generator,
    districts: tuple[NDArray[np.str_], NDArray[np.str_]] | None = None,
) -> Floats:
    """Predict labels from places alone, by a Gaussian process.

    Up to 500 training places length scale and noise are averaged over; beyond, they are the
    likeliest pair on a random sample of 500. Up to 3,000 places it is one process; beyond,
    each place is predicted from its 64 nearest.

    Parameters
    ----------
    train_xy, test_xy : (n, 2), metres
        Easting and northing.
    labels : (n_train, n_targets)
        NaN where unknown.
    districts : (n_train,), (n_test,)
        Where given, places of one district may have something in common besides their
        distance. Not used beyond 500 places, where neighbours tell the district.

    Returns
    -------
    (n_test, n_targets)
        In the labels' unit; NaN for a target without a label.

    References
    ----------
    Vecchia (1988), Journal of the Royal Statistical Society B 50, 297-312 (near neighbours).
    """
    if len(train_xy) <= N_SAMPLE:
        distance = cdist(train_xy, train_xy)
        scales = choose_scales(distance)
        known = correlate_all(distance, scales)
        beside = correlate_all(cdist(test_xy, train_xy), scales)
        if districts is not None:
            of_train, of_test = districts
            known = mix_districts(known, of_train[:, None] == of_train)
            beside = mix_districts(beside, of_test[:, None] == of_train)
        return predict_process(fit_process(known, labels), beside)
    predict = _predict_whole if len(train_xy) <= MAX_WHOLE else _predict_near
    predicted = np.full((len(test_xy), labels.shape[1]), np.nan)
    for is_known, columns in group_targets(labels):
        known = labels[np.ix_(is_known, columns)]
        predicted[:, columns] = predict(train_xy[is_known], known, test_xy, rng)
    return predicted


def mix_districts(correlations: Floats, is_same: NDArray[np.bool_]) -> Floats:
    """Let some of what places have in common be their district's: more candidates."""
    return np.concatenate([(1 - share) * correlations + share * is_same for share in SHARES])


def _predict_whole(
    train_xy: Floats, labels: Floats, test_xy: Floats, rng: np.random.Generator
) -> Floats:
    """Predict targets that are known at the same places from all of these."""
    mean = labels.mean(axis=0)
    apart, beside = cdist(train_xy, train_xy), cdist(test_xy, train_xy)
    predicted = np.tile(mean, (len(test_xy), 1))
    for scale, noise, columns in _choose_pairs(train_xy, labels, rng):
        covariance = (1 - noise) * correlate(apart, scale) + noise * np.eye(len(train_xy))
        residual = labels[:, columns] - mean[columns]
        solved = cho_solve(cho_factor(covariance, overwrite_a=True), residual)
        predicted[:, columns] += (1 - noise) * correlate(beside, scale) @ solved
    return predicted


def _predict_near(
    train_xy: Floats, labels: Floats, test_xy: Floats, rng: np.random.Generator
) -> Floats:
    """Predict targets that are known at the same places from each place's nearest."""
    mean = labels.mean(axis=0)
    residual = labels - mean
    n_near = min(N_NEAREST, len(train_xy))
    _, near = cKDTree(train_xy).query(test_xy, k=np.arange(1, n_near + 1), workers=-1)
    predicted = np.tile(mean, (len(test_xy), 1))
    pairs = [pair for pair in _choose_pairs(train_xy, labels, rng) if pair[1] < 1]
    with one_torch_thread():
        for at in range(0, len(test_xy), CHUNK):
            chunk = slice(at, at + CHUNK)
            xy, beside = train_xy[near[chunk]], residual[near[chunk]]
            predicted[chunk] += _add_near(xy, test_xy[chunk], beside, pairs)
    return predicted


def _add_near(xy: Floats, test_xy: Floats, residual: Floats, pairs: list[Pair]) -> Floats:
    """Say by how much places lie above the mean: (test, near, 2), (test, 2), (test, near, target).

    Distances are measured once for all pairs, and correlations once a scale.
    """
    apart = _measure_apart(xy[:, :, None], xy[:, None])  # (test, near, near)
    away = _measure_apart(xy, test_xy[:, None])  # (test, near)
    above = np.zeros((len(xy), residual.shape[2]))
    for scale, same_scale in groupby(pairs, key=lambda pair: pair[0]):
        among, along = correlate(apart, scale), correlate(away, scale)
        for _, noise, columns in same_scale:
            solved = _solve_near((1 - noise) * among, noise, residual[:, :, columns])
            above[:, columns] = np.einsum("mk,mkt->mt", (1 - noise) * along, solved)
    return above


def _choose_pairs(train_xy: Floats, labels: Floats, rng: np.random.Generator) -> Iterator[Pair]:
    """Find the likeliest scale and noise of each target on a sample, by rising scale."""
    sample = rng.choice(len(train_xy), min(N_SAMPLE, len(train_xy)), replace=False)
    distance = cdist(train_xy[sample], train_xy[sample])
    scales = choose_scales(distance)
    correlations = correlate_all(distance, scales)
    with sparing_threads(len(sample)):
        odds = fit_process(correlations, labels[sample]).odds  # (scale, noise, target)
    best = odds.reshape(-1, labels.shape[1]).argmax(axis=0)
    for pair in np.unique(best):
        scale, noise = divmod(int(pair), len(NOISE))
        yield float(scales[scale]), float(NOISE[noise]), np.flatnonzero(best == pair)


def _measure_apart(one: Floats, other: Floats) -> Floats:
    """Measure distances between places whose last axis is (easting, northing)."""
    east, north = one[..., 0] - other[..., 0], one[..., 1] - other[..., 1]
    distance: Floats = np.sqrt(east * east + north * north)
    return distance


def _solve_near(signal: Floats, noise: float, residual: Floats) -> Floats:
    """Solve each place's small system at once: (test, near, near) and (test, near, target)."""
    covariance = torch.from_numpy(signal)
    covariance.diagonal(dim1=1, dim2=2).add_(noise)
    # torch solves thousands of small systems at once; NumPy takes them one after the other.
    lower = torch.linalg.cholesky(covariance)
    solved: Floats = torch.cholesky_solve(torch.from_numpy(residual), lower).numpy()
    return solved
