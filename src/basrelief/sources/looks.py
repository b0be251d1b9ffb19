"""Heights looked at before they are believed, in windows over the place."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

import geopandas as gpd
import numpy as np
import shapely

from basrelief.config import InputError
from basrelief.grid import Bounds, Grid, intersect_bounds
from basrelief.run import Notes
from basrelief.sources.ascii_grids import check_text
from basrelief.sources.coordinates import find_lon_lat
from basrelief.sources.fades import check_fades
from basrelief.sources.lidar import AS_STORED, Belief, Mosaic
from basrelief.sources.neighbours import check_seams, find_touched, order_tiles
from basrelief.sources.plausible import (
    FEWEST_PATCH_CELLS,
    FEWEST_SMOOTH,
    FEWEST_VALUES,
    LEAST_RELIEF_M,
    LONE_M,
    MARKERS,
    PATCH_SHARE,
    SMOOTH_M,
    SMOOTH_SHARE,
    SPARE_MARKERS,
    STANDARD,
    TOO_HIGH_SHARE,
    find_limits,
)
from basrelief.sources.products import is_above_ground, is_in_feet, tell_picture, tell_product
from basrelief.sources.seen import Look, blank_bled
from basrelief.sources.tiles import UNIT_TOLERANCE, Tile
from basrelief.typed import Typed

LOOK_CELLS = 512
"""Side of a window that is looked at."""

MAX_LOOKS = 120
"""Windows that are looked at: all of 30 km² at 1 m, and of larger places an even choice."""

MAX_SQUARES = 4096
"""Squares that a place is parted into, to choose from."""


def check_products(typed: Typed, tiles: Sequence[Tile], wanted: str, notes: Notes) -> None:
    """Hold tiles' names against what they are given for, before a height is read.

    Parameters
    ----------
    wanted
        ``"surface"`` or ``"terrain"``.

    Raises
    ------
    InputError
        If some are of the other product by their names, or show no heights.
    """
    for tile in tiles:
        word = tell_picture(tile.name)
        if word is not None:
            raise InputError(
                f"{typed}: {tile.name} is {word}, by its name, and shows no heights. Narrow the "
                "pattern to the heights themselves."
            )
        if is_in_feet(tile.name) and abs(tile.unit_m - 1) < UNIT_TOLERANCE:
            raise InputError(
                f"{typed}: {tile.name} is in feet, by its name, and nothing in it says so. If its "
                "heights are, declare it: gdal_edit.py -units foot FILE; if they are metres, call "
                "it otherwise."
            )
    high = next((tile.name for tile in tiles if is_above_ground(tile.name)), None)
    if high is not None:
        notes.add(
            f"{typed}: {high} has heights above the ground, by its name, and not above the sea: "
            "altitude and slope of the ground will be those of level ground"
        )
    by_product: dict[str | None, Tile] = {}
    for tile in tiles:
        # One of each is enough for the message.
        by_product.setdefault(tell_product(tile.name), tile)
    if "surface" in by_product and "terrain" in by_product:
        surface, terrain = by_product["surface"].name, by_product["terrain"].name
        raise InputError(
            f"{typed}: {terrain} is a terrain model by its name, {surface} a surface model. Give "
            f"{typed.name('dsm')} the surface alone, for example with *DSM* in the pattern, and "
            f"{typed.name('dtm')} the terrain."
        )
    other = {"surface": "terrain", "terrain": "surface"}[wanted]
    if other in by_product:
        hint = "nothing stands on it" if wanted == "surface" else "houses count as ground"
        notes.add(
            f"{typed}: {by_product[other].name} is a {other} model by its name, and is taken for "
            f"{wanted}: {hint} if the name is right"
        )


def choose_windows(mosaic: Mosaic, areas: gpd.GeoDataFrame) -> list[Bounds]:
    """Choose the squares of ground that are looked at: those where areas and rasters are.

    Returns
    -------
    list of bounds
        All of a small place, and an even choice of a large one.
    """
    tree = shapely.STRtree(areas.geometry.values)
    west, south, east, north = intersect_bounds(mosaic.grid.bounds, tuple(areas.total_bounds))
    # Areas beside the rasters are refused elsewhere, with where both lie.
    if west >= east or south >= north:
        return []
    looked = mosaic.grid.crop(mosaic.grid.cover((west, south, east, north)))
    # No more than some thousand squares are asked for, however large the place.
    side = max(LOOK_CELLS, ceil((looked.n_cells / MAX_SQUARES) ** 0.5))
    squares = [
        square for square in looked.tiles(side) if len(tree.query(shapely.box(*square.bounds)))
    ]
    chosen = squares[:: -(-len(squares) // MAX_LOOKS) or 1]
    # A cell more: what ends at the edge of a square is seen to end.
    return [_middle(square).pad(1).bounds for square in chosen]


def _middle(square: Grid) -> Grid:
    """Give the square of `LOOK_CELLS` in the middle of a larger one."""
    rows, cols = (
        slice(spare, spare + min(size, LOOK_CELLS))
        for size in square.shape
        for spare in [max(0, size - LOOK_CELLS) // 2]
    )
    return square.crop((rows, cols))


def believe_heights(
    mosaic: Mosaic, typed: Typed, windows: Sequence[Bounds], notes: Notes
) -> Mosaic:
    """Look at the heights of a place, and give the mosaic with what can be believed of it.

    Parameters
    ----------
    windows
        Squares of ground over the place; each is read as it is stored.

    Raises
    ------
    InputError
        If the heights cannot be metres, are all one, or two tiles of the same ground differ and
        nothing says which is newer.
    """
    if not windows:
        return mosaic
    touched = find_touched(mosaic, windows)
    for tile in touched:
        # Of what is looked at alone: such grids are parsed as text, a second a tile.
        if tile.driver == "AAIGrid":
            check_text(tile.file, tile.member, tile.name, tile.cells.shape)
    mosaic = order_tiles(mosaic, touched, typed, notes)
    # After the order is settled, since a seam is told of what will be read.
    check_seams(mosaic, touched, typed)
    check_fades(mosaic, touched, typed, notes)
    lowest, highest = find_limits(find_lon_lat(mosaic.crs, mosaic.grid.bounds))
    look, n_bled = _look_over(mosaic, windows, (lowest, highest), ())
    if look.n_cells == 0:
        return mosaic
    voids = look.find_voids(lowest, highest)
    if voids:
        # Again without them: steps into a void are no walls, and say nothing of the unit.
        look, n_bled = _look_over(mosaic, windows, (lowest, highest), voids)
    if look.n_cells == 0:
        return mosaic
    _refuse_units(look, typed, mosaic, highest)
    _doubt_nodata(mosaic, touched, (look, windows), typed, notes)
    # Of surfaces alone: a terrain may be level.
    if typed.key == "dsm":
        _doubt_surface(look, typed, notes)
    _note_level(look, voids, typed, notes)
    _note_losses(look, typed, notes, n_bled, highest)
    for void in voids:
        notes.add(
            f"{typed}: the value {void:g} stands in patches far from all heights around and is "
            "taken as ground without data. Declare it: gdal_translate -a_nodata "
            f"{void:g} IN.tif OUT.tif"
        )
    return mosaic.believe(Belief(lowest, highest, tuple(voids)))


def _note_level(look: Look, voids: Sequence[float], typed: Typed, notes: Notes) -> None:
    """Note cells that are exactly 0 and not taken as voids: water lies so, and so does no data."""
    level = look.n_by_value.get(0.0, 0) / look.n_cells
    if level > PATCH_SHARE and 0.0 not in voids and not look.is_whole:
        notes.add(
            f"{typed}: {level:.0%} of the cells are exactly 0, near the heights around, and are "
            "taken as level water; if that ground was not flown, declare it: "
            "gdal_translate -a_nodata 0 IN.tif OUT.tif"
        )


def _look_over(
    mosaic: Mosaic, windows: Sequence[Bounds], limits: tuple[float, float], voids: Sequence[float]
) -> tuple[Look, int]:
    """Look at all windows as they are stored, without some exact values; count what is bled."""
    look, n_bled = Look(), 0
    lowest, highest = limits
    for bounds in windows:
        values = mosaic.read(bounds, AS_STORED).values
        values[np.isin(values, np.array(voids, np.float32))] = np.nan
        look.add(values, lowest, highest)
        values[(values < lowest) | (values > highest)] = np.nan
        n_bled += blank_bled(values)
        # Averages with nodata lie far off as well, and are no value of their own.
        look.add_ends(values)
    return look, n_bled


def _refuse_units(look: Look, typed: Typed, mosaic: Mosaic, highest: float) -> None:
    """Stop where heights cannot be metres, or are no relief."""
    span = f"{look.lowest:g} to {look.highest:g}"
    cure = (
        "If they are in decimetres, centimetres, millimetres or feet, say so in the file: "
        "gdal_translate -a_scale 0.001 IN OUT.tif, where 0.001 is metres in one of them"
    )
    # Before the steps: what is too high says by itself in which unit it is.
    if look.n_high > TOO_HIGH_SHARE * look.n_cells:
        raise InputError(
            f"{typed}: heights run from {span}, {look.n_high / look.n_cells:.0%} of them above "
            f"{highest:g}, and no ground here is as high in metres. {cure}."
        )
    if look.is_whole and 1 < look.n_values <= FEWEST_VALUES and typed.key == "dsm":
        raise InputError(
            f"{typed}: only {look.n_values} whole numbers from {span} stand in it, as in a mask or "
            "in classes. Give a raster of heights."
        )
    step = look.find_odd_steps()
    if step is not None:
        raise InputError(
            f"{typed}: heights run from {span}, and a hundredth of the steps from one cell to the "
            f"next is above {step:.0f}, which no walls are in metres. {cure}."
        )


def _doubt_nodata(
    mosaic: Mosaic,
    tiles: Sequence[Tile],
    looked: tuple[Look, Sequence[Bounds]],
    typed: Typed,
    notes: Notes,
) -> None:
    """Stop where what is declared as no data is a height of this ground, so that ground is lost."""
    look, windows = looked
    declared = {tile.nodata for tile in tiles if tile.nodata is not None and not tile.is_scaled}
    # What is not a number is no height, and equals nothing.
    for nodata in sorted(value for value in declared if isfinite(value)):
        own = [tile for tile in tiles if tile.nodata == nodata]
        value = nodata * own[0].unit_m
        # A little beyond what is left: where the ground itself is lost, roofs are left.
        spare = 0.0 if nodata in SPARE_MARKERS else LONE_M
        is_height = look.lowest - spare <= value <= look.highest + spare
        if nodata in MARKERS or not is_height:
            continue
        n_lost, n_cells = _count_lost(mosaic, own, windows)
        what = (
            f"{typed}: {own[0].name} declares {nodata:g} as no data, which is a height of the "
            f"ground here, and {n_lost:,} of {n_cells:,} cells looked at have none"
        )
        if nodata not in SPARE_MARKERS and n_lost > PATCH_SHARE * n_cells:
            raise InputError(
                f"{what}. If they are ground, take it back: gdal_edit.py -unsetnodata FILE; if "
                "they are none, write them otherwise: gdalwarp -dstnodata -9999 IN OUT.tif"
            )
        if n_lost:
            notes.add(f"{what}: they are taken as ground without data")


def _count_lost(
    mosaic: Mosaic, tiles: Sequence[Tile], windows: Sequence[Bounds]
) -> tuple[int, int]:
    """Count the cells without data of some tiles in windows, and all of their cells there."""
    n_lost = n_cells = 0
    for tile in tiles:
        for bounds in windows:
            shared = intersect_bounds(tile.grid.bounds, bounds)
            if shared[0] >= shared[2] or shared[1] >= shared[3]:
                continue
            values = mosaic.read_tile(tile, tile.grid.clip(tile.grid.cover(shared))[0], AS_STORED)
            n_lost += int(np.isnan(values).sum())
            n_cells += values.size
    return n_lost, n_cells


def _doubt_surface(look: Look, typed: Typed, notes: Notes) -> None:
    """Stop where a surface has no relief that metres could be, and say where next to none."""
    # First of all: what is all one also has no spread and no steps.
    if look.lowest == look.highest and look.n_cells > 1:
        raise InputError(
            f"{typed}: all {look.n_cells:,} cells looked at are {look.lowest:g}: there is no "
            "relief. Give a raster of heights."
        )
    span = f"{look.lowest:g} to {look.highest:g}"
    if look.highest - look.lowest < LEAST_RELIEF_M and look.n_cells >= FEWEST_PATCH_CELLS:
        raise InputError(
            f"{typed}: heights run from {span}, less than a house is high. Are they in another "
            "unit, or scaled to 0 and 1? Give heights in metres."
        )
    if look.is_sunk:
        raise InputError(
            f"{typed}: heights run from {span}, most of them below the sea, and more is sunk into "
            "the ground than stands on it, as where heights are negated or are depths. Give "
            "heights above the sea: gdal_translate -a_scale -1 IN OUT.tif"
        )
    mean, spread = look.mean_and_spread
    if abs(mean) < STANDARD and abs(spread - 1) < STANDARD:
        raise InputError(
            f"{typed}: heights have a mean of {mean:.3f} and a standard deviation of {spread:.3f}, "
            "as numbers that were standardised. Give heights in metres."
        )
    steps = look.all_steps
    smooth = float(np.mean(steps < SMOOTH_M)) if len(steps) else 0.0
    if len(steps) >= FEWEST_SMOOTH and smooth > SMOOTH_SHARE:
        notes.add(
            f"{typed}: heights run from {span}, and next to no step from one cell to another is "
            f"above {SMOOTH_M:g} m, as if no house and no tree stood there: is it a terrain model, "
            "or in another unit than metres?"
        )


def _note_losses(look: Look, typed: Typed, notes: Notes, n_bled: int, highest: float) -> None:
    """Say which heights are not believed, and what is odd about the others."""
    of = f"of {look.n_cells:,} cells looked at"
    if look.n_low or n_bled:
        notes.add(
            f"{typed}: {look.n_low + n_bled:,} {of} lie deeper than ground does, or far from all "
            f"beside them (lowest {look.lowest:.0f} m), as nodata values and averages with them "
            "do; they are taken as ground without data"
        )
    if look.n_high:
        notes.add(
            f"{typed}: {look.n_high:,} {of} lie above {highest:g} m (highest {look.highest:.0f} "
            "m), higher than any ground here; they are taken as ground without data"
        )
    if look.is_whole:
        notes.add(
            f"{typed}: all heights are whole numbers, and are taken as metres; decimals are lost"
        )
