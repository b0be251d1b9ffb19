"""Contribution maps: what each cell of the ground adds to the prediction of its area.

A linear model on means of cells is itself a mean over cells, so nothing is approximated. The
cells of a map hold what the ground adds, per share of its area: a cell of 10 that is a hundredth
of its area adds 0.1 to the area's prediction. So the mean of the map over an area, each cell by
its share inside, is the area's prediction less the model's intercept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, lcm
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.layers import SHARD_SIDE, Layer
from basrelief.chips.store import HEIGHTS, Samples
from basrelief.chips.zonal import Zoning
from basrelief.config import Settings
from basrelief.explain.cells import AreaCells, Attributor, list_area_cells, weigh_patch
from basrelief.explain.kinds import KINDS, share_kinds, tell_kinds
from basrelief.explain.rasters import StoredPlanes, write_quotient
from basrelief.explain.readout import DenseModel, FeatureMap
from basrelief.explain.refits import BlockRefits
from basrelief.explain.tally import AreaSums, CellFacts
from basrelief.grid import Grid
from basrelief.judge.stage import group_units
from basrelief.learn.area_models import AreaModel, decompose, load_model
from basrelief.learn.dense import Patch, forward, list_patches
from basrelief.learn.extract import Extractor, read_extractor
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import (
    DISTRICT,
    PLACE,
    DenseRecipe,
    Ground,
    NetworkRecipe,
    find_multiple,
)
from basrelief.learn.train_areas import AreaData, gather_area_data
from basrelief.names import name_file
from basrelief.run import MODEL, Run

Mask = NDArray[np.bool_]

EDGE_CELLS = 2
"""Cells of a feature map beside the edge of a tract that may show traces of it."""

UNIT = "per share of the area"
"""Unit of a map's cells, behind the name of its target."""


@dataclass(frozen=True, eq=False)
class Level:
    """One dense member at one resolution: the place goes through its network once for each."""

    recipe: DenseRecipe
    resolution_m: float
    factor: int
    """Cells of the layer along one of the network's pixels."""

    member: int
    """Position among the model's members."""

    extractor: Extractor
    feature_maps: list[FeatureMap]

    @property
    def halo_px(self) -> int:
        """Width of the halo that the network needs, in cells of the layer."""
        return self.extractor.halo_px * self.factor

    def forward(
        self, patch: Patch, extractor: Extractor | None = None
    ) -> list[NDArray[np.float32]]:
        """Send a patch through the network, or another in its place.

        Returns
        -------
        (channel, row, col) of each stage, without the halo.
        """
        return forward(patch, self.recipe, extractor or self.extractor, self.resolution_m)


