from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy.stats import norm

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch import indices
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.indices import find_labels, list_editions, try_labels
from basrelief.sources.fetch.ods import read_sheet
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.rank_tables import read_scotland
from basrelief.sources.labels import find_label_vintage, find_label_year, read_labels
from basrelief.sources.scotland import SCOTLAND
from basrelief.sources.wales import WALES
from basrelief.typed import Typed

HOSTS = (
    *("assets.publishing.service.gov.uk", "www.gov.uk", "www.gov.wales", "www.gov.scot"),
    "data.london.gov.uk",
)
IOD = next(each for each in list_editions() if (each.name, each.year) == ("IoD", 2025))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What the offices publish, as files; tests add to it."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def client(site: Path, start: Callable[..., str], make_client: Callable[..., Client]) -> Client:
    files = dict.fromkeys(HOSTS, start("folder", str(site)))
    return make_client(files | {"www.nomisweb.co.uk": f"{start('nomis')}/plain"})


def put(site: Path, url: str, body: bytes) -> None:
    path = site / unquote(urlsplit(url).path).lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def put_iod(site: Path, url: str = IOD.url, n: int = 33_755, crime: str = "0.5") -> bytes:
    head = (
        "\ufeffLSOA code (2021),LSOA name (2021),Local Authority District code (2024),"
        "Index of Multiple Deprivation (IMD) Score,Crime Score,"
        "Total population: mid 2022 (excluding prisoners)"
    )
    rows = (f"E010{k:05d},Testham 001A,E09000001,{k % 80 + 1},{crime},1500" for k in range(n))
    body = "\r\n".join([head, *rows, ""]).encode()
    put(site, url, body)
    return body


def list_on_gov_uk(site: Path, url: str, changed: str = "2026-11-02T09:30:00Z") -> None:
    listed = [{"url": url, "file_size": 77, "title": "File 7"}]
    listed += [{"url": url.replace("File_7", "File_8"), "file_size": 9, "title": "File 8"}]
    history = [
        {"note": "First published.", "public_timestamp": "2025-10-30T09:30:00Z"},
        {"note": "Corrected education scores.", "public_timestamp": changed},
    ]
    page = {"details": {"attachments": listed, "change_history": history}}
    page["public_updated_at"] = changed  # type: ignore[assignment]
    where = "https://www.gov.uk/api/content/government/statistics/english-indices-of-deprivation-"
    put(site, f"{where}2025", json.dumps(page).encode())


def read(path: Path, tmp_path: Path, targets: list[str]) -> pd.DataFrame:
    notes = Notes(Run(tmp_path / "run", quiet=True))
    return read_labels(Typed("labels", path.name, path), targets=targets, column=None, notes=notes)


