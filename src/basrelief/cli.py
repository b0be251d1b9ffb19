"""The command line: one sub-command a stage; nothing else computes here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from basrelief import __version__
from basrelief.commands import compare, export, predict
from basrelief.config import InputError, Settings
from basrelief.marks import refuse_foreign_folder
from basrelief.run import Run, prepare_folder
from basrelief.running import run_all, run_one, saying_disk_is_full
from basrelief.serve.commands import keys, serve
from basrelief.signals import Stopped, stopping_on_signals
from basrelief.stages import STAGES, Stage
from basrelief.toml import list_keys

if TYPE_CHECKING:
    from basrelief.sources.starter import Starter

EXAMPLE = "basrelief-demo/config.toml"
"""A configuration that an installed package can make: `basrelief demo` writes it."""

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deprivation maps from LIDAR, and how far to trust them.",
)
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, a TOML file.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing, show no progress.")]


def _complete_key(typed: str) -> list[str]:
    """List the keys of a configuration that begin as typed."""
    return [f"{key}=" for key in list_keys(Settings) if key.startswith(typed)]


Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Takes this instead of what the file says: chips.size_px=128. May be given again. "
        "Paths start from the file's folder.",
        autocompletion=_complete_key,
    ),
]


@app.command("run")
def run_command(
    config: Config,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STAGE",
            help="Do this stage and later anew.",
            autocompletion=lambda: [stage.name for stage in STAGES],
        ),
    ] = None,
    changes: Changes = None,
    quiet: Quiet = False,
) -> None:
    """Run every stage in order. Finished ones whose inputs did not change are skipped.

    Example: basrelief run basrelief-demo/config.toml --set models.epochs=1

    The demo writes that file: basrelief demo
    """
    _say_end(run_all(config, start=start, quiet=quiet, changes=changes or ()))


def _add_stage(stage: Stage) -> None:
    # A function a stage: made in the loop itself, every command would run the last one.
    def command(config: Config, changes: Changes = None, quiet: Quiet = False) -> None:
        run = run_one(stage.name, config, quiet=quiet, changes=changes or ())
        if stage.name == "train" or "train" in stage.reads:
            _warn(run)

    # Where typer looks for what --help says.
    command.__doc__ = f"{stage.help}\n\nExample: basrelief {stage.name} {EXAMPLE}"
    app.command(stage.name)(command)


def _say_end(run: Run) -> None:
    """Say where the report of a whole run is, and what its training fell short of."""
    run.say(f"report: {run.report}")
    _warn(run)


def _warn(run: Run) -> None:
    """Say last, whatever was skipped, what training fell short of."""
    from basrelief.learn.choice import read_recipes
    from basrelief.tell.training import say_shortfalls

    for sentence in say_shortfalls(read_recipes(run)):
        run.say(f"note: {sentence}")


for _stage in STAGES:
    _add_stage(_stage)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the town and its run.")] = Path(
        "basrelief-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the town: another makes another.")] = 7,
    quiet: Quiet = False,
) -> None:
    """Build a town with a known answer and run it. Nothing is fetched.

    Example: basrelief demo --out basrelief-demo
    """
    # Not at the top: --help would wait for the libraries of every stage.
    from basrelief.sources.town import TOWN, write_town
    from basrelief.tell.answers import compare_answers

    # Before the town is made, which takes longer than being told that it cannot be kept.
    prepare_folder(out, f"--out {str(out)!r}")
    known = TOWN if (out / "truth.json").is_file() else ()
    refuse_foreign_folder(out, f"--out {str(out)!r}", known, "The demo")
    run = run_all(write_town(out, seed=seed), quiet=quiet)
    lines, agree = compare_answers(run, out / "truth.json")
    for line in lines:
        typer.echo(f"demo: {line}")
    _say_end(run)
    if not agree:
        # Not the user's fault: the program does not find what is known to be there.
        raise typer.Exit(1)


for _command in (predict, export, compare, serve, keys):
    app.command()(_command)


@app.command()
def recipes() -> None:
    """List the recipes, one line each.

    Example: basrelief recipes
    """
    from basrelief.learn.recipe_files import list_recipes

    known = list_recipes()
    width = max(len(recipe.name) for recipe in known)
    for recipe in known:
        typer.echo(f"{recipe.name:<{width}}  {recipe.unit:<4}  {recipe.about}")


@app.command()
def fetch(
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for all of it.")] = None,
    place: Annotated[
        str | None, typer.Option(metavar="NAME", help="A district, ward or place, or a postcode.")
    ] = None,
    bounds: Annotated[
        str | None, typer.Option(metavar="W,S,E,N", help="In metres of the National Grid.")
    ] = None,
    areas: Annotated[Path | None, typer.Option(metavar="FILE", help="Polygons.")] = None,
    radius: Annotated[
        float | None, typer.Option(metavar="METRES", help="Of ground around --place.")
    ] = None,
    crime: Annotated[bool, typer.Option("--crime", help="Recorded crimes too.")] = False,
    street: Annotated[
        Literal["mapillary", "kartaview", "geograph"] | None,
        typer.Option(help="Street pictures too; with a token in the environment, see the guide."),
    ] = None,
    year: Annotated[int | None, typer.Option(help="Of the index; by default the newest.")] = None,
    labels: Annotated[
        Literal["index", "crimes", "london"],
        typer.Option(
            help="The index; rates of eight kinds of crime (England, 2025); or London's own "
            "workbook (2019).",
        ),
    ] = "index",
    resolution: Annotated[
        float, typer.Option(metavar="METRES", min=0.1, help="Of cells wanted.")
    ] = 1.0,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where downloads are kept for other places.")
    ] = None,
    nominatim: Annotated[
        bool, typer.Option("--nominatim", help="Ask OpenStreetMap for the place instead.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Ask whether every service still answers.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Bring a gigabyte and more unasked.")] = False,
    quiet: Quiet = False,
) -> None:
    """Bring official data of a place, ready to run. LIDAR, boundaries, labels and a lookup.

    Example: basrelief fetch --place Camden --out camden

    Example: basrelief fetch --place "NW1 0AA" --radius 1000 --out here --crime
    """
    import platformdirs

    from basrelief.sources.archives import show_size
    from basrelief.sources.fetch.client import Client
    from basrelief.sources.fetch.downloads import tidy_cache
    from basrelief.sources.fetch.stage import Wanted, fetch_place, try_services

    kept = cache or platformdirs.user_cache_path("basrelief")
    run = Run(out or Path(), quiet)
    if self_test:
        try_services(Client(kept, run.say))
        return
    if out is None:
        raise InputError("fetch: say where to, as in --out camden.")
    wanted = Wanted(
        place=place,
        bounds=_read_bounds(bounds),
        areas=areas,
        radius_m=radius,
        has_crime=crime,
        street=street,
        year=year,
        labels=labels,
        resolution_m=resolution,
        is_by_nominatim=nominatim,
    )
    safe = "files that came whole are kept, and the same command goes on"
    with saying_disk_is_full(f"--out {str(out)!r}", "in fetch", safe):
        starter = fetch_place(Client(kept, run.say), wanted, out, lambda text: yes or _agree(text))
    run.say(f"cache: {show_size(tidy_cache(kept))} in {kept}")
    _say_next(run, starter)


def _read_bounds(typed: str | None) -> tuple[float, float, float, float] | None:
    """Read bounds as typed: four numbers with commas between."""
    if typed is None:
        return None
    try:
        west, south, east, north = (float(each) for each in typed.split(","))
    except ValueError as error:
        raise InputError(
            f"--bounds {typed}: must be four numbers, west,south,east,north in metres of the "
            "British National Grid, as in 525000,180000,535000,190000."
        ) from error
    return west, south, east, north


def _agree(question: str) -> bool:
    """Ask on a terminal; elsewhere nobody answers."""
    if not sys.stdin.isatty():
        raise InputError(f"fetch: {question} Say --yes, or ask for a smaller place.")
    return typer.confirm(question)


def _say_next(run: Run, starter: Starter | None) -> None:
    """Say what is left to be written into a configuration, and what to do with it."""
    if starter is None:
        return
    for key in starter.missing:
        run.say(f"note: data.{key} could not be told: write it there")
    run.say(f"next: basrelief check {starter.path}")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the data lie.")] = Path(),
    pictures: Annotated[
        bool, typer.Option("--pictures", help="The data are pictures and a table.")
    ] = False,
    rasters: Annotated[
        bool, typer.Option("--rasters", help="The data are rasters, boundaries and labels.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write basrelief.toml for the files in a folder. Nothing is overwritten.

    Example: basrelief init basrelief-demo --rasters
    """
    from basrelief.sources.starter import write_starter

    if pictures and rasters:
        raise InputError("init: give --pictures or --rasters, not both.")
    route: Literal["pictures", "rasters"] | None = "pictures" if pictures else None
    starter = write_starter(folder, "rasters" if rasters else route)
    run = Run(folder, quiet)
    run.say(f"wrote {starter.path}")
    _say_next(run, starter)


@app.command()
def check(config: Config, changes: Changes = None, quiet: Quiet = False) -> None:
    """Read every input, and say what is odd. And what each stage takes; nothing is written.

    Example: basrelief check basrelief-demo/config.toml
    """
    from basrelief.check import check_config

    check_config(config, changes or (), quiet=quiet)


@app.command()
def schema() -> None:
    """Print a JSON schema of configurations. Editors complete and check by it.

    Example: basrelief schema > basrelief.schema.json

    Then begin the configuration with the line: #:schema ./basrelief.schema.json
    """
    from basrelief.schema import make_schema

    typer.echo(json.dumps(make_schema(), indent=1))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Deprivation maps from LIDAR, and how far to trust them."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; exit code 2 when the user's input is at fault."""
    try:
        with stopping_on_signals():
            app()
    except InputError as error:
        # One line, whatever a library or a file put into it.
        print(f"basrelief: {' '.join(str(error).splitlines())}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print("basrelief: stopped. The same command goes on where it was.", file=sys.stderr)
        sys.stdout.flush()
        # At once, for threads that read ahead would be waited for; with the code that a shell
        # expects of what a signal ended.
        os._exit(128 + stopped.number)


if __name__ == "__main__":
    main()
