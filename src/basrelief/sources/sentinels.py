"""Numbers that stand for none: what programs and surveys write where nothing is known."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def blank_sentinels(values: NDArray[np.float64]) -> list[str]:
    """Blank, in place, what programs write where nothing is known, where it is far from the rest.

    Parameters
    ----------
    values : (row,)
        A column; NaN where blank.

    Returns
    -------
    What was taken for not known, a remark each.
    """
    remarks: list[str] = []
    known = ~np.isnan(values)
    if not known.any():
        return remarks
    # Of numbers as large as a float can be, the last digits differ from program to program.
    with np.errstate(over="ignore"):
        is_close = np.isclose(values[:, None], SENTINELS, rtol=1e-6, atol=0).any(axis=1)
    is_sentinel = known & (is_close | np.isin(values, _find_repeated(values[known])))
    rest = values[known & ~is_sentinel]
    # Where all are sentinels they are the numbers: nothing is left to be far from.
    if not is_sentinel.any() or len(rest) == 0:
        return remarks
    low, high = rest.min(), rest.max()
    # One that is near is told from a number by what the others are, see `blank_codes`.
    is_far = _is_beyond(values, low, high) | ((values < 0) & (low >= 0) & ~np.isin(values, CODES))
    for value, count in Counter(values[is_sentinel & is_far].tolist()).items():
        remarks.append(
            f"{value:.9g} in {count} rows, far from all others ({low:g} to {high:g}), is read as "
            "not known"
        )
    values[is_sentinel & is_far] = np.nan
    return remarks


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


def blank_codes(values: NDArray[np.float64]) -> list[str]:
    """Blank, in place, -1, -8 and -9 where they can be no numbers, and say of others.

    Parameters
    ----------
    values : (row,)
        A column; NaN where blank.
    """
    remarks: list[str] = []
    is_code = np.isin(values, CODES)
    rest = values[~np.isnan(values) & ~is_code]
    if not is_code.any() or len(rest) < MIN_REST or rest.min() < 0:
        return remarks
    has_fractions = np.mean(rest != np.round(rest)) > SOME
    for value, count in Counter(values[is_code].tolist()).items():
        said = f"{value:g} in {count} rows, where no other number is below 0"
        # Twice the same whole number among fractions is no measurement; among whole ones it may be.
        if count > 1 and has_fractions:
            remarks.append(f"{said}, is read as not known")
            values[values == value] = np.nan
        else:
            remarks.append(
                f"{said}, is read as a number: leave the cell empty where nothing is known"
            )
    return remarks


def list_far(values: NDArray[np.float64]) -> list[str]:
    """Say of numbers that stand there several times, far from all others.

    Parameters
    ----------
    values : (row,)
        A column; NaN where blank.
    """
    remarks: list[str] = []
    known = values[~np.isnan(values)]
    for value in {known.min(), known.max()} if len(known) else set():
        rest = known[known != value]
        count = len(known) - len(rest)
        if count < 2 or len(rest) < MIN_REST:
            continue
        low, high = rest.min(), rest.max()
        # Nearly all numbers may be 0, and the few others are then what is far.
        if count < len(rest) and _is_beyond(value, low, high):
            remarks.append(
                f"{value:g} in {count} rows lies far from all others ({low:g} to {high:g}) and is "
                "read as a number: leave the cell empty where nothing is known"
            )
    return remarks
