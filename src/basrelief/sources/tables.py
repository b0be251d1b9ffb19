"""Tables as people keep them: CSV in any encoding and with any separator, and workbooks.

All that the program reads by rows goes through here: labels, counts, people, the rows of pictures.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from basrelief.config import InputError
from basrelief.sources.archives import show_size
from basrelief.sources.numbers import BLANKS
from basrelief.sources.sheets import (
    CURE,
    MAX_ROWS_ABOVE,
    N_SAMPLE,
    Sheet,
    find_headings,
    tidy_headings,
)

HEAD_LETTERS = 2**20
"""How much of a text is split into rows where only headings and a sample are asked for."""

MAX_BYTES = 2**30
"""A gigabyte: a hundred times the English Indices, and what still fits into memory as text."""

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

TEXT_SUFFIXES, BOOK_SUFFIXES = (".csv", ".txt", ".tsv", ".tab"), (".xlsx", ".xlsm")

HEADS = {
    b"PK": "a zip archive or a workbook",
    b"\xd0\xcf\x11\xe0": "a workbook of old Excel (.xls)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a database",
    b"<": "a web page, or XML",
    b"{": "JSON",
    b"[{": "JSON",
}
"""How files begin that are no tables of text, though they may be called so."""

END = ["\0"]
"""A row that no table has, set behind the last one."""


def open_sheets(
    path: Path, where: str, is_headings: Callable[[list[str]], bool], is_head: bool = False
) -> list[Sheet]:
    """Open a CSV file or a workbook: its tables, with their headings.

    Parameters
    ----------
    path, where
        The file, and how messages name it.
    is_headings
        Tells a row of headings from a title above it.
    is_head
        Whether headings and a sample are all that is asked for: of a long text the rest is then
        neither split nor checked.

    Returns
    -------
    list of Sheet
        One for a CSV file; of a workbook every sheet that is not empty.

    Raises
    ------
    InputError
        If the file is no table, or is broken.
    """
    suffix = path.suffix.lower()
    if suffix not in TEXT_SUFFIXES + BOOK_SUFFIXES:
        _refuse_device(path, where)
        fault = f"{suffix} is not known" if suffix else "has no suffix, such as .csv"
        raise InputError(f"{where}: {fault}. Give CSV or XLSX. {CURE}")
    data = read_bytes(path, where)
    if suffix in BOOK_SUFFIXES:
        # It takes some tenths of a second to load, and most tables are no workbooks.
        from basrelief.sources.workbooks import open_workbook

        return open_workbook(data, where, is_headings)
    return [_open_text(data, where, is_headings, is_head)]


def open_first_sheet(path: Path, where: str, is_headings: Callable[[list[str]], bool]) -> Sheet:
    """Open the first table of a file that has such headings, else its first.

    Raises
    ------
    InputError
        As `open_sheets`.
    """
    sheets = open_sheets(path, where, is_headings)
    return next((sheet for sheet in sheets if is_headings(sheet.columns)), sheets[0])


def read_bytes(path: Path, where: str) -> bytes:
    """Read a file whole, if it is an ordinary one and not too large.

    Raises
    ------
    InputError
        Says what it is.
    """
    try:
        _refuse_device(path, where)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                f"{where}: has {show_size(size)}, and a table may have {show_size(MAX_BYTES)}. "
                "Leave out rows and columns that are not needed."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror or error}).") from error


def _refuse_device(path: Path, where: str) -> None:
    """Stop at what is no ordinary file: a device or a pipe would be read for ever."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise InputError(f"{where}: is {what}. Give a table as CSV or XLSX.")


def _open_text(
    data: bytes, where: str, is_headings: Callable[[list[str]], bool], is_head: bool
) -> Sheet:
    """Read a text with separators; blank cells are None."""
    if not data.strip():
        raise InputError(f"{where}: the file is empty. Give a table with a row of headings.")
    kind = next((kind for start, kind in HEADS.items() if data.lstrip().startswith(start)), None)
    if kind is not None:
        raise InputError(f"{where}: is {kind}, not a table of text. {CURE}")
    text = _decode(data, where)
    separator = _choose_separator(text, is_headings)
    is_long = is_head and len(text) > HEAD_LETTERS
    head = _split_head(text[:HEAD_LETTERS], separator) if is_long else []
    # What cannot be told by its head is for the whole to say.
    numbered = head or _split(text, separator, where)
    if not numbered:
        raise InputError(f"{where}: the file is empty. Give a table with a row of headings.")
    _refuse_quoted(numbered, where)
    at = find_headings([row for _, row in numbered[: 2 * MAX_ROWS_ABOVE]], is_headings)
    columns = tidy_headings(numbered[at][1])
    below = numbered[at + 1 :]
    _check_rows(len(numbered[at][1]), below, separator, where)
    rows = [[None if cell.strip().lower() in BLANKS else cell for cell in row] for _, row in below]
    return Sheet(columns, lambda: iter(rows), where, separator)


