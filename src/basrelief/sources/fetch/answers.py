"""What answers of a service say beside what was asked: which file, and when to ask again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import NewConnectionError

NUMBER = re.compile(r"[0-9]{1,18}")
N_TRIES = 6
N_TRIES_IN_DOUBT = 3


@dataclass(frozen=True)
class Identity:
    """What tells whether the rest of a file is of the file that was begun."""

    total: int | None
    """Its bytes; None where the service does not say."""

    etag: str | None
    modified: str | None
    is_packed: bool
    """Whether it comes packed for the way: then its bytes are not counted as those of the file."""

    is_chunked: bool

    @property
    def mark(self) -> str | None:
        """What ``If-Range`` takes: no ETag that only says "nearly the same"."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified

    def is_same(self, other: Identity) -> bool:
        """Tell whether two answers are of one file, and whether they say enough to tell."""
        pairs = [(getattr(self, k), getattr(other, k)) for k in ("total", "etag", "modified")]
        told = [one == two for one, two in pairs if one is not None and two is not None]
        # One mark that differs is enough: services forget some, and invent none.
        return bool(told) and all(told) and not (self.is_packed or other.is_packed)


def as_is(asked: range | None = None) -> dict[str, str]:
    """Give the headers that ask for the bytes of a file as it lies there, or for some of them."""
    span = {"Range": f"bytes={asked.start}-{asked.stop - 1}"} if asked is not None else {}
    return {"Accept-Encoding": "identity"} | span


def identify(answer: requests.Response) -> Identity:
    """Read which file an answer is of, and how long that is as a whole."""
    headers = answer.headers
    said: str = headers.get("Content-Length", "")
    # Of a part Content-Length is the length of the part.
    if answer.status_code == 206:
        said = headers.get("Content-Range", "").rpartition("/")[2]
    return Identity(
        total=int(said) if NUMBER.fullmatch(said) else None,
        etag=headers.get("ETag"),
        modified=headers.get("Last-Modified"),
        is_packed=headers.get("Content-Encoding", "identity") != "identity",
        is_chunked="chunked" in headers.get("Transfer-Encoding", "").lower(),
    )


def read_start(answer: requests.Response) -> int | None:
    """Read at which byte a part of a file begins."""
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def read_pause(answer: requests.Response) -> float:
    """Read for how many seconds a service asks to be left alone."""
    said = answer.headers.get("Retry-After", "").strip()
    if NUMBER.fullmatch(said):
        return float(said)
    try:
        then = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    # A date without a zone is in that of Greenwich, as HTTP has it.
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def name_fault(error: requests.RequestException) -> tuple[str, int]:
    """Name why no answer came, and how often that is worth a try."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return "cannot be reached", N_TRIES_IN_DOUBT
    # A wrong address stays wrong, however often it is tried.
    if isinstance(error, ValueError):
        return "is no address", 1
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted", N_TRIES_IN_DOUBT
    if isinstance(error, requests.Timeout):
        return "no answer in time", N_TRIES_IN_DOUBT
    return "the connection was cut", N_TRIES
