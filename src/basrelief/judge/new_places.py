"""What predictions of new places have in common: the model, the folder, what scores are worth."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import DataSettings, InputError, Settings
from basrelief.judge.applicability import Applicability
from basrelief.judge.chance import SMOOTH, Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.predictions import tabulate_predictions
from basrelief.judge.scores import score_predictions
from basrelief.judge.tables import PREDICTIONS, open_parquet
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.worlds import WorldKind, draw_worlds
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.choice import list_asked, read_recipes
from basrelief.learn.exported import is_export, open_export
from basrelief.learn.final import FinalModel
from basrelief.learn.joint import AreaTerms
from basrelief.learn.knowledge import HEIGHTS
from basrelief.learn.place import Locations
from basrelief.learn.recipe_files import read_recipe
from basrelief.locks import locking
from basrelief.marks import (
    EDITED,
    begin_stage,
    check_files,
    finish_stage,
    mark_of,
    refuse_foreign_folder,
    refuse_strangers,
    sweep_parts,
)
from basrelief.names import suggest
from basrelief.run import Record, Run, check_format, prepare_folder, read_format, write_json
from basrelief.sources.inputs import find_input_inside
from basrelief.stage_settings import SplitSettings

Floats = NDArray[np.float64]

SCHEME = "transfer"
"""What stands in the place of a scheme: nothing of this place was learnt from."""

RESULTS = ("predictions.parquet", "areas.gpkg", "predict.json", "scores.json")

WRITES = (*RESULTS, "chips")
"""What a folder of predictions holds."""

PREDICT = "predict"
"""The stage of which a folder of predictions has a mark, as stages of a run have theirs."""

YARDSTICK = "training_mean"
"""What skill is against: the mean label of the training place."""


@dataclass(frozen=True)
class FoundModel:
    """A final model: where it lies, and how far it was trained."""

    folder: Path
    training: Record
    """As in ``models/recipes.json``."""


def find_model(run: Run, recipe: str | None) -> FoundModel:
    """Find a run's final model, or the one of an exported folder.

    Raises
    ------
    InputError
        If the folder is neither, has no final model of that name, or models that are not as
        they were written.
    """
    typed = str(run.folder)
    if is_export(run.folder):
        return FoundModel(*open_export(run.folder, recipe and _name_recipe(recipe)))
    check_format(run.folder)
    # Of this run alone: models of an earlier configuration may still lie beside them.
    trained = read_recipes(run)
    names = [str(record["recipe"]) for record in trained]
    found = [name for name in names if (run.models / name / "final" / "model.json").exists()]
    if not found:
        raise InputError(
            f"{typed}: has no final model. Give the run folder of a finished `basrelief run`."
        )
    # Baselines are trained too, and nobody asked for their predictions.
    name = list_asked(trained)[0] if recipe is None else _name_recipe(recipe)
    if name not in found:
        asked = f"--recipe {recipe!r}" if recipe else f"{typed}: its first recipe is {name!r}"
        raise InputError(
            f"{asked}: {typed} has no final model of it. It has {', '.join(sorted(found))}: give "
            f"one with --recipe, or finish the run.{suggest(name, found)}"
        )
    check_files(run, "train")
    training = next(record for record in trained if record["recipe"] == name)
    return FoundModel(run.models / name / "final", training)


def _name_recipe(typed: str) -> str:
    """Give the name of a recipe that was typed, or given as the file that a run was."""
    path = Path(typed)
    return read_recipe(path).name if typed.endswith(".toml") and path.is_file() else typed


def settle_settings(model: FinalModel, data: DataSettings, out: Run) -> Settings:
    """Put what a place has beside the settings that the model was trained with."""
    settings = Settings.model_construct(
        out=str(out.folder),
        seed=model.seed,
        data=data,
        chips=model.chips,
        split=SplitSettings(block_m=model.block_m),
    )
    # What is said of these files names the options that gave them.
    settings._is_of_options = True
    return settings


@contextmanager
def holding_answer(settings: Settings, out: Run) -> Iterator[None]:
    """Keep a folder for predictions to this process, made and cleared of an earlier answer.

    Parameters
    ----------
    settings
        Of the place, as `settle_settings` has them.

    Raises
    ------
    InputError
        If the folder lies in that of a run, holds an input or anything else that is not of an
        earlier answer, cannot be written, or another process works in it.
    """
    typed = f"--out {str(out.folder)!r}"
    refuse_runs(out.folder, typed)
    _refuse_inputs_inside(settings, out.folder, typed)
    prepare_folder(out.folder, typed)
    with locking(out, typed):
        # What says whose the folder is: files of these names may be anybody's.
        is_own = mark_of(out, PREDICT).is_file()
        known = (*WRITES, "stages", EDITED) if is_own else ()
        refuse_foreign_folder(out.folder, typed, known, "A prediction")
        sweep_parts(out.folder)
        refuse_strangers(out, PREDICT, WRITES)
        # From the start: whatever ends this early, the next one knows whose the folder is.
        begin_stage(out, PREDICT)
        for name in RESULTS:
            # An answer about other chips must not stand beside these.
            (out.folder / name).unlink(missing_ok=True)
        yield
        # Nothing is skipped by it: an answer is always given anew.
        finish_stage(out, PREDICT, "", WRITES)


def refuse_runs(folder: Path, typed: str) -> None:
    """Refuse a run folder, and one in it: the run would be refused for what is not its own."""
    for each in (folder.resolve(), *folder.resolve().parents):
        # Any format is a run's; what says none is another program's.
        if read_format(each):
            what = "this is" if each == folder.resolve() else f"lies in {str(each)!r},"
            raise InputError(
                f"{typed}: {what} a run folder, whose files would be replaced or refused. "
                "Choose a folder of its own."
            )


def _refuse_inputs_inside(settings: Settings, folder: Path, typed: str) -> None:
    """Refuse input files that lie where predictions are written."""
    file = find_input_inside(settings, folder)
    if file is not None:
        option = "table" if file.key == "data.tables" else file.key.removeprefix("data.")
        raise InputError(
            f"--{option}: {file.path.name} lies in {typed}, where files are replaced. Move "
            "it, or choose another folder."
        )


def tabulate_answer(
    model: FinalModel,
    unit: Literal["chip", "area"],
    ids: pd.Categorical[str],
    values: tuple[Floats, Floats],
    near: Applicability | None = None,
) -> pd.DataFrame:
    """Lay predictions of a new place out as in ``predictions.parquet`` of a run.

    ``y_mean`` is the mean label of the training place.

    Parameters
    ----------
    ids : (item,)
    values : (item, target) each
        What was observed, NaN without a label, and what was predicted, in the targets' units.
    near
        Whether the model may be applied to each item; None where that is not measured.
    """
    # None of it was held out by a fold, and nothing is repeated.
    key = {"recipe": model.recipe, "scheme": SCHEME, "repeat": 0, "fold": 0, "unit": unit}
    means = [model.labels[target].mean for target in model.targets]
    y_mean = np.array(means, dtype=np.float64)  # None, of a target without a label, is NaN
    return tabulate_predictions(key, model.targets, ids, (*values, y_mean), near)


def write_answer(
    table: pd.DataFrame,
    about: tuple[FinalModel, Record],
    typed: Mapping[str, Any],
    counts: Mapping[str, Any],
    out: Run,
) -> None:
    """Write ``predictions.parquet`` and, of what they are, ``predict.json``.

    Parameters
    ----------
    table
        Rows of ``predictions.parquet``, with some of its columns.
    about
        The model, and how far it was trained.
    typed, counts
        What was given to be predicted, as typed, and how much of it was.
    """
    model, training = about
    with open_parquet(out.predictions, PREDICTIONS) as file:
        # A place of its own has no held-out errors to calibrate intervals on: all null.
        file.append(table.reindex(columns=PREDICTIONS.names))
    about_model = model.model_dump(mode="json", exclude={"features"})
    answer = {"model": about_model, "training": training, "place": typed, "counts": counts}
    write_json(out.folder / "predict.json", answer)


def score_answer(
    known: pd.DataFrame,
    groups: Mapping[str, pd.Series[Any]],
    settings: Settings,
    label: str,
    seen: Collection[str],
    by_chance: Mapping[WorldKind, pd.DataFrame] | None = None,
) -> list[Record]:
    """Score predictions where labels are; skill is against the mean label learnt from.

    Parameters
    ----------
    known
        Rows of ``predictions.parquet`` with a label, `keep_known`.
    groups
        By unit: what each item is resampled with, by id.
    label
        What the recipe is called, by how far it was trained.
    seen
        Codes of all that the recipe looks at.
    by_chance
        What `draw_skills` gives; nothing is claimed without it.

    Returns
    -------
    Records as in a run's ``scores.json``, each with ``knows`` (``seen``), ``compared_with`` and
    ``n_inside``, how many of the areas are like those learnt from (None where that was not
    measured).
    """
    rng = np.random.default_rng(settings.seed)
    key = ["target", "unit"]
    inside = known.groupby(key, observed=True)["is_inside"].sum(min_count=1)
    weighed = weigh(score_predictions(known, groups, rng), seen, by_chance)
    for record in weighed:
        n_inside = inside[record["target"], record["unit"]]
        own = None if pd.isna(n_inside) else int(n_inside)
        record |= {"label": label, "knows": list(seen)}
        record |= {"compared_with": YARDSTICK, "n_inside": own}
    return weighed


def keep_known(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of ``predictions.parquet`` that can be scored."""
    return table[table[["y_true", "y_pred", "y_mean"]].notna().all(axis=1)]


