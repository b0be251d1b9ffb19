"""What training falls short of its recipe, as ``models/recipes.json`` keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from basrelief.config import DataSettings, Settings
from basrelief.learn.choice import choose_recipes, read_recipes, write_recipes
from basrelief.learn.shortening import describe_trainings, label_recipe, label_recipes
from basrelief.run import Record, Run
from basrelief.stage_settings import ModelSettings


def make_settings(recipe: str, **models: Any) -> Settings:
    data = DataSettings(dsm="a", areas="b", labels="c")
    return Settings(data=data, models=ModelSettings(recipes=[recipe], **models))


def describe(recipe: str, n_chips: int = 649, **models: Any) -> Record:
    settings = make_settings(recipe, **models)
    recipes, _ = choose_recipes(settings)
    (record,) = describe_trainings(recipes, settings, n_chips)
    return record


def test_a_recipe_as_it_is_shipped_is_whole() -> None:
    record = describe("coursework-vgg16")
    assert (record["epochs"], record["epochs_of_recipe"]) == (20, 20)
    assert (record["steps_per_epoch"], record["steps_of_recipe"]) == (64, 64)
    assert (record["is_shortened"], record["random_weights"]) == (False, [])
    assert label_recipe(record | {"recipe": "coursework-vgg16"}) == "coursework-vgg16"


@pytest.mark.parametrize(
    ("models", "label"),
    [
        ({"epochs": 2}, "shortened: 2 of 20 epochs"),
        ({"steps_per_epoch": 8}, "shortened: 8 of 64 steps"),
        ({"epochs": 3, "steps_per_epoch": 8}, "shortened: 3 of 20 epochs, 8 of 64 steps"),
        ({"epochs": 3, "steps_per_epoch": 90}, "shortened: 3 of 20 epochs"),
        ({"weights": {"vgg16": "none"}}, "random weights"),
        ({"epochs": 1, "weights": {"vgg16": "none"}}, "shortened: 1 of 20 epochs; random weights"),
    ],
)
def test_whatever_falls_short_stands_in_the_label(models: dict[str, Any], label: str) -> None:
    record = describe("coursework-vgg16", **models)
    told = label_recipe(record | {"recipe": "coursework-vgg16"})
    assert told == f"coursework-vgg16 ({label})"


@pytest.mark.parametrize("models", [{"epochs": 20}, {"epochs": 40, "steps_per_epoch": 64}])
def test_as_long_as_the_recipe_or_longer_is_not_shortened(models: dict[str, int]) -> None:
    assert not describe("coursework-vgg16", **models)["is_shortened"]


def test_fewer_steps_than_a_pass_over_the_chips_are_a_cut_where_the_recipe_has_passes() -> None:
    # vgg16 has no steps of its own: an epoch is one pass, here of 100 chips in batches of 32.
    assert describe("vgg16", 100, steps_per_epoch=2)["is_shortened"]
    assert not describe("vgg16", 100, steps_per_epoch=4)["is_shortened"]
    record = describe("vgg16", 100, steps_per_epoch=2)
    assert label_recipe(record | {"recipe": "vgg16"}) == "vgg16 (shortened: 2 steps an epoch)"


def test_random_weights_of_what_a_recipe_rests_on_are_its_own() -> None:
    for recipe in ("dense-vgg16", "kriged-dense-vgg16", "stack"):
        record = describe(recipe, weights={"vgg16": "none"}, epochs=1)
        assert record["random_weights"] == ["vgg16"]
        assert (record["is_shortened"], record["epochs"]) == (False, None)
    assert describe("relief-statistics")["random_weights"] == []


def test_the_run_keeps_it(tmp_path: Path) -> None:
    settings, run = make_settings("coursework-vgg16", epochs=2), Run(tmp_path, quiet=True)
    recipes, _ = choose_recipes(settings)
    trainings = describe_trainings(recipes, settings, 649)
    write_recipes(recipes, [], {"coursework-vgg16": ("pictures",)}, trainings, settings, run)
    told = "coursework-vgg16 (shortened: 2 of 20 epochs)"
    assert label_recipes(read_recipes(run)) == {"coursework-vgg16": told}
