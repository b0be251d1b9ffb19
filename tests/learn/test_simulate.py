"""Labels drawn anew follow the law of those that were seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, kv

from basrelief.learn import gaussian_process
from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations
from basrelief.learn.simulate import _sum_waves, simulate_labels

N = 80
RNG = np.random.default_rng(0)
XY = RNG.uniform(0, 5000, (N, 2))
DISTRICT = np.where(XY[:, 0] < 2500, "west", "east")
FEATURES = RNG.standard_normal((N, 3))
TERMS = AreaTerms({"relief": FEATURES}, Locations(XY, DISTRICT))


def correlate_with(known: np.ndarray, draws: np.ndarray) -> float:
    """Mean squared correlation of each draw, (draw, area), with what is known of areas."""
    return float(np.mean([np.corrcoef(known, draw)[0, 1] ** 2 for draw in draws]))


def test_draws_vary_with_what_the_labels_vary_with() -> None:
    labels = FEATURES @ [[2.0], [0.0], [0.0]] + 0.3 * RNG.standard_normal((N, 1))
    draws = simulate_labels(TERMS, labels, 50, np.random.default_rng(1))[:, :, 0]
    explained = [
        np.linalg.lstsq(FEATURES, draw - draw.mean(), rcond=None)[1][0] / np.sum(draw**2)
        for draw in draws
    ]
    assert np.mean(explained) < 0.4


def test_draws_know_nothing_of_what_is_left_out() -> None:
    labels = FEATURES @ [[2.0], [0.0], [0.0]] + 0.3 * RNG.standard_normal((N, 1))
    nothing = TERMS.leave_out(TERMS.feature_sets)
    draws = simulate_labels(nothing, labels, 200, np.random.default_rng(1))[:, :, 0]
    # One in N is what chance gives.
    assert correlate_with(FEATURES[:, 0], draws) < 3 / N


def test_targets_are_as_alike_in_draws_as_in_labels() -> None:
    common = RNG.standard_normal(N)
    one, other = common + 0.5 * RNG.standard_normal((2, N))
    labels = np.stack([one, other, RNG.standard_normal(N)], axis=1)
    draws = simulate_labels(TERMS, labels, 300, np.random.default_rng(2))
    drawn = np.corrcoef(draws.reshape(-1, 3).T)
    expected = np.corrcoef(labels.T)
    assert np.abs(drawn - expected).max() < 0.15


def test_what_is_unknown_stays_unknown() -> None:
    labels = RNG.standard_normal((N, 3))
    labels[:5, 1] = np.nan
    labels[:, 2] = np.nan
    draws = simulate_labels(TERMS, labels, 4, np.random.default_rng(3))
    assert np.isnan(draws[:, :5, 1]).all()
    assert np.isfinite(draws[:, 5:, 1]).all()
    assert np.isfinite(draws[:, :, 0]).all()
    assert np.isnan(draws[:, :, 2]).all()


def test_draws_have_unit_spread() -> None:
    labels = 1000 + 50 * RNG.standard_normal((N, 1))
    draws = simulate_labels(TERMS, labels, 300, np.random.default_rng(4))
    assert abs(draws.mean()) < 0.2
    assert 0.7 < draws.var() < 1.3


def test_a_target_made_of_others_can_be_drawn() -> None:
    labels = RNG.standard_normal((N, 2))
    labels = np.column_stack([labels, labels.sum(axis=1)])
    draws = simulate_labels(TERMS, labels, 200, np.random.default_rng(5))
    assert np.corrcoef(draws[:, :, 2].ravel(), draws[:, :, :2].sum(axis=2).ravel())[0, 1] > 0.8


def test_waves_have_in_common_what_the_matern_correlation_says() -> None:
    waves = _sum_waves(XY + np.array([530_000, 180_000]), 1500.0, np.random.default_rng(0))
    apart = np.linalg.norm(XY[:, None] - XY[None], axis=2)
    # By the Bessel function itself (Rasmussen and Williams 2006, equation 4.14).
    ratio = np.sqrt(3) * np.where(apart > 0, apart, 1e-9) / 1500.0
    expected = 2 ** (1 - 1.5) / gamma(1.5) * ratio**1.5 * kv(1.5, ratio)
    off = waves @ waves.T - expected
    assert np.abs(off).mean() < 0.03
    assert np.abs(off).max() < 0.2


@pytest.mark.parametrize(
    "cause", [FEATURES[:, 0], (DISTRICT == "west") * 2.0, np.sin(XY[:, 0] / 800)]
)
def test_labels_of_many_areas_are_drawn_by_the_same_law(
    cause: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.stack([cause, 3 - cause], axis=1) + 0.3 * RNG.standard_normal((N, 1))
    labels[:3, 0] = np.nan
    few = simulate_labels(TERMS, labels, 1000, np.random.default_rng(6))
    monkeypatch.setattr(gaussian_process, "MANY", N - 1)
    many = simulate_labels(TERMS, labels, 1000, np.random.default_rng(6))
    assert np.isnan(many[:, :3, 0]).all()
    assert np.isfinite(many[:, 3:]).all()
    shared = [np.cov(draws[:, 3:, 0].T) for draws in (few, many)]
    # What each two areas have in common, over 1,000 draws.
    assert np.corrcoef(shared[0].ravel(), shared[1].ravel())[0, 1] > 0.8
    assert np.trace(shared[1]) == pytest.approx(np.trace(shared[0]), rel=0.15)
    between = [np.mean(draws[:, 3:, 0] * draws[:, 3:, 1]) for draws in (few, many)]
    # Less alike where targets take candidates that have nothing in common, never much more.
    assert 0.4 < between[1] / between[0] < 1.2
