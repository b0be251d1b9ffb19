"""Answers: bytes with their hash, whole or in part, or that they are what was sent before."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from basrelief.serve.guard import person_of
from basrelief.serve.tiers import NOBODY

PIECE = 2**16
"""Bytes of a file that are read at once."""

MEDIA = {
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".pmtiles": "application/vnd.pmtiles",
    ".qml": "application/xml",
    ".tif": "image/tiff; application=geotiff",
    ".toml": "application/toml",
}
"""Media types of files by their ends, where the system does not know them alike everywhere."""

JSON = "application/json"
HTML = "text/html; charset=utf-8"


def find_media(name: str) -> str:
    """Find the media type of a file by its name.

    Examples
    --------
    >>> find_media("areas.pmtiles"), find_media("areas.csv")
    ('application/vnd.pmtiles', 'text/csv; charset=utf-8')
    """
    end = os.path.splitext(name)[1]  # noqa: PTH122 - an end of a text, no path
    media = MEDIA.get(end) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = media.startswith("text/") and "charset" not in media
    return f"{media}; charset=utf-8" if is_text else media


def write_json(value: Any) -> bytes:
    """Write a value as JSON in one line. NaN is refused."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.encode()


def hash_answer(request: Request, *parts: str) -> str:
    """Hash what an answer rests on: those parts, and what links in it begin with."""
    # Latin-1 reads any byte: a strange query is hashed like others, and is no fault here.
    query = request.scope["query_string"].decode("latin-1")
    whole = "\n".join((*parts, find_base(request), query))
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def find_base(request: Request) -> str:
    """Find what addresses of this server begin with, without a ``/`` at its end."""
    settings = request.app.state.settings
    if settings.url:
        url: str = settings.url
        return url
    return f"{request.scope['scheme']}://{request.headers['host']}{settings.root_path}"


def name_cache(request: Request) -> dict[str, str]:
    """Say who may keep an answer: of what takes a name, nobody but whoever asked."""
    is_open = person_of(request) == NOBODY and request.scope["needs"] == 0
    # Kept, but asked about each time: a run may be replaced at any moment.
    return {"Cache-Control": "public, no-cache" if is_open else "private, no-cache"}


def is_known(request: Request, etag: str) -> bool:
    """Whether whoever asks has this very answer."""
    asked = request.headers.get("if-none-match", "")
    # A proxy that packs an answer calls its tag weak (W/); the answer is still the same.
    return asked == "*" or etag in (part.strip().removeprefix("W/") for part in asked.split(","))


def answer(
    request: Request,
    body: bytes,
    media: str,
    tag: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with bytes; with none where whoever asks has them.

    Parameters
    ----------
    tag
        A hash of what the answer rests on.
    """
    etag = f'"{tag}"'
    sent = {"ETag": etag, **name_cache(request), **(headers or {})}
    if is_known(request, etag):
        return Response(status_code=304, headers=sent)
    span = find_range(request, len(body), etag)
    sent["Accept-Ranges"] = "bytes"
    if span is None:
        return Response(body, headers=sent, media_type=media)
    start, stop = span
    if start >= len(body):
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(body)}"})
    sent["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    return Response(body[start:stop], 206, sent, media)


def answer_file(
    request: Request, file: BinaryIO, name: str, tag: str, headers: Mapping[str, str]
) -> Response:
    """Answer with an open file, piece by piece; it is closed at the end."""
    etag, size = f'"{tag}"', os.fstat(file.fileno()).st_size
    sent = {"ETag": etag, **name_cache(request), **headers}
    if is_known(request, etag):
        file.close()
        return Response(status_code=304, headers=sent)
    # An empty file has no part to ask for: it is given whole, and not refused.
    start, stop = find_range(request, size, etag) or (0, size)
    if start >= size > 0:
        file.close()
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    # A stream does not know its length, and whoever reads in parts needs it.
    sent |= {"Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
    is_part = (start, stop) != (0, size)
    if is_part:
        sent["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    pieces = read_pieces(file, start, stop)
    return StreamingResponse(pieces, 206 if is_part else 200, sent, find_media(name))


def read_pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Read a part of a file, piece by piece."""
    with file:
        file.seek(start)
        while start < stop:
            piece = file.read(min(PIECE, stop - start))
            # The file was cut short meanwhile: to wait for the rest would never end.
            if not piece:
                return
            start += len(piece)
            yield piece


def find_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Find the part of an answer that is asked for; None for all of it.

    Several parts at once are answered with the whole, as RFC 9110 lets a server do.

    Returns
    -------
    First byte, and the one after the last. The first may lie beyond the end.
    """
    # Few digits: Python refuses to read a number of thousands of them.
    asked = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", ""))
    # A part of this version does not fit to the rest of an older one: then all is sent.
    if asked is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if first:
        stop = min(int(last) + 1, size) if last else size
        return (int(first), stop) if not last or int(last) >= int(first) else None
    # Without a first byte the number counts from the end.
    return (max(0, size - int(last)), size) if last and int(last) else None
