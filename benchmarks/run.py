"""Speed and memory, measured: the Keras pipeline and ours in turn, cutting, and a growing set.

Run by ``make bench``; ``python benchmarks/run.py growth cutting`` measures these parts alone.
Every figure is of whole processes or of whole epochs on this machine; quote ratios of one run,
not times of different days. Prints a table beside the last one of the same machine, and keeps it
with date, processor and flags as a line of ``.bench/results.jsonl``.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / ".bench"
SHARED = HERE.parents[1] / "shared" / "data"
STEPS = 6
"""Training steps of 64 pictures that are timed."""

N_PREDICTED = 384

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")

SMALL = """\
kind = "network"
name = "small"
about = "a small network: what it holds besides weights and pictures shows"
backbone = "resnet10t"
bands = ["shaded"]
[head]
[optimiser]
learning_rate = 1e-4
[train]
trainable = "all"
epochs = 2
steps_per_epoch = 2
batch_size = 64
validation_steps = 1
"""


@dataclass(frozen=True)
class Measured:
    """A finished process."""

    seconds: float
    peak_mb: float
    output: str


def measure(command: list[str], **environment: str) -> Measured:
    """Run a process; measure its time and the largest memory it held."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return Measured(time.perf_counter() - start, usage.ru_maxrss / 1024, output)


def make_pictures(folder: Path, n: int) -> Path:
    """Make a set of pictures in the coursework's format, real ones repeated where there are."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "LIDAR").mkdir(parents=True)
    real = sorted((SHARED / "coursework" / "LIDAR").glob("*.png"))
    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / "LIDAR" / f"LIDAR_{i}.png"
        if real:
            shutil.copy(real[i % len(real)], path)
        else:
            Image.fromarray(rng.integers(0, 255, (224, 224, 3), np.uint8)).save(path)
    table = pd.DataFrame({"id": range(n), "crime": rng.normal(size=n)})
    table.assign(LSOA11CD=[f"E{i // 6:08d}" for i in range(n)]).to_csv(
        folder / "table.csv", index=False
    )
    return folder


def write_config(folder: Path, recipe: str, out: str, steps: int) -> Path:
    """Write a configuration that trains a coursework recipe for two short epochs."""
    text = (HERE.parent / "src" / "basrelief" / "recipes" / f"{recipe}.toml").read_text()
    # One batch of validation: the timed epoch is training.
    text = text.replace("validation_steps = 32", "validation_steps = 1")
    # Neither frozen nor warming up, so that every layer is trained, as on Keras' side.
    text = text.replace("frozen_epochs = 5", "frozen_epochs = 0")
    text = text.replace("warm_up_epochs = 5\nwarm_up_learning_rate = 1e-7\n", "")
    (folder / f"{recipe}.toml").write_text(text)
    models = f"epochs = 2\nsteps_per_epoch = {steps}\n"
    return write_run(folder, recipe, out, models)


def write_run(folder: Path, recipe: str, out: str, models: str = "") -> Path:
    """Write a configuration of a recipe in the folder, with random weights."""
    config = folder / f"{out}.toml"
    config.write_text(
        f'out = "{out}"\n[data]\nimages = "LIDAR"\ntable = "table.csv"\n'
        f'[split]\nschemes = ["random"]\n[models]\nrecipes = ["{recipe}.toml"]\n'
        f'weights = {{ vgg16 = "none", resnetv2_50 = "none", resnet10t = "none" }}\n{models}'
    )
    return config


def describe_machine() -> dict[str, str]:
    """Describe date, processor, flags that speed depends on, and how busy it is."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    named = dict(line.split("\t: ", 1) for line in text.splitlines() if "\t: " in line)
    named = {key.strip(): value for key, value in named.items()}
    flags = [each for each in FLAGS if each in named.get("flags", "").split()]
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        "processor": f"{named.get('model name', 'unknown')}, {os.cpu_count()} cores",
        "flags": " ".join(flags),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def keep_table(found: dict[str, float], path: Path) -> None:
    """Print figures beside the last ones of this processor, and keep them."""
    machine = describe_machine()
    lines = path.read_text().splitlines() if path.exists() else []
    same = ("processor", "flags")
    rows = [row for row in map(json.loads, lines) if all(row[key] == machine[key] for key in same)]
    before = {name: value for row in rows for name, value in row.items()}
    print(" | ".join(machine.values()) + f"; before: {before.get('date', 'nothing')}")
    print(f"{'':40}{'now':>12}{'before':>12}{'ratio':>8}")
    for name, value in found.items():
        last = before.get(name)
        beside = f"{last:12.1f}{value / last:8.2f}" if last else ""
        print(f"{name:40}{value:12.1f}{beside}")
    with path.open("a") as file:
        file.write(json.dumps(machine | found) + "\n")


