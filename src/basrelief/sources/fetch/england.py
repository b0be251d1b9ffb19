"""LIDAR of England: the Environment Agency's survey service and its coverages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import shapely

from basrelief.sources.areas import list_names
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.client import Client, NotThereError, ServiceError
from basrelief.sources.fetch.heights import (
    FOLDERS,
    SHOWN,
    check_heights,
    list_squares_with,
    to_lon_lat,
)
from basrelief.sources.fetch.offers import Offer, sum_bytes
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.national_grid import (
    list_squares,
    locate_square,
    name_square,
    read_square,
)
from basrelief.sources.products import Product

BOX_M, TILE_M, PIECE_M = 50_000, 5_000, 1_000
"""Sides of what is searched at once, of an archive, and of a piece of a coverage. Answers to
searches over more than some 50 km are cut short without a word."""

CELLS_M = (1.0, 2.0)
"""What surface and terrain are published at."""

TILE_BYTES: Mapping[Product, int] = {"surface": 74_000_000, "terrain": 70_000_000}
"""Of a full archive at 1 m. Not asked: the service fills an archive before it says its size."""

COVERAGE_BYTES = 4_200_000
"""Of a square kilometre at 1 m from a coverage, which comes unpacked."""

INSET_M = 100.0
MAX_PIECES = 50
"""Square kilometres of a place that is small: beyond, hundreds of requests would save little."""

COMPOSITES: Mapping[Product, str] = {
    "surface": "lidar_composite_first_return_dsm",
    "terrain": "lidar_composite_dtm",
}


@dataclass(frozen=True)
class _Tile:
    """An archive that the survey service has."""

    square: str
    year: int
    """Of the edition."""

    url: str


Tiles = dict[tuple[Product, str], _Tile]
"""By product and square of 5 km."""


def find_lidar(client: Client, place: NamedPlace, resolution_m: float) -> list[Offer]:
    """Find first-return surface and terrain of a place in England, whichever way is fewer bytes.

    Parameters
    ----------
    resolution_m
        Side of a cell that is wanted: what is published at 1 m or 2 m serves, the coarser that
        is fine enough.

    Raises
    ------
    ServiceError
        If the service cannot be had, or has no surface of any of the place.

    References
    ----------
    Environment Agency, https://environment.data.gov.uk/survey
    """
    cell_m = max((each for each in CELLS_M if each <= resolution_m), default=CELLS_M[0])
    tiles = _search_place(client, place, cell_m)
    squares = {square for product, square in tiles if product == "surface"}
    if not squares:
        raise ServiceError(
            f"environment.data.gov.uk: has no {COMPOSITES['surface']} of {place.name} at "
            f"{cell_m:g} m; in its middle it has {_name_others(client, place)}. Fetch tiles by "
            "hand: https://environment.data.gov.uk/survey"
        )
    whole = [_offer_archive(product, tile, cell_m) for (product, _), tile in sorted(tiles.items())]
    pieces = [
        piece
        for piece in list_squares_with(place.polygon, PIECE_M)
        if name_square(*locate_square(piece)[:2], TILE_M) in squares
    ]
    # Coverages are of 1 m alone.
    is_small = cell_m == CELLS_M[0] and len(pieces) <= MAX_PIECES
    n_pieces = len(pieces) * len({product for product, _ in tiles})
    if not is_small or n_pieces * COVERAGE_BYTES >= sum_bytes(whole):
        return whole
    try:
        return _offer_pieces(client, tiles, pieces)
    except ServiceError as error:
        client.say(f"{error}: whole tiles of 5 km are taken")
        return whole


def _search_place(client: Client, place: NamedPlace, cell_m: float) -> Tiles:
    """Search for every tile of a place, and account for each that did not come."""
    expected = set(list_squares_with(place.polygon, TILE_M))
    found: Tiles = {}
    for name in list_squares(place.bounds, BOX_M):
        # By the parts of the place in each box: the sea between two of them is not searched.
        part = shapely.intersection(place.polygon, shapely.box(*locate_square(name)))
        if shapely.area(part) > 0:
            found |= _search(client, shapely.bounds(part).tolist(), cell_m)
    found = {key: tile for key, tile in found.items() if key[1] in expected}
    missing = {square for square in expected if any((p, square) not in found for p in COMPOSITES)}
    cut = set()
    for square in sorted(missing):
        # A little within it, so that no neighbour is in the answer.
        west, south, east, north = locate_square(square)
        inner = (west + INSET_M, south + INSET_M, east - INSET_M, north - INSET_M)
        again = _search(client, inner, cell_m, is_last=True)
        new = {key: tile for key, tile in again.items() if key[1] == square and key not in found}
        found |= new
        cut |= {square} if new else set()
    if cut:
        client.say(
            f"environment.data.gov.uk: left {list_names(sorted(cut), limit=SHOWN)} out of its "
            "answer to a wider search; found when asked for alone"
        )
    for product in COMPOSITES:
        absent = sorted(square for square in expected if (product, square) not in found)
        if absent:
            client.say(
                f"environment.data.gov.uk: has no {product} at {cell_m:g} m of "
                f"{list_names(absent, limit=SHOWN)} ({len(absent)} of {len(expected)} "
                "tiles); the ground there has no data"
            )
    return found


def _search(client: Client, bounds: Sequence[float], cell_m: float, is_last: bool = False) -> Tiles:
    """Ask which archives there are in a box; the newest edition of each.

    ``is_last`` says that what is not found is taken for absent, so that all must be there.
    """
    answer = _ask_survey(client, bounds)
    results, count = answer["results"], answer.get("count")
    if is_last and isinstance(count, int) and count > len(results):
        raise ServiceError(
            f"environment.data.gov.uk: gives {len(results)} of {count} results of a search over "
            "one tile, so that nobody knows what exists. Try again later."
        )
    return _choose_newest(results, cell_m)


def _ask_survey(client: Client, bounds: Sequence[float]) -> Mapping[str, Any]:
    """Ask the survey service for everything in a box."""
    # The second is what the portal called before.
    addresses = (
        "https://environment.data.gov.uk/tiles/collections/survey/search",
        "https://environment.data.gov.uk/backend/catalog/api/tiles/collections/survey/search",
    )
    west, south, east, north = bounds
    polygon = {"type": "Polygon", "coordinates": [to_lon_lat((west, south, east, north))]}
    try:
        answer = client.post_json(addresses[0], polygon, media="application/geo+json")
    except ServiceError as error:
        if not (isinstance(error, NotThereError) or error.status == 405):
            raise
        # Only where the first has gone: a busy service is busy at both.
        answer = client.post_json(addresses[1], polygon, media="application/geo+json")
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise ServiceError(
            "environment.data.gov.uk: answers a search without results. The service has changed; "
            "fetch tiles by hand: https://environment.data.gov.uk/survey"
        )
    return answer


def _name_others(client: Client, place: NamedPlace) -> str:
    """Say which products the service has where those that are wanted are missing."""
    west, south, east, north = place.bounds
    easting, northing = (west + east) / 2, (south + north) / 2
    middle = (easting - INSET_M, northing - INSET_M, easting + INSET_M, northing + INSET_M)
    results = _ask_survey(client, middle)["results"]
    names = sorted({str(each["product"]["id"]) for each in results if "product" in each})
    return list_names(names, limit=SHOWN) or "nothing at all"


def _choose_newest(results: Iterable[Any], cell_m: float) -> Tiles:
    """Take from the results of a search what is wanted; the newest edition of each tile."""
    products = {name: product for product, name in COMPOSITES.items()}
    found: Tiles = {}
    for result in results:
        try:
            name, year, cell, tile = (
                str(result[key]["id"]) for key in ("product", "year", "resolution", "tile")
            )
            # Everything flown over the box is in the answer, from point clouds to photographs.
            if name not in products or float(cell) != cell_m:
                continue
            # Without the key that the portal's own pages send along.
            made = _Tile(_read_tile(tile), int(year), str(result["uri"]).partition("?")[0])
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(
                f"environment.data.gov.uk: has {str(result)[:80]} among its results, which says no "
                "product, year, resolution and tile. The service has changed."
            ) from error
        key = (products[name], made.square)
        # An edition holds all older flights, so that the newest has everything.
        if key not in found or found[key].year < made.year:
            found[key] = made
    return found


def _read_tile(text: str) -> str:
    """Read a tile's id: its south-west kilometre, or its own reference, as ``TQ28NE``."""
    bounds = read_square(text)
    if bounds is None or bounds[2] - bounds[0] not in (PIECE_M, TILE_M):
        raise ValueError(f"{text} is no tile")
    name = name_square(bounds[0], bounds[1], TILE_M)
    if name is None or locate_square(name)[:2] != bounds[:2]:
        raise ValueError(f"{text} begins no tile")
    return name


