"""Tables of deprivation scores by small area, as published or as a user keeps them."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from basrelief.config import DOMAINS, InputError, Typed
from basrelief.sources.areas import choose_code_column, find_column, list_names

TARGETS: dict[str, tuple[str, ...]] = {
    "imd": ("Index of Multiple Deprivation (IMD) Score",),
    "income": ("Income Score",),
    "employment": ("Employment Score",),
    "education": ("Education, Skills and Training Score",),
    "health": ("Health Deprivation and Disability Score",),
    "crime": ("Crime Score",),
    "barriers": ("Barriers to Housing and Services Score",),
    "living_environment": ("Living Environment Score",),
    "children_and_young_people": ("Children and Young People Sub-domain Score",),
    "adult_skills": ("Adult Skills Sub-domain Score",),
    "geographical_barriers": ("Geographical Barriers Sub-domain Score",),
    "wider_barriers": ("Wider Barriers Sub-domain Score",),
    "indoors": ("Indoors Sub-domain Score",),
    "outdoors": ("Outdoors Sub-domain Score",),
    "idaci": ("Income Deprivation Affecting Children Index (IDACI) Score",),
    "idaopi": (
        "Income Deprivation Affecting Older People (IDAOPI) Score",
        "Income Deprivation Affecting Older People Index (IDAOPI) Score",
    ),
    "violence_with_injury": ("Violence with injury",),
    "violence_without_injury": ("Violence without injury",),
    "stalking_and_harassment": ("Stalking and harassment",),
    "burglary": ("Burglary",),
    "theft": ("Theft",),
    "criminal_damage": ("Criminal damage",),
    "public_order": ("Public order",),
    "anti_social_behaviour": ("Anti-social behaviour",),
}
"""Short names, and how published headings begin. Some are cut at 80 characters."""

NOT_BELOW_0 = frozenset(TARGETS).difference(
    ["health", "crime", "children_and_young_people", "geographical_barriers"],
    ["wider_barriers", "indoors", "outdoors"],
)
"""Shares, rates and scores from 0 to 100; those that are left out are published around 0."""

POPULATION = "total population"
MAX_ROWS_ABOVE = 20
"""How far down a sheet its row of headings may stand."""


@dataclass(frozen=True)
class Sheet:
    """A table whose headings are known and whose rows are still to be read."""

    title: str
    columns: list[str]
    """Headings, stripped; empty ones are empty text."""

    rows: Iterable[Sequence[Any]]
    """Rows below the headings; can be walked through once."""


def find_target(columns: Sequence[str], target: str) -> str | None:
    """Find a target's column: by its own name, else by how its published heading begins.

    Examples
    --------
    >>> find_target(["LSOA code (2011)", "Income Score (rate)"], "income")
    'Income Score (rate)'
    """
    if target in columns:
        return target
    prefixes = tuple(prefix.lower() for prefix in TARGETS.get(target, ()))
    if not prefixes:
        return None
    return next((c for c in columns if c.lower().startswith(prefixes)), None)


def find_targets(
    columns: Sequence[str], targets: list[str] | Literal["all"], typed: Typed
) -> dict[str, str]:
    """Find the column of every target.

    Returns
    -------
    dict
        Target to heading, in the order of ``targets``. ``"all"``, alone or among others, is
        the IMD and its domains, those present.

    Raises
    ------
    InputError
        If a target has no column; lists those that do.
    """
    wanted = expand_targets(targets, DOMAINS)
    found = {target: find_target(columns, target) for target in wanted}
    present = {target: heading for target, heading in found.items() if heading is not None}
    missing = [target for target in wanted if target not in present and target in targets]
    if not missing and (present or not targets):
        return present
    known = [name for name in TARGETS if find_target(columns, name)]
    named = {find_target(columns, name) for name in known}
    others = [
        column
        for column in columns
        if column and column not in named and " Rank" not in column and " Decile" not in column
    ]
    available = "; ".join(
        part for part in (list_names(known, limit=len(TARGETS)), list_names(others)) if part
    )
    asked = repr(missing[0]) if missing else '"all"'
    raise InputError(
        f"{typed.name('targets')}: {typed} has no column for {asked}. It has: {available}."
    )


def expand_targets(targets: list[str] | Literal["all"], every: Sequence[str]) -> list[str]:
    """List the targets asked for, each once and in the order typed, with ``"all"`` written out.

    Parameters
    ----------
    targets
        As typed in ``data.targets``; ``"all"`` may stand alone or among names.
    every
        What ``"all"`` stands for.

    Examples
    --------
    >>> expand_targets(["theft", "all", "crime"], ["imd", "crime"])
    ['theft', 'imd', 'crime']
    """
    typed = ["all"] if targets == "all" else targets
    expanded = [every if name == "all" else [name] for name in typed]
    return list(dict.fromkeys(name for names in expanded for name in names))


def find_domains(columns: Sequence[str]) -> list[str]:
    """List the IMD and its domains, those that have a column."""
    return [name for name in DOMAINS if find_target(columns, name) is not None]


def to_numbers(values: pd.Series, target: str, typed: Typed) -> pd.Series:
    """Turn a column into numbers; blank is NaN, and text is refused.

    Raises
    ------
    InputError
        If a value is no finite number; shows it.
    """
    text = values.astype(object).map(_clean_number)
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    numbers = numbers.mask(numbers.abs() == float("inf"))
    is_wrong = numbers.isna() & text.notna()
    if is_wrong.any():
        example = values[is_wrong].iloc[0]
        raise InputError(
            f"{typed.name('targets')}: {target!r} in {typed} must be finite numbers, found "
            f"{str(example)!r}. "
            "Name a numeric column, or leave the cell empty where nothing is known."
        )
    return numbers


def read_labels(
    typed: Typed, *, targets: list[str] | Literal["all"], column: str | None
) -> pd.DataFrame:
    """Read the labels of small areas.

    Parameters
    ----------
    typed
        CSV or XLSX: the national File 7, London's workbook, or a user's own table with a
        column of area codes. Of a workbook all sheets with a column of codes are merged.
    targets
        Short names of ``TARGETS`` or the table's own headings; ``"all"``, alone or among them,
        is the IMD and its domains, those present.
    column
        Column of the area codes as typed in ``data.label_column``, or None to recognise it.

    Returns
    -------
    DataFrame
        Index ``area_id`` (str, unique); one float column a target, NaN where unknown; where
        the table has them also ``population``, ``msoa``, ``lad`` and ``lad_name``.

    Raises
    ------
    InputError
        If the file cannot be read, has no column of codes, lacks a target, gives a code
        twice, or has text where a target should be.
    """
    with _open_coded(typed, column) as sheets:
        every_column = _list_columns(sheets)
        headings = find_targets(every_column, targets, typed)
        columns = headings | {
            name: heading
            for name, heading in _find_extras(every_column).items()
            if name not in headings
        }
        merged = _merge(sheets, list(dict.fromkeys(columns.values())), column, typed)
    labels = pd.DataFrame({name: merged[heading] for name, heading in columns.items()})
    for name in dict.fromkeys([*headings, *({"population"} & set(columns))]):
        labels[name] = to_numbers(labels[name], name, typed)
    return labels


def read_label_headings(typed: Typed, column: str | None) -> list[str]:
    """List the headings of a table of labels, of all its sheets with a column of codes.

    Raises
    ------
    InputError
        If the file cannot be read or has no column of codes.
    """
    with _open_coded(typed, column) as sheets:
        return _list_columns(sheets)


def _list_columns(sheets: list[Sheet]) -> list[str]:
    return list(dict.fromkeys(c for sheet in sheets for c in sheet.columns if c))


@contextmanager
def _open_coded(typed: Typed, column: str | None) -> Iterator[list[Sheet]]:
    """Open a table and yield its sheets that have a column of area codes."""
    if not typed.path.is_file():
        raise InputError(f"{typed}: no such file. Paths are relative to {typed.origin}.")
    with _open_sheets(typed) as sheets:
        coded = [sheet for sheet in sheets if _has_codes(sheet, column)]
        if not coded:
            likely = next((s for s in sheets if _has_codes(s, None)), sheets[0])
            headings_found = [c for c in likely.columns if c]
            choose_code_column(typed, headings_found, column, key="label_column")
        yield coded


def _clean_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip().replace(",", "")
    return text or None


def _find_extras(columns: list[str]) -> dict[str, str]:
    population = next((c for c in columns if c.lower().startswith(POPULATION)), None)
    population = population or ("population" if "population" in columns else None)
    found = {
        "population": population,
        "msoa": find_column(columns, "msoa"),
        "lad": find_column(columns, "lad"),
        "lad_name": find_column(columns, "lad_name"),
    }
    return {name: heading for name, heading in found.items() if heading is not None}


def _has_codes(sheet: Sheet, column: str | None) -> bool:
    if column is not None:
        return column in sheet.columns
    return find_column(sheet.columns, "area_id") is not None


def _merge(
    sheets: list[Sheet], headings: list[str], column: str | None, typed: Typed
) -> pd.DataFrame:
    """Read every wanted column from the first sheet that has it."""
    missing = list(headings)
    parts = []
    for sheet in sheets:
        wanted = [c for c in dict.fromkeys(sheet.columns) if c in missing]
        missing = [c for c in missing if c not in wanted]
        if wanted:
            parts.append(_take(sheet, wanted, column, typed))
    if not parts:
        # Only the codes are wanted, as where every target comes from counts of crime.
        parts.append(_take(sheets[0], [], column, typed))
    return pd.concat(parts, axis=1)


def _take(sheet: Sheet, wanted: list[str], column: str | None, typed: Typed) -> pd.DataFrame:
    """Read columns of one sheet, indexed by area code."""
    code = choose_code_column(typed, sheet.columns, column, key="label_column")
    places = [sheet.columns.index(c) for c in (code, *wanted)]
    rows = [[row[place] if place < len(row) else None for place in places] for row in sheet.rows]
    table = pd.DataFrame(rows, columns=["area_id", *wanted], dtype=object)
    table = table[table["area_id"].notna()]
    table["area_id"] = table["area_id"].astype(str).str.strip()
    table = table[table["area_id"] != ""]
    is_repeated = table["area_id"].duplicated(keep=False)
    if is_repeated.any():
        example = table.loc[is_repeated, "area_id"].iloc[0]
        count = int((table["area_id"] == example).sum())
        raise InputError(
            f"{typed}: area codes must be unique, {example} stands {count} times in column "
            f"{code!r}. Keep one row an area, or name another column with "
            f"{typed.name('label_column')}."
        )
    return table.set_index("area_id")


@contextmanager
def _open_sheets(typed: Typed) -> Iterator[list[Sheet]]:
    """Open a CSV file or a workbook and yield its tables."""
    path = typed.path
    if path.suffix.lower() == ".xlsx":
        with _open_workbook(path, typed) as sheets:
            yield sheets
    elif path.suffix.lower() in (".csv", ".txt"):
        yield [read_csv(path, str(typed))]
    else:
        raise InputError(f"{typed}: {path.suffix or 'no suffix'} is not known. Give CSV or XLSX.")


def read_csv(path: Path, where: str) -> Sheet:
    """Read a CSV file as text; blank cells are None.

    Raises
    ------
    InputError
        If it is not text, or has no rows.
    """
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            with path.open(encoding=encoding, newline="") as file:
                rows = [row for row in csv.reader(file) if any(row)]
            break
        except UnicodeDecodeError:
            continue
        except (OSError, csv.Error) as error:
            raise InputError(f"{where}: cannot be read as CSV ({error}).") from error
    else:
        raise InputError(f"{where}: is not text. Give a CSV file in UTF-8.")
    if not rows:
        raise InputError(f"{where}: the file is empty. Give a table with a row of headings.")
    blanks = ("", "NA", "NaN", "nan")
    values = [[None if cell.strip() in blanks else cell for cell in row] for row in rows[1:]]
    return Sheet(path.name, [heading.strip() for heading in rows[0]], values)


@contextmanager
def _open_workbook(path: Path, typed: Typed) -> Iterator[list[Sheet]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (OSError, InvalidFileException, zipfile.BadZipFile, KeyError) as error:
            raise InputError(f"{typed}: cannot be read as XLSX ({error}).") from error
        try:
            yield [_find_headings(sheet) for sheet in book.worksheets]
        finally:
            book.close()


def _find_headings(sheet: Any) -> Sheet:
    """Find the row of headings: the first with a column of area codes, else the first."""
    rows = sheet.iter_rows(values_only=True)
    first: list[str] = []
    for _, row in zip(range(MAX_ROWS_ABOVE), rows, strict=False):
        columns = ["" if cell is None else str(cell).strip() for cell in row]
        first = first or columns
        if find_column(columns, "area_id") is not None:
            return Sheet(sheet.title, columns, rows)
    return Sheet(sheet.title, first, sheet.iter_rows(min_row=2, values_only=True))
