"""Labels drawn anew follow the law of those that were seen."""

from __future__ import annotations

import numpy as np

from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations
from basrelief.learn.simulate import simulate_labels

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
