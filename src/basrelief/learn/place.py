"""Place and district: what areas have in common by where they are, and labels from that alone."""

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
    MANY,
    NOISE,
    fit_gaussian_process,
    group_targets,
    predict_gaussian_process,
)
from basrelief.learn.threads import one_torch_thread, sparing_threads

MAX_WHOLE = 3000
"""Beyond this many labelled items a process sees the nearest alone."""

N_NEAREST = 64
CHUNK = 100
"""Items predicted at once: their small systems fit into a processor's cache."""

N_SCALES = 12
"""Length scales that place alone is averaged over."""

DISTRICT_SHARES = (0.0, 0.3, 0.6)
"""Shares of a district in what areas have in common by where they are."""

Floats = NDArray[np.float64]
Pair = tuple[float, float, NDArray[np.int64]]
"""Length scale, share of noise, and the targets (columns) that they are likeliest for."""


@dataclass(frozen=True, eq=False)
class Locations:
    """Where items are, as far as a model may know it."""

    xy: Floats | None
    """(item, 2) Easting and northing of a point inside, in metres; None where place is left out."""

    district: NDArray[np.str_] | None = None
    """(item,) Code of the district; None where districts are left out."""

    def take(self, rows: NDArray[np.int64]) -> Locations:
        """Keep some of the items."""
        xy = None if self.xy is None else self.xy[rows]
        return Locations(xy, None if self.district is None else self.district[rows])


def locate_areas(samples: Samples) -> Locations:
    """Locate the areas of samples, in their order; one whose district is unknown shares none."""
    points = samples.areas.geometry.representative_point()
    xy = np.stack([points.x.to_numpy(np.float64), points.y.to_numpy(np.float64)], axis=1)
    return Locations(xy, name_districts(samples.areas.get("lad"), samples.areas["area_id"]))


def name_districts(codes: pd.Series[Any] | None, ids: pd.Series[Any]) -> NDArray[np.str_]:
    """Name each item's district, (item,); one that is not known is the item's own.

    Examples
    --------
    >>> name_districts(pd.Series(["E09", None]), pd.Series(["a", "b"])).tolist()
    ['E09', 'b']
    """
    own = ids.to_numpy(dtype=object).astype(str)
    if codes is None:
        return own
    known = codes.to_numpy(dtype=object)
    return np.where(codes.notna().to_numpy(), known, own).astype(str)


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
    apart = apart[apart > 0]
    if not len(apart):
        return np.array([1.0])
    return np.geomspace(np.quantile(apart, 0.01), 2.0 * apart.max(), n_scales)


def correlate_all(distance: Floats, scales: Floats) -> Floats:
    """Give the correlation at distances for each of some length scales, (scale, *distance)."""
    return np.stack([correlate(distance, scale) for scale in scales])


def choose_location_scales(known: Locations, n_scales: int) -> Floats:
    """Choose length scales for training items, (scale,), in metres; none where place is out."""
    return np.zeros(0) if known.xy is None else choose_scales(cdist(known.xy, known.xy), n_scales)


def correlate_locations(new: Locations, known: Locations, scales: Floats) -> Floats:
    """Give what items have in common by where they are.

    Parameters
    ----------
    scales : (scale,), metres

    Returns
    -------
    (component, new, known)
        The correlation at each length scale and then, where the known items' districts are
        given, 1 where the district is the same. Of what is left out there is no component.
    """
    found = []
    if known.xy is not None:
        assert new.xy is not None
        found.append(correlate_all(cdist(new.xy, known.xy), scales))
    if known.district is not None:
        assert new.district is not None
        is_same = new.district[:, None] == known.district
        found.append(is_same.astype(np.float64)[None])
    return np.concatenate(found)


def mix_locations(n_scales: int, has_district: bool) -> Floats:
    """List candidates for what items have in common by where they are.

    Returns
    -------
    (candidate, component)
        Shares of the components of `correlate_locations`: each length scale alone and beside
        the district, or the district alone where there is no scale.

    Examples
    --------
    >>> mix_locations(1, has_district=True)
    array([[1. , 0. ],
           [0.7, 0.3],
           [0.4, 0.6]])
    """
    if not has_district:
        return np.eye(n_scales)
    if not n_scales:
        return np.ones((1, 1))
    scales = np.eye(n_scales)
    mixes = [np.insert((1 - share) * scales, n_scales, share, axis=1) for share in DISTRICT_SHARES]
    return np.concatenate(mixes)


def gp_interpolation(
    known: Locations,
    labels: Floats,
    new: Locations,
    rng: np.random.Generator,
    *,
    is_many: bool,
    n_scales: int = N_SCALES,
) -> Floats:
    """Predict labels from place, and district where it is given, by a Gaussian process.

    In a place of few items length scale and noise are averaged over (the model of areas without
    feature sets); of many they are the likeliest pair on a random sample. Up to 3,000 training
    items it is one process; beyond, each item is predicted from its 64 nearest.

    Parameters
    ----------
    known, new
        Where the training items and those to predict are. Districts are not used where there
        are many items, whose neighbours tell the district.
    labels : (known item, target)
        NaN where unknown.
    is_many
        Whether the place has many items, see `gaussian_process.has_many`.
    n_scales
        Length scales that are averaged over.

    Returns
    -------
    (new item, target)
        In the labels' unit; NaN for a target without a label.

    References
    ----------
    Vecchia (1988), Journal of the Royal Statistical Society B 50, 297-312 (near neighbours).
    """
    if not is_many:
        scales = choose_location_scales(known, n_scales)
        components = correlate_locations(known, known, scales)
        mixes = mix_locations(len(scales), known.district is not None)
        process = fit_gaussian_process(components, labels, mixes)
        return predict_gaussian_process(process, correlate_locations(new, known, scales))
    assert known.xy is not None
    assert new.xy is not None
    predict = _predict_whole if len(known.xy) <= MAX_WHOLE else _predict_near
    predicted = np.full((len(new.xy), labels.shape[1]), np.nan)
    for is_known, columns in group_targets(labels):
        seen = labels[np.ix_(is_known, columns)]
        predicted[:, columns] = predict(known.xy[is_known], seen, new.xy, rng)
    return predicted


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
    sample = rng.choice(len(train_xy), min(MANY, len(train_xy)), replace=False)
    distance = cdist(train_xy[sample], train_xy[sample])
    scales = choose_scales(distance)
    correlations = correlate_all(distance, scales)
    with sparing_threads(len(sample)):
        process = fit_gaussian_process(correlations, labels[sample])
    best = process.posterior.reshape(-1, labels.shape[1]).argmax(axis=0)  # (target,)
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
