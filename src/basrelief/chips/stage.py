"""The chips stage: from what others publish to chips, areas and membership."""

from __future__ import annotations

import glob
from pathlib import Path

from basrelief.chips.pictures import chips_from_pictures
from basrelief.chips.rasters import chips_from_rasters
from basrelief.config import Settings
from basrelief.run import Run, replacing


def list_inputs(settings: Settings) -> list[Path]:
    """List the files that the chips stage reads, to notice when one changes."""
    data = settings.data
    patterns = [data.dsm, data.dtm, data.areas, data.labels, data.table, data.crime]
    if data.images is not None:
        patterns.append(f"{data.images}/*.png")
    typed = [pattern for pattern in patterns if pattern is not None]
    # Absolute patterns: pathlib's own glob takes relative ones only.
    found = [glob.glob(str(settings.locate(pattern))) for pattern in typed]  # noqa: PTH207
    return sorted(Path(path) for paths in found for path in paths)


def make_chips(settings: Settings, run: Run) -> None:
    """Cut rasters, or take pictures, into the store of chips.

    Writes ``chips.parquet``, ``areas.parquet``, ``membership.parquet``, ``layers/heights.zarr``
    or ``layers/pictures.zarr``, ``chips.json`` (kind, targets, size and, of rasters, their native
    resolution and whether the ground is of a terrain raster or estimated), ``counts.json`` and,
    where counts of crime are given, ``crime.parquet``.

    Raises
    ------
    InputError
        If a file or column is missing, broken, or does not fit the others.
    """
    with replacing(run.chips) as part:
        part.mkdir()
        if settings.data.has_rasters:
            chips_from_rasters(settings, run, part)
        else:
            chips_from_pictures(settings, run, part)


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
    with replacing(run.chips) as part:
        part.mkdir()
        chips_from_rasters(settings, run, part, detail_m)
