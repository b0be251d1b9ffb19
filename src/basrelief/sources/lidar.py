"""Surface and terrain rasters, tile by tile, read as one mosaic in small windows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.windows import Window as RasterWindow

from basrelief.config import InputError
from basrelief.grid import Bounds, Grid, Window
from basrelief.run import Notes
from basrelief.sources.coordinates import format_bounds, is_same_crs, name_crs, overlap
from basrelief.sources.gdal import BROKEN_RASTER, bounded_gdal, say_gdal_reason
from basrelief.sources.mixed_cells import MOST_COARSER, settle_cells, widen
from basrelief.sources.national_grid import EPSG, locate_square
from basrelief.sources.plausible import (
    APART_GROUND_M,
    FAR_M,
    HIGHEST_M,
    IMPOSSIBLE,
    LOWEST_M,
    MARKERS,
)
from basrelief.sources.products import read_name
from basrelief.sources.seen import blank_bled
from basrelief.sources.systems import refuse_bare, settle_tile_crs
from basrelief.sources.tiles import GRID_TOLERANCE, Tile, find_tiles
from basrelief.sources.warp import spread_over
from basrelief.typed import Typed

MAX_OPEN = 32
"""Tiles held open at a time."""


@dataclass(frozen=True)
class Raster:
    """A window of heights with its place."""

    values: NDArray[np.float32]
    """Heights in metres, (row, col), first row in the north; NaN is nodata."""

    grid: Grid


@dataclass(frozen=True)
class Belief:
    """Which heights are believed; the others are no data, whatever a file declares."""

    lowest_m: float = LOWEST_M
    highest_m: float = HIGHEST_M
    voids: tuple[float, ...] = ()
    """Exact values that stand for no data in these tiles."""

    is_bled: bool = True
    """Whether averages with nodata, at the edge of ground with data, are sought."""


AS_STORED = Belief(-IMPOSSIBLE, IMPOSSIBLE, is_bled=False)
"""What files say, but for nodata."""


@dataclass(frozen=True)
class Mosaic:
    """Tiles on one common grid, read together. Not to be shared between threads."""

    tiles: tuple[Tile, ...]
    """Where tiles overlap the first with data wins: sorted by name, or the newest flight first."""

    crs: CRS
    grid: Grid
    """Over all tiles."""

    key: str
    """What messages call the setting that it comes from."""

    belief: Belief = Belief()

    _datasets: OrderedDict[str, Any] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )

    def read(self, bounds: Bounds, belief: Belief | None = None) -> Raster:
        """Read the smallest window of native cells that covers ``bounds``.

        Parameters
        ----------
        bounds
            West, south, east, north in metres; may reach beyond the tiles.
        belief
            By default the mosaic's own.

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
                own = self.read_tile(tile, inside, belief)
                np.copyto(part, own, where=np.isnan(part))
        if (belief or self.belief).is_bled:
            blank_bled(values)
        return Raster(values, grid)

    def believe(self, belief: Belief, tiles: tuple[Tile, ...] | None = None) -> Mosaic:
        """Give the same mosaic with other beliefs, or its tiles in another order."""
        other = replace(self, belief=belief, tiles=tiles or self.tiles)
        # What is open stays open: ASCII grids would be parsed anew from their beginning.
        object.__setattr__(other, "_datasets", self._datasets)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when sent to another process."""
        # A handle of GDAL's means nothing in another process.
        return {**self.__dict__, "_datasets": OrderedDict()}

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        """Wests, souths, easts and norths of the tiles, (4, tile), in metres."""
        return np.array([tile.grid.bounds for tile in self.tiles]).T

    def read_tile(
        self, tile: Tile, asked: Window, belief: Belief | None = None
    ) -> NDArray[np.float32]:
        """Read a window inside one of the tiles, (row, col), in metres; NaN where no data.

        Raises
        ------
        InputError
            If it cannot be read to its end.
        """
        if tile.own_grid is None:
            return self._read_cells(tile, asked, belief)
        wanted = tile.grid.crop(asked)
        window = widen(tile.own_grid, wanted)
        # Only heights that are believed: an average with a marker is neither.
        own = self._read_cells(tile, window, belief)
        grid = tile.own_grid.crop(window)
        return spread_over(own, grid.transform, wanted, cell_m=grid.cell_m)

    def _read_cells(self, tile: Tile, asked: Window, belief: Belief | None) -> NDArray[np.float32]:
        """Read a window of a file's own cells."""
        try:
            with bounded_gdal():
                dataset = self._open(tile)
                window = RasterWindow.from_slices(*asked)
                values = dataset.read(1, window=window, out_dtype="float64")
                if tile.has_mask:
                    values[dataset.read_masks(1, window=window) == 0] = np.nan
                scale, offset = dataset.scales[0], dataset.offsets[0]
        # What a broken file makes of its size is for NumPy to refuse.
        except BROKEN_RASTER as error:
            reason = say_gdal_reason(error, tile.path, tile.name)
            raise InputError(
                f"{tile.name}: cannot be read to its end, it may be truncated ({reason}). "
                "Fetch this tile again, or take it out."
            ) from error
        is_nodata = _mark_nodata(values, tile.nodata, scale == 1)
        # Some tiles hold whole numbers, and get their decimals from a scale.
        heights: NDArray[np.float32] = ((values * scale + offset) * tile.unit_m).astype(np.float32)
        heights[is_nodata | ~_is_believed(heights, belief or self.belief)] = np.nan
        return heights

    def _open(self, tile: Tile) -> Any:
        """Open a tile, or take it from the few that are open already."""
        # ASCII grids are found row by row, so opening anew for each chip would cost the tile.
        if tile.path not in self._datasets:
            self._datasets[tile.path] = rasterio.open(tile.path, driver=tile.driver)
            if len(self._datasets) > MAX_OPEN:
                self._datasets.popitem(last=False)[1].close()
        self._datasets.move_to_end(tile.path)
        return self._datasets[tile.path]


