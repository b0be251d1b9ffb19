"""The final model: what it carries, and what it predicts of a place that it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from basrelief import __version__
from basrelief.chips.eye_tables import read_place_table
from basrelief.chips.layers import Layer
from basrelief.chips.store import Samples
from basrelief.config import DataKind, InputError, Settings
from basrelief.eyes import OverlaySettings
from basrelief.learn.area_models import load_model
from basrelief.learn.features import make_features, name_columns
from basrelief.learn.knowledge import STREET, list_known
from basrelief.learn.linear import predict_linear
from basrelief.learn.measures import bring_to_scale
from basrelief.learn.predict import predict_fold
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import (
    KrigedRecipe,
    NetworkRecipe,
    Recipe,
    SetRecipe,
)
from basrelief.run import MODEL, Run, read_json, replacing, write_json
from basrelief.splits.heldout import find_usable_areas, find_usable_chips
from basrelief.stage_settings import ChipSettings
from basrelief.values import StrictTable

GroundSource = Literal["terrain", "estimated"]


class Spread(StrictTable):
    """How a feature or label is spread over the areas that a model learnt from."""

    mean: float | None
    """None where no value is known."""

    std: float | None
    low: float | None
    high: float | None


class FinalModel(StrictTable):
    """``model.json``: what must be the same, or known, where a model is to predict."""

    recipe: str
    unit: Literal["chip", "area"]
    kind: DataKind
    bands: str
    """Of a network as it sees chips, ``relief``, ``shaded`` or ``relief+photo``; ``heights`` where
    areas are described, or ``tables`` where nothing looks at the ground."""

    ground: GroundSource | None
    """Whether the ground was a terrain raster's or estimated; None for pictures."""

    native_resolution_m: float | None
    """Side of the cells of the rasters learnt from, in metres; None for pictures."""

    overlays: dict[str, dict[str, Any]]
    """By name, how the layers were read that it looks at beside heights, with the cells that it
    saw: settings of ``[data]`` but for where files lie."""

    tables: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By the eye's name, how the tables by area were read that it knows: settings of
    ``[data.tables]`` but for where the file lies, with every column that was taken."""

    min_street_pictures: int | None = None
    """Fewest street pictures that describe an area; None for a model that looks at none."""

    chips: ChipSettings
    targets: list[str]
    counts: list[str]
    """Targets that tables of labels hold as counts of cases: learnt as rates."""

    labels: dict[str, Spread]
    """By target: the labels of the areas, or pictures, learnt from; their mean is to be beaten."""

    n_areas: int
    """Areas with enough ground and a label."""

    features: dict[str, Spread]
    """By feature, over those areas, on the scale that the model sees; empty for networks."""

    seed: int
    block_m: float
    version: str
    """Of the software that trained it."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a final model says of the areas, or chips, of a place."""

    labels: pd.DataFrame
    """One row an area (by ``area_id``) or chip (by its position), one column a target."""

    features: pd.DataFrame | None
    """The areas' features; None for networks."""


def write_model(
    folder: Path,
    recipe: Recipe,
    samples: Samples,
    features: pd.DataFrame | None,
    settings: Settings,
    run: Run,
) -> None:
    """Write ``model.json``, and for area recipes what they learnt from (``training.parquet``).

    Parameters
    ----------
    folder
        The final model's, with its weights and recipe.
    features
        Features that were learnt from, by ``area_id`` and ``block``; None for networks.
    """
    facts, bands = read_json(run.chips / "chips.json"), "heights"
    if samples.kind == "tables":
        bands = "tables"
    elif isinstance(recipe, NetworkRecipe):
        bands = recipe.choose_bands(samples.kind)
    area_ids = find_usable_areas(samples)
    labels = samples.areas.set_index("area_id")[list(samples.targets)].loc[area_ids.tolist()]
    if samples.kind == "pictures":
        # Their tables may name no areas, and a picture's own label is what was learnt.
        labels = samples.chips[list(samples.targets)].iloc[find_usable_chips(samples)]
    if features is not None:
        # How like a new place is cannot be told without the features themselves.
        with replacing(folder / "training.parquet") as part:
            features.to_parquet(part)
    model = FinalModel(
        recipe=recipe.name,
        unit=recipe.unit,
        kind=samples.kind,
        bands=bands,
        ground=facts.get("ground"),
        native_resolution_m=facts.get("native_resolution_m"),
        overlays=_list_readings(recipe, samples, settings),
        tables=_list_tables(recipe, samples, settings, run),
        min_street_pictures=_find_least_pictures(recipe, samples, settings),
        chips=settings.chips,
        targets=list(samples.targets),
        counts=[name for name in settings.data.counts if name in samples.targets],
        labels=_measure_spreads(labels),
        n_areas=len(area_ids),
        features={} if features is None else _measure_spreads(features),
        seed=settings.seed,
        block_m=settings.split.block_m,
        version=__version__,
    )
    write_json(folder / "model.json", model.model_dump(mode="json"))


def _list_readings(
    recipe: Recipe, samples: Samples, settings: Settings
) -> dict[str, dict[str, Any]]:
    """List how the layers beside heights are read that a recipe looks at, by itself or a member."""
    eyes = set(list_known(recipe, samples, settings))
    asked = {name: each for name, each in settings.data.overlays.items() if name in eyes}
    return {name: _settle_reading(each, samples.layers[name]) for name, each in asked.items()}


