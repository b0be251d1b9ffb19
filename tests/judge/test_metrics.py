import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

from basrelief.judge.metrics import kendall, mae, mse, r2, rmse, skill, spearman

PAIRWISE = [mse, rmse, mae, r2, spearman, kendall]


def draw_pair(seed: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y_true = rng.normal(0.2, 0.6, n).round(2)
    return y_true, (0.5 * y_true + rng.normal(0, 0.3, n)).round(1)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60))
def test_errors_equal_those_of_scikit_learn(seed: int, n: int) -> None:
    y_true, y_pred = draw_pair(seed, n)
    assert mse(y_true, y_pred) == pytest.approx(sk.mean_squared_error(y_true, y_pred))
    assert rmse(y_true, y_pred) == pytest.approx(sk.root_mean_squared_error(y_true, y_pred))
    assert mae(y_true, y_pred) == pytest.approx(sk.mean_absolute_error(y_true, y_pred))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60))
def test_r2_equals_that_of_scikit_learn_where_the_truth_varies(seed: int, n: int) -> None:
    y_true, y_pred = draw_pair(seed, n)
    if np.ptp(y_true) > 0:
        assert r2(y_true, y_pred) == pytest.approx(sk.r2_score(y_true, y_pred), abs=1e-9)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60))
def test_rank_correlations_equal_those_of_scipy(seed: int, n: int) -> None:
    y_true, y_pred = draw_pair(seed, n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rho = stats.spearmanr(y_true, y_pred).statistic
        tau = stats.kendalltau(y_true, y_pred).statistic
    assert spearman(y_true, y_pred) == pytest.approx(rho, nan_ok=True)
    assert kendall(y_true, y_pred) == pytest.approx(tau, nan_ok=True)


def test_skill_is_zero_for_the_mean_and_one_for_the_truth() -> None:
    y = np.array([0.1, 0.5, -0.3])
    mean = np.full(3, 0.4)
    assert skill(y, mean, mean) == 0
    assert skill(y, y, mean) == 1
    assert skill(y, 2 * mean, mean) < 0


def test_skill_and_r2_differ_where_the_training_mean_is_not_the_test_mean() -> None:
    y, y_pred = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.5])
    assert skill(y, y_pred, np.full(3, y.mean())) == r2(y, y_pred)
    assert skill(y, y_pred, np.zeros(3)) > r2(y, y_pred)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_what_does_not_vary_has_no_r2_and_no_rank(value: float) -> None:
    y = np.full(7, value)
    guess = np.linspace(0, 1, 7)
    assert np.isnan(r2(y, guess))
    assert np.isnan(spearman(y, guess))
    assert np.isnan(kendall(y, guess))


@pytest.mark.parametrize("metric", PAIRWISE)
def test_metrics_refuse_a_column_beside_a_row(metric: Callable[..., Any]) -> None:
    y = np.arange(4.0)
    with pytest.raises(ValueError, match=r"got \(4, 1\) and \(4,\)"):
        metric(y[:, None], y)
    with pytest.raises(ValueError, match=r"got \(4,\) and \(4, 1\)"):
        metric(y, y[:, None])


@pytest.mark.parametrize("metric", PAIRWISE)
def test_metrics_refuse_nothing_and_unequal_lengths(metric: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="got none"):
        metric(np.array([]), np.array([]))
    with pytest.raises(ValueError, match=r"got \(3,\) and \(1,\)"):
        metric(np.zeros(3), np.zeros(1))


def test_skill_refuses_a_mean_that_would_broadcast() -> None:
    y = np.arange(3.0)
    with pytest.raises(ValueError, match=r"got \(3,\) and \(1,\)"):
        skill(y, y, np.array([1.0]))
