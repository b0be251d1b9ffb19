"""A layer beside heights: a photo, of several dates the median, or precomputed embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from basrelief.chips.layers import SHARD_SIDE, Band, create_layer
from basrelief.chips.overlay_numbers import SeenNumbers, believe_embeddings, believe_photo
from basrelief.chips.store import EMBEDDING
from basrelief.chips.zonal import Zoning
from basrelief.config import InputError, Settings
from basrelief.eyes import OVERLAYS
from basrelief.grid import Grid
from basrelief.run import Notes, Record
from basrelief.sources.coordinates import format_bounds, name_crs, overlap
from basrelief.sources.embeddings import refuse_two_years
from basrelief.sources.overlays import OverlayFile, read_overlay, read_overlay_header
from basrelief.sources.plausible import MAX_CELLS
from basrelief.sources.tiles import find_raster_files
from basrelief.typed import Typed

CHUNK_PX = 64
"""Side of what is read of the layer at once, in its cells."""

CONTEXT_PX = 128
"""Cells around the areas that are kept too: networks see an area with what lies around it. A
multiple of every backbone's stride, so that cells of feature maps begin where the areas do."""

MAX_VALUES = 16_000_000
"""Numbers of all dates that are held at once: the bound on memory, whatever the place."""

FEW_CELLS = 25
"""Cells of a layer in a usual area below which it is said that they are few."""

YEARS_APART = 2
"""Years between files from which on a word is due: much is built, and felled, in three."""


@dataclass(frozen=True)
class Overlay:
    """What is laid beside the heights of a place, before anything of it is read but headers."""

    name: str
    """Of the layer: ``photo`` or ``embedding``."""

    files: tuple[OverlayFile, ...]
    grid: Grid
    bands: tuple[Band, ...]
    crs: CRS

    def describe(self) -> Record:
        """Say what it is, and of a photo when it was taken, for ``chips.json``."""
        dates = sorted({file.date for file in self.files if file.date})
        return {
            "n_files": len(self.files),
            "cell_m": self.grid.cell_m,
            "bands": [band.name for band in self.bands],
            "unit": self.bands[0].unit,
            "dates": dates,
            "n_undated": sum(file.date is None for file in self.files),
        }


def open_overlay(settings: Settings, name: str, notes: Notes, areas: gpd.GeoDataFrame) -> Overlay:
    """Find the files of ``[data.photo]`` or ``[data.embedding]``; check that they show the areas.

    Parameters
    ----------
    name
        Which of the two: a name of ``settings.data.overlays``.
    areas
        In the CRS of the heights, in which the layer will be.

    Raises
    ------
    InputError
        If nothing matches, a match is not what was asked for, they have no common cells, bands or
        unit, or they show none of the areas, or these in too few cells.
    """
    asked, typed = settings.data.overlays[name], settings.typed(f"{name}.files")
    crs = CRS(areas.crs)
    headers = [
        read_overlay_header(raster, asked, crs, settings.data.crs)
        for raster in find_raster_files(typed)
    ]
    files = _keep_near(headers, areas, name, typed, notes)
    _note_dates(files, typed, notes)
    cell_m = _settle_cell(files, asked.resolution_m, name, typed)
    _check_detail(cell_m, areas, typed, notes)
    # A median of brightness and reflectance would be neither.
    units = {file.unit: file for file in files}
    if len(units) > 1:
        one, other = list(units.values())[:2]
        raise InputError(
            f"{typed}: numbers of {one.name} are {one.unit}, of {other.name} {other.unit}. Give "
            "files of one kind."
        )
    odd = next((file for file in files if file.bands != files[0].bands), None)
    if odd is not None:
        raise InputError(
            f"{typed}: {files[0].name} has {len(files[0].bands)} bands ({files[0].bands[0]}, ...), "
            f"{odd.name} {len(odd.bands)} ({odd.bands[0]}, ...). Give files of one kind."
        )
    grid = _lay_grid(files, areas, cell_m)
    if grid.n_cells * len(files[0].bands) > MAX_CELLS:
        raise InputError(
            f"{typed}: the areas' ground would be {grid.n_cells:.0e} cells of {cell_m:g} m, too "
            f"many. Add data.{name}.resolution_m, to which finer cells are averaged."
        )
    bands = tuple(Band(band, files[0].unit) for band in files[0].bands)
    return Overlay(name, tuple(files), grid, bands, crs)


