"""Whatever is told to beat another: the sentence names all that the two differ in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.judge.audit import build_audit
from basrelief.judge.baselines import BASELINES
from basrelief.judge.yardsticks import (
    MEAN,
    NOTHING,
    Traits,
    describe_recipe,
    differ,
    find_yardsticks,
    keep_lidar,
    tell_apart,
)
from basrelief.learn.knowledge import CODES, list_known
from basrelief.learn.recipe_files import list_recipes
from basrelief.learn.recipes import KrigedRecipe, Recipe
from basrelief.run import Record, Run
from basrelief.tell.cards.cards import list_scores
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.maps.layers import gather_layers
from basrelief.tell.page import audit, parts, results, targeting, verdict
from basrelief.tell.words import KNOWN_NAMES, RECIPE_NAMES, name_each, say_apart

RECIPES = list_recipes()
SCHEME = "block"
INTERVAL = {"difference": 0.2, "low": 0.1, "high": 0.3, "n": 20, "beats": True, "is_beaten": False}


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
) -> Facts:
    run = write_judged(tmp_path_factory.mktemp("like") / "run")
    return read_facts(judged_settings, run)


def judge(facts: Facts, recipe: Recipe) -> Facts:
    """The facts of a run that was asked for one recipe, which beats every baseline."""
    knows = {name: baseline.knows for name, baseline in BASELINES.items()}
    knows |= {
        recipe.name: list_known(recipe, facts.samples, facts.settings),
        "relief-statistics": ("heights",),
    }
    by_eye = find_yardsticks({name: Traits(known) for name, known in knows.items()})
    yardsticks = keep_lidar(by_eye)
    key = {"recipe": recipe.name, "target": "crime", "scheme": SCHEME, "unit": "area"}

    mine = describe_recipe(recipe, knows[recipe.name], facts.settings)
    theirs = {name: Traits(each.knows, {}, each.learner) for name, each in BASELINES.items()}
    theirs["relief-statistics"] = Traits(("heights",), {"heights": "relief"}, "linear")

    def apart(other: str) -> Record:
        apart = tell_apart(mine, theirs.get(other, NOTHING))
        return INTERVAL | {"versus": other} | apart

    comparisons = [key | apart(other) for other in knows if other != recipe.name]
    scores = [facts.scores[0] | {"recipe": name} for name in knows]
    mean = key | apart(yardsticks[recipe.name]) | {"n_targets": 1, "r2": 0.1}
    mean |= {"skill": 0.4, "skill_low": 0.2, "skill_high": 0.5}
    mean |= {"worth": "better", "interval": "refitted"}
    means: list[Record] = [mean, *(mean | {"recipe": name, "differs_in": []} for name in BASELINES)]
    without = yardsticks[recipe.name]
    rate = None if without == MEAN else 0.25
    hits = facts.judged.targeting[0] | {"versus": without, "versus_hit_rate": rate}
    evaluation = replace(
        facts.judged,
        comparisons=comparisons,
        recipes=[
            {"recipe": name, "knows": list(known), "yardsticks": by_eye[name]}
            for name, known in knows.items()
        ],
        preferred=[
            record
            | {"recipe": recipe.name, "beaten": {other: [recipe.name] for other in BASELINES}}
            for record in facts.judged.preferred
        ],
        targeting=[hits | {"recipe": recipe.name}],
        over_targets=means,
        residuals=facts.judged.residuals.assign(recipe=recipe.name),
        audit=build_audit(scores, comparisons, [], [recipe.name], yardsticks),
    )
    joining = {recipe.name: "dense-vgg16"} if isinstance(recipe, KrigedRecipe) else {}
    return replace(facts, judged=evaluation, scores=scores, asked=[recipe.name], joining=joining)


def tell(facts: Facts, name: str) -> Iterator[tuple[str, str]]:
    """Each sentence that compares the recipe with another, and the other's name."""
    yardstick = facts.judged.yardsticks[name]
    (finding,) = facts.findings
    (statement,) = results.say_versus(finding, facts.judged.comparisons)
    for other in (MEAN, *(record["versus"] for record in facts.judged.comparisons)):
        yield statement.words, other
    yield (
        audit.say_audit(facts.judged.audit, facts.judged.comparisons)[-1],
        facts.judged.audit["recipes"][0]["versus"],
    )
    (layer,) = gather_layers(facts)
    yield layer.say(), MEAN
    yield layer.say(), yardstick
    # What heads a column, or a part that is folded away, is said with what stands in it.
    (row,) = list_scores(facts)
    yield f"{row['versus']} without LIDAR", yardstick
    found = targeting.gather(facts)
    assert found
    yield f"{found['charts'][0]['rows'][0].note} without LIDAR", yardstick
    said = parts.say_joined(facts)
    yield from ((f"what LIDAR adds in it: {text}", yardstick) for _, text in said)
    if brought := parts.gather(facts):
        (scheme,) = brought["parts"][0]["schemes"]
        yield scheme["gains"][0].words, yardstick
        yield scheme["charts"][0].statement.words, yardstick
    yield verdict.gather(facts)["headline"], yardstick
    (choice,) = verdict.find_preferred(facts, "crime").values()
    _, *clauses = choice.reason.split("; ")
    yield from zip(clauses, BASELINES, strict=True)


