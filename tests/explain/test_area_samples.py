from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain import area_samples
from basrelief.explain.area_samples import (
    N_RANDOM,
    check_areas,
    choose_views,
    map_flat,
    measure_deviation,
    randomise_extractors,
    sample_area,
    size_edges,
)
from basrelief.explain.checks import Checked
from basrelief.explain.contributions import EDGE_CELLS, Scene, draw_contributions, set_scene
from basrelief.explain.moves import MOVES, STEPS, count_predictions, measure_between
from basrelief.explain.moves import follow_predictions as follow
from basrelief.explain.readout import find_models, sum_of_cells
from basrelief.explain.tally import AreaSums
from basrelief.explain.views import attribute_view, flatten, forward_view, pool_view, view_area
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
def checked(built: tuple[Run, Settings], scene: Scene, drawn: Tally) -> Checked:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(area_samples, "MAX_AREAS", 10)
        patch.setattr(area_samples, "N_RANDOM", 1)
        return check_areas(scene, drawn, built[1].seed, built[0])


@pytest.fixture(scope="module")
def records(checked: Checked) -> dict[str, dict[str, Any]]:
    return {record["test"]: record for record in checked.tests if record["target"] == "crime"}


@pytest.mark.parametrize("recipe", ["means", "spreads", "two"])
def test_an_area_looked_at_again_is_as_it_was(built: tuple[Run, Settings], recipe: str) -> None:
    run, settings = built
    (model,) = find_models(run, [recipe])
    again = set_scene(model, load_samples(run), settings)
    for area_id in ("E01", "E20"):
        view = view_area(again, area_id)
        activations = forward_view(again, view.canvas)
        x = pool_view(again, view, activations)
        known = model.describe(area_id)
        np.testing.assert_allclose(x, known, rtol=1e-3, atol=1e-4 * np.abs(known).max())
        total = attribute_view(again, view, activations, x).values.sum(axis=(0, 1))
        np.testing.assert_allclose(total, sum_of_cells(model, x), atol=1e-5)


def test_what_cells_of_a_view_add_is_what_they_add_to_the_map(scene: Scene, drawn: Tally) -> None:
    view = view_area(scene, "E14")
    activations = forward_view(scene, view.canvas)
    cells = attribute_view(scene, view, activations, pool_view(scene, view, activations))
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
    x = pool_view(scene, view, forward_view(scene, canvas))
    assert np.isnan(x).all()
    np.testing.assert_allclose(scene.model.predict(x), scene.model.linear.intercept)


def test_every_test_has_its_record(records: dict[str, dict[str, Any]]) -> None:
    sums = ["completeness", "randomised weights"]
    assert list(records) == [*sums, "deletion", "insertion", "flat chips", "edges"]
    assert {record["of"] for record in records.values()} == {"areas"}
    assert [record["n"] for record in records.values()][:5] == [36, 10, 10, 10, 10]
    assert records["randomised weights"]["n_random"] == 1
    assert records["edges"]["edge_cells"] == EDGE_CELLS


def test_cells_add_up_and_flat_ground_is_flat(records: dict[str, dict[str, Any]]) -> None:
    assert records["completeness"]["value"] < 1e-4
    assert records["flat chips"]["value"] < 1e-4


