"""Every range that is told says how often it holds what is to be expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.intervals import LEVELS, name_interval, say_intervals
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.stage import tell_run

HOLD = "Those marked 95% hold the skill to be expected so often"
FIXED = "with models held fixed, and narrower than what is to be expected"
DISTRICTS = "held what is to be expected 76 to 100 times in a hundred"
DRAWN = "marked 80 to 96%, such ranges held what is to be expected so often"
NETWORK = "Of networks, and of whatever is tested by chip, no 95% interval can be given"
NONE = "No 95% interval can be given"


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], []),
        ([None, None], []),
        (["refitted", None], [HOLD]),
        (["few_districts"], [DISTRICTS]),
        (["refitted", "few_districts"], [HOLD, DISTRICTS]),
        (["refitted", "drawn_in"], [HOLD, DRAWN]),
        (["drawn_in"], [DRAWN]),
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


@pytest.mark.parametrize("kind", sorted(set(LEVELS) - {"refitted"}))
def test_only_what_holds_so_often_is_called_a_95_percent_interval(kind: str) -> None:
    assert "95" not in name_interval(kind)
    text = say_intervals([{"interval": kind}])
    assert HOLD not in text
    assert re.findall("[^.]*95%[^.]*", text) == re.findall("[^.]*no 95% interval[^.]*", text, re.I)


@pytest.fixture(scope="module", params=list(LEVELS))
def told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> tuple[Run, str]:
    """A run that is mapped and told, all of whose ranges are of one kind, and the kind's level."""
    run = write_judged(tmp_path_factory.mktemp(request.param) / "run")
    for path in (run.scores, run.folder / "evaluate" / "comparisons.json"):
        write_json(path, [record | {"interval": request.param} for record in read_json(path)])
    write_maps(open_settings, run)
    tell_run(open_settings, run)
    return run, LEVELS[request.param]


@pytest.mark.parametrize("name", ["report.html", "model_card.md"])
def test_no_range_of_a_skill_stands_without_what_it_holds(told: tuple[Run, str], name: str) -> None:
    run, level = told
    text = re.sub(r"<[^>]+>", " ", (run.folder / name).read_text(encoding="utf-8"))
    ranges = re.findall(r"0\.20 to 0\.50[^|]{0,60}", text)
    assert ranges
    assert [found for found in ranges if level not in found] == []
    # Of predictions, by conformal prediction, there are ranges of 95 % whatever skills have.
    if level != "95%":
        assert "95% interval" not in re.sub("(?i)no 95% interval", "", text[: text.index("sure")])


def test_facts_of_each_kind_can_be_read(told: tuple[Run, str], open_settings: Settings) -> None:
    assert {r["interval"] for r in read_facts(open_settings, told[0]).scores} <= set(LEVELS)
