"""In which reference system tiles are: settled from what they carry and what was typed."""

from __future__ import annotations

from pyproj import CRS

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.run import Notes
from basrelief.sources.coordinates import (
    NOT_OSGB36,
    drop_shift,
    has_datum,
    is_in_metres,
    is_local,
    is_national_grid_elsewhere,
    is_outside,
    is_same_crs,
    measure_scale,
    name_crs,
    parse_crs,
    settle_datum,
)
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.plausible import SCALE_NOTED, SCALE_REFUSED
from basrelief.sources.tiles import Tile
from basrelief.typed import Typed


def settle_tile_crs(tiles: tuple[Tile, ...], given: str | None, typed: Typed, notes: Notes) -> CRS:
    """Settle the CRS of all tiles from what they carry and what the user gave.

    Systems are one where they put the tiles on the same coordinates, whatever they are called.

    Raises
    ------
    InputError
        If the given one is unknown or contradicts the tiles; the tiles differ; it is not
        projected in metres, or its metres are not those of the ground; or its datum is unknown.
    """
    mute, speaking = _part(tiles)
    # Read even where no tile needs it: a word that is no CRS is a fault of the user's.
    wanted = _parse(typed.beside("crs", given)) if given is not None else None
    local = next((tile for tile in mute if tile.crs is not None), None)
    if local is not None and local.crs is not None:
        notes.add(
            f"{local.name}: its CRS ({local.crs.name}) is local and says nothing of where it "
            f"lies; {typed.name('crs')} is taken"
        )
    # What a file says of itself outweighs what was typed; the two are compared below.
    crs = speaking[0].crs if speaking else wanted
    assert crs is not None
    source = speaking[0].name if speaking else typed.name("crs")
    if not is_in_metres(crs):
        raise InputError(
            f"{source}: {name_crs(crs)} is not a projected CRS in metres. "
            f'Reproject the rasters to one, for example to "{NATIONAL_GRID}".'
        )
    _refuse_mixed(speaking, typed)
    # By one tile: the shift between two systems hardly changes within a place.
    bounds = tiles[0].grid.bounds
    if wanted is not None:
        if not is_same_crs(crs, wanted, bounds):
            raise InputError(
                f"{typed.beside('crs', str(given))}: {source} itself says {name_crs(crs)}. "
                f"Take {typed.name('crs')} out, or correct it."
            )
        # Both are one here; what was typed is named in messages as the user knows it.
        crs = wanted
    crs = _settle_datum(crs, source, typed, notes, bounds)
    _check_scale(crs, source, notes, tiles[0])
    return crs


def refuse_bare(tiles: tuple[Tile, ...], given: str | None, typed: Typed) -> None:
    """Stop where a tile carries no CRS, or one that says nothing, and none is given.

    Raises
    ------
    InputError
        Names the tile and the setting.
    """
    mute, _ = _part(tiles)
    if not mute or given is not None:
        return
    crs = mute[0].crs
    what = "no CRS" if crs is None else f"a local CRS alone ({crs.name})"
    raise InputError(
        f"{mute[0].name}: carries {what} and none is given. Tiles of the Environment Agency "
        f"are in British National Grid: add {typed.suggest('crs', NATIONAL_GRID)} if these are."
    )


def _part(tiles: tuple[Tile, ...]) -> tuple[list[Tile], list[Tile]]:
    """Part tiles into those whose CRS says nothing, or that have none, and the others."""
    # A local CRS has numbers and no place on Earth, as if the file had none.
    mute: list[Tile] = []
    speaking: list[Tile] = []
    for tile in tiles:
        (mute if tile.crs is None or is_local(tile.crs) else speaking).append(tile)
    return mute, speaking


def _refuse_mixed(tiles: list[Tile], typed: Typed) -> None:
    """Stop where tiles are of two CRS."""
    seen: dict[CRS, Tile] = {}
    for tile in tiles:
        assert tile.crs is not None
        # Thousands of tiles, and a system or two among them.
        if tile.crs in seen:
            continue
        seen[tile.crs] = tile
        first = tiles[0]
        assert first.crs is not None
        if not is_same_crs(tile.crs, first.crs, tile.grid.bounds):
            raise InputError(
                f"{typed}: {first.name} is in {name_crs(first.crs)}, {tile.name} in "
                f"{name_crs(tile.crs)}. Give tiles of one CRS."
            )


def _settle_datum(crs: CRS, source: str, typed: Typed, notes: Notes, bounds: Bounds) -> CRS:
    """Find the datum of a CRS that does not say it, or refuse it."""
    # Numbers that lead to WGS 84 differ from program to program, where the datum itself does not.
    crs = drop_shift(crs)
    if has_datum(crs):
        if is_national_grid_elsewhere(crs):
            notes.add(f"{source}: {NOT_OSGB36.format(crs.name)}")
        return crs
    known = settle_datum(crs, bounds)
    if known is None:
        raise InputError(
            f"{source}: its CRS ({crs.name}) names no datum, so it may lie 200 m aside. Say which "
            f"it is, for example {typed.suggest('crs', NATIONAL_GRID)}."
        )
    notes.add(
        f"{source}: its CRS names no datum; its projection is that of {name_crs(known)}, "
        "which is taken"
    )
    return known


def _check_scale(crs: CRS, source: str, notes: Notes, tile: Tile) -> None:
    """Refuse a CRS whose metres are not metres of the ground where a tile lies."""
    bounds, name = tile.grid.bounds, tile.name
    scale = measure_scale(crs, bounds)
    # Where a projection is of no use its scale is no measure either.
    if scale is None or is_outside(crs, bounds):
        raise InputError(
            f"{name}: lies at {bounds[0]:.0f}, {bounds[1]:.0f}, where {name_crs(crs)} is not of "
            "use. Correct its corner (a digit too many?), or the CRS."
        )
    if abs(scale - 1) < SCALE_NOTED:
        return
    found = f"a metre of {name_crs(crs)} is {1 / scale:.2f} m on the ground here"
    if abs(scale - 1) < SCALE_REFUSED:
        notes.add(f"{source}: {found}; slopes and distances are off by as much")
        return
    raise InputError(
        f"{source}: {found}, so slopes and distances would be wrong. Reproject the rasters to a "
        f'national grid, for example to "{NATIONAL_GRID}".'
    )


def _parse(typed: Typed) -> CRS:
    crs = parse_crs(typed.value)
    if crs is None:
        raise InputError(f'{typed}: no such CRS is known. Write it as in "{NATIONAL_GRID}".')
    return crs
