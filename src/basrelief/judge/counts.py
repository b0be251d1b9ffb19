"""Rates of counts read out by a Poisson regression, beside those read out as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.counted import read_counted
from basrelief.judge.inputs import EvaluationInputs
from basrelief.judge.resampling import (
    Draws,
    bound,
    mean_skill,
    or_none,
    resample_skills,
    sum_by_repeat,
)
from basrelief.learn.counts import fit_counts, measure_deviance
from basrelief.learn.features import features_of, read_features
from basrelief.learn.recipes import SetRecipe
from basrelief.run import Record
from basrelief.sources.people import PER_PEOPLE
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold

LEAST_CASES = 0.5
"""Cases in an area below which no prediction is taken: of none the deviance has no bound."""

Floats = NDArray[np.float64]


def measure_counts(
    recipe: SetRecipe,
    inputs: EvaluationInputs,
    gaussian: pd.DataFrame,
    groups: pd.Series[Any],
) -> list[Record]:
    """Judge a recipe's features read out as counts, beside the same read out as rates.

    Parameters
    ----------
    gaussian
        Rows of ``predictions.parquet`` of the recipe in one scheme.
    groups
        By area, what it is resampled with.

    Returns
    -------
    Records of ``evaluate/counts.json``, one a target that was counted; none where none was, or
    nobody knows among how many people.
    """
    areas = inputs.samples.areas.set_index("area_id")
    counted = [t for t in inputs.samples.targets if t in read_counted(inputs.run.chips)]
    if not counted or "population" not in areas:
        return []
    (features,) = read_features(recipe, inputs.settings, inputs.run)
    scheme = str(gaussian["scheme"].iloc[0])
    folds = [fold for fold in inputs.folds if fold.scheme == scheme]
    records = []
    for target in counted:
        read = _predict_folds(recipe.name, target, features, areas, folds, inputs)
        rows = gaussian[gaussian["target"] == target]
        both = rows.assign(id=rows["id"].astype(str)).merge(read, on=["repeat", "id"])
        if len(both):
            draws = Draws(np.random.default_rng(inputs.settings.seed))
            key = {"recipe": recipe.name, "target": target, "scheme": scheme}
            records.append(key | compare_readouts(both, groups, draws))
    return records


def compare_readouts(rows: pd.DataFrame, groups: pd.Series[Any], draws: Draws) -> Record:
    """Compare two read-outs by deviance and by squared error, each against the training rate.

    Parameters
    ----------
    rows
        A row an area and repeat: ``repeat, id, y_true`` (a rate), ``y_pred`` (Gaussian), ``y_mean``
        (mean of the training rates), ``y_counts`` (read out as counts), ``y_rate`` (training cases
        over training people) and ``exposure``.
    groups
        By area, what it is resampled with.

    Returns
    -------
    Fields of a record of ``evaluate/counts.json`` behind its key.
    """
    exposure = rows["exposure"].to_numpy(np.float64)
    truth = rows["y_true"].to_numpy(np.float64)
    # The Gaussian read-out knows no least rate, and may say less than none.
    least = LEAST_CASES / exposure
    rates = {
        name: np.maximum(rows[column].to_numpy(np.float64), least)
        for name, column in (("counts", "y_counts"), ("gaussian", "y_pred"), ("rate", "y_rate"))
    }
    repeats, repeat = np.unique(rows["repeat"], return_inverse=True)
    names, group = np.unique(groups.reindex(rows["id"]).astype(str), return_inverse=True)
    shape = (len(repeats), len(names))
    deviance = {
        name: sum_by_repeat(measure_deviance(truth, each, exposure), repeat, group, shape)
        for name, each in rates.items()
    }
    squares = {
        name: (truth - rows[column].to_numpy(np.float64)) ** 2
        for name, column in (("counts", "y_counts"), ("gaussian", "y_pred"), ("mean", "y_mean"))
    }
    error = {name: sum_by_repeat(each, repeat, group, shape) for name, each in squares.items()}
    # The same draws for both: the gain is of one read-out over the other on the same ground.
    drawn = {
        name: resample_skills(deviance[name], deviance["rate"], draws)
        for name in ("counts", "gaussian")
    }
    counts, gaussian = drawn["counts"], drawn["gaussian"]
    gain = None if counts is None or gaussian is None else counts - gaussian
    low, high = bound(gain, len(names))
    found = {
        "deviance_skill": mean_skill(deviance["counts"], deviance["rate"]),
        "deviance_skill_gaussian": mean_skill(deviance["gaussian"], deviance["rate"]),
        "skill": mean_skill(error["counts"], error["mean"]),
        "skill_gaussian": mean_skill(error["gaussian"], error["mean"]),
    }
    found["gain"] = found["deviance_skill"] - found["deviance_skill_gaussian"]
    found |= {"gain_low": low, "gain_high": high}
    below = float((rows["y_pred"].to_numpy(np.float64) < least).mean())
    values = {name: or_none(value) for name, value in found.items()}
    return {"n": int(rows["id"].nunique()), **values, "share_below": below}


def _predict_folds(
    name: str,
    target: str,
    features: pd.DataFrame,
    areas: pd.DataFrame,
    folds: Sequence[AreaFold],
    inputs: EvaluationInputs,
) -> pd.DataFrame:
    """Fit a target's counts on every fold: ``repeat, id, y_counts, y_rate, exposure``."""
    frames = []
    for fold in folds:
        known = areas.loc[fold.train.tolist(), [target, "population"]].astype(float)
        is_known = known[target].notna().to_numpy() & (known["population"] > 0).to_numpy()
        train, people = fold.train[is_known], known["population"].to_numpy()[is_known]
        rates, exposure = known[target].to_numpy()[is_known], people / PER_PEOPLE
        if not (rates > 0).any():
            continue
        blocks = blocks_of_areas(inputs.samples, train, inputs.settings)
        rng = inputs.rng(name, fold.scheme, fold.repeat, fold.fold, "counts")
        model = fit_counts(features_of(features, train), rates, exposure, blocks, rng)
        tested = areas["population"].reindex(fold.test.tolist()).to_numpy(np.float64)
        frames.append(
            pd.DataFrame(
                {
                    "repeat": fold.repeat,
                    "id": fold.test.astype(str),
                    "y_counts": model.predict(features_of(features, fold.test)),
                    "y_rate": float(rates @ exposure / exposure.sum()),
                    "exposure": tested / PER_PEOPLE,
                }
            )
        )
    columns = ["repeat", "id", "y_counts", "y_rate", "exposure"]
    found = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    return found[found["exposure"] > 0]
