from __future__ import annotations

import pytest
from pyproj import CRS

from basrelief.sources.coordinates import (
    find_vertical_axis,
    flatten_crs,
    has_datum,
    is_in_metres,
    is_local,
    is_outside,
    is_same_crs,
    measure_scale,
)

LONDON = (530_000.0, 180_000.0, 531_000.0, 181_000.0)
UTM = (700_000.0, 5_700_000.0, 702_000.0, 5_702_000.0)
AIRY = "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=airy"
WGS = AIRY.replace("+ellps=airy", "+datum=WGS84")
NZTM = "+proj=tmerc +lat_0=0 +lon_0=173 +k=0.9996 +x_0=1600000 +y_0=10000000 +ellps=GRS80"
LOCAL = 'LOCAL_CS["mine",UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("one", "other", "bounds", "expected"),
    [
        ("EPSG:27700", f"{AIRY} +units=m", LONDON, True),
        ("EPSG:27700", f"{AIRY} +towgs84=375,-111,431", LONDON, True),
        (
            "EPSG:27700",
            f"{AIRY} +towgs84=446.448,-125.157,542.06,0.15,0.247,0.842,-20.489",
            LONDON,
            True,
        ),
        ("EPSG:27700", CRS.from_epsg(27700).to_wkt("WKT1_ESRI"), LONDON, True),
        ("EPSG:27700", CRS.from_epsg(27700).to_wkt("WKT1_GDAL"), LONDON, True),
        ("EPSG:27700", WGS, LONDON, False),
        ("EPSG:27700", AIRY.replace("0.9996012717", "1"), LONDON, False),
        ("EPSG:27700", LOCAL, LONDON, False),
        ("EPSG:27700", "EPSG:4277", LONDON, False),
        # What two datums of one continent differ by is less than a metre.
        ("EPSG:25830", "EPSG:32630", UTM, True),
        # That of 1950 lies 200 m aside.
        ("EPSG:23030", "EPSG:32630", UTM, False),
        # The authority's axes: north first in one, east first in the other.
        ("EPSG:2193", NZTM, (1.7e6, 5.4e6, 1.71e6, 5.41e6), True),
        ("EPSG:4326", "OGC:CRS84", (-1.0, 51.0, 0.0, 52.0), True),
    ],
)
def test_systems_are_compared_by_what_they_do(
    one: str, other: str, bounds: tuple[float, float, float, float], expected: bool
) -> None:
    pair = CRS.from_user_input(one), CRS.from_user_input(other)
    assert is_same_crs(*pair, bounds) == expected
    if pair[0].is_projected and pair[1].is_projected:
        assert is_same_crs(*pair[::-1], bounds) == expected


def test_a_datum_is_known_by_name_or_by_its_way_to_another() -> None:
    known = ("EPSG:27700", "EPSG:4326", "EPSG:28992", "EPSG:3035", WGS, f"{AIRY} +towgs84=1,2,3")
    assert [has_datum(CRS.from_user_input(each)) for each in known] == [True] * 6
    unknown = (AIRY, "+proj=longlat +ellps=airy", "EPSG:4001")
    assert [has_datum(CRS.from_user_input(each)) for each in unknown] == [False] * 3


def test_what_a_metre_is() -> None:
    assert measure_scale(CRS.from_epsg(27700), LONDON) == pytest.approx(0.9998, abs=1e-4)
    # One over the cosine of the latitude.
    mercator = (-14_288.0, 6_710_000.0, -12_000.0, 6_712_861.0)
    assert measure_scale(CRS.from_epsg(3857), mercator) == pytest.approx(1.607, abs=2e-3)
    assert is_in_metres(CRS.from_epsg(27700))
    assert not is_in_metres(CRS.from_epsg(2263))
    assert not is_in_metres(CRS.from_epsg(4326))
    assert is_local(CRS.from_wkt(LOCAL))


def test_a_place_far_outside_its_grid_is_known() -> None:
    assert not is_outside(CRS.from_epsg(27700), LONDON)
    assert is_outside(CRS.from_epsg(27700), (5_300_000.0, 180_000.0, 5_301_000.0, 181_000.0))


def test_heights_of_a_compound_system_have_their_own_unit() -> None:
    feet = CRS.from_user_input("EPSG:26916+6360")
    metres, way = find_vertical_axis(feet) or (0.0, "")
    assert metres == pytest.approx(1200 / 3937)
    assert way == "up"
    assert flatten_crs(feet).to_epsg() == 26916
    assert find_vertical_axis(CRS.from_epsg(27700)) is None
    assert find_vertical_axis(CRS.from_user_input("EPSG:27700+5701")) == (1.0, "up")
