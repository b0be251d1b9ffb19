"""Tiles whose heights fade to 0 towards their sides, as pictures do that are to be blended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.grid import Window
from basrelief.run import Notes
from basrelief.sources.lidar import AS_STORED, Mosaic
from basrelief.sources.plausible import FADE_CELLS, FADE_M, FADE_PART, FADE_SHARE, FEWEST_FADED
from basrelief.sources.tiles import Tile
from basrelief.typed import Typed

MAX_TILES = 500
"""Tiles whose sides are looked at: an even choice of more."""


def check_fades(mosaic: Mosaic, tiles: Sequence[Tile], typed: Typed, notes: Notes) -> None:
    """Stop where tiles fade to 0 towards two sides or more; note where one does so.

    Parameters
    ----------
    tiles
        Those of the mosaic that are looked at.

    Raises
    ------
    InputError
        Names the first tile and how many there are.
    """
    n_sides = {
        tile.name: _count_faded(mosaic, tile) for tile in tiles[:: -(-len(tiles) // MAX_TILES) or 1]
    }
    faded = [name for name, n in n_sides.items() if n]
    if not faded:
        return
    more = f" and {len(faded) - 1} more tiles" if len(faded) > 1 else ""
    what = f"{typed}: {faded[0]}{more}: heights fall to 0 towards"
    # One may be a shore that runs along a tile's side; no tile has two of them.
    if max(n_sides.values()) > 1:
        raise InputError(
            f"{what} the sides, as in tiles that were made to be blended. Give them as they were "
            "surveyed, or cut the sides off: gdal_translate -srcwin X Y WIDTH HEIGHT IN OUT.tif"
        )
    notes.add(f"{what} a side: is it a shore? Else cut the side off")


def _count_faded(mosaic: Mosaic, tile: Tile) -> int:
    """Count the sides of a tile towards which its heights fade to 0."""
    n_rows, n_cols = tile.grid.shape
    if min(n_rows, n_cols) < max(2 * FEWEST_FADED, 2 * FADE_CELLS):
        return 0
    # The middle half of each: towards the corners heights fade twice.
    middle = slice(n_rows // 4, -(-3 * n_rows // 4)), slice(n_cols // 4, -(-3 * n_cols // 4))

    def read(window: Window) -> NDArray[np.float32]:
        """Read cells of a side as they are stored, (cell,)."""
        return mosaic.read_tile(tile, window, AS_STORED).ravel()

    n_faded = 0
    for outer, inner in ((0, FADE_CELLS), (-1, -1 - FADE_CELLS)):
        rows = [slice(at % n_rows, at % n_rows + 1) for at in (outer, inner)]
        cols = [slice(at % n_cols, at % n_cols + 1) for at in (outer, inner)]
        n_faded += _is_faded(*(read((row, middle[1])) for row in rows))
        n_faded += _is_faded(*(read((middle[0], col)) for col in cols))
    return n_faded


def _is_faded(outer: NDArray[np.float32], inner: NDArray[np.float32]) -> bool:
    """Tell from the cells of a side and those further in, (cell,), whether heights fade there."""
    is_known = np.isfinite(outer) & np.isfinite(inner)
    if is_known.sum() < FEWEST_FADED:
        return False
    outer, inner = outer[is_known], inner[is_known]
    is_falling = (np.abs(outer) < FADE_PART * inner) & (inner - outer > FADE_M)
    return bool(is_falling.mean() > FADE_SHARE)
