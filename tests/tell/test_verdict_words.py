from __future__ import annotations

import pytest

from basrelief.tell.verdict_words import say_preference, say_worth


@pytest.mark.parametrize(
    ("skill", "low", "high", "words"),
    [
        (0.3, 0.1, 0.5, "better than always predicting the mean"),
        (-0.2, -0.4, -0.1, "worse than always predicting the mean"),
        (-0.2, -0.4, 0.1, "worse than always predicting the mean, though the interval includes 0"),
        (0.2, -0.1, 0.4, "no better than always predicting the mean (the interval includes 0)"),
        (-1e-17, -0.1, 0.1, "no better than always predicting the mean"),
        (0.2, None, None, "better than always predicting the mean here (too few places"),
        (-0.2, None, None, "worse than always predicting the mean here (too few places"),
        (None, None, None, "cannot be judged"),
    ],
)
def test_what_a_score_is_worth_is_said(
    skill: float | None, low: float | None, high: float | None, words: str
) -> None:
    record = {"skill": skill, "skill_low": low, "skill_high": high}
    assert say_worth(record).startswith(words)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("none_better", "nothing can be told"),
        ("no_intervals", "too few places"),
        ("most_skill", "the one with most skill"),
    ],
)
def test_why_a_recipe_is_preferred_is_said(reason: str, words: str) -> None:
    assert say_preference({"reason": reason, "beaten": {}, "alike": []}).startswith(words)
