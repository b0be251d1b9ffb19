"""The whole run: every stage on the synthetic town, whose answers are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import basrelief
from basrelief.config import Settings, load_settings
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.stage_settings import MIN_WORLDS
from basrelief.stages import STAGES


def skill_of(run: Run, target: str) -> float:
    """Skill of the relief statistics with whole blocks held out."""
    (record,) = (
        record
        for record in read_json(run.scores)
        if (record["recipe"], record["target"], record["scheme"], record["unit"])
        == ("relief-statistics", target, "block", "area")
    )
    return float(record["skill"])


def test_a_label_driven_by_height_is_learnt_on_held_out_blocks(town_run: Run) -> None:
    assert skill_of(town_run, "crime") > 0.5


def test_with_labels_shuffled_nothing_is_learnt(
    town: Path, town_settings: Settings, tmp_path: Path
) -> None:
    data = town_settings.data
    assert data.labels is not None
    labels = pd.read_csv(town_settings.locate(data.labels))
    order = np.random.default_rng(0).permutation(len(labels))
    labels.iloc[:, 1:] = labels.iloc[order, 1:].to_numpy()
    labels.to_csv(tmp_path / "shuffled.csv", index=False)
    text = town.read_text().replace('"labels.csv"', f'"{tmp_path}/shuffled.csv"')
    for name in ("lidar/", "areas.gpkg"):
        text = text.replace(f'"{name}', f'"{town.parent}/{name}')
    text = text.replace('["relief-statistics", "small.toml"]', '["relief-statistics"]')
    text = text.replace('weights = { test_resnet = "none" }', "")
    text = text.replace("[split]", '[split]\nschemes = ["block"]\nrepeats = 1')
    # A skill needs no other worlds, and they take most of the time.
    (tmp_path / "c.toml").write_text(text.replace(f"worlds = {MIN_WORLDS}", "worlds = 0"))
    settings = load_settings(tmp_path / "c.toml")
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split", "train", "evaluate"], set())
    assert skill_of(run, "crime") <= 0.1


def test_every_stage_leaves_what_the_contract_names(town_run: Run) -> None:
    names = [
        *("chips/chips.parquet", "chips/layers/heights.zarr", "chips/areas.parquet"),
        *("chips/membership.parquet", "describe/summary.csv", "describe/counts.json"),
        *("splits/folds.parquet", "splits/leakage.json", "predictions.parquet"),
        *("scores.json", "scores.parquet", "report.html", "config.json", "evaluate/partial.json"),
        *("models/small/random/0-0/history.csv", "models/small/final/model.safetensors"),
        *("models/relief-statistics/final/recipe.toml", "explain/small/summary.json"),
        *("maps/areas.gpkg", "maps/areas.parquet", "maps/layers.json", "maps/crime.svg"),
        *("public/report.html", "public/areas.csv", "public/areas.geojson", "publish.json"),
        *("model_card.md", "data_sheet.md", "inputs.json", "stac/model-small.json"),
    ]
    missing = [name for name in names if not (town_run.folder / name).exists()]
    assert missing == []
    assert not [path for path in town_run.folder.rglob("*") if ".part" in path.name]


def test_a_finished_run_is_skipped(
    town_run: Run, town_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = town_run.report.stat().st_mtime_ns
    run_stages(town_settings, Run(town_run.folder), [stage.name for stage in STAGES], set())
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{stage.name}: unchanged, skipped" for stage in STAGES]
    assert town_run.report.stat().st_mtime_ns == before


def test_the_summary_is_pandas_own(town_run: Run) -> None:
    areas = pd.read_parquet(town_run.chips / "areas.parquet")
    summary = pd.read_csv(town_run.describe / "summary.csv", index_col="target")
    expected = areas.loc[areas["is_used"], list(summary.index)].describe().T
    assert summary.to_numpy() == pytest.approx(expected.to_numpy())


def test_the_public_names_are_there() -> None:
    assert set(basrelief.__all__) <= set(dir(basrelief))
    for name in basrelief.__all__:
        assert getattr(basrelief, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = basrelief.nothing


@pytest.mark.parametrize("words", [["--version"], ["recipes"], ["run", "--help"], ["--help"]])
def test_the_command_answers(words: list[str]) -> None:
    command = [sys.executable, "-m", "basrelief.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_scores_are_strict_json(town_run: Run) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    records = json.loads(town_run.scores.read_text(), parse_constant=refuse)
    assert {"skill", "mse", "mse_mean"} <= set(records[0])


@pytest.mark.real
def test_the_courseworks_counts_are_its_own(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "coursework"
    (tmp_path / "c.toml").write_text(
        f'[data]\nimages = "{folder}/LIDAR"\ntable = "{folder}/EmbeddingData.csv"\n'
        '[split]\nschemes = ["random"]\n'
    )
    settings = load_settings(tmp_path / "c.toml")
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "describe", "split"], set())
    counts = read_json(run.describe / "counts.json")
    wanted = {"pictures": 841, "rows": 656, "rows_without_picture": 0, "one_colour": 7}
    assert {name: counts[name] for name in wanted} == wanted
    removed = pd.read_csv(run.describe / "one_colour.csv")["chip_id"]
    assert set(removed) == {9910, 13369, 60416, 67791, 70819, 71771, 73127}
    sizes = pd.read_parquet(run.splits / "folds.parquet")["fold"].value_counts()
    assert sizes.to_dict() == {0: 130, 1: 103, 2: 416}
