"""ASCII grids as text: GDAL reads a word among the numbers as 0, and a lost row as a shift."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from basrelief.config import InputError
from basrelief.sources.formats import open_member

CHUNK_BYTES = 8 * 2**20

NUMBERS = b"0123456789+-.eE \t\r\n"

WORDS = re.compile(rb"[+-]?(nan|inf|infinity|1\.#\w+)", re.IGNORECASE)
"""What may stand for no number; GDAL reads these as such."""

CORNER = re.compile(rb"[xy]ll(?:corner|center)")

HEADER = re.compile(rb"\s*([A-Za-z_]+)\s+(\S+)[ \t]*\r?\n?")


def check_text(path: Path, member: str | None, name: str, shape: tuple[int, int]) -> None:
    """Check that an ASCII grid holds as many numbers as it says, and no word.

    Parameters
    ----------
    path, member
        The file, or the zip archive and which of its files.
    name
        As the user typed it.
    shape
        Rows and columns, by its header.

    Raises
    ------
    InputError
        Names the word, or both counts; or says that the file is broken.
    """
    count, rest, is_first = 0, b"", True
    with open_member(path, member, name) as file:
        while chunk := file.read(CHUNK_BYTES):
            if is_first:
                chunk, is_first = _skip_header(chunk), False
            text = rest + chunk
            # A number may go on in the next piece: the last one waits.
            cut = max(text.rfind(b" "), text.rfind(b"\n"), text.rfind(b"\t")) + 1
            text, rest = text[:cut], text[cut:]
            _refuse_words(text, name)
            count += _count_words(text)
    _refuse_words(rest, name)
    count += _count_words(rest + b" ")
    if count != shape[0] * shape[1]:
        raise InputError(
            f"{name}: says {shape[0]} rows of {shape[1]} and holds {count:,} numbers instead of "
            f"{shape[0] * shape[1]:,}: it cannot be read to its end. Fetch it again."
        )


def find_header_fault(head: bytes) -> str | None:
    """Say why the header of an ASCII grid is no header; None where it is one.

    Of a number with a comma GDAL reads what stands before it, and where no corner is told it puts
    the grid at 0, 0, without a word of either.

    >>> find_header_fault(b"xllcorner 1 YLLCORNER 2.5") is None
    True
    >>> find_header_fault(b"xllcorner 1 yllcorner 2 cellsize 2,5")
    "its header says cellsize '2,5', which is no number. Decimals have a point."
    """
    header = head[: len(head) - len(_skip_header(head))].lower()
    for key, value in HEADER.findall(header):
        if value.translate(None, NUMBERS) and not WORDS.fullmatch(value):
            shown = value[:20].decode("latin-1")
            return (
                f"its header says {key.decode()} {shown!r}, which is no number. Decimals have a "
                "point."
            )
    keys = [key.decode() for key in CORNER.findall(header)]
    if {"xllcorner", "yllcorner"} <= set(keys) or {"xllcenter", "yllcenter"} <= set(keys):
        return None
    found = f"has {' and '.join(keys)}" if keys else "says not where its corner lies"
    return (
        f"its header {found}, and needs xllcorner and yllcorner, or xllcenter and yllcenter. "
        "Correct it, or fetch it again."
    )


def _count_words(text: bytes) -> int:
    """Count words by their ends; the text must end with a blank."""
    is_blank = np.frombuffer(text, np.uint8) <= ord(" ")
    return int(np.count_nonzero(is_blank[1:] & ~is_blank[:-1]))


def _refuse_words(text: bytes, name: str) -> None:
    # In one step over millions of numbers; only where something is left are words looked for.
    if not text.translate(None, NUMBERS):
        return
    for word in text.split():
        if word.translate(None, NUMBERS) and not WORDS.fullmatch(word):
            raise InputError(
                f"{name}: {word[:20].decode('latin-1')!r} stands among its numbers. Decimals "
                "have a point; correct it, or fetch it again."
            )


def _skip_header(text: bytes) -> bytes:
    at = 0
    # A number never begins with a letter, but for what stands for none.
    while (found := HEADER.match(text, at)) and not WORDS.fullmatch(found[1]):
        at = found.end()
    return text[at:]
