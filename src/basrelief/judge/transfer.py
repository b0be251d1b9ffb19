"""A trained model on a place that it never saw: predictions, how like the place is, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.stage import cut_like
from basrelief.chips.store import Samples, load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import OVERLAYS, StreetSettings, TableSettings
from basrelief.judge.applicability import (
    Applicability,
    hold_out,
    measure_applicability,
)
from basrelief.judge.importance import weigh_linear
from basrelief.judge.new_places import (
    draw_skills,
    find_model,
    holding_answer,
    keep_known,
    score_answer,
    settle_settings,
    tabulate_answer,
    write_answer,
)
from basrelief.judge.predictions import average_over_areas
from basrelief.learn.area_models import load_model
from basrelief.learn.final import (
    FinalModel,
    Prediction,
    predict_place,
    read_model,
    read_training,
)
from basrelief.learn.joint import AreaTerms
from basrelief.learn.knowledge import STREET, find_eyes
from basrelief.learn.place import Locations, locate_areas
from basrelief.learn.shortening import label_recipe
from basrelief.run import MODEL, Record, Run, replacing, write_json
from basrelief.sources.areas import list_names
from basrelief.splits.groups import blocks_of_areas

MANY_BANDS = 10
"""More bands than this are counted and not named."""


@dataclass(frozen=True)
class NewRasters:
    """Files of a place as typed, relative to the working directory."""

    dsm: str
    dtm: str | None
    crs: str | None
    areas: str
    labels: str | None
    area_column: str | None = None
    label_column: str | None = None
    overlays: Mapping[str, str] = field(default_factory=dict)
    """Globs of layers beside heights, by their names."""

    tables: Mapping[str, str] = field(default_factory=dict)
    """Files of tables by area, by the names of the eyes that they are."""

    street: tuple[str, str] | None = None
    """Folder of street pictures, and glob of their tables."""


@dataclass(frozen=True, eq=False)
class PlacePrediction:
    """What a model predicts of a place's areas; rows of all three are the same areas."""

    areas: gpd.GeoDataFrame
    """``area_id``, ``ground_covered``, polygons, and one column a target: what was observed."""

    predicted: NDArray[np.float64]
    """(area, target)"""

    applicability: Applicability | None
    """None for networks, which have no features of areas."""

    n_learnt_from: int | None
    """How many of them the model learnt from; None for networks, which keep no list."""


def transfer_model(trained: Run, place: NewRasters, out: Run, recipe: str | None) -> None:
    """Predict every area of a place with enough ground, by a final model.

    Writes ``chips/`` and, in the folder of ``out``, ``predictions.parquet``, ``areas.gpkg``,
    ``predict.json`` (model, place and counts) and, where the place has labels,
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
        If there is no such model, or the place is not of the kind it learnt from.
    """
    chosen = find_model(trained, recipe)
    folder, training = chosen.folder, chosen.training
    model = read_model(folder)
    _check_kind(model, folder)
    _check_street(model, place)
    _check_tables(model, place)
    _check_bands(model, place)
    settings = settle_place(model, place, out)
    with holding_answer(settings, out):
        assert model.native_resolution_m is not None
        # Brought to the training rasters' cells first: texture is what was learnt.
        cut_like(settings, out, model.native_resolution_m)
        samples = load_samples(out)
        _check_ground(samples, place, model)
        prediction = predict_place(folder, samples, settings, out)
        found = _predict_areas(folder, samples, prediction, model)
        _write(found, samples, model, place, (settings, training), out)


def settle_place(model: FinalModel, place: NewRasters, out: Run) -> Settings:
    """Put a place's files beside the settings that the model was trained with."""
    besides: dict[str, Any] = {
        # Read as those were read which the model learnt from.
        name: OVERLAYS[name].settings(files=place.overlays[name], **read)
        for name, read in model.overlays.items()
    }
    tables = {
        eye: TableSettings(file=place.tables[eye], **read) for eye, read in model.tables.items()
    }
    if model.min_street_pictures is not None and place.street is not None:
        folder, table = place.street
        least = model.min_street_pictures
        besides[STREET] = StreetSettings(folder=folder, table=table, min_pictures=least)
    # Not validated as a configuration is: a place to predict needs no labels.
    data = DataSettings.model_construct(
        dsm=place.dsm,
        dtm=place.dtm,
        crs=place.crs,
        areas=place.areas,
        labels=place.labels,
        targets=list(model.targets),
        counts=list(model.counts),
        area_column=place.area_column,
        label_column=place.label_column,
        tables=tables,
        **besides,
    )
    return settle_settings(model, data, out)


