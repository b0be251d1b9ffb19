"""How every figure looks: fonts, sizes and colours, in one place.

Charts are SVG whose colours are those of the page, so that dark and print work; what stands by
itself is drawn in the same colours on white. Text stays text.
"""

from __future__ import annotations

from typing import Any

INK, FAINT, FIRST, SECOND, PAPER = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
THEME = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    PAPER: "var(--paper)",
}
"""Colours that stand in the drawing for colours of the page."""

PRINTED = {INK: "#111111", FAINT: "#686a6b", FIRST: "#2a628f", SECOND: "#a8480a", PAPER: "#ffffff"}
"""The same colours for a drawing that stands by itself, on white."""

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

SOLID = "#4a7fb5"
"""Colour of what is drawn as a picture: seen on light and on dark."""

DIVERGING = ("#5e3c99", "#f7f7f7", "#e66101")
"""Purple lowers, orange raises: told apart by every eye, and by brightness from pale."""

SEQUENTIAL, SIGNED = "cividis", "PuOr"
"""Colour maps of values and of residuals, told apart by every eye."""

OUTLINE = "#26282a"
"""Outlines over what is as pale on a dark page as on a light one."""

SMALL, NOTE = 9, 10
"""Font sizes in points: scale bars and legends of maps, and legends of charts."""
