"""Surface and terrain rasters, tile by tile, read as one mosaic in small windows."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from basrelief.config import InputError, Typed
from basrelief.sources.places import Bounds, format_bounds, is_same_crs, name_crs, overlap
from basrelief.sources.tiles import (
    GRID_TOLERANCE,
    Tile,
    bounded_gdal,
    find_tiles,
    say_reason,
    settle_crs,
)

__all__ = ["Bounds", "Mosaic", "Raster", "Tile", "check_same_grid", "open_mosaic"]

LOWEST_M, HIGHEST_M = -1000.0, 10000.0
"""Heights outside are nodata, whatever a file declares: DSM and DTM often differ in that."""

MAX_OPEN = 32
"""Tiles held open at a time."""


@dataclass(frozen=True)
class Raster:
    """A window of heights with its place."""

    values: NDArray[np.float32]
    """Heights in metres, (row, col), first row in the north; NaN is nodata."""

    bounds: Bounds
    """Exact outer bounds of the cells."""

    resolution_m: float
    """Side of a cell, in metres."""


@dataclass(frozen=True)
class Mosaic:
    """Tiles on one common grid, read together. Not to be shared between threads."""

    tiles: tuple[Tile, ...]
    """Sorted by name; where tiles overlap the first with data wins."""

    crs: CRS
    resolution_m: float
    bounds: Bounds
    key: str
    """What messages call the setting that it comes from."""

    _datasets: OrderedDict[str, Any] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )

    def read(self, bounds: Bounds) -> Raster:
        """Read the smallest window of native cells that covers ``bounds``.

        Parameters
        ----------
        bounds
            West, south, east, north in metres; may reach beyond the tiles.

        Returns
        -------
        Raster
            On the mosaic's own grid, with its own bounds. NaN where there is no data.

        Raises
        ------
        InputError
            If a tile cannot be read to its end.
        """
        rows, cols = self._cover(bounds)
        values = np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan, np.float32)
        tops, lefts, bottoms, rights = self._extents
        is_touched = (tops < rows.stop) & (bottoms > rows.start)
        is_touched &= (lefts < cols.stop) & (rights > cols.start)
        for index in np.flatnonzero(is_touched):
            tile, top, left = self.tiles[index], int(tops[index]), int(lefts[index])
            row0, row1 = max(rows.start, top), min(rows.stop, top + tile.n_rows)
            col0, col1 = max(cols.start, left), min(cols.stop, left + tile.n_cols)
            part = values[row0 - rows.start : row1 - rows.start, col0 - cols.start :][
                :, : col1 - col0
            ]
            window = Window(col0 - left, row0 - top, col1 - col0, row1 - row0)
            np.copyto(part, self._read_window(tile, window), where=np.isnan(part))
        return Raster(values, self._bounds_of(rows, cols), self.resolution_m)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when sent to another process."""
        return {**self.__dict__, "_datasets": OrderedDict()}

    @cached_property
    def _extents(self) -> NDArray[np.int64]:
        """Tops, lefts, bottoms and rights of the tiles in cells from the mosaic's north-west."""
        west, _, _, north = self.bounds
        edges = np.array([(t.bounds[3], t.bounds[0], t.n_rows, t.n_cols) for t in self.tiles])
        tops = np.rint((north - edges[:, 0]) / self.resolution_m)
        lefts = np.rint((edges[:, 1] - west) / self.resolution_m)
        return np.stack([tops, lefts, tops + edges[:, 2], lefts + edges[:, 3]]).astype(np.int64)

    def _cover(self, bounds: Bounds) -> tuple[slice, slice]:
        """Rows and columns of the cells that cover ``bounds``; may be negative."""
        west, south, east, north = bounds
        if not (west < east and south < north):
            raise ValueError(f"bounds must be west, south, east, north, got {bounds}.")
        left, top, cell = self.bounds[0], self.bounds[3], self.resolution_m
        # Real grids sit a tenth of a millimetre off; that must not cost a row of cells.
        slack = 1e-3
        rows = slice(
            math.floor((top - north) / cell + slack), math.ceil((top - south) / cell - slack)
        )
        cols = slice(
            math.floor((west - left) / cell + slack), math.ceil((east - left) / cell - slack)
        )
        return rows, cols

    def _bounds_of(self, rows: slice, cols: slice) -> Bounds:
        left, top, cell = self.bounds[0], self.bounds[3], self.resolution_m
        return (
            left + cols.start * cell,
            top - rows.stop * cell,
            left + cols.stop * cell,
            top - rows.start * cell,
        )

    def _read_window(self, tile: Tile, window: Window) -> NDArray[np.float32]:
        try:
            with bounded_gdal():
                dataset = self._open(tile.path)
                values = dataset.read(1, window=window, out_dtype="float64")
                values = values * dataset.scales[0] + dataset.offsets[0]
                declared = tile.nodata
                if declared is not None:
                    declared = declared * dataset.scales[0] + dataset.offsets[0]
        except RasterioError as error:
            reason = say_reason(error, tile.path, tile.name)
            raise InputError(
                f"{tile.name}: cannot be read to its end, it may be truncated ({reason}). "
                "Fetch this tile again, or take it out."
            ) from error
        return _blank_nodata(values, declared)

    def _open(self, path: str) -> Any:
        """Open a tile, or take it from the few that are open already."""
        # ASCII grids are found row by row, so opening anew for each chip would cost the tile.
        if path not in self._datasets:
            self._datasets[path] = rasterio.open(path)
            if len(self._datasets) > MAX_OPEN:
                self._datasets.popitem(last=False)[1].close()
        self._datasets.move_to_end(path)
        return self._datasets[path]


