from __future__ import annotations

from typing import Any

import pytest

from basrelief.config import DataSettings, Settings
from basrelief.judge.scores import find_worth
from basrelief.run import Record
from basrelief.stage_settings import SplitSettings
from basrelief.tell import findings, words
from basrelief.tell.findings import say_worth
from basrelief.tell.page.question import say_question

PICTURES = Settings(data=DataSettings(images="LIDAR", table="table.csv"))


def make_record(
    skill: float | None = 0.3,
    interval: tuple[float | None, float | None] = (0.1, 0.5),
    **given: Any,
) -> Record:
    record = {"recipe": "vgg16", "target": "crime", "scheme": "area", "unit": "area"}
    measured = {"n": 99, "mse": 0.3851, "mse_mean": 0.347, "skill": skill}
    ends = {"skill_low": interval[0], "skill_high": interval[1]}
    return record | measured | ends | {"worth": find_worth(measured | ends)} | given


def headline(*records: Record) -> str:
    found = findings.find_findings(list(records), "area")
    return findings.say_headline(found, PICTURES)


def test_a_recipe_worse_than_the_mean_is_called_so() -> None:
    assert headline(make_record(-0.11, (-0.2, -0.02))) == (
        "For crime, with whole areas held out, vgg16 is worse than always predicting the mean."
    )


def test_recipes_that_fare_the_same_share_one_verdict() -> None:
    said = headline(make_record(), make_record(recipe="other"))
    assert "vgg16 and other are better than always predicting the mean." in said


def test_recipes_that_differ_each_get_their_verdict() -> None:
    said = headline(make_record(), make_record(-0.2, (-0.3, -0.1), recipe="other"))
    assert "vgg16 is better than" in said
    assert "other is worse than always predicting the mean" in said


def test_several_targets_are_counted() -> None:
    said = headline(make_record(), make_record(-0.2, (-0.3, -0.1), target="imd"))
    assert said.endswith(
        "1 of 2 scores can be told better than by always predicting the mean: crime."
    )


def test_several_targets_without_success_are_said_plainly() -> None:
    said = headline(make_record(0.0, (-0.1, 0.1)), make_record(-0.2, (-0.3, -0.1), target="income"))
    assert "that any recipe beats always predicting the mean cannot be told, for any score" in said


def test_better_without_an_interval_is_not_counted_as_better() -> None:
    finding = findings.find_findings([make_record(0.3, (None, None))], "area")[0]
    assert finding.sense == "even"
    assert "too few blocks or areas for a range" in finding.words


def test_what_is_by_chance_is_not_counted_as_better() -> None:
    record = make_record(worth="by_chance")
    assert findings.find_findings([record], "area")[0].sense == "even"
    said = headline(record, make_record(target="imd", worth="by_chance"))
    assert "among so many scores, one like it is chance" in said
    said = headline(record, make_record(-0.2, (-0.3, -0.1), target="imd"))
    assert said.endswith("always predicting the mean cannot be told, for any score.")


def test_nothing_scored_is_said() -> None:
    assert "Nothing was scored" in findings.say_headline([], PICTURES)
    assert findings.find_strictest([]) is None


def test_a_score_that_cannot_be_had_makes_no_finding() -> None:
    assert findings.find_findings([make_record(None)], "area") == []


def test_the_main_score_is_per_area_where_areas_are_held_out() -> None:
    records = [make_record(unit="area"), make_record(unit="chip")]
    found = [findings.find_findings(order, "area") for order in (records, records[::-1])]
    assert [each[0].record["unit"] for each in found] == ["area", "area"]


def test_the_strictest_scheme_is_told() -> None:
    records = [make_record(scheme="random"), make_record(scheme="area")]
    assert findings.find_strictest(records) == "area"


def test_findings_are_grouped_best_first() -> None:
    records = [
        make_record(-0.2, (-0.3, -0.1), recipe="bad"),
        make_record(recipe="good"),
        make_record(recipe="good", target="income"),
    ]
    groups = findings.group_findings(findings.find_findings(records, "area"))
    assert [named for _, named in groups] == ["good for crime and income", "bad for crime"]


def test_a_bare_error_never_stands_alone() -> None:
    said = findings.say_errors(findings.find_findings([make_record()], "area"))
    assert said == "Mean squared error: vgg16 0.385, always predicting the mean 0.347."


