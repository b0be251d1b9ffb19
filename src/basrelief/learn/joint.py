"""Feature sets, place and district as parts of one Gaussian process."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.config import InputError
from basrelief.learn.gaussian_process import fit_gaussian_process
from basrelief.learn.linear import (
    LinearModel,
    Standard,
    learn_standard,
    make_linear,
    standardise,
)
from basrelief.learn.place import (
    N_SCALES,
    Locations,
    choose_scales,
    correlate_locations,
    interpolate_many,
)
from basrelief.learn.recipes import DISTRICT, MEAN_PART, PLACE

SHARES = (0.2, 0.5, 0.8)
"""Shares of feature sets in what labels have in common; nothing and all of it besides."""

MAX_SETS = 6
"""Feature sets that one process joins: it tries every subset of them."""

MOST_SCALES, LEAST_SCALES, MOST_GRID = 8, 4, 32
"""Length scales of a process of one or two sets, those that any has, and the largest product of
scales and subsets: more sets leave fewer scales. With two, the nearest and the farthest, labels
that go by place lose a seventh of the skill that they have with four; with eight they gain none."""

DISTRICT_SHARES = (0.0, 0.3, 0.6)
"""Shares of the district in what areas have in common by where they are."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AreaTerms:
    """What a model of areas may know of them, to learn from or to predict."""

    feature_sets: dict[str, Floats]
    """(area, feature) of each set, by name; NaN where unknown."""

    locations: Locations

    def take(self, rows: NDArray[np.int64]) -> AreaTerms:
        """Keep some of the areas, by their positions (n,)."""
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

    @property
    def ends(self) -> list[int]:
        """Where each set's features end in `join`, one number a set."""
        return list(accumulate(X.shape[1] for X in self.feature_sets.values()))

    def join(self) -> Floats:
        """Put all sets beside each other, (area, feature)."""
        return np.concatenate([np.zeros((self.n_areas, 0)), *self.feature_sets.values()], axis=1)


@dataclass(frozen=True, eq=False)
class JointPrior:
    """What areas may have in common, before any label is seen."""

    standard: Standard
    """Of all features, learnt from the areas."""

    features: list[Floats]
    """(area, feature) of each set, standardised."""

    sizes: list[float]
    """Of each set: its features' sum of squares, on average over the areas."""

    scales: Floats
    """(scale,) Length scales, in metres."""

    components: Floats
    """(component, area, area) Of each set, each length scale and, if it counts, the district; 1
    on average with themselves."""

    mixes: Floats
    """(candidate, component) See `list_mixes`."""

    prior: Floats
    """(candidate,) Probability of each mix."""


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

    Neighbours are alike in features *and* in labels, whatever the reason. A plain regression
    takes that for knowledge, and loses it where no neighbour is known; beside place, this may
    explain it as well. What a set says is a function of its features all the same.

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
    Hoerl and Kennard (1970), Technometrics 12, 55-67 (a normal trend is a ridge regression).
    """
    known = prepare_joint(terms, n_scales)
    process = fit_gaussian_process(known.components, labels, known.mixes, known.prior)
    weights, posterior = process.weights, process.posterior.sum(axis=1)  # (candidate, target)
    n_sets = len(known.features)
    # A linear set is a function of its features alone: a map of contributions is exact.
    coef = [each.T @ weights[k] / known.sizes[k] for k, each in enumerate(known.features)]
    linear = make_linear(
        known.standard,
        np.concatenate([np.zeros((0, labels.shape[1])), *coef]),
        labels,
        (known.mixes[:, :n_sets] > 0).T @ posterior,
    )
    return JointProcess(
        tuple(terms.feature_sets), linear, terms.locations, known.scales, weights[n_sets:]
    )


def check_sets(names: Sequence[str]) -> None:
    """Stop where a process would join more feature sets, by their names, than it tells apart.

    Raises
    ------
    InputError
        Lists them.
    """
    if len(names) > MAX_SETS:
        raise InputError(
            f"a recipe joins {len(names)} feature sets with place ({', '.join(names)}); "
            f"at most {MAX_SETS} can be told apart. Leave some out."
        )


def prepare_joint(terms: AreaTerms, n_scales: int | None = None) -> JointPrior:
    """Prepare what a process of feature sets, place and district takes for possible.

    Parameters
    ----------
    n_scales
        Length scales that are averaged over; by default as many as the number of sets leaves.

    Raises
    ------
    InputError
        If there are more sets than can be told apart.
    """
    n_sets, n_areas = len(terms.feature_sets), terms.n_areas
    check_sets(list(terms.feature_sets))
    # Candidates are scales times subsets: more of one leave time for fewer of the other.
    if n_scales is None:
        n_scales = int(np.clip(MOST_GRID // 2**n_sets, LEAST_SCALES, MOST_SCALES))
    at, standard = terms.locations, learn_standard(terms.join())
    Z = np.split(standard.apply(terms.join()), terms.ends, axis=1)[:n_sets]
    # Each set's covariance is 1 on average, whatever the number of its features.
    sizes = [max(float((each**2).sum()) / len(each), 1e-12) for each in Z]
    scales = np.zeros(0) if at.xy is None else choose_scales(cdist(at.xy, at.xy), n_scales)
    components = [each @ each.T / size for each, size in zip(Z, sizes, strict=True)]
    components += correlate_locations(at, at, scales)
    mixes, prior = list_mixes(n_sets, len(scales), has_district=at.district is not None)
    stacked = np.reshape(components, (len(components), n_areas, n_areas))
    return JointPrior(standard, Z, sizes, scales, stacked, mixes, prior)


def predict_joint(joint: JointProcess, terms: AreaTerms) -> Floats:
    """Predict areas, (area, target), in the labels' unit."""
    total: Floats = np.sum(list(decompose_joint(joint, terms).values()), axis=0)
    return total


