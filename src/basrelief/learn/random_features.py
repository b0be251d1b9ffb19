"""Random convolutional features of the relief, pooled over each area's own ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn import functional

from basrelief.chips.canvas import Canvas, Tiling
from basrelief.chips.pooling import Columns, Measuring, pool_place, tabulate_pools
from basrelief.chips.store import Samples
from basrelief.chips.zonal import Planes
from basrelief.config import InputError
from basrelief.grid import coarsen
from basrelief.learn.recipes import RandomRecipe
from basrelief.learn.relief import find_factor
from basrelief.learn.threads import one_torch_thread
from basrelief.run import Run, replacing

N_CHIPS = 64
"""Chips that patches are drawn from."""

PATCHES_PER_FILTER = 16
"""Patches drawn for each filter kept: whitening needs many more than are kept."""

ZCA_BIAS = 1e-3
"""Added to the variances before whitening, so that directions of no variance stay small."""

CELLS_AT_ONCE = 1024
"""Cells whose responses are held at once."""

SIDES = ("above", "below")
"""Planes of responses above the bias, and of those below."""

Heights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Filters:
    """What random features of any place are made with."""

    weights: NDArray[np.float32]
    """(filter, row, col) Whitened patches."""

    bias: float
    """Added to each response before what is below 0 is cut off."""

    scale_m: float
    """Metres of height that count as 1: the spread of the patches that were drawn."""

    cell_m: float
    """Ground size of a cell of the filters, in metres."""


def sample_filters(recipe: RandomRecipe, samples: Samples, rng: np.random.Generator) -> Filters:
    """Draw patches of height above ground from any chips, and whiten them into filters.

    No label is seen, so that the ground of test areas may serve as well.

    Raises
    ------
    InputError
        If no chip has a patch that is whole and not flat.

    References
    ----------
    Rolf et al. (2021), Nature Communications 12, 4392.
    Coates and Ng (2012), Learning feature representations with k-means, section 3.
    """
    rows = rng.permutation(len(samples.chips))[:N_CHIPS]
    n_each = -(-PATCHES_PER_FILTER * recipe.n_filters // max(1, len(rows)))
    factor, drawn = find_factor(samples, recipe.cell_m), []
    for row in rows:
        height = average_height(samples.read_heights(np.array([row]))[0], factor)
        patches = np.lib.stride_tricks.sliding_window_view(height, (recipe.patch_px,) * 2)
        flat = patches.reshape(-1, recipe.patch_px**2)
        # With replacement, and as many from each chip: no chip's ground rules the whitening.
        flat = flat[rng.choice(len(flat), n_each)]
        drawn.append(flat[np.isfinite(flat).all(axis=1) & (np.ptp(flat, axis=1) > 0)])
    patches = np.concatenate([np.empty((0, recipe.patch_px**2), np.float32), *drawn])
    if len(patches) == 0:
        raise InputError(
            f"models.recipes: {recipe.name!r} found no ground that is not flat to draw patches "
            "from. Check the rasters (data.dsm), or leave the recipe out."
        )
    chosen = rng.choice(len(patches), recipe.n_filters, replace=len(patches) < recipe.n_filters)
    side = recipe.patch_px
    weights = whiten_patches(patches)[chosen].reshape(-1, side, side).astype(np.float32)
    return Filters(weights, recipe.bias, float(patches.std()), factor * samples.resolution_m)


def whiten_patches(patches: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn patches into filters that answer to whitened ground.

    Each patch is centred and brought to length 1; whitening is applied twice, because the
    ground itself is not whitened before it meets the filter.

    Parameters
    ----------
    patches : (n, n_cells)

    Returns
    -------
    (n, n_cells)

    References
    ----------
    Coates and Ng (2012), Learning feature representations with k-means, section 3.
    """
    centred = patches.astype(np.float64)
    centred = centred - centred.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    centred /= np.where(length < 1e-8, 1.0, length)
    variance, basis = np.linalg.eigh(centred.T @ centred / len(centred))
    whitened: NDArray[np.float64] = centred @ (basis / (variance + ZCA_BIAS)) @ basis.T
    return whitened


