"""Worlds in which some eyes say what they say, and another says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.judge.chance import find_nothing
from basrelief.judge.claims import Claim, settle_claims
from basrelief.judge.worlds import draw_worlds, find_role, name_kinds
from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations

N, N_WORLDS = 150, 60


@pytest.fixture(scope="module")
def drawn() -> tuple[AreaTerms, dict[str, NDArray[np.float64]]]:
    """Labels of a census and of heights, alike; worlds beside each of the two."""
    rng = np.random.default_rng(3)
    # At right angles: what one says must not be what the other says too, by luck of the draw.
    features = rng.standard_normal((N, 4))
    features = np.sqrt(N) * np.linalg.qr(features - features.mean(axis=0))[0]
    census, heights = features[:, :2], features[:, 2:]
    labels = census[:, [0]] + heights[:, [0]] + 0.3 * rng.standard_normal((N, 1))
    at = Locations(rng.uniform(0, 5e3, (N, 2)))
    terms = AreaTerms({"dense": heights, "census": census}, at)
    eyes = {"heights": ["dense"], "census": ["census"]}
    known = [("census",), ("heights",)]
    worlds = draw_worlds(
        terms, labels, np.arange(N), N_WORLDS, np.random.default_rng(0), eyes, known
    )
    return terms, worlds.labels


def tell(labels: NDArray[np.float64], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """(world,) Share of the labels' variance that features tell, in each world."""
    # What is said of them is drawn anew in each world, so no one direction is asked about.
    centred = labels[:, :, 0] - labels[:, :, 0].mean(axis=1, keepdims=True)
    said = centred @ features / N
    return np.asarray((said**2).sum(axis=1) / (centred**2).mean(axis=1))


@pytest.mark.parametrize(("kept", "other"), [("census", "dense"), ("dense", "census")])
@pytest.mark.parametrize("k", [0, 1])
def test_what_an_eye_says_stays_and_what_another_says_is_chance(
    drawn: tuple[AreaTerms, dict[str, NDArray[np.float64]]], kept: str, other: str, k: int
) -> None:
    terms, labels = drawn
    kind = name_kinds(["census" if kept == "census" else "heights"])[k]
    # Half of the real labels' variance is of either eye; of two features chance tells 2 of 149.
    assert tell(labels[kind], terms.feature_sets[kept]).mean() > 0.35
    assert tell(labels[kind], terms.feature_sets[other]).mean() < 0.03


def test_without_other_eyes_worlds_are_drawn_as_ever(
    drawn: tuple[AreaTerms, dict[str, NDArray[np.float64]]],
) -> None:
    terms, _ = drawn
    real = np.random.default_rng(1).standard_normal((N, 1))
    plain = draw_worlds(terms, real, np.arange(N), 3, np.random.default_rng(0))
    more = draw_worlds(
        terms,
        real,
        np.arange(N),
        3,
        np.random.default_rng(0),
        {"census": ["census"]},
        [("census",)],
    )
    assert set(plain.labels) == {"alike", "no_lidar", "no_pattern", "moved"}
    for kind, each in plain.labels.items():
        np.testing.assert_array_equal(each, more.labels[kind])


def test_a_gain_is_held_against_worlds_that_keep_what_the_other_knows() -> None:
    beside = ("census", "place", "district")
    kinds = find_nothing(("heights", *beside), beside)
    assert kinds == name_kinds(("census",))
    assert [find_role(kind) for kind in kinds] == ["drawn", "moved"]
    # Of two that differ in two eyes no world is without just these.
    assert find_nothing(("heights", "census", "place"), ("place",)) == ()
    assert find_nothing(("place",), ("heights", "place")) == ()


def make_claim(eye: str, kind: str, value: float, gains: NDArray[np.float64]) -> Claim:
    of: Any = {"scheme": "block", "unit": "area", "target": "crime"}
    return Claim("all", eye, value=value, nothing=f"no_{eye}", by_chance={kind: gains}, **of)


def test_claims_of_all_eyes_are_one_family_whatever_worlds_each_is_held_against() -> None:
    rng = np.random.default_rng(0)
    gains = 0.1 * rng.standard_normal((30, 199))
    alone = settle_claims([make_claim("e0", "beside f", 0.2, gains[0])])[0]["p"]
    many = settle_claims([make_claim(f"e{k}", f"beside {k}", 0.2, gains[k]) for k in range(30)])
    assert alone < 0.05
    # Thirty chances of one in forty.
    assert 0.3 < many[0]["p"] < 0.8
    assert not any(record["holds"] for record in many)


def test_an_eye_that_fits_any_labels_leaves_something_to_move() -> None:
    """With more features than areas a process repeats the labels it learnt from.

    Such worlds were the real labels over again, and what another eye knew of these passed for
    chance.
    """
    rng = np.random.default_rng(5)
    features = rng.standard_normal((60, 400))
    labels = (features[:, :20].sum(axis=1) + 0.5 * rng.standard_normal(60))[:, np.newaxis]
    terms = AreaTerms({"dense": features}, Locations(rng.uniform(0, 3e3, (60, 2))))
    worlds = draw_worlds(
        terms,
        labels,
        np.arange(60),
        40,
        np.random.default_rng(0),
        {"heights": ["dense"]},
        [("heights",)],
    )
    moved = worlds.labels["moved beside heights"][:, :, 0]
    assert moved.std(axis=0).mean() > 0.5 * labels.std()
    # Twenty directions among 400 cannot be learnt from sixty areas: next to nothing is known.
    alike = [abs(np.corrcoef(world, labels[:, 0])[0, 1]) for world in moved]
    assert np.mean(alike) < 0.5
