"""What kinds of ground add to each area's prediction, as the page carries it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basrelief.config import Settings
from basrelief.explain.area_sums import ADDS, SHARES
from basrelief.learn.recipe_files import format_recipe, load_recipe
from basrelief.run import Record, Run, read_json, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.page import report
from basrelief.tell.page.map_ground import NO_SHARE, NO_SUM, fit_places, pack_shares, pack_sums
from basrelief.tell.page.web_map import gather
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts

Planter = Callable[[Run], pd.DataFrame]


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(-1, len(ADDS))


def read_ground(settings: Settings, run: Run, *, is_public: bool = False) -> Record | None:
    facts = read_facts(settings, run)
    release = decide_release(facts.samples.areas, settings.publish)
    shown = gather(narrow_facts(facts, release) if is_public else facts)
    assert shown is not None
    (layer,) = json.loads(shown["layers"])
    ground: Record | None = layer["ground"]
    return ground


@pytest.fixture
def run(tmp_path: Path, write_judged: Callable[[Path], Run]) -> Run:
    return write_judged(tmp_path / "run")


def test_the_page_has_each_areas_sums_in_the_order_of_its_areas(
    run: Run, judged_settings: Settings, plant_sums: Planter
) -> None:
    table = plant_sums(run).set_index("area_id").sort_index()
    ground = read_ground(judged_settings, run)
    assert ground is not None
    assert ground["kinds"][:2] == ["open flat ground", "low rough ground and trees"]
    sums = unpack(ground["adds"], "<i2") / 10.0 ** ground["places"]
    np.testing.assert_allclose(sums, table[list(ADDS)], atol=0.5 * 10.0 ** -ground["places"])
    shares = unpack(ground["shares"], "u1")
    np.testing.assert_array_equal(shares, (100 * table[list(SHARES)]).round())
    assert ground["notes"] == []


def test_an_area_that_was_not_predicted_or_not_explained_has_no_sums(
    run: Run, judged_settings: Settings, plant_sums: Planter
) -> None:
    plant_sums(run).iloc[:-1].to_parquet(run.explain / "areas.parquet")
    path = run.folder / "evaluate" / "residuals.parquet"
    predicted = pd.read_parquet(path)
    predicted[predicted["area_id"] != "E03"].to_parquet(path)
    ground = read_ground(judged_settings, run)
    assert ground is not None
    is_blank = (unpack(ground["adds"], "<i2") == NO_SUM).all(axis=1)
    # Planted in the opposite order: the last row is that of the first area.
    assert np.flatnonzero(is_blank).tolist() == [0, 3]
    assert (unpack(ground["shares"], "u1")[is_blank] == NO_SHARE).all()


@pytest.mark.parametrize("key", [{"recipe": "other"}, {"target": "health"}])
def test_where_the_recipe_shown_has_no_sums_nothing_is_told(
    run: Run, judged_settings: Settings, plant_sums: Planter, key: dict[str, str]
) -> None:
    plant_sums(run).assign(**key).to_parquet(run.explain / "areas.parquet")
    assert read_ground(judged_settings, run) is None


def test_a_run_explained_before_there_were_sums_is_told_without(
    run: Run, judged_settings: Settings
) -> None:
    assert read_ground(judged_settings, run) is None
    report.write_page(read_facts(judged_settings, run))
    assert "What its ground adds" not in run.report.read_text(encoding="utf-8")


def test_the_public_map_does_not_tell_what_ground_adds(
    run: Run, judged_settings: Settings, plant_sums: Planter
) -> None:
    plant_sums(run)
    assert read_ground(judged_settings, run, is_public=True) is None


def test_sums_of_what_does_not_work_are_doubted(
    run: Run, judged_settings: Settings, plant_sums: Planter
) -> None:
    plant_sums(run)
    weak = {"skill": 0.0, "skill_low": -0.1, "worth": "no_better"}
    write_json(run.scores, [record | weak for record in read_json(run.scores)])
    ground = read_ground(judged_settings, run)
    assert ground is not None
    (said,) = ground["notes"]
    assert said.startswith("For crime, dense-vgg16 cannot be told better than always predicting")


def test_of_a_recipe_that_joins_place_it_is_said_that_place_is_left_out(
    run: Run, judged_settings: Settings, plant_sums: Planter
) -> None:
    plant_sums(run)
    folder = run.models / "dense-vgg16" / "final"
    folder.mkdir(parents=True)
    kriged = load_recipe("kriged-dense-vgg16", judged_settings)
    (folder / "recipe.toml").write_text(format_recipe(kriged))
    ground = read_ground(judged_settings, run)
    assert ground is not None
    assert ground["notes"] == ["This is what LIDAR adds beside place."]


def test_five_thousand_areas_of_eight_scores_take_less_than_a_megabyte() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e4, (5000, len(ADDS)))
    shares = rng.dirichlet(np.ones(len(SHARES)), 5000)
    size = len(pack_sums(values, fit_places(values, 3))) + len(pack_shares(shares))
    assert 8 * size < 1_000_000


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_numbers_of_any_size_fit_their_codes(scale: float) -> None:
    values = scale * np.array([[3.2767, -3.2767, 0.0, 1.0, -0.5]])
    places = fit_places(values, 12)
    found = unpack(pack_sums(values, places), "<i2") / 10.0**places
    np.testing.assert_allclose(found, values, atol=0.5 * 10.0**-places)
    assert np.abs(found - values).max() <= scale * 1e-3
