"""Held-out predictions of recipes and baselines, one recipe and scheme at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.judge.applicability import (
    Applicability,
    HeldOut,
    hold_out,
    measure_applicability,
)
from basrelief.judge.baselines import (
    BaselineData,
    predict_baseline,
)
from basrelief.judge.importance import weigh_predictors
from basrelief.judge.inputs import EvaluationInputs
from basrelief.learn.area_models import AreaModel, decompose, load_model
from basrelief.learn.features import read_features
from basrelief.learn.knowledge import find_eyes
from basrelief.learn.linear import average_known
from basrelief.learn.predict import predict_fold
from basrelief.learn.recipes import MEAN_PART, AreaRecipe, NetworkRecipe
from basrelief.learn.train_areas import AreaData, gather_area_data
from basrelief.run import MODEL, Record
from basrelief.splits.clearance import find_near_pairs
from basrelief.splits.groups import groups_of_areas
from basrelief.splits.heldout import (
    AreaFold,
    ChipFold,
    buffer_of,
)

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SchemePredictions:
    """What one recipe predicts of what one scheme holds out."""

    recipe: str
    unit: Literal["chip", "area"]
    frame: pd.DataFrame
    """Rows of ``predictions.parquet`` without the bounds of the intervals; text is categorical,
    since a country has millions of rows and thousands of names."""

    applicability: pd.DataFrame | None = None
    """``recipe, target, scheme, repeat, area_id, di, threshold, is_inside`` of an area recipe."""

    parts: pd.DataFrame | None = None
    """``recipe, target, scheme, area_id, part, added`` of a recipe of areas with several eyes."""

    member_weights: tuple[Record, ...] = ()
    """How much an area recipe's members weigh, see `_average_weights`."""


def predict_scheme(inputs: EvaluationInputs, scheme: str) -> Iterator[SchemePredictions]:
    """Predict what a scheme holds out: baselines first, then recipes, one at a time."""
    folds = [fold for fold in inputs.folds if fold.scheme == scheme]
    fold_of_chips = inputs.chip_fold(scheme)
    if folds:
        for name in inputs.areas.baselines:
            yield _predict_baseline(name, inputs.areas, inputs, folds)
    if fold_of_chips is not None:
        for name in inputs.chips.baselines:
            yield _predict_baseline(name, inputs.chips, inputs, [fold_of_chips])
    for recipe in inputs.recipes:
        if not isinstance(recipe, NetworkRecipe):
            if folds:
                yield _predict_areas(recipe, inputs, folds)
        elif fold_of_chips is not None:
            yield from _predict_network(recipe, inputs, fold_of_chips)


def average_over_areas(samples: Samples, rows: Rows, values: Floats) -> pd.DataFrame:
    """Average chips' predictions over areas, weighted by membership.

    Parameters
    ----------
    rows : (n,)
        Positions in ``samples.chips``.
    values : (n, n_targets)
        Predictions for those chips.

    Returns
    -------
    One row an area that any of the chips has ground in, by ``area_id``; a column a target.
    """
    # By chip and not by position: membership names chips in an order of its own.
    position = pd.Series(np.arange(len(rows)), index=samples.chips["chip_id"].iloc[rows])
    member = samples.membership[samples.membership["chip_id"].isin(position.index)]
    member = member[member["weight"] > 0]
    weight = member["weight"].to_numpy(np.float64)
    weighted = values[position.loc[member["chip_id"]].to_numpy()] * weight[:, None]
    sums = pd.DataFrame(weighted, columns=list(samples.targets)).assign(weight=weight)
    sums = sums.groupby(member["area_id"].to_numpy()).sum()
    averaged: pd.DataFrame = sums[list(samples.targets)].div(sums["weight"], axis=0)
    return averaged


