"""One area at a time, looked at again: with other weights, or with ground taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import lcm

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas, read_canvas
from basrelief.chips.store import HEIGHTS
from basrelief.chips.zonal import Planes, Pools, Zoning, pool_planes
from basrelief.explain.cells import Tracing, list_own, trace_patch, weigh_patch
from basrelief.explain.contributions import Pass, Scene
from basrelief.learn.dense import Patch, find_multiple, forward, make_patch
from basrelief.learn.extract import Extractor

Floats = NDArray[np.float64]
Looked = list[tuple[Pass, Patch, list[NDArray[np.float32]]]]
"""What networks make of a view: one entry a way of looking."""


@dataclass(frozen=True, eq=False)
class View:
    """An area and the ground around it."""

    area: gpd.GeoDataFrame
    """One row."""

    canvas: Canvas
    """Whole cells of every sheet, with a margin as wide as any network looks."""

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
        """Pixels of the chips that lie in it, the margin included."""
        return int(self.canvas.heights[0].size)


@dataclass(frozen=True, eq=False)
class CellMap:
    """What the cells of a view add to the predictions of its area."""

    values: Floats
    """(row, col, target) In the targets' units; they add up as `sum_of_cells` says."""

    share: Floats
    """(row, col) Share of the area's weight that each cell has; 1 together."""

    @property
    def said(self) -> Floats:
        """What each cell says whatever its weight, (row, col, target); NaN where it has none."""
        share = self.share[..., None]
        blank = np.full_like(self.values, np.nan)
        return np.divide(self.values, share, out=blank, where=share > 0)


def view_area(scene: Scene, area_id: str) -> View:
    """Read an area's ground, in whole cells of every sheet."""
    area, ground = scene.areas[scene.areas["area_id"] == area_id], scene.samples.extent()
    west, south, east, north = area.total_bounds.tolist()
    grid = ground.crop(ground.cover((west, south, east, north), measure_unit(scene)))
    heights = scene.samples.layers[HEIGHTS]
    return View(area, read_canvas(heights, grid, measure_margin(scene)))


def measure_unit(scene: Scene) -> int:
    """Side of a square that is whole cells of every sheet, in pixels of the chips."""
    return lcm(
        *(_factor(scene, way) * stride for way in scene.passes for stride in _strides(scene, way))
    )


def measure_margin(scene: Scene) -> int:
    """Width of the widest halo, in pixels of the chips."""
    return max(_halo(scene, way) for way in scene.passes)


def look_again(
    scene: Scene, canvas: Canvas, extractors: Mapping[int, Extractor] | None = None
) -> Looked:
    """Send the ground of a view through the networks, or through others in their place."""
    margin, looked = measure_margin(scene), []
    for way in scene.passes:
        extractor = (extractors or scene.extractors)[way.member]
        spare = margin - _halo(scene, way)
        _, rows, cols = canvas.heights.shape
        heights = canvas.heights[:, spare : rows - spare, spare : cols - spare]
        cropped = Canvas(canvas.grid, heights)
        patch = make_patch(cropped, way.recipe, extractor, way.resolution_m, _factor(scene, way))
        looked.append((way, patch, forward(patch, way.recipe, extractor, way.resolution_m)))
    return looked


def pool_again(scene: Scene, view: View, looked: Looked) -> Floats:
    """Give the area's features, (feature,), as it looks now; other members' as they were."""
    x = scene.model.describe(view.area_id).copy()
    for way, patch, maps in looked:
        for sheet in way.sheets:
            cells, counts = patch.cells_of(sheet.stage), patch.weigh(sheet.pool, sheet.stage)
            planes = Planes("all", cells, maps[sheet.stage], counts, len(sheet.std) > 0)
            pools = Pools()
            pool_planes(pools, planes, view.zoning.on(cells))
            sums = pools["all"].get(view.area_id)
            x[sheet.mean] = np.nan if sums is None else sums.mean
            if len(sheet.std):
                x[sheet.std] = np.nan if sums is None else sums.std
    return x


def trace_again(scene: Scene, view: View, looked: Looked, x: Floats) -> CellMap:
    """Tell what each cell of a view adds to the area's predictions, as it looks now."""
    totals = {
        (sheet, area_id): weight
        for way, patch, _ in looked
        for sheet, area_id, weight in weigh_patch(patch, way.sheets, view.zoning)
    }
    tracing = Tracing(scene.model, view.zoning, scene.cell_px, totals, {view.area_id: x})
    rows, cols = scene.cells_of(looked[0][1]).shape
    values = np.zeros((rows * cols, len(scene.model.targets)))
    share = np.zeros(rows * cols)
    for way, patch, maps in looked:
        owns = list_own(patch, scene.cell_px, view.zoning)
        for part in trace_patch(tracing, patch, maps, way.sheets, owns):
            values[part.cells] += part.values
            share[part.cells] += part.share / len(scene.model.sheets)
    return CellMap(values.reshape(rows, cols, -1), share.reshape(rows, cols))


def flatten(scene: Scene, canvas: Canvas, is_flat: NDArray[np.bool_]) -> Canvas:
    """Lower the surface to the ground in some cells, (row, col), of a view."""
    margin = measure_margin(scene)
    mask = np.pad(np.kron(is_flat, np.ones((scene.cell_px,) * 2, dtype=bool)), margin)
    heights = canvas.heights.copy()
    heights[0][mask] = heights[1][mask]
    return Canvas(canvas.grid, heights)


def _factor(scene: Scene, way: Pass) -> int:
    return find_multiple(scene.samples, way.recipe, way.resolution_m)


def _strides(scene: Scene, way: Pass) -> tuple[int, ...]:
    return scene.extractors[way.member].strides


def _halo(scene: Scene, way: Pass) -> int:
    """Width of the halo that one way of looking needs, in pixels of the chips."""
    return scene.extractors[way.member].halo_px * _factor(scene, way)
