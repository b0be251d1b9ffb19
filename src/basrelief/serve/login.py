"""Logging in with a provider of OpenID Connect: by code with PKCE, and a claim gives the tier."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from httpx2 import HTTPError
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp

from basrelief.config import InputError
from basrelief.serve.answers import find_base
from basrelief.serve.guard import GuardedRoute, for_tier
from basrelief.serve.settings import OidcSettings, ServeSettings
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)

FEWEST_BYTES = 32
"""Of what sessions are signed with."""

NEVER_KEPT = {"Cache-Control": "no-store"}


def make_client(settings: ServeSettings) -> Any:
    """Make what speaks to the provider; None where there is none.

    Raises
    ------
    InputError
        If the file of the secret cannot be read.
    """
    oidc = settings.oidc
    if oidc is None:
        return None
    secret = None
    if oidc.client_secret is not None:
        secret = _read(settings.locate(oidc.client_secret), "oidc.client_secret").decode().strip()
    return OAuth().register(
        "provider",
        server_metadata_url=f"{oidc.issuer}/.well-known/openid-configuration",
        client_id=oidc.client_id,
        client_secret=secret,
        client_kwargs={
            "scope": "openid profile",
            "code_challenge_method": "S256",
            # Without a secret, PKCE alone shows that the one who asks is the one who began.
            "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
        },
    )


def with_sessions(app: ASGIApp, settings: ServeSettings) -> ASGIApp:
    """Put sessions around an application whose people can log in."""
    oidc = settings.oidc
    if oidc is None:
        return app
    return SessionMiddleware(
        app,
        secret_key=_find_key(settings.locate(oidc.session_key)),
        session_cookie="basrelief",
        max_age=3600 * oidc.session_hours,
        path=settings.root_path or "/",
        # Lax, or the provider could send nobody back.
        same_site="lax",
        https_only=True,
    )


def _find_key(path: Path) -> str:
    """Read what sessions are signed with, or make it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody else's to read, from the first byte on.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, secrets.token_hex(FEWEST_BYTES).encode())
        os.close(file)
    key = _read(path, "oidc.session_key").decode(errors="replace").strip()
    if len(key) < FEWEST_BYTES:
        raise InputError(
            f"oidc.session_key: {path} has {len(key)} letters, and needs {FEWEST_BYTES} at least. "
            "Take it away, and one is made."
        )
    return key


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{key}: cannot read {path} ({error.strerror}).") from error


def _client_of(request: Request) -> Any:
    client = request.app.state.provider
    if client is None:
        raise HTTPException(404, "Nobody logs in here.")
    return client


@router.get("/login", summary="Log in")
@for_tier(Tier.PUBLIC)
async def get_login(request: Request) -> Response:
    """Send whoever asks to the provider."""
    back = f"{find_base(request)}/login/done"
    try:
        response: Response = await _client_of(request).authorize_redirect(request, back)
    except (HTTPError, OAuthError) as error:
        raise HTTPException(503, "The provider cannot be reached.") from error
    # Where it leads holds signs that were made for this one login.
    response.headers.update(NEVER_KEPT)
    return response


@router.get("/login/done", summary="Come back from the provider")
@for_tier(Tier.PUBLIC)
async def get_login_done(request: Request) -> Response:
    """Take what the provider says, and begin a session."""
    client, settings = _client_of(request), request.app.state.settings
    try:
        token = await client.authorize_access_token(request)
    except (OAuthError, JoseError, ValueError) as error:
        raise HTTPException(401, "The provider's answer could not be believed.") from error
    except HTTPError as error:
        raise HTTPException(503, "The provider cannot be reached.") from error
    claims = token.get("userinfo") or {}
    # What was there before was of somebody who had not said who they are.
    request.session.clear()
    request.session["login"] = {
        # Cut, as it stands in a cookie: browsers drop long ones without a word.
        "name": str(claims.get("preferred_username") or claims.get("sub") or "somebody")[:100],
        "tier": int(find_claimed(claims, settings.oidc)),
        # The cookie's age can begin anew with an answer; this end stays where it is.
        "until": time.time() + 3600 * settings.oidc.session_hours,
    }
    return RedirectResponse(f"{find_base(request)}/?f=html", 303, NEVER_KEPT)


def find_claimed(claims: Mapping[str, Any], oidc: OidcSettings) -> Tier:
    """Find the highest tier that claims give; public where they give none.

    Examples
    --------
    >>> oidc = OidcSettings(issuer="https://a.b", client_id="c", tiers={"gis": "analyst"})
    >>> find_claimed({"groups": ["staff", "gis"]}, oidc).name, find_claimed({}, oidc).name
    ('ANALYST', 'PUBLIC')
    """
    said = claims.get(oidc.claim)
    values = said if isinstance(said, list) else [said]
    given = [Tier.named(oidc.tiers[v]) for v in values if isinstance(v, str) and v in oidc.tiers]
    return max(given, default=Tier.PUBLIC)


# Posted: else a picture in a page of somebody else could log people out.
@router.post("/logout", summary="Log out")
@for_tier(Tier.PUBLIC)
async def post_logout(request: Request) -> Response:
    """End the session."""
    if request.app.state.provider is not None:
        request.session.clear()
    return RedirectResponse(f"{find_base(request)}/?f=html", 303, NEVER_KEPT)
