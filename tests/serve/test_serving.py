"""Serving a run: what everybody gets, and where the server says no."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import InputError
from basrelief.run import Run, read_json
from basrelief.serve.app import make_server
from basrelief.serve.editions import find_file_tier
from basrelief.serve.guard import GuardedRoute, find_tier
from basrelief.serve.settings import ServeSettings, load_serve_settings
from basrelief.serve.tiers import Tier

Start = Callable[..., Any]


def test_every_route_carries_a_tier(served_run: Run) -> None:
    api = make_server([served_run.folder], ServeSettings()).api
    assert len(api.routes) > 5
    assert [route for route in api.routes if find_tier(route) is None] == []


def test_a_route_without_a_tier_answers_nobody(served_run: Run) -> None:
    """Not even where it is added behind the back of the application."""
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from basrelief.serve.app import make_server\n"
        "from basrelief.serve.settings import ServeSettings\n"
        "server = make_server([Path(sys.argv[1])], ServeSettings(tier='custodian'))\n"
        "server.api.get('/open')(lambda: {'all': 'of it'})\n"
        "scope = {'type': 'http', 'method': 'GET', 'path': '/open', 'query_string': b'',\n"
        "  'headers': [(b'host', b'localhost')], 'client': ('127.0.0.1', 1), 'server': ('a', 1),\n"
        "  'scheme': 'http', 'http_version': '1.1', 'root_path': '', 'raw_path': b'/open'}\n"
        "async def receive(): return {'type': 'http.request', 'body': b'', 'more_body': False}\n"
        "async def send(message): print(message.get('status', message.get('body')))\n"
        "asyncio.run(server.app(scope, receive, send))"
    )
    command = [sys.executable, "-c", code, str(served_run.folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("403")
    assert "of it" not in said


def test_what_everybody_gets_is_what_the_gate_released_byte_for_byte(
    public: Any, served_run: Run
) -> None:
    released = [each["item"] for each in read_json(served_run.folder / "publish.json")["published"]]
    assert len(released) >= 4
    for name in released:
        found = public.ask(f"/runs/town/files/{name}")
        assert (found.status, found.body) == (200, (served_run.folder / name).read_bytes())


def test_everybody_gets_no_other_file_of_the_run(public: Any, served_run: Run) -> None:
    files = [p.relative_to(served_run.folder).as_posix() for p in served_run.folder.rglob("*")]
    others = [name for name in files if not name.startswith("public")]
    assert len(others) > 40
    assert {public.ask(f"/runs/town/files/{name}").status for name in others} == {401}


def test_a_file_put_beside_those_released_is_not_served(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    run = write_finished(tmp_path / "town")
    (run.folder / "public" / "chips.csv").write_text("a secret")
    with start(str(run.folder), cwd=tmp_path) as served:
        assert served.ask("/runs/town/files/public/areas.md").status == 200
        assert served.ask("/runs/town/files/public/chips.csv").status == 404


def test_a_file_that_is_not_what_was_released_is_not_served(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    run = write_finished(tmp_path / "town")
    path = run.folder / "public" / "areas.csv"
    path.write_text(path.read_text().replace("E00", "E99"))
    with start(str(run.folder), cwd=tmp_path) as served:
        assert served.ask("/runs/town/files/public/areas.csv").status == 503


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("public/report.html", Tier.PUBLIC),
        ("public/../report.html", Tier.PUBLIC),
        ("report.html", Tier.ANALYST),
        ("maps/areas.parquet", Tier.ANALYST),
        ("maps/crime-dense-vgg16.tif", Tier.CUSTODIAN),
        ("evaluate/residuals.parquet", Tier.ANALYST),
        ("predictions.parquet", Tier.CUSTODIAN),
        ("chips/areas.parquet", Tier.CUSTODIAN),
        ("release/scores.json", Tier.CUSTODIAN),
        ("inputs.json", Tier.CUSTODIAN),
        ("stages/chips.json", Tier.CUSTODIAN),
        ("what/nobody/knows", Tier.CUSTODIAN),
    ],
)
def test_the_tier_of_a_file_goes_by_its_name(name: str, tier: Tier) -> None:
    assert find_file_tier(name) == tier


def test_tiers_see_what_those_below_see_and_more(public: Any, analyst: Any, custodian: Any) -> None:
    asked = ["public/areas.csv", "report.html", "inputs.json"]
    found = [[s.ask(f"/runs/town/files/{n}").status for n in asked] for s in (analyst, custodian)]
    assert found == [[200, 200, 403], [200, 200, 200]]


def test_the_list_of_runs_is_a_page_or_json(public: Any) -> None:
    page = public.ask("/", Accept="text/html,*/*;q=0.8")
    assert page.headers["content-type"].startswith("text/html")
    assert "better than always predicting the mean" in page.text
    assert "areas, not of people" in page.text
    assert public.ask("/").json["links"][0]["rel"] == "self"


def test_health(public: Any) -> None:
    assert public.ask("/health").json["status"] == "ok"
    assert public.ask("/health").headers["cache-control"] == "no-store"


def test_heads_and_what_was_sent_before_have_no_body(public: Any) -> None:
    whole = public.ask("/runs/town/files/public/areas.csv")
    head = public.ask("/runs/town/files/public/areas.csv", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    again = public.ask("/runs/town/files/public/areas.csv", If_None_Match=whole.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["public/areas.geojson", "maps/areas.parquet"])
def test_a_part_of_a_file_is_given(name: str, analyst: Any, served_run: Run) -> None:
    data = (served_run.folder / name).read_bytes()
    for asked, part in {"5-20": data[5:21], "7-": data[7:], "-9": data[-9:]}.items():
        found = analyst.ask(f"/runs/town/files/{name}", Range=f"bytes={asked}")
        assert (found.status, found.body) == (206, part)
        assert found.headers["content-range"].endswith(f"/{len(data)}")
    assert analyst.ask(f"/runs/town/files/{name}", Range=f"bytes={len(data)}-").status == 416
    stale = analyst.ask(f"/runs/town/files/{name}", Range="bytes=1-2", If_Range='"old"')
    assert (stale.status, stale.body) == (200, data)


def test_only_whoever_has_no_name_may_share_an_answer(public: Any, analyst: Any) -> None:
    name = "/runs/town/files/public/areas.csv"
    assert public.ask(name).headers["cache-control"] == "public, no-cache"
    assert analyst.ask(name).headers["cache-control"] == "private, no-cache"
    assert "Authorization" in public.ask(name).headers["vary"]
    assert "access-control-allow-origin" not in public.ask(name, Origin="http://a.b").headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_well(
    number: signal.Signals, served_run: Run, start: Start, tmp_path: Path
) -> None:
    with start(str(served_run.folder), cwd=tmp_path) as served:
        assert served.ask("/health").status == 200
        os.kill(served.process.pid, number)
        assert served.process.wait(15) == 0


def serve_badly(*words: str, cwd: Path) -> str:
    """The one line of a server that does not start."""
    command = [sys.executable, "-m", "basrelief.cli", "serve", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such folder" in serve_badly("nowhere", cwd=tmp_path)
    (tmp_path / "empty").mkdir()
    assert "empty: holds no run" in serve_badly("empty", cwd=tmp_path)


def test_an_unfinished_run_is_refused(write_finished: Callable[..., Run], tmp_path: Path) -> None:
    run = write_finished(tmp_path / "town")
    (run.folder / "stages" / "report.json").unlink()
    assert "not finished" in serve_badly("town", cwd=tmp_path)


def test_a_port_that_is_taken_is_told(served_run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = serve_badly(str(served_run.folder), "--port", port, cwd=tmp_path)
    assert port in line
    assert "--port 0" in line


def test_an_address_that_others_reach_needs_somebody_who_can_say_who_they_are(
    served_run: Run, tmp_path: Path
) -> None:
    (tmp_path / "serve.toml").write_text('host = "0.0.0.0"\n')
    words = (str(served_run.folder), "--config", "serve.toml")
    assert "basrelief keys add" in serve_badly(*words, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('tier = "everything"', "tier"),
        ("prot = 1", "unknown key 'prot'"),
        ("port = 70000", "port"),
        ('tier = "analyst"\nhost = "0.0.0.0"', "this machine alone"),
        ('tier = "analyst"\nurl = "https://a.example"', "this machine alone"),
        ('[proxy]\naddresses = ["somewhere"]', "addresses"),
        ('url = "https://a.example/"', "url"),
        ("[oidc]\nissuer = 'https://a.example'\nclient_id = 'b'\ntiers = {c = 'd'}", "tiers"),
    ],
)
def test_settings_that_cannot_be_are_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "serve.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load_serve_settings(path)


def test_two_runs_of_one_name_are_told_apart(
    write_finished: Callable[..., Run], tmp_path: Path
) -> None:
    first, second = (write_finished(tmp_path / name / "run").folder for name in ("a", "b"))
    shelf = make_server([first, second], ServeSettings()).api.state.shelf
    assert [edition.id for edition in shelf] == ["run", "b-run"]
    with pytest.raises(InputError, match="served already"):
        make_server([first, second, second], ServeSettings())


def test_nothing_of_torch_is_needed(served_run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from basrelief.serve.app import make_server\n"
        "from basrelief.serve.settings import ServeSettings\n"
        f"make_server([Path({str(served_run.folder)!r})], ServeSettings())\n"
        "print(*{'torch', 'timm', 'matplotlib', 'geopandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_run_replaced_while_it_is_served_is_picked_up_whole(
    write_finished: Callable[..., Run], tmp_path: Path, start: Start
) -> None:
    run = write_finished(tmp_path / "town")
    mark = run.folder / "stages" / "report.json"
    finished = mark.read_text()
    with start(str(run.folder), "--tier", "analyst", cwd=tmp_path) as served:
        before = served.ask("/runs/town/files/public/areas.csv")
        path = run.folder / "public" / "areas.csv"
        mark.write_text(finished.replace('"has_begun": false', '"has_begun": true'))
        path.write_text("half of it")
        # While it is at work, the edition before is served, complete.
        assert served.ask("/runs/town/files/public/areas.csv").body == before.body
        path.write_bytes(before.body)
        time.sleep(0.02)
        mark.write_text(finished.replace('"fingerprint": "report"', '"fingerprint": "again"'))
        after = served.ask("/runs/town/files/public/areas.csv")
        assert after.status == 200
        assert after.headers["etag"] != before.headers["etag"]


def test_a_route_of_another_kind_has_no_tier() -> None:
    assert find_tier(GuardedRoute("/", lambda: None)) is None


@pytest.mark.parametrize("before", ["", "/maps"])
def test_behind_a_path_links_and_answers_are_right(
    before: str, served_run: Run, tmp_path: Path, start: Start
) -> None:
    """Whether the proxy takes its own path away or leaves it."""
    text = 'root_path = "/maps"\nurl = "https://gis.example/maps"\n'
    (tmp_path / "serve.toml").write_text(text)
    with start(str(served_run.folder), "--config", "serve.toml", cwd=tmp_path) as served:
        assert served.ask(f"{before}/health", Host="gis.example").status == 200
        assert served.ask(f"{before}/logout", method="POST").status == 303
        links = served.ask(f"{before}/collections/town").json["links"]
        assert links[0]["href"] == "https://gis.example/maps/collections/town"
        page = served.ask(f"{before}/runs/town").text
        assert 'src="https://gis.example/maps/static/explore-load.js"' in page
