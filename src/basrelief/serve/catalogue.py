"""A catalogue of the runs (STAC): where each is, whose its data are, and what may be taken."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from basrelief.serve.answers import JSON, answer, find_base, find_media, hash_answer, write_json
from basrelief.serve.credits import NOTE, credit
from basrelief.serve.editions import PUBLIC, Edition
from basrelief.serve.features import list_collections, read_collection
from basrelief.serve.files import find_run
from basrelief.serve.guard import GuardedRoute, for_tier, person_of
from basrelief.serve.pages import hash_runs
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)
VERSION = "1.1.0"


@router.get("/stac", summary="A catalogue of the runs")
@for_tier(Tier.PUBLIC)
async def get_catalogue(request: Request) -> Response:
    """List the runs."""
    base = find_base(request)
    children = [
        {"rel": "child", "href": f"{base}/stac/{edition.id}", "type": JSON, "title": edition.id}
        for edition in request.app.state.shelf
    ]
    links = [{"rel": rel, "href": f"{base}/stac", "type": JSON} for rel in ("self", "root")]
    told = {
        "type": "Catalog",
        "id": "basrelief",
        "stac_version": VERSION,
        "description": f"Deprivation maps from LIDAR. {NOTE}",
        "links": [*links, *children],
    }
    return answer(request, write_json(told), JSON, hash_runs(request, "stac"))


@router.get("/stac/{run}", summary="A run in the catalogue")
@for_tier(Tier.PUBLIC)
def get_run(request: Request, run: str) -> Response:
    """Describe a run, with the files of it that whoever asks may take."""
    edition, tier = find_run(request, run), person_of(request).tier
    told = describe_run(request, edition, tier)
    # With the tier: each sees other files, and must not get another's answer.
    tag = hash_answer(request, edition.tag, str(int(tier)))
    return answer(request, write_json(told), JSON, tag)


def describe_run(request: Request, edition: Edition, tier: Tier) -> dict[str, Any]:
    """Describe a run as a collection of STAC."""
    base = find_base(request)
    links = [("self", f"/stac/{edition.id}"), ("root", "/stac"), ("parent", "/stac")]
    if "stac/catalog.json" in edition.list_files(tier):
        links.append(("child", f"/runs/{edition.id}/files/stac/catalog.json"))
    return {
        "type": "Collection",
        "id": edition.id,
        "stac_version": VERSION,
        "title": edition.id,
        "description": NOTE,
        "extent": {
            "spatial": {"bbox": [find_bounds(edition, tier)]},
            # What the scores speak of stands with the areas; of a run as a whole nothing is said.
            "temporal": {"interval": [[None, None]]},
        },
        **{f"basrelief:{key}": each for key, each in credit(edition, tier).items()},
        "license": "other",
        "providers": [
            {"name": each["source"], "roles": ["licensor"]}
            for each in credit(edition, tier)["credits"]
        ],
        "links": [{"rel": rel, "href": f"{base}{path}", "type": JSON} for rel, path in links],
        "assets": {
            name: {
                "href": f"{base}/runs/{edition.id}/files/{name}",
                "type": find_media(name),
                "roles": ["data"],
            }
            for name in [*(PUBLIC + each for each in edition.released), *edition.list_files(tier)]
        },
    }


def find_bounds(edition: Edition, tier: Tier) -> list[float]:
    """Find where a run is, as far as a tier may know; of nothing known, the world."""
    for name, needs in list_collections(edition).items():
        if needs <= tier:
            return list(read_collection(edition, name).bounds)
    # STAC wants a box of every collection.
    return [-180.0, -90.0, 180.0, 90.0]
