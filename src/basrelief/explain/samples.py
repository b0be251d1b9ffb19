"""Samples under their maps, as checks take them: many chips at once, or one area."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.controls import SHUFFLED, Control

Floats = NDArray[np.float64]
Values = NDArray[Any]
"""Of a map, in the precision in which it was made."""
Mask = NDArray[np.bool_]


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

    groups: Sequence[str]
    """(sample,) The ground that is resampled together with each."""

    others: Mapping[str, Values] = field(default_factory=dict)
    """(sample, cell) Maps of further targets of the model, by name: controls alone."""

    looks: Mapping[Control, Values] = field(default_factory=dict)
    """(sample, cell) What can be seen without a model: controls that may be turned round."""

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

    groups: Sequence[str]
    """(sample,) The ground that is resampled together with each."""

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
    """(sample, target, map) By how much the cells of each target's map do not add up to a target's
    prediction; None where a map does not claim to."""

    groups: Sequence[str] = ()
    """(sample,) The ground that is resampled together with each of these."""


def name_controls(targets: Sequence[str], batch: Batch) -> list[list[Control]]:
    """Name the controls of each target's map, in the order of `follow_predictions`."""
    further = [Control("target", name) for name in batch.others]
    found = []
    for own in targets:
        others = [Control("target", each) for each in targets if each != own]
        found.append([SHUFFLED, *others, *further, *batch.looks])
    return found
