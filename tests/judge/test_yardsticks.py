"""Like is compared with like, for every recipe that is shipped."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pytest
import shapely

from basrelief.chips.store import Samples
from basrelief.judge.baselines import BASELINES, gather_areas
from basrelief.judge.yardsticks import MEAN, differ, find_yardstick
from basrelief.learn.gaussian_process import MANY
from basrelief.learn.knowledge import LIDAR, list_known
from basrelief.learn.recipes import KrigedRecipe, Recipe, list_recipes

RECIPES = list_recipes()


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
    return offered | {recipe.name: list_known(recipe, samples) for recipe in RECIPES}


@pytest.mark.parametrize("place", SAMPLES)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
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
    knows = know_all(SAMPLES[place]) | {"mine": list_known(joint, SAMPLES[place])}
    assert find_yardstick("mine", knows) == expected


def test_lidar_alone_is_held_against_the_mean_and_so_is_what_sees_none() -> None:
    knows = know_all(SAMPLES["districts"])
    for name in ("dense-vgg16", "relief-statistics", "stack", "vgg16", *BASELINES):
        assert find_yardstick(name, knows) == MEAN


def test_pictures_are_lidar_too() -> None:
    pictures = replace(SAMPLES["no district"], kind="pictures")
    known = {recipe.name: list_known(recipe, pictures) for recipe in RECIPES}
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
