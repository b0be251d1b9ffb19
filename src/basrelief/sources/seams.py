"""Neighbouring tiles held against each other along the edge that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError, Typed
from basrelief.sources.lidar import AS_STORED, Mosaic
from basrelief.sources.plausible import FEWEST_SEAM_CELLS, SEAM_M
from basrelief.sources.tiles import Tile

MAX_SEAMS = 500
"""Pairs of neighbours that are compared: an even choice of more."""

MAX_SEAM_CELLS = 4096
"""Cells along an edge that are compared: of a longer one the middle."""


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
    for one, other in _find_neighbours(tiles):
        step = _measure_step(mosaic, one, other)
        if step is not None and abs(step) > SEAM_M:
            raise InputError(
                f"{typed}: along the edge that {one.name} and {other.name} share, heights jump by "
                f"{abs(step):.1f}. They have not the same unit, or do not count from the same sea. "
                "Take one out, or convert it."
            )


def _find_neighbours(tiles: Sequence[Tile]) -> list[tuple[Tile, Tile]]:
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
    step = step[np.isfinite(step)]
    return float(np.median(step)) if step.size >= FEWEST_SEAM_CELLS else None


def _lines_across(mosaic: Mosaic, one: Tile, other: Tile) -> Iterator[NDArray[np.float32]]:
    """Read four lines of cells along a shared edge: two of one tile, then two of the other."""
    west, south, east, north = (
        pick(a, b)
        for pick, a, b in zip((max, max, min, min), one.grid.bounds, other.grid.bounds, strict=True)
    )
    cell = one.grid.cell_m
    is_upright = east - west < cell / 2
    length = (north - south) if is_upright else (east - west)
    # Tiles may touch in a corner alone.
    n_cells = min(round(length / cell), MAX_SEAM_CELLS)
    if n_cells < FEWEST_SEAM_CELLS:
        return
    spare = (length - n_cells * cell) / 2
    is_turned = (
        one.grid.bounds[0] > other.grid.bounds[0]
        if is_upright
        else one.grid.bounds[1] < other.grid.bounds[1]
    )
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
