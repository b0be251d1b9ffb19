"""The chips stage: from what others publish to chips, areas and membership."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from basrelief.chips.areas import areas_from_tables
from basrelief.chips.pictures import chips_from_pictures
from basrelief.chips.rasters import chips_from_rasters
from basrelief.config import Settings
from basrelief.run import Notes, Run, begin_run, replacing


def make_chips(settings: Settings, run: Run) -> None:
    """Cut rasters, or take pictures, into the store of chips.

    Without rasters and pictures there are areas alone, and tables of chips without a row.
    Writes ``chips.parquet``, ``areas.parquet``, ``membership.parquet``, ``chips.json``,
    ``counts.json``, ``notes.json``, a layer of each kind that is given in ``layers/``, and what is
    kept of tables by area, street pictures and counts: RUN_FOLDER.md has each of them.

    Raises
    ------
    InputError
        If a file or column is missing, broken, or does not fit the others.
    """
    # Whoever calls the stages one by one wants a folder that can be opened too.
    begin_run(run)
    with _writing(run) as (part, notes):
        if settings.data.kind == "tables":
            areas_from_tables(settings, notes, part)
        elif settings.data.has_rasters:
            chips_from_rasters(settings, notes, part)
        else:
            chips_from_pictures(settings, notes, part)


def cut_like(settings: Settings, run: Run, detail_m: float) -> None:
    """Cut the rasters of a place that a model is to predict; writes what `make_chips` does.

    Parameters
    ----------
    settings
        The model's own, with the place's files; labels may be missing.
    detail_m : metres
        Resolution of the rasters that the model learnt from: finer ones are averaged to it.

    Raises
    ------
    InputError
        As for `make_chips`, or if the rasters are coarser than ``detail_m``.
    """
    with _writing(run) as (part, notes):
        chips_from_rasters(settings, notes, part, detail_m)


def take_like(settings: Settings, run: Run) -> None:
    """Take pictures that a model is to predict; writes what `make_chips` does.

    Parameters
    ----------
    settings
        The model's own, with the pictures and their table; labels may be missing.

    Raises
    ------
    InputError
        As for `make_chips`.
    """
    with _writing(run) as (part, notes):
        chips_from_pictures(settings, notes, part, is_new_place=True)


@contextmanager
def _writing(run: Run) -> Iterator[tuple[Path, Notes]]:
    """Give the folder of chips until it is whole, and where to note what is odd in the input."""
    with replacing(run.chips) as part:
        part.mkdir()
        notes = Notes(run)
        yield part, notes
        notes.write(part / "notes.json")
