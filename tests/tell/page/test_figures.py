from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapely.geometry import MultiPolygon, Polygon, box

from basrelief.chips.describe import draw_daily_crimes, draw_histogram
from basrelief.drawing import MAX_SHAPES
from basrelief.learn.curves import draw_curves
from basrelief.style import THEME
from basrelief.tell.maps import polygons
from basrelief.tell.page import drawn_maps, figures


def make_areas(n_areas: int = 4) -> gpd.GeoDataFrame:
    squares = [box(1000 * i, 0, 1000 * i + 900, 900) for i in range(1, n_areas)]
    parts = MultiPolygon([box(0, 0, 900, 900), box(0, 1000, 100, 1100)])
    ids = [f"E0{i}" for i in range(n_areas)]
    is_used = [i > 0 for i in range(n_areas)]
    return gpd.GeoDataFrame(
        {"area_id": ids, "is_used": is_used}, geometry=[parts, *squares], crs=27700
    )


def make_tested(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["y_true", "y_pred", "y_mean"])


def make_history(n_epochs: int) -> pd.DataFrame:
    falling = np.linspace(2, 1, n_epochs)
    return pd.DataFrame(
        {"epoch": np.arange(1, n_epochs + 1), "loss": falling, "val_loss": falling + 0.1}
    )


def make_moves() -> dict[str, dict[str, list[float]]]:
    shares, still = [0.0, 0.1, 0.3], [0.0, 0.0, 0.1]
    return {
        test: {"shares": shares, "ranked": [0.0, way, 2 * way], "at_random": still}
        for test, way in (("deletion", -1.0), ("insertion", 1.0))
    }


def draw_all() -> dict[str, str]:
    areas, values = make_areas(), pd.Series([1.0, 2.0], index=["E01", "E02"])
    return {
        "histogram": draw_histogram(np.array([1.0, 2.0, np.nan]), "crime", "areas", "histogram"),
        "curves": draw_curves(make_history(4), "curves"),
        "moves": figures.draw_moves(make_moves(), "moves"),
        "scatter": figures.draw_scatter(make_tested(20), "crime", "scatter"),
        "map": drawn_maps.draw_map(areas, values, drawn_maps.Scale("crime", 0.0, 3.0), "map"),
        "folds": drawn_maps.draw_folds(areas, pd.Series([0, 1], index=["E01", "E02"]), "folds"),
        "coverage": drawn_maps.draw_coverage(areas, "coverage"),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return draw_all()


def test_every_figure_is_named_for_those_who_cannot_see_it(drawn: dict[str, str]) -> None:
    for alt, svg in drawn.items():
        root = ElementTree.fromstring(svg)
        assert (root.get("role"), root.get("aria-label")) == ("img", alt)


def test_no_figure_has_a_fixed_size(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        root = ElementTree.fromstring(svg)
        assert root.get("width") is None
        assert "viewBox" in root.attrib


def test_figures_take_their_colours_from_the_page(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert "var(--ink)" in svg
        assert not [drawn for drawn in THEME if drawn in svg]


def test_figures_name_no_outside_address(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert set(re.findall(r'(?:href|src)="([^"]{0,5})', svg)) <= set(
            re.findall(r'(?:href|src)="(#[^"]{0,4}|data:)', svg)
        )


def test_the_same_figure_has_the_same_bytes(drawn: dict[str, str]) -> None:
    assert draw_all() == drawn


def test_figures_on_one_page_share_no_id(drawn: dict[str, str]) -> None:
    ids = [name for svg in drawn.values() for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))


def test_many_points_become_one_picture() -> None:
    svg = figures.draw_scatter(make_tested(MAX_SHAPES + 1), "crime", "many")
    assert "data:image/png" in svg
    assert len(svg) < 300_000


def test_one_epoch_can_be_seen() -> None:
    assert "<use" in draw_curves(make_history(1), "one epoch")


def test_equal_values_can_be_drawn() -> None:
    tested = pd.DataFrame({"y_true": [1.0, 1.0], "y_pred": [1.0, 1.0], "y_mean": [1.0, 1.0]})
    assert "<svg" in figures.draw_scatter(tested, "crime", "equal")
    assert "<svg" in draw_histogram(np.ones(5), "crime", "areas", "equal")


def test_areas_without_a_value_are_outlines_only(drawn: dict[str, str]) -> None:
    assert drawn["map"].count("fill: none; stroke: var(--faint)") >= 1


def test_the_scale_bar_has_a_round_length(drawn: dict[str, str]) -> None:
    assert "500 m" in drawn["coverage"]


def test_an_empty_polygon_is_no_outline() -> None:
    assert np.shape(polygons._trace(Polygon()).vertices) == (1, 2)


def test_areas_outside_are_striped_and_others_are_not() -> None:
    values, scale = pd.Series([1.0, 2.0], index=["E01", "E02"]), drawn_maps.Scale("crime", 0.0, 3.0)
    striped = drawn_maps.draw_map(make_areas(), values, scale, "striped", ["E02"])
    assert "<pattern" in striped
    assert "<pattern" not in drawn_maps.draw_map(make_areas(), values, scale, "plain", [])


def test_days_without_a_crime_can_be_drawn() -> None:
    daily = pd.DataFrame({"theft_bicycle": [2.0, 0.0, np.nan]}, index=["Barnet", "Brent", "Bexley"])
    svg = draw_daily_crimes(daily, "daily")
    assert "theft bicycle" in svg
    assert "Bexley" in svg


def test_maps_of_many_areas_are_small_pictures_with_the_same_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polygons, "MAX_SHAPES", 1)
    values, scale = pd.Series([1.0, 2.0], index=["E01", "E02"]), drawn_maps.Scale("crime", 1.0, 2.0)
    svg = drawn_maps.draw_map(make_areas(), values, scale, "many")
    data = max(re.findall(r'data:image/png;base64,([^"]+)', svg), key=len)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.mode == "P"
    pixels = np.asarray(picture.convert("RGBA")).reshape(-1, 4).astype(np.int64)
    drawn = np.unique(pixels[pixels[:, 3] > 0, :3], axis=0)
    for share in (0.0, 1.0):
        wanted = 255 * np.array(mpl.colormaps["cividis"](share)[:3])
        assert np.abs(drawn - wanted).max(axis=1).min() <= 1


def test_pictures_of_many_areas_hold_no_colour_that_stands_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polygons, "MAX_SHAPES", 1)
    svg = drawn_maps.draw_coverage(make_areas(), "many")
    data = max(re.findall(r'data:image/png;base64,([^"]+)', svg), key=len)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    pixels = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    drawn = pixels[pixels[:, 3] > 0, :3]
    # What stands for a colour of the page is nearly black, and in a picture would stay so.
    assert drawn.max(axis=1).min() > 50
