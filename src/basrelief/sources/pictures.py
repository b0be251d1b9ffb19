"""A folder of pictures and a table with one row a picture, as in the coursework."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

import pandas as pd

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.areas import choose_code_column, list_names
from basrelief.sources.census import find_column
from basrelief.sources.inputs import (
    PICTURE_SUFFIXES,
    list_pictures,
    list_pictures_below,
    refuse_absent,
)
from basrelief.sources.labels import to_numbers
from basrelief.sources.numbers import parse_numbers
from basrelief.sources.picture_names import (
    PREFIX,
    Found,
    count_matches,
    find_by_id,
    find_by_location,
    index_pictures,
    list_disagreements,
)
from basrelief.sources.sheets import Sheet
from basrelief.sources.tables import open_first_sheet
from basrelief.sources.targets import DOMAINS, check_range, find_target, find_targets, say_headings
from basrelief.typed import Typed

PARTS = frozenset(
    ("train", "training", "val", "valid", "validate", "validation", "dev", "test", "testing")
)
"""What people write in a column that deals rows into parts."""


@dataclass(frozen=True)
class Pictures:
    """Pictures matched with their rows, and what could not be matched."""

    frame: pd.DataFrame
    """One row a picture that has one, in the table's order: ``chip_id`` (str), ``picture`` (file
    name, after its sub-folder), ``area_id``, ``area_name``, ``msoa``, ``lad`` (None where
    unknown), and one float column a target (NaN where unknown)."""

    targets: tuple[str, ...]
    n_pictures: int
    """Pictures in the folder."""

    n_rows: int
    """Rows in the table, repeated ones included."""

    pictures_without_row: tuple[str, ...]
    """File names, sorted."""

    rows_without_picture: tuple[str, ...]
    """Ids, in the table's order; then an empty one for each row that has no id."""

    duplicates: tuple[str, ...]
    """Ids that stand more than once with different values; the first row is kept. Rows that
    are repeated word for word are merged and not listed."""

    others: tuple[str, ...] = ()
    """Domains of an index that the table has and nobody asked for: described and not learnt."""


def read_pictures(
    images: Typed,
    table: Typed,
    *,
    targets: list[str] | Literal["all"],
    area_column: str | None,
    notes: Notes,
    needs_labels: bool = True,
    only: Collection[str] | None = None,
) -> Pictures:
    """Match the pictures of a folder with the rows of a table. No picture is opened.

    Parameters
    ----------
    images
        Folder of pictures named ``LIDAR_{id}.png`` (or .jpg, .tif), or of folders of such.
    table
        Table with a column ``id``, or ``image_location`` (a path or file name).
    targets
        Columns to predict; ``"all"`` is the IMD and its domains, those present.
    area_column
        Column of the area codes as typed, or None to recognise it.
    notes
        Takes what is odd about the table, or about how pictures are found by it.
    needs_labels
        Whether the table must have the targets: a model's new pictures need none.
    only
        Ids of the pictures whose labels are read, as if others had none; by default all.

    Raises
    ------
    InputError
        If the folder, its pictures, the table, the joining column or a target is missing,
        no row has a picture, or several pictures are one row's.
    """
    files = _list_files(images, notes)
    sheet = _open_table(table)
    # Of two columns with one heading the first counts, as in every other table.
    rows = sheet.read(list(dict.fromkeys(sheet.columns)))
    if rows.empty:
        raise InputError(f"{table}: has headings but no rows. Give one row a picture.")
    found = _find_pictures(rows, files, images, table, notes)
    named = pd.DataFrame(
        {"chip_id": found.ids, "picture": [str(f) if f else None for f in found.files]}
    )
    headings = _find_labels(rows, targets, table, needs_labels)
    labels = rows[list(dict.fromkeys(headings.values()))].copy()
    if only is not None:
        labels.loc[~named["chip_id"].isin(only)] = None
    _add_targets(named, labels, headings, sheet, table, notes)
    others = _read_others(rows, list(headings), sheet) if only is None else {}
    named = named.assign(**others)
    _note_parts(rows, headings, table, notes)
    for meaning, column in _find_area_columns(list(rows.columns), area_column, table).items():
        named[meaning] = None if column is None else _as_text(rows[column])
    has_id = named["chip_id"] != ""
    n_nameless = int((~has_id).sum())
    if n_nameless and has_id.any():
        notes.add(f"{table}: {n_nameless} of its {len(rows)} rows have no id and are left out")
        named, rows = named[has_id], rows[has_id]
    matched = _match_rows(named, rows, [*headings, *others], files, images, table)
    return replace(
        matched,
        targets=tuple(headings),
        others=tuple(others),
        n_rows=matched.n_rows + (n_nameless if has_id.any() else 0),
        rows_without_picture=(*matched.rows_without_picture, *[""] * n_nameless),
    )


