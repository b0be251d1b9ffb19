"""Commands of the server: serving runs, and keys that open them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from basrelief.config import InputError
from basrelief.serve.drivers import opening_rasters_alone
from basrelief.serve.tiers import TierName

MAX_LETTERS = 100
"""Of the name of a key."""

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings of the server, TOML.")
]
NEEDED = ("fastapi", "uvicorn", "titiler", "authlib", "itsdangerous")
"""What the extra ``serve`` brings."""


def serve(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")] = None,
    tier: Annotated[
        TierName | None, typer.Option(help="Of everybody on this machine; by default public.")
    ] = None,
    config: Config = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Show finished runs in a browser and in QGIS. To each person what their tier may see.

    Example: basrelief serve basrelief-demo/run --tier analyst
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"serve: needs {', '.join(missing)}, which is not installed. "
            "Install it: pip install 'basrelief[serve]'."
        )
    from basrelief.serve.settings import load_serve_settings

    settings = load_serve_settings(config, port=port, tier=tier)
    # Only now: a wrong setting is told at once, and not after large libraries have loaded.
    with opening_rasters_alone():
        from basrelief.serve.server import serve_runs

        serve_runs(runs, settings, quiet=quiet)


def keys(
    action: Annotated[Literal["add", "list", "revoke"], typer.Argument(help="What to do.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose key, as records call them.")
    ] = None,
    tier: Annotated[TierName | None, typer.Option(help="What a new key opens.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it opens.")] = 90,
    config: Config = None,
) -> None:
    """Add, list or revoke keys that open a server. A key is shown once; its hash alone is kept.

    Example: basrelief keys add ann --tier analyst --days 30

    Example: basrelief keys revoke ann
    """
    from basrelief.serve.keys import add_key, read_keys, revoke_key

    file = _find_file(config)
    if action == "list":
        for key in read_keys(file):
            end = "over since" if key.is_over else "until"
            typer.echo(f"{key.name}  {key.tier}  {end} {key.expires:%Y-%m-%d %H:%M} UTC")
        return
    # A name with a line break in it would look like two keys in the list.
    if name is None or not name.strip() or not name.isprintable() or len(name) > MAX_LETTERS:
        raise InputError(f"keys {action}: give a name, of at most {MAX_LETTERS} letters.")
    if action == "revoke":
        revoke_key(file, name)
        return
    if tier is None:
        raise InputError("keys add: say what it opens: --tier public, analyst or custodian.")
    typer.echo(add_key(file, name, tier, days))


def _find_file(config: Path | None) -> Path:
    from basrelief.serve.settings import load_serve_settings

    settings = load_serve_settings(config)
    return settings.locate(settings.keys)
