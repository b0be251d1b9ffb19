"""A town that is looked at by all eyes at once: what a run says that each of them adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from basrelief.config import load_settings
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.sources.town import write_town

LOOK = 'about = "a"\nbackbone = "test_resnet"\n'
RECIPES = {
    "photo": f'kind = "dense"\nname = "photo-look"\n{LOOK}stages = [1]\nlayer = "photo"\n'
    'rendering = "colours"\npools = ["ground"]\n',
    "street": f'kind = "street"\nname = "street-look"\n{LOOK}size_px = 64\n',
}
EYES = {"heights", "photo", "street", "people"}


CHANGES = (
    'models.recipes = ["relief-statistics", "photo.toml", "street.toml"]',
    'models.weights = { test_resnet = "none" }',
    'split.schemes = ["block"]',
    "split.repeats = 1",
    "chips.size_px = 32",
    "evaluate.worlds = 40",
)


@pytest.mark.slow
def test_each_planted_eye_is_found_and_no_other(tmp_path: Path) -> None:
    config = write_town(tmp_path, seed=3, resolution_m=10.0, eyes=["photo", "street", "people"])
    for eye, text in RECIPES.items():
        (tmp_path / f"{eye}.toml").write_text(text)
    settings = load_settings(config, CHANGES)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split", "train", "evaluate"])
    records = read_json(run.folder / "evaluate" / "recipes.json")
    (whole,) = (each for each in records if set(each["knows"]) >= EYES)
    eye_of = {versus: eye for eye, versus in whole["yardsticks"].items()}
    assert set(eye_of.values()) == EYES
    added: dict[str, set[str]] = {target: set() for target in settings.data.targets}
    for each in read_json(run.folder / "evaluate" / "comparisons.json"):
        if each["recipe"] == whole["recipe"] and each["versus"] in eye_of and each["beats"]:
            assert each["low"] > 0
            added[each["target"]].add(eye_of[each["versus"]])
    planted = json.loads((tmp_path / "truth.json").read_text())["read_by"]
    assert added == {target: set(planted[target]) for target in added}
