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
from basrelief.tell.senses import SENSES

Reader = Callable[[str, str], str]
Writer = Callable[[Path], Run]
KEY = {"recipe": "dense-vgg16", "target": "crime"}
UNIT = "per share of the area"
MAP = KEY | {"file": "explain/crime.tif", "unit": UNIT, "layer": "heights"}


def kind(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    shares = {"share_of_ground": 0.25, "contribution": value, "low": low, "high": high}
    shares |= {"holds": low is not None and high is not None and low * high > 0}
    return KEY | {"kind": name, "unit": ADDED_UNIT} | shares


KINDS = [
    kind("open and flat", -0.31, -0.4, -0.2),
    kind("low and rough", 0.02, -0.1, 0.1),
    kind("small buildings", 0.1, None, None),
    kind("large buildings", 0.5, 0.2, 0.8),
    kind("tall buildings", 0.4, 0.1, 0.7),
    kind("edges of the chip", 0.2, 0.1, 0.3),
]


def make_test(name: str, passes: bool | None) -> dict[str, Any]:
    measured = {"value": 0.1, "low": None, "high": None, "bound": 0.3, "passes": passes}
    samples = {"n": 10, "of": "areas", "n_random": 3, "edge_cells": 2}
    samples |= {"counts": False, "n_controls": 4, "n_told": 2}
    return KEY | {"test": name} | measured | samples


TESTS = [
    make_test("randomised weights", True),
    make_test("deletion", False),
    make_test("edges", None),
]


def make_control(test: str, control: str, tells: bool, other: str | None = None) -> dict[str, Any]:
    measured = {"value": 0.1, "better": 0.2, "low": 0.1, "high": 0.3, "tells": tells}
    return KEY | {"test": test, "control": control, "other": other} | measured


CONTROLS = [
    make_control("randomised weights", "shuffled", False),
    make_control("deletion", "shuffled", True),
    make_control("deletion", "target", True, "income"),
    make_control("deletion", "target", False, "health"),
    make_control("deletion", "height", False),
]
SHARES = [KEY | {"map": 0.72, "place": 0.2, "district": 0.08, "rest": 0.0, "n": 99}]


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
    found |= {"controls": CONTROLS, "shares": SHARES}
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
    assert "↓ −0.31 (−0.40 to −0.20)" in said
    assert "low and rough 25% of the ground" in said
    assert "↑ 0.20 (0.10 to 0.30)" in said


def test_heat_stands_in_a_table_of_its_own_with_its_unit(page: str, section: Reader) -> None:
    said = section(page, "ground")
    sentence = "heat is higher on the top and bottom edges and lower on small buildings than on"
    assert f"Crime , vgg16: {sentence} the rest." in said
    cut = page.index("How hot each place is,")
    added, heat = page[page.index("What each kind adds, in") : cut], page[cut:]
    assert "↓ −0.70 (−0.90 to −0.50)" in heat
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
    assert (
        kinds.say_kinds(KINDS[-1:])
        == "whether any kind of ground raises or lowers it cannot be told"
    )


def test_a_test_that_failed_is_told_first_and_not_folded_away(page: str) -> None:
    part = page[page.index("Does the explanation hold?") :]
    assert "dense-vgg16: 0 of 1 map shown to hold, 1 failing a test" in part
    assert "Fails: deletion, crime" in part
    assert "Crime: fails a test." in part
    assert part.index("Flattening the ground that the map ranks highest") < part.index("<details")
    assert part.index("✗</span> Fails: deletion, crime") < part.index("Passes: randomised weights")
    assert "Not judged: edges, crime." in part


def test_contributions_are_drawn_with_their_unit_and_what_colours_mean(page: str) -> None:
    part = page[page.index('<section id="ground"') :]
    assert "contribution to crime, per share of the area" in part
    assert "Colours end at −0.9" in part
    assert "orange ground raises an area&#x27;s prediction, purple lowers it" in part


def test_the_page_says_which_wrong_maps_each_test_can_tell(page: str, section: Reader) -> None:
    said = section(page, "ground")
    head = "score, test the map shuffled maps of other scores height counts"
    assert f"{head} Crime deletion ✓ told ✗ 1 of 2, not health ✗ cannot be told no" in said
    assert "Randomised weights cannot tell a map from the same map shuffled" in said
    assert "It does not count: it tells the map from 2 of 4 wrong ones." in said


def test_the_share_of_a_prediction_that_a_map_explains_stands_beside_it(page: str) -> None:
    said = "The map explains 72% of how its predictions differ (place 20%, district 8%)."
    assert said in page
    assert "Share of the variance explained by the map: crime 0.72." in page


def test_no_test_that_cannot_fail_counts_for_a_map() -> None:
    arithmetic = [make_test("completeness", True), make_test("flat chips", True)]
    (shown,) = checks.show_tests(arithmetic)
    assert shown.summary == "0 of 1 map shown to hold, 1 not shown"
    (counted,) = checks.show_tests([*arithmetic, make_test("insertion", True) | {"counts": True}])
    assert counted.summary == "1 of 1 map shown to hold"


def test_only_a_test_that_counts_has_the_sign_for_passing() -> None:
    passing = make_test("edges", True)
    (shown,) = checks.show_tests([passing, passing | {"test": "insertion", "counts": True}])
    looks = [(SENSES[test["sense"]].sign, SENSES[test["sense"]].tone) for test in shown.others]
    assert looks == [("(✓)", "even"), ("✓", "better")]


def test_what_a_map_cannot_be_told_from_is_named() -> None:
    held = [
        make_control("deletion", "shuffled", True),
        make_control("deletion", "target", False, "income"),
        make_control("insertion", "shuffled", False),
        make_control("insertion", "target", False, "income"),
    ]
    tests = [make_test(name, True) for name in ("deletion", "insertion")]
    (shown,) = checks.show_tests(tests, controls=held)
    (verdict,) = shown.verdicts
    assert verdict.sense == "unjudged"
    assert verdict.words.endswith(
        "deletion comes nearest and cannot tell it from the map of income)"
    )


@pytest.mark.parametrize(
    "name", ["contributions", "kinds", "tests", "curves", "controls", "shares"]
)
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
    assert "LIDAR alone (dense-vgg16) has skill 0.40 (0.20 to 0.50; 95%)." in page


def test_recipes_of_one_model_are_told_together() -> None:
    others = [record | {"recipe": "kriged-dense-vgg16"} for record in TESTS]
    (shown,) = checks.show_tests([*TESTS, *others])
    assert shown.recipe == "dense-vgg16 and kriged-dense-vgg16"
    assert shown.summary == "0 of 1 map shown to hold, 1 failing a test"
