from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely
from pyproj import CRS

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.areas import find_area_vintage, read_areas
from basrelief.sources.census import name_msoa
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.boundaries import find_boundaries, find_inside, join_parents
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.scotland import SCOTLAND
from basrelief.typed import Typed


@pytest.fixture
def client(start: Callable[..., str], make_client: Callable[..., Client]) -> Client:
    plain = f"{start('geography')}/plain"
    return make_client({"services1.arcgis.com": plain, "www.arcgis.com": start("places")})


def fetch(client: Client, place: NamedPlace, year: int, folder: Path) -> Path:
    brought = bring(client, find_boundaries(place, year), folder, client.say)
    assert brought.failures == ()
    return brought.files[0]


@pytest.mark.parametrize("year", [2011, 2021])
def test_a_run_reads_the_areas_of_a_place_as_they_come(
    client: Client, tmp_path: Path, year: int
) -> None:
    place = NamedPlace("Testham", shapely.box(500_000, 180_000, 504_000, 184_000), ENGLAND)
    path = fetch(client, place, year, tmp_path / "out")
    typed = Typed("areas", "areas.gpkg", path)
    notes = Notes(Run(tmp_path / "run", quiet=True))
    areas = read_areas(
        typed, column=None, crs=CRS.from_epsg(27700), bounds=place.bounds, notes=notes
    )
    assert len(areas) == 64
    # The twelfth LSOA is the fourth of the second row: 501,500 east, 180,500 north.
    row = areas.set_index("area_id").loc["E01000011"]
    assert row.geometry.bounds == (501_500, 180_500, 502_000, 181_000)
    assert (row["msoa"], row["lad"]) == ("E02000001", "E09000001")
    assert row["area_name"] == "Testham 002D"
    assert areas["msoa"].value_counts().tolist() == [4] * 16
    assert find_area_vintage(typed, None) == (year, f"LSOA{year % 100}CD")
    names = [str(name) for name, _ in pyogrio.list_layers(path)]
    assert names == ["areas", "msoas", "districts", "wards", "place_names"]
    places = gpd.read_file(path, layer="place_names")
    # Parishes and wards have names too, and what lies elsewhere; none of these is drawn.
    assert sorted(places["name"]) == ["Ashby", "Newton"]
    assert len(gpd.read_file(path, layer="wards")) >= 4
    credits_text = (tmp_path / "out" / "credits.json").read_text()
    assert "Office for National Statistics" in credits_text


def test_areas_with_half_their_ground_in_a_place_belong_to_it(
    client: Client, tmp_path: Path
) -> None:
    # 500,000 to 501,240: of the third column 48 % lie inside, and of the last row 60 %.
    place = NamedPlace("here", shapely.box(500_000, 180_000, 501_240, 180_800), ENGLAND)
    areas = gpd.read_file(fetch(client, place, 2021, tmp_path), layer="areas")
    assert areas["LSOA21CD"].tolist() == ["E01000000", "E01000001", "E01000008", "E01000009"]


def test_a_place_without_a_whole_area_is_told(client: Client, tmp_path: Path) -> None:
    place = NamedPlace("spot", shapely.Point(500_500, 180_500).buffer(60), ENGLAND)
    # At once, and not after hours of tiles: nothing else of such a place is of use.
    with pytest.raises(InputError, match="spot: no small area lies there"):
        bring(client, find_boundaries(place, 2021), tmp_path / "out", client.say)
    assert not (tmp_path / "out" / "boundaries" / "areas.gpkg").exists()


def test_an_area_that_lies_in_nothing_larger_is_refused() -> None:
    areas = gpd.GeoDataFrame({"LSOA21CD": ["a"]}, geometry=[shapely.box(0, 0, 10, 10)])
    parents = gpd.GeoDataFrame({"MSOA21CD": ["m"]}, geometry=[shapely.box(0, 0, 10, 8)])
    with pytest.raises(ServiceError, match=r"a lies in no MSOA21 .* 80%"):
        join_parents(areas, parents, "MSOA21CD", "here")


