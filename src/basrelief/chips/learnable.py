"""Targets that can be learnt: those that vary over the rows that a run uses."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import InputError, Settings
from basrelief.run import Notes
from basrelief.sources.targets import expand_targets


def check_targets(
    settings: Settings, notes: Notes, rows: pd.DataFrame, targets: list[str], unit: str
) -> list[str]:
    """Keep the targets that vary over the rows of a run.

    Parameters
    ----------
    rows
        The areas or pictures that the run uses, one column a target.
    unit
        What the rows are, for messages: ``"areas"``, ``"areas used"`` or ``"pictures"``.

    Returns
    -------
    list of str
        ``targets`` without those that came with ``"all"`` and cannot be learnt: they are left
        out with a line each.

    Raises
    ------
    InputError
        If a target that was typed by name is missing, constant or infinite in these rows, or
        none is left.
    """
    # Whether no rows is a fault, and whose, the caller knows better.
    if len(rows) == 0:
        return targets
    learnable, named = list[str](), expand_targets(settings.data.targets, ())
    fault = ""
    for target in targets:
        found = _find_fault(rows[target].to_numpy(np.float64), unit)
        if found is None:
            learnable.append(target)
            continue
        fault = f"data.targets: {target!r} {found}"
        # Who asked for it by name wants it; who asked for all wants what there is.
        if target in named:
            raise InputError(
                f"{fault}, so there is nothing to learn. Choose another target, or data of a "
                "larger place."
            )
        notes.add(f"{fault}: left out")
    if not learnable:
        raise InputError(f"{fault}, and no other target is left. Use data of a larger place.")
    return learnable


def _find_fault(values: NDArray[np.float64], unit: str) -> str | None:
    """Say what keeps values from being learnt; None where nothing does."""
    if np.isinf(values).any():
        return f"is infinite in {np.isinf(values).sum()} of the {len(values)} {unit}"
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return f"has no value in any of the {len(values)} {unit}"
    # One value alone is too few areas, not a constant: the split stage says so.
    if len(known) > 1 and known.min() == known.max():
        return f"is {known[0]:g} in all {len(known)} {unit} with a value"
    return None
