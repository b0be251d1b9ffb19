"""Bands of a photo as the red, green and blue that networks for photographs look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.layers import Band
from basrelief.config import InputError
from basrelief.sources.photo_headers import BRIGHTNESS, REFLECTANCE

BRIGHTEST_SHOWN: dict[str, float] = {BRIGHTNESS: 255.0, REFLECTANCE: 0.3}
"""Value of a photo's band, by its unit, that is full brightness. Roofs and soil send 0.1 to 0.3 of
the light back. One number for all places: stretched to each, two could not be compared."""

GREY = 115.0
"""What stands where a photo has no data: the mean of the pictures that networks learnt from. Black
would be an edge that the ground does not have, and maps would show it."""


def render_colours(
    values: NDArray[np.float32], bands: Sequence[Band], chosen: Sequence[str]
) -> NDArray[np.float32]:
    """Turn three bands of a photo into red, green and blue from 0 to 255; nodata is grey.

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
    # By name: which band is red is the file's to say, and not their order.
    at = [names.index(name.lower()) for name in chosen]
    white = np.array([BRIGHTEST_SHOWN[bands[k].unit] for k in at], np.float32)[:, None, None]
    shown = 255.0 * np.clip(values[at] / white, 0.0, 1.0)
    picture: NDArray[np.float32] = np.nan_to_num(shown, nan=GREY).astype(np.float32)
    return picture
