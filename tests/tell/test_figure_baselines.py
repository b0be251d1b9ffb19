"""Figures beside baselines: charts and maps are SVG, so that what changed can be read in a diff.

``python tests/tell/test_figure_baselines.py`` writes them anew; look at them before you keep them.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin
from shapely.geometry import box

from basrelief.chips import describe
from basrelief.explain import gallery
from basrelief.judge.tables import INTERVALS
from basrelief.tell.maps import polygons, static_maps
from basrelief.tell.maps.classes import classify_residuals, classify_values
from basrelief.tell.maps.layers import MapLayer
from basrelief.tell.page import drawn_maps, figures, map_pictures

FOLDER = Path(__file__).parent / "baselines"

PLACE_TOLERANCE = 0.6
"""Points that a coordinate may be off: text is as wide as the fonts of the day make it."""

SHADE_TOLERANCE = 6
"""How far red, green, blue or opacity of a picture may be off, of 255: less than an eye sees."""

N_SEEN = 32
"""Pictures in drawings are compared at this many pixels a side: their size goes with the text's."""

PICTURE = re.compile(r"data:image/png;base64,([^\"]+)")
PLACES = re.compile(r'(?<= )(?:d|x|y|width|height|viewBox|transform)="[^"]*"')
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
Pixels = NDArray[np.int64]


def make_areas() -> gpd.GeoDataFrame:
    squares = [box(1000 * i, 0, 1000 * i + 1000, 2000) for i in range(3)]
    used = {"area_id": ["A", "B", "C"], "is_used": [True, True, False]}
    return gpd.GeoDataFrame(used, geometry=squares, crs=27700)


def make_layer() -> MapLayer:
    table = make_areas().assign(observed=[1.0, 2.0, 3.0], predicted=[1.5, 2.5, np.nan])
    table["residual"] = table["observed"] - table["predicted"]
    table["is_inside"] = pd.array([True, False, None], dtype="boolean")
    table[list(INTERVALS)] = np.nan
    classes = classify_values(table["observed"].to_numpy())
    residuals = classify_residuals(table["residual"].to_numpy(), 1)
    return MapLayer(
        target="crime",
        recipe="means",
        code="means",
        scheme="block",
        held_out="blocks held out",
        table=table,
        classes=classes,
        residuals=residuals,
        widths=classes,
        finding=None,
        by_district="",
        preferred=None,
    )


def draw_histogram(is_alone: bool) -> str:
    values = np.array([1.0, 2.0, 2.5, 4.0])
    return describe.draw_histogram(values, "crime", "areas", "A histogram.", is_alone=is_alone)


def make_daily() -> pd.DataFrame:
    daily = {"theft_from_the_person": [9.0, 3.0], "burglary": [1.0, 0.5]}
    return pd.DataFrame(daily, index=["Barnet", "Brent"])


def draw_scatter() -> str:
    tested = {"y_true": [1.0, 2.0, 4.0], "y_pred": [1.5, 2.0, 3.0], "y_mean": 2.3}
    return figures.draw_scatter(pd.DataFrame(tested), "crime", "A scatter.")


def draw_map() -> str:
    values = pd.Series([1.0, 2.0], index=["A", "B"])
    return drawn_maps.draw_map(
        make_areas(), values, drawn_maps.Scale("crime", 0.0, 3.0), "A map.", ["B"]
    )


def draw_raster() -> str:
    values = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    transform = from_origin(0, 2000, 500, 500)
    scale = drawn_maps.Scale("contribution to crime", -1.0, 1.0)
    return drawn_maps.draw_raster(make_areas(), values, transform, scale, "Contributions.")


DRAWN: dict[str, Callable[[], str]] = {
    "histogram": lambda: draw_histogram(is_alone=False),
    "histogram-alone": lambda: draw_histogram(is_alone=True),
    "daily-crimes-alone": lambda: describe.draw_daily_crimes(
        make_daily(), "Crimes.", is_alone=True
    ),
    "daily-crimes": lambda: describe.draw_daily_crimes(make_daily(), "Crimes."),
    "scatter": draw_scatter,
    "map": draw_map,
    "raster": draw_raster,
    "static-map": lambda: static_maps.draw_static(make_layer()),
}


def make_heat() -> NDArray[np.float32]:
    heat = np.linspace(-1, 1, 16 * 24, dtype=np.float32).reshape(16, 24)
    heat[:4, :4] = np.nan
    return heat


def picture_overlay() -> bytes:
    return map_pictures.shade_contributions(make_heat(), 0.8)


def picture_heat() -> bytes:
    shaded = np.stack([np.full((16, 24), shade, np.uint8) for shade in (200, 120, 60)])
    buffer = io.BytesIO()
    gallery.draw_heat(shaded, make_heat(), 0.8).save(buffer, "PNG")
    return buffer.getvalue()


