"""Training of recipes whose unit is the area: every fold, and once on everything."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.learn.area_models import AreaModel, fit_areas, save_model
from basrelief.learn.features import copy_makers, features_of, gather_features, name_columns
from basrelief.learn.final import write_model
from basrelief.learn.gaussian_process import has_many
from basrelief.learn.joint import PARTS, AreaTerms
from basrelief.learn.place import Locations, locate_areas
from basrelief.learn.recipes import AreaRecipe, KrigedRecipe, find_members, format_recipe
from basrelief.run import MODEL, Run, replacing
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KnownAreas:
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

    def terms(self, area_ids: NDArray[np.str_]) -> AreaTerms:
        """Give what a model may know of areas, one row each."""
        sets = {name: features_of(each, area_ids) for name, each in self.feature_sets.items()}
        rows = self.labels.index.get_indexer(pd.Index(area_ids))
        return AreaTerms(sets, self.locations.take(rows))


def train_areas(recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run) -> None:
    """Fit a recipe on every fold of every repeat, and on everything."""
    features = gather_features(recipe, samples, settings, run)
    known = know_areas(recipe, features, samples, settings)
    folds = list(area_folds(run, samples, settings))
    names = name_columns(features)
    run.say(f"train {recipe.name}: {len(names)} features of areas, {len(folds)} folds")
    for scheme in dict.fromkeys(fold.scheme for fold in folds):
        # All folds or none: folds of an earlier run must not stand beside new ones.
        with replacing(run.models / recipe.name / scheme) as part:
            those = [fold for fold in folds if fold.scheme == scheme]
            for fold in run.track(those, f"{recipe.name}, {scheme}"):
                folder = part / f"{fold.repeat}-{fold.fold}"
                _fit_fold(recipe, fold, known, settings, folder)
    usable = find_usable_areas(samples)
    everything = AreaFold("final", 0, 0, usable, usable[:0])
    with replacing(run.models / recipe.name / "final") as part:
        model = _fit_fold(recipe, everything, known, settings, part)
        for k, member in enumerate(find_members(recipe, settings)):
            folder = part / "members" / f"{k}-{member.name}"
            folder.mkdir(parents=True)
            copy_makers(run.features / member.name, folder)
            (folder / "recipe.toml").write_text(format_recipe(member), encoding="utf-8")
        table = pd.DataFrame(known.terms(usable).join(), index=usable, columns=names)
        write_model(part, recipe, samples, table.rename_axis("area_id"), settings, run)
    _say_fallbacks(recipe, model, samples.targets, run)


def know_areas(
    recipe: AreaRecipe, features: list[pd.DataFrame], samples: Samples, settings: Settings
) -> KnownAreas:
    """Gather what a recipe knows of areas, once for all folds.

    Parameters
    ----------
    features
        Of each of the recipe's members.

    Raises
    ------
    InputError
        If members, whose names tell parts of a prediction apart, cannot be told apart.
    """
    names = [member.name for member in find_members(recipe, settings)]
    for name, count in Counter([*names, *PARTS]).items():
        if count > 1:
            raise InputError(
                f"recipe {recipe.name!r}: its members {names} need names of their own, but for "
                f"{', '.join(PARTS)}; {name!r} stands for two. Name one otherwise."
            )
    usable, locations = find_usable_areas(samples), locate_areas(samples)
    joins_place = isinstance(recipe, KrigedRecipe)
    if not (isinstance(recipe, KrigedRecipe) and recipe.districts):
        locations = Locations(locations.xy)
    return KnownAreas(
        feature_sets=dict(zip(names, features, strict=True)),
        labels=samples.areas.set_index("area_id")[list(samples.targets)],
        locations=locations,
        blocks=pd.Series(blocks_of_areas(samples, usable, settings), index=usable),
        joins_place=joins_place,
    )


def _fit_fold(
    recipe: AreaRecipe, fold: AreaFold, known: KnownAreas, settings: Settings, folder: Path
) -> AreaModel:
    """Fit one fold from its training areas alone, and write it with its recipe."""
    # The same inner folds for every recipe: what features say is the same alone and with place.
    key = [settings.seed, zlib.crc32(fold.scheme.encode()), fold.repeat, fold.fold]
    model = fit_areas(
        known.terms(fold.train),
        known.labels.loc[fold.train.tolist()].to_numpy(np.float64),
        known.blocks.loc[fold.train.tolist()].to_numpy(dtype=object).astype(str),
        np.random.default_rng(key),
        is_many=known.is_many,
        joins_place=known.joins_place,
    )
    save_model(model, folder / MODEL)
    (folder / "recipe.toml").write_text(format_recipe(recipe), encoding="utf-8")
    return model


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
