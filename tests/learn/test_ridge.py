import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from basrelief.learn.ridge import STRENGTHS, fit_ridge

Floats = NDArray[np.float64]


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
