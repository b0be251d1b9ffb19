"""Where in chips heat lies: kinds of ground, and the edges of the chip, beside the rest of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.explain.controls import Grouping
from basrelief.explain.kind_claims import judge_interval
from basrelief.explain.kinds import EDGES, HEAT_UNIT, KINDS, SIDES, TOP_AND_BOTTOM, tell_kinds
from basrelief.judge.resampling import NO_INTERVAL
from basrelief.run import Record

RIM = 8
"""The rim of a chip is one part in so many of its side, on each side."""

Heat = NDArray[np.float32]
Mask = NDArray[np.bool_]


def mark_rim(shape: tuple[int, ...]) -> dict[str, Mask]:
    """Mark the edges of a chip, (row, col): all of them, top and bottom, left and right.

    Examples
    --------
    >>> {name: round(float(mask.mean()), 2) for name, mask in mark_rim((32, 32)).items()}
    {'edges of the chip': 0.44, 'top and bottom edges': 0.25, 'left and right edges': 0.25}
    """
    deep = [max(1, side // RIM) for side in shape]
    rows, cols = (
        (np.arange(side) < at) | (np.arange(side) >= side - at)
        for side, at in zip(shape, deep, strict=True)
    )
    is_row, is_col = np.broadcast_arrays(rows[:, None], cols[None])
    return {EDGES: is_row | is_col, TOP_AND_BOTTOM: is_row.copy(), SIDES: is_col.copy()}


def list_places(
    samples: Samples, rows: NDArray[np.int_], shape: tuple[int, ...]
) -> tuple[Mask, dict[str, Mask]]:
    """List the places of chips that heat can lie on; kinds of ground where heights are known.

    Returns
    -------
    ground
        (chip, row, col) What has data.
    places
        The same by kind.
    """
    rim = {
        name: np.broadcast_to(mask, (len(rows), *shape)) for name, mask in mark_rim(shape).items()
    }
    if samples.kind == "pictures":
        return np.ones((len(rows), *shape), dtype=bool), rim
    # One chip at a time: heights of all at once would be more than their heat.
    kinds = np.stack(
        [
            tell_kinds(samples.read_heights(rows[[k]])[0], samples.resolution_m)
            for k in range(len(rows))
        ]
    )
    return kinds >= 0, {name: kinds == k for k, name in enumerate(KINDS)} | rim


def list_heat_kinds(
    heat: Heat, ground: Mask, places: dict[str, Mask], blocks: Grouping
) -> list[Record]:
    """Say how much higher heat is on each kind of ground than on the rest of the same chip.

    Chips differ in their heat all over, and in their ground: only what lies in one chip is
    compared, and a chip counts by how much it has of both, as two means that are subtracted do.
    The unit is the mean size of heat, so that kinds and networks can be compared.

    Parameters
    ----------
    heat : (chip, row, col)
        Signed.
    blocks
        The ground that chips are resampled with. The network is held as it is: its own
        uncertainty is not in the interval, which would take trainings by the dozen.

    Returns
    -------
    Records of ``kinds.json`` without recipe and target; ``contribution`` is None where a kind
    is in no chip, its interval over blocks None with too few of them; ``p`` is how often chance
    gives as much of this one. None at all where there is no heat.
    """
    # In double precision: sums over millions of pixels are subtracted from each other.
    values = np.where(ground, heat, 0.0).astype(np.float64)
    size = float(np.abs(values).sum() / max(1, ground.sum()))
    if not size > 0:
        return []
    records = []
    for name, mask in places.items():
        above, weight = _compare(values / size, ground, mask & ground)
        is_found = weight.sum() > 0
        low, high = blocks.bound_ratio(above * weight, weight) if is_found else NO_INTERVAL
        record: dict[str, Any] = {"kind": name}
        record["share_of_ground"] = float((mask & ground).sum() / ground.sum())
        value = float((above @ weight) / weight.sum()) if is_found else None
        p = None if value is None else judge_interval(value, low, high, blocks.n_groups)
        ends = {"contribution": value, "low": low, "high": high}
        records.append(record | ends | {"p": p, "unit": HEAT_UNIT})
    return records


def _compare(
    values: NDArray[np.float64], ground: Mask, inside: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give by chip how much higher values are inside than on other ground, and what it counts."""
    axes = (1, 2)
    n_in, n_all = inside.sum(axis=axes), ground.sum(axis=axes)
    n_rest = n_all - n_in
    total_in, total = (values * inside).sum(axis=axes), values.sum(axis=axes)
    # Divided by one at least: such chips weigh nothing below, but 0 / 0 would warn.
    above = total_in / np.maximum(n_in, 1) - (total - total_in) / np.maximum(n_rest, 1)
    return above, n_in * n_rest / np.maximum(n_all, 1)