def test_a_flattering_random_split_is_warned_of() -> None:
    records = [
        make_record(0.32, scheme="random", unit="chip"),
        make_record(-0.05, scheme="area", unit="chip"),
    ]
    leakage = [{"scheme": "random", "unit": "chip", "share_same_label": 0.953}]
    warning = findings.warn_of_leak(records, leakage, PICTURES)
    assert warning is not None
    assert "skill of 0.32 for crime; with whole areas held out the same recipe has −0.05" in warning
    assert "95% of the test chips" in warning


@pytest.mark.parametrize("flattered", [0.01, -0.3])
def test_a_random_split_that_does_not_flatter_is_not_warned_of(flattered: float) -> None:
    records = [
        make_record(flattered, scheme="random", unit="chip"),
        make_record(0.0, scheme="area", unit="chip"),
    ]
    assert findings.warn_of_leak(records, [], PICTURES) is None


def test_blocks_are_named_with_their_buffer() -> None:
    split = SplitSettings(block_m=1500.0, buffer_m=250.0)
    settings = PICTURES.model_copy(update={"split": split})
    assert words.name_scheme("block", settings) == (
        "whole 1.5\xa0km blocks and the 250\xa0m around them held out"
    )


def test_the_question_names_where_the_ground_came_from() -> None:
    with_terrain = Settings(data=DataSettings(dsm="a", areas="b", labels="c", dtm="d"))
    without = Settings(data=DataSettings(dsm="a", areas="b", labels="c"))
    assert "terrain rasters." in say_question(with_terrain)
    assert "estimated from the surface" in say_question(without)
    assert "picture alone" in say_question(PICTURES)


def test_a_verdict_on_few_areas_is_called_a_hint() -> None:
    few = findings.find_findings([make_record(), make_record(recipe="other", n=11)], "area")
    warning = findings.warn_of_few(few)
    assert warning is not None
    assert "other was judged on only 11 held-out areas" in warning
    assert findings.warn_of_few(few[:1]) is None
    assert findings.warn_of_few([]) is None


def test_many_districts_are_counted_and_unnamed_ones_not_told() -> None:
    assert (
        words.say_place([f"District {k}" for k in range(9)], 1200) == "1,200 areas in 9 districts."
    )
    assert words.say_place([], 20) == ""


@pytest.mark.parametrize(
    ("skill", "low", "high", "words"),
    [
        (0.3, 0.1, 0.5, "better than always predicting the mean"),
        (-0.2, -0.4, -0.1, "worse than always predicting the mean"),
        (-0.2, -0.4, 0.1, "cannot be told from always predicting the mean (the range includes 0)"),
        (0.2, -0.1, 0.4, "cannot be told from always predicting the mean (the range includes 0)"),
        (-1e-17, -0.1, 0.1, "cannot be told from always predicting the mean (a skill so near 0"),
        (
            0.2,
            None,
            None,
            "cannot be told from always predicting the mean (too few blocks or areas",
        ),
        (
            -0.2,
            None,
            None,
            "cannot be told from always predicting the mean (too few blocks or areas",
        ),
        (None, None, None, "cannot be judged"),
    ],
)
def test_what_a_score_is_worth_is_said(
    skill: float | None, low: float | None, high: float | None, words: str
) -> None:
    record = {"skill": skill, "skill_low": low, "skill_high": high}
    assert say_worth(record | {"worth": find_worth(record)}).startswith(words)


def test_a_gain_that_chance_gives_too_is_said_not_to_be_told() -> None:
    said = say_worth(make_record(worth="by_chance"))
    assert said.startswith("cannot be told from always predicting the mean (among so many scores")
    assert "chance" in said


@pytest.mark.parametrize(
    ("worth", "sense"), [("worse", "even"), ("better", "better"), ("untested", "even")]
)
def test_with_the_model_held_fixed_only_a_claim_that_survives_has_a_sign(
    worth: str, sense: str
) -> None:
    # Better is said only of claims that survive chance; of worse there is no claim.
    record = make_record(-0.4, (-0.6, -0.2), worth=worth) | {"interval": "resampled"}
    (finding,) = findings.find_findings([record], "area")
    assert finding.sense == sense
    assert finding.words.startswith("cannot be told from") == (sense == "even")
    (fitted,) = findings.find_findings([record | {"interval": "refitted"}], "area")
    assert (fitted.sense == "worse") == (worth == "worse")


@pytest.mark.parametrize("worth", ["no_better", "by_chance", "untested", "unsure", "no_interval"])
def test_absence_is_never_told_as_proof(worth: str) -> None:
    assert say_worth(make_record(worth=worth)).startswith("cannot be told from")