def _check_kind(model: FinalModel, folder: Path) -> None:
    """Refuse a model that learnt from no rasters."""
    if model.kind == "tables":
        raise InputError(
            f"{folder}: this model learnt from tables alone, and a new place is told of here by "
            "its rasters. Give a model of a run on rasters, which may know the tables too."
        )
    if model.kind == "pictures":
        raise InputError(
            f"{folder}: this model learnt from pictures, whose colours no raster can be given. "
            "Predict pictures with it (--images FOLDER --table FILE), or rasters with a model of "
            "a run on rasters."
        )


def _check_street(model: FinalModel, place: NewRasters) -> None:
    """Refuse a place without street pictures for a model that looks at them, and the reverse."""
    least = model.min_street_pictures
    if least is not None and place.street is None:
        raise InputError(
            "--street: missing, and this model looks at street pictures. Give the folder of the "
            f"place's with --street, and their table with --street-table ({least} pictures in an "
            "area at least); or choose a recipe that does without with --recipe."
        )
    if least is None and place.street is not None:
        raise InputError(
            f"--street {place.street[0]!r}: this model looks at no street pictures. Leave --street "
            "and --street-table out, or choose a recipe that does with --recipe."
        )


def _check_tables(model: FinalModel, place: NewRasters) -> None:
    """Refuse a place without a table that the model knows, or with one that it does not."""
    for eye in sorted({*model.tables, *place.tables}):
        if eye not in place.tables:
            columns = model.tables[eye]["columns"]
            raise InputError(
                f"--table {eye}=FILE: missing, and this model knows the table {eye!r}. Give the "
                f"place's (columns {list_names(columns, limit=MANY_BANDS)}), or choose a recipe "
                "that does without with --recipe."
            )
        if eye not in model.tables:
            known = f" It knows {list_names(list(model.tables))}." if model.tables else ""
            raise InputError(
                f"--table {eye}={place.tables[eye]}: this model knows no table {eye!r}.{known} "
                "Leave it out, or choose a recipe that does with --recipe."
            )


def _check_bands(model: FinalModel, place: NewRasters) -> None:
    """Refuse a place that cannot show what the model learnt from."""
    for name, kind in OVERLAYS.items():
        if name in model.overlays and name not in place.overlays:
            bands = model.overlays[name]["bands"]
            shown = ", ".join(bands) if len(bands) < MANY_BANDS else f"{len(bands)} of them"
            raise InputError(
                f"--{name}: missing, and this model looks at {kind.words}. Give the place's (bands "
                f"{shown}), or use a model that does without."
            )
        if name in place.overlays and name not in model.overlays:
            raise InputError(
                f"--{name} {place.overlays[name]!r}: this model looks at none. Leave --{name} out, "
                "or choose one that does with --recipe."
            )
    if model.ground == "terrain" and place.dtm is None:
        raise InputError(
            "--dtm: missing, and this model learnt its heights above a terrain raster. Give the "
            "place's terrain rasters, or use a model that was trained on surface rasters alone."
        )
    if model.ground == "estimated" and place.dtm is not None:
        raise InputError(
            f"--dtm {place.dtm!r}: this model learnt its heights above a ground estimated from "
            "the surface. Leave --dtm out, or use a model that was trained with terrain rasters."
        )


def _check_ground(samples: Samples, place: NewRasters, model: FinalModel) -> None:
    if not samples.areas["is_used"].any():
        raise InputError(
            f"--areas {place.areas!r}: no area has {model.chips.min_area_coverage:.0%} of its "
            f"ground in the rasters; the best has {samples.areas['ground_covered'].max():.0%}. "
            "Give rasters of more ground."
        )


def _predict_areas(
    folder: Path, samples: Samples, prediction: Prediction, model: FinalModel
) -> PlacePrediction:
    """Bring predictions to areas, and measure how far those lie from the training areas."""
    areas = samples.areas.set_index("area_id", drop=False)
    areas = areas[areas["is_used"].astype(bool)]
    if prediction.features is None:
        rows = prediction.labels.index.to_numpy(np.int64)
        values = average_over_areas(samples, rows, prediction.labels.to_numpy(np.float64))
    else:
        values = prediction.labels
    # Chips also lie in areas with too little ground in the rasters.
    values = values[values.index.isin(areas.index)].sort_index()
    applicability, n_learnt_from = None, None
    if prediction.features is not None:
        (learnt, blocks), linear = read_training(folder), load_model(folder / MODEL).alone
        known, new = (
            AreaTerms({model.recipe: table.to_numpy(np.float64)}, Locations(None))
            for table in (learnt, prediction.features.loc[values.index])
        )
        n_learnt_from = int(values.index.isin(learnt.index).sum())
        applicability = measure_applicability(
            known,
            new,
            # LIDAR alone: here no label is known, and so nothing is told from place.
            weigh_linear(linear),
            hold_out(blocks),
            np.random.default_rng(model.seed),
        )
    predicted = values.to_numpy(np.float64)
    return PlacePrediction(areas.loc[values.index], predicted, applicability, n_learnt_from)


