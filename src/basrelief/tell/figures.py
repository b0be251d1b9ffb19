"""Figures as inline SVG that takes its colours from the page, so that dark and print work."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

INK, FAINT, FIRST, SECOND, PAPER = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
THEME = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    PAPER: "var(--paper)",
}
"""Colours that stand in the drawing for colours of the page."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}

WIDTH_IN = 340 / 72
"""As wide as a phone's column, so that text keeps its size there."""

MAX_SHAPES = 1500
"""More points or polygons than this are drawn as one picture inside the SVG."""

SOLID = "#4a7fb5"
"""Colour of what is drawn as a picture: seen on light and on dark."""


@dataclass(frozen=True)
class Scale:
    """How values become colours on a map."""

    label: str
    low: float
    high: float
    colours: str = "cividis"


def draw_histogram(values: NDArray[np.float64], label: str, alt: str) -> str:
    """Draw how often which value occurs, with the mean marked."""
    values = values[np.isfinite(values)]
    with mpl.rc_context(STYLE):
        figure, axes = _start(2.3)
        n_bins = int(np.clip(np.sqrt(len(values)) * 1.5, 8, 40))
        axes.hist(values, bins=n_bins, color=FIRST, edgecolor=PAPER, linewidth=0.5)
        axes.axvline(values.mean(), color=SECOND, linewidth=1.8)
        axes.margins(y=0.15)
        axes.annotate(
            f"mean {values.mean():.2f}".replace("-", "−"),
            (values.mean(), 0.99),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            color=SECOND,
            va="top",
        )
        axes.set_xlabel(label)
        return _finish(figure, alt)


def draw_curves(history: pd.DataFrame, alt: str) -> str:
    """Draw training and validation loss by epoch, told apart by line style and by name."""
    with mpl.rc_context(STYLE):
        figure, axes = _start(2.6)
        for column, name, style, colour in (
            ("loss", "training", "--", FIRST),
            ("val_loss", "validation", "-", SECOND),
        ):
            curve = history[column].to_numpy(np.float64)
            epochs = history["epoch"].to_numpy()
            marker = "o" if len(curve) < 3 else ""
            axes.plot(epochs, curve, style, color=colour, linewidth=1.8, marker=marker, label=name)
        axes.legend(frameon=False, fontsize=10, handlelength=2.6)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0) if history["loss"].min() >= 0 else None
        return _finish(figure, alt)


def draw_scatter(tested: pd.DataFrame, label: str, alt: str) -> str:
    """Draw predicted against observed, the line of equality, and always predicting the mean."""
    with mpl.rc_context(STYLE):
        figure, axes = _start(4.2)
        observed = tested["y_true"].to_numpy(np.float64)
        predicted = tested["y_pred"].to_numpy(np.float64)
        shown = np.concatenate([observed, predicted])
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        pad = 0.05 * (high - low or 1.0)
        ends = (low - pad, high + pad)
        is_many = len(observed) > MAX_SHAPES
        axes.plot(ends, ends, "-", color=FAINT, linewidth=1, label="perfect")
        mean = float(tested["y_mean"].mean())
        axes.plot(ends, (mean, mean), ":", color=SECOND, linewidth=1.8, label="always the mean")
        axes.scatter(
            observed,
            predicted,
            s=6 if is_many else 18,
            color=SOLID if is_many else FIRST,
            alpha=0.3 if is_many else 0.65,
            linewidths=0,
            rasterized=is_many,
        )
        axes.set_xlim(ends)
        axes.set_ylim(ends)
        axes.set_aspect("equal")
        axes.set_xlabel(f"observed {label}")
        axes.set_ylabel(f"predicted {label}")
        axes.legend(frameon=False, fontsize=10, loc="upper left")
        return _finish(figure, alt)


def draw_map(areas: Any, values: pd.Series[float], scale: Scale, alt: str) -> str:
    """Draw areas coloured by value; those without a value keep an outline only.

    Parameters
    ----------
    areas
        GeoDataFrame with ``area_id`` and polygons, in metres.
    values
        By ``area_id``.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _start(4.4)
        norm = Normalize(scale.low, scale.high)
        colours = mpl.colormaps[scale.colours]
        _fill(axes, areas, values, norm, colours)
        mappable = mpl.cm.ScalarMappable(norm, colours)
        bar = figure.colorbar(
            mappable, ax=axes, location="bottom", shrink=0.8, aspect=30, pad=0.02, extend="both"
        )
        bar.set_label(scale.label)
        bar.outline.set_visible(False)
        bar.ax.collections[0].set_rasterized(True)
        return _finish(figure, alt)


def draw_folds(areas: Any, folds: pd.Series[int], alt: str) -> str:
    """Draw areas coloured by the fold that holds them out, numbered where there is room."""
    with mpl.rc_context(STYLE):
        figure, axes = _start(4.2)
        n_folds = int(folds.max()) + 1
        norm = BoundaryNorm(np.arange(n_folds + 1) - 0.5, 256)
        _fill(axes, areas, folds.astype(float), norm, mpl.colormaps["cividis"])
        numbered = areas[areas["area_id"].isin(folds.index)] if len(folds) <= 150 else areas[:0]
        for area_id, point in zip(
            numbered["area_id"], numbered.geometry.representative_point(), strict=True
        ):
            fold = int(folds[area_id])
            colour = "#ffffff" if fold < n_folds / 2 else "#000000"
            axes.text(
                point.x, point.y, str(fold + 1), ha="center", va="center", color=colour, fontsize=8
            )
        return _finish(figure, alt)


def draw_coverage(areas: Any, alt: str) -> str:
    """Draw the areas that count filled, the others as outlines."""
    used = areas[areas["is_used"].astype(bool)]
    values = pd.Series(0.5, index=used["area_id"])
    with mpl.rc_context(STYLE):
        figure, axes = _start(4.2)
        _fill(axes, areas, values, Normalize(0, 1), None)
        return _finish(figure, alt)


def _start(height_in: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots()


def _fill(
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
        filled.set_facecolor(colours(norm(found[has_value])))
    for collection in (blank, filled):
        collection.set_rasterized(is_many)
        axes.add_collection(collection)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.set_axis_off()
    _add_scale_bar(axes, east - west)


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
    axes.text(share + 0.02, -0.02, text, va="center", fontsize=9, transform=axes.transAxes)


def _finish(figure: Figure, alt: str) -> str:
    """Write a figure as SVG for a page: named for those who cannot see it, no fixed size."""
    buffer = io.StringIO()
    # The salt keeps the ids of several drawings on one page apart, and the bytes the same.
    with mpl.rc_context({"svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=220)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    size = re.compile(r'width="[\d.]+pt" height="[\d.]+pt"')
    svg = size.sub(lambda _: f'role="img" aria-label="{escape(alt)}"', svg, count=1)
    for drawn, shown in THEME.items():
        svg = svg.replace(drawn, shown)
    return svg
