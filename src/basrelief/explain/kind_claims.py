"""Which kinds of ground may be told to raise or lower predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from basrelief.judge.claims import MAX_CHANCE
from basrelief.run import Record

Floats = NDArray[np.float64]


def settle_kinds(records: Sequence[Record], claimed: Collection[str]) -> list[Record]:
    """Settle which kinds of ground add, or are hotter, beyond chance over all that are told.

    Parameters
    ----------
    records
        Of ``kinds.json``, of one recipe: all kinds and targets. ``p`` is of each by itself.
    claimed
        Targets for which the report claims that LIDAR is worth having, by this recipe.

    Returns
    -------
    The records with ``p``, how often chance gives so much of any of them (None without an
    interval), and ``holds``: that is at most 5 %, and the target is among ``claimed``.
    """
    tested = [record for record in records if record["p"] is not None]
    adjusted = adjust_together(np.array([record["p"] for record in tested]))
    p_values = {id(record): float(p) for record, p in zip(tested, adjusted, strict=True)}
    settled = []
    for record in records:
        p = p_values.get(id(record))
        # A model of nothing leans on some kind of ground too, and surely so: what it says of the
        # ground is worth no more than what it says of the target.
        holds = p is not None and p <= MAX_CHANCE and record["target"] in claimed
        settled.append(record | {"p": p, "holds": holds})
    return settled


def judge_interval(value: float, low: float | None, high: float | None, n: int) -> float | None:
    """Judge from its 95 % interval how often chance gives what lies as far from 0.

    Parameters
    ----------
    n
        Groups that the interval was made from: so few are no normal distribution.

    Returns
    -------
    Both sides together; None without an interval.

    Examples
    --------
    >>> round(judge_interval(1.0, 0.0, 2.5, 20), 3)
    0.05
    """
    if low is None or high is None:
        return None
    half = value - low if value > 0 else high - value
    reach = stats.t.ppf(0.975, n - 1) * abs(value) / max(half, 1e-12)
    return float(2 * stats.t.sf(reach, n - 1))


def adjust_together(p_values: Floats) -> Floats:
    """Adjust p-values, (test,), for their number, however they hang together.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> adjust_together(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    # None is surer than one with a smaller p-value.
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
