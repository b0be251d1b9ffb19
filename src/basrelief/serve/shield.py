"""What surrounds every answer: who asks, how long, in which headers, and what is on record."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from basrelief.serve.people import Doorkeeper, UnknownError
from basrelief.serve.records import Records
from basrelief.serve.settings import LOOPBACK, ServeSettings
from basrelief.serve.tiers import Person, Tier

POSTED = ("/logout",)
"""The only addresses that anything is posted to."""

LONGEST = 2048
"""Most letters of what is asked behind an address."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src blob:; "
    "frame-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)
"""What pages may load: nothing of others, and no script that stands in the page itself."""

ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    # One address has an answer for each tier, which caches must not mix up.
    (b"vary", b"Accept, Authorization, Cookie"),
]
UNLESS_SAID = [
    (b"content-security-policy", POLICY.encode()),
    (b"cache-control", b"no-store"),
]
"""Headers of every answer; as bytes, for they are many and go out with each."""


class Shield:
    """Asks who is there before anything is answered, and guards what leaves."""

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, doorkeeper: Doorkeeper, records: Records
    ) -> None:
        self.app, self.settings = app, settings
        self.doorkeeper, self.records = doorkeeper, records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            # No sockets; what starts and stops the application passes.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        outgoing = self._guard(scope, send)
        refusal = self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, outgoing)
            return
        if scope["method"] == "HEAD":
            # Answered as it would be, and nothing of it is sent but its headers.
            scope["method"], outgoing = "GET", _behead(outgoing)
        await self._answer(scope, receive, outgoing)

    def _refuse(self, scope: Scope) -> JSONResponse | None:
        """Refuse what is no question, or of somebody who is not who they say; None for others."""
        scope["needs"] = Tier.PUBLIC
        headers = Headers(scope=scope)
        # With the path that a proxy puts before it or without: proxies differ.
        path = scope["path"].removeprefix(self.settings.root_path)
        allowed = ("POST",) if path in POSTED else ("GET", "HEAD")
        if scope["method"] not in allowed:
            return _say(405, "Only questions are answered.", {"Allow": ", ".join(allowed)})
        if len(scope["query_string"]) > LONGEST:
            return _say(414, f"At most {LONGEST} letters can be asked.")
        host = headers.get("host", "")
        # Links begin with it.
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]{1,255}", host):
            return _say(400, "Say in one Host header which server is asked.")
        # On one machine alone a page of somebody else must not reach it under its own name.
        if self.settings.is_local and self.settings.url is None and not _is_local(host):
            return _say(421, "This server is for this machine: ask for 127.0.0.1 or localhost.")
        try:
            scope["person"] = self.doorkeeper.recognise(scope)
        except UnknownError as error:
            return _say(401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer, within its time."""
        has_begun = False
        try:
            async with asyncio.timeout(self.settings.timeout_s) as limit:

                async def passing(message: Message) -> None:
                    nonlocal has_begun
                    # Whoever reads slowly may: only what does not begin is given up.
                    has_begun = True
                    limit.reschedule(None)
                    await send(message)

                await self.app(scope, receive, passing)
        except TimeoutError:
            # Half an answer cannot become another one: the connection breaks off.
            if has_begun:
                raise
            await _say(503, "This took too long.", {"Retry-After": "10"})(scope, receive, send)

    def _guard(self, scope: Scope, send: Send) -> Send:
        """Put headers before an answer, and the answer on record."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                had = {name for name, _ in headers}
                # Nothing of a fault may be kept.
                if message["status"] == 200:
                    headers += scope.get("sent", ())
                    had.update(name for name, _ in scope.get("sent", ()))
                headers += [each for each in UNLESS_SAID if each[0] not in had]
                message["headers"] = headers + ALWAYS
                # Before the answer leaves: what cannot be put on record is not sent.
                person: Person | None = scope.get("person")
                if person is not None and person.tier == Tier.CUSTODIAN and scope["needs"]:
                    path = quote(scope["path"])
                    self.records.write(person, path, message["status"])
            await send(message)

        return guarded


def _say(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": str(status), "description": text}, status, headers)


def _behead(send: Send) -> Send:
    async def headless(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headless


def _is_local(host: str) -> bool:
    """Whether a request was sent to this machine under a name that is always its own.

    >>> [_is_local(host) for host in ("localhost:80", "[::1]", "127.0.0.1", "evil.example:80")]
    [True, True, True, False]
    """
    return re.sub(r":\d+$", "", host).strip("[]").lower() in LOOPBACK
