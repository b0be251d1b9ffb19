"""Numbers as people write them: thousands, decimal commas, percent, and what stands for none.

A column is read as a whole: "1,234" alone may be two numbers, its neighbours say which.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Kind = Literal["any", "count", "score"]
"""What a column holds: whole numbers of 0 or more, scores of an index (never of thousands)."""

BLANKS = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"))
"""What programs write where nothing is known, in lower case."""

MARKS = frozenset(("*", "**", ":", "..", "...", "[x]", "[c]", "[z]", "[u]", "not available"))
"""What statistical offices write where a figure is withheld or not known (Government Analysis
Function, "Using symbols in tables"). A lone dash is not among them: to some it is a 0."""

SENTINELS = tuple(
    sign * value
    for value in (99, 999, 9999, 99999, 999999, 9999999, 99999999, 2**31 - 1, 2**31, 1e20, 1e30)
    for sign in (1, -1)
) + tuple(sign * float(np.finfo(kind).max) for kind in (np.float32, np.float64) for sign in (1, -1))
"""Numbers that programs write where nothing is known."""

CODES = (-1.0, -7.0, -8.0, -9.0)
"""Numbers that surveys write where nothing is known or nobody was asked (SPSS; UK Data Service)."""

MIN_REST = 5
"""Other numbers that it takes to say of one that it is unlike them."""

SOME = 0.1
"""Share of fractions from which a column is measured and not counted: of numbers with one decimal
a tenth are whole, and nine tenths are not."""

FAR = 5
"""A sentinel counts as one when it lies this many times the size of all others beyond them; so
99 is a score among scores, and none among crime scores, which end at 3."""

MAX_SIZE = 1e15
"""No count, rate or score is larger; the square of a larger one may be infinite."""

OUTLYING = 1000
"""Half spreads from the middle beyond which a value is worth a word: theft in the busiest streets
of London lies 400 from that of the usual street."""

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

    signs: dict[int, float] = field(default_factory=dict)
    percents: set[int] = field(default_factory=set)
    marks: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


class _NumberError(ValueError):
    """A cell, or several, that cannot be read as numbers."""


def parse_numbers(cells: pd.Series[Any], kind: Kind = "any", separator: str = ",") -> Numbers:
    """Read the numbers of a column.

    Parameters
    ----------
    cells
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
        _take_sentinels_out(column)
        if kind != "count":
            # What is counted is never below 0, which whoever asks for counts says.
            _take_codes_out(column)
        _note_far(column)
        _check_sizes(column)
    except _NumberError as fault:
        return Numbers(pd.Series(np.nan, cells.index), str(fault))
    for mark, count in column.marks.items():
        column.remarks.append(f"{mark!r} in {count} rows is read as not known")
    return Numbers(pd.Series(column.floats, cells.index), remarks=tuple(column.remarks))


def _sort_cells(cells: pd.Series[Any], column: _Column) -> None:
    """Take what is a number already, and clean what is text."""
    for row, cell in enumerate(cells):
        if cell is None or cell is pd.NA or cell is pd.NaT:
            continue
        if isinstance(cell, bool | np.bool_):
            raise _NumberError(f"{str(cell).upper()!r}, a truth value")
        if isinstance(cell, dt.date | dt.time | dt.timedelta):
            raise _NumberError(
                f"{str(cell)!r}, a date: spreadsheets make dates of numbers such as 1.2; format "
                "the column as numbers and type them again"
            )
        if isinstance(cell, str):
            _clean(row, cell, column)
            continue
        column.floats[row] = _to_float(str(cell))


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


def _read_texts(column: _Column, kind: Kind, separator: str) -> None:
    """Settle for the whole column what commas and points mean, and read it so."""
    texts = column.texts
    is_comma_decimal = _settle_comma(column, kind, separator)
    for row, text in texts.items():
        if is_comma_decimal:
            text = text.replace(".", "").replace(",", ".")
        column.floats[row] = column.signs[row] * _to_float(text.replace(",", ""))


@dataclass(frozen=True)
class _Forms:
    """Texts of a column by how they are written; a text may be of several forms."""

    english: list[str]
    """A point before decimals, or commas between thousands beside it."""

    comma_three: list[int]
    """Rows in which three digits stand behind the only comma: decimals or thousands."""

    continental: list[str]
    """A comma before decimals and nothing else; those with points between thousands first."""

    dot_three: list[str]
    """Three digits behind every point."""

    has_thousands: bool
    """Whether points stand between thousands for sure."""


def _sort_forms(texts: Mapping[int, str]) -> _Forms:
    """Sort texts by how they are written."""
    thousands = [t for t in texts.values() if CONTINENTAL.fullmatch(t)]
    decimal = [
        t for t in texts.values() if DECIMAL_COMMA.fullmatch(t) and not COMMA_THREE.fullmatch(t)
    ]
    return _Forms(
        [t for t in texts.values() if ENGLISH.fullmatch(t) or _has_decimal_point(t)],
        [row for row, t in texts.items() if COMMA_THREE.fullmatch(t)],
        [*thousands, *decimal],
        [t for t in texts.values() if DOT_THREE.fullmatch(t)],
        has_thousands=bool(thousands),
    )


