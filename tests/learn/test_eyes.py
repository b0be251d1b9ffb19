"""The recipes that tell what each eye adds: one idea, one name, trained once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import TableSettings
from basrelief.judge.yardsticks import Traits, find_yardsticks
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.learn.eyes import join_eyes
from basrelief.learn.features import features_of
from basrelief.learn.joint import AreaTerms, decompose_joint, fit_joint
from basrelief.learn.knowledge import HEIGHTS, find_eyes
from basrelief.learn.place import Locations
from basrelief.learn.recipe_files import find_members
from basrelief.learn.recipes import KrigedRecipe, NetworkRecipe, Recipe
from basrelief.learn.table_features import table_features
from basrelief.stage_settings import ModelSettings


def make_settings(
    folder: Path, *tables: str, recipes: list[str] | None = None, **files: str
) -> Settings:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    data = DataSettings(
        dsm="a",
        areas="b",
        labels="c",
        tables={name: TableSettings(file="t.csv", columns=["x"]) for name in tables},
    )
    settings = Settings(data=data, models=ModelSettings(recipes=recipes))
    settings._folder = folder
    return settings


def know(recipe: Recipe, settings: Settings) -> frozenset[str]:
    assert not isinstance(recipe, NetworkRecipe)
    eyes = {member.eye for member in find_members(recipe, settings)}
    return frozenset(eyes | ({"place"} if isinstance(recipe, KrigedRecipe) else set()))


def trained(settings: Settings) -> list[Recipe]:
    recipes, _ = choose_recipes(settings)
    return [*recipes, *choose_baselines(recipes, settings)]


def test_without_tables_nothing_is_joined_that_was_not(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    assert join_eyes(choose_recipes(settings)[0], settings) == []
    names = [each.name for each in trained(settings)]
    expected = ["relief-statistics", "dense-vgg16", "kriged-dense-vgg16", "vgg16"]
    assert names == [*expected, "random-features"]


@pytest.mark.parametrize("tables", [("census",), ("census", "last_release", "work")])
def test_each_eye_has_a_twin_of_all_without_it(tmp_path: Path, tables: tuple[str, ...]) -> None:
    settings = make_settings(tmp_path, *tables)
    of_areas = [each for each in trained(settings) if not isinstance(each, NetworkRecipe)]
    knows = {each.name: know(each, settings) for each in of_areas}
    eyes = {HEIGHTS, *settings.table_eyes}
    assert len(set(knows)) == len(of_areas)
    for eye in eyes:
        assert frozenset({eye}) in knows.values()
        assert frozenset({"place", *eyes} - {eye}) in knows.values()
    traits = {name: Traits(tuple(known)) for name, known in knows.items()}
    (whole,) = [name for name, known in knows.items() if known == {"place", *eyes}]
    found = find_yardsticks(traits)[whole]
    assert {eye: knows[name] for eye, name in found.items()} == {
        eye: knows[whole] - {eye} for eye in eyes
    }


def test_all_eyes_are_asked_for_where_no_recipe_is_named(tmp_path: Path) -> None:
    recipes, _ = choose_recipes(make_settings(tmp_path, "census"))
    assert [each.name for each in recipes][-1] == "kriged-dense-vgg16-census"


@pytest.mark.parametrize(
    ("recipes", "heights"),
    [
        (["relief-statistics"], "relief-statistics"),
        (["relief-statistics", "dense-vgg16"], "dense-vgg16"),
        (["mine.toml", "dense-vgg16"], "random-features"),
    ],
)
def test_heights_are_read_as_what_is_asked_for_says(
    tmp_path: Path, recipes: list[str], heights: str
) -> None:
    mine = 'kind = "kriged"\nname = "mine"\nabout = "a"\ntrend = ["census", "random-features"]\n'
    settings = make_settings(tmp_path, "census", recipes=recipes, mine=mine)
    names = {each.name for each in trained(settings)}
    # What was asked for under another name is the recipe of all eyes.
    whole = "mine" if "mine.toml" in recipes else f"kriged-{heights}-census"
    assert {whole, "kriged-census", f"kriged-{heights}", "census"} <= names
    assert sum(name.startswith(("kriged", "mine")) for name in names) == 3


def test_another_recipe_must_not_have_the_name_of_a_joined_one(tmp_path: Path) -> None:
    other = 'kind = "kriged"\nname = "kriged-census"\nabout = "a"\ntrend = "relief-statistics"\n'
    settings = make_settings(tmp_path, "census", recipes=["other.toml"], other=other)
    with pytest.raises(InputError, match="'kriged-census' is the name of the recipe that joins"):
        trained(settings)


def test_a_recipe_of_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    people = 'kind = "table"\nname = "people"\nabout = "a"\ntable = "cesnus"\n'
    settings = make_settings(tmp_path, "census", recipes=["people.toml"], people=people)
    with pytest.raises(InputError, match=r"no table 'cesnus'.*Did you mean census"):
        trained(settings)


def test_columns_of_a_table_are_not_taken_for_measures_of_relief() -> None:
    table = pd.DataFrame({"roof_share": [0.0, 0.5, 1.0]}, index=["a", "b", "c"])
    features = table_features(table, "census")
    found = features_of(features, np.array(["c", "a"]))
    assert found.tolist() == [[1.0], [0.0]]


def test_an_area_that_a_table_does_not_have_is_predicted_by_the_others() -> None:
    rng = np.random.default_rng(0)
    n = 80
    table = pd.DataFrame(rng.standard_normal((n, 2)), index=[f"E{k}" for k in range(n)])
    table.columns = ["rent", "rooms"]
    heights = rng.standard_normal((n, 2))
    labels = (heights[:, [0]] + table[["rent"]].to_numpy()) + 0.1 * rng.standard_normal((n, 1))
    table.iloc[:8] = np.nan
    table.iloc[8:20, 1] = np.nan
    ids = table.index.to_numpy(dtype=object).astype(str)
    census = features_of(table_features(table, "census"), ids)
    assert census.shape == (n, 3)
    terms = AreaTerms(
        {"heights": heights, "census": census}, Locations(rng.uniform(0, 9e3, (n, 2)))
    )
    parts = decompose_joint(fit_joint(terms, labels), terms)
    assert np.abs(parts["census"][:8]).max() < 1e-9
    known = np.corrcoef(parts["heights"][:, 0], heights[:, 0])[0, 1]
    assert known > 0.95
    assert np.isfinite(sum(parts.values())).all()


def test_codes_that_are_not_of_a_place_are_eyes() -> None:
    assert find_eyes(("place", "district", "size")) == ()
    assert find_eyes(("last-release", "place", "census", "pictures")) == (
        "pictures",
        "census",
        "last-release",
    )
