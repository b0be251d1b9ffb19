"""A photo of a synthetic town, whose colours say what heights do not."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize

from basrelief.eyes import COLOURS
from basrelief.grid import Bounds, Grid
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.townscape import Plane, TownEye, smooth_noise
from basrelief.toml import format_value

CELL_M = 10.0
"""Side of a cell, as Sentinel-2 has them."""

PAVED, GREEN = (150.0, 120.0, 110.0), (70.0, 120.0, 60.0)
"""Red, green and blue, 0 to 255, of ground that is paved and of ground that is not."""

GRAIN_M = 25.0
"""Ground over which it is the one or the other."""

TAKEN = "2020-06-21"

PHOTO_EYE = TownEye(
    target="upkeep",
    truth="share of the ground that is green on the photo: heights do not show it",
    r2=0.85,
    recipe="dense-photo",
    section=f"""
[data.photo]
files = "photo.tif"
bands = {format_value([*COLOURS])}
""",
)


def take_photo(
    path: Path, areas: gpd.GeoDataFrame, bounds: Bounds, rng: np.random.Generator
) -> Plane:
    """Write a photo of a town, and say how green each of its areas is.

    Nothing of the relief is in it: what is paved lies anywhere, whatever stands there.

    Returns
    -------
    (area,)
        Share of the ground that is green, drawn for each area.
    """
    grid = Grid.over(bounds, CELL_M)
    green = rng.uniform(0.15, 0.85, len(areas))
    shapes = zip(areas.geometry, range(len(areas)), strict=True)
    at = rasterize(shapes, out_shape=grid.shape, transform=grid.transform, fill=0, dtype="int32")
    noise = smooth_noise(grid.shape, GRAIN_M / grid.cell_m, rng)
    # By rank, so that a share of the ground is that share of it.
    rank = noise.ravel().argsort().argsort().reshape(grid.shape) / noise.size
    is_green = rank < green[at]
    colours = np.where(is_green, np.reshape(GREEN, (3, 1, 1)), np.reshape(PAVED, (3, 1, 1)))
    # Even colours would be told apart by any network, whatever it learnt.
    grain = rng.normal(0, 6, (3, *grid.shape))
    # From 1: 0 in all three would be taken for no data.
    _write_photo(path, np.clip(colours + grain, 1, 255).astype(np.uint8), grid)
    return green


def _write_photo(path: Path, photo: NDArray[np.uint8], grid: Grid) -> None:
    """Write a photo, (3, row, col), as a GeoTIFF with named bands and the day that it was taken."""
    n_bands, n_rows, n_cols = photo.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=n_cols,
        height=n_rows,
        count=n_bands,
        dtype="uint8",
        crs=NATIONAL_GRID,
        transform=grid.transform,
        compress="deflate",
        photometric="rgb",
    ) as dataset:
        dataset.write(photo)
        dataset.descriptions = COLOURS
        dataset.update_tags(ACQUISITION_DATE=TAKEN)
