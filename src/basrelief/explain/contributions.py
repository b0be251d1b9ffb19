"""Contribution maps: what each cell of the ground adds to the prediction of its area.

A linear model on means of cells is itself a mean over cells, so nothing is approximated. The
cells of a map hold what the ground adds, per share of its area: a cell of 10 that is a hundredth
of its area adds 0.1 to the area's prediction. So the mean of the map over an area, each cell by
its share inside, is the area's prediction less the model's intercept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from basrelief.chips.describe import name_file
from basrelief.chips.store import Samples
from basrelief.chips.zonal import Zoning
from basrelief.config import Settings
from basrelief.explain.cells import (
    Own,
    Tracing,
    find_cell_px,
    list_own,
    trace_patch,
    weigh_patch,
)
from basrelief.explain.kinds import KINDS, share_kinds, tell_kinds
from basrelief.explain.rasters import StoredPlanes, write_quotient
from basrelief.explain.readout import DenseModel, Sheet
from basrelief.explain.tally import AreaSums, Faces
from basrelief.grid import Grid
from basrelief.learn.dense import Patch, forward, list_patches
from basrelief.learn.extract import Extractor, read_extractor
from basrelief.learn.recipes import DenseRecipe, Ground
from basrelief.run import Run

Mask = NDArray[np.bool_]

EDGE_CELLS = 2
"""Cells of a sheet beside the edge of a block that are looked at for traces of it."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One way through the place: one dense member at one resolution."""

    member: int
    recipe: DenseRecipe
    resolution_m: float
    sheets: list[Sheet]


@dataclass(frozen=True, eq=False)
class Scene:
    """A model, the place that it looks at, and what it looks with."""

    model: DenseModel
    samples: Samples
    areas: gpd.GeoDataFrame
    """``area_id`` and polygons of the areas that have features."""

    extractors: dict[int, Extractor]
    """By position of the member."""

    cell_px: int
    """Side of a map's cells, in pixels of the chips."""

    @cached_property
    def zoning(self) -> Zoning:
        """The areas, to be laid on grids."""
        return Zoning(self.areas)

    @property
    def grounds(self) -> list[Ground]:
        """Every ground that counts for a member."""
        return sorted({pool for _, member in self.model.dense for pool in member.pools})

    @property
    def passes(self) -> list[Pass]:
        """Every way through the place."""
        return [
            Pass(k, member, resolution_m, _sheets_of(self.model, k, resolution_m))
            for k, member in self.model.dense
            for resolution_m in member.resolutions_m
        ]

    def patches(self, way: Pass, run: Run) -> Iterator[Patch]:
        """Go through the place, block by block."""
        extractor = self.extractors[way.member]
        return list_patches(self.samples, way.recipe, extractor, way.resolution_m, run)

    def cells_of(self, patch: Patch) -> Grid:
        """Give the grid of a map's cells in a patch."""
        return patch.grid.coarser(self.cell_px)

    def look(self, way: Pass, patch: Patch) -> list[NDArray[np.float32]]:
        """Send a patch through the network: one map a stage."""
        return forward(patch, way.recipe, self.extractors[way.member], way.resolution_m)

    def own(self, patch: Patch) -> dict[str, Own]:
        """List each area's cells in a patch."""
        return list_own(patch, self.cell_px, self.zoning)


def set_scene(model: DenseModel, samples: Samples, settings: Settings) -> Scene:
    """Load the networks that a model looks with."""
    extractors = {
        k: read_extractor(member, model.backbone_of(k), settings) for k, member in model.dense
    }
    areas = samples.areas[samples.areas["is_used"].to_numpy(bool)][["area_id", "geometry"]]
    areas = areas[areas["area_id"].isin(model.features.index)]
    return Scene(model, samples, areas, extractors, find_cell_px(model, extractors, samples))


def draw_contributions(
    scene: Scene, folder: Path, run: Run
) -> tuple[dict[str, AreaSums], list[Path]]:
    """Draw a map of each target, in one pass of the network over the ground.

    Memory is that of a block: what grows with the place is a file in the folder, which goes
    when the maps are written.

    Returns
    -------
    Sums by area, and the maps' files in the order of the targets.
    """
    model = scene.model
    grid, n_targets = scene.samples.extent().coarser(scene.cell_px), len(model.targets)
    with TemporaryDirectory(dir=folder) as scratch:
        # One plane a target, and how much of each cell lies in areas.
        sums = StoredPlanes(grid, n_targets + 1, Path(scratch, "sums.npy"))
        # Shares of kinds in each cell: of all its ground, and of each ground that counts.
        n_planes = (1 + len(scene.grounds)) * len(KINDS)
        kinds = StoredPlanes(grid, n_planes, Path(scratch, "kinds.npy"))
        tracing, tally = _weigh_place(scene, sums, kinds, run)
        for way in scene.passes:
            for patch in scene.patches(way, run):
                faces = _face(scene, way, patch, kinds)
                sums.add(scene.cells_of(patch), _trace(scene, way, patch, tracing, tally, faces))
        paths = [folder / f"contribution-{name_file(target)}.tif" for target in model.targets]
        for k, path in enumerate(paths):
            write_quotient(sums, k, n_targets, scene.areas.crs, path, name_unit(model.targets[k]))
    return tally, paths


