"""Indices of deprivation of England, Wales and Scotland, as their offices publish them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.sources.countries import Country
from basrelief.sources.england import ENGLAND, ONS
from basrelief.sources.fetch.client import Client, NotThereError, ServiceError
from basrelief.sources.fetch.downloads import download, read_kept
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.population import read_people
from basrelief.sources.fetch.rank_tables import read_scotland, read_wales
from basrelief.sources.licences import Credit
from basrelief.sources.ranks import SUFFIX, score_ranks
from basrelief.sources.scotland import SCOTLAND
from basrelief.sources.wales import WALES

EditionKind = Literal["index", "crimes", "london"]
"""The index and its domains; rates of eight kinds of crime that went into it; or the index of
London's areas alone, as the Greater London Authority hands it out."""

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

    kind: EditionKind = "index"
    label_year: int | None = None
    """Of which most of its indicators are about, as far as is known; None where the headings of its
    people tell."""

    other_url: str | None = None
    """Where it lay before its office moved it, asked where it is not at ``url``."""

    sha256: str | None = None
    read: Callable[[Path], pd.DataFrame] | None = None
    """Makes a table of codes, names and ranks of it; None where the file is a table as it is."""


def find_labels(
    client: Client, country: Country, year: int | None = None, kind: EditionKind = "index"
) -> list[Offer]:
    """Offer an index of deprivation.

    Parameters
    ----------
    year
        Of the release; by default the newest.

    Raises
    ------
    InputError
        If there is no such release; lists those that are known.
    """
    return [_offer(client, find_edition(country, year, kind))]


def try_labels(client: Client, country: Country) -> list[Offer]:
    """Ask for the first byte of every release of a country, as a look whether it still lies there.

    Raises
    ------
    ServiceError
        If one does not.
    """
    offers = []
    for edition in (each for each in list_editions() if each.country == country):
        offer = _offer(client, edition)
        try:
            client.measure(offer.url)
        except NotThereError:
            if edition.other_url is None:
                raise
            client.measure(edition.other_url)
        offers.append(offer)
    return offers


def find_edition(country: Country, year: int | None = None, kind: EditionKind = "index") -> Edition:
    """Find a release of a country's index, by default the newest.

    Its ``area_year`` is that of the boundaries to be fetched with it.

    Raises
    ------
    InputError
        If there is no such release; lists those that are known.
    """
    known = [each for each in list_editions() if (each.country, each.kind) == (country, kind)]
    edition = next((each for each in known if year in (None, each.year)), None)
    if edition is None:
        years = ", ".join(str(each.year) for each in known) or "none"
        named = {
            "index": "index",
            "crimes": "table of rates by kind of crime",
            "london": "London's workbook",
        }
        of_year = f" of {year}" if year is not None else ""
        raise InputError(f"there is no {named[kind]} of {country.name}{of_year}; known are {years}")
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
            label_year=2023,
            read=read_wales,
        ),
        Edition(
            *("WIMD", WALES, 2019, 2011, 1_909),
            f"{wales}/2022-02/welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-"
            "small-area.ods",
            *("wimd-2019-from-ranks.csv", 300_000),
            label_year=2017,
            read=read_wales,
        ),
        Edition(
            *("SIMD", SCOTLAND, 2020, 2011, 6_976),
            f"{scotland}/2020/01/{simd}/documents/{simd}/{simd}/govscot%3Adocument/"
            "SIMD%2B2020v2%2B-%2Branks.xlsx",
            *("simd-2020v2-from-ranks.csv", 900_000),
            label_year=2017,
            read=read_scotland,
        ),
    )


def _list_english() -> tuple[Edition, ...]:
    """List the releases of File 7, which has scores and people beside the ranks."""
    media = "https://assets.publishing.service.gov.uk/media"
    older = "https://assets.publishing.service.gov.uk/government/uploads/system/uploads"
    london = "https://data.london.gov.uk/download"
    workbook = "9ee0cf66-e6f9-4e38-8eec-79c1d897e248/ID%202019%20for%20London.xlsx"
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
            sha256="b1b716aa2e476449f987b9de3e08255b4794eabfd270626de5de18b2f5eff3ef",
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
        # Earlier editions publish no rates by kind of crime.
        Edition(
            *("IoD", ENGLAND, 2025, 2021, 33_755),
            f"{media}/691dec012c6b98ecdbc500d4/File_8_IoD2025_Underlying_Indicators.xlsx",
            *("File_8_IoD2025_Underlying_Indicators.xlsx", 20_000_000, r"File_8_.*\.xlsx$"),
            kind="crimes",
        ),
        Edition(
            *("IoD", ENGLAND, 2019, 2011, 4_835),
            f"{london}/2l15g/{workbook}",
            *("id-2019-for-london.xlsx", 4_500_000),
            kind="london",
            other_url=f"{london}/indices-of-deprivation/{workbook}",
        ),
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
    elif edition.kind == "crimes":
        what = f"{edition.name} {edition.year}, rates of eight kinds of crime"

    def make(client: Client, part: Path) -> None:
        path = _download(client, edition, url)
        if edition.read is None:
            part.write_bytes(path.read_bytes())
        else:
            made = _convert(edition.read(path), edition)
            _add_people(client, made, edition).to_csv(part, index=False)

    return Offer(
        what,
        url,
        f"labels/{edition.file}",
        n_bytes,
        edition.year,
        _credit(edition),
        make=make,
    )


def _credit(edition: Edition) -> Credit:
    """Say whose an edition is; of Wales the people beside it, too."""
    own = edition.country.index.credit
    # One file of two offices has one entry in the credits, which must name both.
    if edition.country != WALES:
        return own
    people = ONS.in_year(datetime.now(UTC).year)
    return replace(
        own,
        source=f"{own.source}; people: {people.source}",
        statement=f"{own.statement} {people.statement}",
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
    try:
        path = download(client, url, kept, check=lambda part: _check(part, edition))
    except NotThereError:
        # Offices that move a file keep its name; elsewhere a wrong address is a fault to be told.
        if edition.other_url is None:
            raise
        path = download(client, edition.other_url, kept, check=lambda part: _check(part, edition))
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
    if edition.kind != "index":
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


def _add_people(client: Client, made: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """Set people beside ranks that come without: rates of crime and a release need them.

    Under a heading without a year: these are of the latest, and not of the labels' year.
    """
    # England and Scotland publish the people of their areas with the index.
    if edition.country != WALES:
        return made
    try:
        people = read_people(client, edition.area_year)
    except ServiceError as error:
        client.say(f"{edition.name} {edition.year} comes without people: {error}")
        return made
    codes = f"LSOA code ({edition.area_year})"
    return made.assign(population=made[codes].map(people.set_index(codes).iloc[:, 0]))
