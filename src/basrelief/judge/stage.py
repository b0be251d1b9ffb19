"""The evaluate stage: held-out predictions of every recipe, and their scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import Settings
from basrelief.judge.scores import score_predictions, verdict
from basrelief.learn.predict import predict_fold
from basrelief.learn.recipes import NetworkRecipe, StatisticsRecipe
from basrelief.learn.ridge import load_ridge, predict_ridge
from basrelief.learn.stage import choose_recipes, features_of, labels_of, read_features
from basrelief.run import Run, replacing, write_json
from basrelief.splits.folds import block_of
from basrelief.splits.heldout import AreaFold, ChipFold, area_folds, chip_folds
from basrelief.splits.stage import blocks_of_areas

INTERVALS = ("lower_50", "upper_50", "lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = (
    *("recipe", "target", "scheme", "repeat", "fold", "unit", "id"),
    *("y_true", "y_pred", "y_mean", *INTERVALS),
)
"""Columns of ``predictions.parquet``."""


def evaluate_recipes(settings: Settings, run: Run) -> None:
    """Write ``predictions.parquet``, ``scores.parquet`` and ``scores.json``.

    Each recipe predicts what its folds held out. The bounds of prediction intervals are
    columns of the table already, and not known yet (NaN).
    """
    samples = load_samples(run)
    found = []
    for recipe in choose_recipes(settings)[0]:
        if isinstance(recipe, StatisticsRecipe):
            found += _predict_statistics(recipe, samples, settings, run)
        else:
            found += _predict_networks(recipe, samples, settings, run)
    predictions = pd.concat(found, ignore_index=True)
    rng = np.random.default_rng(settings.seed)
    records = score_predictions(predictions, group_units(samples, settings), rng)
    with replacing(run.predictions) as part:
        predictions.to_parquet(part, index=False)
    with replacing(run.folder / "scores.parquet") as part:
        pd.DataFrame(records).to_parquet(part, index=False)
    write_json(run.scores, records)
    for record in records:
        run.say(
            f"evaluate: {record['recipe']}, {record['target']}, scheme {record['scheme']}, by "
            f"{record['unit']}: skill {_format(record['skill'])}, {verdict(record)}"
        )


def group_units(samples: Samples, settings: Settings) -> dict[str, pd.Series[str]]:
    """Name what each chip and area is resampled with: its block, or its area without places.

    Returns
    -------
    For each unit, groups by id. Chips of pictures without an area are missing.
    """
    areas = samples.areas["area_id"].to_numpy(dtype=object).astype(str)
    chip_ids = samples.chips["chip_id"]
    if samples.has_places:
        centres = samples.chips[["easting", "northing"]].to_numpy(np.float64)
        blocks = block_of(centres, settings.split.block_m)
        by_area = pd.Series(blocks_of_areas(samples, areas, settings), index=areas)
        return {"chip": pd.Series(blocks, index=chip_ids), "area": by_area}
    largest = samples.membership.sort_values("weight", kind="stable").groupby("chip_id").last()
    return {"chip": largest["area_id"], "area": pd.Series(areas, index=areas)}


def average_over_areas(
    samples: Samples, rows: NDArray[np.int64], values: NDArray[np.float64]
) -> pd.DataFrame:
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


def _predict_statistics(
    recipe: StatisticsRecipe, samples: Samples, settings: Settings, run: Run
) -> list[pd.DataFrame]:
    """Predict the test areas of every fold and repeat."""
    features = read_features(recipe, run)
    found = []
    for fold in area_folds(run, samples, settings):
        folder = run.models / recipe.name / fold.scheme / f"{fold.repeat}-{fold.fold}"
        model = load_ridge(folder / "weights.safetensors")
        predicted = predict_ridge(model, features_of(features, fold.test))
        truth = labels_of(samples, fold.test)
        y_mean = _mean_labels(labels_of(samples, fold.train))
        table = _tabulate(fold.test, truth, predicted, y_mean, samples.targets)
        found.append(_name_rows(table, recipe.name, fold, "area"))
    return found


def _predict_networks(
    recipe: NetworkRecipe, samples: Samples, settings: Settings, run: Run
) -> list[pd.DataFrame]:
    """Predict the test chips of every scheme, and the test areas from their chips."""
    found = []
    for fold in chip_folds(run, samples, settings):
        folder = run.models / recipe.name / fold.scheme / "0-0"
        rows = _rows_to_predict(samples, fold)
        predicted = predict_fold(folder, samples, rows, settings)
        chips = _tabulate_chips(samples, fold, rows, predicted)
        areas = _tabulate_areas(samples, fold, rows, predicted)
        found.append(_name_rows(chips, recipe.name, fold, "chip"))
        found.append(_name_rows(areas, recipe.name, fold, "area"))
    return found


def _rows_to_predict(samples: Samples, fold: ChipFold) -> NDArray[np.int64]:
    """List the test chips and, in schemes made of areas, every chip with test ground."""
    if fold.scheme == "random":
        return fold.test
    member = samples.membership
    inside = member["area_id"].isin(fold.test_areas) & (member["weight"] > 0)
    is_inside = samples.chips["chip_id"].isin(member.loc[inside, "chip_id"])
    is_used = samples.chips["is_used"].to_numpy(bool)
    return np.union1d(fold.test, np.flatnonzero(is_inside.to_numpy(bool) & is_used))


def _tabulate_chips(
    samples: Samples, fold: ChipFold, rows: NDArray[np.int64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    """Set the test chips' predictions beside their labels."""
    labels = samples.chips[list(samples.targets)].to_numpy(np.float64)
    order = pd.Index(rows).get_indexer(pd.Index(fold.test))
    ids = samples.chips["chip_id"].to_numpy(dtype=object)[fold.test].astype(str)
    y_mean = _mean_labels(labels[fold.train])
    return _tabulate(ids, labels[fold.test], predicted[order], y_mean, samples.targets)


