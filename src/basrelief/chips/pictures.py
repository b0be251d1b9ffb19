"""Chips from a folder of pictures and a table."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.labelled import read_counts
from basrelief.chips.learnable import check_targets
from basrelief.chips.removal import REMOVAL, describe_removal
from basrelief.chips.store import open_writer
from basrelief.chips.tables import ChipTables, choose_targets, write_tables
from basrelief.config import InputError, Settings
from basrelief.names import guard_table
from basrelief.run import Notes, Run, no_notes, write_json
from basrelief.sources.census import fill_parents
from basrelief.sources.picture_files import UNSEEN, Picture, open_picture
from basrelief.sources.pictures import Pictures, read_pictures

MAX_LOST = 0.05
"""A run goes on while no more than this share of its pictures cannot be read."""

NEAR_ONE_COLOUR = 0.75
"""A picture is nearly of one colour when this share of its pixels has the same colour."""

ID_COLUMNS = ("area_id", "area_name", "msoa", "lad")


@dataclass(eq=False)
class Seen:
    """What pictures turned out to be, in the order of their rows."""

    shares: list[float] = field(default_factory=list)
    """Of the commonest colour; NaN where one cannot be read."""

    opaque: list[float] = field(default_factory=list)
    """Share of pixels that are not transparent."""

    content: list[str] = field(default_factory=list)
    """A hash of the pixels that networks see."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Width and height as delivered, in pixels, of those that are used."""

    unseen: Counter[str] = field(default_factory=Counter)
    """How many pictures hold what networks do not see, by its kind."""

    faults: list[str] = field(default_factory=list)
    """What keeps pictures from being read."""

    def add(self, picture: Picture) -> float:
        """Take in a picture; give the share of its commonest colour."""
        share = commonest_colour_share(picture.bands)
        self.shares.append(share)
        self.opaque.append(picture.opaque)
        self.unseen.update(picture.unseen)
        # Of pixels, not of the file: a copy that was saved again is a copy all the same.
        self.content.append(hashlib.blake2b(picture.bands.tobytes(), digest_size=16).hexdigest())
        # Of blank ones nobody asks whether they were resized.
        if share < 1.0:
            self.sizes[picture.width, picture.height] += 1
        return share

    def add_fault(self, error: Exception) -> None:
        """Take in a picture that cannot be read."""
        self.faults.append(str(error))
        self.shares.append(np.nan)
        self.opaque.append(np.nan)
        self.content.append("")


def chips_from_pictures(
    settings: Settings, notes: Notes, folder: Path, *, is_new_place: bool = False
) -> None:
    """Store the pictures that have a row and show something.

    Parameters
    ----------
    notes
        Takes what is odd about the pictures and their table.
    folder
        An empty folder; see ``make_chips`` for what is written.
    is_new_place
        Whether a model is to predict them: then labels may be missing.
    """
    taken = take_pictures(settings, notes, folder, is_new_place=is_new_place)
    pictures, shown, targets = taken.pictures, taken.shown, taken.tables.targets
    write_tables(settings, folder, taken.tables, {})
    _write_quality(folder, taken)
    unlabelled = 0 if is_new_place else int(shown[targets].isna().all(axis=1).sum())
    notes.run.say(
        f"chips: {pictures.n_pictures} pictures, {pictures.n_rows} rows; "
        f"{len(pictures.pictures_without_row)} pictures without a row, "
        f"{len(pictures.rows_without_picture)} rows without a picture; "
        f"{len(taken.one_colour)} of one colour removed; {len(shown)} used"
        + (f", {unlabelled} of them without a label" if unlabelled else "")
    )


@dataclass(frozen=True, eq=False)
class Taken:
    """Which pictures show something, and the tables that are made of them."""

    pictures: Pictures
    shown: pd.DataFrame
    one_colour: pd.DataFrame
    unreadable: pd.DataFrame
    tables: ChipTables
    removal: pd.DataFrame
    """What the removal of some changed, as `describe_removal` gives it."""


def take_pictures(
    settings: Settings, notes: Notes, folder: Path | None, *, is_new_place: bool = False
) -> Taken:
    """Read the table, look at every picture, and choose those that show something.

    Parameters
    ----------
    folder
        Where bands and sums of crime go; None to write nothing.

    Raises
    ------
    InputError
        If no picture shows anything, too many cannot be read, or a target cannot be learnt.
    """
    data, run = settings.data, notes.run
    pictures = read_pictures(
        settings.typed("images"),
        settings.typed("table"),
        targets=data.targets,
        area_column=data.area_column,
        notes=notes,
        needs_labels=not is_new_place,
    )
    if read_counts(settings, notes, folder) is not None:
        run.say("crime: for the figure of daily crimes only; pictures' tables give no population")
    if folder is None:
        # Opened all the same: whether they can be read, and show anything, decides what is used.
        seen = _look_at_pictures(settings, run, pictures, lambda bands: None)
    else:
        with open_writer(folder, settings.chips.size_px) as writer:
            seen = _look_at_pictures(settings, run, pictures, writer.append)
    return _choose_pictures(settings, notes, pictures, seen, is_new_place)


