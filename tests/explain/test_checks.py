"""Checks on maps whose truth is known, of both kinds: many chips at once, or areas one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.explain.checks import Checked, check_maps
from basrelief.explain.controls import SHUFFLED, Control, Grouping, detect_edges, find_verdict
from basrelief.explain.moves import (
    MOVES,
    SHARES,
    STEPS,
    Move,
    count_predictions,
    follow_predictions,
    judge_move,
    keep_curves,
    mark_first,
    measure_between,
)
from basrelief.explain.samples import Batch, Edges, Explanation
from basrelief.judge.resampling import Draws

N_SAMPLES, SIDE, PIECE = 20, 20, 2
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Made = tuple[Explanation, list[Batch]]


def make_batch(rng: np.random.Generator, n_samples: int, n_targets: int) -> Batch:
    """Samples of dark and cold cells, a few of them bright and a few of them warm.

    A target adds up brightness, a second one warmth and brightness: their maps are alike.
    Heights are of their own.
    """
    cells = (n_samples, SIDE**2)
    bright = rng.exponential(size=cells) * (rng.random(cells) < 0.1)
    warm = rng.exponential(size=cells) * (rng.random(cells) < 0.1)
    seen = np.stack([bright, warm + bright], axis=-1)[..., :n_targets]  # (sample, cell, target)
    side = SIDE // PIECE
    rows, cols = np.indices((SIDE, SIDE)) // PIECE
    piece = (rows * side + cols).ravel()
    height = rng.gamma(1.0, size=cells)

    def predict(is_blank: Mask) -> Floats:
        return np.asarray(np.where(is_blank[:, piece, None], 0.0, seen).mean(axis=1))

    edges = np.stack([detect_edges(each.reshape(SIDE, SIDE)).ravel() for each in bright])
    return Batch(
        maps=seen,
        randomised=[rng.normal(size=seen.shape) for _ in range(2)],
        share=np.full(SIDE**2, 1 / SIDE**2),
        piece=piece,
        predict=predict,
        groups=[f"{rng.integers(10**9)}" for _ in range(n_samples)],
        looks={Control("edges"): edges, Control("height"): height},
    )


def measure_deviation(maps: Any) -> Floats:
    return np.asarray(np.std(np.concatenate(maps), axis=0))


def make(kind: str) -> Made:
    rng = np.random.default_rng(0)
    n_targets, n_batches = (1, 1) if kind == "chips" else (2, N_SAMPLES)
    batches = [make_batch(rng, N_SAMPLES // n_batches, n_targets) for _ in range(n_batches)]
    predicted = [each.predict(np.zeros((len(each.maps), 100), dtype=bool)) for each in batches]
    size = rng.uniform(0.9, 1.1, (N_SAMPLES, n_targets))
    groups = [group for each in batches for group in each.groups]
    explanation = Explanation(
        targets=("crime", "income")[:n_targets],
        of=kind,
        spread=np.concatenate(predicted).std(axis=0),
        flat=[np.zeros((9, n_targets))],
        differ=measure_deviation,
        uneven=0.1,
        edges=Edges(size, np.ones_like(size), groups),
        missing=None if kind == "chips" else np.tile(1e-9 + 5 * np.eye(2)[::-1], (N_SAMPLES, 1, 1)),
        groups=groups,
    )
    return explanation, batches


def check(made: Made, target: str = "crime") -> dict[str, dict[str, Any]]:
    found = check_maps(*made, seed=3)
    return {each["test"]: each for each in found.tests if each["target"] == target}


both_kinds = pytest.mark.parametrize("kind", ["chips", "areas"])


def with_maps(made: Made, change: Callable[[Floats], Floats]) -> Made:
    """Give the very same samples another map: a control."""
    explanation, batches = made
    return explanation, [replace(each, maps=change(each.maps)) for each in batches]


@both_kinds
def test_a_map_of_what_the_model_reads_passes_every_check(kind: str) -> None:
    explanation, batches = make(kind)
    sums = ["completeness"] if kind == "areas" else []
    for target in explanation.targets:
        found = check((explanation, batches), target)
        names = [*sums, "randomised weights", "deletion", "insertion", "flat chips", "edges"]
        assert list(found) == names
        assert {name: each["passes"] for name, each in found.items()} == dict.fromkeys(names, True)


@both_kinds
def test_records_are_figures_and_codes(kind: str) -> None:
    for name, record in check(make(kind)).items():
        keys = ["target", "test", "value", "low", "high", "bound", "passes", "n"]
        more = ["n_random"] if name == "randomised weights" else []
        told = ["counts", "n_controls", "n_told"]
        assert list(record) == [*keys, *more, *told, "of"]
        assert (record["n"], record["of"]) == (N_SAMPLES, kind)
        if record["low"] is not None:
            assert record["low"] <= record["value"] <= record["high"]


@both_kinds
@pytest.mark.parametrize("move", MOVES)
def test_a_shuffled_map_and_a_map_turned_round_fail_deletion_and_insertion(
    kind: str, move: Move
) -> None:
    rng, right = np.random.default_rng(1), make(kind)
    shuffled = check(with_maps(right, lambda maps: rng.permutation(maps, axis=1)))[move]
    turned = check(with_maps(right, lambda maps: -maps))[move]
    assert abs(shuffled["value"]) < 0.3 * check(right)[move]["value"]
    assert turned["value"] < 0
    assert shuffled["passes"] is turned["passes"] is False


@both_kinds
def test_a_map_that_is_the_same_under_random_weights_fails(kind: str) -> None:
    explanation, batches = make(kind)
    alike = [replace(each, randomised=[each.maps]) for each in batches]
    record = check((explanation, alike))["randomised weights"]
    assert record["value"] == pytest.approx(1.0)
    assert (record["passes"], record["n_random"]) == (False, 1)


@both_kinds
def test_ranks_are_compared_where_they_are_asked_for(kind: str) -> None:
    explanation, batches = make(kind)
    few = np.arange(0, SIDE**2, 2)
    for each in batches:
        each.randomised[0][:, few] = each.maps[:, few]
    made = (
        explanation,
        [replace(each, randomised=each.randomised[:1], compared=few) for each in batches],
    )
    assert check(made)["randomised weights"]["value"] == pytest.approx(1.0)


@both_kinds
def test_a_map_that_is_uneven_on_a_flat_sample_fails(kind: str) -> None:
    explanation, batches = make(kind)
    seam = np.zeros((9, len(explanation.targets)))
    seam[0] = 5.0
    record = check((replace(explanation, flat=[seam]), batches))["flat chips"]
    assert record["value"] > record["bound"]
    assert record["passes"] is False


@both_kinds
def test_a_map_that_is_strong_beside_edges_fails(kind: str) -> None:
    explanation, batches = make(kind)
    edges = replace(explanation.edges, beside=2 * explanation.edges.beside, depth_cells=2)
    record = check((replace(explanation, edges=edges), batches))["edges"]
    assert record["value"] == pytest.approx(2.0, abs=0.1)
    assert (record["passes"], record["edge_cells"]) == (False, 2)


def test_cells_that_do_not_add_up_fail() -> None:
    explanation, batches = make("areas")
    missing = np.zeros((N_SAMPLES, 2, 2))
    missing[3] = explanation.spread[:, None]
    record = check((replace(explanation, missing=missing), batches))["completeness"]
    assert (record["value"], record["passes"]) == (pytest.approx(1.0), False)


@both_kinds
def test_a_map_that_says_the_same_everywhere_has_nothing_to_fail(kind: str) -> None:
    explanation, batches = with_maps(make(kind), np.zeros_like)
    nothing, groups = np.zeros((N_SAMPLES, 2)), explanation.edges.groups
    silent = Edges(nothing, nothing, groups)
    found = check((replace(explanation, edges=silent), batches))
    assert found["randomised weights"]["value"] == 0.0
    for name in ("deletion", "insertion", "edges"):
        assert (found[name]["value"], found[name]["passes"]) == (None, None)
        assert found[name]["reason"] == "no map"


@both_kinds
def test_where_all_samples_are_predicted_alike_nothing_can_move(kind: str) -> None:
    explanation, batches = make(kind)
    still = replace(explanation, spread=np.zeros(len(explanation.targets)))
    found = check_maps(still, batches, seed=3)
    reasons = [each["reason"] for each in found.tests if each["test"] in MOVES]
    assert reasons == ["predicted alike"] * 2 * len(explanation.targets)
    assert found.curves == []


def test_where_no_sample_has_an_edge_edges_are_not_judged() -> None:
    explanation, batches = make("areas")
    record = check(
        (replace(explanation, edges=Edges(np.zeros((0, 2)), np.zeros((0, 2)), [])), batches)
    )["edges"]
    assert (record["n"], record["passes"], record["reason"]) == (0, None, "no edge")


@both_kinds
def test_a_batch_is_predicted_as_often_as_was_counted(kind: str) -> None:
    batch, seen = make(kind)[1][0], list[Mask]()

    def predict(is_blank: Mask) -> Floats:
        if is_blank.any():
            seen.append(is_blank)
        return batch.predict(is_blank)

    found = follow_predictions(replace(batch, predict=predict), np.random.default_rng(0))
    n_targets = batch.maps.shape[2]
    # Once a look where targets agree on which way round it is right.
    assert len(seen) <= count_predictions(n_targets)
    assert len(seen) >= count_predictions(n_targets) - 2 * (n_targets - 1) * len(MOVES) * len(STEPS)
    for curves in found.values():
        n_orders = 2 + (n_targets - 1) + 2
        assert curves.shape == (n_orders, len(batch.maps), n_targets, 1 + len(STEPS))
        assert (curves[..., 0] == 0).all()


def test_curves_are_kept_of_every_target_as_means() -> None:
    curves = check_maps(*make("areas"), seed=3).curves
    assert [(each["target"], each["test"]) for each in curves] == [
        (target, move) for target in ("crime", "income") for move in MOVES
    ]
    keys = ["target", "test", "shares", "ranked", "at_random", "n", "of"]
    for each in curves:
        assert list(each) == keys
        assert each["shares"] == [0.0, 0.1, 0.3]
        assert each["ranked"][0] == each["at_random"][0] == 0


def make_curves(n: int, ranked_ends_at: float) -> Floats:
    """Ranked curves that run straight to about an end; those at random stay near 0."""
    rng = np.random.default_rng(0)
    straight = np.asarray(SHARES) / SHARES[-1]
    ends = ranked_ends_at + 0.1 * rng.normal(size=n)
    return np.stack([ends[:, None] * straight, 0.1 * rng.normal(size=(n, 1)) * straight])


def alone(n: int) -> Grouping:
    """Samples on ground of their own."""
    return Grouping([str(k) for k in range(n)], Draws(np.random.default_rng(0)))


def test_the_area_between_straight_curves_is_half_of_how_far_they_end_apart() -> None:
    curves = np.stack([np.asarray([SHARES]) * -10, np.zeros((1, len(SHARES)))])
    assert measure_between("deletion", curves) == pytest.approx(10 * SHARES[-1] / 2)
    assert measure_between("insertion", curves) == pytest.approx(-10 * SHARES[-1] / 2)


@pytest.mark.parametrize(("move", "right"), [("deletion", -1.0), ("insertion", 1.0)])
def test_curves_that_part_the_right_way_pass_and_others_do_not(move: Move, right: float) -> None:
    for end, passes in ((right, True), (-right, False), (0.0, False)):
        record, _ = judge_move(move, make_curves(20, end), [SHUFFLED], alone(20))
        assert record["passes"] is passes
        assert record["low"] <= record["value"] <= record["high"]


def test_what_is_kept_of_curves_are_their_means() -> None:
    curves = make_curves(20, -1.0)
    kept = keep_curves("deletion", curves)
    assert kept["ranked"] == pytest.approx(curves[0].mean(axis=0))
    assert (kept["shares"], kept["n"]) == ([0.0, 0.1, 0.3], 20)


def test_with_few_samples_nothing_is_judged() -> None:
    record, _ = judge_move("deletion", make_curves(5, -1.0), [SHUFFLED], alone(5))
    assert (record["passes"], record["low"], record["high"]) == (None, None, None)


@pytest.mark.parametrize(("overshoot", "n_taken"), [(0.0, 4), (0.5 / 49, 5)])
def test_pieces_are_taken_up_to_a_share_or_to_the_nearest_number(
    overshoot: float, n_taken: int
) -> None:
    orders = np.stack([np.arange(49), np.arange(49)[::-1]])
    is_taken = mark_first(orders, np.full(49, 1 / 49), 0.1 + overshoot)
    assert is_taken.sum(axis=1).tolist() == [n_taken, n_taken]
    assert is_taken[0, 0]
    assert is_taken[1, -1]


SABOTAGED: dict[str, Callable[[Batch], Batch]] = {
    "shuffled": lambda batch: replace(
        batch, maps=np.random.default_rng(1).permutation(batch.maps, axis=1)
    ),
    "turned round": lambda batch: replace(batch, maps=-batch.maps),
    "another target's": lambda batch: replace(batch, maps=batch.maps[..., ::-1]),
    "one for both": lambda batch: replace(batch, maps=batch.maps[..., [1, 1]]),
    "edges": lambda batch: give_look(batch, "edges"),
    "height": lambda batch: give_look(batch, "height"),
}
"""Maps that are wrong, given as the map."""


def give_look(batch: Batch, kind: str) -> Batch:
    """Give what can be seen without a model as the map of every target, under any weights."""
    (look,) = (values for control, values in batch.looks.items() if control.kind == kind)
    maps = np.repeat(look[..., None], batch.maps.shape[2], axis=2)
    return replace(batch, maps=maps, randomised=[maps])


def find_verdicts(found: Checked) -> dict[str, str]:
    targets = {each["target"] for each in found.tests}
    return {
        name: find_verdict([each for each in found.tests if each["target"] == name])
        for name in targets
    }


@both_kinds
def test_the_true_map_stands_by_tests_that_tell_it_from_every_wrong_one(kind: str) -> None:
    found = check_maps(*make(kind), seed=3)
    assert set(find_verdicts(found).values()) == {"stands"}
    for record in found.tests:
        # Arithmetic passes for a shuffled map too: it clears none.
        assert record["counts"] == (record["test"] in MOVES)


@pytest.mark.parametrize("sabotage", SABOTAGED)
@both_kinds
def test_a_wrong_map_does_not_stand(kind: str, sabotage: str) -> None:
    explanation, batches = make(kind)
    if kind == "chips" and sabotage in ("another target's", "one for both"):
        pytest.skip("these chips have one target")
    wrong = [SABOTAGED[sabotage](each) for each in batches]
    found = check_maps(explanation, wrong, seed=3)
    verdict = find_verdicts(found)["crime"]
    assert verdict == ("open" if sabotage == "one for both" else "fails")
    counted = [each for each in found.tests if each["target"] == "crime" and each["counts"]]
    assert [each["test"] for each in counted if each["test"] in MOVES] == []


def test_a_test_says_which_wrong_maps_it_can_tell() -> None:
    found = check_maps(*make("areas"), seed=3)
    mine = [each for each in found.controls if each["target"] == "crime"]
    told = {
        test: [each["control"] for each in mine if each["test"] == test and each["tells"]]
        for test in dict.fromkeys(each["test"] for each in mine)
    }
    every = ["shuffled", "target", "edges", "height"]
    assert told == {
        "completeness": ["target"],
        "randomised weights": ["edges", "height"],
        "deletion": every,
        "insertion": every,
        "flat chips": [],
        "edges": [],
    }
    keys = ["target", "test", "control", "other", "value", "better", "low", "high", "tells"]
    assert all(list(each) == keys for each in found.controls)
    assert {each["other"] for each in mine if each["control"] == "target"} == {"income"}


def test_a_map_is_not_told_from_one_that_is_the_same() -> None:
    explanation, batches = make("areas")
    same = [replace(each, looks={Control("height"): each.maps[..., 0]}) for each in batches]
    found = check_maps(explanation, same, seed=3)
    held = [each for each in found.controls if each["control"] == "height"]
    by_test = {each["test"]: each for each in held if each["target"] == "crime"}
    for move in MOVES:
        assert by_test[move]["better"] == by_test[move]["low"] == 0
        assert by_test[move]["tells"] is False


def test_intervals_are_over_ground_and_not_over_samples() -> None:
    values = np.random.default_rng(0).normal(size=12).repeat(20)
    draws = Draws(np.random.default_rng(0))
    apart = Grouping([str(k) for k in range(240)], draws).bound(values)
    together = Grouping([str(k // 20) for k in range(240)], draws).bound(values)
    wide, narrow = (float(np.ptp(np.array(each, dtype=float))) for each in (together, apart))
    assert wide / narrow == pytest.approx(20**0.5, rel=0.3)
    assert Grouping(["one"] * 240, draws).bound(values) == (None, None)
