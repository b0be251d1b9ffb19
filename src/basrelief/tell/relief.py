"""The lit ground of a place as the map stage left it, read small enough for a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio import Affine

from basrelief.tell.small import Singles, read_small

FILE = "relief.tif"

LONGEST = 900
"""Most cells along a side of what pages draw."""


@dataclass(frozen=True, eq=False)
class Relief:
    """A lit ground, small enough for a page."""

    light: Singles
    """(row, col) From 1, in the shade, to 255; NaN where no ground is known."""

    transform: Affine
    crs: Any


def read_relief(path: Path) -> Relief | None:
    """Read the lit ground small; None where the map stage drew none."""
    if not path.exists():
        return None
    light, transform, crs = read_small(path, LONGEST)
    return Relief(light, transform, crs)
