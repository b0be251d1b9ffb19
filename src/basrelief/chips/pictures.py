"""Chips from a folder of pictures and a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.labelled import check_targets, read_counts
from basrelief.chips.store import PictureWriter, open_writer
from basrelief.chips.tables import Tables, name_targets, write_tables
from basrelief.config import InputError, Settings
from basrelief.names import guard_table
from basrelief.run import Notes, Run, write_json
from basrelief.sources.census import fill_places
from basrelief.sources.pictures import Pictures, open_picture, read_pictures

MAX_LOST = 0.05
"""A run goes on while no more than this share of its pictures cannot be read."""

NEAR_ONE_COLOUR = 0.75
"""A picture is nearly of one colour when this share of its pixels has the same colour."""

ID_COLUMNS = ("area_id", "area_name", "msoa", "lad")


def chips_from_pictures(settings: Settings, notes: Notes, folder: Path) -> None:
    """Store the pictures that have a row and show something.

    Parameters
    ----------
    notes
        Takes what is odd about the pictures and their table.
    folder
        An empty folder; see ``make_chips`` for what is written.
    """
    data, run = settings.data, notes.run
    pictures = read_pictures(
        settings.typed("images"),
        settings.typed("table"),
        targets=data.targets,
        area_column=data.area_column,
        notes=notes,
    )
    if read_counts(settings, notes, folder) is not None:
        run.say("crime: for the figure of daily crimes only; pictures' tables give no population")
    with open_writer(folder, settings.chips.size_px) as writer:
        share = _store_pictures(settings, run, pictures, writer)
    frame = pictures.frame.assign(commonest_colour=share)
    _check_losses(settings, frame)
    unreadable = frame[frame["commonest_colour"].isna()]
    one_colour = frame[frame["commonest_colour"] == 1.0]
    shown = frame[frame["commonest_colour"] < 1.0].reset_index(drop=True)
    if shown.empty:
        raise InputError(f"{settings.typed('images')}: every picture is of one colour.")
    named = name_targets(settings, list(frame.columns))
    targets = check_targets(settings, notes, shown, named, "pictures used")
    # All of a picture counts: without heights nodata and black are the same.
    chips = shown.drop(columns=list(ID_COLUMNS)).assign(valid=1.0, is_used=True)
    areas, membership = _gather_areas(shown, targets)
    write_tables(settings, folder, Tables(chips, areas, membership, targets), {})
    near = shown[shown["commonest_colour"] >= NEAR_ONE_COLOUR]
    _write_quality(folder, pictures, {"one": one_colour, "near": near, "unreadable": unreadable})
    run.say(
        f"chips: {pictures.n_pictures} pictures, {pictures.n_rows} rows; "
        f"{len(pictures.pictures_without_row)} pictures without a row, "
        f"{len(pictures.rows_without_picture)} rows without a picture; "
        f"{len(one_colour)} of one colour removed; {len(shown)} used"
    )
    if len(unreadable):
        names = ", ".join(unreadable["picture"].head(10))
        notes.add(f"{len(unreadable)} pictures cannot be read and are left out: {names}")
    if pictures.duplicates:
        names = ", ".join(pictures.duplicates[:10])
        notes.add(f"ids with more than one row, the first one taken: {names}")


def _store_pictures(
    settings: Settings, run: Run, pictures: Pictures, writer: PictureWriter
) -> list[float]:
    """Write every picture that shows something; give each one's commonest colour's share."""
    images = settings.typed("images").path
    share = []
    for name in run.track(list(pictures.frame["picture"]), "reading pictures"):
        try:
            picture = open_picture(images / name, settings.chips.size_px)
        except (OSError, ValueError):
            # One torn file must not end the run: how many may be lost is known at the end.
            share.append(np.nan)
            continue
        share.append(commonest_colour_share(picture))
        if share[-1] < 1.0:
            writer.append(picture)
    return share


def commonest_colour_share(picture: NDArray[np.uint8]) -> float:
    """Give the share of pixels that have the picture's commonest colour.

    Parameters
    ----------
    picture : (band, row, col)
        Red, green, blue.

    Returns
    -------
    float
        1 when the whole picture is of one colour.

    Examples
    --------
    >>> commonest_colour_share(np.zeros((3, 4, 4), dtype=np.uint8))
    1.0
    """
    # One number a pixel: unique rows of three would take ten times as long.
    red, green, blue = picture.astype(np.uint32).reshape(3, -1)
    _, counts = np.unique((red << 16) | (green << 8) | blue, return_counts=True)
    return float(counts.max() / counts.sum())


def _check_losses(settings: Settings, frame: pd.DataFrame) -> None:
    lost = frame.loc[frame["commonest_colour"].isna(), "picture"]
    if len(lost) > MAX_LOST * len(frame):
        raise InputError(
            f"{settings.typed('images')}: {len(lost)} of {len(frame)} pictures cannot be read "
            f"(such as {', '.join(lost.head(3))}), more than {MAX_LOST:.0%}. "
            "Replace them or remove their rows."
        )


def _gather_areas(shown: pd.DataFrame, targets: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make areas and membership from the table's own columns; empty where it has none."""
    placed = shown[shown["area_id"].notna()]
    grouped = placed.groupby("area_id", sort=True)
    areas = pd.concat(
        [grouped[list(ID_COLUMNS[1:])].first(), grouped[targets].mean()], axis=1
    ).reset_index()
    fill_places(areas)
    areas = areas.assign(ground_covered=np.nan, is_used=True)
    membership = placed[["chip_id", "area_id"]].assign(weight=1.0).reset_index(drop=True)
    return areas, membership


def _write_quality(folder: Path, pictures: Pictures, found: dict[str, pd.DataFrame]) -> None:
    columns = ["chip_id", "picture", "commonest_colour"]
    guard_table(found["one"][columns]).to_csv(folder / "one_colour.csv", index=False)
    guard_table(found["near"][columns]).to_csv(folder / "near_one_colour.csv", index=False)
    counts = {
        "pictures": pictures.n_pictures,
        "rows": pictures.n_rows,
        "pictures_without_row": len(pictures.pictures_without_row),
        "rows_without_picture": len(pictures.rows_without_picture),
        "duplicate_rows": len(pictures.duplicates),
        "matched": len(pictures.frame),
        "unreadable": len(found["unreadable"]),
        "one_colour": len(found["one"]),
        "near_one_colour": len(found["near"]),
        "used": len(pictures.frame) - len(found["unreadable"]) - len(found["one"]),
        "names": {
            "pictures_without_row": list(pictures.pictures_without_row),
            "rows_without_picture": list(pictures.rows_without_picture),
            "duplicate_rows": list(pictures.duplicates),
            "unreadable": list(found["unreadable"]["picture"]),
        },
    }
    write_json(folder / "counts.json", counts)
