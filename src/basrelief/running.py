"""Running stages: in order, in a folder that is held, skipping what is finished."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from basrelief.config import InputError, Settings, load_settings
from basrelief.locks import locking
from basrelief.marks import (
    OWN,
    check_files,
    is_finished,
    read_mark,
    refuse_foreign_folder,
    refuse_strangers,
    run_stage,
    sweep_parts,
    unmark_stage,
)
from basrelief.names import suggest
from basrelief.run import (
    FORMAT,
    Run,
    begin_run,
    is_disk_full,
    prepare_folder,
    read_format,
    write_json,
)
from basrelief.sources.inputs import find_input_inside
from basrelief.stages import STAGES, find_needed, fingerprint_stages


def run_stages(
    settings: Settings, run: Run, names: Collection[str], forced: Collection[str] = ()
) -> None:
    """Run stages in order; a finished stage whose inputs did not change is skipped.

    Parameters
    ----------
    names
        The stages to run.
    forced
        Those that are run even if nothing changed.

    Raises
    ------
    InputError
        If there is no such stage, or the user's input is at fault.
    """
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        raise InputError(
            f"no stage {min(unknown)!r}. There are {', '.join(stage.name for stage in STAGES)}."
        )
    with holding(settings, run):
        _run_in_order(settings, run, names, forced, fingerprint_stages(settings, run))


def _run_in_order(
    settings: Settings,
    run: Run,
    names: Collection[str],
    forced: Collection[str],
    fingerprints: Mapping[str, str],
) -> None:
    """Run stages in a run folder that is held."""
    kept = "finished stages are kept"
    with saying_disk_is_full(settings.tell_out(), "at its start", kept):
        begin_run(run)
        write_json(run.folder / "config.json", settings.model_dump(mode="json"))
    checked: set[str] = set()
    for stage in STAGES:
        if stage.name not in names:
            continue
        fingerprint, is_forced = fingerprints[stage.name], stage.name in forced
        if is_forced or not is_finished(run, stage.name, fingerprint):
            # What is read is read only as it was written.
            for earlier in set(stage.reads) - checked:
                check_files(run, earlier)
                checked.add(earlier)
        with saying_disk_is_full(settings.tell_out(), f"in stage {stage.name}", kept):
            work = partial(stage.work(), settings, run)
            run_stage(run, stage.name, fingerprint, work, writes=stage.writes, force=is_forced)


@contextmanager
def holding(settings: Settings, run: Run) -> Iterator[None]:
    """Keep a run folder to this process, once it is known to hold a run, or nothing.

    Raises
    ------
    InputError
        If it cannot be written, holds what the program did not write, is of another version,
        another process works in it, or an input lies in it.
    """
    typed = settings.tell_out()
    prepare_folder(run.folder, typed)
    refuse_inputs_inside(settings, run)
    with locking(run, typed):
        refuse_folder(settings, run)
        sweep_parts(run.folder)
        yield


def refuse_folder(settings: Settings, run: Run) -> None:
    """Refuse a folder that holds what the program did not write, or a run of another version."""
    found, typed = read_format(run.folder), settings.tell_out()
    known = {*OWN, *(name for stage in STAGES for name in stage.writes)}
    refuse_foreign_folder(run.folder, typed, known if found is not None else (), "A run")
    if found not in (None, FORMAT):
        raise InputError(
            f"{typed}: a run of format {found}, and this version writes format {FORMAT}. "
            "Choose another folder, or remove this one."
        )


def refuse_inputs_inside(settings: Settings, run: Run) -> None:
    """Refuse input files that lie in the run folder, where stages write.

    Raises
    ------
    InputError
        Names the key and the file.
    """
    file = find_input_inside(settings, run.folder)
    if file is not None:
        raise InputError(
            f"{file.key}: {file.path.name} lies in the run folder, {settings.tell_out()}, "
            "where stages replace files. Move it, or choose another run folder."
        )


def run_all(
    config: Path | str,
    *,
    start: str | None = None,
    quiet: bool = False,
    changes: Sequence[str] = (),
) -> Run:
    """Run every stage of a configuration file in order; return the run.

    Parameters
    ----------
    config
        The configuration file.
    start
        A stage: it and all later ones are done anew. By default a finished stage whose inputs
        did not change is skipped.
    changes
        What stands instead of what the file says, as for `load_settings`.

    Raises
    ------
    InputError
        If the user's input is at fault: the message is one line that says what would work.
    """
    names = [stage.name for stage in STAGES]
    if start is not None and start not in names:
        raise InputError(
            f"--from {start!r}: no such stage. Choose from {', '.join(names)}."
            f"{suggest(start, names)}"
        )
    settings, run = open_settings(config, quiet, changes)
    forced = names[names.index(start) :] if start else []
    with holding(settings, run):
        # Before gigabytes are hashed, where it is known that they have to be read.
        is_new = "chips" in forced or read_mark(run, "chips").fingerprint is None
        if is_new:
            _check_beforehand(settings)
        fingerprints = fingerprint_stages(settings, run)
        if not is_new and not is_finished(run, "chips", fingerprints["chips"]):
            _check_beforehand(settings)
        if "train" in forced or not is_finished(run, "train", fingerprints["train"]):
            # What would stop the run hours later is found at the start; first what needs no torch.
            from basrelief.learn.beforehand import check_early

            check_early(settings)
            from basrelief.learn.stage import check_recipes

            check_recipes(settings)
        for name in forced:
            # All marks before anything else: a run that is killed now must still do them anew.
            unmark_stage(run, name)
        if "train" in forced:
            refuse_strangers(run, "train", ["models", "features"])
            # Training goes on from what it finds; anew means that it finds nothing.
            for folder in (run.models, run.features):
                shutil.rmtree(folder, ignore_errors=True)
        _run_in_order(settings, run, names, forced, fingerprints)
    return run


def _check_beforehand(settings: Settings) -> None:
    """Check what needs no pixels before torch is loaded, which takes longer than that."""
    from basrelief.chips.beforehand import check_beforehand

    check_beforehand(settings)


def run_one(
    name: str, config: Path | str, *, quiet: bool = False, changes: Sequence[str] = ()
) -> Run:
    """Run one stage of a configuration file anew; return the run.

    Raises
    ------
    InputError
        If a stage whose files it reads is not finished, or the user's input is at fault.
    """
    settings, run = open_settings(config, quiet, changes)
    again = " ".join([str(config), *(f"--set {shlex.quote(change)}" for change in changes)])
    with holding(settings, run):
        fingerprints = fingerprint_stages(settings, run)
        for earlier in find_needed(name):
            if not is_finished(run, earlier, fingerprints[earlier]):
                raise InputError(
                    f"{config}: stage {name} needs stage {earlier} first, on the files and "
                    f"settings as they are now. Run: basrelief {earlier} {again}"
                )
        if name == "train":
            from basrelief.learn.beforehand import check_early

            check_early(settings)
            from basrelief.learn.stage import check_recipes

            check_recipes(settings)
        _run_in_order(settings, run, [name], [name], fingerprints)
    return run


def open_settings(
    config: Path | str, quiet: bool, changes: Sequence[str] = ()
) -> tuple[Settings, Run]:
    """Read a configuration file, and point to its run folder."""
    settings = load_settings(config, changes)
    return settings, Run(settings.locate(settings.out), quiet)


@contextmanager
def saying_disk_is_full(typed: str, where: str, kept: str = "") -> Iterator[None]:
    """Turn "no space left", however it is wrapped, into a line for the user.

    Parameters
    ----------
    kept
        What is not lost, in words; empty where nothing is there yet.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"{typed}: no space left on the device {where}. "
            f"Free some, or choose another folder{kept and '; '}{kept}."
        ) from error
