"""The surface held against the terrain, on the ground that both show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.grid import Bounds, Grid, intersect_bounds
from basrelief.run import Notes
from basrelief.sources.lidar import Mosaic, Raster
from basrelief.sources.neighbours import find_touched
from basrelief.sources.plausible import (
    APART_M,
    BARE_SHARE,
    BELOW_M,
    BELOW_SHARE,
    FEWEST_PATCH_CELLS,
    SAME_SHARE,
    SAME_SURFACE_M,
)
from basrelief.sources.warp import spread_over
from basrelief.typed import Typed

FEW_WINDOWS = 4
"""Windows in which a tile of the surface is held against the terrain."""


def compare_terrain(
    mosaics: tuple[Mosaic, Mosaic],
    typed: tuple[Typed, Typed],
    windows: Sequence[Bounds],
    notes: Notes,
) -> None:
    """Hold the surface against the terrain on the ground that both show.

    Parameters
    ----------
    mosaics, typed
        Surface and terrain, and what gave them.

    Raises
    ------
    InputError
        If they are the same, or swapped.
    """
    parts = [_subtract(*mosaics, bounds) for bounds in windows]
    # A seventh of the cells tells as much, and takes a seventh of the memory.
    above = np.concatenate([np.empty(0, np.float32), *(each[::7] for each, _ in parts)])
    if above.size == 0:
        return
    dsm, dtm = typed
    n_bare, n_both = sum(n for _, n in parts), sum(each.size for each, _ in parts)
    if n_bare > BARE_SHARE * (n_bare + n_both):
        notes.add(
            f"{dtm}: has no data in {n_bare / (n_bare + n_both):.0%} of the cells in which {dsm} "
            "has; that ground is left out, and so are areas of which too little is left"
        )
    if np.mean(np.abs(above) < SAME_SURFACE_M) > SAME_SHARE:
        raise InputError(
            f"{dsm} and {dtm}: surface and terrain are the same heights: no house and no tree "
            f"stands anywhere. Give {dsm.name()} the surface (DSM), or leave {dtm.name()} out."
        )
    # Only where the whole is not the terrain: of a mixture each tile is named.
    _note_same_tiles(mosaics, typed, windows, notes)
    below, over = float(np.mean(above < -BELOW_M)), float(np.mean(above > BELOW_M))
    # A few cells below are new buildings pulled down, or noise; more below than above is a swap.
    if below > BELOW_SHARE and below > over:
        raise InputError(
            f"{dsm} and {dtm}: the surface lies more than {BELOW_M:g} m below the terrain in "
            f"{below:.0%} of the cells, and above it in {over:.0%}. Are the two swapped, or "
            "one of them in another unit?"
        )
    if below > BELOW_SHARE:
        notes.add(
            f"{dsm} and {dtm}: the surface lies more than {BELOW_M:g} m below the terrain in "
            f"{below:.0%} of the cells, as where one of them is older or in another unit"
        )
    # The lowest hundredth: roads and lawns lie on the terrain in every place.
    low = float(np.percentile(above, 1))
    if low > APART_M:
        raise InputError(
            f"{dsm} and {dtm}: the surface lies {round(low, 1):g} m or more above the terrain "
            "nearly everywhere. Are both in metres, above the same sea, and of the same ground?"
        )


def _note_same_tiles(
    mosaics: tuple[Mosaic, Mosaic],
    typed: tuple[Typed, Typed],
    windows: Sequence[Bounds],
    notes: Notes,
) -> None:
    """Note the surface tiles that are the terrain, among others that are not."""
    surface, terrain = mosaics
    same = []
    for tile in find_touched(surface, windows):
        shared = [intersect_bounds(tile.grid.bounds, bounds) for bounds in windows]
        shared = [each for each in shared if each[0] < each[2] and each[1] < each[3]]
        parts = [_subtract(surface, terrain, each)[0][::7] for each in shared[:FEW_WINDOWS]]
        above = np.concatenate([np.empty(0, np.float32), *parts])
        if (
            above.size >= FEWEST_PATCH_CELLS
            and np.mean(np.abs(above) < SAME_SURFACE_M) > SAME_SHARE
        ):
            same.append(tile.name)
    if same:
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        notes.add(
            f"{typed[0]}: {same[0]}{more} is the terrain to the centimetre: either it is all "
            "water, or a terrain model lies among the surface"
        )


def _subtract(surface: Mosaic, terrain: Mosaic, bounds: Bounds) -> tuple[NDArray[np.float32], int]:
    """Subtract terrain from surface on a window's cells, and count those of the surface alone."""
    top, low = surface.read(bounds), terrain.read(bounds)
    # On the coarser cells: a surface averaged to them is told from a terrain like any other.
    if top.grid.cell_m < 0.99 * low.grid.cell_m:
        top = _average(top, low.grid)
    elif low.grid.cell_m < 0.99 * top.grid.cell_m:
        low = _average(low, top.grid)
    shapes = zip(top.grid.shape, low.grid.shape, strict=True)
    rows, cols = (slice(min(sizes)) for sizes in shapes)
    # Half a cell aside is as near as their grids may lie: enough for what is asked here.
    above = top.values[rows, cols] - low.values[rows, cols]
    n_bare = int((np.isfinite(top.values[rows, cols]) & np.isnan(above)).sum())
    return np.asarray(above[np.isfinite(above)]), n_bare


def _average(fine: Raster, coarse: Grid) -> Raster:
    """Average heights to coarser cells, those of the other raster."""
    own = fine.grid
    return Raster(spread_over(fine.values, own.transform, coarse, cell_m=own.cell_m), coarse)