def open_mosaic(
    typed: Typed, crs: str | None, notes: Notes, wanted_m: float | None = None
) -> Mosaic:
    """Find the tiles that a pattern matches and check that they belong together.

    Parameters
    ----------
    typed
        A pattern of rasters.
    crs
        CRS of tiles that carry none, as typed in ``data.crs``.
    notes
        Takes what is odd about the headers.
    wanted_m
        Side of the cells that chips are cut to, in metres: where tiles have cells of several
        sizes it decides on which they are read.

    Raises
    ------
    InputError
        If nothing matches; a match is no raster of heights; a tile has no CRS and none is
        given; the CRS is unknown, not in metres or not the same everywhere; or the tiles do
        not lie on one grid.
    """
    tiles = find_tiles(typed)
    # Said before anything else about the tiles: without a CRS the rest means little.
    refuse_bare(tiles, crs, typed)
    for tile in tiles:
        if tile.fault:
            raise InputError(f"{tile.name}: {tile.fault}")
    common = settle_tile_crs(tiles, crs, typed, notes)
    _refuse_far(tiles)
    units = {tile.unit: tile for tile in tiles if abs(tile.unit_m - 1) > 1e-9}
    for unit, tile in units.items():
        notes.add(f"{tile.name}: heights are in {unit}, by its own words; converted to metres")
    scaled = [tile.name for tile in tiles if tile.is_scaled]
    if scaled:
        more = f" and {len(scaled) - 1} more" if len(scaled) > 1 else ""
        notes.add(
            f"{typed}: {scaled[0]}{more}: numbers are heights after a scale or an offset, by "
            "the file's own words, or those of an .aux.xml beside it; they are applied"
        )
    _note_gaps(tiles, typed, notes)
    _note_lone(tiles, common, notes)
    return _align(settle_cells(tiles, wanted_m, typed, notes), common, typed)


def check_same_place(dsm: Mosaic, dtm: Mosaic, notes: Notes) -> None:
    """Check that surface and terrain have one CRS and share ground; note cells of two sizes.

    Each is cut from cells of its own: the ground is smooth enough to be interpolated.

    Raises
    ------
    InputError
        If they do not; names both values.
    """
    if not is_same_crs(dsm.crs, dtm.crs, dsm.grid.bounds):
        raise InputError(
            f"{dtm.key}: its CRS is {name_crs(dtm.crs)}, that of {dsm.key} {name_crs(dsm.crs)}. "
            "Give both in the same CRS."
        )
    if not overlap(dsm.grid.bounds, dtm.grid.bounds):
        raise InputError(
            f"{dtm.key}: it covers {format_bounds(dtm.grid.bounds)}, {dsm.key} "
            f"{format_bounds(dsm.grid.bounds)} (west, south, east, north): they share no ground. "
            "Give both for the same place."
        )
    own_m, top_m = dtm.grid.cell_m, dsm.grid.cell_m
    if own_m > MOST_COARSER * top_m:
        raise InputError(
            f"{dtm.key}: its cells are {own_m:g} m, those of {dsm.key} {top_m:g} m, too fine to "
            f"stand on it. Give a terrain of {MOST_COARSER * top_m:g} m or finer, or leave "
            f"{dtm.key} out: the ground is then estimated from the surface."
        )
    if abs(own_m - top_m) > 0.01 * top_m:
        notes.add(
            f"{dtm.key}: its cells are {own_m:g} m, those of {dsm.key} {top_m:g} m; each is "
            "brought to the chips' cells from its own"
        )


def _mark_nodata(
    values: NDArray[np.float64], nodata: float | None, is_plain: bool
) -> NDArray[np.bool_]:
    """Mark what is nodata as it is stored, before scale and unit."""
    # Written so that not-a-number, of which every comparison is false, is marked too.
    is_bad = ~(np.abs(values) < IMPOSSIBLE)
    if nodata is not None:
        # As tiles hold it: the lowest float32 in decimals is another number in float64.
        is_bad |= values.astype(np.float32) == np.float32(nodata)
    for marker in MARKERS:
        # Of hundredths of a metre, 9999 is a height like another.
        if is_plain or marker < 0:
            is_bad |= values == marker
    return is_bad


