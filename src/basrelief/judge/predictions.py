"""Held-out predictions of recipes and baselines, one recipe and scheme at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.judge.applicability import measure_applicability
from basrelief.judge.baselines import Known, know_areas, know_chips, predict_baseline
from basrelief.learn.area_models import AreaModel, load_model, predict_areas
from basrelief.learn.features import read_features
from basrelief.learn.linear import weigh_features
from basrelief.learn.predict import predict_fold
from basrelief.learn.recipes import AreaRecipe, NetworkRecipe, Recipe
from basrelief.learn.train_areas import know_areas as know_recipe
from basrelief.run import MODEL, Record, Run
from basrelief.splits.groups import groups_of_areas
from basrelief.splits.heldout import AreaFold, ChipFold, area_folds, chip_fold, read_folds

INTERVALS = ("lower_50", "upper_50", "lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = (
    *("recipe", "target", "scheme", "repeat", "fold", "unit", "id"),
    *("y_true", "y_pred", "y_mean", *INTERVALS, "is_inside"),
)
"""Columns of ``predictions.parquet``."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Held:
    """What one recipe predicts of what one scheme holds out."""

    recipe: str
    unit: Literal["chip", "area"]
    frame: pd.DataFrame
    """Rows of ``predictions.parquet`` without the bounds of the intervals; text is categorical,
    since a country has millions of rows and thousands of names."""

    distances: pd.DataFrame | None = None
    """``recipe, scheme, repeat, area_id, di, threshold, is_inside`` of an area recipe."""

    kept: tuple[Record, ...] = ()
    """How much of an area recipe's members its folds kept, see `_tell_kept`."""


@dataclass(frozen=True)
class Trial:
    """Everything that predictions are made from: samples, folds and trained recipes."""

    samples: Samples
    settings: Settings
    run: Run
    recipes: list[Recipe]
    """Those asked for, and those trained as baselines."""

    @cached_property
    def areas(self) -> Known:
        """What baselines may know of areas."""
        return know_areas(self.samples)

    @cached_property
    def chips(self) -> Known:
        """What baselines may know of chips."""
        return know_chips(self.samples)

    @cached_property
    def folds(self) -> list[AreaFold]:
        """Every fold of every repeat of the schemes made of areas."""
        return list(area_folds(self.run, self.samples, self.settings))

    @cached_property
    def schemes(self) -> list[str]:
        """The schemes that were assigned."""
        return [str(scheme) for scheme in read_folds(self.run)["scheme"].unique()]

    @property
    def targets(self) -> tuple[str, ...]:
        """What is predicted."""
        return self.samples.targets

    def rng(self, *names: object) -> np.random.Generator:
        """Make the generator of one piece of work."""
        text = "/".join(str(name) for name in names)
        return np.random.default_rng([self.settings.seed, zlib.crc32(text.encode())])

    def chip_fold(self, scheme: str) -> ChipFold | None:
        """Make the fold of chips; None where chips lack a part and no network needs them."""
        try:
            return chip_fold(self.run, self.samples, self.settings, scheme)
        except InputError:
            has_networks = any(isinstance(recipe, NetworkRecipe) for recipe in self.recipes)
            if has_networks and self.settings.split.schemes is not None:
                raise
            return None


def predict_scheme(trial: Trial, scheme: str) -> Iterator[Held]:
    """Predict what a scheme holds out: baselines first, then recipes, one at a time."""
    folds = [fold for fold in trial.folds if fold.scheme == scheme]
    fold_of_chips = trial.chip_fold(scheme)
    if folds:
        for name in trial.areas.baselines:
            yield Held(name, "area", _predict_areas_without(name, trial, folds))
    if fold_of_chips is not None:
        for name in trial.chips.baselines:
            yield Held(name, "chip", _predict_chips_without(name, trial, fold_of_chips))
    for recipe in trial.recipes:
        if not isinstance(recipe, NetworkRecipe):
            if folds:
                yield _predict_areas(recipe, trial, folds)
        elif fold_of_chips is not None:
            yield from _predict_network(recipe, trial, fold_of_chips)


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
    position = pd.Series(np.arange(len(rows)), index=samples.chips["chip_id"].iloc[rows])
    member = samples.membership[samples.membership["chip_id"].isin(position.index)]
    member = member[member["weight"] > 0]
    weight = member["weight"].to_numpy(np.float64)
    weighted = values[position.loc[member["chip_id"]].to_numpy()] * weight[:, None]
    sums = pd.DataFrame(weighted, columns=list(samples.targets)).assign(weight=weight)
    sums = sums.groupby(member["area_id"].to_numpy()).sum()
    averaged: pd.DataFrame = sums[list(samples.targets)].div(sums["weight"], axis=0)
    return averaged


