"""Everything that a run of a place needs, brought by the place's name into one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.locks import locking
from basrelief.marks import refuse_foreign_folder, sweep_parts
from basrelief.run import Run, prepare_folder, write_json
from basrelief.sources.archives import show_size
from basrelief.sources.fetch import england, scotland, wales
from basrelief.sources.fetch.boundaries import find_boundaries
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.crimes import find_crimes
from basrelief.sources.fetch.indices import EditionKind, find_edition, find_labels, try_labels
from basrelief.sources.fetch.lookups import find_lookup
from basrelief.sources.fetch.offers import (
    Brought,
    Offer,
    bring,
    showing_bytes,
    sum_bytes,
)
from basrelief.sources.fetch.place import NamedPlace, find_place, place_of_bounds, place_of_file
from basrelief.sources.fetch.population import read_people
from basrelief.sources.fetch.tiles import write_tiles
from basrelief.sources.inputs import CREDITS
from basrelief.sources.lying import Lying
from basrelief.sources.starter import NAME, Starter, write_starter
from basrelief.sources.wales import WALES

LIDAR: dict[str, Any] = {"England": england, "Wales": wales, "Scotland": scotland}
"""By the country's name."""

BYTES_A_SECOND = 4e6
"""What comes of a second: services that fill archives when asked are slower than the line."""

ASKED_BYTES = 10**9
"""From so many bytes on nothing is brought without a yes."""


@dataclass(frozen=True)
class Wanted:
    """What the user asked for, one of the first three."""

    place: str | None = None
    """A name or a postcode."""

    bounds: Bounds | None = None
    """West, south, east, north in metres (EPSG:27700)."""

    areas: Path | None = None
    """A file of polygons."""

    radius_m: float | None = None
    """Of ground around a place."""

    has_crime: bool = False
    year: int | None = None
    """Of the index of deprivation; by default the newest."""

    labels: EditionKind = "index"

    resolution_m: float = 1.0
    is_by_nominatim: bool = False


def fetch_place(
    client: Client, wanted: Wanted, folder: Path, agree: Callable[[str], bool]
) -> Starter | None:
    """Bring official LIDAR, boundaries, labels and, asked for, crime of a place into a folder.

    Writes the files, ``credits.json``, ``lidar/tiles.parquet`` and ``basrelief.toml``. Called again
    it goes on: what lies in the cache is not fetched twice. A configuration that is there is kept.

    Parameters
    ----------
    agree
        Asked, with a question, where much would be brought.

    Returns
    -------
    Starter or None
        The configuration as it was filled; None where the user did not agree, or one was there.

    Raises
    ------
    InputError
        If the place is not known, the folder holds other things, or something did not come: what
        did come lies there.
    """
    _check_wanted(wanted)
    typed = f"--out {str(folder)!r}"
    # Before anybody is asked: a typing mistake should not wait for services.
    if folder.exists():
        _refuse_folder(folder, typed)
    place = _find_place(client, wanted)
    client.say(f"{place.name}: {place.polygon.area / 1e6:.1f} km² of {place.country.name}")
    offers = find_offers(client, place, wanted)
    for line in describe_offers(offers):
        client.say(line)
    n_bytes = sum_bytes(offers)
    if n_bytes >= ASKED_BYTES and not agree(f"Bring {show_size(n_bytes, digits=2)}?"):
        client.say("nothing was brought")
        return None
    prepare_folder(folder, typed)
    # Two would write one list of credits, and each would lose what the other adds.
    with locking(Run(folder), typed):
        sweep_parts(folder)
        # By it the folder is known again, also after a kill before the first file has come.
        if not (folder / CREDITS).exists():
            write_json(folder / CREDITS, [])
        with showing_bytes(client, offers) as counting:
            brought = bring(counting, offers, folder, client.say)
        # Also of what came before a failure: it is whole, and the rest may never come.
        _write_tiles(folder)
        starter = None
        if (folder / NAME).exists():
            client.say(f"{folder / NAME}: is there already, and is kept as it is")
        # A configuration of half a place would run, and nothing in its report would say so.
        elif not brought.failures:
            edition = find_edition(place.country, wanted.year, wanted.labels)
            starter = write_starter(folder, "rasters", edition.label_year)
            client.say(f"wrote {starter.path}")
    _refuse_failures(brought, offers, folder)
    return starter


def find_offers(client: Client, place: NamedPlace, wanted: Wanted) -> list[Offer]:
    """Find all that would be brought; nothing big is fetched.

    Raises
    ------
    ServiceError
        If a service cannot be had, or has nothing of the place.
    """
    # The labels decide of which census the areas must be.
    area_year = find_edition(place.country, wanted.year, wanted.labels).area_year
    labels = find_labels(client, place.country, wanted.year, wanted.labels)
    crimes = find_crimes(client, place) if wanted.has_crime else []
    lidar = LIDAR[place.country.name].find_lidar(client, place, wanted.resolution_m)
    # Crimes have the codes of either census, whichever the police took; and so may tables that
    # are laid beside what is brought.
    lookup = find_lookup(place)
    return [*find_boundaries(place, area_year), *lookup, *labels, *crimes, *lidar]


