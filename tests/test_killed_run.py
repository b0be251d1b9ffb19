"""A run that is killed without warning goes on from its last epoch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

N_EPOCHS = 8
CONFIG = f"""\
out = "run"
[data]
images = "pictures"
table = "table.csv"
[chips]
size_px = 64
[split]
schemes = ["random"]
[models]
recipes = ["small.toml"]
weights = {{ resnet10t = "none" }}
epochs = {N_EPOCHS}
steps_per_epoch = 2
"""
RECIPE = """\
kind = "network"
name = "small"
about = "a network that trains in seconds"
backbone = "resnet10t"
bands = ["shaded"]
[head]
[optimiser]
learning_rate = 1e-3
[train]
trainable = "all"
epochs = 1
batch_size = 8
"""


def write_pictures(folder: Path, n: int) -> Path:
    """Write pictures of noise, their table, a recipe and a configuration."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(n):
        picture = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "pictures" / f"LIDAR_{i}.png")
    table = pd.DataFrame({"id": range(n), "crime": rng.normal(size=n)})
    table.assign(LSOA11CD=[f"E0100{i // 4:04d}" for i in range(n)]).to_csv(
        folder / "table.csv", index=False
    )
    (folder / "small.toml").write_text(RECIPE)
    (folder / "c.toml").write_text(CONFIG)
    return folder / "c.toml"


def wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until a file is there; stop where the process ends before."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_a_killed_training_goes_on_after_its_last_epoch(tmp_path: Path) -> None:
    config = write_pictures(tmp_path, 40)
    history = tmp_path / "run" / "models" / "small" / "random" / "0-0" / "history.csv"
    command = [sys.executable, "-m", "basrelief.cli", "run", str(config)]
    # So small a network only waits for its threads, and long where others run too.
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "--quiet"], env=alone) as process:
        wait_for(history, process)
        process.kill()
    before = history.read_text().splitlines()
    assert 1 <= len(before) - 1 < N_EPOCHS
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)
    said = done.stdout
    after = history.read_text().splitlines()
    # Their seconds too: an epoch that was trained again would have taken others.
    assert after[: len(before)] == before
    assert len(after) - 1 == N_EPOCHS
    assert "going on after epoch" in said
    assert "chips: unchanged, skipped" in said
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_of_two_processes_in_one_folder_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    config = write_pictures(tmp_path, 40)
    run, there = tmp_path / "run", tmp_path / "there"
    basrelief = [sys.executable, "-m", "basrelief.cli"]
    work_at_once([*basrelief, "run", str(config), "--quiet"], run)
    assert (run / "report.html").exists()
    pictures = ["--images", str(tmp_path / "pictures"), "--table", str(tmp_path / "table.csv")]
    work_at_once([*basrelief, "predict", str(run), *pictures, "--out", str(there)], there)
    assert len(pd.read_parquet(there / "predictions.parquet").query("unit == 'chip'")) == 40


def work_at_once(command: list[str], folder: Path) -> None:
    """Start a command twice on one folder; the first ends as if it had been alone."""
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=alone, stdout=subprocess.DEVNULL) as first:
        wait_for(folder / ".lock", first)
        while not (folder / ".lock").read_text():
            time.sleep(0.005)
        # Held where it is, however long the second takes to start.
        first.send_signal(signal.SIGSTOP)
        second = subprocess.run(command, capture_output=True, text=True, env=alone)
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert second.returncode == 2
    assert f"another basrelief works there (process {first.pid} on " in second.stderr
    assert second.stderr.count("\n") == 1
    assert not (folder / ".lock").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_is_asked_to_stop_says_so_in_one_line_and_leaves_no_litter(
    name: str, tmp_path: Path
) -> None:
    config = write_pictures(tmp_path, 40)
    run = tmp_path / "run"
    command = [sys.executable, "-m", "basrelief.cli", "run", str(config), "--quiet"]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    number = getattr(signal, name)
    with subprocess.Popen(command, env=alone, stderr=subprocess.PIPE, text=True) as process:
        # While something is being written, if it can be met.
        wait_for(run / "stages" / "chips.json", process)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 128 + number
    assert said == "basrelief: stopped. The same command goes on where it was.\n"
    assert [path for path in run.rglob("*") if ".part" in path.name] == []
    assert not (run / ".lock").exists()


def test_a_bound_on_files_reads_as_a_full_disk(tmp_path: Path) -> None:
    config = write_pictures(tmp_path, 40)
    # In blocks of 1,024 bytes: less than the pictures take.
    line = f"ulimit -f 20; exec {sys.executable} -m basrelief.cli chips {config}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no space left" in done.stderr
    assert [path for path in (tmp_path / "run").rglob("*") if ".part" in path.name] == []
