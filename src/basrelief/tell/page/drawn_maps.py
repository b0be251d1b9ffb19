"""Maps as inline SVG: values, residuals, folds, and areas that a model was not made for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import rasterio
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, Normalize
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from basrelief.drawing import finish_figure, start_figure
from basrelief.style import (
    BLACK,
    DIVERGING,
    FAINT,
    FIRST,
    INK,
    OUTLINE,
    PAPER,
    SEQUENTIAL,
    SMALL,
    STYLE,
    TINY,
    WHITE,
)
from basrelief.tell.page.figures import MAX_SHAPES

N_STEPS = 14

N_SHADES = 200
"""Shades of a map that is drawn as a picture."""


@dataclass(frozen=True)
class Scale:
    """How values become colours on a map."""

    label: str
    low: float
    high: float
    colours: str = SEQUENTIAL


def draw_map(
    areas: Any, values: pd.Series[float], scale: Scale, alt: str, outside: Collection[str] = ()
) -> str:
    """Draw areas coloured by value; those without a value keep an outline only.

    Parameters
    ----------
    areas
        GeoDataFrame with ``area_id`` and polygons, in metres.
    values
        By ``area_id``.
    outside
        Areas that the model was not made for: they are hatched.
    """
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.4)
        norm = Normalize(scale.low, scale.high)
        colours = mpl.colormaps[scale.colours]
        fill_areas(axes, areas, values, norm, colours)
        hatch(axes, areas[areas["area_id"].isin(outside)])
        mappable = mpl.cm.ScalarMappable(norm, colours)
        bar = figure.colorbar(
            mappable, ax=axes, location="bottom", shrink=0.8, aspect=30, pad=0.02, extend="both"
        )
        bar.set_label(scale.label)
        bar.outline.set_visible(False)
        bar.ax.collections[0].set_rasterized(True)
        return finish_figure(figure, alt)


def draw_folds(areas: Any, folds: pd.Series[int], alt: str) -> str:
    """Draw areas coloured by the fold that holds them out, numbered where there is room."""
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.2)
        n_folds = int(folds.max()) + 1
        norm = BoundaryNorm(np.arange(n_folds + 1) - 0.5, 256)
        fill_areas(axes, areas, folds.astype(float), norm, mpl.colormaps[SEQUENTIAL])
        numbered = areas[areas["area_id"].isin(folds.index)] if len(folds) <= 150 else areas[:0]
        for area_id, point in zip(
            numbered["area_id"], numbered.geometry.representative_point(), strict=True
        ):
            fold = int(folds[area_id])
            colour = _choose_ink(fold, n_folds)
            number = axes.text(point.x, point.y, str(fold + 1), color=colour, fontsize=TINY)
            number.set(ha="center", va="center")
        return finish_figure(figure, alt)


def _choose_ink(fold: int, n_folds: int) -> str:
    """Choose what is read on a fold's colour; the middle one is nearer to white than to black."""
    return WHITE if fold < (n_folds - 1) / 2 else BLACK


def draw_raster(
    areas: Any, values: NDArray[np.float32], transform: rasterio.Affine, scale: Scale, alt: str
) -> str:
    """Draw a raster in steps from purple over pale to orange, under the areas' outlines.

    Parameters
    ----------
    areas
        Polygons in the raster's CRS.
    values : (row, col)
        North up; NaN is left blank.
    scale
        Its ends lie as far below 0 as above; its colours are not asked.
    """
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.4)
        # Few steps: the eye compares them with the legend, and they pack well.
        norm = BoundaryNorm(np.linspace(scale.low, scale.high, N_STEPS + 1), N_STEPS)
        colours = LinearSegmentedColormap.from_list("diverging", DIVERGING, N_STEPS)
        west, north = transform @ (0, 0)
        east, south = transform @ (values.shape[1], values.shape[0])
        fill_areas(axes, areas, pd.Series(dtype=np.float64), Normalize(0, 1), None)
        _draw_outlines(axes, areas[areas["is_used"].astype(bool)])
        shown = np.clip(values, scale.low, scale.high)
        axes.imshow(
            shown, colours, norm, extent=(west, east, south, north), interpolation="none", zorder=0
        )
        # Drawing a picture takes the axes' limits with it.
        axes.set_xlim(*areas.total_bounds[[0, 2]])
        axes.set_ylim(*areas.total_bounds[[1, 3]])
        mappable = mpl.cm.ScalarMappable(norm, colours)
        ticks = [scale.low, 0.0, scale.high]
        bar = figure.colorbar(
            mappable, ax=axes, location="bottom", shrink=0.8, aspect=30, pad=0.02, ticks=ticks
        )
        bar.set_ticklabels([f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks])
        bar.set_label(scale.label)
        bar.outline.set_visible(False)
        return finish_figure(figure, alt)


