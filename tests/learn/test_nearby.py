from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.learn import nearby
from basrelief.learn.nearby import interpolate_places
from basrelief.learn.process import NOISE, choose_scales, correlate, correlate_all, fit_process

Floats = NDArray[np.float64]


def make_field(n: int, noise: float, seed: int = 0) -> tuple[Floats, Floats]:
    """Labels that are a smooth wave over the ground, and pure noise."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 20_000, (n, 2))
    wave = np.sin(xy[:, 0] / 2000) + np.cos(xy[:, 1] / 1500)
    return xy, np.stack([wave + rng.normal(0, noise, n), rng.normal(size=n)], axis=1)


@pytest.mark.parametrize("n_train", [450, 1500, 3200])
def test_a_smooth_field_is_found_and_noise_is_not(n_train: int) -> None:
    xy, labels = make_field(3600, 0.3)
    train, test = slice(0, n_train), slice(3200, None)
    predicted = interpolate_places(xy[train], labels[train], xy[test], np.random.default_rng(0))
    error = ((labels[test] - predicted) ** 2).sum(axis=0)
    skill = 1 - error / ((labels[test] - labels[train].mean(axis=0)) ** 2).sum(axis=0)
    assert skill[0] > 0.8
    assert abs(skill[1]) < 0.05


@pytest.mark.parametrize("max_whole", [49, 3000])
def test_the_nearest_alone_equal_one_process_where_all_are_near(
    monkeypatch: pytest.MonkeyPatch, max_whole: int
) -> None:
    monkeypatch.setattr(nearby, "N_SAMPLE", 49)
    monkeypatch.setattr(nearby, "MAX_WHOLE", max_whole)
    xy, labels = make_field(60, 0.3, seed=1)
    predicted = interpolate_places(xy[:50], labels[:50], xy[50:], np.random.default_rng(0))
    sample = np.random.default_rng(0).choice(50, 49, replace=False)
    apart = cdist(xy[sample], xy[sample])
    scales = choose_scales(apart)
    odds = fit_process(correlate_all(apart, scales), labels[sample]).odds[:, :, 0]
    distance = cdist(xy[:50], xy[:50])
    i, j = np.unravel_index(odds.argmax(), odds.shape)
    noise, residual = NOISE[j], labels[:50, 0] - labels[:50, 0].mean()
    covariance = (1 - noise) * correlate(distance, scales[i]) + noise * np.eye(50)
    weights = (1 - noise) * correlate(cdist(xy[50:], xy[:50]), scales[i])
    expected = labels[:50, 0].mean() + weights @ np.linalg.solve(covariance, residual)
    assert predicted[:, 0] == pytest.approx(expected)


def test_targets_known_at_other_places_are_interpolated_from_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearby, "N_SAMPLE", 50)
    monkeypatch.setattr(nearby, "MAX_WHOLE", 100)
    xy, labels = make_field(400, 0.1, seed=2)
    labels[:200, 1] = np.nan
    both = np.column_stack([labels, np.full(400, np.nan)])
    predicted = interpolate_places(xy, both, xy[:5], np.random.default_rng(0))
    assert np.isfinite(predicted[:, :2]).all()
    assert np.isnan(predicted[:, 2]).all()


def test_districts_are_used_where_labels_lean_on_them() -> None:
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 10_000, (300, 2))
    district = (xy // 2000).astype(int) @ np.array([5, 1])
    codes, effect = district.astype(str), rng.normal(size=25)[district]
    labels = np.stack([effect + rng.normal(0, 0.3, 300), rng.normal(size=300)], axis=1)
    train, test = slice(0, 200), slice(200, None)
    found = {}
    for name, pair in (("with", (codes[train], codes[test])), ("without", None)):
        guess = interpolate_places(xy[train], labels[train], xy[test], rng, pair)
        error = ((labels[test] - guess) ** 2).sum(axis=0)
        found[name] = 1 - error / ((labels[test] - labels[train].mean(axis=0)) ** 2).sum(axis=0)
    assert found["with"][0] > found["without"][0] + 0.05
    assert found["with"][0] > 0.7
    assert found["with"][1] > -0.1


def test_one_district_for_all_says_nothing() -> None:
    xy, labels = make_field(120, 0.3, seed=6)
    rng, one = np.random.default_rng(0), np.full(120, "E06")
    plain = interpolate_places(xy[:100], labels[:100], xy[100:], rng)
    same = interpolate_places(xy[:100], labels[:100], xy[100:], rng, (one[:100], one[100:]))
    np.testing.assert_allclose(same, plain, atol=0.1)
