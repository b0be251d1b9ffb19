"""How a figure begins and ends: a phone's column wide, and an SVG whose text stays text."""

from __future__ import annotations

import base64
import io
import re
import warnings
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from basrelief.style import PAPER, PRINTED, THEME, WIDTH_IN

MAX_COLOURS = 256
"""As many as a PNG's palette holds."""

MAX_SHAPES = 1500
"""More points or polygons than this are drawn as one picture inside the SVG."""


def start_figure(height_in: float) -> tuple[Figure, Axes]:
    """Start a figure as wide as a phone's column."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots()


def finish_figure(figure: Figure, alt: str, *, is_alone: bool = False) -> str:
    """Write a figure as SVG: named for those who cannot see it, no fixed size.

    In a page it takes the page's colours. One that stands alone brings white paper with it:
    not every program that shows SVG knows whether its own ground is dark.
    """
    theme, paper = (PRINTED, PAPER) if is_alone else (THEME, "none")
    buffer = io.StringIO()
    # The salt keeps the ids of several drawings on one page apart, and the bytes the same.
    with mpl.rc_context({"svg.hashsalt": alt}), warnings.catch_warnings():
        # A target may be named with signs that the font lacks. The text stays text: whoever looks
        # at the drawing sees them in a font of his own.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=220, facecolor=paper)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Matplotlib's own words on itself, and ids that two drawings of one page would share.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # A tenth of a point is finer than any screen shows, and half the size of the file.
    svg = re.sub(r'\bd="([^"]*)"', lambda found: f'd="{_round_path(found[1])}"', svg)
    svg = re.sub(r"(data:image/png;base64,)([^\"]+)", lambda found: found[1] + _pack(found[2]), svg)
    size = re.compile(r'width="[\d.]+pt" height="[\d.]+pt"')
    svg = size.sub(lambda _: f'role="img" aria-label="{escape(alt)}"', svg, count=1)
    for drawn, shown in theme.items():
        svg = svg.replace(drawn, shown)
    return svg


def _round_path(path: str) -> str:
    """Write a path's numbers to a tenth, and no more between them than they need."""
    path = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}", path)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", path.replace(".0", "")).strip()


def _pack(data: str) -> str:
    """Write a PNG, as base64, with a palette where it has few colours: a third of the size."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    # Four bytes as one number: sorting rows of four takes ten times as long.
    colours, index = np.unique(pixels.view(np.uint32), return_inverse=True)
    if len(colours) > MAX_COLOURS:
        return data
    palette = colours.view(np.uint8).reshape(-1, 4)
    packed = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
    packed.putpalette(palette[:, :3].tobytes())
    buffer = io.BytesIO()
    packed.save(buffer, "PNG", transparency=palette[:, 3].tobytes(), optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
