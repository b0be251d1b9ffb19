from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio
import shapely

from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.wales import find_lidar
from basrelief.sources.wales import WALES

# Twelve squares of a kilometre, in three pages; of one there is no terrain.
PLACE = NamedPlace("a Welsh place", shapely.box(320_100, 240_100, 323_900, 242_900), WALES)


@pytest.fixture
def open_wales(
    start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[..., Client]:
    def open_one(*faults: str) -> Client:
        base = start("lidar", *faults)
        hosts = {"datamap.gov.wales": "wales", "dmwproductionblob.blob.core.windows.net": "blob"}
        return make_client({host: f"{base}/{path}" for host, path in hosts.items()})

    return open_one


def test_every_page_of_the_catalogue_is_read(
    open_wales: Callable[..., Client], lines: list[str]
) -> None:
    offers = find_lidar(open_wales(), PLACE, 2.0)
    squares = [f"SO{x}{y}" for y in (40, 41, 42) for x in (20, 21, 22, 23)]
    names = [f"lidar/dsm/{square}_dsm_32bit.tif" for square in squares]
    names += [f"lidar/dtm/{square}_dtm_32bit.tif" for square in squares if square != "SO2341"]
    assert [each.name for each in offers] == names
    assert lines == [
        "datamap.gov.wales: has no terrain of SO2341 (1 of 12 tiles); the ground there has no data"
    ]
    assert {each.credit.licence for each in offers} == {"OGL v3"}


def test_a_catalogue_that_repeats_itself_is_an_error(open_wales: Callable[..., Client]) -> None:
    with pytest.raises(ServiceError, match="gives the same 5 of 12 tiles again and again"):
        find_lidar(open_wales("no-page"), PLACE, 1.0)


def test_a_place_without_tiles_is_an_error(open_wales: Callable[..., Client]) -> None:
    other = NamedPlace("elsewhere", shapely.box(220_100, 240_100, 221_000, 241_000), WALES)
    with pytest.raises(ServiceError, match="has no surface of elsewhere from 2020 to 2023"):
        find_lidar(open_wales(), other, 1.0)


def test_tiles_come_whole_though_the_service_is_busy(
    open_wales: Callable[..., Client], tmp_path: Path, lines: list[str]
) -> None:
    client = open_wales("busy")
    small = NamedPlace("small", shapely.box(320_100, 240_100, 321_900, 240_900), WALES)
    brought = bring(client, find_lidar(client, small, 1.0), tmp_path, lines.append)
    assert brought.failures == ()
    assert len(brought.files) == 4
    for path in brought.files:
        with rasterio.open(path) as dataset:
            east, north = dataset.xy(10, 20)
            expected = 20.5 + 5 * ("dsm" in path.name) + (east + north) % 10_000 / 1000
            assert dataset.read(1)[10, 20] == pytest.approx(expected, abs=1e-4)
