"""Behind proxies, by the very files that are handed to whoever sets one up."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from basrelief.run import Run

FILES = Path(__file__).parents[2] / "packaging" / "serve"
MODULES = "/usr/lib/apache2/modules"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def configure_nginx(text: str, port: int, folder: Path) -> list[str]:
    """The file as it is, but for certificates, inside the least that nginx needs around it."""
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = re.sub(r"^ *ssl_certificate.*\n", "", text, flags=re.MULTILINE)
    around = f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}\n"
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{name}_temp_path {folder}/{name};" for name in names)
    (folder / "all.conf").write_text(f"{around}http {{ access_log off; {places}\n{text}}}\n")
    return ["nginx", "-p", str(folder), "-c", str(folder / "all.conf")]


def configure_caddy(text: str, port: int, folder: Path) -> list[str]:
    text = text.replace("maps.example.org {", f"http://127.0.0.1:{port} {{")
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(path)]


def configure_apache(text: str, port: int, folder: Path) -> list[str]:
    text = text.replace("*:443", f"127.0.0.1:{port}")
    text = re.sub(r"^ *SSL.*\n", "", text, flags=re.MULTILINE)
    names = ("mpm_event", "authz_core", "proxy", "proxy_http", "headers")
    loads = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in names)
    around = f"ServerRoot {folder}\nServerName a\nPidFile {folder}/pid\nErrorLog {folder}/log\n"
    path = folder / "all.conf"
    path.write_text(f"{around}Listen 127.0.0.1:{port}\n{loads}{text}")
    return ["apache2", "-f", str(path), "-D", "FOREGROUND"]


PROXIES: dict[str, tuple[str, Callable[[str, int, Path], list[str]]]] = {
    "nginx": ("nginx.conf", configure_nginx),
    "caddy": ("Caddyfile", configure_caddy),
    "apache2": ("apache.conf", configure_apache),
}


@contextmanager
def start_proxy(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as asking:
                    if asking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(15)


@pytest.mark.parametrize("name", PROXIES)
def test_behind_a_proxy_everything_is_answered_and_nobody_names_themselves(
    name: str, served_run: Run, tmp_path: Path, start: Callable[..., Any]
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"no {name} on this machine: apt-get install {name}")
    file, configure = PROXIES[name]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "serve.toml").write_text(f'url = "{url}"\n[proxy]\naddresses = ["127.0.0.1"]\n')
    with start(str(served_run.folder), "--config", "serve.toml", cwd=tmp_path) as served:
        text = (FILES / file).read_text(encoding="utf-8").replace("8765", str(served.port))
        with start_proxy(configure(text, port, tmp_path), port):
            through = type(served)(port, served.process)
            said = {"X_Remote_User": "eve", "X_Remote_Tier": "custodian"}
            # The server would believe this of the proxy, which takes it away.
            assert served.ask("/runs/town/files/inputs.json", **said).status == 200
            assert through.ask("/runs/town/files/inputs.json", **said).status == 401
            links = through.ask("/", Accept="application/json").json["links"]
            assert all(link["href"].startswith(url) for link in links)
            items = through.ask("/collections/town/items?limit=3").json
            assert items["numberReturned"] == 3
            part = through.ask("/runs/town/files/public/areas.pmtiles", Range="bytes=0-6")
            assert (part.status, part.body) == (206, b"PMTiles")
            etag = through.ask("/runs/town/files/public/areas.csv").headers["etag"]
            again = through.ask("/runs/town/files/public/areas.csv", If_None_Match=etag)
            assert again.status == 304
            assert through.ask("/runs/town/files/public/..%2freport.html").status in (400, 404)


def test_the_unit_of_systemd_asks_for_nothing_that_it_need_not_have() -> None:
    text = (FILES / "basrelief.service").read_text(encoding="utf-8")
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert line in text


def test_the_image_runs_as_nobody() -> None:
    text = (FILES / "Dockerfile").read_text(encoding="utf-8")
    assert "USER 65534" in text
    assert "--read-only" in text


def test_the_configuration_of_pygeoapi_names_what_was_released_and_nothing_else() -> None:
    told = yaml.safe_load((FILES / "pygeoapi.yml").read_text(encoding="utf-8"))
    (run,) = told["resources"].values()
    (provider,) = run["providers"]
    assert provider["data"].endswith("/public/areas.geojson")
    assert provider["id_field"] == "area_id"
    assert "not of people" in run["description"]
