"""Tables of labels as people have them: read right, read with a line, or refused with one."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basrelief.config import InputError
from basrelief.run import Notes, Run, read_json
from basrelief.sources.labels import read_labels
from basrelief.typed import Typed

from .conftest import Place

Spoil = Callable[[Place], object]
CODE = "LSOA code (2011)"


def as_text(sep: str = ",", encoding: str = "utf-8", **changes: Any) -> Spoil:
    """Write the table as text: separator, encoding, ``decimal``, ``above``, ``ends``."""
    above, ends = changes.pop("above", ""), changes.pop("ends", "\n")

    def spoil(place: Place) -> None:
        text = above + place.labels().to_csv(sep=sep, index=False, **changes)
        path = place.folder / "labels.csv"
        path.write_bytes(text.replace("\n", ends).encode(encoding))

    return spoil


def as_raw(data: bytes, name: str = "labels.csv") -> Spoil:
    def spoil(place: Place) -> None:
        (place.folder / name).write_bytes(data)
        place.configure(data={"labels": name})

    return spoil


def with_column(change: Callable[[pd.DataFrame], Any], column: str = "crime") -> Spoil:
    """Put other values into a column, as they are."""

    def spoil(place: Place) -> None:
        table = place.labels().astype({"crime": object})
        table[column] = change(table)
        table.to_csv(place.folder / "labels.csv", index=False)

    return spoil


def with_cells(*cells: Any, rows: int = 0) -> Spoil:
    """Put cells into the first rows of the crime scores, and again to make ``rows``."""

    def change(table: pd.DataFrame) -> list[Any]:
        values = table["crime"].tolist()
        n = max(rows, len(cells))
        values[:n] = [cells[k % len(cells)] for k in range(n)]
        return values

    return with_column(change)


def with_headings(**names: str) -> Spoil:
    """Rename columns: ``code`` and ``crime``."""

    def spoil(place: Place) -> None:
        called = {CODE: names.get("code", CODE), "crime": names.get("crime", "crime")}
        place.labels().rename(columns=called).to_csv(place.folder / "labels.csv", index=False)

    return spoil


def with_codes(change: Callable[[pd.Series[str]], Any]) -> Spoil:
    return with_column(lambda table: change(table[CODE]), CODE)


def as_book(*sheets: tuple[str, Callable[[pd.DataFrame], list[list[Any]]]]) -> Spoil:
    """Write a workbook, each sheet made of the table."""

    def spoil(place: Place) -> None:
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for title, make in sheets:
            sheet = book.create_sheet(title)
            for row in make(place.labels()):
                sheet.append(row)
        book.save(place.folder / "labels.xlsx")
        place.configure(data={"labels": "labels.xlsx"})

    return spoil


def list_rows(table: pd.DataFrame, heading: str = "crime", code: str = CODE) -> list[list[Any]]:
    return [[code, heading], *table.to_numpy(dtype=object).tolist()]


def make_rows(first: Any) -> Callable[[pd.DataFrame], list[list[Any]]]:
    """Make a sheet whose first score is something else."""

    def make(table: pd.DataFrame) -> list[list[Any]]:
        rows = list_rows(table)
        rows[1][1] = first
        return rows

    return make


def change_part(name: str, change: Callable[[bytes], bytes | None]) -> Spoil:
    """Write a workbook, and change or leave out a part of its archive."""

    def spoil(place: Place) -> None:
        as_book(("A", list_rows))(place)
        path = place.folder / "labels.xlsx"
        with zipfile.ZipFile(path) as archive:
            parts = {each: archive.read(each) for each in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, data in parts.items():
                changed = change(data) if each == name else data
                if changed is not None:
                    archive.writestr(each, changed)

    return spoil


def cut_in_half(place: Place) -> None:
    as_book(("A", list_rows))(place)
    path = place.folder / "labels.xlsx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def quote_lines(place: Any) -> None:
    """As a program writes it that takes each line for one text."""
    path = place.folder / "labels.csv"
    path.write_text("".join(f'"{line}"\n' for line in path.read_text().splitlines()))


def replace_text(*pairs: str) -> Spoil:
    """Put texts into the file: an old one, what stands for it, and so on."""

    def spoil(place: Place) -> None:
        path = place.folder / "labels.csv"
        text = path.read_text()
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            text = text.replace(old, new)
        path.write_text(text)

    return spoil


def drop_codes(place: Place) -> None:
    """Leave neither a heading that tells codes, nor values that do."""
    table = place.labels().rename(columns={CODE: "place"})
    table["place"] = [f"area {k}" for k in range(100)]
    table.to_csv(place.folder / "labels.csv", index=False)


def mix_censuses(place: Place) -> None:
    as_book(
        ("Old", list_rows), ("New", lambda t: list_rows(t, "Income Score", "LSOA code (2021)"))
    )(place)
    place.configure(data={"targets": ["crime", "income"]})


def fill_with_strings(data: bytes) -> bytes:
    return data.replace(b"<sheetData>", b"<sheetData><row>" + b'<c t="inlineStr"/>' * 3_100_000)


SHEET = "xl/worksheets/sheet1.xml"
BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + k, b"&%c;" % (97 + k) * 10) for k in range(9))
    + b"]>"
)

REFUSED: list[tuple[str, Spoil, tuple[str, ...]]] = [
    ("word", with_cells("high"), ("'crime'", "finite numbers, found 'high'")),
    ("infinite", with_cells("inf"), ("found 'inf'",)),
    ("overflow", with_cells("1e999"), ("found '1e999'",)),
    ("huge", with_cells("1e308"), ("'1e+308', larger than anything that is counted",)),
    ("truth", with_cells("TRUE", "FALSE"), ("found 'TRUE'",)),
    ("day", with_cells("2019-02-01"), ("found '2019-02-01'",)),
    ("month", with_cells("01-Feb"), ("found '01-Feb'",)),
    ("sheet error", with_cells("#DIV/0!"), ("found '#DIV/0!'",)),
    ("dash", with_cells("-"), ("found '-'", "leave the cell empty")),
    ("brackets", with_cells("(0.5)"), ("found '(0.5)'",)),
    ("pounds", with_cells("£5"), ("found '£5'",)),
    ("two numbers", with_cells("1 2"), ("found '1 2'",)),
    ("underscore", with_cells("1_000"), ("found '1_000'",)),
    ("some percent", with_cells("3%"), ("'3%' beside",)),
    ("comma beside point", with_cells("0,5"), ("'0,5' beside", "Write all numbers in one way")),
    (
        "either comma",
        with_column(lambda t: ["1,234"] * 50 + ["2,345"] * 50),
        ("which may be 1234 or 1.234",),
    ),
    (
        "negative comma",
        with_column(lambda t: ["-1,234"] * 50 + ["2,345"] * 50),
        ("which may be",),
    ),
    ("no rows", as_raw(b"LSOA code (2011),crime\n"), ("none of its area codes (none)",)),
    ("empty", as_raw(b""), ("the file is empty",)),
    ("blank lines", as_raw(b"\n\n , \n"), ("no column of area codes",)),
    (
        "unclosed quote",
        replace_text("E01000005,", 'E01000005,"'),
        ('a quote (")', "line 6"),
    ),
    (
        "quote closed later",
        replace_text("E01000005,", 'E01000005,"', "E01000095,", 'E01000095,"'),
        ('a quote (")', "line 6", "would be one cell"),
    ),
    (
        "lines in quotes",
        quote_lines,
        ("each line stands in quotes as a whole, and so is one cell, with commas in it",),
    ),
    (
        "comma without quotes",
        replace_text("E01000005,", "E01000005,1,"),
        ("line 6 has 3 cells, the headings 2", "needs quotes"),
    ),
    (
        "two of a name",
        lambda p: (
            p.labels()
            .assign(again=1.0)
            .set_axis([CODE, "crime", "crime"], axis=1)
            .to_csv(p.folder / "labels.csv", index=False)
        ),
        ("2 columns are called 'crime', and they differ",),
    ),
    (
        "no codes",
        drop_codes,
        ("no column of area codes was recognised among place, crime", "data.label_column"),
    ),
    ("web page", as_raw(b"<!DOCTYPE html><html>"), ("is a web page, or XML",)),
    ("json", as_raw(b'{"E01": 1}'), ("is JSON, not a table of text",)),
    ("json by name", as_raw(b"[]", "labels.json"), (".json is not known. Give CSV or XLSX",)),
    ("ods by name", as_raw(b"PK", "labels.ods"), (".ods is not known. Give CSV or XLSX",)),
    ("zip", as_raw(b"PK\x03\x04"), ("is a zip archive or a workbook",)),
    ("gzip", as_raw(b"\x1f\x8b\x08"), ("is a gzip archive",)),
    ("old excel", as_raw(b"\xd0\xcf\x11\xe0", "labels.xlsx"), ("a workbook of old Excel",)),
    ("binary", as_raw(b"a,b\n" * 400 + b"\0\0\0"), ("is not text",)),
    ("no archive", as_raw(b"text", "labels.xlsx"), ("cannot be read as XLSX",)),
    ("cut archive", cut_in_half, ("cannot be read as XLSX",)),
    ("no sheet", change_part(SHEET, lambda _: None), ("lists 1 sheets and holds 0",)),
    ("cut sheet", change_part(SHEET, lambda data: data[:900]), ("cannot be read as XLSX",)),
    (
        "entities",
        change_part(SHEET, lambda data: data[:55] + BOMB + data[55:]),
        ("declares entities",),
    ),
    (
        "strings",
        change_part(SHEET, fill_with_strings),
        ("xl/worksheets/sheet1.xml", "more than a table has"),
    ),
    (
        "book of dates",
        as_book(("A", make_rows(dt.datetime(2019, 2, 1)))),
        ("'2019-02-01 00:00:00', a date", "such as 1.2"),
    ),
    ("book of truths", as_book(("A", make_rows(True))), ("'TRUE', a truth value",)),
    ("formulas", as_book(("A", make_rows("=1+1"))), ("formulas that were never calculated",)),
    (
        "two releases",
        as_book(
            ("IMD 2015", lambda t: list_rows(t.assign(crime=t["crime"] + 10), "Crime Score")),
            ("IMD 2019", lambda t: list_rows(t, "Crime Score")),
        ),
        ("sheets 'IMD 2015' and 'IMD 2019' both have 'Crime Score', and differ",),
    ),
    (
        "two censuses",
        mix_censuses,
        ("areas of 2011 in 'Old' and of 2021 in 'New'",),
    ),
    ("transformed", with_headings(crime="Crime Score - exponentially transformed"), ("made of",)),
    ("ranks", with_headings(crime="Crime Rank (where 1 is most deprived)"), ("no column for",)),
    ("typing slip", with_headings(crime="crimes"), ("no column for 'crime'", "Did you mean")),
    (
        "two headings",
        lambda p: (
            p.labels()
            .assign(other=1.0)
            .set_axis([CODE, "Crime Score (2015)", "Crime Score (2019)"], axis=1)
            .to_csv(p.folder / "labels.csv", index=False)
        ),
        ("several columns for 'crime'", "'Crime Score (2015)', 'Crime Score (2019)'"),
    ),
    (
        "rounded codes",
        with_codes(lambda codes: "6.03711E+10"),
        ("'6.03711E+10'", "a spreadsheet has rounded"),
    ),
    (
        "a code twice",
        with_codes(lambda codes: codes.replace("E01000002", "e01000001")),
        ("2 times",),
    ),
    (
        "new codes of an old census",
        with_codes(lambda codes: codes.replace("E01000100", "E01034000")),
        ("is of 2011", "census of 2021", "E01034000"),
    ),
]


@pytest.mark.parametrize(("spoil", "says"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_table_that_would_mislead_is_refused(
    place: Place, refused: Callable[..., None], spoil: Spoil, says: tuple[str, ...]
) -> None:
    spoil(place)
    refused("labels", *says)


READ: list[tuple[str, Spoil]] = [
    ("byte order mark", as_text(encoding="utf-8-sig")),
    ("utf-16", as_text("\t", "utf-16")),
    ("utf-16 without a mark", as_text("\t", "utf-16-le")),
    ("utf-16, big end first", as_text(",", "utf-16-be")),
    ("semicolons", as_text(";")),
    ("tabs", as_text("\t")),
    ("bars", as_text("|")),
    ("line ends of a Mac", as_text(ends="\r")),
    ("line ends of Windows", as_text(ends="\r\n")),
    ("titles above", as_text(above='"Crime, by area"\nSource: a council\n\n')),
    ("titles with empty cells", as_text(above="Crime by area,\n,\n")),
    ("blanks of pandas", with_headings()),
    ("a heading in two lines", with_headings(crime="Crime\nScore")),
    ("a heading with blanks", with_headings(crime=" Crime Score ")),
    ("codes told by values", with_headings(code="geography")),
    ("codes told by values, of a year", with_headings(code="lsoa11_code")),
    ("small codes", with_codes(lambda codes: codes.str.lower())),
    ("codes with blanks", with_codes(lambda codes: " " + codes + "\u00a0")),
    ("minus of a printer", with_column(lambda t: t["crime"].astype(str).str.replace("-", "−"))),
    ("a book", as_book(("A", list_rows))),
    ("a book with a title", as_book(("A", lambda t: [["Crime"], [], *list_rows(t)]))),
    ("a book with notes", as_book(("Notes", lambda t: [["made by"], ["us"]]), ("A", list_rows))),
    ("a book that says it twice", as_book(("A", list_rows), ("B", list_rows))),
    (
        "two of a name that agree",
        lambda p: (
            p.labels()
            .assign(again=p.labels()["crime"])
            .set_axis([CODE, "crime", "crime"], axis=1)
            .to_csv(p.folder / "labels.csv", index=False)
        ),
    ),
]


@pytest.mark.parametrize("spoil", [row[1] for row in READ], ids=[row[0] for row in READ])
def test_a_sound_table_is_read_without_a_word(
    place: Place, noted: Callable[..., Any], spoil: Spoil
) -> None:
    truth = place.labels()
    spoil(place)
    areas = noted()
    assert read_json(place.run / "chips" / "notes.json") == []
    np.testing.assert_array_equal(areas["crime"], truth["crime"])


def lose(*rows: int) -> Callable[[pd.Series[float]], pd.Series[float]]:
    return lambda values: values.where(~values.index.isin(rows))


def comma(values: pd.Series[float]) -> list[str]:
    return [f"{value:.3f}".replace(".", ",") for value in values]


FIRST_FIVE = "(E01000001, E01000002, E01000003, E01000004, E01000005 and 1 more)"

NOTED: list[tuple[str, Spoil, Callable[[pd.Series[float]], pd.Series[float]], tuple[str, ...]]] = [
    ("decimal comma", with_column(lambda t: comma(t["crime"])), lose(), ("decimal one", "'0,")),
    ("semicolons too", as_text(";", decimal=","), lose(), ("a comma is read as a decimal one",)),
    ("-9999", with_cells("-9999"), lose(0), ("-9999 in 1 rows, far from all others",)),
    ("999999", with_cells("999999", rows=2), lose(0, 1), ("999999 in 2 rows",)),
    ("-99", with_cells("-99"), lose(0), ("-99 in 1 rows",)),
    ("nodata of floats", with_cells("-3.4028235e+38"), lose(0), ("-3.4028235e+38 in 1 rows",)),
    ("2147483647", with_cells("2147483647"), lose(0), ("2.14748365e+09 in 1 rows",)),
    ("star", with_cells("*", rows=6), lose(*range(6)), ("'*' in 6 rows is read as", FIRST_FIVE)),
    ("dots", with_cells(".."), lose(0), ("'..' in 1 rows", "1 of the 100 areas here (E01000001)")),
    ("not applicable", with_cells("N/A"), lose(0), ("'crime' is not known in 1 of the 100",)),
    ("words for none", with_cells("None", "null"), lose(0, 1), ("'crime' is not known in 2",)),
    ("percent", with_column(lambda t: [f"{v:g}%" for v in t["crime"]]), lambda v: v / 100, ("%",)),
    (
        "rows without a code",
        lambda p: pd.concat([p.labels(), pd.DataFrame({"crime": [0.5]})]).to_csv(
            p.folder / "labels.csv", index=False
        ),
        lose(),
        ("1 rows have values but no area code: left out",),
    ),
    (
        "areas without a row",
        lambda p: p.labels().iloc[6:].to_csv(p.folder / "labels.csv", index=False),
        lose(*range(6)),
        ("6 of the 100 areas here", FIRST_FIVE, "another census"),
    ),
    (
        "codes in formulas",
        with_codes(lambda codes: '="' + codes + '"'),
        lose(),
        ('100 area codes stand in formulas, as in ="E01000001": the text within is taken',),
    ),
    ("one far off", with_cells("1e6"), lambda v: v.where(v.index != 0, 1e6), ("far from all",)),
]


@pytest.mark.parametrize(
    ("spoil", "change", "says"), [row[1:] for row in NOTED], ids=[row[0] for row in NOTED]
)
def test_what_is_odd_and_yet_taken_is_said(
    place: Place,
    noted: Callable[..., Any],
    spoil: Spoil,
    change: Callable[[pd.Series[float]], pd.Series[float]],
    says: tuple[str, ...],
) -> None:
    truth = change(place.labels()["crime"])
    spoil(place)
    areas = noted("labels", *says)
    np.testing.assert_allclose(areas["crime"], truth)
    assert json.loads((place.run / "chips" / "notes.json").read_text())


def test_what_people_count_is_read_as_whole(place: Place, noted: Callable[..., Any]) -> None:
    people = [f"{1000 + k:,}" for k in range(100)]
    table = place.labels().assign(population=people)
    table.to_csv(place.folder / "labels.csv", index=False)
    assert noted()["population"].tolist() == list(range(1000, 1100))
    assert read_json(place.run / "chips" / "notes.json") == []
    table.assign(population=[text.replace(",", ".") for text in people]).to_csv(
        place.folder / "labels.csv", index=False
    )
    said = "a point is read as between thousands: '1.000' is 1000"
    assert noted(said)["population"].tolist() == list(range(1000, 1100))


def test_a_price_with_commas_is_read_and_said(place: Place, noted: Callable[..., Any]) -> None:
    table = place.labels().assign(price=[f"{350_000 + 7 * k:,}" for k in range(100)])
    table.to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"targets": ["price"]})
    areas = noted("a comma is read as between thousands: '350,000' is 350000")
    assert areas["price"].tolist() == [350_000 + 7 * k for k in range(100)]


def test_codes_are_told_by_their_values_in_boundaries_too(
    place: Place, noted: Callable[..., Any]
) -> None:
    areas = place.areas().rename(columns={"LSOA11CD": "geography", "LSOA11NM": "label"})
    areas["geography"] = areas["geography"].str.lower()
    place.write_areas(areas.assign(district="E09000001", group="E02000001"))
    assert noted()["crime"].notna().all()
    assert read_json(place.run / "chips" / "notes.json") == []


def test_a_zero_that_a_spreadsheet_lost_is_named(
    place: Place, refused: Callable[..., None]
) -> None:
    areas = place.areas().drop(columns="LSOA11NM")
    areas["LSOA11CD"] = [f"0{60371011100 + k}" for k in range(100)]
    place.write_areas(areas.rename(columns={"LSOA11CD": "GEOID"}))
    with_codes(lambda codes: [60371011100 + k for k in range(100)])(place)
    place.configure(data={"area_column": "GEOID", "label_column": CODE})
    refused("'60371011100' and '060371011100' differ by a leading 0")


def test_whole_codes_that_became_fractions_are_matched(
    place: Place, noted: Callable[..., Any]
) -> None:
    areas = place.areas().drop(columns="LSOA11NM")
    areas["LSOA11CD"] = [f"{60371011100 + k}" for k in range(100)]
    place.write_areas(areas.rename(columns={"LSOA11CD": "GEOID"}))
    with_codes(lambda codes: [f"{60371011100 + k}.0" for k in range(100)])(place)
    place.configure(data={"area_column": "GEOID", "label_column": CODE})
    assert noted()["crime"].notna().all()


def test_other_districts_than_those_of_the_boundaries_are_told(
    place: Place, noted: Callable[..., Any]
) -> None:
    place.write_areas(place.areas().assign(LAD23CD="E06000060"))
    districts = [f"E0700000{4 + k // 25}" for k in range(100)]
    table = place.labels().assign(**{"Local Authority District code (2019)": districts})
    table.to_csv(place.folder / "labels.csv", index=False)
    noted("column 'LAD23CD' (1 here: E06000060)", "has others (4: E07000004, E07000005")


def test_a_target_known_in_one_block_alone_has_no_score_and_a_line(
    place: Place, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with_column(lambda t: [0.1 * k if k in (0, 1, 10, 11) else None for k in range(100)])(place)
    table = place.labels().assign(income=np.arange(100.0))
    table.to_csv(place.folder / "labels.csv", index=False)
    split = {"schemes": ["block"], "block_m": 400, "buffer_m": 0}
    place.configure(data={"targets": ["crime", "income"]}, split=split)
    assert run_command("chips", str(place.config)) == 0
    assert run_command("describe", str(place.config)) == 0
    assert run_command("split", str(place.config)) == 0
    said = capsys.readouterr().out
    assert "scheme block: 'crime' is known in one group of areas alone (4 areas)" in said
    assert "'income' is known in one" not in said


POLICE = "Crime ID,Month,Reported by,Falls within,LSOA code,LSOA name,Crime type"


def write_crimes(folder: Path, months: range, areas: range, each: int = 2) -> None:
    """Write a month's file of single crimes for each month of 2019: police.uk's."""
    for month in months:
        rows = [
            f",2019-{month:02d},Testshire,Testshire,E01{k:06d},Testham {k:03d}A,Burglary"
            for k in areas
            for _ in range(each)
        ]
        text = "\n".join([POLICE, *rows, f",2019-{month:02d},Testshire,Testshire,,,Burglary"])
        (folder / f"2019-{month:02d}-testshire-street.csv").write_text(text + "\n")


def count_crimes(place: Place, target: str = "burglary", **data: Any) -> None:
    people = place.labels().assign(population=1000)
    people.to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"crime": "2019*.csv", "targets": [target]} | data)


def write_monthly(path: Path, rows: list[tuple[str, str, list[Any]]], n_months: int = 12) -> None:
    """Write counts as the Metropolitan Police does: area, borough, and one count a month."""
    months = [f"2019{month:02d}" for month in range(1, n_months + 1)]
    head = ["LSOA Code", "LSOA Name", "Borough", "Major Category", "Minor Category", *months]
    cells = [
        [area, f"{borough} 001A", borough, "BURGLARY", "BURGLARY", *counts]
        for area, borough, counts in rows
    ]
    pd.DataFrame(cells, columns=head).to_csv(path, index=False)


def test_single_crimes_are_counted_and_those_without_an_area_said(
    place: Place, noted: Callable[..., Any]
) -> None:
    write_crimes(place.folder, range(1, 13), range(1, 100))
    # One area has another count, so that there is something to learn.
    write_crimes(place.folder, range(12, 13), range(1, 90))
    count_crimes(place)
    areas = noted("12 of 2368 crimes have no LSOA", "no counts for 1 of the 100 areas here")
    assert areas["burglary"].tolist()[:99] == [24.0] * 89 + [22.0] * 10
    assert np.isnan(areas["burglary"][99])


def test_a_month_that_is_missing_is_named(place: Place, refused: Callable[..., None]) -> None:
    write_crimes(place.folder, range(1, 12), range(1, 101))
    count_crimes(place)
    refused("data.crime", "no complete year", "of 2019 it lacks 2019-12")


def test_a_month_given_twice_is_refused(place: Place, refused: Callable[..., None]) -> None:
    write_crimes(place.folder, range(1, 13), range(1, 101))
    path = place.folder / "2019-03-testshire-street.csv"
    copy = place.folder / "2019-03-testshire-street (1).csv"
    copy.write_text(path.read_text() + path.read_text().partition("\n")[2])
    count_crimes(place)
    refused("both hold crimes of Testshire in 201903", "takes each crime once")


def test_outcomes_are_no_crimes(place: Place, refused: Callable[..., None]) -> None:
    text = "Crime ID,Month,Reported by,LSOA code,LSOA name,Outcome type\n1,2019-01,T,E01,a,b\n"
    (place.folder / "2019-01-testshire-outcomes.csv").write_text(text)
    count_crimes(place)
    refused("outcomes or searches, not crimes", "*-street.csv")


def test_half_a_year_of_some_areas_is_not_a_year(place: Place, noted: Callable[..., Any]) -> None:
    north = [(f"E01{k:06d}", "North", [3 + k % 3] * 12) for k in range(1, 61)]
    south = [(f"E01{k:06d}", "South", [3] * 6) for k in range(61, 101)]
    write_monthly(place.folder / "2019-n.csv", north)
    write_monthly(place.folder / "2019-s.csv", south, 6)
    count_crimes(place)
    areas = noted("no counts of 2019-07 to 2019-12 for 40 of the 100 areas", "(E01000061, ")
    assert areas["burglary"].isna().tolist() == [False] * 60 + [True] * 40
    assert areas["burglary"][0] == 48.0


def test_a_district_that_falls_silent_is_unknown(place: Place, noted: Callable[..., Any]) -> None:
    north = [(f"E01{k:06d}", "North", [3 + k % 3] * 12) for k in range(1, 61)]
    south = [(f"E01{k:06d}", "South", [3] * 6 + [0] * 6) for k in range(61, 101)]
    write_monthly(place.folder / "2019.csv", north + south)
    count_crimes(place)
    areas = noted("no crime at all in South in 201907", "a usual month has", "40 of the 100")
    assert areas["burglary"].isna().sum() == 40


def test_codes_of_districts_are_no_names(place: Place, run_command: Callable[..., int]) -> None:
    rows = [(f"E01{k:06d}", "E09000002", [k] * 12) for k in range(1, 101)]
    write_monthly(place.folder / "2019.csv", rows)
    table = pd.read_csv(place.folder / "2019.csv")
    table["LSOA Name"] = "Barking and Dagenham 001A"
    table.to_csv(place.folder / "2019.csv", index=False)
    count_crimes(place)
    assert run_command("chips", str(place.config)) == 0
    counts = pd.read_parquet(place.run / "chips" / "crime.parquet")
    assert counts["borough"].tolist() == ["Barking and Dagenham"]


def test_counts_in_rows_are_read(place: Place, noted: Callable[..., Any]) -> None:
    rows = [
        [f"E01{k:06d}", "Testham", "Burglary", "In a Dwelling", k % 7, 2019, month]
        for k in range(1, 101)
        for month in range(1, 13)
    ]
    names = ["lsoa_code", "borough", "major_category", "minor_category", "value", "year", "month"]
    pd.DataFrame(rows, columns=names).to_csv(place.folder / "2019.csv", index=False)
    count_crimes(place)
    assert noted()["burglary"].tolist() == [12.0 * (k % 7) for k in range(1, 101)]
    assert read_json(place.run / "chips" / "notes.json") == []


def test_counts_without_a_district_are_each_area_s_own(
    place: Place, noted: Callable[..., Any]
) -> None:
    rows = [(f"E01{k:06d}", "", [k] * 12) for k in range(1, 101)]
    write_monthly(place.folder / "2019.csv", rows)
    names = ["LSOA Name", "Borough"]
    table = pd.read_csv(place.folder / "2019.csv").drop(columns=names)
    table[table["LSOA Code"] <= "E01000060"].to_csv(place.folder / "2019-a.csv", index=False)
    half = table[table["LSOA Code"] > "E01000060"].drop(columns=["201911", "201912"])
    half.to_csv(place.folder / "2019.csv", index=False)
    count_crimes(place)
    areas = noted("no counts of 2019-11 to 2019-12 for 40 of the 100 areas here")
    assert areas["burglary"].isna().sum() == 40


def test_a_row_without_a_category_is_refused(place: Place, refused: Callable[..., None]) -> None:
    write_monthly(place.folder / "2019.csv", [("E01000001", "North", [1] * 12)])
    table = pd.read_csv(place.folder / "2019.csv").assign(**{"Major Category": None})
    table.to_csv(place.folder / "2019.csv", index=False)
    count_crimes(place)
    refused("row 1 below the headings has no category")


def test_downloads_that_overlap_count_once(place: Place, noted: Callable[..., Any]) -> None:
    rows = [(f"E01{k:06d}", "North", [k] * 12) for k in range(1, 101)]
    write_monthly(place.folder / "2019-a.csv", rows)
    write_monthly(place.folder / "2019-b.csv", [(a, b, c[:6]) for a, b, c in rows], 6)
    count_crimes(place)
    areas = noted("files overlap in 201901, 201902", "each counted once")
    assert areas["burglary"].tolist() == [12.0 * k for k in range(1, 101)]


@pytest.mark.parametrize("cell", ["x", "-3", "many", "1e400", "TRUE"])
def test_what_is_no_count_is_refused(place: Place, refused: Callable[..., None], cell: str) -> None:
    rows = [(f"E01{k:06d}", "North", [cell if k == 1 else k] * 12) for k in range(1, 101)]
    write_monthly(place.folder / "2019.csv", rows)
    count_crimes(place)
    refused("column '201901' must hold counts of 0 or more, found", cell)


def test_files_of_two_censuses_are_refused(place: Place, refused: Callable[..., None]) -> None:
    table = pd.DataFrame({"LSOA11CD": ["E01000001"], "2019": [3]})
    table.to_csv(place.folder / "2019-major-burglary.csv", index=False)
    table.rename(columns={"LSOA11CD": "LSOA21CD"}).to_csv(
        place.folder / "2019-major-theft.csv", index=False
    )
    count_crimes(place)
    refused("files have areas of 2011 ('LSOA11CD') and 2021 ('LSOA21CD')")


def spoil_bytes(sound: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    """Put bytes in, each at a share of the length and in the place of so many."""
    data = bytearray(sound)
    for share, put, n_out in changes:
        at = int(share * len(data))
        data[at : at + n_out] = put
    return bytes(data)


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from(
                [b'"', b";", b"\t", b"\r", b"%", b"1,234", b"1e999", b"\n\n", b"E01000001"]
            ),
        ),
        st.integers(0, 300),
    ),
    max_size=4,
)


@settings(max_examples=250, derandomize=True)
@given(changes=CHANGES, encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_a_spoilt_text_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Any], encoding: str
) -> None:
    rows = [f"E01{k:06d},Môn {k:03d}A,{k / 7:.3f}" for k in range(30)]
    text = "\n".join(["LSOA11CD,LSOA11NM,crime", *rows])
    _read_spoilt(tmp_path_factory, "a.csv", text.encode(encoding), changes)


@settings(max_examples=80, derandomize=True)
@given(changes=CHANGES)
def test_a_spoilt_workbook_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Any]
) -> None:
    book = openpyxl.Workbook()
    for row in [["LSOA11CD", "crime"], *([f"E01{k:06d}", k / 7] for k in range(30))]:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    _read_spoilt(tmp_path_factory, "a.xlsx", data.getvalue(), changes)


def _read_spoilt(
    tmp_path_factory: pytest.TempPathFactory, name: str, sound: bytes, changes: list[Any]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / name).write_bytes(spoil_bytes(sound, changes))
    notes, reason = Notes(Run(folder, quiet=True)), ""
    typed = Typed("labels", name, folder / name)
    try:
        labels = read_labels(typed, targets=["crime"], column=None, notes=notes)
    except InputError as error:
        reason = str(error)
    else:
        assert labels.index.is_unique
        assert not np.isinf(labels["crime"]).any()
    assert "\n" not in reason
