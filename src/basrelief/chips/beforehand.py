"""What is refused before anything is cut or learnt: missing files, tables that cannot serve."""

from __future__ import annotations

from basrelief.config import InputError, Settings
from basrelief.run import Notes, Run
from basrelief.sources.eye_tables import check_eye_tables
from basrelief.sources.inputs import expand_pattern
from basrelief.sources.labels import read_label_headings, read_labels
from basrelief.sources.pictures import read_pictures
from basrelief.sources.tiles import find_raster_files


def check_beforehand(settings: Settings) -> None:
    """Read what needs no pixels, as far as it is read at once.

    The chips stage reads it again and says what was odd; but before that the libraries that
    recipes need are loaded, for as long as all of this takes.

    Raises
    ------
    InputError
        If a file is missing, or a table has not what it is asked for.
    """
    data, notes = settings.data, Notes(Run(settings.locate(settings.out), quiet=True))
    photo = [] if data.photo is None else ["photo.files"]
    for key in (*(key for key in ("dsm", "dtm") if getattr(data, key) is not None), *photo):
        typed = settings.typed(key)
        if not expand_pattern(typed.value, typed.path):
            # Called for its refusal, which says more than that there is none.
            find_raster_files(typed)
    for key in ("areas", "lookup", "crime"):
        if getattr(data, key) is not None:
            typed = settings.typed(key)
            if not typed.path.exists() and not expand_pattern(typed.value, typed.path):
                raise InputError(f"{typed}: no such file. Paths are relative to {typed.origin}.")
    if data.labels is not None:
        typed = settings.typed("labels")
        if data.crime is not None:
            # Which targets are the table's the counts decide, and those may be of a whole country.
            read_label_headings(typed, data.label_column)
        else:
            read_labels(typed, targets=data.targets, column=data.label_column, notes=notes)
    check_eye_tables(settings)
    if data.images is not None:
        read_pictures(
            settings.typed("images"),
            settings.typed("table"),
            targets=data.targets,
            area_column=data.area_column,
            notes=notes,
        )
