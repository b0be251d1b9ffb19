"""Feature sets, place and district as parts of one Gaussian process."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.learn.gaussian_process import fit_gaussian_process
from basrelief.learn.linear import LinearModel, join_sets, learn_standard, standardise
from basrelief.learn.place import (
    Locations,
    choose_location_scales,
    correlate_locations,
    mix_locations,
)

SHARES = (0.2, 0.5, 0.8)
"""Shares of feature sets in what labels have in common; nothing and all of it besides."""

MAX_SETS = 6
"""Feature sets that one process joins: it tries every subset of them."""

MOST_SCALES, MOST_GRID = 8, 32
"""Length scales of a process of one or two sets, and the largest product of its scales and its
subsets: more sets leave fewer scales, so that candidates stay some hundreds."""

MEAN, PLACE, DISTRICT = "mean", "place", "district"
PARTS = (MEAN, PLACE, DISTRICT)
"""The parts of a prediction besides those of the feature sets."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AreaTerms:
    """What a model of areas may know of them, to learn from or to predict."""

    feature_sets: dict[str, Floats]
    """(area, feature) of each set, by name; NaN where unknown."""

    locations: Locations

    def take(self, rows: NDArray[np.int64]) -> AreaTerms:
        """Keep some of the areas."""
        feature_sets = {name: X[rows] for name, X in self.feature_sets.items()}
        return AreaTerms(feature_sets, self.locations.take(rows))

    def leave_out(self, names: Collection[str]) -> AreaTerms:
        """Leave out feature sets by their names, ``place`` or ``district``."""
        feature_sets = {k: X for k, X in self.feature_sets.items() if k not in names}
        xy = None if PLACE in names else self.locations.xy
        district = None if DISTRICT in names else self.locations.district
        return AreaTerms(feature_sets, Locations(xy, district))

    @property
    def n_areas(self) -> int:
        """How many areas there are."""
        sized = (*self.feature_sets.values(), self.locations.xy, self.locations.district)
        return next(len(values) for values in sized if values is not None)

    def join(self) -> Floats:
        """Put all sets beside each other, (area, feature)."""
        return np.concatenate([np.zeros((self.n_areas, 0)), *self.feature_sets.values()], axis=1)


@dataclass(frozen=True, eq=False)
class JointProcess:
    """A Gaussian process of feature sets, place and district: a sum of their parts."""

    set_names: tuple[str, ...]
    linear: LinearModel
    """What the feature sets say, and the mean; ``weight`` is the posterior probability that each
    says anything."""

    locations: Locations
    """Of the training areas; None of what was left out."""

    scales: Floats
    """(scale,) Length scales, in metres."""

    weights: Floats
    """(component, area, target) What each training area adds to an area with which it has all
    in common: at each length scale and then, if it counts, by the district."""


