"""How services are spoken to: politely, again after a pause, and never believed before a look."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore, Event
from typing import Any, cast
from urllib.parse import urlsplit

import requests

from basrelief import __version__
from basrelief.config import InputError
from basrelief.sources.fetch.answers import (
    N_TRIES,
    N_TRIES_IN_DOUBT,
    as_is,
    identify,
    name_fault,
    read_pause,
    read_start,
)

AGENT = f"basrelief/{__version__}"
MIRRORS = "BASRELIEF_MIRRORS"
"""Environment variable: ``host=address`` separated by spaces, for offices that keep copies of
official services, and for tests, which talk to services of their own."""

LATER = frozenset({429, 502, 503, 504})
"""Answers that say "not now": they tell nothing of whether a thing exists."""

DOUBTFUL = frozenset({403, 500})
"""Answers that some services give at times when they are busy, and mean at others."""

GONE = frozenset({404, 410})

N_AT_ONCE = 3
"""Requests under way at a time: beyond, some services answer 403 and 504 to all."""

LONGEST_PAUSE_S = 600.0
"""What a service may ask to be left alone for before it is given up."""

CONNECT_S = 30.0

PIECE_BYTES = 2**16
"""Read at once of an answer: where a connection is cut, less than this is lost."""


class ServiceError(InputError):
    """A service did not give what was asked; the message names the service and what it said."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, where that was the reason."""


class NotThereError(ServiceError):
    """A service said that it has no such thing (404, 410)."""


