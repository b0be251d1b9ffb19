"""Which ground lies near which: areas near areas, chips near areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray


def find_near_pairs(polygons: NDArray[Any], buffer_m: float) -> NDArray[np.int64]:
    """Find the pairs of polygons, (n,), that lie nearer to each other than the buffer in metres.

    Returns
    -------
    (n_pairs, 2)
        Positions in ``polygons``, each pair both ways round, each polygon with itself.

    Examples
    --------
    >>> squares = shapely.box(np.array([0, 15, 40]), 0, np.array([10, 25, 50]), 10)
    >>> find_near_pairs(squares, 15.0).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1], [2, 2]]
    """
    # A tree, not a distance matrix: England's areas would need 9 GB.
    one, other = shapely.STRtree(polygons).query(polygons, "dwithin", distance=buffer_m)
    is_near = shapely.distance(polygons[one], polygons[other]) < buffer_m
    pairs = np.stack([one[is_near], other[is_near]], axis=1)
    ordered: NDArray[np.int64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered


def find_chips_near(
    squares: NDArray[Any], polygons: NDArray[Any], buffer_m: float
) -> NDArray[np.bool_]:
    """Mark the squares that share ground with a polygon or lie nearer to one than the buffer.

    Squares that only touch a polygon's edge share no ground with it.

    Parameters
    ----------
    squares : (n_squares,)
        Ground of the chips, in the CRS of ``polygons``.
    polygons : (n_polygons,)
        Areas held out.
    buffer_m : metres
        0 leaves those alone that share ground.

    Returns
    -------
    (n_squares,)
    """
    marked = np.zeros(len(squares), dtype=bool)
    which, square = shapely.STRtree(squares).query(polygons, "dwithin", distance=buffer_m)
    chip, area = squares[square], polygons[which]
    is_near = shapely.distance(chip, area) < buffer_m
    # With a buffer of 0 the tree also finds neighbours that only touch.
    shares_ground = shapely.intersects(chip, area) & ~shapely.touches(chip, area)
    marked[square[is_near | shares_ground]] = True
    return marked
