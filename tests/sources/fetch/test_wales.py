from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.wales import find_lidar
from basrelief.sources.national_grid import name_square
from basrelief.sources.products import tell_flight
from basrelief.sources.wales import WALES

# Twelve squares of a kilometre, in three pages; of one there is no terrain.
PLACE = NamedPlace("a Welsh place", shapely.box(320_100, 240_100, 323_900, 242_900), WALES)


@pytest.fixture
def open_wales(
    start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[..., Client]:
    def open_one(*faults: str) -> Client:
        base = start("lidar", *faults)
        hosts = {
            "datamap.gov.wales": "wales",
            "dmwproductionblob.blob.core.windows.net": "blob",
            "lle.blob.core.windows.net": "lle",
        }
        return make_client({host: f"{base}/{path}" for host, path in hosts.items()})

    return open_one


def test_every_page_of_the_catalogue_is_read(
    open_wales: Callable[..., Client], lines: list[str]
) -> None:
    offers = find_lidar(open_wales(), PLACE, 2.0)
    squares = [f"SO{x}{y}" for y in (40, 41, 42) for x in (20, 21, 22, 23)]
    # By the day of flight where the catalogue says it, the day first as it is written there.
    days = {square: "" if square == "SO2240" else "20210302_" for square in squares}
    names = [f"lidar/dsm/{days[square]}{square}_dsm_32bit.tif" for square in squares]
    names += [
        f"lidar/dtm/{days[square]}{square}_dtm_32bit.tif"
        for square in squares
        if square != "SO2341"
    ]
    assert [each.name for each in offers] == names
    assert lines == [
        "datamap.gov.wales: has no terrain of SO2341 of 2020 to 2023 (1 of 12 tiles); the ground "
        "there has no data"
    ]
    assert {each.credit.licence for each in offers} == {"OGL v3"}


def test_a_catalogue_that_repeats_itself_is_an_error(open_wales: Callable[..., Client]) -> None:
    with pytest.raises(ServiceError, match="gives the same 5 of 12 tiles again and again"):
        find_lidar(open_wales("no-page"), PLACE, 1.0)


def test_a_place_without_tiles_is_an_error(open_wales: Callable[..., Client]) -> None:
    other = NamedPlace("elsewhere", shapely.box(220_100, 240_100, 221_000, 241_000), WALES)
    with pytest.raises(ServiceError, match="no surface of elsewhere, neither of 2020 to 2023 nor"):
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


def test_where_the_newer_survey_ends_older_ones_stand_in_in_metres(
    open_wales: Callable[..., Client], tmp_path: Path, lines: list[str]
) -> None:
    # One square that was flown anew, and two that were not: of 2012 there is one of them.
    place = NamedPlace("edge", shapely.box(323_100, 240_100, 324_900, 241_900), WALES)
    client = open_wales()
    offers = find_lidar(client, place, 1.0)
    names = [each.name for each in offers if "/dsm/" in each.name]
    assert names[-2:] == [
        "lidar/dsm/1m_res_SO24_2012_dsm.tif",
        "lidar/dsm/2m_res_SO24_2007_dsm.tif",
    ]
    assert "older surveys are brought for them where there are any (flown 2007, 2012)" in lines[0]
    brought = bring(client, offers, tmp_path, lines.append)
    assert brought.failures == ()
    for year, squares in ((2012, ["SO2440"]), (2007, ["SO2441"])):
        path = next(each for each in brought.files if f"{year}_dsm" in each.name)
        with rasterio.open(path) as dataset:
            heights = dataset.read(1, masked=True)
            rows, cols = np.nonzero(~heights.mask)
            # Nothing lies over the newer survey, nor over another of the archive.
            x, y = dataset.xy(rows, cols)
            assert {
                name_square(a, b, 1000) for a, b in zip(x[::997], y[::997], strict=True)
            } == set(squares)
            is_built = (np.array(x) // 10 % 2 == 0) & (np.array(y) // 10 % 2 == 0)
            expected = 20.5 + 5 * is_built + (np.array(x) % 10_000 + np.array(y) % 10_000) / 1000
            np.testing.assert_allclose(heights.compressed(), expected, atol=6e-4)
            # The two cells that the archive has not, where they are in the wanted ground.
            n_all = len(squares) * (1000 // round(dataset.res[0])) ** 2
            assert heights.count() == n_all - (2 if year == 2012 else 0)
    credit = next(each.credit for each in offers if "2007" in each.name)
    assert "Natural Resources Wales" in credit.statement
    assert {tell_flight(Path(name).name) for name in names[-2:]} == {20071231, 20121231}


def test_a_place_of_the_archive_alone_is_fetched(open_wales: Callable[..., Client]) -> None:
    place = NamedPlace("old", shapely.box(324_100, 241_100, 324_900, 241_900), WALES)
    offers = find_lidar(open_wales(), place, 1.0)
    assert [each.name for each in offers] == ["lidar/dsm/2m_res_SO24_2007_dsm.tif"]
