"""The train stage: every recipe on every fold that it can use."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.learn.arithmetic import choose_arithmetic
from basrelief.learn.choice import choose_baselines, choose_recipes, write_recipes
from basrelief.learn.dense import check_dense
from basrelief.learn.encoders import check_network
from basrelief.learn.final import write_model
from basrelief.learn.gaussian_process import has_many
from basrelief.learn.joint import check_sets
from basrelief.learn.knowledge import list_known
from basrelief.learn.networks import check_labels, train_network
from basrelief.learn.recipe_files import find_members, list_backbones
from basrelief.learn.recipes import DenseRecipe, KrigedRecipe, NetworkRecipe, Recipe
from basrelief.learn.shortening import describe_trainings
from basrelief.learn.threads import sparing_threads
from basrelief.learn.train_areas import train_areas
from basrelief.run import Run
from basrelief.splits.heldout import ChipFold, chip_folds, final_fold, find_usable_areas


def train_recipes(settings: Settings, run: Run) -> None:
    """Train every recipe on its folds, and once on everything.

    Writes ``models/recipes.json``, ``models/<recipe>/<scheme>/<repeat>-<fold>/`` and
    ``models/<recipe>/final/``. A
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
    knows = {
        recipe.name: list_known(recipe, samples, settings) for recipe in [*recipes, *baselines]
    }
    n_chips = int(samples.chips["is_used"].sum())
    # Only where a network counts: elsewhere nobody needs the device that was asked for.
    has_networks = any(list_backbones(recipe, settings) for recipe in [*recipes, *baselines])
    precision = choose_arithmetic(settings).precision if has_networks else None
    if precision:
        run.say(f"train: networks count in {precision}")
    trainings = describe_trainings([*recipes, *baselines], settings, n_chips, precision)
    write_recipes(recipes, baselines, knows, trainings, settings, run)
    networks = [recipe for recipe in recipes if isinstance(recipe, NetworkRecipe)]
    folds = chip_folds(run, samples, settings) if networks else []
    for network in networks:
        # Before the first is trained, which may take hours.
        _check_folds(network, samples, folds)
    check_joined([*recipes, *baselines], samples, settings)
    if baselines:
        run.say(f"train: {' and '.join(each.name for each in baselines)} too, as baselines")
    for recipe in [*recipes, *baselines]:
        if isinstance(recipe, NetworkRecipe):
            _train_networks(recipe, samples, folds, settings, run)
            continue
        # Hundreds of small fits: on all threads they wait for each other.
        with sparing_threads(len(samples.areas)):
            train_areas(recipe, samples, settings, run)


def check_recipes(settings: Settings) -> None:
    """Find out at the start, before chips are cut, whether every recipe can be run.

    Raises
    ------
    InputError
        If a recipe does not exist, needs what the data do not have, its weights cannot be had or
        hold something else, its network cannot be trained or explained as it says, or the machine
        has no such device.
    """
    recipes, _ = choose_recipes(settings)
    for recipe in recipes:
        if isinstance(recipe, NetworkRecipe):
            choose_arithmetic(settings)
            check_network(recipe, settings)
            continue
        for member in find_members(recipe, settings):
            if isinstance(member, DenseRecipe):
                choose_arithmetic(settings)
                check_dense(member, settings)


def check_joined(recipes: Sequence[Recipe], samples: Samples, settings: Settings) -> None:
    """Stop where a recipe joins more feature sets with place than can be told apart.

    Raises
    ------
    InputError
        Lists them.
    """
    if has_many(len(find_usable_areas(samples))):
        # Place comes second to all sets together, and their number does not matter.
        return
    for recipe in recipes:
        if isinstance(recipe, KrigedRecipe):
            check_sets([member.name for member in find_members(recipe, settings)])


def _check_folds(recipe: NetworkRecipe, samples: Samples, folds: list[ChipFold]) -> None:
    """Stop where no scheme has chips for a network, or one has none with a label."""
    if not folds:
        raise InputError(
            f"models.recipes: {recipe.name!r} has no scheme with chips to train on and to test. "
            "Use smaller chips (chips.size_px), or data from a larger place."
        )
    for fold in folds:
        check_labels(recipe, samples, fold)


def _train_networks(
    recipe: NetworkRecipe,
    samples: Samples,
    folds: list[ChipFold],
    settings: Settings,
    run: Run,
) -> None:
    """Train a network once a scheme, and once on everything."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(b"final")])
    for fold in [*folds, final_fold(samples, rng)]:
        where = Path("final") if fold.scheme == "final" else Path(fold.scheme, "0-0")
        folder = run.models / recipe.name / where
        # What a model is for is said last: without it half a training is no model.
        (folder / "model.json").unlink(missing_ok=True)
        train_network(recipe, samples, fold, folder, settings, run)
    write_model(folder, recipe, samples, None, settings, run)
