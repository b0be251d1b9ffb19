"""What tests of explanations are recorded as, and what both kinds of explanation share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from basrelief.judge.resampling import MIN_GROUPS, Draws, bound

SIMILAR = 0.2
"""Rank correlation with random weights from which a map does not show what was learnt."""

TRACES = 1.25
"""Size beside edges over size elsewhere from which a map shows the edge."""

Floats = NDArray[np.float64]
Record = dict[str, Any]
Interval = tuple[float | None, float | None]
M = TypeVar("M", bound=nn.Module)

NO_INTERVAL: Interval = (None, None)


@dataclass(frozen=True)
class Findings:
    """What explaining found: the records of its files, by file."""

    contributions: list[Record] = field(default_factory=list)
    tests: list[Record] = field(default_factory=list)
    curves: list[Record] = field(default_factory=list)
    kinds: list[Record] = field(default_factory=list)


def record_test(
    test: str,
    value: float | None,
    interval: Interval,
    limit: float,
    passes: bool | None,
    words: str,
) -> Record:
    """Make a record of ``tests.json``, without recipe and target.

    Parameters
    ----------
    passes
        None where it cannot be told.
    words
        One sentence.
    """
    low, high = interval
    record: Record = {"test": test, "value": value, "low": low, "high": high}
    return record | {"bound": limit, "passes": passes, "words": words}


def bound_mean(values: Floats, draws: Draws) -> Interval:
    """Take the 95 % interval of a mean over areas, (area,); None with too few of them."""
    return bound_ratio(values, np.ones_like(values), draws)


def bound_ratio(above: Floats, below: Floats, draws: Draws) -> Interval:
    """Take the 95 % interval of a ratio of sums over areas; None with too few of them."""
    if len(above) < MIN_GROUPS:
        return NO_INTERVAL
    taken = draws.take(len(above)).astype(np.float64)
    total = taken @ below
    if (total <= 0).any():
        return NO_INTERVAL
    return bound((taken @ above) / total, len(above))


def correlate_ranks(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Give the rank correlation of two maps; 0 where one of them says the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


@torch.no_grad()
def redraw_weights(network: M, generator: torch.Generator) -> M:
    """Draw a network's weights anew, each tensor with its own mean and spread.

    What they learnt is gone, and numbers stay in their range. The network itself is changed.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS.
    """
    for weights in network.parameters():
        if weights.numel() < 2:
            continue
        drawn = torch.randn(weights.shape, generator=generator).to(weights)
        weights.copy_(weights.mean() + weights.std() * drawn)
    return network
