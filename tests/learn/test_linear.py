from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from basrelief.learn.linear import (
    REACH,
    STRENGTHS,
    LinearModel,
    fit_ridge,
    measure_spread,
    predict_linear,
)

Floats = NDArray[np.float64]


def make_model() -> LinearModel:
    rng = np.random.default_rng(0)
    return LinearModel(
        mean=rng.normal(size=4),
        scale=rng.uniform(1, 2, 4),
        coef=rng.normal(size=(4, 2)),
        intercept=np.array([0.5, np.nan]),
        weight=np.array([[0.7, 0.0]]),
        is_fallback=np.array([False, True]),
    )


def test_an_area_at_the_mean_of_every_feature_gets_the_intercept() -> None:
    model = make_model()
    rows = np.stack([model.mean, np.full(4, np.nan)])
    np.testing.assert_allclose(predict_linear(model, rows)[:, 0], [0.5, 0.5])


def test_a_feature_counts_no_further_than_its_reach() -> None:
    model = make_model()
    near, far = model.mean.copy(), model.mean.copy()
    near[1] += REACH * model.scale[1]
    far[1] += 50 * model.scale[1]
    predicted = predict_linear(model, np.stack([near, far]))[:, 0]
    assert predicted[0] == predicted[1]
    assert predicted[0] == 0.5 + REACH * model.coef[1, 0]


def test_a_target_without_a_label_is_predicted_as_unknown() -> None:
    assert np.isnan(predict_linear(make_model(), np.zeros((3, 4)))[:, 1]).all()


def test_spread_is_numpys_over_known_values() -> None:
    X = np.random.default_rng(1).normal(3, 2, (50, 3))
    X[::4, 1] = np.nan
    mean, scale = measure_spread(X)
    np.testing.assert_allclose(mean, np.nanmean(X, axis=0))
    np.testing.assert_allclose(scale, np.nanstd(X, axis=0))


def test_features_that_vary_by_rounding_alone_are_not_blown_up() -> None:
    X = np.stack([np.full(9, 0.1) + 1e-17 * np.arange(9), np.full(9, np.nan)], axis=1)
    np.testing.assert_array_equal(measure_spread(X)[1], [1.0, 1.0])


def draw_linear(seed: int, n: int = 80, n_features: int = 6) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, n_features))
    Z -= Z.mean(axis=0)
    return Z, Z @ rng.normal(0, 1, (n_features, 2)) + rng.normal(0, 1, (n, 2))


def penalties(Z: Floats) -> Floats:
    return STRENGTHS * float((Z**2).sum()) / len(Z)


def error_of(alpha: float, Z: Floats, y: Floats, folds: NDArray[np.int64]) -> float:
    error = 0.0
    for fold in np.unique(folds):
        held = folds == fold
        error += float(
            ((Ridge(alpha).fit(Z[~held], y[~held]).predict(Z[held]) - y[held]) ** 2).sum()
        )
    return error


def test_the_fit_equals_scikit_learn_at_the_strength_of_least_held_out_error() -> None:
    Z, Y = draw_linear(0)
    folds = np.arange(80) % 5
    coef = fit_ridge(Z, Y, folds)
    for k in range(2):
        best = min(penalties(Z), key=lambda alpha: error_of(alpha, Z, Y[:, k], folds))
        np.testing.assert_allclose(coef[:, k], Ridge(best).fit(Z, Y[:, k]).coef_, rtol=1e-8)


def test_more_features_than_areas_give_the_same_as_scikit_learn() -> None:
    Z, Y = draw_linear(1, n=30, n_features=90)
    folds = np.arange(30) % 3
    coef = fit_ridge(Z, Y[:, :1], folds)[:, 0]
    fits = [Ridge(alpha).fit(Z, Y[:, 0]).coef_ for alpha in penalties(Z)]
    assert min(float(np.abs(coef - each).max()) for each in fits) < 1e-6


def test_an_unknown_label_leaves_its_row_out_for_that_target_only() -> None:
    Z, Y = draw_linear(2)
    folds = np.arange(80) % 5
    whole = fit_ridge(Z, Y, folds)
    Y[::4, 1] = np.nan
    coef = fit_ridge(Z, Y, folds)
    np.testing.assert_allclose(coef[:, 0], whole[:, 0])
    assert np.isfinite(coef[:, 1]).all()
    assert np.abs(coef[:, 1] - whole[:, 1]).max() > 1e-6
