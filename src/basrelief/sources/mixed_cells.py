"""Tiles of one place with cells of different sizes: read on the cells of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from basrelief.config import InputError
from basrelief.grid import Grid, Window
from basrelief.run import Notes
from basrelief.sources.tiles import GRID_TOLERANCE, Tile
from basrelief.typed import Typed

MOST_COARSER = 4
"""How many times coarser than the cells that are read a tile's own may be: of houses that are ten
metres wide, cells of four times 2 m still show that they are there."""

MARGIN = 2
"""Own cells around a window: an interpolated height takes the next one, on either side."""


def settle_cells(
    tiles: tuple[Tile, ...], wanted_m: float | None, typed: Typed, notes: Notes
) -> tuple[Tile, ...]:
    """Give tiles that are read on cells of one size; say which are not read on their own.

    Of the sizes that there are it is the coarsest that is as fine as wanted, else the finest.

    Parameters
    ----------
    wanted_m
        Side of the cells that chips are cut to; None for the finest that there are.

    Raises
    ------
    InputError
        If a tile's own cells are much coarser.
    """
    sizes = _list_sizes(tiles)
    if len(sizes) < 2:
        return tiles
    # A hundredth of slack: cells of files are not exactly what they are called.
    enough = [size for size in sizes if wanted_m is not None and size <= 1.01 * wanted_m]
    cell_m = max(enough, default=min(sizes))
    # Its corner is the grid's: tiles of the other sizes begin where their own cells do.
    anchor = next(tile for tile in tiles if _is_size(tile, cell_m))
    for tile in tiles:
        if tile.grid.cell_m > MOST_COARSER * cell_m:
            raise InputError(
                f"{typed}: {anchor.name} has cells of {cell_m:g} m, {tile.name} of "
                f"{tile.grid.cell_m:g} m, too coarse to stand beside them. Give tiles of one "
                "resolution, or of nearly one."
            )
    for size in (each for each in sizes if each != cell_m):
        names = [tile.name for tile in tiles if _is_size(tile, size)]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        how = (
            "averaged to"
            if size < cell_m
            else "interpolated to, and so look smoother than others on"
        )
        verb = "have" if more else "has"
        notes.add(
            f"{typed}: {names[0]}{more} {verb} cells of {size:g} m, of {len(tiles)} tiles; heights "
            f"are {how} cells of {cell_m:g} m"
        )
    laid = (tile if _is_size(tile, cell_m) else _lay(tile, anchor.grid) for tile in tiles)
    return tuple(tile for tile in laid if tile.grid.n_cells)


def widen(own: Grid, wanted: Grid) -> Window:
    """Give the window of a tile's own cells from which heights on other cells are made."""
    around = own.crop(own.cover(wanted.bounds)).pad(MARGIN)
    return own.clip(own.find(around))[0]


def _list_sizes(tiles: Sequence[Tile]) -> list[float]:
    """List the sizes of cells, the first tile of each size standing for those like it."""
    sizes: list[float] = []
    for tile in tiles:
        if not any(_is_size(tile, size) for size in sizes):
            sizes.append(tile.grid.cell_m)
    return sizes


def _is_size(tile: Tile, cell_m: float) -> bool:
    # A difference too small to see in one cell adds up over a tile's width.
    n_cells = max(tile.grid.shape)
    return abs(tile.grid.cell_m - cell_m) * n_cells <= GRID_TOLERANCE * cell_m


def _lay(tile: Tile, onto: Grid) -> Tile:
    """Lay a tile on the whole cells of another grid that lie within it."""
    # Inwards: a cell of which half lies outside would be averaged from the rest.
    return replace(tile, grid=onto.crop(onto.within(tile.grid.bounds)), own_grid=tile.grid)
