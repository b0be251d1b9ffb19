"""Indices of deprivation of England, Wales and Scotland, as their offices publish them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.sources.countries import Country
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.client import Client, ServiceError, read_kept
from basrelief.sources.fetch.ods import read_sheet
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.ranks import SUFFIX, score_ranks
from basrelief.sources.scotland import SCOTLAND
from basrelief.sources.tables import read_bytes
from basrelief.sources.wales import WALES
from basrelief.sources.workbooks import open_workbook

READ = "1 October 2026"
"""When the addresses and hashes below were last known to be right."""


@dataclass(frozen=True)
class Edition:
    """One release of an index, and where it lies."""

    name: str
    country: Country
    year: int
    """Of the release."""

    area_year: int
    """Census of its areas."""

    n_areas: int
    url: str
    """Address as it was known: asked where the office's own list of files does not answer."""

    file: str
    n_bytes: int
    pattern: str = ""
    """How the file is called in that list, which GOV.UK alone has."""

    sha256: str | None = None
    read: Callable[[Path], pd.DataFrame] | None = None
    """Makes a table of codes, names and ranks of it; None where the file is a table as it is."""


def find_labels(
    client: Client, country: Country, year: int | None = None, *, with_crimes: bool = False
) -> list[Offer]:
    """Offer an index of deprivation.

    Parameters
    ----------
    year
        Of the release; by default the newest.
    with_crimes
        Of England in 2025 also File 8, which has rates of eight kinds of crime.

    Raises
    ------
    InputError
        If there is no such release; lists those that are known.
    """
    edition = find_edition(country, year)
    offers = [_offer(client, edition)]
    # Earlier editions publish no rates by kind of crime.
    if with_crimes and edition.name == "IoD" and edition.year == 2025:
        offers.append(_offer(client, FILE_8))
    return offers


def find_edition(country: Country, year: int | None = None) -> Edition:
    """Find a release of a country's index, by default the newest.

    Its ``area_year`` is that of the boundaries to be fetched with it.

    Raises
    ------
    InputError
        If there is no such release; lists those that are known.
    """
    known = [each for each in list_editions() if each.country == country]
    edition = next((each for each in known if year in (None, each.year)), None)
    if edition is None:
        years = ", ".join(str(each.year) for each in known)
        raise InputError(f"there is no index of {country.name} of {year}; known are {years}")
    return edition


def list_editions() -> tuple[Edition, ...]:
    """List the releases that are known, of each country the newest first."""
    wales = "https://www.gov.wales/sites/default/files/statistics-and-research"
    simd = "scottish-index-of-multiple-deprivation-2020-ranks-and-domain-ranks"
    scotland = "https://www.gov.scot/binaries/content/documents/govscot/publications/statistics"
    return (
        *_list_english(),
        Edition(
            *("WIMD", WALES, 2025, 2021, 1_917),
            f"{wales}/2025-11/wimd-2025-index-and-domain-ranks-by-small-area.ods",
            *("wimd-2025-from-ranks.csv", 300_000),
            read=_read_wales,
        ),
        Edition(
            *("WIMD", WALES, 2019, 2011, 1_909),
            f"{wales}/2022-02/welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-"
            "small-area.ods",
            *("wimd-2019-from-ranks.csv", 300_000),
            read=_read_wales,
        ),
        Edition(
            *("SIMD", SCOTLAND, 2020, 2011, 6_976),
            f"{scotland}/2020/01/{simd}/documents/{simd}/{simd}/govscot%3Adocument/"
            "SIMD%2B2020v2%2B-%2Branks.xlsx",
            *("simd-2020v2-from-ranks.csv", 900_000),
            read=_read_scotland,
        ),
    )


def _list_english() -> tuple[Edition, ...]:
    """List the releases of File 7, which has scores and people beside the ranks."""
    media = "https://assets.publishing.service.gov.uk/media"
    older = "https://assets.publishing.service.gov.uk/government/uploads/system/uploads"
    iod_2025 = "File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv"
    iod_2019 = "File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv"
    iod_2015 = (
        "File_7_ID_2015_All_ranks__deciles_and_scores_for_the_Indices_of_Deprivation__and_"
        "population_denominators.csv"
    )
    return (
        Edition(
            *("IoD", ENGLAND, 2025, 2021, 33_755),
            f"{media}/691ded56d140bbbaa59a2a7d/{iod_2025}",
            *(iod_2025, 9_400_000, r"File_7_.*\.csv$"),
            "b1b716aa2e476449f987b9de3e08255b4794eabfd270626de5de18b2f5eff3ef",
        ),
        Edition(
            *("IoD", ENGLAND, 2019, 2011, 32_844),
            f"{media}/5dc407b440f0b6379a7acc8d/{iod_2019}",
            *(iod_2019, 9_000_000, r"File_7_.*\.csv$"),
        ),
        Edition(
            *("IoD", ENGLAND, 2015, 2011, 32_844),
            f"{older}/attachment_data/file/467774/{iod_2015}",
            *(iod_2015, 9_000_000, r"File_7_.*\.csv$"),
        ),
    )