def weigh(
    records: list[Record],
    seen: Collection[str] = (HEIGHTS,),
    by_chance: Mapping[WorldKind, pd.DataFrame] | None = None,
) -> list[Record]:
    """Say what scores on a new place are worth, each among all of them.

    Parameters
    ----------
    records
        As `score_predictions` gives them, of one recipe.
    seen
        Codes of all that the recipe looks at.
    by_chance
        What `draw_skills` gives; nothing is claimed without it, nor of single pictures.

    Returns
    -------
    The same with ``interval`` and ``worth``, in the same order.
    """
    # One recipe, fitted elsewhere: nothing is fitted anew, and its only rival is the mean.
    knows = {record["recipe"]: tuple(seen) for record in records}
    skills = {kind: table for kind, table in (by_chance or {}).items() if len(table.columns)}
    targets = tuple(next(iter(skills.values())).columns) if skills else ()
    drawn = {kind: table.to_numpy(np.float64) for kind, table in skills.items()}
    compared = []
    for scheme, unit in dict.fromkeys((r["scheme"], r["unit"]) for r in records):
        figures = dict.fromkeys(knows, drawn) if unit == "area" and drawn else {}
        refits = Refits(targets, knows, 0, figures)
        compared.append(Compared(scheme, unit, [], {}, [], refits))
    bounded = [Refits((), knows, 0).bound_score(record) for record in records]
    # A skill of several eyes is the gain of none alone.
    by_eye = {name: dict.fromkeys(seen, MEAN) if len(seen) == 1 else {} for name in knows}
    return settle(bounded, compared, Knowledge(knows, by_eye)).scores