def _match_rows(
    named: pd.DataFrame,
    rows: pd.DataFrame,
    targets: list[str],
    files: list[PurePosixPath],
    images: Typed,
    table: Typed,
) -> Pictures:
    """Keep the first row of each id, where it has a picture; refuse if none has."""
    # The first row of an id counts, so that the order of the table decides and nothing else.
    is_repeat = named["chip_id"].duplicated()
    # A row that is the same word for word is a copy; only rows that disagree are worth a word.
    is_conflict = is_repeat & ~rows.duplicated()
    first = named[~is_repeat]
    has_picture = first["picture"].notna()
    if not has_picture.any():
        raise InputError(
            f"{table}: none of its {len(rows)} rows has a picture in {images}. "
            f"Its first id is {first['chip_id'].iloc[0]!r}, the first "
            f"picture {str(files[0])!r}; pictures must be called {PREFIX}(id).png."
        )
    matched = first[has_picture].reset_index(drop=True)
    order = ["chip_id", "picture", "area_id", "area_name", "msoa", "lad", *targets]
    return Pictures(
        frame=matched[order],
        targets=tuple(targets),
        n_pictures=len(files),
        n_rows=len(rows),
        pictures_without_row=tuple(sorted({str(f) for f in files} - set(matched["picture"]))),
        rows_without_picture=tuple(first.loc[~has_picture, "chip_id"]),
        duplicates=tuple(dict.fromkeys(named.loc[is_conflict, "chip_id"])),
    )


def _list_files(images: Typed, notes: Notes) -> list[PurePosixPath]:
    """List the pictures of a folder by their paths in it."""
    if not images.path.is_dir():
        what = "a file, not a folder" if images.path.exists() else "no such folder"
        raise InputError(
            f"{images}: {what}. Give the folder of the pictures, relative to {images.origin}."
        )
    paths = list_pictures(images.path)
    if not paths:
        others = sorted(
            {p.suffix.lower() or "no suffix" for p in images.path.rglob("*") if p.is_file()}
        )
        holds = f" (it holds {', '.join(others[:5])})" if others else ""
        raise InputError(
            f"{images}: holds no picture{holds}. Give the folder with the pictures "
            f"{PREFIX}(id).png; {', '.join(PICTURE_SUFFIXES)} are read."
        )
    files = [PurePosixPath(path.relative_to(images.path).as_posix()) for path in paths]
    if all(len(file.parts) == 1 for file in files):
        below = list_pictures_below(images.path)
        if below:
            notes.add(
                f"{images}: {len(below)} pictures in its sub-folders are not read, as it holds "
                f"{len(files)} itself (such as {below[0].relative_to(images.path).as_posix()})"
            )
    return files


def _open_table(typed: Typed) -> Sheet:
    """Open the table with one row a picture."""
    if not typed.path.exists():
        raise refuse_absent(typed)
    return open_first_sheet(typed.path, str(typed), has_pictures)


def has_pictures(headings: list[str]) -> bool:
    """Tell whether headings are those of a table with a row a picture."""
    names = ("id", "image_location")
    return any(find_heading(headings, name) is not None for name in names)


def find_heading(columns: list[str], name: str) -> str | None:
    """Find a column by its heading; by another case where no other is called so.

    Examples
    --------
    >>> find_heading(["ID", "crime"], "id"), find_heading(["ID", "Id"], "id")
    ('ID', None)
    """
    if name in columns:
        return name
    others = [column for column in columns if column.lower() == name]
    return others[0] if len(others) == 1 else None


