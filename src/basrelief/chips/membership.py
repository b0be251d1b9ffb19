"""Which chip covers which area, by how much, and the labels that follow."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

MIN_LABELLED = 0.5
"""A chip has a label when areas with labels hold this share of its ground."""


def measure_membership(chips: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> pd.DataFrame:
    """Measure the share of each chip's ground that lies inside each area.

    Parameters
    ----------
    chips
        ``chip_id`` and squares.
    areas
        ``area_id`` and polygons in the same CRS.

    Returns
    -------
    DataFrame
        ``chip_id, area_id, weight`` where the weight is above 0.
    """
    squares, polygons = chips.geometry.to_numpy(), areas.geometry.to_numpy()
    # A tree finds the pairs: all chips by all areas would be billions for a country.
    chip, area = shapely.STRtree(polygons).query(squares, predicate="intersects")
    shared = shapely.area(shapely.intersection(squares[chip], polygons[area]))
    weight = shared / shapely.area(squares[chip])
    table = pd.DataFrame(
        {
            "chip_id": chips["chip_id"].to_numpy()[chip],
            "area_id": areas["area_id"].to_numpy()[area],
            "weight": weight,
        }
    )
    # Squares that only touch an area share a line, which has an area of rounding.
    members: pd.DataFrame = table[weight > 1e-9].reset_index(drop=True)
    return members


def average_labels(
    chip_ids: pd.Series[str], membership: pd.DataFrame, labels: pd.Series[float]
) -> NDArray[np.float64]:
    """Give each chip the mean of its areas' labels, weighted by membership.

    Parameters
    ----------
    chip_ids
        The chips, in the order wanted.
    membership
        ``chip_id, area_id, weight``.
    labels
        One target by ``area_id``; NaN where unknown.

    Returns
    -------
    (chip,)
        NaN where areas with a label hold under half of the chip's ground.
    """
    label = membership["area_id"].map(labels).to_numpy(np.float64)
    # Areas without a label take no part; how much of the chip is left is asked at the end.
    weight = membership["weight"].where(np.isfinite(label), 0.0)
    sums = (
        pd.DataFrame({"weight": weight, "total": weight * np.nan_to_num(label)})
        .groupby(membership["chip_id"])
        .sum()
        .reindex(chip_ids)
    )
    mean = sums["total"] / sums["weight"]
    return mean.where(sums["weight"] >= MIN_LABELLED).to_numpy(np.float64)
