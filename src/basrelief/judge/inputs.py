"""What evaluating starts from: samples, folds, and the recipes that were trained."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.judge.baselines import BASELINES, BaselineData, gather_areas, gather_chips
from basrelief.judge.yardsticks import Traits, describe_recipe, find_yardsticks
from basrelief.learn.choice import read_recipes
from basrelief.learn.knowledge import count_known_districts, list_known
from basrelief.learn.recipes import NetworkRecipe, Recipe
from basrelief.learn.shortening import label_recipes
from basrelief.run import Run
from basrelief.splits.heldout import (
    AreaFold,
    ChipFold,
    area_folds,
    chip_fold,
    read_folds,
)


@dataclass(frozen=True)
class EvaluationInputs:
    """Everything that predictions are made from: samples, folds and trained recipes."""

    samples: Samples
    settings: Settings
    run: Run
    recipes: list[Recipe]
    """Those asked for, and those trained as baselines."""

    @cached_property
    def areas(self) -> BaselineData:
        """What baselines may know of areas."""
        return gather_areas(self.samples)

    @cached_property
    def shortened(self) -> dict[str, str]:
        """What recipes are called whose training fell short, by name."""
        return label_recipes(read_recipes(self.run))

    @cached_property
    def chips(self) -> BaselineData:
        """What baselines may know of chips."""
        return gather_chips(self.samples)

    @cached_property
    def knows(self) -> dict[str, tuple[str, ...]]:
        """What each baseline and recipe knows, as `learn.knowledge.CODES`; baselines first."""
        names = dict.fromkeys([*self.areas.baselines, *self.chips.baselines])
        of_recipes = {
            recipe.name: list_known(recipe, self.samples, self.settings) for recipe in self.recipes
        }
        return {name: BASELINES[name].knows for name in names} | of_recipes

    @cached_property
    def traits(self) -> dict[str, Traits]:
        """What the predictions of each baseline and recipe come from; baselines first."""
        described = {
            name: Traits(known, {}, BASELINES[name].learner)
            for name, known in self.knows.items()
            if name in BASELINES
        }
        return described | {
            recipe.name: describe_recipe(recipe, self.knows[recipe.name], self.settings)
            for recipe in self.recipes
        }

    @cached_property
    def yardsticks(self) -> dict[str, dict[str, str]]:
        """By recipe and eye, what differs from it in this eye alone."""
        return find_yardsticks(self.traits)

    @cached_property
    def n_districts(self) -> int:
        """How many districts the areas that can be learnt from lie in."""
        return count_known_districts(self.samples)

    @cached_property
    def folds(self) -> list[AreaFold]:
        """Every fold of every repeat of the schemes made of areas."""
        return list(area_folds(self.run, self.samples, self.settings))

    @cached_property
    def schemes(self) -> list[str]:
        """The schemes that were assigned."""
        return [str(scheme) for scheme in read_folds(self.run)["scheme"].unique()]

    def rng(self, *names: object) -> np.random.Generator:
        """Make the generator of one piece of work, the same whatever else is judged."""
        text = "/".join(str(name) for name in names)
        # Not hash(): Python salts it anew in every process.
        return np.random.default_rng([self.settings.seed, zlib.crc32(text.encode())])

    def chip_fold(self, scheme: str) -> ChipFold | None:
        """Make the fold of chips; None where a set is left without any and no network needs it."""
        try:
            return chip_fold(self.run, self.samples, self.settings, scheme)
        except InputError:
            has_networks = any(isinstance(recipe, NetworkRecipe) for recipe in self.recipes)
            # A scheme that the user typed is an error; one by default was left out in training.
            if has_networks and self.settings.split.schemes is not None:
                raise
            return None
