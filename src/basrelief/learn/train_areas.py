"""Training of recipes whose unit is the area: every fold, and once on everything."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.learn.area_models import AreaModel, TrainingAreas, fit_areas, save_model
from basrelief.learn.dense import settle_resolutions
from basrelief.learn.features import (
    copy_makers,
    features_of,
    find_folder,
    gather_features,
    name_columns,
)
from basrelief.learn.final import write_model
from basrelief.learn.gaussian_process import has_many
from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations, locate_areas
from basrelief.learn.recipe_files import find_members, format_recipe
from basrelief.learn.recipes import AreaRecipe, DenseRecipe, KrigedRecipe, SetRecipe
from basrelief.run import MODEL, Run, replacing
from basrelief.splits.groups import blocks_of_areas, suggest_block
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas


@dataclass(frozen=True, eq=False)
class AreaData:
    """What a recipe knows of the areas of a place, by area code."""

    feature_sets: dict[str, pd.DataFrame]
    """Of each member, by its name."""

    labels: pd.DataFrame
    locations: Locations
    """Of all areas, in the order of ``labels``; without districts where these do not count."""

    blocks: pd.Series[str]
    """Of the areas that may be learnt from."""

    joins_place: bool
    """Whether the recipe joins place to its feature sets."""

    @property
    def is_many(self) -> bool:
        """Whether the place has many areas that may be learnt from."""
        return has_many(len(self.blocks))

    def learn_from(self, area_ids: NDArray[np.str_]) -> TrainingAreas:
        """Give what a model learns from some of the usable areas, by their codes (area,)."""
        ids = area_ids.tolist()
        return TrainingAreas(
            self.terms(area_ids),
            self.labels.loc[ids].to_numpy(np.float64),
            self.blocks.loc[ids].to_numpy(dtype=object).astype(str),
            self.is_many,
        )

    def terms(self, area_ids: NDArray[np.str_]) -> AreaTerms:
        """Give what a model may know of areas, by their codes (area,)."""
        sets = {name: features_of(each, area_ids) for name, each in self.feature_sets.items()}
        rows = self.labels.index.get_indexer(pd.Index(area_ids))
        return AreaTerms(sets, self.locations.take(rows))


def train_areas(recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run) -> None:
    """Fit a recipe on every fold of every repeat, and on everything."""
    features = gather_features(recipe, samples, settings, run)
    data = gather_area_data(recipe, features, samples, settings)
    folds = list(area_folds(run, samples, settings))
    names = name_columns(features)
    run.say(f"train {recipe.name}: {len(names)} features of areas, {len(folds)} folds")
    for scheme in dict.fromkeys(fold.scheme for fold in folds):
        # All folds or none: folds of an earlier run must not stand beside new ones.
        with replacing(run.models / recipe.name / scheme) as part:
            those = [fold for fold in folds if fold.scheme == scheme]
            for fold in run.track(those, f"{recipe.name}, {scheme}"):
                folder = part / f"{fold.repeat}-{fold.fold}"
                _fit_fold(recipe, fold, data, settings, folder)
    usable = data.blocks.index.to_numpy(dtype=object).astype(str)
    # A fold without a test: one way of fitting serves both.
    everything = AreaFold("final", 0, 0, usable, usable[:0])
    with replacing(run.models / recipe.name / "final") as part:
        model = _fit_fold(recipe, everything, data, settings, part)
        for k, member in enumerate(find_members(recipe, settings)):
            folder = part / "members" / f"{k}-{member.name}"
            folder.mkdir(parents=True)
            # A final model is used elsewhere, and must not need this run's folder.
            copy_makers(find_folder(member, run), folder)
            if isinstance(member, DenseRecipe):
                settled: SetRecipe = settle_resolutions(member, samples)
            else:
                settled = member
            (folder / "recipe.toml").write_text(format_recipe(settled), encoding="utf-8")
        rows = [pd.Index(usable, name="area_id"), pd.Index(data.blocks, name="block")]
        learnt = pd.DataFrame(data.terms(usable).join(), index=rows, columns=names)
        write_model(part, recipe, samples, learnt, settings, run)
    # Of the final model alone: of every fold it would fill the screen.
    if data.blocks.nunique() < 2:
        run.say(f"train {recipe.name}: {_explain_one_block(samples, usable, settings)}")
    else:
        _say_fallbacks(recipe, model, samples.targets, run)


def gather_area_data(
    recipe: AreaRecipe, features: list[pd.DataFrame], samples: Samples, settings: Settings
) -> AreaData:
    """Gather what a recipe knows of areas, once for all folds.

    Parameters
    ----------
    features
        Of each of the recipe's members.
    """
    names = [member.name for member in find_members(recipe, settings)]
    usable, locations = find_usable_areas(samples), locate_areas(samples)
    # Place stays even where it is not joined: a set is fitted beside it.
    if not (isinstance(recipe, KrigedRecipe) and recipe.districts):
        locations = Locations(locations.xy)
    return AreaData(
        feature_sets=dict(zip(names, features, strict=True)),
        labels=samples.areas.set_index("area_id")[list(samples.targets)],
        locations=locations,
        blocks=pd.Series(blocks_of_areas(samples, usable, settings), index=usable),
        joins_place=isinstance(recipe, KrigedRecipe),
    )


def _fit_fold(
    recipe: AreaRecipe, fold: AreaFold, data: AreaData, settings: Settings, folder: Path
) -> AreaModel:
    """Fit one fold from its training areas alone, and write it with its recipe."""
    # The same inner folds for every recipe: what features say is the same alone and with place.
    key = [settings.seed, zlib.crc32(fold.scheme.encode()), fold.repeat, fold.fold]
    areas, rng = data.learn_from(fold.train), np.random.default_rng(key)
    model = fit_areas(areas, rng, joins_place=data.joins_place)
    save_model(model, folder / MODEL)
    (folder / "recipe.toml").write_text(format_recipe(recipe), encoding="utf-8")
    return model


def _explain_one_block(samples: Samples, area_ids: NDArray[np.str_], settings: Settings) -> str:
    """Say that features cannot be tried on blocks that they did not see, and what would do."""
    return (
        f"split.block_m = {settings.split.block_m:g} puts all areas in one block, which leaves "
        "no other to try features on: alone they predict the mean. "
        f"{suggest_block(samples, area_ids, settings)}"
    )


def _say_fallbacks(
    recipe: AreaRecipe, model: AreaModel, targets: tuple[str, ...], run: Run
) -> None:
    """Say where nothing could be learnt."""
    names = [
        target for target, is_one in zip(targets, model.alone.is_fallback, strict=True) if is_one
    ]
    if names:
        run.say(
            f"train {recipe.name}: inner folds see no skill for {', '.join(names)}: features are "
            "left out, and the mean stands in their stead"
        )
