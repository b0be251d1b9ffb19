"""Deletion and insertion of an area's ground: it is looked at again, flat in part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.contributions import Scene
from basrelief.explain.curves import STEPS, Curves, Test
from basrelief.explain.views import CellMap, View, flatten, look_again, pool_again

PIECE_CELLS = 4
"""Ground is flattened in squares of so many cells a side, ranked or at random alike."""

Floats = NDArray[np.float64]
Pieces = NDArray[np.int64]


def count_looks(n_targets: int) -> int:
    """Count how often an area is looked at: all flat, and each test, step, target, and chance."""
    return 1 + 2 * len(STEPS) * (n_targets + 1)


def follow_ground(
    scene: Scene, view: View, cells: CellMap, whole: Floats, rng: np.random.Generator
) -> dict[Test, Curves]:
    """Flatten ground or give it back, the highest ranked first or at random, and predict again.

    Parameters
    ----------
    cells
        What the map says of the area.
    whole : (target,)
        Predictions of the area as it is.

    Returns
    -------
    By test, curves as (target, step), in the targets' units, from where they begin: the area as
    it is, or with all ground that counts flat.
    """
    pieces = _part_pieces(cells.share.shape)
    share = np.bincount(pieces.ravel(), cells.share.ravel()).astype(np.float64)
    known = np.flatnonzero(share > 0)
    shuffled = rng.permutation(known)
    ranked = [_rank(pieces, known, share, values) for values in np.moveaxis(cells.values, -1, 0)]

    def predict(flat: Pieces) -> Floats:
        canvas = flatten(scene, view.canvas, np.isin(pieces, flat))
        return scene.model.predict(pool_again(scene, view, look_again(scene, canvas)))

    def give_back(kept: Pieces) -> Floats:
        return predict(np.setdiff1d(known, kept))

    # At random both tests move the same ground: chance is the same for both.
    orders = (ranked, shuffled, share)
    return {
        "deletion": _follow(predict, whole, *orders),
        "insertion": _follow(give_back, predict(known), *orders),
    }


def _follow(
    predict: Callable[[Pieces], Floats],
    start: Floats,
    ranked: list[Pieces],
    shuffled: Pieces,
    share: Floats,
) -> Curves:
    """Predict after each step: each target by its own order, all of them by a random one."""
    by_rank, at_random = np.zeros((2, len(start), 1 + len(STEPS)))
    for step, wanted in enumerate(STEPS, start=1):
        at_random[:, step] = predict(_take(shuffled, share, wanted)) - start
        for k, order in enumerate(ranked):
            by_rank[k, step] = predict(_take(order, share, wanted))[k] - start[k]
    return Curves(by_rank, at_random)


def _rank(pieces: Pieces, known: Pieces, share: Floats, values: Floats) -> Pieces:
    """Order pieces by what they say for their share of the ground, the highest first."""
    added = np.bincount(pieces.ravel(), values.ravel())
    return known[np.argsort(-added[known] / share[known], kind="stable")]


def _part_pieces(shape: tuple[int, ...]) -> Pieces:
    """Say by number which square each cell of a view lies in, (row, col)."""
    rows, cols = np.indices(shape) // PIECE_CELLS
    return np.asarray(rows * (shape[1] // PIECE_CELLS + 1) + cols)


def _take(order: Pieces, share: NDArray[Any], wanted: float) -> Pieces:
    """Take pieces in an order until they have about the wanted share; one at least."""
    n_taken = int(np.searchsorted(np.cumsum(share[order]), wanted, side="right"))
    return order[: max(1, n_taken)]
