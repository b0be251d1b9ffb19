from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import shapely

from basrelief.run import Notes, Run
from basrelief.sources.crime import read_crime
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.crimes import find_crimes, find_forces
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.scotland import SCOTLAND
from basrelief.typed import Typed

MONTHS = [f"{y}-{m:02d}" for y in (2017, 2018, 2019) for m in range(1, 13)]
HEAD = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,"
    "Crime type,Last outcome category,Context\n"
)
TESTHAM = NamedPlace("Testham", shapely.box(500_000, 180_000, 504_000, 184_000), ENGLAND)


def write_month(month: str, force: str, real: Path | None) -> str:
    """Crimes of a month: real ones of the City of London for Testshire in 2019."""
    if real is not None and force == "testshire" and month.startswith("2019"):
        return (real / f"{month}-city-of-london-street.csv").read_text(encoding="utf-8")
    row = f",{month},{force},{force},-0.55,51.5,On or near,E01000000,Testham 001A,Burglary,,\n"
    return HEAD + row * 20


def pack(folder: Path, real: Path | None = None, skip: str = "") -> Path:
    """Pack an archive as police.uk does: every force's three kinds of files, month by month."""
    path = folder / "2019-12.zip"
    noise = random.Random(0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for month in MONTHS:
            for force in ("elsewhere", "kings", "testshire"):
                if force == "elsewhere":
                    # Most of an archive is of other forces.
                    archive.writestr(
                        f"{month}/{month}-{force}-street.csv", noise.randbytes(200_000)
                    )
                elif month != skip:
                    text = write_month(month, force, real)
                    archive.writestr(f"{month}/{month}-{force}-street.csv", text)
                    archive.writestr(f"{month}/{month}-{force}-outcomes.csv", "Crime ID\n")
    return path


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    return folder


@pytest.fixture
def speak(
    archives: Path, start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[[str], Client]:
    plain = {"services1.arcgis.com": f"{start('geography')}/plain"}
    police = start("police", str(archives))
    return lambda way: make_client(plain | {"data.police.uk": f"{police}/{way}"})


def count_bytes(client: Client) -> int:
    police = client.mirrors["data.police.uk"].rpartition("/")[0]
    return sum(each["n_bytes"] for each in client.get_json(f"{police}/log"))


def test_of_an_archive_only_the_forces_months_are_read(
    archives: Path, speak: Callable[[str], Client], tmp_path: Path
) -> None:
    client, whole = speak("plain"), pack(archives).stat().st_size
    offers = find_crimes(client, TESTHAM)
    assert [each.what for each in offers] == [f"crimes of testshire, {m}" for m in MONTHS]
    brought = bring(client, offers, tmp_path / "out", client.say)
    assert brought.failures == ()
    for path, month in zip(brought.files, MONTHS, strict=True):
        assert path.name == f"{month}-testshire-street.csv"
        assert path.read_text(encoding="utf-8") == write_month(month, "testshire", None)
    # The directory once, and a fraction of the seven megabytes.
    before = count_bytes(client)
    assert before < 2**20 + 50_000 < whole / 5
    # A second place of the same force is served from the cache.
    bring(client, find_crimes(client, TESTHAM), tmp_path / "again", client.say)
    assert count_bytes(client) - before < 2**20 + 10_000


def test_counts_of_what_was_fetched_are_a_plain_sum_of_real_months(
    archives: Path, speak: Callable[[str], Client], tmp_path: Path, shared_data: Path
) -> None:
    real = shared_data / "crime" / "police_uk_city_of_london"
    client = speak("plain")
    pack(archives, real)
    brought = bring(client, find_crimes(client, TESTHAM), tmp_path / "out", client.say)
    assert brought.failures == ()
    pattern = tmp_path / "out" / "crime" / "*-street.csv"
    typed = Typed("crime", str(pattern), pattern)
    counted = read_crime(typed, [2019], Notes(Run(tmp_path / "run", quiet=True)))
    plain = pd.concat(pd.read_csv(path) for path in sorted(real.glob("*-street.csv")))
    # Of areas beyond its border a force records little, and their own force is not here.
    own = plain[plain["LSOA name"].str.startswith("City of London")]
    burglaries = (own["Crime type"] == "Burglary").groupby(own["LSOA code"]).sum()
    found = counted.counts["burglary"].dropna()
    assert found.sum() == burglaries.sum() > 100
    assert found.to_dict() == burglaries.to_dict()


def test_every_force_of_a_place_is_asked_for(
    archives: Path, speak: Callable[[str], Client], lines: list[str]
) -> None:
    pack(archives, skip="2018-05")
    client = speak("plain")
    both = NamedPlace("both", shapely.box(502_000, 180_000, 506_000, 184_000), ENGLAND)
    assert find_forces(client, both) == ["kings", "testshire"]
    # A sliver of a neighbour is no reason to fetch its crimes.
    sliver = NamedPlace("sliver", shapely.box(500_000, 180_000, 504_001, 184_000), ENGLAND)
    assert find_forces(client, sliver) == ["testshire"]
    assert len(find_crimes(client, both)) == 70
    assert any("kings published nothing for 2018-05" in line for line in lines)


@pytest.mark.parametrize(
    ("way", "message"),
    [("whole", "gives no part of a file"), ("plain", "HTTP 404")],
)
def test_a_service_without_parts_or_archive_is_told(
    archives: Path, speak: Callable[[str], Client], way: str, message: str
) -> None:
    if way == "whole":
        pack(archives)
    with pytest.raises(ServiceError, match=message):
        find_crimes(speak(way), TESTHAM)


def test_a_member_that_came_damaged_is_refused(
    archives: Path, speak: Callable[[str], Client], tmp_path: Path
) -> None:
    pack(archives)
    client = speak("damaged")
    brought = bring(client, find_crimes(client, TESTHAM)[:1], tmp_path / "out", client.say)
    assert "came damaged" in brought.failures[0]
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_something_else_than_an_archive_is_refused(
    archives: Path, speak: Callable[[str], Client]
) -> None:
    (archives / "2019-12.zip").write_bytes(b"<html>" * 100)
    with pytest.raises(ServiceError, match="is no zip archive"):
        find_crimes(speak("plain"), TESTHAM)


def test_ground_without_a_force_and_scotland_have_no_crimes(
    archives: Path, speak: Callable[[str], Client], lines: list[str]
) -> None:
    client = speak("plain")
    glen = shapely.box(508_000, 180_000, 512_000, 184_000)
    assert find_crimes(client, NamedPlace("Glentest", glen, SCOTLAND)) == []
    assert "none of Scotland" in lines[-1]
    with pytest.raises(ServiceError, match="no force that polices far"):
        find_forces(client, NamedPlace("far", glen.buffer(-1500), ENGLAND))