def test_a_map_turned_round_fails_deletion_and_insertion(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    between: dict[str, list[list[float]]] = {move: [[], []] for move in MOVES}
    for view in choose_views(scene, ["E14", "E20", "E21", "E27"]):
        batch = sample_area(scene, view, [])
        # A map turned round ranks highest what lowers the prediction.
        for k, each in enumerate((batch, replace(batch, maps=-batch.maps))):
            for move, curves in follow(each, rng).items():
                assert curves.shape == (4, 1, len(scene.model.targets), 1 + len(STEPS))
                between[move][k].append(float(measure_between(move, curves)[0, 0]))
    for right, turned in between.values():
        assert np.mean(right) > 0 > np.mean(turned)


def test_an_areas_ground_goes_through_networks_as_often_as_was_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, seen = view_area(scene, "E14"), list[Any]()

    def look(*args: Any) -> Any:
        seen.append(args)
        return forward_view(*args)

    monkeypatch.setattr(area_samples, "forward_view", look)
    batch = sample_area(scene, view, [scene.extractors] * N_RANDOM)
    follow(batch, np.random.default_rng(0))
    assert len(seen) == 1 + N_RANDOM + count_predictions(len(scene.model.targets))


def test_the_pieces_of_an_area_are_all_its_ground(scene: Scene) -> None:
    batch = sample_area(scene, view_area(scene, "E14"), [scene.extractors])
    assert batch.maps.shape == (1, len(batch.share), len(scene.model.targets))
    assert batch.share.sum() == pytest.approx(1.0)
    assert set(batch.piece) == set(range(batch.piece.max() + 1))
    np.testing.assert_allclose(batch.randomised[0], batch.maps)
    is_blank = np.ones((1, batch.piece.max() + 1), dtype=bool)
    np.testing.assert_allclose(batch.predict(is_blank)[0], scene.model.linear.intercept)


def test_a_network_that_sees_nothing_fails_the_test_of_random_weights(
    built: tuple[Run, Settings],
    scene: Scene,
    drawn: Tally,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # "Random" weights that are the trained ones: the map does not depend on what is tested.
    monkeypatch.setattr(area_samples, "randomise_extractors", lambda *_: scene.extractors)
    monkeypatch.setattr(area_samples, "choose_views", _choose_one)
    found = check_areas(scene, drawn, built[1].seed, built[0]).tests
    (record,) = (r for r in found if (r["test"], r["target"]) == ("randomised weights", "crime"))
    assert record["value"] == pytest.approx(1.0)
    assert record["passes"] is False


def _choose_one(scene: Scene, area_ids: list[str]) -> list[Any]:
    return [view_area(scene, area_ids[0])]


def test_networks_with_random_weights_differ_from_draw_to_draw_and_not_by_chance(
    scene: Scene,
) -> None:
    one, same, other = (randomise_extractors(scene, seed)[0] for seed in (1, 1, 2))
    (a, b, c) = (next(each.backbone.parameters()).detach() for each in (one, same, other))
    assert (a == b).all()
    assert not (a == c).all()


def test_a_seam_on_flat_ground_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    even = sum(np.ptp(each, axis=0) for each in map_flat(scene))

    def seam(scene: Scene, canvas: Any) -> Any:
        activations = forward_view(scene, canvas)
        for _, _, maps in activations:
            for plane in maps:
                _brighten(plane)
        return activations

    monkeypatch.setattr(area_samples, "forward_view", seam)
    uneven = sum(np.ptp(each, axis=0) for each in map_flat(scene))
    assert (np.asarray(uneven) > np.asarray(even) + 1e-3).all()


def _brighten(plane: NDArray[np.float32]) -> None:
    plane[:, 0] += 0.1 * np.abs(plane).max()


def make_sums(beside: float, elsewhere: float, share: tuple[float, float]) -> AreaSums:
    sums = AreaSums(1)
    sums.size[:, 0] = beside, elsewhere
    sums.share[:] = share
    return sums


def test_edges_are_held_against_what_the_same_ground_would_say_elsewhere() -> None:
    plain = [make_sums(0.5, 1.5, (0.25, 0.75)), make_sums(4.0, 4.0, (0.5, 0.5))]
    edges = size_edges([*plain, make_sums(9.0, 0.0, (1.0, 0.0))], 1, ["a", "b", "c"])
    assert edges.groups == ["a", "b"]
    assert edges.beside[:, 0] == pytest.approx([0.5, 4.0])
    assert edges.elsewhere[:, 0] == pytest.approx([0.25 * 4.4, 0.5 * 4.4])
    assert size_edges([], 2, []).beside.shape == (0, 2)


def test_maps_differ_by_their_cells_and_not_by_their_level() -> None:
    maps = [np.array([[1.0], [3.0]]), np.array([[101.0], [103.0]])]
    assert measure_deviation(maps) == pytest.approx([1.0])


def test_areas_are_tried_from_as_many_blocks_as_there_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(area_samples, "BUDGET_PX", 0)
    n_blocks = scene.blocks.nunique()
    monkeypatch.setattr(area_samples, "MIN_GROUPS", n_blocks)
    views = choose_views(scene, scene.areas["area_id"].tolist())
    assert len({scene.blocks.loc[view.area_id] for view in views}) == n_blocks == len(views)


def test_what_can_be_seen_of_an_area_is_its_height_and_where_that_changes(scene: Scene) -> None:
    view = view_area(scene, "E14")
    batch = sample_area(scene, view, [])
    looks = {control.kind: values for control, values in batch.looks.items()}
    margin, k = scene.margin_px, scene.cell_px
    inside = np.nan_to_num(view.canvas.heights[0, margin:-margin, margin:-margin])
    rows, cols = inside.shape[0] // k, inside.shape[1] // k
    means = [
        inside[r * k : r * k + k, c * k : c * k + k].mean()
        for r in range(rows)
        for c in range(cols)
    ]
    np.testing.assert_allclose(np.sort(looks["height"][0]), np.sort(means), rtol=1e-5)
    assert looks["edges"].shape == looks["height"].shape
    assert (looks["edges"] >= 0).all()


def test_the_true_map_is_held_against_every_control(checked: Checked, scene: Scene) -> None:
    found = [each for each in checked.controls if each["test"] == "deletion"]
    others = len(scene.model.targets) - 1
    expected = ["shuffled", *["target"] * others, "edges", "height"]
    assert [each["control"] for each in found if each["target"] == "crime"] == expected
