"""Scores of a synthetic town: what drives each, and how an office would publish them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import ndimage

from basrelief.sources.iod import IOD
from basrelief.sources.townscape import Plan, Plane, smooth_noise

TRUTH = {
    "crime": "height of what stands on the area's own ground (mean, and the share above 12 m)",
    "income": "half what drives crime, a third place, the rest noise",
    "employment": "income and noise",
    "education": "place, share of ground built on, and noise",
    "health": "noise alone: nothing can be learned",
    "barriers": "place alone: a smooth surface of the coordinates",
    "living_environment": "share of ground built on, place, and noise",
    "imd": "the seven others, weighted as in the Index of Multiple Deprivation",
}

EXPECTED = {"crime": "lidar", "barriers": "place", "health": "nothing"}
"""What a run must find of the targets that it asks for: the codes of `judge.verdicts.Answer`."""

CRIME_R2 = 0.85
"""Share of the variance of crime that height explains."""

SCALES = {
    "income": (0.13, 0.07),
    "employment": (0.10, 0.05),
    "education": (18.0, 11.0),
    "health": (0.0, 0.85),
    "crime": (0.21, 0.59),
    "barriers": (25.0, 8.0),
    "living_environment": (26.0, 11.0),
    "imd": (21.5, 11.0),
}
"""Mean and standard deviation of each score, near those of the published ones."""

# As the Index of Multiple Deprivation weighs its domains.
IMD_WEIGHTS = {
    "income": 0.225,
    "employment": 0.225,
    "education": 0.135,
    "health": 0.135,
    "crime": 0.093,
    "barriers": 0.093,
    "living_environment": 0.093,
}


def draw_labels(
    areas: gpd.GeoDataFrame, plan: Plan, above: Plane, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the scores: one a column, one row an area.

    Parameters
    ----------
    above : (row, col)
        Metres above ground, on the plan's cells.
    """
    index = np.arange(len(areas))

    def mean(values: Plane) -> Plane:
        return _standardise(np.asarray(ndimage.mean(values, plan.area, index)))

    def noise() -> Plane:
        return _standardise(rng.normal(size=len(areas)))

    tall, built = mean((above > 12).astype(float)), mean((above > 3).astype(float))
    height = _standardise(mean(above) + tall)
    # Barriers have a surface of their own: otherwise income would tell them.
    place, other_place = (_standardise(_draw_place(areas, rng)) for _ in range(2))
    raw = {
        # Noise free of height by luck too, so that height explains the stated share exactly.
        "crime": np.sqrt(CRIME_R2) * height + np.sqrt(1 - CRIME_R2) * _clear(noise(), height),
        "income": 0.7 * height + 0.55 * place + 0.45 * noise(),
        "education": 0.6 * place + 0.5 * built + 0.6 * noise(),
        "health": noise(),
        "barriers": other_place,
        "living_environment": 0.7 * built + 0.4 * place + 0.55 * noise(),
    }
    raw["employment"] = 0.9 * _standardise(raw["income"]) + 0.4 * noise()
    scores = {name: _standardise(values) for name, values in raw.items()}
    scores["imd"] = _standardise(
        sum((weight * scores[name] for name, weight in IMD_WEIGHTS.items()), np.zeros(len(areas)))
    )
    table = {}
    for name, (middle, spread) in SCALES.items():
        values = middle + spread * scores[name]
        # The others are shares or scores, which are never published below 0.
        is_signed = name in ("crime", "health")
        table[name] = np.round(values if is_signed else np.maximum(values, 0.05 * middle), 3)
    return pd.DataFrame(table)


def publish(
    areas: gpd.GeoDataFrame, labels: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Lay the scores out as the national File 7 does, with ranks, deciles and population."""
    table = pd.DataFrame(
        {
            "LSOA code (2011)": areas["LSOA11CD"],
            "LSOA name (2011)": areas["LSOA11NM"],
            "Local Authority District code (2019)": areas["LAD11CD"],
            "Local Authority District name (2019)": areas["LAD11NM"],
        }
    )
    for name in ("imd", *IMD_WEIGHTS):
        heading = IOD.headings[name][0]
        stem = heading.removesuffix(" Score")
        rank = labels[name].rank(ascending=False, method="first").astype(int)
        # Of the domains these two alone are published as rates.
        table[heading + (" (rate)" if name in ("income", "employment") else "")] = labels[name]
        table[f"{stem} Rank (where 1 is most deprived)"] = rank
        decile = np.ceil(10 * rank / len(rank)).astype(int)
        table[f"{stem} Decile (where 1 is most deprived 10% of LSOAs)"] = decile
    # LSOAs are drawn to hold at least a thousand people.
    people = rng.normal(1650, 220, len(table)).round().clip(1000).astype(int)
    table["Total population: mid 2015 (excluding prisoners)"] = people
    return table


def score_shown(shown: Plane, r2: float, rng: np.random.Generator) -> Plane:
    """Make a score, (area,), of which something that is shown, (area,), explains a share."""
    driver = _standardise(shown)
    noise = _clear(_standardise(rng.normal(size=len(shown))), driver)
    return np.asarray(np.round(np.sqrt(r2) * driver + np.sqrt(1 - r2) * noise, 3))


def _draw_place(areas: gpd.GeoDataFrame, rng: np.random.Generator) -> Plane:
    """Evaluate a smooth random surface at a point inside each area."""
    points = areas.representative_point()
    west, south, east, north = areas.total_bounds
    n = 100
    field = smooth_noise((n, n), 0.35 * n, rng)
    rows = (points.y.to_numpy() - south) / (north - south) * (n - 1)
    cols = (points.x.to_numpy() - west) / (east - west) * (n - 1)
    return np.asarray(ndimage.map_coordinates(field, [rows, cols], order=1))


def _standardise(values: Plane) -> Plane:
    return np.asarray((values - values.mean()) / values.std())


def _clear(values: Plane, other: Plane) -> Plane:
    """Take out of standardised values what they share with others."""
    return _standardise(values - np.mean(values * other) * other)
