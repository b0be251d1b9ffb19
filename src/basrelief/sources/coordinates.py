"""Bounds and reference systems: what is where, and how to say it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import CRSError, ProjError

from basrelief.grid import Bounds
from basrelief.sources.national_grid import EPSG, NATIONAL_GRID

SAME_M = 1.0
"""Two systems are one where they put points this near to each other: what ETRS89 and WGS 84 differ
by, and less than any boundary of areas is drawn to."""

SAME_SHIFT_M = 25.0
"""The same of a system without a datum of its own, whose way to WGS 84 is written as three or
seven numbers: those that are in use for one grid differ by as much (EPSG: 21 m for OSGB36)."""

OUTSIDE_DEGREES = 6.0
"""How far outside the area of a CRS, in degrees, its grid may go on: a zone of UTM is as wide."""

NOT_OSGB36 = (
    "its CRS ({}) has every number of the British National Grid on another datum than OSGB36, "
    f"which puts it 100 m aside; if that is not meant, correct its CRS to {NATIONAL_GRID}"
)
"""What is said of a National Grid that somebody wrote down by hand."""

UNKNOWN = re.compile(r"unknown|not[ _]specified|unnamed|undefined", re.IGNORECASE)
"""How programs call a datum that they do not know."""


def overlap(one: Bounds, other: Bounds) -> bool:
    """Tell whether two bounds share ground.

    >>> overlap((0, 0, 2, 2), (1, 1, 3, 3)), overlap((0, 0, 1, 1), (1, 0, 2, 1))
    (True, False)
    """
    is_aside = one[2] <= other[0] or other[2] <= one[0]
    return not (is_aside or one[3] <= other[1] or other[3] <= one[1])


def format_bounds(bounds: Bounds) -> str:
    """Write bounds for a message: short, and exact to a metre or to a 10,000th of a degree.

    >>> format_bounds((525000.0, 185000.0, 530000.0, 190000.0))
    '525000, 185000, 530000, 190000'
    """
    return ", ".join(f"{value:.4f}" if is_degrees(bounds) else f"{value:.0f}" for value in bounds)


def is_degrees(bounds: Bounds) -> bool:
    """Tell whether numbers can be degrees of longitude and latitude.

    >>> is_degrees((-0.5, 51.2, 0.3, 51.7)), is_degrees((530000.0, 180000.0, 531600.0, 181200.0))
    (True, False)
    """
    west, south, east, north = bounds
    return -180 <= west <= east <= 180 and -90 <= south <= north <= 90


def is_same_crs(one: CRS, other: CRS, bounds: Bounds) -> bool:
    """Tell whether two CRS put a place on the same coordinates, however their files spell them.

    Parameters
    ----------
    bounds
        The place, in the first; five points of it are taken through both, there and back.
    """
    # The authority may put north first; files of rasters put east first all the same.
    if one.equals(other, ignore_axis_order=True):
        return True
    if is_local(one) or is_local(other):
        return False
    near = SAME_M
    # Without the numbers that lead to WGS 84: programs write others for one and the same datum.
    plain = [_drop_shift(each) for each in (one, other)]
    for k, each in enumerate((one, other)):
        # The numbers of such a shift are all that is known of its datum.
        if each.is_bound and not has_datum(plain[k]):
            plain[k], near = each, SAME_SHIFT_M
    if plain[0].is_geographic != plain[1].is_geographic:
        return False
    return _measure_shift(plain[0], plain[1], bounds) <= near


def has_datum(crs: CRS) -> bool:
    """Tell whether a CRS says which datum it is on: without one it may lie 200 m aside."""
    if crs.is_bound:
        return True
    geodetic = crs.geodetic_crs
    # GDAL's "based on an ellipsoid" systems have codes, and no datum all the same.
    return geodetic is not None and not UNKNOWN.search(str((geodetic.datum or geodetic).name))


def is_local(crs: CRS) -> bool:
    """Tell whether a CRS says nothing of where on Earth it lies."""
    base = _drop_shift(crs)
    return not (base.is_projected or base.is_geographic)


def is_in_metres(crs: CRS) -> bool:
    """Tell whether a CRS is projected, in metres, whatever its file calls them."""
    base = _drop_shift(crs)
    if not base.is_projected:
        return False
    return all(abs(axis.unit_conversion_factor - 1) < 1e-9 for axis in base.axis_info)


def measure_scale(crs: CRS, bounds: Bounds) -> float | None:
    """Measure how long a metre of a projected CRS is: metres on the map over metres on the ground.

    Returns
    -------
    The scale in the middle of the place, of north or east whichever is farther from 1; None where
    the place lies where the projection has none.
    """
    base = _drop_shift(crs)
    # In the middle: of a tile or a county the scale is the same to the fourth digit.
    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    try:
        projection = Proj(base)
        lon, lat = projection(x, y, inverse=True)
        if not (np.isfinite(lon) and np.isfinite(lat)):
            return None
        factors = projection.get_factors(lon, lat)
    except ProjError:
        return None
    scales = [float(factors.meridional_scale), float(factors.parallel_scale)]
    return max(scales, key=lambda scale: abs(scale - 1)) if np.isfinite(scales).all() else None


def is_outside(crs: CRS, bounds: Bounds) -> bool:
    """Tell whether a place lies far outside where its CRS is of use, as a wrong digit puts it."""
    # Of a CRS that lies across the date line west is east of east.
    area = crs.area_of_use
    if area is None or area.west > area.east:
        return False
    found = find_lon_lat(crs, bounds)
    if found is None:
        return True
    beyond = max(
        area.west - found[0], found[0] - area.east, area.south - found[1], found[1] - area.north
    )
    return beyond > OUTSIDE_DEGREES


def find_lon_lat(crs: CRS, bounds: Bounds) -> tuple[float, float] | None:
    """Give longitude and latitude of the middle of a place; None where it has none."""
    x, y = (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    try:
        lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    except ProjError:
        return None
    return (float(lon), float(lat)) if np.isfinite([lon, lat]).all() else None


def name_crs(crs: CRS) -> str:
    """Name a CRS briefly: its EPSG code, or its own name."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def flatten_crs(crs: CRS) -> CRS:
    """Take the horizontal part of a CRS that has heights too."""
    # Nothing here moves heights from one vertical datum to another; their unit is read apart.
    if crs.is_compound:
        return flatten_crs(crs.sub_crs_list[0])
    if crs.is_bound and crs.source_crs is not None and crs.source_crs.is_compound:
        return flatten_crs(crs.source_crs)
    return crs.to_2d() if len(crs.axis_info) == 3 else crs


