"""Services of tests, each a process of its own: GDAL holds Python's lock while it waits for one."""

from __future__ import annotations

import subprocess
import sys
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
