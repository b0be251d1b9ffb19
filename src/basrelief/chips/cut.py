"""Cut rasters into chips of surface and ground heights, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from rasterio.transform import from_bounds
from rasterio.warp import Resampling, reproject

from basrelief.chips.terrain import HALO_M, Heights, estimate_ground
from basrelief.config import ChipSettings
from basrelief.sources.lidar import Bounds, Mosaic, Raster

BLOCK_CHIPS = 8
"""Side, in chips, of the ground that is worked on at once: the bound on memory."""


@dataclass(frozen=True)
class Grid:
    """The squares of a place: chips in rows from the north-west corner."""

    west: float
    north: float
    n_rows: int
    n_cols: int
    chips: ChipSettings

    def bounds_of(self, row: int, col: int, n_rows: int = 1, n_cols: int = 1) -> Bounds:
        """Give the bounds of a rectangle of chips, in metres."""
        side = self.chips.ground_m
        west, north = self.west + col * side, self.north - row * side
        return (west, north - n_rows * side, west + n_cols * side, north)

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """List blocks of chips as (row, col, n_rows, n_cols)."""
        return [
            (row, col, min(BLOCK_CHIPS, self.n_rows - row), min(BLOCK_CHIPS, self.n_cols - col))
            for row in range(0, self.n_rows, BLOCK_CHIPS)
            for col in range(0, self.n_cols, BLOCK_CHIPS)
        ]


@dataclass(frozen=True)
class Block:
    """The heights of a rectangle of chips, without its halo."""

    bounds: Bounds
    heights: NDArray[np.float32]
    """Surface and ground in metres, (2, row, col); NaN is nodata in both."""


@dataclass(frozen=True)
class Chip:
    """One square of heights and where it lies."""

    bounds: Bounds
    heights: NDArray[np.float32]
    """Surface and ground in metres, (2, row, col)."""

    @property
    def valid(self) -> float:
        """Share of the chip's ground with data."""
        return float(np.isfinite(self.heights[0]).mean())


def make_grid(bounds: Bounds, chips: ChipSettings) -> Grid:
    """Lay chips over a place so that every cell of it lies in exactly one.

    Examples
    --------
    >>> grid = make_grid((0.0, 0.0, 500.0, 300.0), ChipSettings())
    >>> grid.n_rows, grid.n_cols
    (2, 3)
    """
    west, south, east, north = bounds
    # A thousandth of a cell of rounding must not add a row of empty chips.
    slack = chips.resolution_m / 1000
    return Grid(
        west=west,
        north=north,
        n_rows=ceil((north - south - slack) / chips.ground_m),
        n_cols=ceil((east - west - slack) / chips.ground_m),
        chips=chips,
    )


def read_block(
    grid: Grid,
    place: tuple[int, int, int, int],
    surface: Mosaic,
    terrain: Mosaic | None,
    detail_m: float | None = None,
) -> Block:
    """Read a rectangle of chips, with ground estimated where there is no terrain raster.

    Parameters
    ----------
    place
        Row, column, rows and columns of the rectangle, in chips.
    detail_m : metres
        Side of the cells that finer rasters are averaged to before anything else, so that
        texture means the same as in rasters of that resolution. By default nothing is.
    """
    bounds = grid.bounds_of(*place)
    resolution_m = grid.chips.resolution_m
    halo = ceil(HALO_M / resolution_m)
    wide = _grow(bounds, halo * resolution_m)
    top = _resample(_read_detail(surface, wide, detail_m), wide, resolution_m)
    if terrain is None:
        low = estimate_ground(top, resolution_m)
    else:
        low = _resample(_read_detail(terrain, wide, detail_m), wide, resolution_m)
    heights = np.stack([top, low])[:, halo:-halo, halo:-halo]
    heights[:, ~np.isfinite(heights).all(axis=0)] = np.nan
    return Block(bounds=bounds, heights=heights)


def split_block(block: Block, size_px: int) -> Iterator[Chip]:
    """Give the chips of a block, row by row, that have any data."""
    west, _, east, north = block.bounds
    _, rows, cols = block.heights.shape
    side = (east - west) * size_px / cols
    for row in range(rows // size_px):
        for col in range(cols // size_px):
            window = np.s_[
                :, row * size_px : (row + 1) * size_px, col * size_px : (col + 1) * size_px
            ]
            left, top = west + col * side, north - row * side
            chip = Chip((left, top - side, left + side, top), block.heights[window])
            if chip.valid > 0:
                yield chip


def measure_ground(block: Block, areas: gpd.GeoDataFrame) -> pd.Series[float]:
    """Measure the ground with data inside each area, in square metres, by fractions of cells.

    Returns
    -------
    Series
        Square metres by ``area_id``, of the areas that touch the block.
    """
    west, south, east, north = block.bounds
    near = areas[shapely.intersects(areas.geometry.to_numpy(), shapely.box(*block.bounds))]
    if near.empty:
        return pd.Series(dtype=float)
    is_valid = np.isfinite(block.heights[0])
    cell_m2 = (east - west) * (north - south) / is_valid.size
    source = NumPyRasterSource(
        is_valid.astype(np.float32), west, south, east, north, srs_wkt=areas.crs.to_wkt()
    )
    table = exact_extract(
        source, near[["area_id", "geometry"]], ["sum"], include_cols=["area_id"], output="pandas"
    )
    covered: pd.Series[float] = table.set_index("area_id")["sum"] * cell_m2
    return covered


def _read_detail(mosaic: Mosaic, bounds: Bounds, detail_m: float | None) -> Raster:
    """Read a margin more than bounds; cells finer than ``detail_m`` are averaged to it."""
    if detail_m is None or mosaic.resolution_m > 0.99 * detail_m:
        return mosaic.read(_grow(bounds, 2 * mosaic.resolution_m))
    # One grid from the mosaic's own corner, so that blocks agree where they meet.
    left, top = mosaic.bounds[0], mosaic.bounds[3]
    west, south, east, north = _grow(bounds, 2 * detail_m)
    snapped = (
        left + floor((west - left) / detail_m) * detail_m,
        top - ceil((top - south) / detail_m) * detail_m,
        left + ceil((east - left) / detail_m) * detail_m,
        top - floor((top - north) / detail_m) * detail_m,
    )
    return Raster(_resample(mosaic.read(snapped), snapped, detail_m), snapped, detail_m)


def _grow(bounds: Bounds, by_m: float) -> Bounds:
    west, south, east, north = bounds
    return (west - by_m, south - by_m, east + by_m, north + by_m)


def _resample(raster: Raster, bounds: Bounds, resolution_m: float) -> Heights:
    """Resample to square cells over bounds; a cell whose centre has no data gets none."""
    west, south, east, north = bounds
    shape = (round((north - south) / resolution_m), round((east - west) / resolution_m))
    is_finer = raster.resolution_m < 0.99 * resolution_m
    # One CRS on both sides, whichever it is: the grid changes, the projection does not.
    options = {
        "src_transform": from_bounds(*raster.bounds, *raster.values.shape[::-1]),  # noqa: PD011
        "dst_transform": from_bounds(west, south, east, north, *shape[::-1]),
        "src_crs": "EPSG:27700",
        "dst_crs": "EPSG:27700",
    }
    values = np.full(shape, np.nan, dtype=np.float32)
    reproject(
        raster.values,
        values,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.average if is_finer else Resampling.bilinear,
        **options,
    )
    has_data = np.zeros(shape, dtype=np.uint8)
    reproject(
        np.isfinite(raster.values).astype(np.uint8),
        has_data,
        resampling=Resampling.nearest,
        **options,
    )
    values[has_data == 0] = np.nan
    return values
