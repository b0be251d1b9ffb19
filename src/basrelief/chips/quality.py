"""Pictures that show nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEAR_ONE_COLOUR = 0.75
"""A picture is nearly of one colour when this share of its pixels has the same colour."""


def commonest_colour_share(picture: NDArray[np.uint8]) -> float:
    """Give the share of pixels that have the picture's commonest colour.

    Parameters
    ----------
    picture : (band, row, col)
        Red, green, blue.

    Returns
    -------
    float
        1 when the whole picture is of one colour.

    Examples
    --------
    >>> commonest_colour_share(np.zeros((3, 4, 4), dtype=np.uint8))
    1.0
    """
    red, green, blue = picture.astype(np.uint32).reshape(3, -1)
    _, counts = np.unique((red << 16) | (green << 8) | blue, return_counts=True)
    return float(counts.max() / counts.sum())
