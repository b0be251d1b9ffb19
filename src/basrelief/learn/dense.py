"""Dense features: a frozen network's activations over all the ground, pooled over areas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import gcd

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.chips.canvas import (
    Block,
    Canvas,
    Layout,
    average_cells,
    bounds_of,
    lay_out,
    list_blocks,
    read_canvas,
    trim_canvas,
)
from basrelief.chips.store import Samples
from basrelief.config import InputError
from basrelief.learn.extract import Extractor
from basrelief.learn.grounds import find_ground
from basrelief.learn.recipes import DenseRecipe
from basrelief.learn.relief import cover
from basrelief.learn.renderings import render_picture
from basrelief.run import Run
from basrelief.sources.lidar import Bounds

BLOCK_PX = 960
"""Side of the ground that goes through the network at once, in its own pixels: about."""

Floats = NDArray[np.float64]
Sums = tuple[str, int, str]
"""A pool, a stage and an area."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A block of ground before a network looks at it."""

    bounds: Bounds
    detail: NDArray[np.float32]
    """Surface and ground in the chips' own resolution, (2, row, col)."""

    heights: NDArray[np.float32]
    """The same in the network's resolution, with a halo around it."""

    counted: list[NDArray[np.bool_]]
    """(row, col) for each pool of the recipe: the pixels of ``detail`` that count."""

    strides: tuple[int, ...]
    """Pixels of ``detail`` a cell of each stage."""

    def weigh(self, pool: int, stage: int) -> NDArray[np.float32]:
        """Give the share of each cell of a stage that counts in a pool, (row, col)."""
        return share_of_cells(self.counted[pool], self.strides[stage])


@dataclass
class Pool:
    """Weighted sums over one area's cells, added to block by block."""

    weight: float = 0.0
    total: Floats | float = field(default=0.0, repr=False)
    square: Floats | float = field(default=0.0, repr=False)

    def add(self, cells: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
        """Add cells, (channel, cell), each with how much of it counts."""
        self.weight += float(weight.sum())
        self.total = self.total + (cells @ weight).astype(np.float64)
        self.square = self.square + (cells**2 @ weight).astype(np.float64)

    def finish(self, statistics: Sequence[str]) -> Floats:
        """Give means and standard deviations, in the order asked for."""
        mean = np.atleast_1d(self.total / self.weight)
        spread = np.sqrt(np.maximum(self.square / self.weight - mean**2, 0.0))
        found = {"mean": mean, "std": spread}
        return np.concatenate([found[name] for name in statistics])


def dense_features(
    samples: Samples, recipe: DenseRecipe, extractor: Extractor, run: Run
) -> pd.DataFrame:
    """Pool a network's activations over each area's own ground, by fractional coverage.

    Memory is that of a block, and a row an area.

    Returns
    -------
    DataFrame
        One row a used area that has ground that counts, by ``area_id``; columns
        ``<resolution>m/<pool>/<stage>/<statistic>/<channel>``, NaN where an area has nothing
        of a pool.

    Raises
    ------
    InputError
        If a resolution of the recipe is no multiple of the chips'.
    """
    areas = samples.areas[samples.areas["is_used"].to_numpy(bool)][["area_id", "geometry"]]
    tables = []
    for resolution_m in recipe.resolutions_m:
        pools: dict[Sums, Pool] = {}
        for patch in list_patches(samples, recipe, extractor, resolution_m, run):
            maps = look(patch, recipe, extractor, resolution_m)
            for (p, pool), (k, stage) in product(enumerate(recipe.pools), enumerate(recipe.stages)):
                flat = maps[k].reshape(len(maps[k]), -1)
                for area_id, index, weight in share_cells(patch.bounds, patch.weigh(p, k), areas):
                    pools.setdefault((pool, stage, area_id), Pool()).add(flat[:, index], weight)
        tables.append(_tabulate(pools, recipe, extractor, resolution_m))
    return pd.concat(tables, axis=1).sort_index().rename_axis("area_id")


def list_patches(
    samples: Samples, recipe: DenseRecipe, extractor: Extractor, resolution_m: float, run: Run
) -> Iterator[Patch]:
    """Go through a place block by block, for `look` to show to a network.

    Parameters
    ----------
    resolution_m
        Ground size of a pixel of the network: a whole multiple of the chips'.

    Raises
    ------
    InputError
        If it is not.
    """
    factor = find_multiple(samples, recipe, resolution_m)
    layout, stride = lay_out(samples), max(extractor.strides)
    polygons = samples.areas[samples.areas["is_used"].to_numpy(bool)].geometry.to_numpy()
    tree = shapely.STRtree(polygons)
    blocks = [
        block
        for block in list_blocks(layout, _side_of_block(layout, factor, stride))
        if len(tree.query(shapely.box(*bounds_of(layout, block)), "intersects"))
    ]
    for block in run.track(blocks, f"{recipe.backbone} at {resolution_m:g} m"):
        whole = _whole(block, layout, factor, stride)
        halo = extractor.halo_px * factor
        wide = read_canvas(samples, layout, whole, halo)
        canvas = trim_canvas(wide, halo, stride * factor, layout.resolution_m)
        if canvas is not None:
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
        Ground size of a pixel of the network, and chips' pixels along its side.
    """
    halo = extractor.halo_px * factor
    inner = (slice(halo, -halo), slice(halo, -halo))
    native_m = resolution_m / factor
    return Patch(
        bounds=canvas.bounds,
        detail=canvas.heights[:, *inner],
        heights=average_cells(canvas.heights, factor),
        counted=[find_ground(canvas.heights, native_m, pool)[inner] for pool in recipe.pools],
        strides=tuple(factor * stride for stride in extractor.strides),
    )


def look(
    patch: Patch, recipe: DenseRecipe, extractor: Extractor, resolution_m: float
) -> list[NDArray[np.float32]]:
    """Send a patch through the network: (channel, row, col) of each stage, without the halo."""
    picture = render_picture(patch.heights, resolution_m, recipe.rendering)
    edges = [extractor.halo_px // stride for stride in extractor.strides]
    maps = zip(extractor.read(picture), edges, strict=True)
    return [plane[:, edge:-edge, edge:-edge] for plane, edge in maps]


def share_of_cells(mask: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Give the marked share of each cell of ``side`` pixels a side, (row, col).

    Examples
    --------
    >>> share_of_cells(np.array([[True, False], [True, True]]), 2)
    array([[0.75]], dtype=float32)
    """
    rows, cols = mask.shape
    squares = mask.reshape(rows // side, side, cols // side, side)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32))


def share_cells(
    bounds: Bounds, weights: NDArray[np.float32], areas: gpd.GeoDataFrame
) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float32]]]:
    """List, for each area that a grid touches, the cells that count and how much of each.

    Parameters
    ----------
    weights : (row, col)
        How much of each cell counts.
    areas
        With ``area_id``, in the CRS of the bounds.

    Yields
    ------
    area_id, positions in the flattened grid, and the area's part of each cell times its weight.
    """
    near = areas[shapely.intersects(areas.geometry.to_numpy(), shapely.box(*bounds))]
    if near.empty:
        return
    flat = weights.ravel()
    for area_id, index, coverage in cover(np.zeros_like(weights), bounds, near):
        weight = (coverage * flat[index]).astype(np.float32)
        if weight.sum() > 0:
            yield area_id, index, weight


