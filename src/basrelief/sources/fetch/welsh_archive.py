"""Older LIDAR of Wales, 1998 to 2015: an archive for each 10 km and survey, in millimetres."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.windows import Window
from shapely.geometry import shape

from basrelief.config import InputError
from basrelief.grid import Grid
from basrelief.sources.archives import BROKEN
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.downloads import download
from basrelief.sources.fetch.heights import FOLDERS
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.gdal import BROKEN_RASTER, bounded_gdal
from basrelief.sources.national_grid import NATIONAL_GRID, locate_square, read_square
from basrelief.sources.products import Product
from basrelief.sources.tiles import GRID_TOLERANCE, Tile, find_tiles
from basrelief.sources.wales import NATURAL_RESOURCES_WALES
from basrelief.typed import Typed

LAYER = "geonode:nrw_lidar_tile_catalogue_archive"
LINKS: Mapping[Product, str] = {"surface": "dsm_url", "terrain": "dtm_url"}

ZIP_BYTES = 45_000_000
"""Of a full archive at 1 m, about; those of 2 m have a quarter."""

HIGHEST_M = 2000.0
"""No ground of Wales is half as high: numbers beyond are millimetres, whatever a name says."""

NODATA = -9999.0


@dataclass(frozen=True)
class _Survey:
    """An archive of one survey, and the ground of a place that it is wanted for."""

    url: str
    year: int
    cell_m: float
    ground: shapely.Geometry


def offer_older(
    tiles: Sequence[Mapping[str, Any]], product: Product, squares: Sequence[str]
) -> list[Offer]:
    """Offer older heights of squares that the survey of 2020 to 2023 has not.

    Parameters
    ----------
    tiles
        Of the archive's catalogue, as GeoJSON: with ``year``, ``resolution`` (metres),
        ``dsm_url``, ``dtm_url`` and outlines on the National Grid, else ``gb_ng`` (a square).
    squares
        Of a kilometre.

    Returns
    -------
    list of Offer
        The newest surveys, until older ones add no ground: a GeoTIFF each, in metres, with data
        in ``squares`` alone, so that it lies over no tile of the newer survey.
    """
    left = shapely.union_all([shapely.box(*locate_square(square)) for square in squares])
    chosen: dict[str, _Survey] = {}
    rows = [row for row in map(_read_row, tiles, [LINKS[product]] * len(tiles)) if row is not None]
    # Of surveys of one year the finest.
    for row in sorted(rows, key=lambda each: (-each.year, each.cell_m, each.url)):
        ground = shapely.intersection(left, row.ground)
        if shapely.area(ground) > 0:
            before = chosen[row.url].ground if row.url in chosen else shapely.Polygon()
            chosen[row.url] = replace(row, ground=shapely.union(before, ground))
            left = shapely.difference(left, row.ground)
    return [_offer(survey, product) for survey in chosen.values()]


def _read_row(tile: Mapping[str, Any], key: str) -> _Survey | None:
    """Read a row of the catalogue; None where it has no such product, as many have not."""
    try:
        said = tile["properties"]
        link = str(said.get(key) or "").strip()
        if not link:
            return None
        year = re.search(r"(?:19|20)\d{2}", str(said["year"]))
        # Outlines first: a square's name is that of its south-west kilometre, and some have two.
        outline = tile.get("geometry")
        square = None if outline else read_square(str(said["gb_ng"]).replace(" ", ""))
        if year is None or not (outline or square):
            raise ValueError(link)
        ground = shape(outline) if outline else shapely.box(*(square or ()))
        # Some links are written without their beginning.
        url = link if "://" in link else f"https://{link}"
        cell_m = float(said["resolution"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(
            f"datamap.gov.wales: has {str(tile)[:120]} in its archive, which names no square, year "
            "and cells. The catalogue has changed."
        ) from error
    return _Survey(url.replace("http://", "https://"), int(year[0]), cell_m, ground)


def _offer(survey: _Survey, product: Product) -> Offer:
    file = PurePosixPath(urlsplit(survey.url).path)

    def make(client: Client, part: Path) -> None:
        path = download(client, survey.url, f"datamap.gov.wales/{file.name}", check=_check_zip)
        _write_metres(path, part, survey)

    year = "" if str(survey.year) in file.stem else f"{survey.year}_"
    return Offer(
        what=f"{product} {file.stem}, {survey.cell_m:g} m, flown {survey.year}",
        url=survey.url,
        name=f"{FOLDERS[product]}/{year}{file.stem}.tif",
        n_bytes=round(ZIP_BYTES / max(survey.cell_m, 1.0) ** 2),
        year=survey.year,
        credit=NATURAL_RESOURCES_WALES,
        make=make,
    )


def _check_zip(path: Path) -> None:
    """Compare every file of an archive with its checksum: GDAL reads altered bytes as heights."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except BROKEN as error:
        raise ServiceError(f"what came is no archive ({error})") from error
    if broken is not None:
        raise ServiceError(f"{broken!r} in what came was altered on the way")


