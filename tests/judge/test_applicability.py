import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.judge import applicability
from basrelief.judge.applicability import Applicability, mark_unknown, measure_applicability

Floats = NDArray[np.float64]


def place(
    n: int = 200, p: int = 6, seed: int = 0
) -> tuple[Floats, Floats, Floats, NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    train, test = rng.normal(size=(n, p)) * 5 + 3, rng.normal(size=(40, p)) * 5 + 3
    return train, test, rng.uniform(0.1, 1, p), np.array([f"b{k // 10}" for k in range(n)])


def measure(
    train: Floats, test: Floats, weights: Floats, groups: NDArray[np.str_]
) -> Applicability:
    return measure_applicability(train, test, weights, groups, np.random.default_rng(0))


def brute_force(
    train: Floats, test: Floats, weights: Floats, groups: NDArray[np.str_]
) -> tuple[Floats, float]:
    """The index as the paper says it, from whole matrices of distances."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    a, b = (train - mean) / spread * weights, (test - mean) / spread * weights
    between = cdist(a, a)
    unit = between[np.triu_indices(len(a), 1)].mean()
    own = np.where(groups[:, None] == groups, np.inf, between).min(axis=1) / unit
    low, high = np.percentile(own, (25, 75))
    return cdist(b, a).min(axis=1) / unit, own[own <= high + 1.5 * (high - low)].max()


@pytest.mark.parametrize("seed", range(5))
def test_the_index_and_its_threshold_equal_brute_force(seed: int) -> None:
    known = brute_force(*place(seed=seed))
    found = measure(*place(seed=seed))
    assert found.di == pytest.approx(known[0])
    assert found.threshold == pytest.approx(known[1])
    assert (found.is_inside == (found.di <= found.threshold)).all()


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(*place())
    monkeypatch.setattr(applicability, "BLOCK_ROWS", 7)
    pieces = measure(*place())
    assert pieces.di == pytest.approx(whole.di)
    assert pieces.threshold == pytest.approx(whole.threshold)


def test_areas_like_the_training_areas_are_inside_and_one_far_outside_is_marked() -> None:
    train, test, weights, groups = place()
    test[0] = train.max(axis=0) * 10
    found = measure(train, test, weights, groups)
    assert not found.is_inside[0]
    assert found.is_inside[1:].mean() > 0.9


def test_a_training_area_itself_has_index_nought() -> None:
    train, _, weights, groups = place()
    assert measure(train, train[:5], weights, groups).di == pytest.approx(0, abs=1e-12)


def test_features_that_the_model_does_not_rest_on_do_not_count() -> None:
    train, test, weights, groups = place()
    weights[2] = 0.0
    known = measure(train, test, weights, groups)
    test[:, 2] = 1e6
    assert measure(train, test, weights, groups).di == pytest.approx(known.di)


def test_a_model_that_rests_on_nothing_counts_every_feature_alike() -> None:
    train, test, weights, groups = place()
    flat, nothing = (measure(train, test, each, groups) for each in (weights * 0 + 1, weights * 0))
    assert nothing.di == pytest.approx(flat.di)


def test_an_unknown_feature_counts_as_the_training_mean() -> None:
    train, test, weights, groups = place()
    known = test.copy()
    test[3, 1], known[3, 1] = np.nan, train[:, 1].mean()
    assert measure(train, test, weights, groups).di == pytest.approx(
        measure(train, known, weights, groups).di
    )


def test_a_single_group_has_no_threshold_and_leaves_every_area_inside() -> None:
    train, test, weights, _ = place()
    found = measure(train, test, weights, np.full(len(train), "all"))
    assert found.threshold == np.inf
    assert found.is_inside.all()


def test_training_areas_that_are_all_the_same_have_an_index_still() -> None:
    _, test, weights, groups = place()
    found = measure(np.ones((len(groups), 6)), test, weights, groups)
    assert np.isfinite(found.di).all()
    assert not found.is_inside.any()


def test_many_training_areas_are_sampled_for_the_threshold_but_not_for_the_index() -> None:
    train, test, weights, groups = place(n=4000)
    known_di, known_threshold = brute_force(train, test, weights, groups)
    found = measure(train, test, weights, groups)
    ratio = found.di / known_di
    assert np.ptp(ratio) < 1e-9
    assert ratio[0] == pytest.approx(1, abs=0.02)
    assert found.threshold == pytest.approx(known_threshold, rel=0.1)


def test_a_frame_without_applicability_is_marked_unknown() -> None:
    assert mark_unknown(pd.DataFrame({"id": ["a", "b"]}))["is_inside"].isna().all()
    known = mark_unknown(pd.DataFrame({"is_inside": [True, None]}))
    assert known["is_inside"].dtype == "boolean"
