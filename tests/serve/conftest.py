"""A finished run of twenty areas, and a server of it as a process of its own on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin

from basrelief.config import Settings
from basrelief.marks import finish_stage
from basrelief.run import Run, begin_run
from basrelief.stages import STAGES
from basrelief.style import DIVERGING
from basrelief.tell.maps.qgis import draw_ramp
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.stage import tell_run

CONTRIBUTION = "crime-dense-vgg16"
"""A contribution map of the run, in `maps/`."""


def load_judged() -> ModuleType:
    """The judged run of the tests of the report."""
    path = Path(__file__).parents[1] / "tell" / "conftest.py"
    spec = importlib.util.spec_from_file_location("judged", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw_rasters(folder: Path) -> None:
    """Ground lit evenly, and contributions that rise to the east, over the twenty areas."""
    rising = np.tile(np.linspace(-1, 1, 200, dtype=np.float32), (40, 1))
    rasters: dict[str, Any] = {
        "relief.tif": np.full((40, 200), 200, np.uint8),
        f"{CONTRIBUTION}.tif": rising,
    }
    for name, values in rasters.items():
        profile = {"driver": "GTiff", "height": 40, "width": 200, "count": 1, "crs": "EPSG:27700"}
        place = from_origin(0, 250, 10, 10)
        nodata = 0 if values.dtype == np.uint8 else np.nan
        kept = {"transform": place, "dtype": values.dtype, "nodata": nodata}
        with rasterio.open(folder / name, "w", **profile, **kept) as raster:
            raster.write(values, 1)
    (folder / f"{CONTRIBUTION}.qml").write_text(draw_ramp(1.0, DIVERGING, "crime"))


def finish_run(folder: Path, **publish: Any) -> Run:
    """Write a run, with its maps and its report, and mark its stages as finished."""
    judged = load_judged()
    run: Run = judged.write_run(folder)
    begin_run(run)
    settings: Settings = judged.SETTINGS
    allowed = settings.publish.model_copy(update={"min_population": 0} | publish)
    settings = settings.model_copy(update={"publish": allowed})
    path = run.folder / "evaluate" / "residuals.parquet"
    told = pd.read_parquet(path)
    told["lower_80"], told["upper_80"] = told["y_pred"] - 0.75, told["y_pred"] + 1.25
    told.to_parquet(path)
    write_maps(settings, run)
    draw_rasters(run.maps)
    tell_run(settings, run)
    for stage in STAGES:
        finish_stage(run, stage.name, stage.name, stage.writes)
    return run


@pytest.fixture(scope="session")
def write_finished() -> Callable[..., Run]:
    """Write a finished run: see `finish_run`."""
    return finish_run


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run. No test changes it."""
    return finish_run(tmp_path_factory.mktemp("served") / "town")


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path exactly as it is given; ``_`` in names of headers stands for ``-``."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, path, headers=named)
            with connection.getresponse() as found:
                body = found.read()
        return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, body)


@contextmanager
def start_server(*words: str, cwd: Path) -> Iterator[Served]:
    """Start a server on a free port, and end it as a user does."""
    command = [sys.executable, "-m", "basrelief.cli", "serve", *words, "--port", "0"]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.match(r"serve: http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        yield Served(int(found[1]), process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="session")
def start() -> Callable[..., Any]:
    """Start a server: see `start_server`."""
    return start_server


@pytest.fixture(scope="session")
def public(served_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the run to everybody."""
    with start_server(str(served_run.folder), cwd=tmp_path_factory.mktemp("cwd")) as served:
        yield served


@pytest.fixture(scope="session")
def analyst(served_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the run to the analyst of this machine."""
    words = (str(served_run.folder), "--tier", "analyst")
    with start_server(*words, cwd=tmp_path_factory.mktemp("cwd")) as served:
        yield served


@pytest.fixture(scope="session")
def custodian(served_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the run to the custodian of this machine."""
    words = (str(served_run.folder), "--tier", "custodian")
    with start_server(*words, cwd=tmp_path_factory.mktemp("cwd")) as served:
        yield served
