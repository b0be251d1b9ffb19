"""What a synthetic town is looked at by beside LIDAR, and the scores that it shows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from basrelief.grid import Bounds
from basrelief.run import replacing
from basrelief.sources.town_photo import PHOTO_EYE, take_photo
from basrelief.sources.town_scores import score_shown, standardise
from basrelief.sources.town_street import STREET_EYE, take_street_pictures
from basrelief.sources.townscape import Plane, TownEye

Eye = Literal["photo", "street", "people"]

PEOPLE_EYE = TownEye(
    target="hardship",
    truth="share of households that rent: nothing that looks at the ground shows it",
    r2=0.85,
    # Of a table there is one by its name.
    recipe=None,
    section="""
[data.tables.people]
file = "people.csv"
columns = ["renting", "aged"]
""",
)

EYES: Mapping[Eye, TownEye] = {"photo": PHOTO_EYE, "street": STREET_EYE, "people": PEOPLE_EYE}

HEAT, HEAT_R2 = "heat", 0.85
"""Score that heights and a photo show together, and the share of its variance that they explain."""

READ_BY: Mapping[str, tuple[str, ...]] = {
    "crime": ("heights",),
    "barriers": (),
    "health": (),
    PHOTO_EYE.target: ("photo",),
    HEAT: ("heights", "photo"),
    STREET_EYE.target: ("street",),
    PEOPLE_EYE.target: ("people",),
}
"""By score that a town asks for, the eyes that show it: all that a run may find."""

EYE_TRUTH = {eye.target: eye.truth for eye in EYES.values()} | {
    HEAT: "half the height of what stands there, half how little of the ground is green"
}

Scores = dict[str, Plane]
"""By name, (area,)."""


@dataclass(frozen=True)
class Ground:
    """The town that eyes look at."""

    folder: Path
    areas: gpd.GeoDataFrame
    bounds: Bounds
    height: Plane
    """How high each area is built, (area,), standardised."""

    seed: int


def add_eyes(ground: Ground, eyes: Collection[Eye]) -> Scores:
    """Write what a town is looked at by beside LIDAR, and draw the scores that it shows.

    Each eye has a stream of random numbers of its own: with it or without, the town is the same.
    """
    show: dict[Eye, Callable[[Ground, np.random.Generator], Scores]] = {
        "photo": _photograph,
        "street": _walk_streets,
        "people": _count_people,
    }
    scores: Scores = {}
    for eye, shown_by in show.items():
        if eye in eyes:
            rng = np.random.default_rng([ground.seed, zlib.crc32(eye.encode())])
            scores |= shown_by(ground, rng)
    return scores


def _photograph(ground: Ground, rng: np.random.Generator) -> Scores:
    """Take a photo; what it shows alone, and together with heights."""
    with replacing(ground.folder / "photo.tif") as part:
        green = take_photo(part, ground.areas, ground.bounds, rng)
    upkeep = score_shown(green, PHOTO_EYE.r2, rng)
    heat = score_shown(ground.height - standardise(green), HEAT_R2, rng)
    return {PHOTO_EYE.target: upkeep, HEAT: heat}


def _walk_streets(ground: Ground, rng: np.random.Generator) -> Scores:
    """Take pictures from the streets."""
    with replacing(ground.folder / "street") as part:
        fronts, table = take_street_pictures(part, ground.areas, rng)
    with replacing(ground.folder / "street.csv") as part:
        table.to_csv(part, index=False)
    return {STREET_EYE.target: score_shown(fronts, STREET_EYE.r2, rng)}


def _count_people(ground: Ground, rng: np.random.Generator) -> Scores:
    """Write a table of people, of which one column says something."""
    renting, aged = rng.uniform(0.05, 0.8, (2, len(ground.areas)))
    codes = {"LSOA code (2011)": ground.areas["LSOA11CD"]}
    with replacing(ground.folder / "people.csv") as part:
        table = pd.DataFrame(codes | {"renting": renting, "aged": aged})
        table.round(3).to_csv(part, index=False)
    return {PEOPLE_EYE.target: score_shown(renting, PEOPLE_EYE.r2, rng)}
