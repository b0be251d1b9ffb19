"""What an attacker would try first: all of it is refused, and the server lives on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import InputError
from basrelief.run import Run, read_json, write_json
from basrelief.serve.editions import read_edition
from basrelief.serve.keys import add_key

Start = Callable[..., Any]
FILES = "/runs/town/files"


@pytest.mark.parametrize(
    "path",
    [
        *("public/../report.html", "public/..%2freport.html", "public/%2e%2e/report.html"),
        *("public//report.html/../../report.html", "public/%00", "public/areas.csv%00.txt"),
        *("public/....//report.html", "public/..\\report.html", "public/~root/.ssh/id_rsa"),
        *("../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "//etc/passwd"),
        *("maps/../../../../etc/passwd", "chips/layers/heights.zarr/zarr.json/../../x"),
        *("public/", "public", "", ".", "..", "stages/../../town/report.html"),
    ],
)
def test_no_path_leads_out_of_what_may_be_seen(path: str, public: Any, custodian: Any) -> None:
    assert public.ask(f"{FILES}/{path}").status in (400, 401, 404)
    # Not for the custodian either: there are files by name, and no paths.
    assert custodian.ask(f"{FILES}/{path}").status in (400, 404)


def test_a_manifest_that_was_written_by_somebody_else_is_not_believed(
    write_finished: Callable[..., Run], tmp_path: Path
) -> None:
    run = write_finished(tmp_path / "town")
    told = read_json(run.folder / "publish.json")
    told["published"].append({"item": "chips/areas.parquet", "bytes": 1})
    write_json(run.folder / "publish.json", told)
    with pytest.raises(InputError, match=r"publish\.json: not as the report stage wrote it"):
        read_edition("town", run.folder)


def test_a_link_that_leads_out_of_the_run_is_not_followed(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    run = write_finished(tmp_path / "town")
    (tmp_path / "secret").write_text("a secret")
    path = run.folder / "model_card.md"
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with start(str(run.folder), "--tier", "analyst", cwd=tmp_path) as served:
        assert served.ask(f"{FILES}/model_card.md").status == 404


def test_a_header_gives_no_tier(public: Any) -> None:
    for name in ("X_Remote_Tier", "X_Tier", "X_Forwarded_User", "Remote_User"):
        said = {name: "custodian", "X_Remote_User": "ann", "X_Forwarded_For": "127.0.0.1"}
        assert public.ask(f"{FILES}/report.html", **said).status == 401


def test_the_hash_of_an_answer_opens_nothing(public: Any, analyst: Any) -> None:
    """Whoever has seen an ETag is told nothing by it, not even that it is right."""
    path = f"{FILES}/report.html"
    etag = analyst.ask(path).headers["etag"]
    assert public.ask(path, If_None_Match=etag).status == 401
    assert public.ask(path, If_None_Match="*").status == 401
    assert public.ask(path, method="HEAD", If_None_Match=etag).status == 401
    assert public.ask(path, Range="bytes=0-9", If_Range=etag).status == 401


@pytest.mark.parametrize(
    "layer",
    [
        *("http:%2f%2f127.0.0.1%2f", "%2fvsicurl%2fhttp:%2f%2f127.0.0.1%2fa.tif", "..%2f..%2fetc"),
        *("town.relief%00", "town.relief.tif", "%3CVRTDataset%3E", "town.maps%2frelief"),
    ],
)
def test_a_layer_is_a_name_and_no_address(layer: str, custodian: Any) -> None:
    found = custodian.ask(f"/rasters/{layer}/tiles/WebMercatorQuad/0/0/0.png")
    assert found.status in (400, 404)


def test_a_raster_that_is_another_kind_of_file_is_not_read(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    """A virtual raster, put where a raster of the run was, could name any file or address."""
    run = write_finished(tmp_path / "town")
    path, heard = run.maps / "relief.tif", []
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(2)
        source = f"/vsicurl/http://127.0.0.1:{listening.getsockname()[1]}/a.tif"
        path.write_text(
            '<VRTDataset rasterXSize="200" rasterYSize="40"><SRS>EPSG:27700</SRS>'
            "<GeoTransform>0,10,0,250,0,-10</GeoTransform>"
            '<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
            f"<SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        with start(str(run.folder), "--tier", "analyst", cwd=tmp_path) as served:
            tile = "/rasters/town.relief/tiles/WebMercatorQuad/0/0/0.png"
            assert served.ask(tile).status == 503
        try:
            listening.accept()
            heard.append("asked")
        except TimeoutError:
            pass
    assert heard == []


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=0-0,1-1,2-2", 200),
        ("bytes=" + ",".join(f"{i}-" for i in range(1000)), 200),
        ("bytes=99999999999999-", 416),
        ("bytes=5-1", 200),
        ("bytes=-0", 200),
        ("bytes=a-b", 200),
        ("chapters=1-2", 200),
        ("bytes=" + "9" * 400 + "-", 200),
    ],
)
def test_strange_ranges_get_all_or_nothing(asked: str, status: int, public: Any) -> None:
    found = public.ask(f"{FILES}/public/areas.csv", Range=asked)
    assert found.status == status
    assert len(found.body) < 10_000


def test_what_is_too_long_is_refused(public: Any) -> None:
    assert public.ask("/collections/town/items?bbox=" + "1" * 5000).status == 414
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        assert public.ask("/", method=method).status == 405


def test_headers_without_end_are_not_read(public: Any) -> None:
    with socket.create_connection(("127.0.0.1", public.port)) as sending:
        sending.settimeout(10)
        heard = b""
        try:
            sending.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
            for _ in range(1000):
                sending.sendall(b"a" * 10_000)
            heard = sending.recv(1000)
        except OSError:
            # Hung up on: ten megabytes were not taken.
            pass
    assert b" 200 " not in heard
    assert public.ask("/health").status == 200


def test_a_page_of_others_reaches_this_machine_under_no_name_of_its_own(analyst: Any) -> None:
    """A name of others that leads to this machine would let their scripts read what it serves."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        assert analyst.ask("/", Host=host).status == 421
    for host in ("", "a b", "localhost/x", "<script>"):
        assert analyst.ask("/", Host=host).status == 400
    assert analyst.ask("/", Host="localhost:1").status == 200


