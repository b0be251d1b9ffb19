from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from basrelief.config import InputError
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.downloads import download
from basrelief.sources.fetch.offers import Offer, bring, showing_bytes
from basrelief.sources.licences import Credit

BODY = random.Random(1).randbytes(300_000)
CREDIT = Credit("An office", "OGL v3", "Contains data of an office.", "https://example.org")


def offer(url: str, name: str) -> Offer:
    return Offer(name, url, name, 300_000, 2020, CREDIT)


def test_files_come_with_whose_they_are_and_failures_last(
    start: Callable[..., str],
    make_client: Callable[..., Client],
    tmp_path: Path,
    lines: list[str],
) -> None:
    files, client = start("files"), make_client()
    offers = [offer(f"{files}/plain/{k}", f"a/{k}.bin") for k in range(5)]
    offers[2] = offer(f"{files}/status-404-9/x", "a/2.bin")
    offers[4] = replace(offers[4], credit=replace(CREDIT, is_non_commercial=True))
    brought = bring(client, offers, tmp_path / "place", lines.append)
    assert [each.name for each in brought.files] == ["0.bin", "1.bin", "3.bin", "4.bin"]
    assert {each.read_bytes() for each in brought.files} == {BODY}
    assert brought.failures == (f"a/2.bin: {files.removeprefix('http://')}: HTTP 404",)
    assert sorted(line.partition(":")[0] for line in lines) == [f"{k} of 5" for k in range(1, 6)]
    credits = json.loads((tmp_path / "place" / "credits.json").read_text())
    assert [each["file"] for each in credits] == ["a/0.bin", "a/1.bin", "a/3.bin", "a/4.bin"]
    assert [each["credit"]["is_non_commercial"] for each in credits] == [False] * 3 + [True]
    assert {each["sha256"] for each in credits} == {sha256(BODY).hexdigest()}
    assert {each["n_bytes"] for each in credits} == {300_000}
    # What failed is all that is asked for again, and what was said of the others stays.
    offers[2] = offer(f"{files}/plain/2", "a/2.bin")
    assert len(bring(client, offers, tmp_path / "place", lines.append).files) == 5
    assert len(json.loads((tmp_path / "place" / "credits.json").read_text())) == 5
    paths = [each["path"] for each in client.get_json(f"{files}/log")["log"]]
    assert paths.count("/plain/0") == 1


