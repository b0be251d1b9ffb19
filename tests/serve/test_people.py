"""Who asks: keys, what a proxy says, and logins with a provider that is a process of its own."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import itsdangerous
import pytest

from basrelief.config import InputError
from basrelief.run import Run
from basrelief.serve.keys import KeyRing, add_key, read_keys, revoke_key
from basrelief.serve.records import Records
from basrelief.serve.tiers import Person, Tier

Start = Callable[..., Any]
OF_ANALYSTS, OF_CUSTODIANS = "/runs/town/files/report.html", "/runs/town/files/inputs.json"


def statuses(served: Any, **headers: str) -> list[int]:
    """What is answered for a file of analysts, and for one of custodians."""
    return [served.ask(path, **headers).status for path in (OF_ANALYSTS, OF_CUSTODIANS)]


def test_a_key_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "ann", "analyst", days=1)
    other = add_key(path, "bob", "custodian", days=1)
    assert len(base64.urlsafe_b64decode(secret.removeprefix("basrelief_") + "=")) == 32
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    ring = KeyRing(path)
    assert ring.find(secret) == Person("key:ann", Tier.ANALYST)
    assert ring.find(other) == Person("key:bob", Tier.CUSTODIAN)
    assert ring.find(secret[:-1]) is None
    assert ring.find("") is None


def test_a_key_that_is_over_or_revoked_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = add_key(path, "ann", "analyst", days=1)
    ring = KeyRing(path)
    kept = json.loads(path.read_text())
    kept[0]["expires"] = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    path.write_text(json.dumps(kept))
    assert ring.find(secret) is None
    assert read_keys(path)[0].is_over
    revoke_key(path, "ann")
    assert ring.find(secret) is None
    assert read_keys(path) == []


def test_keys_are_added_listed_and_revoked_in_lines(
    tmp_path: Path,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command("keys", "add", "ann", "--tier", "analyst") == 0
    assert capsys.readouterr().out.startswith("basrelief_")
    assert run_command("keys", "add", "ann", "--tier", "analyst") == 2
    assert "there is a key called 'ann'" in capsys.readouterr().err
    assert run_command("keys", "list") == 0
    assert capsys.readouterr().out.startswith("ann  analyst  until ")
    assert run_command("keys", "revoke", "bob") == 2
    assert "There is ann" in capsys.readouterr().err
    assert run_command("keys", "revoke", "ann") == 0
    for words in (["add", "ann"], ["add", "--tier", "analyst"], ["revoke", "a\nb"]):
        assert run_command("keys", *words) == 2


def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"name": "ann"}]')
    with pytest.raises(InputError, match=r"keys\.json: no file of keys"):
        read_keys(tmp_path / "keys.json")


def test_a_key_opens_its_tier_until_it_is_revoked(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    ann = add_key(tmp_path / "keys.json", "ann", "analyst", days=1)
    bob = add_key(tmp_path / "keys.json", "bob", "custodian", days=1)
    with start(str(served_run.folder), cwd=tmp_path) as served:
        assert statuses(served) == [401, 401]
        assert statuses(served, Authorization=f"Bearer {ann}") == [200, 403]
        assert statuses(served, Authorization=f"Bearer {bob}") == [200, 200]
        assert served.ask(OF_ANALYSTS, Authorization="Bearer x").status == 401
        # What is public too: whoever says who they are, and is not, is told so.
        assert served.ask("/", Authorization="Bearer x").status == 401
        revoke_key(tmp_path / "keys.json", "ann")
        assert statuses(served, Authorization=f"Bearer {ann}") == [401, 401]
        # What is no file of keys opens nothing, and says nothing of where it lies.
        (tmp_path / "keys.json").write_text("{")
        found = served.ask("/", Authorization=f"Bearer {bob}")
        assert (found.status, "keys.json" in found.text) == (401, False)
        assert served.ask("/").status == 200


def serve_behind(address: str, run: Run, tmp_path: Path, start: Start) -> Any:
    text = f'[proxy]\naddresses = ["{address}"]\n[records]\nfolder = "kept"\n'
    (tmp_path / "serve.toml").write_text(text)
    return start(str(run.folder), "--config", "serve.toml", cwd=tmp_path)


def test_a_listed_proxy_says_who_asks(served_run: Run, tmp_path: Path, start: Start) -> None:
    with serve_behind("127.0.0.0/8", served_run, tmp_path, start) as served:
        said = {"X_Remote_User": "ann", "X_Remote_Tier": "custodian"}
        assert statuses(served, **said) == [200, 200]
        assert statuses(served, X_Remote_User="ann", X_Remote_Tier="analyst") == [200, 403]
        assert statuses(served) == [401, 401]
        # Half of it, or a tier that there is not, is believed by nobody.
        assert served.ask("/health", X_Remote_User="ann").status == 401
        assert served.ask("/health", X_Remote_User="a", X_Remote_Tier="king").status == 401


def test_nobody_else_says_who_asks_by_a_header(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    with serve_behind("10.1.2.3", served_run, tmp_path, start) as served:
        said = {"X_Remote_User": "ann", "X_Remote_Tier": "custodian"}
        assert statuses(served, **said, X_Forwarded_For="10.1.2.3") == [401, 401]


def test_what_custodians_take_is_on_record(served_run: Run, tmp_path: Path, start: Start) -> None:
    with serve_behind("127.0.0.1", served_run, tmp_path, start) as served:
        said = {"X_Remote_User": "ann", "X_Remote_Tier": "custodian"}
        served.ask(f"{OF_CUSTODIANS}?why=secret", **said)
        served.ask("/runs/town/files/chips/none%22of%20it", **said)
        served.ask("/runs/town/files/public/areas.csv", **said)
        served.ask(OF_ANALYSTS, X_Remote_User="bob", X_Remote_Tier="analyst")
        page = served.ask("/records", **said).text
    (kept,) = (tmp_path / "kept").glob("*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(line["who"], line["what"], line["status"]) for line in lines] == [
        ("user:ann", OF_CUSTODIANS, 200),
        ("user:ann", "/runs/town/files/chips/none%22of%20it", 404),
        ("user:ann", "/records", 200),
    ]
    assert "secret" not in kept.read_text()
    assert OF_CUSTODIANS in page


def test_records_are_kept_as_long_as_asked(tmp_path: Path) -> None:
    for month in ("2001-01", "2001-02"):
        (tmp_path / f"{month}.jsonl").write_text("{}\n")
    (tmp_path / "notes.jsonl").write_text("mine")
    records = Records(tmp_path, keep_months=2)
    records.write(Person("user:ann", Tier.CUSTODIAN), "/a", 200)
    now = f"{datetime.now(UTC):%Y-%m}.jsonl"
    assert sorted(path.name for path in tmp_path.iterdir()) == [now, "notes.jsonl"]
    assert [line["what"] for line in records.read_last()] == ["/a"]


@contextmanager
def start_provider(*words: str) -> Iterator[str]:
    """Start a provider of identities, and give its address."""
    command = [sys.executable, str(Path(__file__).with_name("fake_provider.py")), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def write_login(folder: Path, issuer: str) -> str:
    tiers = '{ gis = "analyst", keepers = "custodian" }'
    text = f'[oidc]\nissuer = "{issuer}"\nclient_id = "basrelief"\ntiers = {tiers}\n'
    (folder / "serve.toml").write_text(text)
    return "serve.toml"


def log_in(served: Any) -> tuple[Any, str, list[str]]:
    """Log in as a browser would; give the last answer, the cookie, and where it was sent."""
    cookie, path, places = "", "/login", []
    found = served.ask(path)
    while found.status in (302, 303):
        if "set-cookie" in found.headers:
            cookie = found.headers["set-cookie"].partition(";")[0]
        places.append(found.headers["location"])
        url = urlsplit(places[-1])
        if url.port != served.port:
            there = type(served)(url.port, served.process)
            places.append(there.ask(f"{url.path}?{url.query}").headers["location"])
            url = urlsplit(places[-1])
        found = served.ask(f"{url.path}?{url.query}", Cookie=cookie)
    return found, cookie, places


@pytest.mark.parametrize(
    ("groups", "expected"),
    [("staff", [401, 401]), ("gis", [200, 403]), ("gis,keepers", [200, 200])],
)
def test_a_login_gives_the_tier_of_its_claim(
    groups: str, expected: list[int], served_run: Run, tmp_path: Path, start: Start
) -> None:
    with start_provider(groups) as issuer:
        words = ("--config", write_login(tmp_path, issuer))
        with start(str(served_run.folder), *words, cwd=tmp_path) as served:
            assert statuses(served) == [401, 401]
            page, cookie, places = log_in(served)
            assert page.status == 200
            assert "code_challenge_method=S256" in places[0]
            found = statuses(served, Cookie=cookie)
            # Somebody with a name of a low tier is told that it is too low.
            assert found == [403 if status == 401 else status for status in expected]


def test_a_session_is_signed_and_sent_over_tls_alone(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    with start_provider("gis") as issuer:
        words = ("--config", write_login(tmp_path, issuer))
        with start(str(served_run.folder), *words, cwd=tmp_path) as served:
            sent = served.ask("/login").headers["set-cookie"].lower()
            assert all(part in sent for part in ("httponly", "secure", "samesite=lax"))
            _, cookie, _ = log_in(served)
            assert statuses(served, Cookie=cookie) == [200, 403]
            login = {"name": "eve", "tier": 2, "until": time.time() + 999}
            body = base64.b64encode(json.dumps({"login": login}).encode())
            forged = itsdangerous.TimestampSigner("a guess").sign(body).decode()
            assert statuses(served, Cookie=f"basrelief={forged}") == [401, 401]
            signed = cookie.partition("=")[2].split(".", 1)[1]
            swapped = f"basrelief={body.decode()}.{signed}"
            assert statuses(served, Cookie=swapped) == [401, 401]
            out = served.ask("/logout", method="POST", Cookie=cookie)
            assert out.status == 303
            assert "basrelief=null" in out.headers["set-cookie"]


def test_an_identity_that_somebody_else_signed_is_not_believed(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    with start_provider("keepers", "forge") as issuer:
        words = ("--config", write_login(tmp_path, issuer))
        with start(str(served_run.folder), *words, cwd=tmp_path) as served:
            found, cookie, _ = log_in(served)
            assert found.status == 401
            assert statuses(served, Cookie=cookie) == [401, 401]


def test_an_answer_of_a_provider_that_nobody_asked_is_not_believed(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    with start_provider("keepers") as issuer:
        words = ("--config", write_login(tmp_path, issuer))
        with start(str(served_run.folder), *words, cwd=tmp_path) as served:
            assert served.ask("/login/done?code=a&state=b").status == 401


def test_without_a_provider_nobody_logs_in(public: Any) -> None:
    assert public.ask("/login").status == 404
    assert public.ask("/logout", method="POST").status == 303


def test_a_person_logs_in_and_out_in_a_browser(
    served_run: Run, tmp_path: Path, start: Start
) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with start_provider("gis") as issuer:
        words = ("--config", write_login(tmp_path, issuer))
        with (
            start(str(served_run.folder), *words, cwd=tmp_path) as served,
            api.sync_playwright() as player,
        ):
            browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{served.url}/?f=html")
            page.click("text=Log in")
            page.wait_for_selector("text=You are login:ann, of the tier analyst.")
            assert page.goto(f"{served.url}{OF_ANALYSTS}").status == 200
            assert page.goto(f"{served.url}{OF_CUSTODIANS}").status == 403
            page.goto(f"{served.url}/?f=html")
            page.click("text=Log out")
            page.wait_for_selector("text=Log in")
            assert page.goto(f"{served.url}{OF_ANALYSTS}").status == 401
            browser.close()
