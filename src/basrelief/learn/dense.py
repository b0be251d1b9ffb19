"""Dense features: a frozen network's activations over all the ground, pooled over areas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import lcm

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas, Tiling, walk_place
from basrelief.chips.layers import Band, Layer
from basrelief.chips.pooling import Columns, Measuring, pool_place, tabulate_pools
from basrelief.chips.store import Samples, find_seen_areas
from basrelief.chips.zonal import Planes, Pools, Zoning
from basrelief.config import InputError, Settings
from basrelief.eyes import OVERLAYS
from basrelief.grid import Grid, coarsen
from basrelief.learn.extract import Extractor, try_extractor
from basrelief.learn.grounds import find_ground
from basrelief.learn.recipes import BandsRecipe, DenseRecipe, check_resolutions, find_multiple
from basrelief.learn.renderings import draw_layer
from basrelief.run import Run

TRACT_PX = 960
"""Side of the ground that goes through the network at once, in its own pixels: about."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A tract of ground before it goes through a network."""

    grid: Grid
    """Of the tract without its halo, in the layer's own resolution."""

    detail: NDArray[np.float32]
    """The layer in the grid's cells, (band, row, col), in its units; NaN is nodata."""

    values: NDArray[np.float32]
    """The same in the network's resolution, with a halo around it."""

    bands: tuple[Band, ...]
    """What both are: of heights surface and ground."""

    counted: list[NDArray[np.bool_]]
    """(row, col) for each pool of the recipe: the pixels of ``detail`` that count."""

    strides: tuple[int, ...]
    """Pixels of ``detail`` a cell of each stage."""

    def cells_of(self, stage: int) -> Grid:
        """Give the grid of a stage's cells."""
        return self.grid.coarser(self.strides[stage])

    def weigh(self, pool: int, stage: int) -> NDArray[np.float32]:
        """Give the share of each cell of a stage that counts in a pool, (row, col)."""
        return coarsen(self.counted[pool], self.strides[stage])


def dense_features(
    samples: Samples, recipe: DenseRecipe, extractor: Extractor, run: Run
) -> pd.DataFrame:
    """Pool a network's activations over each area's own ground, by fractional coverage.

    Memory is that of a tract, and a row an area.

    Returns
    -------
    DataFrame
        One row a used area that has ground that counts, by ``area_id``; columns
        ``<resolution>m/<pool>/<stage>/<statistic>/<channel>``, NaN where an area has nothing
        of a pool.

    Raises
    ------
    InputError
        If a resolution of the recipe is no multiple of the layer's.
    """
    layer = find_layer(samples, recipe)
    areas = find_seen_areas(samples, recipe.eye)[["area_id", "geometry"]]
    pools, columns = Pools(), list[Columns]()
    # One walk a resolution: tracts of all at once would not share a grid of cells.
    for resolution_m in recipe.list_resolutions(layer.grid.cell_m):
        measuring = _measure_at(samples, recipe, extractor, resolution_m)
        pools |= pool_place(samples, areas, measuring, run)
        columns += _name_columns(recipe, extractor, resolution_m)
    return tabulate_pools(pools, columns)


def _measure_at(
    samples: Samples, recipe: DenseRecipe, extractor: Extractor, resolution_m: float
) -> Measuring:
    """Say how a network's activations at one resolution are made of ground."""
    layer = find_layer(samples, recipe)
    factor = find_multiple(layer.grid.cell_m, recipe, resolution_m)
    has_spread = "std" in recipe.statistics

    def measure(canvas: Canvas) -> Iterator[Planes]:
        """Give what the network makes of a tract, (channel, row, col), by pool and stage."""
        patch = make_patch(canvas, recipe, extractor, resolution_m, factor)
        maps = forward(patch, recipe, extractor, resolution_m)  # (channel, row, col) of each stage
        for p, k in product(range(len(recipe.pools)), range(len(recipe.stages))):
            name = _name_planes(recipe, resolution_m, p, k)
            yield Planes(name, patch.cells_of(k), maps[k], patch.weigh(p, k), has_spread)

    tiling = _tile_place(layer, extractor, factor)
    return Measuring(_label(recipe, resolution_m), tiling, measure, recipe.layer)


def list_patches(
    samples: Samples, recipe: DenseRecipe, extractor: Extractor, resolution_m: float, run: Run
) -> Iterator[Patch]:
    """Go through a place tract by tract, for `forward` to send through a network.

    Parameters
    ----------
    resolution_m
        Ground size of a pixel of the network: a whole multiple of the layer's.

    Raises
    ------
    InputError
        If it is not.
    """
    layer = find_layer(samples, recipe)
    factor = find_multiple(layer.grid.cell_m, recipe, resolution_m)
    zoning = Zoning(find_seen_areas(samples, recipe.eye))
    tiling, label = _tile_place(layer, extractor, factor), _label(recipe, resolution_m)
    for canvas in walk_place(samples, zoning, tiling, run, label, recipe.layer):
        yield make_patch(canvas, recipe, extractor, resolution_m, factor)


