"""Deletion and insertion: how predictions move as ground goes, or comes back, in a map's order.

References
----------
Samek et al. (2017), IEEE Transactions on Neural Networks and Learning Systems 28, 2660-2673
(deletion).
Petsiuk, Das and Saenko (2018), BMVC, RISE: randomized input sampling for explanation of
black-box models (insertion, and the area between curves).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.controls import (
    Control,
    Grouping,
    agree,
    hold_against,
    is_beaten,
    record_test,
)
from basrelief.explain.samples import Batch, Floats, Mask, Values
from basrelief.run import Record

CHANCE = 0.0
"""The area between the curves from which a map ranks better than chance."""

STEPS = (0.1, 0.3)
"""Shares of a sample that are blanked, or given back."""

SHARES = (0.0, *STEPS)

Move = Literal["deletion", "insertion"]
MOVES: tuple[Move, ...] = ("deletion", "insertion")

Orders = NDArray[np.int64]
Curves = NDArray[np.float64]
"""(order, sample, ..., step) How predictions move, step by step, from 0 before the first one: in
the order of the map, the highest first, at random, and in the order of each other control."""

OWN, CHANCE_ORDER = 0, 1
"""Positions among orders: the map's, and that at random, which is the order of a shuffled map."""


def count_predictions(n_targets: int, n_looks: int = 2) -> int:
    """Count how often a batch is predicted with pieces blank, at most.

    All, and then test, step and order: each map's, one at random, and what can be seen, which
    is turned both ways where targets disagree.
    """
    n_orders = n_targets + 1 + n_looks * min(n_targets, 2)
    return 1 + len(MOVES) * len(STEPS) * n_orders


def follow_predictions(batch: Batch, rng: np.random.Generator) -> dict[Move, Curves]:
    """Blank pieces or give them back, the highest ranked first or at random, and predict again.

    A map of what raises a prediction must lower it further than chance where pieces go, and raise
    it further where they come back on a blank sample. Chance is also how a map does whose pieces
    are shuffled: their order is any.

    Returns
    -------
    By test, (order, sample, target, step), in the targets' units: of each target's own map, of a
    shuffled one, and of the other controls as `name_controls` names them.
    """
    n_samples, _, n_targets = batch.maps.shape
    size: Floats = np.bincount(batch.piece, batch.share).astype(np.float64)  # (piece,)
    rankings, used = rank_all(batch, size, rng)

    def predict(move: Move, orders: Orders, wanted: float) -> Floats:
        """Take or give back the first of each order, (sample, piece): to (sample, target)."""
        is_taken = mark_first(orders, size, wanted + batch.overshoot)
        return batch.predict(is_taken if move == "deletion" else ~is_taken)

    found: dict[Move, Curves] = {}
    for move in MOVES:
        start = batch.predict(np.full((n_samples, len(size)), move == "insertion"))
        moved = np.zeros((len(rankings), n_samples, n_targets, len(SHARES)))
        for step, wanted in enumerate(STEPS, start=1):
            for order, orders in enumerate(rankings):
                # All targets at once: what is in one's order is in a control's of the others.
                moved[order, ..., step] = predict(move, orders, wanted) - start
        found[move] = np.stack([moved[used[:, k], :, k] for k in range(n_targets)], axis=2)
    return found


def rank_all(
    batch: Batch, size: Floats, rng: np.random.Generator
) -> tuple[list[Orders], NDArray[np.int64]]:
    """Order pieces by every map and control, each order once.

    Returns
    -------
    Orders, (sample, piece) each, and the positions among them, (order, target), of each target's
    own and of its controls.
    """
    n_samples, _, n_targets = batch.maps.shape
    own = [average_pieces(batch, size, batch.maps[..., k]) for k in range(n_targets)]
    rankings = [rank_pieces(each) for each in own]
    rankings.append(np.stack([rng.permutation(len(size)) for _ in range(n_samples)]))
    used = [[k, n_targets, *(j for j in range(n_targets) if j != k)] for k in range(n_targets)]
    for values in batch.others.values():
        for positions in used:
            positions.append(len(rankings))
        rankings.append(rank_pieces(average_pieces(batch, size, values)))
    for values in batch.looks.values():
        look, turned = average_pieces(batch, size, values), dict[bytes, int]()
        for positions, each in zip(used, own, strict=True):
            sign = agree(look, each)
            if sign.tobytes() not in turned:
                turned[sign.tobytes()] = len(rankings)
                rankings.append(rank_pieces(sign * look))
            positions.append(turned[sign.tobytes()])
    return rankings, np.array(used).T