def _write(
    found: PlacePrediction,
    samples: Samples,
    model: FinalModel,
    place: NewRasters,
    how: tuple[Settings, Record],
    out: Run,
) -> None:
    """Write what was predicted, and how well where labels are there.

    ``how`` are the place's settings, and how far the model was trained.
    """
    settings, training = how
    table = tabulate_place(found, model)
    with replacing(out.folder / "areas.gpkg") as part:
        lay_on_ground(found, model, place).to_file(part, driver="GPKG", layer="areas")
    n_areas, n_enough = len(samples.areas), int(samples.areas["is_used"].sum())
    inside = count_inside(found, model)
    counts = {
        "areas": n_areas,
        "areas_with_enough_ground": n_enough,
        "areas_predicted": len(found.areas),
        "areas_inside": inside,
        "areas_learnt_from": found.n_learnt_from,
    }
    write_answer(table, (model, training), vars(place), counts, out)
    if place.labels is not None:
        write_json(out.scores, score_place(table, samples, settings, training))


def count_inside(found: PlacePrediction, model: FinalModel) -> dict[str, int | None] | None:
    """Count, by target, the areas predicted that are like those learnt from.

    Returns
    -------
    None for a target whose prediction rests on nothing; None altogether for networks.
    """
    if found.applicability is None:
        return None
    near = found.applicability
    flags = {target: pd.Series(near.flag(k)) for k, target in enumerate(model.targets)}
    return {
        target: int(mine.sum()) if mine.notna().any() else None for target, mine in flags.items()
    }


def tabulate_place(found: PlacePrediction, model: FinalModel) -> pd.DataFrame:
    """Lay predictions of areas out as in ``predictions.parquet`` of a run."""
    ids = pd.Categorical(found.areas["area_id"].astype(str))
    values = (found.areas[model.targets].to_numpy(np.float64), found.predicted)
    return tabulate_answer(model, "area", ids, values, found.applicability)


def lay_on_ground(found: PlacePrediction, model: FinalModel, place: NewRasters) -> gpd.GeoDataFrame:
    """Put predictions on the ground: one row a predicted area, in the rasters' CRS."""
    areas, near = found.areas, found.applicability
    unknown = pd.array([pd.NA] * len(areas), dtype="boolean")
    known = [name for name in ("area_id", "area_name", "msoa", "lad") if name in areas]
    columns: dict[str, Any] = {name: areas[name] for name in (*known, "ground_covered")}
    for k, target in enumerate(model.targets):
        columns[f"predicted_{target}"] = found.predicted[:, k]
        if place.labels is not None:
            columns[f"observed_{target}"] = areas[target]
        columns[f"dissimilarity_{target}"] = np.nan if near is None else near.di[:, k]
        columns[f"is_inside_{target}"] = unknown if near is None else near.flag(k)
    drawn = gpd.GeoDataFrame(columns, geometry=areas.geometry, crs=areas.crs)
    return drawn.reset_index(drop=True)


def score_place(
    table: pd.DataFrame, samples: Samples, settings: Settings, training: Record
) -> list[Record]:
    """Score predictions where labels are, see `score_answer`; none where no area has one."""
    known = keep_known(table)
    if known.empty:
        return []
    ids = np.array(sorted(set(known["id"])), dtype=str)
    # Blocks of the training run's size: intervals of both are then alike.
    blocks = pd.Series(blocks_of_areas(samples, ids, settings), index=ids)
    rows = pd.Index(samples.areas["area_id"]).get_indexer(pd.Index(ids))
    # Where areas lie counts for nothing in a place without labels.
    seen, label = find_eyes(training["knows"]), label_recipe(training)
    by_chance = draw_skills(known, locate_areas(samples).take(rows), settings)
    return score_answer(known, {"area": blocks}, settings, label, seen, by_chance)