def find_vertical_axis(crs: CRS) -> tuple[float, str] | None:
    """Give metres a unit, and the direction, of the heights that a CRS has; None if it has none."""
    if crs.is_compound:
        return find_vertical_axis(crs.sub_crs_list[1])
    axes = crs.axis_info
    if crs.is_vertical or len(axes) == 3:
        return float(axes[-1].unit_conversion_factor), str(axes[-1].direction)
    return None


def settle_datum(crs: CRS, bounds: Bounds) -> CRS | None:
    """Give the known CRS that one without a datum stands for in a place; None if none is known."""
    # What official tiles of England are in, and programs before PROJ 6 wrote without its datum.
    known = CRS.from_epsg(EPSG)
    return known if is_same_crs(crs, known, bounds) else None


def is_national_grid_elsewhere(crs: CRS) -> bool:
    """Tell whether a CRS is Britain's National Grid by all its numbers, but on another datum."""
    known = CRS.from_epsg(EPSG)
    base, operation = _drop_shift(crs), known.coordinate_operation
    own = base.coordinate_operation
    if own is None or operation is None or own.method_name != operation.method_name:
        return False
    # By numbers, since a system that was written by hand has any name.
    numbers = [round(float(param.value), 6) for param in own.params]
    if numbers != [round(float(param.value), 6) for param in operation.params] or not has_datum(
        crs
    ):
        return False
    one, other = base.datum, known.datum
    return one is not None and other is not None and one.ellipsoid != other.ellipsoid


def parse_crs(text: str) -> CRS | None:
    """Read a CRS as a user types it; None if there is no such."""
    try:
        return flatten_crs(CRS.from_user_input(text))
    except CRSError:
        return None


def drop_shift(crs: CRS) -> CRS:
    """Take away numbers that lead to WGS 84 from a CRS that has a datum of its own."""
    plain = _drop_shift(crs)
    return plain if has_datum(plain) else crs


def _drop_shift(crs: CRS) -> CRS:
    return crs.source_crs if crs.is_bound and crs.source_crs is not None else crs


def _measure_shift(one: CRS, other: CRS, bounds: Bounds) -> float:
    """Measure how far points move that are taken for the other's: metres, or degrees as metres."""
    west, south, east, north = bounds
    x = np.array([west, west, east, east, (west + east) / 2])
    y = np.array([south, north, south, north, (south + north) / 2])
    try:
        there = Transformer.from_crs(one, other, always_xy=True).transform(x, y)
        back = Transformer.from_crs(other, one, always_xy=True).transform(x, y)
    except ProjError:
        return float("inf")
    per_unit = 111_320.0 if one.is_geographic else 1.0
    moved: NDArray[np.float64] = np.hypot(
        np.stack([there[0], back[0]]) - x, np.stack([there[1], back[1]]) - y
    )
    shift = float(moved.max()) * per_unit
    return shift if np.isfinite(shift) else float("inf")
