"""Files of runs, each to whom it is for: the public's from what the gate released, and no other."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from basrelief.serve.answers import answer, answer_file, find_media
from basrelief.serve.editions import PUBLIC, Edition, find_file_tier
from basrelief.serve.guard import GuardedRoute, for_tier, require
from basrelief.serve.policies import is_page, make_policy
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)


def find_run(request: Request, run: str) -> Edition:
    """Find a run by its name in an address.

    Raises
    ------
    HTTPException
        404 where there is none.
    """
    edition: Edition | None = request.app.state.shelf.get(run)
    if edition is None:
        raise HTTPException(404, "There is no such run.")
    return edition


@router.get("/runs/{run}/files/{name:path}", summary="A file of a run")
@for_tier(Tier.PUBLIC)
async def get_file(request: Request, run: str, name: str) -> Response:
    """Give a file of a run, whole or in part; which tier it takes goes by its name."""
    require(request, find_file_tier(name))
    edition = find_run(request, run)
    if name.startswith(PUBLIC):
        data = edition.released.get(name.removeprefix(PUBLIC))
        if data is None:
            raise HTTPException(404, "Nothing of this name was released.")
        tag = f"{edition.tag}-{len(data):x}"
        return answer(request, data, find_media(name), tag, find_policy(edition, name))
    if name not in edition.looks:
        raise HTTPException(404, "The run has no such file.")
    file = edition.open(name)
    tag = "-".join([edition.tag, *(f"{part:x}" for part in edition.looks[name][:2])])
    return answer_file(request, file, name, tag, find_policy(edition, name))


def find_policy(edition: Edition, name: str) -> dict[str, str]:
    """Find what a page of a run may do; nothing for other files."""
    if not is_page(name):
        return {}
    if name not in edition.policies:
        if name.startswith(PUBLIC):
            page = edition.released[name.removeprefix(PUBLIC)]
        else:
            with edition.open(name) as file:
                page = file.read()
        edition.policies[name] = make_policy(page)
    return edition.policies[name]
