"""Like is compared with like, for every recipe that is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pytest
import shapely

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.judge.baselines import BASELINES, gather_areas
from basrelief.judge.yardsticks import (
    MEAN,
    NOTHING,
    Traits,
    describe_recipe,
    differ,
    differ_how,
    find_yardsticks,
    keep_lidar,
    tell_apart,
)
from basrelief.learn.gaussian_process import MANY
from basrelief.learn.knowledge import LIDAR, list_known
from basrelief.learn.recipe_files import list_recipes
from basrelief.learn.recipes import KrigedRecipe, Recipe

RECIPES = list_recipes()
SETTINGS = Settings.model_construct()


def make_samples(n: int, lad: Any, kind: Literal["pictures", "heights"] = "heights") -> Samples:
    """Areas in a row, of some districts."""
    squares = [shapely.box(100 * k, 0, 100 * k + 100, 100) for k in range(n)]
    areas = gpd.GeoDataFrame({"lad": lad}, geometry=squares, crs="EPSG:27700", index=range(n))
    areas["area_id"], areas["is_used"] = [f"E{k}" for k in range(n)], True
    areas["crime"] = np.arange(n, dtype=float)
    chips = areas.iloc[:1].assign(chip_id="c")
    return Samples(chips, areas, areas, ("crime",), kind, 100, 1.0, Path())


SAMPLES = {
    "districts": make_samples(20, ["west", "east"] * 10),
    "no district": make_samples(20, None),
    "many areas": make_samples(MANY + 1, "west"),
}


def know_all(samples: Samples) -> dict[str, tuple[str, ...]]:
    """What every baseline that can be had, and every recipe, knows."""
    offered = {name: BASELINES[name].knows for name in gather_areas(samples).baselines}
    return offered | {recipe.name: list_known(recipe, samples, SETTINGS) for recipe in RECIPES}


def find_yardstick(name: str, knows: Mapping[str, tuple[str, ...]]) -> str:
    """What differs from a recipe in LIDAR alone, by what is known."""
    traits = {each: Traits(known) for each, known in knows.items()}
    return keep_lidar(find_yardsticks(traits))[name]


OF_LIDAR = [r for r in RECIPES if set(list_known(r, SAMPLES["districts"], SETTINGS)) & set(LIDAR)]
"""What looks at other layers alone has no gain of LIDAR to measure."""


@pytest.mark.parametrize("place", SAMPLES)
@pytest.mark.parametrize("recipe", OF_LIDAR, ids=lambda recipe: recipe.name)
def test_a_recipe_and_its_yardstick_differ_in_lidar_alone(recipe: Recipe, place: str) -> None:
    knows = {MEAN: ()} | know_all(SAMPLES[place])
    yardstick = find_yardstick(recipe.name, knows)
    assert differ(knows[recipe.name], knows[yardstick]) == ("heights",)
    assert not set(knows[yardstick]) & set(LIDAR)


@pytest.mark.parametrize(
    ("place", "district", "expected"),
    [
        ("districts", True, "place-and-district"),
        ("districts", False, "place-alone"),
        ("no district", True, "place-alone"),
        ("many areas", True, "place-alone"),
    ],
)
def test_the_yardstick_of_lidar_and_place_knows_the_district_where_they_do(
    place: str, district: bool, expected: str
) -> None:
    (joint,) = (recipe for recipe in RECIPES if isinstance(recipe, KrigedRecipe))
    joint = joint.model_copy(update={"name": "mine", "districts": district})
    knows = know_all(SAMPLES[place]) | {"mine": list_known(joint, SAMPLES[place], SETTINGS)}
    assert find_yardstick("mine", knows) == expected


def test_lidar_alone_is_held_against_the_mean_and_so_is_what_sees_none() -> None:
    knows = know_all(SAMPLES["districts"])
    for name in ("dense-vgg16", "relief-statistics", "stack", "vgg16", *BASELINES):
        assert find_yardstick(name, knows) == MEAN


def test_pictures_are_lidar_too() -> None:
    pictures = replace(SAMPLES["no district"], kind="pictures")
    known = {recipe.name: list_known(recipe, pictures, SETTINGS) for recipe in RECIPES}
    assert known["coursework-vgg16"] == ("pictures",)
    assert find_yardstick("coursework-vgg16", known) == MEAN


def test_without_a_twin_the_yardstick_is_what_knows_most_of_the_rest() -> None:
    knows = {"place-alone": ("place",), "mine": ("heights", "place", "census")}
    assert find_yardstick("mine", knows) == "place-alone"
    assert differ(knows["mine"], knows["place-alone"]) == ("heights", "census")


def test_what_two_differ_in_is_the_same_from_either_side_and_leaves_nothing_out() -> None:
    knows = know_all(SAMPLES["districts"])
    for one, other in product(knows.values(), repeat=2):
        assert differ(one, other) == differ(other, one)
        assert set(differ(one, other)) | (set(one) & set(other)) == set(one) | set(other)


def describe(recipe: Recipe, samples: Samples = SAMPLES["districts"]) -> Traits:
    return describe_recipe(recipe, list_known(recipe, samples, SETTINGS), SETTINGS)


def change(recipe: Recipe, field: str) -> Recipe | None:
    """Change one thing that a recipe's file says; None where there is nothing else to say."""
    value: Any = getattr(recipe, field)
    other: Any = {
        "members": ["dense-vgg16", "random-features"],
        "trend": "relief-statistics",
        "pools": ["ground"] if value != ["ground"] else ["raised"],
        "resolutions_m": [7.0],
        "statistics": ["std"],
        "rendering": "shaded",
        "bands": ["relief"],
        "preprocessing": "weights" if value != "weights" else "keras-vgg-255",
        "variant": "timm" if value == "keras" else "keras",
    }.get(field)
    if other is None and isinstance(value, bool):
        other = not value
    elif other is None and isinstance(value, int | float):
        other = value + 1
    elif other is None and isinstance(value, list):
        other = [*value, *value]
    elif other is None and isinstance(value, str):
        other = f"{value}-other"
    elif other is None:
        # A part of the recipe: its first number or truth.
        name, inner = next(
            (name, each) for name, each in value if isinstance(each, bool | int | float)
        )
        other = value.model_copy(update={name: not inner if isinstance(inner, bool) else inner + 1})
    return None if other == value else recipe.model_copy(update={field: other})


