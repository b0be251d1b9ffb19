from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import InputError
from basrelief.sources.fetch.client import (
    Client,
    NotThereError,
    ServiceError,
    read_mirrors,
)
from basrelief.sources.fetch.downloads import LEFT_S, download, read_kept, tidy_cache

# As the service makes them.
BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
LONGER = random.Random(3).randbytes(300_001)

Start = Callable[..., str]
Make = Callable[..., Client]


@pytest.fixture
def files(start: Start) -> str:
    return start("files")


def asked(client: Client, files: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get_json(f"{files}/log")["log"]
    return [each for each in found if each["path"] != "/log"]


@pytest.mark.parametrize(
    ("way", "body", "ranges"),
    [
        ("plain", BODY, [None]),
        ("cut", BODY, [None, "bytes=65536-"]),
        ("cut-etag", BODY, [None, "bytes=65536-"]),
        # What follows is of another file: begun anew, not sewn to the first part.
        ("cut-etag-changed", OTHER, [None, "bytes=65536-"]),
        ("cut-etag-changed-rude", OTHER, [None, "bytes=65536-", None]),
        ("longer", LONGER, [None, "bytes=65536-", None]),
        ("cut-shifted", BODY, [None, "bytes=65536-", None]),
        ("cut-whole", BODY, [None, "bytes=65536-"]),
        ("chunked", BODY, [None, "bytes=131072-", None]),
        ("chunked-etag", BODY, [None, "bytes=131072-"]),
        ("status-503-2", BODY, [None] * 3),
        ("status-502-5", BODY, [None] * 6),
        ("status-403-2", BODY, [None] * 3),
        ("status-500-2", BODY, [None] * 3),
    ],
)
def test_a_file_comes_whole_however_it_is_sent(
    files: str, make_client: Make, way: str, body: bytes, ranges: list[str | None]
) -> None:
    client = make_client()
    found = download(client, f"{files}/{way}/file", "a/file")
    assert found.read_bytes() == body
    requests = asked(client, files)
    assert [each.get("Range") for each in requests] == ranges
    assert all(each["method"] == "GET" for each in requests)
    assert all(each["User-Agent"].startswith("basrelief/") for each in requests)
    assert read_kept(found)["sha256"] == hashlib.sha256(body).hexdigest()
    assert {each.name for each in found.parent.iterdir()} == {"file", "file.kept.json"}


@pytest.mark.parametrize(
    ("way", "error", "message", "n_asked"),
    [
        ("status-404-9", NotThereError, "HTTP 404", 1),
        ("status-400-9", ServiceError, "HTTP 400", 1),
        ("status-405-9", ServiceError, "HTTP 405", 1),
        ("status-504-9", ServiceError, r"HTTP 504, 6 times\. Try again later", 6),
        ("status-403-9", ServiceError, "HTTP 403, 3 times", 3),
        ("status-500-9", ServiceError, "HTTP 500, 3 times", 3),
        ("wait-day", ServiceError, "asks to wait 1440 minutes", 1),
        ("cut-always", ServiceError, "the connection was cut 6 times", None),
        ("unsized-cut", ServiceError, "does not say how long file is", 1),
    ],
)
def test_what_does_not_come_whole_leaves_nothing(
    files: str, make_client: Make, way: str, error: type[Exception], message: str, n_asked: int
) -> None:
    client = make_client()
    with pytest.raises(error, match=message):
        download(client, f"{files}/{way}/file", "file")
    assert list(client.cache.iterdir()) == []
    assert n_asked is None or len(asked(client, files)) == n_asked


def test_only_404_says_that_a_thing_does_not_exist(files: str, make_client: Make) -> None:
    for code in (403, 500, 502, 503, 504):
        with pytest.raises(ServiceError) as caught:
            make_client().get_json(f"{files}/status-{code}-9/file")
        assert not isinstance(caught.value, NotThereError)
        assert caught.value.status == code


@pytest.mark.parametrize("way", ["wait-seconds", "wait-date"])
def test_a_pause_is_as_long_as_the_service_asks(
    files: str, make_client: Make, lines: list[str], way: str
) -> None:
    client = make_client()
    assert download(client, f"{files}/{way}/file", "file").read_bytes() == BODY
    assert len(lines) == 1
    # A date is in whole seconds, and some of the three have passed.
    assert any(f"HTTP 429; again in {s} s" in lines[0] for s in (2, 3))


def test_no_more_than_three_requests_are_under_way(files: str, make_client: Make) -> None:
    client = make_client()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda k: download(client, f"{files}/slow/{k}", f"{k}"), range(12)))
    assert client.get_json(f"{files}/log")["at_once"] == 3


def test_a_file_in_the_cache_is_not_fetched_again(files: str, make_client: Make) -> None:
    client = make_client()
    found = [download(client, f"{files}/plain/file", "file") for _ in range(3)]
    assert len(asked(client, files)) == 1
    assert {each.read_bytes() for each in found} == {BODY}


def test_a_damaged_file_in_the_cache_is_fetched_again(
    files: str, make_client: Make, lines: list[str]
) -> None:
    client = make_client()
    found = download(client, f"{files}/plain/file", "file")
    found.write_bytes(BODY[:-1] + b"x")
    assert download(client, f"{files}/plain/file", "file").read_bytes() == BODY
    assert "is damaged" in lines[0]


