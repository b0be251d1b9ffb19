from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely

from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.scotland import find_lidar
from basrelief.sources.fetch.tiles import write_tiles
from basrelief.sources.scotland import SCOTLAND

# Across two squares of 5 km: NS56SW was flown at 1 m and at 50 cm, NS56SE twice at 1 m.
BOTH = NamedPlace("both", shapely.box(253_000, 660_100, 257_000, 661_000), SCOTLAND)
WEST = NamedPlace("west", shapely.box(250_100, 660_100, 250_900, 660_900), SCOTLAND)
EAST = NamedPlace("east", shapely.box(255_100, 660_100, 255_900, 660_900), SCOTLAND)


@pytest.fixture
def open_scotland(
    start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[..., Client]:
    def open_one(*faults: str) -> Client:
        base = start("lidar", *faults)
        s3 = "srsp-open-data.s3.eu-west-2.amazonaws.com"
        return make_client({"api.remotesensing.data.gov.scot": f"{base}/scot", s3: f"{base}/s3"})

    return open_one


def test_the_newest_phase_of_each_square_is_taken(
    open_scotland: Callable[..., Client], lines: list[str]
) -> None:
    offers = find_lidar(open_scotland(), BOTH, 1.0)
    assert [each.name for each in offers] == [
        "lidar/dsm/20130301-20141031_NS56SE_1M_DSM_PHASE2.tif",
        "lidar/dsm/20200301-20211031_NS56SW_50CM_DSM_PHASE5.tif",
        "lidar/dtm/20130301-20141031_NS56SE_1M_DTM_PHASE2.tif",
        "lidar/dtm/20200301-20211031_NS56SW_50CM_DTM_PHASE5.tif",
    ]
    assert [each.year for each in offers] == [2014, 2021] * 2
    assert {each.n_bytes for each in offers} == {12_345}
    assert "at several sizes of cells, the newest of each square is taken" in lines[0]
    assert "0.5 m (50%; phase-5), 1 m (50%; phase-2)" in lines[0]


def test_each_licence_is_told_in_the_words_of_the_service(
    open_scotland: Callable[..., Client], lines: list[str]
) -> None:
    closed, free, *_ = find_lidar(open_scotland(), BOTH, 1.0)
    assert closed.credit.is_non_commercial
    assert closed.credit.statement.startswith("Non-Commercial Government Licence applies.")
    assert closed.credit.licence == "Non-Commercial Government Licence"
    assert not free.credit.is_non_commercial
    assert free.credit.licence == "OGL v3"
    assert "NS56SE may be used for no commercial purpose" in lines[-1]


@pytest.mark.parametrize("wanted_m", [0.5, 1.0])
def test_a_newer_phase_is_taken_whatever_its_cells(
    open_scotland: Callable[..., Client], lines: list[str], wanted_m: float
) -> None:
    offers = find_lidar(open_scotland(), WEST, wanted_m)
    assert [each.name[-10:-4] for each in offers] == ["PHASE5"] * 2
    assert not any("several sizes" in line for line in lines)


def test_how_much_of_a_place_has_no_data_is_said(
    open_scotland: Callable[..., Client], lines: list[str]
) -> None:
    half = NamedPlace("half", shapely.box(258_000, 660_100, 262_000, 661_000), SCOTLAND)
    assert len(find_lidar(open_scotland(), half, 1.0)) == 2
    assert "has surface of 50% of half; the rest has no data" in lines[0]
    sea = NamedPlace("the sea", shapely.box(150_000, 560_000, 151_000, 561_000), SCOTLAND)
    with pytest.raises(ServiceError, match="has no surface of the sea"):
        find_lidar(open_scotland(), sea, 1.0)


def test_what_is_brought_says_its_licence_and_when_it_was_flown(
    open_scotland: Callable[..., Client], tmp_path: Path, lines: list[str]
) -> None:
    client = open_scotland("busy")
    brought = bring(client, find_lidar(client, EAST, 1.0), tmp_path, lines.append)
    assert brought.failures == ()
    credits = json.loads((tmp_path / "credits.json").read_text())
    assert [each["credit"]["is_non_commercial"] for each in credits] == [True, True]
    table = write_tiles(brought.files, tmp_path)
    assert table["flown_from"].dt.strftime("%Y%m%d").tolist() == ["20130301"] * 2
    assert table["flown_to"].dt.strftime("%Y%m%d").tolist() == ["20141031"] * 2
    assert table["kind"].tolist() == ["surface", "terrain"]
