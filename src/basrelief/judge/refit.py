"""What skill recipes would have on other labels of the same areas: fitted anew on every fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from basrelief.judge.baselines import BaselineData, predict_baseline
from basrelief.learn.area_models import fit_stack
from basrelief.learn.joint import fit_joint, predict_joint
from basrelief.learn.linear import predict_linear
from basrelief.learn.train_areas import AreaData
from basrelief.splits.heldout import AreaFold

NT=1
COLUMNS_AT_ONCE = 1024
"""Labels that are fitted at once: bounds the memory."""

Floats = NDArray[np.float64]
Predict = Callable[[AreaFold, Floats], Floats]
"""A fold and the labels (area, column) of all areas of the place, in the order of the samples'
table, to predictions of its test areas, (test area, column)."""


def refit_baseline(name: str, data: BaselineData, rng: np.random.Generator) -> Predict:
    """Make what fits a baseline to any labels."""

    def predict(fold: AreaFold, labels: Floats) -> Floats:
        train, test = data.find(fold.train), data.find(fold.test)
        return predict_baseline(name, replace(data, labels=labels), train, test, rng)

    return predict


def refit_recipe(data: AreaData, rng: np.random.Generator) -> Predict:
    """Make what fits a recipe of areas to any labels; not where the place has many areas."""

    def predict(fold: AreaFold, labels: Floats) -> Floats:
        rows = data.labels.index.get_indexer(fold.train.tolist())
        areas = replace(data.learn_from(fold.train), labels=labels[rows])
        new = data.terms(fold.test)
        if data.joins_place:
            return predict_joint(fit_joint(areas.terms, areas.labels), new)
        return predict_linear(fit_stack(areas, rng), new.join())

    return predict


def refit_skills(
    predict: Predict, data: BaselineData, folds: Iterable[AreaFold], labels: Floats
) -> Floats:
    """Fit every fold of a scheme to labels, and take the skill of what it held out.

    Parameters
    ----------
    data
        Finds areas by their codes.
    labels : (area, column)
        In the order of the samples' table, as many columns as wanted; NaN where unknown.

    Returns
    -------
    (column,)
        Skill, mean over repeats as in ``scores.json``; NaN where nothing was tested.
    """
    folds = list(folds)
    skills = np.empty(labels.shape[1])
    for at in range(0, labels.shape[1], COLUMNS_AT_ONCE):
        columns = slice(at, at + COLUMNS_AT_ONCE)
        skills[columns] = _refit_columns(predict, data, folds, labels[:, columns])
    return skills


def _refit_columns(
    predict: Predict, data: BaselineData, folds: list[AreaFold], labels: Floats
) -> Floats:
    repeats = sorted({fold.repeat for fold in folds})
    sums = np.zeros((2, len(repeats), labels.shape[1]))  # of the model, and of the mean

    def fit(fold: AreaFold) -> Floats:
        truth = labels[data.find(fold.test)]
        mean = average_columns(labels[data.find(fold.train)])
        errors = np.stack([(truth - guess) ** 2 for guess in (predict(fold, labels), np.broadcast_to(mean, truth.shape))])
        return np.where(np.isfinite(errors), errors, 0.0).sum(axis=1)  # (model or mean, column)

    with ThreadPoolExecutor(NT) as pool:
        for fold, errors in zip(folds, pool.map(fit, folds), strict=True):
            sums[:, repeats.index(fold.repeat)] += errors
    is_tested = sums[1] > 0
    ratio = sums[0] / np.where(is_tested, sums[1], np.nan)
    return np.nanmean(1 - ratio, axis=0)


def average_columns(labels: Floats) -> Floats:
    from basrelief.learn.linear import average_known
    return average_known(labels)
