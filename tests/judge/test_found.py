"""Who would be found: a hit rate is told better only where chance and luck with skill cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.found import settle_found
from basrelief.judge.targeting import SHARES, measure_lifts, pick_worst
from basrelief.judge.yardsticks import MEAN

KNOWS = {"place": ("place",), "relief": ("heights",), "joint": ("heights", "place")}
BY_EYE = {"place": {}, "relief": {"heights": MEAN}, "joint": {"heights": "place"}}
KNOWN = Knowledge(KNOWS, BY_EYE)
TARGETS = tuple("abcdefgh")
SPREAD = 0.1

Floats = NDArray[np.float64]


def make_record(recipe: str, target: str, share: float, rate: float, **more: Any) -> dict[str, Any]:
    given = {"recipe": recipe, "target": target, "scheme": "block", "share": share}
    given |= {"hit_rate": rate, "chance": share, "low": rate - 0.05, "high": rate + 0.05}
    return given | {"versus": MEAN, "versus_hit_rate": None} | more


def make_lifts(drawn: Floats | None, recipes: tuple[str, ...]) -> dict[tuple[str, float], Refits]:
    """By scheme and share, what recipes find by chance: (share, world, target) for each."""
    lifts = {}
    for k, share in enumerate(SHARES):
        by_kind = {} if drawn is None else dict.fromkeys(("no_lidar", "moved"), drawn[k])
        by_kind |= {} if drawn is None else {"no_pattern": drawn[k]}
        values: Any = dict.fromkeys(recipes, by_kind) if by_kind else {}
        lifts["block", share] = Refits(TARGETS, KNOWS, 20, values)
    return lifts


def claim_all(recipe: str, versus: str = MEAN) -> list[dict[str, Any]]:
    """That a recipe has skill for every target."""
    key = {"recipe": recipe, "versus": versus, "scheme": "block", "unit": "area", "holds": True}
    return [key | {"target": target} for target in TARGETS]


def test_where_nothing_tells_hardly_any_table_has_a_word_of_praise() -> None:
    rng, praised, ranges = np.random.default_rng(0), 0, 0
    for _ in range(300):
        # Shares of one target hit alike.
        drawn = SPREAD * rng.standard_normal((100, len(TARGETS)))
        both = np.stack([drawn, drawn + 0.5 * SPREAD * rng.standard_normal(drawn.shape)])
        records = [
            make_record("relief", target, share, share + both[k, 0, t])
            for k, share in enumerate(SHARES)
            for t, target in enumerate(TARGETS)
        ]
        lifts = make_lifts(both[:, 1:], ("relief",))
        found = settle_found(records, claim_all("relief"), KNOWN, lifts)
        praised += any(record["worth"] == "better" for record in found)
        ranges += any(record["low"] > record["chance"] for record in found)
    assert praised / 300 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)
    # The ranges that hold models fixed would praise nearly every table.
    assert ranges / 300 > 0.9


def settle_one(
    rate: float, claims: list[dict[str, Any]], *, has_worlds: bool = True, **more: Any
) -> dict[str, Any]:
    drawn = SPREAD * np.random.default_rng(1).standard_normal((2, 99, len(TARGETS)))
    recipe = more.pop("recipe", "relief")
    lifts = make_lifts(drawn if has_worlds else None, ("relief",))
    (found,) = settle_found([make_record(recipe, "a", 0.2, rate, **more)], claims, KNOWN, lifts)
    return found


def test_those_who_are_found_far_beyond_chance_are_told() -> None:
    found = settle_one(0.7, claim_all("relief"))
    assert (found["worth"], found["p"]) == ("better", 0.01)
    assert (found["versus_worth"], found["versus_p"]) == (None, None)


def test_no_more_than_chance_is_not_told_to_be_chance_or_worse() -> None:
    assert {settle_one(rate, claim_all("relief"))["worth"] for rate in (0.0, 0.2, 0.3)} == {
        "unsure"
    }


def test_nobody_is_found_by_what_has_no_skill() -> None:
    assert settle_one(0.7, [])["worth"] == "unsure"


def test_what_was_held_against_nothing_has_no_word() -> None:
    found = settle_one(0.7, claim_all("relief"), has_worlds=False)
    assert (found["worth"], found["p"]) == ("untested", None)


def test_what_few_groups_leave_without_a_range_has_no_word() -> None:
    found = settle_one(0.7, claim_all("relief"), low=None, high=None)
    assert (found["worth"], found["p"]) == ("untested", None)


@pytest.mark.parametrize(("rate", "worth"), [(0.75, "better"), (0.65, "unsure")])
def test_beside_place_what_place_finds_by_itself_counts_for_nothing(
    rate: float, worth: str
) -> None:
    rng = np.random.default_rng(2)
    common, own = SPREAD * rng.standard_normal((2, 99, len(TARGETS)))
    lifts = {}
    for share in SHARES:
        worlds = {"place": common, "joint": common + 0.5 * own}
        values: Any = {
            name: dict.fromkeys(("no_lidar", "moved", "no_pattern"), each)
            for name, each in worlds.items()
        }
        lifts["block", share] = Refits(TARGETS, KNOWS, 20, values)
    record = make_record("joint", "a", 0.2, rate, versus="place", versus_hit_rate=0.6)
    claims = [*claim_all("joint"), *claim_all("joint", "place")]
    (found,) = settle_found([record], claims, KNOWN, lifts)
    assert (found["worth"], found["versus_worth"]) == ("better", worth)


def test_many_columns_are_picked_as_each_alone_whatever_is_missing() -> None:
    rng = np.random.default_rng(3)
    lift, truth = rng.integers(0, 6, (2, 43, 20)).astype(float)
    gone = rng.random(lift.shape) < 0.2
    lift[gone] = truth[gone] = np.nan
    for share in SHARES:
        found = measure_lifts(lift, truth, share)
        for column in range(20):
            known = ~gone[:, column]
            picked, worst = (pick_worst(each[known, column], share) for each in (lift, truth))
            expected = (picked * worst).sum() / picked.sum() - picked.sum() / known.sum()
            assert found[column] == pytest.approx(expected)
    assert np.isnan(measure_lifts(np.full(5, np.nan), np.full(5, np.nan), 0.2))
