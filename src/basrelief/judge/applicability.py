"""How far areas lie from what a model was trained on, in what each target's prediction rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from basrelief.judge.importance import Importance
from basrelief.learn.joint import AreaTerms
from basrelief.learn.linear import measure_spread
from basrelief.learn.place import Locations, correlate_all
from basrelief.learn.threads import sparing_threads

MAX_SAMPLE = 1000
"""Training areas beyond this many are sampled for the threshold and for the mean distance."""

TILE_ROWS, TILE_COLUMNS = 128, 1024
"""Pairs of areas whose distances are held at once: a tile stays in a processor's cache."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Which training areas are not learnt from while one of them is held out."""

    group: Rows
    """(area,) What each is held out with: its block, its district or itself, from 0."""

    near: csr_array | None = None
    """(group, area) Not 0 where an area lies in the buffer around a group; None without one."""

    def mark(self, rows: Rows, columns: slice) -> NDArray[np.bool_]:
        """Mark, (row, column), which areas are left out while each of the rows is held out."""
        group = self.group[rows]
        marked = group[:, None] == self.group[columns]
        if self.near is not None:
            marked |= self.near[group][:, columns].toarray() > 0
        return np.asarray(marked)


@dataclass(frozen=True, eq=False)
class Applicability:
    """To which areas a model may be applied, for each target by itself."""

    di: Floats
    """(test area, target) Dissimilarity index: distance to the nearest training area, over the
    mean distance between training areas. 0 is a training area itself. NaN for a target whose
    prediction rests on nothing and is the mean: there is nothing to be unlike in."""

    threshold: Floats
    """(target,) The largest index that is not an outlier among the training areas themselves."""

    def flag(self, target: int) -> pd.arrays.BooleanArray:
        """Say of each test area whether its index is at most the threshold, (test area,).

        Null where there is no index.
        """
        di = self.di[:, target]
        return pd.arrays.BooleanArray(np.asarray(di <= self.threshold[target]), np.isnan(di))

    @property
    def is_inside(self) -> pd.arrays.BooleanArray:
        """The same for all targets, one after the other, (target * test area,)."""
        is_inside = np.asarray(self.di <= self.threshold).T.ravel()
        return pd.arrays.BooleanArray(is_inside, np.isnan(self.di).T.ravel())


@dataclass(frozen=True, eq=False)
class _Space:
    """Areas where predictions see them."""

    Z: Floats
    """(area, feature) Standardised by the training areas; what is not known is their mean."""

    locations: Locations

    def take(self, rows: Rows | slice) -> _Space:
        """Keep some of the areas: ``rows`` are positions, (area,)."""
        at = self.locations
        xy = None if at.xy is None else at.xy[rows]
        return _Space(
            self.Z[rows], Locations(xy, None if at.district is None else at.district[rows])
        )


def measure_applicability(
    train: AreaTerms,
    test: AreaTerms,
    importance: Importance,
    held: HeldOut,
    rng: np.random.Generator,
) -> Applicability:
    """Measure how far test areas lie from the training areas in what predictions rest on.

    The threshold is the upper whisker of the training areas' own index, each measured to the
    nearest of those that are learnt from while it is held out. Every target has distances of its
    own. Features count standardised, times their importance (Meyer and Pebesma); place and
    district count as a kernel has it, whose correlation is that of the model: the squared
    distance of two areas is twice what their correlation lacks to 1.

    Parameters
    ----------
    train, test
        Of the training and of the test areas; a feature that is NaN counts as its mean, as in
        the regression.
    importance
        All 0 for a target (a model that fell back to the mean) leaves it without an index.
    rng
        Draws the sample of training areas where there are more than 1,000.

    References
    ----------
    Meyer and Pebesma (2021), Methods in Ecology and Evolution 12, 1620-1633.
    Schoelkopf (2000), Advances in Neural Information Processing Systems 13, 301-307.
    """
    known, new = _standardise(train, test)
    sample = np.arange(train.n_areas)
    if train.n_areas > MAX_SAMPLE:
        sample = np.sort(rng.choice(train.n_areas, MAX_SAMPLE, replace=False))
    # What rests on nothing has no distances.
    found, n_targets = np.flatnonzero(importance.rests_on_any), len(importance.district)
    di, threshold = np.full((test.n_areas, n_targets), np.nan), np.full(n_targets, np.nan)
    some = importance.take(found)
    with sparing_threads(TILE_COLUMNS):
        unit, own = _measure_sample(known, sample, some, held)
        di[:, found] = _find_nearest(new, known, some) / unit
    # Infinite where all training areas are one group: no other group to measure to.
    threshold[found] = [upper_whisker(each[np.isfinite(each)]) for each in (own / unit).T]
    return Applicability(di, threshold)