def _is_believed(heights: NDArray[np.float32], belief: Belief) -> NDArray[np.bool_]:
    """Mark the heights, in metres, that are believed."""
    is_fine = (heights >= belief.lowest_m) & (heights <= belief.highest_m)
    for void in belief.voids:
        is_fine &= heights != np.float32(void)
    return is_fine


def _refuse_far(tiles: tuple[Tile, ...]) -> None:
    """Stop where a tile lies so far from the others that its corner must be wrong."""
    corner = np.array([(tile.grid.west, tile.grid.north) for tile in tiles])
    away = np.abs(corner - np.median(corner, axis=0)).max(axis=1)
    # Of two tiles, that with the longer number.
    farthest = int(np.lexsort((np.abs(corner).max(axis=1), away.round()))[-1])
    if away[farthest] > FAR_M:
        tile = tiles[farthest]
        others = f" of {len(tiles) - 1} other tiles" if len(tiles) > 2 else " of the other tile"
        raise InputError(
            f"{tile.name}: its corner is {tile.grid.west:.0f}, {tile.grid.north:.0f}, "
            f"{away[farthest] / 1000:,.0f} km from the middle{others}. Correct it (a digit too "
            "many?), or take it out."
        )


def _note_lone(tiles: tuple[Tile, ...], crs: CRS, notes: Notes) -> None:
    """Say which tiles lie far from all others, or elsewhere than the squares of their names."""
    frames = np.array([shapely.box(*tile.grid.bounds) for tile in tiles])
    near = shapely.STRtree(frames).query(shapely.buffer(frames, APART_GROUND_M))[0]
    alone = np.flatnonzero(np.bincount(near, minlength=len(tiles)) == 1)
    # Of two tiles each is as lone as the other.
    lone = [tiles[k] for k in alone] if len(tiles) > 1 else []
    _note_places(lone, f"more than {APART_GROUND_M / 1000:.0f} km from every other tile", notes)
    if not is_same_crs(crs, CRS.from_epsg(EPSG), tiles[0].grid.bounds):
        return
    square_of = {tile: read_name(tile.name).square for tile in tiles}
    strays = [
        tile
        for tile, name in square_of.items()
        if name is not None and not overlap(tile.grid.bounds, locate_square(name))
    ]
    # A postcode looks like a square: SW12 is both, so it is said and not refused.
    _note_places(strays, "and the square of the National Grid that its name says does not", notes)


def _note_places(tiles: Sequence[Tile], why: str, notes: Notes) -> None:
    """Doubt the places of tiles, in one line however many they are."""
    if not tiles:
        return
    more = f" (so do {len(tiles) - 1} more)" if len(tiles) > 1 else ""
    at = format_bounds(tiles[0].grid.bounds)
    notes.add(f"{tiles[0].name} lies at {at}, {why}{more}: is its corner right?")


def _note_gaps(tiles: tuple[Tile, ...], typed: Typed, notes: Notes) -> None:
    """Say which square has no tile although tiles of one size lie on all four sides of it."""
    sides = {(tile.grid.shape, tile.grid.cell_m) for tile in tiles}
    if len(sides) > 1:
        return
    width, height = (n_cells * tiles[0].grid.cell_m for n_cells in tiles[0].grid.shape[::-1])
    first = tiles[0].grid
    at = {
        (
            round((tile.grid.west - first.west) / width),
            round((tile.grid.north - first.north) / height),
        )
        for tile in tiles
    }
    gaps = [
        (x + 1, y)
        for x, y in sorted(at)
        if (x + 1, y) not in at and {(x + 2, y), (x + 1, y + 1), (x + 1, y - 1)} <= at
    ]
    if gaps:
        (x, y), more = gaps[0], f" and {len(gaps) - 1} more squares" if len(gaps) > 1 else ""
        west, south = first.west + x * width, first.north + y * height - height
        notes.add(
            f"{typed}: no tile covers {west:.0f}, {south:.0f}{more}, though tiles lie on all four "
            "sides; the ground there has no data"
        )


def _align(tiles: tuple[Tile, ...], crs: CRS, typed: Typed) -> Mosaic:
    """Put tiles of one size of cells on the grid of the first, or say which does not fit."""
    first = tiles[0]
    cell = first.grid.cell_m
    for tile in tiles:
        shift = first.grid.measure_shift(tile.grid.west, tile.grid.north)
        if shift > GRID_TOLERANCE:
            raise InputError(
                f"{typed}: {tile.name} lies {shift:.2f} of a cell off the grid of {first.name}. "
                "Resample it onto the same grid."
            )
    edges = np.array([tile.grid.bounds for tile in tiles])
    bounds = (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())
    return Mosaic(tiles, crs, Grid.over(bounds, cell), typed.name())