def tabulate_predictions(
    key: dict[str, Any],
    targets: Sequence[str],
    ids: pd.Categorical[str],
    values: tuple[Floats, Floats, Floats],
    near: Applicability | None,
) -> pd.DataFrame:
    """Lay predictions out as rows of ``predictions.parquet``, without bounds of intervals.

    Parameters
    ----------
    key
        ``recipe, scheme, unit`` and ``repeat, fold``: the same for all rows.
    ids : (item,)
        Codes of the items predicted.
    values : (item, target), (item, target), (target,)
        ``y_true``, ``y_pred`` and ``y_mean``, in the targets' units; NaN where unknown.
    near
        Whether the model may be applied to each item; None where that is not measured.

    Returns
    -------
    One row a target and item, target by target in their order.
    """
    y_true, y_pred, y_mean = values
    n_items, n_rows = len(ids), len(ids) * len(targets)
    names = pd.Index(sorted(targets))  # groups come in the order of text
    codes = names.get_indexer(pd.Index(targets))
    unknown = pd.array([pd.NA] * n_rows, dtype="boolean")
    return pd.DataFrame(
        {
            **{name: _repeat(str(key[name]), n_rows) for name in ("recipe", "scheme", "unit")},
            "target": pd.Categorical.from_codes(np.repeat(codes, n_items), names),
            "repeat": np.int32(key["repeat"]),
            "fold": np.int32(key["fold"]),
            "id": pd.Categorical.from_codes(np.tile(ids.codes, len(targets)), ids.categories),
            # Transposed, since targets come one after the other: (target, item).
            "y_true": y_true.T.ravel(),
            "y_pred": y_pred.T.ravel(),
            "y_mean": np.repeat(y_mean, n_items),
            "is_inside": unknown if near is None else near.is_inside,
        }
    )


def _predict_baseline(
    name: str, data: BaselineData, inputs: EvaluationInputs, folds: Sequence[AreaFold | ChipFold]
) -> SchemePredictions:
    """Predict the test items of every fold by a baseline."""
    frames = []
    for fold in inputs.run.track(folds, f"{name}, {folds[0].scheme}"):
        if isinstance(fold, AreaFold):
            train, test = data.find(fold.train), data.find(fold.test)
            rng = inputs.rng(name, fold.scheme, fold.repeat, fold.fold)
        else:
            train, test = fold.train, fold.test
            rng = inputs.rng(name, fold.scheme, "chip")
        predicted = predict_baseline(name, data, train, test, rng)
        frames.append(_tabulate(name, inputs, fold, (data, train, test), predicted))
    return SchemePredictions(name, data.unit, pd.concat(frames, ignore_index=True))


def _predict_areas(
    recipe: AreaRecipe, inputs: EvaluationInputs, folds: list[AreaFold]
) -> SchemePredictions:
    """Predict the test areas of every fold, and measure how far they lie from its training."""
    data, frames, distances, models, added = inputs.areas, [], [], [], list[pd.DataFrame]()
    features = read_features(recipe, inputs.settings, inputs.run)
    learnt = gather_area_data(recipe, features, inputs.samples, inputs.settings)
    neighbours = _find_neighbourhood(inputs, folds)
    for fold in inputs.run.track(folds, f"{recipe.name}, {folds[0].scheme}"):
        train, test = data.find(fold.train), data.find(fold.test)
        folder = inputs.run.models / recipe.name / fold.scheme / f"{fold.repeat}-{fold.fold}"
        model = load_model(folder / MODEL)
        models.append(model)
        near = _measure_near(recipe, inputs, fold, (model, learnt), neighbours.hold_out(train))
        rng = inputs.rng(recipe.name, fold.scheme, fold.repeat, fold.fold, "place")
        parts = decompose(model, learnt.terms(fold.test), rng)
        predicted: Floats = np.sum(list(parts.values()), axis=0)
        added.append(_tabulate_parts(parts, fold, inputs.samples.targets))
        rows = (data, train, test)
        frames.append(_tabulate(recipe.name, inputs, fold, rows, predicted, near))
        distances.append(_tabulate_near(recipe.name, inputs, fold, rows, near))
    key = {"recipe": recipe.name, "scheme": folds[0].scheme}
    return SchemePredictions(
        recipe.name,
        "area",
        pd.concat(frames, ignore_index=True),
        pd.concat(distances, ignore_index=True),
        _average_parts(added, key) if len(find_eyes(inputs.knows[recipe.name])) > 1 else None,
        tuple(_average_weights(models, inputs.samples.targets, key)),
    )


