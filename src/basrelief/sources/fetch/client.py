"""How services are spoken to: politely, again after a pause, and never believed before a look."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests

from basrelief import __version__

AGENT = f"basrelief/{__version__}"
MIRRORS = "BASRELIEF_MIRRORS"
"""Environment variable: ``host=address`` separated by spaces, for offices that keep copies of
official services, and for tests, which talk to services of their own."""

LATER = frozenset({429, 502, 503, 504})
"""Answers that say "not now": they tell nothing of whether a thing exists."""

N_TRIES = 6
PIECE_BYTES = 2**20


class ServiceError(Exception):
    """A service did not give what was asked; the message names the service and what it said."""


class NotThereError(ServiceError):
    """A service said that it has no such thing (404, or 500 of those that mean this by it)."""


@dataclass(frozen=True, eq=False)
class Client:
    """Speaks HTTP for everything that is fetched, and keeps what came.

    One is made for a command. Files lie in ``cache`` under the name that the caller gives, whole
    or not at all, each with its SHA-256 beside it; a file that is there is not fetched again.
    """

    cache: Path
    say: Callable[[str], None]
    """Prints one line for the user."""

    pause_s: float = 5.0
    """Pause before the second try; it doubles from try to try."""

    timeout_s: float = 300.0
    """Some services fill a whole archive before they answer."""

    mirrors: Mapping[str, str] = field(default_factory=lambda: read_mirrors(os.environ))
    session: requests.Session = field(default_factory=requests.Session)

    def get_json(self, url: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask for JSON.

        Raises
        ------
        NotThereError
            On 404.
        ServiceError
            If it cannot be had, or what came is no JSON.
        """
        return _parse_json(self._ask("GET", url, params=params))

    def post_json(self, url: str, body: Any, form: bool = False) -> Any:
        """Send JSON, or the fields of a form, and take JSON; errors as of `get_json`."""
        sent: dict[str, Any] = {"data": body} if form else {"json": body}
        return _parse_json(self._ask("POST", url, **sent))

    def measure(self, url: str) -> int | None:
        """Ask how many bytes a file has, without HEAD, which some services refuse.

        Returns
        -------
        int or None
            None where the service does not say.
        """
        with self._ask("GET", url, headers={"Range": "bytes=0-0"}, stream=True) as answer:
            span = answer.headers.get("Content-Range", "")
            if answer.status_code == 206 and "/" in span:
                whole = span.rpartition("/")[2]
                return int(whole) if whole.isdigit() else None
            length = answer.headers.get("Content-Length")
            return int(length) if length else None

    def read_range(self, url: str, start: int, end: int) -> bytes:
        """Read bytes ``start`` to ``end``, the last one left out.

        Raises
        ------
        ServiceError
            If the service does not give just these.
        """
        answer = self._ask("GET", url, headers={"Range": f"bytes={start}-{end - 1}"})
        if answer.status_code != 206 or len(answer.content) != end - start:
            raise ServiceError(f"{name_host(url)}: gives no part of a file")
        return answer.content

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
            Looks at the file before it gets its name; raises ``ServiceError`` if it is not what
            was asked for.

        Raises
        ------
        NotThereError, ServiceError
            Nothing is left under the name then.
        """
        target = self.cache / name
        target.parent.mkdir(parents=True, exist_ok=True)

        def fetch(url: str, output_file: str, pooch_: object) -> None:
            part = Path(output_file)
            self._stream(url, part, params)
            if check is not None:
                check(part)

        try:
            found = pooch.retrieve(
                url, known_hash=sha256, fname=target.name, path=target.parent, downloader=fetch
            )
        except ValueError as error:
            # pooch's word for another hash: a corrected edition, or not what was asked for.
            raise ServiceError(f"{name_host(url)}: {name} has another SHA-256: {error}") from error
        return Path(found)

    def _stream(self, url: str, part: Path, params: Mapping[str, Any] | None) -> None:
        """Write an answer to a file, going on where a connection was cut."""
        for k in range(N_TRIES):
            done = part.stat().st_size if part.exists() else 0
            headers = {"Range": f"bytes={done}-"} if done else {}
            try:
                with self._ask("GET", url, params=params, headers=headers, stream=True) as answer:
                    is_rest = done > 0 and answer.status_code == 206
                    with part.open("ab" if is_rest else "wb") as out:
                        for piece in answer.iter_content(PIECE_BYTES):
                            out.write(piece)
                return
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ):
                if k == N_TRIES - 1:
                    raise ServiceError(
                        f"{name_host(url)}: the connection was cut {N_TRIES} times"
                    ) from None
                time.sleep(self.pause_s * 2**k)

    def _ask(self, method: str, url: str, **sent: Any) -> requests.Response:
        """Send one request, again after a pause where the service says "not now"."""
        headers = {"User-Agent": AGENT} | sent.pop("headers", {})
        reason = ""
        for k in range(N_TRIES):
            if k:
                time.sleep(self.pause_s * 2 ** (k - 1))
            try:
                answer = self.session.request(
                    method, self._redirect(url), headers=headers, timeout=self.timeout_s, **sent
                )
            except requests.RequestException as error:
                reason = type(error).__name__
                continue
            if answer.status_code in LATER:
                reason = f"HTTP {answer.status_code}"
                continue
            if answer.status_code == 404:
                raise NotThereError(f"{name_host(url)}: HTTP 404")
            if not answer.ok:
                raise ServiceError(f"{name_host(url)}: HTTP {answer.status_code}")
            return answer
        raise ServiceError(f"{name_host(url)}: {reason}, {N_TRIES} times. Try again later.")

    def _redirect(self, url: str) -> str:
        parts = urlsplit(url)
        base = self.mirrors.get(parts.netloc)
        return url if base is None else base.rstrip("/") + url.split(parts.netloc, 1)[1]
