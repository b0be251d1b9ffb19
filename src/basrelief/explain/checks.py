"""Checks of explanations, each held against maps that are known to be wrong.

They know maps, pieces of what was mapped, and a way to predict with some of these blank; not what
is mapped, nor by what. A check counts for a map only where it tells the map from every control
(`basrelief.explain.controls`). Deletion and insertion can; the others see faults of arithmetic
and of method, and pass for a map that is shuffled.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS (randomised weights).
Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML (completeness).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from basrelief.explain.controls import (
    LOOK_KINDS,
    SHUFFLED,
    Control,
    Grouping,
    count_told,
    hold_against,
    hold_against_bound,
    leave_test,
    record_test,
)
from basrelief.explain.moves import (
    CHANCE,
    MOVES,
    Curves,
    Move,
    follow_predictions,
    judge_move,
    keep_curves,
)
from basrelief.explain.samples import (
    Batch,
    Edges,
    Explanation,
    Floats,
    Values,
    name_controls,
)
from basrelief.judge.resampling import Draws
from basrelief.run import Record

SIMILAR = 0.2
"""Rank correlation with random weights from which a map does not show what was learnt."""

TRACES = 1.25
"""Size beside edges over size elsewhere from which a map shows the edge."""

INEXACT = 0.01
"""What cells that should add up to a prediction may miss of it, in the predictions' spread."""

Judged = tuple[Record, list[Record]]
"""A test's record, and those of its controls."""


@dataclass(frozen=True)
class Checked:
    """What checks found, as records without recipe."""

    tests: list[Record] = field(default_factory=list)
    """Of ``tests.json``: ``target``, ``test``, its ``value`` with a 95 % interval over blocks of
    ground, ``low`` and ``high`` (None without one), the ``bound`` that the value is held against,
    ``passes`` (None where it cannot be told), over how many samples, ``n`` and ``of``, and whether
    it ``counts``, being told from ``n_told`` of ``n_controls``. Some have more: ``n_random``
    networks, ``edge_cells``, and ``reason``, why there is no value."""

    controls: list[Record] = field(default_factory=list)
    """Of ``controls.json``: ``target``, ``test``, ``control``, the ``other`` target whose map it
    is, its ``value``, how much ``better`` the map does with the interval of that, and whether the
    test ``tells`` the map from it."""

    curves: list[Record] = field(default_factory=list)
    """Of ``curves.json``: ``target``, ``test``, ``shares`` of a sample, ``ranked`` and
    ``at_random`` (means over samples in spreads of the predictions, one a share), ``n``, ``of``."""

    def add(self, target: str, of: str, judged: Iterable[Judged]) -> None:
        """Add tests of one target's map, and how controls stood them."""
        for test, controls in judged:
            told = count_told(controls)
            self.tests.append({"target": target} | test | told | {"of": of})
            key = {"target": target, "test": test["test"]}
            self.controls.extend(key | control for control in controls)


@dataclass(frozen=True, eq=False)
class Tried:
    """What was measured of all samples that were tried, in their order."""

    maps: list[Values]
    """(cell, target) each."""

    similarity: Floats
    """(map or shuffled map, sample, target), of `compare_randomised`."""

    moves: dict[Move, Curves]
    """(order, sample, target, step) by test, of `follow_predictions`."""

    names: list[list[Control]]
    """The controls of each target's map, in the order of ``moves``."""

    n_random: int
    grouping: Grouping


def check_maps(explanation: Explanation, batches: Iterable[Batch], seed: int) -> Checked:
    """Check the maps of one model, and how controls stand the same checks.

    Parameters
    ----------
    batches
        One at a time: each may hold much.
    """
    tried, found = try_samples(explanation, batches, seed), Checked()
    usual = explanation.differ(tried.maps)
    flat = np.sum([np.ptp(each, axis=0) for each in explanation.flat], axis=0)
    # A map that never differs is not uneven anywhere.
    uneven = flat / np.where(usual > 0, usual, np.inf)
    of, draws = explanation.of, tried.grouping.draws
    for k, (target, names) in enumerate(zip(explanation.targets, tried.names, strict=True)):
        spread = float(explanation.spread[k])
        if explanation.missing is not None:
            missing = explanation.missing[:, k] / max(spread, 1e-12)
            everywhere = Grouping(explanation.groups, draws)
            found.add(target, of, [judge_sums(missing, k, names, everywhere)])
        found.add(target, of, [judge_similarity(tried, k)])
        reason = _find_stillness([each[:, k] for each in tried.maps], spread)
        for move, curves in tried.moves.items():
            if reason:
                left = leave_test(move, CHANCE, len(tried.maps), reason)
                found.add(target, of, [(left, [])])
                continue
            moved = curves[:, :, k] / spread
            found.add(target, of, [judge_move(move, moved, names, tried.grouping)])
            found.curves.append({"target": target} | keep_curves(move, moved) | {"of": of})
        even, held = judge_flat(uneven, k, explanation.uneven, names)
        found.add(target, of, [(even | {"n": len(tried.maps)}, held)])
        found.add(target, of, [judge_edges(explanation.edges, k, names, draws)])
    return found


def try_samples(explanation: Explanation, batches: Iterable[Batch], seed: int) -> Tried:
    """Measure samples, batch by batch."""
    # Generators of their own: how many bootstrap draws are made, or how maps are shuffled, must
    # not change which pieces are taken.
    rng, shuffles, draws = (np.random.default_rng(seed) for _ in range(3))
    maps, groups, names = list[Values](), list[str](), list[list[Control]]()
    alike, moves, n_random = list[Floats](), list[dict[Move, Curves]](), 0
    for batch in batches:
        maps.extend(batch.maps)
        groups.extend(batch.groups)
        alike.append(compare_randomised(batch, shuffles))
        moves.append(follow_predictions(batch, rng))
        n_random, names = len(batch.randomised), name_controls(explanation.targets, batch)
    curves = {move: np.concatenate([each[move] for each in moves], axis=1) for move in MOVES}
    grouping = Grouping(groups, Draws(draws))
    return Tried(maps, np.concatenate(alike, axis=1), curves, names, n_random, grouping)