def _predict_areas_without(name: str, trial: Trial, folds: list[AreaFold]) -> pd.DataFrame:
    """Predict the test areas of every fold by a baseline."""
    known, frames = trial.areas, []
    for fold in trial.run.track(folds, f"{name}, {folds[0].scheme}"):
        train, test = known.find(fold.train), known.find(fold.test)
        rng = trial.rng(name, fold.scheme, fold.repeat, fold.fold)
        predicted = predict_baseline(name, known, train, test, rng)
        frames.append(_tabulate(trial, name, fold, "area", (known, train, test), predicted))
    return pd.concat(frames, ignore_index=True)


def _predict_chips_without(name: str, trial: Trial, fold: ChipFold) -> pd.DataFrame:
    """Predict the test chips by a baseline."""
    rng = trial.rng(name, fold.scheme, "chip")
    predicted = predict_baseline(name, trial.chips, fold.train, fold.test, rng)
    parts = (trial.chips, fold.train, fold.test)
    return _tabulate(trial, name, fold, "chip", parts, predicted)


def _predict_areas(recipe: AreaRecipe, trial: Trial, folds: list[AreaFold]) -> Held:
    """Predict the test areas of every fold, and say how far they lie from its training areas."""
    known, frames, distances, models = trial.areas, [], [], []
    features = read_features(recipe, trial.settings, trial.run)
    learnt = know_recipe(recipe, features, trial.samples, trial.settings)
    group_of = _groups_by_area(trial, folds)
    for fold in trial.run.track(folds, f"{recipe.name}, {folds[0].scheme}"):
        train, test = known.find(fold.train), known.find(fold.test)
        folder = trial.run.models / recipe.name / fold.scheme / f"{fold.repeat}-{fold.fold}"
        model, new = load_model(folder / MODEL), learnt.terms(fold.test)
        models.append(model)
        importance = weigh_features(model.alone, np.nanstd(known.labels[train], axis=0))
        rng = trial.rng(recipe.name, fold.scheme, fold.repeat, fold.fold, "distance")
        groups = group_of.loc[fold.train.tolist()].to_numpy(dtype=object).astype(str)
        seen = learnt.terms(fold.train).join()
        near = measure_applicability(seen, new.join(), importance, groups, rng)
        parts = (known, train, test)
        rng = trial.rng(recipe.name, fold.scheme, fold.repeat, fold.fold, "place")
        predicted = predict_areas(model, new, rng)
        frame = _tabulate(trial, recipe.name, fold, "area", parts, predicted)
        is_inside = np.zeros(len(known.ids), dtype=bool)
        is_inside[test] = near.is_inside
        inside = pd.array(is_inside[frame["id"].cat.codes], dtype="boolean")
        frames.append(frame.assign(is_inside=inside))
        table = pd.DataFrame({"area_id": fold.test, "di": near.di, "is_inside": near.is_inside})
        distances.append(table.assign(repeat=fold.repeat, threshold=near.threshold))
    found = pd.concat(distances, ignore_index=True)
    found = found.assign(recipe=recipe.name, scheme=folds[0].scheme)
    kept = _tell_kept(recipe, trial, folds[0].scheme, models)
    return Held(recipe.name, "area", pd.concat(frames, ignore_index=True), found, kept)


def _tell_kept(
    recipe: AreaRecipe, trial: Trial, scheme: str, models: list[AreaModel]
) -> tuple[Record, ...]:
    """Tell how much of each feature set the folds' models keep, and how often they keep nothing.

    Returns
    -------
    Records with ``recipe, scheme, target, members`` (mean weight over folds by name), ``trust``
    (by what: ``inner folds``, or the ``likelihood`` where place is joined) and
    ``fallback_share``.
    """
    weights = np.stack([model.weight for model in models])  # (fold, set, target)
    trust = "likelihood" if models[0].kind == "process" else "inner folds"
    records: list[Record] = []
    for k, target in enumerate(trial.targets):
        mean = weights[:, :, k].mean(axis=0)
        key = {"recipe": recipe.name, "scheme": scheme, "target": target, "trust": trust}
        nothing = float((weights[:, :, k] <= 0).all(axis=1).mean())
        members = dict(zip(models[0].set_names, mean.tolist(), strict=True))
        records.append(key | {"members": members, "fallback_share": nothing})
    return tuple(records)


