"""Surface and terrain rasters, tile by tile, read as one mosaic in small windows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from basrelief.config import InputError, Typed
from basrelief.grid import Bounds, Grid, Window
from basrelief.sources.places import format_bounds, is_same_crs, name_crs, overlap
from basrelief.sources.tiles import (
    GRID_TOLERANCE,
    Tile,
    bounded_gdal,
    find_tiles,
    say_reason,
    settle_crs,
)

LOWEST_M, HIGHEST_M = -1000.0, 10000.0
"""Heights outside are nodata, whatever a file declares: DSM and DTM often differ in that."""

MAX_OPEN = 32
"""Tiles held open at a time."""


@dataclass(frozen=True)
class Raster:
    """A window of heights with its place."""

    values: NDArray[np.float32]
    """Heights in metres, (row, col), first row in the north; NaN is nodata."""

    grid: Grid


@dataclass(frozen=True)
class Mosaic:
    """Tiles on one common grid, read together. Not to be shared between threads."""

    tiles: tuple[Tile, ...]
    """Sorted by name; where tiles overlap the first with data wins."""

    crs: CRS
    grid: Grid
    """Over all tiles."""

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
            On the mosaic's own cells. NaN where there is no data.

        Raises
        ------
        InputError
            If a tile cannot be read to its end.
        """
        grid = self.grid.crop(self.grid.cover(bounds))
        values = np.full(grid.shape, np.nan, np.float32)
        wests, souths, easts, norths = self._edges
        west, south, east, north = grid.bounds
        is_near = (wests < east) & (easts > west) & (souths < north) & (norths > south)
        for tile in (self.tiles[index] for index in np.flatnonzero(is_near)):
            inside, within = tile.grid.clip(tile.grid.find(grid))
            part = values[within]
            # Tiles a hair off the grid may only touch.
            if part.size:
                np.copyto(part, self._read_window(tile, inside), where=np.isnan(part))
        return Raster(values, grid)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when sent to another process."""
        # A handle of GDAL's means nothing in another process.
        return {**self.__dict__, "_datasets": OrderedDict()}

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        """Wests, souths, easts and norths of the tiles, (4, tile), in metres."""
        return np.array([tile.grid.bounds for tile in self.tiles]).T

    def _read_window(self, tile: Tile, asked: Window) -> NDArray[np.float32]:
        try:
            with bounded_gdal():
                dataset = self._open(tile.path)
                window = RasterWindow.from_slices(*asked)
                values = dataset.read(1, window=window, out_dtype="float64")
                # Some tiles hold whole numbers, and get their decimals from a scale.
                values = values * dataset.scales[0] + dataset.offsets[0]
                declared = tile.nodata
                # Nodata is declared as it is stored, before scale and offset.
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
    if abs(dsm.grid.cell_m - dtm.grid.cell_m) > 1e-6 * dsm.grid.cell_m:
        raise InputError(
            f"{dtm.key}: its cells are {dtm.grid.cell_m:g} m, those of {dsm.key} "
            f"{dsm.grid.cell_m:g} m. Give both at the same resolution, or leave {dtm.key} out: "
            "the ground is then estimated from the surface."
        )
    if not overlap(dsm.grid.bounds, dtm.grid.bounds):
        raise InputError(
            f"{dtm.key}: it covers {format_bounds(dtm.grid.bounds)}, {dsm.key} "
            f"{format_bounds(dsm.grid.bounds)} (west, south, east, north): they share no ground. "
            "Give both for the same place."
        )


def _blank_nodata(values: NDArray[np.float64], nodata: float | None) -> NDArray[np.float32]:
    heights = values.astype(np.float32)
    # Written so that not-a-number, of which every comparison is false, is bad too.
    is_bad = ~((values >= LOWEST_M) & (values <= HIGHEST_M))
    if nodata is not None:
        # As tiles hold it: the lowest float32 in decimals is another number in float64.
        is_bad |= heights == np.float32(nodata)
    heights[is_bad] = np.nan
    return heights


def _align(tiles: tuple[Tile, ...], crs: CRS, typed: Typed) -> Mosaic:
    """Put tiles on the grid of the first, or say which does not fit."""
    first = tiles[0]
    cell, west, north = first.grid.cell_m, first.grid.west, first.grid.north
    for tile in tiles:
        # A difference too small to see in one cell adds up over a tile's width.
        n_cells = max(tile.grid.shape)
        if abs(tile.grid.cell_m - cell) * n_cells > GRID_TOLERANCE * cell:
            raise InputError(
                f"{typed}: {first.name} has cells of {cell:g} m, {tile.name} of "
                f"{tile.grid.cell_m:g} m. Give tiles of one resolution."
            )
        shifts = ((tile.grid.west - west) / cell, (tile.grid.north - north) / cell)
        shift = max(abs(value - round(value)) for value in shifts)
        if shift > GRID_TOLERANCE:
            raise InputError(
                f"{typed}: {tile.name} lies {shift:.2f} of a cell off the grid of {first.name}. "
                "Resample it onto the same grid."
            )
    edges = np.array([tile.grid.bounds for tile in tiles])
    bounds = (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())
    return Mosaic(tiles, crs, Grid.over(bounds, cell), typed.name())
