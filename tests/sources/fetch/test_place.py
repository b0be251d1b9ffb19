from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from pyproj import Transformer

from basrelief.config import InputError
from basrelief.sources.fetch.client import Client
from basrelief.sources.fetch.gazetteer import WELSH, fold_name
from basrelief.sources.fetch.place import find_place, place_of_bounds, place_of_file


@pytest.fixture
def places(start: Callable[..., str]) -> str:
    return start("places")


@pytest.fixture
def client(start: Callable[..., str], places: str, make_client: Callable[..., Client]) -> Client:
    plain = {"services1.arcgis.com": f"{start('geography')}/plain"}
    hosts = ("www.arcgis.com", "houseofcommonslibrary.github.io", "api.postcodes.io")
    others = dict.fromkeys((*hosts, "nominatim.openstreetmap.org"), places)
    return make_client(plain | others)


@pytest.mark.parametrize(
    ("typed", "name", "country", "bounds"),
    [
        ("testham", "Testham", "England", (500_000, 180_000, 504_000, 184_000)),
        (" King's  Test", "King's Test", "England", (504_000, 180_000, 508_000, 184_000)),
        ("Glentest", "Glentest", "Scotland", (508_000, 180_000, 512_000, 184_000)),
        ("Testham Ward 3", "Testham Ward 3", "England", (502_000, 182_000, 504_000, 184_000)),
        ("Abbey, testham", "Abbey", "England", (500_000, 180_000, 502_000, 182_000)),
        ("Priory & Docks", "Priory & Docks", "England", (507_000, 180_000, 508_000, 181_000)),
        ("king’s test", "King's Test", "England", (504_000, 180_000, 508_000, 184_000)),
        ("Priory and Docks", "Priory & Docks", "England", (507_000, 180_000, 508_000, 181_000)),
        ("Old-Mill, kings test", "Old Mill", "England", (507_000, 181_000, 508_000, 182_000)),
        ("Dinas Maar", "Dinas Maâr", "Wales", (320_500, 240_500, 323_500, 243_500)),
        ("Cwm-y-Prâwf", "Cwmtest", "Wales", (320_000, 240_000, 324_000, 244_000)),
        ("Old Mill, Testham", "Old Mill", "England", (502_000, 181_000, 503_000, 182_000)),
        ("te1 1st", "TE1 1ST", "England", (500_500, 180_500, 503_500, 183_500)),
    ],
)
def test_a_place_is_found_by_what_it_is_called(
    client: Client,
    typed: str,
    name: str,
    country: str,
    bounds: tuple[float, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WELSH, "cwm y prawf", "Cwmtest")
    place = find_place(client, typed)
    assert (place.name, place.country.name) == (name, country)
    assert place.bounds == pytest.approx(bounds, abs=0.5)
    assert place.credit is not None


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("Abbey", "2 places are called so: Abbey, King's Test; Abbey, Testham"),
        ("Old Mill", "Old Mill, King's Test; Old Mill, Testham"),
        ("Ashby", "2 places are called so: Ashby, Farham; Ashby, Testham"),
        ("Newton", r"2 places .*Newton, Testham \(at \d+,\d+\); Newton, Testham \(at"),
        ("Testam", "no district, ward, MSOA or place is called so. Did you mean Testham"),
        ("Abbey, Farham", "is called so"),
        ("ZZ1 1ZZ", "no postcode in use"),
        ("BT1 1AA", "lies in Northern Ireland"),
        (" ", "say a name"),
    ],
)
def test_what_is_not_one_place_is_refused(client: Client, typed: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_place(client, typed)


def test_a_place_name_in_an_old_encoding_is_ground_around_its_point(client: Client) -> None:
    place = find_place(client, "dinas maâr", radius_m=800)
    assert place.country.name == "Wales"
    x, y = Transformer.from_crs(4326, 27700, always_xy=True).transform(-3.1393844, 52.0708527)
    west, south, east, north = place.bounds
    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((x, y), abs=1)
    assert east - west == pytest.approx(1600, abs=1)


def test_a_locality_and_its_parish_are_one_place(client: Client) -> None:
    assert find_place(client, "Ashby, Testham").name == "Ashby"


def test_a_radius_takes_ground_around_the_middle(client: Client) -> None:
    west, south, east, north = find_place(client, "Testham", radius_m=500).bounds
    assert (west, south, east, north) == pytest.approx((501_500, 181_500, 502_500, 182_500))
    with pytest.raises(InputError, match="between 50 and 100,000"):
        find_place(client, "Testham", radius_m=5)


def test_openstreetmap_is_asked_only_by_the_flag_and_once(client: Client, places: str) -> None:
    found = [find_place(client, "The Common", nominatim=True) for _ in range(2)]
    assert found[0].name == "The Common"
    assert found[0].country.name == "England"
    assert found[0].credit is not None
    assert "OpenStreetMap contributors" in found[0].credit.statement
    log: list[dict[str, Any]] = client.get_json(f"{places}/log")
    asked = [each for each in log if each["path"] == "/search"]
    assert len(asked) == 1
    assert asked[0]["agent"].startswith("basrelief/")


def test_bounds_and_files_are_places(client: Client, tmp_path: Path) -> None:
    place = place_of_bounds(client, (500_000, 180_000, 501_000, 181_000))
    assert place.country.name == "England"
    drawn = gpd.GeoDataFrame(geometry=[shapely.box(509_000, 181_000, 510_000, 182_000)], crs=27700)
    drawn.to_crs(4326).to_file(tmp_path / "mine.geojson")
    place = place_of_file(client, tmp_path / "mine.geojson")
    assert (place.name, place.country.name) == ("mine", "Scotland")
    assert place.bounds == pytest.approx((509_000, 181_000, 510_000, 182_000), abs=1)


@pytest.mark.parametrize(
    ("typed", "kept", "words"),
    [
        # Into the sea, where no district is.
        ((499_000, 181_000, 501_000, 183_000), (500_000, 181_000, 501_000, 183_000), ""),
        # Over a border: 1,000 of 1,900 metres.
        ((507_000, 181_000, 508_900, 183_000), (507_000, 181_000, 508_000, 183_000), "53%"),
    ],
)
def test_of_bounds_the_ground_of_one_country_is_kept_and_the_rest_told(
    client: Client,
    lines: list[str],
    typed: tuple[float, float, float, float],
    kept: tuple[float, ...],
    words: str,
) -> None:
    place = place_of_bounds(client, typed)
    assert place.bounds == pytest.approx(kept)
    assert place.country.name == "England"
    assert [line for line in lines if "of its ground is of England" in line] == (
        [line for line in lines if words in line] if words else []
    )
    assert len(lines) == bool(words)


def test_ground_around_a_point_ends_at_the_border_of_its_country(client: Client) -> None:
    # The middle of King's Test is two kilometres from Scotland.
    west, _, east, _ = find_place(client, "King's Test", radius_m=2500).bounds
    assert (west, east) == pytest.approx((503_500, 508_000))


def test_welsh_names_of_districts_are_kept_as_they_are_compared() -> None:
    assert [name for name in WELSH if fold_name(name) != name] == []


@pytest.mark.parametrize("text", ["<html></html>", '{"type": "FeatureCollection", "features": []}'])
def test_a_file_that_is_no_place_is_refused(client: Client, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.geojson").write_text(text)
    with pytest.raises(InputError, match="cannot be read as boundaries"):
        place_of_file(client, tmp_path / "mine.geojson")
    with pytest.raises(InputError, match="no such file"):
        place_of_file(client, tmp_path / "other.geojson")


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((-0.5, 51.0, 0.5, 52.0), "metres of the British National Grid"),
        ((501_000, 181_000, 500_000, 182_000), "must be west,south,east,north"),
        ((100_000, 1_000_000, 101_000, 1_001_000), "no ground of England, Wales or Scotland"),
    ],
)
def test_bounds_that_are_none_are_refused(
    client: Client, bounds: tuple[float, float, float, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        place_of_bounds(client, bounds)
