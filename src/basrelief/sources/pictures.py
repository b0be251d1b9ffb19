"""A folder of pictures and a table with one row a picture, as in the coursework."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from basrelief.config import InputError, Typed
from basrelief.run import Notes
from basrelief.sources.areas import choose_code_column, list_names
from basrelief.sources.census import find_column
from basrelief.sources.inputs import list_pictures
from basrelief.sources.labels import find_targets, to_numbers
from basrelief.sources.tables import Sheet, open_table

PREFIX = "LIDAR_"
"""How the coursework's picture names begin, before the id."""

EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


DAMAGE = (OSError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises for a damaged file, depending on what the damage hits first."""


@dataclass(frozen=True)
class Pictures:
    """Pictures matched with their rows, and what could not be matched."""

    frame: pd.DataFrame
    """One row a picture that has one, in the table's order: ``chip_id`` (str), ``picture``
    (file name), ``area_id``, ``area_name``, ``msoa``, ``lad`` (None where unknown), and one
    float column a target (NaN where unknown)."""

    targets: tuple[str, ...]
    n_pictures: int
    """Pictures in the folder."""

    n_rows: int
    """Rows in the table, repeated ones included."""

    pictures_without_row: tuple[str, ...]
    """File names, sorted."""

    rows_without_picture: tuple[str, ...]
    """Ids, in the table's order."""

    duplicates: tuple[str, ...]
    """Ids that stand more than once with different values; the first row is kept. Rows that
    are repeated word for word are merged and not listed."""


def read_pictures(
    images: Typed,
    table: Typed,
    *,
    targets: list[str] | Literal["all"],
    area_column: str | None,
    notes: Notes,
) -> Pictures:
    """Match the pictures of a folder with the rows of a table. No picture is opened.

    Parameters
    ----------
    images
        Folder of PNG files named ``LIDAR_{id}.png``.
    table
        CSV file with a column ``id``, or ``image_location`` (a path or file name).
    targets
        Columns to predict; ``"all"`` is the IMD and its domains, those present.
    area_column
        Column of the area codes as typed, or None to recognise it.
    notes
        Takes what is odd about the table.

    Raises
    ------
    InputError
        If the folder, its pictures, the table, the joining column or a target is missing,
        or no row has a picture.
    """
    files = _name_files(images)
    sheet = _open_table(table)
    # Of two columns with one heading the first counts, as in every other table.
    rows = sheet.read(list(dict.fromkeys(sheet.columns)))
    if rows.empty:
        raise InputError(f"{table}: has headings but no rows. Give one row a picture.")
    named = _name_pictures(rows, files, table)
    headings = find_targets(list(rows.columns), targets, table)
    sheet.check_columns(list(headings.values()))
    for target, heading in headings.items():
        named[target] = to_numbers(rows[heading], target, table, notes, sheet.separator)
    for meaning, column in _find_places(list(rows.columns), area_column, table).items():
        named[meaning] = None if column is None else _as_text(rows[column])
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
            f"picture {min(files.values())!r}; pictures must be called {PREFIX}(id).png."
        )
    matched = first[has_picture].reset_index(drop=True)
    order = ["chip_id", "picture", "area_id", "area_name", "msoa", "lad", *headings]
    return Pictures(
        frame=matched[order],
        targets=tuple(headings),
        n_pictures=len(files),
        n_rows=len(rows),
        pictures_without_row=tuple(sorted(set(files.values()) - set(matched["picture"]))),
        rows_without_picture=tuple(first.loc[~has_picture, "chip_id"]),
        duplicates=tuple(dict.fromkeys(named.loc[is_conflict, "chip_id"])),
    )


def open_picture(path: Path, size_px: int) -> NDArray[np.uint8]:
    """Read a picture whole, as red, green and blue; resize it where its size differs.

    Returns
    -------
    (3, size_px, size_px)
        0 to 255, (band, row, col). An alpha band is left out: the pictures are opaque.

    Raises
    ------
    OSError
        If the file is missing, truncated or no picture.
    ValueError
        If it has more than eight bits a band: how to darken it would be a guess.
    """
    try:
        with Image.open(path) as picture:
            # Pillow cuts deeper pictures off at 255 without a word.
            if picture.mode not in EIGHT_BIT_MODES:
                raise ValueError(f"{path.name}: mode {picture.mode} has more than 8 bits a band.")
            # Pillow opens a file by its head alone: damage shows only when pixels are read.
            picture.load()
            colours = picture.convert("RGB")
    except DAMAGE as error:
        raise OSError(f"{path.name}: cannot be read ({error}).") from error
    if colours.size != (size_px, size_px):
        colours = colours.resize((size_px, size_px), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(colours, dtype=np.uint8).transpose(2, 0, 1))


def _name_files(images: Typed) -> dict[str, str]:
    """Find the pictures of a folder: id to file name."""
    if not images.path.is_dir():
        what = "a file, not a folder" if images.path.exists() else "no such folder"
        raise InputError(
            f"{images}: {what}. Give the folder of the pictures, relative to {images.origin}."
        )
    names = [path.name for path in list_pictures(images.path)]
    if not names:
        raise InputError(
            f"{images}: holds no PNG file. Give the folder with the pictures {PREFIX}(id).png."
        )
    return {_id_of(name): name for name in names}


def _id_of(name: str) -> str:
    return PurePath(name).stem.removeprefix(PREFIX)


def _open_table(typed: Typed) -> Sheet:
    """Open the table with one row a picture."""
    if not typed.path.exists():
        raise InputError(f"{typed}: no such file. Paths are relative to {typed.origin}.")
    return open_table(typed.path, str(typed), lambda c: "id" in c or "image_location" in c)


def _name_pictures(rows: pd.DataFrame, files: dict[str, str], typed: Typed) -> pd.DataFrame:
    """Give every row its id and, where there is one, its picture."""
    if "id" in rows:
        # Software that met a gap in the column saves its numbers as 12.0.
        ids = rows["id"].map(lambda value: str(value or "").strip().removesuffix(".0"))
    elif "image_location" in rows:
        # Paths written on Windows have backslashes, which are no separators elsewhere.
        ids = rows["image_location"].map(lambda v: _id_of(str(v or "").replace("\\", "/")))
    else:
        raise InputError(
            f'{typed}: has neither a column "id" nor "image_location" to find pictures by. '
            f"It has: {list_names(list(rows.columns))}."
        )
    return pd.DataFrame({"chip_id": ids, "picture": ids.map(files)})


def _find_places(
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
