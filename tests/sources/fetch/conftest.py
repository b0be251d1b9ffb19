"""Services of tests, each a process of its own: GDAL holds Python's lock while it waits for one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from basrelief.sources.fetch.client import Client
from basrelief.sources.fetch.indices import list_editions

SERVICES = Path(__file__).parent / "services"
# The gazetteer has nothing to tell of a town that is made up, and is asked where labels are.
OF_LABELS = ("assets.publishing.service.gov.uk", "www.gov.uk", "www.arcgis.com")


@pytest.fixture
def start() -> Iterator[Callable[..., str]]:
    """Start a service by its file's name, with arguments; gives its address."""
    running: list[subprocess.Popen[str]] = []

    def start_one(name: str, *arguments: str) -> str:
        command = [sys.executable, str(SERVICES / f"{name}.py"), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{process.stdout.readline().strip()}"

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def testham(start: Callable[..., str], tmp_path: Path) -> str:
    """The town of Testham at services of tests: what the environment says of them."""
    site = tmp_path / "site"
    _publish_labels(site)
    geography, lidar = start("geography"), start("lidar", "also=TQ08SW")
    mirrors = dict.fromkeys(OF_LABELS, start("folder", str(site)))
    mirrors["services1.arcgis.com"] = f"{geography}/plain"
    mirrors["environment.data.gov.uk"] = f"{lidar}/environment"
    return " ".join(f"{host}={address}" for host, address in mirrors.items())


def _publish_labels(site: Path) -> None:
    """The index for as many areas as there are, those of the town among them."""
    edition = next(each for each in list_editions() if (each.name, each.year) == ("IoD", 2025))
    rng = np.random.default_rng(0)
    codes = [f"E010{k:05d}" for k in range(edition.n_areas)]
    table = pd.DataFrame({"LSOA code (2021)": codes})
    table["Local Authority District code (2024)"] = "E09000001"
    table["Index of Multiple Deprivation (IMD) Score"] = rng.uniform(1, 80, len(codes)).round(3)
    table["Crime Score"] = rng.normal(size=len(codes)).round(3)
    table["Total population: mid 2022 (excluding prisoners)"] = 1500
    path = site / urlsplit(edition.url).path.lstrip("/")
    path.parent.mkdir(parents=True)
    table.to_csv(path, index=False)


@pytest.fixture
def lines() -> list[str]:
    """What a client said."""
    return []


@pytest.fixture
def make_client(tmp_path: Path, lines: list[str]) -> Iterator[Callable[..., Client]]:
    """Make a client that is quick to try again, with a cache of its own."""
    made: list[Client] = []

    def make(mirrors: dict[str, str] | None = None, **settings: float) -> Client:
        settings = {"pause_s": 0.01, "timeout_s": 20.0} | settings
        client = Client(tmp_path / "cache", lines.append, mirrors=mirrors or {}, **settings)  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        client.session.close()


@pytest.fixture
def write_ods() -> Callable[[Path, list[list[object]]], None]:
    """Write a workbook as LibreOffice does: runs of cells and rows are written once."""
    return _write_ods


def _write_ods(path: Path, rows: list[list[object]]) -> None:
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("table", "office", "text")
    )
    blank = '<table:table-cell table:number-columns-repeated="16370"/>'
    lines = []
    for row in rows:
        cells = [
            f'<table:table-cell office:value-type="float" office:value="{v}">'
            f"<text:p>{round(v)}</text:p></table:table-cell>"
            if isinstance(v, float)
            else f"<table:table-cell><text:p>{v}</text:p></table:table-cell>"
            for v in row
        ]
        lines.append(f"<table:table-row>{''.join(cells)}{blank}</table:table-row>")
    rest = f'<table:table-row table:number-rows-repeated="1040000">{blank}</table:table-row>'
    sheets = (
        f'<table:table table:name="Notes">{lines[0]}{rest}</table:table>'
        f'<table:table table:name="WIMD_ranks">{"".join(lines)}{rest}</table:table>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        text = f"<office:document-content {names}>{sheets}</office:document-content>"
        archive.writestr("content.xml", text)
