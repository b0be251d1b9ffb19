"""Polygons on a drawing: filled, outlined or striped, with a scale bar and no frame."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.path import Path as Outline

from basrelief.drawing import MAX_SHAPES
from basrelief.style import BLACK, EDGE, FAINT, FIRST, INK, OUTLINE, PAPER, SMALL, SOLID, WHITE

N_SHADES = 200
"""Shades of a map that is drawn as a picture."""

SHARE_SEEN = 1 / 800
"""Share of a drawing's width below which a corner of an outline is not seen."""


def draw_polygons(
    axes: Axes, areas: Any, values: pd.Series[float], norm: Normalize, colours: Colormap | None
) -> None:
    """Draw polygons, coloured where they have a value, with a scale bar and no frame.

    Parameters
    ----------
    areas
        GeoDataFrame with ``area_id`` and polygons, in metres.
    values
        By ``area_id``.
    norm, colours
        Turn values into colours; one colour of the page without ``colours``.
    """
    west, south, east, north = (float(side) for side in areas.total_bounds)
    found = values.reindex(areas["area_id"]).to_numpy(np.float64)
    has_value = np.isfinite(found)
    is_many = len(areas) > MAX_SHAPES
    outlines = np.array(_trace_areas(areas, east - west), dtype=object)
    line_width = 0.1 if is_many else 0.6
    blank = PathCollection(list(outlines[~has_value]), facecolors="none", linewidths=line_width)
    # A picture in a drawing does not change with the page: what stands for its colours would stay.
    blank.set_edgecolor(EDGE if is_many else FAINT)
    filled = PathCollection(list(outlines[has_value]), linewidths=line_width)
    # Thousands of small areas would vanish between lines of paper.
    filled.set_edgecolor("face" if is_many else PAPER)
    if colours is None:
        filled.set_facecolor(SOLID if is_many else FIRST)
    else:
        # Few enough shades for a picture with a palette, more than an eye tells apart.
        shades = colours.resampled(N_SHADES) if is_many and colours.N > N_SHADES else colours
        filled.set_facecolor(shades(norm(found[has_value])))
    for collection in (blank, filled):
        collection.set_rasterized(is_many)
        # Smooth edges of thousands of areas would be most of the file.
        collection.set_antialiased(not is_many)
        axes.add_collection(collection)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.set_axis_off()
    _add_scale_bar(axes, east - west)


def outline_areas(axes: Axes, areas: Any) -> None:
    """Draw outlines over a picture, whose colours the page does not change."""
    west, east = axes.get_xlim()
    outlines = PathCollection(_trace_areas(areas, east - west), facecolors="none")
    outlines.set(edgecolor=OUTLINE, linewidth=0.4, rasterized=len(areas) > MAX_SHAPES)
    axes.add_collection(outlines)


def stripe_areas(axes: Axes, areas: Any) -> None:
    """Draw stripes over areas, dark on light so that they show on any colour."""
    if not len(areas):
        return
    west, east = axes.get_xlim()
    outlines = _trace_areas(areas, east - west)
    for colour, width, edge in ((WHITE, 2.4, 1.2), (BLACK, 0.9, 0.5)):
        # A collection takes the width of its stripes from the settings while it is made.
        with mpl.rc_context({"hatch.linewidth": width}):
            striped = PathCollection(outlines, facecolors="none", edgecolors=colour, hatch="///")
            striped.set_linewidth(edge)
            striped.set_rasterized(len(areas) > MAX_SHAPES)
            axes.add_collection(striped)


def _trace_areas(areas: Any, width_m: float) -> list[Outline]:
    """Turn areas into outlines as fine as is seen in a drawing of this width."""
    polygons = shapely.simplify(areas.geometry.to_numpy(), width_m * SHARE_SEEN)
    return [_trace(polygon) for polygon in polygons]


def _trace(polygon: Any) -> Outline:
    """Turn a polygon of any number of parts and holes into one outline."""
    parts = [part for part in shapely.get_parts(polygon) if part.geom_type == "Polygon"]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors) if ring.coords]
    if not rings:
        # A shape all the same: outlines and values are matched by position.
        return Outline(np.zeros((1, 2)))
    # Some boundaries carry heights, which no drawing takes.
    return Outline.make_compound_path(*(Outline(np.asarray(ring.coords)[:, :2]) for ring in rings))


def _add_scale_bar(axes: Axes, width_m: float) -> None:
    """Draw a bar of a round length under the map's lower left corner."""
    lengths = [step * 10.0**power for power in range(1, 7) for step in (1, 2, 5)]
    length_m = max((length for length in lengths if length <= width_m / 4), default=lengths[0])
    share = length_m / width_m
    axes.plot([0, share], [-0.02, -0.02], color=INK, lw=2, transform=axes.transAxes, clip_on=False)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.text(share + 0.02, -0.02, text, va="center", fontsize=SMALL, transform=axes.transAxes)