def random_features(samples: Samples, filters: Filters, run: Run) -> pd.DataFrame:
    """Compute the random features of every area, reading one chip at a time.

    Returns
    -------
    DataFrame
        One row an area that has ground, by ``area_id``; two columns a filter: its mean
        response above the bias, and below.

    Raises
    ------
    InputError
        If the filters are for cells of another size than the samples can give.
    """
    factor = find_factor(samples, filters.cell_m)
    cell_m = factor * samples.resolution_m
    # A filter of 2 m slid over cells of 1 m answers to other things of the same shape.
    if not np.isclose(cell_m, filters.cell_m):
        raise InputError(
            f"chips.resolution_m = {samples.resolution_m:g}: gives random features cells of "
            f"{cell_m:g} m, and the model's are of {filters.cell_m:g} m. Cut the chips at a "
            f"resolution that divides {filters.cell_m:g} m, as where the model was trained."
        )

    def measure(canvas: Canvas) -> Iterator[Planes]:
        """Give what filters make of a tract, (filter, row, col), by side."""
        height = average_height(canvas.heights, factor)
        for side, values in zip(SIDES, respond(height, filters), strict=True):
            yield Planes(
                side, canvas.grid.coarser(factor), values, np.isfinite(height).astype(np.float32)
            )

    measuring = Measuring("random features", Tiling(samples.size_px), measure)
    # Products of one chip fit into the cache: threads would wait for each other.
    with one_torch_thread():
        pools = pool_place(samples, samples.areas[["area_id", "geometry"]], measuring, run)
    n_filters = len(filters.weights)
    columns = [Columns(side, "mean", [f"{side}_{k}" for k in range(n_filters)]) for side in SIDES]
    return tabulate_pools(pools, columns)


@torch.inference_mode()
def respond(height: Heights, filters: Filters) -> NDArray[np.float32]:
    """Slide the filters over a chip: what is above the bias, and what is below.

    Parameters
    ----------
    height : (row, col), metres
        Above ground; NaN counts as 0. Beyond the edge the chip is mirrored.

    Returns
    -------
    (2, filter, row, col)
        No value is below 0.
    """
    side = filters.weights.shape[-1]
    margin = side // 2
    ground = torch.from_numpy(np.nan_to_num(height, nan=0.0) / np.float32(filters.scale_m))
    padded = functional.pad(ground[None, None], [margin, side - 1 - margin] * 2, mode="reflect")
    patches = functional.unfold(padded, side)[0]  # (cell of the filter, cell)
    weights = torch.from_numpy(filters.weights).flatten(1)  # (filter, cell of the filter)
    found = torch.empty((2, len(weights), patches.shape[1]))
    # A piece at a time stays in the processor's cache; the whole would pass through memory.
    for at in range(0, patches.shape[1], CELLS_AT_ONCE):
        piece = slice(at, at + CELLS_AT_ONCE)
        response = (weights @ patches[:, piece]).add_(filters.bias)
        torch.clamp(response, min=0, out=found[0, :, piece])
        torch.clamp(response.neg_(), min=0, out=found[1, :, piece])
    return found.reshape(2, len(weights), *height.shape).numpy()


def average_height(heights: Heights, factor: int) -> Heights:
    """Average height above ground over cells, (row, col) in metres; NaN without any data.

    Parameters
    ----------
    heights : (2, row, col), metres
        Surface and ground; NaN is nodata.
    factor
        Pixels a side of a cell.
    """
    # A surface under its ground is an error of one of the two, of a few centimetres.
    above: Heights = coarsen(np.maximum(heights[0] - heights[1], 0.0), factor)
    return above


def save_filters(filters: Filters, path: Path) -> None:
    """Write filters as safetensors, whole or not at all."""
    # repr: the shortest text that reads back as the same number, bit for bit.
    facts = {name: repr(getattr(filters, name)) for name in ("bias", "scale_m", "cell_m")}
    with replacing(path) as part:
        save_file({"weights": filters.weights}, part, metadata=facts)


def load_filters(path: Path) -> Filters:
    """Read what `save_filters` wrote."""
    with safe_open(path, "np") as file:
        facts = {name: float(text) for name, text in file.metadata().items()}
        return Filters(weights=file.get_tensor("weights"), **facts)
