"""Recorded crime by month, of the forces that police a place, from the archives of police.uk."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import shapely
from pyproj import Transformer

from basrelief.run import replacing
from basrelief.sources.england import POLICE_UK
from basrelief.sources.fetch.client import Client, NotThereError, ServiceError
from basrelief.sources.fetch.features import query_features
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.ons import LAD
from basrelief.sources.fetch.place import SLIVER_SHARE, NamedPlace
from basrelief.sources.fetch.remote_zip import Member, RemoteZip, open_remote_zip
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.scotland import SCOTLAND


def find_crimes(client: Client, place: NamedPlace) -> list[Offer]:
    """Offer single crimes of three whole years, a file a month and force.

    Of the archive, which holds every force, the directory and the wanted members alone are read.

    Returns
    -------
    list of Offer
        Empty in Scotland, whose police publishes nothing there; says so.

    Raises
    ------
    ServiceError
        If the forces or the archive cannot be found.
    """
    if place.country == SCOTLAND:
        client.say("crimes: police.uk has none of Scotland; the index has its own crime domain")
        return []
    forces = find_forces(client, place)
    # An archive holds the three years up to its own month.
    year = _find_last_year(client)
    url = f"https://data.police.uk/data/archive/{year}-12.zip"
    archive = open_remote_zip(client, url)
    months = [f"{y}-{m:02d}" for y in range(year - 2, year + 1) for m in range(1, 13)]
    offers = []
    for force in forces:
        names = {month: f"{month}/{month}-{force}-street.csv" for month in months}
        found = {month: name for month, name in names.items() if name in archive.members}
        # Greater Manchester published nothing for years: gaps are said, and never filled.
        missing = [month for month in months if month not in found]
        if missing:
            client.say(f"crimes: {force} published nothing for {_name_months(missing)}")
        offers += [_offer(archive, force, month, name) for month, name in found.items()]
    # An archive in which no month of these forces stands has changed its names.
    if not offers:
        raise ServiceError(f"data.police.uk: {url} has no month of {', '.join(forces)}")
    return offers


def find_forces(client: Client, place: NamedPlace) -> list[str]:
    """Find the forces that police a place, as police.uk calls them: those of its districts.

    Raises
    ------
    ServiceError
        If there is none.
    """
    districts = query_features(client, LAD, bounds=place.bounds)
    shared = shapely.intersection(districts.geometry.to_numpy(), place.polygon)
    to_degrees = Transformer.from_crs(NATIONAL_GRID, "EPSG:4326", always_xy=True)
    forces: list[str] = []
    for ground in shared[shapely.area(shared) > SLIVER_SHARE * place.polygon.area]:
        # A point that lies within, as the middle of a bent district does not.
        point = shapely.point_on_surface(ground)
        lon, lat = to_degrees.transform(point.x, point.y)
        asked = {"q": f"{lat:.6f},{lon:.6f}"}
        try:
            found = client.get_json("https://data.police.uk/api/locate-neighbourhood", asked)
            forces.append(str(found["force"]))
        except NotThereError:
            client.say(f"crimes: police.uk knows no force at {lat:.4f}, {lon:.4f}")
        except (KeyError, TypeError) as error:
            raise ServiceError("data.police.uk: answers without a force") from error
    if not forces:
        raise ServiceError(f"data.police.uk: knows no force that polices {place.name}")
    return sorted(set(forces))


def _find_last_year(client: Client) -> int:
    """Find the last year of which every month is published."""
    url = "https://data.police.uk/api/crime-last-updated"
    said = client.get_json(url)
    date = re.match(r"(\d{4})-(\d\d)", str(said.get("date") if isinstance(said, dict) else said))
    if date is None:
        raise ServiceError(f"data.police.uk: does not say which month is its last ({said!r:.60})")
    # Rates are of whole years, so that an archive with half a year more brings nothing.
    return int(date[1]) if date[2] == "12" else int(date[1]) - 1


def _offer(archive: RemoteZip, force: str, month: str, name: str) -> Offer:
    member = archive.members[name]

    def make(client: Client, part: Path) -> None:
        # A month is kept by itself: places of one force share it, and archives a gigabyte each.
        kept = client.cache / "data.police.uk" / name
        if not _is_same(kept, member):
            with replacing(kept) as new:
                archive.extract(client, name, new)
                _check(new, name)
        shutil.copyfile(kept, part)

    return Offer(
        f"crimes of {force}, {month}",
        f"{archive.url}#{name}",
        f"crime/{name.rpartition('/')[2]}",
        member.end - member.start,
        int(month[:4]),
        POLICE_UK,
        make=make,
    )


def _is_same(path: Path, member: Member) -> bool:
    """Whether a kept file is what the archive has, which corrects months as it goes."""
    return path.is_file() and zlib.crc32(path.read_bytes()) == member.crc


def _check(path: Path, name: str) -> None:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        headings = file.readline()
    # By these headings it is read; a page of words, or a new form, has neither.
    if "Crime type" not in headings or "LSOA code" not in headings:
        raise ServiceError(f"data.police.uk: {name} begins with {headings.strip()[:60]!r}")


def _name_months(months: Sequence[str]) -> str:
    """Name months, those that follow each other as one span.

    >>> _name_months(["2023-11", "2023-12", "2024-01", "2024-05"])
    '2023-11 to 2024-01, 2024-05'
    """
    spans: list[list[str]] = []
    for month in months:
        if spans and _count(month) == _count(spans[-1][-1]) + 1:
            spans[-1].append(month)
        else:
            spans.append([month])
    return ", ".join(s[0] if len(s) == 1 else f"{s[0]} to {s[-1]}" for s in spans)


def _count(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:])