def time_keras(pictures: Path, *networks: str) -> dict[str, float]:
    """Time the coursework's Keras pipeline in an environment of its own."""
    home = WORK / "keras"
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        venv.create(home, with_pip=True)
        packages = ["tensorflow-cpu", "pandas", "pillow", "scipy"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (home / ".ready").touch()
    script = [str(python), str(HERE / "keras_pipeline.py"), str(pictures / "LIDAR")]
    script += ["--steps", str(STEPS), *(["--networks", *networks] if networks else [])]
    found = measure(script, TF_CPP_MIN_LOG_LEVEL="3")
    figures: dict[str, float] = json.loads(found.output.splitlines()[-1])
    return figures


def time_ours(
    pictures: Path, steps: int = STEPS, n_predicted: int = N_PREDICTED
) -> dict[str, float]:
    """Time the same two networks here: the second epoch's training, and prediction."""
    figures = {}
    for name in ("vgg16", "resnet50v2"):
        config = write_config(pictures, f"coursework-{name}", name, steps)
        for stage in ("chips", "describe", "split", "train"):
            measure([sys.executable, "-m", "basrelief.cli", stage, str(config)])
        model = pictures / name / "models" / f"coursework-{name}" / "random" / "0-0"
        history = pd.read_csv(model / "history.csv")
        figures[f"{name}_training"] = 64 * steps / float(history["seconds"].iloc[-1])
        script = [sys.executable, str(HERE / "predict.py"), str(config), str(model)]
        output = measure([*script, str(n_predicted)]).output
        figures[f"{name}_prediction"] = float(output.splitlines()[-1])
    return figures


def measure_cutting() -> dict[str, float]:
    """Cut 25 square kilometres into chips: seconds and peak memory of the process."""
    config = WORK / "cut.toml"
    text = (HERE.parent / "examples" / "tq28ne.toml").read_text()
    config.write_text(text.replace("../../shared/data", str(SHARED)))
    found = measure([sys.executable, "-m", "basrelief.cli", "chips", str(config)])
    return {"cutting_seconds": found.seconds, "cutting_peak_mb": found.peak_mb}


def measure_growth() -> dict[str, float]:
    """Peak memory of every stage of a run on 400 pictures, and on four times as many.

    With a small network: VGG16's own gigabyte would hide what pictures take.
    """
    figures = {}
    for n in (400, 1600):
        pictures = make_pictures(WORK / f"pictures-{n}", n)
        (pictures / "small.toml").write_text(SMALL)
        command = [sys.executable, "-m", "basrelief.cli", "run"]
        found = measure([*command, str(write_run(pictures, "small", "run"))])
        figures[f"run_of_{n}_peak_mb"] = found.peak_mb
        figures[f"run_of_{n}_seconds"] = found.seconds
    return figures


def measure_speed() -> dict[str, float]:
    """Time the Keras pipeline and ours on the same pictures."""
    pictures = make_pictures(WORK / "pictures", 640)
    keras, ours = time_keras(pictures), time_ours(pictures)
    found = {f"keras_{name}": figure for name, figure in keras.items()}
    found |= {f"ours_{name}": figure for name, figure in ours.items()}
    return found | {f"{name}_over_keras": figure / keras[name] for name, figure in ours.items()}


def main() -> None:
    WORK.mkdir(exist_ok=True)
    parts = {"speed": measure_speed, "growth": measure_growth, "cutting": measure_cutting}
    if not SHARED.is_dir():
        del parts["cutting"]
    found = {}
    for part in sys.argv[1:] or parts:
        found |= parts[part]()
    keep_table(found, WORK / "results.jsonl")


if __name__ == "__main__":
    main()