def test_slow_clients_keep_nobody_waiting(public: Any) -> None:
    held = [socket.create_connection(("127.0.0.1", public.port)) for _ in range(200)]
    try:
        for each in held:
            each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        began = time.monotonic()
        assert public.ask("/health").status == 200
        assert time.monotonic() - began < 2
    finally:
        for each in held:
            each.close()


def test_whoever_sends_nothing_is_let_go(served_run: Run, tmp_path: Path, start: Start) -> None:
    (tmp_path / "serve.toml").write_text("timeout_s = 1.0\n")
    words = (str(served_run.folder), "--config", "serve.toml")
    with start(*words, cwd=tmp_path) as served:
        for begun in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            with socket.create_connection(("127.0.0.1", served.port)) as slow:
                slow.sendall(begun)
                slow.settimeout(10)
                # All that comes is the end, or that it took too long.
                assert b"200" not in slow.recv(1000)


def test_killing_under_load_loses_nothing(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    run = write_finished(tmp_path / "town")
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    secret = add_key(tmp_path / "keys.json", "ann", "custodian", days=1)
    n_had = 0
    with start(str(run.folder), cwd=tmp_path) as served:

        def ask_on() -> None:
            nonlocal n_had
            try:
                while True:
                    path, sent = f"{FILES}/inputs.json", {"Authorization": f"Bearer {secret}"}
                    n_had += served.ask(path, **sent).status == 200
            # As the kill meets an answer: before it, or in the midst of it.
            except (OSError, HTTPException):
                return

        asking = [threading.Thread(target=ask_on) for _ in range(4)]
        for thread in asking:
            thread.start()
        time.sleep(1.0)
        served.process.kill()
        served.process.wait()
        for thread in asking:
            thread.join()
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before
    lines = [
        line
        for path in (tmp_path / "records").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    # Nothing was had that is not on record, and the last line is whole.
    assert n_had > 0
    assert len(lines) >= n_had
    assert all(line.endswith("}") for line in lines)


def test_nothing_that_is_secret_stands_in_what_is_told(public: Any, served_run: Run) -> None:
    """Neither where the run lies, nor the files of other tiers."""
    folder = str(served_run.folder)
    files = read_json(served_run.folder / "stages" / "chips.json")["files"]
    for path in ("/", "/collections", "/stac", "/stac/town", "/rasters", "/openapi.json"):
        text = public.ask(path).text
        assert folder not in text
        assert not [name for name in files if name in text]