def _settle_comma(column: _Column, kind: Kind, separator: str) -> bool:
    """Whether a comma stands before decimals; a fault where both may be meant."""
    forms = _sort_forms(column.texts)
    first = next(iter(forms.continental), None)
    if first and (forms.english or (forms.dot_three and not forms.has_thousands)):
        raise _NumberError(
            f"{first!r} beside {[*forms.english, *forms.dot_three][0]!r}: a comma and a point "
            "before decimals. Write all numbers in one way"
        )
    if first:
        column.remarks.append(
            f"a comma is read as a decimal one: {first!r} is "
            f"{first.replace('.', '').replace(',', '.')}"
        )
        return True
    if forms.dot_three and not forms.english and not forms.comma_three:
        shown = forms.dot_three[0]
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


def _settle_three(column: _Column, forms: _Forms, kind: Kind, separator: str) -> bool:
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


def _divide_percents(column: _Column, kind: Kind) -> None:
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


def _take_sentinels_out(column: _Column) -> None:
    values = column.floats
    known = ~np.isnan(values)
    if not known.any():
        return
    # Of numbers as large as a float can be, the last digits differ from program to program.
    with np.errstate(over="ignore"):
        is_close = np.isclose(values[:, None], SENTINELS, rtol=1e-6, atol=0).any(axis=1)
    is_sentinel = known & (is_close | np.isin(values, _find_repeated(values[known])))
    rest = values[known & ~is_sentinel]
    # Where all are sentinels they are the numbers: nothing is left to be far from.
    if not is_sentinel.any() or len(rest) == 0:
        return
    low, high = rest.min(), rest.max()
    # One that is near is told from a number by what the others are, see `_take_codes_out`.
    is_far = _is_beyond(values, low, high) | ((values < 0) & (low >= 0) & ~np.isin(values, CODES))
    for value, count in Counter(values[is_sentinel & is_far].tolist()).items():
        column.remarks.append(
            f"{value:.9g} in {count} rows, far from all others ({low:g} to {high:g}), is read as "
            "not known"
        )
    values[is_sentinel & is_far] = np.nan


def _is_beyond(values: Any, low: float, high: float) -> Any:
    """Whether numbers lie farther from the others than these are large."""
    size = FAR * max(abs(low), abs(high), 1.0)
    return (values < low - size) | (values > high + size)


def _find_repeated(known: NDArray[np.float64]) -> list[float]:
    """Find what stands there more than once and is a code, or nines, eights or sevens alone."""
    uniques, counts = np.unique(known, return_counts=True)
    often = uniques[counts > 1]
    return [v for v in often.tolist() if v in CODES or _is_repeated(v)]


def _is_repeated(value: float) -> bool:
    """Whether a number is written with one digit alone: 7, 8 or 9."""
    digits = re.sub(r"\.0$", "", repr(abs(value))).replace(".", "")
    return len(digits) > 1 and set(digits) in ({"7"}, {"8"}, {"9"})


def _take_codes_out(column: _Column) -> None:
    """Read -1, -8 and -9 as not known where they can be no numbers, and say of others."""
    values = column.floats
    is_code = np.isin(values, CODES)
    rest = values[~np.isnan(values) & ~is_code]
    if not is_code.any() or len(rest) < MIN_REST or rest.min() < 0:
        return
    has_fractions = np.mean(rest != np.round(rest)) > SOME
    for value, count in Counter(values[is_code].tolist()).items():
        said = f"{value:g} in {count} rows, where no other number is below 0"
        # Twice the same whole number among fractions is no measurement; among whole ones it may be.
        if count > 1 and has_fractions:
            column.remarks.append(f"{said}, is read as not known")
            values[values == value] = np.nan
        else:
            column.remarks.append(
                f"{said}, is read as a number: leave the cell empty where nothing is known"
            )


def _note_far(column: _Column) -> None:
    """Note a number that stands there several times, far from all others."""
    known = column.floats[~np.isnan(column.floats)]
    for value in {known.min(), known.max()} if len(known) else set():
        rest = known[known != value]
        count = len(known) - len(rest)
        if count < 2 or len(rest) < MIN_REST:
            continue
        low, high = rest.min(), rest.max()
        # Nearly all numbers may be 0, and the few others are then what is far.
        if count < len(rest) and _is_beyond(value, low, high):
            column.remarks.append(
                f"{value:g} in {count} rows lies far from all others ({low:g} to {high:g}) and is "
                "read as a number: leave the cell empty where nothing is known"
            )


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