def compare_randomised(batch: Batch, rng: np.random.Generator) -> Floats:
    """Correlate the ranks of maps with those of random weights: means over these.

    Returns
    -------
    (map or shuffled map, sample, target)
    """
    cells = slice(None) if batch.compared is None else batch.compared
    own = batch.maps[:, cells]
    similarity = [
        [
            # Ranks, because the unit of a map with random weights is arbitrary.
            [
                [correlate_ranks(*pair) for pair in zip(a.T, b.T, strict=True)]
                for a, b in zip(maps, randomised[:, cells], strict=True)
            ]
            for maps in (own, rng.permutation(own, axis=1))
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


def judge_sums(
    missing: Floats, target: int, controls: Sequence[Control], grouping: Grouping
) -> Judged:
    """Judge whether cells add up to predictions, by what is missing, in spreads of these.

    Parameters
    ----------
    missing : (sample, map)
        What is missing of a target's prediction, by whose map it is.
    """
    own = missing[:, target]
    # The worst sample, not the mean: adding up is exact or it is broken.
    value = float(own.max())
    found = record_test("completeness", value, INEXACT, value <= INEXACT) | {"n": len(own)}
    # Cells add up to the same in any order.
    held = [hold_against(SHUFFLED, value, np.zeros_like(own), grouping)]
    for control, other in _pair_targets(controls, target, missing.T):
        worst = float(other.max())
        fails = worst > INEXACT
        held.append(hold_against(control, worst, other - own, grouping, fails=fails))
    return found, held


def judge_similarity(tried: Tried, target: int) -> Judged:
    """Judge whether maps depend on what was learnt, by rank correlations."""
    similarity, controls, grouping = tried.similarity, tried.names[target], tried.grouping
    own, shuffled = similarity[:, :, target]
    value, interval = float(own.mean()), grouping.bound(own)
    found = record_test("randomised weights", value, SIMILAR, abs(value) < SIMILAR, interval)
    of_controls = [(SHUFFLED, shuffled), *_pair_targets(controls, target, similarity[0].T)]
    # What knows no model is the same under any weights.
    of_controls += [(each, np.ones_like(own)) for each in controls if each.kind in LOOK_KINDS]
    held = []
    for control, each in of_controls:
        like, fails = float(each.mean()), abs(float(each.mean())) >= SIMILAR
        better = np.abs(each) - np.abs(own)
        held.append(hold_against(control, like, better, grouping, fails=fails))
    return found | {"n": len(own), "n_random": tried.n_random}, held


def judge_flat(uneven: Floats, target: int, limit: float, controls: Sequence[Control]) -> Judged:
    """Judge whether a map is even where what is mapped is the same everywhere.

    Parameters
    ----------
    uneven : (target,)
        How much each target's map differs there, in what it usually differs by.
    """
    value = float(uneven[target])
    found = record_test("flat chips", value, limit, value <= limit)
    # A range is the same in any order, and what is the same everywhere has no edges.
    of_controls = [(SHUFFLED, value), *_pair_targets(controls, target, uneven)]
    of_controls += [(each, 0.0) for each in controls if each.kind in LOOK_KINDS]
    held = [
        hold_against_bound(control, float(each), limit, found["passes"])
        for control, each in of_controls
    ]
    return found, held


def judge_edges(edges: Edges, target: int, controls: Sequence[Control], draws: Draws) -> Judged:
    """Judge whether a map shows edges of what goes through a network at once."""
    beside, elsewhere = edges.beside[:, target], edges.elsewhere[:, target]
    deep = {} if edges.depth_cells is None else {"edge_cells": edges.depth_cells}
    if not elsewhere.sum() > 0:
        reason = "no map" if len(beside) else "no edge"
        return leave_test("edges", TRACES, len(beside), reason) | deep, []
    # A ratio of sums: of samples with little ground elsewhere a mean of ratios would be all noise.
    value = float(beside.sum() / elsewhere.sum())
    interval = Grouping(edges.groups, draws).bound_ratio(beside, elsewhere)
    found = record_test("edges", value, TRACES, value <= TRACES, interval)
    total = edges.elsewhere.sum(axis=0)
    ratios = edges.beside.sum(axis=0) / np.where(total > 0, total, np.inf)
    # Shuffled, a map is as large beside edges as elsewhere.
    of_controls = [(SHUFFLED, 1.0), *_pair_targets(controls, target, ratios)]
    held = [
        hold_against_bound(control, float(each), TRACES, found["passes"])
        for control, each in of_controls
    ]
    return found | {"n": len(beside)} | deep, held


def _pair_targets(
    controls: Sequence[Control], target: int, values: Floats
) -> list[tuple[Control, Any]]:
    """Pair the controls that are maps of a batch's other targets with these, (target, ...)."""
    others = [each for k, each in enumerate(values) if k != target]
    # Further targets, which come behind, have no figures here.
    return list(zip([each for each in controls if each.kind == "target"], others, strict=False))


def _find_stillness(maps: Sequence[Values], spread: float) -> str | None:
    """Say why nothing can be ranked, or nothing moves, (cell,) each; None where both can be."""
    if not spread > 0:
        return "predicted alike"
    return "no map" if max(map(np.max, maps)) == min(map(np.min, maps)) else None
