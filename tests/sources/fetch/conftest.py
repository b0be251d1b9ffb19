"""Services of tests, each a process of its own: GDAL holds Python's lock while it waits for one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from basrelief.sources.fetch.client import Client

SERVICES = Path(__file__).parent / "services"


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
