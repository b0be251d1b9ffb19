from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from pyproj import CRS

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.areas import choose_code_column, read_areas
from basrelief.sources.census import find_column
from basrelief.typed import Typed

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the code")
GRID = CRS.from_epsg(27700)
BOUNDS = (520000.0, 180000.0, 520200.0, 180100.0)


def make_areas(**columns: list[Any]) -> gpd.GeoDataFrame:
    squares = [shapely.box(520000 + 100 * k, 180000, 520100 + 100 * k, 180100) for k in range(3)]
    table = {"LSOA11CD": ["E03", "E02", "E01"], "LSOA11NM": ["c", "b", "a"], **columns}
    return gpd.GeoDataFrame(table, geometry=squares, crs=GRID)


def write(areas: gpd.GeoDataFrame, path: Path) -> Path:
    areas.to_file(path, engine="pyogrio")
    return path


def read(path: Path, column: str | None = None, bounds: Any = BOUNDS) -> gpd.GeoDataFrame:
    notes = Notes(Run("nowhere", quiet=True))
    typed = Typed("areas", path.name, path)
    return read_areas(typed, column=column, crs=GRID, bounds=bounds, notes=notes)


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.geojson"])
def test_areas_that_share_ground_are_read_in_order(tmp_path: Path, name: str) -> None:
    areas = read(write(make_areas(MSOA11CD=["m", "m", None], LAD11CD=["l"] * 3), tmp_path / name))
    # The third square touches the bounds but shares no ground with them.
    assert areas["area_id"].tolist() == ["E02", "E03"]
    assert areas["area_name"].tolist() == ["b", "c"]
    assert areas["msoa"].tolist() == ["m", "m"]
    assert areas["lad"].tolist() == ["l", "l"]
    assert areas.crs == GRID
    assert areas.columns.tolist() == ["area_id", "area_name", "msoa", "lad", "geometry"]


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    areas = read(write(make_areas().drop(columns="LSOA11NM"), tmp_path / "a.gpkg"))
    assert areas["area_name"].tolist() == [None, None]
    assert areas["lad"].tolist() == [None, None]


def test_areas_in_another_crs_are_brought_onto_the_rasters(tmp_path: Path) -> None:
    areas = read(write(make_areas().to_crs(4326), tmp_path / "a.geojson"))
    assert len(areas) >= 2
    assert areas.area.to_numpy() == pytest.approx(10_000, rel=1e-3)


@pytest.mark.parametrize("epsg", [27700, 4326])
def test_a_shapefile_without_prj_is_placed_by_its_numbers(tmp_path: Path, epsg: int) -> None:
    path = write(make_areas().to_crs(epsg), tmp_path / "a.shp")
    path.with_suffix(".prj").unlink()
    areas = read(path)
    assert {"E02", "E03"} <= set(areas["area_id"])
    assert areas.total_bounds[:2] == pytest.approx((520000, 180000), abs=1)


def test_invalid_polygons_are_mended(tmp_path: Path) -> None:
    areas = make_areas()
    bowtie = [(520000, 180000), (520100, 180100), (520100, 180000), (520000, 180100)]
    areas.geometry = [shapely.Polygon(bowtie), *areas.geometry[1:]]
    mended = read(write(areas, tmp_path / "a.gpkg"))
    assert mended.is_valid.all()
    assert set(mended.geom_type) <= {"Polygon", "MultiPolygon"}
    assert mended.set_index("area_id").area["E03"] == pytest.approx(5000)


def test_areas_elsewhere_are_refused_with_both_extents(tmp_path: Path) -> None:
    path = write(make_areas(), tmp_path / "a.gpkg")
    match = r"lie at 520000, 180000, 520300, 180100, the rasters at 0, 0, 900, 900 .*EPSG:27700"
    with pytest.raises(InputError, match=match):
        read(path, bounds=(0.0, 0.0, 900.0, 900.0))


def test_repeated_codes_are_refused_with_an_example(tmp_path: Path) -> None:
    path = write(make_areas(LSOA11CD=["E03", "E03", "E01"]), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"must be unique, E03 stands 2 times"):
        read(path)


def test_a_typed_column_is_taken(tmp_path: Path) -> None:
    path = write(make_areas(zone=["x", "y", "z"]), tmp_path / "a.gpkg")
    assert read(path, column="zone")["area_id"].tolist() == ["x", "y"]


def test_a_typed_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    path = write(make_areas(), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"data\.area_column = 'zone'.*LSOA11CD, LSOA11NM"):
        read(path, column="zone")


def test_points_are_refused(tmp_path: Path) -> None:
    areas = make_areas()
    areas.geometry = areas.centroid
    with pytest.raises(InputError, match=r"it holds Point"):
        read(write(areas, tmp_path / "a.gpkg"))


def test_the_layer_of_polygons_is_found_among_others(tmp_path: Path) -> None:
    points = make_areas()
    points.geometry = points.centroid
    points.to_file(tmp_path / "a.gpkg", layer="centres")
    make_areas().to_file(tmp_path / "a.gpkg", layer="areas")
    assert len(read(tmp_path / "a.gpkg")) == 2


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = write(make_areas().iloc[:0], tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"cannot be read as boundaries \(it holds no area\)"):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.areas = 'a\.shp': no such file"):
        read(tmp_path / "a.shp")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.shp").write_text("not a shapefile")
    with pytest.raises(InputError, match=r"cannot be read as boundaries"):
        read(tmp_path / "a.shp")


@pytest.mark.parametrize(
    "heading",
    ["LSOA11CD", "LSOA21CD", "lsoa01cd", "LSOA code (2011)", "geography code", "area_id"],
)
def test_published_headings_of_codes_are_recognised(heading: str) -> None:
    assert find_column(["name", heading], "area_id") == heading


def test_two_columns_of_codes_must_be_chosen_between() -> None:
    columns = ["LSOA11CD", "LSOA21CD"]
    with pytest.raises(InputError, match=r"several columns.*data\.area_column = "):
        choose_code_column(Typed("areas", "a.gpkg", Path("a.gpkg")), columns, None)


def test_without_a_column_of_codes_the_headings_are_listed() -> None:
    with pytest.raises(InputError, match="recognised among a, b"):
        choose_code_column(Typed("areas", "a.gpkg", Path("a.gpkg")), ["a", "b"], None)


@pytest.mark.real
@NEEDS_DATA
@pytest.mark.parametrize("name", ["london-2011-lsoa-gen20.shp", "london-2021-lsoa-gen20.shp"])
def test_real_boundaries_are_read(name: str) -> None:
    bounds = (525000.0, 185000.0, 530000.0, 190000.0)
    areas = read(DATA / "areas" / name, bounds=bounds)
    assert len(areas) == {"1": 140, "2": len(areas)}[name[9]]
    assert areas["area_id"].is_monotonic_increasing
    assert set(areas["lad"]) == {"E09000003", "E09000007", "E09000014", "E09000019"}
    inside = areas.clip(bounds).area.sum()
    assert inside == pytest.approx(25e6, rel=1e-3)
