"""A configuration checked: every input read, and what each stage would take; nothing is written."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from basrelief.chips.beforehand import check_input_files
from basrelief.chips.foresee import Foreseen, foresee_chips
from basrelief.config import InputError, Settings
from basrelief.estimates import (
    MACHINE,
    Amounts,
    Estimate,
    estimate_data,
    estimate_stages,
    measure_amounts,
)
from basrelief.learn.beforehand import check_early
from basrelief.run import Notes, Run
from basrelief.running import open_settings, refuse_folder, refuse_inputs_inside
from basrelief.sources.archives import show_size
from basrelief.sources.inputs import find_existing
from basrelief.splits.stage import deal_folds


def check_config(config: Path | str, changes: Sequence[str] = (), *, quiet: bool = False) -> None:
    """Read every input of a configuration; say what is odd, and what each stage will take.

    Parameters
    ----------
    config, changes
        As for `run_all`.

    Raises
    ------
    InputError
        Where a run would stop, as far as that can be known before anything is cut. What the
        stages before it take is said first.
    """
    settings, run = open_settings(config, quiet, changes)
    # First what takes no time: nobody waits a minute for tables to be read to hear of a typo.
    _refuse_unwritable(settings, run)
    refuse_inputs_inside(settings, run)
    if run.folder.exists():
        refuse_folder(settings, run)
    check_input_files(settings)
    check_early(settings)
    foreseen = foresee_chips(settings, Notes(run))
    for line in foreseen.lines:
        run.say(f"check: {line}")
    targets = foreseen.samples.targets
    run.say(f"check: {len(targets)} target{'s' * (len(targets) > 1)}: {', '.join(targets)}")
    estimates = _foresee_stages(settings, run, foreseen)
    _say_estimates(run.say, estimates)
    _note_disk(settings, run, estimates)


def _refuse_unwritable(settings: Settings, run: Run) -> None:
    """Refuse a run folder that cannot be made or written, in the words of `prepare_folder`."""
    there = find_existing(run.folder.absolute())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    fault = errno.EACCES if there.is_dir() else errno.ENOTDIR
    fault = errno.EEXIST if there == run.folder.absolute() and not there.is_dir() else fault
    raise InputError(
        f"{settings.tell_out()}: cannot write there ({os.strerror(fault)}). Choose another folder."
    )


def _foresee_stages(settings: Settings, run: Run, foreseen: Foreseen) -> list[Estimate]:
    """Deal folds and look at recipes as a run would; say what went well before a refusal."""
    # Here, and not above: checking recipes loads torch, and most checks stop at a file before.
    from basrelief.learn.choice import choose_baselines, choose_recipes
    from basrelief.learn.stage import check_joined, check_recipes

    try:
        folds, _ = deal_folds(foreseen.samples, settings, run)
        amounts = measure_amounts(foreseen.samples, folds)
        run.say(f"check: {_count_folds(amounts)}")
        recipes, left_out = choose_recipes(settings)
        for line in left_out:
            run.say(line)
        check_recipes(settings)
        # What is joined without being asked for may be of too many tables.
        joined = [*recipes, *choose_baselines(recipes, settings)]
        check_joined(joined, foreseen.samples, settings)
    except InputError:
        # What is at fault concerns folds or recipes; how long cutting takes is known all the same.
        _say_estimates(run.say, estimate_data(measure_amounts(foreseen.samples, None)))
        raise
    return estimate_stages(settings, amounts)


def _count_folds(amounts: Amounts) -> str:
    of_areas = f"{amounts.n_folds} folds of areas over all repeats" if amounts.n_folds else ""
    schemes = f"{amounts.n_schemes} scheme{'s' * (amounts.n_schemes > 1)}"
    return ", ".join(filter(None, (schemes, of_areas)))


def _say_estimates(say: Callable[[str], None], estimates: Sequence[Estimate]) -> None:
    """Say what stages take, a line each, and in all."""
    say(f"check: about, on {MACHINE}:")
    say(f"  {'stage':<10}{'time':>9}{'memory':>10}{'disk':>10}")
    total = Estimate(
        "in all",
        sum(each.seconds for each in estimates),
        # Stages run one after the other, and each gives back its memory.
        max(each.memory_mb for each in estimates),
        sum(each.disk_mb for each in estimates),
    )
    for each in (*estimates, total):
        memory, disk = _show_mb(each.memory_mb), _show_mb(each.disk_mb)
        say(f"  {each.stage:<10}{_show_time(each.seconds):>9}{memory:>10}{disk:>10}")


def _show_time(seconds: float) -> str:
    """Write a time in one unit, with no more digits than are known.

    >>> [_show_time(each) for each in (4, 88, 760, 9000)]
    ['4 s', '1.5 min', '13 min', '2.5 h']
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"


def _show_mb(megabytes: float) -> str:
    """Write an estimate with no more digits than are known."""
    return show_size(megabytes * 1e6, digits=2)


def _note_disk(settings: Settings, run: Run, estimates: Sequence[Estimate]) -> None:
    """Note a disk or a memory that will not do."""
    there = find_existing(run.folder.absolute())
    free_mb = shutil.disk_usage(there).free / 1e6
    # All that stays counts together, though a run that was begun has some of it already.
    needed_mb = sum(each.disk_mb for each in estimates)
    if needed_mb > free_mb:
        run.say(
            f"note: {settings.tell_out()}: about {_show_mb(needed_mb)} are needed there and "
            f"{_show_mb(free_mb)} are free"
        )
    has_mb = _find_memory_mb()
    worst = max(estimates, key=lambda each: each.memory_mb)
    if has_mb is not None and worst.memory_mb > has_mb:
        run.say(
            f"note: stage {worst.stage} takes about {_show_mb(worst.memory_mb)} of memory and "
            f"this machine has {_show_mb(has_mb)}"
        )


def _find_memory_mb() -> float | None:
    """Find how much memory the machine has; None where the system does not say it so (Windows)."""
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
