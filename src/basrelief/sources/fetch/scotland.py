"""LIDAR of Scotland: phases of the public surveys, each under its own licence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import shapely

from basrelief.sources.areas import list_names
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.heights import (
    FOLDERS,
    SHOWN,
    check_heights,
    shares_ground,
    to_lon_lat,
)
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.licences import OGL, Credit
from basrelief.sources.national_grid import locate_square
from basrelief.sources.products import Product, read_name

HOST = "api.remotesensing.data.gov.scot"
PAGE = 1_000
WORDS: Mapping[Product, str] = {"surface": "dsm", "terrain": "dtm"}

COLLECTION = re.compile(r"scotland-gov/lidar/[\w-]+/(?:dsm|dtm)")

CLOSED = re.compile(r"non-?commercial(?!ly)", re.IGNORECASE)
"""Open licences say that data may be used "commercially and non-commercially"."""
OPEN = re.compile(r"open government licence|\bOGL\b", re.IGNORECASE)

CLOSED_SETS = re.compile(r"/(?:phase-2|hes[\w-]*)/")
"""Collections under the Non-Commercial Government Licence, where a product does not say."""

CLOSED_URL = "https://www.nationalarchives.gov.uk/doc/non-commercial-government-licence/version/2/"


@dataclass(frozen=True)
class _Tile:
    """A raster that the service has."""

    product: Product
    square: str
    cell_m: float
    phase: str
    days: tuple[str, str] | None
    """First and last of its survey, as ISO 8601 has it, where the service says them."""

    url: str
    n_bytes: int | None
    terms: str
    """What the service says of its use, in its own words."""


def find_lidar(client: Client, place: NamedPlace, resolution_m: float) -> list[Offer]:
    """Find surface and terrain of a place in Scotland: of each square the newest phase.

    Phases were cut to cells of different size; a run reads them on one of them. Licences differ by
    phase; each offer's credit has its own.

    Parameters
    ----------
    resolution_m
        Side of a cell that is wanted; decides between tiles of one age.

    Raises
    ------
    ServiceError
        If the service cannot be had, or has no surface of any of the place.

    References
    ----------
    Scottish Remote Sensing Portal, https://remotesensingdata.gov.scot
    """
    tiles = list(_list_tiles(client, place))
    if not any(tile.product == "surface" for tile in tiles):
        raise ServiceError(
            f"{HOST}: has no surface of {place.name}. Parts of Scotland were never flown; what "
            "there is, is shown at https://remotesensingdata.gov.scot"
        )
    chosen = [
        tile for product in WORDS for tile in _choose_newest(tiles, place, product, resolution_m)
    ]
    _say_sizes(client, place, chosen)
    _say_gaps(client, place, chosen)
    return [_offer(tile) for tile in chosen]


def _list_tiles(client: Client, place: NamedPlace) -> Iterator[_Tile]:
    """List what every collection has in a place."""
    address = f"https://{HOST}/search"
    listed = client.get_json(f"{address}/collection/scotland-gov/*")
    # Wherever the names stand in the answer: their shape is all that is known of it.
    names = sorted(set(COLLECTION.findall(str(listed))))
    if not names:
        raise ServiceError(f"{HOST}: lists no collection of LIDAR ({str(listed)[:80]})")
    ring = ",".join(f"{lon} {lat}" for lon, lat in to_lon_lat(place.bounds))
    for name in names:
        asked = {
            "collections": [name],
            "footprint": f"POLYGON(({ring}))",
            # By default tiles wholly inside a place are left out.
            "spatialop": "intersects",
            "limit": PAGE,
        }
        n_given, seen = 0, set()
        while True:
            answer = client.post_json(f"{address}/product", asked | {"offset": n_given})
            results = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(results, list):
                raise ServiceError(f"{HOST}: answers without products ({str(answer)[:80]})")
            # No total is given, and a page may be shorter than asked: the last one is empty.
            new = [tile for tile in map(_read_tile, results) if tile.url not in seen]
            seen |= {tile.url for tile in new}
            n_given += len(results)
            yield from (
                each for each in new if shares_ground(place.polygon, locate_square(each.square))
            )
            if not new:
                break


def _read_tile(result: Any) -> _Tile:
    """Read a product of the search."""
    try:
        name, meta = str(result["collectionName"]), result.get("metadata") or {}
        file = result["data"]["product"]["http"]
        url = str(file["url"])
        said = read_name(PurePosixPath(urlsplit(url).path).name)
        product: Product = "surface" if name.endswith("dsm") else "terrain"
        # The search gives footprints in degrees; only the name says the square to the metre.
        if said.square is None or said.cell_m is None:
            raise ValueError(url)
        size, extent = file.get("size"), meta.get("temporalExtent")
        days = re.findall(r"\d{4}-\d{2}-\d{2}", str(extent))
        return _Tile(
            product=product,
            square=said.square,
            cell_m=said.cell_m,
            phase=name.split("/")[-2],
            days=(min(days), max(days)) if days else None,
            url=url,
            n_bytes=int(size) if str(size).isdigit() else None,
            terms=" ".join(str(meta.get("useConstraints") or "").split()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(
            f"{HOST}: has {str(result)[:120]} among its products, which names no square, cells and "
            "file. The service has changed."
        ) from error


def _cover(tiles: Sequence[_Tile], place: NamedPlace, product: Product) -> float:
    """Measure which share of a place tiles of a product cover."""
    boxes = [shapely.box(*locate_square(tile.square)) for tile in tiles if tile.product == product]
    covered = shapely.intersection(shapely.union_all(boxes), place.polygon)
    return float(shapely.area(covered) / shapely.area(place.polygon))


def _choose_newest(
    tiles: Sequence[_Tile], place: NamedPlace, product: Product, resolution_m: float
) -> list[_Tile]:
    """Choose tiles of one product, the newest first, until older ones add no ground."""
    fitting = [each for each in tiles if each.product == product]
    left = place.polygon
    chosen = []
    fitting.sort(key=lambda each: abs(each.cell_m - resolution_m))
    # Phases are numbered in order, where no days are said.
    fitting.sort(key=lambda each: (each.days[1] if each.days else "", each.phase), reverse=True)
    for tile in fitting:
        box = shapely.box(*locate_square(tile.square))
        if shapely.area(shapely.intersection(left, box)) > 0:
            chosen.append(tile)
            left = shapely.difference(left, box)
    return sorted(chosen, key=lambda each: each.square)


def _say_sizes(client: Client, place: NamedPlace, tiles: Sequence[_Tile]) -> None:
    """Say where tiles of one place have cells of several sizes: some will look smoother."""
    by_cell: dict[float, list[_Tile]] = defaultdict(list)
    for tile in tiles:
        by_cell[tile.cell_m].append(tile)
    if len(by_cell) > 1:
        told = [
            f"{cell:g} m ({_cover(some, place, 'surface'):.0%}; "
            f"{', '.join(sorted({each.phase for each in some}))})"
            for cell, some in sorted(by_cell.items())
        ]
        client.say(
            f"{HOST}: {place.name} was flown at several sizes of cells, the newest of each square "
            f"is taken: {', '.join(told)}"
        )


def _say_gaps(client: Client, place: NamedPlace, tiles: Sequence[_Tile]) -> None:
    """Say how much of a place has no data, and what is not free for every use."""
    for product in WORDS:
        share = _cover(tiles, place, product)
        if share < 0.9995:
            client.say(
                f"{HOST}: has {product} of {share:.0%} of {place.name}; the rest has no data"
            )
    closed = sorted({tile.square for tile in tiles if _credit(tile).is_non_commercial})
    if closed:
        client.say(
            f"{HOST}: {list_names(closed, limit=SHOWN)} may be used for no commercial "
            "purpose (Non-Commercial Government Licence), and nothing that is made of it either"
        )


def _offer(tile: _Tile) -> Offer:
    file = PurePosixPath(urlsplit(tile.url).path).name
    # Where phases lie over each other a run takes the newer by name, and these say no days.
    days = "-".join(day.replace("-", "") for day in tile.days) + "_" if tile.days else ""
    return Offer(
        what=f"{tile.product} {tile.square}, {tile.cell_m:g} m, {tile.phase}",
        url=tile.url,
        name=f"{FOLDERS[tile.product]}/{days}{file}",
        n_bytes=tile.n_bytes,
        year=int(tile.days[1][:4]) if tile.days else None,
        credit=_credit(tile),
        check=check_heights(tile.square, tile.cell_m),
    )


def _credit(tile: _Tile) -> Credit:
    """Give whose a tile is, by the words of the service, or where it has none by its phase."""
    if tile.terms:
        is_closed = CLOSED.search(tile.terms) is not None
    else:
        is_closed = CLOSED_SETS.search(f"/{tile.phase}/") is not None
    stated = tile.terms or (
        "The service states no terms for this product"
        f"{'; its collection is known to be for no commercial use' if is_closed else ''}."
    )
    is_open = not is_closed and OPEN.search(tile.terms) is not None
    # Closed wins: who is told so wrongly asks, who is told free wrongly sells.
    licence = "Non-Commercial Government Licence" if is_closed else "OGL v3"
    return Credit(
        source=f"Scottish Remote Sensing Portal, LIDAR {tile.phase}",
        licence=licence if is_closed or is_open else "not stated",
        statement=stated,
        url=CLOSED_URL if is_closed else OGL,
        is_non_commercial=is_closed,
    )
