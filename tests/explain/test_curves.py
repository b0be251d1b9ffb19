from __future__ import annotations

import numpy as np
import pytest

from basrelief.explain.curves import SHARES, Curves, Test, Wording, judge_curves, measure_between
from basrelief.judge.resampling import Draws

WORDING = Wording("Taking the best", "taking as much at random", "20 areas", "areas")


def make_curves(n: int, ranked_ends_at: float) -> Curves:
    """Ranked curves that run straight to about an end; those at random stay near 0."""
    rng = np.random.default_rng(0)
    straight = np.asarray(SHARES) / SHARES[-1]
    ends = ranked_ends_at + 0.1 * rng.normal(size=n)
    return Curves(ends[:, None] * straight, 0.1 * rng.normal(size=(n, 1)) * straight)


def test_the_area_between_straight_curves_is_half_of_how_far_they_end_apart() -> None:
    curves = Curves(np.asarray([SHARES]) * -10, np.zeros((1, len(SHARES))))
    assert measure_between("deletion", curves) == pytest.approx(10 * SHARES[-1] / 2)
    assert measure_between("insertion", curves) == pytest.approx(-10 * SHARES[-1] / 2)


@pytest.mark.parametrize(("test", "right"), [("deletion", -1.0), ("insertion", 1.0)])
def test_curves_that_part_the_right_way_pass_and_others_do_not(test: Test, right: float) -> None:
    draws = Draws(np.random.default_rng(0))
    for end, passes in ((right, True), (-right, False), (0.0, False)):
        record, _ = judge_curves(test, make_curves(20, end), WORDING, draws)
        assert record["passes"] is passes
        assert record["low"] <= record["value"] <= record["high"]


def test_words_say_which_way_the_prediction_went() -> None:
    draws = Draws(np.random.default_rng(0))
    record, _ = judge_curves("deletion", make_curves(20, -1.0), WORDING, draws)
    assert record["words"].startswith("Taking the best leaves the prediction 0.5")
    assert record["words"].endswith("lower than taking as much at random, the mean over 20 areas.")
    record, _ = judge_curves("insertion", make_curves(20, -1.0), WORDING, draws)
    assert record["words"].endswith("lower than taking as much at random, the mean over 20 areas.")
    assert record["passes"] is False


def test_the_curves_themselves_are_kept_as_means() -> None:
    curves = make_curves(20, -1.0)
    _, kept = judge_curves("deletion", curves, WORDING, Draws(np.random.default_rng(0)))
    assert list(kept) == ["test", "shares", "ranked", "at_random", "n", "of"]
    assert kept["shares"] == [0.0, 0.1, 0.3]
    assert kept["ranked"] == pytest.approx(curves.ranked.mean(axis=0))
    assert kept["n"] == 20


def test_with_few_areas_nothing_is_judged() -> None:
    draws = Draws(np.random.default_rng(0))
    record, _ = judge_curves("deletion", make_curves(5, -1.0), WORDING, draws)
    assert (record["passes"], record["low"]) == (None, None)
