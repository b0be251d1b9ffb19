"""The command line: one sub-command a stage; nothing else computes here."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from basrelief import __version__
from basrelief.config import InputError, Settings, load_settings
from basrelief.run import (
    Run,
    digest,
    is_disk_full,
    is_finished,
    prepare_folder,
    run_stage,
    stamp_of,
    write_json,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deprivation maps from LIDAR, and how far to trust them.",
)
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, a TOML file.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing and show no progress.")]


@dataclass(frozen=True)
class Stage:
    """A stage: a function from files to files, and the settings that it depends on."""

    name: str
    sections: tuple[str, ...]
    help: str

    def work(self) -> Callable[[Settings, Run], None]:
        """Import the stage's function only when it is wanted: torch takes seconds to load."""
        match self.name:
            case "chips":
                from basrelief.chips.stage import make_chips as work
            case "describe":
                from basrelief.chips.describe import describe_chips as work
            case "split":
                from basrelief.splits.stage import assign_splits as work
            case "train":
                from basrelief.learn.stage import train_recipes as work
            case "evaluate":
                from basrelief.judge.stage import evaluate_recipes as work
            case "explain":
                from basrelief.explain.stage import explain_recipes as work
            case "map":
                from basrelief.tell.maps.stage import write_maps as work
            case _:
                from basrelief.tell.stage import tell_run as work
        return work


STAGES = (
    Stage("chips", ("data", "chips"), "Cut rasters, or take pictures, into chips."),
    Stage("describe", (), "Summarise the targets and what was removed."),
    Stage("split", ("split", "seed"), "Make the folds of every scheme."),
    Stage("train", ("models", "seed"), "Train every recipe on every fold."),
    Stage("evaluate", (), "Score held-out predictions beside the mean."),
    Stage("explain", (), "Draw what raises and lowers the predictions."),
    Stage("map", (), "Write the maps, with styles for QGIS."),
    Stage("report", ("publish",), "Write report.html, and in public/ what may be handed out."),
)


def fingerprints(settings: Settings) -> dict[str, str]:
    """Hash what each stage depends on: its settings, its input files, the stages before."""
    from basrelief.chips.stage import list_inputs
    from basrelief.learn.choice import describe_recipes, list_model_files

    previous = digest(__version__, [stamp_of(path) for path in list_inputs(settings)])
    found = {}
    values = settings.model_dump()
    for stage in STAGES:
        files = list_model_files(settings) if stage.name == "train" else []
        own = [values[section] for section in stage.sections]
        if stage.name == "train":
            own += describe_recipes(settings)
        previous = digest(previous, stage.name, own, [stamp_of(path) for path in files])
        found[stage.name] = previous
    return found


def run_stages(settings: Settings, run: Run, names: list[str], forced: set[str]) -> None:
    """Run stages in order; a finished stage whose inputs did not change is skipped."""
    prepare_folder(run.folder, settings.out)
    marks = fingerprints(settings)
    write_json(run.folder / "config.json", settings.model_dump(mode="json"))
    for stage in STAGES:
        if stage.name in names:
            work = partial(stage.work(), settings, run)
            with saying_disk_is_full(settings.out, stage.name):
                run_stage(run, stage.name, marks[stage.name], work, force=stage.name in forced)


@contextmanager
def saying_disk_is_full(typed: str, stage: str) -> Iterator[None]:
    """Turn "no space left", however it is wrapped, into a line for the user."""
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"out = {typed!r}: no space left on the device in stage {stage}. "
            "Free some, or choose another folder; finished stages are kept."
        ) from error


def _open(config: Path, quiet: bool) -> tuple[Settings, Run]:
    settings = load_settings(config)
    return settings, Run(settings.locate(settings.out), quiet)


