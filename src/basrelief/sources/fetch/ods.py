"""Workbooks of OpenDocument (ODS), as the Welsh Government publishes them: a sheet as rows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from basrelief.sources.archives import BROKEN
from basrelief.sources.fetch.client import ServiceError

MAX_BYTES = 400 * 2**20
"""Of the sheets, unpacked: some ten times what the index of Wales has."""

MAX_COLUMNS = 200
"""Cells that are repeated beyond are the blank rest of a row."""

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def read_sheet(path: Path, has_heading: str) -> list[list[str]]:
    """Read the rows of the first sheet that has a row of headings with a given one.

    Returns
    -------
    list of list of str
        The row of headings and those below it, blank cells as empty text.

    Raises
    ------
    ServiceError
        If it is no such workbook, or no sheet has the heading.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("content.xml").file_size > MAX_BYTES:
                raise ServiceError(f"{path.name}: is too large to be read")
            with archive.open("content.xml") as file:
                # What swells when it is read begins with definitions, which no workbook has.
                if b"<!DOCTYPE" in file.read(4096):
                    raise ServiceError(f"{path.name}: is no workbook")
            with archive.open("content.xml") as file:
                for _, element in iterparse(file):  # noqa: S314
                    if element.tag != f"{TABLE}table":
                        continue
                    rows = list(_walk_rows(element))
                    # A sheet is kept no longer than it is looked at: as elements it has fifty times
                    # its size.
                    element.clear()
                    at = next((k for k, row in enumerate(rows) if has_heading in row), None)
                    if at is not None:
                        return rows[at:]
    except (KeyError, ParseError, *BROKEN) as error:
        raise ServiceError(f"{path.name}: cannot be read as a workbook ({error})") from error
    raise ServiceError(f"{path.name}: no sheet has a column {has_heading!r}")


def _walk_rows(table: Element) -> Iterator[list[str]]:
    """Walk the rows of a sheet that hold anything, each as often as it is repeated."""
    for row in table.iter(f"{TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                continue
            n = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
            # Spreadsheets end a row with one cell that is repeated sixteen thousand times.
            cells += [_read_cell(cell)] * min(n, MAX_COLUMNS - len(cells))
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            for _ in range(int(row.get(f"{TABLE}number-rows-repeated", "1"))):
                yield cells


def _read_cell(cell: Element) -> str:
    """Read a cell: its number, which is not rounded for show as its text is; else its text."""
    value = cell.get(f"{OFFICE}value")
    if value is not None:
        return value
    lines = ["".join(each.itertext()) for each in cell.iter(f"{TEXT}p")]
    return " ".join(" ".join(lines).split())
