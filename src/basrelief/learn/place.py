"""Place and district: what items have in common by where they are, and what many of them tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from basrelief.chips.store import Samples
from basrelief.learn.gaussian_process import (
    NOISE,
    fit_gaussian_process,
    group_targets,
    sample_items,
)
from basrelief.learn.threads import one_torch_thread, sparing_threads

MAX_WHOLE = 3000
"""Beyond this many labelled items a process sees the nearest alone."""

N_NEAREST = 64
CHUNK = 100
"""Items predicted at once: their small systems fit into a processor's cache."""

N_SCALES = 12
"""Length scales that place alone is averaged over."""

Floats = NDArray[np.float64]
Likeliest = tuple[float, float, NDArray[np.int64]]
"""Length scale, share of noise, and the targets (columns) that they are likeliest for."""


@dataclass(frozen=True, eq=False)
class Locations:
    """Where items are, as far as a model may know it."""

    xy: Floats | None
    """(item, 2) Easting and northing of a point inside, in metres; None where place is left out."""

    district: NDArray[np.str_] | None = None
    """(item,) Code of the district; None where districts are left out."""

    def take(self, rows: NDArray[np.int64]) -> Locations:
        """Keep some of the items, by their positions (n,)."""
        xy = None if self.xy is None else self.xy[rows]
        return Locations(xy, None if self.district is None else self.district[rows])


def locate_areas(samples: Samples) -> Locations:
    """Locate the areas of samples, in their order; one whose district is unknown shares none."""
    points = samples.areas.geometry.representative_point()
    xy = np.stack([points.x.to_numpy(np.float64), points.y.to_numpy(np.float64)], axis=1)
    return Locations(xy, code_districts(samples.areas.get("lad"), samples.areas["area_id"]))


def code_districts(codes: pd.Series[Any] | None, ids: pd.Series[Any]) -> NDArray[np.str_]:
    """Name each item's district, (item,); one that is not known is the item's own.

    Examples
    --------
    >>> code_districts(pd.Series(["E09", None]), pd.Series(["a", "b"])).tolist()
    ['E09', 'b']
    """
    own = ids.to_numpy(dtype=object).astype(str)
    if codes is None:
        return own
    known = codes.to_numpy(dtype=object)
    return np.where(codes.notna().to_numpy(), known, own).astype(str)


