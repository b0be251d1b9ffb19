"""Files of recorded crime as forces lay them out: counts in columns, or in rows.

Each becomes counts by area and category with the months that are known of every area.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.names import compose
from basrelief.run import Notes
from basrelief.sources.areas import list_names, refuse_repeats
from basrelief.sources.census import (
    find_column,
    find_vintage,
    name_district,
    recognise_codes,
    tidy_codes,
)
from basrelief.sources.crime_doubts import (
    doubt_running_totals,
    refuse_future,
    refuse_rolling_sums,
)
from basrelief.sources.numbers import parse_numbers
from basrelief.sources.periods import refuse_financial_years
from basrelief.sources.sheets import Sheet
from basrelief.sources.tables import open_first_sheet

PERIOD = re.compile(r"((?:19|20)[0-9]{2})(?:[-/]?(0[1-9]|1[0-2]))?")
"""A year, or a year and a month, with or without a dash."""

FINER = re.compile(
    r"(calendar |financial )?(quarter|qtr|q|season|half|half year|week|day|date)"
    r"( number| no|)"
)
"""How parts of a year other than months are headed, in lower case."""

VALUES = ("value", "count", "counts", "crimes", "number of crimes", "n", "total")
"""How long tables head their counts, in lower case."""


@dataclass(frozen=True, eq=False)
class CrimeTable:
    """What a file says, or several of one layout."""

    counts: pd.DataFrame
    """By ``(area_id, category)`` and period, ``YYYY`` or ``YYYYMM``; NaN where blank."""

    covered: pd.DataFrame | None
    """By area and month: 1 where it is known, so that a category without a row did not happen; 0
    where it is blank; NaN where the files have no row. None where every area has a row of its own
    for everything, and gaps are unknown."""

    boroughs: pd.Series[str]
    main: tuple[str, ...]
    vintage: tuple[int, str] | None


@dataclass(frozen=True, eq=False)
class CrimeFile:
    """An open file and its columns by what they mean."""

    sheet: Sheet
    code: str
    by_name: dict[str, str]
    """Heading by heading in lower case and with blanks for lines."""

    stem: str
    without: frozenset[str] = frozenset()
    """Areas whose rows are not read."""

    @property
    def has_single_crimes(self) -> bool:
        """Whether each row is one crime."""
        return {"crime type", "month"} <= set(self.by_name)

    @property
    def has_columns_of_counts(self) -> bool:
        """Whether there is a column a year or month."""
        return bool(_find_periods(self.sheet.columns))

    @property
    def where(self) -> str:
        """The setting and file, as messages name them."""
        return self.sheet.where

    @property
    def vintage(self) -> tuple[int, str] | None:
        """Census of its areas, and the heading that tells it."""
        return find_vintage(self.sheet.columns) or find_vintage([], self.code)

    def read(self) -> pd.DataFrame:
        """Read all columns, with tidy codes; of rows those that are not left out."""
        table = self.sheet.read(list(dict.fromkeys(c for c in self.sheet.columns if c)))
        table[self.code] = tidy_codes(table[self.code])
        return table[~table[self.code].isin(self.without)].reset_index(drop=True)


def name_category(text: str) -> str:
    """Name a category in snake case.

    Examples
    --------
    >>> name_category("Violence Against the Person"), name_category("theft-all")
    ('violence_against_the_person', 'theft')
    """
    # London's yearly file of all thefts is called "major-theft-all".
    return re.sub(r"[^a-z0-9]+", "_", compose(text).lower()).strip("_").removesuffix("_all")


def open_file(path: Path, where: str, without: Collection[str]) -> CrimeFile:
    """Open a file of crime and find out how it is laid out; some areas' rows are left out.

    Raises
    ------
    InputError
        If it cannot be read, or has no areas or counts.
    """
    sheet = open_first_sheet(
        path, where, lambda columns: find_column(columns, "area_id") is not None
    )
    by_name = {c.lower().replace("_", " "): c for c in reversed(sheet.columns) if c}
    code = find_column(sheet.columns, "area_id")
    if code is None:
        code = next((sheet.columns[at] for at in recognise_codes(sheet.sample())), None)
    # 2018/19 is no year of any other table: rates would be of other months.
    refuse_financial_years(sheet.columns, where)
    _refuse_finer(by_name, where)
    has_counts = _find_periods(sheet.columns) or _find_long(by_name)
    # They lie beside the crimes in every download, and have nearly the same columns.
    if "outcome type" in by_name or "object of search" in by_name:
        raise InputError(
            f"{where}: holds outcomes or searches, not crimes. Give a pattern that takes the "
            "files of crimes alone, such as *-street.csv."
        )
    if not code or not (has_counts or {"crime type", "month"} <= set(by_name)):
        wanted = "columns of years or months" if code else "column of LSOA codes"
        raise InputError(
            f"{where}: has no {wanted}. Give yearly counts (LSOA11CD, 2018, 2019), the police's "
            "(LSOA Code, Major Category, 201801), counts in rows (lsoa_code, major_category, "
            "value, year, month), or single crimes (Month, LSOA code, Crime type). It has: "
            f"{list_names(sheet.columns)}."
        )
    return CrimeFile(sheet, code, by_name, path.stem, frozenset(without))


def _refuse_finer(by_name: dict[str, str], where: str) -> None:
    """Stop where rows are of quarters or weeks: each would be taken for a whole year."""
    finer = next((by_name[each] for each in by_name if FINER.fullmatch(each)), None)
    if finer is not None and _find_long(by_name) and "month" not in by_name:
        raise InputError(
            f"{where}: has a column {finer!r} beside the year. Counts are taken by year (one row "
            "an area, category and year) or by month (with a column month, 1 to 12): add them up, "
            "or give those of months."
        )


def _find_periods(columns: Sequence[str]) -> dict[str, str]:
    """Find the columns of counts: heading to period."""
    found = {column: PERIOD.fullmatch(column) for column in columns}
    return {c: "".join(filter(None, match.groups())) for c, match in found.items() if match}


def _find_long(by_name: dict[str, str]) -> dict[str, str]:
    """Find the columns of a table with one count a row; empty where it is none."""
    value = next((by_name[name] for name in VALUES if name in by_name), None)
    kinds = [by_name[n] for n in ("major category", "category", "crime type") if n in by_name]
    if value is None or not kinds or not {"year", "month"} & set(by_name):
        return {}
    found = {"value": value, "major": kinds[0]}
    names = (("year", "year"), ("month", "month"), ("minor category", "minor"))
    return found | {meaning: by_name[name] for name, meaning in names if name in by_name}


def read_wide(file: CrimeFile, notes: Notes) -> CrimeTable:
    """Read counts that stand in one column a year or month."""
    where, periods = file.where, _find_periods(file.sheet.columns)
    file.sheet.check_columns(list(periods))
    table = file.read()
    table = table[table[file.code].notna()]
    area_ids = table[file.code].astype(str).to_numpy()
    counts = pd.DataFrame(
        {period: _to_counts(table[c], c, file, notes) for c, period in periods.items()}
    ).set_axis(area_ids, axis=0)
    kinds = [file.by_name[n] for n in ("major category", "minor category") if n in file.by_name]
    # Yearly files have no column that says what they count: only their name does.
    if kinds:
        labels = [name_categories(table[c], file) for c in kinds]
    else:
        named = re.sub(r".*(?:^|[-_ ])(?:major|minor)[-_ ]", "", file.stem)
        labels = [np.full(len(counts), name_category(named))]
    # By what is read of them: capitals and blanks make no other category.
    keyed = table.assign(**dict(zip(kinds, labels, strict=False)))
    refuse_repeats(keyed, [file.code, *kinds], where, "Keep one row an area and category.")
    refuse_future(counts.columns[counts.notna().any()], where)
    doubt_running_totals(counts, where, notes)
    refuse_rolling_sums(counts, where)
    # A blank may be a 0 to some and unknown to others: its area is then unknown in that month.
    covered = counts.notna().groupby(level=0).all().astype(float) if kinds else None
    return CrimeTable(
        _group(counts, labels), covered, _name_boroughs(table, file), _main(labels), file.vintage
    )


def read_long(file: CrimeFile, notes: Notes) -> CrimeTable:
    """Read counts that stand in one row an area, category and month."""
    names = _find_long(file.by_name)
    file.sheet.check_columns([names["value"]])
    table = file.read()
    table = table[table[file.code].notna()]
    periods = _join_periods(table, names, file)
    kinds = [names[level] for level in ("major", "minor") if level in names]
    keyed = table.assign(period=periods.to_numpy())
    cure = "Keep one row an area, category and month."
    named = keyed.assign(**{kind: name_categories(keyed[kind], file) for kind in kinds})
    refuse_repeats(named, [file.code, *kinds, "period"], file.where, cure)
    keyed["n"] = _to_counts(table[names["value"]], names["value"], file, notes)
    # Not as a pivot table, which would leave out what is unknown.
    wide = keyed.set_index([file.code, *kinds, "period"])["n"].unstack("period")  # noqa: PD010
    refuse_future(wide.columns[wide.notna().any()], file.where)
    doubt_running_totals(wide, file.where, notes)
    refuse_rolling_sums(wide.fillna(0.0), file.where)
    labels = [
        name_categories(wide.index.get_level_values(k + 1).to_series(), file)
        for k in range(len(kinds))
    ]
    wide.index = wide.index.get_level_values(0).astype(str)
    # No row is no such crime, where the area has rows of others in the same month.
    rows = keyed.assign(is_known=keyed["n"].notna()).groupby([file.code, "period"])["is_known"]
    covered = rows.all().astype(float).unstack("period")  # noqa: PD010
    covered = covered.rename_axis(index=None, columns=None)
    filled = wide.fillna(0.0).rename_axis(columns=None)
    return CrimeTable(
        _group(filled, labels), covered, _name_boroughs(table, file), _main(labels), file.vintage
    )


def name_categories(texts: pd.Series[Any], file: CrimeFile) -> NDArray[np.object_]:
    """Name the category of each row, (row,); a row without one is no count of anything."""
    names = [name_category(str(text)) if text is not None else "" for text in texts]
    if "" in names:
        raise InputError(
            f"{file.where}: row {names.index('') + 1} below the headings has no category. Fill it "
            "in, or leave the row out."
        )
    return np.array(names, dtype=object)


def _join_periods(table: pd.DataFrame, names: dict[str, str], file: CrimeFile) -> pd.Series[str]:
    """Write each row's period as ``YYYY`` or ``YYYYMM``."""
    parts = [
        table[names[n]].astype(str).str.strip().str.removesuffix(".0")
        for n in ("year", "month")
        if n in names
    ]
    if len(parts) == 2:
        parts[1] = parts[1].str.zfill(2)
    joined = parts[0] if len(parts) == 1 else parts[0].str.cat(parts[1])
    return check_periods(joined, file)


