"""What single cells of the ground add to the predictions of their areas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.zonal import Cells, Zones, Zoning
from basrelief.explain.readout import DenseModel, FeatureMap, make_readout
from basrelief.grid import coarsen
from basrelief.learn.dense import Patch

LEAST = 0.1
"""What ground that does not count gets of a coarse cell that lies over it, beside ground that
does: it bounds what a sliver can get, and covers coarse pixels that are raised on average alone."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AreaCells:
    """The cells of a map's grid that one area has in one patch."""

    cells: Cells
    """(cell,) Positions in the patch's flattened grid."""

    coverage: Floats
    """(cell,) Share of each cell inside the area, 0 to 1."""

    weight: Floats
    """(pool, cell) How much of each counts: its coverage times its share of ground that does."""


@dataclass(frozen=True, eq=False)
class Contribution:
    """What one area's cells of one feature map, in one patch, add to its predictions."""

    area_id: str
    pool: int
    """Position among the recipe's pools."""

    cells: Cells
    """(cell,) Positions in the patch's flattened grid of the map."""

    values: Floats
    """(cell, target) In the targets' units: all of an area add up to its prediction, as
    `basrelief.explain.readout.sum_of_cells` says."""

    share: Floats
    """(cell,) Share of the area's weight on this feature map: adds up to 1."""

    def take(self, columns: slice) -> Contribution:
        """Take some of the targets."""
        return replace(self, values=np.asarray(self.values)[:, columns])


@dataclass(frozen=True, eq=False)
class Attributor:
    """Tells what cells add to the predictions of areas; sums over all the ground come first."""

    model: DenseModel
    zoning: Zoning
    """The areas."""

    cell_px: int
    """Side of the map's cells, in pixels of the chips."""

    totals: Mapping[tuple[FeatureMap, str], float]
    """By feature map and area: the weight of all its cells there. An area may lie in many tracts,
    and a cell's share of it is known only when all of them were weighed."""

    features: Mapping[str, Floats]
    """(feature,) by area."""

    def attribute(
        self,
        patch: Patch,
        activations: Sequence[NDArray[np.float32]],
        feature_maps: Sequence[FeatureMap],
        by_area: Mapping[str, AreaCells],
    ) -> Iterator[Contribution]:
        """Tell what each cell of a patch adds to the predictions of the areas that it lies in.

        Parameters
        ----------
        activations
            (channel, row, col) What the network makes of the patch, for each of its stages.
        feature_maps
            Those of the patch's recipe and resolution.
        by_area
            The areas' cells on the grid of the map.
        """
        for feature_map in feature_maps:
            maps = activations[feature_map.stage]
            flat = maps.reshape(len(maps), -1)  # (channel, cell)
            grid = patch.cells_of(feature_map.stage)
            side = patch.strides[feature_map.stage] // self.cell_px
            zones = _weigh_feature_map(patch, feature_map, self.zoning)
            for area_id, index, weight in zones.of_areas():
                if area_id not in by_area:
                    continue
                share = weight / self.totals[feature_map, area_id]
                readout = make_readout(self.model, feature_map, self.features[area_id])
                # A column of ones besides: the weight is spread as what it carries is.
                added = np.column_stack([readout.read(flat[:, index]), np.ones(len(index))])
                values, own, pool = added * share[:, None], by_area[area_id], feature_map.pool
                cells, spread = spread_cells(index, values, own, pool, grid.shape[1], side)
                yield Contribution(area_id, pool, cells, spread[:, :-1], spread[:, -1])


def list_area_cells(patch: Patch, cell_px: int, zoning: Zoning) -> dict[str, AreaCells]:
    """Find each area's cells with data in a patch, on the grid of a map: (cell,) each, by area."""
    # Any data at all: a map shows ground that a pool leaves out too, with what is spread to it.
    has_data = coarsen(np.isfinite(patch.detail[0]), cell_px) > 0
    counted = np.stack([coarsen(mask, cell_px).ravel() for mask in patch.counted])
    by_area = {}
    for area_id, cells, coverage in zoning.on(patch.grid.coarser(cell_px)).of_areas():
        keep = has_data.ravel()[cells]
        # An area that a patch only brushes has no cell to show there.
        if keep.any():
            own, share = cells[keep], coverage[keep]
            by_area[area_id] = AreaCells(own, share, share * counted[:, own])
    return by_area


def weigh_patch(
    patch: Patch, feature_maps: Sequence[FeatureMap], zoning: Zoning
) -> Iterator[tuple[FeatureMap, str, float]]:
    """Give the weight that each area's cells have in a patch, by feature map."""
    for feature_map in feature_maps:
        for area_id, _, weight in _weigh_feature_map(patch, feature_map, zoning).of_areas():
            # In double precision: millions of float32 shares would not add up to the total.
            yield feature_map, area_id, float(weight.sum(dtype=np.float64))


def _weigh_feature_map(patch: Patch, feature_map: FeatureMap, zoning: Zoning) -> Zones:
    """Weigh each area's cells in a patch on a feature map's grid by how much of them counts."""
    zones = zoning.on(patch.cells_of(feature_map.stage))
    return zones.weigh(patch.weigh(feature_map.pool, feature_map.stage))


def spread_cells(
    index: Cells, values: Floats, own: AreaCells, pool: int, n_cols: int, side: int
) -> tuple[Cells, Floats]:
    """Share out values of coarse cells among the finer cells of a map that lie in them.

    Most goes to finer cells with ground that counts, and sums stay the same. Where all of a
    coarse cell's ground that counts lies in a sliver, the sliver does not get all.

    Parameters
    ----------
    index : (coarse,)
        Positions in the flattened coarse grid.
    values : (coarse, column)
    own, pool
        The area's finer cells, and in which pool they are weighed.
    n_cols, side
        Columns of the coarse grid, and finer cells along a coarse one.

    Returns
    -------
    Positions of finer cells, (cell,), and their values, (cell, column).

    Examples
    --------
    >>> own = AreaCells(np.arange(4), np.ones(4), np.array([[1.0, 3.0, 0.0, 0.0]]))
    >>> spread_cells(np.array([0]), np.array([[22/3]]), own, 0, 1, 2)[1].ravel()
    array([1.83333333, 5.16666667, 0.16666667, 0.16666667])
    """
    row, col = np.divmod(own.cells, n_cols * side)
    parent = (row // side) * n_cols + col // side
    at = np.searchsorted(index, parent)  # cells of a zone are in order
    at[at == len(index)] = 0  # any valid position: the next line finds that it is another's
    is_inside = index[at] == parent
    # Without LEAST a sliver of ground that counts once held -87,747 points of one coarse cell.
    at, weight = at[is_inside], (own.weight[pool] + LEAST * own.coverage)[is_inside]
    total = np.bincount(at, weight, minlength=len(index))
    return own.cells[is_inside], values[at] * (weight / total[at])[:, None]