def find_multiple(samples: Samples, recipe: DenseRecipe, resolution_m: float) -> int:
    """Find how many pixels of the chips are a pixel of the network.

    Raises
    ------
    InputError
        If it is no whole number.
    """
    factor = resolution_m / samples.resolution_m
    if round(factor) < 1 or abs(factor - round(factor)) > 1e-6:
        raise InputError(
            f"recipe {recipe.name!r}: resolutions_m = {recipe.resolutions_m} must be whole "
            f"multiples of chips.resolution_m = {samples.resolution_m:g}. Change one of the two."
        )
    return round(factor)


def _side_of_block(layout: Layout, factor: int, stride: int) -> int:
    """Give the side of a block in chips: whole cells, and about `BLOCK_PX` pixels."""
    least = _least_side(layout, factor, stride)
    wanted = BLOCK_PX * factor // layout.size_px
    return max(1, wanted // least) * least


def _least_side(layout: Layout, factor: int, stride: int) -> int:
    """Fewest chips in a row that are a whole number of cells."""
    cell_px = factor * stride
    return cell_px // gcd(cell_px, layout.size_px)


def _whole(block: Block, layout: Layout, factor: int, stride: int) -> Block:
    """Extend a block that the place's edge cut off to whole cells."""
    least = _least_side(layout, factor, stride)
    n_rows, n_cols = -(-block.n_rows // least) * least, -(-block.n_cols // least) * least
    return Block(block.row, block.col, n_rows, n_cols)


def _tabulate(
    pools: dict[Sums, Pool], recipe: DenseRecipe, extractor: Extractor, resolution_m: float
) -> pd.DataFrame:
    """Set the finished pools side by side; NaN where an area has nothing of one."""
    area_ids = sorted({area_id for _, _, area_id in pools})
    blocks = []
    for name, (k, stage) in product(recipe.pools, enumerate(recipe.stages)):
        n_channels = extractor.channels[k]
        values = np.full((len(area_ids), len(recipe.statistics) * n_channels), np.nan, np.float32)
        for row, area_id in enumerate(area_ids):
            if (name, stage, area_id) in pools:
                values[row] = pools[name, stage, area_id].finish(recipe.statistics)
        names = [
            f"{resolution_m:g}m/{name}/{stage}/{statistic}/{channel}"
            for statistic in recipe.statistics
            for channel in range(n_channels)
        ]
        blocks.append(pd.DataFrame(values, index=area_ids, columns=names))
    return pd.concat(blocks, axis=1)
