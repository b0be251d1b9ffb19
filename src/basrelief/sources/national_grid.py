"""The British National Grid: its code, its extent, and its squares by their names."""

from __future__ import annotations

import warnings

from basrelief.grid import Bounds, Grid, intersect_bounds

# When it is imported it asks that every warning of every library be shown, to the end of the run.
with warnings.catch_warnings():
    from osbng import BNGReference, bbox_to_bng, xy_to_bng
    from osbng.errors import BNGExtentError, BNGReferenceError

EPSG = 27700

NATIONAL_GRID = f"EPSG:{EPSG}"
"""As a configuration, PROJ and GeoPandas take it."""

WHOLE_GRID: Bounds = (0.0, 0.0, 700_000.0, 1_300_000.0)
"""West, south, east, north in metres: seven by thirteen squares of 100 km (Ordnance Survey)."""

BEYOND_CELLS = 1.0
"""How far a tile may reach beyond its square. Tiles whose cells are centred on the square's lines
have half a cell more on every side, or a whole one on two of them; beyond that it is another
place."""


def read_square(text: str) -> Bounds | None:
    """Read which ground a reference means, in whatever case; None if it is none.

    Returns
    -------
    West, south, east, north in metres (EPSG:27700).

    Examples
    --------
    >>> read_square("TQ28ne"), read_square("tq2585")
    ((525000.0, 185000.0, 530000.0, 190000.0), (525000.0, 185000.0, 526000.0, 186000.0))
    >>> read_square("XX11") is None
    True
    """
    # The library takes digits of any script and a line's end, which no file's name means.
    if not (text.isascii() and text.isalnum()):
        return None
    try:
        west, south, east, north = BNGReference(text.upper()).bng_to_bbox()
    except BNGReferenceError:
        return None
    return (float(west), float(south), float(east), float(north))


def locate_square(name: str) -> Bounds:
    """Give the bounds of a square whose name is known to be one, in metres."""
    bounds = read_square(name)
    if bounds is None:
        raise ValueError(f"{name} is no square of the National Grid.")
    return bounds


def lies_in_square(tile: Grid, name: str) -> bool:
    """Tell whether a tile's cells lie in a square, whose name is known to be one.

    A part of the square is enough: tiles are cut at coasts and borders, and archives of 5 km hold
    tiles of one.

    >>> lies_in_square(Grid(525_000, 190_001, 1.0, (5001, 5000)), "TQ28NE")
    True
    >>> lies_in_square(Grid(526_000, 190_000, 1.0, (5000, 5000)), "TQ28NE")
    False
    """
    west, south, east, north = tile.bounds
    own = locate_square(name)
    beyond_m = max(own[0] - west, own[1] - south, east - own[2], north - own[3])
    return beyond_m <= BEYOND_CELLS * tile.cell_m


def name_square(easting: float, northing: float, side_m: int) -> str | None:
    """Name the square that a point lies in; None outside the grid.

    Parameters
    ----------
    side_m
        1,000, 5,000, 10,000, 50,000 or 100,000 metres.

    Examples
    --------
    >>> name_square(525_000, 185_000, 5_000), name_square(525_000, 185_000, 1_000)
    ('TQ28NE', 'TQ2585')
    """
    try:
        return str(xy_to_bng(easting, northing, side_m).bng_ref_compact)
    except BNGExtentError:
        return None


def list_squares(bounds: Bounds, side_m: int) -> list[str]:
    """List the squares of one size that share ground with bounds, row by row from the south-west.

    >>> list_squares((524_000, 185_000, 530_000, 190_000), 5_000)
    ['TQ28NW', 'TQ28NE']
    """
    # The library refuses bounds that reach beyond the grid, as those of Cornwall's coast do.
    inside = intersect_bounds(bounds, WHOLE_GRID)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return []
    found = [each.bng_ref_compact for each in bbox_to_bng(*inside, side_m)]
    return sorted(found, key=lambda name: locate_square(name)[1::-1])
