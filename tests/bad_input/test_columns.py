"""Columns that look like the one that is meant: the right one is taken, or one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from basrelief.config import DataSettings, InputError, load_settings
from basrelief.drawing import finish_figure, start_figure
from basrelief.run import Notes, Run
from basrelief.sources.crime import read_crime
from basrelief.sources.labels import read_labels
from basrelief.sources.numbers import parse_numbers
from basrelief.sources.targets import find_target
from basrelief.typed import Typed

N = 12
CODES = [f"E01{k:06d}" for k in range(1, N + 1)]
PEOPLE = [1500 + 10 * k for k in range(N)]
SCORES = [-1.0, 0.86, 0.13, -0.6, 1.33, 0.4, -0.2, 0.7, 0.05, -0.9, 1.1, 0.2]
MID = "Total population: mid 2022"


def read(
    folder: Path, columns: dict[str, Any], target: str = "crime"
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of twelve areas; gives what is read, and the notes."""
    path, notes = folder / "labels.csv", Notes(Run(folder / "run", quiet=True))
    pd.DataFrame({"LSOA21CD": CODES} | columns).to_csv(path, index=False)
    typed = Typed("labels", "labels.csv", path)
    return read_labels(typed, targets=[target], column=None, notes=notes), notes.lines


@pytest.mark.parametrize(
    "other",
    [
        "Total population: males",
        "Total population density",
        "Total population aged 0-15: mid 2022",
        "Total population 16 to 64",
        "Total population change 2012 to 2022",
        "Total population per hectare",
        "Total population (thousands)",
        "Total population in communal establishments",
        "Total population, % of district",
    ],
)
def test_people_are_those_of_the_column_that_counts_all(tmp_path: Path, other: str) -> None:
    labels, said = read(tmp_path, {"crime": SCORES, other: [7] * N, MID: PEOPLE})
    assert labels["population"].tolist() == PEOPLE
    assert said == []
    labels, said = read(tmp_path, {"crime": SCORES, other: [7] * N})
    assert "population" not in labels
    assert "is not read as the people of an area" in said[0]


def test_a_column_called_population_is_meant_and_said(tmp_path: Path) -> None:
    labels, said = read(tmp_path, {"crime": SCORES, MID: [9] * N, "Population": PEOPLE})
    assert labels["population"].tolist() == PEOPLE
    assert said[0].endswith(f"people are those of 'Population', not those of '{MID}'")


PEOPLE_REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "two years": (
        {"Total population: mid 2012": [900] * N, MID: PEOPLE},
        ("several columns count people", "mid 2012", "mid 2022", "call it population"),
    ),
    "thousands": ({MID: [p / 1000 for p in PEOPLE]}, ("found 1.5", "E01000001", "write 1500")),
    "a thousand beside people": (
        {MID: [1.5, *PEOPLE[1:]]},
        ("found 1.5 in E01000001", "thousands beside people"),
    ),
    "whole thousands": ({MID: [1, 2, 2, 1, 1, 2] * 2}, ("found 1 in", "Thousands")),
    "a density": ({MID: [45.3 + k for k in range(N)]}, ("found 45.3", "a density")),
    "below 0": ({MID: [-9, *PEOPLE[1:]]}, ("found -9 in E01000001", "0 or more people")),
}


@pytest.mark.parametrize("name", PEOPLE_REFUSED)
def test_what_cannot_be_people_is_refused(tmp_path: Path, name: str) -> None:
    columns, says = PEOPLE_REFUSED[name]
    with pytest.raises(InputError) as refused:
        read(tmp_path, {"crime": SCORES} | columns)
    assert all(words in str(refused.value) for words in ("data.labels = 'labels.csv'", *says))


def test_people_shared_out_over_other_areas_are_taken_and_said(tmp_path: Path) -> None:
    people = [p + 0.25 for p in PEOPLE]
    labels, said = read(tmp_path, {"crime": SCORES, MID: people})
    assert labels["population"].tolist() == people
    assert "fractions of people (1500.25 in E01000001)" in said[0]


@pytest.mark.parametrize(
    ("target", "heading"),
    [
        ("crime", "Crime Score change 2015 to 2019"),
        ("crime", "Crime Score 2015-2019"),
        ("crime", "Crime Score standard error"),
        ("crime", "Crime Score (standard error)"),
        ("crime", "Crime Score (rank)"),
        ("income", "Income Score z-score"),
        ("income", "Income Score (rate) change"),
        ("income", "Income Score (rate, lower bound)"),
        ("theft", "Theft from the person"),
        ("burglary", "Burglary clear-up percentage"),
    ],
)
def test_a_heading_that_goes_on_is_another_column(
    tmp_path: Path, target: str, heading: str
) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, {heading: SCORES}, target)
    assert f"no column for {target!r} but {heading!r}" in str(refused.value)
    assert "the whole heading as the target" in str(refused.value)
    assert read(tmp_path, {heading: SCORES}, heading)[0][heading].tolist() == SCORES


