from __future__ import annotations

from typing import Any

import pytest

from basrelief.judge.audit import build_audit
from basrelief.judge.scores import find_worth
from basrelief.tell.page.audit import say_audit

LEAKAGE: list[dict[str, Any]] = [
    {"scheme": "random", "unit": "chip", "share_same_label": 0.75, "share_same_area": 0.9},
    {"scheme": "block", "unit": "area", "share_same_label": None, "share_same_area": 0.0},
]


def score(recipe: str, scheme: str, skill: float | None, unit: str = "area") -> dict[str, Any]:
    low, high = (None, None) if skill is None else (skill - 0.1, skill + 0.1)
    record: dict[str, Any] = {"recipe": recipe, "target": "imd", "scheme": scheme, "unit": unit}
    record |= {"skill": skill, "skill_low": low, "skill_high": high}
    return record | {"worth": find_worth(record)}


def say(
    scores: list[dict[str, Any]], leakage: list[dict[str, Any]], against: tuple[Any, ...] = ()
) -> str:
    """The one sentence about the recipe ``dense``, about place alone, or about leakage."""
    (sentence,) = say_audit(build_audit(scores, list(against), leakage, ["dense"], {}))
    return sentence


def compare(scheme: str, beats: bool, unit: str = "area") -> dict[str, Any]:
    key = {"recipe": "dense", "versus": "place-alone", "target": "imd", "scheme": scheme}
    return key | {
        "differs_in": ["heights", "place"],
        "differs_how": [],
        "unit": unit,
        "beats": beats,
        "is_beaten": not beats,
    }


def test_the_share_of_test_chips_with_a_training_chips_label_is_said() -> None:
    said = say([], LEAKAGE)
    assert "75% of the test chips carry the very label" in said
    assert "90% lie in the area" in said


def test_place_alone_is_said_to_look_good_where_it_does() -> None:
    said = say(
        [score("place-alone", "random", 0.8, "chip"), score("place-alone", "block", -0.0)], []
    )
    assert said.startswith("Multiple deprivation: place alone, without any LIDAR, has skill 0.80")
    assert "skill 0.80 with chips at random and 0.00 with whole blocks" in said
    assert "It looks good with chips at random:" in said


def test_what_is_gone_once_ground_is_held_out_is_called_the_neighbours_label() -> None:
    scores = [score("dense", "random", 0.7, "chip"), score("dense", "block", -0.05, "chip")]
    said = say(scores, [], (compare("block", beats=False, unit="chip"),))
    assert said.startswith("dense on multiple deprivation, by chip: skill 0.70")
    assert "−0.05 with whole blocks" in said
    assert "cannot be told once ground is held out: neighbours' labels are enough" in said
    assert "Place alone beats it with whole blocks" in said


def test_what_holds_under_every_scheme_and_beats_place_is_said_to() -> None:
    scores = [score("dense", scheme, 0.4) for scheme in ("area", "lad")]
    said = say(scores, [], (compare("lad", beats=True),))
    assert "better than the mean under every scheme that holds out ground" in said
    assert "It beats place alone with whole districts held out." in said


def test_what_beats_place_nowhere_may_know_no_more_than_place() -> None:
    scores = [score("dense", "area", 0.4), score("dense", "lad", 0.05)]
    said = say(scores, [], (compare("area", beats=False),))
    assert "with whole areas held out, which cannot be told with whole districts held" in said
    assert said.endswith(
        "It beats place alone nowhere: that it knows more than where an area is cannot be told. "
        "The two differ in LIDAR and place."
    )


@pytest.mark.parametrize(
    ("scheme", "skill", "words"),
    [
        ("random", 0.7, "nothing is known about other ground"),
        ("random", None, "cannot be judged, what was observed does not vary"),
        ("block", 0.05, "cannot be told from the mean under any scheme"),
    ],
)
def test_what_says_nothing_of_other_ground_is_said_so(
    scheme: str, skill: float | None, words: str
) -> None:
    assert words in say([score("dense", scheme, skill or 0.0, "chip") | {"skill": skill}], [])