def fit_joint(terms: AreaTerms, labels: Floats, n_scales: int | None = None) -> JointProcess:
    """Fit feature sets, place and district at once, as a Gaussian process.

    In two steps, a regression first and then what it leaves, the second takes the first for
    certain. Here all are parts of one process, averaged over the shares of sets, place, district
    and noise, over length scales and over subsets of the sets, by marginal likelihood. That a
    set says nothing is as likely beforehand as that it says something. Sets, place and district
    may each be left out (`AreaTerms.leave_out`).

    Parameters
    ----------
    terms
        Of no more areas than decompositions of their square are cheap for, and six sets at most.
    labels : (area, target)
        NaN where unknown.
    n_scales
        Length scales that are averaged over; by default as many as the number of sets leaves.

    References
    ----------
    Chiles and Delfiner (2012), Geostatistics, section 3.4 (kriging with a trend).
    """
    n_sets = len(terms.feature_sets)
    if n_sets > MAX_SETS:
        raise InputError(
            f"a recipe joins {n_sets} feature sets with place ({', '.join(terms.feature_sets)}); "
            f"at most {MAX_SETS} can be told apart. Leave some out."
        )
    if n_scales is None:
        n_scales = int(np.clip(MOST_GRID // 2**n_sets, 2, MOST_SCALES))
    sets = list(terms.feature_sets.values())
    standards = [learn_standard(X) for X in sets]
    Z = [standard.apply(X) for standard, X in zip(standards, sets, strict=True)]
    fitted = fit_sets(Z, labels, terms.locations, n_scales)
    linear = join_sets(standards, fitted.coef, labels, fitted.inclusion)
    names = tuple(terms.feature_sets)
    return JointProcess(names, linear, terms.locations, fitted.scales, fitted.weights)


def predict_joint(joint: JointProcess, terms: AreaTerms) -> Floats:
    """Predict areas, (area, target), in the labels' unit."""
    total: Floats = np.sum(list(tell_joint_parts(joint, terms).values()), axis=0)
    return total


def tell_joint_parts(joint: JointProcess, terms: AreaTerms) -> dict[str, Floats]:
    """Tell what each part adds to a joint process' prediction, as `tell_parts` does."""
    parts = tell_sets(joint.linear, joint.set_names, terms)
    if not len(joint.weights):
        return parts
    common = correlate_locations(terms.locations, joint.locations, joint.scales)
    added = np.stack([one @ weights for one, weights in zip(common, joint.weights, strict=True)])
    n_scales = len(joint.scales)
    if n_scales:
        parts[PLACE] = added[:n_scales].sum(axis=0)
    if joint.locations.district is not None:
        parts[DISTRICT] = added[n_scales]
    return parts


def list_mixes(n_sets: int, near: Floats) -> tuple[Floats, Floats]:
    """List the candidates of a process of feature sets, and their prior.

    Every subset of the sets: none of them is what areas have in common by where they are; others
    share a part of what is in common, or all of it, equally. Each set is in or out with one half.

    Parameters
    ----------
    near : (candidate, component)
        Shares of the components of place and district; may be empty.

    Returns
    -------
    Shares (candidate, set and then component of ``near``), and prior (candidate,).

    Examples
    --------
    >>> mixes, prior = list_mixes(1, np.ones((1, 1)))
    >>> mixes.tolist()
    [[0.0, 1.0], [0.2, 0.8], [0.5, 0.5], [0.8, 0.2], [1.0, 0.0]]
    >>> prior.tolist()
    [0.5, 0.125, 0.125, 0.125, 0.125]
    """
    n_components = near.shape[1]
    # Without place and district there is only noise besides the sets.
    nothing = near if len(near) else np.zeros((1, n_components))
    mixes = [np.hstack([np.zeros((len(nothing), n_sets)), nothing])]
    for size in range(1, n_sets + 1):
        for subset in combinations(range(n_sets), size):
            sets = np.isin(np.arange(n_sets), subset) / size
            beside = [np.r_[share * sets, (1 - share) * mix] for mix in near for share in SHARES]
            mixes.append(np.array([*beside, np.r_[sets, np.zeros(n_components)]]))
    prior = [np.full(len(each), 0.5**n_sets / len(each)) for each in mixes]
    return np.concatenate(mixes), np.concatenate(prior)


@dataclass(frozen=True, eq=False)
class FittedSets:
    """Feature sets, and what near areas share, as parts of one process."""

    coef: list[Floats]
    """(feature, target) of each set: units of the target per unit of its features."""

    inclusion: Floats
    """(set, target) Posterior probability that the set is in."""

    scales: Floats
    """(scale,) In metres."""

    weights: Floats
    """(component, area, target) Of place and district."""


def fit_sets(Z: list[Floats], Y: Floats, locations: Locations, n_scales: int) -> FittedSets:
    """Fit labels by standardised feature sets, (area, feature) each, place and district at once.

    Neighbours are alike in features *and* in labels, whatever the reason. A plain regression
    takes that for knowledge, and loses it where no neighbour is known; beside place, this may
    explain it as well. What a set says is a function of its features all the same.

    References
    ----------
    Hoerl and Kennard (1970), Technometrics 12, 55-67 (a normal trend is a ridge regression).
    """
    scales = choose_location_scales(locations, n_scales)
    sizes = [max(float((each**2).sum()) / len(each), 1e-12) for each in Z]
    alike = [each @ each.T / size for each, size in zip(Z, sizes, strict=True)]
    components, near = np.reshape(alike, (len(Z), len(Y), len(Y))), np.zeros((0, 0))
    if locations.xy is not None or locations.district is not None:
        near = mix_locations(len(scales), locations.district is not None)
        by_place = correlate_locations(locations, locations, scales)
        components = np.concatenate([components, by_place])
    mixes, prior = list_mixes(len(Z), near)
    process = fit_gaussian_process(components, Y, mixes, prior)
    weights, posterior = process.weights, process.posterior.sum(axis=1)  # (candidate, target)
    return FittedSets(
        coef=[each.T @ weights[k] / sizes[k] for k, each in enumerate(Z)],
        inclusion=(mixes[:, : len(Z)] > 0).T @ posterior,
        scales=scales,
        weights=weights[len(Z) :],
    )


def tell_sets(
    linear: LinearModel, set_names: tuple[str, ...], terms: AreaTerms
) -> dict[str, Floats]:
    """Tell the mean and what each set adds where its features are not at their means."""
    sets = [terms.feature_sets[name] for name in set_names]
    parts, start = {MEAN: np.tile(linear.intercept, (terms.n_areas, 1))}, 0
    for name, X in zip(set_names, sets, strict=True):
        own = slice(start, start + X.shape[1])
        parts[name] = standardise(X, linear.mean[own], linear.scale[own]) @ linear.coef[own]
        start = own.stop
    return parts