@pytest.mark.parametrize(
    ("target", "heading"),
    [
        ("crime", "Crime Score (2019)"),
        ("crime", "crime score, IoD2019"),
        ("income", "Income Score (rate) 2015"),
        ("burglary", "Burglary (rate per 1,000 at-risk properties)"),
        ("public_order", "Public order and possession of weapons (rate per 1,000 at-risk people)"),
        ("idaopi", "Income Deprivation Affecting Older People Index (IDAOPI) Score (rate)"),
    ],
)
def test_a_unit_and_an_edition_may_stand_behind_a_heading(target: str, heading: str) -> None:
    assert find_target([heading], target) == heading


def test_a_heading_that_a_file_cut_off_is_known() -> None:
    whole = "Public order and possession of weapons (rate per 1,000 at-risk population and year)"
    assert find_target([whole[:80]], "public_order") == whole[:80]


def test_it_is_said_which_columns_are_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    pd.DataFrame({"LSOA21CD": CODES, "Crime Score": SCORES, "own": SCORES}).to_csv(path)
    typed, notes = Typed("labels", "labels.csv", path), Notes(Run(tmp_path))
    read_labels(typed, targets=["crime", "own"], column=None, notes=notes)
    assert capsys.readouterr().out == 'chips: crime <- "Crime Score"\n'


IMD = "Index of Multiple Deprivation (IMD) Score"

