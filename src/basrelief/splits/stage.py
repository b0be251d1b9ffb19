"""The split stage: from samples to folds, and to what leaks between their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.run import Notes, Run, replacing, write_json
from basrelief.splits.folds import assign_folds, split_at_random
from basrelief.splits.groups import groups_of_areas, refuse_one_group
from basrelief.splits.heldout import (
    AREA_SCHEMES,
    ChipFold,
    buffer_of,
    find_usable_areas,
    find_usable_chips,
    hold_out_areas,
    hold_out_chips,
)
from basrelief.stage_settings import SCHEMES

STREAMS = {"area": 1, "block": 2, "msoa": 3, "lad": 4}
"""A stream of random numbers a scheme: a new scheme leaves the folds of the others alone."""

MIN_AREAS = 3
"""The fewest areas with which something is left to train on, to validate with, and to test."""


def assign_splits(settings: Settings, run: Run) -> None:
    """Write ``splits/folds.parquet`` and ``splits/leakage.json``.

    A scheme that the data cannot carry is left out with one line that says why, unless the
    user typed it.

    Raises
    ------
    InputError
        If a scheme that the user typed cannot be had, or no scheme that says something about
        new places can be had for rasters, or no scheme at all.
    """
    folds, leakage = deal_folds(load_samples(run), settings, run)
    with replacing(run.splits / "folds.parquet") as part:
        folds.to_parquet(part, index=False)
    write_json(run.splits / "leakage.json", leakage)


def deal_folds(
    samples: Samples, settings: Settings, run: Run
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Make the folds of every scheme, and what leaks between their parts; see `assign_splits`."""
    folds, leakage = [], []
    schemes: Sequence[str] = settings.split.schemes or SCHEMES
    if samples.kind == "tables":
        run.say("split: there are no chips: folds are of areas alone")
        # Chips at random are not to be had: no line of its own where nobody asked for them.
        schemes = settings.split.schemes or AREA_SCHEMES
    for scheme in schemes:
        try:
            assigned = assign_scheme(samples, settings, scheme)
            # Before folds are kept: it refuses a scheme whose buffer leaves nothing to train on.
            leakage += measure_leakage(assigned, samples, settings, run)
            folds.append(assigned)
            note_unscored(assigned, samples, Notes(run))
        except InputError as error:
            if settings.split.schemes is not None:
                raise
            run.say(f"scheme {scheme} left out: {error}")
    _refuse_hopeless([str(frame["scheme"].iloc[0]) for frame in folds], samples, settings)
    return pd.concat(folds, ignore_index=True), leakage


def note_unscored(assigned: pd.DataFrame, samples: Samples, notes: Notes) -> None:
    """Note the targets that no fold of a scheme can score: all that is known lies in one fold.

    Where it is held out nothing is left to learn from.
    """
    scheme = str(assigned["scheme"].iloc[0])
    if scheme not in AREA_SCHEMES:
        return
    labels = samples.areas.set_index("area_id")
    for target in samples.targets:
        known = assigned[assigned["id"].isin(labels.index[labels[target].notna()])]
        if known.groupby("repeat")["fold"].nunique().max() == 1 and len(known) > 1:
            notes.add(
                f"scheme {scheme}: {target!r} is known in one group of areas alone "
                f"({known['id'].nunique()} areas): where it is held out nothing is left to learn "
                "from, and it has no score"
            )


def assign_scheme(samples: Samples, settings: Settings, scheme: str) -> pd.DataFrame:
    """Deal the units of one scheme into folds.

    Returns
    -------
    Columns ``scheme, repeat, unit, id, fold``, in the order of training. Scheme ``random``
    deals chips, once: fold 0 tests, 1 validates, 2 trains. The others deal areas, anew in
    every repeat.

    Raises
    ------
    InputError
        If the scheme cannot be had from these data.
    """
    if scheme == "random":
        return _assign_chips(samples, settings.seed)
    areas = find_usable_areas(samples)
    _refuse_few_areas(areas, scheme)
    groups = groups_of_areas(samples, areas, scheme, settings)
    refuse_one_group(groups, samples, areas, scheme, settings)
    # One generator for all repeats: each deals anew.
    rng = np.random.default_rng([settings.seed, STREAMS[scheme]])
    drawn = []
    for repeat in range(settings.split.repeats):
        fold = assign_folds(groups, settings.split.folds, rng)
        order = rng.permutation(len(areas))
        drawn.append(_frame(scheme, repeat, "area", areas[order], fold[order]))
    return pd.concat(drawn, ignore_index=True)


def measure_leakage(
    assigned: pd.DataFrame, samples: Samples, settings: Settings, run: Run
) -> list[dict[str, Any]]:
    """Count what test chips share with training chips, and what the buffer costs.

    Returns
    -------
    One record for chips and, in the schemes made of areas, one for areas: ``scheme, unit,
    n_folds, n_train, n_validation, n_test, share_same_label, share_same_area,
    share_same_picture, n_removed_by_buffer``; for areas the means over all folds.
    ``share_same_label`` is the share of test chips whose exact labels also occur among the
    training chips, ``share_same_area`` of those that lie, for the most part, in the area of a
    training chip, ``share_same_picture`` of those that are one;
    null where it cannot be had. ``n_removed_by_buffer`` counts chips that straddle parts too.

    Raises
    ------
    InputError
        If the buffer leaves a fold without a training area.
    """
    scheme = str(assigned["scheme"].iloc[0])
    buffer_m = buffer_of(scheme, settings)
    records = []
    if scheme in AREA_SCHEMES:
        records.append(_area_leakage(assigned, samples, scheme, buffer_m))
        if samples.kind == "tables":
            return records
    first = assigned[assigned["repeat"] == 0]
    try:
        fold = hold_out_chips(first, samples, scheme, buffer_m)
    except InputError as error:
        # Areas can still be held out where too few chips are left between them.
        if scheme == "random":
            raise
        run.say(f"scheme {scheme} is for area recipes only: {error}")
        return records
    return [_chip_leakage(fold, samples), *records]


