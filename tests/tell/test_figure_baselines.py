"""Figures beside baselines: SVG is text, so what changed can be read in a diff.

``python tests/tell/test_figure_baselines.py`` writes them anew; look at them before you keep them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rasterio.transform import from_origin
from shapely.geometry import box

from basrelief.tell import figures, maps

FOLDER = Path(__file__).parent / "baselines"
TOLERANCE = 0.6
"""Points that a number may be off: text is as wide as the fonts of the day make it."""

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def make_areas() -> gpd.GeoDataFrame:
    squares = [box(1000 * i, 0, 1000 * i + 1000, 2000) for i in range(3)]
    used = {"area_id": ["A", "B", "C"], "is_used": [True, True, False]}
    return gpd.GeoDataFrame(used, geometry=squares, crs=27700)


def draw_histogram() -> str:
    return figures.draw_histogram(np.array([1.0, 2.0, 2.5, 4.0]), "crime", "A histogram.")


def draw_map() -> str:
    values = pd.Series([1.0, 2.0], index=["A", "B"])
    return maps.draw_map(make_areas(), values, maps.Scale("crime", 0.0, 3.0), "A map.", ["B"])


def draw_raster() -> str:
    values = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    transform = from_origin(0, 2000, 500, 500)
    scale = maps.Scale("contribution to crime", -1.0, 1.0)
    return maps.draw_raster(make_areas(), values, transform, scale, "Contributions.")


DRAWN: dict[str, Callable[[], str]] = {
    "histogram": draw_histogram,
    "map": draw_map,
    "raster": draw_raster,
}


def tidy(svg: str) -> str:
    """Break lines at elements, and leave out packed pictures: their bytes are the packer's."""
    svg = re.sub(r"data:image/png;base64,[^\"]+", "data:image/png", svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip() + "\n"


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_as_its_baseline(name: str) -> None:
    mine = tidy(DRAWN[name]())
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    # Elements, colours, words and their order first: a difference there can be read.
    assert NUMBER.sub("#", mine) == NUMBER.sub("#", kept)
    numbers, others = (np.array(NUMBER.findall(text), float) for text in (mine, kept))
    assert np.abs(numbers - others).max() <= TOLERANCE


@pytest.mark.parametrize("name", DRAWN)
def test_a_baseline_is_small(name: str) -> None:
    assert (FOLDER / f"{name}.svg").stat().st_size < 30_000


if __name__ == "__main__":
    for each, draw in DRAWN.items():
        (FOLDER / f"{each}.svg").write_text(tidy(draw()), encoding="utf-8")
