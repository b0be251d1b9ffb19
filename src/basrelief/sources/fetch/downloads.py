"""Files that services send: whole or not at all, kept with where from, gone on with where cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import requests

from basrelief.hashes import hash_file
from basrelief.marks import sweep_parts
from basrelief.run import Record, read_record, replacing, write_json
from basrelief.sources.fetch.answers import N_TRIES, Identity, as_is, identify, read_start
from basrelief.sources.fetch.client import PIECE_BYTES, Client, ServiceError, name_host

PROGRESS_BYTES = 2**20
"""What has to come between two cuts, for the tries to begin anew."""


LEFT_S = 24 * 3600.0
"""After so long a half of a file is nobody's: nothing is waited for a tenth of it."""


class _BrokenError(Exception):
    """A file did not come to its end."""


def download(
    client: Client,
    url: str,
    name: str,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Path:
    """Fetch a file into the client's cache, or take it from there.

    Undamaged and from the same address it is not fetched again.

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
    target = client.cache / name
    whole = f"{url}?{urlencode(params)}" if params else url
    kept = read_kept(target)
    if target.is_file() and kept.get("url") == whole and sha256 in (None, kept.get("sha256")):
        if hash_file(target) == kept.get("sha256"):
            return target
        client.say(f"{target}: is damaged, and fetched again")
    with replacing(target) as part:
        is_sure = _stream(client, url, part, params)
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


def _stream(client: Client, url: str, part: Path, params: Mapping[str, Any] | None) -> bool:
    """Write an answer to a file, going on where a connection was cut.

    Returns whether the service said where the file ends.
    """
    begun: Identity | None = None
    n_cuts = farthest = 0
    while True:
        try:
            begun = _go_on(client, url, part, params, begun)
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
        client.pause(url, "the connection was cut", client.pause_s * 2 ** (n_cuts - 1))


def _go_on(
    client: Client, url: str, part: Path, params: Mapping[str, Any] | None, begun: Identity | None
) -> Identity:
    """Ask for a file, or for its rest, and write what comes; ``_BrokenError`` if not all."""
    lying = part.stat().st_size if part.exists() else 0
    done = lying if begun is not None else 0
    headers = as_is()
    if begun is not None and done:
        headers |= {"Range": f"bytes={done}-"} | ({"If-Range": begun.mark} if begun.mark else {})
    try:
        with client.open("GET", url, params=params, headers=headers, stream=True) as answer:
            now = identify(answer)
            is_rest = answer.status_code == 206
            if is_rest and not (begun and begun.is_same(now) and read_start(answer) == done):
                # The rest of another file: from the beginning, next time.
                raise _BrokenError(None)
            if not is_rest:
                client.count(-lying)
            with part.open("ab" if is_rest else "wb") as out:
                for piece in answer.iter_content(PIECE_BYTES):
                    out.write(piece)
                    client.count(len(piece))
                    client.check_stop(url)
    except requests.RequestException:
        raise _BrokenError(now if not now.is_packed else None) from None
    except ServiceError as error:
        if done and error.status == 416:
            raise _BrokenError(None) from None
        raise
    if now.total is not None and not now.is_packed and part.stat().st_size != now.total:
        raise _BrokenError(None)
    return now


def tidy_cache(cache: Path) -> int:
    """Remove halves of files that killed commands left in a cache; give what it holds, in bytes.

    Others may fetch into it, or remove from it, meanwhile.
    """
    # By their age: whose they are, nothing says, and the one that was killed may be far away.
    sweep_parts(cache, unless_within_s=LEFT_S)
    n_bytes = 0
    for path in cache.rglob("*"):
        with suppress(FileNotFoundError):
            n_bytes += path.stat().st_size if path.is_file() else 0
    return n_bytes


def read_kept(path: Path) -> Record:
    """Read what is kept beside a file of the cache: ``url``, ``sha256``, ``n_bytes``, ``fetched``.

    Empty where nothing, or nothing that can be read, is kept.
    """
    return read_record(_beside(path))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.kept.json")
