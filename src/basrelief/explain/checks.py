"""Checks that every explanation must pass: a map that cannot fail them shows nothing.

They know maps, pieces of what was mapped, and a way to predict with some of these blank; not what
is mapped, nor by what. A control, a map that should fail, goes through the very same checks: the
same samples under other values.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS (randomised weights).
Samek et al. (2017), IEEE Transactions on Neural Networks and Learning Systems 28, 2660-2673
(deletion).
Petsiuk, Das and Saenko (2018), BMVC, RISE: randomized input sampling for explanation of
black-box models (insertion, and the area between curves).
Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML (completeness).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from basrelief.judge.resampling import NO_INTERVAL, Draws, Interval, bound_mean, bound_ratio
from basrelief.run import Record

SIMILAR = 0.2
"""Rank correlation with random weights from which a map does not show what was learnt."""

TRACES = 1.25
"""Size beside edges over size elsewhere from which a map shows the edge."""

INEXACT = 0.01
"""What cells that should add up to a prediction may miss of it, in the predictions' spread."""

CHANCE = 0.0
"""The area between the curves from which a map ranks better than chance."""

STEPS = (0.1, 0.3)
"""Shares of a sample that are blanked, or given back."""

SHARES = (0.0, *STEPS)

Move = Literal["deletion", "insertion"]
MOVES: tuple[Move, ...] = ("deletion", "insertion")

Floats = NDArray[np.float64]
Values = NDArray[Any]
"""Of a map, in the precision in which it was made."""
Orders = NDArray[np.int64]
Mask = NDArray[np.bool_]
Curves = NDArray[np.float64]
"""(order, sample, ..., step) How predictions move, step by step, from 0 before the first one: in
the order of the map, the highest first, and at random."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that a model predicts together, under their maps: many chips, or one area."""

    maps: Values
    """(sample, cell, target) Contribution of each cell whatever its share; above 0 it raises."""

    randomised: Sequence[Values]
    """(sample, cell, target) each: the same maps of models with random weights."""

    share: Floats
    """(cell,) Share of a sample that each cell has; 1 together."""

    piece: NDArray[np.int64]
    """(cell,) Which piece each cell is in, from 0: pieces are blanked, or given back, whole."""

    predict: Callable[[Mask], Floats]
    """Predict with pieces blank: (sample, piece) to (sample, target)."""

    overshoot: float = 0.0
    """Share by which the last piece may reach beyond what was to be blanked. Half a piece, where
    all are alike, takes the nearest number of them."""

    compared: NDArray[np.int64] | None = None
    """Positions of the cells that ranks are compared on; None is all. Where a map is interpolated,
    more of them would tell nothing more."""


@dataclass(frozen=True, eq=False)
class Edges:
    """How large maps are beside edges that the ground does not have."""

    beside: Floats
    """(sample, target) Size of contributions beside an edge."""

    elsewhere: Floats
    """(sample, target) Size that the same cells would have were they as cells elsewhere."""

    depth_cells: int | None = None
    """How far from the edge; None is told by what is mapped."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the maps of one model are, beside the batches that are tried."""

    targets: tuple[str, ...]

    of: str
    """What the samples are, in the plural: ``chips``, ``areas``."""

    spread: Floats
    """(target,) Standard deviation of the predictions, the unit of what moves."""

    flat: Sequence[Values]
    """(cell, target) each: maps of a sample that is the same everywhere, one a grid of cells."""

    differ: Callable[[Sequence[Values]], Floats]
    """Measure how much cells of maps, (cell, target) each, differ within them: (target,)."""

    uneven: float
    """How much cells of a flat sample may differ, in what cells of real ones differ by."""

    edges: Edges

    missing: Floats | None = None
    """(sample, target) By how much the cells of a sample do not add up to its prediction; None
    where a map does not claim to."""


