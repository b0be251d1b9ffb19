"""The server as a process: where it listens, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from basrelief.config import InputError
from basrelief.serve.app import make_server
from basrelief.serve.keys import read_keys
from basrelief.serve.patience import wait_at_most
from basrelief.serve.settings import ServeSettings
from basrelief.signals import Stopped

GRACE_S = 10
"""Seconds that answers under way have to end, when the server is to end."""

MOST_AT_ONCE = 500
"""Connections beyond which the server says that it is busy."""


def serve_runs(folders: Sequence[Path], settings: ServeSettings, *, quiet: bool) -> None:
    """Serve runs until a signal ends the server; answers under way are finished first.

    Raises
    ------
    InputError
        If a folder is no finished run, the port is taken, or the address can be reached by others
        while nobody could say who they are.
    """
    refuse_open(settings)
    server = make_server(folders, settings)
    listening = listen(settings)
    config = uvicorn.Config(
        server.app,
        log_level="warning",
        access_log=False,
        # Who asks is told by our own settings alone.
        proxy_headers=False,
        server_header=False,
        lifespan="off",
        http=wait_at_most(settings.timeout_s),
        ws="none",
        timeout_keep_alive=15,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16_384,
    )
    if not quiet:
        # From the socket: of port 0 it alone knows what was taken.
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"serve: http://{shown}:{port}{settings.root_path}/", flush=True)
    # Once all is answered, the signal is sent on: it has been obeyed.
    with suppress(Stopped):
        uvicorn.Server(config).run(sockets=[listening])


def refuse_open(settings: ServeSettings) -> None:
    """Refuse an address that others reach where nobody could say who they are."""
    if settings.is_local or settings.proxy or settings.oidc:
        return
    if not read_keys(settings.locate(settings.keys)):
        raise InputError(
            f"host: {settings.host!r} can be reached from elsewhere, and nobody could say who they "
            "are. Add a key (basrelief keys add), or proxy or oidc to the configuration; or keep "
            "127.0.0.1."
        )


def listen(settings: ServeSettings) -> socket.socket:
    """Take the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # TCP by its number: only then does asyncio send small answers at once, and not after the 40 ms
    # in which a system waits for more.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # So that a server that has just ended can be begun again at once.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(MOST_AT_ONCE)
    except OSError as error:
        listening.close()
        raise InputError(
            f"port: cannot listen at {settings.host} on {settings.port} "
            f"({(error.strerror or str(error)).lower()}). Choose another: --port 0 takes any."
        ) from error
    return listening
