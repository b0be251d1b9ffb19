"""What heights look like in a window: their range, steps and patches, and which are none."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter, uniform_filter

from basrelief.sources.plausible import (
    AROUND_CELLS,
    BLED_ABOVE_M,
    BLED_BELOW_M,
    BLED_CELLS,
    BLED_M,
    COMPACT,
    FEWEST_LONE,
    FEWEST_PATCH_CELLS,
    FEWEST_WALLS,
    LONE_ABOVE_M,
    LONE_CELLS,
    LONE_M,
    MARKERS,
    ODD_STEPS,
    ODD_WHOLE_STEPS,
    PATCH_JUMP_M,
    PATCH_SHARE,
    SPARE_MARKERS,
    SUNK_CELLS,
    WALL_M,
)

Heights = NDArray[np.float32]


@dataclass
class Look:
    """What is seen of heights in windows spread over a place."""

    n_cells: int = 0
    n_high: int = 0
    n_low: int = 0
    n_whole: int = 0
    lowest: float = np.inf
    highest: float = -np.inf
    steps: list[Heights] = field(default_factory=list)
    """Steps from cell to cell, thinned."""

    total: float = 0.0
    total_squared: float = 0.0

    n_below_sea: int = 0
    about_cubed: float = 0.0
    """Sum of cubes of how far heights lie from the mean around them, where most are below 0."""

    n_by_value: dict[float, int] = field(default_factory=dict)
    """Cells of values that patches of one exact value have."""

    jumps: dict[float, list[Heights]] = field(default_factory=dict)
    """Steps from such patches to their neighbours."""

    lone: set[float] = field(default_factory=set)
    """Lowest or highest values that several cells share, far from all others."""

    sample: list[Heights] = field(default_factory=list)
    """Heights, thinned."""

    def add(self, values: Heights, lowest: float, highest: float) -> None:
        """Take in a window, (row, col), with NaN where there is no data."""
        known = values[np.isfinite(values)]
        if known.size == 0:
            return
        self.n_cells += known.size
        is_high, is_low = known > highest, known < lowest
        self.n_high += int(is_high.sum())
        self.n_low += int(is_low.sum())
        self.n_whole += int((known == np.rint(known)).sum())
        self.lowest = min(self.lowest, float(known.min()))
        self.highest = max(self.highest, float(known.max()))
        self.total += float(known.sum(dtype=np.float64))
        self.total_squared += float(np.square(known, dtype=np.float64).sum())
        self.n_below_sea += int((known < 0).sum())
        if np.median(known) < 0:
            self.about_cubed += float((_leave_mean(values) ** 3).sum())
        # Thinned: a hundred windows would otherwise keep 30 million heights.
        self.sample.append(known[:: max(1, known.size // 2000)])
        # Along rows alone: walls run both ways, and half of the steps tell as much.
        steps = np.abs(np.diff(values, axis=1))
        self.steps.append(steps[np.isfinite(steps)][::3])
        self._add_patches(values)

    def add_ends(self, values: Heights) -> None:
        """Find an end of the heights that several cells share exactly, far from the rest.

        Parameters
        ----------
        values : (row, col), metres
            NaN where there is no data, or what is there is not believed.
        """
        found, count = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(found) < 2:
            return
        for end, beside in ((0, 1), (-1, -2)):
            gap = abs(float(found[end]) - float(found[beside]))
            is_marker = count[end] >= LONE_CELLS and _is_marker(float(found[end]))
            # A mast is far above all else and real; nothing real is far below.
            is_void = count[end] >= FEWEST_LONE and (end == 0 or gap > LONE_ABOVE_M)
            if gap > LONE_M and (is_marker or is_void):
                self.lone.add(float(found[end]))

    def _add_patches(self, values: Heights) -> None:
        """Count cells in patches of one exact value, and their steps to what lies around."""
        is_flat = (values[1:, 1:] == values[:-1, 1:]) & (values[1:, 1:] == values[1:, :-1])
        flat = values[1:, 1:][is_flat]
        if flat.size < FEWEST_PATCH_CELLS:
            return
        found, count = np.unique(flat, return_counts=True)
        # The largest: heights in whole numbers have patches everywhere.
        for value in found[np.argsort(-count)][: (count >= FEWEST_PATCH_CELLS).sum()][:8]:
            is_value = values == value
            self.n_by_value[float(value)] = self.n_by_value.get(float(value), 0) + int(
                is_value.sum()
            )
            for a, b, marks in (
                (values[:, 1:], values[:, :-1], is_value[:, 1:] != is_value[:, :-1]),
                (values[1:], values[:-1], is_value[1:] != is_value[:-1]),
            ):
                step = np.abs(a - b)[marks]
                self.jumps.setdefault(float(value), []).append(step[np.isfinite(step)])

    def find_voids(self, lowest: float, highest: float) -> list[float]:
        """List the exact values that stand for no data, by their patches or their distance.

        Parameters
        ----------
        lowest, highest
            What lies beyond is no height anyway.
        """
        voids = set(self.lone)
        heights = np.concatenate(self.sample) if self.sample else np.empty(0, np.float32)
        for value, count in self.n_by_value.items():
            steps = np.concatenate(self.jumps[value])
            # A square of so many cells has four sides of their root; voids are rounder than
            # contours.
            outline = 4 * np.sqrt(count) * COMPACT
            is_spare = _is_marker(value)
            # Whole numbers have patches of one value on every slope.
            is_large = count >= PATCH_SHARE * self.n_cells and not self.is_whole
            if len(steps) == 0 or not (is_spare or is_large):
                continue
            is_compact = len(steps) <= outline
            # A marker is believed to be one even where it is strewn over the place.
            if is_spare and count < 0.4 * self.n_cells:
                is_compact = True
            near = np.abs(heights[heights != np.float32(value)] - np.float32(value)) < 2.0
            if is_compact and np.median(steps) > PATCH_JUMP_M and near.mean() < 0.05:
                voids.add(value)
        return sorted(void for void in voids if lowest <= void <= highest)

    @property
    def is_whole(self) -> bool:
        """Whether heights are whole numbers."""
        return self.n_whole >= 0.999 * self.n_cells

    @property
    def n_values(self) -> int:
        """How many different heights there are, of a sample."""
        return len(np.unique(np.concatenate(self.sample))) if self.sample else 0

    @property
    def mean_and_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of all heights."""
        mean = self.total / self.n_cells
        return mean, max(self.total_squared / self.n_cells - mean**2, 0.0) ** 0.5

    @property
    def is_sunk(self) -> bool:
        """Whether most ground lies below the sea, and more is sunk into it than stands on it."""
        return self.n_below_sea > self.n_cells / 2 and self.about_cubed < 0

    @property
    def all_steps(self) -> Heights:
        """Steps from cell to cell, thinned, (n,)."""
        return np.concatenate(self.steps) if self.steps else np.empty(0, np.float32)

    def find_odd_steps(self) -> float | None:
        """Give what a hundredth of steps is above, where no place in metres has such; or None."""
        steps = self.all_steps
        # Of what is high enough to be a wall: lawns and roofs have small steps in every unit.
        walls = steps[steps > WALL_M]
        if len(walls) < FEWEST_WALLS:
            return None
        bound = ODD_WHOLE_STEPS if self.is_whole else ODD_STEPS
        hundredth = float(np.percentile(steps, 99))
        is_odd = (
            float(np.median(walls)) > bound.typical
            or len(walls) > bound.share * len(steps)
            or hundredth > bound.hundredth
        )
        return hundredth if is_odd else None


