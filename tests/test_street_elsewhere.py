"""A model that looks at street pictures, on a town that it never saw: given pictures of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basrelief.config import InputError, Settings, load_settings
from basrelief.judge.transfer import NewRasters, transfer_model
from basrelief.learn.final import read_model
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.sources.town import write_town

RECIPE = """\
kind = "street"
name = "small-street"
about = "a"
backbone = "test_resnet"
size_px = 64
"""

CHANGES = (
    'models.recipes = ["relief-statistics", "small-street.toml"]',
    'models.weights = { test_resnet = "none" }',
    'split.schemes = ["block"]',
    "split.repeats = 1",
    "chips.size_px = 32",
)

JOINED = "kriged-relief-statistics-small-street"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    """Models of a town of which one score is told by what stands along its streets."""
    config = write_town(
        tmp_path_factory.mktemp("learnt"), seed=3, resolution_m=10.0, eyes=["street"]
    )
    (config.parent / "small-street.toml").write_text(RECIPE)
    settings = load_settings(config, CHANGES)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split", "train"])
    return run, settings


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> NewRasters:
    """Another town, with street pictures of its own."""
    folder = tmp_path_factory.mktemp("there")
    write_town(folder, seed=4, resolution_m=10.0, eyes=["street"])
    return place_of(folder)


def place_of(folder: Path) -> NewRasters:
    """What a town has, as options of `predict` give it."""
    return NewRasters(
        str(folder / "lidar" / "DSM_*.tif"),
        str(folder / "lidar" / "DTM_*.tif"),
        None,
        str(folder / "areas.gpkg"),
        str(folder / "labels.csv"),
        street=(str(folder / "street"), str(folder / "street.csv")),
    )


def test_a_model_tells_another_town_by_its_street_pictures(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(learnt[0], there, out, "small-street")
    skill = {each["target"]: each["skill"] for each in read_json(out.scores)}
    assert skill["bustle"] > 0.3
    assert skill["crime"] < 0.1
    # Areas with too few pictures are told by nothing, and get no number.
    areas = pd.read_parquet(out.chips / "areas.parquet").set_index("area_id")
    assert not areas["has_street"].all()
    predicted = pd.read_parquet(out.predictions)
    assert set(predicted["id"]) == set(areas.index[areas["has_street"] & areas["is_used"]])
    assert predicted["y_pred"].notna().all()


def test_areas_with_few_pictures_are_told_by_relief_where_both_are_known(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(learnt[0], there, out, JOINED)
    records = {each["target"]: each for each in read_json(out.scores)}
    assert all(each["knows"] == ["heights", "street"] for each in records.values())
    assert min(records[name]["skill"] for name in ("bustle", "crime")) > 0.3
    areas = pd.read_parquet(out.chips / "areas.parquet").set_index("area_id")
    predicted = pd.read_parquet(out.predictions)
    assert set(predicted["id"]) == set(areas.index[areas["is_used"]])
    assert np.isfinite(predicted["y_pred"]).all()


def test_the_network_that_learnt_looks_at_the_new_pictures(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    """Its weights are drawn by the seed here: those of any other would make other numbers."""
    run, settings = learnt
    own = place_of(settings.locate(""))
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(run, own, out, "small-street")
    model = run.models / "small-street" / "final"
    kept = run.features / "small-street" / "features.parquet"
    again = pd.read_parquet(out.predictions).pivot_table("y_pred", "id", "target", observed=True)
    assert read_model(model).min_street_pictures == 10
    assert len(list(model.glob("members/*/backbone.safetensors"))) == 1
    assert set(again.index) == set(pd.read_parquet(kept).index)
    # The model saw these labels: on its own ground it tells them better than on any other.
    observed = pd.read_parquet(out.chips / "areas.parquet").set_index("area_id")["bustle"]
    assert np.corrcoef(again["bustle"], observed[again.index])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("street", "recipe", "says"),
    [
        (None, "small-street", "--street: missing, and this model looks at street pictures"),
        (("s", "s.csv"), "relief-statistics", "--street 's': this model looks at no street"),
        (("gone", "s.csv"), "small-street", "--street 'gone': no such folder"),
        (("", "gone.csv"), "small-street", "--street-table 'gone.csv'"),
    ],
)
def test_a_place_with_other_pictures_is_refused(
    learnt: tuple[Run, Settings],
    there: NewRasters,
    tmp_path: Path,
    street: tuple[str, str] | None,
    recipe: str,
    says: str,
) -> None:
    assert there.street is not None
    given = street and (street[0] or there.street[0], street[1])
    out = Run(tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match=says):
        transfer_model(learnt[0], replace(there, street=given), out, recipe)
    assert not out.predictions.exists()


def test_one_command_predicts_by_street_pictures(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    assert there.street is not None
    place = ["--dsm", there.dsm, "--dtm", str(there.dtm), "--areas", there.areas]
    typed = [sys.executable, "-m", "basrelief.cli", "predict", str(learnt[0].folder), *place]
    typed += ["--recipe", "small-street", "--out", str(tmp_path / "out")]
    typed += ["--street", there.street[0]]
    done = subprocess.run(typed, capture_output=True, text=True)
    assert (done.returncode, "--street-table is missing" in done.stderr) == (2, True)
    assert not (tmp_path / "out").exists()
    subprocess.run([*typed, "--street-table", there.street[1]], capture_output=True, check=True)
    assert read_json(tmp_path / "out" / "predict.json")["place"]["street"] == list(there.street)
