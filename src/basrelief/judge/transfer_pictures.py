"""A network that learnt from pictures, on pictures that it never saw: predictions and scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.stage import take_like
from basrelief.chips.store import Samples, load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.judge.new_places import (
    find_model,
    holding_answer,
    keep_known,
    score_answer,
    settle_settings,
    tabulate_answer,
    write_answer,
)
from basrelief.judge.predictions import average_over_areas
from basrelief.learn.final import FinalModel, predict_place, read_model
from basrelief.learn.knowledge import PICTURES
from basrelief.learn.shortening import label_recipe
from basrelief.run import Record, Run, read_json, write_json


@dataclass(frozen=True)
class NewPictures:
    """Pictures and their table as typed, relative to the working directory."""

    images: str
    table: str
    area_column: str | None = None


def transfer_to_pictures(trained: Run, pictures: NewPictures, out: Run, recipe: str | None) -> None:
    """Predict every picture that has a row, and the areas that rows name, by a run's final model.

    Writes ``chips/`` and, in the folder of ``out``, ``predictions.parquet`` (units ``chip`` and,
    where areas are named, ``area``), ``predict.json`` and, where rows have labels,
    ``scores.json``.

    Parameters
    ----------
    trained
        The run that it is of, or the folder that it was exported to.
    recipe
        Name of the recipe; by default the first that the run was asked for.

    Raises
    ------
    InputError
        If the run has no such model, it did not learn from pictures, or these cannot be read.
    """
    found = find_model(trained, recipe)
    model = read_model(found.folder)
    if model.kind != "pictures":
        raise InputError(
            f"--images {pictures.images!r}: this model ({model.recipe}) learnt from rasters. Give "
            "those of the place, with --dsm and --areas, or a run that learnt from pictures."
        )
    settings = _settle_pictures(pictures, model, out)
    with holding_answer(settings, out):
        _predict(pictures, found.folder, model, (settings, found.training), out)


def _settle_pictures(pictures: NewPictures, model: FinalModel, out: Run) -> Settings:
    """Put the pictures beside the settings that the model was trained with."""
    data = DataSettings.model_construct(
        images=pictures.images,
        table=pictures.table,
        targets=list(model.targets),
        area_column=pictures.area_column,
    )
    return settle_settings(model, data, out)


def _predict(
    pictures: NewPictures, folder: Path, model: FinalModel, how: tuple[Settings, Record], out: Run
) -> None:
    """Take the pictures, predict them, and write what was predicted.

    ``how`` are their settings, and how far the model was trained.
    """
    settings, training = how
    take_like(settings, out)
    samples = load_samples(out)
    predicted = predict_place(folder, samples, settings, out).labels
    table = _tabulate(predicted, samples, model)
    counts = read_json(out.chips / "counts.json") | {"predicted": len(predicted)}
    write_answer(table, (model, training), vars(pictures), counts, out)
    label = label_recipe(training)
    if samples.chips[model.targets].notna().any(axis=None):
        write_json(out.scores, _score(table, samples, settings, label))


def _tabulate(predicted: pd.DataFrame, samples: Samples, model: FinalModel) -> pd.DataFrame:
    """Lay predictions of pictures, and of the areas that they are of, out as a run's own."""
    rows, values = predicted.index.to_numpy(np.int64), predicted.to_numpy(np.float64)
    by_area = average_over_areas(samples, rows, values)
    areas = samples.areas.set_index("area_id").loc[by_area.index]
    units: dict[Literal["chip", "area"], tuple[Any, pd.DataFrame, NDArray[np.float64]]] = {
        "chip": (samples.chips["chip_id"].iloc[rows], samples.chips.iloc[rows], values),
        "area": (by_area.index, areas, by_area.to_numpy(np.float64)),
    }
    tables = []
    for unit, (ids, known, y_pred) in units.items():
        y_true = known[model.targets].to_numpy(np.float64)
        named = pd.Categorical(np.asarray(ids, dtype=object).astype(str))
        tables.append(tabulate_answer(model, unit, named, (y_true, y_pred)))
    # A column of codes each: of two tables they are not the same codes.
    texts = [table.astype({"unit": str, "id": str}) for table in tables if len(table)]
    joined = pd.concat(texts, ignore_index=True)
    return joined.astype({"unit": "category", "id": "category"})


def _score(table: pd.DataFrame, samples: Samples, settings: Settings, label: str) -> list[Record]:
    """Score predictions where labels are, see `score_answer`."""
    chips = samples.chips["chip_id"]
    # Pictures of one area err alike; one without an area stands for itself.
    area_of = samples.membership.drop_duplicates("chip_id").set_index("chip_id")["area_id"]
    of_chip = area_of.reindex(chips)
    of_chip = of_chip.where(of_chip.notna(), other=pd.Series(chips.to_numpy(), index=of_chip.index))
    ids = samples.areas["area_id"]
    groups = {"chip": of_chip, "area": pd.Series(ids.to_numpy(), index=ids)}
    return score_answer(keep_known(table), groups, settings, label, (PICTURES,))
