"""The features of areas, made alike where a recipe is trained and where it predicts."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from basrelief.chips.eye_tables import read_place_table
from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.hashes import hash_file
from basrelief.learn.bands import band_features
from basrelief.learn.dense import dense_features
from basrelief.learn.extract import load_extractor, read_extractor, save_extractor
from basrelief.learn.measures import bring_to_scale
from basrelief.learn.random_features import (
    load_filters,
    random_features,
    sample_filters,
    save_filters,
)
from basrelief.learn.recipe_files import find_members, format_recipe
from basrelief.learn.recipes import (
    AreaRecipe,
    BandsRecipe,
    DenseRecipe,
    RandomRecipe,
    SetRecipe,
    StreetRecipe,
    TableRecipe,
)
from basrelief.learn.relief import relief_features
from basrelief.learn.street_features import (
    load_encoder,
    read_encoder,
    save_encoder,
    street_features,
)
from basrelief.learn.table_features import table_features
from basrelief.learn.weights import stamp_weights
from basrelief.marks import mark_of
from basrelief.run import Notes, Run, read_record, replacing, write_json

FILTERS, BACKBONE = "filters.safetensors", "backbone.safetensors"
"""What features are made with: of random ones filters, of dense ones and of street pictures a
network. Every final model carries its own."""


def gather_features(
    recipe: AreaRecipe, samples: Samples, settings: Settings, run: Run
) -> list[pd.DataFrame]:
    """Compute the features of a recipe's members, or read those that were made of these chips.

    Returns
    -------
    For each member one row an area, by ``area_id``; one column a feature.
    """
    return [_gather(member, samples, settings, run) for member in find_members(recipe, settings)]


def read_features(recipe: AreaRecipe, settings: Settings, run: Run) -> list[pd.DataFrame]:
    """Read the features of a recipe's members, as `gather_features` left them."""
    members = find_members(recipe, settings)
    return [pd.read_parquet(find_folder(each, run) / "features.parquet") for each in members]


def find_folder(recipe: SetRecipe, run: Run) -> Path:
    """Find where a recipe's features are: what is measured on the ground, with who measured it."""
    # What tables say of areas is withheld where their labels are: see `tell.release.refit`.
    folder = run.folder / "features" if isinstance(recipe, TableRecipe) else run.features
    return folder / recipe.name


def features_of(features: pd.DataFrame, area_ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Give features of areas as a model sees them, (area, feature), by their codes, (area,).

    Measures are on their scales. NaN where an area has no ground, or too little of what is
    measured.
    """
    return bring_to_scale(features.reindex(area_ids.tolist())).to_numpy(np.float64)


def name_columns(features: list[pd.DataFrame]) -> list[str]:
    """Name the features of all members; with several, each after its member's place."""
    if len(features) == 1:
        return list(features[0].columns)
    return [f"{k}/{name}" for k, each in enumerate(features) for name in each.columns]


def make_features(
    recipe: SetRecipe,
    samples: Samples,
    settings: Settings,
    run: Run,
    folder: Path,
    learnt: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compute a recipe's features for every area that has ground.

    Nothing here is fitted to the samples: a final model makes the same features of a place
    that it never saw.

    Parameters
    ----------
    folder
        Where the filters, or the network, are.
    learnt
        Names of the features that a final model learnt from; None where it is yet to learn.

    Returns
    -------
    DataFrame
        One row an area, by ``area_id``; one column a feature.
    """
    if isinstance(recipe, RandomRecipe):
        return random_features(samples, load_filters(folder / FILTERS), run)
    if isinstance(recipe, DenseRecipe):
        extractor = read_extractor(recipe, folder / BACKBONE, settings)
        return dense_features(samples, recipe, extractor, run)
    if isinstance(recipe, BandsRecipe):
        return band_features(samples, recipe, run)
    if isinstance(recipe, TableRecipe):
        is_used = samples.areas.set_index("area_id")["is_used"].astype(bool)
        # That many are blank is a finding too, and none of areas whose figures are withheld.
        table = read_place_table(run.chips, recipe.table)[is_used]
        return table_features(table, recipe.table, learnt).reindex(is_used.index)
    if isinstance(recipe, StreetRecipe):
        encoder = read_encoder(recipe, folder / BACKBONE, settings)
        return street_features(samples, recipe, encoder, settings, run)
    return relief_features(samples, run)


def copy_makers(source: Path, target: Path) -> None:
    """Copy what features are made with into a final model's folder."""
    for name in (FILTERS, BACKBONE):
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def _gather(recipe: SetRecipe, samples: Samples, settings: Settings, run: Run) -> pd.DataFrame:
    folder = find_folder(recipe, run)
    mark = _mark(recipe, settings, run)
    stamp = folder / "features.json"
    before = read_record(stamp)
    files = before.pop("files", None)
    # Without the chips' fingerprint nothing says whether these are the same chips.
    if mark["chips"] and before == mark:
        if files == _hash_files(folder):
            return pd.read_parquet(folder / "features.parquet")
        Notes(run).add(f"{folder}: changed or damaged since training made it: it is made anew")
    folder.mkdir(parents=True, exist_ok=True)
    # Removed first and written last: features without a stamp are never taken for whole.
    stamp.unlink(missing_ok=True)
    _write_maker(recipe, samples, settings, folder)
    features = make_features(recipe, samples, settings, run, folder)
    with replacing(folder / "features.parquet") as part:
        features.to_parquet(part)
    write_json(stamp, mark | {"files": _hash_files(folder)})
    return features


def _hash_files(folder: Path) -> dict[str, str]:
    """Hash the features, and what they were made with, by file."""
    names = ("features.parquet", FILTERS, BACKBONE)
    return {name: hash_file(folder / name) for name in names if (folder / name).is_file()}


def _write_maker(recipe: SetRecipe, samples: Samples, settings: Settings, folder: Path) -> None:
    """Write the filters, or the network, that features are made with."""
    key = zlib.crc32(recipe.name.encode())
    if isinstance(recipe, RandomRecipe):
        rng = np.random.default_rng([settings.seed, key])
        save_filters(sample_filters(recipe, samples, rng), folder / FILTERS)
    if isinstance(recipe, StreetRecipe):
        save_encoder(load_encoder(recipe, settings), folder / BACKBONE)
    if isinstance(recipe, DenseRecipe):
        with torch.random.fork_rng(devices=[]):
            # Random weights, where the settings ask for none, are the same in every run.
            torch.manual_seed(settings.seed ^ key)
            extractor = load_extractor(recipe, settings)
        save_extractor(extractor, recipe, folder / BACKBONE)


def _mark(recipe: SetRecipe, settings: Settings, run: Run) -> dict[str, Any]:
    """Say what features depend on: chips (empty where unknown), recipe, seed and weights."""
    chips = run if isinstance(recipe, TableRecipe) else run.owner
    mark: dict[str, Any] = {
        "chips": read_record(mark_of(chips, "chips")),
        "recipe": format_recipe(recipe),
        "seed": settings.seed,
    }
    if isinstance(recipe, DenseRecipe | StreetRecipe):
        mark["weights"] = stamp_weights(recipe.backbone, settings)
        # bf16 and fp32 agree to a tolerance, not to the bit: folds must not mix them.
        mark["precision"] = settings.models.precision
    return mark
