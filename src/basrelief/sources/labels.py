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

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from basrelief.config import InputError, Typed
from basrelief.sources.areas import choose_code_column, list_names, refuse_repeats
from basrelief.sources.census import find_column
from basrelief.sources.iod import IOD

INDICES = (IOD,)
"""Published indices whose headings are known; where two know a heading the first decides."""

DOMAINS = tuple(dict.fromkeys(name for index in INDICES for name in index.domains))
"""What ``"all"`` stands for, as far as a table has it."""

TARGETS = tuple(dict.fromkeys(name for index in INDICES for name in index.headings))
"""Short names of the targets that are known by their published headings."""

NOT_BELOW_0 = frozenset(TARGETS).difference(*(index.around_0 for index in INDICES))
"""Shares, rates and scores from 0 to 100; those that are left out are published around 0."""

BY_DISTRICT = {name: by for index in INDICES for name, by in index.by_district.items()}
"""Targets of whose indicators some are set by district, each with an example."""

MAX_ROWS_ABOVE = 20
"""How far down a sheet its row of headings may stand."""


@dataclass(frozen=True)
class Sheet:
    """A table whose headings are known and whose rows are still to be read."""

    columns: list[str]
    """Headings, stripped; empty ones are empty text."""

    rows: Iterable[Sequence[Any]]
    """Rows below the headings; can be walked through once."""

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Read columns as they stand, None where a row is too short; of namesakes the first."""
        places = [self.columns.index(column) for column in columns]
        cells = [[row[at] if at < len(row) else None for at in places] for row in self.rows]
        return pd.DataFrame(cells, columns=list(columns), dtype=object)


def find_target(columns: Sequence[str], target: str) -> str | None:
    """Find a target's column: by its own name, else by its published heading.

    Examples
    --------
    >>> find_target(["LSOA code (2011)", "Income Score (rate)"], "income")
    'Income Score (rate)'
    """
    # A user's own column may be called as a published one is; then it is the one that is meant.
    if target in columns:
        return target
    return next(filter(None, (index.find(columns, target) for index in INDICES)), None)


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
    # What "all" stands for may be absent; what was typed may not.
    missing = [target for target in wanted if target not in present and target in targets]
    # No target at all is asked of a table where every target comes from counts of crime.
    if not missing and (present or not targets):
        return present
    known = [name for name in TARGETS if find_target(columns, name)]
    named = {find_target(columns, name) for name in known}
    # File 7 has a rank and a decile beside every score: nobody learns from those.
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
    numbers, is_text = read_numbers(values)
    if is_text.any():
        raise InputError(
            f"{typed.name('targets')}: {target!r} in {typed} must be finite numbers, found "
            f"{str(values[is_text].iloc[0])!r}. "
            "Name a numeric column, or leave the cell empty where nothing is known."
        )
    return numbers


def read_numbers(values: pd.Series) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Read the numbers of a column, NaN where blank, and mark what is no finite number.

    Examples
    --------
    >>> numbers, is_text = read_numbers(pd.Series([" 1,296 ", "", "many"]))
    >>> numbers.tolist(), is_text.tolist()
    ([1296.0, nan, nan], [False, False, True])
    """
    cleaned = values.astype(object).map(_clean_number)
    numbers = pd.to_numeric(cleaned, errors="coerce").astype(float)
    # An infinite label would spoil every mean that it is part of, so it counts as text.
    numbers = numbers.where(np.isfinite(numbers))
    return numbers, numbers.isna() & cleaned.notna()


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
    for name in columns:
        if name in headings or name == "population":
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
            # Called for its refusal: it says what was looked for and what there is.
            likely = next((s for s in sheets if _has_codes(s, None)), sheets[0])
            headings_found = [c for c in likely.columns if c]
            choose_code_column(typed, headings_found, column, key="label_column")
        yield coded


def _clean_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # Tables made to be read have a comma between thousands.
    text = value.strip().replace(",", "")
    return text or None


def _find_extras(columns: list[str]) -> dict[str, str]:
    """Find what a table says of areas besides targets, by what it means."""
    found = {name: find_column(columns, name) for name in ("population", "msoa", "lad", "lad_name")}
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
    # Published workbooks repeat codes and names in every sheet, and spread scores over them.
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
    # Set by place: the codes may be a target's column too.
    table = sheet.read([code, *wanted]).set_axis(["area_id", *wanted], axis=1)
    table = table[table["area_id"].notna()]
    table["area_id"] = table["area_id"].astype(str).str.strip()
    table = table[table["area_id"] != ""]
    cure = f"Keep one row an area, or name another column with {typed.name('label_column')}."
    refuse_repeats(table, ["area_id"], f"{typed}: column {code!r}", cure)
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
    # The Windows code page reads nearly any bytes, so it comes second.
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            # Cells may hold line breaks, so these are left for the reader to find.
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
    # What R and pandas write where nothing is known counts as blank.
    blanks = ("", "NA", "NaN", "nan")
    values = [[None if cell.strip() in blanks else cell for cell in row] for row in rows[1:]]
    return Sheet([heading.strip() for heading in rows[0]], values)


@contextmanager
def _open_workbook(path: Path, typed: Typed) -> Iterator[list[Sheet]]:
    with warnings.catch_warnings():
        # It warns of styles and validations that it leaves out; only values are read here.
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            # Read only: a workbook held whole takes some fifty times its size. Values, no formulas.
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        # A zip archive that is no workbook lacks a part that is asked for: that is the KeyError.
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
            return Sheet(columns, rows)
    return Sheet(first, sheet.iter_rows(min_row=2, values_only=True))
