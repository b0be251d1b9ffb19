"""How figures are finished: in a page, and alone."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from basrelief import drawing
from basrelief.style import FIRST, PAPER, PRINTED, STYLE, THEME


def draw(alt: str = "a line", is_alone: bool = False) -> str:
    with mpl.rc_context(STYLE):
        figure, axes = drawing.start_figure(2.0)
        axes.plot([0, 1], [0, 1], color=FIRST)
        axes.set_xlabel("burglaries")
        return drawing.finish_figure(figure, alt, is_alone=is_alone)


@pytest.mark.parametrize("is_alone", [False, True])
def test_no_colour_of_a_drawing_stands_for_another_once_it_is_finished(is_alone: bool) -> None:
    svg = draw(is_alone=is_alone)
    assert not [drawn for drawn in THEME if drawn in svg]
    assert ("var(--" in svg) == (not is_alone)


@pytest.mark.parametrize("is_alone", [False, True])
def test_text_stays_text(is_alone: bool) -> None:
    root = ElementTree.fromstring(draw(is_alone=is_alone))
    assert "burglaries" in [
        element.text for element in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def test_what_stands_alone_lies_on_paper_and_what_lies_in_a_page_does_not() -> None:
    grounds = {}
    for is_alone in (False, True):
        first = next(
            iter(
                re.findall(
                    r'<path d="M0 144L340 144[^"]*" style="([^"]*)"', draw(is_alone=is_alone)
                )
            )
        )
        grounds[is_alone] = first
    assert grounds == {False: "fill: none", True: f"fill: {PRINTED[PAPER]}"}


def test_alt_text_is_escaped() -> None:
    svg = draw(alt='a < b & "c"')
    assert ElementTree.fromstring(svg).get("aria-label") == 'a < b & "c"'


def test_paths_are_rounded_to_what_a_screen_shows() -> None:
    assert drawing._round_path("M 1.23456 -7.0 \nz") == "M1.2 -7z"


def test_a_picture_with_a_palette_has_the_same_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 4, (20, 30, 4)).astype(np.uint8) * 60
    many = np.random.default_rng(0).integers(0, 255, (40, 40, 4)).astype(np.uint8)
    for made, has_palette in ((pixels, True), (many, False)):
        buffer = io.BytesIO()
        Image.fromarray(made).save(buffer, "PNG")
        packed = drawing._pack(base64.b64encode(buffer.getvalue()).decode())
        picture = Image.open(io.BytesIO(base64.b64decode(packed)))
        assert (picture.mode == "P") == has_palette
        np.testing.assert_array_equal(np.asarray(picture.convert("RGBA")), made)
