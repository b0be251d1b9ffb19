"""Tests that heat maps of networks must pass.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.chips.store import Samples
from basrelief.explain.gradcam import map_heat
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

UNEVEN = 0.1
"""Range of heat on a flat chip over that on real ones, from which the frame shows."""

RIM = 8
"""The rim of a chip is one part in so many of its side, on each side."""

N_GRID = 28
"""Cells a side on which heat is compared: finer than any layer's own grid is interpolation."""

Heat = NDArray[np.float32]


def check_heat(network: Network, samples: Samples, tested: pd.DataFrame, seed: int) -> list[Record]:
    """Test the heat maps of one target; records without the recipe.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet`` of one target, one a chip.
    """
    tested = tested.dropna(subset=["y_pred"]).drop_duplicates("id")
    if len(tested) < 2:
        return []
    ordered = tested.sort_values("y_pred", kind="stable")["id"].to_numpy()
    picked = np.unique(np.linspace(0, len(ordered) - 1, N_CHIPS).round().astype(int))
    rows = pd.Index(samples.chips["chip_id"]).get_indexer(ordered[picked]).astype(np.int_)
    bands = samples.read_bands(rows, network.plan.bands)
    device = next(network.parameters()).device
    chips = torch.as_tensor(bands, dtype=torch.float32, device=device)
    name = str(tested["target"].iloc[0])
    target = network.plan.targets.index(name)
    heat = map_heat(network, cam_layer(network), chips, target)
    generator = torch.Generator().manual_seed(seed)
    random = redraw_weights(deepcopy(network), generator)
    unlike = map_heat(random, cam_layer(random), chips, target)
    flat = map_heat(network, cam_layer(network), _flatten(chips), target)[0]
    draws = Draws(np.random.default_rng(seed))
    found = [_say_random(heat, unlike, draws), _say_flat(heat, flat), _say_edges(heat, draws)]
    return [{"target": name} | record for record in found]


def _flatten(chips: Tensor) -> Tensor:
    """Make one chip that is the same everywhere: the middle of each band, (1, band, row, col)."""
    middle = chips.permute(1, 0, 2, 3).flatten(1).median(dim=1)[0]
    return middle[None, :, None, None].expand(1, -1, *chips.shape[2:]).contiguous()


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
    size, rim = np.abs(heat).astype(np.float64), max(1, heat.shape[1] // RIM)
    is_rim = np.ones(heat.shape[1:], dtype=bool)
    is_rim[rim:-rim, rim:-rim] = False
    beside, inside = size[:, is_rim].mean(axis=1), size[:, ~is_rim].mean(axis=1)
    if not inside.sum() > 0:
        words = "There is no heat to compare."
        return record_test("edges", None, NO_INTERVAL, TRACES, None, words)
    value = float(beside.sum() / inside.sum())
    words = (
        f"In the outer eighth of a chip on each side heat is {value:.2f} times as strong as inside."
    )
    interval = bound_ratio(beside, inside, draws)
    return record_test("edges", value, interval, TRACES, value <= TRACES, words)
