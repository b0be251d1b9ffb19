"""Small areas of the censuses of Great Britain: how they are headed, coded, named, and sized.

A code may live on while its ground changes, so tables are told apart by their census's year too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from basrelief.config import InputError
from basrelief.names import tidy_text
from basrelief.run import Notes
from basrelief.sources.england import ENGLAND
from basrelief.sources.scotland import SCOTLAND
from basrelief.sources.wales import WALES

COUNTRIES = (ENGLAND, WALES, SCOTLAND)
"""In the order in which their indices are asked for a heading."""

COLUMN_PATTERNS = {
    "area_id": r"area_id|lsoa\d\dcd|lsoa[ _]?code( \(\d{4}\))?|geography[ _]code",
    "area_name": r"area_name|lsoa\d\dnm|lsoa[ _]?name( \(\d{4}\))?|geography[ _]name",
    "msoa": r"msoa|msoa\d\dcd|msoa[ _]?code( \(\d{4}\))?",
    "lad": r"lad|lad\d\dcd|lad[ _]?code|local authority district code( \(\d{4}\))?",
    "lad_name": r"lad_name|lad\d\dnm|local authority district name( \(\d{4}\))?",
    "population": r"population|total population.*",
}
"""How published tables head the columns of codes, names and people, in lower case."""

RESIDENTS = dict(pair for country in COUNTRIES for pair in country.residents.items())
"""Fewest residents that areas are drawn to hold, by how their codes begin."""

COUNTRY_BY_LETTER = {country.letter: country for country in COUNTRIES}

LEVELS = ("[EWS]00|N00", "[EWS]01|N20|95[A-Z]{2}", "[EWS]02|N21")
"""How codes begin of output areas, of LSOAs (data zones, super output areas), and of MSOAs
(intermediate zones): the three levels, the finest first (ONS, Register of Geographic Codes)."""

CODE = re.compile(r"(?:[EWSNJKL][0-9]{8}|95[A-Z]{2}[0-9]{2}[SW][0-9])", re.IGNORECASE)
"""A code of the Government Statistical Service, or of Northern Ireland's super output areas."""

NAMED_CODE = re.compile(rf"({CODE.pattern})(?: ?[:|] ?| [-–] )\S.*", re.IGNORECASE)
"""A code with the area's name behind it, as Nomis has it: "E01000001 : City of London 001A"."""

GUARDED = re.compile(r'=\s*"([^"]*)"')
"""A text as people keep a spreadsheet from changing it: a formula that gives it."""

NEW_CODES = {
    2011: (("E01032483", "E01033768"), ("W01001897", "W01001958")),
    2021: (("E01033769", "E01035762"), ("W01001959", "W01002040")),
}
"""LSOA codes that a census was the first to give, the first and last of each country (ONS,
lookups of 2001 to 2011 and of 2011 to 2021)."""


def find_column(columns: Sequence[str], meaning: str) -> str | None:
    """Recognise the column with a meaning of ``COLUMN_PATTERNS`` by its heading.

    Returns
    -------
    str or None
        The heading as the table has it; None if there is none. Of several the first.

    Examples
    --------
    >>> find_column(["LSOA21CD", "LSOA21NM", "geometry"], "area_id")
    'LSOA21CD'
    """
    return next(iter(find_columns(columns, meaning)), None)


def find_columns(columns: Sequence[str], meaning: str) -> list[str]:
    """Recognise every column with a meaning of ``COLUMN_PATTERNS`` by its heading."""
    pattern = re.compile(COLUMN_PATTERNS[meaning])
    # Whole headings: "lad" and "msoa" begin others, and some copies have blanks at their ends.
    return [c for c in columns if pattern.fullmatch(str(c).strip().lower())]


def name_district(area_name: str) -> str | None:
    """Read the district off the name of an LSOA or MSOA; None if it has no such form.

    Examples
    --------
    >>> name_district("City of London 001A")
    'City of London'
    """
    found = re.fullmatch(r"(.+) \d{3}[A-Z]?", area_name.strip())
    return found.group(1) if found else None


def name_msoa(area_name: str) -> str | None:
    """Read the MSOA's name off that of an LSOA; None if it has no such form.

    Examples
    --------
    >>> name_msoa("City of London 001A"), name_msoa("Camden 003")
    ('City of London 001', None)
    """
    found = re.fullmatch(r"(.+ \d{3})[A-Z]", area_name.strip())
    return found.group(1) if found else None


def name_districts(areas: pd.DataFrame) -> dict[str, str]:
    """Name districts, by code, after what the names of their areas begin with.

    Examples
    --------
    >>> name_districts(pd.DataFrame({"lad": ["E09"], "area_name": ["Barnet 038A"]}))
    {'E09': 'Barnet'}
    """
    if "lad" not in areas or "area_name" not in areas:
        return {}
    names = {}
    for code, inside in areas.groupby("lad"):
        beginnings = {name_district(str(name)) or str(name) for name in inside["area_name"]}
        if len(beginnings) == 1:
            names[str(code)] = beginnings.pop()
    # A name that several share, as a made-up town's areas do, tells nothing apart.
    return names if len(set(names.values())) == len(names) else {}


def fill_parents(areas: pd.DataFrame) -> None:
    """Fill ``msoa`` and ``lad``, where no area has one, from the names of the LSOAs.

    The Office for National Statistics names an LSOA after its MSOA with a letter added, and an
    MSOA after its district with a number added.
    """
    names = areas["area_name"].fillna("").astype(str).str.strip()
    # The letter tells an LSOA from an MSOA, whose own district it would be taken for.
    lsoas = names[names.map(name_msoa).notna()]
    if lsoas.empty:
        return
    for column, found in (("msoa", lsoas.map(name_msoa)), ("lad", lsoas.map(name_district))):
        if areas[column].isna().all():
            filled = found.astype(object).reindex(areas.index)
            areas[column] = filled.where(filled.notna(), None)


