"""Layers of many bands, pooled as they are: precomputed embeddings, or a photo's own colours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basrelief.chips.canvas import Canvas, Tiling
from basrelief.chips.pooling import Columns, Measuring, pool_place, tabulate_pools
from basrelief.chips.store import Samples, find_seen_areas
from basrelief.chips.zonal import Planes
from basrelief.learn.dense import find_layer
from basrelief.learn.recipes import BandsRecipe
from basrelief.run import Run

N_CHUNKS = 4
"""Chunks of the layer along the side of the ground that is pooled at once: the bound on memory."""


def band_features(samples: Samples, recipe: BandsRecipe, run: Run) -> pd.DataFrame:
    """Pool the bands of a layer over each area's own ground, by fractional coverage.

    Returns
    -------
    DataFrame
        One row a used area of which the layer shows enough, by ``area_id``; columns
        ``<statistic>/<band>``, in the layer's unit.

    Raises
    ------
    InputError
        If the place has no such layer.
    """
    layer = find_layer(samples, recipe)
    has_spread = "std" in recipe.statistics

    def measure(canvas: Canvas) -> Iterator[Planes]:
        """Take the bands of a tract as they are, (band, row, col)."""
        counts = canvas.has_data.astype(np.float32)
        yield Planes("bands", canvas.grid, canvas.values, counts, has_spread)

    measuring = Measuring(recipe.layer, Tiling(N_CHUNKS * layer.chunk_px), measure, recipe.layer)
    areas = find_seen_areas(samples, recipe.eye)[["area_id", "geometry"]]
    pools = pool_place(samples, areas, measuring, run)
    columns = [
        Columns("bands", statistic, [f"{statistic}/{band.name}" for band in layer.bands])
        for statistic in recipe.statistics
    ]
    return tabulate_pools(pools, columns)
