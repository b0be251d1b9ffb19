"""How figures and pages look: fonts, sizes and colours. A colour is named here and nowhere else.

Nothing is imported, so that every room can ask at no cost.
"""

from __future__ import annotations

from typing import Any

# Chosen for contrast: text stands out from paper and cards by level AA of WCAG 2.2.
LIGHT = {
    "paper": "#fbfaf6",
    "card": "#f2efe7",
    "ink": "#202326",
    "faint": "#626465",
    "rule": "#d9d4c7",
    "first": "#2a628f",
    "second": "#a8480a",
    "link": "#1d5580",
    "better": "#1f5c8c",
    "worse": "#9a3f06",
    "even": "#55585a",
}
"""A page's colours on a light screen, by name."""

DARK = {
    "paper": "#16191c",
    "card": "#1f2327",
    "ink": "#e4e1d9",
    "faint": "#a09e98",
    "rule": "#3a3f44",
    "first": "#7fb4e0",
    "second": "#f0a060",
    "link": "#9cc7ec",
    "better": "#8cc0ec",
    "worse": "#f2a566",
    "even": "#b5b3ad",
}
"""The same on a dark screen."""

PRINT = LIGHT | {
    "paper": "#ffffff",
    "card": "#f4f4f2",
    "ink": "#000000",
    "faint": "#444444",
    "rule": "#bbbbbb",
    "link": "#000000",
    "even": "#444444",
}
"""The same on paper."""

INK, FAINT, FIRST, SECOND, PAPER = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
# Nearly black, and unlike any colour that a drawing has of its own.
_STAND_FOR = {INK: "ink", FAINT: "faint", FIRST: "first", SECOND: "second", PAPER: "paper"}
"""Colours that stand in a drawing, until it is finished, for colours of the page."""

THEME = {drawn: f"var(--{name})" for drawn, name in _STAND_FOR.items()}
"""What they become in a page: its variables, so that dark and print work."""

PRINTED = {drawn: PRINT[name] for drawn, name in _STAND_FOR.items()}
"""What they become in a drawing that stands by itself, on white paper that it brings along."""

SOLID = "#4a7fb5"
"""Colour of what is drawn as a picture: seen on light and on dark."""

WHITE, BLACK = "#ffffff", "#000000"
"""Over a map's colours, which the page does not change: one of the two is always seen."""

OUTLINE = "#26282a"
"""Outlines over what is as pale on a dark page as on a light one."""

EDGE = "#808080"
"""Outlines where what lies below may be white, or black."""

DIVERGING = LOWERS, NEITHER, RAISES = ("#5e3c99", "#f7f7f7", "#e66101")
"""Purple lowers, orange raises, the ends of PuOr: told apart by every eye, and by brightness
from pale."""

SEQUENTIAL, SIGNED = "cividis", "PuOr_r"
"""Matplotlib's names of the colours of values and of residuals, told apart by every eye. Orange is
more and purple less, as in contributions: one colour never means both on a page."""

INSIDE, OUTSIDE = "#a9c3d6", "#e08a3c"
"""Areas that the model was made for, and those it was not: apart in brightness too."""

GROUND = "#c8c8c8"
"""The lit ground under an area's colour, as a mean: what legends mix colours with."""

OVER_MAPS = {
    "lowers": LOWERS,
    "neither": NEITHER,
    "raises": RAISES,
    "inside": INSIDE,
    "outside": OUTSIDE,
    "ground": GROUND,
    "outline": OUTLINE,
    "chosen": LIGHT["second"],
    "white": WHITE,
    "black": BLACK,
}
"""Colours of the page's map by name: the same on every screen, as the areas' colours are."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    # Names of targets and areas may hold a $, and mean it.
    "text.parse_math": False,
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
    # The page's ground shows through, be it light or dark.
    "axes.facecolor": "none",
}
"""Settings of matplotlib while it draws. Text stays text."""

WIDTH_IN = 340 / 72
"""As wide as a phone's column, so that text keeps its size there."""

TINY, SMALL, NOTE = 8, 9, 10
"""Font sizes in points: numbers on maps; legends of maps, many rows; legends of charts."""


def read_rgb(colour: str) -> tuple[int, ...]:
    """Read ``#rrggbb`` as red, green and blue, 0 to 255.

    Examples
    --------
    >>> read_rgb("#ff8000")
    (255, 128, 0)
    """
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def write_colours() -> str:
    """Write the colours of pages as variables of their style: light, dark, and on paper."""
    light, dark, paper = (
        f":root {{ {' '.join(f'--{name}: {colour};' for name, colour in colours.items())} }}"
        for colours in (LIGHT | OVER_MAPS, DARK, PRINT)
    )
    # What prints may be a dark screen: paper comes last.
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {paper} }}"
