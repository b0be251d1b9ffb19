"""The model of areas: feature sets, place and district, each a part of the prediction."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.optimize import nnls

from basrelief.learn.joint import (
    AreaTerms,
    JointProcess,
    decompose_joint,
    decompose_linear,
    fit_joint,
    gp_interpolation,
)
from basrelief.learn.linear import (
    LinearModel,
    average_known,
    fit_ridge,
    learn_standard,
    make_linear,
    predict_linear,
)
from basrelief.learn.place import Locations
from basrelief.learn.recipes import PLACE
from basrelief.run import replacing
from basrelief.splits.folds import assign_folds

N_SCALES_ALONE = 3
"""Length scales beside a feature set that is to be told apart from place."""

INNER_FOLDS = 5

ABOUT = "about"
"""Where its metadata hold, as JSON, its kind, its sets' names and the training areas' districts."""

Floats = NDArray[np.float64]
ModelKind = Literal["linear", "process", "residual"]


@dataclass(frozen=True, eq=False)
class TrainingAreas:
    """What a model of areas learns from."""

    terms: AreaTerms
    labels: Floats
    """(area, target) Units of the target; NaN where unknown."""

    blocks: NDArray[np.str_]
    """(area,) Ground that must not lie on both sides of an inner split."""

    is_many: bool
    """Whether the place has many areas (`gaussian_process.has_many`): then inner folds choose a
    ridge, and what it leaves is interpolated."""

    def take(self, rows: NDArray[np.int64]) -> TrainingAreas:
        """Keep some of the areas, by their positions (n,)."""
        # The place stays as large as it is: an inner fold must not change the method.
        return TrainingAreas(
            self.terms.take(rows), self.labels[rows], self.blocks[rows], self.is_many
        )


@dataclass(frozen=True, eq=False)
class Residual:
    """What feature sets leave of the training areas' labels, where these are many."""

    locations: Locations
    values: Floats
    """(area, target) Units of the target; NaN where unknown."""


@dataclass(frozen=True, eq=False)
class AreaModel:
    """A fitted model of areas, as it lies in ``model.safetensors``."""

    set_names: tuple[str, ...]
    alone: LinearModel
    """What feature sets say alone: all that serves where no label is known."""

    beside: JointProcess | Residual | None
    """How place and district come in; None where the recipe leaves them out."""

    @property
    def kind(self) -> ModelKind:
        """``linear``: feature sets alone; ``process``: joined with place; ``residual``: after."""
        if self.beside is None:
            return "linear"
        return "process" if isinstance(self.beside, JointProcess) else "residual"

    @property
    def weight(self) -> Floats:
        """(set, target) How much of each feature set counts; see `LinearModel.weight`."""
        joint = self.beside
        return joint.linear.weight if isinstance(joint, JointProcess) else self.alone.weight


def fit_areas(areas: TrainingAreas, rng: np.random.Generator, *, joins_place: bool) -> AreaModel:
    """Fit a model of areas: feature sets alone and, where asked for, with place and district."""
    alone, terms = fit_stack(areas, rng), areas.terms
    beside: JointProcess | Residual | None = None
    if joins_place and areas.is_many:
        # A joint process is a square of the areas: of many, two steps stand in for it.
        beside = Residual(terms.locations, areas.labels - predict_linear(alone, terms.join()))
    elif joins_place:
        beside = fit_joint(terms, areas.labels)
    return AreaModel(tuple(terms.feature_sets), alone, beside)


def predict_areas(
    model: AreaModel, terms: AreaTerms, rng: np.random.Generator, without: Collection[str] = ()
) -> Floats:
    """Predict areas, (area, target), in the labels' unit, ``without`` some of the components."""
    parts = decompose(model, terms, rng)
    total: Floats = np.sum([part for name, part in parts.items() if name not in without], axis=0)
    return total


def decompose(model: AreaModel, terms: AreaTerms, rng: np.random.Generator) -> dict[str, Floats]:
    """Decompose a prediction into what the mean, each set, place and district add to it.

    Leaving a component out of the sum does not give its share to the others: for that, fit without
    it. A set whose features of an area are all unknown adds nothing there.

    Parameters
    ----------
    terms
        With the sets that the model learnt from.
    rng
        Draws the sample of the training areas where these are many.

    Returns
    -------
    (area, target) of each component, in the labels' unit. They add up to the prediction.

    References
    ----------
    Hengl, Heuvelink and Rossiter (2007), Computers & Geosciences 33, 1301-1315 (a residual
    interpolated after a regression).
    """
    if isinstance(model.beside, JointProcess):
        return decompose_joint(model.beside, terms)
    parts = decompose_linear(model.alone, model.set_names, terms)
    if model.beside is not None:
        left, known = model.beside.values, model.beside.locations
        parts[PLACE] = gp_interpolation(known, left, terms.locations, rng, is_many=True)
    return parts


def fit_stack(areas: TrainingAreas, rng: np.random.Generator) -> LinearModel:
    """Fit a linear model to each target, of one or several feature sets and nothing else.

    Each set has a regression of its own. Inner folds of whole blocks say how much of each to
    keep: the weights, not below 0 and not above 1 together, that fit best what the regressions
    predict of blocks that they did not see. A target of which inner folds see nothing gets no
    weight, and so its mean.

    References
    ----------
    Breiman (1996), Machine Learning 24, 49-64 (stacked regressions).
    """
    coef = _fit_each(areas, rng)
    weight = _weigh_sets(areas, rng)
    weighted = np.concatenate([each * own for each, own in zip(coef, weight, strict=True)])
    return make_linear(learn_standard(areas.terms.join()), weighted, areas.labels, weight)


