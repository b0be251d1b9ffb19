"""What a run of the synthetic town found, beside what was put into it."""

from __future__ import annotations

from pathlib import Path

from basrelief.judge.verdicts import Answer, find_answers
from basrelief.run import Run, read_json
from basrelief.tell.words import name_target

# Of what was planted too: one wording for both, so that a reader can compare them word by word.
WORDS: dict[Answer, str] = {
    "lidar": "LIDAR tells it",
    "place": "place tells it, and that LIDAR adds to it cannot be told",
    "nothing": "there is nothing to learn",
}


def compare_answers(run: Run, truth: Path) -> tuple[list[str], bool]:
    """Say for each target of the town what is to be found and what was found.

    Parameters
    ----------
    truth
        ``truth.json`` of the town.

    Returns
    -------
    A line a target, and whether all are as they are to be.
    """
    found, lines, agree = find_answers(run), [], True
    for target, expected in read_json(truth)["expected"].items():
        answer = found.get(target)
        words = "no answer" if answer is None else WORDS[answer]
        sign = "as planted" if answer == expected else "NOT as planted"
        agree = agree and answer == expected
        lines.append(f"{name_target(target)}: planted: {WORDS[expected]}; found: {words} ({sign})")
    return lines, agree
