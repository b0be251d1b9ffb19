"""LIDAR of Wales: the national survey of 2020 to 2023, by its catalogue of tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from basrelief.sources.areas import list_names
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.heights import FOLDERS, SHOWN, check_heights, list_squares_with
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.tiles import read_day
from basrelief.sources.fetch.welsh_archive import LAYER, offer_older
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.products import Product
from basrelief.sources.wales import WALES

TILE_M, CELL_M = 1_000, 1.0
TILE_BYTES = 1_500_000
PAGE = 1_000
"""Tiles asked for at a time; the service may give fewer."""

CATALOGUE = "geonode:welsh_government_lidar_tile_catalogue_2020_2023"
LINKS: Mapping[Product, str] = {"surface": "dsm_link", "terrain": "dtm_link"}


@dataclass(frozen=True)
class _Link:
    """Where a tile lies, and when it was flown."""

    url: str
    flown: str
    """Day or year, as names have it: ``20210302``; empty where the catalogue says none."""


def find_lidar(client: Client, place: NamedPlace, resolution_m: float) -> list[Offer]:
    """Find surface and terrain of a place in Wales, 1 m, in squares of a kilometre.

    Of squares that the survey of 2020 to 2023 has not, those of older surveys are offered.

    Parameters
    ----------
    resolution_m
        Of no effect: only 1 m is published.

    Raises
    ------
    ServiceError
        If the catalogue cannot be had, or has no surface of any of the place.

    References
    ----------
    Welsh Government, https://datamap.gov.wales
    """
    expected = list_squares_with(place.polygon, TILE_M)
    tiles = {}
    for feature in _list_tiles(client, place, CATALOGUE, "british_gr"):
        tile = feature["properties"]
        # In capitals and without blanks, as squares are named here.
        square = str(tile.get("british_gr") or "").upper().replace(" ", "")
        tiles[square] = tile
    found = {product: _pick(tiles, expected, key) for product, key in LINKS.items()}
    # Asked only then: in most places the newer survey has everything.
    older: list[Mapping[str, Any]] = []
    if any(len(links) < len(expected) for links in found.values()):
        older = list(_list_tiles(client, place, LAYER, "gb_ng"))
    offers = []
    for product, links in found.items():
        absent = [square for square in expected if square not in links]
        filled = offer_older(older, product, absent)
        if product == "surface" and not (links or filled):
            raise ServiceError(
                f"datamap.gov.wales: has no surface of {place.name}, neither of 2020 to 2023 nor "
                "in its archive. Give heights of your own, or another place."
            )
        if absent:
            _say_absent(client, product, (len(expected), absent), filled)
        # By product: a square may have a surface in the one survey, and terrain in the other alone.
        offers += [_offer(product, square, tile) for square, tile in links.items()]
        offers += filled
    return offers


def _pick(
    tiles: Mapping[str, Mapping[str, Any]], squares: Sequence[str], key: str
) -> dict[str, _Link]:
    """Pick the links of a product, by square, with the day of flight where it is said."""
    return {
        square: _Link(str(tiles[square][key]), _read_flight(tiles[square].get("date")))
        for square in squares
        if square in tiles and tiles[square].get(key)
    }


def _read_flight(text: Any) -> str:
    """Read a day, or a year alone, which must not become its first day."""
    said = str(text or "").strip()
    if re.fullmatch(r"(?:19|20)\d{2}", said):
        return said
    day = read_day(said or None)
    return f"{day:%Y%m%d}" if day else ""


def _say_absent(
    client: Client, product: Product, counted: tuple[int, list[str]], filled: Sequence[Offer]
) -> None:
    """Say which squares the survey has not, and what stands in for it."""
    n_all, absent = counted
    years = sorted({offer.year for offer in filled if offer.year is not None})
    rest = "the ground there has no data"
    if years:
        flown = list_names([str(year) for year in years], limit=SHOWN)
        rest = f"older surveys are brought for them where there are any (flown {flown})"
    client.say(
        f"datamap.gov.wales: has no {product} of {list_names(absent, limit=SHOWN)} of 2020 to 2023 "
        f"({len(absent)} of {n_all} tiles); {rest}"
    )


def _list_tiles(
    client: Client, place: NamedPlace, layer: str, key: str
) -> Iterator[Mapping[str, Any]]:
    """List a catalogue's tiles in a place, page by page, as GeoJSON.

    Parameters
    ----------
    key
        The property that names a tile's square; of an archive several surveys have one.
    """
    url = "https://datamap.gov.wales/geoserver/ows"
    west, south, east, north = place.bounds
    asked = {
        "service": "WFS",
        "version": "2.0.0",
        "request": "GetFeature",
        "typeNames": layer,
        "outputFormat": "application/json",
        "bbox": f"{west:.0f},{south:.0f},{east:.0f},{north:.0f},{NATIONAL_GRID}",
        # Pages of what is in no order may repeat one tile and leave out another.
        "sortBy": key,
        "srsName": NATIONAL_GRID,
        "count": PAGE,
    }
    seen: set[str] = set()
    n_given = 0
    while True:
        answer = client.get_json(url, asked | {"startIndex": n_given})
        features = answer.get("features") if isinstance(answer, dict) else None
        if not isinstance(features, list):
            raise ServiceError(f"datamap.gov.wales: answers without tiles ({str(answer)[:80]})")
        new = [each for each in features if _name_tile(each, key) not in seen]
        seen |= {_name_tile(each, key) for each in new}
        yield from new
        n_given += len(features)
        total = answer.get("numberMatched", n_given)
        if not features or total == n_given:
            break
        if not new:
            raise ServiceError(
                f"datamap.gov.wales: gives the same {len(features)} of {total} tiles again and "
                "again. Try a smaller place."
            )
    # A truncated answer looks like a place that was not flown.
    if isinstance(total, int) and len(seen) < total:
        raise ServiceError(
            f"datamap.gov.wales: gives {len(seen)} of {total} tiles. Try again later."
        )


def _name_tile(feature: Any, key: str) -> str:
    """Name a row of a catalogue: by all that it says, for a square may have several surveys."""
    try:
        return f"{feature['properties'][key]} {sorted(feature['properties'].items())}"
    except (KeyError, TypeError, AttributeError):
        raise ServiceError(
            f"datamap.gov.wales: has {str(feature)[:80]} among its tiles, without {key}. The "
            "catalogue has changed."
        ) from None


def _offer(product: Product, square: str, tile: _Link) -> Offer:
    file = PurePosixPath(urlsplit(tile.url).path).name
    # Names of files say no day, and by their days flights and labels are held together.
    days = f"{tile.flown}_" if tile.flown else ""
    return Offer(
        what=f"{product} {square}, {CELL_M:g} m, 2020-2023",
        url=tile.url,
        name=f"{FOLDERS[product]}/{days}{file}",
        n_bytes=TILE_BYTES,
        year=int(tile.flown[:4]) if tile.flown else None,
        credit=WALES.lidar,
        check=check_heights(square, CELL_M),
    )
