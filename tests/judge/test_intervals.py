import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from crepes import ConformalRegressor
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from basrelief.judge.intervals import (
    ALL,
    LEVELS,
    MIN_AREAS,
    OTHERS,
    add_intervals,
    group_rows,
    measure_coverage,
    wilson_interval,
)

SIDE = 64
"""The made-up place is a square of this many areas each way, in eight districts."""


def big_town(seed: int, n_repeats: int = 2) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    """Predictions for 4,096 areas, whole blocks held out, with noise that is the district's own."""
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(SIDE**2), SIDE)
    district = (row // 32) * 4 + col // 16
    X = np.column_stack([np.ones(SIDE**2), rng.normal(size=(SIDE**2, 4))])
    noise = (0.2 + 0.3 * district) * rng.normal(size=SIDE**2)
    y = X @ np.array([1.0, 0.8, -0.5, 0.3, 0.0]) + noise
    block = (row // 4) * SIDE + col // 4
    frames = []
    for repeat in range(n_repeats):
        fold = rng.integers(0, 10, block.max() + 1)[block]
        for k in range(10):
            test, train = fold == k, fold != k
            coef = np.linalg.lstsq(X[train], y[train], rcond=None)[0]
            ids = np.flatnonzero(test)
            frames.append(table(ids, y[test], X[test] @ coef, y[train].mean(), repeat, k))
    names = [f"E{k}" for k in range(SIDE**2)]
    return pd.concat(frames, ignore_index=True), pd.Series([f"D{k}" for k in district], index=names)


def table(
    ids: NDArray[np.int64],
    y_true: NDArray[np.float64],
    y_pred: NDArray[np.float64],
    y_mean: float,
    repeat: int = 0,
    fold: int = 0,
) -> pd.DataFrame:
    names = {"recipe": "ridge", "target": "crime", "scheme": "block", "unit": "area"}
    values = {"id": [f"E{k}" for k in ids], "y_true": y_true, "y_pred": y_pred, "y_mean": y_mean}
    return pd.DataFrame({**values, **names, "repeat": repeat, "fold": fold})


def small_frame(n: int, n_folds: int = 5, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = table(np.arange(n), rng.normal(size=n), rng.normal(size=n), 0.0)
    return frame.assign(fold=np.arange(n) % n_folds)


def named(districts: list[str]) -> "pd.Series[str]":
    return pd.Series(districts, index=[f"E{k}" for k in range(len(districts))])


def test_coverage_on_a_large_town_is_kept_overall_and_in_every_district() -> None:
    frame, districts = big_town(seed=1)
    records = measure_coverage(add_intervals(frame, districts), districts)
    assert {record["group"] for record in records} == {ALL, *districts.unique()}
    assert all(abs(record["covered"] - record["level"] / 100) < 0.05 for record in records)
    assert {record["level"] for record in records} == set(LEVELS)


def test_intervals_hold_new_truths_that_calibrated_nothing() -> None:
    frame, districts = big_town(seed=2, n_repeats=1)
    done = add_intervals(frame, districts)
    rng = np.random.default_rng(3)
    of = done["id"].map(districts)
    spread = 0.2 + 0.3 * of.str[1:].astype(float)
    # What the model gets wrong by itself is tiny here: 3,700 areas, five coefficients.
    fresh = done["y_pred"] + spread * rng.normal(size=len(done))
    for level in LEVELS:
        held = fresh.between(done[f"lower_{level}"], done[f"upper_{level}"])
        assert held.mean() == pytest.approx(level / 100, abs=0.02)
        assert (held.groupby(of).mean() - level / 100).abs().max() < 0.08


def test_one_width_for_all_would_miss_the_quiet_and_the_loud_district() -> None:
    frame, districts = big_town(seed=1, n_repeats=1)
    done = add_intervals(frame, None).assign(of=lambda table: table["id"].map(districts))
    held = done["y_true"].between(done["lower_80"], done["upper_80"]).groupby(done["of"]).mean()
    assert held["D0"] > 0.95
    assert held["D7"] < 0.65


def test_noise_that_grows_with_the_prediction_is_met_by_bands() -> None:
    rng = np.random.default_rng(0)
    y_pred = rng.uniform(0, 4, 2000)
    frame = table(np.arange(2000), y_pred * (1 + 0.3 * rng.normal(size=2000)), y_pred, 2.0)
    frame = frame.assign(fold=np.arange(2000) % 10)
    records = measure_coverage(add_intervals(frame, None), None)
    assert {record["group"] for record in records} - {ALL} == {
        f"predicted_{k}_of_5" for k in range(1, 6)
    }
    assert all(abs(record["covered"] - record["level"] / 100) < 0.05 for record in records)
    assert all(record["low"] <= record["covered"] <= record["high"] for record in records)


def test_bounds_equal_crepes_used_directly() -> None:
    frame, districts = big_town(seed=4, n_repeats=1)
    done = add_intervals(frame, districts)
    bins = frame["id"].map(districts).to_numpy(dtype=str)
    test = (frame["fold"] == 3).to_numpy()
    residual = (frame["y_true"] - frame["y_pred"]).to_numpy()
    model = ConformalRegressor().fit(residual[~test], bins=bins[~test])
    direct = model.predict_int(frame["y_pred"].to_numpy()[test], bins=bins[test], confidence=0.95)
    assert done.loc[test, ["lower_95", "upper_95"]].to_numpy() == pytest.approx(direct)


def test_bounds_come_from_the_other_folds_only() -> None:
    frame = small_frame(100)
    loud = frame.assign(y_true=frame["y_true"].where(frame["fold"] != 2, 1e6))
    quiet, changed = add_intervals(frame, None), add_intervals(loud, None)
    same = frame["fold"] == 2
    columns = ["lower_50", "upper_95"]
    pd.testing.assert_frame_equal(quiet.loc[same, columns], changed.loc[same, columns])
    assert (changed.loc[~same, "upper_95"] > quiet.loc[~same, "upper_95"]).all()


def test_targets_and_repeats_are_calibrated_apart() -> None:
    frame = small_frame(100)
    doubled = frame.assign(y_true=10 * frame["y_true"], y_pred=10 * frame["y_pred"], target="imd")
    repeated = frame.assign(y_true=frame["y_true"] + 5, repeat=1)
    together = add_intervals(pd.concat([frame, doubled, repeated], ignore_index=True), None)
    alone = add_intervals(frame, None)["upper_80"].to_numpy()
    assert together["upper_80"].to_numpy()[:100] == pytest.approx(alone)
    assert together["upper_80"].to_numpy()[100:200] == pytest.approx(10 * alone)


@given(
    sizes=st.lists(st.integers(1, 120), min_size=1, max_size=8),
    n_folds=st.integers(2, 10),
    seed=st.integers(0, 1000),
)
def test_no_interval_is_infinite_and_groups_leave_forty(
    sizes: list[int], n_folds: int, seed: int
) -> None:
    n = sum(sizes)
    frame = small_frame(n, seed=seed)
    rng = np.random.default_rng(seed)
    frame = frame.assign(fold=rng.integers(0, n_folds, n))
    districts = named(list(np.repeat([f"D{k}" for k in range(len(sizes))], sizes)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = add_intervals(frame, districts)
    bounds = done[[f"{side}_{level}" for side in ("lower", "upper") for level in LEVELS]]
    assert not np.isinf(bounds.to_numpy()).any()
    groups = group_rows(frame, districts)
    for fold in set(frame["fold"]):
        left = groups[frame["fold"] != fold].value_counts()
        assert groups.nunique() == 1 or (left >= MIN_AREAS).all()
        assert groups.nunique() == 1 or set(left.index) == set(groups)


def test_small_districts_are_pooled_and_reported_together() -> None:
    districts = named(["A"] * 200 + ["B"] * 200 + ["C"] * 30 + ["D"] * 30)
    groups = group_rows(small_frame(460), districts)
    assert groups.value_counts().to_dict() == {"A": 200, "B": 200, OTHERS: 60}


def test_a_pool_that_is_too_small_takes_in_the_smallest_large_district() -> None:
    districts = named(["A"] * 200 + ["B"] * 100 + ["C"] * 90 + ["D"] * 10)
    groups = group_rows(small_frame(400), districts)
    assert groups.value_counts().to_dict() == {"A": 200, OTHERS: 100, "B": 100}


def test_whole_districts_held_out_are_calibrated_by_bands_of_the_prediction() -> None:
    districts = named([f"D{k // 80}" for k in range(400)])
    frame = small_frame(400).assign(fold=np.arange(400) // 80)
    assert all(group.startswith("predicted") for group in group_rows(frame, districts))


def test_a_recipe_that_fell_back_to_the_mean_has_one_group() -> None:
    frame = small_frame(400).assign(y_pred=0.1, y_mean=0.1)
    assert set(group_rows(frame, None)) == {ALL}
    assert add_intervals(frame, None)["upper_95"].notna().all()


def test_a_single_fold_is_calibrated_by_its_other_tenths() -> None:
    frame = small_frame(200, n_folds=1)
    done = add_intervals(frame, None)
    covered = done["y_true"].between(done["lower_80"], done["upper_80"]).mean()
    assert covered == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("n", "levels"), [(1, set()), (2, {50}), (10, {50, 80}), (40, {50, 80, 95})]
)
def test_levels_that_too_few_areas_cannot_give_are_left_open(n: int, levels: set[int]) -> None:
    done = add_intervals(small_frame(n, n_folds=2), None)
    assert {level for level in LEVELS if done[f"lower_{level}"].notna().all()} == levels
    assert {record["level"] for record in measure_coverage(done, None)} == levels


def test_a_repeat_without_bands_gives_no_second_overall_figure() -> None:
    cut, uncut = small_frame(400), small_frame(400).assign(y_pred=0.1, y_mean=0.1, repeat=1)
    frame = pd.concat([cut, uncut], ignore_index=True)
    groups = [record["group"] for record in measure_coverage(add_intervals(frame, None), None)]
    assert groups.count(ALL) == len(LEVELS)
    assert len(groups) > len(LEVELS)


def test_areas_are_counted_once_however_often_they_are_repeated() -> None:
    frame, districts = big_town(seed=5, n_repeats=2)
    (record, *_) = measure_coverage(add_intervals(frame, districts), districts)
    assert record["n"] == SIDE**2
    assert list(record) == [
        *("recipe", "target", "scheme", "level", "group", "n"),
        *("covered", "low", "high", "mean_width"),
    ]


@pytest.mark.parametrize(("k", "n"), [(0, 7), (40, 50), (99, 99), (17, 34)])
def test_the_interval_of_a_share_equals_scipy(k: int, n: int) -> None:
    known = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k / n, n) == pytest.approx((known.low, known.high))


def test_importing_crepes_leaves_the_warning_filters_as_they_were() -> None:
    code = (
        "import sys, warnings, basrelief.judge.intervals\n"
        "sys.exit(('always', None, UserWarning, None, 0) in warnings.filters)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("target", "shift", "is_cut"),
    [("income", 5.0, True), ("income", 0.0, False), ("crime", 5.0, False), ("mine", 5.0, False)],
)
def test_bounds_end_where_a_published_score_cannot_go_on(
    target: str, shift: float, is_cut: bool
) -> None:
    frame = small_frame(100).assign(target=target)
    frame["y_true"] += shift
    whole, done = (add_intervals(frame.assign(target=name), None) for name in ("crime", target))
    for side in ("lower_80", "upper_80"):
        expected = whole[side].clip(lower=0.0) if is_cut else whole[side]
        pd.testing.assert_series_equal(done[side], expected)
    assert (whole["lower_80"] < 0).any()
    one, other = (
        frame["y_true"].between(each["lower_80"], each["upper_80"]) for each in (whole, done)
    )
    pd.testing.assert_series_equal(one, other)
