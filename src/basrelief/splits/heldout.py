"""Training, validation and test sets of each fold, with a buffer of ground between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.run import Run
from basrelief.splits.clearance import find_chips_near, find_near_pairs
from basrelief.splits.folds import VALIDATION_SHARE

AREA_SCHEMES = ("area", "msoa", "lad", "block")
"""Schemes whose folds are made of areas."""

MAJORITY = 0.5
"""A chip belongs to the areas that have more than this share of its labelled ground."""


@dataclass(frozen=True, eq=False)
class AreaFold:
    """What one fold of an area recipe trains on and is tested on: area codes, (area,)."""

    scheme: str
    repeat: int
    fold: int
    train: NDArray[np.str_]
    test: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ChipFold:
    """What a chip recipe trains on, chooses its best epoch by, and is tested on.

    ``train``, ``validation`` and ``test`` are positions in ``samples.chips``, (chip,), in training
    order; ``train_areas`` and ``test_areas`` are the codes of the areas that the training
    chips lie in and of the areas held out.
    """

    scheme: str
    repeat: int
    fold: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    train_areas: NDArray[np.str_]
    test_areas: NDArray[np.str_]


def read_folds(run: Run) -> pd.DataFrame:
    """Read ``splits/folds.parquet``: scheme, repeat, unit, id, fold, in training order."""
    return pd.read_parquet(run.splits / "folds.parquet")


def find_usable_areas(samples: Samples) -> NDArray[np.str_]:
    """Codes of the areas that are used and have at least one label, (n_usable,)."""
    areas = samples.areas
    is_usable = areas["is_used"].to_numpy(bool) & _has_label(areas, samples)
    return _as_text(areas.loc[is_usable, "area_id"])


def find_usable_chips(samples: Samples) -> NDArray[np.int64]:
    """Positions of the chips that are used and labelled, (n_usable,), in table order."""
    is_usable = samples.chips["is_used"].to_numpy(bool) & _has_label(samples.chips, samples)
    return np.flatnonzero(is_usable)


def area_folds(run: Run, samples: Samples, settings: Settings) -> Iterator[AreaFold]:
    """Go through every fold of every repeat of the schemes made of areas.

    Raises
    ------
    InputError
        If the buffer of scheme block leaves a fold no training area.
    """
    folds = read_folds(run)
    for scheme in AREA_SCHEMES:
        assigned = folds[folds["scheme"] == scheme]
        if len(assigned):
            yield from hold_out_areas(assigned, samples, scheme, buffer_of(scheme, settings))


def buffer_of(scheme: str, settings: Settings) -> float:
    """Smallest distance between training ground and test areas in a scheme, in metres."""
    return settings.split.buffer_m if scheme == "block" else 0.0


def hold_out_areas(
    assigned: pd.DataFrame, samples: Samples, scheme: str, buffer_m: float
) -> list[AreaFold]:
    """Make the folds of one scheme made of areas.

    Parameters
    ----------
    assigned
        One row an area and repeat: ``repeat``, ``id`` (area code), ``fold``.
    buffer_m : metres
        Areas whose polygon lies nearer than this to a test area's polygon are left out of
        the training set. 0 leaves none out and needs no polygons.

    Raises
    ------
    InputError
        If a fold is left without a training area; says the largest buffer that would work.

    References
    ----------
    Roberts et al. (2017), Ecography 40, 913-929.
    """
    ids = _as_text(samples.areas["area_id"])
    polygons = _polygons(samples.areas) if buffer_m > 0 else None
    # Between polygons: by their centres, areas beside the test area's neighbour would train.
    pairs = find_near_pairs(polygons, buffer_m) if polygons is not None else None
    folds = []
    for repeat, fold, is_train, is_test in _fold_masks(assigned, ids):
        if pairs is not None:
            is_train = is_train & ~_mark_near_test(pairs, is_test)
        folds.append(AreaFold(scheme, repeat, fold, ids[is_train], ids[is_test]))
    if polygons is not None and any(len(fold.train) == 0 for fold in folds):
        raise _refuse_buffer(assigned, ids, polygons, buffer_m)
    return folds


def chip_fold(run: Run, samples: Samples, settings: Settings, scheme: str) -> ChipFold:
    """Make the one fold that chip recipes are trained and tested on.

    In the schemes made of areas, fold 0 of repeat 0 is tested, fold 1 validates and the
    others train. Test chips have more than half of their labelled ground in test areas;
    training and validation chips share no ground with a test area nor, in scheme block, lie
    within the buffer of one; training chips share no ground with a validation area. Chips
    that straddle are in no set.

    Parameters
    ----------
    scheme
        One of ``SCHEMES``; must have been assigned.

    Raises
    ------
    InputError
        If no chip is left to train on, to validate with, or to test.
    """
    folds = read_folds(run)
    # Networks are trained once a scheme, so that other repeats have no use here.
    assigned = folds[(folds["scheme"] == scheme) & (folds["repeat"] == 0)]
    return hold_out_chips(assigned, samples, scheme, buffer_of(scheme, settings))


def chip_folds(run: Run, samples: Samples, settings: Settings) -> list[ChipFold]:
    """Make the chip fold of every scheme that was assigned.

    A scheme that leaves a set without chips is left out (the split stage said so), unless the user
    typed the schemes.

    Raises
    ------
    InputError
        If a scheme that the user typed leaves a set without chips.
    """
    found = []
    for scheme in read_folds(run)["scheme"].unique():
        try:
            found.append(chip_fold(run, samples, settings, str(scheme)))
        except InputError:
            if settings.split.schemes is not None:
                raise
    return found


def hold_out_chips(
    assigned: pd.DataFrame, samples: Samples, scheme: str, buffer_m: float
) -> ChipFold:
    """Make the chip fold of one scheme from its first repeat; see `chip_fold`."""
    if samples.kind == "tables":
        raise InputError(f"split.schemes: scheme {scheme!r} has no chips: no rasters are given.")
    if scheme == "random":
        fold = _hold_out_at_random(assigned, samples)
    else:
        fold = _hold_out_by_area(assigned, samples, scheme, buffer_m)
    _refuse_empty(fold, buffer_m)
    return fold


def final_fold(samples: Samples, rng: np.random.Generator) -> ChipFold:
    """Make the fold of the model that is fitted on everything; a fifth only validates.

    Where areas are known the fifth is of whole areas, so that the best epoch is not chosen
    by neighbours of the training chips. Nothing is tested.
    """
    usable = find_usable_chips(samples)
    areas = rng.permutation(find_usable_areas(samples))
    if len(areas) >= 2:
        n_validation = max(1, int(VALIDATION_SHARE * len(areas)))
        held_out = areas[:n_validation]
        # No buffer: nothing is tested, so nothing can leak into a score.
        is_near = _mark_near(samples, held_out, 0.0)[usable]
        # Chips that straddle are in neither set: they show ground of both.
        validation = usable[share_of_ground(samples, held_out)[usable] > MAJORITY]
        train = usable[~is_near]
    else:
        shuffled = rng.permutation(usable)
        n_validation = max(1, int(VALIDATION_SHARE * len(usable)))
        validation, train = shuffled[:n_validation], shuffled[n_validation:]
    train_areas = _areas_of_chips(samples, train)
    fold = ChipFold("final", 0, 0, train, validation, usable[:0], train_areas, areas[:0])
    _refuse_empty(fold, 0.0)
    return fold


def share_of_ground(samples: Samples, area_ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Share of each chip's labelled ground that lies in the given areas; 0 where none does.

    Parameters
    ----------
    area_ids : (n_areas,)

    Returns
    -------
    (n_chips,)
    """
    # Other ground has no say in whose chip it is: the chip's label is not of it.
    usable = find_usable_areas(samples)
    membership = samples.membership[samples.membership["area_id"].isin(usable)]
    inside = membership[membership["area_id"].isin(area_ids)]
    chip_ids = samples.chips["chip_id"]
    total, within = (
        np.nan_to_num(each.groupby("chip_id")["weight"].sum().reindex(chip_ids).to_numpy(float))
        for each in (membership, inside)
    )
    share: NDArray[np.float64] = within / np.where(total > 0, total, 1.0)
    return share