PICTURED: dict[str, Callable[[], bytes]] = {"overlay": picture_overlay, "heat": picture_heat}


def tidy(svg: str) -> str:
    """Break lines at elements, and number the ids: they are hashes of what they name."""
    svg = re.sub(r"\s*\n\s*", "\n", svg).strip() + "\n"
    for place, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        svg = svg.replace(f'"{name}"', f'"id-{place}"').replace(f"#{name}", f"#id-{place}")
    return svg


def see(data: bytes, n_seen: int | None = None) -> Pixels:
    """Pixels of a PNG, (row, col, 4), or of its reduction to ``n_seen`` a side."""
    with Image.open(io.BytesIO(data)) as picture:
        shown = picture.convert("RGBA")
    if n_seen:
        shown = shown.resize((n_seen, n_seen), Image.Resampling.BOX)
    return np.asarray(shown).astype(np.int64)


def compare_drawings(mine: str, kept: str) -> None:
    """Fail where two drawings differ: places and pictures by more than the tolerance, else at all.

    Colours, opacities, widths of lines, sizes of text, words and their order must be equal.
    """
    mine_pictures, kept_pictures = PICTURE.findall(mine), PICTURE.findall(kept)
    mine, kept = PICTURE.sub("", mine), PICTURE.sub("", kept)
    blank = [PLACES.sub(lambda part: NUMBER.sub("#", part[0]), text) for text in (mine, kept)]
    assert blank[0] == blank[1]
    places = [" ".join(PLACES.findall(text)) for text in (mine, kept)]
    numbers, others = (np.array(NUMBER.findall(text), float) for text in places)
    assert np.abs(numbers - others).max() <= PLACE_TOLERANCE
    for one, other in zip(mine_pictures, kept_pictures, strict=True):
        seen = [see(base64.b64decode(data), N_SEEN) for data in (one, other)]
        assert np.abs(seen[0] - seen[1]).max() <= SHADE_TOLERANCE


def check_drawing(name: str) -> None:
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    compare_drawings(tidy(DRAWN[name]()), kept)


def check_picture(name: str) -> None:
    mine, kept = see(PICTURED[name]()), see((FOLDER / f"{name}.png").read_bytes())
    assert mine.shape == kept.shape
    assert np.abs(mine - kept).max() <= SHADE_TOLERANCE


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_as_its_baseline(name: str) -> None:
    check_drawing(name)


@pytest.mark.parametrize("name", PICTURED)
def test_a_picture_is_as_its_baseline(name: str) -> None:
    check_picture(name)


def test_no_baseline_is_large_and_none_is_left_over() -> None:
    names = {f"{name}.svg" for name in DRAWN} | {f"{name}.png" for name in PICTURED}
    assert {path.name for path in FOLDER.iterdir()} == names
    assert all(path.stat().st_size < 40_000 for path in FOLDER.iterdir())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fill: var(--first)", "fill: var(--second)"),
        ("stroke-width: 1.8", "stroke-width: 1.3"),
        ("mean 2.38", "mean 2.37"),
        ("font-size: 11px", "font-size: 10.5px"),
        ("M0 165.6L", "M0 164.6L"),
    ],
)
def test_a_drawing_that_can_be_told_from_its_baseline_fails(old: str, new: str) -> None:
    kept = (FOLDER / "histogram.svg").read_text(encoding="utf-8")
    assert old in kept
    compare_drawings(kept, kept)
    with pytest.raises(AssertionError):
        compare_drawings(kept.replace(old, new), kept)


@pytest.mark.parametrize(
    ("where", "name", "value", "check", "baseline"),
    [
        (describe, "FIRST", "#0a0b04", check_drawing, "histogram-alone"),
        (drawn_maps, "DIVERGING", ("#5e3c99", "#f7f7f7", "#1b9e77"), check_drawing, "raster"),
        (polygons, "SMALL", 8, check_drawing, "map"),
        (static_maps, "INSIDE", "#b9c3d6", check_drawing, "static-map"),
        (map_pictures, "RAISES", "#d66101", check_picture, "overlay"),
        (gallery, "LOWERS", "#6e3c99", check_picture, "heat"),
    ],
)
def test_a_change_of_style_fails(
    where: object,
    name: str,
    value: object,
    check: Callable[[str], None],
    baseline: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(where, name, value)
    with pytest.raises(AssertionError):
        check(baseline)


if __name__ == "__main__":
    for each, draw in DRAWN.items():
        (FOLDER / f"{each}.svg").write_text(tidy(draw()), encoding="utf-8")
    for each, picture in PICTURED.items():
        (FOLDER / f"{each}.png").write_bytes(picture())