def check_maps(
    explanation: Explanation, batches: Iterable[Batch], seed: int
) -> tuple[list[Record], list[Record]]:
    """Check the maps of one model.

    Parameters
    ----------
    batches
        One at a time: each may hold much.

    Returns
    -------
    Records of ``tests.json``: ``target``, ``test``, its ``value`` with a 95 % interval over
    samples, ``low`` and ``high`` (None without one), the ``bound`` that the value is held
    against, ``passes`` (None where it cannot be told), and over how many samples, ``n`` and
    ``of``. Some have more: ``n_random`` networks, ``edge_cells``, and ``reason``, why there is no
    value. And of ``curves.json``: ``target``, ``test``, ``shares`` of a sample, ``ranked`` and
    ``at_random`` (means over samples in spreads of the predictions, one a share), ``n``, ``of``.
    """
    # Two generators: how many bootstrap draws are made must not change which pieces are taken.
    rng, draws = np.random.default_rng(seed), Draws(np.random.default_rng(seed))
    maps, alike, moves = list[Values](), list[Floats](), list[dict[Move, Curves]]()
    n_random = 0
    for batch in batches:
        maps.extend(batch.maps)
        alike.append(compare_randomised(batch))
        moves.append(follow_predictions(batch, rng))
        n_random = len(batch.randomised)
    similarity, usual = np.concatenate(alike), explanation.differ(maps)
    tests, curves = list[Record](), list[Record]()
    for k, target in enumerate(explanation.targets):
        spread = float(explanation.spread[k])
        reason = _find_stillness([each[:, k] for each in maps], spread)
        found = [judge_similarity(similarity[:, k], n_random, draws)]
        for move in MOVES:
            if reason:
                found.append(_leave(move, CHANCE, len(maps), reason))
                continue
            moved = np.concatenate([each[move][:, :, k] for each in moves], axis=1) / spread
            found.append(judge_move(move, moved, draws))
            curves.append({"target": target} | keep_curves(move, moved) | {"of": explanation.of})
        flat = float(sum(np.ptp(each[:, k]) for each in explanation.flat))
        found.append(judge_flat(flat, float(usual[k]), explanation.uneven, len(maps)))
        found.append(judge_edges(explanation.edges, k, draws))
        if explanation.missing is not None:
            found.insert(0, judge_sums(explanation.missing[:, k], spread))
        tests += [{"target": target} | record | {"of": explanation.of} for record in found]
    return tests, curves


def compare_randomised(batch: Batch) -> Floats:
    """Correlate the ranks of maps with those of random weights: means over these.

    Returns
    -------
    (sample, target)
    """
    cells = slice(None) if batch.compared is None else batch.compared
    similarity = [
        [
            # Ranks, because the unit of a map with random weights is arbitrary.
            [correlate_ranks(*pair) for pair in zip(a[cells].T, b[cells].T, strict=True)]
            for a, b in zip(batch.maps, randomised, strict=True)
        ]
        for randomised in batch.randomised
    ]
    return np.asarray(np.mean(similarity, axis=0))


def correlate_ranks(one: Values, other: Values) -> float:
    """Give the rank correlation of two maps, (cell,); 0 where one is the same everywhere."""
    # Scipy would give NaN with a warning: nothing is ranked, so nothing is alike.
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def count_predictions(n_targets: int) -> int:
    """Count how often a batch is predicted with pieces blank: all, then test, step and order."""
    return 1 + len(MOVES) * len(STEPS) * (n_targets + 1)


def follow_predictions(batch: Batch, rng: np.random.Generator) -> dict[Move, Curves]:
    """Blank pieces or give them back, the highest ranked first or at random, and predict again.

    A map of what raises a prediction must lower it further than chance where pieces go, and raise
    it further where they come back on a blank sample.

    Returns
    -------
    By test, (order, sample, target, step), in the targets' units.
    """
    n_samples, _, n_targets = batch.maps.shape
    size: Floats = np.bincount(batch.piece, batch.share).astype(np.float64)  # (piece,)
    ranked = [rank_pieces(batch, size, k) for k in range(n_targets)]
    # At random both tests move the same pieces: chance is the same for both.
    shuffled = np.stack([rng.permutation(len(size)) for _ in range(n_samples)])

    def predict(move: Move, orders: Orders, wanted: float) -> Floats:
        is_taken = mark_first(orders, size, wanted + batch.overshoot)
        return batch.predict(is_taken if move == "deletion" else ~is_taken)

    found: dict[Move, Curves] = {}
    for move in MOVES:
        start = batch.predict(np.full((n_samples, len(size)), move == "insertion"))
        by_rank, at_random = found[move] = np.zeros((2, n_samples, n_targets, len(SHARES)))
        for step, wanted in enumerate(STEPS, start=1):
            # One random order is every target's; each has a ranking of its own.
            at_random[..., step] = predict(move, shuffled, wanted) - start
            for k, orders in enumerate(ranked):
                by_rank[:, k, step] = (predict(move, orders, wanted) - start)[:, k]
    return found


