"""What predictions of new places have in common: the model, the folder, what scores are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from basrelief.config import DataSettings, InputError, Settings, SplitSettings
from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.choice import list_asked, read_recipes
from basrelief.learn.final import FinalModel
from basrelief.learn.knowledge import HEIGHTS
from basrelief.learn.recipes import read_recipe
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
from basrelief.run import Record, Run, check_format, prepare_folder, read_format
from basrelief.sources.inputs import find_input_inside

SCHEME = "transfer"
"""What stands in the place of a scheme: nothing of this place was learnt from."""

RESULTS = ("predictions.parquet", "areas.gpkg", "predict.json", "scores.json")

WRITES = (*RESULTS, "chips")
"""What a folder of predictions holds."""

PREDICT = "predict"
"""The stage of which a folder of predictions has a mark, as stages of a run have theirs."""

YARDSTICK = "training_mean"
"""What skill is against: the mean label of the training place."""


def find_model(run: Run, recipe: str | None) -> Path:
    """Find the folder of a run's final model.

    Raises
    ------
    InputError
        If the folder is no run, has no final model of that name, or models that are not as
        training wrote them.
    """
    typed = str(run.folder)
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
            "one with --recipe, or finish the run."
        )
    check_files(run, "train")
    return run.models / name / "final"


def _name_recipe(typed: str) -> str:
    """Give the name of a recipe that was typed, or given as the file that a run was."""
    path = Path(typed)
    return read_recipe(path).name if typed.endswith(".toml") and path.is_file() else typed


def read_shortfall(trained: Run, model: FinalModel) -> Record:
    """Read how far a model was trained, as the run that it is of keeps it."""
    return next(r for r in read_recipes(trained) if r["recipe"] == model.recipe)


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
    _refuse_runs(out.folder, typed)
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


def _refuse_runs(folder: Path, typed: str) -> None:
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
    for key in ("dsm", "dtm", "areas", "labels", "images", "table"):
        if getattr(settings.data, key) is not None:
            # What cannot be a path at all is said as that.
            settings.typed(key)
    file = find_input_inside(settings, folder)
    if file is not None:
        option = file.key.removeprefix("data.")
        raise InputError(
            f"--{option}: {file.path.name} lies in {typed}, where files are replaced. Move "
            "it, or choose another folder."
        )


def weigh(records: list[Record], seen: str = HEIGHTS) -> list[Record]:
    """Say what scores on a new place are worth, each among all of them.

    Parameters
    ----------
    records
        As `score_predictions` gives them, of one recipe.
    seen
        Code of what the recipe looks at.

    Returns
    -------
    The same with ``interval`` and ``worth``, in the same order.
    """
    # One recipe, fitted elsewhere: nothing is fitted anew, and its only rival is the mean.
    knows = {record["recipe"]: (seen,) for record in records}
    nothing_fitted = Refits((), knows, 0, is_alone=True)
    places = dict.fromkeys((record["scheme"], record["unit"]) for record in records)
    compared = [Compared(*place, [], {}, [], nothing_fitted) for place in places]
    bounded = [nothing_fitted.bound_score(record) for record in records]
    return settle(bounded, compared, Knowledge(knows, dict.fromkeys(knows, MEAN))).scores
