"""A town with street pictures, from its files to scores and pages."""

from __future__ import annotations

import pandas as pd
import pytest

from basrelief.config import Settings, load_settings
from basrelief.run import Run
from basrelief.running import run_stages
from basrelief.sources.town import write_town

RECIPE = """\
kind = "street"
name = "small-street"
about = "a"
backbone = "test_resnet"
size_px = 64
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    """A finished run of a town whose scores are to be told by a small network."""
    folder = tmp_path_factory.mktemp("walked") / "town"
    config = write_town(folder, seed=3, resolution_m=10.0, has_street=True)
    (folder / "small-street.toml").write_text(RECIPE)
    text = config.read_text()
    for before, after in (
        (
            '"relief-statistics", "street-vgg16", "vgg16"',
            '"relief-statistics", "small-street.toml"',
        ),
        ("vgg16 =", "test_resnet ="),
        ("size_px      = 64", "size_px = 32"),
        ("folds    = 5", 'folds = 5\nrepeats = 1\nschemes = ["area", "block"]'),
        ("[models]", "[evaluate]\nworlds = 0\n\n[models]"),
        ('"barriers", "health", ', ""),
    ):
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    stages = ["chips", "describe", "split", "train", "evaluate", "explain", "map", "report"]
    run_stages(settings, run, stages, set())
    return run, settings


def test_street_pictures_tell_what_they_alone_show(walked: tuple[Run, Settings]) -> None:
    scores = pd.read_parquet(walked[0].scores.with_suffix(".parquet"))
    scores = scores[(scores["unit"] == "area") & (scores["scheme"] == "area")]
    skill = scores.set_index(["recipe", "target"])["skill"]
    assert skill["small-street", "bustle"] > 0.4
    assert skill["relief-statistics", "bustle"] < 0.1
    assert skill["relief-statistics", "crime"] > 0.4
    assert skill["small-street", "crime"] < 0.1