@dataclass(frozen=True, eq=False)
class Scene:
    """A model and the place that it is explained on."""

    model: DenseModel
    samples: Samples
    areas: gpd.GeoDataFrame
    """``area_id`` and polygons of the areas that have features."""

    extractors: dict[int, Extractor]
    """By position of the member."""

    data: AreaData
    """What the model learnt from."""

    fitted: AreaModel
    """The model with all its components, of all targets of the run."""

    blocks: pd.Series[str]
    """The block of each area, which ground errs together with."""

    seed: int

    @cached_property
    def components(self) -> dict[str, NDArray[np.float64]]:
        """What each adds to the predictions of the areas, (area, target of the run) each."""
        area_ids = self.areas["area_id"].to_numpy(dtype=object).astype(str)
        rng = np.random.default_rng(self.seed)
        return decompose(self.fitted, self.data.terms(area_ids), rng)

    @cached_property
    def beside(self) -> pd.DataFrame:
        """What place and district add to each area, by ``area_id``; one column a target."""
        known = [self.samples.targets.index(target) for target in self.model.targets]
        added = np.zeros((len(self.areas), len(known)))
        for name in (PLACE, DISTRICT):
            if name in self.components:
                added += self.components[name][:, known]
        return pd.DataFrame(added, index=self.areas["area_id"].to_numpy(dtype=object))

    def predict(self, area_id: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict an area, (target,), at features of its ground, by the whole model.

        What place and district add stays as it is, whatever stands on the ground.
        """
        added: NDArray[np.float64] = self.beside.loc[area_id].to_numpy(np.float64)
        return self.model.predict(x) + added

    @property
    def layer(self) -> Layer:
        """The layer that is explained."""
        return self.samples.layers[self.model.layer]

    @property
    def ground(self) -> Grid:
        """All its ground."""
        return self.samples.extent(self.model.layer)

    @property
    def has_kinds(self) -> bool:
        """Whether kinds of ground can be told: they are told from heights."""
        return self.model.layer == HEIGHTS

    @cached_property
    def plain(self) -> NDArray[np.float32]:
        """The mean of each band over the areas' ground, (band,): ground with nothing to be seen."""
        total, n_known = np.zeros(len(self.layer.bands)), 0
        # By pieces of the file: a photo of a city does not fit into memory.
        for tile in self.ground.tiles(SHARD_SIDE * self.layer.chunk_px):
            if self.zoning.is_touched(tile):
                values = self.layer.read(self.layer.grid.find(tile))
                is_known = np.isfinite(values[0])
                total += values[:, is_known].sum(axis=1, dtype=np.float64)
                n_known += int(is_known.sum())
        return np.asarray(total / max(n_known, 1), np.float32)

    @cached_property
    def zoning(self) -> Zoning:
        """The areas, to be laid on grids."""
        return Zoning(self.areas)

    @cached_property
    def cell_px(self) -> int:
        """Side of a map's cells, in cells of the layer: it divides those of every feature map."""
        return gcd(*self._sides_px())

    @cached_property
    def unit_px(self) -> int:
        """Side of a square that is whole cells of every feature map, in cells of the layer."""
        return lcm(*self._sides_px())

    @property
    def margin_px(self) -> int:
        """Width of the widest halo, in cells of the layer."""
        return max(level.halo_px for level in self.levels)

    @property
    def grounds(self) -> list[Ground]:
        """Every ground that counts for a member."""
        return sorted({pool for _, member in self.model.dense for pool in member.pools})

    @cached_property
    def levels(self) -> list[Level]:
        """Every dense member at each of its resolutions."""
        maps = self.model.feature_maps
        return [
            Level(
                recipe=member,
                resolution_m=resolution_m,
                factor=find_multiple(self.layer.grid.cell_m, member, resolution_m),
                member=k,
                extractor=self.extractors[k],
                feature_maps=[m for m in maps if (m.member, m.resolution_m) == (k, resolution_m)],
            )
            for k, member in self.model.dense
            for resolution_m in member.resolutions_m or ()
        ]

    def patches(self, level: Level, run: Run) -> Iterator[Patch]:
        """Go through the place, tract by tract."""
        recipe, extractor = level.recipe, level.extractor
        return list_patches(self.samples, recipe, extractor, level.resolution_m, run)

    def cells_of(self, patch: Patch) -> Grid:
        """Give the grid of a map's cells in a patch."""
        return patch.grid.coarser(self.cell_px)

    def area_cells(self, patch: Patch) -> dict[str, AreaCells]:
        """List each area's cells in a patch, (cell,) each, by area."""
        return list_area_cells(patch, self.cell_px, self.zoning)

    def _sides_px(self) -> list[int]:
        """Sides of the cells of every feature map, in cells of the layer."""
        return [level.factor * k for level in self.levels for k in level.extractor.strides]


def set_scene(model: DenseModel, samples: Samples, settings: Settings) -> Scene:
    """Load the networks whose features a model reads, and all else that it predicts by."""
    extractors = {
        k: read_extractor(member, model.backbone_of(k), settings) for k, member in model.dense
    }
    # Areas without features were not predicted: there is nothing to share out among their cells.
    areas = samples.areas[samples.areas["is_used"].to_numpy(bool)][["area_id", "geometry"]]
    areas = areas[areas["area_id"].isin(model.features.index)]
    recipe = read_recipe(model.folder / "recipe.toml")
    assert not isinstance(recipe, NetworkRecipe)
    return Scene(
        model=model,
        samples=samples,
        areas=areas,
        extractors=extractors,
        data=gather_area_data(recipe, list(model.tables), samples, settings),
        fitted=load_model(model.folder / MODEL),
        blocks=group_units(samples, settings)["area"].loc[areas["area_id"]],
        seed=settings.seed,
    )


def draw_contributions(
    scene: Scene, folder: Path, run: Run, refits: BlockRefits | None = None
) -> tuple[dict[str, AreaSums], list[Path]]:
    """Draw a map of each target, in one pass of the network over the ground.

    Memory is that of a tract: what grows with the place is a file in the folder, which goes
    when the maps are written.

    Parameters
    ----------
    refits
        To these is added what kinds of ground add by each of them.

    Returns
    -------
    Sums by area, and the maps' files in the order of the targets.
    """
    model = scene.model
    grid, n_targets = scene.ground.coarser(scene.cell_px), len(model.targets)
    with TemporaryDirectory(dir=folder) as scratch:
        # One plane a target, and how much of each cell lies in areas.
        sums = StoredPlanes(grid, n_targets + 1, Path(scratch, "sums.npy"))
        # Shares of kinds in each cell: of all its ground, and of each ground that counts.
        n_planes = (1 + len(scene.grounds)) * len(KINDS)
        kinds = StoredPlanes(grid, n_planes, Path(scratch, "kinds.npy"))
        attributor, tally = _weigh_place(scene, sums, kinds, run, refits)
        for level in scene.levels:
            for patch in scene.patches(level, run):
                facts = _describe_cells(scene, level, patch, kinds)
                added = _add_contributions(attributor, level, patch, facts, tally, refits)
                sums.add(scene.cells_of(patch), added)
        # Divided at the end: what an area's cells add meets what other areas add in shared cells.
        paths = [folder / f"contribution-{name_file(target)}.tif" for target in model.targets]
        for k, path in enumerate(paths):
            write_quotient(sums, k, n_targets, scene.areas.crs, path, f"{model.targets[k]}, {UNIT}")
    return tally, paths


def _weigh_place(
    scene: Scene, sums: StoredPlanes, kinds: StoredPlanes, run: Run, refits: BlockRefits | None
) -> tuple[Attributor, dict[str, AreaSums]]:
    """Add up what all areas' cells weigh, and tell the kinds of the ground: no network yet."""
    model, totals = scene.model, dict[tuple[FeatureMap, str], float]()
    tally: dict[str, AreaSums] = {}
    known = set[Ground]()
    for n, level in enumerate(scene.levels):
        # Kinds are told where a ground that counts is met first: two levels may share one.
        new = [k for k, pool in enumerate(level.recipe.pools) if pool not in known]
        known.update(level.recipe.pools)
        for patch in scene.patches(level, run):
            for feature_map, area_id, weight in weigh_patch(
                patch, level.feature_maps, scene.zoning
            ):
                totals[feature_map, area_id] = totals.get((feature_map, area_id), 0.0) + weight
            marks = {1 + scene.grounds.index(level.recipe.pools[k]): patch.counted[k] for k in new}
            if n == 0:
                marks[0] = np.isfinite(patch.detail[0])
            _add_kinds(scene, patch, kinds, marks)
            if n > 0:
                continue  # coverage is that of the ground, whatever reads it
            cells = scene.cells_of(patch)
            of_ground = kinds.read(cells)[: len(KINDS)].reshape(len(KINDS), -1)
            covered = np.zeros((1, cells.n_cells), dtype=np.float32)
            for area_id, own in scene.area_cells(patch).items():
                area = tally.setdefault(area_id, AreaSums(len(model.targets)))
                area.add_ground(own, of_ground)
                covered[0, own.cells] += own.coverage
            sums.add(cells, covered.reshape(1, *cells.shape), len(model.targets))
    features = {area_id: model.describe(area_id) for area_id in tally}
    if refits is not None:
        model = replace(model, linear=refits.append_refits(model.linear))
    return Attributor(model, scene.zoning, scene.cell_px, totals, features), tally


def _add_contributions(
    attributor: Attributor,
    level: Level,
    patch: Patch,
    facts: CellFacts,
    tally: dict[str, AreaSums],
    refits: BlockRefits | None,
) -> NDArray[np.float32]:
    """Sum up a patch by area; give its cells' contributions, (target, row, col), times coverage."""
    by_area = list_area_cells(patch, attributor.cell_px, attributor.zoning)
    cells, n_targets = patch.grid.coarser(attributor.cell_px), len(attributor.model.targets)
    added = np.zeros((n_targets, cells.n_cells), dtype=np.float32)
    for area_id, own in by_area.items():
        tally[area_id].add_edges(own, facts)
    activations = level.forward(patch)
    for wide in attributor.attribute(patch, activations, level.feature_maps, by_area):
        # Refits stand behind the targets as if they were more of them: one pass serves all.
        if refits is not None:
            refits.add(wide, facts)
        found = wide.take(slice(n_targets))
        area = tally[found.area_id]
        area.add(found, facts)
        # Times the whole area's coverage: a map holds what is added per share of the area.
        added[:, found.cells] += (found.values * area.coverage).T  # noqa: PD011
    return added.reshape(-1, *cells.shape)


def _describe_cells(scene: Scene, level: Level, patch: Patch, kinds: StoredPlanes) -> CellFacts:
    """Say what the cells of a patch are."""
    cells = scene.cells_of(patch)
    shares = kinds.read(cells).reshape(-1, len(KINDS), cells.n_cells)
    is_edge = np.ones(cells.shape, dtype=bool)
    # In cells of the coarsest stage, whose padding reaches furthest into a tract.
    deep = EDGE_CELLS * max(patch.strides) // scene.cell_px
    is_edge[deep:-deep, deep:-deep] = False
    of_pools = [1 + scene.grounds.index(pool) for pool in level.recipe.pools]
    return CellFacts(shares[of_pools], is_edge.ravel())


def _add_kinds(scene: Scene, patch: Patch, kinds: StoredPlanes, marks: dict[int, Mask]) -> None:
    """Add the shares of each kind in the cells of a patch, in the ground that is marked."""
    if not marks or not scene.has_kinds:
        return
    told = tell_kinds(patch.detail, scene.samples.resolution_m)
    for k, mask in marks.items():
        shares = share_kinds(told, mask, scene.cell_px)
        kinds.add(scene.cells_of(patch), shares, k * len(KINDS))
