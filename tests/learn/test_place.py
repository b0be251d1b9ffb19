from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.learn import gaussian_process, place
from basrelief.learn.gaussian_process import NOISE, fit_gaussian_process
from basrelief.learn.joint import gp_interpolation
from basrelief.learn.place import Locations, choose_scales, correlate, correlate_all

Floats = NDArray[np.float64]


def interpolate(
    xy: Floats, labels: Floats, new: Floats, *, seed: int = 0, is_many: bool = False
) -> Floats:
    rng = np.random.default_rng(seed)
    return gp_interpolation(Locations(xy), labels, Locations(new), rng, is_many=is_many)


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
    predicted = interpolate(xy[train], labels[train], xy[test], is_many=n_train > 500)
    error = ((labels[test] - predicted) ** 2).sum(axis=0)
    skill = 1 - error / ((labels[test] - labels[train].mean(axis=0)) ** 2).sum(axis=0)
    assert skill[0] > 0.8
    assert abs(skill[1]) < 0.05


@pytest.mark.parametrize("max_whole", [49, 3000])
def test_the_nearest_alone_equal_one_process_where_all_are_near(
    monkeypatch: pytest.MonkeyPatch, max_whole: int
) -> None:
    monkeypatch.setattr(gaussian_process, "MANY", 49)
    monkeypatch.setattr(place, "MAX_WHOLE", max_whole)
    xy, labels = make_field(60, 0.3, seed=1)
    predicted = interpolate(xy[:50], labels[:50], xy[50:], is_many=True)
    sample = np.random.default_rng(0).choice(50, 49, replace=False)
    apart = cdist(xy[sample], xy[sample])
    scales = choose_scales(apart)
    process = fit_gaussian_process(correlate_all(apart, scales), labels[sample])
    posterior = process.posterior[:, :, 0]
    distance = cdist(xy[:50], xy[:50])
    i, j = np.unravel_index(posterior.argmax(), posterior.shape)
    noise, residual = NOISE[j], labels[:50, 0] - labels[:50, 0].mean()
    covariance = (1 - noise) * correlate(distance, scales[i]) + noise * np.eye(50)
    weights = (1 - noise) * correlate(cdist(xy[50:], xy[:50]), scales[i])
    expected = labels[:50, 0].mean() + weights @ np.linalg.solve(covariance, residual)
    assert predicted[:, 0] == pytest.approx(expected)


def test_targets_known_at_other_places_are_interpolated_from_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gaussian_process, "MANY", 50)
    monkeypatch.setattr(place, "MAX_WHOLE", 100)
    xy, labels = make_field(400, 0.1, seed=2)
    labels[:200, 1] = np.nan
    both = np.column_stack([labels, np.full(400, np.nan)])
    predicted = interpolate(xy, both, xy[:5], is_many=True)
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
    for name, district in (("with", codes), ("without", None)):
        at = Locations(xy, district)
        known, new = at.take(np.arange(200)), at.take(np.arange(200, 300))
        guess = gp_interpolation(known, labels[train], new, rng, is_many=False)
        error = ((labels[test] - guess) ** 2).sum(axis=0)
        found[name] = 1 - error / ((labels[test] - labels[train].mean(axis=0)) ** 2).sum(axis=0)
    assert found["with"][0] > found["without"][0] + 0.05
    assert found["with"][0] > 0.7
    assert found["with"][1] > -0.1


def test_one_district_for_all_says_nothing() -> None:
    xy, labels = make_field(120, 0.3, seed=6)
    plain, same = (
        gp_interpolation(
            Locations(xy[:100], codes(100)),
            labels[:100],
            Locations(xy[100:], codes(20)),
            np.random.default_rng(0),
            is_many=False,
        )
        for codes in (lambda n: None, lambda n: np.full(n, "E06"))
    )
    np.testing.assert_allclose(same, plain, atol=0.1)


