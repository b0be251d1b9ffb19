from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from basrelief.learn import gaussian_process
from basrelief.learn.gaussian_process import GaussianProcess, fit_gaussian_process, has_many
from basrelief.learn.linear import average_known
from basrelief.learn.place import choose_scales, correlate, correlate_all

Floats = NDArray[np.float64]


def predict(process: GaussianProcess, Y: Floats, components: Floats) -> Floats:
    """Predict targets, (item, target), from the labels that were fitted."""
    added: Floats = (components @ process.weights).sum(axis=0)
    return average_known(Y) + added


def smooth_field(n: int, noise: float, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 5000, (n, 2))
    covariance = correlate(cdist(xy, xy), 1500.0)
    field = rng.multivariate_normal(np.zeros(n), covariance)
    return xy, field + rng.normal(0, noise, n)


def test_predictions_equal_scikit_learns_at_one_scale_and_noise() -> None:
    xy, y = smooth_field(80, 0.3)
    train, test = xy[:60], xy[60:]
    scales = np.array([900.0])
    apart = correlate_all(cdist(train, train), scales)
    process = fit_gaussian_process(apart, y[:60, None], noises=np.array([0.2]))
    kernel = ConstantKernel(0.8) * Matern(900.0, nu=1.5) + WhiteKernel(0.2)
    reference = GaussianProcessRegressor(kernel, optimizer=None)
    expected = reference.fit(train, y[:60] - y[:60].mean()).predict(test) + y[:60].mean()
    found = predict(process, y[:60, None], correlate_all(cdist(test, train), scales))
    assert found[:, 0] == pytest.approx(expected, abs=1e-8)


def test_averaging_is_by_the_marginal_likelihood() -> None:
    xy, y = smooth_field(40, 0.4, seed=1)
    distance, scales, noises = cdist(xy, xy), np.array([500.0, 2000.0]), np.array([0.1, 0.4])
    single, likelihoods = [], []
    for scale in scales:
        for noise in noises:
            apart = correlate_all(distance, np.array([scale]))
            alone = fit_gaussian_process(apart, y[:, None], noises=np.array([noise]))
            single.append(predict(alone, y[:, None], apart)[:, 0])
            covariance = (1 - noise) * correlate(distance, scale) + noise * np.eye(40)
            residual = y - y.mean()
            variance = residual @ np.linalg.solve(covariance, residual) / 40
            normal = multivariate_normal(np.zeros(40), variance * covariance)
            likelihoods.append(normal.logpdf(residual))
    posterior = np.exp(np.array(likelihoods) - max(likelihoods))
    expected = np.average(single, axis=0, weights=posterior)
    both = fit_gaussian_process(correlate_all(distance, scales), y[:, None], noises=noises)
    found = predict(both, y[:, None], correlate_all(distance, scales))
    assert found[:, 0] == pytest.approx(expected, abs=1e-8)


def test_a_smooth_field_is_found_and_noise_is_not() -> None:
    xy, y = smooth_field(200, 0.2, seed=2)
    noise = np.random.default_rng(3).normal(size=200)
    Y = np.stack([y, noise], axis=1)
    distance = cdist(xy, xy)
    correlations = correlate_all(distance, choose_scales(distance[:150, :150]))
    process = fit_gaussian_process(correlations[:, :150, :150], Y[:150])
    error = Y[150:] - predict(process, Y[:150], correlations[:, 150:, :150])
    skill = 1 - (error**2).sum(axis=0) / ((Y[150:] - Y[:150].mean(axis=0)) ** 2).sum(axis=0)
    assert skill[0] > 0.6
    assert abs(skill[1]) < 0.1


def test_missing_labels_and_targets_that_do_not_vary_are_taken_as_they_are() -> None:
    xy, y = smooth_field(60, 0.1, seed=4)
    Y = np.stack([y, np.full(60, 3.0), np.full(60, np.nan)], axis=1)
    Y[:20, 0] = np.nan
    distance = cdist(xy, xy)
    correlations = correlate_all(distance, choose_scales(distance))
    process = fit_gaussian_process(correlations, Y)
    alone = fit_gaussian_process(correlations[:, 20:, 20:], Y[20:, :1])
    predicted = predict(process, Y, correlations)
    assert predicted[:, :1] == pytest.approx(predict(alone, Y[20:, :1], correlations[:, :, 20:]))
    assert predicted[:, 1] == pytest.approx(3.0)
    assert np.isnan(predicted[:, 2]).all()


def test_a_mix_of_components_is_the_process_of_their_sum() -> None:
    xy, y = smooth_field(40, 0.3, seed=5)
    components = correlate_all(cdist(xy, xy), np.array([400.0, 3000.0]))
    mix = np.array([0.3, 0.7])
    mixed = fit_gaussian_process(components, y[:, None], mix[None])
    summed = fit_gaussian_process(np.tensordot(mix, components, 1)[None], y[:, None])
    for k, share in enumerate(mix):
        np.testing.assert_allclose(mixed.weights[k], share * summed.weights[0], atol=1e-9)
    np.testing.assert_allclose(mixed.posterior, summed.posterior, atol=1e-9)


def test_the_prior_weighs_candidates() -> None:
    xy, y = smooth_field(40, 0.3, seed=6)
    components = correlate_all(cdist(xy, xy), np.array([800.0, 1500.0]))
    even, odd = (
        fit_gaussian_process(components, y[:, None], prior=np.array(prior)).posterior.sum(axis=1)
        for prior in ([0.5, 0.5], [0.9, 0.1])
    )
    assert odd[0, 0] / odd[1, 0] == pytest.approx(9 * even[0, 0] / even[1, 0])


def test_with_nothing_in_common_there_is_the_mean() -> None:
    y = np.random.default_rng(0).normal(size=(20, 1))
    process = fit_gaussian_process(np.zeros((0, 20, 20)), y, np.zeros((1, 0)))
    predicted = predict(process, y, np.zeros((0, 3, 20)))
    assert predicted == pytest.approx(y.mean())


def test_a_place_has_many_items_beyond_the_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_process, "MANY", 10)
    assert [has_many(n) for n in (10, 11)] == [False, True]