def _assign_chips(samples: Samples, seed: int) -> pd.DataFrame:
    """Deal chips as the coursework does: sets one after the other, each in shuffled order."""
    ids = samples.chips["chip_id"].to_numpy(dtype=object)[find_usable_chips(samples)]
    split = split_at_random(len(ids), seed)
    # In the order of the folds: 0 tests, 1 validates, 2 trains.
    sets = (split.test, split.validation, split.train)
    frames = [
        _frame("random", 0, "chip", ids[rows], np.full(len(rows), fold))
        for fold, rows in enumerate(sets)
    ]
    return pd.concat(frames, ignore_index=True)


def _frame(
    scheme: str, repeat: int, unit: str, ids: NDArray[Any], fold: NDArray[np.int64]
) -> pd.DataFrame:
    """Make rows of the table of folds."""
    return pd.DataFrame(
        {"scheme": scheme, "repeat": repeat, "unit": unit, "id": ids.astype(str), "fold": fold}
    )


def _area_leakage(
    assigned: pd.DataFrame, samples: Samples, scheme: str, buffer_m: float
) -> dict[str, Any]:
    """Average the sizes of the sets over all folds and repeats."""
    folds = hold_out_areas(assigned, samples, scheme, buffer_m)
    sizes = np.array([(len(fold.train), len(fold.test)) for fold in folds])
    n_train, n_test = sizes.mean(axis=0).tolist()
    removed = assigned["id"].nunique() - sizes.sum(axis=1)
    return {
        "scheme": scheme,
        "unit": "area",
        "n_folds": int(assigned["fold"].nunique()),
        "n_train": n_train,
        "n_validation": 0,
        "n_test": n_test,
        "share_same_label": None,
        # Whole areas are held out, so that no test area can be a training area.
        "share_same_area": 0.0,
        "share_same_picture": None,
        "n_removed_by_buffer": float(removed.mean()),
    }


def _chip_leakage(fold: ChipFold, samples: Samples) -> dict[str, Any]:
    """Count the test chips whose labels or areas the training chips show already."""
    labels = samples.chips[list(samples.targets)].to_numpy(float)
    # Bit for bit: chips of one area carry the very same numbers, others hardly ever.
    seen = {row.tobytes() for row in labels[fold.train]}
    same_label = [row.tobytes() in seen for row in labels[fold.test]]
    n_chips = len(fold.train) + len(fold.validation) + len(fold.test)
    return {
        "scheme": fold.scheme,
        "unit": "chip",
        "n_folds": 1,
        "n_train": len(fold.train),
        "n_validation": len(fold.validation),
        "n_test": len(fold.test),
        "share_same_label": float(np.mean(same_label)),
        "share_same_area": _share_same_area(fold, samples),
        "share_same_picture": _share_same_picture(fold, samples),
        "n_removed_by_buffer": len(find_usable_chips(samples)) - n_chips,
    }


def _share_same_area(fold: ChipFold, samples: Samples) -> float | None:
    """Share of test chips whose main area is that of a training chip; None without areas."""
    if len(samples.membership) == 0:
        return None
    # Stable: of areas with equal shares the same one is taken every time.
    heaviest = samples.membership.sort_values("weight", kind="stable").groupby("chip_id").last()
    train, test = (
        heaviest["area_id"].reindex(samples.chips["chip_id"].iloc[rows])
        for rows in (fold.train, fold.test)
    )
    return float(test.isin(set(train.dropna())).mean())


def _share_same_picture(fold: ChipFold, samples: Samples) -> float | None:
    """Share of test pictures that are, pixel by pixel, a training picture; None of rasters."""
    if "same_as" not in samples.chips:
        return None
    pictures = samples.chips["same_as"]
    return float(pictures.iloc[fold.test].isin(set(pictures.iloc[fold.train])).mean())


def _refuse_few_areas(areas: NDArray[np.str_], scheme: str) -> None:
    """Stop where so few areas are used and labelled that a scheme made of areas has no sense."""
    if len(areas) < MIN_AREAS:
        raise InputError(
            f"split.schemes: scheme {scheme!r} needs at least {MIN_AREAS} areas that are used "
            f"and labelled, found {len(areas)}. Add data from a larger place, lower "
            "chips.min_area_coverage, or check that the codes match those of the labels."
        )


def _refuse_hopeless(assigned: list[str], samples: Samples, settings: Settings) -> None:
    """Stop where nothing is left that could say something about a new place."""
    is_typed = settings.split.schemes is not None
    has_honest = any(scheme in AREA_SCHEMES for scheme in assigned)
    # Pictures may say nothing of their areas: then the random split is all there is, as in the
    # coursework.
    if is_typed or has_honest or (assigned and not samples.has_places):
        return
    n_areas, n_chips = len(find_usable_areas(samples)), len(find_usable_chips(samples))
    raise InputError(
        f"split.schemes: {n_areas} areas and {n_chips} chips are used and labelled, too few to "
        f"hold any out honestly (at least {MIN_AREAS} areas). Add data from a larger place or "
        "lower chips.min_area_coverage; schemes = ['random'] runs where there are enough chips, "
        "but says nothing about new places."
    )
