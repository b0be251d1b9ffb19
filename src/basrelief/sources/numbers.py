"""Numbers as people write them: thousands, decimal commas, percent, and what stands for none.

A column is read as a whole: "1,234" alone may be two numbers, its neighbours say which.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.sources.sentinels import blank_codes, blank_sentinels, list_far

NumberKind = Literal["any", "count", "score"]
"""What a column holds: whole numbers of 0 or more, scores of an index (never of thousands)."""

BLANKS = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"))
"""What programs write where nothing is known, in lower case."""

MARKS = frozenset(("*", "**", ":", "..", "...", "[x]", "[c]", "[z]", "[u]", "not available"))
"""What statistical offices write where a figure is withheld or not known (Government Analysis
Function, "Using symbols in tables"). A lone dash is not among them: to some it is a 0."""

MAX_SIZE = 1e15
"""No count, rate or score is larger; the square of a larger one may be infinite."""

OUTLYING = 1000
"""Half spreads from the middle beyond which a value is worth a word: theft in the busiest streets
of London lies 400 from that of the usual street."""

USUAL = re.compile(
    r"[+-]?(?:(?P<three>[1-9][0-9]{0,2}\.[0-9]{3})|[0-9]{1,15}(?P<decimals>\.[0-9]{1,15})?)"
)
"""How nearly all numbers of large tables are written: read at once, as a country has a million."""

PLAIN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
GROUPED = re.compile(r"[0-9]{1,3}(?:[ '’][0-9]{3})+(?:[.,][0-9]+)?")
COMMA_THREE, DOT_THREE = (
    re.compile(r"[1-9][0-9]{0,2},[0-9]{3}"),
    re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}"),
)
ENGLISH = re.compile(r"[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){2,}|(?:,[0-9]{3})+\.[0-9]*)")
CONTINENTAL = re.compile(
    r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)"
)
DECIMAL_COMMA = re.compile(r"[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers of a column, or what keeps it from being one of numbers."""

    series: pd.Series[float]
    """NaN where nothing is known."""

    fault: str = ""
    """What was found, and why it is no number; empty where nothing was."""

    remarks: tuple[str, ...] = ()
    """What was odd and yet taken."""


@dataclass(eq=False)
class _Column:
    """A column on its way to numbers."""

    floats: NDArray[np.float64]
    texts: dict[int, str] = field(default_factory=dict)
    """By row what is still text, without sign, blanks and percent."""

    dot_three: dict[int, str] = field(default_factory=dict)
    """By row what was read at once with three digits behind a point, which may mean thousands."""

    decimal: tuple[int, str] | None = None
    """Row and text of the first that was read at once and has other decimals."""

    signs: dict[int, float] = field(default_factory=dict)
    percents: set[int] = field(default_factory=set)
    marks: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


class _NumberError(ValueError):
    """A cell, or several, that cannot be read as numbers."""


def parse_numbers(cells: pd.Series[Any], kind: NumberKind = "any", separator: str = ",") -> Numbers:
    """Read the numbers of a column.

    Parameters
    ----------
    cells : (row,)
        Texts, or what a workbook holds; None where blank.
    kind
        Decides where a comma could mean either: counts are whole, scores are small.
    separator
        What stands between the table's columns. A semicolon stands there because the comma is a
        decimal one.

    Examples
    --------
    >>> parse_numbers(pd.Series([" 1,296 ", "983", None]), "count").series.tolist()
    [1296.0, 983.0, nan]
    >>> parse_numbers(pd.Series(["-0,63", "1,5"])).series.tolist()
    [-0.63, 1.5]
    >>> parse_numbers(pd.Series(["0.5", "many"])).fault
    "'many'"
    """
    column = _Column(np.full(len(cells), np.nan))
    try:
        _sort_cells(cells, column)
        _read_texts(column, kind, separator)
        _divide_percents(column, kind)
        column.remarks += blank_sentinels(column.floats)
        if kind != "count":
            # What is counted is never below 0, which whoever asks for counts says.
            column.remarks += blank_codes(column.floats)
        column.remarks += list_far(column.floats)
        _check_sizes(column)
    except _NumberError as fault:
        return Numbers(pd.Series(np.nan, cells.index), str(fault))
    for mark, count in column.marks.items():
        column.remarks.append(f"{mark!r} in {count} rows is read as not known")
    return Numbers(pd.Series(column.floats, cells.index), remarks=tuple(column.remarks))


