"""Kinds of ground, told from heights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from basrelief.grid import coarsen
from basrelief.learn.grounds import (
    RAISED_M,
    ROUGH_M,
    average_nearby,
    find_window,
    measure_departure,
)
from basrelief.learn.urban_form import TALL_M

KINDS = ("open and flat", "low and rough", "small buildings", "large buildings", "tall buildings")

EDGES = "edges of the chip"
"""Ground beside the edge of what goes through a network at once: beside the other kinds."""

TOP_AND_BOTTOM, SIDES = "top and bottom edges", "left and right edges"
"""Parts of the edges of a chip that a network looks at by itself."""

ADDED_UNIT = "target"
HEAT_UNIT = "mean_heat"
"""Units of ``kinds.json``, which cannot be compared: what a kind adds to the prediction of an
average area, in the target's own unit; heat above that of the rest of the chip, in mean sizes of
heat."""

WOODED_M = 0.4
"""Departure from the neighbours' median, half of a raised piece departing more, from which it is
wooded. A median over the piece: the corners of a house depart too."""

LARGE_M2 = 400.0
"""Ground from which a building is large: a terrace, a school, a warehouse."""


def tell_kinds(heights: NDArray[np.float32], resolution_m: float) -> NDArray[np.int8]:
    """Tell the kind of each pixel from its height, its roughness and the piece it is part of.

    A piece is raised ground that hangs together, without what is narrower than a house. A
    roof is smooth between straight edges, which a median leaves as they are; a crown departs
    from its neighbours' median all over: rough pieces are trees, smooth ones buildings, small
    or large by their ground, tall by their median height. What is raised and narrow, or low
    and rough, goes with the trees.

    Parameters
    ----------
    heights : (2, row, col), metres
        Surface and ground; NaN is nodata.

    Returns
    -------
    (row, col)
        Positions in `KINDS`; -1 is nodata.
    """
    above = np.nan_to_num(heights[0] - heights[1], nan=0.0)
    departure = measure_departure(above, resolution_m)
    is_raised = above >= RAISED_M
    size = find_window(resolution_m)
    is_rough = average_nearby(departure, resolution_m) > ROUGH_M
    kinds = np.where(is_raised | is_rough, 1, 0).astype(np.int8)
    # Raised ground must hold such a square to be more than a hedge or a tree.
    is_wide = ndimage.binary_opening(is_raised, np.ones((size, size), dtype=bool))
    pieces, n_pieces = ndimage.label(is_wide)
    if n_pieces:
        of_piece = _tell_pieces(pieces, n_pieces, above, departure, resolution_m)
        kinds = np.where(pieces > 0, of_piece[pieces], kinds)
    kinds[~np.isfinite(heights[0])] = -1
    return kinds


def _tell_pieces(
    pieces: NDArray[np.int32],
    n_pieces: int,
    above: NDArray[np.float32],
    departure: NDArray[np.float32],
    resolution_m: float,
) -> NDArray[np.int8]:
    """Tell the kind of each raised piece, (piece + 1,), by its number."""
    number = np.arange(n_pieces + 1)
    ground_m2 = np.bincount(pieces.ravel(), minlength=n_pieces + 1) * resolution_m**2
    roughness = ndimage.median(departure, pieces, number)
    # Medians: a chimney or a mast does not make a house tall, nor a gable a crown.
    height = ndimage.median(above, pieces, number)
    kinds = np.where(ground_m2 >= LARGE_M2, 3, 2)
    kinds[np.asarray(height) >= TALL_M] = 4
    # Last, so that it wins: a tall rough piece is a wood, not a tower.
    kinds[np.asarray(roughness) >= WOODED_M] = 1
    return kinds.astype(np.int8)


def share_kinds(
    kinds: NDArray[np.int8], mask: NDArray[np.bool_], cell_px: int
) -> NDArray[np.float32]:
    """Give the share of each kind among the marked pixels of each cell, (kind, row, col).

    A cell without a marked pixel has the shares of all its pixels with data.
    """
    each = [kinds == k for k in range(len(KINDS))]
    counts = np.stack([coarsen(is_kind & mask, cell_px) for is_kind in each])
    all_counts = np.stack([coarsen(is_kind, cell_px) for is_kind in each])
    # What is spread to ground that does not count has to be of some kind, or kinds would not
    # add up to all.
    chosen = np.where(counts.sum(axis=0) > 0, counts, all_counts)
    total = chosen.sum(axis=0)
    return np.asarray(chosen / np.where(total > 0, total, 1.0), dtype=np.float32)
