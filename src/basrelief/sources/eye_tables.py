"""Tables of what else is known of areas, by their codes: each an eye beside LIDAR."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import InputError, Settings
from basrelief.names import suggest, tidy_text
from basrelief.run import Notes, no_notes
from basrelief.sources.areas import list_names
from basrelief.sources.census import refuse_other_vintage, settle_vintage
from basrelief.sources.labels import (
    Coded,
    find_sheets_vintage,
    list_columns,
    merge_sheets,
    open_coded,
    to_numbers,
)
from basrelief.sources.targets import TARGETS, find_score, find_target
from basrelief.typed import Typed

Vintage = tuple[int, str] | None
"""Year of a table's areas, and what tells it."""

Carry = Callable[[pd.DataFrame, Vintage, Typed], pd.DataFrame]

ENOUGH = 10
"""Areas a column that tell it from chance, as a rule of thumb of regression has it (Harrell 2015,
Regression Modeling Strategies, section 4.4: 10 to 20). With fewer the prior decides much."""


FEW_AREAS, FEW_LEVELS = 30, 5
"""Areas, and different numbers, from which on two columns are in one order by no chance."""

SAME_ORDER = 0.9995
"""Rank correlation from which on two columns are one: of an index and its last release it is 0.99
at most (LSOAs of England, 2015 and 2019)."""

SOON_BYTES = 2**22
"""A table of so many bytes is read in a second."""

SUM, NEARLY_SUM = 0.9995, 0.975
"""Shares of a target's variance that columns together tell: no more than a sum's rounding is left,
or as little as of the IMD by its own domains, 0.985 to 0.997 (99 LSOAs of London, 2019)."""

NEAR = 0.95
"""Share of areas, the nearest to the mean, that a sum has to tell as well as all of them."""


def read_eye_tables(
    settings: Settings,
    notes: Notes,
    area_ids: Sequence[str],
    drawn: Vintage,
    carry: Carry | None = None,
    left_out: Collection[str] = (),
) -> dict[str, pd.DataFrame]:
    """Read every table of ``[data.tables]`` for the areas of a place.

    Parameters
    ----------
    notes
        Takes what is odd about the tables, and what of the place they do not know.
    area_ids
        Codes of the areas of the place.
    drawn
        Year of the census that drew them, and what tells it; None where nothing does.
    carry
        Brings a table, of which it is told the year of its areas, to the areas of the place; None
        without a lookup between censuses.
    left_out
        Areas whose rows are left out before anything is made of them, or decided by them.

    Returns
    -------
    By the eye's name a table of all areas, in their order: index ``area_id``, a float column a
    column asked for, NaN where unknown.

    Raises
    ------
    InputError
        If a file or column is missing or holds no numbers, a code stands twice, the table is of
        another census and nothing says how to carry it over, or it knows none of the areas.
    """
    return {
        eye: _read_table(eye, settings, notes, list(area_ids), (drawn, carry), left_out)
        for eye in settings.table_eyes
    }


def check_eye_tables(settings: Settings) -> None:
    """Find out at the start, before boundaries are read, whether every table has its columns.

    And numbers in them, of tables that are read at once.
    """
    for eye in settings.table_eyes:
        path = settings.typed_table(eye).path
        if path.is_file() and path.stat().st_size > SOON_BYTES:
            _open(eye, settings)
        else:
            _read_values(eye, settings, no_notes())


def _open(eye: str, settings: Settings) -> tuple[list[Coded], dict[str, str]]:
    """Open a table, and find the heading of every column asked for, by its name."""
    table, typed = settings.find_table(eye), settings.typed_table(eye)
    sheets = open_coded(typed, table.area_column, key="area_column")
    headings = list_columns(sheets)
    if table.columns is None:
        found = {name: find_score(headings, name) for name in TARGETS}
        columns = {name: heading for name, heading in found.items() if heading is not None}
        if not columns:
            raise InputError(
                f"{typed}: no score of a release was recognised. Name the columns with "
                f"{typed.name('columns')}. It has: {list_names(headings)}."
            )
        return sheets, columns
    # Where it is a release, scores are found by their names as where no column is asked for.
    columns, find = {}, find_target if table.role is None else find_score
    for name in table.columns:
        heading = tidy_text(name) if tidy_text(name) in headings else find(headings, name)
        if heading is None:
            raise InputError(
                f"{typed.name('columns')}: {typed} has no column {name!r}. "
                f"It has: {list_names(headings)}.{suggest(name, headings)}"
            )
        if heading in {coded.code for coded in sheets}:
            raise InputError(f"{typed.name('columns')}: {name!r} holds the area codes.")
        columns[name] = heading
    return sheets, columns