def hold_out(groups: NDArray[np.str_], pairs: Rows | None = None) -> HeldOut:
    """Say which training areas are left out while others are held out.

    Parameters
    ----------
    groups : (area,)
        What each is held out with.
    pairs : (pair, 2)
        Areas, by their positions, that lie within the buffer of each other, both ways round.
    """
    names, group = np.unique(groups, return_inverse=True)
    if pairs is None:
        return HeldOut(group)
    ones = np.ones(len(pairs), dtype=np.int8)
    near = csr_array((ones, (group[pairs[:, 0]], pairs[:, 1])), shape=(len(names), len(group)))
    return HeldOut(group, near)


def mark_unknown(frame: pd.DataFrame) -> pd.DataFrame:
    """Give predictions a nullable ``is_inside``; null in every row where it is not measured."""
    if "is_inside" in frame:
        return frame.astype({"is_inside": "boolean"})
    return frame.assign(is_inside=pd.Series(pd.NA, index=frame.index, dtype="boolean"))


def upper_whisker(values: Floats) -> float:
    """Take the largest of values, (n,), within 1.5 interquartile ranges above the upper quartile.

    Examples
    --------
    >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    4.0
    """
    if not len(values):
        return float("inf")
    low, high = np.percentile(values, (25, 75))
    return float(values[values <= high + 1.5 * (high - low)].max())


def _standardise(train: AreaTerms, test: AreaTerms) -> tuple[_Space, _Space]:
    """Standardise features by the training areas, and fill what is unknown with their mean."""
    # What did not vary in training has no scale: it counts where a test area differs at all.
    X = train.join()
    mean, scale = measure_spread(X)
    known, new = (np.where(np.isfinite(x), (x - mean) / scale, 0.0) for x in (X, test.join()))
    return _Space(known, train.locations), _Space(new, test.locations)


def _measure_sample(
    known: _Space, sample: Rows, importance: Importance, held: HeldOut
) -> tuple[Floats, Floats]:
    """Measure some of the training areas against all of them.

    Returns
    -------
    The mean distance of two areas, (target,), 1 where all are the same; and the distance of each
    of the sample to the nearest that is learnt from while it is held out, (sampled area, target).
    """
    points = known.take(sample)
    total, nearest = np.zeros(importance.features.shape[1]), _Nearest.start(points, importance)
    for rows, columns, squares in _walk_tiles(points, known, importance):
        is_barred = held.mark(sample[rows], columns)
        for target, square in enumerate(squares):
            total[target] += np.sqrt(np.maximum(square, 0.0)).sum()
            nearest.see(rows, columns, target, np.where(is_barred, np.inf, square))
    mean = total / max(1, len(sample) * (len(known.Z) - 1))
    return np.where(mean > 0, mean, 1.0), nearest.measure(points, known, importance)


def _find_nearest(points: _Space, known: _Space, importance: Importance) -> Floats:
    """Distance of each point to the nearest training area, (point, target)."""
    nearest = _Nearest.start(points, importance)
    for rows, columns, squares in _walk_tiles(points, known, importance):
        for target, square in enumerate(squares):
            nearest.see(rows, columns, target, square)
    return nearest.measure(points, known, importance)


