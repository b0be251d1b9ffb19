"""Intervals by refits, and the worlds that they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from basrelief.judge.chance import N_SPREADS, Refits, bound_gain, find_nothing
from basrelief.judge.worlds import MAX_AREAS, draw_worlds
from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations

RNG = np.random.default_rng(0)
KNOWS = {
    "relief": ("heights",),
    "place": ("place",),
    "district": ("place", "district"),
    "joint": ("heights", "place", "district"),
    "network": ("heights",),
    "size": ("size",),
}


def make_refits(n_districts: int = 20) -> Refits:
    """Skills of some recipes in 200 worlds of each kind; the network's were not fitted anew."""
    skills = {
        name: {
            "alike": 0.3 + 0.1 * RNG.standard_normal((200, 2)),
            "no_lidar": 0.03 * RNG.standard_normal((200, 2)),
            "no_pattern": 0.02 * RNG.standard_normal((200, 2)),
        }
        for name in ("relief", "place", "district", "joint")
    }
    return Refits(("crime", "health"), KNOWS, n_districts, skills)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("relief", "", ("no_lidar", "moved")),
        ("joint", "district", ("no_lidar", "moved")),
        ("place", "", ("no_pattern",)),
        ("joint", "", ("no_pattern",)),
        ("size", "", ("no_pattern", "no_lidar", "moved")),
        ("relief", "place", ()),
        ("joint", "place", ()),
        ("district", "place", ()),
    ],
)
def test_nothing_is_where_two_do_not_differ(one: str, other: str, kind: tuple[str, ...]) -> None:
    assert find_nothing(KNOWS[one], KNOWS.get(other, ())) == kind


def test_the_low_end_is_the_gain_from_which_the_observed_one_is_just_reached() -> None:
    value, spread, by_chance = 0.4, 0.15, 0.03

    def reach_up(gain: float) -> float:
        grown = by_chance + (spread - by_chance) * gain / value
        return gain + N_SPREADS * grown - value

    low, high = bound_gain(value, spread, by_chance)
    assert low == pytest.approx(brentq(reach_up, -1, 1))
    assert high == pytest.approx(value + N_SPREADS * spread)


@pytest.mark.parametrize("value", [-0.3, 0.0, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("by_chance", [None, 0.01, 0.1, 0.3])
def test_ends_lie_on_both_sides(value: float, by_chance: float | None) -> None:
    low, high = bound_gain(value, 0.1, by_chance)
    assert low < value < high
    assert (low > 0) == (value > N_SPREADS * min(0.1, by_chance or 0.1))


@pytest.mark.parametrize("by_chance", [0.01, 0.05, 0.1])
def test_the_interval_excludes_0_just_where_chance_does_not_reach(by_chance: float) -> None:
    assert bound_gain(N_SPREADS * by_chance + 1e-6, 0.1, by_chance)[0] > 0
    assert bound_gain(N_SPREADS * by_chance - 1e-6, 0.1, by_chance)[0] < 0


def score(recipe: str, **more: Any) -> dict[str, Any]:
    given = {"recipe": recipe, "target": "crime"}
    return given | {"skill": 0.3, "skill_low": 0.2, "skill_high": 0.4} | more


@pytest.mark.parametrize(
    ("recipe", "kind", "n_districts"),
    [
        ("relief", "drawn_in", 20),
        ("network", "resampled", 20),
        ("district", "refitted", 20),
        ("district", "few_districts", 4),
        ("place", "refitted", 20),
        ("place", "few_districts", 4),
        ("relief", "drawn_in", 4),
    ],
)
def test_a_record_says_where_its_interval_comes_from(
    recipe: str, kind: str, n_districts: int
) -> None:
    found = make_refits(n_districts).bound_score(score(recipe))
    assert found["interval"] == kind
    assert (found["skill_low"] == 0.2) == (kind == "resampled")


def test_the_gain_of_lidar_has_an_interval_whatever_the_number_of_districts() -> None:
    pair = {"recipe": "joint", "versus": "district", "target": "crime"}
    ends = {"difference": 0.2, "low": 0.0, "high": 0.1}
    assert make_refits(4).bound_pair(pair | ends)["interval"] == "drawn_in"


def test_too_few_groups_have_no_interval_whatever_was_refitted() -> None:
    found = make_refits().bound_score(score("relief", skill_low=None, skill_high=None))
    assert (found["skill_low"], found["interval"]) == (None, None)


def test_a_mean_over_targets_is_bounded_by_the_spread_of_the_mean() -> None:
    refits = make_refits()
    mean = refits.gain("relief", "place", None, "alike")
    assert mean is not None
    expected = refits.figures["relief"]["alike"] - refits.figures["place"]["alike"]
    assert mean == pytest.approx(expected.mean(axis=1))
    pair = {"recipe": "relief", "versus": "place", "difference": 0.1, "low": 0.0, "high": 0.2}
    assert refits.bound_pair(pair)["high"] == pytest.approx(0.1 + N_SPREADS * mean.std())


def test_what_is_unknown_in_some_world_is_not_bounded_by_it() -> None:
    refits = make_refits()
    refits.figures["relief"]["alike"][3, 0] = np.nan
    assert refits.gain("relief", "mean", "crime", "alike") is None
    assert refits.gain("relief", "mean", "health", "alike") is not None


def test_worlds_go_there_and_back() -> None:
    labels = RNG.standard_normal((60, 2))
    labels[7] = np.nan
    rows = np.delete(np.arange(60), 7)
    at = Locations(RNG.uniform(0, 4000, (59, 2)), np.array(["a", "b"])[RNG.integers(0, 2, 59)])
    terms = AreaTerms({"relief": RNG.standard_normal((59, 4))}, at)
    worlds = draw_worlds(terms, labels, rows, 5, np.random.default_rng(0))
    assert set(worlds.labels) == {"alike", "no_lidar", "no_pattern", "moved"}
    columns = worlds.join()
    assert columns.shape == (60, 4 * 5 * 2)
    assert np.isnan(columns[7]).all()
    back = worlds.split(columns[11])
    for kind, each in worlds.labels.items():
        assert (back[kind] == each[:, 11]).all()
        assert np.nanstd(each) == pytest.approx(np.nanstd(labels), rel=0.4)
    for kind in ("no_pattern", "moved"):
        # The very labels, targets together.
        pairs = {tuple(pair) for pair in worlds.labels[kind][0, rows].tolist()}
        assert pairs == {tuple(pair) for pair in labels[rows].tolist()}


@pytest.mark.parametrize("n", [10, MAX_AREAS + 1])
def test_too_few_and_too_many_areas_are_shuffled_alone(n: int) -> None:
    terms = AreaTerms({"relief": RNG.standard_normal((n, 2))}, Locations(RNG.uniform(0, 9, (n, 2))))
    labels = RNG.standard_normal((n, 1))
    worlds = draw_worlds(terms, labels, np.arange(n), 3, np.random.default_rng(0))
    assert set(worlds.labels) == {"no_pattern"}
