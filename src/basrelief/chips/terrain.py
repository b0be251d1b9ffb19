"""Ground from surface, slope, altitude, and how heights are shown as bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Heights = NDArray[np.float32]

OPENING_M = 60.0
"""Side of the square that a building must not hold for the ground to pass under it."""

SMOOTHING_M = 10.0
"""Standard deviation of the smoothing of the opened surface."""

HALO_M = OPENING_M + 4 * SMOOTHING_M
"""How far from a cell the surface can influence its estimated ground."""

RAMP_TOP_M = 30.0
"""Height above ground that is drawn in the ramp's last colour."""

RAMP = np.array(
    [[24, 90, 200], [30, 160, 220], [80, 200, 190], [190, 215, 110], [250, 240, 160]],
    dtype=np.float32,
)
"""Colours from the ground up: blue, cyan, green, yellow, as in the coursework's pictures."""


def estimate_ground(surface: Heights, resolution_m: float) -> Heights:
    """Estimate the ground under buildings and trees by a morphological opening.

    An opening takes away what is narrower than its window and leaves planes as
    they are, so a hillside is not lowered. Buildings wider than the window
    remain as ground.

    Parameters
    ----------
    surface : (row, col), metres
        Surface heights; NaN is nodata.
    resolution_m
        Ground size of a cell, in metres.

    Returns
    -------
    (row, col), metres
        Smooth, so a pit may lie below it; NaN where the surface is.

    References
    ----------
    Zhang et al. (2003), IEEE Trans. Geosci. Remote Sens. 41, 872-882.

    Examples
    --------
    >>> plane = np.tile(np.arange(200, dtype=np.float32), (200, 1))
    >>> house = plane.copy()
    >>> house[90:110, 90:110] += 8
    >>> bool(abs(estimate_ground(house, 2.0) - plane)[60:140, 60:140].max() < 1.5)
    True
    """
    is_valid = np.isfinite(surface)
    if not is_valid.any():
        return np.full_like(surface, np.nan)
    # Odd, so that the window has a middle and the ground does not drift.
    size = max(3, round(OPENING_M / resolution_m) | 1)
    # Nodata is higher than all: it must not become the lowest ground of a window.
    low = ndimage.grey_erosion(np.where(is_valid, surface, np.inf), size=(size, size))
    # Windows without any data stay out of the dilation as they did out of the erosion.
    low = np.where(np.isfinite(low), low, -np.inf)
    opened = ndimage.grey_dilation(low, size=(size, size))
    smooth = _smooth(np.where(is_valid, opened, np.nan), SMOOTHING_M / resolution_m)
    ground: Heights = np.where(is_valid, smooth, np.nan).astype(np.float32)
    return ground


def _smooth(values: Heights, sigma: float) -> NDArray[np.float64]:
    """Smooth by a Gaussian, over valid cells only."""
    is_valid = np.isfinite(values)
    options = {"sigma": sigma, "truncate": 4.0, "mode": "constant"}
    # Sums and weights apart (normalised convolution), or nodata would pull heights to 0.
    total = ndimage.gaussian_filter(np.where(is_valid, values, 0.0).astype(np.float64), **options)
    weight = ndimage.gaussian_filter(is_valid.astype(np.float64), **options)
    blank = np.full_like(total, np.nan)
    smooth: NDArray[np.float64] = np.divide(total, weight, out=blank, where=weight > 1e-9)
    return smooth


def slope_degrees(heights: Heights, resolution_m: float) -> NDArray[np.float32]:
    """Give the steepness of a surface in degrees from the horizontal, (row, col) as its metres.

    Examples
    --------
    >>> plane = np.tile(np.arange(4, dtype=np.float32), (4, 1))
    >>> slope_degrees(plane, 1.0)[0, 0].round(3)
    np.float32(45.0)
    """
    down, right = np.gradient(heights, resolution_m)
    slope: Heights = np.degrees(np.arctan(np.hypot(down, right))).astype(np.float32)
    return slope


def render_relief(surface: Heights, ground: Heights, resolution_m: float) -> NDArray[np.float32]:
    """Render heights as bands: height above ground, slope, altitude.

    Parameters
    ----------
    surface, ground : (row, col), metres
        NaN is nodata.

    Returns
    -------
    (band, row, col)
        Height and altitude in metres, the ground's slope in degrees. Nodata is 0.
    """
    # An estimated ground is smooth and can lie above a pit; nothing stands below the ground.
    above = np.maximum(surface - ground, 0.0)
    stacked = np.stack([above, slope_degrees(ground, resolution_m), ground])
    bands: Heights = np.nan_to_num(stacked, nan=0.0).astype(np.float32)
    return bands


def hillshade(surface: Heights, resolution_m: float) -> NDArray[np.float64]:
    """Light a surface from the north-west at 45 degrees: (row, col) in metres, then in 0 to 1.

    References
    ----------
    Horn (1981), Proc. IEEE 69, 14-47.
    """
    down, right = np.gradient(surface.astype(np.float64), resolution_m)
    # The light's direction is (east, north, up) = (-1/2, 1/2, 1/sqrt 2); rows run south.
    brightness = (0.5 * right + 0.5 * down + np.sqrt(0.5)) / np.sqrt(1.0 + right**2 + down**2)
    lit: NDArray[np.float64] = np.clip(brightness, 0.0, 1.0)
    return lit


def render_shaded(surface: Heights, ground: Heights, resolution_m: float) -> NDArray[np.uint8]:
    """Render heights as the coursework's pictures: a colour ramp, hillshaded.

    Parameters
    ----------
    surface, ground : (row, col), metres
        NaN is nodata.

    Returns
    -------
    (band, row, col)
        Red, green, blue; the ramp runs over height above ground; nodata is black.
    """
    position = np.clip((surface - ground) / RAMP_TOP_M, 0.0, 1.0) * (len(RAMP) - 1)
    stops = np.arange(len(RAMP))
    # Never dark: black is nodata. Flat ground keeps the ramp's own colour.
    light = 0.35 + 0.65 * hillshade(surface, resolution_m) / np.sqrt(0.5)
    colours = np.stack([np.interp(position, stops, colour) * light for colour in RAMP.T])
    picture: NDArray[np.uint8] = np.clip(np.nan_to_num(colours, nan=0.0), 0, 255).astype(np.uint8)
    return picture
