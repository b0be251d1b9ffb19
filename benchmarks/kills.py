"""Kill a run at random moments, run it again, and compare with one that nothing disturbed.

    python benchmarks/kills.py --moments 30

A small synthetic town is run whole. Then, again and again, a run of it (from nothing, or from a
stage of a finished one) is killed without warning and run once more: predictions, scores and the
public table have to be those of the undisturbed run, and no half-written file may stay. Half of
the moments lie in the first second of a `--from`, when marks and models are removed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from basrelief.sources.town import write_town
from basrelief.stages import STAGES

COMPARED = ("predictions.parquet", "scores.json", "public/areas.csv")


def main() -> None:
    """Print one line a moment, and how many ended as they should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        config = write_small_town(Path(name))
        start = time.perf_counter()
        run(config)
        whole_s = time.perf_counter() - start
        expected = read_results(config)
        finished = Path(name) / "finished"
        shutil.copytree(config.parent / "run", finished)
        n_good = 0
        for k in range(args.moments):
            stage = rng.choice([None, *(each.name for each in STAGES)])
            after_s = start_up_s(config) + rng.uniform(0, 1 if k % 2 else whole_s)
            lay_out(config, finished if stage else None)
            was_killed = kill(config, stage, after_s)
            parts = run(config)
            is_good = read_results(config) == expected and not parts
            n_good += is_good
            what = f"--from {stage}" if stage else "from nothing"
            how = "killed" if was_killed else "had ended"
            print(
                f"{what}, after {after_s:.1f} s ({how}): {'as undisturbed' if is_good else 'NOT'}"
            )
    print(f"\n{n_good} of {args.moments} as undisturbed; a whole run takes {whole_s:.0f} s")
    sys.exit(n_good < args.moments)


def write_small_town(folder: Path) -> Path:
    """Write a town of four square kilometres that runs in seconds."""
    config = write_town(folder, seed=7, side_m=2000)
    text = config.read_text()
    start = text.index("[models]")
    config.write_text(
        text[:start] + '[models]\nrecipes = ["relief-statistics"]\n[evaluate]\nworlds = 0\n'
    )
    return config


def start_up_s(config: Path) -> float:
    """Measure how long the program takes before it does anything, in seconds."""
    start = time.perf_counter()
    subprocess.run(command(config.parent / "none.toml"), capture_output=True, check=False)
    return time.perf_counter() - start


def command(config: Path, *words: str) -> list[str]:
    """Give the command line of a run."""
    return [sys.executable, "-m", "basrelief.cli", "run", str(config), "--quiet", *words]


def lay_out(config: Path, finished: Path | None) -> None:
    """Put the finished run in its place, or nothing."""
    shutil.rmtree(config.parent / "run", ignore_errors=True)
    if finished is not None:
        shutil.copytree(finished, config.parent / "run")


def kill(config: Path, stage: str | None, after_s: float) -> bool:
    """Kill a run after a while; say whether it still ran."""
    words = ("--from", stage) if stage else ()
    with subprocess.Popen(command(config, *words)) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
    return False


def run(config: Path) -> list[Path]:
    """Run to the end; give what is left half-written."""
    subprocess.run(command(config), check=True)
    return [path for path in (config.parent / "run").rglob("*") if ".part" in path.name]


def read_results(config: Path) -> dict[str, bytes]:
    """Read what is compared, byte for byte."""
    return {name: (config.parent / "run" / name).read_bytes() for name in COMPARED}


if __name__ == "__main__":
    main()
