"""One area at a time goes through the networks anew: other weights, or ground taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas, read_canvas
from basrelief.chips.store import HEIGHTS
from basrelief.chips.zonal import Planes, Pools, Zoning, pool_planes
from basrelief.explain.cells import Attributor, list_area_cells, weigh_patch
from basrelief.explain.contributions import Level, Scene
from basrelief.learn.dense import Patch, make_patch
from basrelief.learn.extract import Extractor

Floats = NDArray[np.float64]
Activations = list[tuple[Level, Patch, list[NDArray[np.float32]]]]
"""What networks make of a view: a level, its patch and the (channel, row, col) of each stage."""


@dataclass(frozen=True, eq=False)
class View:
    """An area and the ground around it."""

    area: gpd.GeoDataFrame
    """One row."""

    canvas: Canvas
    """Whole cells of every feature map, and around them the widest halo of any network."""

    @property
    def area_id(self) -> str:
        """Code of the area."""
        return str(self.area["area_id"].iloc[0])

    @cached_property
    def zoning(self) -> Zoning:
        """The area alone, to be laid on grids."""
        return Zoning(self.area)

    @property
    def n_px(self) -> int:
        """Cells of the layer that lie in it, the margin included."""
        return int(self.canvas.values[0].size)


@dataclass(frozen=True, eq=False)
class CellMap:
    """What the cells of a view add to the predictions of its area."""

    values: Floats
    """(row, col, target) In the targets' units; they add up as `sum_of_cells` says."""

    share: Floats
    """(row, col) Share of the area's weight that each cell has; 1 together."""

    @property
    def intensity(self) -> Floats:
        """Contribution per share of the area, (row, col, target); NaN where a cell has none."""
        share = self.share[..., None]
        blank = np.full_like(self.values, np.nan)
        return np.divide(self.values, share, out=blank, where=share > 0)


def view_area(scene: Scene, area_id: str) -> View:
    """Read an area's ground, in whole cells of every feature map."""
    area, ground = scene.areas[scene.areas["area_id"] == area_id], scene.ground
    west, south, east, north = area.total_bounds.tolist()
    # On the place's own lattice: cells must be those of the finished map, or nothing compares.
    grid = ground.crop(ground.cover((west, south, east, north), scene.unit_px))
    return View(area, read_canvas(scene.layer, grid, scene.margin_px))


def forward_view(
    scene: Scene, canvas: Canvas, extractors: Mapping[int, Extractor] | None = None
) -> Activations:
    """Send the ground of a view through the networks, or through others in their place."""
    margin, activations = scene.margin_px, []
    for level in scene.levels:
        extractor = level.extractor if extractors is None else extractors[level.member]
        # Each network gets just its halo: more would shift its cells against the grid.
        spare = margin - level.halo_px
        _, rows, cols = canvas.values.shape
        values = canvas.values[:, spare : rows - spare, spare : cols - spare]
        cropped = Canvas(canvas.grid, values, canvas.bands)
        patch = make_patch(cropped, level.recipe, extractor, level.resolution_m, level.factor)
        activations.append((level, patch, level.forward(patch, extractor)))
    return activations


def pool_view(scene: Scene, view: View, activations: Activations) -> Floats:
    """Pool the area's features, (feature,), anew; those of members that are not dense stay."""
    x = scene.model.describe(view.area_id).copy()
    for level, patch, maps in activations:
        for feature_map in level.feature_maps:
            stage, has_spread = feature_map.stage, len(feature_map.std) > 0
            cells, counts = patch.cells_of(stage), patch.weigh(feature_map.pool, stage)
            planes = Planes("all", cells, maps[stage], counts, has_spread)
            pools = Pools()
            pool_planes(pools, planes, view.zoning.on(cells))
            sums = pools["all"].get(view.area_id)
            # Flattened, an area may have no ground that counts: unknown, as it was in training.
            x[feature_map.mean] = np.nan if sums is None else sums.mean
            if has_spread:
                x[feature_map.std] = np.nan if sums is None else sums.std
    return x


def attribute_view(scene: Scene, view: View, activations: Activations, x: Floats) -> CellMap:
    """Tell what each cell of a view adds to the area's predictions at its features.

    Parameters
    ----------
    activations
        Of the view, level by level.
    x : (feature,)
        The area's features, in the model's order; NaN where unknown.

    Returns
    -------
    (row, col, target) and (row, col)
        What cells add, in the targets' units, and the share of the area's weight in each.
    """
    totals = {
        (feature_map, area_id): weight
        for level, patch, _ in activations
        for feature_map, area_id, weight in weigh_patch(patch, level.feature_maps, view.zoning)
    }
    attributor = Attributor(scene.model, view.zoning, scene.cell_px, totals, {view.area_id: x})
    rows, cols = scene.cells_of(activations[0][1]).shape
    values = np.zeros((rows * cols, len(scene.model.targets)))
    share = np.zeros(rows * cols)
    for level, patch, maps in activations:
        by_area = list_area_cells(patch, scene.cell_px, view.zoning)
        for found in attributor.attribute(patch, maps, level.feature_maps, by_area):
            values[found.cells] += found.values
            # Every feature map shares out 1, so their mean does too.
            share[found.cells] += found.share / len(scene.model.feature_maps)
    return CellMap(values.reshape(rows, cols, -1), share.reshape(rows, cols))


def flatten(scene: Scene, canvas: Canvas, is_flat: NDArray[np.bool_]) -> Canvas:
    """Take away what is to be seen in some cells, (row, col), of a view.

    Heights are lowered to the ground, and a photo is painted in the place's mean colour.
    """
    margin = scene.margin_px
    mask = np.pad(np.kron(is_flat, np.ones((scene.cell_px,) * 2, dtype=bool)), margin)
    values = canvas.values.copy()
    # Ground without anything on it, not a blank: networks never saw black where there is ground.
    if scene.model.layer == HEIGHTS:
        values[0][mask] = values[1][mask]
    else:
        # What has no data stays so, and is no ground to be painted.
        mask &= np.isfinite(values[0])
        values[:, mask] = scene.plain[:, None]
    return Canvas(canvas.grid, values, canvas.bands)