def _offer_archive(product: Product, tile: _Tile, cell_m: float) -> Offer:
    file = f"{COMPOSITES[product]}-{tile.year}-{cell_m:g}-{tile.square}.zip"
    return Offer(
        what=f"{product} {tile.square}, {cell_m:g} m, edition of {tile.year}",
        url=tile.url,
        name=f"{FOLDERS[product]}/{file}",
        # Cells of 2 m are a quarter as many.
        n_bytes=round(TILE_BYTES[product] / cell_m**2),
        year=tile.year,
        credit=ENGLAND.lidar.in_year(tile.year),
        check=check_heights(tile.square, cell_m),
    )


def _offer_pieces(client: Client, tiles: Tiles, pieces: list[str]) -> list[Offer]:
    """Offer squares of a kilometre from the coverages, where the survey has tiles."""
    addresses: Mapping[Product, str] = {
        "surface": "lidar-composite-digital-surface-model-first-return-dsm-1m",
        "terrain": "lidar-composite-digital-terrain-model-dtm-1m",
    }
    offers = []
    for product in sorted({product for product, _ in tiles}):
        url, coverage = _find_coverage(client, addresses[product])
        for piece in pieces:
            west, south, east, north = locate_square(piece)
            tile = tiles.get((product, str(name_square(west, south, TILE_M))))
            if tile is None:
                continue
            query = [
                *(("service", "WCS"), ("version", "2.0.1"), ("request", "GetCoverage")),
                ("coverageId", coverage),
                ("subset", f"E({west:.0f},{east:.0f})"),
                ("subset", f"N({south:.0f},{north:.0f})"),
                ("format", "image/tiff"),
            ]
            offers.append(
                Offer(
                    what=f"{product} {piece}, 1 m, edition of {tile.year}",
                    url=f"{url}?{urlencode(query, safe='(),/')}",
                    name=f"{FOLDERS[product]}/{COMPOSITES[product]}-{tile.year}-1-{piece}.tif",
                    n_bytes=COVERAGE_BYTES,
                    year=tile.year,
                    credit=ENGLAND.lidar.in_year(tile.year),
                    # Outside England, and at sea, it has zeros.
                    check=check_heights(piece, CELLS_M[0], is_zero_void=True),
                )
            )
    return offers


def _find_coverage(client: Client, slug: str) -> tuple[str, str]:
    """Find a service of coverages and the one in it that holds heights: its id changes."""
    host = "https://environment.data.gov.uk"
    asked = {"service": "WCS", "version": "2.0.1", "request": "GetCapabilities"}
    for address in (slug, f"{slug}-2022"):
        url = f"{host}/spatialdata/{address}/wcs"
        try:
            text = client.get_text(url, asked)
        except NotThereError:
            continue
        ids = sorted(set(re.findall(r"<(?:\w+:)?CoverageId>\s*([^<\s]+)\s*<", text)))
        # Beside it stands a shaded picture, which is a raster like another.
        heights = [each for each in ids if "Elevation" in each and "Hillshade" not in each]
        if len(heights) != 1:
            raise ServiceError(
                f"environment.data.gov.uk: {address} has {len(heights)} coverages of heights among "
                f"{len(ids)} ({list_names(ids, limit=SHOWN)})"
            )
        return url, heights[0]
    raise ServiceError(f"environment.data.gov.uk: has no coverages under {slug}")