def draw_skills(
    known: pd.DataFrame, locations: Locations, settings: Settings
) -> dict[WorldKind, pd.DataFrame]:
    """Draw what skills the same predictions of areas have by luck, on other labels of the place.

    The model comes from elsewhere and is not fitted anew: its predictions stay as they are. The
    labels are drawn as neighbours share them, or moved and turned over the place.

    Parameters
    ----------
    known
        Rows of ``predictions.parquet`` of areas with a label, `keep_known`.
    locations
        Of these areas, in the order of their codes.

    Returns
    -------
    By kind of world (world, target); empty where areas are too few or too many for such worlds.
    """
    # In the order of the codes, as the locations are, whatever order categories have.
    ids = sorted(set(known["id"]))
    tables = {
        name: known.pivot_table(name, "id", "target", observed=True, dropna=False).reindex(ids)
        for name in ("y_true", "y_pred", "y_mean")
    }
    labels = tables["y_true"].to_numpy(np.float64)
    n_worlds = settings.evaluate.worlds
    if not n_worlds or not len(labels):
        return {}
    rng = np.random.default_rng([settings.seed, zlib.crc32(SCHEME.encode())])
    rows = np.arange(len(labels))
    worlds = draw_worlds(AreaTerms({}, locations), labels, rows, n_worlds, rng).labels
    found: dict[WorldKind, pd.DataFrame] = {}
    for kind in SMOOTH:
        if kind in worlds:
            square = [
                np.nansum((worlds[kind] - tables[name].to_numpy(np.float64)) ** 2, axis=1)
                for name in ("y_pred", "y_mean")
            ]
            found[kind] = pd.DataFrame(1 - square[0] / square[1], columns=tables["y_true"].columns)
    return found
