"""What no LIDAR at all would give: by the district, the polygon's size, place, or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.judge.yardsticks import GAUSSIAN_PROCESS
from basrelief.learn import knowledge
from basrelief.learn.gaussian_process import has_many
from basrelief.learn.joint import gp_interpolation
from basrelief.learn.place import Locations, code_districts, locate_areas
from basrelief.splits.heldout import find_usable_areas

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

DISTRICT_MEAN, AREA_SIZE, PLACE_ALONE = "district-mean", "area-size", "place-alone"
PLACE_AND_DISTRICT = "place-and-district"


@dataclass(frozen=True, eq=False)
class BaselineData:
    """What baselines may know of areas or chips, in the order of the samples' table."""

    unit: Literal["chip", "area"]
    ids: pd.Index[Any]
    labels: Floats
    """(item, target) NaN where unknown."""

    locations: Locations | None
    """Of the items, with districts of which an unknown one is shared by none; None without
    places."""

    n_usable: int | None
    """Areas of the place that can be learnt from, whatever the fold; None for chips, of which a
    scheme has one fold: its training chips are counted."""

    log_size: Floats | None
    """(item,) Logarithm of the polygon's area in square metres; None without polygons."""

    district: NDArray[np.object_] | None
    """(item,) Code of the district, None where unknown; None where no item has one."""

    counts_districts: bool
    """Whether a recipe that joins place and district would use districts here. Not of chips: no
    such recipe predicts any."""

    def find(self, ids: NDArray[np.str_]) -> Rows:
        """Positions, (n,), of items by their ids, -1 for one that is not there."""
        return self.ids.get_indexer(pd.Index(ids))

    @property
    def baselines(self) -> list[str]:
        """Name the baselines that can be had, place alone first."""
        return [name for name, baseline in BASELINES.items() if self._has(baseline.needs)]

    def _has(self, needs: tuple[str, ...]) -> bool:
        values = [getattr(self, field) for field in needs]
        return all(value is not None and value is not False for value in values)


def gather_areas(samples: Samples) -> BaselineData:
    """Gather what baselines may know of areas."""
    areas, locations, log_size = samples.areas, None, None
    if samples.has_places:
        locations = locate_areas(samples)
        # The polygon's own size: no recipe of LIDAR may see it, so what it gives stands apart.
        log_size = np.log(areas.geometry.area.to_numpy(np.float64))
    return BaselineData(
        unit="area",
        ids=pd.Index(areas["area_id"].astype(str)),
        labels=areas[list(samples.targets)].to_numpy(np.float64),
        locations=locations,
        n_usable=len(find_usable_areas(samples)),
        log_size=log_size,
        district=_districts(areas.get("lad")),
        counts_districts=knowledge.counts_districts(samples),
    )


def gather_chips(samples: Samples) -> BaselineData:
    """Gather what baselines may know of chips; a chip's district is its main area's."""
    chips, locations, main = samples.chips, None, None
    if "lad" in samples.areas and len(samples.membership):
        member = samples.membership.sort_values("weight", kind="stable")
        # Sorted by weight: the last of a chip is the area that has most of it.
        heaviest = member.groupby("chip_id")["area_id"].last()
        lad = samples.areas.set_index("area_id")["lad"]
        main = heaviest.reindex(chips["chip_id"]).map(lad)
    if samples.has_places:
        xy = chips[["easting", "northing"]].to_numpy(np.float64)
        locations = Locations(xy, code_districts(main, chips["chip_id"]))
    return BaselineData(
        unit="chip",
        ids=pd.Index(chips["chip_id"].astype(str)),
        labels=chips[list(samples.targets)].to_numpy(np.float64),
        locations=locations,
        # A chip is a square, of one size like all others.
        n_usable=None,
        log_size=None,
        district=_districts(main),
        counts_districts=False,
    )


def predict_baseline(
    name: str, data: BaselineData, train: Rows, test: Rows, rng: np.random.Generator
) -> Floats:
    """Predict the test items from the training items' labels and what is known of both.

    Parameters
    ----------
    name
        One of ``data.baselines``.
    train, test : (n_train,), (n_test,)
        Positions in ``data``.

    Returns
    -------
    (n_test, n_targets)
        In the labels' unit; NaN for a target without a label in training.
    """
    return BASELINES[name].predict(data, train, test, rng)


