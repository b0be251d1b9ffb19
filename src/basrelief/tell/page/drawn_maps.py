"""Maps as inline SVG: values, residuals, folds, and areas that a model was not made for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import rasterio
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from basrelief.drawing import finish_figure, start_figure
from basrelief.style import (
    BLACK,
    DIVERGING,
    SEQUENTIAL,
    STYLE,
    TINY,
    WHITE,
)
from basrelief.tell.maps.polygons import draw_polygons, outline_areas, stripe_areas

N_STEPS = 14


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
        draw_polygons(axes, areas, values, norm, colours)
        stripe_areas(axes, areas[areas["area_id"].isin(outside)])
        # Colours end at quantiles, so that values lie beyond both ends.
        bar = _add_legend(axes, norm, colours, scale.label, extend="both")
        # As one picture: its shades would be shapes, hundreds of them.
        bar.ax.collections[0].set_rasterized(True)
        return finish_figure(figure, alt)


def draw_folds(areas: Any, folds: pd.Series[int], alt: str) -> str:
    """Draw areas coloured by the fold that holds them out, numbered where there is room."""
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.2)
        n_folds = int(folds.max()) + 1
        # Folds are whole numbers: bounds lie half-way between.
        norm = BoundaryNorm(np.arange(n_folds + 1) - 0.5, 256)
        draw_polygons(axes, areas, folds.astype(float), norm, mpl.colormaps[SEQUENTIAL])
        # More numbers than this run into each other.
        numbered = areas[areas["area_id"].isin(folds.index)] if len(folds) <= 150 else areas[:0]
        for area_id, point in zip(
            numbered["area_id"], numbered.geometry.representative_point(), strict=True
        ):
            fold = int(folds[area_id])
            colour = _choose_ink(fold, n_folds)
            # People count from 1.
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
        # For its frame and its scale bar: no area has a value here.
        draw_polygons(axes, areas, pd.Series(dtype=np.float64), Normalize(0, 1), None)
        outline_areas(axes, areas[areas["is_used"].astype(bool)])
        shown = np.clip(values, scale.low, scale.high)
        # No smoothing: it would mix colours that the legend does not have.
        axes.imshow(
            shown, colours, norm, extent=(west, east, south, north), interpolation="none", zorder=0
        )
        # Drawing a picture takes the axes' limits with it.
        axes.set_xlim(*areas.total_bounds[[0, 2]])
        axes.set_ylim(*areas.total_bounds[[1, 3]])
        ticks = [scale.low, 0.0, scale.high]
        bar = _add_legend(axes, norm, colours, scale.label)
        bar.set_ticks(ticks)
        bar.set_ticklabels([f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks])
        return finish_figure(figure, alt)


def draw_coverage(areas: Any, alt: str) -> str:
    """Draw the areas that count filled, the others as outlines."""
    used = areas[areas["is_used"].astype(bool)]
    values = pd.Series(0.5, index=used["area_id"])
    with mpl.rc_context(STYLE):
        figure, axes = start_figure(4.2)
        draw_polygons(axes, areas, values, Normalize(0, 1), None)
        return finish_figure(figure, alt)


def _add_legend(
    axes: Axes, norm: Normalize, colours: Colormap, label: str, extend: str = "neither"
) -> Colorbar:
    """Add a bar of a map's colours below it."""
    mappable = mpl.cm.ScalarMappable(norm, colours)
    figure: Any = axes.figure
    bar: Colorbar = figure.colorbar(
        mappable, ax=axes, location="bottom", shrink=0.8, aspect=30, pad=0.02, extend=extend
    )
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar
