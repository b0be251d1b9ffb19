"""Random convolutional features of the relief, pooled over each area's own ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn import functional

from basrelief.chips.store import Samples
from basrelief.config import InputError
from basrelief.learn.recipes import RandomRecipe
from basrelief.learn.relief import cover
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

Grid = NDArray[np.float32]


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
    cell_m, drawn = _cell_of(samples, recipe.cell_m), []
    for row in rows:
        height = read_height(samples, int(row), cell_m)
        patches = np.lib.stride_tricks.sliding_window_view(height, (recipe.patch_px,) * 2)
        flat = patches.reshape(-1, recipe.patch_px**2)
        flat = flat[rng.choice(len(flat), n_each)]
        drawn.append(flat[np.isfinite(flat).all(axis=1) & (np.ptp(flat, axis=1) > 0)])
    patches = np.concatenate([np.empty((0, recipe.patch_px**2), np.float32), *drawn])
    if len(patches) == 0:
        raise InputError(
            f"models.recipes: {recipe.name!r} found no ground that is not flat to draw patches "
            "from. Check the rasters (data.dsm), or leave the recipe out."
        )
    kept = rng.choice(len(patches), recipe.n_filters, replace=len(patches) < recipe.n_filters)
    side = recipe.patch_px
    weights = whiten_patches(patches)[kept].reshape(-1, side, side).astype(np.float32)
    return Filters(weights, recipe.bias, float(patches.std()), cell_m)


def whiten_patches(patches: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn patches into filters that answer to whitened ground.

    Each patch is centred and brought to length 1; whitening is applied twice, because the
    ground itself is not whitened before it meets the filter.

    Parameters
    ----------
    patches : (n, n_cells)

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
    cell_m = _cell_of(samples, filters.cell_m)
    if not np.isclose(cell_m, filters.cell_m):
        raise InputError(
            f"chips.resolution_m = {samples.resolution_m:g}: gives random features cells of "
            f"{cell_m:g} m, and the model's are of {filters.cell_m:g} m. Cut the chips at a "
            f"resolution that divides {filters.cell_m:g} m, as where the model was trained."
        )
    polygons = samples.areas.set_index("area_id", drop=False)[["area_id", "geometry"]]
    squares = samples.chips.set_index("chip_id").geometry
    members = samples.membership.groupby("chip_id")["area_id"].agg(list).to_dict()
    sums: dict[str, NDArray[np.float64]] = {}
    ground: dict[str, float] = {}
    with one_torch_thread():
        for row, chip_id in enumerate(run.track(samples.chips["chip_id"], "random features")):
            if chip_id not in members:
                continue
            height = read_height(samples, row, cell_m)
            near = gpd.GeoDataFrame(polygons.loc[members[chip_id]], crs=samples.areas.crs)
            covered = cover(height, squares[chip_id].bounds, near)
            totals = sum_responses(height, filters, _share_cells(height.size, covered))
            for (area_id, _, coverage), total in zip(covered, totals, strict=True):
                sums[area_id] = sums.get(area_id, 0.0) + total
                ground[area_id] = ground.get(area_id, 0.0) + float(coverage.sum())
    means = {area_id: sums[area_id] / ground[area_id] for area_id in sums if ground[area_id] > 0}
    names = [f"{side}_{k}" for side in ("above", "below") for k in range(len(filters.weights))]
    table = pd.DataFrame.from_dict(means, orient="index", columns=names, dtype=np.float32)
    return table.rename_axis("area_id").sort_index()


@torch.inference_mode()
def sum_responses(
    height: Grid, filters: Filters, shares: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Slide the filters over a chip and sum what is above the bias, and below, over areas.

    Parameters
    ----------
    height : (row, col), metres
        Above ground; NaN counts as 0. Beyond the edge the chip is mirrored.
    shares : (row x col, area)
        Fraction of each cell that an area covers.

    Returns
    -------
    (area, 2 x filter)
    """
    side = filters.weights.shape[-1]
    margin = side // 2
    ground = torch.from_numpy(np.nan_to_num(height, nan=0.0) / np.float32(filters.scale_m))
    padded = functional.pad(ground[None, None], [margin, side - 1 - margin] * 2, mode="reflect")
    patches = functional.unfold(padded, side)[0]  # (cell of the filter, cell)
    weights = torch.from_numpy(filters.weights).flatten(1)  # (filter, cell of the filter)
    covered = torch.from_numpy(shares)
    sums = torch.zeros((2, len(weights), shares.shape[1]))
    # A piece at a time stays in the processor's cache; the whole would pass through memory.
    for at in range(0, patches.shape[1], CELLS_AT_ONCE):
        piece = slice(at, at + CELLS_AT_ONCE)
        response = (weights @ patches[:, piece]).add_(filters.bias)
        sums[0] += response.clamp(min=0) @ covered[piece]
        sums[1] -= response.clamp_(max=0) @ covered[piece]
    found: NDArray[np.float64] = sums.flatten(0, 1).T.double().numpy()
    return found


def read_height(samples: Samples, row: int, cell_m: float) -> Grid:
    """Read a chip's height above ground in metres, averaged over cells; NaN without data."""
    surface, ground = samples.read_heights(np.array([row]))[0]
    above = np.maximum(surface - ground, 0.0)
    factor = round(cell_m / samples.resolution_m)
    side = above.shape[0] // factor
    cells = above.reshape(side, factor, side, factor)
    has_data = np.isfinite(cells)
    total = np.where(has_data, cells, 0.0).sum(axis=(1, 3))
    n_known = has_data.sum(axis=(1, 3))
    mean = np.where(n_known > 0, total / np.maximum(n_known, 1), np.nan)
    return mean.astype(np.float32)


def save_filters(filters: Filters, path: Path) -> None:
    """Write filters as safetensors, whole or not at all."""
    facts = {name: repr(getattr(filters, name)) for name in ("bias", "scale_m", "cell_m")}
    with replacing(path) as part:
        save_file({"weights": filters.weights}, part, metadata=facts)


def load_filters(path: Path) -> Filters:
    """Read what `save_filters` wrote."""
    with safe_open(path, "np") as file:
        facts = {name: float(text) for name, text in file.metadata().items()}
        return Filters(weights=file.get_tensor("weights"), **facts)


def _cell_of(samples: Samples, wanted_m: float) -> float:
    """Give the size of cell, in metres, nearest to the one wanted of which chips are whole."""
    wanted = max(1, round(wanted_m / samples.resolution_m))
    whole = [k for k in range(1, wanted + 1) if samples.size_px % k == 0]
    return whole[-1] * samples.resolution_m


def _share_cells(
    n_cells: int, covered: list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]
) -> NDArray[np.float32]:
    """Lay out what areas cover of each cell, (cell, area)."""
    shares = np.zeros((n_cells, len(covered)), dtype=np.float32)
    for k, (_, cells, coverage) in enumerate(covered):
        shares[cells, k] = coverage
    return shares
