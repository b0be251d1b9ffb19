"""Which census's small areas a file speaks of: a code may live on while its ground changes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from basrelief.config import InputError
from basrelief.sources.areas import find_columns


def find_vintage(columns: Sequence[str], chosen: str | None = None) -> tuple[int, str] | None:
    """Read the year of the areas off a table's headings.

    Parameters
    ----------
    columns
        Headings of the table.
    chosen
        The column of codes, where the user named it; then it alone decides.

    Returns
    -------
    (year, heading) or None
        None where no heading tells, or headings disagree.

    Examples
    --------
    >>> find_vintage(["LSOA21CD", "LSOA21NM"]), find_vintage(["LSOA code (2011)", "Income"])
    ((2021, 'LSOA21CD'), (2011, 'LSOA code (2011)'))
    """
    for meaning in ("area_id", "area_name"):
        found: dict[int, str] = {}
        for heading in find_columns(columns if chosen is None else [chosen], meaning):
            year = re.search(r"\d+", str(heading))
            if year is not None:
                # LSOA21CD is of 2021, and so is "LSOA code (2021)".
                found.setdefault(2000 + int(year[0]) % 2000, str(heading).strip())
        if found:
            return next(iter(found.items())) if len(found) == 1 else None
    return None


def refuse_other_vintage(
    table: str,
    of_table: tuple[int, str] | None,
    areas: str,
    of_areas: tuple[int, str] | None,
    matched: tuple[int, int],
) -> None:
    """Stop where a table speaks of other areas than the boundaries draw.

    Parameters
    ----------
    table, areas
        The settings and files as typed.
    of_table, of_areas
        Year and heading, as `find_vintage` gives them.
    matched
        How many of the place's areas have a row in the table, of how many.

    Raises
    ------
    InputError
        If both years are known and differ. Most codes are the same in both years, so that
        nearly all would match and the changed areas would drop out unseen.
    """
    if of_table is None or of_areas is None or of_table[0] == of_areas[0]:
        return
    raise InputError(
        f"{table} has LSOAs of {of_table[0]} (column {of_table[1]!r}), {areas} has those of "
        f"{of_areas[0]} (column {of_areas[1]!r}); {matched[0]} of {matched[1]} codes match. "
        f"Give boundaries of {of_table[0]}, or a table for the LSOAs of {of_areas[0]}."
    )