def _areas_of_chips(samples: Samples, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    """Codes of the usable areas that any of the given chips has ground in."""
    chip_ids, member = samples.chips["chip_id"].iloc[rows], samples.membership
    found = member.loc[member["chip_id"].isin(chip_ids) & (member["weight"] > 0), "area_id"]
    return np.intersect1d(_as_text(found), find_usable_areas(samples))


def _hold_out_at_random(assigned: pd.DataFrame, samples: Samples) -> ChipFold:
    """Read the coursework's split: fold 0 tests, fold 1 validates, fold 2 trains."""
    position = pd.Series(np.arange(len(samples.chips)), index=samples.chips["chip_id"])
    test, validation, train = (
        position.loc[assigned.loc[assigned["fold"] == fold, "id"]].to_numpy(np.int64)
        for fold in range(3)
    )
    areas = (_areas_of_chips(samples, rows) for rows in (train, test))
    return ChipFold("random", 0, 0, train, validation, test, *areas)


def _hold_out_by_area(
    assigned: pd.DataFrame, samples: Samples, scheme: str, buffer_m: float
) -> ChipFold:
    """Test the chips of fold 0's areas, and keep the ground around them out of the other sets."""
    usable = find_usable_chips(samples)
    test_areas = _as_text(assigned.loc[assigned["fold"] == 0, "id"])
    others = assigned[assigned["fold"] != 0]
    is_near = _mark_near(samples, _complete_groups(samples, test_areas, scheme), buffer_m)
    rest = usable[~is_near[usable]]
    test = usable[share_of_ground(samples, test_areas)[usable] > MAJORITY]
    # In a small place the first choice may leave no chip to validate with, or none to train on.
    for areas in _list_validation_areas(others, samples, rest):
        validation = rest[share_of_ground(samples, areas)[rest] > MAJORITY]
        # No buffer here: validation picks an epoch, and is never scored.
        is_near = _mark_near(samples, _complete_groups(samples, areas, scheme), 0.0)
        train = rest[~is_near[rest]]
        if len(validation) and len(train):
            break
    train_areas = np.setdiff1d(_areas_of_chips(samples, train), test_areas)
    return ChipFold(scheme, 0, 0, train, validation, test, train_areas, test_areas)


def _complete_groups(samples: Samples, area_ids: NDArray[np.str_], scheme: str) -> NDArray[np.str_]:
    """Add to areas the others of their MSOAs or districts, those that are not used included.

    Folds are made of usable areas, but a chip in an area with too little ground may train,
    and its label leans on its district as much as any.
    """
    if scheme not in ("msoa", "lad"):
        return area_ids
    codes = samples.areas[scheme]
    held = codes[samples.areas["area_id"].isin(area_ids)].dropna()
    of_group = samples.areas.loc[codes.isin(held), "area_id"]
    return np.union1d(area_ids, _as_text(of_group))


def _list_validation_areas(
    others: pd.DataFrame, samples: Samples, rest: NDArray[np.int64]
) -> list[NDArray[np.str_]]:
    """List sets of areas to validate on, the best first.

    Fold 1's, unless no other fold would be left to train on; else a fifth of the areas that have
    a chip outside the buffer: in small places fold 1 may lie within it.
    """
    is_next = others["fold"] == 1
    choices = [] if is_next.all() else [_as_text(others.loc[is_next, "id"])]
    member = samples.membership
    inside = member["chip_id"].isin(samples.chips["chip_id"].iloc[rest])
    holding = member.loc[inside & (member["weight"] > MAJORITY), "area_id"]
    ids = _as_text(others.loc[others["id"].isin(holding), "id"])
    return [*choices, ids[: max(1, int(VALIDATION_SHARE * len(ids)))]]


def _mark_near(samples: Samples, area_ids: NDArray[np.str_], buffer_m: float) -> NDArray[np.bool_]:
    """Mark the chips that share ground with the areas or lie nearer than the buffer."""
    member = samples.membership
    inside = member.loc[member["area_id"].isin(area_ids) & (member["weight"] > 0), "chip_id"]
    marked = samples.chips["chip_id"].isin(inside).to_numpy(bool)
    # Where a chip lies is known beyond its areas: it may come near one without sharing ground.
    if samples.has_places:
        held = _polygons(samples.areas)[samples.areas["area_id"].isin(area_ids).to_numpy(bool)]
        marked = marked | find_chips_near(_polygons(samples.chips), held, buffer_m)
    return marked


def _fold_masks(
    assigned: pd.DataFrame, ids: NDArray[np.str_]
) -> Iterator[tuple[int, int, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Go through repeats and folds: repeat, fold, and masks of training and test areas."""
    for repeat, drawn in assigned.groupby("repeat", sort=True):
        # Areas that are not used are in no fold: they become NaN, which equals none.
        fold_of = drawn.set_index("id")["fold"].reindex(ids).to_numpy(np.float64)
        for fold in np.unique(drawn["fold"].to_numpy()):
            is_test = fold_of == fold
            yield int(str(repeat)), int(fold), ~is_test & ~np.isnan(fold_of), is_test


def _mark_near_test(pairs: NDArray[np.int64], is_test: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the areas that a pair ties to a test area."""
    marked = np.zeros(len(is_test), dtype=bool)
    marked[pairs[is_test[pairs[:, 1]], 0]] = True
    return marked


def _refuse_buffer(
    assigned: pd.DataFrame, ids: NDArray[np.str_], polygons: NDArray[Any], buffer_m: float
) -> InputError:
    """Say which buffer would have left every fold a training area."""
    farthest = []
    for _, _, is_train, is_test in _fold_masks(assigned, ids):
        tree = shapely.STRtree(polygons[is_test])
        # One distance an area: where several test areas are as near, each would give one.
        _, distance = tree.query_nearest(
            polygons[is_train], return_distance=True, all_matches=False
        )
        farthest.append(float(distance.max(initial=0.0)))
    # Down to whole metres: what is told must work when it is typed.
    largest = int(min(farthest))
    cure = (
        f"The largest buffer that leaves every fold one is {largest} m"
        if largest > 0
        else "No buffer above 0 m would leave every fold one"
    )
    return InputError(
        f"split.buffer_m = {buffer_m:g}: leaves a fold of scheme block without a training area. "
        f"{cure}; or use smaller blocks (split.block_m), or data from a larger place."
    )


def _refuse_empty(fold: ChipFold, buffer_m: float) -> None:
    """Stop where a set of a chip fold is empty."""
    sets = {"train on": fold.train, "validate with": fold.validation}
    if fold.scheme != "final":
        sets["test"] = fold.test
    for purpose, rows in sets.items():
        if len(rows) == 0:
            cure = "a smaller split.buffer_m, " if buffer_m > 0 else ""
            raise InputError(
                f"split.schemes: scheme {fold.scheme!r} leaves no chip to {purpose} "
                f"({len(fold.train)} train, {len(fold.validation)} validate, "
                f"{len(fold.test)} test). Try {cure}smaller chips (chips.size_px), a lower "
                "chips.min_valid, or data from a larger place."
            )


def _polygons(table: pd.DataFrame) -> NDArray[Any]:
    """Take the polygons of areas, or the squares of chips, (row,), in metres."""
    polygons: NDArray[Any] = np.asarray(table["geometry"], dtype=object)
    return polygons


def _has_label(frame: pd.DataFrame, samples: Samples) -> NDArray[np.bool_]:
    """Mark the rows with a value in at least one target."""
    labelled = frame[list(samples.targets)].notna().to_numpy()
    return np.asarray(labelled.any(axis=1), dtype=bool)


def _as_text(column: pd.Series[Any]) -> NDArray[np.str_]:
    """Make a column of codes an array of text, empty ones included."""
    return np.asarray(column.to_numpy(dtype=object), dtype=str)
