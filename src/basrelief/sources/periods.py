"""Years and months as people head columns with them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from basrelief.config import InputError

SPAN = re.compile(r"((?:19|20)[0-9]{2})\s*([-/–])\s*(?:19|20)?([0-9]{2})")
"""A year and two digits, or a year and a year: a month, or a year that ends in the next."""

MONTHS = 12


def refuse_financial_years(periods: Iterable[str], where: str) -> None:
    """Stop where periods are financial years: "2009/10" would be taken for October 2009.

    Parameters
    ----------
    periods
        Headings of a table, or what stands in its column of years.
    where
        The table, as messages name it.

    Raises
    ------
    InputError
        If all that may be months are a year and the next one, and one of them can be no month,
        has a stroke, or is not alone: of the months of a year most are no such pair.

    Examples
    --------
    >>> refuse_financial_years(["2010-10", "2010-11", "2010-12"], "a.csv")
    """
    spans = [found for found in map(SPAN.fullmatch, map(str, periods)) if found is not None]
    if not spans or any(int(span[3]) != (int(span[1]) + 1) % 100 for span in spans):
        return
    span = spans[-1]
    if len(spans) > 1 or span[2] == "/" or int(span[3]) > MONTHS:
        raise InputError(
            f"{where}: {span[0]!r} is a financial year, from April to March, and counts are taken "
            f"by calendar years. Give counts by month ({span[1]}04) or calendar year ({span[1]})."
        )
