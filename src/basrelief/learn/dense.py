"""Dense features: a frozen network's activations over all the ground, pooled over areas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from basrelief.chips.canvas import Canvas, lay_out, list_blocks, read_canvas
from basrelief.chips.store import Samples
from basrelief.chips.terrain import hillshade, render_shaded, slope_degrees
from basrelief.learn.arithmetic import Arithmetic
from basrelief.learn.relief import cover
from basrelief.learn.weights import Normalise
from basrelief.run import Run
from basrelief.sources.lidar import Bounds

BLOCK_PX = 896
"""Side of the ground that goes through the network at once, in its own pixels."""

HALO_PX = 64
"""Ground seen around a block, so that seams do not show, in the network's own pixels."""

HEIGHT_TOP_M, SLOPE_TOP_DEG = 25.0, 70.0
"""Height above ground and slope of the surface that are drawn as full brightness."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen backbone and what is read from it."""

    backbone: nn.Module
    normalise: Normalise
    stages: tuple[int, ...]
    """Positions in timm's ``feature_info``."""

    strides: tuple[int, ...]
    """Pixels a cell of each stage."""

    @torch.inference_mode()
    def read(self, picture: Tensor, arithmetic: Arithmetic) -> list[NDArray[np.float32]]:
        """Run a picture, (band, row, col) from 0 to 255; one (channel, row, col) a stage."""
        bands = picture[None].to(arithmetic.device)
        bands = bands.contiguous(memory_format=arithmetic.memory_format)
        with arithmetic.autocast():
            maps = self.backbone.forward_intermediates(  # type: ignore[operator]
                self.normalise(bands), indices=list(self.stages), intermediates_only=True
            )
        return [plane[0].float().cpu().numpy() for plane in maps]


@dataclass
class Pool:
    """Weighted sums over one area's cells, added to block by block."""

    weight: float = 0.0
    total: NDArray[np.float64] | None = field(default=None, repr=False)
    square: NDArray[np.float64] | None = field(default=None, repr=False)

    def add(self, cells: NDArray[np.float32], coverage: NDArray[np.float64]) -> None:
        """Add cells, (channel, cell), each with the share of it that counts."""
        weight = coverage.astype(np.float32)
        total, square = cells @ weight, cells**2 @ weight
        self.weight += float(coverage.sum())
        self.total = total.astype(np.float64) if self.total is None else self.total + total
        self.square = square.astype(np.float64) if self.square is None else self.square + square

    def finish(self) -> NDArray[np.float32]:
        """Give means, then standard deviations, (2 x channel,)."""
        assert self.total is not None
        assert self.square is not None
        mean = self.total / self.weight
        spread = np.sqrt(np.maximum(self.square / self.weight - mean**2, 0.0))
        return np.concatenate([mean, spread]).astype(np.float32)


def dense_features(
    samples: Samples,
    encoder: Encoder,
    rendering: str,
    resolution_m: float,
    arithmetic: Arithmetic,
    run: Run,
) -> pd.DataFrame:
    """Pool a network's activations over each area's own ground, by fractional coverage.

    Parameters
    ----------
    rendering
        How heights become a picture; see `render_picture`.
    resolution_m
        Ground size of a pixel of the network: a whole multiple of the chips'.

    Returns
    -------
    DataFrame
        One row an area that has ground, by ``area_id``; columns
        ``<resolution>m/<stage>/<mean or std>/<channel>``.
    """
    factor = round(resolution_m / samples.resolution_m)
    polygons = samples.areas[["area_id", "geometry"]]
    pools: dict[tuple[str, int], Pool] = {}
    for canvas in _read_blocks(samples, factor, run, f"activations at {resolution_m:g} m"):
        heights = average_cells(canvas.heights, factor)
        if not np.isfinite(heights).any():
            continue
        picture = torch.from_numpy(render_picture(heights, resolution_m, rendering))
        near = polygons[shapely.intersects(polygons.geometry.to_numpy(), _box(canvas.bounds))]
        maps = encoder.read(picture, arithmetic)
        for stage, stride, cells in zip(encoder.stages, encoder.strides, maps, strict=True):
            _pool_cells(pools, stage, _crop(cells, stride), heights, stride, canvas.bounds, near)
    return _tabulate(pools, encoder.stages, resolution_m)


