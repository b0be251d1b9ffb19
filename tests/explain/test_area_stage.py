from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain import area_samples
from basrelief.explain.area_sums import ADDS, SHARES
from basrelief.explain.kinds import ADDED_UNIT, EDGES, KINDS
from basrelief.explain.readout import find_models, sum_of_cells
from basrelief.explain.stage import explain_recipes
from basrelief.run import Run, read_json, write_json

RECIPES = ("means", "on-top", "spreads", "two")
TESTS = {"randomised weights", "deletion", "insertion", "flat chips", "edges", "completeness"}


@pytest.fixture(scope="module")
def explained(
    built: tuple[Run, Settings], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[str]]:
    """The place's recipes explained, and what was said."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    shutil.copytree(built[0].folder, folder)
    run = Run(folder, quiet=True)
    predicted = pd.DataFrame({"recipe": RECIPES}).assign(scheme="area", unit="area")
    predicted.to_parquet(run.predictions)
    claim = {"holds": True, "nothing": "no_lidar", "target": None, "recipe": "means"}
    (run.folder / "evaluate").mkdir()
    write_json(run.folder / "evaluate" / "claims.json", [claim])
    (run.explain / "gone").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr(Run, "say", lambda _, line: said.append(line))
        for name, value in (("BUDGET_PX", 0), ("MIN_GROUPS", 2), ("N_RANDOM", 1)):
            patch.setattr(area_samples, name, value)
        explain_recipes(built[1], run)
    return run, said


def read_strictly(path: Path) -> list[dict[str, Any]]:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    records: list[dict[str, Any]] = json.loads(path.read_text(), parse_constant=refuse)
    return records


def test_every_dense_recipe_has_a_map_of_each_target_it_knows(
    explained: tuple[Run, list[str]],
) -> None:
    run, _ = explained
    records = read_strictly(run.explain / "contributions.json")
    assert {record["recipe"] for record in records} == set(RECIPES)
    for record in records:
        assert list(record) == ["recipe", "target", "file", "unit", "layer"]
        with rasterio.open(run.folder / record["file"]) as raster:
            assert raster.count == 1
            assert raster.crs == load_samples(run).areas.crs


def test_a_recipe_that_joins_place_has_a_map_of_its_own(explained: tuple[Run, list[str]]) -> None:
    run, _ = explained
    name = "contribution-crime.tif"
    one, other = (run.explain / recipe / name for recipe in ("means", "on-top"))
    assert one.read_bytes() != other.read_bytes()


def test_every_map_is_tested_and_its_kinds_are_told(explained: tuple[Run, list[str]]) -> None:
    run, said = explained
    maps = read_json(run.explain / "contributions.json")
    listed = {(record["recipe"], record["target"]) for record in maps}
    names = ("tests", "kinds", "curves")
    tests, kinds, curves = (read_strictly(run.explain / f"{name}.json") for name in names)
    for recipe, target in listed:
        found = [each for each in tests if (each["recipe"], each["target"]) == (recipe, target)]
        assert {each["test"] for each in found} == TESTS
        told = [each for each in kinds if (each["recipe"], each["target"]) == (recipe, target)]
        assert [each["kind"] for each in told] == [*KINDS, EDGES]
        drawn = [each for each in curves if (each["recipe"], each["target"]) == (recipe, target)]
        assert [each["test"] for each in drawn] == ["deletion", "insertion"]
    assert {each["unit"] for each in kinds} == {ADDED_UNIT}
    assert any(line.startswith("explain: means: 1 contribution maps") for line in said)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_an_areas_kinds_of_ground_add_is_its_prediction_less_the_intercept(
    explained: tuple[Run, list[str]], recipe: str
) -> None:
    run, _ = explained
    (model,) = find_models(run, [recipe])
    table = pd.read_parquet(run.explain / "areas.parquet")
    for k, target in enumerate(model.targets):
        mine = table[(table["recipe"] == recipe) & (table["target"] == target)]
        assert len(mine) == mine["area_id"].nunique() == 36
        x = [model.describe(area_id) for area_id in mine["area_id"]]
        predicted = np.array([model.predict(each)[k] for each in x])
        expected = np.array([sum_of_cells(model, each)[k] for each in x])
        if recipe in ("means", "on-top"):
            # What place adds is no ground's.
            np.testing.assert_allclose(expected, predicted - model.linear.intercept[k])
        total = mine[list(ADDS)].sum(axis=1)
        np.testing.assert_allclose(total, expected, atol=1e-5 * predicted.std())


def test_an_areas_ground_is_shared_out_among_its_kinds(explained: tuple[Run, list[str]]) -> None:
    run, _ = explained
    table = pd.read_parquet(run.explain / "areas.parquet")
    assert list(table) == ["recipe", "target", "area_id", *ADDS, *SHARES]
    assert not table.duplicated(["recipe", "target", "area_id"]).any()
    np.testing.assert_allclose(table[list(SHARES)].sum(axis=1), 1.0, atol=1e-5)
    mean = table.groupby(["recipe", "target"])[list(ADDS)].mean()
    for record in read_json(run.explain / "kinds.json"):
        if record["kind"] != EDGES:
            found = mean.loc[
                (record["recipe"], record["target"]), ADDS[KINDS.index(record["kind"])]
            ]
            assert found == pytest.approx(record["contribution"])


def test_nothing_is_left_behind_but_what_is_listed(explained: tuple[Run, list[str]]) -> None:
    run, _ = explained
    folders = sorted(path.name for path in run.explain.iterdir() if path.is_dir())
    assert folders == sorted(RECIPES)
    files = {str(path.relative_to(run.folder)) for path in run.explain.glob("*/*")}
    listed = {record["file"] for record in read_json(run.explain / "contributions.json")}
    assert files == listed
    assert not list(run.explain.glob(".*"))