@dataclass(frozen=True, eq=False)
class _Nearest:
    """The nearest training area that was seen so far of each point, for each target."""

    square: Floats
    """(point, target) Its squared distance; infinite before any was seen."""

    at: Rows
    """(point, target)"""

    @classmethod
    def start(cls, points: _Space, importance: Importance) -> _Nearest:
        """Start before any is seen."""
        shape = (len(points.Z), importance.features.shape[1])
        return cls(np.full(shape, np.inf), np.zeros(shape, dtype=np.int64))

    def see(self, rows: slice, columns: slice, target: int, square: Floats) -> None:
        """See squared distances, (row, column), of some points to some training areas."""
        at = square.argmin(axis=1)
        found = np.take_along_axis(square, at[:, None], axis=1)[:, 0]
        best = self.square[rows, target]
        is_nearer = found < best
        best[is_nearer] = found[is_nearer]
        self.at[rows, target][is_nearer] = columns.start + at[is_nearer]

    def measure(self, points: _Space, known: _Space, importance: Importance) -> Floats:
        """Give the distances, (point, target); infinite where none was seen."""
        distances = np.full(self.square.shape, np.inf)
        for target in range(self.at.shape[1]):
            rows = np.flatnonzero(np.isfinite(self.square[:, target]))
            one, other = points.take(rows), known.take(self.at[rows, target])
            # Taken again from the pair itself: the product of matrices loses small distances.
            distances[rows, target] = _measure_pairs(one, other, importance, target)
        return distances


def _walk_tiles(
    points: _Space, known: _Space, importance: Importance
) -> Iterator[tuple[slice, slice, Iterator[Floats]]]:
    """Go through squared distances, (row, column), tile by tile and in each target by target."""
    weight = importance.features**2
    norms = [space.Z**2 @ weight for space in (points, known)]  # (area, target)
    for row in range(0, len(points.Z), TILE_ROWS):
        rows = slice(row, row + TILE_ROWS)
        for column in range(0, len(known.Z), TILE_COLUMNS):
            columns = slice(column, column + TILE_COLUMNS)
            one, other = points.take(rows), known.take(columns)
            own, others = norms[0][rows], norms[1][columns]
            yield rows, columns, _square_tile(one, other, (own, others), importance)


def _square_tile(
    one: _Space, other: _Space, norms: tuple[Floats, Floats], importance: Importance
) -> Iterator[Floats]:
    """Give squared distances of two sets of areas, (one, other), target by target."""
    lacking = [2 * (1 - each) for each in _correlate(one, other, importance.scales)]
    differs = _differ(one, other, importance)
    mine, theirs = (np.hstack([np.ones((len(each.Z), 2)), each.Z]) for each in (one, other))
    for k in range(importance.features.shape[1]):
        # One product of matrices, the squares of both sides in it: each pass over a tile counts.
        mine[:, 2:] = one.Z * (-2 * importance.features[:, k] ** 2)
        mine[:, 0], theirs[:, 1] = norms[0][:, k], norms[1][:, k]
        square: Floats = mine @ theirs.T
        for weight, each in zip(importance.place[:, k], lacking, strict=True):
            if weight > 0:
                square += weight**2 * each
        if differs is not None and importance.district[k] > 0:
            square += 2 * importance.district[k] ** 2 * differs
        yield square


def _correlate(one: _Space, other: _Space, scales: Floats) -> Iterator[Floats]:
    """Give the correlation by place at each length scale, (one, other)."""
    if len(scales):
        assert one.locations.xy is not None
        assert other.locations.xy is not None
        yield from correlate_all(cdist(one.locations.xy, other.locations.xy), scales)


def _differ(one: _Space, other: _Space, importance: Importance) -> NDArray[np.bool_] | None:
    """Mark the pairs, (one, other), whose district differs; None where districts do not count."""
    mine, theirs = one.locations.district, other.locations.district
    if mine is None or theirs is None or not importance.district.any():
        return None
    return np.asarray(mine[:, None] != theirs)


def _measure_pairs(one: _Space, other: _Space, importance: Importance, target: int) -> Floats:
    """Measure the distances, (pair,), of areas that stand side by side."""
    square = (((one.Z - other.Z) * importance.features[:, target]) ** 2).sum(axis=1)
    if len(importance.scales):
        assert one.locations.xy is not None
        assert other.locations.xy is not None
        distance = np.linalg.norm(one.locations.xy - other.locations.xy, axis=1)
        lacking = 2 * (1 - correlate_all(distance, importance.scales))  # (scale, pair)
        square += importance.place[:, target] ** 2 @ lacking
    if importance.district[target] > 0:
        assert one.locations.district is not None
        assert other.locations.district is not None
        is_other = one.locations.district != other.locations.district
        square += 2 * importance.district[target] ** 2 * is_other
    distances: Floats = np.sqrt(np.maximum(square, 0.0))
    return distances
