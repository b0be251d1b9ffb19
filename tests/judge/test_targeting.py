from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from basrelief.chips.store import Samples
from basrelief.judge.targeting import measure_targeting, pick_worst, rank_areas

FIELDS = ["recipe", "target", "scheme", "share", "n", "n_picked", "hits", "hit_rate", "chance"]


@dataclass
class OnlyAreas:
    areas: pd.DataFrame


def predict(
    y_true: NDArray[np.float64], y_pred: NDArray[np.float64], repeat: int = 0
) -> pd.DataFrame:
    names = {"recipe": "ridge", "target": "crime", "scheme": "block", "unit": "area"}
    ids = [f"E{k}" for k in range(len(y_true))]
    bounds = {"lower_80": y_pred - 1, "upper_80": y_pred + 1}
    return pd.DataFrame(
        {
            "id": ids,
            "y_true": y_true,
            "y_pred": y_pred,
            **bounds,
            **names,
            "repeat": repeat,
            "y_mean": 0.0,
        }
    )


def measure(frame: pd.DataFrame, beside: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    return measure_targeting(frame, beside, np.random.default_rng(0))


def test_a_perfect_ranking_hits_every_time_and_its_reverse_never() -> None:
    y = np.arange(100.0)
    for frame, rate in ((predict(y, y), 1.0), (predict(y, -y), 0.0)):
        fifth, tenth = measure(frame)
        assert (fifth["hit_rate"], tenth["hit_rate"]) == (rate, rate)
        assert (fifth["n_picked"], tenth["n_picked"]) == (20, 10)
        assert (fifth["chance"], tenth["chance"]) == (0.2, 0.1)


def test_a_prediction_that_does_not_vary_hits_as_a_blind_pick_does() -> None:
    for record in measure(predict(np.arange(50.0), np.zeros(50))):
        assert record["hit_rate"] == pytest.approx(record["chance"])


def test_the_mean_of_the_training_fold_decides_no_rank() -> None:
    frame = predict(np.arange(100.0), np.zeros(100))
    fold_mean = -np.arange(100.0) // 10
    for record in measure(frame.assign(y_pred=fold_mean, y_mean=fold_mean)):
        assert record["hit_rate"] == pytest.approx(record["chance"])


def test_hits_equal_counting_them() -> None:
    rng = np.random.default_rng(1)
    y, guess = rng.normal(size=(2, 93))
    fifth, _ = measure(predict(y, guess))
    both = set(np.argsort(-y)[:19]) & set(np.argsort(-guess)[:19])
    assert fifth["hits"] == pytest.approx(len(both))
    assert fifth["hit_rate"] == pytest.approx(len(both) / 19)
    assert list(fifth) == [*FIELDS, "low", "high", "versus", "versus_hit_rate"]


def test_repeats_are_ranked_apart_and_averaged() -> None:
    y = np.arange(100.0)
    frame = pd.concat([predict(y, y), predict(y, -y, repeat=1)])
    assert measure(frame)[0]["hit_rate"] == 0.5


def test_the_yardstick_is_ranked_over_the_same_areas_of_the_same_repeats() -> None:
    y = np.arange(100.0)
    place = pd.concat([predict(y, y), predict(y, -y, repeat=1)]).assign(recipe="place-alone")
    some = predict(y, -y).iloc[:50]
    fifth, _ = measure(some, place)
    assert (fifth["hit_rate"], fifth["versus"], fifth["versus_hit_rate"]) == (0, "place-alone", 1)


def test_beside_the_mean_chance_says_it_all() -> None:
    fifth, _ = measure(predict(np.arange(100.0), np.arange(100.0)))
    assert (fifth["versus"], fifth["versus_hit_rate"]) == ("mean", None)


def test_the_interval_resamples_whole_blocks() -> None:
    rng = np.random.default_rng(2)
    block, error = np.repeat(rng.normal(size=(2, 20)), 20, axis=1)
    # Whole blocks are hit or missed together, so areas one by one would feign precision.
    frame = predict(block + 0.01 * rng.normal(size=400), block + 0.7 * error)
    groups = pd.Series([f"b{k // 20}" for k in range(400)], index=frame["id"])
    alone, together = (
        measure_targeting(frame, None, np.random.default_rng(0), groups=by)[0]
        for by in (None, groups)
    )
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])
    assert together["low"] <= together["hit_rate"] <= together["high"]


def test_no_hit_at_all_does_not_prove_that_there_never_is_one() -> None:
    fifth, _ = measure(predict(np.arange(100.0), -np.arange(100.0)))
    assert fifth["low"] == 0
    assert fifth["high"] == pytest.approx(binomtest(0, 20).proportion_ci(method="wilson").high)


def test_few_groups_have_no_interval() -> None:
    fifth, _ = measure(predict(np.arange(9.0), np.arange(9.0)))
    assert (fifth["low"], fifth["high"]) == (None, None)


@given(
    values=st.lists(st.integers(0, 5), min_size=1, max_size=40), share=st.sampled_from([0.1, 0.2])
)
def test_picking_takes_the_share_wherever_ties_fall(values: list[int], share: float) -> None:
    array = np.array(values, dtype=np.float64)
    weights = pick_worst(array, share)
    assert weights.sum() == pytest.approx(max(1, np.floor(share * len(array) + 0.5)))
    assert (np.diff(weights[np.argsort(array)]) >= 0).all()


def test_the_list_is_ranked_by_the_mean_over_repeats_and_marks_areas_outside() -> None:
    one = predict(np.array([1.0, 2.0, 3.0]), np.array([5.0, 1.0, 2.0]))
    two = predict(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 5.0]), repeat=1)
    inside = pd.Series([True, False, None], dtype="boolean")
    frame = pd.concat([one.assign(is_inside=True), two.assign(is_inside=inside)])
    areas = pd.DataFrame({"area_id": ["E0", "E1", "E2"], "area_name": list("abc"), "lad": "D"})
    ranked = rank_areas(frame, cast(Samples, OnlyAreas(areas)))
    assert list(ranked) == [
        *("recipe", "target", "rank", "area_id", "area_name", "lad"),
        *("lift", "y_pred", "lower_80", "upper_80", "y_true", "is_inside"),
    ]
    assert ranked["area_id"].tolist() == ["E2", "E0", "E1"]
    assert ranked["y_pred"].tolist() == [3.5, 3.0, 1.0]
    assert ranked["lower_80"].tolist() == [2.5, 2.0, 0.0]
    assert ranked["is_inside"].tolist() == [True, True, False]


def test_the_list_without_applicability_says_unknown() -> None:
    areas = pd.DataFrame({"area_id": ["E0"], "area_name": ["a"], "lad": [None]})
    ranked = rank_areas(predict(np.ones(2), np.ones(2)), cast(Samples, OnlyAreas(areas)))
    assert ranked["is_inside"].isna().all()
    assert ranked["rank"].tolist() == [1, 1]
