"""Layers drawn as the picture that a network for photographs looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.colours import render_colours
from basrelief.chips.layers import Band
from basrelief.chips.terrain import hillshade, render_shaded, slope_degrees
from basrelief.learn.recipes import DenseRecipe, Rendering

CONTRAST_M = (5.0, 12.0, 30.0)
"""Heights above ground that are full brightness in the three bands of ``contrast``: garden
walls and sheds, houses, and blocks each fill the range of one of them."""

REACH_PX: dict[Rendering, int] = {"contrast": 0, "relief": 1, "shaded": 1, "colours": 0}
"""How far a pixel of a picture depends on the ground around it."""

SLOPE_TOP_DEG = 70.0
"""Slope of the surface that is full brightness in ``relief``."""


def draw_layer(
    values: NDArray[np.float32], bands: Sequence[Band], resolution_m: float, recipe: DenseRecipe
) -> NDArray[np.float32]:
    """Draw a layer, (band, row, col), as a recipe's network sees it: (3, row, col), 0 to 255."""
    if recipe.rendering == "colours":
        return render_colours(values, bands, recipe.bands)
    return render_picture(values, resolution_m, recipe.rendering)


def render_picture(
    heights: NDArray[np.float32], resolution_m: float, rendering: Rendering
) -> NDArray[np.float32]:
    """Turn surface and ground, (2, row, col), into bands from 0 to 255, (3, row, col).

    Nodata is black. No band tells the altitude, which would tell the place.

    Parameters
    ----------
    rendering
        ``"contrast"``: height above ground in three contrasts. ``"relief"``: height above
        ground, slope of the surface, hillshade. ``"shaded"``: the coursework's hillshade.
    """
    surface, ground = heights
    if rendering == "shaded":
        return render_shaded(surface, ground, resolution_m).astype(np.float32)
    # Above ground alone: a hill under a house is not the house.
    above = surface - ground
    if rendering == "contrast":
        bands = np.stack([np.clip(above / top, 0.0, 1.0) for top in CONTRAST_M])
    else:
        height = np.clip(above / CONTRAST_M[-1], 0.0, 1.0)
        slope = np.clip(slope_degrees(surface, resolution_m) / SLOPE_TOP_DEG, 0.0, 1.0)
        bands = np.stack([height, slope, hillshade(surface, resolution_m)])
    return np.nan_to_num(255.0 * bands, nan=0.0).astype(np.float32)
