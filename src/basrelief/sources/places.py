"""Bounds and reference systems: what is where, and how to say it."""

from __future__ import annotations

from pyproj import CRS

from basrelief.grid import Bounds


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
    is_degrees = all(abs(value) <= 360 for value in bounds)
    return ", ".join(f"{value:.4f}" if is_degrees else f"{value:.0f}" for value in bounds)


def is_same_crs(one: CRS, other: CRS) -> bool:
    """Tell whether two CRS mean the same ground, however their files spell them."""
    # The authority may put north first; files of rasters put east first all the same.
    if one.equals(other, ignore_axis_order=True):
        return True
    code = one.to_epsg()
    return code is not None and code == other.to_epsg()


def name_crs(crs: CRS) -> str:
    """Name a CRS briefly: its EPSG code, or its own name."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def flatten_crs(crs: CRS) -> CRS:
    """Take the horizontal part of a CRS that has heights too."""
    # LIDAR may carry its vertical datum; nothing here moves heights from one to another.
    return crs.sub_crs_list[0] if crs.is_compound else crs
