from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from basrelief.judge.metrics import skill
from basrelief.learn.ridge import fit_ridge, load_ridge, measure_trust, predict_ridge, save_ridge

STRENGTHS = [1.0, 10.0, 100.0, 1000.0]
Floats = NDArray[np.float64]


def draw_linear(seed: int, n: int = 80, n_features: int = 6) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.normal(5.0, 3.0, (n, n_features))
    return X, X @ rng.normal(0, 1, (n_features, 2)) + rng.normal(0, 1, (n, 2))


def own_groups(n: int) -> NDArray[np.str_]:
    return np.arange(n).astype(str)


def test_the_fit_equals_scikit_learn_on_standardised_features() -> None:
    X, Y = draw_linear(0)
    model = fit_ridge(X, Y, [10.0], own_groups(80), 5, np.random.default_rng(0))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    mean = Y.mean(axis=0)
    expected = mean + model.trust * (Ridge(alpha=10.0).fit(Z, Y).predict(Z) - mean)
    assert (model.trust > 0.9).all()
    np.testing.assert_allclose(predict_ridge(model, X), expected, rtol=1e-10)


def test_the_strength_is_the_one_of_least_error_over_the_inner_folds() -> None:
    X, Y = draw_linear(1)
    groups = np.array(["west", "east"]).repeat(40)
    X[:40] += 1.0
    model = fit_ridge(X, Y[:, :1], STRENGTHS, groups, 2, np.random.default_rng(0))
    errors = []
    for strength in STRENGTHS:
        error = 0.0
        for side in ("west", "east"):
            train, held = groups != side, groups == side
            mean, scale = X[train].mean(axis=0), X[train].std(axis=0)
            ridge = Ridge(alpha=strength).fit((X[train] - mean) / scale, Y[train, 0])
            guess = ridge.predict((X[held] - mean) / scale)
            error += float(((guess - Y[held, 0]) ** 2).sum())
        errors.append(error)
    assert model.strength[0] == STRENGTHS[int(np.argmin(errors))]


def test_labels_driven_by_a_feature_are_learnt_and_shuffled_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    X, Y = draw_linear(2, n=200)
    Y[:, 1] = rng.permutation(Y[:, 1])
    model = fit_ridge(X[:150], Y[:150], STRENGTHS, own_groups(150), 5, rng)
    guess = predict_ridge(model, X[150:])
    mean = np.tile(Y[:150].mean(axis=0), (50, 1))
    assert skill(Y[150:, 0], guess[:, 0], mean[:, 0]) > 0.8
    assert abs(skill(Y[150:, 1], guess[:, 1], mean[:, 1])) < 0.1


