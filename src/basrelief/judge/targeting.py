"""Whether the areas predicted worst are the worst, and the list of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.judge.failures import average_repeats
from basrelief.judge.intervals import wilson_interval
from basrelief.judge.resampling import MIN_GROUPS, Draws, bound
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record

SHARES = (0.2, 0.1)
"""Shares of the areas that could be looked after."""

RANKED = ["lift", "y_pred", "lower_80", "upper_80", "y_true"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def measure_targeting(
    frame: pd.DataFrame,
    beside: pd.DataFrame | None,
    rng: np.random.Generator,
    groups: pd.Series[Any] | None = None,
) -> list[Record]:
    """Measure how many of the areas predicted worst are among the worst.

    Worst is highest, as in every measure of deprivation. Each repeat is ranked by itself over all
    its test areas; what is reported is the mean over repeats. Areas are ranked by how far the
    prediction lies above the training fold's mean: that mean is low exactly where the fold held
    out is high, so that a recipe that knows nothing would else hit less than a blind pick.

    Parameters
    ----------
    frame
        Area rows of ``predictions.parquet`` of one recipe and scheme.
    beside
        The same of the recipe's yardstick, what differs from it in LIDAR alone, in the same
        scheme; None where that is the mean, which picks blindly.
    groups
        What areas are resampled with, by ``area_id`` (their block); each by itself if None.

    Returns
    -------
    Records with ``recipe, target, scheme, share, n`` (areas), ``n_picked``, ``hits, hit_rate,
    chance`` (the hit rate of a blind pick), ``versus`` (the yardstick), ``versus_hit_rate`` (None
    where it is the mean), and ``low, high``: the 95 % interval of the hit rate, resampling whole
    groups, and no narrower than if the areas picked were independent; None with fewer than ten
    groups.
    """
    draws = Draws(rng)
    records = []
    for (recipe, target, scheme), rows in frame.groupby(["recipe", "target", "scheme"], sort=False):
        key = {"recipe": recipe, "target": target, "scheme": scheme}
        for share in SHARES:
            record = _measure_share(rows, share, groups, draws)
            records.append(key | record | _measure_beside(rows, beside, share))
    return records


def rank_areas(frame: pd.DataFrame, samples: Samples) -> pd.DataFrame:
    """List areas from the worst predicted down, with their intervals.

    Parameters
    ----------
    frame
        Area rows of ``predictions.parquet`` of one recipe and scheme; with ``is_inside`` or not.

    Returns
    -------
    Columns ``recipe, target, rank, area_id, area_name, lad, lift, y_pred, lower_80, upper_80,
    y_true, is_inside``; means over repeats. The rank is by ``lift``, the prediction less the
    training fold's mean, as in `measure_targeting`. An area is inside where it is so in every
    repeat.
    """
    means = average_repeats(frame)
    named = means.merge(samples.areas[["area_id", "area_name", "lad"]], on="area_id", how="left")
    # Those predicted alike share the worse place: no order of rows decides.
    rank = named.groupby(["recipe", "target"])["lift"].rank(ascending=False, method="min")
    named["rank"] = rank.astype(np.int64)
    columns = ["recipe", "target", "rank", "area_id", "area_name", "lad", *RANKED, "is_inside"]
    order = ["recipe", "target", "rank", "area_id"]
    return pd.DataFrame(named[columns]).sort_values(order, ignore_index=True)


def pick_worst(values: Floats, share: float) -> Floats:
    """Weigh the highest ``share`` of the values 1 and the rest 0.

    Values tied at the edge share what places are left, so that no order decides.

    Parameters
    ----------
    values : (n, ...)
        Each column by itself; NaN for what is not there to be picked.

    Returns
    -------
    (n, ...)
        They sum to the number picked.

    Examples
    --------
    >>> pick_worst(np.array([3.0, 1.0, 2.0, 2.0, 0.0]), share=0.4).tolist()
    [1.0, 0.0, 0.5, 0.5, 0.0]
    """
    n_picked = count_picked(np.isfinite(values).sum(axis=0), share)
    filled = np.where(np.isfinite(values), values, -np.inf)
    # No sort: a country is ranked for every target, recipe and repeat.
    at = np.asarray(len(values) - n_picked)
    edge = np.take_along_axis(np.partition(filled, np.unique(at), axis=0), at[None], axis=0)
    is_above, is_tied = filled > edge, filled == edge
    left = n_picked - is_above.sum(axis=0)
    weights: Floats = is_above + is_tied * (left / is_tied.sum(axis=0))
    return weights


def count_picked(n: Rows, share: float) -> Rows:
    """Say how many of ``n`` areas, (...), a share of them is: at least one."""
    # Halves go up: rounding would take them to the even number.
    picked: Rows = np.maximum(1, np.floor(share * n + 0.5)).astype(np.int64)
    return picked


def measure_lifts(lift: Floats, truth: Floats, share: float) -> Floats:
    """Measure how much more of those picked are among the worst than a blind pick would find.

    Parameters
    ----------
    lift, truth : (area, ...)
        What areas are picked by, and what they are; both NaN where an area is not tested.

    Returns
    -------
    (...)
        The hit rate less that of a blind pick; NaN where nothing is tested.

    Examples
    --------
    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> [float(measure_lifts(lift, truth, share=0.5)) for lift in (truth, -truth, 0 * truth)]
    [0.5, -0.5, 0.0]
    """
    n = np.isfinite(lift).sum(axis=0)
    n_picked = count_picked(n, share)
    hits = (pick_worst(lift, share) * pick_worst(truth, share)).sum(axis=0)
    return np.asarray(np.where(n > 0, hits / n_picked - n_picked / np.maximum(n, 1), np.nan))


def _measure_beside(rows: pd.DataFrame, beside: pd.DataFrame | None, share: float) -> Record:
    """Measure the hits of the yardstick among the very areas of ``rows``, of one target."""
    if beside is None:
        return {"versus": MEAN, "versus_hit_rate": None}
    theirs = beside[beside["target"] == rows["target"].iloc[0]]
    # In the same repeats: a network is tested on one fold of the first.
    tested = pd.MultiIndex.from_frame(rows[["repeat", "id"]].astype({"id": str}))
    keys = pd.MultiIndex.from_frame(theirs[["repeat", "id"]].astype({"id": str}))
    same = theirs[keys.isin(tested)]
    rate = None if same.empty else _hit_rate(same, share)
    return {"versus": str(beside["recipe"].iloc[0]), "versus_hit_rate": rate}


def _measure_share(
    rows: pd.DataFrame, share: float, groups: pd.Series[Any] | None, draws: Draws
) -> Record:
    """Measure the hits among one share of the areas of one target."""
    n = int(rows["id"].nunique())
    n_picked = int(count_picked(np.asarray(n), share))
    rate = _hit_rate(rows, share)
    low, high = _resample_hits(rows, share, groups, draws)
    if low is not None and high is not None:
        # Without a single hit every replicate has none, and that is no proof that there never
        # is one.
        least, most = wilson_interval(rate, n_picked)
        low, high = min(low, least), max(high, most)
    return {
        "share": share,
        "n": n,
        "n_picked": n_picked,
        "hits": rate * n_picked,
        "hit_rate": rate,
        "chance": n_picked / n,
        "low": low,
        "high": high,
    }


def _hit_rate(rows: pd.DataFrame, share: float) -> float:
    """Share of those picked that are among the worst, mean over repeats."""
    rates = [hit.sum() / picked.sum() for _, hit, picked in _weigh_repeats(rows, share)]
    return float(np.mean(rates))


def _weigh_repeats(rows: pd.DataFrame, share: float) -> Iterator[tuple[Rows, Floats, Floats]]:
    """Give the rows of each repeat, and the weight of each as a hit and as picked."""
    lift = (rows["y_pred"] - rows["y_mean"]).to_numpy(np.float64)
    y_true = rows["y_true"].to_numpy(np.float64)
    for found in rows.groupby("repeat").indices.values():
        at = np.asarray(found, dtype=np.int64)
        picked = pick_worst(lift[at], share)
        yield at, picked * pick_worst(y_true[at], share), picked


def _resample_hits(
    rows: pd.DataFrame, share: float, groups: pd.Series[Any] | None, draws: Draws
) -> tuple[float | None, float | None]:
    """Take a 95 % interval of the hit rate by resampling whole groups; what is worst stays."""
    group_of = rows["id"] if groups is None else rows["id"].map(groups)
    if bool(group_of.isna().any()) or group_of.nunique() < MIN_GROUPS:
        return None, None
    group, names = pd.factorize(group_of)
    hits, picks = [], []
    for at, hit, picked in _weigh_repeats(rows, share):
        hits.append(np.bincount(group[at], hit, len(names)))
        picks.append(np.bincount(group[at], picked, len(names)))
    taken = draws.take(len(names))
    drawn, drawn_picks = taken @ np.array(hits).T, taken @ np.array(picks).T  # (replicate, repeat)
    # A draw may hold none of the areas picked, and has no rate.
    has_picks = (drawn_picks > 0).all(axis=1)
    rates = (drawn[has_picks] / drawn_picks[has_picks]).mean(axis=1)
    return bound(rates, len(names))
