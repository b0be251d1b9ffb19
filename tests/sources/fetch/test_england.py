from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer

from basrelief.hashes import hash_file
from basrelief.run import Notes, Run
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.england import find_lidar
from basrelief.sources.fetch.offers import bring, sum_bytes
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.lidar import check_same_place, open_mosaic
from basrelief.typed import Typed

Open = Callable[..., Client]

# One square kilometre and a little more; four whole tiles; what reaches beyond what England has.
SMALL = NamedPlace("small", shapely.box(526_200, 186_200, 527_400, 186_900), ENGLAND)
WIDE = NamedPlace("wide", shapely.box(521_000, 181_000, 529_000, 189_000), ENGLAND)
EDGE = NamedPlace("edge", shapely.box(529_500, 184_500, 536_000, 185_500), ENGLAND)


@pytest.fixture
def open_england(
    start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[..., Client]:
    def open_one(*faults: str) -> Client:
        base = start("lidar", *faults)
        return make_client({"environment.data.gov.uk": f"{base}/environment", "log": f"{base}/log"})

    return open_one


def list_asked(client: Client) -> list[str]:
    return [each["path"] for each in client.get_json("https://log/")]


def test_a_wide_place_comes_as_whole_tiles_of_the_newest_edition(open_england: Open) -> None:
    offers = find_lidar(open_england(), WIDE, 1.0)
    squares = ["TQ28NE", "TQ28NW", "TQ28SE", "TQ28SW"]
    names = [f"lidar/dsm/lidar_composite_first_return_dsm-2022-1-{s}.zip" for s in squares]
    names += [f"lidar/dtm/lidar_composite_dtm-2022-1-{s}.zip" for s in squares]
    assert [each.name for each in offers] == names
    assert {each.year for each in offers} == {2022}
    assert sum_bytes(offers) == 4 * (74 + 70) * 1_000_000
    assert not any("subscription" in each.url for each in offers)


def test_a_small_place_comes_as_squares_of_a_kilometre(open_england: Open) -> None:
    offers = find_lidar(open_england(), SMALL, 1.0)
    assert [each.name.rpartition("-")[2] for each in offers] == ["TQ2686.tif", "TQ2786.tif"] * 2
    assert sum_bytes(offers) == 4 * 4_200_000
    assert all("Elevation" in each.url and "Hillshade" not in each.url for each in offers)
    assert "subset=E(526000,527000)&subset=N(186000,187000)" in offers[0].url


@pytest.mark.parametrize(("wanted", "cell"), [(0.5, "1"), (1.9, "1"), (2.0, "2"), (4.0, "2")])
def test_the_coarser_resolution_that_is_fine_enough_is_taken(
    open_england: Open, wanted: float, cell: str
) -> None:
    offers = find_lidar(open_england("no-coverages"), SMALL, wanted)
    assert {each.name.split("-")[2] for each in offers} == {cell}
    assert sum_bytes(offers) == pytest.approx(144e6 / int(cell) ** 2)


def test_what_is_brought_is_what_lies_there(
    open_england: Open, tmp_path: Path, lines: list[str]
) -> None:
    client = open_england("busy")
    offers = find_lidar(client, SMALL, 1.0)
    brought = bring(client, offers, tmp_path / "place", lines.append)
    assert brought.failures == ()
    for path, word, add in zip(
        brought.files, ["dsm"] * 2 + ["dtm"] * 2, [5.0] * 2 + [0] * 2, strict=True
    ):
        assert path.parent == tmp_path / "place" / "lidar" / word
        with rasterio.open(path) as dataset:
            assert dataset.shape == (1000, 1000)
            east, north = dataset.xy(10, 20)
            expected = 20.5 + add + east % 10_000 / 1000 + north % 10_000 / 1000
            assert dataset.read(1)[10, 20] == pytest.approx(expected, abs=1e-4)
    credits = json.loads((tmp_path / "place" / "credits.json").read_text())
    assert sorted(each["file"] for each in credits) == sorted(each.name for each in offers)
    for each in credits:
        assert each["sha256"] == hash_file(tmp_path / "place" / each["file"])
        assert each["credit"]["statement"].startswith("\u00a9 Environment Agency")
        assert each["credit"]["licence"] == "OGL v3"
    assert not any("HEAD" in each["method"] for each in client.get_json("https://log/"))


def test_a_second_time_nothing_is_fetched(
    open_england: Open, tmp_path: Path, lines: list[str]
) -> None:
    client = open_england()
    offers = find_lidar(client, SMALL, 1.0)
    bring(client, offers, tmp_path / "one", lines.append)
    n_asked = len(list_asked(client))
    again = bring(client, offers, tmp_path / "two", lines.append)
    assert len(again.files) == 4
    assert len(list_asked(client)) == n_asked + 1  # the question itself


def test_tiles_left_out_of_a_wide_answer_are_asked_for_alone(
    open_england: Open, lines: list[str]
) -> None:
    offers = find_lidar(open_england("truncate"), WIDE, 1.0)
    assert len(offers) == 8
    assert len(lines) == 1
    assert "left TQ28NW, TQ28SE, TQ28SW out of its answer to a wider search" in lines[0]


def test_an_answer_cut_short_over_one_tile_says_nothing_of_what_exists(open_england: Open) -> None:
    with pytest.raises(ServiceError, match="gives 3 of 9 results of a search over one tile"):
        find_lidar(open_england("truncate-all"), EDGE, 1.0)


def test_what_does_not_exist_is_said(open_england: Open, lines: list[str]) -> None:
    offers = find_lidar(open_england("no-coverages"), EDGE, 2.0)
    found = sorted(each.name.split("/")[1] + each.name.rpartition("-")[2][:-4] for each in offers)
    assert found == [
        "dsmTQ28NE",
        "dsmTQ28SE",
        "dsmTQ38NW",
        "dsmTQ38SW",
        "dtmTQ28NE",
        "dtmTQ28SE",
        "dtmTQ38NW",
    ]
    said = [line for line in lines if "has no" in line]
    assert "no surface at 2 m of TQ38NE, TQ38SE (2 of 6 tiles)" in said[0]
    assert "no terrain at 2 m of TQ38NE, TQ38SE, TQ38SW (3 of 6 tiles)" in said[1]


def test_a_place_without_lidar_is_an_error(open_england: Open) -> None:
    sea = NamedPlace("the sea", shapely.box(600_000, 100_000, 601_000, 101_000), ENGLAND)
    with pytest.raises(
        ServiceError, match=r"of the sea at 1 m; in its middle it has nothing at all\."
    ):
        find_lidar(open_england(), sea, 1.0)


def test_other_products_are_named_where_the_wanted_one_is_missing(open_england: Open) -> None:
    with pytest.raises(
        ServiceError, match="has no lidar_composite_first_return_dsm of small"
    ) as at:
        find_lidar(open_england("renamed"), SMALL, 1.0)
    there = "lidar_composite_dtm, national_lidar_programme_point_cloud, surface_of_2027"
    assert f"in its middle it has {there}." in str(at.value)


def test_searches_are_made_in_boxes_of_50_km(open_england: Open) -> None:
    client = open_england()
    long = shapely.box(500_100, 187_000, 562_000, 188_000)
    offers = find_lidar(client, NamedPlace("long", long, ENGLAND), 2.0)
    assert {each.name[-10:-4] for each in offers} == {"TQ28NE", "TQ28NW"} | {"TQ38NW"}
    asked = [each["body"] for each in client.get_json("https://log/") if each["body"]]
    to_grid = Transformer.from_crs(4326, 27700, always_xy=True)
    widths = []
    for body in asked:
        east, _ = to_grid.transform(*np.array(json.loads(body)["coordinates"][0]).T)
        widths.append(np.ptp(east))
    # Two boxes, and then one by one the tiles that they do not have.
    assert [round(width / 1000) for width in widths] == [50, 12] + [5] * (13 - 3)
    assert max(widths) < 50_100


def test_the_older_address_of_the_search_serves(open_england: Open) -> None:
    client = open_england("old-path")
    assert len(find_lidar(client, WIDE, 1.0)) == 8
    assert list_asked(client)[1].startswith("/environment/backend/catalog")


@pytest.mark.parametrize("fault", ["no-coverages", "two-coverages"])
def test_without_one_coverage_of_heights_whole_tiles_are_taken(
    open_england: Open, lines: list[str], fault: str
) -> None:
    offers = find_lidar(open_england(fault), SMALL, 1.0)
    assert [each.name[-10:] for each in offers] == ["TQ28NE.zip"] * 2
    assert "whole tiles of 5 km are taken" in lines[-1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("broken", "not a zip file"),
        ("swapped", "which is not TQ28NE"),
        ("altered", "Bad CRC-32"),
    ],
)
def test_one_broken_tile_is_named_and_the_rest_goes_on(
    open_england: Open, tmp_path: Path, lines: list[str], fault: str, message: str
) -> None:
    client = open_england(fault)
    offers = [each for each in find_lidar(client, WIDE, 2.0) if "dsm" in each.name]
    if fault == "swapped":
        offers = [each for each in offers if each.name[-10:-4] in ("TQ28NE", "TQ28SW")]
    brought = bring(client, offers, tmp_path, lines.append)
    assert len(brought.files) == len(offers) - 1
    (failure,) = brought.failures
    assert failure.startswith("surface TQ28NE, 2 m, edition of 2022: what came is of no use (")
    assert message in failure
    assert f"not brought: {failure}" in "\n".join(lines)
    names = {each.name for each in (tmp_path / "lidar" / "dsm").iterdir()}
    assert names == {Path(each.name).name for each in offers if "TQ28NE" not in each.name}