FILE_8 = Edition(
    *("IoD", ENGLAND, 2025, 2021, 33_755),
    "https://assets.publishing.service.gov.uk/media/691dec012c6b98ecdbc500d4/"
    "File_8_IoD2025_Underlying_Indicators.xlsx",
    *("File_8_IoD2025_Underlying_Indicators.xlsx", 20_000_000, r"File_8_.*\.xlsx$"),
)


def _offer(client: Client, edition: Edition) -> Offer:
    """Offer an edition from where it lies today."""
    # An office moves a file when it corrects it, so its own list is asked before the address.
    url, n_bytes = edition.url, edition.n_bytes
    if edition.pattern:
        found = _find_on_gov_uk(client, edition)
        if found is not None:
            url, n_bytes = found
    what = f"{edition.name} {edition.year}, {edition.n_areas:,} areas of {edition.area_year}"
    if edition.read is not None:
        what += ", normal scores made of ranks: no scores are published that could be learnt"
    elif edition.file == FILE_8.file:
        what = f"{edition.name} {edition.year}, rates of eight kinds of crime"

    def make(client: Client, part: Path) -> None:
        path = _download(client, edition, url)
        if edition.read is None:
            part.write_bytes(path.read_bytes())
        else:
            _convert(edition.read(path), edition).to_csv(part, index=False)

    return Offer(
        what,
        url,
        f"labels/{edition.file}",
        n_bytes,
        edition.year,
        edition.country.index.credit,
        make=make,
    )


def _find_on_gov_uk(client: Client, edition: Edition) -> tuple[str, int] | None:
    """Find a file's address and size in GOV.UK's own list; None, and a word, if it has none."""
    slug = f"english-indices-of-deprivation-{edition.year}"
    where = f"https://www.gov.uk/api/content/government/statistics/{slug}"
    try:
        page = client.get_json(where)
        listed = page["details"]["attachments"]
        found = [each for each in listed if re.search(edition.pattern, str(each["url"]))]
    # A page in a new form is no reason to bring nothing: the file may lie where it lay.
    except (ServiceError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, ServiceError) else "it answers in a new form"
        client.say(f"GOV.UK does not say where {edition.file} is ({reason}); asked where it was")
        return None
    if len(found) != 1:
        client.say(f"GOV.UK lists {len(found)} files like {edition.file}; asked where it was")
        return None
    url = str(found[0]["url"])
    if url != edition.url:
        changed = str(page.get("public_updated_at", ""))[:10]
        client.say(
            f"{edition.name} {edition.year}: GOV.UK has its file at another address than on "
            f"{READ}{f', changed {changed}' if changed else ''}{_last_change(page)}: it was moved "
            "or corrected, and scores may differ from those of earlier runs"
        )
    return url, int(found[0].get("file_size") or edition.n_bytes)


def _last_change(page: Mapping[str, Any]) -> str:
    """Say what GOV.UK says of the last change."""
    history = (page.get("details") or {}).get("change_history") or []
    notes = [(str(each.get("public_timestamp")), str(each.get("note"))) for each in history]
    return f' ("{max(notes)[1][:200]}")' if notes else ""


def _download(client: Client, edition: Edition, url: str) -> Path:
    """Bring a file into the cache, check that it is whole, and say if it was changed."""
    kept = f"labels/{edition.name.lower()}-{edition.year}/{url.rpartition('/')[2]}"
    # Read before the download, which writes over it.
    before = read_kept(client.cache / kept).get("sha256")
    path = client.download(url, kept, check=lambda part: _check(part, edition))
    found = hash_file(path)
    named = f"{edition.name} {edition.year} ({path.name})"
    if before is not None and before != found:
        client.say(f"{named}: differs from what was fetched before: it was corrected")
    elif edition.sha256 is not None and found != edition.sha256:
        client.say(f"{named}: differs from the file of {READ}: it was corrected upstream")
    return path


def _check(path: Path, edition: Edition) -> None:
    """Refuse what is no index, or not all of it."""
    where = f"{edition.name} {edition.year}"
    # It is looked at when it is read as labels; here only a page of words is kept out.
    if edition.file == FILE_8.file:
        if path.read_bytes()[:2] != b"PK":
            raise ServiceError(f"{where}: what came is no workbook")
        return
    if edition.read is not None:
        n_found = len(edition.read(path))
    else:
        try:
            table = pd.read_csv(
                path, usecols=[0], encoding="utf-8-sig", encoding_errors="replace", dtype=str
            )
        except (ValueError, pd.errors.ParserError) as error:
            raise ServiceError(f"{where}: what came is no table ({error})") from error
        # Counted by the first column alone: the rest is 9 MB of numbers that are read again later.
        if not str(table.columns[0]).startswith("LSOA code"):
            raise ServiceError(f"{where}: what came begins with {str(table.columns[0])[:40]!r}")
        n_found = table.iloc[:, 0].notna().sum()
    # Offices publish every area. Fewer are a download that was cut between two lines.
    if n_found != edition.n_areas:
        raise ServiceError(f"{where}: holds {n_found:,} areas of {edition.n_areas:,}")


