"""Relief statistics: numbers a person can read, pooled over each area's own ground."""

from __future__ import annotations

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from scipy import ndimage

from basrelief.chips.store import Samples
from basrelief.chips.terrain import Heights, slope_degrees
from basrelief.run import Run

OPEN_M, BUILT_M, TALL_M, HIGH_M = 0.5, 2.5, 10.0, 20.0
"""Heights above ground that part open ground, low things, houses, blocks and towers."""

GRAIN_M = (4.0, 16.0, 64.0)
"""Lags at which the change of height is measured."""

ROUGHNESS_M = 5.0
"""Side of the window in which roughness is measured."""

QUANTILES = (0.5, 0.75, 0.9, 0.99)
BIN_M, TOP_M = 0.5, 100.0


@dataclass
class Pool:
    """Sums over one area's ground, added to chip by chip."""

    weight: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    heights: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(round(TOP_M / BIN_M), dtype=np.float64)
    )

    def add(self, planes: dict[str, NDArray[np.float64]], coverage: NDArray[np.float64]) -> None:
        """Add cells, (cell,) a plane, each with the fraction of it inside the area."""
        self.weight += float(coverage.sum())
        for name, values in planes.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(values @ coverage)
        bins = np.clip(planes["height_mean_m"] / BIN_M, 0, len(self.heights) - 1).astype(int)
        self.heights += np.bincount(bins, coverage, minlength=len(self.heights))

    def finish(self) -> dict[str, float]:
        """Turn sums into means, spreads and quantiles."""
        means = {name: total / self.weight for name, total in self.sums.items()}
        for name in ("height", "altitude"):
            square = means.pop(f"{name}_square_m2")
            means[f"{name}_std_m"] = max(square - means[f"{name}_mean_m"] ** 2, 0.0) ** 0.5
        share = np.cumsum(self.heights) / self.heights.sum()
        for quantile in QUANTILES:
            means[f"height_q{round(100 * quantile)}_m"] = float(
                (np.searchsorted(share, quantile) + 0.5) * BIN_M
            )
        built = max(means["built_share"], 1e-6)
        means["built_height_m"] = means.pop("built_volume_m") / built
        means["tall_of_built_share"] = means["tall_share"] / built
        return means


def relief_features(samples: Samples, run: Run) -> pd.DataFrame:
    """Compute the relief statistics of every area, reading one chip at a time.

    Heights are above ground and in metres; shares are of the area's ground with data;
    slope is of the ground, in degrees; roughness is the standard deviation of the surface
    within 5 m; grain is the mean change of height over a lag.

    Returns
    -------
    DataFrame
        One row an area that has ground, by ``area_id``; one column a statistic.
    """
    polygons = samples.areas.set_index("area_id", drop=False)[["area_id", "geometry"]]
    squares = samples.chips.set_index("chip_id").geometry
    pools: dict[str, Pool] = {}
    members = samples.membership.groupby("chip_id")["area_id"].agg(list).to_dict()
    for row, chip_id in enumerate(run.track(samples.chips["chip_id"], "relief statistics")):
        area_ids = members.get(chip_id, [])
        if not area_ids:
            continue
        heights = samples.read_heights(np.array([row]))[0]
        planes = measure_planes(heights[0], heights[1], samples.resolution_m)
        near = gpd.GeoDataFrame(polygons.loc[area_ids], crs=samples.areas.crs)
        for area_id, cells, coverage in cover(heights[0], squares[chip_id].bounds, near):
            inside = {name: plane.ravel()[cells] for name, plane in planes.items()}
            pools.setdefault(area_id, Pool()).add(inside, coverage)
    rows = {area_id: pool.finish() for area_id, pool in pools.items() if pool.weight > 0}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("area_id").sort_index()
    return table


def cover(
    surface: Heights, bounds: tuple[float, float, float, float], areas: gpd.GeoDataFrame
) -> list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
    """List, for each area, the cells with data that it covers and by what fraction."""
    source = NumPyRasterSource(surface, *bounds, srs_wkt=areas.crs.to_wkt())
    table = exact_extract(
        source, areas, ["cell_id", "coverage"], include_cols=["area_id"], output="pandas"
    )
    has_data = np.isfinite(surface).ravel()
    found = []
    for area_id, cells, coverage in table[["area_id", "cell_id", "coverage"]].itertuples(
        index=False
    ):
        keep = has_data[cells]
        found.append((area_id, cells[keep].astype(np.int64), coverage[keep].astype(np.float64)))
    return found


def measure_planes(
    surface: Heights, ground: Heights, resolution_m: float
) -> dict[str, NDArray[np.float64]]:
    """Measure what can be averaged over ground: one plane, (row, col), a statistic."""
    above = np.maximum(surface - ground, 0.0).astype(np.float64)
    # Cells without data are left out later; here they must not spread.
    above = np.nan_to_num(above, nan=0.0)
    is_built = above > BUILT_M
    low = np.where(np.isfinite(ground), ground, np.nanmean(ground)).astype(np.float32)
    planes = {
        "height_mean_m": above,
        "height_square_m2": above**2,
        "open_share": above < OPEN_M,
        "low_share": (above >= OPEN_M) & ~is_built,
        "built_share": is_built,
        "tall_share": above > TALL_M,
        "high_share": above > HIGH_M,
        "built_volume_m": above * is_built,
        "altitude_mean_m": low,
        "altitude_square_m2": low.astype(np.float64) ** 2,
        "slope_mean_deg": slope_degrees(low, resolution_m),
        "steep_share": slope_degrees(low, resolution_m) > 5.0,
        "edge_mean": np.hypot(*np.gradient(above, resolution_m)),
        **_measure_roughness(above, is_built, resolution_m),
        **{f"grain_{lag:g}m_m": _measure_grain(above, lag / resolution_m) for lag in GRAIN_M},
    }
    return {name: np.asarray(plane, dtype=np.float64) for name, plane in planes.items()}


def _measure_roughness(
    above: NDArray[np.float64], is_built: NDArray[np.bool_], resolution_m: float
) -> dict[str, NDArray[np.float64]]:
    size = max(3, round(ROUGHNESS_M / resolution_m) | 1)
    mean = ndimage.uniform_filter(above, size, mode="nearest")
    square = ndimage.uniform_filter(above**2, size, mode="nearest")
    rough = np.sqrt(np.maximum(square - mean**2, 0.0))
    # A roof is flat between its edges; a crown is rough all over.
    return {"roughness_mean_m": rough, "rough_built_share": is_built & (rough > 1.5)}


def _measure_grain(above: NDArray[np.float64], lag_px: float) -> NDArray[np.float64]:
    shift = max(1, round(lag_px))
    padded = np.pad(above, ((0, shift), (0, shift)), mode="reflect")
    rows, cols = above.shape
    down = np.abs(padded[shift:, :cols] - above)
    right = np.abs(padded[:rows, shift:] - above)
    return (down + right) / 2
