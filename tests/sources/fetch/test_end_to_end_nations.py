"""Towns of Wales and Scotland from their names to reports, each under its own country's rules."""

from __future__ import annotations

import json
import tomllib
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely

from basrelief.sources.fetch.indices import list_editions

QUICK = (
    *("--set", 'models.recipes=["relief-statistics"]', "--set", "split.repeats=1"),
    *("--set", "split.folds=3", "--set", "split.block_m=500", "--set", "split.buffer_m=100"),
    *("--set", "evaluate.worlds=0"),
    *("--set", "chips.resolution_m=4", "--set", "chips.size_px=96"),
)
"""Labels of noise: a report needs no more, and no finer chips."""


def find_url(name: str, year: int) -> str:
    return next(e.url for e in list_editions() if (e.name, e.year) == (name, year))


def place_file(site: Path, url: str) -> Path:
    path = site / unquote(urlsplit(url).path).lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def publish_wales(site: Path, write_ods: Callable[..., None]) -> None:
    """Ranks of as many areas as there are, those of the town among them; no people."""
    domains = ["Income", "Employment", "Health", "Education", "Access to Services", "Housing"]
    domains += ["Community Safety", "Physical Environment"]
    rows: list[list[object]] = [["WIMD"], ["LSOA code", "LSOA name", "Local Authority name"]]
    rows[1] += ["WIMD 2025", *domains]
    rng = np.random.default_rng(1)
    ranks = np.column_stack([rng.permutation(1917) + 1.0 for _ in range(9)])
    rows += [[f"W01{2000 + k:06d}", "x", "Cwmtest", *row] for k, row in enumerate(ranks.tolist())]
    write_ods(place_file(site, find_url("WIMD", 2025)), rows)


