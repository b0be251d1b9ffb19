"""LIDAR of Wales: the national survey of 2020 to 2023, by its catalogue of tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from basrelief.sources.areas import list_names
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.heights import FOLDERS, SHOWN, check_heights, list_squares_with
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.products import Product, read_name
from basrelief.sources.wales import WALES

TILE_M, CELL_M = 1_000, 1.0
TILE_BYTES = 1_500_000
PAGE = 1_000
"""Tiles asked for at a time; the service may give fewer."""

LINKS: Mapping[Product, str] = {"surface": "dsm_link", "terrain": "dtm_link"}


def find_lidar(client: Client, place: NamedPlace, resolution_m: float) -> list[Offer]:
    """Find surface and terrain of a place in Wales, 1 m, in squares of a kilometre.

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
    for tile in _list_tiles(client, place):
        # In capitals and without blanks, as squares are named here.
        square = str(tile.get("british_gr") or "").upper().replace(" ", "")
        tiles[square] = tile
    offers = []
    for product, key in LINKS.items():
        links = {s: str(tiles[s][key]) for s in expected if s in tiles and tiles[s].get(key)}
        absent = [square for square in expected if square not in links]
        if product == "surface" and not links:
            raise ServiceError(
                f"datamap.gov.wales: has no surface of {place.name} from 2020 to 2023. Older "
                "surveys, in millimetres, are to be fetched by hand: https://datamap.gov.wales"
            )
        if absent:
            client.say(
                f"datamap.gov.wales: has no {product} of {list_names(absent, limit=SHOWN)} "
                f"({len(absent)} of {len(expected)} tiles); the ground there has no data"
            )
        offers += [_offer(product, square, link) for square, link in links.items()]
    return offers


def _list_tiles(client: Client, place: NamedPlace) -> Iterator[Mapping[str, Any]]:
    """List the properties of the catalogue's tiles in a place, page by page."""
    url = "https://datamap.gov.wales/geoserver/ows"
    west, south, east, north = place.bounds
    asked = {
        "service": "WFS",
        "version": "2.0.0",
        "request": "GetFeature",
        "typeNames": "geonode:welsh_government_lidar_tile_catalogue_2020_2023",
        "outputFormat": "application/json",
        "bbox": f"{west:.0f},{south:.0f},{east:.0f},{north:.0f},{NATIONAL_GRID}",
        # Pages of what is in no order may repeat one tile and leave out another.
        "sortBy": "british_gr",
        "count": PAGE,
    }
    seen: set[str] = set()
    n_given = 0
    while True:
        answer = client.get_json(url, asked | {"startIndex": n_given})
        features = answer.get("features") if isinstance(answer, dict) else None
        if not isinstance(features, list):
            raise ServiceError(f"datamap.gov.wales: answers without tiles ({str(answer)[:80]})")
        new = [each for each in features if _name_tile(each) not in seen]
        seen |= {_name_tile(each) for each in new}
        yield from (each["properties"] for each in new)
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


def _name_tile(feature: Any) -> str:
    try:
        return str(feature["properties"]["british_gr"])
    except (KeyError, TypeError):
        raise ServiceError(
            f"datamap.gov.wales: has {str(feature)[:80]} among its tiles, without british_gr. The "
            "catalogue has changed."
        ) from None


def _offer(product: Product, square: str, link: str) -> Offer:
    file = PurePosixPath(urlsplit(link).path).name
    flown = read_name(file).flown_to
    return Offer(
        what=f"{product} {square}, {CELL_M:g} m, 2020-2023",
        url=link,
        name=f"{FOLDERS[product]}/{file}",
        n_bytes=TILE_BYTES,
        year=flown.year if flown else None,
        credit=WALES.lidar,
        check=check_heights(square, CELL_M),
    )