def _leave_mean(values: Heights) -> NDArray[np.float64]:
    """Take the mean around from heights, (row, col) with NaN; give those known, (cell,)."""
    is_known = np.isfinite(values)
    filled = np.where(is_known, values, np.median(values[is_known])).astype(np.float64)
    about: NDArray[np.float64] = (filled - uniform_filter(filled, SUNK_CELLS))[is_known]
    return about


def blank_bled(values: Heights) -> int:
    """Blank, in place, the cells beside no data that are averages with a nodata value.

    Parameters
    ----------
    values : (row, col), metres
        NaN where there is no data.

    Returns
    -------
    How many.
    """
    is_empty = np.isnan(values)
    known = values[~is_empty]
    # Nearly every window has none: the rest is then not asked.
    if known.size in (0, values.size):
        return 0
    is_high = values > known.min() + BLED_ABOVE_M
    # First what is cheap to ask: filters over a window take a hundred times as long.
    suspect = is_high | (values < BLED_BELOW_M)
    if not suspect.any():
        return 0
    is_near = binary_dilation(is_empty, np.ones((3, 3), bool), iterations=BLED_CELLS)
    suspect &= is_near
    if not suspect.any():
        return 0
    rows, cols = (
        slice(max(0, at.min() - AROUND_CELLS), at.max() + AROUND_CELLS + 1)
        for at in np.nonzero(suspect)
    )
    here, is_inner = values[rows, cols], ~is_near[rows, cols]
    size = 2 * AROUND_CELLS + 1
    low = minimum_filter(np.where(is_inner, here, np.inf), size=size, mode="nearest")
    high = maximum_filter(np.where(is_inner, here, -np.inf), size=size, mode="nearest")
    is_bled = (here < BLED_BELOW_M) & (here < low - BLED_M) | (here > high + BLED_ABOVE_M)
    # Where nothing else is around, nothing tells.
    is_bled &= suspect[rows, cols] & np.isfinite(low)
    here[is_bled] = np.nan
    return int(is_bled.sum())


def _is_marker(value: float) -> bool:
    return any(value == each for each in (*SPARE_MARKERS, *MARKERS))