def try_services(client: Client) -> None:
    """Ask every service for a small place, as a look whether they still answer as they did.

    Says of each what it has; brings nothing but boundaries and a lookup of a few areas, which it
    keeps not, and a table of people.

    Raises
    ------
    ServiceError
        If some do not answer as they should; says how many.
    """
    # A square kilometre in the middle of London, Cardiff and Edinburgh.
    corners = {"England": (529, 183), "Wales": (318, 176), "Scotland": (325, 673)}
    faults = 0
    for country, (east_km, north_km) in corners.items():
        west, south = 1000.0 * east_km, 1000.0 * north_km
        bounds = (west, south, west + 1000, south + 1000)
        try:
            place = place_of_bounds(client, bounds)
        except InputError as error:
            client.say(f"{country}: {error}")
            faults += 1
            continue
        asked: dict[str, Callable[[], Sequence[object]]] = {
            "LIDAR": partial(LIDAR[country].find_lidar, client, place, 1.0),
            "labels": partial(try_labels, client, place.country),
            "crimes": partial(find_crimes, client, place),
            "boundaries": partial(_try_boundaries, client, place),
        }
        # Of both countries at once, and the ranks of this one come without.
        if place.country == WALES:
            asked["people"] = partial(_try_people, client)
        for what, find in asked.items():
            try:
                client.say(f"{country}, {what}: {len(find())} files")
            except InputError as error:
                client.say(f"{country}, {what}: {error}")
                faults += 1
    if faults:
        raise ServiceError(f"fetch --self-test: {faults} of the services did not answer so")


def _try_boundaries(client: Client, place: NamedPlace) -> list[Offer]:
    """Bring boundaries where nobody keeps them: they are asked for only when they are brought."""
    offers = [*find_boundaries(place, 2021), *find_lookup(place)]
    with TemporaryDirectory() as folder:
        for offer in offers:
            assert offer.make is not None
            offer.make(client, Path(folder) / Path(offer.name).name)
    return offers


def _try_people(client: Client) -> list[pd.DataFrame]:
    return [read_people(client, 2021)]


def describe_offers(offers: Sequence[Offer]) -> list[str]:
    """Say what would be brought: a line a kind, with bytes, years and licences, and the time."""
    kinds: dict[str, list[Offer]] = {}
    for offer in offers:
        kinds.setdefault(Path(offer.name).parent.as_posix(), []).append(offer)
    lines = []
    for kind, own in sorted(kinds.items()):
        n_files = f"{len(own)} file{'s' * (len(own) > 1)}"
        # Of some files the year is known only once they lie here.
        known = [each.year for each in own if each.year is not None]
        years = f", {min(known)}" + (f" to {max(known)}" if max(known) > min(known) else "")
        unknown = " or more" if any(each.n_bytes is None for each in own) else ""
        terms = "; ".join(dict.fromkeys(_describe_terms(each) for each in own))
        n_bytes = sum_bytes(own)
        size = f"{show_size(n_bytes, digits=2)}{unknown}" if n_bytes else "of unknown size"
        lines.append(f"{kind}: {n_files}, {size}{years if known else ''}; {terms}")
    total = sum_bytes(offers)
    minutes = max(1, round(total / BYTES_A_SECOND / 60))
    lines.append(
        f"in all about {show_size(total, digits=2)}, some {minutes} min if services are quick"
    )
    return lines


def _describe_terms(offer: Offer) -> str:
    mark = ", NON-COMMERCIAL USE ONLY" if offer.credit.is_non_commercial else ""
    return f"{offer.credit.source} ({offer.credit.licence}{mark})"


def _check_wanted(wanted: Wanted) -> None:
    named = {
        "--place": wanted.place,
        "--bounds": wanted.bounds,
        "--areas": wanted.areas,
    }
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) if given else "none"
        raise InputError(f"fetch: give one of {', '.join(named)} (found {found}).")
    if wanted.place is None and (wanted.radius_m is not None or wanted.is_by_nominatim):
        raise InputError(f"fetch: --radius and --nominatim go with --place, not {given[0]}.")


def _refuse_folder(folder: Path, typed: str) -> None:
    """Refuse a folder with other things in it than an earlier fetch left."""
    if not folder.is_dir():
        raise InputError(f"{typed}: is a file. Give a folder, which may be a new one.")
    # Runs and the user's own work lie beside what was brought.
    if not (folder / CREDITS).exists():
        refuse_foreign_folder(folder, typed, (), "What is brought")


def _find_place(client: Client, wanted: Wanted) -> NamedPlace:
    if wanted.place is not None:
        return find_place(client, wanted.place, wanted.radius_m, wanted.is_by_nominatim)
    if wanted.bounds is not None:
        return place_of_bounds(client, wanted.bounds)
    assert wanted.areas is not None
    return place_of_file(client, wanted.areas)


def _write_tiles(folder: Path) -> None:
    """Write which survey flew what, of all rasters that lie there."""
    rasters = [name for names in Lying(folder / "lidar").rasters.values() for name in names]
    if rasters:
        write_tiles([folder / "lidar" / name for name in rasters], folder / "lidar")


def _refuse_failures(brought: Brought, offers: Sequence[Offer], folder: Path) -> None:
    """Say at the end what did not come: a map with a hole in it must not look whole."""
    if not brought.failures:
        return
    more = f" and {len(brought.failures) - 3} more" if len(brought.failures) > 3 else ""
    shown = "; ".join(line.rstrip(".") for line in brought.failures[:3])
    raise ServiceError(
        f"{len(brought.failures)} of {len(offers)} files did not come: "
        f"{shown}{more}. What came lies in {folder}; the same command "
        f"goes on there, or basrelief init {folder} takes it as it is."
    )
