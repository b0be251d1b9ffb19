from __future__ import annotations

from typing import Any

import pytest

from basrelief.explain import moves
from basrelief.tell.page.checks import REASONS, SENTENCES, say_check

CHIPS: dict[str, Any] = {"n": 16, "of": "chips"}
AREAS: dict[str, Any] = {"n": 10, "of": "areas"}

SAID = [
    (
        AREAS | {"test": "completeness", "value": 1.9448298434545614e-07, "n": 99},
        "The cells of each of 99 areas add up to what its ground adds to its prediction, to within "
        "1.9e-07 of the predictions' standard deviation.",
    ),
    (
        AREAS | {"test": "randomised weights", "value": -0.060923097441335713, "n_random": 3},
        "With random weights in the network's place the map's rank correlation with the trained "
        "one is -0.06, the mean over 10 areas and 3 networks.",
    ),
    (
        CHIPS | {"test": "randomised weights", "value": -0.2139095460638055, "n_random": 1},
        "With random weights in the network's place the heat's rank correlation with the trained "
        "network's is -0.21, the mean over 16 chips.",
    ),
    (
        AREAS | {"test": "deletion", "value": 0.49081826555532493},
        "Flattening the ground that the map ranks highest leaves the prediction 0.49 standard "
        "deviations lower than flattening as much at random, the mean over 10 small areas.",
    ),
    (
        CHIPS | {"test": "deletion", "value": -0.029150266595000453},
        "Blanking the squares of a chip that heat ranks highest leaves the prediction 0.03 "
        "standard deviations higher than blanking as many at random, the mean over 16 chips.",
    ),
    (
        AREAS | {"test": "insertion", "value": 0.6870611680575804},
        "With all of an area's ground flat, giving back what the map ranks highest leaves the "
        "prediction 0.69 standard deviations higher than giving back as much at random, the mean "
        "over 10 small areas.",
    ),
    (
        CHIPS | {"test": "insertion", "value": 0.15738187200536793},
        "Giving a blank chip back the squares that heat ranks highest leaves the prediction 0.16 "
        "standard deviations higher than giving back as many at random, the mean over 16 chips.",
    ),
    (
        CHIPS | {"test": "insertion", "value": -0.15738187200536793},
        "Giving a blank chip back the squares that heat ranks highest leaves the prediction 0.16 "
        "standard deviations lower than giving back as many at random, the mean over 16 chips.",
    ),
    (
        AREAS | {"test": "flat chips", "value": 0.0},
        "On ground that is flat everywhere cells differ by 0.0e+00 of the standard deviation of "
        "what cells say on real ground.",
    ),
    (
        CHIPS | {"test": "flat chips", "value": 1.1197466008613306},
        "On a chip that is the same everywhere heat ranges over 112% of what it ranges over on "
        "real chips.",
    ),
    (
        AREAS | {"test": "edges", "value": 1.0758988287908227, "edge_cells": 2},
        "Within 2 cells of the edge of what the network sees at once, ground says 1.08 times as "
        "much as elsewhere, in size.",
    ),
    (
        CHIPS | {"test": "edges", "value": 0.5838191105313164},
        "In the outer eighth of a chip on each side heat is 0.58 times as strong as inside.",
    ),
    (
        CHIPS | {"test": "deletion", "value": None, "reason": "no map"},
        "There is no heat to compare.",
    ),
    (
        CHIPS | {"test": "insertion", "value": None, "reason": "predicted alike"},
        "All chips are predicted alike.",
    ),
    (
        AREAS | {"test": "edges", "value": None, "reason": "no edge", "edge_cells": 2},
        "No area has ground both beside the edge of what the network sees at once and elsewhere.",
    ),
]


@pytest.mark.parametrize(("record", "sentence"), SAID)
def test_a_record_becomes_a_sentence(record: dict[str, Any], sentence: str) -> None:
    assert say_check(record) == sentence


def test_every_check_of_every_kind_of_sample_has_its_sentence() -> None:
    tests = ("randomised weights", *moves.MOVES, "flat chips", "edges")
    expected = {(test, of) for test in tests for of in ("areas", "chips")}
    assert set(SENTENCES) == expected | {("completeness", "areas")}
    reasons = {("no map", of) for of in ("areas", "chips")}
    reasons |= {("predicted alike", of) for of in ("areas", "chips")}
    assert set(REASONS) == reasons | {("no edge", "areas")}
