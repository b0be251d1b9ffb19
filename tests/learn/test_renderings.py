from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.terrain import render_shaded, slope_degrees
from basrelief.learn.recipes import Rendering
from basrelief.learn.renderings import CONTRAST_M, SLOPE_TOP_DEG, render_picture

RENDERINGS: list[Rendering] = ["contrast", "relief", "shaded"]


def make_heights() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    ground = np.tile(np.linspace(30, 34, 24), (24, 1))
    surface = ground + rng.uniform(0, 40, (24, 24))
    surface[4:8, 4:8] = ground[4:8, 4:8] = np.nan
    return np.stack([surface, ground]).astype(np.float32)


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_bands_are_from_0_to_255_and_nodata_is_black(rendering: Rendering) -> None:
    bands = render_picture(make_heights(), 1.0, rendering)
    assert bands.shape == (3, 24, 24)
    assert bands.dtype == np.float32
    assert bands.min() >= 0
    assert 200 < bands.max() <= 255
    assert (bands[:, 5:7, 5:7] == 0).all()


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_altitude_is_not_seen(rendering: Rendering) -> None:
    heights = make_heights()
    high = render_picture(heights + np.float32(128.0), 1.0, rendering)
    # A cell of shaded is a whole number.
    atol = 1.0 if rendering == "shaded" else 0.02
    np.testing.assert_allclose(high, render_picture(heights, 1.0, rendering), atol=atol)


def test_each_band_of_contrast_fills_with_its_own_height() -> None:
    heights = np.zeros((2, 1, 4), dtype=np.float32)
    heights[0, 0] = [-1.0, 2.5, 12.0, 99.0]
    expected = [[np.clip(h / top, 0, 1) * 255 for h in heights[0, 0]] for top in CONTRAST_M]
    np.testing.assert_allclose(render_picture(heights, 1.0, "contrast")[:, 0], expected, rtol=1e-6)


def test_relief_holds_height_slope_and_light() -> None:
    heights = make_heights()
    bands = render_picture(heights, 2.0, "relief")
    above, slope = heights[0] - heights[1], slope_degrees(heights[0], 2.0)
    inner = np.s_[10:20, 10:20]
    np.testing.assert_allclose(bands[0][inner], 255 * np.clip(above / 30, 0, 1)[inner], rtol=1e-5)
    expected = 255 * np.clip(slope / SLOPE_TOP_DEG, 0, 1)
    np.testing.assert_allclose(bands[1][inner], expected[inner], rtol=1e-5)


def test_shaded_is_the_courseworks_picture() -> None:
    surface, ground = make_heights()
    shaded = render_picture(np.stack([surface, ground]), 2.0, "shaded")
    np.testing.assert_array_equal(shaded, render_shaded(surface, ground, 2.0))
