"""What single cells of the ground add to the predictions of their areas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.canvas import share_of_cells
from basrelief.chips.store import Samples
from basrelief.chips.zonal import Zones, Zoning
from basrelief.explain.readout import DenseModel, Sheet, make_readout
from basrelief.learn.dense import Patch, find_multiple
from basrelief.learn.extract import Extractor

LEAST = 0.1
"""What ground that does not count gets of a coarse cell that lies over it, beside ground that
does: it bounds what a sliver can get, and covers coarse pixels that are raised on average alone."""

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Own:
    """The cells of a map's grid that one area has in one patch."""

    cells: Cells
    """(cell,) Positions in the patch's flattened grid."""

    coverage: Floats
    """(cell,) Share of each cell inside the area, 0 to 1."""

    weight: Floats
    """(pool, cell) How much of each counts: its coverage times its share of ground that does."""


@dataclass(frozen=True)
class Coarse:
    """The columns of a coarse grid, and of the finer grid of a map over the same ground."""

    n_cols: int
    n_fine: int


@dataclass(frozen=True, eq=False)
class Tracing:
    """What has to be known before cells can be told what they add."""

    model: DenseModel
    zoning: Zoning
    """The areas."""

    cell_px: int
    """Side of the map's cells, in pixels of the chips."""

    totals: Mapping[tuple[Sheet, str], float]
    """By sheet and area: the weight of all its cells there."""

    features: Mapping[str, Floats]
    """(feature,) by area."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one area's cells on one sheet, in one patch, add to its predictions."""

    area_id: str
    pool: int
    """Position among the recipe's pools."""

    cells: Cells
    """(cell,) Positions in the patch's flattened grid of the map."""

    values: Floats
    """(cell, target) In the targets' units: all parts of an area add up to its prediction, as
    `basrelief.explain.readout.sum_of_cells` says."""

    share: Floats
    """(cell,) Share of the area's weight on this sheet: adds up to 1."""


def find_cell_px(model: DenseModel, extractors: Mapping[int, Extractor], samples: Samples) -> int:
    """Find the side of a map's cells in pixels of the chips: cells of every sheet are whole."""
    sides = [
        find_multiple(samples, member, resolution_m) * stride
        for k, member in model.dense
        for resolution_m in member.resolutions_m
        for stride in extractors[k].strides
    ]
    return gcd(*sides)


def list_own(patch: Patch, cell_px: int, zoning: Zoning) -> dict[str, Own]:
    """List each area's cells with data in a patch, on the grid of a map."""
    has_data = share_of_cells(np.isfinite(patch.detail[0]), cell_px) > 0
    counted = np.stack([share_of_cells(mask, cell_px).ravel() for mask in patch.counted])
    owns = {}
    for area_id, cells, coverage in zoning.on(patch.grid.coarser(cell_px)).of_areas():
        keep = has_data.ravel()[cells]
        if keep.any():
            own, share = cells[keep], coverage[keep]
            owns[area_id] = Own(own, share, share * counted[:, own])
    return owns


def weigh_patch(
    patch: Patch, sheets: Sequence[Sheet], zoning: Zoning
) -> Iterator[tuple[Sheet, str, float]]:
    """Give the weight that each area's cells have in a patch, by sheet."""
    for sheet in sheets:
        for area_id, _, weight in _weigh_sheet(patch, sheet, zoning).of_areas():
            yield sheet, area_id, float(weight.sum(dtype=np.float64))


def _weigh_sheet(patch: Patch, sheet: Sheet, zoning: Zoning) -> Zones:
    """Weigh each area's cells in a patch on a sheet's grid by how much of them counts."""
    zones = zoning.on(patch.cells_of(sheet.stage))
    return zones.weigh(patch.weigh(sheet.pool, sheet.stage))


def trace_patch(
    tracing: Tracing,
    patch: Patch,
    maps: Sequence[NDArray[np.float32]],
    sheets: Sequence[Sheet],
    owns: Mapping[str, Own],
) -> Iterator[Part]:
    """Tell what each cell of a patch adds to the predictions of the areas that it lies in.

    Parameters
    ----------
    maps
        (channel, row, col) What the network makes of the patch, for each of its stages.
    sheets
        Those of the patch's recipe and resolution.
    owns
        The areas' cells on the grid of the map.
    """
    for sheet in sheets:
        flat = maps[sheet.stage].reshape(len(maps[sheet.stage]), -1)
        finer = patch.grid.coarser(tracing.cell_px)
        grid = Coarse(patch.cells_of(sheet.stage).shape[1], finer.shape[1])
        for area_id, index, weight in _weigh_sheet(patch, sheet, tracing.zoning).of_areas():
            if area_id not in owns:
                continue
            share = weight / tracing.totals[sheet, area_id]
            readout = make_readout(tracing.model, sheet, tracing.features[area_id])
            said = np.column_stack([readout.read(flat[:, index]), np.ones(len(index))])
            values, own = said * share[:, None], owns[area_id]
            cells, spread = spread_cells(index, values, own, sheet.pool, grid)
            yield Part(area_id, sheet.pool, cells, spread[:, :-1], spread[:, -1])


def spread_cells(
    index: Cells, values: Floats, own: Own, pool: int, grid: Coarse
) -> tuple[Cells, Floats]:
    """Share out what coarse cells say among the finer cells of a map that lie in them.

    Most goes to finer cells with ground that counts, and sums stay the same. Where all of a
    coarse cell's ground that counts lies in a sliver, the sliver does not get all.

    Parameters
    ----------
    index : (coarse,)
        Positions in the flattened coarse grid.
    values : (coarse, column)
    own, pool
        The area's finer cells, and in which pool they are weighed.

    Returns
    -------
    Positions of finer cells, (cell,), and their values, (cell, column).

    Examples
    --------
    >>> own = Own(np.arange(4), np.ones(4), np.array([[1.0, 3.0, 0.0, 0.0]]))
    >>> spread_cells(np.array([0]), np.array([[22/3]]), own, 0, Coarse(1, 2))[1].ravel()
    array([1.83333333, 5.16666667, 0.16666667, 0.16666667])
    """
    row, col = np.divmod(own.cells, grid.n_fine)
    side = grid.n_fine // grid.n_cols
    parent = (row // side) * grid.n_cols + col // side
    at = np.searchsorted(index, parent)
    at[at == len(index)] = 0
    is_inside = index[at] == parent
    at, weight = at[is_inside], (own.weight[pool] + LEAST * own.coverage)[is_inside]
    total = np.bincount(at, weight, minlength=len(index))
    return own.cells[is_inside], values[at] * (weight / total[at])[:, None]
