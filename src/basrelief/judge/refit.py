"""What skill recipes have on other labels of the same areas: fitted anew on every fold."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from basrelief.chips.store import Samples
from basrelief.judge.baselines import BaselineData, predict_baseline
from basrelief.judge.inputs import EvaluationInputs
from basrelief.judge.predictions import SchemePredictions
from basrelief.judge.targeting import SHARES, measure_lifts
from basrelief.judge.worlds import WorldKind, Worlds, draw_worlds, name_kinds
from basrelief.judge.yardsticks import differ
from basrelief.learn.area_models import fit_areas, fit_stack, predict_areas
from basrelief.learn.features import features_of, read_features
from basrelief.learn.joint import MAX_SETS, AreaTerms, fit_joint, predict_joint
from basrelief.learn.knowledge import find_eyes, sees_lidar
from basrelief.learn.linear import average_known, predict_linear
from basrelief.learn.place import Locations
from basrelief.learn.recipe_files import find_members
from basrelief.learn.recipes import AreaRecipe, NetworkRecipe
from basrelief.learn.train_areas import AreaData, gather_area_data
from basrelief.splits.heldout import AreaFold, find_usable_areas
from basrelief.stage_settings import REFIT_REPEATS

COLUMNS_AT_ONCE = 1024
"""Labels that are fitted at once: bounds the memory."""

N_THREADS = 2
"""Folds that are fitted at once: their decompositions are too small to be spread themselves."""

Floats = NDArray[np.float64]
Predict = Callable[[AreaFold, Floats], Floats]
"""From a fold and the labels of all areas, (area, column) in the order of the samples' table, to
predictions of the fold's test areas, (test area, column)."""


@dataclass(frozen=True, eq=False)
class Scored:
    """How good predictions are for each of many labels."""

    skill: Floats
    """(...) NaN where nothing was tested."""

    lifts: Floats
    """(share, ...) For each of `SHARES`, see `measure_lifts`; NaN where nothing was tested."""


@dataclass(frozen=True, eq=False)
class Measures:
    """What a recipe comes to in other worlds, in one scheme."""

    skill: dict[WorldKind, Floats]
    """(world, target) By kind of world."""

    lifts: dict[float, dict[WorldKind, Floats]]
    """(world, target) By share of the areas that is picked, and kind: see `measure_lifts`."""


@dataclass(frozen=True, eq=False)
class Refitter:
    """Holds the recipes and baselines of a run against the labels of other worlds."""

    inputs: EvaluationInputs
    worlds: Worlds
    learners: dict[str, Predict]
    """By recipe and baseline: what is fitted anew. None where the place has too few areas to draw
    labels like theirs, or too many to fit hundreds of times."""

    kinds: dict[str, set[WorldKind]]
    """By recipe and baseline: the kinds of worlds that it is fitted to."""

    def measure(self, predicted: SchemePredictions, scheme: str) -> Measures | None:
        """Take skills, and how many of the worst would be found, in each world of each kind.

        What cannot be fitted anew, as a network, has its predictions held fixed, against the
        labels of worlds where LIDAR says nothing. None where that would say nothing either.
        """
        if predicted.unit == "area" and predicted.recipe in self.learners:
            return self._refit(predicted.recipe, scheme)
        # Held fixed, predictions do not learn another world's labels. Where neighbours of what is
        # tested were learnt from, that is the very thing that passes for knowledge.
        has_buffer = scheme == "block" and self.inputs.settings.split.buffer_m > 0
        is_lidar = sees_lidar(self.inputs.knows[predicted.recipe])
        if not is_lidar or not self.learners or not has_buffer:
            return None
        kinds = name_kinds()
        held = {
            kind: self._hold_fixed(predicted, scheme, self.worlds.labels[kind]) for kind in kinds
        }
        return Measures(
            {kind: scored.skill for kind, scored in held.items()},
            {
                share: {kind: scored.lifts[k] for kind, scored in held.items()}
                for k, share in enumerate(SHARES)
            },
        )

    def _refit(self, name: str, scheme: str) -> Measures:
        inputs = self.inputs
        folds = [
            fold for fold in inputs.folds if fold.scheme == scheme and fold.repeat < REFIT_REPEATS
        ]
        tracked = inputs.run.track(folds, f"{name}, {scheme}, in other worlds")
        # What is known beside an eye matters to those alone that are compared by that eye.
        worlds = self.worlds.keep(self.kinds[name])
        scored = refit_scores(self.learners[name], inputs.areas, list(tracked), worlds.join())
        return Measures(
            worlds.split(scored.skill),
            {share: worlds.split(each) for share, each in zip(SHARES, scored.lifts, strict=True)},
        )

    def _hold_fixed(self, predicted: SchemePredictions, scheme: str, labels: Floats) -> Scored:
        inputs, fold = self.inputs, self.inputs.chip_fold(scheme)
        assert fold is not None
        if predicted.unit == "chip":
            # Labels are drawn for areas: they reach chips as the real ones do.
            labels, data, train = label_chips(inputs.samples, labels), inputs.chips, fold.train
        else:
            data, train = inputs.areas, inputs.areas.find(fold.train_areas)
        return hold_fixed(predicted.frame, inputs.samples.targets, data, train, labels)