def make_patch(
    canvas: Canvas, recipe: DenseRecipe, extractor: Extractor, resolution_m: float, factor: int
) -> Patch:
    """Bring ground to a network's resolution, and say how much of each cell counts.

    Parameters
    ----------
    canvas
        Whole cells of every stage, and the extractor's halo around them.
    resolution_m, factor
        Ground size of a pixel of the network, and cells of the layer along its side.
    """
    halo = extractor.halo_px * factor
    inner = (slice(halo, -halo), slice(halo, -halo))
    native_m = resolution_m / factor
    return Patch(
        grid=canvas.grid,
        detail=canvas.values[:, *inner],  # noqa: PD011
        values=canvas.average(factor),
        bands=canvas.bands,
        # With the halo still on: whether ground is rough depends on what lies around it.
        counted=[find_ground(canvas.values, native_m, pool)[inner] for pool in recipe.pools],
        strides=tuple(factor * stride for stride in extractor.strides),
    )


def forward(
    patch: Patch, recipe: DenseRecipe, extractor: Extractor, resolution_m: float
) -> list[NDArray[np.float32]]:
    """Send a patch through the network: (channel, row, col) of each stage, without the halo."""
    picture = draw_layer(patch.values, patch.bands, resolution_m, recipe)
    # Cells in the halo saw padding instead of ground.
    edges = [extractor.halo_px // stride for stride in extractor.strides]
    maps = zip(extractor.read(picture), edges, strict=True)
    return [plane[:, edge:-edge, edge:-edge] for plane, edge in maps]


def check_dense(recipe: DenseRecipe, settings: Settings) -> None:
    """Find out at the start whether a recipe's features can be computed.

    Raises
    ------
    InputError
        As `dense_features`, or if the backbone cannot be read tract by tract.
    """
    check_resolutions(recipe, settings.chips.resolution_m)
    try_extractor(recipe, settings)


def settle_resolutions(recipe: DenseRecipe, samples: Samples) -> DenseRecipe:
    """Write down the pixels that a recipe's network saw, for a model that is used elsewhere."""
    seen = recipe.list_resolutions(find_layer(samples, recipe).grid.cell_m)
    return recipe.model_copy(update={"resolutions_m": seen})


def find_layer(samples: Samples, recipe: DenseRecipe | BandsRecipe) -> Layer:
    """Find the layer that a recipe looks at.

    Raises
    ------
    InputError
        If the place has none of that name.
    """
    if recipe.layer not in samples.layers:
        raise InputError(
            f"recipe {recipe.name!r}: looks at {OVERLAYS[recipe.layer].words}, and the place has "
            f"none. Give one ([data.{recipe.layer}] of a run, --{recipe.layer} of predict), or use "
            "another recipe."
        )
    return samples.layers[recipe.layer]


def _tile_place(layer: Layer, extractor: Extractor, factor: int) -> Tiling:
    """Tile a place with tracts of whole chunks and whole cells, about `TRACT_PX` pixels wide."""
    cell_px, chunk_px = factor * max(extractor.strides), layer.chunk_px
    # Whole chunks, so that none is read for two tracts; whole cells, so that none is cut by a seam.
    least = lcm(cell_px, chunk_px)
    side = max(1, TRACT_PX * factor // chunk_px // (least // chunk_px)) * least
    return Tiling(side, extractor.halo_px * factor, cell_px, is_trimmed=True)


def _label(recipe: DenseRecipe, resolution_m: float) -> str:
    return f"{recipe.backbone} at {resolution_m:g} m"


def _name_planes(recipe: DenseRecipe, resolution_m: float, pool: int, stage: int) -> str:
    return f"{resolution_m:g}m/{recipe.pools[pool]}/{recipe.stages[stage]}"


def _name_columns(
    recipe: DenseRecipe, extractor: Extractor, resolution_m: float
) -> Iterator[Columns]:
    """Name the features of one resolution, in their order."""
    for p, k in product(range(len(recipe.pools)), range(len(recipe.stages))):
        planes = _name_planes(recipe, resolution_m, p, k)
        for statistic in recipe.statistics:
            names = [f"{planes}/{statistic}/{channel}" for channel in range(extractor.channels[k])]
            yield Columns(planes, statistic, names)