def check_periods(texts: pd.Series[str], file: CrimeFile) -> pd.Series[str]:
    """Write periods as ``YYYY`` or ``YYYYMM``.

    Raises
    ------
    InputError
        If one is none; shows it.
    """
    is_blank = texts.isna() | texts.isin(["", "nan", "None"])
    if is_blank.any():
        raise InputError(
            f"{file.where}: {is_blank.sum()} of {len(texts)} rows have no year, or no month where "
            "others have one. Fill it in, or leave these rows out."
        )
    refuse_financial_years(texts.unique(), file.where)
    found = texts.str.extract(f"^{PERIOD.pattern}$")
    if found[0].isna().any():
        raise InputError(
            f"{file.where}: {texts[found[0].isna()].iloc[0]!r} is no year and month (2019-01). "
            "Months are taken as 2019-01 or 201901, and years as 2019."
        )
    # In one form, so that files with dashes and without can be joined.
    return found[0] + found[1].fillna("")


def _to_counts(
    values: pd.Series[Any], heading: str, file: CrimeFile, notes: Notes
) -> pd.Series[float]:
    """Turn text into counts; blank is NaN."""
    found = parse_numbers(values, "count", file.sheet.separator)
    wrong = found.series[(found.series < 0) | (found.series % 1 != 0) & found.series.notna()]
    fault = found.fault or (f"'{wrong.iloc[0]:g}'" if len(wrong) else "")
    if fault and not found.fault and wrong.iloc[0] > 0:
        raise InputError(
            f"{file.where}: column {heading!r} must hold whole counts, found {fault}. Rates and "
            "means are no counts; round counts that were shared out among areas."
        )
    if fault:
        raise InputError(
            f"{file.where}: column {heading!r} must hold counts of 0 or more, found {fault}. "
            "Leave the cell empty where nothing is known."
        )
    for remark in found.remarks:
        notes.add(f"{file.where}: column {heading!r}: {remark}")
    return found.series


