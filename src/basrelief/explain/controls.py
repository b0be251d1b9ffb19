"""Maps that are wrong, which a test must tell from the true one before it counts.

A test that passes for these as well says nothing of the map that it is asked about. Four kinds
are tried: the map itself shuffled within each sample, the map of another target, the edges that
can be seen, and how high, or bright, the ground is. The last two know nothing of the model.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS (an edge detector passes for an
explanation).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata

from basrelief.judge.resampling import (
    NO_INTERVAL,
    Draws,
    Interval,
    bound_ratio,
    sum_by_group,
)
from basrelief.run import Record

ControlKind = Literal["shuffled", "target", "edges", "height", "brightness"]
Verdict = Literal["stands", "fails", "open"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Control:
    """A map that is wrong."""

    kind: ControlKind
    other: str | None = None
    """The target whose map it is, where it is another target's."""


SHUFFLED = Control("shuffled")

LOOK_KINDS = ("edges", "height", "brightness")
"""Kinds of controls that can be seen without a model."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which samples lie on ground that errs together, and how it is resampled."""

    groups: Sequence[str]
    """(sample,) The block of ground, or area, of each."""

    draws: Draws

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(set(self.groups))

    def bound(self, values: Floats) -> Interval:
        """Take the 95 % interval of a mean over samples, (sample,), by whole groups."""
        return self.bound_ratio(values, np.ones_like(values))

    def bound_ratio(self, above: Floats, below: Floats) -> Interval:
        """Take the 95 % interval of a ratio of sums over samples, (sample,) each."""
        names, group = np.unique(np.asarray(self.groups, dtype=str), return_inverse=True)
        sums = sum_by_group(np.stack([above, below]), group.astype(np.int64), len(names))
        return bound_ratio(sums[0], sums[1], self.draws)


def detect_edges(plane: NDArray[Any]) -> Floats:
    """Measure how steeply a picture changes, (row, col), at every pixel.

    References
    ----------
    Sobel and Feldman (1968), A 3x3 isotropic gradient operator for image processing.

    Examples
    --------
    >>> detect_edges(np.array([[0.0, 0.0, 1.0, 1.0]] * 3))[1].tolist()
    [0.0, 4.0, 4.0, 0.0]
    """
    edges: Floats = ndimage.generic_gradient_magnitude(plane.astype(np.float64), ndimage.sobel)
    return edges


def look_at(plane: NDArray[Any], *, is_relief: bool) -> dict[Control, NDArray[Any]]:
    """Say what can be seen without a model: edges, and how high or bright it is, (row, col) each.

    Parameters
    ----------
    plane : (row, col)
        Height above the ground or, where that is not shown, brightness; without NaN.
    """
    return {
        Control("edges"): detect_edges(plane),
        Control("height" if is_relief else "brightness"): plane,
    }


def agree(plane: Floats, own: Floats) -> Floats:
    """Say which way round a control agrees with a map, (sample, piece) each: 1 or -1, (sample, 1).

    What knows nothing of a model cannot know whether high ground raises a prediction. It gets the
    answer from the map that it is held against: a control must not lose by its sign alone.

    Examples
    --------
    >>> agree(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), np.array([[0, 0, 9], [9, 1, 1.0]]))
    array([[ 1.],
           [-1.]])
    """
    ranks = [rankdata(each, axis=1) for each in (plane, own)]
    product = np.prod([each - each.mean(axis=1, keepdims=True) for each in ranks], axis=0)
    return np.where(product.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)


def hold_against(
    control: Control, value: float, better: Floats, grouping: Grouping, *, fails: bool = True
) -> Record:
    """Record how a control stood a test, and whether the test tells the map from it.

    Parameters
    ----------
    value
        What the test finds of the control.
    better : (sample,)
        How much better the map does than the control, sample by sample.
    fails
        Whether the control fails the bound of a test that has one. Two that both pass are not
        told apart by how well.
    """
    low, high = grouping.bound(better)
    found = _note(control, value) | {"better": float(better.mean()), "low": low, "high": high}
    return found | {"tells": fails and low is not None and low > 0}


def hold_against_bound(control: Control, value: float, limit: float, passes: bool | None) -> Record:
    """Record the same of a test that has one figure for all samples, held against a bound.

    It tells the map from a control where the map passes and the control does not.
    """
    found = _note(control, value) | {"better": None, "low": None, "high": None}
    return found | {"tells": bool(passes) and value > limit}


def is_beaten(controls: Iterable[Record]) -> bool:
    """Say whether a control does better than the map beyond chance."""
    return any(each["high"] is not None and each["high"] < 0 for each in controls)


def count_told(controls: Sequence[Record]) -> Record:
    """Count from how many controls a test tells the map; it counts where that is all of them.

    All, and not most: what a test cannot tell the map from may just as well be the map. No
    correction for their number is due, since each has to be told.
    """
    n_told = sum(each["tells"] for each in controls)
    counts = bool(controls) and n_told == len(controls)
    return {"counts": counts, "n_controls": len(controls), "n_told": n_told}


def find_verdict(tests: Iterable[Record]) -> Verdict:
    """Find what tests of one map come to.

    A map stands by a test that counts alone. It fails by any: a test that cannot clear a map can
    still find a fault in it.

    Parameters
    ----------
    tests
        Records of ``tests.json`` of one recipe and target.

    Examples
    --------
    >>> find_verdict([{"passes": True, "counts": False}, {"passes": True, "counts": True}])
    'stands'
    >>> find_verdict([{"passes": True, "counts": False}, {"passes": None, "counts": False}])
    'open'
    >>> find_verdict([{"passes": True, "counts": True}, {"passes": False, "counts": False}])
    'fails'
    """
    found = [(test["passes"], test["counts"]) for test in tests]
    if any(passes is False for passes, _ in found):
        return "fails"
    return "stands" if any(passes and counts for passes, counts in found) else "open"


def _note(control: Control, value: float) -> Record:
    return {"control": control.kind, "other": control.other, "value": value}


def record_test(
    test: str,
    value: float | None,
    limit: float,
    passes: bool | None,
    interval: Interval = NO_INTERVAL,
) -> Record:
    """Record what a test found of a map."""
    low, high = interval
    found: Record = {"test": test, "value": value, "low": low, "high": high}
    return found | {"bound": limit, "passes": passes}


def leave_test(test: str, limit: float, n_samples: int, reason: str) -> Record:
    """Record a test for which there is nothing to measure."""
    return record_test(test, None, limit, None) | {"n": n_samples, "reason": reason}