def open_mosaic(typed: Typed, crs: str | None) -> Mosaic:
    """Find the tiles that a pattern matches and check that they belong together.

    Parameters
    ----------
    typed
        A pattern of rasters.
    crs
        CRS of tiles that carry none, as typed in ``data.crs``.

    Raises
    ------
    InputError
        If nothing matches; a match is no raster of heights; a tile has no CRS and none is
        given; the CRS is unknown, not in metres or not the same everywhere; or the tiles do
        not lie on one grid.
    """
    tiles = find_tiles(typed)
    # Said before anything else about the tiles: without a CRS the rest means little.
    common = settle_crs(tiles, crs, typed)
    for tile in tiles:
        if tile.fault:
            raise InputError(f"{tile.name}: {tile.fault}")
    return _align(tiles, common, typed)


def check_same_grid(dsm: Mosaic, dtm: Mosaic) -> None:
    """Check that surface and terrain have one CRS and resolution and share ground.

    Raises
    ------
    InputError
        If they do not; names both values.
    """
    if not is_same_crs(dsm.crs, dtm.crs):
        raise InputError(
            f"{dtm.key}: its CRS is {name_crs(dtm.crs)}, that of {dsm.key} {name_crs(dsm.crs)}. "
            "Give both in the same CRS."
        )
    if abs(dsm.resolution_m - dtm.resolution_m) > 1e-6 * dsm.resolution_m:
        raise InputError(
            f"{dtm.key}: its cells are {dtm.resolution_m:g} m, those of {dsm.key} "
            f"{dsm.resolution_m:g} m. Give both at the same resolution, or leave {dtm.key} out: "
            "the ground is then estimated from the surface."
        )
    if not overlap(dsm.bounds, dtm.bounds):
        raise InputError(
            f"{dtm.key}: it covers {format_bounds(dtm.bounds)}, {dsm.key} "
            f"{format_bounds(dsm.bounds)} (west, south, east, north): they share no ground. "
            "Give both for the same place."
        )


def _blank_nodata(values: NDArray[np.float64], nodata: float | None) -> NDArray[np.float32]:
    heights = values.astype(np.float32)
    is_bad = ~((values >= LOWEST_M) & (values <= HIGHEST_M))
    if nodata is not None:
        is_bad |= heights == np.float32(nodata)
    heights[is_bad] = np.nan
    return heights


def _align(tiles: tuple[Tile, ...], crs: CRS, typed: Typed) -> Mosaic:
    """Put tiles on the grid of the first, or say which does not fit."""
    first = tiles[0]
    cell, west, north = first.resolution_m, first.bounds[0], first.bounds[3]
    for tile in tiles:
        n_cells = max(tile.n_rows, tile.n_cols)
        if abs(tile.resolution_m - cell) * n_cells > GRID_TOLERANCE * cell:
            raise InputError(
                f"{typed}: {first.name} has cells of {cell:g} m, {tile.name} of "
                f"{tile.resolution_m:g} m. Give tiles of one resolution."
            )
        shifts = ((tile.bounds[0] - west) / cell, (tile.bounds[3] - north) / cell)
        shift = max(abs(value - round(value)) for value in shifts)
        if shift > GRID_TOLERANCE:
            raise InputError(
                f"{typed}: {tile.name} lies {shift:.2f} of a cell off the grid of {first.name}. "
                "Resample it onto the same grid."
            )
    edges = np.array([tile.bounds for tile in tiles])
    bounds = (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())
    return Mosaic(tiles, crs, cell, bounds, typed.name())
