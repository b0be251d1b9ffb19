"""Deletion and insertion: what a map ranks highest must move predictions more than chance.

Ground is taken away, or given back on ground that is blank, once as the map ranks it and once at
random. A map of what raises a prediction must lower it further where it is taken away, and raise
it further where it is given back.

References
----------
Samek et al. (2017), IEEE Transactions on Neural Networks and Learning Systems 28, 2660-2673
(deletion).
Petsiuk, Das and Saenko (2018), BMVC, RISE: randomized input sampling for explanation of
black-box models (insertion, and the area between curves).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.records import NO_INTERVAL, Record, bound_mean, record_test
from basrelief.judge.resampling import Draws

Test = Literal["deletion", "insertion"]

STEPS = (0.1, 0.3)
"""Shares of the ground that are taken away, or given back."""

SHARES = (0.0, *STEPS)

LIMIT = 0.0
"""The area between the curves from which a map ranks better than chance."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """How predictions move, step by step; both curves begin at 0, before the first step."""

    ranked: Floats
    """(sample, step) What the map ranks highest goes, or comes, first."""

    at_random: Floats
    """(sample, step)"""


@dataclass(frozen=True)
class Wording:
    """How a sentence tells what was done."""

    done: str
    """With what the map ranks highest; begins the sentence."""

    at_random: str
    """With as much at random."""

    samples: str
    """What the curves are means over, with their number."""

    of: str
    """The same in a word."""


def measure_between(test: Test, curves: Curves) -> Floats:
    """Measure the area between two curves, (sample,): above 0 where the map is right.

    It is divided by the share of the ground that the curves run over: a mean height, in the
    unit of the curves.

    Examples
    --------
    >>> curves = Curves(np.array([[0.0, -1.0, -1.0]]), np.zeros((1, 3)))
    >>> measure_between("deletion", curves).round(2)
    array([0.83])
    >>> measure_between("insertion", curves).round(2)
    array([-0.83])
    """
    gap = curves.ranked - curves.at_random
    height = np.asarray(np.trapezoid(gap, SHARES, axis=1)) / SHARES[-1]
    return -height if test == "deletion" else height


def judge_curves(
    test: Test, curves: Curves, wording: Wording, draws: Draws
) -> tuple[Record, Record]:
    """Tell whether a map passes a test, and keep the curves that it was judged by.

    Parameters
    ----------
    curves
        In standard deviations of the predictions.

    Returns
    -------
    The record of ``tests.json``, and that of ``curves.json``: ``test``, ``shares`` of the
    ground, ``ranked`` and ``at_random`` (means over samples, one a share), ``n`` samples, and
    ``of``, what these are. Both are without recipe and target.
    """
    between = measure_between(test, curves)
    value, interval = float(between.mean()), bound_mean(between, draws)
    passes = None if interval[0] is None else interval[0] > LIMIT
    is_lower = (test == "deletion") == (value >= 0)
    words = (
        f"{wording.done} leaves the prediction {abs(value):.2f} standard deviations "
        f"{'lower' if is_lower else 'higher'} than {wording.at_random}, the mean over "
        f"{wording.samples}."
    )
    curve: Record = {
        "test": test,
        "shares": list(SHARES),
        "ranked": curves.ranked.mean(axis=0).tolist(),
        "at_random": curves.at_random.mean(axis=0).tolist(),
        "n": len(between),
        "of": wording.of,
    }
    return record_test(test, value, interval, LIMIT, passes, words), curve


def leave_unjudged(test: Test, words: str) -> Record:
    """Record a test for which there is nothing to rank, or nothing that moves."""
    return record_test(test, None, NO_INTERVAL, LIMIT, None, words)
