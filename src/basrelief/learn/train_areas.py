"""Training of recipes whose unit is the area: every fold, and once on everything."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.learn.area_models import MANY, TrainingAreas, fit_areas
from basrelief.learn.features import copy_makers, features_of, gather_features, name_columns
from basrelief.learn.final import write_model
from basrelief.learn.kriging import Places, Residuals, krige, load_residuals, save_residuals
from basrelief.learn.linear import LinearModel, load_linear, predict_linear, save_linear
from basrelief.learn.recipes import AreaRecipe, KrigedRecipe, find_members, format_recipe
from basrelief.learn.together import (
    fit_together,
    load_together,
    predict_together,
    save_together,
)
from basrelief.run import Run, replacing
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas

WEIGHTS, RESIDUALS = "weights.safetensors", "residuals.parquet"
TOGETHER = "together.safetensors"

Floats = NDArray[np.float64]
Trust = Literal["inner folds", "likelihood"]


@dataclass(frozen=True, eq=False)
class KnownAreas:
    """What a recipe knows of the areas of a place, by area code."""

    features: list[pd.DataFrame]
    """Of each member."""

    labels: pd.DataFrame
    places: pd.DataFrame
    """``easting, northing, lad`` of a point inside each area."""

    blocks: pd.Series[str]
    """Of the areas that may be learnt from."""

    has_districts: bool
    """Whether the recipe lets districts count."""

    def describe(self, area_ids: NDArray[np.str_]) -> Floats:
        """Features of all members, (area, feature); NaN where unknown."""
        return np.concatenate([features_of(each, area_ids) for each in self.features], axis=1)

    def locate(self, area_ids: NDArray[np.str_]) -> Places:
        """Say where areas are."""
        places = self.places.loc[area_ids.tolist()]
        district = None
        if self.has_districts:
            # Areas whose district is not known share none.
            own = places["lad"].where(places["lad"].notna(), places.index.to_series())
            district = own.to_numpy(dtype=object).astype(str)
        return Places(places[["easting", "northing"]].to_numpy(np.float64), district)


def train_areas(recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run) -> None:
    """Fit a recipe on every fold of every repeat, and on everything."""
    features = gather_features(recipe, samples, settings, run)
    known = know_areas(recipe, features, samples, settings)
    folds = list(area_folds(run, samples, settings))
    n_features = sum(each.shape[1] for each in features)
    run.say(f"train {recipe.name}: {n_features} features of areas, {len(folds)} folds")
    for scheme in dict.fromkeys(fold.scheme for fold in folds):
        # All folds or none: folds of an earlier run must not stand beside new ones.
        with replacing(run.models / recipe.name / scheme) as part:
            those = [fold for fold in folds if fold.scheme == scheme]
            for fold in run.track(those, f"{recipe.name}, {scheme}"):
                folder = part / f"{fold.repeat}-{fold.fold}"
                _fit_fold(recipe, fold, known, samples.targets, settings, folder)
    usable = find_usable_areas(samples)
    everything = AreaFold("final", 0, 0, usable, usable[:0])
    with replacing(run.models / recipe.name / "final") as part:
        model = _fit_fold(recipe, everything, known, samples.targets, settings, part)
        for k, member in enumerate(find_members(recipe, settings)):
            folder = part / "members" / f"{k}-{member.name}"
            folder.mkdir(parents=True)
            copy_makers(run.features / member.name, folder)
            (folder / "recipe.toml").write_text(format_recipe(member), encoding="utf-8")
        table = pd.DataFrame(known.describe(usable), index=usable, columns=name_columns(features))
        write_model(part, recipe, samples, table.rename_axis("area_id"), settings, run)
    _say_fallbacks(recipe, model, samples.targets, run)


def know_areas(
    recipe: AreaRecipe, features: list[pd.DataFrame], samples: Samples, settings: Settings
) -> KnownAreas:
    """Gather what a recipe knows of areas, once for all folds."""
    usable, areas = find_usable_areas(samples), samples.areas.set_index("area_id")
    points = areas.geometry.representative_point()
    places = pd.DataFrame({"easting": points.x, "northing": points.y})
    places["lad"] = areas.get("lad")
    return KnownAreas(
        features=features,
        labels=areas[list(samples.targets)],
        places=places,
        blocks=pd.Series(blocks_of_areas(samples, usable, settings), index=usable),
        has_districts=isinstance(recipe, KrigedRecipe) and recipe.districts,
    )


def predict_areas(
    folder: Path, known: KnownAreas, area_ids: NDArray[np.str_], rng: np.random.Generator
) -> Floats:
    """Predict areas with the model of a fold, (area, target), in the labels' unit."""
    if (folder / TOGETHER).exists():
        model = load_together(folder / TOGETHER)
        return predict_together(model, known.describe(area_ids), known.locate(area_ids))
    predicted = predict_linear(load_linear(folder / WEIGHTS), known.describe(area_ids))
    if (folder / RESIDUALS).exists():
        residuals = load_residuals(folder / RESIDUALS)
        predicted = predicted + krige(residuals, known.locate(area_ids), rng)
    return predicted


def read_trust(folder: Path) -> tuple[Floats, Trust]:
    """Read how far a fold's model trusts its members, (member, target), and by what.

    Inner folds say how much of each is kept; where place stands beside them, the likelihood of the
    training labels says how likely each is to say anything.
    """
    if (folder / TOGETHER).exists():
        return load_together(folder / TOGETHER).trend.weight, "likelihood"
    return load_linear(folder / WEIGHTS).weight, "inner folds"


def _fit_fold(
    recipe: AreaRecipe,
    fold: AreaFold,
    known: KnownAreas,
    targets: tuple[str, ...],
    settings: Settings,
    folder: Path,
) -> LinearModel:
    """Fit one fold from its training areas alone, and write it with its recipe.

    What LIDAR alone says is written for every recipe, kriged ones too: it is all that serves
    where no label is known.
    """
    # The same inner folds for every recipe: a trend is the same alone and kriged.
    key = [settings.seed, zlib.crc32(fold.scheme.encode()), fold.repeat, fold.fold]
    labels = known.labels.loc[fold.train.tolist()].to_numpy(np.float64)
    places = known.locate(fold.train)
    blocks = known.blocks.loc[fold.train.tolist()].to_numpy(dtype=object).astype(str)
    seen = [features_of(each, fold.train) for each in known.features]
    training = TrainingAreas(seen, labels, places.xy, blocks)
    model = fit_areas(training, np.random.default_rng(key))
    save_linear(model, folder / WEIGHTS)
    if isinstance(recipe, KrigedRecipe) and len(known.blocks) <= MANY:
        save_together(fit_together(training, places), folder / TOGETHER)
    elif isinstance(recipe, KrigedRecipe):
        left = labels - predict_linear(model, known.describe(fold.train))
        save_residuals(Residuals(places, left), targets, folder / RESIDUALS)
    (folder / "recipe.toml").write_text(format_recipe(recipe), encoding="utf-8")
    return model


def _say_fallbacks(
    recipe: AreaRecipe, model: LinearModel, targets: tuple[str, ...], run: Run
) -> None:
    """Say where nothing could be learnt."""
    names = [target for target, is_one in zip(targets, model.is_fallback, strict=True) if is_one]
    if names:
        run.say(
            f"train {recipe.name}: inner folds see no skill for {', '.join(names)}: features are "
            "left out, and the mean stands in their stead"
        )