def _write_metres(path: Path, part: Path, survey: _Survey) -> None:
    """Write the wanted ground of an archive as one raster in metres."""
    try:
        tiles = find_tiles(Typed("file", path.name, path))
        # An archive is of 10 km; most of its tiles lie beside what is wanted.
        wanted = [each for each in tiles if _meets(each, survey.ground)]
        if not wanted:
            raise ServiceError(f"{path.name}: has no tile where its catalogue says one")
        grid = Grid.over(_snap(survey.ground, wanted[0].grid), wanted[0].grid.cell_m)
        n_known = 0
        profile: dict[str, Any] = {
            **{"driver": "GTiff", "count": 1, "dtype": "float32", "crs": NATIONAL_GRID},
            **{"height": grid.shape[0], "width": grid.shape[1], "transform": grid.transform},
            # Parts that no tile has are not stored.
            **{"nodata": NODATA, "tiled": True, "compress": "deflate", "SPARSE_OK": True},
        }
        with bounded_gdal(), rasterio.open(part, "w+", **profile) as out:
            for tile in wanted:
                n_known += _copy(tile, out, grid, survey.ground)
    # Of a header that was altered no grid may come.
    except (*BROKEN_RASTER, InputError) as error:
        if isinstance(error, ServiceError):
            raise
        raise ServiceError(f"{path.name}: cannot be read ({error})") from error
    # A catalogue draws whole tiles, of which a survey may have flown a corner elsewhere.
    if not n_known:
        raise ServiceError(f"{path.name}: has no heights where its catalogue says some")


def _copy(tile: Tile, out: Any, grid: Grid, ground: shapely.Geometry) -> int:
    """Copy the wanted cells of a tile; gives how many have a height."""
    inside, within = grid.clip(grid.find(tile.grid))
    rows, cols = within
    is_fit = abs(tile.grid.cell_m - grid.cell_m) < GRID_TOLERANCE * grid.cell_m
    if not is_fit or rows.start == rows.stop or cols.start == cols.stop:
        return 0
    with rasterio.open(tile.path, driver=tile.driver) as dataset:
        heights = _read_metres(dataset, tile)[rows, cols]
    part = grid.crop(inside)
    window = Window.from_slices(*inside)
    # Tiles of a survey overlap by a row now and then: the first with data is kept.
    before = out.read(1, window=window)
    is_new = (before == NODATA) & np.isfinite(heights)
    is_new &= ~geometry_mask([ground], part.shape, part.transform)
    out.write(np.where(is_new, heights, before).astype(np.float32), 1, window=window)
    return int(is_new.sum())


def _read_metres(dataset: Any, tile: Tile) -> NDArray[np.float64]:
    """Read a tile's heights, (row, col), in metres; NaN where no data."""
    values: NDArray[np.float64] = dataset.read(1, out_dtype="float64")
    # Before the unit: the marker is a whole number of millimetres like any height.
    values[values == (NODATA if tile.nodata is None else tile.nodata)] = np.nan
    is_millimetres = "mm" in re.split(r"[^a-z]+", str(tile.member).lower())
    if is_millimetres or np.nanmax(np.abs(values), initial=0.0) > HIGHEST_M:
        values /= 1000.0
    return values


def _meets(tile: Tile, ground: shapely.Geometry) -> bool:
    return bool(shapely.area(shapely.intersection(shapely.box(*tile.grid.bounds), ground)) > 0)


def _snap(ground: shapely.Geometry, cells: Grid) -> tuple[float, float, float, float]:
    """Give the bounds of ground, on whole cells of a tile."""
    west, south, east, north = shapely.bounds(ground).tolist()
    return cells.crop(cells.cover((west, south, east, north))).bounds
