"""Workbooks (XLSX): their sheets as tables, read only as far as they are what they say."""

from __future__ import annotations

import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import openpyxl

from basrelief.config import InputError
from basrelief.sources.archives import show_size
from basrelief.sources.sheets import (
    CURE,
    MAX_ROWS_ABOVE,
    Sheet,
    SheetRow,
    find_headings,
    tidy_headings,
)

MAX_CELLS = 3_000_000
"""Of a sheet: half as many again as the English Indices have, and some twenty seconds to read."""

MAX_PART_BYTES, MAX_RATIO = 600_000_000, 200
"""Of a part of the archive, unpacked: a sheet of so many cells has half of it. Sheets shrink to a
tenth or a thirtieth; what shrinks to less is made to fill the memory."""

PIECE = 2**20

UNCALCULATED = re.compile(
    rb'<c(?![^>]*t="str")[^>]*>\s*<f(?:\s[^>]*)?(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>'
)
"""A cell with a formula and no value; one of text may have an empty value, and is calculated."""

ODS = b"application/vnd.oasis.opendocument.spreadsheet"


def open_workbook(data: bytes, where: str, is_headings: Callable[[list[str]], bool]) -> list[Sheet]:
    """Open the sheets of a workbook that hold anything.

    Raises
    ------
    InputError
        If it is no workbook, is cut off, is made to fill the memory, or holds nothing.
    """
    uncalculated = _check_parts(data, where)
    with warnings.catch_warnings():
        # It warns of styles and validations that it leaves out; only values are read here.
        warnings.filterwarnings("ignore", module="openpyxl")
        try:
            # Read only: a workbook held whole takes some fifty times its size. Values, no formulas.
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            _check_listed(data, book, where)
            sheets = [
                _open_sheet(sheet, f"{where}, sheet {sheet.title!r}", uncalculated, is_headings)
                for sheet in book.worksheets
            ]
        except InputError:
            raise
        # What parsers of XML, of zip and of styles raise for broken files has no common name.
        except Exception as error:
            raise _refuse(where, error) from error
    found = [sheet for sheet in sheets if sheet is not None]
    if not found:
        raise InputError(f"{where}: the file is empty. Give a table with a row of headings.")
    return found


def _refuse(where: str, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"{where}: cannot be read as XLSX ({reason[:120]}). Fetch it again, or save it as CSV."
    )


def _check_parts(data: bytes, where: str) -> set[str]:
    """Look through the archive before it is parsed; the sheets whose formulas lack values."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.read("mimetype").strip() == ODS:
                raise InputError(f"{where}: is an OpenDocument sheet (ODS). {CURE}")
            if any(name.endswith("workbook.bin") for name in names):
                raise InputError(f"{where}: is a binary workbook (XLSB). {CURE}")
            if archive.infolist() and any(part.flag_bits & 1 for part in archive.infolist()):
                raise InputError(f"{where}: is encrypted. Save it without a password.")
            parts = archive.infolist()
            return {part.filename for part in parts if _check_part(archive, part, where)}
    except InputError:
        raise
    except Exception as error:
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            what = "is a workbook of old Excel (.xls), or has a password"
            raise InputError(f"{where}: {what}. {CURE}") from error
        raise _refuse(where, error) from error


def _check_listed(data: bytes, book: Any, where: str) -> None:
    """Stop where the workbook lists sheets that are not in the file: they would be left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        n_listed = len(re.findall(rb"<(?:\w+:)?sheet\s", archive.read("xl/workbook.xml")))
    n_held = len(book.worksheets) + len(book.chartsheets)
    if n_held < n_listed:
        raise InputError(
            f"{where}: lists {n_listed} sheets and holds {n_held}. It is cut off, or was made by a "
            "program that keeps other kinds of sheets: fetch it again, or save it as CSV."
        )


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, where: str) -> bool:
    """Stop at a part that is too large, or declares entities; whether it has empty formulas."""
    ratio = part.file_size / max(part.compress_size, 1)
    if part.file_size > MAX_PART_BYTES or (part.file_size > 50 * PIECE and ratio > MAX_RATIO):
        raise InputError(
            f"{where}: {part.filename} unpacks to {show_size(part.file_size)}, more than a "
            "table has. Save the rows that are needed as CSV."
        )
    if not part.filename.endswith(".xml"):
        return False
    is_sheet, n_cells, found, before = "worksheets/" in part.filename, 0, False, b""
    with archive.open(part) as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            # What is sought may lie across the border of two pieces.
            both = before + piece
            if b"<!DOCTYPE" in both or b"<!ENTITY" in both:
                raise InputError(f"{where}: {part.filename} declares entities, as no sheet does.")
            n_cells += piece.count(b"<c ") + piece.count(b"<c>")
            found = found or (is_sheet and UNCALCULATED.search(both) is not None)
            if is_sheet and n_cells > MAX_CELLS:
                raise InputError(
                    f"{where}: {part.filename} has more than {MAX_CELLS:,} cells. Leave out rows "
                    "and columns that are not needed, or save it as CSV."
                )
            before = piece[-500:]
    return found


def _open_sheet(
    sheet: Any, where: str, uncalculated: set[str], is_headings: Callable[[list[str]], bool]
) -> Sheet | None:
    """Find the headings of a sheet; None for an empty one."""
    numbered = []
    for number, row in enumerate(sheet.iter_rows(values_only=True, max_row=4 * MAX_ROWS_ABOVE), 1):
        if any(cell is not None for cell in row):
            numbered.append((number, row))
    if not numbered:
        return None
    first, row = numbered[find_headings([row for _, row in numbered], is_headings)]

    def walk() -> Iterator[SheetRow]:
        try:
            for row in itertools.islice(sheet.iter_rows(values_only=True), first, None):
                if any(cell is not None for cell in row):
                    yield [_tidy_cell(cell) for cell in row]
        except Exception as error:
            raise _refuse(where, error) from error

    return Sheet(
        tidy_headings(row),
        walk,
        where,
        has_uncalculated=sheet._worksheet_path.lstrip("/") in uncalculated,
        title=sheet.title,
    )


def _tidy_cell(cell: Any) -> Any:
    return None if isinstance(cell, str) and not cell.strip() else cell
