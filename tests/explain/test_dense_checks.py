from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain import dense_checks, ground_curves
from basrelief.explain.contributions import Scene, draw_contributions, set_scene
from basrelief.explain.curves import STEPS, Test, measure_between
from basrelief.explain.dense_checks import check_maps, choose_views, measure_flatness
from basrelief.explain.ground_curves import count_looks, follow_ground
from basrelief.explain.readout import find_models, sum_of_cells
from basrelief.explain.tally import AreaSums
from basrelief.explain.views import flatten, look_again, pool_again, trace_again, view_area
from basrelief.run import Run

Tally = dict[str, AreaSums]


@pytest.fixture(scope="module")
def scene(built: tuple[Run, Settings]) -> Scene:
    run, settings = built
    (model,) = find_models(run, ["means"])
    return set_scene(model, load_samples(run), settings)


@pytest.fixture(scope="module")
def drawn(
    built: tuple[Run, Settings], scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> Tally:
    return draw_contributions(scene, tmp_path_factory.mktemp("drawn"), built[0])[0]


@pytest.fixture(scope="module")
def records(built: tuple[Run, Settings], scene: Scene, drawn: Tally) -> dict[str, dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_checks, "MAX_AREAS", 10)
        patch.setattr(dense_checks, "N_RANDOM", 1)
        found, _ = check_maps(scene, drawn, built[1], built[0])
    return {record["test"]: record for record in found if record["target"] == "crime"}


@pytest.mark.parametrize("recipe", ["means", "spreads", "two"])
def test_an_area_looked_at_again_is_as_it_was(built: tuple[Run, Settings], recipe: str) -> None:
    run, settings = built
    (model,) = find_models(run, [recipe])
    again = set_scene(model, load_samples(run), settings)
    for area_id in ("E01", "E20"):
        view = view_area(again, area_id)
        looked = look_again(again, view.canvas)
        x = pool_again(again, view, looked)
        known = model.describe(area_id)
        np.testing.assert_allclose(x, known, rtol=1e-3, atol=1e-4 * np.abs(known).max())
        total = trace_again(again, view, looked, x).values.sum(axis=(0, 1))
        np.testing.assert_allclose(total, sum_of_cells(model, x), atol=1e-5)


def test_what_cells_of_a_view_add_is_what_they_add_to_the_map(scene: Scene, drawn: Tally) -> None:
    view = view_area(scene, "E14")
    looked = look_again(scene, view.canvas)
    cells = trace_again(scene, view, looked, pool_again(scene, view, looked))
    total = cells.values.sum(axis=(0, 1))
    np.testing.assert_allclose(total, drawn["E14"].total, atol=1e-4)
    assert cells.share.sum() == pytest.approx(1.0)


def test_flattening_lowers_the_surface_to_the_ground_there_alone(scene: Scene) -> None:
    view = view_area(scene, "E14")
    is_flat = np.zeros((8, 8), dtype=bool)
    is_flat[2, 5] = True
    before, after = view.canvas.heights, flatten(scene, view.canvas, is_flat).heights
    changed = np.argwhere(np.nan_to_num(before[0]) != np.nan_to_num(after[0]))
    margin = (before.shape[1] - 32) // 2
    assert (changed.min(axis=0) >= [margin + 8, margin + 20]).all()
    assert (changed.max(axis=0) < [margin + 12, margin + 24]).all()
    np.testing.assert_array_equal(before[1], after[1])


def test_an_area_flattened_whole_is_predicted_by_the_intercept(scene: Scene) -> None:
    view = view_area(scene, "E14")
    canvas = flatten(scene, view.canvas, np.ones((8, 8), dtype=bool))
    x = pool_again(scene, view, look_again(scene, canvas))
    assert np.isnan(x).all()
    np.testing.assert_allclose(scene.model.predict(x), scene.model.linear.intercept)


def test_every_test_has_its_record(records: dict[str, dict[str, Any]]) -> None:
    assert list(records) == [
        "completeness",
        "randomised weights",
        "deletion",
        "insertion",
        "flat chips",
        "edges",
    ]
    keys = ["recipe", "target", "test", "value", "low", "high", "bound", "passes", "words"]
    assert all(list(record) == keys for record in records.values())


def test_cells_add_up_and_flat_ground_is_flat(records: dict[str, dict[str, Any]]) -> None:
    assert records["completeness"]["value"] < 1e-4
    assert records["flat chips"]["value"] < 1e-4


def test_a_map_turned_round_fails_deletion_and_insertion(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    areas: dict[Test, list[list[float]]] = {"deletion": [[], []], "insertion": [[], []]}
    for view in choose_views(scene, ["E14", "E20", "E21", "E27"]):
        looked = look_again(scene, view.canvas)
        x = pool_again(scene, view, looked)
        cells = trace_again(scene, view, looked, x)
        # A map turned round ranks highest what lowers the prediction.
        for k, each in enumerate((cells, replace(cells, values=-cells.values))):
            found = follow_ground(scene, view, each, scene.model.predict(x), rng)
            for test, curves in found.items():
                assert curves.ranked.shape == (len(scene.model.targets), 1 + len(STEPS))
                areas[test][k].append(float(measure_between(test, curves)[0]))
    for right, turned in areas.values():
        assert np.mean(right) > 0 > np.mean(turned)


def test_an_area_is_looked_at_as_often_as_was_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_area(scene, "E14")
    looked = look_again(scene, view.canvas)
    x = pool_again(scene, view, looked)
    cells, whole = trace_again(scene, view, looked, x), scene.model.predict(x)
    seen: list[Any] = []

    def look(_: Scene, canvas: Any) -> Any:
        seen.append(canvas)
        return looked

    monkeypatch.setattr(ground_curves, "look_again", look)
    follow_ground(scene, view, cells, whole, np.random.default_rng(0))
    assert len(seen) == count_looks(len(scene.model.targets))


def test_curves_are_kept_of_every_target(
    built: tuple[Run, Settings], scene: Scene, drawn: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_checks, "N_RANDOM", 1)
    monkeypatch.setattr(dense_checks, "choose_views", _choose_one)
    _, curves = check_maps(scene, drawn, built[1], built[0])
    found = [(each["target"], each["test"]) for each in curves]
    tests = ("deletion", "insertion")
    assert found == [(target, test) for target in scene.model.targets for test in tests]
    assert all(each["ranked"][0] == each["at_random"][0] == 0 for each in curves)


def test_a_network_that_sees_nothing_fails_the_test_of_random_weights(
    built: tuple[Run, Settings],
    scene: Scene,
    drawn: Tally,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # "Random" weights that are the trained ones: the map does not depend on what is tested.
    monkeypatch.setattr(dense_checks, "_redraw", lambda *_: scene.extractors)
    monkeypatch.setattr(dense_checks, "choose_views", _choose_one)
    found, _ = check_maps(scene, drawn, built[1], built[0])
    (record,) = (r for r in found if (r["test"], r["target"]) == ("randomised weights", "crime"))
    assert record["value"] == pytest.approx(1.0)
    assert record["passes"] is False


def _choose_one(scene: Scene, area_ids: list[str]) -> list[Any]:
    return [view_area(scene, area_ids[0])]


def test_a_seam_on_flat_ground_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    even = measure_flatness(scene)

    def seam(scene: Scene, canvas: Any) -> Any:
        looked = look_again(scene, canvas)
        for _, _, maps in looked:
            for plane in maps:
                _brighten(plane)
        return looked

    monkeypatch.setattr(dense_checks, "look_again", seam)
    assert (measure_flatness(scene) > even + 1e-3).all()


def _brighten(plane: NDArray[np.float32]) -> None:
    plane[:, 0] += 0.1 * np.abs(plane).max()
