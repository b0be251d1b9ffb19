"""Maps of one target as a drawing that stands by itself: for a paper, a slide, a wall."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from basrelief.drawing import finish_figure
from basrelief.style import FAINT, INK, INSIDE, NOTE, OUTSIDE, SMALL, STYLE
from basrelief.tell.maps.classes import Classes
from basrelief.tell.maps.layers import MapLayer, say_outside
from basrelief.tell.maps.polygons import draw_polygons, stripe_areas

WIDTH_IN, HEIGHT_IN = 9.4, 10.6


def draw_static(layer: MapLayer) -> str:
    """Draw predicted, observed, residual and applicability as one SVG on white.

    Predicted and observed have the same classes. Stripes: outside the area of applicability.
    """
    alt = (
        f"Four maps of {layer.name}: predicted, observed, observed less predicted, and where the "
        f"model applies. {layer.say()}"
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        (predicted, observed), (residual, applies) = figure.subplots(2, 2)
        _draw_classes(predicted, layer, "predicted", layer.classes)
        _draw_classes(observed, layer, "observed", layer.classes)
        _draw_classes(residual, layer, "residual", layer.residuals)
        _draw_applicability(applies, layer)
        # What was observed holds wherever the model applies, and is not striped.
        for axes in (predicted, residual):
            stripe_areas(axes, layer.table[layer.is_outside])
        predicted.set_title(f"Predicted {layer.name}")
        observed.set_title(f"Observed {layer.name}")
        residual.set_title("Observed − predicted")
        applies.set_title("Where the model applies")
        # SVG knows no line breaks of its own.
        text = layer.say() + say_outside(int(layer.is_outside.sum()))
        figure.supxlabel(fill(text, 110), fontsize=NOTE)
        return finish_figure(figure, alt, is_alone=True)


def _draw_classes(axes: Axes, layer: MapLayer, column: str, classes: Classes) -> None:
    """Draw one column in classes, with their legend."""
    found = classes.find(layer.table[column].to_numpy(np.float64))
    _draw_shades(axes, layer, found, classes.colours)
    _add_legend(axes, list(zip(classes.colours, classes.labels, strict=True)))


def _draw_applicability(axes: Axes, layer: MapLayer) -> None:
    """Draw which areas are inside and outside; those not measured keep an outline."""
    is_outside = layer.is_outside.to_numpy()
    is_known = layer.table["is_inside"].notna().to_numpy()
    found = np.where(is_known, is_outside.astype(np.int64), -1)
    _draw_shades(axes, layer, found, (INSIDE, OUTSIDE))
    stripe_areas(axes, layer.table[layer.is_outside])
    n_outside, n_known = int(is_outside.sum()), int(is_known.sum())
    entries = [(INSIDE, f"inside ({n_known - n_outside})"), (OUTSIDE, f"outside ({n_outside})")]
    _add_legend(
        axes,
        entries
        if n_known
        else [("none", "not measured: no features of areas, or always the mean")],
    )


def _draw_shades(
    axes: Axes, layer: MapLayer, found: NDArray[np.int64], colours: Sequence[str]
) -> None:
    """Draw areas by class, from 0; below 0 is an outline."""
    shown = pd.Series(np.where(found >= 0, found, np.nan), index=layer.table["area_id"])
    # Classes are whole numbers: bounds lie half-way between.
    norm = BoundaryNorm(np.arange(len(colours) + 1) - 0.5, len(colours))
    draw_polygons(axes, layer.table, shown, norm, ListedColormap(list(colours)))
    crs = layer.table.crs
    # Only on such a grid is north as good as straight up.
    if crs is not None and crs.is_projected:
        axes.text(
            1, -0.02, "N ↑", ha="right", va="center", fontsize=SMALL, transform=axes.transAxes
        )


def _add_legend(axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Name the shades under a map."""
    handles = [Patch(facecolor=colour, edgecolor=FAINT, lw=0.5) for colour, _ in entries]
    axes.legend(
        handles,
        [label for _, label in entries],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.06),
        ncols=2,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
