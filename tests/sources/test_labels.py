from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import openpyxl
import pandas as pd
import pytest

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.iod import IOD
from basrelief.sources.labels import read_labels
from basrelief.sources.targets import NOT_BELOW_0, find_target
from basrelief.typed import Typed

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the code")

FILE_7 = (
    "LSOA code (2011) ,Local Authority District code (2019),Crime Score ,"
    "Crime Rank (where 1 is most deprived),Income Score (rate),"
    "Income Deprivation Affecting Children Index (IDACI) Score (rate),"
    "Total population: mid 2015 (excluding prisoners)\n"
    'E01,E09,0.5,2,0.1,0.2,"1,296"\nE02,E09,-0.5,1,,0.3,1156\n,,,,,,\n'
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def write_book(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.remove(book.worksheets[0])
    book.save(path)
    return path


def read(
    path: Path, targets: list[str] | Literal["all"] = "all", column: str | None = None
) -> pd.DataFrame:
    notes = Notes(Run(path.parent, quiet=True))
    typed = Typed("labels", path.name, path)
    labels = read_labels(typed, targets=targets, column=column, notes=notes)
    # Each is sound, or refused.
    assert notes.lines == []
    return labels


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_national_file_is_read_by_the_beginnings_of_its_headings(
    tmp_path: Path, encoding: str
) -> None:
    path = write(tmp_path / "a.csv", FILE_7.replace("E09", "Môn"), encoding)
    labels = read(path, ["crime", "income", "idaci"])
    assert labels.index.tolist() == ["E01", "E02"]
    assert labels["crime"].tolist() == [0.5, -0.5]
    assert labels["idaci"].tolist() == [0.2, 0.3]
    assert labels["income"].isna().tolist() == [False, True]
    assert labels["population"].tolist() == [1296, 1156]
    assert labels["lad"].tolist() == ["Môn", "Môn"]


def test_all_means_the_domains_that_are_there(tmp_path: Path) -> None:
    labels = read(write(tmp_path / "a.csv", FILE_7))
    assert labels.columns.tolist() == ["income", "crime", "population", "lad"]


def test_a_users_own_table_keeps_its_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "zone,crime,gini\nA,1,2.5\nB,3,NA\n")
    labels = read(path, ["gini", "crime"], column="zone")
    assert labels.columns.tolist() == ["gini", "crime"]
    assert list(labels.loc["A"]) == [2.5, 1.0]
    assert labels["gini"].isna().tolist() == [False, True]


def test_the_sheets_of_a_workbook_are_merged(tmp_path: Path) -> None:
    code = "LSOA code (2011)"
    sheets: dict[str, list[list[Any]]] = {
        "Notes": [["London"], ["made from"]],
        "IMD 2019": [
            ["a title"],
            [],
            ["geography code", "Crime Score"],
            ["E01", 0.5],
            ["E02", 1],
        ],
        "Borough": [["Local Authority District code (2019)", "Crime - Average score"], ["E09", 1]],
        "Sub domains": [[code, "Outdoors Sub-domain Score", None], ["E02", 2, None], ["E01", 1]],
    }
    labels = read(write_book(tmp_path / "a.xlsx", sheets), ["crime", "outdoors"])
    assert list(labels.loc["E01"]) == [0.5, 1.0]
    assert list(labels.loc["E02"]) == [1.0, 2.0]


def test_a_target_that_is_absent_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", FILE_7)
    with pytest.raises(InputError, match=r"no column for 'health'.*has: income, crime, idaci;"):
        read(path, ["crime", "health"])


def test_all_without_a_domain_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "LSOA11CD,gini\nE01,1\n")
    with pytest.raises(InputError, match=r'no column for "all".*LSOA11CD, gini'):
        read(path)


@pytest.mark.parametrize("value", ["high", "inf", "1 2"])
def test_text_where_a_number_should_be_is_refused(tmp_path: Path, value: str) -> None:
    path = write(tmp_path / "a.csv", f"LSOA11CD,crime\nE01,1\nE02,{value}\n")
    with pytest.raises(InputError, match=rf"'crime' .* must be finite numbers, found '{value}'"):
        read(path, ["crime"])


def test_repeated_codes_are_refused_with_an_example(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "LSOA11CD,crime\nE01,1\nE01,2\n")
    with pytest.raises(InputError, match=r"column 'LSOA11CD': .* E01 stands 2 times"):
        read(path, ["crime"])


def test_a_table_without_codes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "place,crime\nx,1\n")
    with pytest.raises(InputError, match=r"recognised among place, crime.*data\.label_column"):
        read(path, ["crime"])


def test_a_typed_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "LSOA11CD,crime\nE01,1\n")
    with pytest.raises(InputError, match=r"data\.label_column = 'code'.*LSOA11CD, crime"):
        read(path, ["crime"], column="code")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.labels = 'a\.csv': no such file"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xlsx", "no workbook", "cannot be read as XLSX"),
        ("a.xls", "old", r"\.xls is not known\. Give CSV or XLSX"),
        ("a.csv", "", "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / name, text))


def test_income_is_not_mistaken_for_idaci() -> None:
    columns = ["Income Deprivation Affecting Children Index (IDACI) Score (rate)"]
    assert find_target(columns, "income") is None
    assert find_target(columns, "idaci") == columns[0]


@pytest.mark.real
@NEEDS_DATA
def test_the_real_workbook_and_csv_agree() -> None:
    targets = [name for name, headings in IOD.headings.items() if "Score" in headings[0]]
    book = read(DATA / "labels" / "ID 2019 for London.xlsx", targets)
    table = read(next((DATA / "labels").glob("File_7*.csv")), targets)
    assert set(IOD.domains) <= set(targets)
    assert len(targets) == 16
    # Beside every score stands its national tenth, and three columns of places and people.
    assert book.shape == (4835, 2 * 16 + 3)
    pd.testing.assert_frame_equal(book, table[book.columns], check_dtype=False)


@pytest.mark.real
@NEEDS_DATA
def test_real_crime_rates_are_read_by_category() -> None:
    path = DATA / "labels" / "iod2025_london_crime_rates.csv"
    labels = read(path, ["burglary", "violence_with_injury", "anti_social_behaviour"])
    assert len(labels) == 4994
    assert list(labels.loc["E01000001"]) == [5.2, 0.4, 2.2]


@pytest.mark.real
@NEEDS_DATA
def test_scores_said_not_to_be_below_0_are_not() -> None:
    crimes = "iod2025_london_crime_rates.csv"
    published = {name: IOD.headings[name][0] for name in NOT_BELOW_0 & set(IOD.headings)}
    for file, is_crime in (("ID 2019 for London.xlsx", False), (crimes, True)):
        asked = [
            name for name, heading in published.items() if ("Score" not in heading) == is_crime
        ]
        assert (read(DATA / "labels" / file, asked)[asked].min() >= 0).all()
