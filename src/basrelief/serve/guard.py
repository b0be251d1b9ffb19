"""The guard of every route: a route that names no tier answers nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from basrelief.serve.tiers import NOBODY, Person, Tier

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def for_tier(tier: Tier) -> Callable[[Endpoint], Endpoint]:
    """Say which tier an endpoint takes at least."""

    def mark(endpoint: Endpoint) -> Endpoint:
        # On the endpoint, as routes of tiles are made by titiler and not by us.
        vars(endpoint)["tier"] = tier
        return endpoint

    return mark


def find_tier(route: BaseRoute) -> Tier | None:
    """Find the tier of a route; None where it names none, or would not ask for it."""
    if not isinstance(route, GuardedRoute):
        return None
    tier: Tier | None = getattr(route.endpoint, "tier", None)
    return tier


def person_of(request: Request) -> Person:
    """Tell who asks."""
    person: Person = request.scope["person"]
    return person


def require(request: Request, tier: Tier) -> None:
    """Refuse whoever is below a tier.

    Raises
    ------
    HTTPException
        401 for whoever might yet say who they are, else 403. Whether what they ask for is there
        they are not told.
    """
    person = person_of(request)
    # Before the answer is made: what is taken is on record before it leaves.
    request.scope["needs"] = max(tier, request.scope["needs"])
    if person.tier >= tier:
        return
    if person == NOBODY:
        raise HTTPException(401, "Say who you are.", {"WWW-Authenticate": "Bearer"})
    raise HTTPException(403, f"This takes the tier {tier.name.lower()}.")


class GuardedRoute(APIRoute):
    """A route that asks for its tier before anything else is done."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Put the question for the tier before the endpoint."""
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            tier = find_tier(self)
            # `make_server` refuses such a route; one may be added after it.
            if tier is None:
                raise HTTPException(403, "Nobody may see this.")
            require(request, tier)
            response: Response = await answer(request)
            return response

        return guarded
