"""Commands on finished runs: predicting with their models, handing one out, comparing two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from basrelief.config import InputError
from basrelief.eyes import name_eye
from basrelief.run import Run, check_format
from basrelief.running import saying_disk_is_full

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing, show no progress.")]
FinishedRun = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]


def predict(
    out: Annotated[Path, typer.Option(help="Folder for the predictions.")],
    trained: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="Folder of a finished run.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead of a run: what `export` wrote."),
    ] = None,
    dsm: Annotated[str | None, typer.Option(metavar="GLOB", help="Surface rasters.")] = None,
    areas: Annotated[str | None, typer.Option(metavar="FILE", help="Polygons of areas.")] = None,
    images: Annotated[str | None, typer.Option(metavar="FOLDER", help="Pictures.")] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A row a picture; or NAME=FILE, by area, for each."),
    ] = None,
    dtm: Annotated[str | None, typer.Option(metavar="GLOB", help="Terrain rasters.")] = None,
    photo: Annotated[str | None, typer.Option(metavar="GLOB", help="Photo from above.")] = None,
    embedding: Annotated[str | None, typer.Option(metavar="GLOB", help="Embeddings.")] = None,
    street: Annotated[str | None, typer.Option(metavar="FOLDER", help="Street pictures.")] = None,
    street_table: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where each street picture was taken.")
    ] = None,
    crs: Annotated[str | None, typer.Option(help="CRS of rasters that carry none.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="FILE", help="Scores, to compare.")] = None,
    recipe: Annotated[str | None, typer.Option(help="By default the run's first.")] = None,
    area_column: Annotated[str | None, typer.Option(help="Column of codes in areas.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of codes in labels.")] = None,
    quiet: Quiet = False,
) -> None:
    """Predict a place that a run's model never saw. Of rasters and areas, or of pictures.

    Example: basrelief predict basrelief-demo/run --dsm "basrelief-demo/lidar/*DSM*"
    --areas basrelief-demo/areas.gpkg --out there

    Of pictures: basrelief predict RUN --images FOLDER --table FILE --out there

    With tables by area: basrelief predict RUN --dsm "*.tif" --areas FILE --table census=FILE
    --out there

    With street pictures: basrelief predict RUN --dsm "*.tif" --areas FILE --street FOLDER
    --street-table FILE --out there

    By an exported model: basrelief predict --model FOLDER --dsm "*.tif" --areas FILE --out there
    """
    # Before networks' libraries are loaded, which takes longer than to be told.
    folder = _choose_model(trained, model, recipe)
    from basrelief.judge.transfer import NewRasters, transfer_model
    from basrelief.judge.transfer_pictures import NewPictures, transfer_to_pictures
    from basrelief.tell.new_places import say_answer

    run, there = Run(folder, quiet), Run(out, quiet)
    walked = _pair_street(street, street_table)
    of_rasters = (dsm, areas, dtm, photo, embedding, walked, crs, labels, label_column)
    with saying_disk_is_full(f"--out {str(out)!r}", "in predict"):
        if dsm and areas and not images:
            given = {"photo": photo, "embedding": embedding}
            overlays = {name: typed for name, typed in given.items() if typed is not None}
            columns = (area_column, label_column)
            tables = _name_tables(table or [])
            place = NewRasters(dsm, dtm, crs, areas, labels, *columns, overlays, tables, walked)
            transfer_model(run, place, there, recipe)
        elif images and table and len(table) == 1 and not any(of_rasters):
            transfer_to_pictures(run, NewPictures(images, table[0], area_column), there, recipe)
        else:
            raise InputError(
                "predict: give --dsm and --areas for rasters, or --images and --table for "
                "pictures, and no option of the other."
            )
    for line in say_answer(there):
        there.say(line)


def _pair_street(folder: str | None, table: str | None) -> tuple[str, str] | None:
    """Pair the folder of street pictures with their table; None where neither is given."""
    if folder is not None and table is not None:
        return folder, table
    if folder is None and table is None:
        return None
    given, other = (
        ("--street", "--street-table") if table is None else ("--street-table", "--street")
    )
    raise InputError(
        f"{given} {folder or table!r}: {other} is missing. Street pictures are given as a folder "
        "(--street) and the table of where each was taken (--street-table)."
    )


def _name_tables(typed: Sequence[str]) -> dict[str, str]:
    """Tell tables by area apart: the file of each, by the name of the eye that it is."""
    found: dict[str, str] = {}
    for each in typed:
        name, _, file = each.partition("=")
        if not (name and file):
            raise InputError(
                f"--table {each!r}: of areas a table is given with its name in the run, as in "
                "--table census=census.csv."
            )
        if name_eye(name) in found:
            raise InputError(f"--table {each!r}: {name!r} is given twice. Give each table once.")
        found[name_eye(name)] = file
    return found


def _choose_model(trained: Path | None, model: Path | None, recipe: str | None) -> Path:
    """Choose the folder that a model is taken from: of a run, or one that was exported."""
    from basrelief.learn.exported import open_export

    if (trained is None) == (model is None):
        raise InputError("predict: give a RUN, or --model and a folder that `export` wrote.")
    if model is not None:
        open_export(model, recipe)
        return model
    assert trained is not None
    check_format(trained)
    return trained


def export(
    run: FinishedRun,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
    recipe: Annotated[str | None, typer.Option(help="By default the run's first.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the model, as SPDX has it: CC-BY-4.0.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write one folder with a model that others can use. Nothing withheld is in it.

    Example: basrelief export basrelief-demo/run --recipe relief-statistics --out model
    """
    from basrelief.tell.cards.export import export_model

    with saying_disk_is_full(f"--out {str(out)!r}", "in export"):
        export_model(Run(run, quiet), recipe, out, licence)


def compare(
    first: FinishedRun,
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another, of the same place.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A page of it: comparison.html.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare two runs on the same areas and folds. What the second has over the first.

    Example: basrelief compare basrelief-demo/run other/run --out comparison.html
    """
    from basrelief.tell.page.comparison import tell_comparison_of

    with saying_disk_is_full(f"--out {str(out)!r}", "in compare"):
        tell_comparison_of(Run(first, quiet), Run(second, quiet), out)
