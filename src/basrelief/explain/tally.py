"""Sums of contributions by area: in all, by kind of ground, and beside the edges of tracts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from basrelief.explain.cells import AreaCells, Contribution
from basrelief.explain.kind_claims import judge_interval
from basrelief.explain.kinds import ADDED_UNIT, EDGES, KINDS

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellFacts:
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
    """(kind,) Of these, those of each kind; the last is the edges, once a level."""

    edge_coverage: float = 0.0
    """Cells of every level together, of which the edges are a part."""

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

    def add_ground(self, own: AreaCells, kinds: NDArray[np.float32]) -> None:
        """Add an area's cells in a patch and their shares of each kind, (kind, cell)."""
        self.coverage += float(own.coverage.sum())
        self.ground[:-1] += kinds[:, own.cells] @ own.coverage

    def add_edges(self, own: AreaCells, facts: CellFacts) -> None:
        """Add how many of an area's cells lie beside an edge; once a level."""
        self.ground[-1] += float(own.coverage[facts.is_edge[own.cells]].sum())
        self.edge_coverage += float(own.coverage.sum())

    def add(self, found: Contribution, facts: CellFacts) -> None:
        """Add what some cells contribute, (cell, target)."""
        is_edge = facts.is_edge[found.cells]
        self.total += found.values.sum(axis=0)
        add_by_kind(self.by_kind, found, facts)
        for side, those in enumerate((is_edge, ~is_edge)):
            self.size[side] += np.abs(found.values[those]).sum(axis=0)
            self.share[side] += float(found.share[those].sum())


def add_by_kind(sums: Floats, found: Contribution, facts: CellFacts) -> None:
    """Add what cells contribute to sums by kind, (kind, target); the last is the edges."""
    sums[:-1] += facts.kinds[found.pool][:, found.cells] @ found.values
    sums[-1] += found.values[facts.is_edge[found.cells]].sum(axis=0)


def list_kinds(
    tally: dict[str, AreaSums],
    recipe: str,
    targets: tuple[str, ...],
    errors: Floats | None,
    n_refits: int,
) -> list[dict[str, Any]]:
    """Say what each kind of ground adds to a prediction, on average over areas.

    Kinds other than the edges add up to the mean of what all ground adds.

    Parameters
    ----------
    errors
        Standard errors, (kind, target), of `basrelief.explain.refits`; None where there are too
        few blocks for any.
    n_refits
        Refits that these are from.

    Returns
    -------
    Records of ``kinds.json``: ``recipe, target, kind, share_of_ground``, ``contribution`` in
    the target's unit with its 95 % interval, which carries the model's own uncertainty and that
    of the areas, ``low`` and ``high``, None without one; ``p``, how often chance gives as much of
    this one; and ``unit``.
    """
    sums = list(tally.values())
    parts = np.stack([each.by_kind for each in sums]).mean(axis=0)  # (kind, target)
    ground = np.sum([each.ground for each in sums], axis=0)
    # Edges are counted once a level, other kinds once: each is divided by its own sum.
    cells = sum(each.coverage for each in sums)
    shares = [*(ground[:-1] / cells), ground[-1] / sum(each.edge_coverage for each in sums)]
    # Student's: a spread of so few refits is itself not known well.
    reach = 0.0 if errors is None else float(stats.t.ppf(0.975, n_refits - 1))
    records = []
    for k, target in enumerate(targets):
        for j, kind in enumerate((*KINDS, EDGES)):
            value, wide = float(parts[j, k]), None if errors is None else reach * errors[j, k]
            record: dict[str, Any] = {"recipe": recipe, "target": target, "kind": kind}
            record["share_of_ground"] = float(shares[j])
            record["contribution"] = value
            record["low"] = None if wide is None else float(value - wide)
            record["high"] = None if wide is None else float(value + wide)
            record["p"] = judge_interval(value, record["low"], record["high"], n_refits)
            records.append(record | {"unit": ADDED_UNIT})
    return records
