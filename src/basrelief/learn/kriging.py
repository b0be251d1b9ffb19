"""What a trend leaves, interpolated by place and district."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.learn.nearby import interpolate_places
from basrelief.run import replacing

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Places:
    """Where areas are."""

    xy: Floats
    """(area, 2) Easting and northing of a point inside, in metres."""

    district: NDArray[np.str_] | None
    """(area,) Code of the district; None where districts do not count."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """What a trend left of the labels of the training areas."""

    places: Places
    values: Floats
    """(area, target) Units of the target; NaN where unknown."""


def krige(known: Residuals, places: Places, rng: np.random.Generator) -> Floats:
    """Interpolate residuals, (area, target); their mean far from every training area.

    References
    ----------
    Hengl, Heuvelink and Rossiter (2007), Computers & Geosciences 33, 1301-1315.
    """
    districts = None
    if known.places.district is not None and places.district is not None:
        districts = (known.places.district, places.district)
    return interpolate_places(known.places.xy, known.values, places.xy, rng, districts)


def save_residuals(known: Residuals, targets: tuple[str, ...], path: Path) -> None:
    """Write residuals as Parquet, whole or not at all."""
    table = pd.DataFrame(known.values, columns=list(targets))
    table.insert(0, "northing", known.places.xy[:, 1])
    table.insert(0, "easting", known.places.xy[:, 0])
    if known.places.district is not None:
        table.insert(0, "lad", known.places.district.astype(object))
    with replacing(path) as part:
        table.to_parquet(part, index=False)


def load_residuals(path: Path) -> Residuals:
    """Read what `save_residuals` wrote."""
    table = pd.read_parquet(path)
    xy = table[["easting", "northing"]].to_numpy(np.float64)
    district = table["lad"].to_numpy(dtype=object).astype(str) if "lad" in table else None
    values = table.drop(columns=["easting", "northing", "lad"], errors="ignore")
    return Residuals(Places(xy, district), values.to_numpy(np.float64))
