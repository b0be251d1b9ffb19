"""QGIS itself, as a process of its own: it adds what is served, draws it, and sees colours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PYTHON = "/usr/bin/python3"
"""The system's own, for which QGIS is installed."""


def has_qgis() -> bool:
    if not Path(PYTHON).exists():
        return False
    done = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True)
    return done.returncode == 0


@pytest.mark.slow
def test_qgis_adds_the_areas_and_the_ground_and_draws_them(analyst: Any, tmp_path: Path) -> None:
    if not has_qgis():
        pytest.skip("no QGIS on this machine: apt-get install python3-qgis")
    (raster,) = analyst.ask("/rasters").json["rasters"]
    picture = tmp_path / "picture.png"
    script = str(Path(__file__).with_name("qgis_client.py"))
    words = (analyst.url, "town.crime", "predicted", raster["tiles"], str(picture))
    alone = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    alone["XDG_RUNTIME_DIR"] = str(tmp_path)
    done = subprocess.run(
        [PYTHON, script, *words], capture_output=True, text=True, env=alone, timeout=120, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["is_valid"]
    assert told["is_ground_valid"]
    assert told["errors"] == []
    assert told["ids"] == [f"E{i:02}" for i in range(20)]
    assert {"observed", "predicted", "residual", "lower_80"} <= set(told["columns"])
    seen = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(seen, axis=0, return_counts=True)
    # Five classes in shades from blue to yellow, each over as much ground as a few areas are.
    large = colours[counts > 200].astype(int)
    bluish = large[:, 2] - large[:, 0]
    assert len(large) >= 5
    assert bluish.max() > 50
    assert bluish.min() < -50