def test_the_list_of_gov_uk_is_asked_first(
    client: Client, site: Path, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = put_iod(site)
    list_on_gov_uk(site, IOD.url)
    known = hashlib.sha256(body).hexdigest()
    monkeypatch.setattr(indices, "list_editions", lambda: (replace(IOD, sha256=known),))
    offers = find_labels(client, ENGLAND)
    assert offers[0].n_bytes == 77
    brought = bring(client, offers, tmp_path / "out", client.say)
    assert brought.failures == ()
    assert brought.files[0].read_bytes() == body
    assert not any("correct" in line for line in lines)
    labels = read(brought.files[0], tmp_path, ["imd", "crime"])
    assert labels.loc["E01000009", "imd"] == 10.0
    record = json.loads((tmp_path / "out" / "credits.json").read_text())[0]
    assert record["sha256"] == known
    assert record["credit"]["licence"] == "OGL v3"


def test_a_correction_upstream_is_said(
    client: Client, site: Path, tmp_path: Path, lines: list[str]
) -> None:
    other = IOD.url.replace("691ded56d140bbbaa59a2a7d", "79aaaaaaaaaaaaaaaaaaaaaa")
    put_iod(site, other, crime="0.7")
    list_on_gov_uk(site, other)
    brought = bring(client, find_labels(client, ENGLAND, 2025), tmp_path / "out", client.say)
    assert read(brought.files[0], tmp_path, ["crime"])["crime"].eq(0.7).all()
    said = next(line for line in lines if "another address" in line)
    assert "changed 2026-11-02" in said
    assert "Corrected education scores." in said
    assert any("differs from the file of" in line for line in lines)


def test_without_the_list_the_known_address_is_asked_and_a_change_noticed(
    client: Client, site: Path, tmp_path: Path, lines: list[str]
) -> None:
    put_iod(site)
    for crime in ("0.5", "0.6"):
        put_iod(site, crime=crime)
        bring(client, find_labels(client, ENGLAND), tmp_path / crime, client.say)
        next(client.cache.rglob("File_7*.csv")).write_bytes(b"damaged")
    assert any("GOV.UK does not say where" in line and "404" in line for line in lines)
    assert any("it was corrected" in line for line in lines)


@pytest.mark.parametrize(
    ("n", "message"),
    [(33_754, "holds 33,754 areas of 33,755"), (0, "holds 0 areas")],
)
def test_an_index_that_is_not_whole_is_refused(
    client: Client, site: Path, tmp_path: Path, n: int, message: str
) -> None:
    put_iod(site, n=n)
    brought = bring(client, find_labels(client, ENGLAND), tmp_path / "out", client.say)
    assert message in brought.failures[0]
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_a_page_of_words_is_no_index(client: Client, site: Path, tmp_path: Path) -> None:
    put(site, IOD.url, b"<html>\n<p>moved, to, somewhere</p>\n</html>\n")
    brought = bring(client, find_labels(client, ENGLAND), tmp_path / "out", client.say)
    assert "what came" in brought.failures[0]


def test_unknown_releases_are_refused(client: Client) -> None:
    with pytest.raises(InputError, match="no index of Wales of 2015; known are 2025, 2019"):
        find_labels(client, WALES, 2015)


WELSH = ["Income", "Employment", "Health", "Education", "Access to Services", "Housing"]
WELSH += ["Community Safety", "Physical Environment"]


@pytest.mark.parametrize(("year", "area_year", "n"), [(2019, 2011, 1909), (2025, 2021, 1917)])
def test_ranks_of_wales_become_normal_scores(
    client: Client,
    site: Path,
    tmp_path: Path,
    write_ods: Callable[..., None],
    year: int,
    area_year: int,
    n: int,
) -> None:
    heads = ["LSOA code", "LSOA name ", "Local Authority name ", f"WIMD {year} ", *WELSH]
    rows: list[list[object]] = [["Index of Multiple Deprivation"], ["Note"], list(heads)]
    for k in range(n):
        ranks = [float((k + shift) % n + 1) for shift in range(9)]
        rows.append([f"W01{k:06d}", f"Place &amp; {k}", "Gwynedd", *ranks])
    write_ods(tmp_path / "w.ods", rows)
    edition = next(e for e in list_editions() if (e.name, e.year) == ("WIMD", year))
    put(site, edition.url, (tmp_path / "w.ods").read_bytes())
    offers = find_labels(client, WALES, year)
    assert "normal scores made of ranks" in offers[0].what
    brought = bring(client, offers, tmp_path / "out", client.say)
    assert brought.failures == ()
    labels = read(brought.files[0], tmp_path, ["imd_from_rank", "crime_from_rank"])
    assert len(labels) == n
    # The index comes without people, who are of another office and of another year.
    n_areas = {2011: 34_753, 2021: 35_672}[area_year]
    assert labels["population"].loc["W01000005"] == 1000 + n_areas - 4000 + 5
    assert find_label_year(Typed("labels", "l", brought.files[0]), None) is None
    credit = json.loads((tmp_path / "out" / "credits.json").read_text())[0]["credit"]
    assert "Office for National Statistics" in credit["statement"]
    # The most deprived has rank 1 and the highest score, as scores of England have it.
    assert labels["imd_from_rank"].idxmax() == "W01000000"
    wanted = norm.ppf(1 - (np.arange(1, n + 1) - 0.5) / n)
    assert np.allclose(labels["imd_from_rank"].to_numpy(), wanted, atol=1e-6)
    assert labels["crime_from_rank"].loc["W01000000"] == pytest.approx(wanted[7], abs=1e-6)
    vintage = find_label_vintage(Typed("labels", "l", brought.files[0]), None)
    assert vintage is not None
    assert vintage[0] == area_year


def test_ranks_of_scotland_come_with_people_and_ties(
    client: Client, site: Path, tmp_path: Path
) -> None:
    names = ["SIMD2020v2_Rank", "SIMD2020v2_Income_Domain_Rank"]
    kinds = ("Employment", "Health", "Education", "Access", "Crime", "Housing")
    names += [f"SIMD2020_{kind}_Domain_Rank" for kind in kinds]
    heads = ["Data_Zone", "Intermediate_Zone", "Council_area", "Total_population"]
    book = openpyxl.Workbook()
    book.worksheets[0].append(["notes"])
    sheet = book.create_sheet("SIMD 2020v2 ranks")
    sheet.append([*heads, "Working_age_population", *names])
    for k in range(6976):
        ranks: list[float] = [k + 1] * 8
        ranks[6] = 4563.5 if k in (4562, 4563) else k + 1
        sheet.append([f"S01{k + 6506:06d}", "Culter", "Aberdeen City", 894, 580, *ranks])
    book.save(tmp_path / "s.xlsx")
    put(site, list_editions()[-1].url, (tmp_path / "s.xlsx").read_bytes())
    brought = bring(client, find_labels(client, SCOTLAND), tmp_path / "out", client.say)
    assert brought.failures == ()
    labels = read(brought.files[0], tmp_path, ["imd_from_rank", "crime_from_rank"])
    assert labels["population"].eq(894).all()
    assert labels["crime_from_rank"].iloc[4562] == labels["crime_from_rank"].iloc[4563]
    assert labels["crime_from_rank"].iloc[4562] == pytest.approx(
        norm.ppf(1 - 4563 / 6976), abs=1e-6
    )
    assert labels["imd_from_rank"].is_monotonic_decreasing


def test_rates_of_kinds_of_crime_come_when_asked_for(
    client: Client, site: Path, tmp_path: Path, lines: list[str]
) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Notes: see the technical report"])
    sheet = book.create_sheet("IoD25 Crime Domain")
    rates = ("Burglary (rate per 1,000 at-risk properties)", "Theft (rate per 1,000 at-risk)")
    sheet.append(["LSOA code (2021)", "LSOA name (2021)", *rates])
    for k in range(40):
        sheet.append([f"E010{k:05d}", "Testham 001A", k / 2, k / 4])
    book.save(tmp_path / "8.xlsx")
    (edition,) = (each for each in list_editions() if each.kind == "crimes")
    put(site, edition.url, (tmp_path / "8.xlsx").read_bytes())
    brought = bring(client, find_labels(client, ENGLAND, kind="crimes"), tmp_path / "out", print)
    assert brought.failures == ()
    labels = read(brought.files[0], tmp_path, ["burglary", "theft"])
    assert (labels["burglary"]["E01000008"], labels["theft"]["E01000008"]) == (4.0, 2.0)
    with pytest.raises(InputError, match="no table of rates by kind of crime of Wales"):
        find_labels(client, WALES, kind="crimes")


def test_the_workbook_of_london_is_sought_where_it_lay_before(
    client: Client, site: Path, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["geography code", "Income Score (rate)"])
    book.worksheets[0].append(["E01000001", 0.25])
    book.save(tmp_path / "l.xlsx")
    (edition,) = (each for each in list_editions() if each.kind == "london")
    put(site, str(edition.other_url), (tmp_path / "l.xlsx").read_bytes())
    brought = bring(client, find_labels(client, ENGLAND, kind="london"), tmp_path / "out", print)
    assert brought.failures == ()
    assert brought.files[0].name == "id-2019-for-london.xlsx"
    assert read(brought.files[0], tmp_path, ["income"])["income"].to_dict() == {"E01000001": 0.25}
    assert edition.area_year == 2011


def test_a_look_at_the_releases_says_which_has_gone(client: Client, site: Path) -> None:
    for edition in (each for each in list_editions() if each.country == ENGLAND):
        put(site, edition.other_url or edition.url, b"PK")
    assert len(try_labels(client, ENGLAND)) == 5
    with pytest.raises(ServiceError, match=r"www\.gov\.scot.*404"):
        try_labels(client, SCOTLAND)


def test_a_workbook_that_is_none_is_refused(tmp_path: Path, write_ods: Callable[..., None]) -> None:
    (tmp_path / "a.ods").write_bytes(b"<html>")
    with pytest.raises(ServiceError, match="cannot be read as a workbook"):
        read_sheet(tmp_path / "a.ods", "LSOA code")
    write_ods(tmp_path / "b.ods", [["Other"]])
    with pytest.raises(ServiceError, match="no sheet has a column 'LSOA code'"):
        read_sheet(tmp_path / "b.ods", "LSOA code")


@pytest.mark.cases
def test_the_real_ranks_of_scotland_are_read(tmp_path: Path) -> None:
    case = Path(__file__).parents[4] / "shared" / "cases" / "geo" / "25_simd2020_ranks_xlsx"
    if not case.is_dir():
        pytest.skip(f"no cases at {case}")
    table = read_scotland(case / "SIMD+2020v2+-+ranks.xlsx")
    assert len(table) == 6976
    assert table.set_index("code").loc["S01006506", "crime"] == 4664
    edition = list_editions()[-1]
    made = indices._convert(table, edition).set_index("area_id")
    assert made.loc["S01006506", "crime_from_rank"] == pytest.approx(
        norm.ppf(1 - 4663.5 / 6976), abs=1e-6
    )
