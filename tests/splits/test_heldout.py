from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import Samples
from basrelief.config import InputError
from basrelief.splits.clearance import find_chips_near, find_near_pairs
from basrelief.splits.folds import assign_folds
from basrelief.splits.heldout import (
    final_fold,
    hold_out_areas,
    hold_out_chips,
    share_of_ground,
)

CHIP_M = 100.0
SEEDS = st.integers(0, 10_000)


def draw_place(seed: int, side_m: float = 1000.0, n_areas: int = 25) -> Samples:
    """Draw irregular areas that tile a square, with chips over it and some labels missing."""
    rng = np.random.default_rng(seed)
    ground = shapely.box(0, 0, side_m, side_m)
    points = shapely.MultiPoint(rng.uniform(0, side_m, (n_areas, 2)))
    cells = shapely.voronoi_polygons(points, extend_to=ground).geoms
    polygons = [cell.intersection(ground) for cell in cells]
    areas = gpd.GeoDataFrame(
        {
            "area_id": [f"E{k:08d}" for k in range(len(polygons))],
            "is_used": rng.uniform(size=len(polygons)) > 0.1,
            "crime": np.where(rng.uniform(size=len(polygons)) > 0.1, 1.0, np.nan),
        },
        geometry=polygons,
        crs="EPSG:27700",
    )
    corner = np.arange(0, side_m, CHIP_M)
    east, north = (axis.ravel() + CHIP_M / 2 for axis in np.meshgrid(corner, corner))
    squares = shapely.box(east - 50, north - 50, east + 50, north + 50)
    chips = gpd.GeoDataFrame(
        {
            "chip_id": [f"{x:g}_{y:g}" for x, y in zip(east, north, strict=True)],
            "is_used": rng.uniform(size=len(east)) > 0.1,
            "easting": east,
            "northing": north,
        },
        geometry=squares,
        crs="EPSG:27700",
    )
    membership = measure_membership(chips, areas)
    chips["crime"] = average_labels(
        chips["chip_id"], membership, areas.set_index("area_id")["crime"]
    )
    return Samples(chips, areas, membership, ("crime",), "heights", 100, 1.0, Path())


def assign(samples: Samples, seed: int, n_folds: int = 5) -> pd.DataFrame:
    areas = samples.areas[samples.areas["is_used"] & samples.areas["crime"].notna()]
    ids = areas["area_id"].to_numpy(dtype=object).astype(str)
    fold = assign_folds(ids, n_folds, np.random.default_rng(seed))
    return pd.DataFrame({"repeat": 0, "id": ids, "fold": fold})


def polygons_of(samples: Samples, ids: Any) -> list[Any]:
    return list(samples.areas.set_index("area_id").geometry.loc[list(ids)])


@given(seed=SEEDS, buffer_m=st.sampled_from([0.0, 50.0, 90.0]))
@settings(max_examples=12)
def test_training_areas_are_all_those_clear_of_the_test_areas(seed: int, buffer_m: float) -> None:
    samples = draw_place(seed, side_m=2000.0, n_areas=60)
    assigned = assign(samples, seed)
    for fold in hold_out_areas(assigned, samples, "block", buffer_m):
        test = polygons_of(samples, fold.test)
        others = set(assigned["id"]) - set(fold.test)
        clear = {
            area_id
            for area_id in others
            for polygon in polygons_of(samples, [area_id])
            if all(polygon.distance(held) >= buffer_m for held in test)
        }
        assert set(fold.train) == clear


@given(seed=SEEDS)
@settings(max_examples=10)
def test_every_area_is_tested_once(seed: int) -> None:
    samples = draw_place(seed)
    assigned = assign(samples, seed)
    folds = hold_out_areas(assigned, samples, "area", 0.0)
    assert sorted(np.concatenate([fold.test for fold in folds])) == sorted(assigned["id"])
    assert all(not set(fold.train) & set(fold.test) for fold in folds)


@given(seed=SEEDS, buffer_m=st.sampled_from([0.0, 40.0, 90.0]), n_folds=st.sampled_from([2, 5]))
@settings(max_examples=12)
def test_no_training_chip_shares_ground_with_held_out_areas(
    seed: int, buffer_m: float, n_folds: int
) -> None:
    samples = draw_place(seed, side_m=2000.0, n_areas=60)
    fold = hold_out_chips(assign(samples, seed, n_folds), samples, "block", buffer_m)
    squares = samples.chips.geometry.to_numpy()
    test = shapely.union_all(polygons_of(samples, fold.test_areas))
    for row in np.concatenate([fold.train, fold.validation]):
        assert squares[row].distance(test) >= buffer_m
        assert squares[row].intersection(test).area < 1e-6
    polygons = samples.areas.geometry.to_numpy()
    held = set(samples.areas["area_id"][shapely.intersects(polygons, test.buffer(-1e-3))])
    assert not held & set(fold.train_areas)


@given(seed=SEEDS)
@settings(max_examples=8)
def test_the_parts_are_disjoint_used_and_labelled(seed: int) -> None:
    samples = draw_place(seed, side_m=2000.0, n_areas=60)
    fold = hold_out_chips(assign(samples, seed), samples, "area", 0.0)
    rows = np.concatenate([fold.train, fold.validation, fold.test])
    assert len(rows) == len(set(rows.tolist()))
    assert samples.chips["is_used"].iloc[rows].all()
    assert samples.chips["crime"].iloc[rows].notna().all()


