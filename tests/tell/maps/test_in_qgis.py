"""The maps in QGIS itself, without a screen; skipped where it is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pyogrio
import pytest
from PIL import Image

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.style import read_rgb
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.words import format_number

PYTHON = Path("/usr/bin/python3")
"""The system's own: QGIS is a package of the system, and of no virtual environment."""

LOOK = Path(__file__).with_name("look_in_qgis.py")
STYLES = ["predicted", "observed", "observed less predicted", "width of the 80% interval"]


@pytest.fixture(scope="module")
def layers(town_settings: Settings, town_run: Run) -> list[MapLayer]:
    return gather_layers(read_facts(town_settings, town_run))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qgis") / "drawn.png"


@pytest.fixture(scope="module")
def seen(town_run: Run, picture: Path) -> dict[str, Any]:
    """What QGIS makes of the town's maps."""
    # Without the variables of this environment, whose libraries are of another Python.
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | {"QT_QPA_PLATFORM": "offscreen"}

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, *words], capture_output=True, text=True, env=env, timeout=300
        )

    if not PYTHON.exists() or ask("-c", "import qgis.core").returncode:
        pytest.skip("no QGIS on this machine: apt-get install python3-qgis")
    done = ask(str(LOOK), str(town_run.maps), str(picture))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_project_opens_every_layer_in_groups_and_in_order(
    seen: dict[str, Any], layers: list[MapLayer]
) -> None:
    assert seen["is_read"]
    assert seen["invalid"] == []
    assert seen["crs"] == "EPSG:27700"
    *groups, ground = seen["tree"]
    assert [name.lower() for name, _ in groups] == [layer.name for layer in layers]
    assert all(inside[:4] == STYLES for _, inside in groups)
    assert ground == "Lit ground"
    assert seen["drawn"] == ["predicted", "Lit ground"]


def test_fields_have_names_and_units(seen: dict[str, Any]) -> None:
    for each in (seen["alone"], seen["layers"]["crime-predicted"]):
        aliases = each["aliases"]
        assert aliases["predicted"] == "predicted while held out (score)"
        assert aliases["lower_80"] == "lower end of the 80% interval (score)"
        assert aliases["ground_covered"] == "ground with heights (share, 0 to 1)"
        assert [name for name, alias in aliases.items() if not alias] == ["fid"]


def test_a_tip_tells_interval_and_worth(seen: dict[str, Any], layers: list[MapLayer]) -> None:
    layer = layers[0]
    first = layer.table.iloc[0]
    tip = seen["alone"]["tip"]

    def write(column: str) -> str:
        value = first[column]
        # QGIS writes a plain hyphen.
        shown = format_number(value, layer.classes.places).replace("−", "-")
        return "not known" if np.isnan(value) else shown

    assert first["area_name"] in tip
    assert f"predicted {write('predicted')}<br>" in tip
    assert f"80% interval {write('lower_80')} to {write('upper_80')}<br>" in tip
    assert layer.finding is not None
    assert layer.finding.words in tip
    assert (
        layer.finding.words
        in seen["alone"]["abstract"] + seen["layers"]["crime-observed"]["abstract"]
    )


def test_the_legend_has_classes_and_stripes(seen: dict[str, Any], layers: list[MapLayer]) -> None:
    striped = "outside: unlike anything in training"
    predicted = seen["layers"]["crime-predicted"]["legend"]
    assert predicted == [*layers[0].classes.labels, "not predicted", striped]
    assert striped not in seen["layers"]["crime-observed"]["legend"]


def test_what_it_draws_has_the_colours_of_the_classes_over_the_ground(
    seen: dict[str, Any], picture: Path, layers: list[MapLayer]
) -> None:
    assert seen["drawn"]
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    found = layers[0].classes.find(layers[0].table["predicted"].to_numpy(np.float64))
    for place in np.unique(found[found >= 0]):
        colour = np.array(read_rgb(layers[0].classes.colours[place]))
        # Four fifths of the class's colour, and a fifth of whatever light is under it.
        rest = (pixels - 0.8 * colour) / 0.2
        is_glazed = ((rest > -12) & (rest < 267)).all(axis=1) & (np.ptp(rest, axis=1) < 40)
        assert is_glazed.sum() > 50


def test_the_project_is_the_same_for_the_same_run_and_keeps_no_path(town_run: Run) -> None:
    with zipfile.ZipFile(town_run.maps / "areas.qgz") as archive:
        (name,) = archive.namelist()
        text = archive.read(name).decode()
        assert archive.getinfo(name).date_time == (1980, 1, 1, 0, 0, 0)
    assert str(town_run.folder) not in text
    root = Xml.fromstring(text)
    opened = {each.text for each in root.iter("datasource")}
    assert all(each.startswith("./") for each in opened if each)
    files = {each.split("|")[0] for each in opened if each}
    assert all((town_run.maps / each).exists() for each in files)
    tables = {each.split("layername=")[1] for each in opened if each and "layername" in each}
    assert tables <= {name for name, _ in pyogrio.list_layers(town_run.maps / "areas.gpkg")}