def _name_boroughs(table: pd.DataFrame, file: CrimeFile) -> pd.Series[Any]:
    """Name the district of each area: as the first of its rows has it."""
    # The name stands in each of an area's rows; rows may be a million.
    names = pd.Series(list_boroughs(table, file), table[file.code].astype(str), dtype=object)
    return names[~names.index.duplicated()]


def list_boroughs(table: pd.DataFrame, file: CrimeFile) -> list[str | None]:
    """Name the district of each row: by its own column, else from the area's name."""
    columns = list(table.columns)
    # The police's files have a column of names; in yearly ones the area's name may be all there is.
    heading = file.by_name.get("borough") or find_column(columns, "lad_name")
    names = None if heading is None else table[heading].dropna().astype(str)
    # The Metropolitan Police's later files have codes of districts there.
    if names is not None and not names.str.fullmatch(r"\s*[A-Z][0-9]{8}\s*").any():
        return [None if pd.isna(name) else str(name).strip() for name in table[heading]]
    heading = find_column(columns, "area_name")
    if heading is None:
        return [None] * len(table)
    return [name_district(str(name)) for name in table[heading]]


def _main(labels: list[np.ndarray]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(name) for name in labels[0]))


def _group(counts: pd.DataFrame, labels: list[np.ndarray]) -> pd.DataFrame:
    """Add rows up by area and category; finer categories stand beside the main ones."""
    main = set(labels[0])
    frames = []
    for level, names in enumerate(labels):
        # A finer category that is called like a main one would stand twice.
        is_new = np.array([level == 0 or name not in main for name in names], dtype=bool)
        keys = [counts.index[is_new], names[is_new]]
        grouped = counts[is_new].groupby(keys)
        # One unknown row makes the sum unknown, not smaller.
        summed = grouped.sum().where(grouped.count().eq(grouped.size(), axis=0))
        frames.append(summed.rename_axis(["area_id", "category"]))
    return pd.concat(frames)
