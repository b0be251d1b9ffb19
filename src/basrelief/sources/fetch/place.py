"""Places: what a user typed, as a polygon on the National Grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import shapely

from basrelief.grid import Bounds


@dataclass(frozen=True)
class Place:
    """A place of which data are to be brought."""

    name: str
    polygon: shapely.Geometry
    """In EPSG:27700, metres."""

    country: Literal["england", "wales", "scotland"]

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in metres."""
        west, south, east, north = shapely.bounds(self.polygon).tolist()
        return west, south, east, north