def _decode(data: bytes, where: str) -> str:
    """Turn bytes into text: by their mark, by their zeros, as UTF-8, else as Windows has it."""
    marks = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    encodings = [name for mark, name in marks if data.startswith(mark)][:1]
    if not encodings and b"\0" in data[:1000]:
        # Plain letters in two bytes have a zero in each first, or in each second.
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    # The Windows code page reads nearly any bytes, so it comes last.
    for encoding in encodings or ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.removeprefix("\ufeff")
    raise InputError(f"{where}: is not text. Give a CSV file in UTF-8.")


def _choose_separator(text: str, is_headings: Callable[[list[str]], bool]) -> str:
    """Choose what gives headings, splits most of the first lines alike, and into most columns."""
    head = text[: 2**16]
    best, most = ",", (False, 0.0, 0)
    for separator in SEPARATORS:
        reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
        try:
            rows = [row for row in itertools.islice(reader, 2 * N_SAMPLE) if any(row)]
        except csv.Error:
            continue
        widths = [len(row) for row in rows if len(row) > 1]
        if not widths:
            continue
        width = max(set(widths), key=lambda each: (widths.count(each), each))
        has_headings = any(is_headings(tidy_headings(row)) for row in rows[:MAX_ROWS_ABOVE])
        score = (has_headings, widths.count(width) / len(rows), width)
        if score > most:
            best, most = separator, score
    return best


def _split(text: str, separator: str, where: str) -> list[tuple[int, list[str]]]:
    """Split a text into rows, each with the number of its line; blank ones are left out."""
    # Cells may hold line breaks, so these are left for the reader to find.
    end = "" if text.endswith(("\n", "\r")) else "\n"
    reader = csv.reader(io.StringIO(f"{text}{end}{END[0]}\n", newline=""), delimiter=separator)
    rows, line = [], 1
    try:
        for row in reader:
            if any(row):
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{where}: cannot be read as CSV (line {line}: {error}).") from error
    if rows.pop()[1] != END:
        raise _refuse_quote(where, reader.line_num - 1 if not rows else rows[-1][0] + 1)
    return rows


def _split_head(head: str, separator: str) -> list[tuple[int, list[str]]]:
    """Split how a text begins into rows as `_split` does, but for the last: it may be cut."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    with suppress(csv.Error):
        return [(reader.line_num, row) for row in reader if any(row)][:-1]
    return []


def _refuse_quote(where: str, line: int) -> InputError:
    return InputError(
        f'{where}: a quote (") that begins at about line {line} is not closed, so that the rows '
        "behind it would be one cell. Remove it, or close it."
    )


def _refuse_quoted(numbered: list[tuple[int, list[str]]], where: str) -> None:
    """Stop where each line stands in quotes whole, so that it is one cell."""
    first = numbered[:N_SAMPLE]
    found = [s for s in SEPARATORS if all(len(row) == 1 and s in row[0] for _, row in first)]
    if found and len(first) > 1:
        raise InputError(
            f"{where}: each line stands in quotes as a whole, and so is one cell, with "
            f"{SEPARATORS[found[0]]}s in it. Take the quotes around lines away; only single cells "
            "have some."
        )


def _check_rows(width: int, below: list[tuple[int, list[str]]], separator: str, where: str) -> None:
    """Stop where rows are longer than the headings, or cells hold rows."""
    firsts: set[str] = set()
    for line, row in below:
        if len(row) > width and any(row[width:]):
            raise InputError(
                f"{where}: line {line} has {len(row)} cells, the headings {width}. A "
                f"{SEPARATORS[separator]} within a cell needs quotes around the cell; and every "
                "column needs a heading."
            )
        # Asked of the whole row first: of a million rows hardly one has such a cell.
        joined = "".join(row)
        for cell in row if "\n" in joined or "\r" in joined else ():
            # A quote that is closed in a later row makes one cell of all rows between.
            pieces = re.split(r"[\r\n]+", cell)[1:] if "\n" in cell or "\r" in cell else []
            split = [piece.split(separator) for piece in pieces]
            # Of all rows, which takes its time: hardly a table has cells with line breaks.
            if split and not firsts:
                firsts = {_shape(row[0]) for _, row in below}
            if any(len(part) >= max(width, 2) and _shape(part[0]) in firsts for part in split):
                raise _refuse_quote(where, line)


def _shape(text: str) -> str:
    """Give the shape of a code: its letters and digits, each as one."""
    return re.sub(r"[A-Za-z]", "A", re.sub(r"[0-9]", "9", text.strip()))