def _predict_network(recipe: NetworkRecipe, trial: Trial, fold: ChipFold) -> Iterator[Held]:
    """Predict the test chips of a scheme, and the test areas from their chips."""
    samples, known = trial.samples, trial.areas
    folder = trial.run.models / recipe.name / fold.scheme / "0-0"
    rows = _rows_to_predict(samples, fold)
    predicted = predict_fold(folder, samples, rows, trial.settings)
    order = pd.Index(rows).get_indexer(pd.Index(fold.test))
    parts = (trial.chips, fold.train, fold.test)
    yield Held(
        recipe.name, "chip", _tabulate(trial, recipe.name, fold, "chip", parts, predicted[order])
    )
    averaged = average_over_areas(samples, rows, predicted)
    ids = np.intersect1d(fold.test_areas, averaged.index.to_numpy(dtype=object).astype(str))
    guess = averaged.loc[ids.tolist()].to_numpy(np.float64)
    parts = (known, known.find(fold.train_areas), known.find(ids))
    yield Held(recipe.name, "area", _tabulate(trial, recipe.name, fold, "area", parts, guess))


def _rows_to_predict(samples: Samples, fold: ChipFold) -> Rows:
    """Find the test chips and, for the test areas' averages, all used chips inside those."""
    member = samples.membership
    inside = member["area_id"].isin(fold.test_areas) & (member["weight"] > 0)
    is_inside = samples.chips["chip_id"].isin(member.loc[inside, "chip_id"])
    is_used = samples.chips["is_used"].to_numpy(bool)
    return np.union1d(fold.test, np.flatnonzero(is_inside.to_numpy(bool) & is_used))


def _groups_by_area(trial: Trial, folds: list[AreaFold]) -> pd.Series[Any]:
    """Name what each area of a scheme's folds is held out with, by area code."""
    ids = np.unique(np.concatenate([np.r_[fold.train, fold.test] for fold in folds]))
    groups = groups_of_areas(trial.samples, ids, folds[0].scheme, trial.settings)
    return pd.Series(groups, index=ids)


def _tabulate(
    trial: Trial,
    recipe: str,
    fold: AreaFold | ChipFold,
    unit: str,
    parts: tuple[Known, Rows, Rows],
    predicted: Floats,
) -> pd.DataFrame:
    """Make one row a test item and target, where the truth and the training mean are known.

    ``parts`` are what is known of all items, and the positions of the training and test items.
    """
    known, train, test = parts
    n_test, n_targets = len(test), len(trial.targets)
    names = pd.Index(sorted(trial.targets))  # groups come in the order of text
    codes = names.get_indexer(pd.Index(trial.targets))
    # Not nanmean: a target without a label in training has no mean, and that is no fault here.
    y_mean = pd.DataFrame(known.labels[train]).mean().to_numpy(np.float64)
    rows = pd.DataFrame(
        {
            "recipe": _repeat_name(recipe, n_test * n_targets),
            "target": pd.Categorical.from_codes(np.repeat(codes, n_test), names),
            "scheme": _repeat_name(fold.scheme, n_test * n_targets),
            "repeat": np.int32(fold.repeat),
            "fold": np.int32(fold.fold),
            "unit": _repeat_name(unit, n_test * n_targets),
            "id": pd.Categorical.from_codes(np.tile(test, n_targets), known.ids),
            "y_true": known.labels[test].T.ravel(),
            "y_pred": predicted.T.ravel(),
            "y_mean": np.repeat(y_mean, n_test),
            "is_inside": pd.array([pd.NA] * (n_test * n_targets), dtype="boolean"),
        }
    )
    return rows[rows["y_true"].notna() & rows["y_mean"].notna()].reset_index(drop=True)


def _repeat_name(name: str, n: int) -> pd.Categorical[str]:
    """Make a column of one name."""
    return pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), pd.Index([name]))