def lay_overlay(
    overlay: Overlay, areas: gpd.GeoDataFrame, typed: Typed, folder: Path, notes: Notes
) -> NDArray[np.float64]:
    """Write the layer, piece by piece, in bounded memory.

    Returns
    -------
    (area,)
        Square metres of each area with data in it.

    Raises
    ------
    InputError
        If a file cannot be read, nothing of the areas has data, or the numbers cannot be what
        their scale says.
    """
    path, run = folder / "layers" / f"{overlay.name}.zarr", notes.run
    layer = create_layer(path, overlay.grid, overlay.bands, overlay.crs, CHUNK_PX)
    zoning, covered = Zoning(areas), np.zeros(len(areas))
    seen = SeenNumbers()
    shards = list(overlay.grid.tiles(SHARD_SIDE * CHUNK_PX))
    near = [(file, shapely.box(*file.bounds)) for file in overlay.files]
    for shard in run.track(shards, f"reading the {overlay.name}"):
        values = compose_files(overlay, shard, near)
        # Counted as it is written: what a scale made wrong shows in the whole, not in one piece.
        seen.add(values)
        if zoning.is_touched(shard):
            covered += zoning.count_cells(shard, np.isfinite(values[0]))
        zoning.forget()
        layer.write(overlay.grid.find(shard), values)
    if not covered.any():
        raise InputError(f"{typed}: shows no ground of any area: all of it is masked, or no data.")
    if overlay.name == EMBEDDING:
        believe_embeddings(seen, overlay.files[0], typed, notes)
    else:
        believe_photo(seen, overlay.files[0], typed, notes)
    return covered * overlay.grid.cell_m**2


def compose_files(
    overlay: Overlay, grid: Grid, near: Sequence[tuple[OverlayFile, shapely.Polygon]]
) -> NDArray[np.float32]:
    """Take the median of all files over a grid, band by band: (band, row, col).

    Files that lie side by side make one picture by it, and of several dates clouds that no mask
    knew go out as long as they cover fewer than half of them. Embeddings have to be the same where
    several files show the same ground.
    """
    found = np.full((len(overlay.bands), *grid.shape), np.nan, np.float32)
    square = shapely.box(*grid.bounds)
    files = [file for file, ground in near if ground.intersects(square)]
    if not files:
        return found
    # All dates of a piece have to be there at once: of more of them, pieces are smaller.
    finest = min(file.cell_m for file in files)
    ratio = max(1.0, grid.cell_m / finest) ** 2
    side = int((MAX_VALUES / (len(files) * len(overlay.bands) * ratio)) ** 0.5)
    for piece in grid.tiles(max(side, 1)):
        read = [(file.name, read_overlay(file, piece)) for file in files]
        dates = [each for _, each in read if each is not None]
        if overlay.name == EMBEDDING:
            refuse_two_years(dates, [name for name, each in read if each is not None])
        if dates:
            found[:, *grid.find(piece)] = _take_median(dates)
    return found


