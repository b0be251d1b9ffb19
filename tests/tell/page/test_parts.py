"""What each part of a recipe brings, in numbers and in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings
from basrelief.judge.scores import find_worth
from basrelief.learn.knowledge import CODES
from basrelief.run import Run, read_json, write_json
from basrelief.stage_settings import ModelSettings
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.gains import say_difference
from basrelief.tell.page import parts, report

Reader = Callable[[str, str], str]
Writer = Callable[..., Run]
KEY_PART, BOTH = "dense-vgg16", "place-and-district"
HELD_OUT = "whole 1\xa0km blocks and the 500\xa0m around them held out"


def apart(
    difference: float, low: float, high: float, versus: str = "mean", *differs_in: str
) -> dict[str, Any]:
    told = {"versus": versus, "differs_in": list(differs_in), "r2": 0.123}
    told |= {"beats": low > 0, "is_beaten": high < 0}
    return {"difference": difference, "low": low, "high": high} | told


def add_joined(run: Run, kind: str) -> Run:
    """Add a recipe named both, of which dense-vgg16 is a part, to a judged run."""
    joins = kind == "kriged"
    knows = ["heights", "place", "district"] if joins else ["heights"]
    yardstick = BOTH if joins else "mean"
    mine = "/home/planted/mine.toml"
    made_of = f'trend = "{mine}"' if joins else f'members = ["{mine}", "dense-vgg16"]'
    recipe = f'name = "both"\nabout = "b"\nkind = "{kind}"\n{made_of}\n'
    (run.models / "both" / "final").mkdir(parents=True)
    (run.models / "both" / "final" / "recipe.toml").write_text(recipe)
    trained = read_json(run.models / "recipes.json")
    write_json(run.models / "recipes.json", [*trained, trained[0] | {"recipe": "both"}])
    scores = read_json(run.scores)
    others = [scores[0] | {"recipe": "both", "skill": 0.55}]
    others.append(scores[0] | {"recipe": BOTH, "skill": 0.25})
    write_json(run.scores, scores + others)
    evaluate = run.folder / "evaluate"
    against = read_json(evaluate / "comparisons.json")
    recipes = read_json(evaluate / "recipes.json")
    recipes.append({"recipe": "both", "knows": knows, "yardsticks": {"heights": yardstick}})
    recipes.append({"recipe": BOTH, "knows": ["place", "district"], "yardsticks": {}})
    write_json(evaluate / "recipes.json", recipes)
    known = {record["recipe"]: record["knows"] for record in recipes}
    both = [
        against[0] | {"recipe": "both", "versus": other} | _differ(knows, known[other])
        for other in ("place-alone", BOTH, KEY_PART)
    ]
    write_json(evaluate / "comparisons.json", against + both)
    mean = {"scheme": "block", "unit": "area", "n_targets": 1, "skill_low": 0.1, "skill_high": 0.6}
    means = [
        mean | {"recipe": KEY_PART, "skill": 0.2} | apart(0.2, -0.07, 0.3, "mean", "heights"),
        mean | {"recipe": "place-alone", "skill": 0.19} | apart(0.19, 0.1, 0.3, "mean", "place"),
        mean | {"recipe": BOTH, "skill": 0.27} | apart(0.27, 0.1, 0.4, "mean", "place", "district"),
        mean | {"recipe": "both", "skill": 0.38} | apart(0.11, 0.02, 0.25, yardstick, "heights"),
    ]
    told = [record | {"interval": "refitted", "worth": find_worth(record)} for record in means]
    write_json(evaluate / "over_targets.json", told)
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


def _differ(one: list[str], other: list[str]) -> dict[str, list[str]]:
    return {"differs_in": [code for code in CODES if (code in one) != (code in other)]}


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
    without = [("place alone", 0.19), ("place and district without LIDAR", 0.27)]
    assert skills == [("LIDAR alone", 0.2), *without, ("both", 0.38)]
    assert [row.is_asked for row in scheme["rows"]] == [False, False, False, True]
    assert {row.note for row in scheme["rows"]} == {"R² 0.12"}


def test_a_gain_is_said_with_its_interval(page: str, section: Reader) -> None:
    said = section(page, "parts")
    assert "▲ both adds 0.11 (0.02 to 0.25; 95%) to place and district without LIDAR" in said
    part = "dense-vgg16 cannot be told from always predicting the mean: 0.20 (−0.07 to 0.30; 95%)"
    assert f"● {part}" in said
    assert "It beats LIDAR alone by what it knows of place and district for crime." in said
    # Place alone is no pair of it that differs in LIDAR alone.
    assert "to place alone" not in said
    assert "from place alone" not in said


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
    without = "0.19 place alone, 0.27 place and district without LIDAR"
    told = f"mean skill 0.20 LIDAR alone, {without}, 0.38 both</span></summary>"
    assert part.index(headings[0]) < part.index("<details><summary><h3") < part.index(told)


def test_the_verdict_says_where_lidar_adds_to_what_joins_it(page: str, facts: Facts) -> None:
    ((name, said),) = parts.say_joined(facts)
    beaten = "it beats place and district without LIDAR for crime"
    assert (name, said) == ("both", f"With {HELD_OUT} {beaten}.")
    summary = 'both joins LIDAR and place <span class="n">what LIDAR adds in it</span>'
    assert f"<summary>{summary}</summary><p>{said}</p>" in page


def test_what_was_told_to_a_recipe_that_joins_place_is_not_denied(
    page: str, section: Reader
) -> None:
    assert "Only both was told more: where areas lie, their district," in section(page, "question")


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
    labels = list(parts.name_components(facts, "both").values())
    assert labels == ["dense-vgg16 alone", "place alone", "together"]
    assert not facts.joining


def test_what_falls_short_is_said_so() -> None:
    assert say_difference(apart(-0.2, -0.3, -0.1), "place alone") == (
        "worse",
        "falls short of place alone: −0.20 (−0.30 to −0.10)",
    )


def test_without_an_interval_nothing_is_said() -> None:
    assert say_difference({"difference": 0.2, "low": None, "high": None}, "x") is None


def test_weights_of_several_members_are_told_by_name() -> None:
    record = {"members": {"a": 0.5, "b": 0.25}, "fallback_share": 0.0, "weighed_by": "stacking"}
    assert parts.say_kept(record, joins_place=False) == "Inner folds kept 50% of a and 25% of b."


def test_a_probability_near_its_prior_tells_nothing() -> None:
    record = {"members": {"a": 0.5, "b": 0.97}, "fallback_share": 0.0, "weighed_by": "posterior"}
    assert parts.say_kept(record, joins_place=True, adds=True) == (
        "The labels learnt from do not tell whether a says something beside place. "
        "By the labels learnt from, it is 97% likely that b says something beside place."
    )


def test_eyes_of_a_plural_name_say_something() -> None:
    (said,) = parts.say_posterior({"street pictures": 0.97}, "the others and place", "say")
    assert "97% likely that street pictures say something beside the others and place" in said


@pytest.mark.parametrize(
    ("beats", "interval", "told"),
    [(True, "refitted", True), (False, "refitted", False), (True, "resampled", False)],
)
def test_a_likelihood_is_told_only_where_the_gain_beside_it_is(
    facts: Facts, beats: bool, interval: str, told: bool
) -> None:
    gain = {"beats": beats, "interval": interval}
    against = [record | gain for record in facts.judged.comparisons]
    likely = {"members": {KEY_PART: 0.97}, "weighed_by": "posterior"}
    kept = [record | likely for record in facts.judged.member_weights]
    judged = replace(facts.judged, comparisons=against, member_weights=kept)
    found = parts.gather(replace(facts, judged=judged))
    assert found is not None
    ((chart,),) = (scheme["charts"] for scheme in found["parts"][0]["schemes"])
    assert (chart.statement.sense == "better") is told
    assert ("97% likely that LIDAR says something" in chart.because) is told
    assert ("Whether LIDAR adds anything" in chart.because) is not told