def _find_pictures(
    rows: pd.DataFrame, files: list[PurePosixPath], images: Typed, table: Typed, notes: Notes
) -> Found:
    """Find the picture of every row by its id or, where that finds none, by its location."""
    columns = list(rows.columns)
    headings = {name: find_heading(columns, name) for name in ("id", "image_location")}
    if headings["id"] is None and headings["image_location"] is None:
        raise InputError(
            f'{table}: has neither a column "id" nor "image_location" to find pictures by. '
            f"It has: {list_names(columns)}."
        )
    index = index_pictures(str(images), files)
    by = {"id": find_by_id, "image_location": find_by_location}
    found = {
        name: by[name](index, ["" if value is None else str(value) for value in rows[heading]])
        for name, heading in headings.items()
        if heading is not None
    }
    if len(found) == 1:
        chosen = next(iter(found.values()))
    else:
        chosen = _choose_way(found, images, table, notes)
    for remark in chosen.remarks:
        notes.add(f"{table}: {remark}")
    return chosen


def _choose_way(found: dict[str, Found], images: Typed, table: Typed, notes: Notes) -> Found:
    """Choose between a row's id and its location; stop where they mean different pictures."""
    by_id, by_location = found["id"], found["image_location"]
    differ = list(list_disagreements(by_id, by_location))
    if differ:
        row = differ[0]
        raise InputError(
            f"{table}: in {len(differ)} rows id and image_location mean different pictures of "
            f"{images}, such as {str(by_id.files[row])!r} and {str(by_location.files[row])!r}. "
            "Remove or rename the column that is not meant."
        )
    if count_matches(by_location) > count_matches(by_id):
        notes.add(
            f"{table}: pictures are found by image_location ({count_matches(by_location)} of "
            f"{len(by_id.files)} rows); by id only {count_matches(by_id)} would be"
        )
        return by_location
    return by_id


def _find_labels(
    rows: pd.DataFrame, targets: list[str] | Literal["all"], table: Typed, needs_labels: bool
) -> dict[str, str]:
    """Find the column of every target; where none is needed, of those that there are."""
    columns = list(rows.columns)
    if needs_labels or targets == "all":
        return find_targets(columns, targets, table)
    found = {target: find_target(columns, target) for target in targets}
    return {target: heading for target, heading in found.items() if heading is not None}


def _add_targets(
    named: pd.DataFrame,
    labels: pd.DataFrame,
    headings: dict[str, str],
    sheet: Sheet,
    table: Typed,
    notes: Notes,
) -> None:
    """Add the numbers of every target to the rows' names, and say which columns they are."""
    sheet.check_columns(list(headings.values()))
    for target, heading in headings.items():
        named[target] = to_numbers(labels[heading], target, table, notes, sheet.separator)
        check_range(named.set_index("chip_id")[target], target, heading, table)
    say_headings(headings, notes)


def _read_others(
    rows: pd.DataFrame, targets: list[str], sheet: Sheet
) -> dict[str, pd.Series[float]]:
    """Read the domains that a table has beside its targets, as far as they are numbers."""
    found = {name: find_target(list(rows.columns), name) for name in DOMAINS if name not in targets}
    read = {
        name: parse_numbers(rows[heading], "score", sheet.separator)
        for name, heading in found.items()
        if heading is not None
    }
    # Nobody asked for them: what cannot be read is no fault, and is not told.
    return {name: numbers.series for name, numbers in read.items() if not numbers.fault}


def _note_parts(rows: pd.DataFrame, headings: dict[str, str], table: Typed, notes: Notes) -> None:
    """Note a column that deals rows into parts: parts are drawn here, and it has no say."""
    for column in rows.columns:
        if column in headings.values():
            continue
        written = {str(value).strip().lower() for value in rows[column].dropna().unique()[:20]}
        if len(written) > 1 and written <= PARTS:
            notes.add(
                f"{table}: its column {column!r} ({', '.join(sorted(written))}) is not used; "
                "which rows train, validate and test is drawn as split.schemes says"
            )


def _find_area_columns(
    columns: list[str], area_column: str | None, typed: Typed
) -> dict[str, str | None]:
    """Find the columns that say where a picture was taken; pictures may have none."""
    # Pictures can be learnt from without any area, but a column that was typed must be there.
    has_areas = area_column is not None or find_column(columns, "area_id") is not None
    code = choose_code_column(typed, columns, area_column) if has_areas else None
    others = ("area_name", "msoa", "lad")
    return {"area_id": code, **{meaning: find_column(columns, meaning) for meaning in others}}


def _as_text(values: pd.Series) -> pd.Series:
    texts = [None if value is None else str(value).strip() for value in values]
    return pd.Series(texts, values.index, dtype=object)
