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
from basrelief.learn.process import choose_scales, correlate_all
from basrelief.learn.trend import fit_parts
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
    distance = cdist(places.xy, places.xy)
    scales = choose_scales(distance, N_SCALES)
    near = _have_in_common(distance, scales, places, places)
    parts = fit_parts(members, known.labels, near)
    trend = join_members(standards, parts.coef, known.labels, parts.likely)
    return Together(trend, places, scales, parts.weights)


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


def _have_in_common(distance: Floats, scales: Floats, places: Places, others: Places) -> Floats:
    """Say what places have in common with others, (share × scale, place, other)."""
    near = correlate_all(distance, scales)
    if places.district is None or others.district is None:
        return near
    return mix_districts(near, places.district[:, None] == others.district)
