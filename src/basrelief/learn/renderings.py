"""Layers drawn as the picture that a network for photographs looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.layers import Band
from basrelief.chips.terrain import hillshade, render_shaded, slope_degrees
from basrelief.config import InputError
from basrelief.learn.recipes import DenseRecipe, Rendering
from basrelief.sources.photo_headers import BRIGHTNESS, REFLECTANCE

CONTRAST_M = (5.0, 12.0, 30.0)
"""Heights above ground that are full brightness in the three bands of ``contrast``: garden
walls and sheds, houses, and blocks each fill the range of one of them."""

REACH_PX: dict[Rendering, int] = {"contrast": 0, "relief": 1, "shaded": 1, "colours": 0}
"""How far a pixel of a picture depends on the ground around it."""

SLOPE_TOP_DEG = 70.0
"""Slope of the surface that is full brightness in ``relief``."""

WHITE: dict[str, float] = {BRIGHTNESS: 255.0, REFLECTANCE: 0.3}
"""Value of a photo's band, by its unit, that is full brightness. Roofs and soil send 0.1 to 0.3 of
the light back. One number for all places: stretched to each, two could not be compared."""


def draw_layer(
    values: NDArray[np.float32], bands: Sequence[Band], resolution_m: float, recipe: DenseRecipe
) -> NDArray[np.float32]:
    """Draw a layer, (band, row, col), as a recipe's network sees it: (3, row, col), 0 to 255."""
    if recipe.rendering == "colours":
        return render_colours(values, bands, recipe.bands)
    return render_picture(values, resolution_m, recipe.rendering)


def render_colours(
    values: NDArray[np.float32], bands: Sequence[Band], chosen: Sequence[str]
) -> NDArray[np.float32]:
    """Turn three bands of a photo into red, green and blue from 0 to 255; nodata is black.

    Parameters
    ----------
    values : (band, row, col)
        In the bands' units.
    chosen
        Names of the three.

    Raises
    ------
    InputError
        If the photo has no band of such a name.
    """
    names = [band.name.lower() for band in bands]
    missing = [name for name in chosen if name.lower() not in names]
    if missing:
        raise InputError(
            f"bands = {list(chosen)}: the photo has {', '.join(names)}, and no {missing[0]!r}."
        )
    at = [names.index(name.lower()) for name in chosen]
    white = np.array([WHITE[bands[k].unit] for k in at], np.float32)[:, None, None]
    shown = 255.0 * np.clip(values[at] / white, 0.0, 1.0)
    picture: NDArray[np.float32] = np.nan_to_num(shown, nan=0.0).astype(np.float32)
    return picture


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
