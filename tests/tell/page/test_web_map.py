from __future__ import annotations

import json
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from basrelief.tell.page import web_map
from basrelief.tell.page.web_map import embed_json, read_library, simplify_areas, write_geojson


def make_areas(side: int = 6, corners_m: float = 20.0) -> gpd.GeoDataFrame:
    """Squares of 500 m on the National Grid whose shared borders are bent."""
    row, col = np.divmod(np.arange(side**2), side)
    east, north = 530000 + 500 * col, 180000 + 500 * row
    squares = shapely.segmentize(shapely.box(east, north, east + 500, north + 500), corners_m)
    bent = shapely.transform(squares, lambda at: at + 40 * np.sin(at[:, ::-1] / 70))
    names = [f"Made-up <{k}>" for k in range(side**2)]
    columns = {"area_id": [f"E{k:02}" for k in range(side**2)], "area_name": names}
    return gpd.GeoDataFrame(columns, geometry=bent, crs="EPSG:27700")


def test_areas_are_numbered_named_and_in_degrees() -> None:
    areas = make_areas()
    features = json.loads(write_geojson(areas, simplify_areas(areas)))["features"]
    assert [feature["id"] for feature in features] == list(range(36))
    assert features[7]["properties"] == {
        "area_id": "E07",
        "area_name": "Made-up <7>",
        "flown": None,
    }
    west, south, east, north = shape(features[0]["geometry"]).bounds
    assert -0.2 < west < east < -0.1
    assert 51.4 < south < north < 51.6


def test_coordinates_have_five_places() -> None:
    areas = make_areas()
    numbers = re.findall(r"-?\d+\.(\d+)", write_geojson(areas, simplify_areas(areas)))
    assert max(map(len, numbers)) == 5


def test_neighbours_keep_the_borders_that_they_share() -> None:
    polygons = simplify_areas(make_areas())
    gaps = shapely.area(shapely.union_all(polygons)) - shapely.area(polygons).sum()
    assert abs(gaps) < 1e-4 * shapely.area(polygons).sum()
    assert not list(shapely.get_parts(shapely.union_all(polygons))[0].interiors)


def test_many_corners_are_thinned_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shapely.get_num_coordinates(simplify_areas(make_areas(corners_m=2))).sum()
    monkeypatch.setattr(web_map, "MAX_VERTICES", int(before // 2))
    after = simplify_areas(make_areas(corners_m=2))
    assert shapely.get_num_coordinates(after).sum() <= before // 2
    assert shapely.is_valid(after).all()


def test_more_areas_than_corners_still_have_outlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_map, "MAX_VERTICES", 10)
    assert not shapely.is_empty(simplify_areas(make_areas())).any()


def test_no_name_ends_the_element_that_it_stands_in() -> None:
    text = embed_json(json.dumps({"name": "</script><b>"}))
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><b>"}


@pytest.mark.parametrize("name", ["maplibre-gl.js", "maplibre-gl.css"])
def test_the_library_stands_in_a_page_and_points_to_no_other(name: str) -> None:
    text = read_library(name)
    assert len(text) > 10_000
    assert "</script" not in text
    assert "sourceMappingURL" not in text
    assert not re.search(r"@import|url\(['\"]?https?:", text)
