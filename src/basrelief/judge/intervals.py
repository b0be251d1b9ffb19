"""Prediction intervals from held-out errors (conformal), and how often they hold the truth."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from basrelief.run import Record
from basrelief.sources.targets import NOT_BELOW_0

with warnings.catch_warnings():
    # crepes changes the whole program's warning filters when it is imported.
    from crepes import ConformalRegressor

LEVELS = (50, 80, 95)
"""Percent of the truths that each interval is to hold."""

SIDES = ("lower", "upper")

MIN_AREAS = 40
"""A group is calibrated by itself where every fold leaves it this many areas to calibrate on."""

MAX_BANDS = 5
"""The most bands of the prediction that are calibrated apart."""

N_SPLITS = 10
"""Splits of a single test fold, each calibrated on the others."""

ALL, OTHERS, BAND = "all", "other_districts", "predicted_{}_of_{}"
"""Groups that are no district: everyone, the small districts together, a band of the prediction."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def add_intervals(frame: pd.DataFrame, districts: pd.Series[Any] | None) -> pd.DataFrame:
    """Fill in the bounds of the prediction intervals, ``lower_50`` to ``upper_95``.

    Each fold is calibrated on the absolute errors that the other folds of its repeat made:
    areas that were held out like its own. A single fold (networks) is dealt into tenths that
    calibrate each other. Groups are calibrated apart, see `group_rows`.

    Parameters
    ----------
    frame
        Rows of ``predictions.parquet`` of one recipe and scheme.
    districts
        District of each area, by ``area_id``, missing where unknown; None where none is known.

    Returns
    -------
    The frame with bounds in units of the target, around ``y_pred``. NaN where too few others
    were held out for a finite interval: 95 % needs 19 of them, 80 % four and 50 % one. What no
    target can be (`NOT_BELOW_0`) is cut off, which leaves out no truth.

    References
    ----------
    Vovk (2015), Annals of Mathematics and Artificial Intelligence 74, 9-28 (cross-conformal).
    Bostroem (2022), Proceedings of Machine Learning Research 179, 24-41 (crepes).
    """
    bounds = {f"{side}_{level}": np.full(len(frame), np.nan) for level in LEVELS for side in SIDES}
    y_pred = frame["y_pred"].to_numpy(np.float64)
    residual = frame["y_true"].to_numpy(np.float64) - y_pred
    fold = frame["fold"].to_numpy(np.int64)
    group = pd.factorize(group_rows(frame, districts))[0].astype(np.int64)
    for rows in frame.groupby(["target", "repeat", "unit"], sort=False).indices.values():
        splits = _deal_splits(fold[rows])
        for split in np.unique(splits):
            test, others = rows[splits == split], rows[splits != split]
            if not len(others):
                continue
            model = ConformalRegressor().fit(residual[others], bins=group[others])
            # crepes would give infinite bounds, which a table and a map cannot show.
            for level in _levels_for(group[others]):
                held = model.predict_int(
                    y_pred[test], bins=group[test], confidence=_confidence(level)
                )
                bounds[f"lower_{level}"][test] = held[:, 0]
                bounds[f"upper_{level}"][test] = held[:, 1]
    _cut_off(bounds, frame)
    return frame.assign(**bounds)


def _cut_off(bounds: dict[str, Floats], frame: pd.DataFrame) -> None:
    """Raise bounds below 0 to it, in place, for published targets that cannot be below.

    Not where a label is: somebody's own column may carry a published target's name.
    """
    is_published = frame["target"].isin(NOT_BELOW_0)
    below = frame["target"].isin(frame.loc[frame["y_true"] < 0, "target"].unique())
    rows = np.flatnonzero((is_published & ~below).to_numpy(bool))
    for values in bounds.values():
        values[rows] = np.maximum(values[rows], 0.0)


def group_rows(frame: pd.DataFrame, districts: pd.Series[Any] | None) -> pd.Series[str]:
    """Name the group that each row is calibrated with.

    A district is a group where at least 40 of its areas lie outside any one fold; the smaller
    ones are pooled, with the smallest of the large ones where they are still too few. Where
    that leaves a single group (few areas, or whole districts held out), bands of the
    prediction are the groups, up to five of equal size, under the same rule.

    Parameters
    ----------
    frame, districts
        As for `add_intervals`.

    Returns
    -------
    A district's code, ``other_districts``, ``predicted_1_of_3`` (1 is the lowest), or ``all``;
    by the frame's index.
    """
    known = pd.Series(dtype=object) if districts is None else districts
    district, names = pd.factorize(frame["id"].map(known))
    # Numbers, and not two million texts: what each group is called is looked up at the end.
    number_of = {str(name): number for number, name in enumerate(names)}
    group = np.empty(len(frame), dtype=np.int64)
    fold = frame["fold"].to_numpy(np.int64)
    # Against the training mean, because that mean differs from fold to fold.
    lift = (frame["y_pred"] - frame["y_mean"]).to_numpy(np.float64)
    for rows in frame.groupby(["target", "repeat", "unit"], sort=False).indices.values():
        splits = _deal_splits(fold[rows])
        found = _pool_districts(district[rows], splits, len(names))
        others = number_of.setdefault(OTHERS, len(number_of))
        group[rows] = np.where(found < 0, others, found)
        if len(np.unique(found)) < 2:
            band, called = _cut_bands(lift[rows], splits)
            numbers = [number_of.setdefault(name, len(number_of)) for name in called]
            group[rows] = np.array(numbers)[band]
    named = pd.Categorical.from_codes(group, pd.Index(list(number_of)))
    used = sorted(named.remove_unused_categories().categories)
    return pd.Series(named.set_categories(used), index=frame.index)