@dataclass(frozen=True, eq=False)
class Client:
    """Speaks HTTP for everything that is fetched.

    One is made for a command, and may be used by several threads.
    """

    cache: Path
    """Folder in which files that came are kept (`downloads.download`)."""

    say: Callable[[str], None]
    """Prints one line for the user."""

    pause_s: float = 5.0
    """Pause before the second try; it doubles from try to try."""

    timeout_s: float = 300.0
    """Some services fill a whole archive before they answer."""

    mirrors: Mapping[str, str] = field(default_factory=lambda: read_mirrors(os.environ))
    # One session, so that a service is not greeted anew for each of a hundred tiles.
    session: requests.Session = field(default_factory=requests.Session)
    count: Callable[[int], None] = lambda n_bytes: None
    """Told how many bytes of a file just came, for a bar of progress; less than 0 where a file
    begins anew."""

    slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(N_AT_ONCE))
    stop: Event = field(default_factory=Event)
    """Once set, nothing more is asked and nothing waited for."""

    def get_json(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask for JSON.

        Raises
        ------
        NotThereError
            On 404.
        ServiceError
            If it cannot be had, or what came is no JSON.
        """
        with self.open("GET", url, params=params, headers=dict(headers or {})) as answer:
            return _parse_json(answer, url)

    def get_bytes(self, url: str) -> bytes:
        """Ask for a small file that is not kept; errors as of `get_json`."""
        with self.open("GET", url, headers=as_is()) as answer:
            return cast(bytes, answer.content)

    def get_text(self, url: str, params: Mapping[str, Any] | None = None) -> str:
        """Ask for a text; errors as of `get_json`."""
        with self.open("GET", url, params=params) as answer:
            return answer.text

    def post_json(
        self, url: str, body: Any, form: bool = False, media: str = "application/json"
    ) -> Any:
        """Send JSON, or the fields of a form, and take JSON; errors as of `get_json`."""
        sent: dict[str, Any] = {"data": body}
        if not form:
            sent = {"data": json.dumps(body).encode(), "headers": {"Content-Type": media}}
        with self.open("POST", url, **sent) as answer:
            return _parse_json(answer, url)

    def measure(self, url: str) -> int | None:
        """Ask how many bytes a file has, without HEAD, which some services refuse.

        Returns
        -------
        int or None
            None where the service does not say.
        """
        with self.open("GET", url, headers=as_is(range(1)), stream=True) as answer:
            found = identify(answer)
            return None if found.is_packed else found.total

    def read_range(self, url: str, start: int, end: int) -> bytes:
        """Read bytes ``start`` to ``end``, the last one left out.

        Raises
        ------
        ServiceError
            If the service does not give just these.
        """
        asked = range(start, end)
        # As a stream: a service that knows no parts of files would send the whole.
        with self.open("GET", url, headers=as_is(asked), stream=True) as answer:
            if answer.status_code != 206 or read_start(answer) != start:
                raise ServiceError(f"{name_host(url)}: gives no part of a file")
            try:
                got = cast(bytes, answer.content)
            except requests.RequestException:
                raise ServiceError(f"{name_host(url)}: the connection was cut") from None
        if len(got) != len(asked):
            raise ServiceError(
                f"{name_host(url)}: gives {len(got)} bytes of {len(asked)} asked for"
            )
        return got

    @contextmanager
    def open(self, method: str, url: str, **sent: Any) -> Iterator[requests.Response]:
        """Send a request when it is its turn, and close the answer; errors as of `get_json`."""
        # Pauses are within: whoever was told "not now" does not send others in his place.
        with self.slots, self._ask(method, url, **sent) as answer:
            yield answer

    def _ask(self, method: str, url: str, **sent: Any) -> requests.Response:
        """Send one request, again after a pause where the service says "not now"."""
        headers = {"User-Agent": AGENT} | sent.pop("headers", {})
        timeout = (min(CONNECT_S, self.timeout_s), self.timeout_s)
        host, k = name_host(url), 0
        while True:
            self.check_stop(url)
            k, asked_s, status = k + 1, 0.0, None
            try:
                answer = self.session.request(
                    method, self._redirect(url), headers=headers, timeout=timeout, **sent
                )
            except requests.RequestException as error:
                reason, n_tries = name_fault(error)
            else:
                if answer.status_code in (200, 206):
                    return answer
                status, reason = answer.status_code, f"HTTP {answer.status_code}"
                asked_s = read_pause(answer)
                answer.close()
                # Not tried again: a tile at sea is never there, and there are many of them.
                if status in GONE:
                    raise NotThereError(f"{host}: {reason}", status)
                n_tries = N_TRIES_IN_DOUBT if status in DOUBTFUL else N_TRIES
                if status not in LATER | DOUBTFUL:
                    raise ServiceError(f"{host}: {reason}", status)
            if k == n_tries:
                raise ServiceError(f"{host}: {reason}, {k} times. Try again later.", status)
            # Whoever waits wants to know why, and may come back by himself.
            if asked_s > LONGEST_PAUSE_S:
                raise ServiceError(
                    f"{host}: {reason}, and asks to wait {asked_s / 60:.0f} minutes. Try then.",
                    status,
                )
            self.pause(url, reason, max(asked_s, self.pause_s * 2 ** (k - 1)))

    def pause(self, url: str, reason: str, pause_s: float) -> None:
        """Say why nothing is asked for a while, and wait; errors as of `check_stop`."""
        self.say(f"{name_host(url)}: {reason}; again in {pause_s:.0f} s")
        self.stop.wait(pause_s)
        self.check_stop(url)

    def check_stop(self, url: str) -> None:
        """Ask nothing more once the command is to stop.

        Raises
        ------
        ServiceError
            If it is.
        """
        if self.stop.is_set():
            raise ServiceError(f"{name_host(url)}: stopped")

    def _redirect(self, url: str) -> str:
        parts = urlsplit(url)
        # Paths stay as they are, so that a mirror is a plain copy of the service.
        base = self.mirrors.get(parts.netloc)
        return url if base is None else base.rstrip("/") + url.split(parts.netloc, 1)[1]


def name_host(url: str) -> str:
    """Name the service of an address, for messages.

    >>> name_host("https://environment.data.gov.uk/tiles/1")
    'environment.data.gov.uk'
    """
    return urlsplit(url).netloc


def read_mirrors(environment: Mapping[str, str]) -> dict[str, str]:
    """Read which hosts are to be asked elsewhere.

    Raises
    ------
    InputError
        If an entry is not ``host=address``.

    Examples
    --------
    >>> read_mirrors({"BASRELIEF_MIRRORS": "data.police.uk=http://127.0.0.1:80/police"})
    {'data.police.uk': 'http://127.0.0.1:80/police'}
    """
    mirrors = {}
    for entry in environment.get(MIRRORS, "").split():
        host, _, base = entry.partition("=")
        if not host or "/" in host or not re.match(r"https?://[^/]+", base):
            raise InputError(
                f"{MIRRORS}: {entry!r} is not host=address, as in "
                "data.police.uk=https://mirror.example/police."
            )
        mirrors[host] = base
    return mirrors


def _parse_json(answer: requests.Response, url: str) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        beginning = " ".join(answer.text[:60].split())
        raise ServiceError(
            f"{name_host(url)}: answers with what is no JSON ({beginning!r})"
        ) from None
