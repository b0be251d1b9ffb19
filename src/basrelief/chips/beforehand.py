"""What is refused before anything is cut or learnt: missing files, tables that cannot serve."""

from __future__ import annotations

from basrelief.chips.labelled import find_own_changes, list_label_targets, read_counts
from basrelief.config import Settings
from basrelief.run import no_notes
from basrelief.sources.areas import find_area_vintage
from basrelief.sources.eye_tables import SOON_BYTES, check_eye_tables
from basrelief.sources.inputs import OF_TILES, expand_pattern, list_typed, refuse_absent
from basrelief.sources.labels import read_label_headings, read_labels
from basrelief.sources.lidar import open_mosaic
from basrelief.sources.overlays import read_overlay_header
from basrelief.sources.pictures import read_pictures
from basrelief.sources.tiles import find_raster_files

SOON_FILES = 100
"""Of so many rasters headers are read in a second: more are read once, where they are needed."""


def check_input_files(settings: Settings) -> None:
    """Look whether there are files where the settings say, and columns in tables of eyes.

    Raises
    ------
    InputError
        If one is missing.
    """
    for key, typed in list_typed(settings):
        # Refused where they are opened, soon, with what would work.
        if key in ("images", "table", "labels", "tables"):
            continue
        # Of these there is one; a folder of boundaries is refused where it is opened.
        if key in ("areas", "lookup"):
            if not typed.path.exists():
                raise refuse_absent(typed)
            continue
        if expand_pattern(typed.value, typed.path):
            continue
        if key in OF_TILES or key in settings.data.overlays:
            # Called for its refusal, which says more than that there is none.
            find_raster_files(typed)
        raise refuse_absent(typed)
    check_eye_tables(settings)


def check_beforehand(settings: Settings) -> None:
    """Read what needs no pixels, as far as it is read at once.

    The chips stage reads it again and says what was odd; but before that the libraries that
    recipes need are loaded, for as long as all of this takes.

    Raises
    ------
    InputError
        If a file is missing, or a header or table has not what it is asked for.
    """
    check_input_files(settings)
    data, notes = settings.data, no_notes()
    if data.areas is not None:
        # Called for its refusals: of a file without a layer of areas, or a column of codes.
        find_area_vintage(settings.typed("areas"), data.area_column)
    _check_headers(settings)
    if data.crime is not None:
        typed = settings.typed("crime")
        paths = expand_pattern(typed.value, typed.path)
        if sum(path.stat().st_size for path, _ in paths) <= SOON_BYTES:
            read_counts(settings, notes, None)
    if data.labels is not None:
        typed = settings.typed("labels")
        if data.crime is not None:
            # Which targets are the table's the counts decide, and those may be of a whole country.
            read_label_headings(typed, data.label_column)
        else:
            changes = find_own_changes(settings)
            wanted = list_label_targets(settings, changes)
            read_labels(typed, targets=wanted, column=data.label_column, notes=notes)
    if data.images is not None:
        read_pictures(
            settings.typed("images"),
            settings.typed("table"),
            targets=data.targets,
            area_column=data.area_column,
            notes=notes,
        )


def _check_headers(settings: Settings) -> None:
    """Read the headers of heights, and of layers beside them, where there are few."""
    data, notes, crs = settings.data, no_notes(), None
    for key in OF_TILES:
        if getattr(data, key) is not None and _are_few(settings, key):
            mosaic = open_mosaic(settings.typed(key), data.crs, notes)
            crs = crs or mosaic.crs
    for name, asked in data.overlays.items():
        if crs is not None and _are_few(settings, f"{name}.files"):
            for file in find_raster_files(settings.typed(f"{name}.files")):
                read_overlay_header(file, asked, crs, data.crs)


def _are_few(settings: Settings, key: str) -> bool:
    typed = settings.typed(key)
    return len(expand_pattern(typed.value, typed.path)) <= SOON_FILES
