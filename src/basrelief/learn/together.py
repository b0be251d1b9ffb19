"""A trend on features, what near areas share and what districts share, fitted as one process."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.spatial.distance import cdist

from basrelief.learn.area_models import TrainingAreas, join_members, learn_standard
from basrelief.learn.kriging import Places
from basrelief.learn.linear import LinearModel, predict_linear
from basrelief.learn.nearby import mix_districts
from basrelief.learn.process import choose_scales, correlate_all, fit_process
from basrelief.learn.trend import SHARES
from basrelief.run import replacing

N_SCALES = 8
"""Length scales of what near areas share that are averaged over."""

TREND, DISTRICTS = "trend.", "districts"
"""Where a file keeps the trend's arrays, and the districts of the training areas."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Together:
    """What features say, and what the labels of the training areas say of those near them."""

    trend: LinearModel
    """What features say; ``weight`` is how likely each member is to say anything."""

    places: Places
    """Where the training areas are."""

    scales: Floats
    """(scale,) Length scales, in metres."""

    weights: Floats
    """(share of the district × scale, area, target) What each training area adds to an area with
    which it has all in common."""


def fit_together(known: TrainingAreas, places: Places) -> Together:
    """Fit features, place and district at once, as a Gaussian process.

    In two steps, a trend first and then what it leaves, the second takes the first for certain.
    Here both are parts of one process, averaged over the shares of trend, place, district and
    noise, over length scales and over members, by marginal likelihood. That there is no trend is
    as likely beforehand as that there is one.

    Parameters
    ----------
    known
        No more areas than decompositions of their square are cheap for.
    places
        Of the same areas.

    References
    ----------
    Chiles and Delfiner (2012), Geostatistics, section 3.4 (kriging with a trend).
    """
    standards = [learn_standard(X) for X in known.features]
    members = [standard.apply(X) for standard, X in zip(standards, known.features, strict=True)]
    sizes = [max(float((Z**2).sum()) / len(Z), 1e-12) for Z in members]
    trends = [Z @ Z.T / size for Z, size in zip(members, sizes, strict=True)]
    distance = cdist(places.xy, places.xy)
    scales = choose_scales(distance, N_SCALES)
    near = _have_in_common(distance, scales, places, places)
    mixes = _list_mixes(len(near), len(trends))
    process = fit_process(
        np.stack([_mix(near, trends, mix) for mix in mixes]), known.labels, _weigh_before(mixes)
    )
    coef, weight = [], np.zeros((len(trends), known.labels.shape[1]))
    for k, (Z, size) in enumerate(zip(members, sizes, strict=True)):
        share = np.array([mix.share if mix.member == k else 0.0 for mix in mixes])
        coef.append(Z.T @ np.einsum("c,cnt->nt", share, process.weights) / size)
        weight[k] = process.odds.sum(axis=1)[share > 0].sum(axis=0)
    weights = np.zeros((len(near), *known.labels.shape))
    for mix, added in zip(mixes, process.weights, strict=True):
        if mix.near is not None:
            weights[mix.near] += (1 - mix.share) * added
    trend = join_members(standards, coef, known.labels, weight)
    return Together(trend, places, scales, weights)


def predict_together(model: Together, X: Floats, places: Places) -> Floats:
    """Predict areas, (area, target), in the labels' unit, from their features and places."""
    predicted = predict_linear(model.trend, X)
    distance = cdist(places.xy, model.places.xy)
    near = _have_in_common(distance, model.scales, places, model.places)
    for common, weights in zip(near, model.weights, strict=True):
        predicted = predicted + common @ weights
    return predicted


def save_together(model: Together, path: Path) -> None:
    """Write a model as safetensors, whole or not at all."""
    tensors = {
        f"{TREND}{item.name}": getattr(model.trend, item.name) for item in fields(LinearModel)
    }
    tensors |= {"xy": model.places.xy, "scales": model.scales, "weights": model.weights}
    district = model.places.district
    codes = None if district is None else district.tolist()
    kept = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    with replacing(path) as part:
        save_file(kept, part, metadata={DISTRICTS: json.dumps(codes)})


def load_together(path: Path) -> Together:
    """Read what `save_together` wrote."""
    with safe_open(path, "numpy") as file:
        codes = json.loads(file.metadata()[DISTRICTS])
    tensors = load_file(path)
    trend = {item.name: tensors[f"{TREND}{item.name}"] for item in fields(LinearModel)}
    places = Places(tensors["xy"], None if codes is None else np.array(codes, dtype=str))
    return Together(LinearModel(**trend), places, tensors["scales"], tensors["weights"])


@dataclass(frozen=True)
class _Mix:
    """A candidate: how much of what areas have in common is a member's trend, the rest place."""

    near: int | None
    """Which correlation of places; None where the trend is all."""

    member: int | None
    share: float


def _list_mixes(n_near: int, n_members: int) -> list[_Mix]:
    """List the candidates: place alone, each member beside place in some shares, and alone."""
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


def _have_in_common(distance: Floats, scales: Floats, places: Places, others: Places) -> Floats:
    """Say what places have in common with others, (share × scale, place, other)."""
    near = correlate_all(distance, scales)
    if places.district is None or others.district is None:
        return near
    return mix_districts(near, places.district[:, None] == others.district)
