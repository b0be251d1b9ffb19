"""The read-out of counts: against scikit-learn's, and on made-up cases among known people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

from basrelief.judge.counts import compare_readouts
from basrelief.judge.resampling import Draws
from basrelief.learn.counts import fit_counts, fit_poisson, measure_deviance


def draw(rng: np.random.Generator, n: int, n_features: int) -> tuple[np.ndarray, ...]:
    """Features, people in thousands, and rates of cases that hang on the first feature."""
    X, people = rng.standard_normal((n, n_features)), rng.uniform(0.2, 3.0, n)
    cases = rng.poisson(people * np.exp(1.0 + 0.7 * X[:, 0]))
    return X, people, cases / people


@pytest.mark.parametrize("n_features", [3, 80])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_the_fit_is_scikit_learns(n_features: int, alpha: float) -> None:
    X, people, rates = draw(np.random.default_rng(0), 60, n_features)
    theirs = PoissonRegressor(alpha=alpha, tol=1e-10, max_iter=10_000)
    theirs.fit(X, rates, sample_weight=people)
    intercept, coef = fit_poisson(X, rates, people, alpha * people.sum())
    assert intercept == pytest.approx(theirs.intercept_, abs=1e-4)
    assert coef == pytest.approx(theirs.coef_, abs=1e-4)


def test_without_features_the_rate_is_cases_over_people() -> None:
    _, people, rates = draw(np.random.default_rng(1), 40, 1)
    intercept, _ = fit_poisson(np.zeros((40, 1)), rates, people, 1.0)
    assert np.exp(intercept) == pytest.approx((rates * people).sum() / people.sum())


def test_the_deviance_is_scikit_learns() -> None:
    X, people, rates = draw(np.random.default_rng(2), 50, 2)
    predicted = np.exp(1.0 + 0.5 * X[:, 0])
    mean = mean_poisson_deviance(rates, predicted, sample_weight=people)
    found = measure_deviance(rates, predicted, people)
    assert found.sum() == pytest.approx(mean * people.sum())
    assert (found >= 0).all()


def test_planted_rates_are_found_again_and_none_where_nothing_is_planted() -> None:
    rng = np.random.default_rng(3)
    X, people, rates = draw(rng, 400, 5)
    blocks = np.repeat(np.arange(40), 10).astype(str)
    model = fit_counts(X, rates, people, blocks, rng)
    assert np.exp(model.intercept) == pytest.approx(np.e, rel=0.1)
    assert model.coef[0] == pytest.approx(0.7, abs=0.1)
    assert np.abs(model.coef[1:]).max() < 0.1
    shuffled = fit_counts(X, rng.permutation(rates), people, blocks, rng)
    assert np.abs(shuffled.coef).max() < 0.15


def test_no_case_at_all_is_a_rate_like_others() -> None:
    X, people, rates = draw(np.random.default_rng(4), 60, 2)
    rates[:30] = 0.0
    model = fit_counts(X, rates, people, np.arange(60).astype(str), np.random.default_rng(0))
    assert np.isfinite(model.predict(X)).all()


def rows(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Two repeats of 200 areas; what is read out as counts is the truth, as rates is noise."""
    people = rng.uniform(0.2, 3.0, 200)
    true = np.exp(1.0 + 0.7 * rng.standard_normal(200))
    rates = rng.poisson(people * true) / people
    frame = pd.DataFrame(
        {"id": [f"a{k}" for k in range(200)], "y_true": rates, "exposure": people}
    ).assign(
        y_counts=true,
        y_pred=true * np.exp(0.5 * rng.standard_normal(200)),
        y_rate=(rates * people).sum() / people.sum(),
        y_mean=rates.mean(),
    )
    return pd.concat([frame.assign(repeat=k) for k in range(2)], ignore_index=True), people


def test_what_knows_the_rates_takes_more_deviance_off_and_the_range_says_so() -> None:
    table, people = rows(np.random.default_rng(5))
    groups = pd.Series(np.arange(200) // 5, index=[f"a{k}" for k in range(200)])
    found = compare_readouts(table, groups, Draws(np.random.default_rng(0)))
    one = table[table["repeat"] == 0]
    own, rate = (
        mean_poisson_deviance(one["y_true"], one[name], sample_weight=people)
        for name in ("y_counts", "y_rate")
    )
    assert found["n"] == 200
    assert found["deviance_skill"] == pytest.approx(1 - own / rate, abs=0.01)
    assert found["gain"] > 0
    assert 0 < found["gain_low"] < found["gain"] < found["gain_high"]
    assert found["skill"] > found["skill_gaussian"]


def test_a_rate_below_none_counts_as_half_a_case() -> None:
    table, _ = rows(np.random.default_rng(6))
    groups = pd.Series(np.arange(200) // 5, index=[f"a{k}" for k in range(200)])
    table["y_pred"] -= 2.0
    found = compare_readouts(table, groups, Draws(np.random.default_rng(0)))
    assert 0 < found["share_below"] < 1
    assert np.isfinite(found["deviance_skill_gaussian"])