def test_a_picture_under_the_name_of_heights_is_refused(
    open_england: Open, tmp_path: Path, lines: list[str]
) -> None:
    client = open_england("hillshade")
    brought = bring(client, find_lidar(client, SMALL, 1.0), tmp_path, lines.append)
    assert brought.files == ()
    assert all("a picture, no heights" in each for each in brought.failures)


def test_zeros_are_no_heights(open_england: Open, tmp_path: Path, lines: list[str]) -> None:
    client = open_england("zero-west=527300")
    brought = bring(client, find_lidar(client, SMALL, 1.0), tmp_path, lines.append)
    # The western square is 0 everywhere; the eastern one in part, which its file then declares.
    assert [each.name[-10:] for each in brought.files] == ["TQ2786.tif"] * 2
    assert all("no heights are there" in each for each in brought.failures)
    with rasterio.open(brought.files[0]) as dataset:
        heights = dataset.read(1, masked=True)
    assert np.ma.getmaskarray(heights)[:, :300].all()
    assert not np.ma.getmaskarray(heights)[:, 300:].any()


@pytest.mark.parametrize("wanted", [1.0, 2.0])
def test_what_was_brought_is_opened_by_a_run(
    open_england: Open, tmp_path: Path, lines: list[str], wanted: float
) -> None:
    client = open_england()
    bring(client, find_lidar(client, SMALL, wanted), tmp_path, lines.append)
    notes = Notes(Run(tmp_path / "run", quiet=True))
    mosaics = []
    for key in ("dsm", "dtm"):
        pattern = f"lidar/{key}/*"
        mosaics.append(open_mosaic(Typed(key, pattern, tmp_path / pattern), None, notes))
    check_same_place(mosaics[0], mosaics[1], notes)
    west, south, east, north = mosaics[0].grid.bounds
    inside = (west + 20, south + 20, west + 60, south + 60)
    surface, terrain = (mosaic.read(inside).values for mosaic in mosaics)
    # Houses of 5 m, and ground between them.
    assert set(np.unique(np.round(surface - terrain, 3))) == {0.0, 5.0}
    # Of pieces of a kilometre two, of an archive the one corner that this service has.
    assert (east - west, north - south) == ((2000, 1000) if wanted == 1 else (200, 200))
    assert notes.lines == []
