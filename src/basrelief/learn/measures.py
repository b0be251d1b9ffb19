"""What relief statistics are: name, unit, scale and source of every measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MeasureScale = Literal["plain", "log", "logit"]
"""What a measure is brought to before a regression sees it."""

SMALLEST_SHARE = 0.005
"""Shares nearer than this to none or all are not told apart: they rest on a few cells."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about the relief of an area's own ground."""

    name: str
    """Column of ``features.parquet``, which holds it in its unit."""

    unit: str
    scale: MeasureScale
    words: str
    source: str
    least: float = 0.0
    """On a log scale, what smaller values count as, in the unit."""


PLANNING = "Berghauser Pont and Haupt (2010), Spacematrix"
LOCAL_CLIMATE = "Stewart and Oke (2012), Bull. Am. Meteorol. Soc. 93, 1879-1900"
ROUGH_CROWNS = "Oude Elberink and Maas (2000), IAPRS 33-B3, 678-684; Soille (2003), chapter 8"
DISTANCES = "Rosenfeld and Pfaltz (1966), J. ACM 13, 471-494"
MINKOWSKI = "Legland, Kieu and Devaux (2007), Image Anal. Stereol. 26, 83-92"
VARIOGRAM = "Cressie (1993), Statistics for Spatial Data, section 2.4 (madogram)"
TENSOR = "Bigun and Granlund (1987), Proc. 1st ICCV, 433-438"
TERRAIN = "Horn (1981), Proc. IEEE 69, 14-47"

MEASURES = (
    Measure("open_share", "share", "logit", "ground below 0.5 m above ground", PLANNING),
    Measure("low_share", "share", "logit", "ground at 0.5 to 2.5 m above ground", PLANNING),
    Measure("roof_share", "share", "logit", "ground under roofs: high and smooth", PLANNING),
    Measure("crown_share", "share", "logit", "ground under crowns: high and rough", ROUGH_CROWNS),
    Measure("height_mean_m", "m", "log", "mean height above ground", LOCAL_CLIMATE, 0.1),
    Measure("roof_height_mean_m", "m", "log", "mean height of roofs", LOCAL_CLIMATE, 2.5),
    Measure("roof_height_q50_m", "m", "log", "height that half of roofs top", PLANNING, 2.5),
    Measure("roof_height_q90_m", "m", "log", "height that a tenth of roofs top", PLANNING, 2.5),
    Measure(
        "roof_height_variation", "ratio", "log", "spread of roofs' height over its mean",
        "Grimmond and Oke (1999), J. Appl. Meteorol. 38, 1262-1292", 0.05,
    ),
    Measure("tall_roof_share", "share", "logit", "roofs above 10 m, of all roofs", LOCAL_CLIMATE),
    Measure("crown_height_mean_m", "m", "log", "mean height of crowns", ROUGH_CROWNS, 2.5),
    Measure(
        "roof_pitch_mean_deg", "degrees", "plain", "mean steepness of roofs, on the gentler side",
        TERRAIN,
    ),
    Measure("flat_roof_share", "share", "logit", "roofs flatter than 12 degrees", TERRAIN),
    Measure(
        "roof_width_m", "m", "log", "width of buildings: four times the mean way to the edge",
        DISTANCES, 2.0,
    ),
    Measure("wide_roof_share", "share", "logit", "roofs 8 m and more from their edge", DISTANCES),
    Measure(
        "roof_edge_m_per_ha", "m/ha", "log", "length of the outlines of roofs", MINKOWSKI, 10.0
    ),
    Measure("roofs_per_ha", "1/ha", "plain", "separate roofs less yards in them", MINKOWSKI),
    Measure("roof_distance_m", "m", "log", "mean way from the open to a roof", DISTANCES, 1.0),
    Measure("remote_share", "share", "logit", "ground 30 m and more from any roof", DISTANCES),
    Measure(
        "wide_open_share", "share", "logit", "ground with nothing above 2.5 m within 20 m",
        DISTANCES,
    ),
    Measure(
        "sky_view_share", "share", "logit", "sky seen from where nothing stands",
        "Zaksek, Ostir and Kokalj (2011), Remote Sensing 3, 398-415",
    ),
    Measure("roughness_m", "m", "log", "spread of heights within 6 m", LOCAL_CLIMATE, 0.05),
    Measure("grain_4m_m", "m", "log", "mean change of height over 4 m", VARIOGRAM, 0.05),
    Measure("grain_16m_m", "m", "log", "mean change of height over 16 m", VARIOGRAM, 0.05),
    Measure("grain_64m_m", "m", "log", "mean change of height over 64 m", VARIOGRAM, 0.05),
    Measure("one_way_share", "share", "logit", "walls that run one way, within 64 m", TENSOR),
    Measure(
        "crossing_share", "share", "logit", "walls that run one way or across it, within 64 m",
        TENSOR,
    ),
    Measure("altitude_mean_m", "m", "plain", "mean altitude of the ground", TERRAIN),
    Measure(
        "altitude_above_m", "m", "plain", "altitude above the mean within 500 m",
        "Weiss (2001), ESRI user conference (topographic position)",
    ),
    Measure("relief_m", "m", "log", "spread of the ground's altitude within 250 m", TERRAIN, 0.2),
    Measure("slope_mean_deg", "degrees", "log", "mean slope of the ground", TERRAIN, 0.2),
    Measure("steep_share", "share", "logit", "ground steeper than 5 degrees", TERRAIN),
)  # fmt: skip
"""Every relief statistic, in the order of the columns of ``features.parquet``.

High is more than 2.5 m above ground. None is a sum over an area, and none widens with it: two
pieces of one texture have the same measures, whatever their size.
"""

BY_NAME = {measure.name: measure for measure in MEASURES}


def bring_to_scale(features: pd.DataFrame) -> pd.DataFrame:
    """Bring features to the scales on which a model weighs them alike.

    A share counts by its odds and a length by its ratio to others: half a roof more matters
    much where there is none, and one tower must not outweigh a hundred houses. Columns that
    are no measure, such as a network's features, stay as they are.

    Parameters
    ----------
    features
        One row an area, one column a feature, measures in their units.

    Examples
    --------
    >>> table = pd.DataFrame({"roof_share": [0.0, 0.5], "above_0": [2.0, 3.0]})
    >>> bring_to_scale(table).round(2).to_numpy()
    array([[-5.29,  2.  ],
           [ 0.  ,  3.  ]])
    """
    measured = [name for name in features.columns if name in BY_NAME]
    return features.assign(
        **{name: rescale(features[name].to_numpy(np.float64), BY_NAME[name]) for name in measured}
    )


def rescale(values: NDArray[np.float64], measure: Measure) -> NDArray[np.float64]:
    """Bring a measure's values, (n,), in its unit to its scale; NaN stays."""
    # Floors keep what rests on a few cells from weighing by the logarithm of nearly nothing.
    if measure.scale == "log":
        return np.log(np.maximum(values, measure.least))
    if measure.scale == "logit":
        share = np.clip(values, SMALLEST_SHARE, 1.0 - SMALLEST_SHARE)
        return np.log(share / (1.0 - share))
    return values