def publish_crimes(folder: Path) -> None:
    """Three years of a force: one burglary a month or more, by the last digit of an area."""
    folder.mkdir()
    head = "Crime ID,Month,Falls within,LSOA code,LSOA name,Crime type"
    with zipfile.ZipFile(folder / "2019-12.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for month in (f"{y}-{m:02d}" for y in (2017, 2018, 2019) for m in range(1, 13)):
            rows = [
                f",{month},Testshire,W0100{3000 + k},Cwmtest 001A,Burglary"
                for k in range(64)
                for _ in range(k % 10 + 1)
            ]
            archive.writestr(f"{month}/{month}-testshire-street.csv", "\n".join([head, *rows]))


def publish_scotland(site: Path, maps: Path) -> None:
    """Ranks and people of every data zone, one of the town's with few people; and outlines."""
    names = ["SIMD2020v2_Rank", "SIMD2020v2_Income_Domain_Rank"]
    kinds = ("Employment", "Health", "Education", "Access", "Crime", "Housing")
    names += [f"SIMD2020_{kind}_Domain_Rank" for kind in kinds]
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("SIMD 2020v2 ranks")
    sheet.append(["Data_Zone", "Intermediate_Zone", "Council_area", "Total_population", *names])
    rng = np.random.default_rng(2)
    ranks = np.column_stack([rng.permutation(6976) + 1 for _ in names])
    for k, row in enumerate(ranks.tolist()):
        sheet.append([f"S01{6506 + k:06d}", "Glen", "Glentest", 40 if k == 9 else 894, *row])
    book.save(place_file(site, find_url("SIMD", 2020)))
    cells = [(255_000 + 250 * (k % 8), 660_000 + 250 * (k // 8)) for k in range(64)]
    zones = gpd.GeoDataFrame(
        {"DataZone": [f"S01{6506 + k:06d}" for k in range(64)], "Name": "Glen"},
        geometry=[shapely.box(x, y, x + 250, y + 250) for x, y in cells],
        crs=27700,
    )
    above = [(x - 255_000) // 500 + 4 * ((y - 660_000) // 500) for x, y in cells]
    middle = zones.assign(InterZone=[f"S02{k:06d}" for k in above])
    middle = middle.dissolve("InterZone").reset_index()[["InterZone", "Name", "geometry"]]
    folder = maps / "ATOM" / "shapefiles"
    folder.mkdir(parents=True)
    for name, table in (("SG_DataZoneBdry_2011", zones), ("SG_IntermediateZoneBdry_2011", middle)):
        table.to_file(folder / f"{name}.shz", driver="ESRI Shapefile")
        (folder / f"{name}.shz").rename(folder / f"{name}.zip")


@pytest.fixture
def fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_command: Callable[..., int]
) -> Callable[..., dict[str, Any]]:
    """Fetch a place by its name from given services, and run what was written; gives its data."""

    def fetch_one(place: str, mirrors: dict[str, str], *words: str) -> dict[str, Any]:
        monkeypatch.setenv("BASRELIEF_MIRRORS", " ".join(f"{k}={v}" for k, v in mirrors.items()))
        out, cache = tmp_path / "out", str(tmp_path / "cache")
        asked = ("--place", place, "--out", str(out), "--cache", cache, *words)
        assert run_command("fetch", *asked) == 0
        config = out / "basrelief.toml"
        targets = ("--set", 'data.targets=["imd_from_rank", "burglary"]') if words else ()
        assert run_command("run", str(config), "-q", *QUICK, *targets) == 0
        data: dict[str, Any] = tomllib.loads(config.read_text())["data"]
        return data

    return fetch_one


def read_pages(run: Path) -> list[str]:
    return [(run / name).read_text() for name in ("report.html", "public/report.html")]


@pytest.mark.slow
def test_a_welsh_town_has_rates_of_crime_by_people_of_another_office(
    start: Callable[..., str],
    write_ods: Callable[..., None],
    fetch: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    publish_wales(tmp_path / "site", write_ods)
    publish_crimes(tmp_path / "police")
    lidar, files = start("lidar"), start("folder", str(tmp_path / "site"))
    mirrors = {
        "services1.arcgis.com": f"{start('geography')}/plain",
        "www.gov.wales": files,
        "www.nomisweb.co.uk": f"{start('nomis')}/plain",
        "data.police.uk": f"{start('police', str(tmp_path / 'police'))}/plain",
        "datamap.gov.wales": f"{lidar}/wales",
        "dmwproductionblob.blob.core.windows.net": f"{lidar}/blob",
        "lle.blob.core.windows.net": f"{lidar}/lle",
        # A name that is lacking on the map is no reason to lose it.
        "www.arcgis.com": files,
    }
    data = fetch("Cwmtest", mirrors, "--crime")
    # The table tells no year of its own, and people are of a later one.
    assert data["label_year"] == 2023
    run = tmp_path / "out" / "runs" / "basrelief"
    areas = pd.read_parquet(run / "chips" / "areas.parquet").set_index("area_id")
    # Twelve squares were flown, three in four of the town's, and of one there is no terrain.
    assert areas["is_used"].sum() == 44
    assert areas.loc["W01003000", "flown_to"] == 2021
    people = 1000 + 35_672 - 4000 + 3007
    assert areas.loc["W01003007", "population"] == people
    assert areas.loc["W01003007", "burglary"] == pytest.approx(8 * 12 / people * 1000)
    whole, public = read_pages(run)
    for page in (whole, public):
        assert "Contains Welsh Government information" in page
        assert "Office for National Statistics" in page
        assert "Environment Agency" not in page
    assert "The scores are of 2023" in whole


@pytest.mark.slow
def test_a_scottish_town_credits_scotland_and_withholds_by_its_own_rules(
    start: Callable[..., str],
    fetch: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    publish_scotland(tmp_path / "site", tmp_path / "maps")
    lidar, files = start("lidar", "side=2000"), start("folder", str(tmp_path / "site"))
    mirrors = {
        "services1.arcgis.com": f"{start('geography', 'flown')}/plain",
        "www.gov.scot": files,
        "maps.gov.scot": start("folder", str(tmp_path / "maps")),
        "api.remotesensing.data.gov.scot": f"{lidar}/scot",
        "srsp-open-data.s3.eu-west-2.amazonaws.com": f"{lidar}/s3",
        "www.arcgis.com": files,
    }
    data = fetch("Glentest", mirrors)
    assert data["label_year"] == 2017
    assert "lookup" not in data
    run = tmp_path / "out" / "runs" / "basrelief"
    areas = pd.read_parquet(run / "chips" / "areas.parquet").set_index("area_id")
    assert (len(areas), areas["is_used"].sum()) == (64, 64)
    assert set(areas["lad"]) == {"S12000003"}
    # Flown in 2013 and 2014, by the days that the service tells.
    assert set(areas["flown_to"]) == {2014}
    credits = json.loads((tmp_path / "out" / "credits.json").read_text())
    whole, public = read_pages(run)
    for credit in (each["credit"] for each in credits):
        owed = credit["statement"].replace("[year]", str(datetime.now(UTC).year))
        assert escape(owed) in whole
        assert escape(owed) in public
    # The newest phase there is closed to commerce, and so is whatever is made of it.
    for page in (whole, public):
        assert "Non-Commercial Government Licence: for no commercial use." in page
        assert "Environment Agency" not in page
    # One zone has forty people, and a hundred are wanted behind a figure.
    assert "S01006515" in whole
    shown = pd.read_csv(run / "public" / "areas.csv")
    assert len(shown) < 64
    assert "S01006515" not in set(shown["area_id"])