def measure_coverage(frame: pd.DataFrame, districts: pd.Series[Any] | None) -> list[Record]:
    """Measure how often the intervals held what was observed, overall and in each group.

    Folds calibrate each other, so over all of them the share is near its level by construction
    where areas are alike; it departs where whole folds differ, as districts do.

    Parameters
    ----------
    frame
        What `add_intervals` returned for one recipe and scheme.
    districts
        As given there.

    Returns
    -------
    Records with ``recipe, target, scheme, level`` (percent), ``group, n`` (areas), ``covered``
    (share, over all repeats), ``low, high`` (its 95 % interval, as if areas were independent:
    repeats are the same areas and do not narrow it) and ``mean_width`` (units of the target).
    """
    group = group_rows(frame, districts)
    key = ["recipe", "target", "scheme"]
    # A repeat that could not be cut into bands is in the overall figures alone.
    several = group != ALL
    everyone = pd.Categorical.from_codes(np.zeros(len(frame), dtype=np.int8), pd.Index([ALL]))
    records = []
    for level in LEVELS:
        rows = _mark_covered(frame, level)
        records += _average_groups(rows.assign(group=everyone), [*key, "group"], level)
        records += _average_groups(rows.assign(group=group)[several], [*key, "group"], level)
    return records


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Take the 95 % interval of a share of ``n`` independent trials.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson_interval(0.8, 100)]
    [0.711, 0.867]
    """
    z = float(norm.ppf(0.975))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and at 1 the ends are these themselves, but for rounding.
    return max(0.0, centre - half), min(1.0, centre + half)


def _mark_covered(frame: pd.DataFrame, level: int) -> pd.DataFrame:
    """Say of each row whether its interval held what was observed, and how wide it is."""
    lower, upper = frame[f"lower_{level}"], frame[f"upper_{level}"]
    rows = frame[["recipe", "target", "scheme", "id"]]
    is_covered = frame["y_true"].between(lower, upper).astype(np.float64)
    return rows.assign(covered=is_covered.where(lower.notna()), width=upper - lower)


def _average_groups(rows: pd.DataFrame, key: list[str], level: int) -> list[Record]:
    """Measure a level's coverage by group; where no interval is known there is no record."""
    by = rows[rows["covered"].notna()].groupby(key, sort=True, observed=True)
    table = by.agg(n=("id", "nunique"), covered=("covered", "mean"), width=("width", "mean"))
    records = []
    for (recipe, target, scheme, group), n, covered, width in table.itertuples(name=None):
        low, high = wilson_interval(covered, n)
        record: Record = {"recipe": recipe, "target": target, "scheme": scheme, "level": level}
        record |= {"group": group, "n": n, "covered": covered, "low": low, "high": high}
        records.append(record | {"mean_width": width})
    return records


def _deal_splits(fold: Ints) -> Ints:
    """Say which rows are calibrated together: those of a fold, or every tenth of a single one."""
    if (fold == fold[0]).all():
        return np.arange(len(fold)) % N_SPLITS
    return fold


def _pool_districts(district: Ints, splits: Ints, n_districts: int) -> Ints:
    """Give each row's district, or -1 for the pool of small ones and of rows without any."""
    left = _count_left(district, splits, n_districts)
    is_large = left >= MIN_AREAS
    # The smallest of the large join the pool until it can be calibrated.
    for code in np.argsort(left, kind="stable"):
        is_other = (district < 0) | ~np.append(is_large, False)[district]
        if not is_other.any() or _count_left(is_other - 1, splits, 1)[0] >= MIN_AREAS:
            break
        is_large[code] = False
    is_other = (district < 0) | ~np.append(is_large, False)[district]
    return np.where(is_other, -1, district)


def _cut_bands(lift: Floats, splits: Ints) -> tuple[Ints, list[str]]:
    """Cut rows into bands of the prediction, as many as can be calibrated apart, and name them."""
    for n_bands in range(MAX_BANDS, 1, -1):
        # By prediction, which is known where a model is used, and not by what was observed.
        inner = np.quantile(lift, np.arange(1, n_bands) / n_bands)
        band = np.searchsorted(inner, lift, side="right")
        if (_count_left(band, splits, n_bands) >= MIN_AREAS).all():
            return band, [BAND.format(k + 1, n_bands) for k in range(n_bands)]
    return np.zeros(len(lift), dtype=np.int64), [ALL]


def _count_left(codes: Ints, splits: Ints, n_codes: int) -> Ints:
    """Count each group's rows outside the split that holds most of them, (n_codes,)."""
    split = pd.factorize(splits)[0]
    table = np.zeros((n_codes, split.max() + 1), dtype=np.int64)
    is_known = codes >= 0
    np.add.at(table, (codes[is_known], split[is_known]), 1)
    left: Ints = table.sum(axis=1) - table.max(axis=1)
    return left


def _levels_for(groups: Ints) -> list[int]:
    """List the levels at which every group has errors enough for a finite interval."""
    smallest = int(np.unique(groups, return_counts=True)[1].min())
    return [level for level in LEVELS if (100 - level) * (smallest + 1) >= 100]


def _confidence(level: int) -> float:
    """Write a level as crepes wants it.

    It rounds (1 - level) (n + 1) down, and 1 - 0.8 lies a rounding error below 0.2.
    """
    return level / 100 - 1e-9
