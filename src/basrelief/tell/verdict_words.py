"""What judging found, in words: what a score is worth, why a recipe is preferred, what was held.

Judging writes codes and figures; the wording of each code stands here and nowhere else.
"""

from __future__ import annotations

from basrelief.judge.intervals import OTHERS
from basrelief.judge.scores import find_worth
from basrelief.run import Record

THE_MEAN = "always predicting the mean"

REASONS = {
    "no_intervals": "too few places for intervals: nothing can be told from the mean",
    "none_better": f"nothing can be told from {THE_MEAN}",
    "simplest": "the simplest that beats the mean and that nothing beats",
    "most_skill": "the one with most skill of those that beat the mean, each beaten by another",
}
"""Why a recipe is preferred, by the code in ``evaluate/preferred.json``."""

CONTROLS = {
    "nothing": "nothing",
    "form": "built form",
    "form_and_district": "built form and district",
    "form_and_place": "built form and place",
}
"""What was held equal, by the code in ``evaluate/partial.json``."""


def say_worth(record: Record) -> str:
    """Say what a record of ``scores.json`` is worth beside the mean.

    Examples
    --------
    >>> say_worth({"skill": 0.31, "skill_low": 0.12, "skill_high": 0.44})
    'better than always predicting the mean'
    >>> say_worth({"skill": -0.11, "skill_low": -0.3, "skill_high": 0.02})
    'worse than always predicting the mean, though the interval includes 0'
    """
    worth, is_above = find_worth(record), (record["skill"] or 0.0) > 0
    sense = "better" if is_above else "worse"
    if worth == "unsure" and is_above:
        return f"no better than {THE_MEAN} (the interval includes 0)"
    return {
        "better": f"better than {THE_MEAN}",
        "worse": f"worse than {THE_MEAN}",
        "no_better": f"no better than {THE_MEAN}",
        "unsure": f"worse than {THE_MEAN}, though the interval includes 0",
        "no_interval": f"{sense} than {THE_MEAN} here (too few places for an interval)",
        "unknown": "cannot be judged: what was observed does not vary",
    }[worth]


def say_preference(record: Record) -> str:
    """Say why a recipe is preferred, from its record in ``evaluate/preferred.json``.

    Examples
    --------
    >>> found = {"reason": "simplest", "beaten": {"area-size": ["vgg16"]}, "alike": ["dense"]}
    >>> say_preference(found).split("; ")[1:]
    ['area-size is beaten by vgg16', 'dense cannot be told better']
    """
    said = [REASONS[record["reason"]]]
    said += [f"{name} is beaten by {' and '.join(by)}" for name, by in record["beaten"].items()]
    if record["alike"]:
        said.append(f"{' and '.join(record['alike'])} cannot be told better")
    return "; ".join(said)


def name_group(group: str) -> str:
    """Name a group of ``evaluate/coverage.json`` that is no district.

    Examples
    --------
    >>> name_group("predicted_1_of_3"), name_group("E09000007")
    ('predicted 1 of 3', 'E09000007')
    """
    is_made = group == OTHERS or group.startswith("predicted_")
    return group.replace("_", " ") if is_made else group