def test_a_file_from_another_address_is_another_file(files: str, make_client: Make) -> None:
    client = make_client()
    download(client, f"{files}/plain/one", "file")
    download(client, f"{files}/plain/one", "file", params={"edition": 2})
    download(client, f"{files}/plain/two", "file")
    paths = [each["path"] for each in asked(client, files)]
    assert paths == ["/plain/one", "/plain/one?edition=2", "/plain/two"]


def test_another_hash_than_known_is_told_and_the_older_file_stays(
    files: str, make_client: Make
) -> None:
    client = make_client()
    known = hashlib.sha256(BODY).hexdigest()
    download(client, f"{files}/plain/file", "file", sha256=known)
    with pytest.raises(ServiceError, match=r"another SHA-256 .* changed there, or on the way"):
        download(client, f"{files}/plain/new", "file", sha256="0" * 64)
    assert (client.cache / "file").read_bytes() == BODY
    # What is unsized is known to be whole by its hash.
    found = download(client, f"{files}/unsized/file", "other", sha256=known)
    assert found.read_bytes() == BODY


def test_a_check_decides_what_gets_its_name(files: str, make_client: Make) -> None:
    def refuse(path: Path) -> None:
        raise ServiceError(f"{len(path.read_bytes())} bytes of no use")

    client = make_client()
    # The service says half of its length: nothing but a look at the file can tell.
    with pytest.raises(ServiceError, match="150000 bytes of no use"):
        download(client, f"{files}/plain-short/file", "file", check=refuse)
    assert list(client.cache.iterdir()) == []


def test_parts_of_files_are_read_and_measured(files: str, make_client: Make) -> None:
    client = make_client()
    assert client.measure(f"{files}/plain/file") == len(BODY)
    assert client.measure(f"{files}/whole-plain/file") == len(BODY)
    assert client.read_range(f"{files}/plain/file", 1000, 2000) == BODY[1000:2000]
    with pytest.raises(ServiceError, match="gives no part of a file"):
        client.read_range(f"{files}/whole-plain/file", 1000, 2000)
    with pytest.raises(ServiceError, match="gives no part of a file"):
        client.read_range(f"{files}/plain-shifted/file", 1000, 2000)


def test_json_is_read_sent_and_refused(files: str, make_client: Make) -> None:
    client = make_client()
    assert client.get_json(f"{files}/json/a") == {"a": 1}
    sent = client.post_json(f"{files}/echo/a", {"b": 2}, media="application/geo+json")
    assert sent == {"body": '{"b": 2}', "type": "application/geo+json"}
    sent = client.post_json(f"{files}/echo/a", {"where": "1=1"}, form=True)
    assert sent == {"body": "where=1%3D1", "type": "application/x-www-form-urlencoded"}
    with pytest.raises(ServiceError, match=r"is no JSON \('<html>Invalid URL</html>'\)"):
        client.get_json(f"{files}/page/a")


def test_a_service_that_is_not_there_is_given_up_soon(make_client: Make, lines: list[str]) -> None:
    with pytest.raises(ServiceError, match=r"data\.police\.uk: cannot be reached, 3 times"):
        make_client({"data.police.uk": "http://127.0.0.1:9"}).get_json("https://data.police.uk/a")
    assert len(lines) == 2


def test_a_silent_service_is_given_up(files: str, make_client: Make) -> None:
    with pytest.raises(ServiceError, match="no answer in time, 3 times"):
        make_client(timeout_s=0.2).get_json(f"{files}/silent/a")


def test_a_client_that_was_stopped_asks_nothing(files: str, make_client: Make) -> None:
    client = make_client()
    client.stop.set()
    with pytest.raises(ServiceError, match="stopped"):
        download(client, f"{files}/plain/file", "file")
    assert list(client.cache.iterdir()) == []


def test_mirrors_keep_the_rest_of_an_address(files: str, make_client: Make) -> None:
    client = make_client({"a.example": f"{files}/echo/"})
    got = client.post_json("https://a.example/x/y?z=1", {}, media="a/b")
    assert got["type"] == "a/b"
    assert asked(client, files)[-1]["path"] == "/echo/x/y?z=1"
    with pytest.raises(InputError, match=r"'a\.example' is not host=address"):
        read_mirrors({"BASRELIEF_MIRRORS": "a.example"})


def test_a_cache_keeps_no_half_of_a_file_that_nobody_goes_on_with(
    files: str, make_client: Make
) -> None:
    client = make_client()
    found = download(client, f"{files}/plain/file", "host/file.tif")
    old, new, own = (
        found.with_name(name)
        for name in (".file.11335f90.part.tif", ".file.848c616e.part.tif", "mine.part")
    )
    for path in (old, new, own):
        path.write_bytes(b"half")
    long_ago = time.time() - LEFT_S - 1
    for path in (old, own):
        os.utime(path, (long_ago, long_ago))
    held = tidy_cache(client.cache)
    # Another command may be writing the new one; and what we did not write is not ours.
    assert [path.exists() for path in (old, new, own)] == [False, True, True]
    assert held == sum(path.stat().st_size for path in client.cache.rglob("*") if path.is_file())
