"""OGC API – Features: collections of areas by the standard, so that GIS programs read them."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from basrelief.serve.answers import JSON, answer, find_base, hash_answer, write_json
from basrelief.serve.credits import credit
from basrelief.serve.editions import Edition, ReplacedError
from basrelief.serve.features import (
    CRS84,
    SYSTEMS,
    Box,
    Collection,
    join_features,
    list_collections,
    read_collection,
)
from basrelief.serve.guard import GuardedRoute, for_tier, person_of, require
from basrelief.serve.pages import hash_runs
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)

CONFORMS = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
)
"""What holds. Not the classes for HTML, as collections are no pages, and for OpenAPI 3.0, as the
description is of version 3.1."""

GEOJSON = "application/geo+json"
LIMIT = 100
"""Areas in an answer where nobody says how many."""

ASKED = {
    "f": ({"enum": ["json", "geojson"]}, "How the answer is written."),
    "bbox": (
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
        "West, south, east, north: areas that meet it.",
    ),
    "bbox-crs": ({"enum": list(SYSTEMS), "default": CRS84}, "In which system the box is."),
    "crs": ({"enum": list(SYSTEMS), "default": CRS84}, "In which system areas are given."),
    "datetime": ({"type": "string"}, "A moment or an interval. Areas have none: all match."),
    "limit": ({"type": "integer", "minimum": 1, "default": LIMIT}, "Most areas in the answer."),
    "offset": ({"type": "integer", "minimum": 0, "default": 0}, "How many areas are passed over."),
}
KNOWN = tuple(ASKED)
"""What can be asked of items, with its schema and what it means."""


def document(*names: str) -> dict[str, Any]:
    """Describe what can be asked to programs that read the description of the service."""
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": ASKED[name][0], "description": ASKED[name][1]}
            # One text with commas in it; else clients would name the box anew for each number.
            | ({"style": "form", "explode": False} if name == "bbox" else {})
            for name in names
        ]
    }


@router.get("/conformance", summary="What of the standards holds")
@for_tier(Tier.PUBLIC)
async def get_conformance(request: Request) -> Response:
    """List the classes of conformance."""
    refuse_unknown(request, ("f",))
    return answer(request, write_json({"conformsTo": CONFORMS}), JSON, hash_answer(request))


# Not async: what reads whole collections must not hold up all other answers.
@router.get("/collections", summary="The collections of areas")
@for_tier(Tier.PUBLIC)
def get_collections(request: Request) -> Response:
    """List the collections that whoever asks may see."""
    refuse_unknown(request, ("f",))
    tier, base = person_of(request).tier, find_base(request)
    shown = []
    for edition in request.app.state.shelf:
        names = [name for name, needs in list_collections(edition).items() if needs <= tier]
        # One run that is being replaced does not keep the others from being seen.
        with suppress(ReplacedError):
            shown += [describe(request, read_collection(edition, name)) for name in names]
    links = [{"rel": "self", "href": f"{base}/collections", "type": JSON}]
    told = {"links": links, "crs": list(SYSTEMS), "collections": shown}
    return answer(request, write_json(told), JSON, hash_runs(request, "collections"))


@router.get("/collections/{name}", summary="A collection of areas")
@for_tier(Tier.PUBLIC)
def get_collection(request: Request, name: str) -> Response:
    """Describe a collection."""
    refuse_unknown(request, ("f",))
    found = find_collection(request, name)
    body = write_json(describe(request, found))
    return answer(request, body, JSON, hash_answer(request, found.edition.tag, name))


@router.get(
    "/collections/{name}/items",
    summary="Areas of a collection",
    openapi_extra=document(*KNOWN),
)
@for_tier(Tier.PUBLIC)
async def get_items(request: Request, name: str) -> Response:
    """Give areas, those in a box or all, page by page."""
    refuse_unknown(request, KNOWN)
    crs, of_box = read_crs(request, "crs"), read_crs(request, "bbox-crs")
    found = await find_ready(request, name, crs, of_box)
    # Too many are not refused but fewer given, as the standard allows: links lead to the rest.
    limit = min(read_number(request, "limit", LIMIT, 1), request.app.state.settings.max_items)
    offset = read_number(request, "offset", 0, 0)
    box = read_box(request)
    places = range(len(found.ids)) if box is None else found.find(box, of_box)
    page = places[offset : offset + limit]
    # Without the time of the answer: the areas are the same at each asking.
    tag = hash_answer(request, found.edition.tag, name, "items")
    links = link_items(request, name, offset, limit, len(places))
    head = {
        "type": "FeatureCollection",
        "timeStamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "numberMatched": len(places),
        "numberReturned": len(page),
        "links": links,
    }
    features = join_features(found.write_in(crs), [int(place) for place in page])
    # Areas are written once and joined as text; only the head is new.
    body = write_json(head)[:-1] + b',"features":' + features + b"}"
    return answer(request, body, GEOJSON, tag, {"Content-Crs": f"<{crs}>"})


@router.get(
    "/collections/{name}/items/{area}",
    summary="An area of a collection",
    openapi_extra=document("f", "crs"),
)
@for_tier(Tier.PUBLIC)
def get_item(request: Request, name: str, area: str) -> Response:
    """Give an area by its code."""
    refuse_unknown(request, ("f", "crs"))
    found = find_collection(request, name)
    crs = read_crs(request, "crs")
    place = found.place_of.get(area)
    if place is None:
        raise HTTPException(404, "There is no such area.")
    base = f"{find_base(request)}/collections/{name}"
    links = [
        {"rel": "self", "href": f"{base}/items/{quote(area, safe='')}", "type": GEOJSON},
        {"rel": "collection", "href": base, "type": JSON},
    ]
    body = found.write_in(crs)[place][:-1] + b',"links":' + write_json(links) + b"}"
    tag = hash_answer(request, found.edition.tag, name, area)
    return answer(request, body, GEOJSON, tag, {"Content-Crs": f"<{crs}>"})


def find_edition(request: Request, name: str) -> Edition:
    """Find the run that a collection is of, for whoever may see it.

    Raises
    ------
    HTTPException
        404 where there is none, 401 or 403 where it takes another tier.
    """
    run, dot, _ = name.partition(".")
    # By its name alone, before it is looked for: what is not there says no more than what is.
    require(request, Tier.ANALYST if dot else Tier.PUBLIC)
    edition: Edition | None = request.app.state.shelf.get(run)
    if edition is None or name not in list_collections(edition):
        raise HTTPException(404, "There is no such collection.")
    return edition


def find_collection(request: Request, name: str) -> Collection:
    """Find a collection by its name, for whoever may see it: see `find_edition`."""
    return read_collection(find_edition(request, name), name)


async def find_ready(request: Request, name: str, crs: str, of_box: str) -> Collection:
    """Find a collection whose areas can be given at once.

    What is not ready is made so beside all else that is answered; what is, is answered without a
    change of threads, which takes longer than the answer.
    """
    edition = find_edition(request, name)
    found: Collection | None = edition.collections.get(name)
    if found is None or not found.is_ready(crs, of_box):
        found = await run_in_threadpool(read_collection, edition, name)
        await run_in_threadpool(found.make_ready, crs, of_box)
    return found


def describe(request: Request, found: Collection) -> dict[str, Any]:
    """Describe a collection: where it is, whose it is, what it is worth, and its items."""
    href = f"{find_base(request)}/collections/{found.id}"
    return {
        "id": found.id,
        "title": found.title,
        "description": found.description,
        "itemType": "feature",
        "extent": {"spatial": {"bbox": [list(found.bounds)], "crs": CRS84}},
        "crs": list(SYSTEMS),
        "storageCrs": found.storage,
        "numberOfAreas": len(found.ids),
        **credit(found.edition, found.tier),
        "links": [
            {"rel": "self", "href": href, "type": JSON},
            {"rel": "items", "href": f"{href}/items", "type": GEOJSON},
            *[
                {"rel": "license", "href": each["url"], "title": each["licence"]}
                for each in credit(found.edition, found.tier)["credits"]
                if each["url"]
            ],
        ],
    }


def link_items(
    request: Request, name: str, offset: int, limit: int, n: int
) -> list[dict[str, str]]:
    """Link from a page of items to itself, to its collection, and to the pages beside it."""
    base = f"{find_base(request)}/collections/{name}"
    asked = dict(request.query_params)

    def link(rel: str, start: int, most: int = limit) -> dict[str, str]:
        query = urlencode(asked | {"offset": start, "limit": most})
        return {"rel": rel, "href": f"{base}/items?{query}", "type": GEOJSON}

    links = [link("self", offset), {"rel": "collection", "href": base, "type": JSON}]
    if offset + limit < n:
        links.append(link("next", offset + limit))
    if offset:
        # To where this page begins: who goes back sees no area twice.
        links.append(link("prev", max(0, offset - limit), min(limit, offset)))
    return links


def refuse_unknown(request: Request, known: tuple[str, ...]) -> None:
    """Refuse what is asked and not understood, as the standard wants.

    Raises
    ------
    HTTPException
        400.
    """
    strange = [key for key in request.query_params if key not in known]
    if strange:
        raise HTTPException(400, f"{strange[0]}: unknown here. Known: {', '.join(known)}.")
    if request.query_params.get("f", "json") not in ("json", "geojson"):
        raise HTTPException(400, "f: must be json.")
    moment = request.query_params.get("datetime")
    if moment is not None and not is_moment(moment):
        raise HTTPException(400, "datetime: must be a moment, or two with a / between.")


def is_moment(text: str) -> bool:
    """Whether a text is a moment or an interval (RFC 3339); areas have none, and all match.

    Examples
    --------
    >>> is_moment("2019-01-01T00:00:00Z/.."), is_moment("soon")
    (True, False)
    """
    parts = text.split("/")
    try:
        for part in parts:
            # Only an interval may have an open end.
            if part not in ("", "..") or len(parts) == 1:
                datetime.fromisoformat(part)
    except ValueError:
        return False
    return len(parts) <= 2


def read_crs(request: Request, key: str) -> str:
    """Read which reference system is asked for.

    Raises
    ------
    HTTPException
        400 where areas are not given in it.
    """
    asked = request.query_params.get(key, CRS84)
    if asked not in SYSTEMS:
        raise HTTPException(400, f"{key}: must be one of {', '.join(SYSTEMS)}.")
    return asked


def read_number(request: Request, key: str, usual: int, least: int) -> int:
    """Read a whole number that is asked for.

    Raises
    ------
    HTTPException
        400 where it is none, or too small.
    """
    asked = request.query_params.get(key)
    if asked is None:
        return usual
    # `isdigit` alone takes digits of other scripts, and more of them than numbers need.
    if not asked.isascii() or not asked.isdigit() or len(asked) > 9 or int(asked) < least:
        raise HTTPException(400, f"{key}: must be a whole number from {least} to 999999999.")
    return int(asked)


def read_box(request: Request) -> Box | None:
    """Read the box that is asked for; None where there is none.

    Raises
    ------
    HTTPException
        400 where it is none.
    """
    asked = request.query_params.get("bbox")
    if asked is None:
        return None
    try:
        numbers = [float(part) for part in asked.split(",")]
    except ValueError:
        numbers = []
    # Of heights nothing is known: with them, a box has six numbers.
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or numbers[1] > numbers[3]:
        raise HTTPException(400, "bbox: must be four numbers: west,south,east,north.")
    west, south, east, north = numbers
    if west > east:
        # Over the line where the date changes: nothing that is served lies there.
        raise HTTPException(400, "bbox: its west, the first number, must not lie east of its east.")
    return west, south, east, north