def list_unnamed(
    told: Iterator[tuple[str, str]], recipe: str, knows: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """Each sentence that leaves out something that the recipe and another differ in."""
    sentences = list(told)
    assert len(sentences) > 10
    found = []
    for sentence, other in sentences:
        apart = name_each(differ(knows[recipe], knows.get(other, ())))
        # A network or a recipe of relief is LIDAR by what it is; beside the mean it says so where
        # the page says what skill is.
        if apart == ["LIDAR"] and other == MEAN:
            continue
        if any(name not in sentence for name in apart):
            found.append((other, sentence))
    return found


NO_LIDAR = ("dense-photo", "embedding", "street-resnet50v2", "street-vgg16")
OF_LIDAR = [recipe for recipe in RECIPES if recipe.name not in (*NO_LIDAR, "vgg16-photo")]
"""Sentences are of what LIDAR adds: not of other eyes, nor of what no pair shows to be LIDAR's."""


@pytest.mark.parametrize("recipe", OF_LIDAR, ids=lambda recipe: recipe.name)
def test_each_sentence_that_compares_names_all_that_the_two_differ_in(
    judged: Facts, recipe: Recipe
) -> None:
    facts = judge(judged, recipe)
    assert list_unnamed(tell(facts, recipe.name), recipe.name, facts.judged.knows) == []


def test_a_network_with_a_photo_beside_is_not_taken_for_lidar(judged: Facts) -> None:
    recipe = next(each for each in RECIPES if each.name == "vgg16-photo")
    facts = judge(judged, recipe)
    (choice,) = verdict.find_preferred(facts, "crime").values()
    # Nothing differs from it in LIDAR alone: it beats the mean by both of its eyes.
    assert (choice.kind, choice.adds) == ("joined", False)
    assert "LIDAR is worth having" not in verdict.gather(facts)["headline"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_that_knows_more_than_its_sentences_name_is_found_out(
    judged: Facts, recipe: Recipe
) -> None:
    facts = judge(judged, recipe)
    knows = facts.judged.knows
    more = knows | {recipe.name: [*knows[recipe.name], "size"]}
    unnamed = list_unnamed(tell(facts, recipe.name), recipe.name, more)
    # Whatever is told of it, not here and there one sentence.
    assert len({sentence for _, sentence in unnamed}) > 5
    assert {other for other, _ in unnamed} >= {MEAN, "place-alone"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_gain_from_lidar_is_told_over_what_differs_in_lidar_alone(
    judged: Facts, recipe: Recipe
) -> None:
    facts = judge(judged, recipe)
    yardstick = facts.judged.yardsticks[recipe.name]
    (layer,) = gather_layers(facts)
    expected = "place and district without LIDAR"
    assert (expected in layer.say()) == (yardstick == "place-and-district")
    assert not any("place alone" in text for _, text in parts.say_joined(facts))


def test_r2_stands_beside_skill_where_numbers_are_told(judged: Facts) -> None:
    (recipe,) = (each for each in RECIPES if isinstance(each, KrigedRecipe))
    facts = judge(judged, recipe)
    (choice,) = verdict.find_preferred(facts, "crime").values()
    assert choice.r2 == facts.scores[0]["r2"]
    (chart,) = results.gather(facts)["results"][0]["charts"]
    assert {row.note for row in chart.rows} == {"R² 0.50"}


def test_whatever_can_be_known_and_needs_no_lidar_has_a_name_in_sentences() -> None:
    assert set(KNOWN_NAMES) == set(CODES)
    assert set(RECIPE_NAMES) == {MEAN, *BASELINES}


def compare_all(facts: Facts) -> tuple[Facts, list[tuple[str, str]]]:
    """Facts in which every recipe was asked for and held against all others, and those pairs.

    The last of what a pair differs in is a code that no list of names knows: whatever judging
    finds to set two recipes apart is to be told.
    """
    knows = {name: baseline.knows for name, baseline in BASELINES.items()}
    knows |= {recipe.name: list_known(recipe, facts.samples, facts.settings) for recipe in RECIPES}
    pairs = [(one, other) for one in knows for other in knows if one != other]
    key = {"target": "crime", "scheme": SCHEME, "unit": "area", "interval": "refitted"}
    comparisons = [
        INTERVAL
        | key
        | {"recipe": one, "versus": other}
        | {
            "differs_in": [
                *differ(knows[one], knows[other]),
                f"way_of_{'_'.join(sorted((one, other)))}",
            ]
        }
        for one, other in pairs
    ]
    by_eye = find_yardsticks({name: Traits(known) for name, known in knows.items()})
    recipes = [
        {"recipe": name, "knows": list(known), "yardsticks": by_eye[name]}
        for name, known in knows.items()
    ]
    judged = replace(facts.judged, comparisons=comparisons, recipes=recipes)
    scores = [facts.scores[0] | {"recipe": name} for name in knows]
    return replace(facts, judged=judged, scores=scores, asked=list(knows)), pairs


def test_no_pair_on_the_page_is_compared_without_a_word_of_what_sets_it_apart(
    judged: Facts,
) -> None:
    facts, pairs = compare_all(judged)
    rows = results.gather(facts)["results"][0]["charts"][0].rows
    versus = {row.label: " ".join(each.words for each in row.versus) for row in rows}
    assert len(pairs) > 100
    for one, other in pairs:
        apart = name_each(facts.judged.find_apart(one, other))
        assert f"{other} [{', '.join(apart)}]" in versus[one], (one, other)
        lost = {"recipe": one, "reason": "simplest", "beaten": {other: [one]}, "alike": [other]}
        said = verdict.say_preference(lost, facts.judged.find_apart)
        assert said.count(f"[{', '.join(apart)}]") == 2, (one, other)
        assert all(name in say_apart(facts.judged.find_apart(one, other)) for name in apart)


def test_two_that_know_the_same_are_said_to_use_it_otherwise(judged: Facts) -> None:
    facts, _ = compare_all(judged)
    same = [record | {"differs_in": []} for record in facts.judged.comparisons]
    (finding, *_) = [each for each in facts.findings if each.recipe == "dense-vgg16"]
    (statement, *_) = results.say_versus(finding, same)
    assert "relief-statistics [how it is used]" in statement.words


def test_how_lidar_is_read_and_what_learns_are_named_where_judging_tells_them(
    judged: Facts,
) -> None:
    facts, _ = compare_all(judged)
    how = [
        record | {"differs_in": [], "differs_how": ["features", "learner"]}
        for record in facts.judged.comparisons
    ]
    (finding, *_) = [each for each in facts.findings if each.recipe == "dense-vgg16"]
    (statement, *_) = results.say_versus(finding, how)
    assert "relief-statistics [how LIDAR is read, what learns]" in statement.words
    both = replace(facts.judged, comparisons=how).find_apart("dense-vgg16", "random-features")
    assert say_apart(both) == "The two differ in how LIDAR is read and what learns."
