"""A configuration is checked as a run would take it, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from basrelief.chips.foresee import foresee_chips
from basrelief.config import InputError, load_settings
from basrelief.estimates import estimate_data, estimate_stages, measure_amounts
from basrelief.run import Notes, Run, read_json
from basrelief.splits.stage import deal_folds

Command = Callable[..., int]
Captured = pytest.CaptureFixture[str]


def files_of(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if "run" not in p.parts[-2:]}


def test_the_town_is_foreseen_as_it_is_cut_and_nothing_is_written(
    town: Path, tmp_path: Path, run_command: Command, capsys: Captured
) -> None:
    before = files_of(town.parent)
    out = ["--set", f"out={tmp_path / 'r'}"]
    assert run_command("check", str(town), *out) == 0
    said = capsys.readouterr().out
    assert files_of(town.parent) == before
    assert list(tmp_path.iterdir()) == []
    for stage in ("chips", "split"):
        assert run_command(stage, str(town), "-q", *out) == 0
    counts = read_json(tmp_path / "r" / "chips" / "counts.json")
    folds = pd.read_parquet(tmp_path / "r" / "splits" / "folds.parquet")
    of_areas = folds[folds["unit"] == "area"][["scheme", "repeat", "fold"]].drop_duplicates()
    assert f"{counts['tiles']} tiles of surface, {counts['terrain_tiles']} of terrain" in said
    assert f"{counts['areas']} areas touched, about {counts['areas_used']} with" in said
    assert f"about {counts['chips']} chips" in said
    assert f"{folds['scheme'].nunique()} schemes, {len(of_areas)} folds of areas" in said
    assert "3 targets: crime, barriers, health" in said
    stages = re.findall(r"^  ([a-z ]+?) +[\d.]+ (?:s|min|h) ", said, re.MULTILINE)
    assert stages[0] == "chips"
    assert stages[-1] == "in all"
    assert len(stages) == 9


@pytest.mark.parametrize(
    "change",
    [
        "data.labels=absent.csv",
        'data.targets=["nothing"]',
        "data.areas=labels.csv",
        "data.dsm=lidar/*.asc",
        "split.block_m=500000",
        "chips.resolution_m=0.15",
        "models.recipes=['dense']",
        "out=config.toml/run",
        "out=.",
    ],
)
def test_what_a_run_refuses_check_refuses_in_the_same_line(
    change: str, town: Path, tmp_path: Path, run_command: Command, capsys: Captured
) -> None:
    words = [str(town), "--set", f"out={tmp_path / 'r'}", "--set", change]
    if "block_m" in change:
        # By default a scheme that cannot be had is left out.
        words += ["--set", "split.schemes=['block']"]
    assert run_command("check", *words) == 2
    checked = capsys.readouterr().err
    assert checked.count("\n") == 1
    assert run_command("run", *words) == 2
    assert capsys.readouterr().err == checked


def test_more_sets_than_can_be_joined_are_refused_by_check(
    town: Path, tmp_path: Path, run_command: Command, capsys: Captured
) -> None:
    for k in range(7):
        text = f'kind = "random-features"\nname = "f{k}"\nabout = "a"\nn_filters = 4\n'
        (tmp_path / f"f{k}.toml").write_text(text)
    members = [str(tmp_path / f"f{k}.toml") for k in range(7)]
    stack = f'kind = "stack"\nname = "all"\nabout = "a"\nmembers = {members}\n'
    (tmp_path / "all.toml").write_text(stack)
    joint = f'kind = "kriged"\nname = "j"\nabout = "a"\ntrend = "{tmp_path / "all.toml"}"\n'
    (tmp_path / "joint.toml").write_text(joint)
    recipes = f"models.recipes=['{tmp_path / 'joint.toml'}']"
    words = ["--set", f"out={tmp_path / 'r'}", "--set", recipes, "--set", "models.weights={}"]
    assert run_command("check", str(town), *words) == 2
    assert "joins 7 feature sets with place" in capsys.readouterr().err


def test_what_is_odd_is_noted(
    town: Path, tmp_path: Path, run_command: Command, capsys: Captured
) -> None:
    labels = pd.read_csv(town.parent / "labels.csv", dtype=object)
    lost = labels.iloc[0, 0]
    labels.iloc[1:].to_csv(tmp_path / "labels.csv", index=False)
    change = f"data.labels={tmp_path / 'labels.csv'}"
    assert run_command("check", str(town), "--set", change) == 0
    assert re.search(rf"note: .*{lost!s}.* have no row", capsys.readouterr().out)


def test_pictures_are_opened(tmp_path: Path, run_command: Command, capsys: Captured) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "p").mkdir()
    for k in range(40):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels if k else 0 * pixels).save(tmp_path / "p" / f"LIDAR_{k}.png")
    table = {"id": range(40), "crime": rng.normal(size=40)}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "c.toml").write_text(
        '[data]\nimages = "p"\ntable = "t.csv"\n[chips]\nsize_px = 32\n'
        '[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "none" }\n'
    )
    assert run_command("check", str(tmp_path / "c.toml")) == 0
    said = capsys.readouterr().out
    assert "40 pictures, 40 rows" in said
    assert "1 of one colour; 39 of use" in said
    (tmp_path / "p" / "LIDAR_1.png").write_bytes(b"\x89PNG broken")
    assert run_command("check", str(tmp_path / "c.toml")) == 0
    assert "1 pictures cannot be read" in capsys.readouterr().out


def estimate(config: Path, *changes: str) -> dict[str, tuple[float, float]]:
    settings = load_settings(config, changes)
    run = Run("nowhere", quiet=True)
    foreseen = foresee_chips(settings, Notes(run))
    try:
        folds, _ = deal_folds(foreseen.samples, settings, run)
    except InputError:
        # Too small to learn from.
        return {
            e.stage: (e.seconds, e.disk_mb)
            for e in estimate_data(measure_amounts(foreseen.samples, None))
        }
    found = estimate_stages(settings, measure_amounts(foreseen.samples, folds))
    return {each.stage: (each.seconds, each.disk_mb) for each in found}


# Least and most seconds of several runs on the machine that the constants are of, and megabytes.
MEASURED = {
    ("tq28ne", "chips"): (12, 22, 112),
    ("tq28ne", "train"): (165, 191, 210),
    ("tq28ne", "evaluate"): (394, 987, 18),
    ("tq28ne", "explain"): (1597, 2939, 31),
    ("tq28ne", "map"): (7, 17, 35),
    ("barbican", "chips"): (4, 7, 3),
    ("barbican", "describe"): (2.6, 5, 1),
    ("coursework", "chips"): (3, 9, 60),
    ("crime-counts", "chips"): (21, 21, 112),
    ("crime-counts", "train"): (18, 40, 9),
    ("crime-counts", "evaluate"): (199, 209, 9),
    ("crime-counts", "report"): (5, 13, 8),
    ("tq28ne-people", "train"): (61, 61, 219),
    ("tq28ne-people", "evaluate"): (243, 243, 11),
    ("tq28ne-people", "explain"): (349, 349, 21),
    # Of whole London by tables alone, in processor time.
    ("london-people", "evaluate"): (71, 71, 12),
    ("coursework", "train"): (242, 613, 1172),
    ("coursework", "evaluate"): (37, 51, 1),
}


@pytest.mark.real
@pytest.mark.parametrize(
    "place",
    ["tq28ne", "tq28ne-people", "london-people", "barbican", "crime-counts", "coursework"],
)
def test_estimates_are_within_a_factor_of_two(place: str, shared_data: Path) -> None:
    found = estimate(Path(__file__).parents[1] / "examples" / f"{place}.toml")
    for stage in (stage for own, stage in MEASURED if own == place):
        least, most, disk_mb = MEASURED[place, stage]
        seconds, own_mb = found[stage]
        assert most / 2 <= seconds <= 2 * least, stage
        assert disk_mb / 2 <= own_mb <= 2 * disk_mb, stage


def test_less_work_is_less_time(town: Path) -> None:
    usual = estimate(town)
    assert estimate(town, "evaluate.worlds=0")["evaluate"][0] < 0.7 * usual["evaluate"][0]
    # Two repeats are fitted to other worlds, however many there are; all of them are trained.
    still = estimate(town, "evaluate.worlds=0")["evaluate"][0]
    once = estimate(town, "split.repeats=1", "evaluate.worlds=0")["evaluate"][0]
    in_worlds = estimate(town, "split.repeats=1")["evaluate"][0] - once
    assert in_worlds == pytest.approx((usual["evaluate"][0] - still) / 2)
    often = estimate(town, "split.repeats=6")
    assert often["train"][0] > usual["train"][0]
    assert usual["evaluate"][0] < often["evaluate"][0] < 1.3 * usual["evaluate"][0]
    assert estimate(town, "models.epochs=40")["train"][0] > 1.5 * usual["train"][0]
    assert estimate(town, "chips.resolution_m=4")["chips"][0] < usual["chips"][0]