def _tabulate_areas(
    samples: Samples, fold: ChipFold, rows: NDArray[np.int64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    """Set the test areas' averaged predictions beside their labels."""
    averaged = average_over_areas(samples, rows, predicted)
    ids = np.intersect1d(fold.test_areas, averaged.index.to_numpy(dtype=object).astype(str))
    y_mean = _mean_labels(labels_of(samples, fold.train_areas))
    guess = averaged.loc[ids.tolist()].to_numpy(np.float64)
    return _tabulate(ids, labels_of(samples, ids), guess, y_mean, samples.targets)


def _tabulate(
    ids: NDArray[np.str_],
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    y_mean: NDArray[np.float64],
    targets: tuple[str, ...],
) -> pd.DataFrame:
    """Make one row an id and target, where the truth and the training mean are known."""
    frames = [
        pd.DataFrame(
            {
                "target": target,
                "id": ids.astype(object),
                "y_true": truth[:, k],
                "y_pred": predicted[:, k],
                "y_mean": y_mean[k],
                **dict.fromkeys(INTERVALS, np.nan),
            }
        )
        for k, target in enumerate(targets)
    ]
    rows = pd.concat(frames, ignore_index=True)
    return rows[rows["y_true"].notna() & rows["y_mean"].notna()].reset_index(drop=True)


def _name_rows(
    table: pd.DataFrame, recipe: str, fold: AreaFold | ChipFold, unit: str
) -> pd.DataFrame:
    """Say of each row which recipe, fold and unit it is of; columns in the contract's order."""
    named = table.assign(
        recipe=recipe, scheme=fold.scheme, repeat=fold.repeat, fold=fold.fold, unit=unit
    )
    return named[list(COLUMNS)]


def _mean_labels(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each target over the known labels, (n_targets,); NaN where none is known."""
    return pd.DataFrame(labels).mean().to_numpy(np.float64)


def _format(skill: float | None) -> str:
    return "unknown" if skill is None else f"{skill:.2f}"