def _convert(table: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """Set normal scores beside ranks, under headings that `data.labels` knows."""
    is_rank = [c for c in table.columns if c not in ("code", "name", "lad_name", "population")]
    kind = "LSOA" if edition.country == WALES else "area"
    names = {"code": f"LSOA code ({edition.area_year})", "name": f"{kind} name"}
    if kind == "area":
        names = {"code": "area_id", "name": "area_name"}
    made = table[[c for c in table.columns if c not in is_rank]].rename(columns=names)
    for column in is_rank:
        try:
            made[f"{column}{SUFFIX}"] = score_ranks(table[column], edition.n_areas).round(6)
        except ValueError as error:
            raise ServiceError(f"{edition.name} {edition.year}: {column}: {error}") from error
    for column in is_rank:
        made[f"{column} rank (1 is most deprived)"] = table[column]
    return made


def _read_wales(path: Path) -> pd.DataFrame:
    """Read ranks of the Welsh index: ``code, name, lad_name`` and a column a domain."""
    names = {
        "lsoa code": "code",
        "lsoa name": "name",
        "local authority name": "lad_name",
        "wimd 2019": "imd",
        "wimd 2025": "imd",
        "income": "income",
        "employment": "employment",
        "health": "health",
        "education": "education",
        "access to services": "access",
        "housing": "housing",
        "community safety": "crime",
        "physical environment": "physical_environment",
    }
    # Rows end with their last cell that holds anything; a table wants all of one length.
    headings, *rows = read_sheet(path, "LSOA code")
    cells = [[*row, *[""] * (len(headings) - len(row))][: len(headings)] for row in rows]
    return _tidy(pd.DataFrame(cells, columns=headings), names, r"W01\d{6}", path.name)


def _read_scotland(path: Path) -> pd.DataFrame:
    """Read ranks of the Scottish index: ``code, lad_name, population`` and a column a domain."""
    names = {
        "data_zone": "code",
        "council_area": "lad_name",
        "total_population": "population",
        "simd2020v2_rank": "imd",
        "simd2020v2_income_domain_rank": "income",
        "simd2020_employment_domain_rank": "employment",
        "simd2020_health_domain_rank": "health",
        "simd2020_education_domain_rank": "education",
        "simd2020_access_domain_rank": "access",
        "simd2020_crime_domain_rank": "crime",
        "simd2020_housing_domain_rank": "housing",
    }
    try:
        sheets = open_workbook(read_bytes(path, path.name), path.name, _has_zones)
    except InputError as error:
        # What came from a service is no fault of the user's files.
        raise ServiceError(str(error)) from error
    found = next((sheet for sheet in sheets if _has_zones(sheet.columns)), None)
    if found is None:
        raise ServiceError(f"{path.name}: no sheet has columns Data_Zone and Council_area")
    table = found.read([heading for heading in dict.fromkeys(found.columns) if heading])
    return _tidy(table, names, r"S01\d{6}", path.name)


def _has_zones(columns: list[str]) -> bool:
    # A sheet of notes explains the columns, one a row: none of its rows has two of them.
    return {"Data_Zone", "Council_area"} <= set(columns)


def _tidy(table: pd.DataFrame, names: dict[str, str], code: str, where: str) -> pd.DataFrame:
    """Take the columns that are known, and the rows with a code; ranks become numbers."""
    # Backwards, so that of two columns with one heading the first is taken.
    by_name = {str(c).strip().lower(): c for c in reversed(list(table.columns))}
    known = {by_name[name]: short for name, short in names.items() if name in by_name}
    missing = sorted(set(names.values()) - set(known.values()))
    if missing:
        raise ServiceError(f"{where}: has no column of {', '.join(missing)}. It was changed there.")
    found = table[list(known)].rename(columns=known)
    # Below the areas stand notes, and sums of the country.
    found = found[found["code"].astype(str).str.strip().str.fullmatch(code)]
    for column in set(found.columns) - {"code", "name", "lad_name"}:
        try:
            found[column] = pd.to_numeric(found[column])
        except (ValueError, TypeError) as error:
            raise ServiceError(f"{where}: {column} has what is no number ({error})") from error
    if found["code"].duplicated().any():
        raise ServiceError(f"{where}: gives an area twice")
    return found.reset_index(drop=True)
