from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import shapely

from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.features import FeatureLayer, query_features, query_rows
from basrelief.sources.fetch.ons import CHANGES, LSOA

HOST = "services1.arcgis.com"
RINGS = FeatureLayer("RINGS", ("CODE",), ("CODE",))


@pytest.fixture
def geography(start: Callable[..., str]) -> str:
    return start("geography")


@pytest.fixture
def speak(geography: str, make_client: Callable[..., Client]) -> Callable[[str], Client]:
    """Make a client to which the service behaves in a way."""

    def make(way: str) -> Client:
        base = f"{geography}/{way}"
        return make_client({HOST: base, "www.arcgis.com": base})

    return make


def asked(client: Client, geography: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get_json(f"{geography}/log")
    return found


@pytest.mark.parametrize("way", ["plain", "geojson", "busy"])
def test_every_page_comes_wherever_the_flag_stands(
    way: str, geography: str, speak: Callable[[str], Client]
) -> None:
    client = speak(way)
    areas = query_features(client, LSOA[2021], bounds=(500_010, 180_010, 503_990, 183_990))
    # 64 areas, 7 a page, in the order of their codes.
    assert areas["LSOA21CD"].tolist() == [f"E01000{k:03d}" for k in range(64)]
    assert areas.crs.to_epsg() == 27700
    assert areas.area.tolist() == [250_000.0] * 64
    assert areas.geometry.iloc[9].bounds == (500_500, 180_500, 501_000, 181_000)
    pages = [each for each in asked(client, geography) if "resultOffset" in each]
    assert sorted({int(each["resultOffset"]) for each in pages}) == list(range(0, 64, 7))
    assert {each["orderByFields"] for each in pages} == {"LSOA21CD"}
    assert not any("spatialRel" in each for each in pages)


def test_long_lists_of_codes_are_posted_in_pieces(
    geography: str, speak: Callable[[str], Client]
) -> None:
    client = speak("plain")
    codes = [f"E0100{d}{k:03d}" for d in range(2) for k in range(64)]
    table = query_rows(client, CHANGES, "LSOA11CD", [*codes, codes[3], "E01999999"])
    # One was split, and its code stands twice; the other half never had one of its own.
    wanted = sorted([*(code for code in codes if code != "E01001000"), "E01000007"])
    assert sorted(table["LSOA11CD"]) == wanted
    assert table["CHGIND"].value_counts().to_dict() == {"U": 126, "S": 2}
    requests = asked(client, geography)
    assert {each["method"] for each in requests} == {"POST"}
    lists = {each["where"] for each in requests}
    assert sorted(where.count(",") + 1 for where in lists) == [29, 50, 50]


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("failing", "answers with an error: Unable to perform query"),
        ("gone", r"no such layer any more\. The office now has: LSOA_2021_V6"),
        ("silent", "counts 64 features and gives 7"),
        ("degrees", "gives shapes in .*4326.*, not EPSG:27700"),
    ],
)
def test_what_is_not_whole_or_not_right_is_refused(
    way: str, message: str, speak: Callable[[str], Client]
) -> None:
    with pytest.raises(ServiceError, match=message):
        query_features(speak(way), LSOA[2021], bounds=(500_010, 180_010, 503_990, 183_990))


def test_an_unknown_field_is_told(speak: Callable[[str], Client]) -> None:
    layer = FeatureLayer(LSOA[2021].service, ("LSOA21CD",), ("LSOA21CD", "F_LSOA"))
    with pytest.raises(ServiceError, match="Invalid query parameters"):
        query_features(speak("plain"), layer)


def test_holes_and_what_lies_in_them_are_drawn(speak: Callable[[str], Client]) -> None:
    found = query_features(speak("plain"), RINGS, where="CODE='A'").geometry.iloc[0]
    assert found.area == 100**2 - 60**2 + 20**2
    assert not found.contains(shapely.Point(30, 50))
    assert found.contains(shapely.Point(50, 50))


def test_a_feature_without_an_outline_is_refused(speak: Callable[[str], Client]) -> None:
    with pytest.raises(ServiceError, match="no outline of B"):
        query_features(speak("plain"), RINGS)
