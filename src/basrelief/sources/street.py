"""Pictures from the street: a folder of them, and where and when each was taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from basrelief.config import InputError, Settings
from basrelief.names import unguard_cell
from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.inputs import (
    PICTURE_SUFFIXES,
    expand_pattern,
    list_pictures,
    refuse_absent,
)
from basrelief.sources.labels import to_numbers
from basrelief.sources.street_tables import (
    AUTHORS,
    GEOGRAPH,
    LICENCES,
    PLACES,
    ROUGH,
    Listed,
    is_middle_of_square,
    list_pictures_of,
)
from basrelief.sources.street_times import is_possible, read_time
from basrelief.typed import Typed

WGS84 = "EPSG:4326"

TEXTS = ("author", "licence", "link")
"""Whose a picture is, on which terms, and where it was published."""

FEW_SHARED = 5
"""Pictures at one very place, on average, from which on places are rounded: a camera that turns
takes four."""

MANY_WRONG = 0.5
"""Share of impossible times from which they are taken for numbers of something else."""


def read_street(settings: Settings, notes: Notes) -> pd.DataFrame:
    """Read the tables of ``[data.street]``, and find the pictures that they list.

    No picture is opened.

    Returns
    -------
    DataFrame
        A row a picture that has a row, a place and a file: ``picture`` (its path in the folder),
        ``x`` and ``y`` (degrees east and north, or metres as the areas have them),
        ``is_degrees``, ``captured`` (as `read_time` gives it), `TEXTS` and ``service`` (empty where
        unknown); by ``picture_id``, in order of it.

    Raises
    ------
    InputError
        If the folder, its pictures or a table is missing, a place or time is no such, an id
        stands twice for different places, or no picture has a row with a place.
    """
    files = _list_files(settings.typed("street.folder"))
    typed = settings.typed("street.table")
    rows, grades = _read_tables(typed, files, notes)
    # Asked of all tables together: of a search in pages one may have none of these pictures.
    if rows.empty:
        raise InputError(
            f"{typed}: none of its pictures is in {settings.typed('street.folder')}, such as "
            f"{next(iter(files))!r} is. Pictures are called by their ids."
        )
    rows = _drop_repeats(rows, typed)
    rows = _keep_placed(rows, grades, typed, notes)
    _note_shared_places(rows, typed, notes)
    rows["captured"] = _check_times(rows["captured"], typed, notes)
    return rows.sort_index()


def _list_files(typed: Typed) -> dict[str, Path]:
    """List the pictures of a folder by their ids, each with its path in it."""
    if not typed.path.is_dir():
        what = "a file, not a folder" if typed.path.exists() else "no such folder"
        raise InputError(f"{typed}: {what}. Give the folder of the pictures.")
    # Those of sub-folders where the folder has none itself, as a service may sort them by drive.
    paths = list_pictures(typed.path)
    if not paths:
        raise InputError(
            f"{typed}: holds no picture. Give a folder of pictures; {', '.join(PICTURE_SUFFIXES)} "
            "are read."
        )
    files: dict[str, Path] = {}
    for path in paths:
        # Whichever were taken, half of the pictures would be another place's.
        if path.stem in files:
            raise InputError(
                f"{typed}: two pictures are called {path.stem!r} "
                f"({files[path.stem]} and {path.relative_to(typed.path)}). Remove one."
            )
        files[path.stem] = path.relative_to(typed.path)
    return files


def _read_tables(
    typed: Typed, files: dict[str, Path], notes: Notes
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read every table that matches: pictures that are there, and how exactly places are known."""
    matches = expand_pattern(typed.value, typed.path)
    if not matches:
        raise refuse_absent(typed)
    frames, grades = list[pd.DataFrame](), dict[str, str]()
    n_rows = n_unshown = 0
    for path, name in matches:
        own = typed.beside(typed.key, name)
        listed = list_pictures_of(path, str(own), notes, files.__contains__)
        grades |= listed.grades
        n_rows, n_unshown = n_rows + len(listed.rows), n_unshown + listed.n_unshown
        frames.append(_tabulate(listed, files, own, notes))
    rows = pd.concat(frames)
    n_absent, n_over = n_rows - len(rows), len(set(files) - set(rows.index))
    if n_absent and len(rows):
        notes.add(f"{typed}: {n_absent} of its {n_rows} rows have no picture: left out")
    if n_over and len(rows):
        notes.add(f"{typed}: {n_over} of {len(files)} pictures have no row: left out")
    if n_unshown:
        notes.add(f"{typed}: {n_unshown} pictures were not accepted by moderators: left out")
    return rows, grades


def _tabulate(listed: Listed, files: dict[str, Path], typed: Typed, notes: Notes) -> pd.DataFrame:
    """Bring the rows of one table to what is known of each picture."""
    rows = pd.DataFrame(listed.rows, dtype=object)
    ids = [_tidy_id(each) for each in rows.get("id", ())]
    rows = rows.set_axis(pd.Index(ids, name="picture_id", dtype=object))
    rows = rows[rows.index.isin(list(files))]
    # Degrees where both are given: metres are of a grid that no column names.
    place = next((pair for pair in PLACES if set(pair) <= set(rows.columns)), PLACES[0])
    found = pd.DataFrame(index=rows.index)
    found["picture"] = [files[each].as_posix() for each in rows.index]
    for axis, name in zip("xy", place, strict=True):
        cells = rows.get(name, pd.Series(dtype=object)).reset_index(drop=True)
        found[axis] = to_numbers(cells, name, typed, notes, listed.separator, typed.key).to_numpy()
    found["is_degrees"] = place == PLACES[0]
    found["captured"] = _read_times(rows, typed)
    for name in TEXTS:
        cells = rows.get(name, pd.Series("", rows.index))
        found[name] = ["" if pd.isna(each) else unguard_cell(str(each).strip()) for each in cells]
    found["service"] = listed.service or ""
    if listed.service:
        usual = {"licence": LICENCES[listed.service], "author": AUTHORS.get(listed.service, "")}
        for name, told in usual.items():
            found[name] = found[name].replace("", told)
    return found