@given(seed=SEEDS)
@settings(max_examples=8)
def test_training_chips_touch_no_area_that_validation_chips_lie_in(seed: int) -> None:
    samples = draw_place(seed, side_m=2000.0, n_areas=60)
    assigned = assign(samples, seed)
    fold = hold_out_chips(assigned, samples, "area", 0.0)
    ids = assigned.loc[assigned["fold"] == 1, "id"].to_numpy(dtype=object).astype(str)
    assert (share_of_ground(samples, ids)[fold.validation] > 0.5).all()
    assert (share_of_ground(samples, ids)[fold.train] == 0).all()


def test_test_chips_have_most_of_their_labelled_ground_in_test_areas() -> None:
    samples = draw_place(3, side_m=2000.0, n_areas=60)
    fold = hold_out_chips(assign(samples, 3), samples, "area", 0.0)
    share = share_of_ground(samples, fold.test_areas)
    usable = samples.chips["is_used"] & samples.chips["crime"].notna()
    assert set(fold.test) == set(np.flatnonzero((share > 0.5) & usable.to_numpy()))


def test_with_two_folds_a_fifth_of_the_training_areas_validates() -> None:
    samples = draw_place(4, side_m=2000.0, n_areas=60)
    fold = hold_out_chips(assign(samples, 4, n_folds=2), samples, "area", 0.0)
    assert len(fold.train) > len(fold.validation) > 0


def test_the_final_fold_tests_nothing_and_validates_on_whole_areas() -> None:
    samples = draw_place(5, side_m=2000.0, n_areas=60)
    fold = final_fold(samples, np.random.default_rng(0))
    assert len(fold.test) == 0
    assert len(fold.train) > len(fold.validation) > 0
    inside = samples.membership[
        samples.membership["chip_id"].isin(samples.chips["chip_id"].iloc[fold.validation])
    ]
    heaviest = inside.sort_values("weight").groupby("chip_id").last()["area_id"]
    assert not set(heaviest) & set(fold.train_areas)


def test_pictures_of_one_area_stay_on_one_side() -> None:
    chips = pd.DataFrame({"chip_id": [str(k) for k in range(40)], "is_used": True, "crime": 0.5})
    area = pd.Series([f"E{k // 4}" for k in range(40)])
    areas = pd.DataFrame({"area_id": sorted(set(area)), "is_used": True, "crime": 0.5})
    membership = pd.DataFrame({"chip_id": chips["chip_id"], "area_id": area, "weight": 1.0})
    samples = Samples(chips, areas, membership, ("crime",), "pictures", 100, 1.0, Path())
    fold = hold_out_chips(assign(samples, 0), samples, "area", 0.0)
    sides = [set(area.iloc[rows]) for rows in (fold.train, fold.validation, fold.test)]
    assert [len(side) for side in sides] == [6, 2, 2]
    assert not sides[0] & sides[1]
    assert not sides[2] & (sides[0] | sides[1])


def test_the_random_fold_keeps_the_order_it_was_dealt_in() -> None:
    samples = draw_place(0)
    ids = samples.chips["chip_id"].iloc[[5, 2, 9, 7]]
    assigned = pd.DataFrame({"id": ids.to_numpy(), "fold": [0, 1, 2, 2]})
    fold = hold_out_chips(assigned, samples, "random", 0.0)
    assert (fold.test.tolist(), fold.validation.tolist(), fold.train.tolist()) == ([5], [2], [9, 7])


def test_a_buffer_that_leaves_nothing_names_the_largest_that_works() -> None:
    samples = draw_place(6)
    assigned = assign(samples, 6)
    with pytest.raises(InputError, match="buffer_m = 900: leaves a fold") as caught:
        hold_out_areas(assigned, samples, "block", 900.0)
    largest = float(str(caught.value).split("leaves every fold one is ")[1].split(" m;")[0])
    folds = hold_out_areas(assigned, samples, "block", largest)
    assert all(len(fold.train) > 0 for fold in folds)
    with pytest.raises(InputError, match="leaves a fold"):
        hold_out_areas(assigned, samples, "block", largest + 1.0)


def test_chips_that_are_all_near_a_test_area_are_refused() -> None:
    samples = draw_place(7)
    with pytest.raises(InputError, match=r"leaves no chip to train on \(0 train.*smaller split"):
        hold_out_chips(assign(samples, 7), samples, "block", 600.0)


def test_a_square_that_only_touches_shares_no_ground() -> None:
    squares = np.array([shapely.box(west, 0, west + 10, 10) for west in (0, 10, 20)])
    area = np.array([shapely.box(0, 0, 10, 10)])
    assert find_chips_near(squares, area, 0.0).tolist() == [True, False, False]
    assert find_chips_near(squares, area, 10.0).tolist() == [True, True, False]
    assert find_chips_near(squares, area, 10.1).tolist() == [True, True, True]


@given(seed=SEEDS, buffer_m=st.floats(1.0, 400.0))
@settings(max_examples=12)
def test_near_pairs_equal_the_distance_matrix(seed: int, buffer_m: float) -> None:
    polygons = draw_place(seed).areas.geometry.to_numpy()
    distance = shapely.distance(polygons[:, None], polygons[None, :])
    assert find_near_pairs(polygons, buffer_m).tolist() == np.argwhere(distance < buffer_m).tolist()


def test_the_final_fold_of_pictures_without_areas_holds_a_fifth_of_the_chips() -> None:
    chips = pd.DataFrame({"chip_id": [str(k) for k in range(40)], "is_used": True, "crime": 0.5})
    areas = pd.DataFrame({"area_id": [], "is_used": [], "crime": []})
    membership = pd.DataFrame({"chip_id": [], "area_id": [], "weight": []})
    samples = Samples(chips, areas, membership, ("crime",), "pictures", 100, 1.0, Path())
    fold = final_fold(samples, np.random.default_rng(0))
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (32, 8, 0)