def rank_pieces(batch: Batch, size: Floats, target: int) -> Orders:
    """Order each sample's pieces by contribution for their share, (sample, piece)."""
    added = [np.bincount(batch.piece, each * batch.share) for each in batch.maps[..., target]]
    # By share, or large pieces at the edge of an area would rank by their size alone.
    return np.argsort(-np.stack(added) / size, axis=1, kind="stable")


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
    height = np.asarray(np.trapezoid(curves[0] - curves[1], SHARES, axis=-1)) / SHARES[-1]
    return -height if move == "deletion" else height


def judge_sums(missing: Floats, spread: float) -> Record:
    """Judge whether cells add up to predictions, by what is missing of each sample, (sample,)."""
    # The worst sample, not the mean: adding up is exact or it is broken.
    value = float(missing.max()) / max(spread, 1e-12)
    return _record("completeness", value, INEXACT, value <= INEXACT) | {"n": len(missing)}


def judge_similarity(similarity: Floats, n_random: int, draws: Draws) -> Record:
    """Judge whether maps depend on what was learnt, by rank correlations, (sample,)."""
    value, interval = float(similarity.mean()), bound_mean(similarity, draws)
    found = _record("randomised weights", value, SIMILAR, abs(value) < SIMILAR, interval)
    return found | {"n": len(similarity), "n_random": n_random}


def judge_move(move: Move, curves: Curves, draws: Draws) -> Record:
    """Judge whether a map ranks better than chance.

    Parameters
    ----------
    curves
        (order, sample, step), in standard deviations of the predictions.
    """
    between = measure_between(move, curves)
    interval = bound_mean(between, draws)
    # A mean above chance may be luck: all of the interval has to be.
    passes = None if interval[0] is None else interval[0] > CHANCE
    found = _record(move, float(between.mean()), CHANCE, passes, interval)
    return found | {"n": len(between)}


def keep_curves(move: Move, curves: Curves) -> Record:
    """Keep the means over samples of the curves, (order, sample, step), that a map is judged by."""
    ranked, at_random = curves.mean(axis=1).tolist()
    kept: Record = {"test": move, "shares": list(SHARES), "ranked": ranked}
    return kept | {"at_random": at_random, "n": curves.shape[1]}


def judge_flat(flat: float, usual: float, limit: float, n_samples: int) -> Record:
    """Judge whether a map is even where what is mapped is the same everywhere."""
    value = flat / usual if usual > 0 else 0.0
    return _record("flat chips", value, limit, value <= limit) | {"n": n_samples}


def judge_edges(edges: Edges, target: int, draws: Draws) -> Record:
    """Judge whether a map shows edges of what goes through a network at once."""
    beside, elsewhere = edges.beside[:, target], edges.elsewhere[:, target]
    deep = {} if edges.depth_cells is None else {"edge_cells": edges.depth_cells}
    if not elsewhere.sum() > 0:
        return _leave("edges", TRACES, len(beside), "no map" if len(beside) else "no edge") | deep
    # A ratio of sums: of samples with little ground elsewhere a mean of ratios would be all noise.
    value = float(beside.sum() / elsewhere.sum())
    interval = bound_ratio(beside, elsewhere, draws)
    found = _record("edges", value, TRACES, value <= TRACES, interval)
    return found | {"n": len(beside)} | deep


def _find_stillness(maps: Sequence[Values], spread: float) -> str | None:
    """Say why nothing can be ranked, or nothing moves, (cell,) each; None where both can be."""
    if not spread > 0:
        return "predicted alike"
    return "no map" if max(map(np.max, maps)) == min(map(np.min, maps)) else None


def _record(
    test: str,
    value: float | None,
    limit: float,
    passes: bool | None,
    interval: Interval = NO_INTERVAL,
) -> Record:
    low, high = interval
    found: Record = {"test": test, "value": value, "low": low, "high": high}
    return found | {"bound": limit, "passes": passes}


def _leave(test: str, limit: float, n_samples: int, reason: str) -> Record:
    """Record a test for which there is nothing to measure."""
    return _record(test, None, limit, None) | {"n": n_samples, "reason": reason}
