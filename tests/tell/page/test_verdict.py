from __future__ import annotations

import pytest

from basrelief.judge.scores import find_worth
from basrelief.run import Record
from basrelief.tell.findings import Finding
from basrelief.tell.page.chart import Statement
from basrelief.tell.page.results import say_versus
from basrelief.tell.page.verdict import Preferred, group_by_worth, say_preference, say_verdict
from basrelief.tell.senses import SENSES

HOW = "however ground is held out"


def choose(*recipes: str) -> dict[str, Preferred]:
    return {str(i): Preferred(recipe, "", None) for i, recipe in enumerate(recipes)}


def headline(grid: dict[str, dict[str, Preferred]]) -> str:
    return say_verdict(group_by_worth(grid, HOW), len(grid))


def make_finding(skill: float, low: float | None, high: float | None) -> Finding:
    record: Record = {"recipe": "a", "target": "crime", "scheme": "lad", "unit": "area"}
    record |= {"skill": skill, "skill_low": low, "skill_high": high}
    return Finding(record | {"worth": find_worth(record)})


def test_lidar_that_is_preferred_everywhere_is_worth_having() -> None:
    grid = {"crime": choose("dense-vgg16", "relief-statistics"), "health": choose("mean", "mean")}
    expected = f"For crime, LIDAR is worth having {HOW}. For the other one that cannot be told."
    assert headline(grid) == expected


def test_lidar_that_is_preferred_somewhere_is_not_praised_everywhere() -> None:
    grid = {"crime": choose("dense-vgg16", "place-alone")}
    assert headline(grid) == "For crime: LIDAR is worth having in some of the tests."


def test_a_baseline_without_lidar_is_no_credit_to_lidar() -> None:
    grid = {"crime": choose("place-alone", "mean"), "health": choose("district-mean", "mean")}
    assert headline(grid) == "That LIDAR is worth having cannot be told for any of the 2 scores."
    assert [group.key for group in group_by_worth(grid, HOW)] == ["plain"]


def test_worse_with_an_interval_that_includes_the_mean_cannot_be_told() -> None:
    finding = make_finding(-0.1, -0.3, 0.1)
    assert finding.words.startswith(
        "cannot be told from always predicting the mean (the range includes 0"
    )
    assert finding.sense == "even"


def test_a_skill_that_is_next_to_nothing_cannot_be_told_however_sure() -> None:
    assert make_finding(0.01, 0.005, 0.015).sense == "even"


def test_what_is_beaten_by_another_is_said() -> None:
    finding = make_finding(0.2, 0.1, 0.3)
    other: Record = {"recipe": "a", "target": "crime", "scheme": "lad", "unit": "area"}
    other |= {"versus": "place-alone", "differs_in": ["heights", "place"]}
    other |= {"beats": False, "is_beaten": True}
    said = say_versus(finding, [other, other | {"scheme": "area", "versus": "b"}])
    assert said == (
        Statement("better", "beats the mean"),
        Statement("worse", "is beaten by place-alone [LIDAR, place]"),
    )


def test_joining_place_is_told_from_lidar_alone_without_colour() -> None:
    alone, both = (Preferred("x", "", 0.3, joins=joins) for joins in (False, True))
    assert (SENSES[alone.kind].sign, SENSES[both.kind].sign) == ("◆", "◆◇")
    (group,) = group_by_worth({"crime": {"lad": alone, "block": both}}, "everywhere")
    assert group.key == "always"


def test_joining_place_is_no_credit_to_lidar_that_adds_nothing() -> None:
    joined = Preferred("x", "", 0.3, joins=True, adds=False)
    grid = {"crime": {"lad": joined}, "health": choose("mean")}
    assert headline(grid) == "That LIDAR is worth having cannot be told for any of the 2 scores."
    assert headline({"crime": {"lad": joined}}) == (
        "For crime: that LIDAR adds to what is known without it cannot be told."
    )
    mixed = {"lad": joined, "block": Preferred("x", "", 0.3)}
    assert headline({"crime": mixed}) == "For crime: LIDAR is worth having in some of the tests."


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("none_better", "the rest cannot be told"),
        ("no_intervals", "too few blocks or areas"),
        ("most_skill", "the one with most skill"),
        ("lidar_adds", "the simplest of those to which LIDAR adds"),
        ("more_without_lidar", "nothing beats it, and it has more skill than"),
    ],
)
def test_why_a_recipe_is_preferred_is_said(reason: str, words: str) -> None:
    record = {"recipe": "a", "reason": reason, "beaten": {}, "alike": []}
    assert say_preference(record, lambda *_: ()).startswith(words)
