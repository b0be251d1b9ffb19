"""The pages of the server: the list of runs, and what programs ask to know whether it lives."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from basrelief import __version__
from basrelief.serve.answers import HTML, JSON, answer, find_base, hash_answer, write_json
from basrelief.serve.editions import Edition
from basrelief.serve.guard import GuardedRoute, for_tier, person_of
from basrelief.serve.templates import answer_page, fill_page
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)


def hash_runs(request: Request, *parts: str) -> str:
    """Hash an answer that rests on all runs, and on who asks."""
    tags = [edition.tag for edition in request.app.state.shelf]
    person = person_of(request)
    # With the name: pages tell people who they are.
    return hash_answer(request, *parts, person.name, person.tier.name, *tags)


def wants_page(request: Request) -> bool:
    """Whether whoever asks looks at pages, by ``f`` or by what they accept."""
    asked = request.query_params.get("f")
    if asked is not None:
        return asked == "html"
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted or "application/xhtml+xml" in accepted


def tell_worth(edition: Edition, tier: Tier) -> list[str]:
    """Say what a run is worth, target by target, to a tier."""
    if tier >= Tier.ANALYST and edition.layers:
        return [f"{layer['target']}: {layer['says']}" for layer in edition.layers]
    figures = edition.publish.get("figures", [])
    return [f"{each['target']}, by {each['recipe']}: {each['worth']}" for each in figures]


@router.get("/", summary="The list of runs, or the landing page of the service")
@for_tier(Tier.PUBLIC)
async def get_landing(request: Request) -> Response:
    """Give the list of runs to whoever looks at pages, and links to programs."""
    if not wants_page(request):
        return answer(request, write_json(_link_all(request)), JSON, hash_runs(request, "json"))
    return answer_page(request, hash_runs(request, "html"), lambda: _fill_runs(request))


def _fill_runs(request: Request) -> bytes:
    """Fill the list of runs."""
    tier = person_of(request).tier
    runs = [
        {
            "id": edition.id,
            "worth": tell_worth(edition, tier),
            "n_areas": edition.publish.get("areas_published", 0),
            "is_made_up": edition.publish.get("is_made_up", False),
        }
        for edition in request.app.state.shelf
    ]
    return fill_page(request, "runs.html.j2", runs=runs)


def _link_all(request: Request) -> dict[str, Any]:
    """Link to what programs can ask for."""
    base = find_base(request)
    links = [
        ("self", "/?f=json", JSON, "This page"),
        ("alternate", "/?f=html", "text/html", "The list of runs"),
        ("service-desc", "/openapi.json", "application/vnd.oai.openapi+json;version=3.1", "API"),
        ("service-doc", "/openapi.json", "application/vnd.oai.openapi+json;version=3.1", "API"),
        ("conformance", "/conformance", JSON, "What of the standards holds"),
        ("data", "/collections", JSON, "The collections of areas"),
        ("http://www.opengis.net/def/rel/ogc/1.0/tilesets-map", "/rasters", JSON, "Rasters"),
        ("related", "/stac", JSON, "A catalogue of the runs"),
    ]
    return {
        "title": "basrelief",
        "description": "Deprivation maps from LIDAR, of areas and not of people.",
        "links": [
            {"rel": rel, "href": f"{base}{path}", "type": media, "title": title}
            for rel, path, media, title in links
        ],
    }


@router.get("/health", summary="Whether the server lives")
@for_tier(Tier.PUBLIC)
async def get_health(request: Request) -> Response:
    """Say that the server lives, and how many runs it serves."""
    told = {"status": "ok", "version": __version__, "runs": len(list(request.app.state.shelf))}
    return Response(json.dumps(told), media_type=JSON, headers={"Cache-Control": "no-store"})


@router.get("/openapi.json", summary="This description")
@for_tier(Tier.PUBLIC)
async def get_openapi(request: Request) -> Response:
    """Describe the addresses of the server."""
    told = request.app.openapi() | {"servers": [{"url": find_base(request) or "/"}]}
    media = "application/vnd.oai.openapi+json;version=3.1"
    return answer(request, write_json(told), media, hash_answer(request, __version__))


@router.get("/records", summary="What people of the custodian's tier took")
@for_tier(Tier.CUSTODIAN)
async def get_records(request: Request) -> Response:
    """Show the newest records."""
    lines = request.app.state.records.read_last()
    page = fill_page(request, "records.html.j2", lines=lines)
    return Response(page, media_type=HTML, headers={"Cache-Control": "private, no-store"})
