from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.compare import (
    Errors,
    average_targets,
    collect_errors,
    compare_errors,
    compare_pairs,
    order_recipes,
)
from basrelief.judge.preference import prefer_recipe
from basrelief.judge.resampling import Draws, inflate_percentiles, resample_skills
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.yardsticks import Traits
from basrelief.run import Record

N_GROUPS, PER_GROUP = 30, 6
GROUPS = pd.Series(np.repeat([f"b{k}" for k in range(N_GROUPS)], PER_GROUP))


def draw_errors(variance: float, shared: float, n_draws: int, seed: int) -> NDArray[np.float64]:
    """Squared errors of known variance, a share of it common to each group."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, (shared * variance) ** 0.5, (n_draws, 1, N_GROUPS))
    own = rng.normal(0, ((1 - shared) * variance) ** 0.5, (n_draws, 1, N_GROUPS * PER_GROUP))
    return (common.repeat(PER_GROUP, axis=2) + own) ** 2


def draws() -> Draws:
    return Draws(np.random.default_rng(0))


def decide(record: Record) -> Record:
    """Decide a comparison of two recipes that see no LIDAR: by its interval alone."""
    key = {"recipe": "one", "versus": "other", "scheme": "block", "unit": "area", "target": "crime"}
    knows = {"one": ("place",), "other": ("place",)}
    refits, known = Refits(("crime",), knows, 0), Knowledge(knows, {name: {} for name in knows})
    pairs = {"crime": [key | record]}
    compared = Compared("block", "area", ["other", "one"], pairs, [], refits)
    (decided,) = settle([], [compared], known).pairs
    return decided


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("variance", [0.3, 0.5])
def test_paired_intervals_hold_the_known_difference_as_often_as_they_say(
    shared: float, variance: float
) -> None:
    of_mean = draw_errors(1.0, shared, 200, seed=1)
    one = Errors(draw_errors(variance, shared, 200, seed=2), of_mean)
    other = Errors(draw_errors(0.5, shared, 200, seed=3), of_mean)
    records = compare_errors(one, other, GROUPS, draws())
    truth = 0.5 - variance
    held = [record["low"] <= truth <= record["high"] for record in records]
    assert 0.91 <= np.mean(held) <= 0.99
    if variance == 0.5:
        wrong = [record["low"] > 0 or record["high"] < 0 for record in records]
        assert np.mean(wrong) <= 0.09
        decided = [decide(record) for record in records]
        wrong = [record["beats"] or record["is_beaten"] for record in decided]
        assert np.mean(wrong) <= 0.09


def test_pairing_is_narrower_than_the_two_skills_apart() -> None:
    of_mean, hard = draw_errors(1.0, 0.3, 1, seed=1), draw_errors(0.5, 0.3, 1, seed=2)
    one, other = Errors(hard, of_mean), Errors(hard + 0.05, of_mean)
    (record,) = compare_errors(one, other, GROUPS, draws())
    decided, turned = decide(record), decide(compare_errors(other, one, GROUPS, draws())[0])
    assert decided["beats"]
    assert not decided["is_beaten"]
    assert (turned["beats"], turned["is_beaten"]) == (False, True)
    error, error_of_mean = (
        table[0].reshape(1, N_GROUPS, -1).sum(axis=2) for table in (hard, of_mean)
    )
    alone = resample_skills(error, error_of_mean, draws())
    assert alone is not None
    low, high = np.percentile(alone, inflate_percentiles(N_GROUPS))
    assert record["high"] - record["low"] < (high - low) / 2


def test_only_items_that_both_predict_are_compared() -> None:
    of_mean = draw_errors(1.0, 0.0, 1, seed=1).repeat(2, axis=1)
    one = Errors(np.full_like(of_mean, np.nan), of_mean)
    one.of_model[0, 0, :120] = 0.1
    other = Errors(np.where(np.arange(180) < 120, 0.3, 99.0) * np.ones_like(of_mean), of_mean)
    (record,) = compare_errors(one, other, GROUPS, draws())
    assert record["n"] == 120
    assert record["difference"] == pytest.approx(0.2 * 120 / of_mean[0, 0, :120].sum())


def test_neither_of_two_is_judged_on_items_that_the_other_lacks() -> None:
    of_mean = draw_errors(1.0, 0.0, 1, seed=1)
    at = np.arange(of_mean.shape[-1])
    # Far off where the other predicts nothing: either way round, that counts for neither.
    one = Errors(np.where(at < 120, np.where(at < 30, 99.0, 0.1), np.nan)[None, None], of_mean)
    other = Errors(np.where(at >= 30, np.where(at < 120, 0.3, 99.0), np.nan)[None, None], of_mean)
    expected = 0.2 * 90 / of_mean[0, 0, 30:120].sum()
    for sign, pair in ((1, (one, other)), (-1, (other, one))):
        (record,) = compare_errors(*pair, GROUPS, draws())
        assert record["n"] == 90
        assert record["difference"] == pytest.approx(sign * expected)


@pytest.mark.parametrize("groups", [GROUPS.where(GROUPS != "b3"), GROUPS.str[:2]])
def test_few_groups_or_unknown_ones_give_no_interval(groups: pd.Series[Any]) -> None:
    of_mean = draw_errors(1.0, 0.0, 1, seed=1)
    one, other = (Errors(factor * of_mean, of_mean) for factor in (0.1, 0.9))
    (record,) = compare_errors(one, other, groups.replace({"b1": "b2"}).str[:1], draws())
    assert record["low"] is None
    assert record["difference"] == pytest.approx(0.8)
    assert not decide(record)["beats"]


def test_a_difference_too_small_to_matter_beats_nothing_however_sure() -> None:
    of_mean = draw_errors(1.0, 0.0, 1, seed=1)
    one, other = (Errors(factor * of_mean, of_mean) for factor in (0.5, 0.519))
    (record,) = compare_errors(one, other, GROUPS, draws())
    assert record["low"] > 0
    decided = decide(record)
    assert (decided["beats"], decided["is_beaten"]) == (False, False)


def test_errors_are_laid_out_by_target_repeat_and_item() -> None:
    frame = pd.DataFrame(
        {
            "target": ["crime", "crime", "health"],
            "repeat": [0, 1, 0],
            "id": ["b", "a", "b"],
            "y_true": [1.0, 2.0, 3.0],
            "y_pred": [0.0, 0.0, 0.0],
            "y_mean": [1.0, 1.0, 1.0],
        }
    )
    errors = collect_errors(frame, pd.Index(["a", "b"]), ("crime", "health"))
    assert errors.of_model[0, 0, 1] == 1
    assert errors.of_model[0, 1, 0] == 4
    assert errors.of_mean[1, 0, 1] == 4
    assert np.isnan(errors.of_model).sum() == 5


def compare(recipe: str, versus: str, beats: bool, is_beaten: bool = False) -> dict[str, Any]:
    difference = 0.1 * (beats - is_beaten)
    record = {"recipe": recipe, "versus": versus, "difference": difference}
    return record | {"beats": beats, "is_beaten": is_beaten}


SKILLS: dict[str, dict[str, Any]] = {
    "area-size": {"skill": 0.1, "skill_low": -0.1},
    "place-alone": {"skill": 0.3, "skill_low": 0.1},
    "vgg16": {"skill": 0.4, "skill_low": 0.2},
}
ABLE = ["place-alone", "vgg16"]
"""Those that are better than the mean."""


def test_the_simpler_of_two_that_do_not_differ_is_preferred() -> None:
    choice = prefer_recipe([compare("vgg16", "place-alone", False)], SKILLS, list(SKILLS), ABLE)
    assert choice["recipe"] == "place-alone"
    assert (choice["reason"], choice["beaten"], choice["alike"]) == ("simplest", {}, ["vgg16"])


def test_what_beats_the_simpler_is_preferred() -> None:
    choice = prefer_recipe([compare("vgg16", "place-alone", True)], SKILLS, list(SKILLS), ABLE)
    assert choice["recipe"] == "vgg16"
    assert choice["beaten"] == {"place-alone": ["vgg16"]}
    assert (choice["reason"], choice["alike"]) == ("simplest", [])


def test_where_each_is_beaten_by_another_the_one_with_most_skill_is_preferred() -> None:
    records = [compare("vgg16", "place-alone", True), compare("vgg16", "area-size", False, True)]
    choice = prefer_recipe(records, SKILLS, list(SKILLS), ABLE)
    assert (choice["recipe"], choice["reason"]) == ("vgg16", "most_skill")
    assert choice["beaten"] == {"place-alone": ["vgg16"]}


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(0.3, ("people", "more_without_lidar")), (-0.1, ("vgg16", "simplest"))],
)
def test_lidar_gives_way_to_what_sees_none_and_has_more_skill(
    difference: float, expected: tuple[str, str]
) -> None:
    # The pair differs in more than LIDAR, and its interval is too wide for either to beat.
    able, blind = ["vgg16", "people"], ["place-alone", "people"]
    skills = SKILLS | {"people": {"skill": 0.7, "skill_low": 0.4}}
    unsure = compare("people", "vgg16", False) | {"difference": difference}
    records = [unsure, compare("vgg16", "place-alone", True)]
    choice = prefer_recipe(records, skills, list(skills), able, blind=blind)
    assert (choice["recipe"], choice["reason"]) == expected
    assert sorted([choice["recipe"], *choice["alike"]]) == ["people", "vgg16"]
    # What sees no LIDAR gives way to nothing for having less skill.
    choice = prefer_recipe(records, skills, list(skills), able, blind=["vgg16", *blind])
    assert (choice["recipe"], choice["reason"]) == ("vgg16", "simplest")


@pytest.mark.parametrize(("low", "reason"), [(-0.1, "none_better"), (None, "no_intervals")])
def test_the_mean_is_preferred_where_nothing_beats_it(low: float | None, reason: str) -> None:
    skills = {name: record | {"skill_low": low} for name, record in SKILLS.items()}
    choice = prefer_recipe([], skills, list(skills), [])
    assert choice["recipe"] == "mean"
    assert choice["reason"] == reason


def test_recipes_are_ordered_from_the_simplest_on() -> None:
    names = ["vgg16", "dense-vgg16", "random-features", "place-and-district", "place-alone"]
    expected = ["place-alone", "place-and-district", "random-features", "dense-vgg16", "vgg16"]
    assert order_recipes(names, {"vgg16"}) == expected


def test_the_mean_over_targets_is_that_of_the_skills_and_holds_their_difference() -> None:
    of_mean = draw_errors(1.0, 0.3, 8, seed=1)
    errors = {
        "good": Errors(draw_errors(0.4, 0.3, 8, seed=2), of_mean),
        "place-alone": Errors(draw_errors(0.7, 0.3, 8, seed=3), of_mean),
    }
    good, place = average(errors)
    skills = 1 - errors["good"].of_model.sum(axis=(1, 2)) / of_mean.sum(axis=(1, 2))
    assert good["skill"] == pytest.approx(skills.mean())
    assert good["skill_low"] < 0.6 < good["skill_high"]
    assert good["low"] < 0.3 < good["high"]
    assert good["versus"] == "place-alone"
    shared = ("difference", "low", "high", "differs_in", "differs_how")
    assert good["over"]["place-alone"] == {key: good[key] for key in shared}
    assert place["over"]["good"]["difference"] == -good["difference"]
    # What sees no LIDAR is held against the mean, and its gain is its skill.
    assert place["versus"] == "mean"
    assert place["over"]["mean"] == {key: place[key] for key in shared}
    assert (place["difference"], place["low"]) == (place["skill"], place["skill_low"])
    assert average(errors, GROUPS.replace("b0", None)) == []


TRAITS = {
    "place-alone": Traits(("place",), {}, "gaussian_process"),
    "good": Traits(("heights", "place"), {"heights": "vgg16"}, "linear"),
}


def average(errors: dict[str, Errors], groups: pd.Series[Any] = GROUPS) -> list[dict[str, Any]]:
    yardsticks = {"good": "place-alone", "place-alone": "mean"}
    return average_targets(errors, groups, yardsticks, TRAITS, draws())


def test_each_comparison_says_all_that_the_two_differ_in() -> None:
    of_mean = draw_errors(1.0, 0.3, 2, seed=1)
    errors = {name: Errors(0.5 * of_mean, of_mean) for name in TRAITS}
    pairs = compare_pairs(errors, list(TRAITS), ("crime", "health"), GROUPS, TRAITS, draws())
    assert [pairs[target][0]["differs_in"] for target in pairs] == [["heights"]] * 2
    assert [pairs[target][0]["differs_how"] for target in pairs] == [["learner"]] * 2
    good, place = average(errors)[::-1]
    assert (good["differs_in"], place["differs_in"]) == (["heights"], ["place"])
    assert good["over"]["mean"]["differs_in"] == ["heights", "place"]
    assert good["over"]["good"]["differs_in"] == []


def test_others_predictions_on_one_fold_differ_from_them_by_nothing() -> None:
    # A network is tested on one fold of one repeat. Its training leaves areas out to validate on,
    # so that even its mean is another.
    of_mean = draw_errors(1.0, 0.3, 6, seed=1).reshape(2, 3, -1)
    place = Errors(draw_errors(0.7, 0.3, 6, seed=2).reshape(2, 3, -1), of_mean)
    fold = np.full((2, 1, N_GROUPS * PER_GROUP), np.nan)
    fold[..., : 12 * PER_GROUP] = place.of_model[:, :1, : 12 * PER_GROUP]
    errors = {"place-alone": place, "good": Errors(fold, 1.1 * of_mean[:, :1])}
    _, network = average(errors)
    assert (network["difference"], network["low"], network["high"]) == (0, 0, 0)
    for record in compare_errors(errors["good"], place, GROUPS, draws()):
        assert (record["difference"], record["low"], record["high"]) == (0, 0, 0)
        assert record["n"] == 12 * PER_GROUP


def test_groups_without_an_area_that_both_predict_make_no_interval() -> None:
    of_mean = draw_errors(1.0, 0.3, 2, seed=1)
    some = np.where(np.arange(N_GROUPS * PER_GROUP) < 9 * PER_GROUP, 0.5 * of_mean, np.nan)
    errors = {"place-alone": Errors(0.8 * of_mean, of_mean), "good": Errors(some, of_mean)}
    place, good = average(errors)
    assert (good["low"], good["high"], good["skill_low"]) == (None, None, None)
    assert good["difference"] is not None
    assert place["skill_low"] is not None


def test_a_mean_over_targets_draws_the_groups_that_any_target_tests() -> None:
    # Each target is tested in half of the groups; both halves are drawn as one ground.
    of_mean = draw_errors(1.0, 0.0, 2, seed=1)
    at = np.arange(N_GROUPS * PER_GROUP) < N_GROUPS * PER_GROUP // 2
    model = np.where(np.stack([at, ~at])[:, None], 0.5 * of_mean, np.nan)
    errors = {"place-alone": Errors(of_mean, of_mean), "good": Errors(model, of_mean)}
    _, good = average(errors)
    assert (good["difference"], good["low"], good["high"]) == pytest.approx((0.5, 0.5, 0.5))
