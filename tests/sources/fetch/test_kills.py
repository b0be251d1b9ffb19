"""A fetch that is stopped at any moment, however it is stopped, goes on to the very same folder."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from basrelief.hashes import hash_file
from basrelief.sources.fetch.client import MIRRORS

STOPPED = "basrelief: stopped. The same command goes on where it was.\n"


class Fetch:
    """The command that brings the town into ``out`` of a folder, with a cache of its own."""

    def __init__(self, folder: Path, mirrors: str) -> None:
        self.folder, self.out = folder, folder / "out"
        words = ["fetch", "--place", "Testham", "--out", str(self.out)]
        words += ["--cache", str(folder / "cache")]
        self.command = [sys.executable, "-m", "basrelief.cli", *words]
        self.environment = os.environ | {MIRRORS: mirrors, "OMP_NUM_THREADS": "1"}

    def start(self) -> subprocess.Popen[str]:
        pipes: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command, env=self.environment, **pipes)

    def finish(self) -> float:
        """Run to the end; give the seconds that it took."""
        start = time.perf_counter()
        done = subprocess.run(self.command, env=self.environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return time.perf_counter() - start

    def stop(self, name: str, after_s: float) -> None:
        """Stop the command after a while, if it still runs then, and see how it ends."""
        with self.start() as process:
            try:
                process.wait(after_s)
                return
            except subprocess.TimeoutExpired:
                number = getattr(signal, name)
                process.send_signal(number)
            # Within seconds: it waits for no pause, and for no half of a file.
            _, said = process.communicate(timeout=20)
        if name != "SIGKILL":
            # Before it has begun, it ends as every program does; or it was just done.
            ends = ((128 + number, STOPPED), (-number, ""), (0, ""))
            assert (process.returncode, said) in ends
            assert self.list_halves() == []

    def list_halves(self) -> list[str]:
        return [path.name for path in self.out.rglob("*") if ".part" in path.name]

    def read(self) -> dict[str, Any]:
        """What was brought, by file, but for when."""
        found = {}
        for path in sorted(each for each in self.out.rglob("*") if each.is_file()):
            name = path.relative_to(self.out).as_posix()
            if path.suffix == ".gpkg":
                # It says when it was written.
                found[name] = gpd.read_file(path, layer="areas").to_wkt().to_csv()
            elif path.name == "credits.json":
                entries = json.loads(path.read_text())
                found[name] = [(each["file"], each["url"], each["n_bytes"]) for each in entries]
            else:
                found[name] = hash_file(path)
        return found


@pytest.mark.slow
def test_a_fetch_that_is_stopped_at_random_moments_ends_as_an_undisturbed_one(
    testham: str, tmp_path: Path
) -> None:
    whole, stopped = Fetch(tmp_path / "whole", testham), Fetch(tmp_path / "stopped", testham)
    took_s = whole.finish()
    rng = random.Random(0)
    for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"):
        stopped.stop(name, rng.uniform(0.3, 0.9) * took_s)
    stopped.finish()
    assert stopped.read() == whole.read()
    assert stopped.list_halves() == []