def correlate(distance: Floats, scale: float | Floats) -> Floats:
    """Give the Matérn correlation of smoothness 3/2 at distances of any shape, (...,).

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


def choose_scales(distance: Floats, n_scales: int = N_SCALES) -> Floats:
    """Choose length scales to try, from the nearest neighbours' distance to twice the place's.

    Parameters
    ----------
    distance : (n, n)
        Between all pairs.

    Returns
    -------
    (n_scales,)
        In the distances' unit; one where all items are at one point.
    """
    apart = distance[np.triu_indices_from(distance, 1)]
    # Items may share a point, and no length scale is 0.
    apart = apart[apart > 0]
    if not len(apart):
        return np.array([1.0])
    return np.geomspace(np.quantile(apart, 0.01), 2.0 * apart.max(), n_scales)


def correlate_all(distance: Floats, scales: Floats) -> Floats:
    """Give the correlation at distances for each of some length scales, (scale, *distance)."""
    return np.stack([correlate(distance, scale) for scale in scales])


def correlate_locations(new: Locations, known: Locations, scales: Floats) -> list[Floats]:
    """Give what items have in common by where they are.

    Parameters
    ----------
    scales : (scale,), metres

    Returns
    -------
    (new, known) of each component: the correlation at each length scale and then, where the
    known items' districts are given, 1 where the district is the same.
    """
    found: list[Floats] = []
    if known.xy is not None:
        assert new.xy is not None
        found += list(correlate_all(cdist(new.xy, known.xy), scales))
    if known.district is not None:
        assert new.district is not None
        found.append((new.district[:, None] == known.district).astype(np.float64))
    return found


def interpolate_many(
    known_xy: Floats, labels: Floats, new_xy: Floats, rng: np.random.Generator
) -> Floats:
    """Predict labels of many items from place alone, by a Gaussian process.

    Length scale and noise are the likeliest pair on a random sample. Up to 3,000 training items
    it is one process; beyond, each item is predicted from its 64 nearest.

    Parameters
    ----------
    known_xy, new_xy : (known item, 2), (new item, 2), metres
        Easting and northing.
    labels : (known item, target)
        NaN where unknown.

    Returns
    -------
    (new item, target)
        In the labels' unit; NaN for a target without a label.

    References
    ----------
    Vecchia (1988), Journal of the Royal Statistical Society B 50, 297-312 (near neighbours).
    """
    # Memory: a square of a whole country's areas takes 9 GB.
    predict = _predict_whole if len(known_xy) <= MAX_WHOLE else _predict_near
    predicted = np.full((len(new_xy), labels.shape[1]), np.nan)
    for is_known, columns in group_targets(labels):
        seen = labels[np.ix_(is_known, columns)]
        predicted[:, columns] = predict(known_xy[is_known], seen, new_xy, rng)
    return predicted


def choose_pairs(train_xy: Floats, labels: Floats, rng: np.random.Generator) -> Iterator[Likeliest]:
    """Find the likeliest length scale and noise of each target on a sample, by rising scale.

    Parameters
    ----------
    train_xy : (item, 2), metres
    labels : (item, target)
        All known.

    Yields
    ------
    Length scale in metres, share of noise, and the targets (columns) that both belong to.
    """
    # Two numbers a target are learnt well from a sample; decompositions grow with its cube.
    sample = sample_items(len(train_xy), rng)
    distance = cdist(train_xy[sample], train_xy[sample])
    scales = choose_scales(distance)
    correlations = correlate_all(distance, scales)
    with sparing_threads(len(sample)):
        process = fit_gaussian_process(correlations, labels[sample])
    best = process.posterior.reshape(-1, labels.shape[1]).argmax(axis=0)  # (target,)
    for pair in np.unique(best):
        scale, noise = divmod(int(pair), len(NOISE))
        yield float(scales[scale]), float(NOISE[noise]), np.flatnonzero(best == pair)


def _predict_whole(
    train_xy: Floats, labels: Floats, test_xy: Floats, rng: np.random.Generator
) -> Floats:
    """Predict targets that are known at the same places from all of these."""
    mean = labels.mean(axis=0)
    apart, beside = cdist(train_xy, train_xy), cdist(test_xy, train_xy)
    predicted = np.tile(mean, (len(test_xy), 1))
    for scale, noise, columns in choose_pairs(train_xy, labels, rng):
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
    # A list of k: with one neighbour alone the axis would be dropped.
    _, near = cKDTree(train_xy).query(test_xy, k=np.arange(1, n_near + 1), workers=-1)
    predicted = np.tile(mean, (len(test_xy), 1))
    # All noise says nothing beyond the mean, and its systems need not be solved.
    pairs = [pair for pair in choose_pairs(train_xy, labels, rng) if pair[1] < 1]
    with one_torch_thread():
        for at in range(0, len(test_xy), CHUNK):
            chunk = slice(at, at + CHUNK)
            xy, beside = train_xy[near[chunk]], residual[near[chunk]]
            predicted[chunk] += _add_near(xy, test_xy[chunk], beside, pairs)
    return predicted


def _add_near(xy: Floats, test_xy: Floats, residual: Floats, pairs: list[Likeliest]) -> Floats:
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


def _measure_apart(one: Floats, other: Floats) -> Floats:
    """Measure distances between places whose last axis is (easting, northing)."""
    east, north = one[..., 0] - other[..., 0], one[..., 1] - other[..., 1]
    distance: Floats = np.sqrt(east * east + north * north)
    return distance


def _solve_near(signal: Floats, noise: float, residual: Floats) -> Floats:
    """Solve each place's small system at once: (test, near, near) and (test, near, target)."""
    # In the labels' precision: those of other worlds, drawn by the thousand, have half.
    covariance = torch.from_numpy(signal.astype(residual.dtype, copy=False))
    covariance.diagonal(dim1=1, dim2=2).add_(noise)
    # torch solves thousands of small systems at once; NumPy takes them one after the other.
    lower = torch.linalg.cholesky(covariance)
    solved: Floats = torch.cholesky_solve(torch.from_numpy(residual), lower).numpy()
    return solved
