from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from basrelief.chips.store import Samples
from basrelief.judge import baselines
from basrelief.judge.baselines import (
    average_district,
    gather_areas,
    gather_chips,
    predict_baseline,
    regress_on_size,
)
from basrelief.learn import knowledge
from basrelief.learn.joint import AreaTerms, fit_joint, predict_joint
from basrelief.learn.place import N_SCALES

SIDE = 12


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    """Square areas of two districts whose label is a plane over the ground."""
    corners = [(100.0 * x, 100.0 * y) for y in range(SIDE) for x in range(SIDE)]
    squares = [shapely.box(x, y, x + 100, y + 100) for x, y in corners]
    areas = gpd.GeoDataFrame(geometry=squares, crs="EPSG:27700")
    areas["area_id"] = [f"E{k}" for k in range(len(areas))]
    areas["lad"] = np.where(areas.centroid.x < 600, "west", "east")
    areas["crime"] = areas.centroid.x / 1000
    areas["is_used"] = True
    chips = pd.DataFrame({"chip_id": [f"c{k}" for k in range(len(areas))]})
    chips["easting"], chips["northing"] = areas.centroid.x, areas.centroid.y
    chips["crime"], chips["is_used"] = areas["crime"], True
    member = pd.DataFrame({"chip_id": chips["chip_id"], "area_id": areas["area_id"], "weight": 0.9})
    return Samples(chips, areas, member, ("crime",), "heights", 100, 1.0, tmp_path)


def test_all_baselines_can_be_had_of_areas_with_places_and_districts(samples: Samples) -> None:
    expected = ["place-alone", "place-and-district", "district-mean", "area-size"]
    assert gather_areas(samples).baselines == expected
    assert gather_chips(samples).baselines == ["place-alone", "district-mean"]


def test_pictures_without_districts_have_no_baseline(tmp_path: Path) -> None:
    areas = pd.DataFrame({"area_id": ["E1"], "lad": [None], "crime": [0.1], "is_used": [True]})
    chips = pd.DataFrame({"chip_id": ["a"], "crime": [0.1], "is_used": [True]})
    member = pd.DataFrame({"chip_id": ["a"], "area_id": ["E1"], "weight": [1.0]})
    pictures = Samples(chips, areas, member, ("crime",), "pictures", 32, 1.0, tmp_path)
    assert gather_areas(pictures).baselines == []
    assert gather_chips(pictures).baselines == []


@pytest.mark.parametrize("unit", ["area", "chip"])
def test_place_alone_finds_a_smooth_surface_and_district_a_step_of_it(
    samples: Samples, unit: str
) -> None:
    known = gather_areas(samples) if unit == "area" else gather_chips(samples)
    rows = np.random.default_rng(0).permutation(SIDE**2)
    train, test = rows[:100], rows[100:]
    truth, rng = known.labels[test], np.random.default_rng(0)
    place = predict_baseline("place-alone", known, train, test, rng)
    district = predict_baseline("district-mean", known, train, test, rng)
    assert np.abs(place - truth).max() < 0.05
    assert np.corrcoef(district[:, 0], truth[:, 0])[0, 1] == pytest.approx(0.87, abs=0.05)


def test_size_alone_equals_least_squares_target_by_target() -> None:
    rng = np.random.default_rng(0)
    size, labels = rng.normal(10, 1, 30), rng.normal(size=(30, 3))
    labels[:, 0] += size
    labels[:12, 1] = np.nan
    labels[:, 2] = np.nan
    predicted = regress_on_size(size, labels, size)
    for target, first in ((0, 0), (1, 12)):
        line = np.polynomial.Polynomial.fit(size[first:], labels[first:, target], 1)
        assert predicted[:, target] == pytest.approx(line(size))
    assert np.isnan(predicted[:, 2]).all()


def test_size_that_does_not_vary_predicts_the_mean() -> None:
    predicted = regress_on_size(np.ones(3), np.array([[1.0], [2.0], [6.0]]), np.array([1.0, 5.0]))
    assert predicted == pytest.approx(3.0)


def test_a_district_without_training_areas_and_an_unknown_one_get_the_mean() -> None:
    train = np.array(["a", "a", None], dtype=object)
    test = np.array(["a", "b", None], dtype=object)
    predicted = average_district(train, np.array([[1.0], [2.0], [9.0]]), test)
    assert predicted[:, 0].tolist() == [1.5, 4.0, 4.0]


def test_areas_are_counted_in_the_place_and_chips_in_their_fold(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask(n_items: int) -> bool:
        asked.append(n_items)
        return False

    monkeypatch.setattr(baselines, "has_many", ask)
    rows = np.arange(SIDE**2)
    for known in (gather_areas(samples), gather_chips(samples)):
        rng = np.random.default_rng(0)
        predict_baseline("place-alone", known, rows[:100], rows[100:], rng)
    assert asked == [SIDE**2, 100]


def test_place_and_district_is_the_joint_process_without_feature_sets(samples: Samples) -> None:
    known, rng = gather_areas(samples), np.random.default_rng(0)
    is_west = np.asarray(known.district == "west", dtype=np.float64)
    labels = is_west[:, None] + 0.05 * rng.normal(size=(SIDE**2, 1))
    known = replace(known, labels=labels)
    rows = rng.permutation(SIDE**2)
    train, test, at = rows[:60], rows[60:], known.locations
    assert at is not None
    joint = fit_joint(AreaTerms({}, at.take(train)), labels[train], N_SCALES)
    expected = predict_joint(joint, AreaTerms({}, at.take(test)))
    found = predict_baseline("place-and-district", known, train, test, rng)
    np.testing.assert_array_equal(found, expected)
    # It knows the step between the districts, which place alone has to smooth.
    place = predict_baseline("place-alone", known, train, test, rng)
    errors = [np.abs(each - labels[test]).mean() for each in (found, place)]
    assert errors[0] < 0.08
    assert errors[0] < errors[1]


@pytest.mark.parametrize("lad", [None, "one"])
def test_place_and_district_is_not_offered_where_districts_do_not_count(
    samples: Samples, lad: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a district, and of many areas: the joint process has none there either.
    samples = replace(samples, areas=samples.areas.assign(lad=lad))
    if lad:
        monkeypatch.setattr(knowledge, "has_many", lambda n_items: True)
    offered = gather_areas(samples).baselines
    assert "place-and-district" not in offered
    assert "place-alone" in offered