def draw_coverage(areas: Any, alt: str) -> str:
    """Draw the areas that count filled, the others as outlines."""
    used = areas[areas["is_used"].astype(bool)]
    values = pd.Series(0.5, index=used["area_id"])
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.2)
        fill_areas(axes, areas, values, Normalize(0, 1), None)
        return finish_figure(figure, alt)


def fill_areas(
    axes: Axes, areas: Any, values: pd.Series[float], norm: Normalize, colours: Colormap | None
) -> None:
    """Draw polygons, coloured where they have a value, with a scale bar and no frame."""
    west, south, east, north = (float(side) for side in areas.total_bounds)
    polygons = shapely.simplify(areas.geometry.to_numpy(), (east - west) / 800)
    found = values.reindex(areas["area_id"]).to_numpy(np.float64)
    has_value = np.isfinite(found)
    is_many = len(polygons) > MAX_SHAPES
    outlines = np.array([_trace(polygon) for polygon in polygons], dtype=object)
    line_width = 0.1 if is_many else 0.6
    blank = PathCollection(list(outlines[~has_value]), facecolors="none", linewidths=line_width)
    blank.set_edgecolor(FAINT)
    filled = PathCollection(list(outlines[has_value]), linewidths=line_width)
    filled.set_edgecolor("face" if is_many else PAPER)
    if colours is None:
        filled.set_facecolor(FIRST)
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


def _draw_outlines(axes: Axes, areas: Any) -> None:
    """Draw outlines over a picture, whose colours the page does not change."""
    west, east = axes.get_xlim()
    polygons = shapely.simplify(areas.geometry.to_numpy(), (east - west) / 800)
    outlines = PathCollection([_trace(polygon) for polygon in polygons], facecolors="none")
    outlines.set(edgecolor=OUTLINE, linewidth=0.4, rasterized=len(areas) > MAX_SHAPES)
    axes.add_collection(outlines)


def hatch(axes: Axes, areas: Any) -> None:
    """Draw stripes over areas, dark on light so that they show on any colour."""
    if not len(areas):
        return
    west, east = axes.get_xlim()
    polygons = shapely.simplify(areas.geometry.to_numpy(), (east - west) / 800)
    outlines = [_trace(polygon) for polygon in polygons]
    for colour, width, edge in ((WHITE, 2.4, 1.2), (BLACK, 0.9, 0.5)):
        with mpl.rc_context({"hatch.linewidth": width}):
            striped = PathCollection(outlines, facecolors="none", edgecolors=colour, hatch="///")
            striped.set_linewidth(edge)
            striped.set_rasterized(len(areas) > MAX_SHAPES)
            axes.add_collection(striped)


def _trace(polygon: Any) -> Outline:
    """Turn a polygon of any number of parts and holes into one outline."""
    parts = [part for part in shapely.get_parts(polygon) if part.geom_type == "Polygon"]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors) if ring.coords]
    if not rings:
        return Outline(np.zeros((1, 2)))
    return Outline.make_compound_path(*(Outline(np.asarray(ring.coords)[:, :2]) for ring in rings))


def _add_scale_bar(axes: Axes, width_m: float) -> None:
    """Draw a bar of a round length under the map's lower left corner."""
    lengths = [step * 10.0**power for power in range(1, 7) for step in (1, 2, 5)]
    length_m = max((length for length in lengths if length <= width_m / 4), default=lengths[0])
    share = length_m / width_m
    axes.plot([0, share], [-0.02, -0.02], color=INK, lw=2, transform=axes.transAxes, clip_on=False)
    text = f"{length_m / 1000:g} km" if length_m >= 1000 else f"{length_m:g} m"
    axes.text(share + 0.02, -0.02, text, va="center", fontsize=SMALL, transform=axes.transAxes)
