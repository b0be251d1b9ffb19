"""No result of a recipe that was cut short is told without that word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest

from basrelief.config import Settings
from basrelief.learn.recipe_files import format_recipe, load_recipe
from basrelief.run import Run, read_json, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.stage import tell_run
from basrelief.tell.training import say_precision, say_shortfalls, tell_names

SHORT = {"recipe": "dense-vgg16", "is_asked": True, "is_shortened": True, "random_weights": []}
SHORT |= {"epochs": 2, "epochs_of_recipe": 20, "steps_per_epoch": None, "steps_of_recipe": None}
TOLD = "dense-vgg16 (shortened: 2 of 20 epochs)"
WHOLE = SHORT | {"is_shortened": False}


def read_text(page: str) -> str:
    """What a reader reads of a page, and what a screen reader says: recipes' files left out."""
    shown = re.sub(r"<(style|pre).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", shown)


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> Run:
    """A judged run whose recipe was cut short, mapped and told."""
    run = write_judged(tmp_path_factory.mktemp("short") / "run")
    write_json(run.models / "recipes.json", [SHORT])
    write_maps(open_settings, run)
    tell_run(open_settings, run)
    return run


@pytest.mark.parametrize("name", ["report.html", "model_card.md"])
def test_the_name_never_stands_without_the_word(run: Run, name: str) -> None:
    text = read_text((run.folder / name).read_text(encoding="utf-8"))
    assert text.count(TOLD) > 2
    banner = "Training of dense-vgg16 was shortened: 2 of 20 epochs."
    # The card has it twice: at its head, and in its list of caveats.
    assert text.count(banner) == (2 if name == "model_card.md" else 1)
    rest = text.replace(banner, "").replace(TOLD, "")
    # In the settings it is what was asked for; in the data sheet's list no result.
    bare = [rest[m.start() - 60 : m.end() + 30] for m in re.finditer("dense-vgg16", rest)]
    assert [each for each in bare if 'recipes = ["dense-vgg16"]' not in each] == []


def test_the_public_page_says_that_it_was_a_trial(run: Run) -> None:
    page = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
    assert "This was a quick trial." in page
    # Recipes have names that say nothing to whoever lives there.
    assert "dense-vgg16" not in page


def test_maps_say_it_and_keep_the_code_for_programs(run: Run) -> None:
    (layer,) = read_json(run.maps / "layers.json")
    assert layer["recipe"] == "dense-vgg16"
    assert layer["says"].startswith(f"{TOLD}, with ")
    assert TOLD in (run.maps / "crime.svg").read_text(encoding="utf-8")
    table = gpd.read_file(run.maps / "areas.gpkg", layer="crime")
    assert set(table["recipe"]) == {TOLD}
    about = pyogrio.read_info(run.maps / "areas.gpkg", layer="crime")["layer_metadata"]
    assert TOLD in json.dumps(about)


def test_a_whole_training_has_no_banner(
    write_judged: Callable[[Path], Run], open_settings: Settings, tmp_path: Path
) -> None:
    run = write_judged(tmp_path / "run")
    write_json(run.models / "recipes.json", [WHOLE])
    tell_run(open_settings, run)
    for name in ("report.html", "public/report.html", "model_card.md"):
        text = (run.folder / name).read_text(encoding="utf-8")
        assert "Not the whole recipe" not in text
        assert "shortened" not in text
        assert "quick trial" not in text


def test_pages_find_the_runs_files_by_the_code(
    write_judged: Callable[[Path], Run],
    plant_sums: Callable[[Run], pd.DataFrame],
    open_settings: Settings,
    tmp_path: Path,
) -> None:
    pages = []
    for record in (WHOLE, SHORT):
        run = write_judged(tmp_path / str(record["is_shortened"]) / "run")
        plant_sums(run)
        write_json(run.models / "recipes.json", [record])
        folder = run.models / "dense-vgg16" / "block" / "0-0"
        folder.mkdir(parents=True)
        dense = load_recipe("dense-vgg16", open_settings).model_copy(update={"about": "what it is"})
        (folder / "recipe.toml").write_text(format_recipe(dense))
        kind: dict[str, Any] = {"recipe": "dense-vgg16", "target": "crime", "kind": "roofs"}
        kind |= {"contribution": 0.5, "low": 0.1, "high": 0.9, "share_of_ground": 1.0}
        kind |= {"unit": "target", "holds": True}
        write_json(run.explain / "kinds.json", [kind])
        tell_run(open_settings, run)
        pages.append(run.report.read_text(encoding="utf-8"))
    whole, short = pages
    # What stands in files under the recipe's own name is found all the same.
    for told in ("What it is.", "low rough ground and trees", 'id="ground"', "roofs raise it"):
        assert (told in whole, told in short) == (True, True), told


def test_names_are_put_in_the_place_of_codes_however_deep() -> None:
    found: dict[str, Any] = {
        "recipe": "dense-vgg16",
        "beaten": {"place-alone": ["dense-vgg16"]},
        "over": {"dense-vgg16": {"n": 3}},
    }
    told = tell_names(found, [SHORT])
    assert told == {
        "recipe": TOLD,
        "beaten": {"place-alone": [TOLD]},
        "over": {TOLD: {"n": 3}},
    }
    assert tell_names(found, [WHOLE]) == found
    table = tell_names(pd.DataFrame({"recipe": ["dense-vgg16", "place-alone"]}), [SHORT])
    assert table["recipe"].tolist() == [TOLD, "place-alone"]


def test_a_code_is_found_by_what_it_is_called(run: Run, open_settings: Settings) -> None:
    facts = read_facts(open_settings, run)
    assert facts.asked == [TOLD]
    assert facts.find_code(TOLD) == "dense-vgg16"
    assert facts.find_code("place-alone") == "place-alone"


def test_recipes_that_fall_short_alike_are_said_together() -> None:
    other = SHORT | {"recipe": "vgg16", "random_weights": ["vgg16"]}
    said = say_shortfalls([SHORT, other, WHOLE | {"recipe": "stack"}])
    assert said == [
        "Training of dense-vgg16 and vgg16 was shortened: 2 of 20 epochs. "
        "Their figures are not those of the whole recipes.",
        "vgg16 began with random weights (vgg16), not with pretrained ones.",
    ]
    assert say_shortfalls([WHOLE]) == []


@pytest.mark.parametrize(("precision", "is_told"), [("bf16", True), ("fp32", True), (None, False)])
def test_page_and_card_say_in_which_precision_networks_counted(
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
    tmp_path: Path,
    precision: str | None,
    is_told: bool,
) -> None:
    run = write_judged(tmp_path / "run")
    write_json(run.models / "recipes.json", [WHOLE | {"precision": precision}])
    folder = run.models / "dense-vgg16" / "block" / "0-0"
    folder.mkdir(parents=True)
    dense = load_recipe("dense-vgg16", open_settings).model_copy(update={"about": "what it is"})
    (folder / "recipe.toml").write_text(format_recipe(dense))
    tell_run(open_settings, run)
    for name in ("report.html", "model_card.md"):
        text = (run.folder / name).read_text(encoding="utf-8").lower()
        assert ("trained and predicted in" in text) == is_told
        assert f"in {precision}" in text or not is_told


def test_mixed_precision_of_the_courseworks_recipes_is_told_beside_keras() -> None:
    said = say_precision({"recipe": "coursework-vgg16", "precision": "bf16"})
    assert "the coursework's Keras counts in fp32" in said
    assert "Keras" not in say_precision({"recipe": "vgg16", "precision": "bf16"})
