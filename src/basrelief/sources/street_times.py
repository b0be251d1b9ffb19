"""When pictures were taken, as tables and services write it: dates, and counts of seconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

DATE = re.compile(r"((?:19|20)\d\d)(?:[-/:](\d\d)(?:[-/:](\d\d))?)?(?:[T ].*)?")
"""A year, a month in it, a day in that; a time of day after it tells nothing here."""

SECONDS_TO, MILLISECONDS_FROM = 1e10, 1e11
"""Counts since 1970: ten digits are seconds until the year 2286, twelve milliseconds since 1973."""

CLOCK_STARTS = ("1970-01-01", "1980-01-01", "0000")
"""What clocks say that nobody has set, and tables of an unknown year."""


def read_time(cell: object) -> str | None:
    """Read when a picture was taken: the date, as far as it is known.

    Returns
    -------
    ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; empty where the cell is blank; None where it is no
    time.

    Examples
    --------
    >>> read_time("2019-05-31T10:04:00Z"), read_time(1559297040000), read_time("2009-05-00")
    ('2019-05-31', '2019-05-31', '2009-05')
    >>> read_time(None), read_time("in spring"), read_time("2019-02-30")
    ('', None, None)
    """
    text = "" if cell is None else str(cell).strip()
    if not text or text.startswith("0000"):
        return ""
    # Months before days and nothing else: 05/06 is two days of the year.
    found = DATE.fullmatch(text)
    if found is None:
        return _read_count(text)
    year, month, day = found.groups()
    # Of old pictures people know the year, or the month: a 00 stands for the rest.
    if month in (None, "00"):
        return year
    try:
        date(int(year), int(month), int(day or "00") or 1)
    except ValueError:
        return None
    return f"{year}-{month}" if day in (None, "00") else f"{year}-{month}-{day}"


def is_possible(taken: str, today: date) -> bool:
    """Say whether a picture can have been taken then, and no clock was wrong.

    Examples
    --------
    >>> is_possible("2019-05", date(2026, 1, 1)), is_possible("2036-01-01", date(2026, 1, 1))
    (True, False)
    """
    return not taken.startswith(CLOCK_STARTS) and taken <= today.isoformat()


def _read_count(text: str) -> str | None:
    """Read a count of seconds or milliseconds since 1970; None where it is none."""
    if not re.fullmatch(r"\d{9,14}(\.\d*)?", text):
        return "1970-01-01" if text in ("0", "0.0") else None
    count = float(text)
    if SECONDS_TO < count < MILLISECONDS_FROM:
        # Seconds of a far future, or milliseconds of before there were such cameras.
        return None
    seconds = count if count <= SECONDS_TO else count / 1000
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