IMPOSSIBLE: dict[str, tuple[str, str, list[float], tuple[str, ...]]] = {
    "percent": ("income", "Income Score (rate)", [5.0 + k for k in range(N)], ("percent", "5%")),
    "ranks": ("crime", "Crime Score", [32844.0 - 17 * k for k in range(N)], ("look like ranks",)),
    "ranks of rates": ("theft", "Theft", [1500.0 + 17 * k for k in range(N)], ("ranks",)),
    "deciles": ("crime", "Crime Score", [1.0 + k % 10 for k in range(N)], ("look like deciles",)),
    "quintiles": ("crime", "Crime Score", [1.0 + k % 5 for k in range(N)], ("deciles",)),
    "deciles of all": ("imd", IMD, [1.0 + k % 10 for k in range(N)], ("look like deciles",)),
    "zeros": ("imd", IMD, [22.1, 0, 31.4, 0, *[9.5] * 8], ("0 in E01000002", "2 of 12 rows")),
    "one far": ("crime", "Crime Score", [7.5, *SCORES[1:]], ("from -5 to 5, and holds 7.5",)),
    "below": ("income", "Income Score (rate)", [-0.2, *[0.1] * 11], ("-0.2 in E01000001",)),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_stand_under_a_published_heading_is_refused(tmp_path: Path, name: str) -> None:
    target, heading, values, says = IMPOSSIBLE[name]
    with pytest.raises(InputError) as refused:
        read(tmp_path, {heading: values}, target)
    assert all(words in str(refused.value) for words in (repr(heading), *says))
    # Under a name of the user's own it may be what it likes.
    assert read(tmp_path, {target: values}, target)[0][target].tolist() == values


RATES = [12.1, 14.0, 9.5, 11.0, 13.3, 8.2, 9.1, 12.6, 15.0]

NOT_KNOWN: dict[str, tuple[list[float], float]] = {
    "-9 among rates": (RATES, -9),
    "-1 among rates": (RATES, -1),
    "-8 among shares": ([r / 100 for r in RATES], -8),
    "-9 among scores": (SCORES, -9),
    "8888": ([12, 14, 9.5, 11, 13, 10, 9, 12, 15], 8888),
    "99.9": ([2.1, 1.4, 0.5, 1.1, 1.3, 1.0, 0.9, 1.2, 1.5], 99.9),
}


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_a_number_that_stands_for_none_is_not_known_and_said(name: str) -> None:
    rest, code = NOT_KNOWN[name]
    found = parse_numbers(pd.Series([code, *rest, code]))
    assert found.series.dropna().tolist() == rest
    assert f"{code:g} in 2 rows" in found.remarks[0]
    assert "is read as not known" in found.remarks[0]


DOUBTFUL: dict[str, list[float]] = {
    "whole numbers": [0, 3, 5, 2, 7, 4, -1, -1],
    "once": [*RATES, -1],
    "far and often": [*RATES, 12345, 12345],
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_number_that_may_be_one_is_kept_and_said(name: str) -> None:
    found = parse_numbers(pd.Series(DOUBTFUL[name]))
    assert found.series.tolist() == DOUBTFUL[name]
    assert "is read as a number" in found.remarks[0]


@pytest.mark.parametrize(
    "values",
    [
        [*SCORES, -1.0, -1.0],
        [0.0] * 50 + [3403.4, 5.5, 9e4],
        [12, 77, 77, 88, 99, 99, 45, 3],
        [0.0, 0.0, 0.0, 500.0, 500.0, 700.0],
    ],
)
def test_sound_numbers_are_read_without_a_word(values: list[float]) -> None:
    found = parse_numbers(pd.Series(values))
    assert found.series.tolist() == values
    assert found.remarks == ()


@pytest.mark.parametrize("between", [" : ", ": ", ":", " - ", " | "])
def test_a_name_behind_a_code_is_no_part_of_it(tmp_path: Path, between: str) -> None:
    path, notes = tmp_path / "labels.csv", Notes(Run(tmp_path / "run", quiet=True))
    named = [f"{code}{between}Testham {k:03d}A" for k, code in enumerate(CODES)]
    table = pd.DataFrame({"2021 super output area - lower layer": named, "crime": SCORES})
    table.to_csv(path, index=False)
    typed = Typed("labels", "labels.csv", path)
    labels = read_labels(typed, targets=["crime"], column=None, notes=notes)
    assert labels["crime"].to_dict() == dict(zip(CODES, SCORES, strict=True))


@pytest.mark.parametrize(
    "years",
    [["2009/10", "2010/11", "2011/12"], ["2016-17", "2017-18"], ["2018/2019"], ["2009/10"]],
)
def test_financial_years_are_no_months(tmp_path: Path, years: list[str]) -> None:
    table = pd.DataFrame({"LSOA21CD": CODES} | {year: range(N) for year in years})
    table.to_csv(tmp_path / "crime-major-theft.csv", index=False)
    typed, notes = Typed("crime", "c*.csv", tmp_path / "c*.csv"), Notes(Run(tmp_path, quiet=True))
    with pytest.raises(InputError, match=f"'{years[-1]}' is a financial year") as refused:
        read_crime(typed, None, notes)
    assert "crime-major-theft.csv" in str(refused.value)


@pytest.mark.parametrize("sign", ["-", "/"])
def test_months_are_no_financial_years(tmp_path: Path, sign: str) -> None:
    months = {f"2010{sign}{month:02d}": range(N) for month in range(1, 13)}
    table = pd.DataFrame({"LSOA21CD": CODES} | months)
    table.to_csv(tmp_path / "crime-major-theft.csv", index=False)
    typed, notes = Typed("crime", "c*.csv", tmp_path / "c*.csv"), Notes(Run(tmp_path, quiet=True))
    assert read_crime(typed, None, notes).counts["theft"].tolist() == [12 * k for k in range(N)]


def test_a_table_of_the_configuration_in_capitals_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[Data]\ndsm = "a.tif"\n')
    with pytest.raises(InputError, match=r"no \[data\] table, but \[Data\]: call it \[data\]\.$"):
        load_settings(path)


@pytest.mark.parametrize(
    ("name", "says"), [("labels", "has no suffix, such as .csv"), ("folder", "is a folder")]
)
def test_a_table_without_a_suffix_is_told_for_what_it_is(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "labels").write_text("LSOA21CD,crime\n")
    (tmp_path / "folder").mkdir()
    typed, notes = Typed("labels", name, tmp_path / name), Notes(Run(tmp_path, quiet=True))
    with pytest.raises(InputError, match=says):
        read_labels(typed, targets=["crime"], column=None, notes=notes)


def test_signs_that_no_font_has_are_drawn_without_a_warning() -> None:
    figure, axes = start_figure(2)
    axes.set_title("\N{PILE OF POO} rate")
    # Warnings are errors here.
    assert "\N{PILE OF POO} rate" in finish_figure(figure, "a figure")


def test_an_accent_is_one_letter_however_it_is_stored(tmp_path: Path) -> None:
    one, two = "caf\u00e9", "cafe\u0301"
    labels, _ = read(tmp_path, {two: SCORES}, target=one)
    assert labels[one].tolist() == SCORES
    # As a name that is typed twice.
    settings = DataSettings(dsm="a", areas="b", labels="c", targets=[one, two])
    assert set(settings.targets) == {one}
