"""Boundaries that are not what they say: read right, with a note, or refused in a line."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

AIRY = "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=airy"
VRT = "<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>/vsicurl/http://127.0.0.1:1/a"
STREAM = '{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read /etc/passwd"}'

Spoil = Callable[[Any], object]
Change = Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]


def rewritten(change: Change, name: str = "areas.gpkg") -> Spoil:
    """The areas, changed, in a file of some format."""

    def spoil(place: Any) -> None:
        place.write_areas(change(place.areas()), name)
        place.configure(data={"areas": name})

    return spoil


def drawn(shape: Any, *at: int) -> Change:
    """Another shape in the place of some areas' own: a shape, or a function of theirs."""

    def change(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        shapes = list(areas.geometry)
        for k in at:
            shapes[k] = shape(shapes[k]) if callable(shape) else shape
        return areas.set_geometry(gpd.GeoSeries(shapes, crs=areas.crs))

    return change


def coded(change: Callable[[list[Any]], list[Any]]) -> Change:
    return lambda areas: areas.assign(LSOA11CD=change(areas["LSOA11CD"].tolist()))


def said(crs: str) -> Change:
    return lambda areas: areas.set_crs(crs, allow_override=True)


def swap(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    degrees = areas.to_crs(4326)
    turned = shapely.transform(degrees.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    return degrees.set_geometry(gpd.GeoSeries(turned, crs=4326))


def of_one_ring(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """An area of many more vertices than any coast."""
    angle = np.linspace(0, 2 * np.pi, 600_000, endpoint=False)
    ring = np.c_[530_350 + 40 * np.cos(angle), 180_950 + 40 * np.sin(angle)]
    return drawn(shapely.Polygon(ring), 3)(areas)


def written(text: str, name: str) -> Spoil:
    def spoil(place: Any) -> None:
        (place.folder / name).write_text(text, encoding="utf-8")
        place.configure(data={"areas": name})

    return spoil


def metres_in_geojson(place: Any) -> None:
    """Eastings in a format that has degrees, and no word of it."""
    (place.folder / "a.geojson").write_text(place.areas().to_json(drop_id=True, show_bbox=False))
    place.configure(data={"areas": "a.geojson"})


def shapefile(*without: str) -> Spoil:
    def spoil(place: Any) -> None:
        rewritten(lambda areas: areas, "a.shp")(place)
        for suffix in without:
            (place.folder / f"a{suffix}").unlink()

    return spoil


def another_s_codes(change: Change, name: str = "a.shp") -> Spoil:
    """Shapes of one edition, codes of another: an area was split, so that all behind it shift."""

    def spoil(place: Any) -> None:
        shapefile()(place)
        place.write_areas(change(place.areas()), "b.shp")
        (place.folder / "b.dbf").replace(place.folder / "a.dbf")
        if name.endswith(".zip"):
            paths = sorted(place.folder.glob("a.*"))
            with zipfile.ZipFile(place.folder / name, "w") as archive:
                for path in paths:
                    archive.write(path, f"in it/{path.name}")
        place.configure(data={"areas": name})

    return spoil


def two_points_at(k: int) -> Callable[[Any], None]:
    def change(collection: Any) -> None:
        ring = collection["features"][k]["geometry"]["coordinates"][0]
        collection["features"][k]["geometry"]["coordinates"] = [[ring[0], ring[1], ring[0]]]

    return change


def rewritten_as_text(name: str, change: Callable[[Any], None]) -> Spoil:
    """GeoJSON with what no geometry library would write."""

    def spoil(place: Any) -> None:
        collection = json.loads(place.areas().to_crs(4326).to_json())
        change(collection)
        (place.folder / name).write_text(json.dumps(collection))
        place.configure(data={"areas": name})

    return spoil


def workbook(place: Any) -> None:
    place.labels().to_excel(place.folder / "a.xlsx", index=False)
    place.configure(data={"areas": "a.xlsx"})


def in_capitals(place: Any) -> None:
    shapefile()(place)
    for path in list(place.folder.glob("a.*")):
        path.rename(path.with_name(path.name.upper()))
    place.configure(data={"areas": "A.SHP"})


def typed_by_another_file(place: Any) -> None:
    shapefile()(place)
    place.configure(data={"areas": "a.dbf"})


def zipped(name: str, *stems: str, suffixes: tuple[str, ...] = ()) -> Spoil:
    """An archive with shapefiles in a folder of their own."""

    def spoil(place: Any) -> None:
        with zipfile.ZipFile(place.folder / name, "w") as archive:
            for stem in stems:
                place.write_areas(place.areas(), f"{stem}.shp")
                for suffix in suffixes or (".shp", ".shx", ".dbf", ".prj"):
                    archive.write(place.folder / f"{stem}{suffix}", f"in it/{stem}{suffix}")
        place.configure(data={"areas": name})

    return spoil


def with_layer(place: Any, areas: gpd.GeoDataFrame, name: str) -> None:
    areas.to_file(place.folder / "areas.gpkg", layer=name)


def districts_first(place: Any) -> None:
    areas = place.areas()
    (place.folder / "areas.gpkg").unlink()
    whole = gpd.GeoDataFrame({"LAD24CD": ["E09"]}, geometry=[areas.union_all()], crs=areas.crs)
    with_layer(place, whole, "districts")
    with_layer(place, areas, "areas")


def two_layers(place: Any) -> None:
    with_layer(place, place.areas().iloc[:8], "pilot")


def two_layers_without_codes(place: Any) -> None:
    areas = place.areas().rename(columns={"LSOA11CD": "zone", "LSOA11NM": "word"})
    (place.folder / "areas.gpkg").unlink()
    with_layer(place, areas, "one")
    with_layer(place, areas, "two")


def in_folder(place: Any) -> None:
    (place.folder / "d").mkdir()
    (place.folder / "areas.gpkg").rename(place.folder / "d" / "areas.gpkg")
    place.configure(data={"areas": "d"})


def piped(place: Any) -> None:
    (place.folder / "areas.gpkg").unlink()
    os.mkfifo(place.folder / "areas.gpkg")


def esri_json(place: Any) -> None:
    areas = place.areas()
    features = [
        {"attributes": {"LSOA11CD": code}, "geometry": {"rings": [list(shape.exterior.coords)]}}
        for code, shape in zip(areas["LSOA11CD"], areas.geometry, strict=True)
    ]
    answer = {
        "geometryType": "esriGeometryPolygon",
        "spatialReference": {"wkid": 27700},
        "fields": [{"name": "LSOA11CD", "type": "esriFieldTypeString"}],
        "features": features,
    }
    (place.folder / "a.json").write_text(json.dumps(answer))
    place.configure(data={"areas": "a.json"})


def packed_kml(place: Any) -> None:
    place.areas().to_crs(4326).to_file(place.folder / "doc.kml", driver="KML")
    with zipfile.ZipFile(place.folder / "a.kmz", "w") as archive:
        archive.write(place.folder / "doc.kml", "doc.kml")
    place.configure(data={"areas": "a.kmz"})


def in_format(name: str, driver: str) -> Spoil:
    def spoil(place: Any) -> None:
        place.areas().to_file(place.folder / name, driver=driver)
        place.configure(data={"areas": name})

    return spoil


def numbered(place: Any) -> None:
    """Codes that are whole numbers, one of them missing: a file then holds fractions."""
    codes = [60371011100 + k for k in range(100)]
    place.write_areas(coded(lambda _: [np.nan, *map(float, codes[1:])])(place.areas()))
    labels = place.labels()
    labels["LSOA code (2011)"] = codes
    labels.to_csv(place.folder / "labels.csv", index=False)


FAR = shapely.Polygon([(1e308, 0), (1e308, 1e308), (0, 1e308)])
ENDLESS = shapely.Polygon([(np.inf, 0), (1, 1), (2, 0)])
CROSSED = shapely.Polygon(
    [(530_300, 180_900), (530_400, 181_000), (530_400, 180_900), (530_300, 181_000)]
)
THERE_AND_BACK = shapely.Polygon([(530_310, 180_910), (530_390, 180_990), (530_350, 180_950)])
SQUARE = shapely.box(530_200, 180_900, 530_300, 181_000)

REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "a table with fewer rows than shapes": (
        another_s_codes(lambda areas: areas.iloc[:60]),
        ("100 shapes", "60 rows"),
    ),
    "a table with more rows than shapes": (
        another_s_codes(lambda areas: pd.concat([areas.iloc[:30], areas])),
        ("100 shapes", "130 rows"),
    ),
    "a pointer to a server": (written(VRT, "a.geojson"), ("a.geojson", "files or servers")),
    "a command": (written(STREAM, "a.json"), ("a.json", "files or servers")),
    "a pointer within JSON": (
        written(f'{{"a": "{VRT}"}}', "a.geojson"),
        ("a.geojson", "files or servers"),
    ),
    "JSON under another suffix": (written("{}", "a.moaw"), ("a.moaw: holds JSON", ".geojson")),
    "entities": (
        written('<?xml version="1.0"?><!DOCTYPE k [<!ENTITY a "b">]><kml/>', "a.kml"),
        ("a.kml: cannot be read as boundaries",),
    ),
    "GML": (written('<gml:FeatureCollection xmlns:gml="a"/>', "a.gml"), ("GML", "ogr2ogr")),
    "a table": (lambda p: p.configure(data={"areas": "labels.csv"}), ("labels.csv", "GeoPackage")),
    "a workbook": (
        workbook,
        (
            "a.xlsx: cannot be read",
            "it is a workbook or another Office document",
            "Give a shapefile, GeoPackage",
        ),
    ),
    "a raster": (lambda p: p.configure(data={"areas": "dsm.tif"}), ("dsm.tif: cannot be read",)),
    "a folder": (in_folder, ("d: is a folder", '"d/areas.gpkg"')),
    "a pipe": (piped, ("areas.gpkg: is a pipe",)),
    "a device": (lambda p: p.configure(data={"areas": "/dev/zero"}), ("/dev/zero: is a device",)),
    "an empty file": (written("", "a.geojson"), ("a.geojson: is empty (0 bytes)",)),
    "points alone": (
        rewritten(lambda areas: areas.set_geometry(areas.centroid)),
        ("data.areas = 'areas.gpkg': cannot be read as boundaries (it holds Point)",),
    ),
    "no place at all": (
        rewritten(drawn(None, *range(100))),
        ("none of its areas has a place",),
    ),
    "the same polygon under two codes": (
        rewritten(drawn(SQUARE, 3)),
        ("E01000003 and E01000004 share 100%", "2 of 100 areas", "keep one of each"),
    ),
    "a hundred copies": (
        rewritten(drawn(SQUARE, *range(100))),
        ("E01000001 and E01000002 share 100%", "100 of 100"),
    ),
    "areas that reach into others": (
        rewritten(drawn(lambda shape: shape.buffer(30), 44)),
        ("and E01000045 share 30%", "9 of 100 areas lie on others"),
    ),
    "an area within another": (
        rewritten(drawn(shapely.box(530_210, 180_910, 530_250, 180_950), 3)),
        ("E01000003 and E01000004 share 100%",),
    ),
    "outlines that go there and back": (
        rewritten(drawn(THERE_AND_BACK, *range(100))),
        ("its areas here enclose no ground, such as E01000001",),
    ),
    "600,000 vertices": (
        rewritten(of_one_ring),
        ("E01000004 has 600,001 vertices", "generalised"),
    ),
    "codes of 5,000 letters": (
        rewritten(coded(lambda codes: ["x" * 5000 + code for code in codes])),
        ("up to 5,009 letters", "data.area_column"),
    ),
    "one code twice": (
        rewritten(coded(lambda codes: [codes[1], *codes[1:]])),
        ("E01000002 stands 2 times", "Dissolve"),
    ),
    "latitude before longitude": (
        rewritten(swap, "a.geojson"),
        ("lie at 51.50", "once the two coordinates are swapped"),
    ),
    "a shapefile without codes": (
        shapefile(".dbf"),
        ("a.shp: a.dbf should lie beside it", "codes", "copy them all"),
    ),
    "a shapefile without its order": (shapefile(".shx"), ("a.shp: a.shx should lie beside it",)),
    "a shapefile alone": (shapefile(".shx", ".dbf"), ("a.dbf and a.shx should lie beside it",)),
    "codes of another edition": (
        another_s_codes(lambda areas: areas.iloc[1:]),
        ("a.shp: has 100 shapes", ".dbf beside it 99 rows", "not of one shapefile"),
    ),
    "codes of a larger edition": (
        another_s_codes(lambda areas: pd.concat([areas.iloc[:1], areas])),
        ("a.shp: has 100 shapes", ".dbf beside it 101 rows"),
    ),
    "an archive with codes of another edition": (
        another_s_codes(lambda areas: areas.iloc[1:], "a.zip"),
        ("a.zip/in it/a.shp: has 100 shapes", ".dbf beside it 99 rows"),
    ),
    "an archive without codes": (
        zipped("a.zip", "a", suffixes=(".shp", ".shx")),
        ("a.zip/in it/a.shp: a.dbf should lie beside it",),
    ),
    "an archive of two": (
        zipped("a.zip", "a", "b"),
        ("holds 2 layers with area codes: a (100 areas), b (100 areas)", "ogr2ogr"),
    ),
    "an archive of nothing": (zipped("a.zip"), ("a.zip: holds no boundaries",)),
    "two layers of areas": (
        two_layers,
        ("holds 2 layers with area codes: areas (100 areas), pilot (8 areas)", "ogr2ogr"),
    ),
    "two layers without codes": (
        two_layers_without_codes,
        ("none of its 2 layers", "one: zone, word", "data.area_column"),
    ),
}

NOTED: dict[str, tuple[Spoil, tuple[str, ...], int]] = {
    "a ring that encloses nothing": (
        rewritten(drawn(THERE_AND_BACK, 3, 7)),
        ("2 areas drawn as points or lines, without ground,",),
        98,
    ),
    **{
        f"areas without a shape in {name}": (
            rewritten(drawn(None, 3, 5), name),
            ("2 areas without a place on the ground are left out (E01000004, E01000006)",),
            98,
        )
        for name in ("areas.gpkg", "a.geojson", "a.shp")
    },
    **{
        f"an empty shape in {name}": (
            rewritten(drawn(shapely.Polygon(), 3), name),
            ("1 area without a place on the ground is left out (E01000004)",),
            99,
        )
        for name in ("areas.gpkg", "a.geojson", "a.shp")
    },
    "a shape at 1e308": (rewritten(drawn(FAR, 3)), ("1 area without a place",), 99),
    "a shape without end": (rewritten(drawn(ENDLESS, 3)), ("1 area without a place",), 99),
    "a point and a line": (
        rewritten(
            lambda areas: drawn(lambda shape: shape.exterior, 4)(
                drawn(lambda shape: shape.centroid, 3)(areas)
            )
        ),
        ("2 areas drawn as points or lines", "(E01000004, E01000005)"),
        98,
    ),
    **{
        f"an outline that goes there and back in {name}": (
            rewritten(drawn(THERE_AND_BACK, 3), name),
            ("1 area drawn as points or lines, without ground, is left out (E01000004)",),
            99,
        )
        for name in ("areas.gpkg", "a.geojson", "a.shp", "a.fgb")
    },
    "an outline of two points": (
        rewritten_as_text("a.geojson", two_points_at(3)),
        ("1 area", "left out (E01000004)"),
        99,
    ),
    "an outline that crosses itself": (
        rewritten(drawn(CROSSED, 3)),
        ("outlines that cross themselves are mended, 1 of", "(E01000004)"),
        100,
    ),
    "areas without a code": (
        rewritten(coded(lambda codes: [None, " ", *codes[2:]])),
        ("2 areas without a code are left out",),
        98,
    ),
    "codes in fractions": (numbered, ("1 area without a code is left out",), 99),
    "codes in formulas": (
        rewritten(coded(lambda codes: [f'="{code}"' for code in codes])),
        ('100 area codes stand in formulas, as in ="E01000001": the text within is taken',),
        100,
    ),
    "names of 5,000 letters": (
        rewritten(lambda areas: areas.assign(LSOA11NM="n" * 5000)),
        ("100 names are cut to 120 letters",),
        100,
    ),
    "metres in GeoJSON": (
        rewritten(said("EPSG:4326"), "a.geojson"),
        ("says EPSG:4326, and 530000, 180000 are no degrees", "EPSG:27700"),
        100,
    ),
    "a local CRS": (
        rewritten(said('LOCAL_CS["mine",UNIT["metre",1]]'), "a.shp"),
        ("its CRS (mine) is local",),
        100,
    ),
    "degrees on an unknown datum": (
        rewritten(lambda a: said("+proj=longlat +ellps=airy")(a.to_crs(4277)), "a.shp"),
        ("names no datum",),
        100,
    ),
}

SOUND: dict[str, Spoil] = {
    "a sliver": rewritten(drawn(lambda shape: shape.buffer(0.5, join_style="mitre"), 44)),
    "a collection around the polygon": rewritten(
        drawn(lambda shape: shapely.GeometryCollection([shape, shape.centroid]), 3), "a.geojson"
    ),
    "heights in the outlines": rewritten(
        lambda areas: areas.set_geometry(
            gpd.GeoSeries(shapely.force_3d(areas.geometry.to_numpy(), 5.0), crs=areas.crs)
        )
    ),
    "degrees": rewritten(lambda areas: areas.to_crs(4326), "a.geojson"),
    "web Mercator": rewritten(lambda areas: areas.to_crs(3857)),
    "the grid without a datum": rewritten(said(f"{AIRY} +units=m"), "a.shp"),
    "the grid with a way to WGS 84": rewritten(said(f"{AIRY} +towgs84=375,-111,431 +units=m")),
    "GeoJSON with a CRS in metres": metres_in_geojson,
    "a shapefile without CRS": shapefile(".prj"),
    "a shapefile without encoding": shapefile(".cpg"),
    "a shapefile in capitals": in_capitals,
    "a shapefile by its codes": typed_by_another_file,
    "a zipped shapefile": zipped("a.zip", "a"),
    "a zip with a brace": zipped("a}b.zip", "a"),
    "a layer of districts before": districts_first,
    "Esri JSON": esri_json,
    "KMZ": packed_kml,
    "FlatGeobuf": in_format("a.fgb", "FlatGeobuf"),
    "a file geodatabase": in_format("a.gdb", "OpenFileGDB"),
    "MapInfo": in_format("a.tab", "MapInfo File"),
    "MapInfo's exchange format": in_format("a.mif", "MapInfo File"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_boundaries_are_refused(place: Any, refused: Callable[..., None], name: str) -> None:
    spoil, says = REFUSED[name]
    spoil(place)
    refused(*says)


@pytest.mark.parametrize("name", NOTED)
def test_boundaries_are_taken_with_a_note(
    place: Any, noted: Callable[..., Any], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoil, says, n_areas = NOTED[name]
    spoil(place)
    areas = noted(*says)
    assert len(areas) == n_areas
    assert areas["crime"].notna().all()
    assert areas["ground_covered"].min() > 0.99


def test_areas_that_go_on_beyond_the_rasters_are_named(
    place: Any, noted: Callable[..., Any]
) -> None:
    rewritten(lambda areas: areas.set_geometry(areas.translate(60, 0)))(place)
    areas = noted("10 of the 100 areas here (E01000010, E01000020, ")
    assert (~areas["is_used"]).sum() == 10


@pytest.mark.parametrize("name", SOUND)
def test_sound_boundaries_are_taken_without_a_word(
    place: Any, noted: Callable[..., Any], name: str
) -> None:
    SOUND[name](place)
    areas = noted()
    assert (place.run / "chips" / "notes.json").read_text().strip() == "[]"
    assert (len(areas), areas["is_used"].all()) == (100, True)
    # A metre of the way between two datums is a hundredth of an area's ground.
    assert areas["ground_covered"].min() > 0.98


def test_what_is_refused_of_areas_to_learn_from_is_taken_to_predict(place: Any) -> None:
    from basrelief.sources.shared_ground import refuse_shared_ground
    from basrelief.typed import Typed

    twins = drawn(SQUARE, 3)(place.areas()).rename(columns={"LSOA11CD": "area_id"})
    typed = Typed("areas", "a.gpkg", Path("a.gpkg"))
    with pytest.raises(Exception, match="share 100%"):
        refuse_shared_ground(twins, typed)
    refuse_shared_ground(twins.drop(index=2), typed)


def test_a_table_of_the_areas_that_are_left_has_no_others(
    place: Any, noted: Callable[..., Any]
) -> None:
    rewritten(drawn(None, 3))(place)
    noted("E01000004")
    member = pd.read_parquet(place.run / "chips" / "membership.parquet")
    assert "E01000004" not in set(member["area_id"])
