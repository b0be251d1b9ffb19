"""Whether colours are named once, and can be seen: contrast as WCAG 2.2 measures it, level AA."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from basrelief import style
from basrelief.style import DARK, LIGHT, PRINT, PRINTED, SEQUENTIAL, read_rgb
from basrelief.tell.page import drawn_maps
from basrelief.tell.page.audit import tint

PACKAGE = Path(style.__file__).parent
CSS = (PACKAGE / "tell" / "page" / "report.css").read_text(encoding="utf-8")
THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}

TEXT_AA, GRAPHICS_AA = 4.5, 3.0
"""Contrast that text, and lines and marks that say something, must have."""

TEXT = ("ink", "faint", "second", "link", "better", "worse", "even", "first")
TONES = ("better", "worse", "even")

COLOUR = re.compile(r"#(?:[0-9a-f]{3}){1,2}\b|\b(?:rgb|hsl)\(", re.IGNORECASE)


def measure_contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    lights = []
    for colour in (one, other):
        shares = [part / 255 for part in read_rgb(colour)]
        line = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        lights.append(0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def mix(colour: str, ground: str, share: float) -> str:
    """The colour that is seen where ``share`` of one lies over another."""
    parts = zip(read_rgb(colour), read_rgb(ground), strict=True)
    return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in parts)


def find_faint(pairs: dict[str, tuple[str, str]], least: float) -> dict[str, float]:
    """Which pairs of colours have less contrast than asked for."""
    found = {name: measure_contrast(*pair) for name, pair in pairs.items()}
    return {name: round(value, 2) for name, value in found.items() if value < least}


def test_known_contrasts() -> None:
    assert measure_contrast("#000000", "#ffffff") == pytest.approx(21)
    assert measure_contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert mix("#ff0000", "#0000ff", 0.2) == "#3300cc"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.*")), ids=lambda path: path.name)
def test_no_other_file_names_a_colour(path: Path) -> None:
    if path.suffix in (".py", ".css", ".js", ".j2") and path != Path(style.__file__):
        assert COLOUR.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path",
    sorted(path for kind in ("css", "js") for path in (PACKAGE / "tell").rglob(f"*.{kind}")),
    ids=lambda path: path.name,
)
def test_every_variable_that_a_page_asks_for_is_a_colour_that_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = set(LIGHT) | set(style.OVER_MAPS) | {"serif", "sans", "mono", "tone", "k", "t", "n"}
    asked = re.findall(r"var\(--(\w+)\)|colourNamed\(\"(\w+)\"\)", text)
    assert {first or second for first, second in asked} <= known


def test_themes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK) == set(PRINT)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["paper", "card"])
def test_text_stands_out_from_its_ground(theme: str, ground: str) -> None:
    colours = THEMES[theme]
    assert find_faint({name: (colours[name], colours[ground]) for name in TEXT}, TEXT_AA) == {}


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_tinted_cells(theme: str) -> None:
    colours = THEMES[theme]
    pairs = {}
    for percent in re.findall(r"color-mix\(in srgb, var\(--tone\) (\d+)%", CSS):
        for tone in TONES:
            ground = mix(colours[tone], colours["paper"], int(percent) / 100)
            for text in ("ink", "faint", tone):
                pairs[f"{text} on {percent}% {tone}"] = (colours[text], ground)
    for tone in ("first", "second"):
        ground = mix(colours[tone], colours["paper"], tint(1.0) / 100)
        pairs[f"ink on the strongest {tone}"] = (colours["ink"], ground)
    assert len(pairs) == 20
    assert find_faint(pairs, TEXT_AA) == {}


@pytest.mark.parametrize("theme", THEMES)
def test_intervals_and_points_stand_out_from_the_page(theme: str) -> None:
    colours = THEMES[theme]
    (opacity,) = re.findall(r"\.interval \{[^}]*stroke-opacity: ([\d.]+)", CSS)
    (percent,) = re.findall(r"\.liked-row \{[^}]*var\(--tone\) (\d+)%", CSS)
    pairs = {"points": (style.SOLID, colours["paper"])}
    for tone in TONES:
        for share in (0.0, int(percent) / 100):
            ground = mix(colours[tone], colours["paper"], share)
            seen = mix(colours[tone], ground, float(opacity))
            pairs[f"interval, {tone} on {share:.0%}"] = (seen, ground)
    assert find_faint(pairs, GRAPHICS_AA) == {}


def test_a_drawing_that_stands_alone_can_be_read_on_the_paper_that_it_brings() -> None:
    inks = {name: colour for name, colour in PRINTED.items() if name != style.PAPER}
    pairs = {name: (colour, PRINTED[style.PAPER]) for name, colour in inks.items()}
    assert find_faint(pairs, TEXT_AA) == {}


@pytest.mark.parametrize("n_folds", [2, 3, 5, 10])
def test_numbers_of_folds_can_be_read_on_their_colours(n_folds: int) -> None:
    pairs = {}
    for fold, share in enumerate(np.linspace(0, 1, n_folds)):
        ground = mpl.colors.to_hex(mpl.colormaps[SEQUENTIAL](share))
        pairs[str(fold)] = (drawn_maps._choose_ink(fold, n_folds), ground)
    assert find_faint(pairs, TEXT_AA) == {}


def test_raising_and_lowering_are_told_apart_by_brightness_from_neither() -> None:
    for colour in (style.LOWERS, style.RAISES):
        assert measure_contrast(colour, style.NEITHER) >= GRAPHICS_AA