def decompose_joint(joint: JointProcess, terms: AreaTerms) -> dict[str, Floats]:
    """Decompose a prediction as `area_models.decompose` does: (area, target) of each."""
    parts, n_scales = decompose_linear(joint.linear, joint.set_names, terms), len(joint.scales)
    common = correlate_locations(terms.locations, joint.locations, joint.scales)
    added = [one @ weights for one, weights in zip(common, joint.weights, strict=True)]
    if joint.locations.xy is not None:
        parts[PLACE] = np.sum(added[:n_scales], axis=0)
    if joint.locations.district is not None:
        parts[DISTRICT] = added[n_scales]
    return parts


def gp_interpolation(
    known: Locations,
    labels: Floats,
    new: Locations,
    rng: np.random.Generator,
    *,
    is_many: bool,
    n_scales: int = N_SCALES,
) -> Floats:
    """Predict labels from place, and district where it is given, without any feature set.

    Parameters
    ----------
    labels : (known item, target)
        NaN where unknown.
    is_many
        Whether the place has many items (`gaussian_process.has_many`). Then districts are not
        used: neighbours tell them.

    Returns
    -------
    (new item, target)
        In the labels' unit; NaN for a target without a label.
    """
    if is_many:
        assert known.xy is not None
        assert new.xy is not None
        return interpolate_many(known.xy, labels, new.xy, rng)
    return predict_joint(fit_joint(AreaTerms({}, known), labels, n_scales), AreaTerms({}, new))


def list_mixes(n_sets: int, n_scales: int, has_district: bool) -> tuple[Floats, Floats]:
    """List the candidates of a process, and their prior.

    Every subset of the feature sets: with none of them all that areas have in common is by where
    they are; others share a part of it, or all, equally. Each set is in or out with one half.

    Returns
    -------
    Shares (candidate, component) of the sets, the length scales and the district, and the
    prior (candidate,).

    Examples
    --------
    >>> mixes, prior = list_mixes(1, 1, has_district=False)
    >>> mixes.round(1).tolist()
    [[0.0, 1.0], [0.2, 0.8], [0.5, 0.5], [0.8, 0.2], [1.0, 0.0]]
    >>> prior.tolist()
    [0.5, 0.125, 0.125, 0.125, 0.125]
    """
    scales, district = np.eye(n_scales, n_scales + has_district), np.eye(1, n_scales + 1, n_scales)
    near = scales  # (candidate, component) of place and district alone
    if has_district and n_scales:
        near = np.concatenate([(1 - s) * scales + s * district for s in DISTRICT_SHARES])
    elif has_district:
        near = district
    # Without place and district there is only noise besides the sets.
    nothing = near if len(near) else np.zeros((1, 0))
    mixes = [np.pad(nothing, ((0, 0), (n_sets, 0)))]
    for size in range(1, n_sets + 1):
        for subset in combinations(range(n_sets), size):
            sets = np.isin(np.arange(n_sets), subset) / size
            beside = [np.r_[share * sets, (1 - share) * mix] for mix in near for share in SHARES]
            mixes.append(np.array([*beside, np.r_[sets, np.zeros(near.shape[1])]]))
    prior = [np.full(len(each), 0.5**n_sets / len(each)) for each in mixes]
    return np.concatenate(mixes), np.concatenate(prior)


def decompose_linear(
    linear: LinearModel, set_names: tuple[str, ...], terms: AreaTerms
) -> dict[str, Floats]:
    """Split a prediction into the mean and what each set adds, (area, target) each."""
    known = AreaTerms({name: terms.feature_sets[name] for name in set_names}, terms.locations)
    Z = np.split(standardise(known.join(), linear.mean, linear.scale), known.ends, axis=1)
    coef = np.split(linear.coef, known.ends)
    parts = {MEAN_PART: np.tile(linear.intercept, (terms.n_areas, 1))}
    return parts | {name: Z[k] @ coef[k] for k, name in enumerate(set_names)}