def average_pieces(batch: Batch, size: Floats, values: Values) -> Floats:
    """Average a map over pieces: (sample, cell) to (sample, piece), per share of a sample."""
    added = [np.bincount(batch.piece, each * batch.share) for each in values]
    # By share, or large pieces at the edge of an area would rank by their size alone.
    return np.asarray(np.stack(added) / size)


def rank_pieces(values: Floats) -> Orders:
    """Order each sample's pieces, (sample, piece), the highest first."""
    return np.argsort(-values, axis=1, kind="stable")


def mark_first(orders: Orders, size: Floats, wanted: float) -> Mask:
    """Mark the first pieces of each order up to a share of the sample; one at least.

    Parameters
    ----------
    orders : (sample, piece)
    size : (piece,)
        Share of a sample that each piece is.

    Returns
    -------
    (sample, piece)

    Examples
    --------
    >>> mark_first(np.array([[2, 0, 1], [1, 2, 0]]), np.array([0.5, 0.3, 0.2]), 0.6)
    array([[False, False,  True],
           [False,  True,  True]])
    """
    is_taken = np.zeros(orders.shape, dtype=bool)
    for mask, order in zip(is_taken, orders, strict=True):
        n_taken = int(np.searchsorted(np.cumsum(size[order]), wanted, side="right"))
        mask[order[: max(1, n_taken)]] = True
    return is_taken


def measure_between(move: Move, curves: Curves) -> Floats:
    """Measure the area between two curves, (sample, ...): above 0 where the map is right.

    It is divided by the share of a sample that the curves run over: a mean height, in the unit of
    the curves.

    Examples
    --------
    >>> curves = np.array([[[0.0, -1.0, -1.0]], [[0.0, 0.0, 0.0]]])
    >>> measure_between("deletion", curves).round(2)
    array([0.83])
    >>> measure_between("insertion", curves).round(2)
    array([-0.83])
    """
    apart = curves[OWN] - curves[CHANCE_ORDER]
    height = np.asarray(np.trapezoid(apart, SHARES, axis=-1)) / SHARES[-1]
    return -height if move == "deletion" else height


def judge_move(
    move: Move, curves: Curves, controls: Sequence[Control], grouping: Grouping
) -> tuple[Record, list[Record]]:
    """Judge whether a map ranks better than chance, and than its controls.

    Parameters
    ----------
    curves
        (order, sample, step), in standard deviations of the predictions.
    """
    between = measure_between(move, curves)
    interval = grouping.bound(between)
    held = []
    for order, control in enumerate(controls, start=CHANCE_ORDER):
        better = measure_between(move, curves[[OWN, order]])
        value = float(measure_between(move, curves[[order, CHANCE_ORDER]]).mean())
        held.append(hold_against(control, value, better, grouping))
    # A mean above chance may be luck: all of the interval has to be.
    passes = None if interval[0] is None else interval[0] > CHANCE and not is_beaten(held)
    found = record_test(move, float(between.mean()), CHANCE, passes, interval)
    return found | {"n": len(between)}, held


def keep_curves(move: Move, curves: Curves) -> Record:
    """Keep the means over samples of the curves, (order, sample, step), that a map is judged by."""
    ranked, at_random = curves[[OWN, CHANCE_ORDER]].mean(axis=1).tolist()
    kept: Record = {"test": move, "shares": list(SHARES), "ranked": ranked}
    return kept | {"at_random": at_random, "n": curves.shape[1]}