def _interpolate(
    data: BaselineData,
    train: Rows,
    test: Rows,
    rng: np.random.Generator,
    *,
    has_district: bool,
) -> Floats:
    """Predict by a Gaussian process on place and, where it is to count, on the district.

    The process of the recipes that join LIDAR and place, without their feature sets.
    """
    assert data.locations is not None
    at = data.locations if has_district else Locations(data.locations.xy)
    is_many = has_many(len(train) if data.n_usable is None else data.n_usable)
    known, new = at.take(train), at.take(test)
    return gp_interpolation(known, data.labels[train], new, rng, is_many=is_many)


def _predict_from(
    data: BaselineData,
    train: Rows,
    test: Rows,
    rng: np.random.Generator,
    *,
    field: str,
    predict: Callable[[Any, Floats, Any], Floats],
) -> Floats:
    """Predict from one thing that is known of each item, (item,)."""
    known = getattr(data, field)
    return predict(known[train], data.labels[train], known[test])


def average_district(
    train: NDArray[np.object_], labels: Floats, test: NDArray[np.object_]
) -> Floats:
    """Predict the mean of the district's training items; the mean of all where it has none.

    Parameters
    ----------
    train, test : (n_train,), (n_test,)
        Codes of districts, None where unknown.
    labels : (n_train, target)

    Returns
    -------
    (n_test, target)

    Examples
    --------
    >>> codes = np.array(["a", "a", "b"], dtype=object)
    >>> average_district(codes, np.array([[1.0], [3.0], [5.0]]), codes[[0, 2]])
    array([[2.],
           [5.]])
    """
    table = pd.DataFrame(labels)
    # Item codes of None form no group, and so get the mean of all.
    means = table.groupby(train).mean().reindex(pd.Index(test, dtype=object))
    predicted: Floats = means.fillna(table.mean()).to_numpy(np.float64)
    return predicted


def regress_on_size(train: Floats, labels: Floats, test: Floats) -> Floats:
    """Predict by least squares from the logarithm of the polygon's area alone.

    Small areas hold as many people as large ones, so this is nearly density, and nothing
    that LIDAR has to be flown for.

    Parameters
    ----------
    train, test : (n_train,), (n_test,)
        Logarithm of each area's size.
    labels : (n_train, target)
        NaN where unknown.

    Returns
    -------
    (n_test, target)
    """
    # Closed form for all targets at once: each is known for areas of its own.
    is_known = np.isfinite(labels)
    n_known = np.maximum(is_known.sum(axis=0), 1)
    size = np.where(is_known, train[:, None], 0.0)
    size_mean = size.sum(axis=0) / n_known
    mean = np.where(is_known, labels, 0.0).sum(axis=0) / n_known
    apart = np.where(is_known, train[:, None] - size_mean, 0.0)
    square = (apart**2).sum(axis=0)
    product = (apart * np.where(is_known, labels - mean, 0.0)).sum(axis=0)
    slope = np.where(square > 0, product / np.where(square > 0, square, 1.0), 0.0)
    predicted = mean + slope * (test[:, None] - size_mean)
    return np.where(is_known.any(axis=0), predicted, np.nan)


Predictor = Callable[[BaselineData, Rows, Rows, np.random.Generator], Floats]


@dataclass(frozen=True)
class Baseline:
    """A way to predict without LIDAR."""

    needs: tuple[str, ...]
    """Fields of `BaselineData` that must be there, or true."""

    knows: tuple[str, ...]
    """What it knows of an item, as `knowledge.CODES`."""

    learner: str
    """What learns."""

    predict: Predictor


BASELINES = {
    PLACE_ALONE: Baseline(
        ("locations",),
        (knowledge.PLACE,),
        GAUSSIAN_PROCESS,
        partial(_interpolate, has_district=False),
    ),
    PLACE_AND_DISTRICT: Baseline(
        ("locations", "counts_districts"),
        (knowledge.PLACE, knowledge.DISTRICT),
        GAUSSIAN_PROCESS,
        partial(_interpolate, has_district=True),
    ),
    DISTRICT_MEAN: Baseline(
        ("district",),
        (knowledge.DISTRICT,),
        "district_mean",
        partial(_predict_from, field="district", predict=average_district),
    ),
    AREA_SIZE: Baseline(
        ("log_size",),
        (knowledge.SIZE,),
        "least_squares",
        partial(_predict_from, field="log_size", predict=regress_on_size),
    ),
}
"""By name."""


def _districts(codes: pd.Series[Any] | None) -> NDArray[np.object_] | None:
    """Make codes an array, None where unknown; None where all are."""
    if codes is None or not codes.notna().any():
        return None
    return codes.astype(object).where(codes.notna(), None).to_numpy(dtype=object)
