from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from basrelief.learn.linear import (
    REACH,
    LinearModel,
    load_linear,
    measure_spread,
    predict_linear,
    save_linear,
)


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


def test_a_model_comes_back_from_its_file(tmp_path: Path) -> None:
    model = make_model()
    save_linear(model, tmp_path / "m.safetensors")
    back = load_linear(tmp_path / "m.safetensors")
    for item in fields(LinearModel):
        one, other = getattr(model, item.name), getattr(back, item.name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


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