def find_weights(lift: Floats, residual: Floats) -> Floats:
    """Find weights, each at least 0 and at most 1 together, of least squared error.

    Parameters
    ----------
    lift : (n, set)
        What each set predicts above the mean.
    residual : (n,)
        What was observed above the mean.

    Returns
    -------
    (set,)

    Examples
    --------
    >>> find_weights(np.array([[1.0], [-1.0]]), np.array([0.5, -0.5])).round(3)
    array([0.5])
    >>> find_weights(np.array([[1.0], [-1.0]]), np.array([-3.0, 1.0]))
    array([0.])
    """
    weights, _ = nnls(lift, residual)
    if weights.sum() <= 1:
        return np.asarray(weights, dtype=np.float64)
    # The best on the edge: one heavy row asks that they make 1.
    heavy = 1e4 * max(float(np.abs(lift).max()), 1e-12) * np.sqrt(len(lift))
    edged = np.vstack([lift, np.full(lift.shape[1], heavy)])
    weights, _ = nnls(edged, np.append(residual, heavy))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def save_model(model: AreaModel, path: Path) -> None:
    """Write a model as safetensors, its kind in the metadata, whole or not at all."""
    tensors = _name_arrays("alone", model.alone)
    locations = Locations(None)
    if isinstance(model.beside, JointProcess):
        tensors |= _name_arrays("joint", model.beside.linear)
        tensors |= {"scales": model.beside.scales, "weights": model.beside.weights}
        locations = model.beside.locations
    elif isinstance(model.beside, Residual):
        tensors["residual"] = model.beside.values
        locations = model.beside.locations
    if locations.xy is not None:
        tensors["xy"] = locations.xy
    codes = None if locations.district is None else locations.district.tolist()
    # One text: safetensors writes several in any order, and equal models are equal files.
    about = json.dumps({"kind": model.kind, "sets": model.set_names, "district": codes})
    # safetensors writes a view's memory as it lies, not in the order that the view shows.
    whole = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    with replacing(path) as part:
        save_file(whole, part, metadata={ABOUT: about})


def load_model(path: Path) -> AreaModel:
    """Read what `save_model` wrote."""
    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()[ABOUT])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    names, codes = tuple(about["sets"]), about["district"]
    district = None if codes is None else np.array(codes, dtype=str)
    locations = Locations(tensors.get("xy"), district)
    beside: JointProcess | Residual | None = None
    if about["kind"] == "process":
        linear = _take_arrays("joint", tensors)
        beside = JointProcess(names, linear, locations, tensors["scales"], tensors["weights"])
    elif about["kind"] == "residual":
        beside = Residual(locations, tensors["residual"])
    return AreaModel(names, _take_arrays("alone", tensors), beside)


def _fit_each(areas: TrainingAreas, rng: np.random.Generator) -> list[Floats]:
    """Fit each set's own regression: its coefficients, (feature, target), where standardised."""
    coef = []
    for name, X in areas.terms.feature_sets.items():
        if areas.is_many:
            Z = learn_standard(X).apply(X)
            coef.append(fit_ridge(Z, areas.labels, _inner_folds(areas.blocks, rng)))
        else:
            # Beside place, and without it afterwards: a set is not to know who is near.
            own = AreaTerms({name: X}, Locations(areas.terms.locations.xy))
            coef.append(fit_joint(own, areas.labels, N_SCALES_ALONE).linear.coef)
    return coef


def _weigh_sets(areas: TrainingAreas, rng: np.random.Generator) -> Floats:
    """Find how much of each set inner folds bear out, (set, target)."""
    feature_sets, labels = areas.terms.feature_sets, areas.labels
    weight = np.zeros((len(feature_sets), labels.shape[1]))
    # One block leaves nothing to hold out, and what is not borne out gets no weight.
    if len(np.unique(areas.blocks)) < 2:
        return weight
    lifts, residuals = [], []
    folds = _inner_folds(areas.blocks, rng)
    for fold in np.unique(folds):
        train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        coef = _fit_each(areas.take(train), rng)
        sets = zip(feature_sets.values(), coef, strict=True)
        # Standardised anew: the spread of the areas held out must not be known either.
        lifts.append([learn_standard(X[train]).apply(X[held]) @ own for X, own in sets])
        residuals.append(labels[held] - average_known(labels[train]))
    lift = np.concatenate(lifts, axis=1)  # (set, area, target)
    residual = np.concatenate(residuals)  # (area, target)
    for k in range(labels.shape[1]):
        is_known = np.isfinite(residual[:, k])
        if is_known.any():
            weight[:, k] = find_weights(lift[:, is_known, k].T, residual[is_known, k])
    return weight


def _inner_folds(blocks: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal areas into inner folds by blocks; all into one where there is a single block."""
    if len(np.unique(blocks)) < 2:
        return np.zeros(len(blocks), dtype=np.int64)
    return assign_folds(blocks, INNER_FOLDS, rng)


def _name_arrays(prefix: str, linear: LinearModel) -> dict[str, Any]:
    return {f"{prefix}.{item.name}": getattr(linear, item.name) for item in fields(LinearModel)}


def _take_arrays(prefix: str, tensors: dict[str, Any]) -> LinearModel:
    return LinearModel(
        **{item.name: tensors[f"{prefix}.{item.name}"] for item in fields(LinearModel)}
    )