def draw_scotland(folder: Path) -> None:
    """Write what the Scottish Government publishes, into a cache that has it already."""
    cells = [(x, y) for y in range(180_000, 182_000, 500) for x in range(508_000, 510_000, 500)]
    zones = [(508_000 + 1000 * k, 180_000, 509_000 + 1000 * k, 182_000) for k in range(2)]
    tables = {
        "SG_DataZoneBdry_2011": gpd.GeoDataFrame(
            {
                "DataZone": [f"S0100{k:04d}" for k in range(16)],
                "Name": [f"Glen - {k:02d}" for k in range(16)],
                "TotPop2011": 800,
            },
            geometry=[shapely.box(x, y, x + 500, y + 500) for x, y in cells],
            crs=27700,
        ),
        "SG_IntermediateZoneBdry_2011": gpd.GeoDataFrame(
            {"InterZone": ["S02000001", "S02000002"], "Name": ["Upper", "Lower"]},
            geometry=[shapely.box(*each) for each in zones],
            crs=27700,
        ),
    }
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_file(folder / f"{name}.shz", driver="ESRI Shapefile")
        (folder / f"{name}.shz").rename(folder / f"{name}.zip")


def test_scotland_has_data_zones_and_intermediate_zones(
    start: Callable[..., str],
    make_client: Callable[..., Client],
    tmp_path: Path,
    lines: list[str],
) -> None:
    draw_scotland(tmp_path / "scotland" / "ATOM" / "shapefiles")
    client = make_client(
        {
            "services1.arcgis.com": f"{start('geography')}/plain",
            "maps.gov.scot": start("folder", str(tmp_path / "scotland")),
            # A file that is lacking there is no reason to lose the boundaries.
            "www.arcgis.com": start("folder", str(tmp_path)),
        }
    )
    place = NamedPlace("Glentest", shapely.box(508_000, 180_000, 512_000, 184_000), SCOTLAND)
    path = fetch(client, place, 2011, tmp_path / "out")
    areas = read_areas(
        Typed("areas", "a", path),
        column=None,
        crs=CRS.from_epsg(27700),
        bounds=place.bounds,
        notes=Notes(Run(tmp_path / "run", quiet=True)),
    )
    assert areas["area_id"].tolist() == [f"S0100{k:04d}" for k in range(16)]
    assert areas["msoa"].tolist() == (["S02000001"] * 2 + ["S02000002"] * 2) * 4
    assert set(areas["lad"]) == {"S12000003"}
    assert any("no names of places for the map" in line for line in lines)
    assert "Scottish Government" in (tmp_path / "out" / "credits.json").read_text()


@pytest.mark.real
@pytest.mark.parametrize(("year", "n_camden"), [(2021, 130), (2011, 133)])
def test_real_areas_are_found_in_the_districts_that_they_are_named_after(
    shared_data: Path, year: int, n_camden: int
) -> None:
    folder, short = shared_data / "areas", year % 100
    areas = gpd.read_file(folder / f"london-{year}-lsoa-gen20.shp").to_crs(27700)
    districts = gpd.read_file(folder / "london-2021-lad22-gen20.shp").to_crs(27700)
    found = join_parents(areas, districts, "LAD22CD", "London")
    named = areas[f"LSOA{short}NM"].str.replace(r" \d{3}[A-Z]$", "", regex=True)
    assert found["LAD22NM"].tolist() == named.tolist()
    assert areas[f"LSOA{short}NM"].map(name_msoa).tolist() == areas[f"MSOA{short}NM"].tolist()
    camden = districts.loc[districts["LAD22NM"] == "Camden", "geometry"].iloc[0]
    inside = find_inside(areas, NamedPlace("Camden", camden, ENGLAND))
    assert set(inside[f"LSOA{short}NM"].str[:7]) == {"Camden "}
    assert len(inside) == n_camden
