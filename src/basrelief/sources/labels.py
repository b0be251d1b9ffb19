"""Tables of deprivation scores by small area, as published or as a user keeps them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from basrelief.config import InputError
from basrelief.names import find_same
from basrelief.run import Notes
from basrelief.sources.areas import choose_code_column, refuse_repeats
from basrelief.sources.census import (
    find_column,
    find_columns,
    find_vintage,
    note_guarded,
    recognise_codes,
    tidy_codes,
)
from basrelief.sources.inputs import refuse_absent
from basrelief.sources.numbers import parse_numbers
from basrelief.sources.people import check_population, find_population
from basrelief.sources.sheets import Sheet
from basrelief.sources.tables import open_sheets, say_slow
from basrelief.sources.targets import TARGETS, check_range, find_targets, say_headings
from basrelief.sources.tenths import find_tenths, read_tenths
from basrelief.typed import Typed

ORDERS = re.compile(r"(?<![a-z])(?:rank|decile|quintile|quartile|vigintile)", re.IGNORECASE)
"""How columns are headed that put areas in order, which is not what is measured."""

PEOPLE_YEAR = re.compile(r"\bmid[- ]?((?:19|20)\d{2})\b", re.IGNORECASE)
"""How a heading of people says of which year they are; their scores are of about the same."""


def to_numbers(
    values: pd.Series,
    target: str,
    typed: Typed,
    notes: Notes,
    separator: str = ",",
    key: str = "targets",
) -> pd.Series:
    """Turn a column into numbers; blank is NaN, and text is refused.

    Parameters
    ----------
    separator
        What stands between the table's columns, as its `Sheet` has it.
    key
        The setting that asks for the column.

    Raises
    ------
    InputError
        If a value is no finite number; shows it.
    """
    # Of a score of an index it is known that thousands cannot occur; of a user's column it is not.
    kind: Literal["any", "count", "score"] = "score" if target in TARGETS else "any"
    found = parse_numbers(values, "count" if target == "population" else kind, separator)
    if found.fault:
        raise InputError(
            f"{typed.name(key)}: {target!r} in {typed} must be finite numbers, found "
            f"{found.fault}. "
            "Name a numeric column, or leave the cell empty where nothing is known."
        )
    for remark in found.remarks:
        notes.add(f"{typed}: {target!r}: {remark}")
    return found.series


@dataclass(frozen=True)
class Coded:
    """A sheet, and which of its columns holds the area codes."""

    sheet: Sheet
    code: str
    key: str = "label_column"
    """The setting that would name it."""

    @property
    def vintage(self) -> tuple[int, str] | None:
        """Year of its areas, and the heading that tells it."""
        told = find_vintage(self.sheet.columns)
        # A column that its values told may say a year too, and one that was typed alone does.
        is_plain = find_column(self.sheet.columns, "area_id") == self.code
        return told if is_plain else find_vintage([], self.code)


def read_labels(
    typed: Typed,
    targets: list[str] | Literal["all"],
    column: str | None,
    notes: Notes,
    left_out: Collection[str] = (),
) -> pd.DataFrame:
    """Read the labels of small areas.

    Parameters
    ----------
    typed
        CSV or XLSX: the national File 7, London's workbook, or a user's own table with a
        column of area codes. Of a workbook all sheets with a column of codes are merged.
    targets
        Short names of ``TARGETS`` or the table's own headings; ``"all"``, alone or among them,
        is the IMD and its domains, those present.
    column
        Column of the area codes as typed in ``data.label_column``, or None to recognise it.
    notes
        Takes what is odd about the table.
    left_out
        Areas whose rows are left out before anything is made of them.

    Returns
    -------
    DataFrame
        Index ``area_id`` (str, unique); one float column a target, NaN where unknown; where
        the table has them also ``population``, ``msoa``, ``lad``, ``lad_name`` and, as published
        beside a score, its national tenth (``tenth_<target>``, 1 the most deprived).

    Raises
    ------
    InputError
        If the file cannot be read, has no column of codes, lacks a target, gives a code
        twice, has text where a target should be, or different values for it.
    """
    say_slow([typed.path], str(typed), notes)
    sheets = open_coded(typed, column)
    every_column = list_columns(sheets)
    headings = find_targets(every_column, targets, typed)
    # Found with the targets, so that the file is gone through once.
    extras = _find_extras(every_column, typed, notes)
    tenths = find_tenths(every_column, headings)
    columns = headings | {name: extras[name] for name in extras if name not in headings}
    columns |= {name: tenths[name] for name in tenths if name not in columns}
    checked = [columns[name] for name in columns if name in headings or name == "population"]
    merged = merge_sheets(sheets, list(dict.fromkeys(columns.values())), checked, typed, notes)
    # Before anything is checked or noted: a label withheld must not be told of in a note, either.
    merged = merged[~merged.index.isin(list(left_out))]
    found = {name: merged[heading] for name, heading in columns.items()}
    # A table of codes alone has rows too: it says of which areas it speaks.
    labels = pd.DataFrame(found, index=merged.index)
    for name, heading in columns.items():
        if heading in checked:
            separator = sheets[0].sheet.separator
            labels[name] = to_numbers(labels[name], name, typed, notes, separator)
            check_range(labels[name], name, heading, typed)
    for name in tenths:
        labels[name] = read_tenths(labels[name], columns[name], typed, notes)
    if "population" in labels:
        check_population(labels["population"], columns["population"], typed, notes)
    say_headings({name: columns[name] for name in columns if columns[name] in checked}, notes)
    return labels


def read_label_headings(typed: Typed, column: str | None) -> list[str]:
    """List the headings of a table of labels, of all its sheets with a column of codes.

    Raises
    ------
    InputError
        If the file cannot be read or has no column of codes.
    """
    return list_columns(open_coded(typed, column, is_head=True))


def find_numbers(typed: Typed) -> list[str]:
    """List the headings under which a table begins with numbers, but for ranks and deciles.

    Raises
    ------
    InputError
        If the file cannot be read or has no column of codes.
    """
    found: dict[str, None] = {}
    for coded in open_coded(typed, None, is_head=True):
        sample = coded.sheet.sample()
        for at, heading in enumerate(coded.sheet.columns):
            if not heading or heading == coded.code or ORDERS.search(heading):
                continue
            numbers = parse_numbers(sample.iloc[:, at], "any", coded.sheet.separator)
            if not numbers.fault and numbers.series.notna().any():
                found[heading] = None
    return list(found)


def find_label_vintage(typed: Typed, column: str | None) -> tuple[int, str] | None:
    """Read the year of the areas off a table of labels; None where its sheets disagree."""
    return find_sheets_vintage(open_coded(typed, column, is_head=True))


def find_sheets_vintage(sheets: list[Coded]) -> tuple[int, str] | None:
    """Find the year that the first sheet with one says, and the heading that says it."""
    return next((each for each in (coded.vintage for coded in sheets) if each is not None), None)


def find_label_year(typed: Typed, column: str | None) -> int | None:
    """Find the year that a table of labels says its people are of; None where it says none.

    Raises
    ------
    InputError
        If the file cannot be read or has no column of codes.
    """
    people = find_columns(read_label_headings(typed, column), "population")
    years = {int(said[1]) for heading in people if (said := PEOPLE_YEAR.search(heading))}
    return years.pop() if len(years) == 1 else None


def list_columns(sheets: list[Coded]) -> list[str]:
    """List the headings of all sheets, each once."""
    return list(dict.fromkeys(c for coded in sheets for c in coded.sheet.columns if c))


def open_coded(
    typed: Typed, column: str | None, key: str = "label_column", *, is_head: bool = False
) -> list[Coded]:
    """Open a table, or how it begins: its sheets that have a column of area codes.

    Parameters
    ----------
    column
        Its heading as typed for ``key``, or None to recognise it.

    Raises
    ------
    InputError
        If the file cannot be read or has no such column.
    """
    if not typed.path.exists():
        raise refuse_absent(typed)

    def is_headings(columns: list[str]) -> bool:
        found = find_same(column, columns) if column else find_column(columns, "area_id")
        return found is not None

    sheets = open_sheets(typed.path, str(typed), is_headings, is_head)
    coded = [sheet for sheet in sheets if is_headings(sheet.columns)]
    by_values: dict[int, list[str]] = {}
    # By values only where no heading tells: a sheet of lookups has codes of everything.
    if not coded and column is None:
        for number, sheet in enumerate(sheets):
            found = [sheet.columns[at] for at in recognise_codes(sheet.sample())]
            by_values |= {number: list(filter(None, found))}
        coded = [sheet for at, sheet in enumerate(sheets) if by_values[at]]
    # Where there is none, called for its refusal: it says what was looked for and what there is.
    return [
        Coded(
            sheet,
            choose_code_column(
                typed,
                [c for c in sheet.columns if c],
                column,
                key=key,
                by_values=by_values.get(sheets.index(sheet), []),
            ),
            key,
        )
        for sheet in coded or [_find_likely(sheets)]
    ]


def _find_likely(sheets: list[Sheet]) -> Sheet:
    """Find the sheet to speak of where none has the codes that were asked for."""
    has_codes = (sheet for sheet in sheets if find_column(sheet.columns, "area_id") is not None)
    return next(has_codes, sheets[0])


def _find_extras(columns: list[str], typed: Typed, notes: Notes) -> dict[str, str]:
    """Find what a table says of areas besides targets, by what it means."""
    found = {"population": find_population(columns, typed, notes)}
    found |= {name: find_column(columns, name) for name in ("msoa", "lad", "lad_name")}
    return {name: heading for name, heading in found.items() if heading is not None}


def merge_sheets(
    sheets: list[Coded], headings: list[str], checked: list[str], typed: Typed, notes: Notes
) -> pd.DataFrame:
    """Read every wanted column from the first sheet that has it.

    Raises
    ------
    InputError
        If another sheet has other values in one of ``checked``, or speaks of another census.
    """
    taken: dict[str, Coded] = {}
    parts: list[pd.DataFrame] = []
    # Published workbooks repeat codes and names in every sheet, and spread scores over them.
    for coded in sheets:
        here = [c for c in dict.fromkeys(coded.sheet.columns) if c in headings]
        wanted = [c for c in here if c not in taken]
        again = [c for c in here if c in taken and c in checked]
        coded.sheet.check_columns([c for c in here if c in checked])
        if not wanted and not again:
            continue
        table = _take(coded, wanted + again, typed, notes, checked)
        for heading in again:
            before = next(part[heading] for part in parts if heading in part)
            _refuse_disagreement(before, table[heading], taken[heading], coded, typed)
        parts.append(table[wanted])
        taken |= dict.fromkeys(wanted, coded)
    if not parts:
        # Only the codes are wanted, as where every target comes from counts of crime.
        parts.append(_take(sheets[0], [], typed, notes, checked))
    # Of sheets that were taken: a workbook may hold the areas of another census beside them.
    used = {coded.vintage[0]: coded for coded in taken.values() if coded.vintage is not None}
    if len(used) > 1:
        named = " and ".join(f"of {year} in {used[year].sheet.title!r}" for year in sorted(used))
        raise InputError(
            f"{typed}: its sheets have areas {named}. Keep the sheets of one census, or save the "
            "one that is meant as CSV."
        )
    return pd.concat(parts, axis=1)


def _refuse_disagreement(
    before: pd.Series, values: pd.Series, first: Coded, second: Coded, typed: Typed
) -> None:
    """Stop where two sheets give other values for the same areas in one column."""
    # Where both have the area: a sheet for a part of the country is no contradiction.
    pair = pd.concat([before, values], axis=1, join="inner")
    differs = pair[pair.iloc[:, 0].astype(str) != pair.iloc[:, 1].astype(str)]
    if len(differs):
        one, other = differs.iloc[0]
        raise InputError(
            f"{typed}: sheets {first.sheet.title!r} and {second.sheet.title!r} both have "
            f"{values.name!r}, and differ: {differs.index[0]} has {one} and {other}. Save the one "
            "that is meant as CSV, or remove the other."
        )


def _take(
    coded: Coded, wanted: list[str], typed: Typed, notes: Notes, checked: list[str]
) -> pd.DataFrame:
    """Read columns of one sheet, indexed by area code."""
    # Set by place: the codes may be a target's column too.
    table = coded.sheet.read([coded.code, *wanted]).set_axis(["area_id", *wanted], axis=1)
    note_guarded(table["area_id"], coded.sheet.where, notes)
    table["area_id"] = tidy_codes(table["area_id"])
    is_coded = table["area_id"].notna() & (table["area_id"] != "")
    lost = table.loc[~is_coded, [c for c in wanted if c in checked]].notna().any(axis=1).sum()
    if lost:
        notes.add(f"{coded.sheet.where}: {lost} rows have values but no area code: left out")
    table = table[is_coded]
    _refuse_rounded(table["area_id"], coded, typed)
    cure = f"Keep one row an area, or name another column with {typed.name(coded.key)}."
    refuse_repeats(table, ["area_id"], f"{coded.sheet.where}: column {coded.code!r}", cure)
    return table.set_index("area_id")


def _refuse_rounded(codes: pd.Series, coded: Coded, typed: Typed) -> None:
    """Stop where a spreadsheet has made 6.037E+10 of a code."""
    rounded = codes[codes.astype(str).str.fullmatch(r"[0-9]+[.,]?[0-9]*[eE]\+[0-9]+")]
    if len(rounded):
        raise InputError(
            f"{coded.sheet.where}: {rounded.iloc[0]!r} in column {coded.code!r} is a code that a "
            "spreadsheet has rounded. Take the column from the source again, as text."
        )