def _tabulate_parts(
    parts: dict[str, Floats], fold: AreaFold, targets: tuple[str, ...]
) -> pd.DataFrame:
    """Tabulate what each part adds to the test areas: a column a target, by part and area."""
    tables = {name: pd.DataFrame(values, fold.test, targets) for name, values in parts.items()}
    return pd.concat(tables, names=["part", "area_id"])


def _average_parts(added: list[pd.DataFrame], key: Record) -> pd.DataFrame:
    """Average over repeats what each part adds to an area while it is held out.

    The mean is left out: every prediction has it.
    """
    mean = pd.concat(added).groupby(level=["part", "area_id"], sort=False).mean()
    mean = mean.drop(index=MEAN_PART, level="part")
    rows = mean.reset_index().melt(["part", "area_id"], var_name="target", value_name="added")
    return rows.assign(**key)


def _measure_near(
    recipe: AreaRecipe,
    inputs: EvaluationInputs,
    fold: AreaFold,
    learnt: tuple[AreaModel, AreaData],
    held: HeldOut,
) -> Applicability:
    """Measure how far a fold's test areas lie from its training areas, target by target."""
    model, data = learnt
    train, key = data.terms(fold.train), (recipe.name, fold.scheme, fold.repeat, fold.fold)
    importance = weigh_predictors(model, train, inputs.rng(*key, "place"))
    rng = inputs.rng(*key, "distance")
    return measure_applicability(train, data.terms(fold.test), importance, held, rng)


def _average_weights(
    models: list[AreaModel], targets: tuple[str, ...], key: Record
) -> Iterator[Record]:
    """Average over folds how much each feature set weighs.

    Yields
    ------
    Records with ``recipe, scheme`` (of ``key``)``, target, weighed_by`` (``stacking`` of
    inner-fold predictions or, where place is joined, the ``posterior`` probability that a set
    says anything), ``members`` (mean weight by name) and ``fallback_share`` (of the folds, where
    all weights are 0).
    """
    weights = np.stack([model.weight for model in models])  # (fold, set, target)
    weighed_by = "posterior" if models[0].kind == "process" else "stacking"
    for k, target in enumerate(targets):
        members = zip(models[0].set_names, weights[:, :, k].mean(axis=0).tolist(), strict=True)
        yield key | {
            "target": target,
            "weighed_by": weighed_by,
            "members": dict(members),
            "fallback_share": float((weights[:, :, k] <= 0).all(axis=1).mean()),
        }


def _predict_network(
    recipe: NetworkRecipe, inputs: EvaluationInputs, fold: ChipFold
) -> Iterator[SchemePredictions]:
    """Predict the test chips of a scheme, and the test areas from their chips."""
    samples, areas = inputs.samples, inputs.areas
    folder = inputs.run.models / recipe.name / fold.scheme / "0-0"
    # One forward pass for both: most test chips lie in test areas.
    rows = _rows_to_predict(samples, fold)
    predicted = predict_fold(folder, samples, rows, inputs.settings)  # (row, target)
    tested = predicted[pd.Index(rows).get_indexer(pd.Index(fold.test))]
    chips = (inputs.chips, fold.train, fold.test)
    frame = _tabulate(recipe.name, inputs, fold, chips, tested)
    yield SchemePredictions(recipe.name, "chip", frame)
    averaged = average_over_areas(samples, rows, predicted)
    ids = np.intersect1d(fold.test_areas, averaged.index.to_numpy(dtype=object).astype(str))
    if len(ids) == 0:
        # Pictures' tables may name no areas.
        return
    tested = averaged.loc[ids.tolist()].to_numpy(np.float64)
    frame = _tabulate(
        recipe.name,
        inputs,
        fold,
        (areas, areas.find(fold.train_areas), areas.find(ids)),
        tested,
    )
    yield SchemePredictions(recipe.name, "area", frame)