def make_refitter(inputs: EvaluationInputs) -> Refitter | None:
    """Draw other worlds for a run's areas, and prepare to fit its recipes to them.

    Returns
    -------
    None where the settings ask for no worlds.
    """
    samples, n_worlds = inputs.samples, inputs.settings.evaluate.worlds
    usable = find_usable_areas(samples)
    if not n_worlds or not len(usable):
        return None
    rows, locations = inputs.areas.find(usable), inputs.areas.locations
    recipes = [each for each in inputs.recipes if not isinstance(each, NetworkRecipe)]
    data = {each.name: _gather(each, inputs) for each in recipes if inputs.folds}
    # Recipes share feature sets by name. Those asked for come first; no process joins more.
    sets = {name: each for one in data.values() for name, each in one.feature_sets.items()}
    eyes = _list_sets(inputs, recipes)
    # One of each eye before a second of any, or an eye would not be in its own worlds.
    firsts = [names[0] for names in eyes.values()]
    kept = sorted(sets, key=lambda name: name not in firsts)[:MAX_SETS]
    terms = AreaTerms(
        {name: features_of(sets[name], usable) for name in sets if name in kept},
        Locations(None) if locations is None else locations.take(rows),
    )
    beside = _list_beside(inputs)
    known = dict.fromkeys(each for of_one in beside.values() for each in of_one)
    worlds = draw_worlds(
        terms, inputs.areas.labels, rows, n_worlds, inputs.rng("worlds"), eyes, known
    )
    seed, learners = inputs.settings.seed, {}
    if "alike" in worlds.labels:
        learners = {
            name: refit_baseline(name, inputs.areas, seed) for name in inputs.areas.baselines
        }
        learners |= {name: refit_recipe(each, seed) for name, each in data.items()}
    # What differs in no eye that others know too is held against the same worlds as ever.
    plain = set(worlds.labels) - {kind for each in known for kind in name_kinds(each)}
    kinds = {
        name: plain.union(*(name_kinds(each) for each in beside.get(name, ()))) for name in learners
    }
    return Refitter(inputs, worlds, learners, kinds)


def _list_sets(inputs: EvaluationInputs, recipes: Sequence[AreaRecipe]) -> dict[str, list[str]]:
    """List by eye the names of its feature sets, those of recipes that come first before others."""
    found: dict[str, list[str]] = {}
    for recipe in recipes:
        for member in find_members(recipe, inputs.settings):
            names = found.setdefault(member.eye, [])
            names += [] if member.name in names else [member.name]
    return found


def _list_beside(inputs: EvaluationInputs) -> dict[str, dict[tuple[str, ...], None]]:
    """List by recipe beside which eyes another's gain is to be found where it is compared."""
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for name, by_eye in inputs.yardsticks.items():
        for versus in by_eye.values():
            eyes = find_eyes(inputs.knows.get(versus, ()))
            if eyes and len(find_eyes(differ(inputs.knows[name], inputs.knows[versus]))) == 1:
                for each in (name, versus):
                    found.setdefault(each, {})[eyes] = None
    return found


