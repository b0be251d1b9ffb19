"""Tests that heat maps of networks must pass.

Deletion and insertion are those of `basrelief.explain.curves`.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.chips.store import Samples
from basrelief.explain.curves import Curves, Test, Wording, judge_curves, leave_unjudged
from basrelief.explain.gradcam import map_heat
from basrelief.explain.heat_curves import blank_chips, follow_chips
from basrelief.explain.heat_kinds import mark_rim
from basrelief.explain.kinds import EDGES
from basrelief.explain.records import (
    NO_INTERVAL,
    SIMILAR,
    TRACES,
    Record,
    bound_mean,
    bound_ratio,
    correlate_ranks,
    record_test,
    redraw_weights,
)
from basrelief.judge.resampling import Draws
from basrelief.learn.encoders import Network, cam_layer

N_CHIPS = 16
"""Chips that are tested on, from the lowest predicted to the highest."""

N_MAPPED = 64
"""Chips whose heat is told by kind of ground: those that are tested on are among them."""

UNEVEN = 0.1
"""Range of heat on a flat chip over that on real ones, from which the frame shows."""

N_GRID = 28
"""Cells a side on which heat is compared: finer than any layer's own grid is interpolation."""

NO_HEAT = "There is no heat to compare."

Heat = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looked:
    """Test chips of one target under their heat, from the lowest predicted to the highest."""

    target: str
    rows: NDArray[np.int_]
    """(chip,) Positions among the samples."""

    chips: Tensor
    """(chip, band, row, col) As the network takes them."""

    heat: Heat
    """(chip, row, col)"""

    spread: float
    """Standard deviation of the predictions over all test chips."""


def look_at_chips(network: Network, samples: Samples, tested: pd.DataFrame) -> Looked | None:
    """Map the heat of test chips of one target; None where there are fewer than two.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet`` of one target, one a chip.
    """
    tested = tested.dropna(subset=["y_pred"]).drop_duplicates("id")
    if len(tested) < 2:
        return None
    ordered = tested.sort_values("y_pred", kind="stable")["id"].to_numpy()
    picked = ordered[_spread_out(len(ordered), N_MAPPED)]
    rows = pd.Index(samples.chips["chip_id"]).get_indexer(picked).astype(np.int_)
    bands = samples.read_bands(rows, network.plan.bands)
    device = next(network.parameters()).device
    chips = torch.as_tensor(bands, dtype=torch.float32, device=device)
    name = str(tested["target"].iloc[0])
    heat = map_heat(network, cam_layer(network), chips, network.plan.targets.index(name))
    return Looked(name, rows, chips, heat, float(tested["y_pred"].std(ddof=0)))


def check_heat(network: Network, looked: Looked, seed: int) -> tuple[list[Record], list[Record]]:
    """Test the heat maps of one target.

    Returns
    -------
    Records of ``tests.json`` and ``curves.json``, without the recipe.
    """
    few = _spread_out(len(looked.heat), N_CHIPS)
    chips, heat = looked.chips[few], looked.heat[few]
    target = network.plan.targets.index(looked.target)
    generator = torch.Generator().manual_seed(seed)
    random = redraw_weights(deepcopy(network), generator)
    unlike = map_heat(random, cam_layer(random), chips, target)
    flat = map_heat(network, cam_layer(network), blank_chips(chips), target)[0]
    draws, curves = Draws(np.random.default_rng(seed)), list[Record]()
    tests = [_say_random(heat, unlike, draws)]
    if np.ptp(heat) > 0 and looked.spread > 0:
        moved = follow_chips(network, chips, heat, target, np.random.default_rng(seed))
        judged = [_judge_moves(test, each, looked.spread, draws) for test, each in moved.items()]
        tests += [test for test, _ in judged]
        curves += [curve for _, curve in judged]
    else:
        words = NO_HEAT if looked.spread > 0 else "All chips are predicted alike."
        tests += [leave_unjudged("deletion", words), leave_unjudged("insertion", words)]
    tests += [_say_flat(heat, flat), _say_edges(heat, draws)]
    key = {"target": looked.target}
    return [key | test for test in tests], [key | curve for curve in curves]


def _spread_out(n_chips: int, n_wanted: int) -> NDArray[np.int_]:
    """Pick positions from the first to the last, evenly."""
    return np.unique(np.linspace(0, n_chips - 1, n_wanted).round().astype(np.int_))


def _judge_moves(test: Test, curves: Curves, spread: float, draws: Draws) -> tuple[Record, Record]:
    """Judge how predictions move as squares of chips go or come."""
    samples = f"{len(curves.ranked)} chips"
    wordings: dict[Test, Wording] = {
        "deletion": Wording(
            "Blanking the squares of a chip that heat ranks highest",
            "blanking as many at random",
            samples,
            "chips",
        ),
        "insertion": Wording(
            "Giving a blank chip back the squares that heat ranks highest",
            "giving back as many at random",
            samples,
            "chips",
        ),
    }
    scaled = Curves(curves.ranked / spread, curves.at_random / spread)
    return judge_curves(test, scaled, wordings[test], draws)


def _say_random(heat: Heat, unlike: Heat, draws: Draws) -> Record:
    step = max(1, heat.shape[1] // N_GRID)
    pairs = zip(heat[:, ::step, ::step], unlike[:, ::step, ::step], strict=True)
    ranks = np.array([correlate_ranks(one, other) for one, other in pairs])
    value = float(ranks.mean())
    words = (
        f"With random weights in the network's place the heat's rank correlation with the trained "
        f"network's is {value:.2f}, the mean over {len(ranks)} chips."
    )
    interval = bound_mean(ranks, draws)
    return record_test("randomised weights", value, interval, SIMILAR, abs(value) < SIMILAR, words)


def _say_flat(heat: Heat, flat: Heat) -> Record:
    usual = float(np.ptp(heat, axis=(1, 2)).mean())
    value = float(np.ptp(flat)) / usual if usual > 0 else 0.0
    words = (
        f"On a chip that is the same everywhere heat ranges over {value:.0%} of what it ranges "
        "over on real chips."
    )
    return record_test("flat chips", value, NO_INTERVAL, UNEVEN, value <= UNEVEN, words)


def _say_edges(heat: Heat, draws: Draws) -> Record:
    size, is_rim = np.abs(heat).astype(np.float64), mark_rim(heat.shape[1:])[EDGES]
    beside, inside = size[:, is_rim].mean(axis=1), size[:, ~is_rim].mean(axis=1)
    if not inside.sum() > 0:
        return record_test("edges", None, NO_INTERVAL, TRACES, None, NO_HEAT)
    value = float(beside.sum() / inside.sum())
    words = (
        f"In the outer eighth of a chip on each side heat is {value:.2f} times as strong as inside."
    )
    interval = bound_ratio(beside, inside, draws)
    return record_test("edges", value, interval, TRACES, value <= TRACES, words)