def make_wave(district: NDArray[np.str_] | None = None) -> tuple[Locations, Floats]:
    """Labels that are a wave over the ground, without noise."""
    xy = np.random.default_rng(0).uniform(0, 4000, (120, 2))
    wave = np.sin(xy[:, 0] / 700) + np.cos(xy[:, 1] / 600)
    return Locations(xy, district), wave[:, None]


def test_between_training_items_labels_are_interpolated() -> None:
    known, wave = make_wave()
    xy = np.random.default_rng(1).uniform(500, 3500, (40, 2))
    expected = np.sin(xy[:, 0] / 700) + np.cos(xy[:, 1] / 600)
    assert known.xy is not None
    found = interpolate(known.xy, wave, xy)[:, 0]
    assert np.abs(found - expected).mean() < 0.1


def test_far_from_every_training_item_stands_their_mean() -> None:
    known, wave = make_wave()
    assert known.xy is not None
    found = interpolate(known.xy, wave, np.array([[1e6, 1e6]]))
    assert found[0, 0] == pytest.approx(wave.mean(), abs=1e-6)


def test_items_of_one_district_have_something_in_common() -> None:
    xy = np.random.default_rng(2).uniform(0, 4000, (120, 2))
    # Districts in stripes, so that place alone is slow to tell them apart.
    stripe = (xy[:, 0] // 250).astype(int) % 2
    noise = np.random.default_rng(3).normal(0, 0.3, 120)
    labels = (2.0 * stripe - 1.0 + noise)[:80, None]
    errors = []
    for district in (np.array(["west", "east"])[stripe], None):
        at = Locations(xy, district)
        known, new = at.take(np.arange(80)), at.take(np.arange(80, 120))
        guess = gp_interpolation(known, labels, new, np.random.default_rng(0), is_many=False)
        errors.append(np.abs(guess[:, 0] - (2.0 * stripe[80:] - 1.0)).mean())
    assert errors[0] < 0.2
    assert errors[1] > 2 * errors[0]


def test_a_district_that_nobody_knows_has_nothing_in_common_with_others() -> None:
    known, wave = make_wave(np.array(["a", "b"])[np.arange(120) % 2])
    lonely, shared = (
        gp_interpolation(
            known,
            wave,
            Locations(np.array([[2000.0, 2000.0]]), np.array([code])),
            np.random.default_rng(0),
            is_many=False,
        )
        for code in "ca"
    )
    # These labels do not lean on districts, so it makes next to no difference.
    assert lonely == pytest.approx(shared, abs=0.05)


def test_districts_alone_give_their_means_drawn_to_the_mean_of_all() -> None:
    rng = np.random.default_rng(7)
    district = rng.integers(0, 5, 200)
    labels = rng.normal(size=5)[district][:, None] + rng.normal(0, 0.3, (200, 1))
    codes, each = district.astype(str), np.arange(5).astype(str)
    at, new = Locations(None, codes), Locations(None, each)
    guess = gp_interpolation(at, labels, new, rng, is_many=False)[:, 0]
    means = np.array([labels[district == k].mean() for k in range(5)])
    assert guess == pytest.approx(means, abs=0.1)
    assert np.all(np.abs(guess - labels.mean()) < np.abs(means - labels.mean()))


def test_items_at_one_point_have_one_scale() -> None:
    assert choose_scales(np.zeros((3, 3))) == [1.0]


def test_labels_in_single_precision_are_predicted_as_in_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Labels of other worlds are drawn so, and of thousands of areas too.
    monkeypatch.setattr(gaussian_process, "MANY", 49)
    monkeypatch.setattr(place, "MAX_WHOLE", 49)
    xy, labels = make_field(160, 0.3, seed=2)
    known, new = xy[:120], xy[120:]
    exact = interpolate(known, labels[:120], new, is_many=True)
    fast = interpolate(known, labels[:120].astype(np.float32), new, is_many=True)
    assert fast == pytest.approx(exact, abs=1e-3)
