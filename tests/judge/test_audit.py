from __future__ import annotations

from typing import Any

import pytest

from basrelief.judge.audit import build_audit
from basrelief.judge.scores import find_worth
from basrelief.run import Run, read_json

LEAKAGE: list[dict[str, Any]] = [
    {"scheme": "random", "unit": "chip", "share_same_label": 0.75, "share_same_area": 0.9},
    {"scheme": "block", "unit": "chip", "share_same_label": 0.0, "share_same_area": 0.1},
    {"scheme": "block", "unit": "area", "share_same_label": None, "share_same_area": 0.0},
]


def score(
    recipe: str, scheme: str, skill: float | None, unit: str = "area", survives: bool = True
) -> dict[str, Any]:
    low, high = (None, None) if skill is None else (skill - 0.1, skill + 0.1)
    record: dict[str, Any] = {"recipe": recipe, "target": "crime", "scheme": scheme, "unit": unit}
    record |= {"skill": skill, "skill_low": low, "skill_high": high}
    return record | {"worth": find_worth(record, survives)}


def compare(recipe: str, scheme: str, unit: str, beats: bool, is_beaten: bool) -> dict[str, Any]:
    key = {"recipe": recipe, "versus": "place-alone", "target": "crime", "scheme": scheme}
    return key | {
        "differs_in": ["heights", "place"],
        "differs_how": ["learner"],
        "unit": unit,
        "beats": beats,
        "is_beaten": is_beaten,
    }


def test_all_schemes_stand_side_by_side_and_those_not_run_are_empty() -> None:
    scores = [score("vgg16", "random", 0.6, "chip"), score("vgg16", "block", 0.1, "chip")]
    audit = build_audit(scores, [], LEAKAGE, ["vgg16"], {})
    (row,) = audit["table"]
    assert row == {
        **{"recipe": "vgg16", "target": "crime", "unit": "chip", "random": 0.6},
        **{"area": None, "msoa": None, "lad": None, "block": 0.1},
    }
    assert audit["same_label"] == {"random": 0.75, "block": 0.0}
    assert audit["place_alone"] == []


def test_the_shares_of_test_chips_with_a_training_chips_label_and_area_are_told() -> None:
    audit = build_audit([], [], LEAKAGE, [], {})
    assert audit["same_label"]["random"] == 0.75
    assert audit["same_area"]["random"] == 0.9


def test_place_alone_is_told_to_look_good_where_it_does() -> None:
    scores = [score("place-alone", "random", 0.8, "chip"), score("place-alone", "block", 0.05)]
    audit = build_audit(scores, [], [], [], {})
    (found,) = audit["place_alone"]
    assert (found["random"], found["block"], found["good"]) == (0.8, 0.05, ["random"])
    assert {row["unit"] for row in audit["table"]} == {"chip", "area"}


def test_what_is_gone_once_ground_is_held_out_is_told_to_leak() -> None:
    scores = [score("vgg16", "random", 0.7, "chip"), score("vgg16", "block", 0.02, "chip")]
    against = [compare("vgg16", "block", "chip", beats=False, is_beaten=True)]
    (found,) = build_audit(scores, against, [], ["vgg16"], {})["recipes"]
    assert (found["reading"], found["held_out"], found["better"]) == ("leaks", ["block"], [])
    assert (found["versus"], found["differs_in"]) == ("place-alone", ["heights", "place"])
    assert found["differs_how"] == ["learner"]
    assert (found["beats"], found["is_beaten"]) == ([], ["block"])


def test_what_holds_under_every_scheme_and_beats_place_is_told_to() -> None:
    scores = [score("dense", scheme, 0.4) for scheme in ("area", "lad")]
    against = [compare("dense", "lad", "area", beats=True, is_beaten=False)]
    (found,) = build_audit(scores, against, [], ["dense"], {})["recipes"]
    assert (found["reading"], found["better"]) == ("everywhere", ["area", "lad"])
    assert found["beats"] == ["lad"]


def test_what_joins_place_and_district_is_held_against_what_knows_both() -> None:
    scores = [score("joint", "lad", 0.4)]
    place = compare("joint", "lad", "area", beats=True, is_beaten=False)
    both = place | {"versus": "place-and-district", "beats": False, "differs_in": ["heights"]}
    yardsticks = {"joint": "place-and-district", "place-and-district": "mean"}
    (found,) = build_audit(scores, [place, both], [], ["joint"], yardsticks)["recipes"]
    assert (found["versus"], found["differs_in"]) == ("place-and-district", ["heights"])
    assert found["beats"] == []


def test_what_holds_under_some_schemes_only_is_told_so() -> None:
    scores = [score("dense", "area", 0.4), score("dense", "lad", 0.05)]
    (found,) = build_audit(scores, [], [], ["dense"], {})["recipes"]
    assert (found["reading"], found["better"], found["beats"]) == ("in_some", ["area"], None)


def test_what_chance_gives_too_is_not_told_from_the_mean() -> None:
    scores = [score("dense", "area", 0.4, survives=False), score("dense", "lad", 0.4)]
    (found,) = build_audit(scores, [], [], ["dense"], {})["recipes"]
    assert (found["reading"], found["better"]) == ("in_some", ["lad"])
    (found,) = build_audit(scores[:1], [], [], ["dense"], {})["recipes"]
    assert (found["reading"], found["better"]) == ("not_told", [])


@pytest.mark.parametrize(
    ("scheme", "skill", "reading"),
    [("random", 0.7, "random_only"), ("random", None, "unknown"), ("block", 0.05, "not_told")],
)
def test_what_says_nothing_of_other_ground_is_told_so(
    scheme: str, skill: float | None, reading: str
) -> None:
    record = score("vgg16", scheme, skill, "chip")
    (found,) = build_audit([record], [], [], ["vgg16"], {})["recipes"]
    assert found["reading"] == reading


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


def test_the_towns_audit_reads_what_was_planted(audit: dict[str, Any]) -> None:
    good = {record["target"]: record["good"] for record in audit["place_alone"]}
    assert "random" in good["barriers"]
    assert good["health"] == ["random"]
    lidar = {
        record["target"]: record
        for record in audit["recipes"]
        if (record["recipe"], record["unit"]) == ("relief-statistics", "area")
    }
    assert abs(lidar["barriers"]["block"]) < 0.005
    assert "block" in lidar["barriers"]["is_beaten"]
    assert lidar["crime"]["reading"] == "everywhere"