def _sort_cells(cells: pd.Series[Any], column: _Column) -> None:
    """Take what is a number already, and clean what is text."""
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            _take_text(row, cell, column)
            continue
        if cell is None or cell is pd.NA or cell is pd.NaT:
            continue
        if isinstance(cell, bool | np.bool_):
            raise _NumberError(f"{str(cell).upper()!r}, a truth value")
        if isinstance(cell, dt.date | dt.time | dt.timedelta):
            raise _NumberError(
                f"{str(cell)!r}, a date: spreadsheets make dates of numbers such as 1.2; format "
                "the column as numbers and type them again"
            )
        column.floats[row] = _to_float(str(cell))


def _take_text(row: int, cell: str, column: _Column) -> None:
    """Read a number that is written as usual at once; clean any other text."""
    usual = USUAL.fullmatch(cell)
    if usual is None:
        _clean(row, cell, column)
        return
    column.floats[row] = float(cell)
    if usual["three"] is not None:
        column.dot_three[row] = cell
    elif usual["decimals"] is not None and column.decimal is None:
        column.decimal = row, cell.lstrip("+-")


def _to_float(text: str) -> float:
    value = float(text)
    # A NaN cell is blank; an infinity is the answer to no question.
    if np.isinf(value):
        raise _NumberError(repr(text))
    return value


def _clean(row: int, cell: str, column: _Column) -> None:
    # No-break and thin blanks stand between thousands; a minus may be the printer's.
    text = " ".join(cell.split()).replace("−", "-")
    if text.lower() in BLANKS:
        return
    # Not blank to whoever wrote it: how many there are is said.
    if text.lower() in MARKS:
        column.marks[text] += 1
        return
    body = text.removesuffix("%").rstrip()
    if body != text:
        column.percents.add(row)
    column.signs[row] = -1.0 if body.startswith("-") else 1.0
    body = body[1:] if body[:1] in ("+", "-") else body
    if GROUPED.fullmatch(body):
        body = re.sub("[ '’]", "", body)
    forms = (PLAIN, COMMA_THREE, ENGLISH, CONTINENTAL, DECIMAL_COMMA)
    if not any(form.fullmatch(body) for form in forms):
        raise _NumberError(repr(cell if len(cell) <= 40 else cell[:40] + "..."))
    column.texts[row] = body


def _read_texts(column: _Column, kind: NumberKind, separator: str) -> None:
    """Settle for the whole column what commas and points mean, and read it so."""
    texts = column.texts
    is_comma_decimal = _settle_comma(column, kind, separator)
    for row, text in texts.items():
        if is_comma_decimal:
            text = text.replace(".", "").replace(",", ".")
        column.floats[row] = column.signs[row] * _to_float(text.replace(",", ""))
    if is_comma_decimal:
        for row, text in column.dot_three.items():
            column.floats[row] = float(text.replace(".", ""))


@dataclass(frozen=True)
class _Forms:
    """Texts of a column by how they are written, mostly the first; a text may be of several."""

    english: str | None
    """A point before decimals, or commas between thousands beside it."""

    comma_three: list[int]
    """Rows in which three digits stand behind the only comma: decimals or thousands."""

    continental: str | None
    """A comma before decimals and nothing else; one with points between thousands if there is."""

    dot_three: str | None
    """Three digits behind every point."""

    has_thousands: bool
    """Whether points stand between thousands for sure."""


def _sort_forms(column: _Column) -> _Forms:
    """Sort texts by how they are written."""
    texts = column.texts
    thousands = next((t for t in texts.values() if CONTINENTAL.fullmatch(t)), None)
    decimal = (
        t for t in texts.values() if DECIMAL_COMMA.fullmatch(t) and not COMMA_THREE.fullmatch(t)
    )
    english = ((k, t) for k, t in texts.items() if ENGLISH.fullmatch(t) or _has_decimal_point(t))
    three = ((k, t) for k, t in texts.items() if DOT_THREE.fullmatch(t))
    usual = ((k, t.lstrip("+-")) for k, t in column.dot_three.items())
    return _Forms(
        _first(next(english, None), column.decimal),
        [row for row, t in texts.items() if COMMA_THREE.fullmatch(t)],
        thousands or next(decimal, None),
        _first(next(three, None), next(usual, None)),
        has_thousands=thousands is not None,
    )