@app.command("run")
def run_all(
    config: Config,
    start: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Do this stage and later anew.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run every stage in order; finished stages whose inputs did not change are skipped.

    Example: basrelief run examples/coursework.toml
    """
    names = [stage.name for stage in STAGES]
    if start is not None and start not in names:
        raise InputError(f"--from {start!r}: no such stage. Choose from {', '.join(names)}.")
    settings, run = _open(config, quiet)
    forced = set(names[names.index(start) :]) if start else set()
    if "train" in forced or not is_finished(run, "train", fingerprints(settings)["train"]):
        _check(settings)
    if "train" in forced:
        # Training goes on from what it finds; anew means that it finds nothing.
        shutil.rmtree(run.models, ignore_errors=True)
    run_stages(settings, run, names, forced)
    run.say(f"report: {run.report}")


def _check(settings: Settings) -> None:
    """Find at the start what would otherwise stop the run hours later."""
    from basrelief.learn.stage import check_recipes

    check_recipes(settings)


def _add_stage(stage: Stage) -> None:
    def command(config: Config, quiet: Quiet = False) -> None:
        settings, run = _open(config, quiet)
        marks = fingerprints(settings)
        for earlier in STAGES[: STAGES.index(stage)]:
            if not is_finished(run, earlier.name, marks[earlier.name]):
                raise InputError(
                    f"{config}: stage {stage.name} needs stage {earlier.name} first, on the "
                    f"files and settings as they are now. Run: basrelief {earlier.name} {config}"
                )
        run_stages(settings, run, [stage.name], {stage.name})

    command.__doc__ = f"{stage.help}\n\nExample: basrelief {stage.name} config.toml"
    app.command(stage.name)(command)


for _stage in STAGES:
    _add_stage(_stage)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the town and its run.")] = Path(
        "basrelief-demo"
    ),
    quiet: Quiet = False,
) -> None:
    """Build a synthetic town with a known answer and take it through every stage, offline.

    Example: basrelief demo --out town
    """
    from basrelief.sources.town import write_town

    prepare_folder(out, str(out))
    run_all(write_town(out, seed=7), quiet=quiet)


@app.command()
def predict(
    trained: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    dsm: Annotated[str, typer.Option(metavar="GLOB", help="Surface rasters of the place.")],
    areas: Annotated[str, typer.Option(metavar="FILE", help="Polygons of its small areas.")],
    out: Annotated[Path, typer.Option(help="Folder for the predictions.")],
    dtm: Annotated[str | None, typer.Option(metavar="GLOB", help="Terrain rasters.")] = None,
    crs: Annotated[str | None, typer.Option(help="CRS of rasters that carry none.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="FILE", help="Scores, to compare.")] = None,
    recipe: Annotated[str | None, typer.Option(help="By default the run's first.")] = None,
    area_column: Annotated[str | None, typer.Option(help="Column of codes in areas.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of codes in labels.")] = None,
    quiet: Quiet = False,
) -> None:
    """Predict a place that a run's final model never saw.

    Example: basrelief predict runs/tq28ne --dsm "lidar/*.tif" --areas areas.gpkg --out there
    """
    from basrelief.judge.transfer import Place, transfer_model

    place = Place(dsm, dtm, crs, areas, labels, area_column, label_column)
    with saying_disk_is_full(str(out), "predict"), speaking_of_options():
        transfer_model(Run(trained, quiet), place, Run(out, quiet), recipe)


@contextmanager
def speaking_of_options() -> Iterator[None]:
    """Name options, not keys of a configuration, in what is said of the user's files."""
    try:
        yield
    except InputError as error:
        text = str(error).replace("data.targets", "the model's targets")
        text = re.sub(r"data\.(dsm|dtm|crs|areas|labels)( = )?", _name_option, text)
        text = re.sub(r"data\.(area|label)_column( = )?", r"--\1-column ", text)
        text = text.replace("to the configuration file", "to the working directory")
        raise InputError(text) from error


def _name_option(found: re.Match[str]) -> str:
    return f"--{found[1]}" + (" " if found[2] else "")


@app.command()
def recipes() -> None:
    """List the recipes, one line each.

    Example: basrelief recipes
    """
    from basrelief.learn.recipes import list_recipes

    known = list_recipes()
    width = max(len(recipe.name) for recipe in known)
    for recipe in known:
        typer.echo(f"{recipe.name:<{width}}  {recipe.unit:<4}  {recipe.about}")


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
        app()
    except InputError as error:
        print(f"basrelief: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("basrelief: stopped. The same command goes on where it was.", file=sys.stderr)
        os._exit(130)


if __name__ == "__main__":
    main()