def _tidy_id(cell: object) -> str:
    """Write an id as files are called: it may be a picture's name, or a spreadsheet's number."""
    text = str(cell).strip()
    if text.lower().endswith(PICTURE_SUFFIXES):
        # Where it was kept elsewhere says nothing here; of two of one name the table is refused.
        return PureWindowsPath(text).stem
    return text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text


def _read_times(rows: pd.DataFrame, typed: Typed) -> list[str]:
    """Read when pictures were taken; empty where it is not said."""
    times = []
    cells = rows.get("captured_at", pd.Series(pd.NA, rows.index))
    # Refused and not blank: a column that is read wrong would pass for one that says nothing.
    for own, cell in cells.items():
        taken = "" if pd.isna(cell) else read_time(cell)
        if taken is None:
            raise InputError(
                f"{typed}: captured_at of picture {own!r} is {str(cell)[:40]!r}, no time. Write "
                "2019-05-31, 2019-05-31T10:04:00Z or milliseconds since 1970; or leave it blank."
            )
        times.append(taken)
    return times


def _drop_repeats(rows: pd.DataFrame, typed: Typed) -> pd.DataFrame:
    """Take a picture that stands twice once; stop where it is at two places or times."""
    told = rows[["x", "y", "captured"]]
    # Pages of one search overlap, and say of a picture the same.
    differing = told.groupby(level=0, sort=False).nunique(dropna=False).max(axis=1) > 1
    if differing.any():
        own = str(differing.index[differing.to_numpy()][0])
        raise InputError(
            f"{typed}: id {own!r} stands {int((rows.index == own).sum())} times, with different "
            "places or times. Keep the row that is right."
        )
    return rows[~rows.index.duplicated()].copy()


def _keep_placed(
    rows: pd.DataFrame, grades: dict[str, str], typed: Typed, notes: Notes
) -> pd.DataFrame:
    """Keep pictures whose place is known, and well enough to say in which area it is."""
    # Null Island is where programs put what they know no place of.
    is_null = (rows["x"] == 0) & (rows["y"] == 0)
    is_placed = rows[["x", "y"]].notna().all(axis=1) & ~is_null
    if not is_placed.any():
        raise InputError(
            f"{typed}: no picture has a place: longitude and latitude (or easting and northing) "
            "are blank, or 0, in every row. Without places nobody knows which area they show."
        )
    if not is_placed.all():
        n_placeless = int((~is_placed).sum())
        notes.add(f"{typed}: {n_placeless} of {len(rows)} pictures have no place: left out")
    is_rough = _mark_rough(rows, grades)
    if (is_rough & is_placed).any():
        notes.add(
            f"{typed}: {int((is_rough & is_placed).sum())} pictures are known to a square of 1 km "
            "alone: left out"
        )
    if not (is_placed & ~is_rough).any():
        raise InputError(f"{typed}: every place is known to 1 km alone, which no area is told by.")
    return rows[is_placed & ~is_rough].copy()


def _note_shared_places(rows: pd.DataFrame, typed: Typed, notes: Notes) -> None:
    """Note where so many pictures share a place that it was rounded, or is of a whole square."""
    n_places = len(rows[["x", "y"]].drop_duplicates())
    if len(rows) > FEW_SHARED * n_places:
        notes.add(
            f"{typed}: its {len(rows)} pictures were taken at {n_places} "
            f"place{'s' * (n_places > 1)} alone: if they are rounded, or of whole squares, a "
            "picture may show another area than the one that it is counted in"
        )


def _mark_rough(rows: pd.DataFrame, grades: dict[str, str]) -> pd.Series[bool]:
    """Mark pictures of Geograph that are known to a square of 1 km alone."""
    told = zip(rows.index, rows["x"], rows["y"], rows["service"], strict=True)
    return pd.Series(
        [
            # How many figures a place was given by is in another dump, which may not be here.
            (grades[own] in ROUGH if own in grades else is_middle_of_square(x, y))
            if service == GEOGRAPH and np.isfinite([x, y]).all()
            else False
            for own, x, y, service in told
        ],
        rows.index,
    )


def _check_times(times: pd.Series, typed: Typed, notes: Notes) -> pd.Series:
    """Take times that cannot be for unknown; stop where most of them are such."""
    # A day more: where the picture was taken it may be tomorrow.
    today = datetime.now(UTC).date() + timedelta(days=1)
    is_told = times != ""
    is_wrong = is_told & ~np.array([is_possible(each, today) for each in times], dtype=bool)
    if is_wrong.sum() > MANY_WRONG * is_told.sum():
        own = times.index[is_wrong.to_numpy()][0]
        raise InputError(
            f"{typed}: {int(is_wrong.sum())} of {int(is_told.sum())} pictures were taken at a time "
            f"that cannot be, such as {own!r} on {times[own]}. Correct captured_at, or leave it "
            "out."
        )
    if is_wrong.any():
        names = list_names(times.index[is_wrong.to_numpy()].tolist(), limit=5)
        notes.add(
            f"{typed}: {int(is_wrong.sum())} pictures have a time that cannot be ({names}), as of "
            "a clock that nobody set: taken for unknown"
        )
    return times.where(~is_wrong, "")