def _list_tables(
    recipe: Recipe, samples: Samples, settings: Settings, run: Run
) -> dict[str, dict[str, Any]]:
    """List how the tables by area were read that a recipe knows, by itself or a member."""
    found = {}
    for eye in settings.table_eyes:
        if eye in list_known(recipe, samples, settings):
            columns = list(read_place_table(run.chips, eye).columns)
            found[eye] = settings.find_table(eye).model_dump(exclude={"file"})
            found[eye] |= {"columns": columns}
    return found


def _find_least_pictures(recipe: Recipe, samples: Samples, settings: Settings) -> int | None:
    """Find how many street pictures describe an area, for a recipe that looks at them."""
    street = settings.data.street
    if street is None or STREET not in list_known(recipe, samples, settings):
        return None
    return street.min_pictures


def _settle_reading(asked: OverlaySettings, layer: Layer) -> dict[str, Any]:
    """Write down how a layer was read, for a model that is used elsewhere."""
    # Its own cells and bands, and not where its files lay: those are the place's, and a path says
    # whose.
    return asked.model_dump(exclude={"files"}) | {
        "resolution_m": layer.grid.cell_m,
        "bands": [band.name for band in layer.bands],
    }


def read_model(folder: Path) -> FinalModel:
    """Read what `write_model` wrote.

    Raises
    ------
    InputError
        If it is of another version of this software.
    """
    path = folder / "model.json"
    try:
        return FinalModel.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise InputError(
            f"{path}: not a model of version {__version__}. Train it again with this version."
        ) from error


def read_training(folder: Path) -> tuple[pd.DataFrame, NDArray[np.str_]]:
    """Read the features, by ``area_id``, and blocks, (area,), that an area recipe learnt from."""
    table = pd.read_parquet(folder / "training.parquet")
    blocks = np.asarray(table.index.get_level_values("block").to_numpy(dtype=object), dtype=str)
    return table.droplevel("block"), blocks


def predict_place(folder: Path, samples: Samples, settings: Settings, run: Run) -> Prediction:
    """Predict the areas or chips of samples with a final model.

    Nothing is cut off at the range of the labels learnt from: an impossible prediction shows
    that the place is unlike the training place, and a possible one in its stead would hide it.

    Parameters
    ----------
    samples
        Cut with the model's own settings; their targets are the model's, in its order.

    Raises
    ------
    InputError
        If this version computes other features than those that the model learnt from.
    """
    # The recipe beside the weights, not the shipped one: that may have changed since.
    recipe = read_recipe(folder / "recipe.toml")
    targets = list(samples.targets)
    if isinstance(recipe, NetworkRecipe):
        rows = np.flatnonzero(samples.chips["is_used"].to_numpy(bool))
        values = predict_fold(folder, samples, rows, settings)
        return Prediction(pd.DataFrame(values, index=rows, columns=targets), None)
    if isinstance(recipe, KrigedRecipe):
        run.say(
            f"predict {recipe.name}: by what it looks at, because no label of this place is known"
        )
    features = _compute_features(folder, samples, settings, run)
    # Columns are matched by name: the arrays alone would fit any features of their number.
    _check_features(folder, features)
    is_used = samples.areas.set_index("area_id")["is_used"].astype(bool)
    # Areas with little ground in the rasters are not predicted, as in training.
    features = features[is_used.reindex(features.index).to_numpy(bool)]
    model = load_model(folder / MODEL)
    values = predict_linear(model.alone, features.to_numpy(np.float64))
    return Prediction(pd.DataFrame(values, index=features.index, columns=targets), features)


def _compute_features(folder: Path, samples: Samples, settings: Settings, run: Run) -> pd.DataFrame:
    """Compute a place's features as the model's members computed those of their own."""
    tables, learnt = [], list(read_model(folder).features)
    # Sorted by their leading number: the order in which features were joined.
    paths = sorted((folder / "members").iterdir())
    for k, path in enumerate(paths):
        member = read_recipe(path / "recipe.toml")
        assert isinstance(member, SetRecipe)
        before = f"{k}/" if len(paths) > 1 else ""
        own = [name.removeprefix(before) for name in learnt if name.startswith(before)]
        tables.append(bring_to_scale(make_features(member, samples, settings, run, path, own)))
    joined = tables[0] if len(tables) == 1 else pd.concat(tables, axis=1)
    return joined.set_axis(name_columns(tables), axis=1)


def _check_features(folder: Path, features: pd.DataFrame) -> None:
    learnt = list(read_model(folder).features)
    if list(features.columns) != learnt:
        raise InputError(
            f"{folder}: the model learnt from {len(learnt)} features, and version {__version__} "
            f"computes {features.shape[1]} that are not the same. Train it again."
        )


def _measure_spreads(table: pd.DataFrame) -> dict[str, Spread]:
    """Describe each column over its known values."""
    numbers = table.agg(["mean", "std", "min", "max"]).T
    # JSON has no NaN: what is not known is null.
    rows = numbers.astype(object).where(numbers.notna(), None).to_numpy().tolist()
    return {
        str(name): Spread(mean=mean, std=std, low=low, high=high)
        for name, (mean, std, low, high) in zip(table.columns, rows, strict=True)
    }
