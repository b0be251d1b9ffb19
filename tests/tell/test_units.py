"""Units of scores in words: what a number counts, and which end is worse."""

from __future__ import annotations

import pytest

from basrelief.tell.units import CASES, CRIMES, find_unit, say_direction


@pytest.mark.parametrize(
    ("target", "words", "meaning"),
    [
        ("income", " in 100", "How many in 100: people in families with low incomes."),
        ("burglary", " a year", "Crimes that the police wrote down, in a year for 1,000 people."),
        ("visits", " in 1,000", "Cases for 1,000 people."),
        ("imd", "", "A score, which has no unit of its own."),
        ("trees", "", "A score, which has no unit of its own."),
    ],
)
def test_a_number_is_told_by_what_it_counts(target: str, words: str, meaning: str) -> None:
    # A column of the user's own beside counts of crime is none of them.
    unit = find_unit(target, {"burglary": CRIMES, "visits": CASES})
    assert (unit.words, unit.meaning) == (words, meaning)


def test_which_end_is_worse_is_said_of_what_is_known_alone() -> None:
    assert say_direction(find_unit("health", {})) == "Higher is worse."
    assert say_direction(find_unit("trees", {})) == "Which end is worse is not known."
