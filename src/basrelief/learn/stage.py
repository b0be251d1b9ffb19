"""The train stage: every recipe on every fold that it can use."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.learn.features import FILTERS, make_features
from basrelief.learn.final import write_model
from basrelief.learn.networks import train_network
from basrelief.learn.random_features import sample_filters, save_filters
from basrelief.learn.recipes import (
    AreaRecipe,
    NetworkRecipe,
    RandomRecipe,
    format_recipe,
)
from basrelief.learn.ridge import fit_ridge, save_ridge
from basrelief.learn.threads import sparing_threads
from basrelief.learn.weights import check_weights
from basrelief.run import Run, read_json, replacing, write_json
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import (
    AreaFold,
    area_folds,
    chip_folds,
    final_fold,
    find_usable_areas,
)


def train_recipes(settings: Settings, run: Run) -> None:
    """Train every recipe on its folds, and once on everything.

    Writes ``models/<recipe>/<scheme>/<repeat>-<fold>/`` and ``models/<recipe>/final/``. A
    network that is finished on the same chips, fold, weights and recipe is kept.

    Raises
    ------
    InputError
        If a recipe cannot be run on these data.
    """
    samples = load_samples(run)
    recipes, left_out = choose_recipes(settings)
    for line in left_out:
        run.say(line)
    baselines = choose_baselines(recipes, settings)
    if baselines:
        run.say(f"train: {' and '.join(each.name for each in baselines)} too, as baselines")
    for recipe in [*recipes, *baselines]:
        if isinstance(recipe, NetworkRecipe):
            _train_networks(recipe, samples, settings, run)
            continue
        with sparing_threads(len(samples.areas)):
            _train_areas(recipe, samples, settings, run)


def check_recipes(settings: Settings) -> None:
    """Find out at the start whether every recipe can be run.

    Raises
    ------
    InputError
        If a recipe does not exist, needs what the data do not have, or its weights cannot
        be had.
    """
    recipes, _ = choose_recipes(settings)
    for recipe in recipes:
        if isinstance(recipe, NetworkRecipe):
            check_weights(recipe.backbone, settings)


def read_features(recipe: AreaRecipe, run: Run) -> pd.DataFrame:
    """Read the features of a recipe: one row an area, by ``area_id``."""
    return pd.read_parquet(run.models / recipe.name / "features.parquet")


def _train_networks(recipe: NetworkRecipe, samples: Samples, settings: Settings, run: Run) -> None:
    """Train a network once a scheme, and once on everything."""
    folds = chip_folds(run, samples, settings)
    if not folds:
        raise InputError(
            f"models.recipes: {recipe.name!r} has no scheme with chips to train on and to test. "
            "Use smaller chips (chips.size_px), or data from a larger place."
        )
    folds.append(final_fold(samples, np.random.default_rng([settings.seed, _key("final")])))
    for fold in folds:
        place = Path("final") if fold.scheme == "final" else Path(fold.scheme, "0-0")
        folder = run.models / recipe.name / place
        # What a model is for is said last: without it half a training is no model.
        (folder / "model.json").unlink(missing_ok=True)
        train_network(recipe, samples, fold, folder, settings, run)
    write_model(folder, recipe, samples, None, settings, run)


def _mark_of_chips(run: Run) -> Any:
    """Fingerprint of the chips stage; None where it is not recorded."""
    path = run.folder / "stages" / "chips.json"
    return read_json(path) if path.exists() else None


def _train_areas(recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run) -> None:
    """Fit a ridge regression on every fold of every repeat, and on everything."""
    known = _know_areas(recipe, samples, settings, run)
    folds = list(area_folds(run, samples, settings))
    usable = find_usable_areas(samples)
    everything = AreaFold("final", 0, 0, usable, usable[:0])
    n_features = known.features.shape[1]
    run.say(f"train {recipe.name}: {n_features} statistics of areas, {len(folds)} folds")
    _fit_folds(recipe, folds, known, settings, run)
    with replacing(run.models / recipe.name / "final") as part:
        _fit_fold(recipe, everything, known, settings, part)
        filters = run.models / recipe.name / FILTERS
        if filters.exists():
            shutil.copy(filters, part / FILTERS)
        write_model(part, recipe, samples, known.features, settings, run)


def _fit_folds(
    recipe: AreaRecipe, folds: list[AreaFold], known: KnownAreas, settings: Settings, run: Run
) -> None:
    """Fit every fold of every scheme."""
    for scheme in dict.fromkeys(fold.scheme for fold in folds):
        # All folds or none: folds of an earlier run must not stand beside new ones.
        with replacing(run.models / recipe.name / scheme) as part:
            for fold in run.track([f for f in folds if f.scheme == scheme], f"ridge, {scheme}"):
                folder = part / f"{fold.repeat}-{fold.fold}"
                _fit_fold(recipe, fold, known, settings, folder)


@dataclass(frozen=True, eq=False)
class KnownAreas:
    """What area recipes are fitted from, by area code."""

    features: pd.DataFrame
    labels: pd.DataFrame
    blocks: pd.Series[str]


def _know_areas(recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run) -> KnownAreas:
    """Gather features, labels and blocks of the usable areas once for all folds."""
    usable = find_usable_areas(samples)
    return KnownAreas(
        features=_make_features(recipe, samples, settings, run),
        labels=samples.areas.set_index("area_id")[list(samples.targets)],
        blocks=pd.Series(blocks_of_areas(samples, usable, settings), index=usable),
    )


def _make_features(
    recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run
) -> pd.DataFrame:
    """Compute the features of every area, or read them where the chips are the same."""
    folder = run.models / recipe.name
    mark = {"chips": _mark_of_chips(run), "recipe": format_recipe(recipe), "seed": settings.seed}
    stamp = folder / "features.json"
    if mark["chips"] is not None and stamp.exists() and read_json(stamp) == mark:
        return read_features(recipe, run)
    stamp.unlink(missing_ok=True)
    if isinstance(recipe, RandomRecipe):
        rng = np.random.default_rng([settings.seed, _key(recipe.name)])
        save_filters(sample_filters(recipe, samples, rng), folder / FILTERS)
    features = make_features(recipe, samples, run, folder)
    with replacing(folder / "features.parquet") as part:
        features.to_parquet(part)
    write_json(stamp, mark)
    return features


def _fit_fold(
    recipe: AreaRecipe, fold: AreaFold, known: KnownAreas, settings: Settings, folder: Path
) -> None:
    """Fit one fold from its training areas alone, and write it with its recipe."""
    key = [settings.seed, _key(f"{recipe.name}/{fold.scheme}"), fold.repeat, fold.fold]
    train = fold.train.tolist()
    model = fit_ridge(
        features_of(known.features, fold.train),
        known.labels.loc[train].to_numpy(np.float64),
        recipe.strengths,
        known.blocks.loc[train].to_numpy(dtype=object).astype(str),
        recipe.inner_folds,
        np.random.default_rng(key),
    )
    save_ridge(model, folder / "weights.safetensors")
    (folder / "recipe.toml").write_text(format_recipe(recipe), encoding="utf-8")


def features_of(features: pd.DataFrame, area_ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Features of the given areas, (n_areas, n_features); NaN for an area without ground."""
    return features.reindex(area_ids.tolist()).to_numpy(np.float64)


def labels_of(samples: Samples, area_ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Labels of the given areas, (n_areas, n_targets); NaN where unknown."""
    labels = samples.areas.set_index("area_id")[list(samples.targets)]
    return labels.reindex(area_ids.tolist()).to_numpy(np.float64)


def _key(name: str) -> int:
    """Turn a name into a number that seeds a generator of its own."""
    return zlib.crc32(name.encode())
