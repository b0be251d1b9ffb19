"""A network that learnt from pictures, put to pictures that it never saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from basrelief.chips.store import load_samples
from basrelief.config import load_settings
from basrelief.judge.tables import PREDICTIONS
from basrelief.judge.transfer_pictures import NewPictures, transfer_to_pictures
from basrelief.learn.arithmetic import choose_arithmetic
from basrelief.learn.predict import load_network, predict_network
from basrelief.run import Run, read_json
from basrelief.running import run_one
from basrelief.stage_settings import ModelSettings

RECIPE = """\
kind = "network"
name = "{name}"
about = "small"
backbone = "test_resnet"
bands = ["shaded"]

[head]
kind = "pooled"

[optimiser]
learning_rate = 1e-2

[train]
trainable = "none"
epochs = 3
batch_size = 8
"""

CONFIG = """\
out = "run"

[data]
images = "LIDAR"
table = "table.csv"
targets = ["crime"]

[chips]
size_px = 32

[split]
schemes = ["random"]

[models]
recipes = ["first.toml", "second.toml"]
weights = { test_resnet = "none" }
device = "cpu"
precision = "fp32"
"""


def write_set(folder: Path, n: int, seed: int) -> pd.DataFrame:
    """Write pictures whose label is how bright they are; give their table."""
    rng = np.random.default_rng(seed)
    (folder / "LIDAR").mkdir(parents=True)
    levels = rng.uniform(50, 200, n)
    for number, level in enumerate(levels):
        values = rng.normal(level, 15, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / "LIDAR" / f"LIDAR_{number}.png")
    table = pd.DataFrame({"id": range(n), "crime": levels / 100})
    table["LSOA11CD"] = [f"E0100000{number % 5}" for number in range(n)]
    table.to_csv(folder / "table.csv", index=False)
    return table


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on pictures as far as its final models."""
    folder = tmp_path_factory.mktemp("trained")
    write_set(folder, 40, seed=0)
    for name in ("first", "second"):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=name))
    (folder / "config.toml").write_text(CONFIG)
    for stage in ("chips", "split", "train"):
        run = run_one(stage, folder / "config.toml", quiet=True)
    return run


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    write_set(folder, 20, seed=1)
    return folder


def put(trained: Run, new: Path, out: Path, recipe: str | None = None) -> pd.DataFrame:
    pictures = NewPictures(str(new / "LIDAR"), str(new / "table.csv"))
    transfer_to_pictures(trained, pictures, Run(out, quiet=True), recipe)
    return pd.read_parquet(out / "predictions.parquet")


def test_pictures_are_predicted_as_the_final_network_predicts_them(
    trained: Run, new: Path, tmp_path: Path
) -> None:
    table = put(trained, new, tmp_path / "out")
    assert list(table.columns) == PREDICTIONS.names
    chips = table[table["unit"] == "chip"].set_index("id")
    settings = load_settings(trained.folder.parent / "config.toml")
    # A new place is predicted in whatever precision suits the machine.
    settings = settings.model_copy(update={"models": ModelSettings()})
    network = load_network(trained.models / "first" / "final", settings)
    samples = load_samples(Run(tmp_path / "out"))
    rows = np.arange(len(samples.chips))
    expected = predict_network(network, samples, rows, choose_arithmetic(settings))[:, 0]
    found = chips["y_pred"].loc[samples.chips["chip_id"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    learnt = pd.read_csv(trained.folder.parent / "table.csv")["crime"].mean()
    np.testing.assert_allclose(chips["y_mean"], learnt)
    # What was learnt, how bright a picture is, holds of others.
    assert np.corrcoef(chips["y_pred"], chips["y_true"])[0, 1] > 0.9


def test_areas_are_the_means_of_their_pictures(trained: Run, new: Path, tmp_path: Path) -> None:
    table = put(trained, new, tmp_path / "out")
    code = pd.read_csv(new / "table.csv", dtype=str).set_index("id")["LSOA11CD"]
    chips = table[table["unit"] == "chip"].set_index("id")
    expected = chips["y_pred"].groupby(code.reindex(chips.index)).mean()
    areas = table[table["unit"] == "area"].set_index("id")["y_pred"]
    np.testing.assert_allclose(areas.loc[expected.index], expected, rtol=1e-6)


def test_scores_are_against_the_mean_label_learnt_from(
    trained: Run, new: Path, tmp_path: Path
) -> None:
    table = put(trained, new, tmp_path / "out")
    records = {record["unit"]: record for record in read_json(tmp_path / "out" / "scores.json")}
    assert sorted(records) == ["area", "chip"]
    for unit, record in records.items():
        known = table[table["unit"] == unit]
        error = ((known["y_true"] - known["y_pred"]) ** 2).sum()
        by_mean = ((known["y_true"] - known["y_mean"]) ** 2).sum()
        assert record["skill"] == pytest.approx(1 - error / by_mean)
        # The name, and what training fell short of.
        assert record["label"].startswith("first")


def test_the_recipe_asked_for_is_taken_by_name_or_by_its_file(
    trained: Run, new: Path, tmp_path: Path
) -> None:
    asked = {None: "first", "second": "second"}
    asked[str(trained.folder.parent / "second.toml")] = "second"
    for number, (typed, name) in enumerate(asked.items()):
        put(trained, new, tmp_path / str(number), typed)
        told = read_json(tmp_path / str(number) / "predict.json")
        assert told["model"]["recipe"] == told["training"]["recipe"] == name


def test_pictures_without_labels_or_areas_are_predicted(
    trained: Run, new: Path, tmp_path: Path, run_command: Callable[..., int]
) -> None:
    table = pd.read_csv(new / "table.csv")[["id"]]
    table.to_csv(tmp_path / "bare.csv", index=False)
    words = ["--images", str(new / "LIDAR"), "--table", str(tmp_path / "bare.csv")]
    out = tmp_path / "out"
    assert run_command("predict", str(trained.folder), *words, "--out", str(out), "--quiet") == 0
    predicted = pd.read_parquet(out / "predictions.parquet")
    assert predicted["unit"].unique().tolist() == ["chip"]
    assert len(predicted) == 20
    assert predicted["y_pred"].notna().all()
    assert predicted["y_true"].isna().all()
    assert not (out / "scores.json").exists()
    counts = read_json(out / "predict.json")["counts"]
    assert (counts["pictures"], counts["predicted"]) == (20, 20)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", "x"], "give --dsm and --areas for rasters, or --images and --table"),
        (["--images", "x", "--table", "y", "--dsm", "z"], "no option of the other"),
        (["--images", "x", "--table", "y"], "--images 'x': no such folder"),
        (["--dsm", "x", "--areas", "y"], "Predict pictures with it (--images FOLDER --table FILE)"),
        (["--images", "x", "--table", "y", "--recipe", "third"], "It has first, second"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    words: list[str],
    says: str,
    trained: Run,
    tmp_path: Path,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "out")
    assert run_command("predict", str(trained.folder), *words, "--out", out) == 2
    line = capsys.readouterr().err
    assert says in line
    assert line.count("\n") == 1
