"""What on the ground raises and lowers a prediction, as the report tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from basrelief.config import Settings
from basrelief.explain.kinds import ADDED_UNIT, HEAT_UNIT
from basrelief.run import Run, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.page import checks, ground, kinds, report

Reader = Callable[[str, str], str]
Writer = Callable[[Path], Run]
KEY = {"recipe": "dense-vgg16", "target": "crime"}
UNIT = "per share of the area"
MAP = KEY | {"file": "explain/crime.tif", "unit": UNIT}


def kind(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    shares = {"share_of_ground": 0.25, "contribution": value, "low": low, "high": high}
    return KEY | {"kind": name, "unit": ADDED_UNIT} | shares


KINDS = [
    kind("open and flat", -0.31, -0.4, -0.2),
    kind("low and rough", 0.02, -0.1, 0.1),
    kind("small buildings", 0.1, None, None),
    kind("large buildings", 0.5, 0.2, 0.8),
    kind("tall buildings", 0.4, 0.1, 0.7),
    kind("edges of the chip", 0.2, 0.1, 0.3),
]


def make_test(name: str, passes: bool | None, target: str | None = "crime") -> dict[str, Any]:
    measured = {"value": 0.1, "low": None, "high": None, "bound": 0.3, "passes": passes}
    samples = {"n": 10, "of": "areas", "n_random": 3, "edge_cells": 2}
    return KEY | {"test": name, "target": target} | measured | samples


TESTS = [
    make_test("randomised weights", True),
    make_test("deletion", False),
    make_test("edges", None, target=None),
]


CURVES = [
    KEY | {"test": test, "shares": [0.0, 0.1, 0.3], "ranked": [0.0, 1.1 * way, 1.6 * way]}
    | {"at_random": [0.0, 0.1 * way, 0.3 * way], "n": 10, "of": "areas"}
    for test, way in (("deletion", -1), ("insertion", 1))
]  # fmt: skip
HEAT = [
    record | {"recipe": "vgg16", "unit": HEAT_UNIT, "share_of_ground": 0.125}
    for record in (
        kind("small buildings", -0.7, -0.9, -0.5),
        kind("tall buildings", None, None, None),
        kind("edges of the chip", 0.12, -0.3, 0.5),
        kind("top and bottom edges", 0.6, 0.4, 0.8),
    )
]


def add_explained(run: Run) -> Run:
    """Add a contribution map over its areas, kinds and tests to a judged run."""
    run.explain.mkdir()
    values = np.tile(np.linspace(-1, 1, 200), (10, 1)).astype(np.float32)
    values[:, :20] = np.nan
    profile: dict[str, Any] = {"count": 1, "dtype": "float32", "nodata": np.nan}
    profile |= {"height": 10, "width": 200, "crs": 27700, "transform": from_origin(0, 100, 10, 10)}
    with rasterio.open(run.folder / MAP["file"], "w", driver="GTiff", **profile) as raster:
        raster.write(values, 1)
    found = {"contributions": [MAP], "kinds": KINDS + HEAT, "tests": TESTS, "curves": CURVES}
    for name, records in found.items():
        write_json(run.explain / f"{name}.json", records)
    return run


@pytest.fixture(scope="module")
def write_explained(write_judged: Writer) -> Writer:
    return lambda folder: add_explained(write_judged(folder))


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory, write_explained: Writer) -> Run:
    return write_explained(tmp_path_factory.mktemp("explained") / "run")


@pytest.fixture(scope="module")
def page(explained: Run, judged_settings: Settings) -> str:
    report.write_page(read_facts(judged_settings, explained))
    return explained.report.read_text(encoding="utf-8")


def test_kinds_are_told_in_a_sentence_where_intervals_allow(page: str, section: Reader) -> None:
    said = section(page, "ground")
    wanted = "Crime , dense-vgg16: large buildings and tall buildings raise it; open flat ground"
    assert wanted in said


def test_every_kind_stands_in_the_table_with_its_interval(page: str, section: Reader) -> None:
    said = section(page, "ground")
    assert "▼ −0.31 (−0.40 to −0.20)" in said
    assert "low and rough 25% of the ground" in said
    assert "▲ 0.20 (0.10 to 0.30)" in said


def test_heat_stands_in_a_table_of_its_own_with_its_unit(page: str, section: Reader) -> None:
    said = section(page, "ground")
    sentence = "heat is higher on the top and bottom edges and lower on small buildings than on"
    assert f"Crime , vgg16: {sentence} the rest." in said
    cut = page.index("How hot each place is,")
    added, heat = page[page.index("What each kind adds, in") : cut], page[cut:]
    assert "▼ −0.70 (−0.90 to −0.50)" in heat
    assert "in mean sizes of heat" in heat
    assert "13%" in heat or "12%" in heat
    assert "vgg16</span>" not in added.replace("dense-vgg16</span>", "")


def test_curves_are_drawn_with_the_area_between_them(page: str) -> None:
    part = page[page.index("Does the explanation hold?") :]
    assert "Two charts, dense-vgg16. Crime: how the prediction moves" in part
    assert "Area between the curves: deletion 0.10." in part
    for words in ("taken away", "given back", "as ranked", "at random"):
        assert words in part


def test_edges_are_no_kind_of_ground() -> None:
    assert kinds.say_kinds(KINDS[-1:]).startswith("of no kind of ground can it be told")


def test_a_test_that_failed_is_told_first_and_not_folded_away(page: str) -> None:
    part = page[page.index("Does the explanation hold?") :]
    assert "dense-vgg16: fails 1 of 2 tests" in part
    assert part.index("Flattening the ground that the map ranks highest") < part.index("<details")
    assert part.index("▼</span> Fails: deletion, crime") < part.index("Passes: randomised weights")
    assert "Not judged: edges." in part


def test_contributions_are_drawn_with_their_unit_and_what_colours_mean(page: str) -> None:
    part = page[page.index('<section id="ground"') :]
    assert "contribution to crime, per share of the area" in part
    assert "Colours end at −0.9" in part
    assert "orange ground raises an area&#x27;s prediction, purple lowers it" in part


@pytest.mark.parametrize("name", ["contributions", "kinds", "tests", "curves"])
def test_any_file_may_be_missing(
    tmp_path: Path, name: str, write_explained: Writer, judged_settings: Settings
) -> None:
    run = write_explained(tmp_path / "run")
    (run.explain / f"{name}.json").unlink()
    report.write_page(read_facts(judged_settings, run))
    assert 'id="ground"' in run.report.read_text(encoding="utf-8")


def test_without_any_there_is_no_section(
    tmp_path: Path, write_judged: Writer, judged_settings: Settings
) -> None:
    run = write_judged(tmp_path / "run")
    assert ground.gather(read_facts(judged_settings, run)) is None


def test_a_map_of_nothing_is_not_drawn(
    tmp_path: Path, write_explained: Writer, judged_settings: Settings
) -> None:
    run = write_explained(tmp_path / "run")
    with rasterio.open(run.folder / MAP["file"], "r+") as raster:
        raster.write(np.zeros((10, 200), np.float32), 1)
    assert ground.draw_pictures(read_facts(judged_settings, run), [MAP]) == []


def test_pictures_are_chosen_by_the_skill_of_lidar_and_not_of_place(
    explained: Run, judged_settings: Settings
) -> None:
    facts = read_facts(judged_settings, explained)
    score = {**facts.scores[0], "unit": "area"}
    skills = {("both", "a"): 0.9, ("both", "b"): 0.3, ("dense", "a"): 0.1, ("dense", "b"): 0.2}
    scores = [
        score | {"recipe": recipe, "target": target, "skill": skill}
        for (recipe, target), skill in skills.items()
    ]
    samples = replace(facts.samples, targets=("a", "b"))
    facts = replace(facts, scores=scores, samples=samples, joining={"both": "dense"})
    maps = [{"recipe": "both", "target": target} for target in "ab"]
    assert ground.order_targets(facts, maps) == ["b", "a"]


def test_a_picture_says_how_its_cells_spread_and_what_lidar_is_worth(page: str) -> None:
    assert "Half of its cells lie between −0.35 and 0.55 per share of the area." in page
    assert "LIDAR alone (dense-vgg16) has skill 0.40 (0.20 to 0.50)." in page


def test_recipes_of_one_model_are_told_together() -> None:
    others = [record | {"recipe": "kriged-dense-vgg16"} for record in TESTS]
    (shown,) = checks.show_tests([*TESTS, *others])
    assert shown.recipe == "dense-vgg16 and kriged-dense-vgg16"
    assert shown.summary == "fails 1 of 2 tests"
