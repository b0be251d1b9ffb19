"""Sums of contributions by area: in all, by kind of ground, and beside the edges of blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.cells import Own, Part
from basrelief.explain.kinds import ADDED_UNIT, EDGES, KINDS
from basrelief.judge.resampling import Draws, bound_mean

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Faces:
    """What the cells of a patch are, on the grid of a map."""

    kinds: NDArray[np.float32]
    """(pool, kind, cell) Shares of each kind in the ground of a pool in a cell."""

    is_edge: NDArray[np.bool_]
    """(cell,) Whether it lies beside the edge of what goes through the network at once."""


@dataclass(eq=False)
class AreaSums:
    """What is added up over one area's cells."""

    n_targets: int
    coverage: float = 0.0
    """Cells of the map's grid, by their share inside the area."""

    ground: Floats = field(default_factory=lambda: np.zeros(len(KINDS) + 1))
    """(kind,) Of these, those of each kind; the last is the edges, once a pass."""

    edge_coverage: float = 0.0
    """Cells of every pass together, of which the edges are a part."""

    by_kind: Floats = field(init=False)
    """(kind, target) What each kind adds; the last is the edges."""

    total: Floats = field(init=False)
    """(target,)"""

    size: Floats = field(init=False)
    """(beside an edge or not, target) Sums of absolute values."""

    share: Floats = field(default_factory=lambda: np.zeros(2))
    """(beside an edge or not,) The share of the weight that these are sums over."""

    def __post_init__(self) -> None:
        self.by_kind = np.zeros((len(KINDS) + 1, self.n_targets))
        self.total = np.zeros(self.n_targets)
        self.size = np.zeros((2, self.n_targets))

    def add_ground(self, own: Own, kinds: NDArray[np.float32]) -> None:
        """Add an area's cells in a patch and their shares of each kind, (kind, cell)."""
        self.coverage += float(own.coverage.sum())
        self.ground[:-1] += kinds[:, own.cells] @ own.coverage

    def add_edges(self, own: Own, faces: Faces) -> None:
        """Add how many of an area's cells lie beside an edge; once a pass."""
        self.ground[-1] += float(own.coverage[faces.is_edge[own.cells]].sum())
        self.edge_coverage += float(own.coverage.sum())

    def add(self, part: Part, faces: Faces) -> None:
        """Add what some cells say."""
        is_edge = faces.is_edge[part.cells]
        self.total += part.values.sum(axis=0)
        self.by_kind[:-1] += faces.kinds[part.pool][:, part.cells] @ part.values
        self.by_kind[-1] += part.values[is_edge].sum(axis=0)
        for side, those in enumerate((is_edge, ~is_edge)):
            self.size[side] += np.abs(part.values[those]).sum(axis=0)
            self.share[side] += float(part.share[those].sum())


def list_kinds(
    tally: dict[str, AreaSums], recipe: str, targets: tuple[str, ...], draws: Draws
) -> list[dict[str, Any]]:
    """Say what each kind of ground adds to a prediction, on average over areas.

    Kinds other than the edges add up to the mean of what all ground adds.

    Returns
    -------
    Records of ``kinds.json``: ``recipe, target, kind, share_of_ground``, ``contribution`` in
    the target's unit with its 95 % interval over areas, ``low`` and ``high``, None where there
    are too few areas for one, and ``unit``.
    """
    sums = list(tally.values())
    parts = np.stack([each.by_kind for each in sums])  # (area, kind, target)
    ground = np.sum([each.ground for each in sums], axis=0)
    cells = sum(each.coverage for each in sums)
    shares = [*(ground[:-1] / cells), ground[-1] / sum(each.edge_coverage for each in sums)]
    records = []
    for k, target in enumerate(targets):
        for j, kind in enumerate((*KINDS, EDGES)):
            low, high = bound_mean(parts[:, j, k], draws)
            record: dict[str, Any] = {"recipe": recipe, "target": target, "kind": kind}
            record["share_of_ground"] = float(shares[j])
            record["contribution"] = float(parts[:, j, k].mean())
            records.append(record | {"low": low, "high": high, "unit": ADDED_UNIT})
    return records
