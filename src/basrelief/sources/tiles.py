"""Raster files as delivered: where they are, what their headers say."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from basrelief.config import InputError, Typed
from basrelief.grid import Grid
from basrelief.sources.inputs import expand_pattern
from basrelief.sources.places import flatten_crs, is_same_crs, name_crs

RASTER_SUFFIXES = (".asc", ".tif", ".tiff")

GRID_TOLERANCE = 0.01
"""Largest shift between the grids of two tiles, in cells."""

# GDAL's own default is a twentieth of the machine's memory, whatever else runs there.
CACHE_BYTES = 256 * 2**20
"""Bound on what GDAL keeps of the tiles in memory."""


@dataclass(frozen=True)
class Tile:
    """A raster file as delivered: its header, not its heights."""

    path: str
    """What GDAL opens: a file, or a member of a zip archive."""

    name: str
    """The file as the user typed it, for messages."""

    grid: Grid
    nodata: float | None
    """The value declared as nodata, if any."""

    crs: CRS | None
    """The horizontal CRS that the file carries, if any."""

    fault: str | None = None
    """Why this cannot be a tile of heights, if so."""


@contextmanager
def bounded_gdal() -> Iterator[None]:
    """Bound GDAL's memory, and read ASCII grids as floats even where they start with -9999."""
    with (
        # In bytes: rasterio does not read small numbers as megabytes, as GDAL itself does.
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, AAIGRID_DATATYPE="Float32"),
        warnings.catch_warnings(),
    ):
        # A raster without a place is refused in a line of our own.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def say_reason(error: BaseException, path: str, name: str) -> str:
    """Say GDAL's own first reason, with the file as the user knows it."""
    # GDAL's sentence is the cause; rasterio's own only points at it.
    text = " ".join(str(error.__cause__ or error).split())
    return text.replace(f"'{path}' ", "").replace(path, name).rstrip(".")


def find_tiles(typed: Typed) -> tuple[Tile, ...]:
    """Read the headers of all tiles that a pattern matches, sorted by name.

    Raises
    ------
    InputError
        If nothing matches, or a match is no raster.
    """
    return tuple(
        _read_header(path, name)
        for found, found_name in _find_files(typed)
        for path, name in _unpack(found, found_name)
    )


def _find_files(typed: Typed) -> list[tuple[Path, str]]:
    """Find what a pattern matches, each as a path and as the user would type it."""
    files = expand_pattern(typed.value, typed.path)
    if files:
        return files
    if typed.path.is_dir():
        raise InputError(
            f'{typed}: this is a folder. Say which files, for example "{typed.value}/*.tif".'
        )
    raise InputError(
        f"{typed}: no file matches. Give a pattern of ASCII grids, GeoTIFFs or zip archives "
        f"of them, relative to {typed.origin}."
    )


def _unpack(path: Path, name: str) -> list[tuple[str, str]]:
    """Turn a file into what GDAL opens: itself, or the rasters in a zip archive."""
    if path.suffix.lower() != ".zip":
        return [(str(path), name)]
    try:
        with zipfile.ZipFile(path) as archive:
            # In order of name, as files are: which tile wins must not hang on how they were packed.
            members = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{name}: cannot be opened as a zip archive ({error}). Fetch it again."
        ) from error
    rasters = [m for m in members if m.lower().endswith(RASTER_SUFFIXES)]
    if not rasters:
        raise InputError(
            f"{name}: holds no raster ({', '.join(RASTER_SUFFIXES)}) among its "
            f"{len(members)} files. Take it out of the pattern."
        )
    # The braces say where the archive's name ends: a folder may be called .zip too.
    return [(f"/vsizip/{{{path}}}/{member}", f"{name}/{member}") for member in rasters]


def _read_header(path: str, name: str) -> Tile:
    try:
        with bounded_gdal(), rasterio.open(path) as dataset:
            wkt = dataset.crs.to_wkt() if dataset.crs else None
            cell = dataset.transform
            tile = Tile(
                path=path,
                name=name,
                # Cells that went through a division differ in the last digits from tile to tile.
                grid=Grid(cell.c, cell.f, round(float(cell.a), 9), dataset.shape),
                nodata=dataset.nodata,
                crs=flatten_crs(CRS.from_wkt(wkt)) if wkt else None,
                fault=_find_fault(dataset),
            )
    except RasterioError as error:
        raise InputError(
            f"{name}: this is no raster that can be read ({say_reason(error, path, name)}). "
            "Narrow the pattern to ASCII grids, GeoTIFFs or zips of them, or fetch it again."
        ) from error
    return tile


def _find_fault(dataset: Any) -> str | None:
    """Say why an open raster cannot be a tile of heights, or nothing."""
    if dataset.count != 1:
        return f"has {dataset.count} bands, heights have one. Give a raster of heights."
    cell = dataset.transform
    # What rasterio gives where a file says nothing of its place.
    if cell.is_identity:
        return "carries no place on the ground. Give a georeferenced raster."
    n_cells = max(dataset.shape)
    # Over all cells: what is too little to see in one adds up to a shift of the last.
    is_square = abs(cell.a + cell.e) * n_cells <= GRID_TOLERANCE * abs(cell.a)
    if cell.b or cell.d or cell.a <= 0 or not is_square:
        return (
            f"its cells are {cell.a:g} by {cell.e:g} m, rotated by {cell.b:g}, {cell.d:g}. "
            "Resample it to square cells with north up."
        )
    return None


def settle_crs(tiles: tuple[Tile, ...], given: str | None, typed: Typed) -> CRS:
    """Settle the CRS of all tiles from what they carry and what the user gave.

    Raises
    ------
    InputError
        If a tile carries none and none is given; the given one is unknown or contradicts
        the tiles; the tiles differ; or it is not projected in metres.
    """
    bare = next((tile for tile in tiles if tile.crs is None), None)
    if bare is not None and given is None:
        raise InputError(
            f"{bare.name}: carries no CRS and none is given. Tiles of the Environment Agency "
            f"are in British National Grid: add {typed.suggest('crs', 'EPSG:27700')} if these are."
        )
    wanted = _parse_crs(typed.beside("crs", given)) if given is not None else None
    first = next((tile for tile in tiles if tile.crs is not None), None)
    # What a file says of itself outweighs what was typed; the two are compared below.
    crs = wanted if first is None else first.crs
    assert crs is not None
    if not crs.is_projected or crs.axis_info[0].unit_name not in ("metre", "meter"):
        source = typed.name("crs") if first is None else first.name
        raise InputError(
            f"{source}: {name_crs(crs)} is not a projected CRS in metres. "
            'Reproject the rasters to one, for example to "EPSG:27700".'
        )
    for tile in tiles:
        if tile.crs is not None and not is_same_crs(tile.crs, crs):
            assert first is not None
            raise InputError(
                f"{typed}: {first.name} is in {name_crs(crs)}, {tile.name} in "
                f"{name_crs(tile.crs)}. Give tiles of one CRS."
            )
    if wanted is not None and first is not None and not is_same_crs(wanted, crs):
        raise InputError(
            f"{typed.beside('crs', str(given))}: {first.name} itself says {name_crs(crs)}. "
            f"Take {typed.name('crs')} out, or correct it."
        )
    return crs


def _parse_crs(typed: Typed) -> CRS:
    try:
        return flatten_crs(CRS.from_user_input(typed.value))
    except CRSError as error:
        raise InputError(f'{typed}: no such CRS is known. Write it as in "EPSG:27700".') from error
