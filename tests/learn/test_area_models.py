from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.judge.metrics import skill
from basrelief.learn import area_models
from basrelief.learn.area_models import TrainingAreas, find_weights, fit_areas
from basrelief.learn.linear import LinearModel, predict_linear
from basrelief.learn.process import correlate
from basrelief.splits.folds import block_of

Floats = NDArray[np.float64]


def make_areas(seed: int, n: int = 100, n_features: int = 30) -> TrainingAreas:
    """Areas whose first target follows the features, and whose second is noise."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 5000, (n, 2))
    X = rng.normal(5, 2, (n, n_features))
    signal = X @ rng.normal(size=n_features) / np.sqrt(n_features) / 2
    Y = np.stack([signal + rng.normal(0, 0.4, n), rng.normal(size=n)], axis=1)
    return TrainingAreas([X], Y, xy, block_of(xy, 1000))


def score(known: TrainingAreas, model: LinearModel, test: NDArray[np.int64]) -> list[float]:
    X = np.concatenate([each[test] for each in known.features], axis=1)
    guess, mean = predict_linear(model, X), np.delete(known.labels, test, axis=0).mean(axis=0)
    columns = range(known.labels.shape[1])
    return [skill(known.labels[test, k], guess[:, k], np.full(len(test), mean[k])) for k in columns]


@pytest.mark.parametrize("many", [0, 500])
def test_what_features_drive_is_learnt_and_noise_gives_the_mean(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(area_models, "MANY", many)
    known, found = make_areas(0, n=260), []
    train = np.arange(200)
    model = fit_areas(known.take(train), np.random.default_rng(0))
    found = score(known, model, np.arange(200, 260))
    assert found[0] > 0.5
    assert abs(found[1]) < 0.1


def test_noise_is_never_much_worse_than_the_mean() -> None:
    skills = []
    for seed in range(10):
        known = make_areas(seed)
        model = fit_areas(known.take(np.arange(80)), np.random.default_rng(seed))
        skills.append(score(known, model, np.arange(80, 100))[1])
    assert np.mean(skills) > -0.03


def test_smooth_features_are_not_taken_for_the_cause_of_a_smooth_label() -> None:
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        xy = rng.uniform(0, 4000, (120, 2))
        root = np.linalg.cholesky(correlate(cdist(xy, xy), 1500.0) + 1e-8 * np.eye(120))
        X, Y = root @ rng.normal(size=(120, 40)), root @ rng.normal(size=(120, 1))
        known = TrainingAreas([X], Y, xy, block_of(xy, 1000))
        west = xy[:, 0] < 2500
        model = fit_areas(known.take(np.flatnonzero(west)), rng)
        found += score(known, model, np.flatnonzero(~west))[:1]
    # A plain regression loses here what the neighbours seemed to teach.
    assert np.median(found) > -0.1


def test_a_target_that_inner_folds_learn_nothing_about_gets_its_mean() -> None:
    known = make_areas(3)
    alone = TrainingAreas(known.features, known.labels, known.xy, np.full(100, "a"))
    model = fit_areas(alone, np.random.default_rng(0))
    assert model.is_fallback.all()
    predicted = predict_linear(model, known.features[0][:1])[0]
    np.testing.assert_allclose(predicted, known.labels.mean(axis=0))


def test_unknown_and_flat_features_change_nothing() -> None:
    known = make_areas(4)
    extra = np.stack([np.full(100, 3.0), np.full(100, np.nan)], axis=1)
    padded = TrainingAreas([np.hstack([known.features[0], extra])], *_rest(known))
    one = fit_areas(known, np.random.default_rng(0))
    other = fit_areas(padded, np.random.default_rng(0))
    np.testing.assert_allclose(other.coef[:-2], one.coef, rtol=1e-6, atol=1e-9)
    assert np.all(other.coef[-2:] == 0)


def test_the_same_generator_gives_the_same_model_bit_for_bit() -> None:
    known = make_areas(5)
    one, other = (fit_areas(known, np.random.default_rng(9)) for _ in range(2))
    assert one.coef.tobytes() == other.coef.tobytes()


def test_moving_the_whole_place_changes_nothing() -> None:
    known = make_areas(6)
    moved = TrainingAreas(known.features, known.labels, known.xy + 70_000.0, known.blocks)
    one, other = (fit_areas(each, np.random.default_rng(1)) for each in (known, moved))
    np.testing.assert_allclose(other.coef, one.coef, rtol=1e-6)


def test_of_two_members_the_one_that_knows_gets_the_weight() -> None:
    known, rng = make_areas(7, n=160), np.random.default_rng(0)
    both = TrainingAreas([known.features[0], rng.normal(size=(160, 8))], *_rest(known))
    weight = fit_areas(both, rng).weight
    assert weight.shape == (2, 2)
    assert weight[0, 0] > 0.6
    assert weight[1, 0] < 0.3


def test_weights_stay_between_nothing_and_one_together() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        lift, residual = rng.normal(size=(20, 3)), 3 * rng.normal(size=20)
        weights = find_weights(lift, residual)
        assert (weights >= 0).all()
        assert weights.sum() <= 1 + 1e-9
    doubled = np.stack([residual / 4, residual / 4], axis=1)
    assert find_weights(doubled, residual).sum() == pytest.approx(1.0)


def _rest(known: TrainingAreas) -> tuple[Floats, Floats, NDArray[np.str_]]:
    return known.labels, known.xy, known.blocks