def hold_fixed(
    frame: pd.DataFrame,
    targets: Sequence[str],
    data: BaselineData,
    train: NDArray[np.int64],
    labels: Floats,
) -> Scored:
    """Score fixed predictions in other worlds: how well they fit by luck.

    What a network adds to its training mean stays as it is; the labels, and their training mean,
    are the other world's. Neighbours are alike there too, so that a test of one piece of ground
    is as lucky as it can be.

    Parameters
    ----------
    frame
        Rows of ``predictions.parquet`` of one recipe, scheme and unit, tested on one fold.
    data
        Finds items by their codes.
    train : (n,)
        Positions of what was learnt from.
    labels : (world, item, target)
        In the targets' units; NaN where unknown.

    Returns
    -------
    (world, target) of each figure
    """
    skills = np.full((len(labels), len(targets)), np.nan)
    lifts = np.full((len(SHARES), *skills.shape), np.nan)
    for k, target in enumerate(targets):
        rows = frame[frame["target"] == target]
        if rows.empty:
            continue
        at = data.find(rows["id"].to_numpy(dtype=object).astype(str))
        added = (rows["y_pred"] - rows["y_mean"]).to_numpy(np.float64)
        apart = labels[:, at, k] - np.nanmean(labels[:, train, k], axis=1)[:, None]
        # Labels that are moved leave other areas without one.
        square, left = (np.nansum(each**2, axis=1) for each in (apart, apart - added))
        skills[:, k] = 1 - left / np.where(square > 0, square, np.nan)
        truth = labels[:, at, k].T
        # Who has no label in a world is not there to be found.
        lift = np.where(np.isfinite(truth), added[:, None], np.nan)
        lifts[:, :, k] = [measure_lifts(lift, truth, share) for share in SHARES]
    return Scored(skills, lifts)


def label_chips(samples: Samples, labels: Floats) -> Floats:
    """Label chips by their areas, weighted by the ground they share, as the chips stage does.

    Parameters
    ----------
    labels : (world, area, target)

    Returns
    -------
    (world, chip, target)
        NaN for a chip without a labelled area.
    """
    member = samples.membership[samples.membership["weight"] > 0]
    chip = pd.Index(samples.chips["chip_id"]).get_indexer(pd.Index(member["chip_id"]))
    area = pd.Index(samples.areas["area_id"]).get_indexer(pd.Index(member["area_id"]))
    shape = (len(samples.chips), len(samples.areas))
    weight = csr_array((member["weight"].to_numpy(np.float64), (chip, area)), shape=shape)
    known = np.isfinite(labels)
    total = np.stack([weight @ each for each in np.where(known, labels, 0.0)])
    share = np.stack([weight @ each for each in known.astype(np.float64)])
    chips: Floats = np.where(share > 0, total / np.where(share > 0, share, 1.0), np.nan)
    return chips


def _gather(recipe: AreaRecipe, inputs: EvaluationInputs) -> AreaData:
    features = read_features(recipe, inputs.settings, inputs.run)
    return gather_area_data(recipe, features, inputs.samples, inputs.settings)


def refit_baseline(name: str, data: BaselineData, seed: int) -> Predict:
    """Make what fits a baseline to any labels."""

    def predict(fold: AreaFold, labels: Floats) -> Floats:
        """Predict a fold's test areas, (test area, column), from labels, (area, column)."""
        train, test = data.find(fold.train), data.find(fold.test)
        return predict_baseline(name, replace(data, labels=labels), train, test, _rng(seed, fold))

    return predict


def refit_recipe(data: AreaData, seed: int) -> Predict:
    """Make what fits a recipe of areas to any labels."""

    def predict(fold: AreaFold, labels: Floats) -> Floats:
        """Predict a fold's test areas, (test area, column), from labels, (area, column)."""
        rows = data.labels.index.get_indexer(fold.train.tolist())
        areas = replace(data.learn_from(fold.train), labels=labels[rows])
        new, rng = data.terms(fold.test), _rng(seed, fold)
        if data.is_many:
            model = fit_areas(areas, rng, joins_place=data.joins_place)
            return predict_areas(model, new, rng)
        # What predicts, and no more: `fit_areas` fits what LIDAR says alone as well.
        if data.joins_place:
            return predict_joint(fit_joint(areas.terms, areas.labels), new)
        return predict_linear(fit_stack(areas, rng), new.join())

    return predict