def name_unit(target: str) -> str:
    """Name the unit of a map's cells.

    Examples
    --------
    >>> name_unit("crime")
    'crime, per share of the area'
    """
    return f"{target}, per share of the area"


def _weigh_place(
    scene: Scene, sums: StoredPlanes, kinds: StoredPlanes, run: Run
) -> tuple[Tracing, dict[str, AreaSums]]:
    """Add up what all areas' cells weigh, and tell the kinds of the ground: no network yet."""
    model, totals = scene.model, dict[tuple[Sheet, str], float]()
    tally: dict[str, AreaSums] = {}
    told = set[Ground]()
    for n, way in enumerate(scene.passes):
        # Kinds are told where a ground that counts is met first.
        new = [k for k, pool in enumerate(way.recipe.pools) if pool not in told]
        told.update(way.recipe.pools)
        for patch in scene.patches(way, run):
            for sheet, area_id, weight in weigh_patch(patch, way.sheets, scene.zoning):
                totals[sheet, area_id] = totals.get((sheet, area_id), 0.0) + weight
            marks = {1 + scene.grounds.index(way.recipe.pools[k]): patch.counted[k] for k in new}
            if n == 0:
                marks[0] = np.isfinite(patch.detail[0])
            _add_kinds(scene, patch, kinds, marks)
            if n > 0:
                continue
            cells = scene.cells_of(patch)
            of_ground = kinds.read(cells)[: len(KINDS)].reshape(len(KINDS), -1)
            covered = np.zeros((1, cells.n_cells), dtype=np.float32)
            for area_id, own in scene.own(patch).items():
                area = tally.setdefault(area_id, AreaSums(len(model.targets)))
                area.add_ground(own, of_ground)
                covered[0, own.cells] += own.coverage
            sums.add(cells, covered.reshape(1, *cells.shape), len(model.targets))
    features = {area_id: model.describe(area_id) for area_id in tally}
    return Tracing(model, scene.zoning, scene.cell_px, totals, features), tally


def _trace(
    scene: Scene,
    way: Pass,
    patch: Patch,
    tracing: Tracing,
    tally: dict[str, AreaSums],
    faces: Faces,
) -> NDArray[np.float32]:
    """Look at a patch; give what its cells say, (target, row, col), times their coverage."""
    owns, cells = scene.own(patch), scene.cells_of(patch)
    said = np.zeros((len(scene.model.targets), cells.n_cells), dtype=np.float32)
    for area_id, own in owns.items():
        tally[area_id].add_edges(own, faces)
    for part in trace_patch(tracing, patch, scene.look(way, patch), way.sheets, owns):
        area = tally[part.area_id]
        area.add(part, faces)
        said[:, part.cells] += (part.values * area.coverage).T
    return said.reshape(-1, *cells.shape)


def _face(scene: Scene, way: Pass, patch: Patch, kinds: StoredPlanes) -> Faces:
    """Say what the cells of a patch are."""
    cells = scene.cells_of(patch)
    shares = kinds.read(cells).reshape(-1, len(KINDS), cells.n_cells)
    is_edge = np.ones(cells.shape, dtype=bool)
    deep = EDGE_CELLS * max(patch.strides) // scene.cell_px
    is_edge[deep:-deep, deep:-deep] = False
    of_pools = [1 + scene.grounds.index(pool) for pool in way.recipe.pools]
    return Faces(shares[of_pools], is_edge.ravel())


def _add_kinds(scene: Scene, patch: Patch, kinds: StoredPlanes, marks: dict[int, Mask]) -> None:
    """Add the shares of each kind in the cells of a patch, in the ground that is marked."""
    if not marks:
        return
    told = tell_kinds(patch.detail, scene.samples.resolution_m)
    for k, mask in marks.items():
        shares = share_kinds(told, mask, scene.cell_px)
        kinds.add(scene.cells_of(patch), shares, k * len(KINDS))


def _sheets_of(model: DenseModel, member: int, resolution_m: float) -> list[Sheet]:
    """Sheets that one way through the place serves."""
    found = (sheet for sheet in model.sheets if sheet.member == member)
    return [sheet for sheet in found if sheet.resolution_m == resolution_m]