def _rows_to_predict(samples: Samples, fold: ChipFold) -> Rows:
    """Find the test chips and, for the test areas' averages, all used chips inside those."""
    member = samples.membership
    # Also chips with less than half of their ground there: none is tested, but all show it.
    inside = member["area_id"].isin(fold.test_areas) & (member["weight"] > 0)
    is_inside = samples.chips["chip_id"].isin(member.loc[inside, "chip_id"])
    is_used = samples.chips["is_used"].to_numpy(bool)
    return np.union1d(fold.test, np.flatnonzero(is_inside.to_numpy(bool) & is_used))


@dataclass(frozen=True, eq=False)
class _Neighbourhood:
    """What all areas of a place are held out with in one scheme."""

    groups: NDArray[np.str_]
    """(area,) Empty text of areas that are in no fold."""

    pairs: Rows | None
    """(pair, 2) Positions of areas within the scheme's buffer of each other; None without one."""

    def hold_out(self, train: Rows) -> HeldOut:
        """Say what of the training areas, by their positions (area,), is left out with which."""
        if self.pairs is None:
            return hold_out(self.groups[train])
        at = np.full(len(self.groups), -1)
        at[train] = np.arange(len(train))
        pairs = at[self.pairs]
        return hold_out(self.groups[train], pairs[(pairs >= 0).all(axis=1)])


def _find_neighbourhood(inputs: EvaluationInputs, folds: list[AreaFold]) -> _Neighbourhood:
    """Find what each area of a scheme's folds is held out with, and what lies around it."""
    scheme, ids = folds[0].scheme, np.unique(np.concatenate([f.test for f in folds]))
    groups = np.full(len(inputs.areas.ids), "", dtype=object)
    at = inputs.areas.find(ids)
    groups[at] = groups_of_areas(inputs.samples, ids, scheme, inputs.settings)
    buffer_m = buffer_of(scheme, inputs.settings)
    if buffer_m <= 0:
        return _Neighbourhood(groups.astype(str), None)
    polygons = np.asarray(inputs.samples.areas["geometry"], dtype=object)
    return _Neighbourhood(groups.astype(str), find_near_pairs(polygons, buffer_m))


def _tabulate(
    recipe: str,
    inputs: EvaluationInputs,
    fold: AreaFold | ChipFold,
    rows: tuple[BaselineData, Rows, Rows],
    predicted: Floats,
    near: Applicability | None = None,
) -> pd.DataFrame:
    """Tabulate a fold's predictions where the truth and the training mean are known.

    ``rows`` are what is known of all items, and the positions of the training and test items.
    """
    data, train, test = rows
    key = {"recipe": recipe, "scheme": fold.scheme, "repeat": fold.repeat, "fold": fold.fold}
    table = tabulate_predictions(
        key | {"unit": data.unit},
        inputs.samples.targets,
        # All items are categories, tested or not: folds of one dtype are joined as codes.
        pd.Categorical.from_codes(test, data.ids),
        (data.labels[test], predicted, average_known(data.labels[train])),
        near,
    )
    return table[table["y_true"].notna() & table["y_mean"].notna()].reset_index(drop=True)


def _tabulate_near(
    recipe: str,
    inputs: EvaluationInputs,
    fold: AreaFold,
    rows: tuple[BaselineData, Rows, Rows],
    near: Applicability,
) -> pd.DataFrame:
    """Tabulate how far a fold's test areas lie from its training: ``applicability.parquet``."""
    data, _, test = rows
    targets = inputs.samples.targets
    threshold = np.repeat(near.threshold, len(test))
    return pd.DataFrame(
        {
            "recipe": _repeat(recipe, len(threshold)),
            "target": pd.Categorical.from_codes(
                np.repeat(np.arange(len(targets)), len(test)), pd.Index(targets)
            ),
            "scheme": _repeat(fold.scheme, len(threshold)),
            "repeat": np.int32(fold.repeat),
            "area_id": pd.Categorical.from_codes(np.tile(test, len(targets)), data.ids),
            "di": near.di.T.ravel(),
            "threshold": threshold,
            "is_inside": near.is_inside,
        }
    )


def _repeat(name: str, n: int) -> pd.Categorical[str]:
    """Make a column of one name, a byte a row."""
    return pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), pd.Index([name]))