def refit_scores(
    predict: Predict,
    data: BaselineData,
    folds: Sequence[AreaFold],
    labels: Floats,
    n_threads: int = N_THREADS,
) -> Scored:
    """Fit every fold of a scheme to labels, and score the predictions of what it held out.

    Parameters
    ----------
    data
        Finds areas by their codes.
    labels : (area, column)
        In the order of the samples' table, as many columns as wanted; NaN where unknown.

    Returns
    -------
    (column,) of each figure
        Means over repeats, as in ``scores.json`` and ``targeting.json``.
    """
    # Single precision: chance is drawn by the thousand, and no digit of it is ever shown.
    fast: Any = labels.astype(np.float32)
    blocks = [fast[:, at : at + COLUMNS_AT_ONCE] for at in range(0, fast.shape[1], COLUMNS_AT_ONCE)]
    with ThreadPoolExecutor(n_threads) as pool, threadpool_limits(1, user_api="blas"):
        found = [_refit_columns(predict, data, folds, each, pool) for each in blocks]
    return Scored(
        np.concatenate([each.skill for each in found]),
        np.concatenate([each.lifts for each in found], axis=1),
    )


def _refit_columns(
    predict: Predict,
    data: BaselineData,
    folds: Sequence[AreaFold],
    labels: Floats,
    pool: ThreadPoolExecutor,
) -> Scored:
    """Score each column, (column,)."""
    repeats = sorted({fold.repeat for fold in folds})
    sums = np.zeros((2, len(repeats), labels.shape[1]))  # of the model, and of the mean
    # Who would be found is asked of all areas at once, not of a fold's: a plane for each repeat.
    lift = np.full((len(repeats), *labels.shape), np.nan, dtype=labels.dtype)
    ready = pool.map(partial(_predict_tested, predict, data, labels), folds)
    # Added in the order of the folds, whichever is ready first.
    for fold, (tested, predicted, mean) in zip(folds, ready, strict=True):
        repeat, truth = repeats.index(fold.repeat), labels[tested]
        errors = np.stack([truth - predicted, truth - mean]).astype(np.float64) ** 2
        # Where either is unknown the item is tested for neither.
        is_known = np.isfinite(errors).all(axis=0)
        sums[:, repeat] += np.where(is_known, errors, 0.0).sum(axis=1)
        lift[repeat, tested] = np.where(is_known, predicted - mean, np.nan)
    is_tested = sums[1] > 0
    ratio = np.where(is_tested, sums[0] / np.where(is_tested, sums[1], 1.0), 0.0)
    n_tested = is_tested.sum(axis=0)
    skill: Floats = 1 - ratio.sum(axis=0) / np.where(n_tested, n_tested, np.nan)
    return Scored(skill, np.stack([_average_lifts(lift, labels, share) for share in SHARES]))


def _average_lifts(lift: Floats, labels: Floats, share: float) -> Floats:
    """Average over repeats how much more would be found than by a blind pick, (column,)."""
    truths = (np.where(np.isfinite(plane), labels, np.nan) for plane in lift)
    found = [measure_lifts(plane, truth, share) for plane, truth in zip(lift, truths, strict=True)]
    return np.asarray(np.mean(found, axis=0))


def _predict_tested(
    predict: Predict, data: BaselineData, labels: Floats, fold: AreaFold
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Give a fold's test areas, (area,), their predictions, and the training mean, (column,)."""
    tested, train = data.find(fold.test), data.find(fold.train)
    return tested, predict(fold, labels), average_known(labels[train])


def _rng(seed: int, fold: AreaFold) -> np.random.Generator:
    """Make a fold's generator, whichever thread fits it."""
    return np.random.default_rng([seed, zlib.crc32(fold.scheme.encode()), fold.repeat, fold.fold])
