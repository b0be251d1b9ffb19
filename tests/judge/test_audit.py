from __future__ import annotations

from typing import Any

import pytest

from basrelief.judge.audit import build_audit
from basrelief.run import Run, read_json

LEAKAGE: list[dict[str, Any]] = [
    {"scheme": "random", "unit": "chip", "share_same_label": 0.75, "share_same_area": 0.9},
    {"scheme": "block", "unit": "chip", "share_same_label": 0.0, "share_same_area": 0.1},
    {"scheme": "block", "unit": "area", "share_same_label": None, "share_same_area": 0.0},
]


def score(recipe: str, scheme: str, skill: float, unit: str = "area") -> dict[str, Any]:
    key = {"recipe": recipe, "target": "crime", "scheme": scheme, "unit": unit}
    return key | {"skill": skill, "skill_low": skill - 0.1, "skill_high": skill + 0.1}


def compare(recipe: str, scheme: str, unit: str, beats: bool, is_beaten: bool) -> dict[str, Any]:
    key = {"recipe": recipe, "versus": "place-alone", "target": "crime", "scheme": scheme}
    return key | {"unit": unit, "beats": beats, "is_beaten": is_beaten}


def test_all_schemes_stand_side_by_side_and_those_not_run_are_empty() -> None:
    scores = [score("vgg16", "random", 0.6, "chip"), score("vgg16", "block", 0.1, "chip")]
    audit = build_audit(scores, [], LEAKAGE, ["vgg16"])
    (row,) = audit["table"]
    assert row == {
        **{"recipe": "vgg16", "target": "crime", "unit": "chip", "random": 0.6},
        **{"area": None, "msoa": None, "lad": None, "block": 0.1},
    }
    assert audit["same_label"] == {"random": 0.75, "block": 0.0}
    assert audit["place_alone"] == []


def test_the_share_of_test_chips_with_a_training_chips_label_is_said() -> None:
    (sentence,) = build_audit([], [], LEAKAGE, [])["sentences"]
    assert "75% of the test chips carry the very label" in sentence
    assert "90% lie in the area" in sentence


def test_place_alone_is_said_to_look_good_where_it_does() -> None:
    scores = [score("place-alone", "random", 0.8, "chip"), score("place-alone", "block", 0.05)]
    audit = build_audit(scores, [], [], [])
    (sentence,) = audit["sentences"]
    assert "skill 0.80 with chips at random and 0.05 with whole blocks" in sentence
    assert "It looks good with chips at random:" in sentence
    assert {row["unit"] for row in audit["place_alone"]} == {"chip", "area"}


def test_what_is_gone_once_ground_is_held_out_is_called_the_neighbours_label() -> None:
    scores = [score("vgg16", "random", 0.7, "chip"), score("vgg16", "block", 0.02, "chip")]
    against = [compare("vgg16", "block", "chip", beats=False, is_beaten=True)]
    (sentence,) = build_audit(scores, against, [], ["vgg16"])["sentences"]
    assert "gone once ground is held out: it was the neighbours' label" in sentence
    assert "Place alone beats it with whole blocks" in sentence


def test_what_holds_under_every_scheme_and_beats_place_is_said_to() -> None:
    scores = [score("dense", scheme, 0.4) for scheme in ("area", "lad")]
    against = [compare("dense", "lad", "area", beats=True, is_beaten=False)]
    (sentence,) = build_audit(scores, against, [], ["dense"])["sentences"]
    assert "better than the mean under every scheme that holds out ground" in sentence
    assert "It beats place alone with whole districts held out." in sentence


def test_chips_at_random_alone_say_nothing_of_other_ground() -> None:
    (sentence,) = build_audit([score("vgg16", "random", 0.7, "chip")], [], [], ["vgg16"])[
        "sentences"
    ]
    assert "nothing is known about other ground" in sentence


@pytest.fixture(scope="module")
def audit(town_run: Run) -> dict[str, Any]:
    """The audit of the town, whose barriers are a smooth surface of the coordinates alone."""
    found: dict[str, Any] = read_json(town_run.folder / "evaluate" / "audit.json")
    return found


def skills(audit: dict[str, Any], recipe: str, target: str, unit: str) -> dict[str, Any]:
    rows = audit["table"]
    (row,) = (
        row for row in rows if (row["recipe"], row["target"], row["unit"]) == (recipe, target, unit)
    )
    return dict(row)


def test_in_the_town_smooth_noise_looks_good_to_chips_at_random_and_to_place_alone(
    audit: dict[str, Any],
) -> None:
    assert skills(audit, "place-alone", "barriers", "chip")["random"] > 0.9
    assert skills(audit, "place-alone", "barriers", "area")["block"] > 0.5
    # A trend fitted beside what neighbours share does not take place for relief.
    lidar = skills(audit, "relief-statistics", "barriers", "area")
    assert abs(lidar["area"]) < 0.05
    assert abs(lidar["block"]) < 0.05
    assert skills(audit, "random-features", "barriers", "area")["block"] < 0.05
    assert skills(audit, "relief-statistics", "crime", "area")["block"] > 0.5


def test_in_the_town_pure_noise_is_known_to_chips_at_random_alone(audit: dict[str, Any]) -> None:
    row = skills(audit, "place-alone", "health", "chip")
    assert row["random"] > 0.7
    assert skills(audit, "place-alone", "health", "area")["area"] < 0.1
    assert audit["same_label"]["random"] > 0.2


def test_the_towns_audit_says_so_in_words(audit: dict[str, Any]) -> None:
    said = audit["sentences"]
    (place,) = (line for line in said if line.startswith("barriers: place alone"))
    assert "It looks good" in place
    assert "chips at random" in place
    (lidar,) = (line for line in said if line.startswith("relief-statistics on barriers, by area"))
    assert "0.00 with whole blocks and their buffer held out" in lidar
    assert "Place alone beats it" in lidar
    (noise,) = (line for line in said if line.startswith("health: place alone"))
    assert "It looks good with chips at random:" in noise
    (known,) = (line for line in said if line.startswith("relief-statistics on crime, by area"))
    assert "better than the mean under every scheme" in known
