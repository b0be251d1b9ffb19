from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, WhiteKernel

from basrelief.learn import trend
from basrelief.learn.process import Process, choose_scales, correlate, fit_process
from basrelief.learn.trend import fit_trend

Floats = NDArray[np.float64]
NOISE = 0.3


def make_areas(n: int = 60, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Features, two targets that follow them in part, and distances."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 8))
    Z -= Z.mean(axis=0)
    Y = Z @ rng.normal(size=(8, 2)) + rng.normal(size=(n, 2)) + 5.0
    xy = rng.uniform(0, 4000, (n, 2))
    return Z, Y, cdist(xy, xy)


def take_one(monkeypatch: pytest.MonkeyPatch, candidate: int) -> None:
    """Leave the fit one candidate and one share of noise."""

    def fit(correlations: Floats, Y: Floats, odds: Floats) -> Process:
        only = np.full(len(odds), 1e-300)
        only[candidate] = 1.0
        return fit_process(correlations, Y, only, np.array([NOISE]))

    monkeypatch.setattr(trend, "N_SCALES", 1)
    monkeypatch.setattr(trend, "SHARES", (0.5,))
    monkeypatch.setattr(trend, "fit_process", fit)


def test_a_trend_alone_equals_scikit_learns_process(monkeypatch: pytest.MonkeyPatch) -> None:
    Z, Y, distance = make_areas()
    take_one(monkeypatch, 2)
    size = float((Z**2).sum()) / len(Z)
    kernel = ConstantKernel((1 - NOISE) / size) * DotProduct(0.0, "fixed") + WhiteKernel(NOISE)
    reference = GaussianProcessRegressor(kernel, optimizer=None).fit(Z, Y - Y.mean(axis=0))
    new = np.random.default_rng(1).normal(size=(5, 8))
    np.testing.assert_allclose(new @ fit_trend(Z, Y, distance), reference.predict(new), rtol=1e-8)


@pytest.mark.parametrize(("candidate", "share"), [(0, 0.0), (1, 0.5), (2, 1.0)])
def test_beside_a_residual_the_trend_is_its_part_of_the_process(
    monkeypatch: pytest.MonkeyPatch, candidate: int, share: float
) -> None:
    Z, Y, distance = make_areas()
    take_one(monkeypatch, candidate)
    product = Z @ Z.T / (float((Z**2).sum()) / len(Z))
    residual = correlate(distance, choose_scales(distance, 1)[0])
    common = (1 - share) * residual + share * product
    covariance = (1 - NOISE) * common + NOISE * np.eye(len(Z))
    solved = np.linalg.solve(covariance, Y - Y.mean(axis=0))
    expected = (1 - NOISE) * share * product @ solved
    np.testing.assert_allclose(Z @ fit_trend(Z, Y, distance), expected, atol=1e-8)


def test_what_neighbours_explain_is_not_taken_for_a_trend() -> None:
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 4000, (150, 2))
    distance = cdist(xy, xy)
    root = np.linalg.cholesky(correlate(distance, 1500.0) + 1e-8 * np.eye(150))
    Z, smooth = root @ rng.normal(size=(150, 6)), root @ rng.normal(size=(150, 1))
    Z -= Z.mean(axis=0)
    driven = Z @ rng.normal(size=(6, 1)) / np.sqrt(6)
    coef = fit_trend(Z, np.hstack([smooth, driven + 0.3 * smooth]), distance)
    share = (Z @ coef).std(axis=0) / np.array([smooth.std(), driven.std()])
    plain = (Z @ np.linalg.lstsq(Z, smooth - smooth.mean(), rcond=None)[0]).std() / smooth.std()
    assert share[0] < 0.5 * plain
    assert share[1] > 0.8


def test_an_unknown_label_and_features_that_do_not_vary_are_taken_as_they_are() -> None:
    Z, Y, distance = make_areas()
    Y[:20, 1] = np.nan
    both = fit_trend(Z, Y, distance)
    alone = fit_trend(Z, Y[:, :1], distance)
    np.testing.assert_allclose(both[:, :1], alone, rtol=1e-6)
    assert np.isfinite(both).all()
    assert (fit_trend(np.zeros_like(Z), Y, distance) == 0).all()
