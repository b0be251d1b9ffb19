"""What each part of a recipe brings, in numbers and in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import ModelSettings, Settings
from basrelief.run import Run, read_json, write_json
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import parts, report

Reader = Callable[[str, str], str]
Writer = Callable[..., Run]
KEY_PART = "dense-vgg16"
HELD_OUT = "whole 1\xa0km blocks and the 500\xa0m around them held out"


def apart(difference: float, low: float, high: float) -> dict[str, Any]:
    return {"difference": difference, "low": low, "high": high}


def add_joined(run: Run, kind: str) -> Run:
    """Add a recipe named both, of which dense-vgg16 is a part, to a judged run."""
    recipe = f'name = "both"\nabout = "b"\nkind = "{kind}"\ntrend = "/home/planted/mine.toml"\n'
    (run.models / "both" / "final").mkdir(parents=True)
    (run.models / "both" / "final" / "recipe.toml").write_text(recipe)
    scores = read_json(run.scores)
    write_json(run.scores, [*scores, scores[0] | {"recipe": "both", "skill": 0.55}])
    evaluate = run.folder / "evaluate"
    against = read_json(evaluate / "comparisons.json")
    both = [against[0] | {"recipe": "both"}, against[0] | {"recipe": "both", "versus": KEY_PART}]
    write_json(evaluate / "comparisons.json", against + both)
    mean = {"scheme": "block", "unit": "area", "n_targets": 1, "skill_low": 0.1, "skill_high": 0.6}
    means = [
        mean | {"recipe": KEY_PART, "skill": 0.2} | apart(0.01, -0.07, 0.1),
        mean | {"recipe": "place-alone", "skill": 0.19} | apart(0.0, 0.0, 0.0),
        mean | {"recipe": "both", "skill": 0.38} | apart(0.19, 0.12, 0.25),
    ]
    write_json(evaluate / "over_targets.json", means)
    kept = {"recipe": "both", "scheme": "block", "target": "crime"}
    weights = {"members": {KEY_PART: 0.62}, "fallback_share": 0.3, "weighed_by": "stacking"}
    alone = kept | weights | {"recipe": KEY_PART}
    write_json(evaluate / "member_weights.json", [kept | weights, alone])
    return run


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, judged_settings: Settings) -> Settings:
    recipe = tmp_path_factory.mktemp("recipes") / "typed.toml"
    recipe.write_text(f'name = "both"\nabout = "b"\nkind = "kriged"\ntrend = "{KEY_PART}"\n')
    models = ModelSettings(recipes=[KEY_PART, str(recipe)])
    return judged_settings.model_copy(update={"models": models})


@pytest.fixture(scope="module")
def write_joined(write_judged: Callable[[Path], Run]) -> Writer:
    return lambda folder, kind="kriged": add_joined(write_judged(folder), kind)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, write_joined: Writer) -> Run:
    return write_joined(tmp_path_factory.mktemp("joined") / "run")


@pytest.fixture(scope="module")
def facts(joined: Run, settings: Settings) -> Facts:
    return read_facts(settings, joined)


@pytest.fixture(scope="module")
def page(joined: Run, settings: Settings) -> str:
    report.write_page(read_facts(settings, joined))
    return joined.report.read_text(encoding="utf-8")


def test_mean_lidar_place_and_both_stand_beside_each_other(facts: Facts) -> None:
    told = parts.gather(facts)
    assert told is not None
    (scheme,) = told["parts"][0]["schemes"]
    skills = [(row.label, row.points[0].value) for row in scheme["rows"]]
    assert skills == [("LIDAR alone", 0.2), ("place alone", 0.19), ("both", 0.38)]
    assert [row.is_asked for row in scheme["rows"]] == [False, False, True]


def test_a_gain_is_said_with_its_interval(page: str, section: Reader) -> None:
    said = section(page, "parts")
    assert "▲ both adds 0.19 (0.12 to 0.25) to place alone" in said
    assert "● dense-vgg16 cannot be told from place alone: 0.01 (−0.07 to 0.10)" in said
    assert "It beats LIDAR alone for crime." in said


def test_schemes_beyond_the_one_shown_are_folded_under_their_mean_skills(
    tmp_path: Path, write_joined: Writer, settings: Settings
) -> None:
    run = write_joined(tmp_path / "run")
    means = run.folder / "evaluate" / "over_targets.json"
    for path in (means, run.scores):
        records = read_json(path)
        write_json(path, records + [record | {"scheme": "lad"} for record in records])
    report.write_page(read_facts(settings, run))
    page = run.report.read_text(encoding="utf-8")
    part = page[page.index('<section id="parts">') : page.index("A gain is the mean")]
    headings = re.findall(r"<h3[^>]*>(.*?)(?: <span|</h3>)", part)
    assert headings == [f"both: {HELD_OUT}", "both: whole districts held out"]
    told = "mean skill 0.20 LIDAR alone, 0.19 place alone, 0.38 both</span></summary>"
    assert part.index(headings[0]) < part.index("<details><summary><h3") < part.index(told)


def test_the_verdict_says_where_joining_beats_place(page: str, facts: Facts) -> None:
    ((name, said),) = parts.say_joined(facts)
    assert (name, said) == ("both", f"With {HELD_OUT} it beats place alone for crime.")
    summary = "both joins LIDAR and place: what it adds to place alone"
    assert f"<summary>{summary}</summary><p>{said}</p>" in page


def test_what_was_told_to_a_recipe_that_joins_place_is_not_denied(
    page: str, section: Reader
) -> None:
    assert "Only both was told more: where areas lie" in section(page, "question")


def test_a_part_is_named_as_scored_and_not_as_typed(
    page: str, facts: Facts, section: Reader
) -> None:
    assert facts.joining == {"both": "dense-vgg16"}
    assert "planted" not in section(page, "parts")


def test_a_run_without_such_a_recipe_has_no_section(
    tmp_path: Path, write_judged: Callable[[Path], Run], judged_settings: Settings
) -> None:
    run = write_judged(tmp_path / "run")
    assert parts.gather(read_facts(judged_settings, run)) is None
    report.write_page(read_facts(judged_settings, run))
    assert 'id="parts"' not in run.report.read_text(encoding="utf-8")


def test_a_stack_is_held_against_its_members(
    tmp_path: Path, write_joined: Writer, settings: Settings
) -> None:
    facts = read_facts(settings, write_joined(tmp_path / "run", kind="stack"))
    labels = list(parts.list_parts(facts, "both").values())
    assert labels == ["dense-vgg16 alone", "place alone", "together"]
    assert not facts.joining


def test_what_falls_short_is_said_so() -> None:
    gain = parts.say_difference(apart(-0.2, -0.3, -0.1), "place alone")
    assert gain is not None
    assert (gain.sense, gain.words) == (
        "worse",
        "falls short of place alone: −0.20 (−0.30 to −0.10)",
    )


def test_without_an_interval_nothing_is_said() -> None:
    assert parts.say_difference({"difference": 0.2, "low": None, "high": None}, "x") is None


def test_weights_of_several_members_are_told_by_name() -> None:
    record = {"members": {"a": 0.5, "b": 0.25}, "fallback_share": 0.0, "weighed_by": "stacking"}
    assert parts.say_kept(record, joins_place=False) == "Inner folds kept 50% of a and 25% of b."