def _choose_pictures(
    settings: Settings, notes: Notes, pictures: Pictures, seen: Seen, is_new_place: bool
) -> Taken:
    """Sort out pictures that show something; notes what is odd about them."""
    frame = pictures.frame.assign(
        commonest_colour=seen.shares, valid=seen.opaque, same_as=_find_twins(pictures, seen)
    )
    unreadable = frame[frame["commonest_colour"].isna()]
    one_colour = frame[frame["commonest_colour"] == 1.0]
    shown = frame[frame["commonest_colour"] < 1.0].reset_index(drop=True)
    if shown.empty:
        clear = (
            " All are wholly transparent: if their fourth band is no alpha, save three bands."
            if (one_colour["valid"] == 0).all() and len(one_colour)
            else ""
        )
        raise InputError(f"{settings.typed('images')}: every picture is of one colour.{clear}")
    if is_new_place:
        # The model's targets, whatever the table has: what is not known is blank, not left out.
        targets = list(settings.data.targets)
        shown = shown.assign(**{name: np.nan for name in targets if name not in shown})
    else:
        named = choose_targets(settings, list(frame.columns))
        targets = check_targets(settings, notes, shown, named, "pictures used")
    _note_losses(notes, pictures, unreadable, seen)
    _note_looks(notes, settings, shown, seen)
    _note_twins(notes, settings, shown, targets)
    # Of a picture all counts: where one is transparent it is black, and so is nodata.
    shown_alone = [*ID_COLUMNS, *pictures.others]
    chips = shown.drop(columns=shown_alone).assign(is_used=True)
    areas, membership = _gather_areas(shown, targets)
    tables = ChipTables(chips, areas, membership, targets)
    # Of a new place nobody may know any.
    scores = [name for name in (*targets, *pictures.others) if name in frame]
    removal = describe_removal(frame, shown, scores)
    return Taken(pictures, shown, one_colour, unreadable, tables, removal)


def read_picture_labels(
    settings: Settings, targets: Sequence[str], only: Collection[str]
) -> pd.DataFrame:
    """Read the labels of some pictures as if others had none, to which then nothing hangs.

    Parameters
    ----------
    targets
        Of a finished chips stage.
    only
        Pictures by ``chip_id``.

    Returns
    -------
    Index ``chip_id``; one float column a target.
    """
    pictures = read_pictures(
        settings.typed("images"),
        settings.typed("table"),
        targets=list(targets),
        area_column=settings.data.area_column,
        # What was odd about the table was said of all its rows.
        notes=no_notes(),
        only=only,
    )
    return pictures.frame.set_index("chip_id")[list(targets)]


def _look_at_pictures(
    settings: Settings,
    run: Run,
    pictures: Pictures,
    keep: Callable[[NDArray[np.uint8]], None],
) -> Seen:
    """Open every picture, and hand those that show something, (band, row, col), to ``keep``."""
    images, seen = settings.typed("images"), Seen()
    names = list(pictures.frame["picture"])
    for name in run.track(names, "reading pictures"):
        try:
            picture = open_picture(images.path / name, settings.chips.size_px)
        except (OSError, ValueError) as error:
            # One torn file must not end the run; so many that the rest is another set must.
            seen.add_fault(error)
            if len(seen.faults) > MAX_LOST * len(names):
                raise InputError(
                    f"{images}: {len(seen.faults)} of the first {len(seen.shares)} pictures cannot "
                    f"be read, more than {MAX_LOST:.0%} of all {len(names)}: {seen.faults[0]}. "
                    "Replace them or remove their rows."
                ) from error
            continue
        if seen.add(picture) < 1.0:
            keep(picture.bands)
    return seen


def _find_twins(pictures: Pictures, seen: Seen) -> list[str]:
    """Find of every picture the first that is the same, pixel by pixel; itself where none is."""
    first: dict[str, str] = {}
    ids = pictures.frame["chip_id"]
    return [
        first.setdefault(content, own) if content else own
        for own, content in zip(ids, seen.content, strict=True)
    ]


def _note_losses(notes: Notes, pictures: Pictures, unreadable: pd.DataFrame, seen: Seen) -> None:
    if len(unreadable):
        names = ", ".join(unreadable["picture"].head(10))
        notes.add(
            f"{len(unreadable)} pictures cannot be read and are left out: {names} "
            f"({seen.faults[0]})"
        )
    if pictures.duplicates:
        names = ", ".join(pictures.duplicates[:10])
        notes.add(f"ids with more than one row, which differ; the first one is taken: {names}")