def _take_median(dates: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Take the median over dates, (band, row, col) each; NaN where none has data."""
    # Most ground of a mosaic is in one file, and a median of one costs as much as of many.
    if len(dates) == 1:
        return dates[0]
    with warnings.catch_warnings():
        # NumPy warns where no date has data, which is what NaN is to say.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(np.stack(dates), axis=0), dtype=np.float32)


def _keep_near(
    headers: Sequence[OverlayFile],
    areas: gpd.GeoDataFrame,
    name: str,
    typed: Typed,
    notes: Notes,
) -> list[OverlayFile]:
    """Keep the files that show ground of the areas' bounds; refuse those of another place."""
    place = tuple(areas.total_bounds.tolist())
    files = [file for file in headers if overlap(file.bounds, place)]
    if not files:
        raise InputError(
            f"{typed}: {headers[0].name} covers {format_bounds(headers[0].bounds)}, the "
            f"areas {format_bounds(place)} (west, south, east, north in "
            f"{name_crs(CRS(areas.crs))}): they share no ground. Give {OVERLAYS[name].words} "
            "of the same place."
        )
    n_aside = len(headers) - len(files)
    if n_aside:
        notes.add(f"{typed}: {n_aside} of {len(headers)} files lie aside of the areas: left out")
    return files


def _note_dates(files: Sequence[OverlayFile], typed: Typed, notes: Notes) -> None:
    """Note dates that are far apart, and those to come: what differs may be the year's doing."""
    days = sorted({file.date for file in files if file.date})
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    coming = [day for day in days if day > tomorrow]
    if coming:
        notes.add(f"{typed}: {coming[-1]}, when a file says that it was taken, is yet to come")
    if days and int(days[-1][:4]) - int(days[0][:4]) > YEARS_APART:
        notes.add(
            f"{typed}: taken from {days[0]} to {days[-1]}: what differs between files may be what "
            "changed on the ground, and not how areas differ"
        )


def _settle_cell(
    files: Sequence[OverlayFile], asked_m: float | None, name: str, typed: Typed
) -> float:
    """Settle the side of the layer's cells, in metres: the files' own, or a coarser one."""
    first, coarsest = files[0], max(files, key=lambda file: file.cell_m)
    if asked_m is not None:
        if coarsest.cell_m > 1.01 * asked_m:
            raise InputError(
                f"{typed}: {coarsest.name} has cells of {coarsest.cell_m:g} m, coarser than the "
                f"{asked_m:g} m of data.{name}.resolution_m, or of what a model learnt "
                "from. Give finer files, which are averaged, or ask for coarser cells."
            )
        return asked_m
    other = next((file for file in files if abs(file.cell_m / first.cell_m - 1) > 0.01), None)
    if other is not None:
        raise InputError(
            f"{typed}: {first.name} has cells of {first.cell_m:g} m, {other.name} of "
            f"{other.cell_m:g} m. Give files of one resolution, or data.{name}.resolution_m = "
            f"{coarsest.cell_m:g}, to which finer ones are averaged."
        )
    return first.cell_m


def _check_detail(cell_m: float, areas: gpd.GeoDataFrame, typed: Typed, notes: Notes) -> None:
    """Refuse cells larger than areas, and say where an area has few."""
    # The median: a few sliver-like areas are no reason to refuse what shows all others.
    usual_m2 = float(np.median(areas.area))
    n_cells = usual_m2 / cell_m**2
    if n_cells < 1:
        raise InputError(
            f"{typed}: its cells of {cell_m:g} m are larger than the areas (half of them have less "
            f"than {usual_m2:,.0f} m²). Give finer ones, or larger areas."
        )
    if n_cells < FEW_CELLS:
        notes.add(f"{typed}: an area has {n_cells:.0f} of its cells of {cell_m:g} m, or fewer")


def _lay_grid(files: Sequence[OverlayFile], areas: gpd.GeoDataFrame, cell_m: float) -> Grid:
    """Lay the layer's grid over the areas: on the first file's cells, where these are the same."""
    west, south, east, north = areas.total_bounds.tolist()
    corner = files[0].transform
    # Where cells are made anew, on whole multiples of them: no file's corner is better.
    base = Grid(corner.c, corner.f, cell_m, (0, 0))
    if not files[0].fits(base):
        base = Grid(0.0, 0.0, cell_m, (0, 0))
    # From the areas' corner, not the files': another cut of the same must change nothing.
    rows, cols = base.cover((west, south, east, north))
    return base.crop((rows, cols)).pad(CONTEXT_PX)
