"""What each eye adds, as the page tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.eyes import TableSettings
from basrelief.judge.yardsticks import Traits, find_yardsticks
from basrelief.run import Record, Run
from basrelief.tell.evaluation import Evaluation
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import eyes, parts, question, verdict

KNOWS = {
    "place-alone": ("place",),
    "dense-vgg16": ("heights",),
    "census": ("census",),
    "last": ("last",),
    "no-lidar": ("census", "last", "place"),
    "no-census": ("heights", "last", "place"),
    "no-last": ("heights", "census", "place"),
    "whole": ("heights", "census", "last", "place"),
}
SKILLS = dict(zip(KNOWS, (0.1, 0.2, 0.3, 0.5, 0.6, 0.55, 0.4, 0.61), strict=True))
TWINS = {"no-lidar": "heights", "no-census": "census", "no-last": "last"}


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
) -> Facts:
    run = write_judged(tmp_path_factory.mktemp("eyes") / "run")
    return read_facts(judged_settings, run)


def judge(facts: Facts, adds: set[str]) -> Facts:
    """The facts of a run of three eyes, of which some add to all others."""
    key: Record = {"target": "crime", "scheme": "block", "unit": "area", "interval": "refitted"}
    twins = [
        key
        | {"recipe": "whole", "versus": twin, "differs_in": [eye], "differs_how": [], "n": 20}
        | {"difference": SKILLS["whole"] - SKILLS[twin], "low": 0.01, "high": 0.4}
        | {"beats": eye in adds, "is_beaten": False}
        for twin, eye in TWINS.items()
    ]
    scores = [facts.scores[0] | {"recipe": k, "skill": v} for k, v in SKILLS.items()]
    mean = key | {"n_targets": 1, "r2": 0.1, "skill_low": 0.0, "skill_high": 0.9, "worth": "better"}
    means = [
        mean
        | {"recipe": name, "skill": skill, "versus": "mean", "differs_in": []}
        | {"over": {each["versus"]: each for each in twins} if name == "whole" else {}}
        for name, skill in SKILLS.items()
    ]
    by_eye = find_yardsticks({name: Traits(known) for name, known in KNOWS.items()})
    members = {"dense-vgg16": 0.9, "census": 0.99, "last": 1.0}
    weights = {"weighed_by": "posterior", "members": members, "fallback_share": 0.0}
    changed: Evaluation = replace(
        facts.judged,
        comparisons=twins,
        over_targets=means,
        recipes=[
            {"recipe": name, "knows": list(known), "yardsticks": by_eye[name]}
            for name, known in KNOWS.items()
        ],
        member_weights=[key | {"recipe": "whole"} | weights],
    )
    tables = {
        "census": TableSettings(file="c.csv", columns=["a"]),
        "last": TableSettings(file="l.csv", role="last_release"),
    }
    data = facts.settings.data.model_copy(update={"tables": tables})
    settings = facts.settings.model_copy(update={"data": data})
    return replace(facts, judged=changed, scores=scores, settings=settings)


def test_lidar_alone_needs_no_such_section(plain: Facts) -> None:
    assert eyes.gather(plain) is None


def test_every_eye_stands_alone_together_and_left_out(plain: Facts) -> None:
    told = eyes.gather(judge(plain, {"last"}))
    assert told is not None
    assert told["eyes"] == ["LIDAR", "census", "last"]
    (scheme,) = told["schemes"]
    rows = [(row.label, row.points[0].value) for row in scheme["rows"]]
    alone = [("LIDAR alone", 0.2), ("census alone", 0.3), ("last alone", 0.5)]
    without = [("all but LIDAR", 0.6), ("all but census", 0.55), ("all but last", 0.4)]
    assert rows == [*alone, ("no eye: place", 0.1), *without, ("all eyes", 0.61)]


def test_only_what_survives_chance_is_said_to_add(plain: Facts) -> None:
    told = eyes.gather(judge(plain, {"last", "census"}))
    assert told is not None
    gains = {gain.words.split()[0]: gain for gain in told["schemes"][0]["gains"]}
    assert [gains[name].sense for name in ("LIDAR", "census", "last")] == [
        "even",
        "better",
        "better",
    ]
    assert gains["LIDAR"].words.startswith("LIDAR is not known to add to census, last, and where")
    assert gains["last"].words.startswith("last adds 0.21 (0.01 to 0.40; 95%) to LIDAR, census")
    (chart,) = told["schemes"][0]["charts"]
    assert "99% likely that census says something beside the others and place" in chart.because
    # How likely it is that LIDAR says anything would pass for the gain that is not told.
    assert "LIDAR" not in chart.because


def test_that_lidar_adds_nothing_to_a_release_is_said_plainly(plain: Facts) -> None:
    told = eyes.gather(judge(plain, {"last"}))
    assert told is not None
    (sentence,) = told["release"]
    assert (
        "that LIDAR adds to last, census, and where areas lie for crime cannot be told" in sentence
    )
    told = eyes.gather(judge(plain, {"last", "heights"}))
    assert told is not None
    assert told["release"] == []


def test_what_knows_other_eyes_is_not_told_as_lidar_and_place(plain: Facts) -> None:
    facts = replace(judge(plain, {"last"}), asked=["whole", "no-lidar"])
    assert parts.gather(facts) is None
    assert parts.say_joined(facts) == []
    kinds = {
        name: verdict.Preferred(name, "", 0.5, sees_lidar=name == "whole").kind
        for name in facts.asked
    }
    assert kinds == {"whole": "lidar", "no-lidar": "plain"}


def test_what_other_eyes_are_given_is_said_where_the_question_is(plain: Facts) -> None:
    facts = replace(judge(plain, {"last"}), asked=["dense-vgg16", "whole", "no-lidar"])
    said = question.say_question(facts.settings, facts.joined)
    assert "from relief alone, but where it is said below" in said
    assert "whole was given relief, census, last, where areas lie, and the scores" in said
    assert "no-lidar was given census, last, where areas lie" in said
    assert said.endswith("around them, and no relief.")