def _note_looks(notes: Notes, settings: Settings, shown: pd.DataFrame, seen: Seen) -> None:
    """Note what of pictures is not as it was delivered, where they are not all alike."""
    images, size_px = settings.typed("images"), settings.chips.size_px
    for kind, n in sorted(seen.unseen.items()):
        notes.add(f"{images}: {n} of {len(seen.content)} pictures have {UNSEEN[kind]}")
    clear = shown[shown["valid"] < 1.0]
    if len(clear):
        notes.add(
            f"{images}: {len(clear)} of {len(shown)} pictures are transparent in parts, or nodata "
            f"({1 - clear['valid'].mean():.0%} of their pixels): these are black, as ground "
            "without data, whatever colours lie under them"
        )
    other = {size: n for size, n in seen.sizes.items() if size != (size_px, size_px)}
    oblong = sum(n for (width, height), n in other.items() if width != height)
    if not other or (len(seen.sizes) == 1 and not oblong):
        return
    sizes = sorted(other.items(), key=lambda each: -each[1])[:3]
    listed = ", ".join(f"{n} of {width} x {height}" for (width, height), n in sizes)
    squashed = f"; {oblong} are not square and are squashed" if oblong else ""
    notes.add(
        f"{images}: {sum(other.values())} of {len(shown)} pictures are resized to chips.size_px = "
        f"{size_px} ({listed}), so that a pixel is not the same ground in all of them{squashed}"
        if len(seen.sizes) > 1
        else f"{images}: all {len(shown)} pictures are resized to chips.size_px = {size_px} "
        f"({listed}){squashed}"
    )


def _note_twins(notes: Notes, settings: Settings, shown: pd.DataFrame, targets: list[str]) -> None:
    """Note pictures that are given more than once."""
    copies = shown[shown["same_as"] != shown["chip_id"]]
    if copies.empty:
        return
    # Two labels of one picture are a bound that no model can get below.
    by_picture = shown[[*targets, "same_as"]].groupby("same_as")
    n_at_odds = int((by_picture.max() > by_picture.min()).any(axis=1).sum())
    at_odds = f"; {n_at_odds} pictures have several labels" if n_at_odds else ""
    first = copies.iloc[0]
    notes.add(
        f"{settings.typed('images')}: {len(copies)} of {len(shown)} pictures are copies of others, "
        f"pixel by pixel (such as {first['chip_id']} of {first['same_as']}){at_odds}. Where a copy "
        "is tested and the other learnt from, a score says nothing: splits/leakage.json counts them"
    )


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


def _gather_areas(shown: pd.DataFrame, targets: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make areas and membership from the table's own columns; empty where it has none."""
    placed = shown[shown["area_id"].notna()]
    grouped = placed.groupby("area_id", sort=True)
    areas = pd.concat(
        [grouped[list(ID_COLUMNS[1:])].first(), grouped[targets].mean()], axis=1
    ).reset_index()
    fill_parents(areas)
    areas = areas.assign(ground_covered=np.nan, is_used=True)
    membership = placed[["chip_id", "area_id"]].assign(weight=1.0).reset_index(drop=True)
    return areas, membership


def _write_quality(folder: Path, taken: Taken) -> None:
    """Write which pictures show little, and how many there are of each kind."""
    pictures, columns = taken.pictures, ["chip_id", "picture", "commonest_colour"]
    near = taken.shown[taken.shown["commonest_colour"] >= NEAR_ONE_COLOUR]
    guard_table(taken.one_colour[columns]).to_csv(folder / "one_colour.csv", index=False)
    guard_table(taken.removal).to_csv(folder / REMOVAL, index=False)
    guard_table(near[columns]).to_csv(folder / "near_one_colour.csv", index=False)
    counts = {
        "pictures": pictures.n_pictures,
        "rows": pictures.n_rows,
        "pictures_without_row": len(pictures.pictures_without_row),
        "rows_without_picture": len(pictures.rows_without_picture),
        "duplicate_rows": len(pictures.duplicates),
        "matched": len(pictures.frame),
        "unreadable": len(taken.unreadable),
        "one_colour": len(taken.one_colour),
        "near_one_colour": len(near),
        "used": len(taken.shown),
        "names": {
            "pictures_without_row": list(pictures.pictures_without_row),
            "rows_without_picture": list(pictures.rows_without_picture),
            "duplicate_rows": list(pictures.duplicates),
            "unreadable": list(taken.unreadable["picture"]),
        },
    }
    write_json(folder / "counts.json", counts)
