"""What lies on and under the areas of a map: borders and names of districts, the lit ground."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine
from rasterio.features import geometry_mask

from basrelief.run import Record
from basrelief.tell.maps.classes import ENDS
from basrelief.tell.page.map_pictures import DEGREES, WEB, warp_to_web
from basrelief.tell.relief import Relief

MAX_BYTES = 300_000
"""A picture of the ground larger than this is made with fewer cells."""

N_GREYS = 16
"""Greys of the lit ground: more are not seen through colours, and make the file larger."""

DARK, PALE = 90, 250
"""Greys of the shade and of the light: under colours, neither may hide which is which."""


def find_districts(areas: gpd.GeoDataFrame, polygons: NDArray[Any]) -> Record:
    """Find where districts meet, and where their names stand.

    Areas of no known district have no part: a border that runs along one is not known to be one.

    Parameters
    ----------
    areas
        With ``district`` (a name) where it is known.
    polygons : (n,)
        The areas as they are drawn, in degrees: neighbours share their corners.

    Returns
    -------
    ``borders``, lists of longitude and latitude; ``names`` with ``name`` and ``at``. Empty where
    no district has a name.
    """
    if "district" not in areas or areas["district"].isna().all():
        return {"borders": [], "names": []}
    groups = gpd.GeoSeries(polygons).groupby(areas["district"].to_numpy())
    shapes = {str(name): shapely.union_all(group.to_numpy()) for name, group in groups}
    borders = [
        shapely.get_coordinates(line).round(5).tolist()
        for one, other in combinations(shapes.values(), 2)
        for line in _share_lines(one, other)
    ]
    # In the largest part: a name on a small island would not be found.
    points = {name: shapely.point_on_surface(_find_largest(each)) for name, each in shapes.items()}
    names = [
        {"name": name, "at": shapely.get_coordinates(point)[0].round(5).tolist()}
        for name, point in points.items()
    ]
    return {"borders": borders, "names": names}


def _share_lines(one: shapely.Geometry, other: shapely.Geometry) -> Iterator[shapely.Geometry]:
    """List the lines along which two shapes touch."""
    shared = shapely.intersection(shapely.boundary(one), shapely.boundary(other))
    lines = [part for part in shapely.get_parts(shared) if part.geom_type == "LineString"]
    merged = shapely.line_merge(shapely.multilinestrings(lines)) if lines else shapely.Point()
    yield from (part for part in shapely.get_parts(merged) if part.geom_type == "LineString")


def _find_largest(shape: shapely.Geometry) -> shapely.Geometry:
    """Give the largest part of a shape: a name stands on ground, not between two pieces."""
    parts = shapely.get_parts(shape)
    largest: shapely.Geometry = parts[np.argmax(shapely.area(parts))]
    return largest


def draw_relief(relief: Relief, areas: gpd.GeoDataFrame) -> Record | None:
    """Draw the lit ground of areas, and of no other ground; None where none of it is known.

    Parameters
    ----------
    areas
        Polygons in any CRS.

    Returns
    -------
    ``picture``, the ``data:`` address of a PNG that is transparent outside; ``corners``, their
    longitude and latitude from the north-west clockwise.
    """
    polygons = areas.to_crs(WEB).geometry.to_numpy()
    step = 1
    while True:
        transform = relief.transform @ Affine.scale(step)
        light, corners = warp_to_web(relief.light[::step, ::step], transform, relief.crs)
        if not len(polygons) or not np.isfinite(light).any():
            return None
        png = _shade(light, _mark_inside(light.shape, corners, polygons))
        if len(png) <= MAX_BYTES:
            break
        step += 1
    return {
        "picture": f"data:image/png;base64,{base64.b64encode(png).decode()}",
        "corners": corners,
    }


def _mark_inside(
    shape: tuple[int, ...], corners: list[list[float]], polygons: NDArray[Any]
) -> NDArray[np.bool_]:
    """Mark the cells of a picture of the web that touch any polygon, (row, col)."""
    ends = gpd.GeoSeries(shapely.points([corners[3], corners[1]]), crs=DEGREES).to_crs(WEB)
    (west, south), (east, north) = shapely.get_coordinates(ends.to_numpy())
    width, height = (east - west) / shape[1], (north - south) / shape[0]
    transform = Affine(width, 0.0, west, 0.0, -height, north)
    # With cells that are only touched, or the rims of areas would lie bare.
    inside: NDArray[np.bool_] = geometry_mask(
        polygons, shape, transform, all_touched=True, invert=True
    )
    return inside


def _shade(light: NDArray[np.float32], is_inside: NDArray[np.bool_]) -> bytes:
    """Draw light, (row, col), as a PNG of few greys; unknown ground inside is of the middle one."""
    low, high = np.nanquantile(light, ENDS)
    # On level ground both ends are alike, and nothing could be divided by their difference.
    share = np.clip((light - low) / max(float(high - low), 1.0), 0.0, 1.0)
    codes = 1 + np.round(np.nan_to_num(share, nan=0.5) * (N_GREYS - 1))
    picture = Image.fromarray(np.where(is_inside, codes, 0).astype(np.uint8), mode="P")
    greys = np.linspace(DARK, PALE, N_GREYS).round().astype(np.uint8)
    picture.putpalette(bytes(np.repeat(np.concatenate([[PALE], greys]).astype(np.uint8), 3)))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, optimize=True)
    return buffer.getvalue()