def _first(*found: tuple[int, str] | None) -> str | None:
    """Give the text that stands in the first row."""
    return min((each for each in found if each is not None), default=(0, None))[1]


def _settle_comma(column: _Column, kind: NumberKind, separator: str) -> bool:
    """Whether a comma stands before decimals; a fault where both may be meant."""
    forms = _sort_forms(column)
    first = forms.continental
    if first and (forms.english or (forms.dot_three and not forms.has_thousands)):
        raise _NumberError(
            f"{first!r} beside {forms.english or forms.dot_three!r}: a comma and a point "
            "before decimals. Write all numbers in one way"
        )
    if first:
        column.remarks.append(
            f"a comma is read as a decimal one: {first!r} is "
            f"{first.replace('.', '').replace(',', '.')}"
        )
        return True
    if forms.dot_three and not forms.english and not forms.comma_three:
        shown = forms.dot_three
        if kind == "count":
            # Every point has three digits behind it, and people are whole.
            column.remarks.append(
                f"a point is read as between thousands: {shown!r} is {shown.replace('.', '')}"
            )
            return True
        if separator == ";" and kind == "any":
            column.remarks.append(f"a point is read as a decimal one: {shown!r}")
    # Of what is counted a comma can only stand between thousands.
    if not forms.comma_three or forms.english or kind == "count":
        return False
    return _settle_three(column, forms, kind, separator)


def _settle_three(column: _Column, forms: _Forms, kind: NumberKind, separator: str) -> bool:
    """Whether the comma before three digits, of which nothing else tells, stands for decimals."""
    shown = column.texts[forms.comma_three[0]]
    # Programs write semicolons where the comma is taken for decimals.
    if separator == ";":
        column.remarks.append(
            f"a comma is read as a decimal one, as semicolons stand between "
            f"columns: {shown!r} is {shown.replace(',', '.')}"
        )
        return True
    if (
        kind == "score"
        or forms.dot_three
        or any(column.signs[row] < 0 for row in forms.comma_three)
    ):
        raise _NumberError(
            f"{shown!r}, which may be {shown.replace(',', '')} or "
            f"{shown.replace(',', '.')}: write it without a comma"
        )
    column.remarks.append(
        f"a comma is read as between thousands: {shown!r} is {shown.replace(',', '')}"
    )
    return False


def _has_decimal_point(text: str) -> bool:
    return "." in text and PLAIN.fullmatch(text) is not None and not DOT_THREE.fullmatch(text)


def _divide_percents(column: _Column, kind: NumberKind) -> None:
    if not column.percents:
        return
    known = np.flatnonzero(~np.isnan(column.floats))
    others = [row for row in known if row not in column.percents and column.floats[row] != 0]
    rows = sorted(column.percents)
    shown = next((row for row in rows if column.floats[row] != 0), rows[0])
    first = f"{column.floats[shown]:g}%"
    if kind == "count":
        raise _NumberError(f"{first!r}, a share and no count")
    # A share of 3 beside 3% could be 300%; nobody but the author knows.
    if others:
        raise _NumberError(
            f"{first!r} beside {f'{column.floats[others[0]]:g}'!r}: write all or none as percent"
        )
    column.floats[rows] /= 100.0
    column.remarks.append(f"percent are read as shares: {first} is {column.floats[shown]:g}")


def _check_sizes(column: _Column) -> None:
    known = column.floats[~np.isnan(column.floats)]
    if len(known) == 0:
        return
    largest = known[np.abs(known).argmax()]
    if abs(largest) > MAX_SIZE:
        raise _NumberError(f"'{largest:g}', larger than anything that is counted")
    quarter, middle, three_quarters = np.percentile(known, (25, 50, 75))
    # By quarters and not by the standard deviation, which what is far would widen.
    reach = OUTLYING * (three_quarters - quarter) / 2
    far = known[np.abs(known - middle) > reach]
    if reach > 0 and len(far):
        column.remarks.append(
            f"{len(far)} values lie far from all others (such as {far[0]:g}; half of all lie "
            f"between {quarter:g} and {three_quarters:g})"
        )