FIELDS = [
    pytest.param(recipe, field, id=f"{recipe.name}-{field}")
    for recipe in RECIPES
    for field in type(recipe).model_fields
    if field not in ("name", "about", "kind")
]


@pytest.mark.parametrize(("recipe", "field"), FIELDS)
def test_whatever_a_recipes_file_says_otherwise_is_told(recipe: Recipe, field: str) -> None:
    other = change(recipe, field)
    assert other is not None
    apart = tell_apart(describe(recipe), describe(other))
    assert apart["differs_in"] or apart["differs_how"], (field, apart)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_by_another_name_is_the_same(recipe: Recipe) -> None:
    renamed = recipe.model_copy(update={"name": "mine", "about": "mine too"})
    assert tell_apart(describe(recipe), describe(renamed)) == tell_apart(NOTHING, NOTHING)


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("dense-vgg16", "random-features", ("features",)),
        ("dense-vgg16", "relief-statistics", ("features",)),
        ("dense-vgg16", "stack", ("features",)),
        ("dense-vgg16", "kriged-dense-vgg16", ("learner",)),
        ("stack", "kriged-dense-vgg16", ("features", "learner")),
        ("vgg16", "resnet50v2", ("features", "learner")),
        ("vgg16", "dense-vgg16", ("features", "learner")),
    ],
)
def test_how_two_recipes_read_and_learn_is_told_apart(
    one: str, other: str, how: tuple[str, ...]
) -> None:
    by_name = {recipe.name: describe(recipe) for recipe in RECIPES}
    assert differ_how(by_name[one], by_name[other]) == how
    assert differ_how(by_name[other], by_name[one]) == how


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_and_its_yardstick_do_not_differ_in_how_they_learn(recipe: Recipe) -> None:
    knows = {MEAN: ()} | know_all(SAMPLES["districts"])
    learners = {name: baseline.learner for name, baseline in BASELINES.items()}
    yardstick = find_yardstick(recipe.name, knows)
    theirs = Traits(knows[yardstick], {}, learners.get(yardstick, ""))
    assert differ_how(describe(recipe), theirs) == ()
