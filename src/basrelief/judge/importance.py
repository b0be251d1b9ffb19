"""How much predictions rest on what a model knows of areas: features, place and district."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.learn.area_models import AreaModel, Residual
from basrelief.learn.gaussian_process import group_targets, sample_items
from basrelief.learn.joint import AreaTerms, JointProcess
from basrelief.learn.linear import LinearModel, measure_spread, predict_linear
from basrelief.learn.place import choose_pairs, correlate_all, correlate_locations

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Importance:
    """How much the predictions of each target rest on what a model knows of areas.

    Squared distances are sums over features, place and district, each times the square of its
    weight here. Features weigh by their absolute coefficients. Where a model knows place too,
    each of the three is brought to one scale: its mean squared distance between two training
    areas is twice the variance of what it adds to their predictions, as it is of the added
    values themselves.
    """

    features: Floats
    """(feature, target)"""

    scales: Floats
    """(scale,) Length scales at which place counts, in metres; none where it does not."""

    place: Floats
    """(scale, target) Of the square root of twice what the correlation of two areas lacks to 1."""

    district: Floats
    """(target,) Of the same, where the correlation is 1 within a district and else 0."""

    @property
    def rests_on_any(self) -> NDArray[np.bool_]:
        """(target,) Whether a prediction rests on anything; one that does not is the mean."""
        total = self.features.sum(axis=0) + self.place.sum(axis=0) + self.district
        return np.asarray(total > 0)

    def take(self, targets: Rows) -> Importance:
        """Keep some of the targets, by their positions (n,)."""
        return Importance(
            self.features[:, targets], self.scales, self.place[:, targets], self.district[targets]
        )


def weigh_predictors(model: AreaModel, terms: AreaTerms, rng: np.random.Generator) -> Importance:
    """Weigh what a model knows of areas by how much its predictions rest on it.

    Of a joint process that is its linear part, what place adds at each length scale, and what
    the district adds. Where place comes second (`Residual`) its length scale is that of what
    features leave, and it adds as much of that as is no noise.

    Parameters
    ----------
    terms
        Of the training areas.
    rng
        A fresh one of those that predictions are drawn by, so that the same scales are chosen.
    """
    beside = model.beside
    if isinstance(beside, JointProcess):
        return _weigh_joint(beside, terms)
    if isinstance(beside, Residual):
        return _weigh_residual(model.alone, beside, terms, rng)
    return weigh_linear(model.alone)


def weigh_linear(linear: LinearModel) -> Importance:
    """Weigh the features of a model that predicts by them alone."""
    n_targets = linear.coef.shape[1]
    return Importance(
        np.abs(linear.coef), np.zeros(0), np.zeros((0, n_targets)), np.zeros(n_targets)
    )


def _weigh_joint(joint: JointProcess, terms: AreaTerms) -> Importance:
    """Weigh features, place at each length scale, and district, by what each adds."""
    at, n_scales, n_targets = joint.locations, len(joint.scales), joint.linear.coef.shape[1]
    common = correlate_locations(at, at, joint.scales)  # (area, area) of each component
    added = [one @ weights for one, weights in zip(common, joint.weights, strict=True)]
    place, district = np.zeros((0, n_targets)), np.zeros(n_targets)
    if at.xy is not None:
        spread = np.stack([each.std(axis=0) for each in added[:n_scales]])
        apart = np.array([_mean_apart(one) for one in common[:n_scales]])
        total = np.sum(added[:n_scales], axis=0).std(axis=0)
        # Length scales share what place adds: they may take from each other what they give.
        place = spread * _bring_to_scale(total, apart @ spread**2)
    if at.district is not None:
        apart_by_district = np.full(n_targets, _mean_apart(common[n_scales]))
        district = _bring_to_scale(added[n_scales].std(axis=0), apart_by_district)
    scales = joint.scales if at.xy is not None else np.zeros(0)
    return Importance(_weigh_beside(joint.linear, terms), scales, place, district)


def _weigh_residual(
    linear: LinearModel, residual: Residual, terms: AreaTerms, rng: np.random.Generator
) -> Importance:
    """Weigh features, and place at the length scale of what they leave."""
    xy, n_targets = residual.locations.xy, linear.coef.shape[1]
    left: Floats = residual.values
    assert xy is not None
    variance_at: dict[float, Floats] = {}  # by length scale, (target,)
    for is_known, columns in group_targets(left):
        known = left[np.ix_(is_known, columns)]
        for scale, noise, which in choose_pairs(xy[is_known], known, rng):
            variance = variance_at.setdefault(scale, np.zeros(n_targets))
            variance[columns[which]] = (1 - noise) * known[:, which].var(axis=0)
    scales = np.array(sorted(variance_at))
    some = xy[sample_items(len(xy), rng)]
    apart = [_mean_apart(each) for each in correlate_all(cdist(some, some), scales)]
    spread = np.sqrt([variance_at[scale] for scale in scales])  # (scale, target)
    place = _bring_to_scale(spread, np.array(apart)[:, None])
    return Importance(_weigh_beside(linear, terms), scales, place, np.zeros(n_targets))


def _weigh_beside(linear: LinearModel, terms: AreaTerms) -> Floats:
    """Weigh features that stand beside place: (feature, target)."""
    X, weight = terms.join(), np.abs(linear.coef)
    mean, scale = measure_spread(X)
    variance = np.where(np.isfinite(X), (X - mean) / scale, 0.0).var(axis=0)
    apart = 2 * variance @ weight**2
    return weight * _bring_to_scale(predict_linear(linear, X).std(axis=0), apart)


def _bring_to_scale(spread: Floats, apart: Floats) -> Floats:
    """Give what brings a mean squared distance, ``apart``, to twice the variance that is added."""
    is_any = apart > 0
    factor: Floats = np.where(is_any, spread * np.sqrt(2 / np.where(is_any, apart, 1.0)), 0.0)
    return factor


def _mean_apart(correlation: Floats) -> float:
    """Mean squared distance of two areas, from what all of them have in common: (area, area)."""
    n = len(correlation)
    lacking = 2 * (n * n - float(correlation.sum()))
    # With itself an area has all in common, and so adds nothing.
    return lacking / max(1, n * (n - 1))
