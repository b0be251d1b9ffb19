"""Heights that services send: the squares of a place, and a look at what came for each."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.windows import Window

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.sources.archives import BROKEN
from basrelief.sources.coordinates import format_bounds, is_same_crs, name_crs
from basrelief.sources.fetch.client import ServiceError
from basrelief.sources.gdal import BROKEN_RASTER, bounded_gdal
from basrelief.sources.national_grid import (
    EPSG,
    NATIONAL_GRID,
    lies_in_square,
    list_squares,
    locate_square,
)
from basrelief.sources.plausible import IMPOSSIBLE
from basrelief.sources.products import Product
from basrelief.sources.tiles import Tile, find_tiles
from basrelief.typed import Typed

MARGIN_M = 20.0
"""What a place is asked for beyond its edge: without the survey's own table of shifts, longitudes
and latitudes may lie five metres aside."""

FOLDERS: Mapping[Product, str] = {"surface": "lidar/dsm", "terrain": "lidar/dtm"}
"""Where a kind lies within the folder of a place, whichever country it is of."""

SHOWN = 5
"""How many names a line lists."""

ROWS = 1000
"""How many rows of a raster are looked at, evenly spread: a tile has 25 million cells."""

BAND_ROWS = 500
"""How many are read at a time."""


def list_squares_with(polygon: shapely.Geometry, side_m: int) -> list[str]:
    """List the squares of the National Grid in which a place has ground, from the south-west."""
    shapely.prepare(polygon)
    west, south, east, north = shapely.bounds(polygon).tolist()
    return [
        name
        for name in list_squares((west, south, east, north), side_m)
        if shares_ground(polygon, locate_square(name))
    ]


def shares_ground(polygon: shapely.Geometry, bounds: Bounds) -> bool:
    """Tell whether a polygon has ground within bounds: an edge alone belongs to the next, too."""
    box = shapely.box(*bounds)
    return bool(shapely.intersects(polygon, box) and not shapely.touches(polygon, box))


def to_lon_lat(bounds: Bounds) -> list[tuple[float, float]]:
    """Turn bounds on the National Grid into a closed ring of longitudes and latitudes (WGS 84).

    A little wider, and with points along the edges, which are bent in degrees.
    """
    ring = shapely.box(*bounds).buffer(MARGIN_M, join_style="mitre").exterior
    x, y = shapely.segmentize(ring, 5_000).coords.xy
    lon, lat = Transformer.from_crs(NATIONAL_GRID, 4326, always_xy=True).transform(x, y)
    return [(round(a, 6), round(b, 6)) for a, b in zip(lon, lat, strict=True)]


def check_heights(square: str, cell_m: float, is_zero_void: bool = False) -> Callable[[Path], None]:
    """Make a look at a raster of heights, or at a zip archive of them.

    Parameters
    ----------
    square
        Where it must lie.
    cell_m
        Side of its cells, in metres.
    is_zero_void
        Whether the service writes 0 where it has no heights. That is declared in the file then.

    Returns
    -------
    What `Client.download` takes as ``check``: raises ``ServiceError`` if the file is broken, lies
    elsewhere, has other cells, or holds no heights.
    """

    def check(path: Path) -> None:
        try:
            tiles = find_tiles(Typed("file", path.name, path))
            # Before heights are read: a zip with one altered byte still gives numbers.
            _check_sums(path)
            for tile in tiles:
                _check_square(tile, square, cell_m)
            seen = np.concatenate([_read_rows(tile) for tile in tiles])
        except (*BROKEN_RASTER, InputError, *BROKEN) as error:
            reason = str(error.__cause__ or error).replace(str(path), "it").replace(path.name, "it")
            raise ServiceError(f"what came is of no use ({reason.rstrip('.')})") from error
        # A service that has nothing answers with zeros and HTTP 200.
        if not seen.any():
            raise ServiceError("what came is 0 or without data everywhere: no heights are there")
        # As a shaded picture is, which such services have under names much like those of heights.
        if seen.min() >= 0 and seen.max() <= 255 and not (seen % 1).any():
            raise ServiceError("what came is whole numbers from 0 to 255: a picture, no heights")
        # In the file itself, so that every later reader knows it without knowing the service.
        if is_zero_void and not seen.all():
            with rasterio.open(path, "r+", driver="GTiff") as dataset:
                dataset.nodata = 0.0

    return check


def _check_sums(path: Path) -> None:
    """Compare every file of an archive with its checksum: GDAL reads altered bytes as heights."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise InputError(f"{broken} in it was altered on the way")


def _check_square(tile: Tile, square: str, cell_m: float) -> None:
    """Refuse a raster that is not of the square and cells that were asked for."""
    if tile.fault:
        raise InputError(f"it {tile.fault}")
    bounds, side_m = tile.grid.bounds, tile.grid.cell_m
    # Without a CRS of its own the service was asked for the grid, and its corner is looked at
    # below.
    if tile.crs is not None and not is_same_crs(tile.crs, CRS.from_epsg(EPSG), bounds):
        raise InputError(f"it is in {name_crs(tile.crs)}, not on the National Grid")
    if not lies_in_square(tile.grid, square):
        raise InputError(f"it covers {format_bounds(bounds)}, which is not {square}")
    if abs(side_m - cell_m) > 1e-6 * cell_m:
        raise InputError(f"it has cells of {side_m:g} m, asked for were {cell_m:g} m")


def _read_rows(tile: Tile) -> NDArray[np.float64]:
    """Read a raster to its end, where one cut short shows it; give the heights of some rows."""
    seen = []
    with bounded_gdal(), rasterio.open(tile.path, driver=tile.driver) as dataset:
        # Every row is read, since only that shows a file that was cut; few are kept.
        step = max(1, dataset.height // ROWS)
        for row in range(0, dataset.height, BAND_ROWS):
            window = Window(0, row, dataset.width, min(BAND_ROWS, dataset.height - row))
            band = dataset.read(1, window=window, masked=True, out_dtype="float64")
            seen.append(band[::step].compressed())
    heights: NDArray[np.float64] = np.concatenate(seen)
    return heights[np.abs(heights) < IMPOSSIBLE]
