"""Tiles held against each other: on ground that several show, and along edges that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.grid import Bounds, Window, intersect_bounds
from basrelief.run import Notes
from basrelief.sources.lidar import AS_STORED, Mosaic
from basrelief.sources.plausible import (
    DIFFERENT_M,
    DIFFERENT_SHARE,
    FEWEST_SEAM_CELLS,
    SEAM_CELLS,
    SEAM_M,
)
from basrelief.sources.products import tell_flight
from basrelief.sources.tiles import UNIT_TOLERANCE, Tile
from basrelief.typed import Typed

Pair = tuple[Tile, Tile]

MAX_PAIRS = 500
"""Pairs of tiles on the same ground that are compared: an even choice of more."""

PAIR_CELLS = 128
"""Side of the windows in which two tiles are compared."""

MAX_PAIR_WINDOWS = 600
"""Windows a side of all pairs together, 3 to 16 of each: a few tiles are compared whole, up to
2,000 cells a side, and of thousands no more is read than a minute takes."""

SEAM_WINDOWS = 8
"""Windows along a seam: a median needs no more."""

MAX_SEAMS = 500
"""Pairs of neighbours that are compared: an even choice of more."""

MAX_SEAM_CELLS = 4096
"""Cells along an edge that are compared: of a longer one the middle."""


def find_touched(mosaic: Mosaic, windows: Sequence[Bounds]) -> list[Tile]:
    """List the tiles that share ground with any of the windows."""
    squares = [shapely.box(*tile.grid.bounds) for tile in mosaic.tiles]
    tree = shapely.STRtree(squares)
    hit = tree.query([shapely.box(*bounds) for bounds in windows], predicate="intersects")[1]
    return [mosaic.tiles[index] for index in np.unique(hit)]


def order_tiles(mosaic: Mosaic, touched: list[Tile], typed: Typed, notes: Notes) -> Mosaic:
    """Put newer flights first where tiles show the same ground; else leave the order.

    Raises
    ------
    InputError
        If two show it with different heights, and their names do not say which is newer.
    """
    pairs, seams = _find_pairs(touched), _find_seams(touched)
    # A few pairs are compared closely, many loosely: the time is the same.
    n_windows = min(max(MAX_PAIR_WINDOWS // max(len(pairs), 1), 3), 16)
    different = [pair for pair in pairs if _is_different(_compare(mosaic, pair, n_windows))]
    # Of a seam only what makes a wall matters: the few cells themselves do not.
    different += [pair for pair in seams if _is_apart(_compare(mosaic, pair, SEAM_WINDOWS))]
    newer, finer = _settle_pairs(different, typed)
    # Then the order means nothing, and stays that of the names.
    if not (pairs or newer or finer):
        return mosaic
    if newer:
        notes.add(
            f"{typed}: {_name_pairs(newer, ' with different heights')}; the newer flight by name "
            "is taken"
        )
    if finer:
        notes.add(
            f"{typed}: {_name_pairs(finer)}, and their names do not say which is newer; the finer "
            "is taken"
        )
    # Always: what differs may lie between the windows that were compared.
    tiles = tuple(sorted(mosaic.tiles, key=_rank))
    return mosaic.believe(mosaic.belief, tiles)


def _settle_pairs(different: list[Pair], typed: Typed) -> tuple[list[Pair], list[Pair]]:
    """Settle which tile of each pair is the better: pairs by flight and pairs by cell, it first."""
    newer, finer = list[Pair](), list[Pair]()
    for one, other in different:
        flights = tell_flight(one.name), tell_flight(other.name)
        sides = one.cells.cell_m, other.cells.cell_m
        if None in flights or flights[0] == flights[1]:
            # At the walls of a house coarser cells show other heights of the same flight.
            if abs(sides[0] - sides[1]) > UNIT_TOLERANCE * sides[0]:
                finer.append((one, other) if sides[0] < sides[1] else (other, one))
                continue
            raise InputError(
                f"{typed}: {one.name} and {other.name} show the same ground with different "
                "heights, and nothing in their names says which flight is newer. Take one out."
            )
        newer.append((one, other) if flights[0] > flights[1] else (other, one))  # type: ignore[operator]
    return newer, finer


def _name_pairs(pairs: list[Pair], how: str = "") -> str:
    """Name the first of pairs that show the same ground, and count the others."""
    (first, second), *others = pairs
    more = f", and {len(others)} more such pairs" if others else ""
    return f"{first.name} and {second.name} show the same ground{how}{more}"


def _rank(tile: Tile) -> tuple[int, float]:
    """Rank tiles over one another: the newest flight first, of one flight the finest cells."""
    return -(tell_flight(tile.name) or 0), tile.cells.cell_m


def check_seams(mosaic: Mosaic, tiles: Sequence[Tile], typed: Typed) -> None:
    """Stop where heights jump from one tile to its neighbour, as between metres and feet.

    Parameters
    ----------
    tiles
        Those of the mosaic that are looked at.

    Raises
    ------
    InputError
        Names the two and the step.
    """
    ranks = {tile.name: rank for rank, tile in enumerate(mosaic.tiles)}
    # Of a seam the first tile is read to its end, and the wall would stand there.
    seams = [sorted(pair, key=lambda tile: ranks[tile.name]) for pair in _find_seams(tiles)]
    for one, other in (*_find_neighbours(tiles), *seams):
        step = _measure_step(mosaic, one, other)
        if step is not None and abs(step) > SEAM_M:
            raise InputError(
                f"{typed}: along the edge that {one.name} and {other.name} share, heights jump by "
                f"{abs(step):.1f}. They have not the same unit, or do not count from the same sea. "
                "Take one out, or convert it."
            )


def _find_neighbours(tiles: Sequence[Tile]) -> list[Pair]:
    """List pairs of tiles that lie side by side."""
    squares = [shapely.box(*tile.grid.bounds) for tile in tiles]
    pairs = shapely.STRtree(squares).query(squares, predicate="touches").T
    own = [(tiles[a], tiles[b]) for a, b in pairs if a < b]
    return own[:: -(-len(own) // MAX_SEAMS) or 1]


def _measure_step(mosaic: Mosaic, one: Tile, other: Tile) -> float | None:
    """Measure how far heights jump between neighbours, in metres; None where too little is known.

    The step across the edge, less the mean of the steps one cell before and one behind it: those
    are the slope of the ground.
    """
    lines = list(_lines_across(mosaic, one, other))
    if len(lines) < 4:
        return None
    before, last, first, behind = lines
    rise = (last - before + behind - first) / 2
    step = first - last - rise
    # The median: a wall that runs along the edge moves the mean by metres.
    step = step[np.isfinite(step)]
    return float(np.median(step)) if step.size >= FEWEST_SEAM_CELLS else None


def _lines_across(mosaic: Mosaic, one: Tile, other: Tile) -> Iterator[NDArray[np.float32]]:
    """Read four lines of cells along a shared edge: two of one tile, then two of the other."""
    beyond = _cut_off(one.grid.bounds, other.grid.bounds)
    west, south, east, north = intersect_bounds(one.grid.bounds, beyond)
    cell = one.grid.cell_m
    is_upright = east - west < cell / 2
    length = (north - south) if is_upright else (east - west)
    # Tiles may touch in a corner alone.
    n_cells = min(round(length / cell), MAX_SEAM_CELLS)
    if n_cells < FEWEST_SEAM_CELLS:
        return
    spare = (length - n_cells * cell) / 2
    is_turned = one.grid.bounds[0] > beyond[0] if is_upright else one.grid.bounds[1] < beyond[1]
    # From the west to the east, or from the north to the south.
    order = (other, one) if is_turned else (one, other)
    for tile, offsets in zip(order, ((-1.5, -0.5), (0.5, 1.5)), strict=True):
        for offset in offsets:
            # Within the cells: a hair more would be the next row.
            at = (west if is_upright else north) + (1 if is_upright else -1) * offset * cell
            across = (at - cell / 4, at + cell / 4)
            along = (south, north) if is_upright else (west, east)
            first, final = along[0] + spare + cell / 4, along[1] - spare - cell / 4
            box = (
                (across[0], first, across[1], final)
                if is_upright
                else (first, across[0], final, across[1])
            )
            window = tile.grid.clip(tile.grid.cover(box))[0]
            values = mosaic.read_tile(tile, window, AS_STORED).ravel()
            if values.size != n_cells:
                return
            yield values


def _cut_off(one: Bounds, other: Bounds) -> Bounds:
    """Give the second tile's bounds without what the first covers of it, so that they touch."""
    west, south, east, north = other
    shared = intersect_bounds(one, other)
    if shared[2] - shared[0] <= shared[3] - shared[1]:
        if west < one[0]:
            return west, south, min(east, one[0]), north
        return max(west, one[2]), south, east, north
    if south < one[1]:
        return west, south, east, min(north, one[1])
    return west, max(south, one[3]), east, north