def _read_table(
    eye: str,
    settings: Settings,
    notes: Notes,
    area_ids: list[str],
    censuses: tuple[Vintage, Carry | None],
    left_out: Collection[str],
) -> pd.DataFrame:
    """Read one table, for the areas of a place."""
    drawn, carry = censuses
    typed = settings.typed_table(eye)
    values, told = _read_values(eye, settings, notes, left_out)
    # A code is never given again: whoever has the same code has the same ground.
    is_by_code = settings.find_table(eye).by_code
    if carry is not None and not is_by_code:
        values = carry(values, told, typed)
    elif not is_by_code:
        _refuse_other_census(values, (told, drawn), typed, settings, area_ids)
    _refuse_strangers(values, typed, area_ids)
    here = values.reindex(area_ids).rename_axis("area_id")
    _note_gaps(here, typed, notes)
    return here


def _read_values(
    eye: str, settings: Settings, notes: Notes, left_out: Collection[str] = ()
) -> tuple[pd.DataFrame, Vintage]:
    """Read a table's numbers by its own codes, and of which census these are."""
    typed = settings.typed_table(eye)
    sheets, columns = _open(eye, settings)
    headings = list(dict.fromkeys(columns.values()))
    merged = merge_sheets(sheets, headings, headings, typed, notes)
    # As of labels: which numbers stand for none, and how they are written, is told by all rows.
    merged = merged[~merged.index.isin(list(left_out))]
    separator = sheets[0].sheet.separator
    values = pd.DataFrame(
        {
            name: to_numbers(merged[heading], name, typed, notes, separator, "columns")
            for name, heading in columns.items()
        }
    )
    return values, settle_vintage(find_sheets_vintage(sheets), values.index, str(typed))


def _refuse_other_census(
    values: pd.DataFrame,
    years: tuple[Vintage, Vintage],
    typed: Typed,
    settings: Settings,
    area_ids: list[str],
) -> None:
    """Stop where a table is of another census than the boundaries, with what would work."""
    told, drawn = years
    matched = (int(pd.Index(area_ids).isin(values.index).sum()), len(area_ids))
    try:
        refuse_other_vintage(str(typed), told, str(settings.typed("areas")), drawn, matched)
    except InputError as error:
        if typed.is_option:
            raise
        raise InputError(
            f"{error} Or say {typed.name('by_code')} = true, which takes areas that kept their "
            "code and leaves the others unknown."
        ) from error


def _refuse_strangers(values: pd.DataFrame, typed: Typed, area_ids: list[str]) -> None:
    """Stop where a table knows none of the areas."""
    if not pd.Index(area_ids).isin(values.index).any():
        there = "none" if values.empty else f"such as {values.index[0]!r}"
        raise InputError(
            f"{typed}: none of its area codes ({there}) is among those of the place (such as "
            f"{area_ids[0]!r}). Give a table of the same areas, or leave it out."
        )
    # Of every area the mean would be taken, and it would pass for something that is known.
    if not values.reindex(area_ids).notna().any(axis=None):
        raise InputError(
            f"{typed.name('columns')}: {typed} has no number of any area of the place in these "
            "columns. Name others, or leave the table out."
        )


def _note_gaps(here: pd.DataFrame, typed: Typed, notes: Notes) -> None:
    """Note which areas a table does not know, and what is blank in it of those that it does."""
    is_covered = here.notna().any(axis=1)
    absent = sorted(here.index[~is_covered])
    if absent:
        notes.add(
            f"{typed}: knows nothing of {len(absent)} of the {len(here)} areas here "
            f"({list_names(absent, limit=5)}): they are predicted by what else is known of them"
        )
    blank = here[is_covered].isna().sum()
    told = [f"{name!r} in {count}" for name, count in blank.items() if count]
    if told:
        notes.add(
            f"{typed}: not known of areas that it has: {list_names(told, limit=8)}; each counts as "
            "the mean, and that it is not known counts beside it where it is so of many"
        )


def note_few(
    tables: dict[str, pd.DataFrame], n_used: int, settings: Settings, notes: Notes
) -> None:
    """Note tables with too many columns to learn from, and columns that say nothing new."""
    for eye, table in tables.items():
        n_columns, typed = table.shape[1], settings.typed_table(eye)
        if n_columns * ENOUGH > n_used:
            notes.add(
                f"{typed.name('columns')}: {n_columns} columns for {n_used} areas, fewer than "
                f"{ENOUGH} areas a column: what single columns say is held back, and more columns "
                "may hide what few would show"
            )
        for name in table.columns[(table.max() == table.min()).to_numpy()]:
            notes.add(f"{typed.name('columns')}: {name!r} is the same in all areas here")
        # Of a table that was pasted together: each would count as a look of its own.
        varied = table.loc[:, (table.max() > table.min()).to_numpy()]
        for name in varied.columns[varied.T.duplicated().to_numpy()]:
            notes.add(
                f"{typed.name('columns')}: {name!r} holds the very numbers of another column: "
                "taken twice by mistake, or headed wrongly"
            )


