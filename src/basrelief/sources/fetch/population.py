"""People by small area, from NOMIS: mid-year estimates of the Office for National Statistics."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.downloads import download

N_PAGE = 25_000
"""Rows that NOMIS gives at once to those without a key."""

DATASETS = {
    # Dataset, type of area, and how many of these England and Wales have.
    2011: ("NM_2010_1", "TYPE298", 34_753),
    2021: ("NM_2014_1", "TYPE151", 35_672),
}
"""By census of the areas. Estimates for LSOAs of 2011 end with mid-2020."""

URL = "https://www.nomisweb.co.uk/api/v01/dataset/{}.data.csv"


def read_people(client: Client, year: int) -> pd.DataFrame:
    """Read the people of every LSOA of England and Wales, all ages, of the latest year there is.

    Parameters
    ----------
    year
        Census of the areas: 2011 or 2021.

    Returns
    -------
    DataFrame
        A column of codes, ``LSOA code (2021)``, and one headed ``Total population: mid 2024``.

    Raises
    ------
    ServiceError
        If NOMIS fails, or gives other areas than there are: it cuts answers off without a word.
    """
    dataset, kind, n_areas = DATASETS[year]
    pages: list[pd.DataFrame] = []
    n_got = 0
    while True:
        page = _read_page(client, dataset, kind, n_got)
        pages.append(page)
        n_got += len(page)
        n_all = int(page["RECORD_COUNT"].iloc[0]) if len(page) else n_got
        if n_got >= n_all or not len(page):
            break
    table = pd.concat(pages, ignore_index=True)
    codes = table["GEOGRAPHY_CODE"]
    years = table["DATE_NAME"].unique()
    if codes.duplicated().any() or len(table) != n_areas or len(years) != 1:
        raise ServiceError(
            f"www.nomisweb.co.uk: gives {len(table):,} rows of {codes.nunique():,} areas, and "
            f"there are {n_areas:,}. Try again later."
        )
    heading = f"Total population: mid {years[0]}"
    made = pd.DataFrame({f"LSOA code ({year})": codes, heading: table["OBS_VALUE"]})
    if made[heading].isna().any() or (made[heading] < 0).any():
        raise ServiceError("www.nomisweb.co.uk: has no number of people for some areas")
    return made.sort_values(f"LSOA code ({year})", ignore_index=True)


def _read_page(client: Client, dataset: str, kind: str, offset: int) -> pd.DataFrame:
    """Read one page."""
    columns = {"DATE_NAME": str, "GEOGRAPHY_CODE": str, "OBS_VALUE": float, "RECORD_COUNT": float}
    asked: dict[str, Any] = {
        "geography": kind,
        "date": "latest",
        "gender": 0,
        "c_age": 200,
        "measures": 20100,
        "select": ",".join(columns).lower(),
        "RecordLimit": N_PAGE,
        "RecordOffset": offset,
    }

    def check(path: Path) -> None:
        head = path.read_text(encoding="utf-8-sig", errors="replace")[:300]
        if set(head.splitlines()[0].replace('"', "").upper().split(",")) != set(columns):
            raise ServiceError(f"www.nomisweb.co.uk: answers {' '.join(head.split())[:80]!r}")

    # By the month: what is the latest changes once a year, and a cache would never notice.
    kept = f"nomis/{dataset}-{kind}-{datetime.now(UTC):%Y-%m}-{offset}.csv"
    path = download(client, URL.format(dataset), kept, params=asked, check=check)
    text = path.read_text(encoding="utf-8-sig")
    table = pd.read_csv(io.StringIO(text), dtype=columns)
    return table.rename(columns=str.upper)
