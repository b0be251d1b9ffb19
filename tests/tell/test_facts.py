"""What is read of a run, and what a page may rest on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from basrelief.config import InputError, Settings
from basrelief.run import Run
from basrelief.sources.census import name_districts
from basrelief.tell.facts import find_asked, read_facts


def test_what_was_asked_for_is_what_training_wrote_down() -> None:
    asked = {"mine": True, "relief-statistics": True, "dense-vgg16": False}
    trained = [{"recipe": name, "is_asked": is_asked} for name, is_asked in asked.items()]
    names = ("place-alone", "relief-statistics", "dense-vgg16", "mine")
    scores = [{"recipe": name} for name in names]
    # What a recipe is made of is judged too, and was not asked for.
    assert find_asked(scores, trained) == ["relief-statistics", "mine"]
    assert find_asked(scores[:1], trained) == ["place-alone"]


@pytest.mark.parametrize(
    ("name", "district"),
    [("Barnet 038A", "Barnet"), ("Kingston upon Hull 001B", "Kingston upon Hull"),
     ("Ward 7", "Ward 7"), ("038A", "038A"), ("Barnet 038a", "Barnet 038a")],
)  # fmt: skip
def test_districts_are_named_by_what_their_areas_names_begin_with(name: str, district: str) -> None:
    assert name_districts(pd.DataFrame({"lad": ["E09"], "area_name": [name]})) == {"E09": district}


def test_a_run_that_was_not_judged_is_refused(
    tmp_path: Path, write_judged: Callable[[Path], Run], judged_settings: Settings
) -> None:
    run = write_judged(tmp_path / "run")
    (run.folder / "evaluate" / "audit.json").unlink()
    with pytest.raises(InputError, match=r"no evaluate/audit\.json .* basrelief run"):
        read_facts(judged_settings, run)