def recognise_codes(sample: pd.DataFrame) -> list[Any]:
    """Recognise the columns that hold codes of small areas by their values.

    Parameters
    ----------
    sample
        Some rows of a table, one column a column.

    Returns
    -------
    list
        Columns of the finest level that there is: a table of LSOAs may give their MSOAs too.

    Examples
    --------
    >>> recognise_codes(pd.DataFrame({"a": ["x"], "b": ["E02000001"], "c": ["e01000001"]}))
    ['c']
    """
    levels: dict[Any, int] = {}
    for column in sample.columns:
        codes = [_tidy_code(value) for value in sample[column] if value is not None]
        if not codes or not all(CODE.fullmatch(code) for code in codes):
            continue
        begins = (re.compile(level, re.IGNORECASE) for level in LEVELS)
        found = [k for k, begin in enumerate(begins) if all(map(begin.match, codes))]
        levels |= {column: found[0]} if found else {}
    return [column for column, level in levels.items() if level == min(levels.values())]


def tidy_codes(codes: pd.Series) -> pd.Series:
    """Write codes as offices do: no blanks around, capitals, no ".0" behind a number.

    A name behind a code, as a census' tables have it, is no part of it.
    A blank behind a code would keep an area from its labels; a database may have made it small,
    and what met a gap in a column of whole numbers has made them 60371011101.0.

    Examples
    --------
    >>> tidy_codes(pd.Series([" e01000001", 60371011101.0, "a.0"], dtype=object)).tolist()
    ['E01000001', '60371011101', 'a.0']
    """
    return codes.map(_tidy_code, na_action="ignore")


def note_guarded(codes: pd.Series, where: str, notes: Notes) -> None:
    """Note that codes stand in formulas, which `tidy_codes` takes off."""
    texts = [tidy_text(code) for code in codes if isinstance(code, str) and "=" in code]
    guarded = [text for text in texts if GUARDED.fullmatch(text)]
    if guarded:
        notes.add(
            f"{where}: {len(guarded)} area codes stand in formulas, as in {guarded[0]}: the text "
            "within is taken"
        )


def _tidy_code(code: Any) -> str:
    # As nearly all are: a country's table has a million.
    if isinstance(code, str) and CODE.fullmatch(code):
        return code.upper()
    text = tidy_text(str(code))
    if text.startswith("=") and (guarded := GUARDED.fullmatch(text)):
        text = tidy_text(guarded[1])
    if CODE.fullmatch(text):
        return text.upper()
    named = NAMED_CODE.fullmatch(text)
    if named is not None:
        return named[1].upper()
    return text[:-2] if re.fullmatch(r"[0-9]+\.0", text) else text


def find_new_code(codes: Iterable[str], year: int) -> str | None:
    """Find an LSOA code that a census was the first to give; None where there is none."""
    spans = NEW_CODES[year]
    return next((c for c in codes if any(first <= c <= last for first, last in spans)), None)


def find_vintage(columns: Sequence[str], chosen: str | None = None) -> tuple[int, str] | None:
    """Read the year of the areas off a table's headings.

    Parameters
    ----------
    columns
        Headings of the table.
    chosen
        The column of codes, where the user named it or its values told it; then it alone decides.

    Returns
    -------
    (year, heading) or None
        None where no heading tells, or headings disagree.

    Examples
    --------
    >>> find_vintage(["LSOA21CD", "LSOA21NM"]), find_vintage(["LSOA code (2011)", "Income"])
    ((2021, 'LSOA21CD'), (2011, 'LSOA code (2011)'))
    """
    # A column called area_id tells no year; the names beside it may.
    for meaning in ("area_id", "area_name"):
        found: dict[int, str] = {}
        for heading in find_columns(columns, meaning) if chosen is None else [chosen]:
            year = re.search(r"(?<![0-9])(?:20)?([012]1)(?![0-9])", str(heading))
            if year is not None:
                # LSOA21CD is of 2021, and so is "LSOA code (2021)".
                found.setdefault(2000 + int(year[1]), str(heading).strip())
        if found:
            return next(iter(found.items())) if len(found) == 1 else None
    return None


def settle_vintage(
    told: tuple[int, str] | None, codes: Iterable[str], where: str
) -> tuple[int, str] | None:
    """Settle the year of a table's areas: as its headings tell it, else as its codes do.

    Raises
    ------
    InputError
        If the codes are of a later census than the headings say.
    """
    code = find_new_code(codes, 2021)
    if code is None:
        return told
    if told is not None and told[0] < 2021:
        raise InputError(
            f"{where}: column {told[1]!r} is of {told[0]}, and holds codes that the census of "
            f"2021 was the first to give, such as {code}. Give the areas of one census."
        )
    return told or (2021, code)


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
    cure = f"Give boundaries of {of_table[0]}, or a table for the LSOAs of {of_areas[0]}"
    # Beside options there is no file of settings for it.
    if not areas.startswith("--"):
        cure += ", or in data.lookup the lookup of the ONS between both"
    raise InputError(
        f"{table} has LSOAs of {of_table[0]} ({_name_source(of_table[1])}), {areas} has those of "
        f"{of_areas[0]} ({_name_source(of_areas[1])}); {matched[0]} of {matched[1]} codes match. "
        f"{cure}."
    )


def _name_source(told: str) -> str:
    """Say what told a year: a column, or a code."""
    return f"code {told}" if CODE.fullmatch(told) else f"column {told!r}"