def test_noise_over_many_features_is_never_much_worse_than_the_mean() -> None:
    skills = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, Y = rng.normal(size=(120, 40)), rng.normal(size=(120, 1))
        groups = (np.arange(120) // 5).astype(str)
        model = fit_ridge(X[:90], Y[:90], STRENGTHS, groups[:90], 5, rng)
        mean = np.full(30, Y[:90].mean())
        skills.append(skill(Y[90:, 0], predict_ridge(model, X[90:])[:, 0], mean))
    assert np.mean(skills) > -0.05


def test_a_fallback_predicts_the_training_mean() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    Y = np.where(np.arange(40) < 20, 1.0, -1.0)[:, None]
    # Each half teaches the opposite of the other: nothing carries over.
    X[:, 0] = np.where(np.arange(40) < 20, rng.normal(size=40), X[:, 0])
    groups = np.array(["a", "b"]).repeat(20)
    model = fit_ridge(X, Y, STRENGTHS, groups, 2, rng)
    assert model.is_fallback[0]
    assert model.trust[0] == 0
    assert np.isinf(model.strength[0])
    np.testing.assert_allclose(predict_ridge(model, X), 0.0, atol=1e-12)


def test_an_unknown_label_leaves_its_row_out_for_that_target_only() -> None:
    X, Y = draw_linear(3)
    Y[::4, 1] = np.nan
    rng = np.random.default_rng(0)
    model = fit_ridge(X, Y, [10.0], own_groups(80), 5, rng)
    is_known = ~np.isnan(Y[:, 1])
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    first = Ridge(alpha=10.0).fit(Z, Y[:, 0]).predict(Z)
    second = Ridge(alpha=10.0).fit(Z[is_known], Y[is_known, 1]).predict(Z)
    mean = np.array([Y[:, 0].mean(), Y[is_known, 1].mean()])
    expected = mean + model.trust * (np.stack([first, second], axis=1) - mean)
    np.testing.assert_allclose(predict_ridge(model, X), expected)


def test_a_target_without_labels_is_predicted_as_unknown() -> None:
    X, Y = draw_linear(4)
    Y[:, 0] = np.nan
    model = fit_ridge(X, Y, STRENGTHS, own_groups(80), 5, np.random.default_rng(0))
    guess = predict_ridge(model, X)
    assert np.isnan(guess[:, 0]).all()
    assert np.isfinite(guess[:, 1]).all()


def test_a_single_group_falls_back_to_the_mean() -> None:
    X, Y = draw_linear(5)
    model = fit_ridge(X, Y, STRENGTHS, np.full(80, "a"), 5, np.random.default_rng(0))
    assert model.is_fallback.all()
    np.testing.assert_allclose(predict_ridge(model, X[:1])[0], Y.mean(axis=0))


@pytest.mark.parametrize("flat", [0.0, 0.1, 1e6])
def test_features_that_do_not_vary_or_are_unknown_change_nothing(flat: float) -> None:
    X, Y = draw_linear(6)
    extra = np.stack([np.full(80, flat), np.full(80, np.nan)], axis=1)
    plain = fit_ridge(X, Y, STRENGTHS, own_groups(80), 5, np.random.default_rng(0))
    padded = fit_ridge(
        np.hstack([X, extra]), Y, STRENGTHS, own_groups(80), 5, np.random.default_rng(0)
    )
    guess = predict_ridge(padded, np.hstack([X, extra + 1.0]))
    np.testing.assert_allclose(guess, predict_ridge(plain, X), rtol=1e-6)


def test_the_same_seed_gives_the_same_model_bit_for_bit() -> None:
    X, Y = draw_linear(7)
    one, other = (
        fit_ridge(X, Y, STRENGTHS, own_groups(80), 5, np.random.default_rng(9)) for _ in range(2)
    )
    assert one.coef.tobytes() == other.coef.tobytes()


def test_a_saved_model_predicts_the_same(tmp_path: Path) -> None:
    X, Y = draw_linear(8)
    model = fit_ridge(X, Y, STRENGTHS, own_groups(80), 5, np.random.default_rng(0))
    save_ridge(model, tmp_path / "fold" / "weights.safetensors")
    loaded = load_ridge(tmp_path / "fold" / "weights.safetensors")
    assert predict_ridge(loaded, X).tobytes() == predict_ridge(model, X).tobytes()
    assert loaded.is_fallback.dtype == bool


def test_trust_grows_with_the_gain_and_is_nothing_within_a_standard_error() -> None:
    groups = own_groups(4)
    gains = [np.array(gain) for gain in ([1.0, -1.0, 2.0, -2.5], [2.0, -1.0, 2.0, 1.0], [2.0] * 4)]
    trust = [measure_trust(gain, groups) for gain in gains]
    assert trust[0] == 0
    assert 0 < trust[1] < 1
    assert trust[2] == 1


def test_rows_of_one_group_do_not_count_as_independent_evidence() -> None:
    gain = np.array([2.0, -1.0, 2.0, 1.0]).repeat(10)
    whole = own_groups(4).repeat(10)
    assert measure_trust(gain, whole) < measure_trust(gain, own_groups(40))