def render_picture(
    heights: NDArray[np.float32], resolution_m: float, rendering: str
) -> NDArray[np.float32]:
    """Turn surface and ground, (2, row, col), into bands from 0 to 255, (3, row, col).

    Parameters
    ----------
    rendering
        ``"shaded"``: the coursework's coloured hillshade. ``"relief"``: height above ground,
        slope of the surface, hillshade. ``"height"``: height above ground, three times.
    """
    surface, ground = heights
    if rendering == "shaded":
        return render_shaded(surface, ground, resolution_m).astype(np.float32)
    above = np.clip((surface - ground) / HEIGHT_TOP_M, 0.0, 1.0)
    if rendering == "height":
        bands = np.stack([above, above, above])
    else:
        slope = np.clip(slope_degrees(surface, resolution_m) / SLOPE_TOP_DEG, 0.0, 1.0)
        bands = np.stack([above, slope, hillshade(surface, resolution_m)])
    return np.nan_to_num(255.0 * bands, nan=0.0).astype(np.float32)


def average_cells(heights: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average heights over squares of cells; NaN where half of a square has no data.

    Examples
    --------
    >>> average_cells(np.arange(8, dtype=np.float32).reshape(1, 2, 4), 2)
    array([[[2.5, 4.5]]], dtype=float32)
    """
    if factor == 1:
        return heights
    planes, rows, cols = heights.shape
    squares = heights.reshape(planes, rows // factor, factor, cols // factor, factor)
    has_data = np.isfinite(squares)
    count = has_data.sum(axis=(2, 4))
    total = np.where(has_data, squares, 0.0).sum(axis=(2, 4))
    mean = total / np.maximum(count, 1)
    averaged: NDArray[np.float32] = np.where(2 * count > factor**2, mean, np.nan)
    return averaged.astype(np.float32)


def _read_blocks(samples: Samples, factor: int, run: Run, text: str) -> Iterator[Canvas]:
    """Go through a place in blocks of one size in the network's pixels."""
    layout = lay_out(samples)
    # A whole multiple of the factor, so that cells of neighbouring blocks meet.
    side = max(1, BLOCK_PX // samples.size_px) * factor
    for corner in run.track(list_blocks(layout, side), text):
        yield read_canvas(samples, layout, corner, side, HALO_PX * factor)


def _crop(cells: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    edge = HALO_PX // stride
    return cells[:, edge:-edge, edge:-edge]


def _pool_cells(
    pools: dict[tuple[str, int], Pool],
    stage: int,
    cells: NDArray[np.float32],
    heights: NDArray[np.float32],
    stride: int,
    bounds: Bounds,
    near: gpd.GeoDataFrame,
) -> None:
    """Add a block's cells to the areas that it touches; cells count by their share of data."""
    inner = heights[0, HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    rows, cols = cells.shape[1:]
    valid = np.isfinite(inner).reshape(rows, stride, cols, stride).mean(axis=(1, 3))
    flat, share = cells.reshape(len(cells), -1), valid.ravel()
    anywhere = np.zeros((rows, cols), dtype=np.float32)
    for area_id, index, coverage in cover(anywhere, bounds, near):
        weight = coverage * share[index]
        if weight.sum() > 0:
            pools.setdefault((area_id, stage), Pool()).add(flat[:, index], weight)


def _box(bounds: Bounds) -> Any:
    return shapely.box(*bounds)


def _tabulate(
    pools: dict[tuple[str, int], Pool], stages: tuple[int, ...], resolution_m: float
) -> pd.DataFrame:
    """Set the finished pools side by side."""
    area_ids = sorted({area_id for area_id, _ in pools})
    blocks = []
    for stage in stages:
        values = np.stack([pools[area_id, stage].finish() for area_id in area_ids])
        n_channels = values.shape[1] // 2
        names = [
            f"{resolution_m:g}m/{stage}/{statistic}/{channel}"
            for statistic in ("mean", "std")
            for channel in range(n_channels)
        ]
        blocks.append(pd.DataFrame(values, index=area_ids, columns=names))
    return pd.concat(blocks, axis=1).rename_axis("area_id")
