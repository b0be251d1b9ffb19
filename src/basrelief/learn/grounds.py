"""Which ground of an area counts: all of it, or what stands out of it in one way."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from basrelief.learn.recipes import Ground

RAISED_M = 2.5
"""Height above ground from which ground is raised: built on, or wooded."""

ROOFS_M = (6.0, 12.0)
"""Heights above ground between which most roofs of two to four storeys lie."""

ROUGH_M = 0.25
"""Mean departure nearby from which ground is rough: hedges, shrubs, cars and garden walls."""

WINDOW_M = 5.0
"""Side of the squares in which roughness is measured."""

MAX_WINDOW_PX = 21
"""Side of the largest of them, in pixels."""

REACH_PX: dict[Ground, int] = {
    "ground": 0,
    "raised": 0,
    "roofs": 0,
    "rough": 2 * (MAX_WINDOW_PX // 2),
}
"""How far it depends on the heights around a pixel whether it counts, at most."""

Heights = NDArray[np.float32]

SORTED_ROWS = 8
"""Rows whose neighbours are sorted at once: they stay in the processor's cache."""


def find_ground(heights: Heights, resolution_m: float, ground: Ground) -> NDArray[np.bool_]:
    """Mark the ground that counts, (row, col): with data, and of the kind asked for.

    Parameters
    ----------
    heights : (2, row, col), metres
        Surface and ground; NaN is nodata. Of ``ground`` any layer's bands.
    """
    has_data: NDArray[np.bool_] = np.isfinite(heights[0])
    if ground == "ground":
        return has_data
    above: Heights = heights[0] - heights[1]
    if ground == "raised":
        return np.asarray(above >= RAISED_M)
    if ground == "roofs":
        return np.asarray((above >= ROOFS_M[0]) & (above < ROOFS_M[1]))
    departure = measure_departure(np.nan_to_num(above, nan=0.0), resolution_m)
    is_rough: NDArray[np.bool_] = average_nearby(departure, resolution_m) > ROUGH_M
    # Crowns are rough too: high ones would stand for trees and not for gardens.
    return has_data & is_rough & ~(above >= ROOFS_M[0])


def measure_departure(above: Heights, resolution_m: float) -> Heights:
    """Measure how far heights depart from their neighbours' median, (row, col) in metres of both.

    Straight edges of roofs stay as they are; crowns and hedges depart all over.
    """
    size, n_rows = find_window(resolution_m), len(above)
    padded = np.pad(above, size // 2, mode="edge")
    departure = np.empty_like(above)
    # scipy's median filter takes four times as long at this size.
    for row in range(0, n_rows, SORTED_ROWS):
        band = padded[row : row + SORTED_ROWS + size - 1]
        rows, cols = len(band) - size + 1, above.shape[1]
        near = [band[i : i + rows, j : j + cols] for i, j in product(range(size), repeat=2)]
        median = np.sort(np.stack(near), axis=0)[size**2 // 2]
        departure[row : row + rows] = np.abs(above[row : row + rows] - median)
    return departure


def average_nearby(departure: Heights, resolution_m: float) -> Heights:
    """Average departures over the square around each pixel, (row, col) before and after."""
    nearby: Heights = ndimage.uniform_filter(departure, find_window(resolution_m), mode="nearest")
    return nearby


def find_window(resolution_m: float) -> int:
    """Find the odd side of the square in which roughness is measured, in pixels.

    Examples
    --------
    >>> find_window(1.0), find_window(2.0), find_window(0.1)
    (5, 3, 21)
    """
    return min(max(3, round(WINDOW_M / resolution_m) | 1), MAX_WINDOW_PX)
