"""How services are spoken to: politely, again after a pause, and never believed before a look."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore, Event
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import requests

from basrelief import __version__
from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.run import Record, read_record, replacing, write_json
from basrelief.sources.fetch.answers import (
    N_TRIES,
    N_TRIES_IN_DOUBT,
    Identity,
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
"""What is lost where a connection is cut is less than this."""

PROGRESS_BYTES = 2**20
"""What has to come between two cuts, for the tries to begin anew."""


class ServiceError(InputError):
    """A service did not give what was asked; the message names the service and what it said."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, where that was the reason."""


class NotThereError(ServiceError):
    """A service said that it has no such thing (404, 410)."""


class _BrokenError(Exception):
    """A file did not come to its end."""


@dataclass(frozen=True, eq=False)
class Client:
    """Speaks HTTP for everything that is fetched, and keeps what came.

    One is made for a command, and may be used by several threads. Files lie in ``cache`` under
    the name that the caller gives, whole or not at all, each with where it came from and its
    SHA-256 beside it; a file that is there, undamaged and from the same address, is not fetched
    again.
    """

    cache: Path
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
        with self._open("GET", url, params=params, headers=dict(headers or {})) as answer:
            return _parse_json(answer, url)

    def get_bytes(self, url: str) -> bytes:
        """Ask for a small file that is not kept; errors as of `get_json`."""
        with self._open("GET", url, headers=as_is()) as answer:
            return cast(bytes, answer.content)

    def get_text(self, url: str, params: Mapping[str, Any] | None = None) -> str:
        """Ask for a text; errors as of `get_json`."""
        with self._open("GET", url, params=params) as answer:
            return answer.text

    def post_json(
        self, url: str, body: Any, form: bool = False, media: str = "application/json"
    ) -> Any:
        """Send JSON, or the fields of a form, and take JSON; errors as of `get_json`."""
        sent: dict[str, Any] = {"data": body}
        if not form:
            sent = {"data": json.dumps(body).encode(), "headers": {"Content-Type": media}}
        with self._open("POST", url, **sent) as answer:
            return _parse_json(answer, url)

    def measure(self, url: str) -> int | None:
        """Ask how many bytes a file has, without HEAD, which some services refuse.

        Returns
        -------
        int or None
            None where the service does not say.
        """
        with self._open("GET", url, headers=as_is(range(1)), stream=True) as answer:
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
        with self._open("GET", url, headers=as_is(asked), stream=True) as answer:
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

    def download(
        self,
        url: str,
        name: str,
        sha256: str | None = None,
        check: Callable[[Path], None] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Path:
        """Fetch a file into the cache, or take it from there.

        Parameters
        ----------
        name
            Its path within the cache.
        sha256
            What it has to be, if that is known.
        check
            Looks at the file before it gets its name, and may declare in it what its service
            leaves out; raises ``ServiceError`` if it is not what was asked for.

        Raises
        ------
        NotThereError, ServiceError
            Nothing is left under the name then, but what was there before.
        """
        # With what was asked: one address answers many questions.
        target = self.cache / name
        whole = f"{url}?{urlencode(params)}" if params else url
        kept = read_kept(target)
        if target.is_file() and kept.get("url") == whole and sha256 in (None, kept.get("sha256")):
            if hash_file(target) == kept.get("sha256"):
                return target
            self.say(f"{target}: is damaged, and fetched again")
        with replacing(target) as part:
            is_sure = self._stream(url, part, params)
            found = hash_file(part)
            if sha256 not in (None, found):
                raise ServiceError(
                    f"{name_host(url)}: {target.name} has another SHA-256 ({found[:12]}...) than "
                    f"is known of it ({str(sha256)[:12]}...): it was changed there, or on the way"
                )
            if check is not None:
                check(part)
            # A look at the file is as good as a length: archives have checksums of their own.
            elif not (is_sure or sha256):
                raise ServiceError(
                    f"{name_host(url)}: does not say how long {target.name} is, so that nobody "
                    "knows whether it came whole"
                )
            now = datetime.now(UTC).isoformat(timespec="seconds")
            # Hashed again: a check may have declared in the file what is no data.
            kept = {"url": whole, "sha256": hash_file(part) if check else found, "fetched": now}
            # First: if the program ends here, the older file no longer matches, and is fetched.
            write_json(_beside(target), kept | {"n_bytes": part.stat().st_size})
        return target

    def _stream(self, url: str, part: Path, params: Mapping[str, Any] | None) -> bool:
        """Write an answer to a file, going on where a connection was cut.

        Returns whether the service said where the file ends.
        """
        begun: Identity | None = None
        n_cuts = farthest = 0
        while True:
            try:
                begun = self._go_on(url, part, params, begun)
                return begun.total is not None or begun.is_chunked
            except _BrokenError as cut:
                begun = cast(Identity | None, cut.args[0])
            done = part.stat().st_size
            n_cuts = 1 if done >= farthest + PROGRESS_BYTES else n_cuts + 1
            farthest = max(done, farthest)
            if n_cuts >= N_TRIES:
                raise ServiceError(
                    f"{name_host(url)}: the connection was cut {N_TRIES} times. Try again later."
                )
            self._pause(url, "the connection was cut", self.pause_s * 2 ** (n_cuts - 1))

    def _go_on(
        self, url: str, part: Path, params: Mapping[str, Any] | None, begun: Identity | None
    ) -> Identity:
        """Ask for a file, or for its rest, and write what comes; ``_BrokenError`` if not all."""
        lying = part.stat().st_size if part.exists() else 0
        done = lying if begun is not None else 0
        headers = as_is()
        if begun is not None and done:
            headers |= {"Range": f"bytes={done}-"} | (
                {"If-Range": begun.mark} if begun.mark else {}
            )
        try:
            with self._open("GET", url, params=params, headers=headers, stream=True) as answer:
                now = identify(answer)
                is_rest = answer.status_code == 206
                if is_rest and not (begun and begun.is_same(now) and read_start(answer) == done):
                    # The rest of another file: from the beginning, next time.
                    raise _BrokenError(None)
                if not is_rest:
                    self.count(-lying)
                with part.open("ab" if is_rest else "wb") as out:
                    for piece in answer.iter_content(PIECE_BYTES):
                        out.write(piece)
                        self.count(len(piece))
                        self._check_stop(url)
        except requests.RequestException:
            raise _BrokenError(now if not now.is_packed else None) from None
        except ServiceError as error:
            if done and error.status == 416:
                raise _BrokenError(None) from None
            raise
        if now.total is not None and not now.is_packed and part.stat().st_size != now.total:
            raise _BrokenError(None)
        return now

    @contextmanager
    def _open(self, method: str, url: str, **sent: Any) -> Iterator[requests.Response]:
        """Send a request when it is its turn, and close the answer."""
        # Pauses are within: whoever was told "not now" does not send others in his place.
        with self.slots, self._ask(method, url, **sent) as answer:
            yield answer

    def _ask(self, method: str, url: str, **sent: Any) -> requests.Response:
        """Send one request, again after a pause where the service says "not now"."""
        headers = {"User-Agent": AGENT} | sent.pop("headers", {})
        timeout = (min(CONNECT_S, self.timeout_s), self.timeout_s)
        host, k = name_host(url), 0
        while True:
            self._check_stop(url)
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
            self._pause(url, reason, max(asked_s, self.pause_s * 2 ** (k - 1)))

    def _pause(self, url: str, reason: str, pause_s: float) -> None:
        self.say(f"{name_host(url)}: {reason}; again in {pause_s:.0f} s")
        self.stop.wait(pause_s)
        self._check_stop(url)

    def _check_stop(self, url: str) -> None:
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


def read_kept(path: Path) -> Record:
    """Read what is kept beside a file of the cache: ``url``, ``sha256``, ``n_bytes``, ``fetched``.

    Empty where nothing, or nothing that can be read, is kept.
    """
    return read_record(_beside(path))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.kept.json")


def _parse_json(answer: requests.Response, url: str) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        beginning = " ".join(answer.text[:60].split())
        raise ServiceError(
            f"{name_host(url)}: answers with what is no JSON ({beginning!r})"
        ) from None