def _find_pairs(tiles: list[Tile]) -> list[Pair]:
    """List pairs of tiles that share more ground than a seam, an even choice of many."""
    squares = [shapely.box(*tile.grid.bounds) for tile in tiles]
    # Half a cell more: a seam of as many cells as are allowed is no pair, however it is rounded.
    seam_m = (SEAM_CELLS + 0.5) * tiles[0].grid.cell_m / 2 if tiles else 0.0
    # Shrunk by half a seam each, so that neighbours no longer touch.
    inner = [
        shapely.box(w + seam_m, s + seam_m, e - seam_m, n - seam_m)
        if min(e - w, n - s) > 2 * seam_m
        else square
        for square in squares
        for w, s, e, n in [square.bounds]
    ]
    pairs = shapely.STRtree(inner).query(inner, predicate="intersects").T
    own = [(tiles[a], tiles[b]) for a, b in pairs if a < b]
    return own[:: -(-len(own) // MAX_PAIRS) or 1]


def _find_seams(tiles: Sequence[Tile]) -> list[Pair]:
    """List pairs of tiles that share a seam of cells and no more, an even choice of many."""
    squares = [shapely.box(*tile.grid.bounds) for tile in tiles]
    found = shapely.STRtree(squares).query(squares, predicate="overlaps").T
    seams = []
    for a, b in found[found[:, 0] < found[:, 1]]:
        west, south, east, north = intersect_bounds(tiles[a].grid.bounds, tiles[b].grid.bounds)
        width = min(east - west, north - south) / tiles[a].grid.cell_m
        smallest = min(*tiles[a].grid.shape, *tiles[b].grid.shape)
        # Tiles a hair off the grid share a hundredth of a cell.
        if 0.5 < width < SEAM_CELLS + 0.5 < smallest:
            seams.append((tiles[a], tiles[b]))
    return seams[:: -(-len(seams) // MAX_SEAMS) or 1]


def _compare(mosaic: Mosaic, pair: Pair, n_windows: int) -> NDArray[np.float32]:
    """Take the first tile's heights less the second's where both have some, (cell,), in metres."""
    one, other = pair
    steps = []
    for here in _shared_windows(one, other, n_windows):
        there = other.grid.find(one.grid.crop(here))
        step = mosaic.read_tile(one, here, AS_STORED) - mosaic.read_tile(other, there, AS_STORED)
        steps.append(step[np.isfinite(step)])
    return np.concatenate(steps) if steps else np.empty(0, np.float32)


def _is_different(steps: NDArray[np.float32]) -> bool:
    """Tell from the heights of one tile less another's whether they are of different flights."""
    return bool((np.abs(steps) > DIFFERENT_M).sum() > DIFFERENT_SHARE * max(steps.size, 1))


def _is_apart(steps: NDArray[np.float32]) -> bool:
    """Tell by the rule of edges whether the cells of a seam make a wall."""
    return bool(steps.size >= FEWEST_SEAM_CELLS and abs(np.median(steps)) > SEAM_M)


def _shared_windows(one: Tile, other: Tile, n_windows: int) -> list[Window]:
    """Give windows, up to so many a side, over the cells that two tiles share, in the first's."""
    rows, cols = one.grid.clip(one.grid.find(other.grid))[0]
    # A hair off the grid, the last row of one may lie beyond the other.
    whole = other.grid.clip(other.grid.find(one.grid.crop((rows, cols))))[0]
    height, width = (part.stop - part.start for part in whole)
    starts = [
        sorted({first + round(k * max(0, size - PAIR_CELLS) / (n - 1)) for k in range(n)})
        for first, size in ((rows.start, height), (cols.start, width))
        for n in [max(2, min(n_windows, ceil(size / PAIR_CELLS)))]
    ]
    sides = min(height, PAIR_CELLS), min(width, PAIR_CELLS)
    return [
        (slice(row, row + sides[0]), slice(col, col + sides[1]))
        for row in starts[0]
        for col in starts[1]
        if min(sides) > 0
    ]