def test_two_files_of_one_name_at_two_addresses_do_not_mix(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    files, client = start("files"), make_client()
    said: list[str] = []
    bring(client, [offer(f"{files}/plain/1", "areas.gpkg")], tmp_path / "one", said.append)
    other = offer(f"{files}/json/1", "areas.gpkg")
    (found,) = bring(client, [other], tmp_path / "two", said.append).files
    assert found.read_bytes() == b'{"a": 1}'
    (found,) = bring(client, [other], tmp_path / "one", said.append).files
    assert found.read_bytes() == b'{"a": 1}'
    (entry,) = json.loads((tmp_path / "one" / "credits.json").read_text())
    assert entry["sha256"] == sha256(b'{"a": 1}').hexdigest()


def test_offers_of_one_name_and_too_large_ones_are_refused(
    make_client: Callable[..., Client], tmp_path: Path
) -> None:
    one = offer("http://127.0.0.1:9/a", "a.bin")
    with pytest.raises(InputError, match=r"a\.bin: two files would be brought"):
        bring(make_client(), [one, one], tmp_path, print)
    with pytest.raises(InputError, match=r"2,150,000 GB are needed there"):
        bring(make_client(), [replace(one, n_bytes=10**6 * 2**30)], tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_whoever_stops_the_program_does_not_wait(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    files, client = start("files"), make_client(pause_s=600.0)
    n_before = threading.active_count()

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    offers = [offer(f"{files}/status-503-9/{k}", f"{k}.bin") for k in range(5)]
    offers.insert(0, offer(f"{files}/plain/1", "first.bin"))
    # A pause of ten minutes is under way when the first file is told of.
    with pytest.raises(KeyboardInterrupt):
        bring(client, offers, tmp_path / "place", stop)
    assert client.stop.is_set()
    # Whoever runs the tests may have threads of his own.
    assert threading.active_count() < n_before + 4
    assert {each.name for each in (tmp_path / "place").iterdir()} == {"first.bin", "credits.json"}


def test_bytes_are_counted_once_however_often_a_file_begins_anew(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    files = start("files")
    counted: list[int] = []
    client = replace(make_client(), count=counted.append)
    ways = ["plain", "cut-etag", "cut-whole", "cut-shifted", "chunked"]
    offers = [offer(f"{files}/{way}/1", f"{way}.bin") for way in ways]
    assert len(bring(client, offers, tmp_path, lambda line: None).files) == len(ways)
    assert sum(counted) == len(ways) * 300_000
    with showing_bytes(client, offers) as watched:
        assert watched.slots is client.slots
        assert len(bring(watched, offers, tmp_path, lambda line: None).files) == len(ways)


@pytest.mark.parametrize(
    "name", ["../a.bin", "/a.bin", "a/../../b.bin", "lidar/", "lidar", "a\n.bin"]
)
def test_names_that_lead_elsewhere_are_refused(
    make_client: Callable[..., Client], tmp_path: Path, name: str
) -> None:
    kept = tmp_path / "place" / "lidar" / "kept.tif"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(InputError, match="is no name for a file that is brought"):
        bring(make_client(), [offer("http://127.0.0.1:9/a", name)], kept.parents[1], print)
    assert kept.exists()


def test_what_is_not_one_download_writes_its_own_file(
    make_client: Callable[..., Client], tmp_path: Path
) -> None:
    def make(client: Client, part: Path) -> None:
        part.write_bytes(b"made")

    def fail(client: Client, part: Path) -> None:
        part.write_bytes(b"half")
        raise ServiceError("a.example: page 2 did not come")

    offers = [
        replace(offer("http://a.example", "made.csv"), make=make),
        replace(offer("http://a.example", "half.csv"), make=fail),
    ]
    brought = bring(make_client(), offers, tmp_path, lambda line: None)
    assert [each.read_bytes() for each in brought.files] == [b"made"]
    assert brought.failures == ("half.csv: a.example: page 2 did not come",)
    (entry,) = json.loads((tmp_path / "credits.json").read_text())
    assert entry["sha256"] == sha256(b"made").hexdigest()
    assert not (tmp_path / "half.csv").exists()


def test_a_folder_that_takes_no_file_is_told(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    (tmp_path / "lidar").touch()
    offers = [offer(f"{start('files')}/plain/1", "lidar/a.bin")]
    (failure,) = bring(make_client(), offers, tmp_path, lambda line: None).failures
    assert failure.startswith("lidar/a.bin: ")
    assert "lidar: a file, where this program keeps a folder" in failure


def test_a_kill_loses_no_file_that_had_come(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    files, cache = start("files"), tmp_path / "cache"
    code = f"""
from pathlib import Path
from basrelief.sources.fetch.client import Client
from basrelief.sources.fetch.downloads import download
client = Client(Path({str(cache)!r}), print, mirrors={{}})
for k in range(100):
    download(client, f"{files}/slow/{{k}}", f"{{k}}.bin")
    print(k, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.kill()
    process.communicate()
    whole = [each for each in cache.glob("*.bin") if not each.name.startswith(".")]
    assert len(whole) >= 3
    assert {each.read_bytes() for each in whole} == {BODY}
    client = make_client()
    for k in range(3):
        assert download(client, f"{files}/slow/{k}", f"{k}.bin").read_bytes() == BODY
    paths = [each["path"] for each in client.get_json(f"{files}/log")["log"]]
    assert [paths.count(f"/slow/{k}") for k in range(3)] == [1, 1, 1]
