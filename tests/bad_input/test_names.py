"""Names that people type are checked at the start, and stay names wherever they are written."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyogrio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basrelief.judge.baselines import BASELINES
from basrelief.learn.choice import TAKEN
from basrelief.names import (
    DEVICES,
    FORMULA,
    MAX_FILE_LETTERS,
    find_fault,
    find_folder_fault,
    guard_cell,
    guard_table,
    name_file,
    unguard_cell,
    unguard_table,
)
from basrelief.style import STYLE

from .conftest import Place

TARGETS: list[tuple[list[str], tuple[str, ...]]] = [
    (["cri\nme"], ("a text holds a control sign", "'cri\\nme'")),
    (["crime\u202e"], ("holds a line break or another sign that cannot be seen",)),
    (["crime\u2028x"], ("holds a line break or another sign that cannot be seen",)),
    (["x" * 300], ("has 300 letters; 200 are allowed",)),
    ([" "], ("at least 1 character",)),
    (["=1+1"], ("begins with '=', which spreadsheets take for a formula",)),
    (["+crime"], ("begins with '+'",)),
    (["-crime"], ("begins with '-'",)),
    (["@crime"], ("begins with '@'",)),
    (["population"], ("'population' is a name that the program uses itself",)),
    (["Valid"], ("'Valid' is a name that the program uses itself",)),
    (["area_id"], ("'area_id' is a name that the program uses itself",)),
    (["layer_styles"], ("begins as names do that files of maps and tables keep",)),
    (["gpkg_contents"], ("begins as names do that files of maps",)),
    (["__index_level_0__"], ("begins as names do that files of maps",)),
    (["crime", "Crime"], ("'crime' and 'Crime' would be one column",)),
    (["crime", "crime_observed"], ("'crime_observed' and 'crime' would be one column",)),
    (["crime", "crime_lower_80"], ("'crime_lower_80' and 'crime' would be one column",)),
]


@pytest.mark.parametrize(("names", "says"), TARGETS, ids=[repr(r[0][-1][:20]) for r in TARGETS])
def test_a_target_that_cannot_be_a_name_is_refused_at_the_start(
    place: Place, refused: Callable[..., None], names: list[str], says: tuple[str, ...]
) -> None:
    place.configure(data={"targets": names})
    refused("data", *says, command="run")
    assert not place.run.exists()


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("heading", [COMPOSED, DECOMPOSED])
def test_accents_in_two_forms_are_one_name(
    place: Place, noted: Callable[..., Any], typed: str, heading: str
) -> None:
    truth = place.labels()["crime"]
    labels = place.labels().set_axis([f"{heading} code", heading], axis=1)
    labels.to_csv(place.folder / "labels.csv", index=False)
    place.write_areas(place.areas().rename(columns={"LSOA11CD": f"{heading} code"}))
    columns = {"area_column": f"{typed} code", "label_column": f"{typed} code"}
    place.configure(data={"targets": [typed], **columns})
    np.testing.assert_allclose(noted()[COMPOSED], truth)


def test_one_name_in_two_forms_is_one_target(place: Place, noted: Callable[..., Any]) -> None:
    place.labels().rename(columns={"crime": COMPOSED}).to_csv(
        place.folder / "labels.csv", index=False
    )
    place.configure(data={"targets": [COMPOSED, DECOMPOSED]})
    noted()
    about = json.loads((place.run / "chips" / "chips.json").read_text())
    assert about["targets"] == [COMPOSED]


def test_two_columns_of_one_name_that_differ_are_refused(
    place: Place, refused: Callable[..., None]
) -> None:
    labels = place.labels().rename(columns={"crime": COMPOSED})
    labels.assign(**{DECOMPOSED: range(100)}).to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"targets": [COMPOSED, DECOMPOSED]})
    refused("2 columns are called 'caf\u00e9', and they differ", command="run")


RECIPES = [
    ("../../escape", 'a recipe\'s name must be letters, digits, ".", "_" and "-"'),
    ("a/b", "a recipe's name must be letters"),
    ("ResNet 18 (été)", "a recipe's name must be letters"),
    (".hidden", "a recipe's name must be letters"),
    ("-x", "a recipe's name begins with '-'"),
    ("a\nb", "a text holds a control sign"),
    ("x" * 81, "a recipe's name must be letters"),
    ("recipes.json", "a recipe's name ends with '.json', as a file does"),
    ("Tests.JSON", "a recipe's name ends with '.JSON', as a file does"),
    ("areas.parquet", "a recipe's name ends with '.parquet'"),
    ("con", "a recipe's name is a device's name on Windows"),
    ("Lpt1.old", "a recipe's name is a device's name on Windows"),
    ("x.toml", "a recipe's name ends with '.toml'"),
    ("mean", "'mean', as is what recipes are held against"),
    ("Place-Alone", "as is what recipes are held against"),
    ("RELIEF-statistics", "is a second recipe named"),
]


@pytest.mark.parametrize(("name", "says"), RECIPES, ids=[repr(row[0][:20]) for row in RECIPES])
def test_a_recipe_whose_name_cannot_be_a_folder_is_refused_at_the_start(
    place: Place, refused: Callable[..., None], name: str, says: str
) -> None:
    written = name.replace("\n", "\\n")
    text = f'kind = "statistics"\nname = "{written}"\nabout = "a"\n'
    (place.folder / "mine.toml").write_text(text)
    place.configure(models={"recipes": ["relief-statistics", "mine.toml"]})
    refused("mine.toml", says, command="run")
    assert not (place.folder.parent / "escape").exists()


def test_every_file_of_a_run_ends_as_no_recipe_may() -> None:
    page = (Path(__file__).parents[2] / "RUN_FOLDER.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(?:models|features|explain)/([^/`]+\.[^/`]+)`", page, re.MULTILINE)
    assert {"recipes.json", "areas.parquet", "tests.json"} <= set(names)
    assert [name for name in names if find_folder_fault(name) is None] == []


def test_a_table_is_not_called_as_a_device_of_windows_is(
    place: Place, refused: Callable[..., None]
) -> None:
    (place.folder / "con.csv").write_text("area_id,a\nX0,1\n")
    place.configure(data={"tables": {"con": {"file": "con.csv", "columns": ["a"]}}})
    refused("data.tables", "is a device's name on Windows")


def test_files_of_a_target_are_not_called_as_devices_of_windows_are() -> None:
    """Votes of a party are called so; what is written of them must open everywhere."""
    names = [name_file(each) for each in ("con", "Con", "AUX", "com1.x", "contour", "console.x")]
    assert names[4:] == ["contour", "console.x"]
    assert len(set(names)) == 6
    assert [name for name in names if DEVICES.fullmatch(name)] == []


def test_a_dot_makes_no_file_of_a_recipe() -> None:
    assert find_folder_fault("resnet18.a1_in1k") is None


def test_what_recipes_are_held_against_is_what_no_recipe_is_called() -> None:
    assert set(TAKEN) == {*BASELINES, "mean"}


@pytest.mark.parametrize(
    ("typed", "meant"), [("relief-statistic", "relief-statistics"), ("VGG_16", "vgg16")]
)
def test_a_recipe_that_is_nearly_one_is_asked_about(
    place: Place, refused: Callable[..., None], typed: str, meant: str
) -> None:
    place.configure(models={"recipes": [typed]})
    refused(f"no recipe '{typed}'", f"Did you mean {meant}?", command="run")


PATHS = [
    ("~nosuchuser/a.csv", "there is no such user"),
    ("a\0b.csv", "a text holds a control sign"),
    ("a\tb.csv", 'in "..." a backslash begins one'),
    ("a" * 300, "a path is too long; 255 bytes a name"),
    ("a/" * 3000, "at most 4096 characters"),
    ("$HOME/a.csv", "has $HOME in it, and variables are not filled in"),
    ("data/${USER}/a.csv", "has ${USER} in it"),
    ("%TEMP%\\a.csv", "has %TEMP% in it"),
]


@pytest.mark.parametrize("key", ["dsm", "dtm", "areas", "labels", "crime"])
@pytest.mark.parametrize(("path", "says"), PATHS, ids=[repr(row[0][:12]) for row in PATHS])
def test_a_path_that_cannot_be_one_is_refused_at_the_start(
    place: Place, refused: Callable[..., None], key: str, path: str, says: str
) -> None:
    place.configure(data={key: path})
    refused(f"data.{key}", says, command="run")


def test_a_path_may_hold_signs_of_variables(place: Place, noted: Callable[..., Any]) -> None:
    (place.folder / "labels.csv").rename(place.folder / "50% of $5.csv")
    place.configure(data={"labels": "50% of $5.csv"})
    noted()


@pytest.mark.parametrize("bad", ["~nosuchuser/x.toml", "$HOME/x.toml"])
@pytest.mark.parametrize("key", ["out", "weights", "recipes"])
def test_other_paths_pass_the_same_check(
    place: Place, refused: Callable[..., None], key: str, bad: str
) -> None:
    changes: dict[str, Any] = {
        "out": {"out": bad},
        "weights": {"models": {"weights": {"vgg16": bad}}},
        "recipes": {"models": {"recipes": [bad]}},
    }
    place.configure(**changes[key])
    says = "there is no such user" if bad[0] == "~" else "variables are not filled in"
    refused(key, says, bad, command="run")


def test_of_control_signs_none_reaches_an_area(place: Place, noted: Callable[..., Any]) -> None:
    place.write_areas(place.areas().assign(LSOA11NM="High\nStreet\u00a0 1"))
    assert set(noted()["area_name"]) == {"High Street 1"}


@given(st.lists(st.text(max_size=120), max_size=4, unique=True))
def test_files_of_different_names_are_different_and_safe(names: list[str]) -> None:
    files = [name_file(name) for name in names]
    assert len(set(files)) == len(names)
    for file in files:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", file)
        assert len(file) <= MAX_FILE_LETTERS + 7
        assert not file.startswith(".")


@given(st.text(max_size=20))
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    guarded = guard_cell(text)
    assert guarded[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")
    assert unguard_cell(guarded) == text
    if find_folder_fault(text) is None:
        assert find_fault(text) is None
        assert name_file(text) == text


def test_a_table_is_guarded_in_its_texts_and_headings_but_not_in_its_numbers() -> None:
    table = pd.DataFrame({"=a": ["@x", None], "b": [-0.5, np.nan]}, index=["-1", "ok"])
    guarded = guard_table(table)
    assert guarded.columns.tolist() == ["'=a", "b"]
    assert guarded["'=a"].iloc[0] == "'@x"
    assert guarded["'=a"].isna().tolist() == [False, True]
    assert guarded["b"].iloc[0] == -0.5
    assert guarded.index.tolist() == ["'-1", "ok"]
    pd.testing.assert_frame_equal(unguard_table(guarded), table, check_dtype=False)


def test_nothing_that_is_drawn_is_read_as_a_formula() -> None:
    with mpl.rc_context(STYLE):
        assert not mpl.rcParams["text.parse_math"]


AWKWARD = [
    "<img src=x onerror=alert(1)>",
    "../../up",
    "a/b",
    "a b",
    "$x_{",
    "]]></script><script>alert(1)</script>",
    "'; DROP TABLE x; -- | `%s`",
    "y" * 200,
]
FORMULA_NAME = '=HYPERLINK("http://x","y")'


@pytest.mark.slow
def test_awkward_names_go_through_every_stage_and_stay_names(
    place: Place, run_command: Callable[..., int]
) -> None:
    codes = [f"@A{k:03d}" for k in range(100)]
    areas = place.areas().assign(LSOA11CD=codes, LSOA11NM=FORMULA_NAME)
    areas["LAD11CD"] = ["-1" if k < 50 else "+2" for k in range(100)]
    place.write_areas(areas)
    table = place.labels().drop(columns="LSOA code (2011)")
    rng = np.random.default_rng(0)
    columns = {name: table["crime"] + rng.normal(0, 0.1, 100) for name in AWKWARD}
    pd.DataFrame({"code": codes} | columns).to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"targets": AWKWARD, "label_column": "code"})
    before = {path for path in place.folder.parent.rglob("*") if place.run not in path.parents}
    assert run_command("run", str(place.config)) == 0
    after = {path for path in place.folder.parent.rglob("*") if place.run not in path.parents}
    assert after - before <= {place.run, place.run.parent}
    _check_files(place.run)
    layers = {name for name, _ in pyogrio.list_layers(place.run / "maps" / "areas.gpkg")}
    assert layers == {*(name_file(name) for name in AWKWARD), "layer_styles"}
    chips = pd.read_parquet(place.run / "chips" / "areas.parquet")
    assert set(AWKWARD) <= set(chips.columns)


def _check_files(run: Path) -> None:
    for path in run.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        formulas = [cell for cell in cells if cell[:1] != "'" and FORMULA.match(cell)]
        # Numbers below 0 begin with a minus, and are numbers.
        assert [cell for cell in formulas if not re.fullmatch(r"-[0-9.e-]+", cell)] == [], path
    for path in [*run.rglob("*.html"), *run.rglob("*.md"), *run.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        assert "<img src=x" not in text, path
        assert "<script>alert" not in text, path
    for path in run.rglob("*.svg"):
        Xml.fromstring(path.read_text(encoding="utf-8"))