def refuse_answers(
    tables: dict[str, pd.DataFrame], labels: pd.DataFrame, settings: Settings, notes: Notes
) -> None:
    """Stop where a column of a table is a target under another name, or made of it.

    Parameters
    ----------
    tables
        As of `read_eye_tables`.
    labels
        A column a target, a row an area in the order of the tables.

    Raises
    ------
    InputError
        Names the first such column. It would be learnt from and tested on: the skill of one.
    """
    for eye, table in tables.items():
        typed, given = settings.typed_table(eye), settings.data.labels
        if given is not None and typed.path.resolve() == settings.locate(given).resolve():
            notes.add(
                f"{typed} is the table of labels itself: what is published beside a score is often "
                "made of the same numbers, and then says little that is new"
            )
        for column in table:
            for target in labels:
                if is_answer(table[column].to_numpy(float), labels[target].to_numpy(float)):
                    raise InputError(
                        f"{typed.name('columns')}: {column!r} of {typed} tells {target!r} of every "
                        "area: both are in one order, as a score, its rank and its decile are. "
                        "Take it out, or every skill would be that of the answer itself."
                    )
        is_release = settings.find_table(eye).role is not None
        for target in labels:
            known = labels[target].astype(np.float64)
            _refuse_sum(table, known, typed, notes, is_release=is_release)


def _refuse_sum(
    table: pd.DataFrame, labels: pd.Series[float], typed: Typed, notes: Notes, *, is_release: bool
) -> None:
    """Stop where columns make up a target together; note where they nearly do.

    Of a last release that is as it should be.
    """
    share = measure_sum(table.to_numpy(np.float64), np.asarray(labels, np.float64))
    what = f"{typed.name('columns')}: the {table.shape[1]} columns of {typed} together"
    if share > SUM:
        raise InputError(
            f"{what} tell {labels.name!r} of every area: it is a sum of theirs. Take one of them "
            "out, or every skill would be that of the answer itself."
        )
    if share > NEARLY_SUM and not is_release:
        notes.add(
            f"{what} tell {share:.1%} of the variance of {labels.name!r} where both are known: an "
            "index is told so by its own parts. If it is made of them, skills say nothing new"
        )


def measure_sum(values: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Measure how much of a target a weighted sum of columns is.

    Parameters
    ----------
    values : (area, column)
        NaN where unknown.
    labels : (area,)

    Returns
    -------
    Share of the variance of the labels, 0 to 1; 0 where there are too few areas to tell.

    Examples
    --------
    >>> columns = np.random.default_rng(0).normal(size=(60, 2))
    >>> round(measure_sum(columns, columns @ [1.0, 2.0]), 3)
    1.0
    """
    is_known = np.isfinite(values).all(axis=1) & np.isfinite(labels)
    n_known, n_columns = int(is_known.sum()), values.shape[1]
    columns, known = values[is_known], labels[is_known]
    # Of so many more areas than columns no sum is exact by chance.
    if n_known < max(FEW_AREAS, 3 * n_columns) or n_columns < 2 or np.ptp(known) == 0:
        return 0.0
    # On one scale: least squares of a share beside an income in pounds would lose the share.
    columns, known = columns - columns.mean(axis=0), known - known.mean()
    columns /= np.maximum(columns.std(axis=0), 1e-300)
    found, *_ = np.linalg.lstsq(columns, known, rcond=None)
    left = known - columns @ found
    # A single area far from all others is nearly all of the variance, and whichever column is odd
    # there tells it: a sum tells the rest as well.
    is_near = np.abs(known) <= np.quantile(np.abs(known), NEAR)
    return min(_measure_told(known, left), _measure_told(known[is_near], left[is_near]))


def _measure_told(labels: NDArray[np.float64], left: NDArray[np.float64]) -> float:
    """Measure which share of the variance of labels is told; 1 where there is none to tell."""
    total = float(((labels - labels.mean()) ** 2).sum())
    return max(0.0, 1.0 - float(left @ left) / total) if total > 0 else 1.0


def is_answer(values: NDArray[np.float64], labels: NDArray[np.float64]) -> bool:
    """Tell whether one column of numbers is made of another, (area,) each; NaN where unknown.

    Examples
    --------
    >>> scores = np.arange(40.0)
    >>> is_answer(-scores // 8, scores), is_answer(scores % 7, scores)
    (True, False)
    """
    is_known = np.isfinite(values) & np.isfinite(labels)
    pair = pd.DataFrame({"value": values[is_known], "label": labels[is_known]})
    if min(pair.nunique()) < FEW_LEVELS:
        return False
    if len(pair) < FEW_AREAS:
        # A few areas may be in one order by chance; on one line they are by none.
        return bool(abs(pair["value"].corr(pair["label"])) > 1 - 1e-9)
    order = pair["value"].corr(pair["label"], method="spearman")
    # Turned round, so that a rank that falls with its score is one that rises.
    pair["value"] *= np.sign(order)
    ends = pair.groupby("label")["value"].agg(["min", "max"])
    is_monotone = (ends["max"].iloc[:-1].to_numpy() <= ends["min"].iloc[1:].to_numpy()).all()
    return bool(is_monotone or abs(order) > SAME_ORDER)
