"""Claims survive chance over all that a report may claim, and nothing else is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from basrelief.judge.chance import Refits
from basrelief.judge.claims import Claim, Knowledge, settle_claims
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.yardsticks import MEAN

KNOWS = {
    "place": ("place",),
    "relief": ("heights",),
    "joint": ("heights", "place"),
}
BY_EYE = {"place": {}, "relief": {"heights": MEAN}, "joint": {"heights": "place"}}
KNOWN = Knowledge(KNOWS, BY_EYE)


def make_claim(value: float, by_chance: Any = None, **more: Any) -> Claim:
    given: dict[str, Any] = {
        "recipe": "relief",
        "versus": MEAN,
        "scheme": "block",
        "unit": "area",
        "target": "crime",
        "nothing": "no_lidar",
    }
    worlds: Any = {} if by_chance is None else {"no_lidar": by_chance}
    return Claim(value=value, by_chance=worlds, **(given | more))


def test_two_claims_are_held_against_the_larger_of_both() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 99)) * [[0.1], [0.02]]
    found = settle_claims([make_claim(0.25, one), make_claim(0.03, other, target="health")])
    # The real gains are one world more.
    spreads = np.array([np.append(one, 0.25).std(), np.append(other, 0.03).std()])
    spreads = np.sqrt(spreads**2 + np.median(spreads) ** 2)
    larger = np.maximum(one / spreads[0], other / spreads[1])
    for record, value, spread in zip(found, (0.25, 0.03), spreads, strict=True):
        assert record["p"] == (1 + (larger >= value / spread).sum()) / 100


def test_a_report_of_nothing_claims_nothing_nineteen_times_of_twenty() -> None:
    rng, claimed = np.random.default_rng(1), 0
    for _ in range(400):
        # Thirty claims, alike by half, as scores of one place are.
        common = rng.standard_normal((100, 1))
        drawn = 0.1 * (0.7 * common + 0.7 * rng.standard_normal((100, 30)))
        claims = [make_claim(value, drawn[1:, k]) for k, value in enumerate(drawn[0])]
        claimed += any(record["holds"] for record in settle_claims(claims))
    assert claimed / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_gains_that_are_nearly_always_nothing_do_not_pass_for_claims() -> None:
    # As skills of models that find nothing in most worlds, and much in a few.
    rng, claimed = np.random.default_rng(2), 0
    for _ in range(300):
        found = rng.random((41, 30)) < 0.3
        drawn = np.where(found, 0.1 * rng.standard_t(3, (41, 30)), 0.01)
        claims = [make_claim(value, drawn[1:, k]) for k, value in enumerate(drawn[0])]
        claimed += any(record["holds"] for record in settle_claims(claims))
    assert claimed / 300 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_a_gain_too_small_to_matter_is_no_claim() -> None:
    by_chance = 0.001 * np.random.default_rng(0).standard_normal(99)
    (record,) = settle_claims([make_claim(0.019, by_chance)])
    assert (record["holds"], record["value"]) == (False, 0.019)
    assert settle_claims([make_claim(0.1, by_chance)])[0]["holds"]


def test_what_was_held_against_nothing_claims_nothing() -> None:
    (record,) = settle_claims([make_claim(0.9)])
    assert (record["is_tested"], record["p"], record["holds"]) == (False, None, False)


def test_a_score_that_was_held_against_nothing_is_not_told_better() -> None:
    refits = Refits(("crime",), KNOWS, 20)
    compared = Compared("area", "chip", ["relief"], {"crime": []}, [], refits)
    record = score("relief", 0.3) | {"scheme": "area", "unit": "chip"}
    verdicts = settle([record], [compared], KNOWN)
    assert verdicts.scores[0]["worth"] == "untested"
    assert verdicts.preferred[0]["recipe"] == MEAN


def test_a_claim_has_to_survive_every_kind_of_world() -> None:
    rng = np.random.default_rng(0)
    smooth, rough = 0.1 * rng.standard_normal(99), 0.02 * rng.standard_normal(99)
    alone = [settle_claims([make_claim(0.15, each)])[0]["p"] for each in (smooth, rough)]
    both = make_claim(0.15)
    both = replace(both, by_chance={"no_lidar": rough, "moved": smooth})
    assert settle_claims([both])[0]["p"] == max(alone)
    assert alone[0] > 0.05 > alone[1]


def test_questions_of_lidar_and_of_anything_are_two_families() -> None:
    by_chance = 0.1 * np.random.default_rng(0).standard_normal(99)
    alone = settle_claims([make_claim(0.25, by_chance)])[0]["p"]
    others = [make_claim(0.1, by_chance, nothing="no_pattern") for _ in range(20)]
    assert settle_claims([make_claim(0.25, by_chance), *others])[0]["p"] == alone


def test_what_cannot_be_held_against_luck_costs_the_others_nothing() -> None:
    by_chance = 0.1 * np.random.default_rng(0).standard_normal(99)
    alone = settle_claims([make_claim(0.2, by_chance)])[0]["p"]
    both = settle_claims([make_claim(0.2, by_chance), make_claim(0.9)])
    assert (both[0]["p"], both[1]["p"], both[1]["holds"]) == (alone, None, False)


def score(recipe: str, value: float) -> dict[str, Any]:
    ends = {"skill": value, "skill_low": value - 0.1, "skill_high": value + 0.1}
    return {"recipe": recipe, "scheme": "block", "unit": "area", "target": "crime"} | ends


def pair(recipe: str, versus: str, value: float) -> dict[str, Any]:
    ends = {"difference": value, "low": value - 0.1, "high": value + 0.1}
    key = {"recipe": recipe, "versus": versus, "scheme": "block", "unit": "area"}
    return key | {"target": "crime"} | ends


def judge(
    chance: dict[str, float],
    values: dict[str, float],
    given: list[dict[str, Any]] | None = None,
) -> Any:
    """Settle a report of one target: skills, and how far chance alone takes each recipe."""
    rng = np.random.default_rng(0)
    skills = {
        name: {kind: spread * rng.standard_normal((199, 1)) for kind in ("no_lidar", "no_pattern")}
        for name, spread in chance.items()
    }
    refits = Refits(("crime",), KNOWS, 20, skills)
    order = [name for name in KNOWS if name in values]
    pairs = given or [
        pair(later, earlier, values[later] - values[earlier])
        for earlier, later in product(order, order)
        if order.index(later) > order.index(earlier)
    ]
    compared = Compared("block", "area", order, {"crime": pairs}, [], refits)
    return settle([score(name, value) for name, value in values.items()], [compared], KNOWN)


def test_a_score_that_chance_gives_too_is_no_better_however_narrow_its_interval() -> None:
    verdicts = judge({"place": 0.01, "relief": 0.2}, {"place": 0.0, "relief": 0.3})
    worths = {record["recipe"]: record["worth"] for record in verdicts.scores}
    assert worths == {"place": "no_better", "relief": "by_chance"}
    assert verdicts.preferred[0]["recipe"] == MEAN


def test_lidar_that_survives_is_preferred() -> None:
    verdicts = judge({"place": 0.01, "relief": 0.02}, {"place": 0.0, "relief": 0.3})
    assert verdicts.preferred[0]["recipe"] == "relief"
    assert [record["beats"] for record in verdicts.pairs] == [True]


def test_lidar_beside_place_is_not_preferred_for_what_place_tells() -> None:
    # The pair's interval lies above 0, and the joint recipe is better than the mean.
    verdicts = judge({"place": 0.08, "joint": 0.08}, {"place": 0.3, "joint": 0.42})
    joint = next(record for record in verdicts.scores if record["recipe"] == "joint")
    assert joint["worth"] == "better"
    assert verdicts.pairs[0]["low"] > 0
    assert not verdicts.pairs[0]["beats"]
    assert verdicts.preferred[0]["recipe"] == "place"


@pytest.mark.parametrize(
    ("value", "expected"), [(0.38, ("relief", "lidar_adds")), (0.28, ("place", "simplest"))]
)
def test_what_sees_no_lidar_gives_way_where_lidar_adds_and_has_more_skill(
    value: float, expected: tuple[str, str]
) -> None:
    # Of what place tells nothing is sure of LIDAR; of its own gain over the mean it is.
    chance = {"place": 0.02, "relief": 0.02, "joint": 0.02}
    verdicts = judge(chance, {"place": 0.3, "relief": value, "joint": 0.2})
    (choice,) = verdicts.preferred
    assert not any(record["beats"] and record["versus"] == "place" for record in verdicts.pairs)
    assert (choice["recipe"], choice["reason"]) == expected


def test_lidar_does_not_beat_place_where_its_own_gain_is_chance() -> None:
    verdicts = judge({"place": 0.01, "relief": 0.2}, {"place": 0.0, "relief": 0.3})
    assert (verdicts.pairs[0]["low"] > 0, verdicts.pairs[0]["beats"]) == (True, False)


def test_place_may_beat_lidar_by_its_interval() -> None:
    verdicts = judge({"place": 0.01, "relief": 0.01}, {"place": 0.5, "relief": 0.3})
    assert verdicts.pairs[0]["is_beaten"]


def test_a_pair_with_models_held_fixed_beats_nothing() -> None:
    fixed = pair("place", "relief", 0.2) | {"interval": "resampled"}
    refits = Refits(("crime",), KNOWS, 20, {})
    compared = Compared("block", "area", ["place", "relief"], {"crime": [fixed]}, [], refits)
    verdicts = settle([score("place", 0.5), score("relief", 0.3)], [compared], KNOWN)
    assert verdicts.pairs[0]["low"] > 0
    assert not verdicts.pairs[0]["beats"]


def test_who_has_more_skill_is_asked_on_common_items() -> None:
    # A network's skill is of one fold, place's of all: on the one fold place has more.
    chance = {"place": 0.02, "relief": 0.02}
    own = {"place": 0.2, "relief": 0.45}
    for difference, preferred in ((0.25, "relief"), (-0.15, "place")):
        unsure = {"difference": difference, "low": -0.5, "high": 0.5}
        verdicts = judge(chance, own, [pair("relief", "place", 0.0) | unsure])
        assert verdicts.preferred[0]["recipe"] == preferred


def test_every_gain_of_lidar_is_ranked_among_those_of_moved_labels() -> None:
    verdicts = judge({"place": 0.01, "joint": 0.01}, {"place": 0.0, "joint": 0.3})
    assert verdicts.relocation == []  # no world was moved
    moved: dict[str, Any] = {
        "place": {"moved": np.array([[0.3], [0.1], [0.2], [0.0]]), "alike": np.zeros((4, 1))},
        "joint": {"moved": np.array([[0.4], [0.1], [0.5], [0.1]]), "alike": np.zeros((4, 1))},
    }
    refits = Refits(("crime",), KNOWS, 20, moved)
    compared = Compared(
        "block", "area", ["place", "joint"], {"crime": [pair("joint", "place", 0.2)]}, [], refits
    )
    found = settle([score("place", 0.1), score("joint", 0.3)], [compared], KNOWN).relocation
    # Of LIDAR beside place over place alone; what place tells is no gain of LIDAR.
    (record,) = found
    assert (record["recipe"], record["versus"], record["n_moved"]) == ("joint", "place", 4)
    assert record["highest"] == pytest.approx(0.3)
    assert record["p"] == 2 / 5


def test_means_over_targets_are_weighed_and_their_gains_decided_as_pairs_are() -> None:
    rng = np.random.default_rng(0)
    skills: dict[str, Any] = {
        name: {kind: 0.02 * rng.standard_normal((199, 2)) for kind in ("no_lidar", "no_pattern")}
        for name in ("place", "joint")
    }
    refits = Refits(("crime", "health"), KNOWS, 20, skills)
    gain: dict[str, Any] = {
        "recipe": "joint",
        "versus": "place",
        "difference": 0.2,
        "low": 0.1,
        "high": 0.3,
    }
    mean: dict[str, Any] = {"recipe": "joint", "versus": "place", "scheme": "block", "unit": "area"}
    mean |= {"skill": 0.3, "skill_low": 0.2, "skill_high": 0.4}
    sure = mean | {"over": {"place": gain}}
    # Its interval is said to lie above 0, and chance gives as much.
    luck = mean | {"over": {"place": gain | {"difference": 0.03}}}
    for record, beats in ((sure, True), (luck, False)):
        compared = Compared("block", "area", ["place", "joint"], {}, [record], refits)
        verdicts = settle([], [compared], KNOWN)
        (told,) = verdicts.over_targets
        assert (told["worth"], told["beats"], told["is_beaten"]) == ("better", beats, False)
        assert told["over"]["place"]["beats"] == beats
        claimed = {(c["versus"], c["target"]): c["holds"] for c in verdicts.claims}
        assert claimed == {(MEAN, None): True, ("place", None): beats}
