"""How things are named and written."""

from __future__ import annotations

import pytest

from basrelief.tell.words import say_intervals

HOLD = "Intervals of 95% hold the skill to be expected"
FIXED = "with the model held fixed, and narrower than what is to be expected"
DISTRICTS = "fewer than ten here, they can be too narrow"
DRAWN = "such a range holds what is to be expected about nine times in ten"
NETWORK = "Of networks, and of whatever is tested by chip, no 95% interval can be given"
NONE = "No 95% interval can be given"


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], []),
        ([None, None], []),
        (["refitted", None], [HOLD]),
        (["few_districts"], [HOLD, DISTRICTS]),
        (["refitted", "few_districts"], [HOLD, DISTRICTS]),
        (["drawn_in"], [HOLD, DRAWN]),
        (["resampled", None], [NONE, FIXED]),
        (["refitted", "resampled"], [HOLD, NETWORK, FIXED]),
        (["few_districts", "resampled", "refitted"], [HOLD, DISTRICTS, NETWORK, FIXED]),
    ],
)
def test_each_kind_of_interval_is_told_for_what_it_is(
    kinds: list[str | None], said: list[str]
) -> None:
    text = say_intervals({"interval": kind} for kind in kinds)
    every = (HOLD, DRAWN, DISTRICTS, NETWORK, NONE, FIXED)
    assert [words for words in every if words in text] == [w for w in every if w in said]
    assert bool(text) == bool(said)


def test_what_holds_a_model_fixed_is_never_called_a_95_percent_interval() -> None:
    text = say_intervals([{"interval": "resampled"}])
    assert "Intervals of 95%" not in text
    assert text.count("95%") == 1
