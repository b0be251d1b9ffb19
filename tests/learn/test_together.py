from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.judge.metrics import skill
from basrelief.learn import together, trend
from basrelief.learn.area_models import TrainingAreas
from basrelief.learn.kriging import Places
from basrelief.learn.linear import measure_spread, predict_linear, standardise
from basrelief.learn.process import Process, choose_scales, correlate, fit_process
from basrelief.learn.together import (
    Together,
    fit_together,
    load_together,
    predict_together,
    save_together,
)
from basrelief.splits.folds import block_of

Floats = NDArray[np.float64]
NOISE = 0.3


def make_areas(seed: int = 0, n: int = 160) -> tuple[TrainingAreas, Places]:
    """One target follows features, one place, one district and features, and one nothing."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 4000, (n, 2))
    X = rng.normal(5, 2, (n, 12))
    said = X @ rng.normal(size=12) / np.sqrt(12) / 2
    wave = np.sin(xy[:, 0] / 600) + np.cos(xy[:, 1] / 500)
    district = rng.integers(0, 6, n)
    noise = rng.normal(size=(n, 4))
    Y = np.stack([said, wave, said + rng.normal(0, 1, 6)[district], 0 * said], axis=1)
    Y += noise * [0.4, 0.4, 0.4, 1.0]
    codes = np.array([f"E0{code}" for code in district])
    return TrainingAreas([X], Y, xy, block_of(xy, 1000)), Places(xy, codes)


def take_places(places: Places, rows: NDArray[np.int64]) -> Places:
    district = None if places.district is None else places.district[rows]
    return Places(places.xy[rows], district)


def fit_part(known: TrainingAreas, places: Places, rows: NDArray[np.int64]) -> Together:
    return fit_together(known.take(rows), take_places(places, rows))


def test_each_target_is_predicted_by_what_drives_it() -> None:
    known, places = make_areas()
    train, test = np.arange(110), np.arange(110, 160)
    model = fit_part(known, places, train)
    guess = predict_together(model, known.features[0][test], take_places(places, test))
    mean = np.tile(known.labels[train].mean(axis=0), (len(test), 1))
    found = [skill(known.labels[test, k], guess[:, k], mean[:, k]) for k in range(4)]
    assert min(found[:3]) > 0.5
    assert abs(found[3]) < 0.1
    likely = model.trend.weight[0]
    assert min(likely[[0, 2]]) > 0.99
    assert max(likely[[1, 3]]) < 0.6


def test_one_candidate_equals_the_solved_process(monkeypatch: pytest.MonkeyPatch) -> None:
    known, places = make_areas(n=60)
    share = 0.4

    def fit(correlations: Floats, Y: Floats, odds: Floats) -> Process:
        # Place alone, then the trend in one share of what is in common, then the trend alone.
        return fit_process(correlations, Y, np.array([1e-300, 1.0, 1e-300]), np.array([NOISE]))

    monkeypatch.setattr(trend, "fit_process", fit)
    monkeypatch.setattr(together, "N_SCALES", 1)
    monkeypatch.setattr(trend, "SHARES", (share,))
    train, test = np.arange(40), np.arange(40, 60)
    bare = Places(places.xy, None)
    model = fit_part(known, bare, train)
    found = predict_together(model, known.features[0][test], take_places(bare, test))

    mean, scale = measure_spread(known.features[0][train])
    Z = standardise(known.features[0], mean, scale)
    Z -= Z[train].mean(axis=0)
    distance = cdist(places.xy, places.xy)
    near = correlate(distance, choose_scales(distance[:40, :40], 1)[0])
    common = (1 - share) * near + share * Z @ Z.T / ((Z[train] ** 2).sum() / 40)
    covariance = (1 - NOISE) * common[:40, :40] + NOISE * np.eye(40)
    centre = known.labels[train].mean(axis=0)
    solved = np.linalg.solve(covariance, known.labels[train] - centre)
    np.testing.assert_allclose(found, centre + (1 - NOISE) * common[40:, :40] @ solved, atol=1e-8)


def test_far_from_every_training_area_features_alone_speak() -> None:
    known, places = make_areas()
    model = fit_together(known, places)
    far = Places(np.full((5, 2), 1e7), np.full(5, "elsewhere"))
    X = known.features[0][:5]
    np.testing.assert_allclose(
        predict_together(model, X, far), predict_linear(model.trend, X), atol=1e-9
    )


def test_of_two_members_the_one_that_knows_is_likely() -> None:
    known, places = make_areas(3)
    noise = np.random.default_rng(1).normal(size=(len(known.labels), 12))
    both = TrainingAreas([noise, known.features[0]], known.labels, known.xy, known.blocks)
    weight = fit_together(both, places).trend.weight
    assert weight.shape == (2, 4)
    assert weight[1, 0] > 0.99
    assert weight[0, 0] < 0.01


def test_unknown_labels_and_flat_features_are_taken_as_they_are() -> None:
    known, places = make_areas(4, n=80)
    labels = known.labels.copy()
    labels[:20, 1] = np.nan
    flat = TrainingAreas([np.zeros((80, 3))], labels, known.xy, known.blocks)
    model = fit_together(flat, places)
    assert (model.trend.coef == 0).all()
    assert (model.weights[:, :20, 1] == 0).all()
    guess = predict_together(model, np.zeros((80, 3)), places)
    assert np.isfinite(guess).all()
    assert np.corrcoef(guess[20:, 1], labels[20:, 1])[0, 1] > 0.8


@pytest.mark.parametrize("has_districts", [True, False])
def test_a_model_comes_back_from_its_file(tmp_path: Path, has_districts: bool) -> None:
    known, places = make_areas(5, n=40)
    model = fit_together(known, places if has_districts else Places(places.xy, None))
    save_together(model, tmp_path / "together.safetensors")
    back = load_together(tmp_path / "together.safetensors")
    assert (back.places.district is None) == (not has_districts)
    X = known.features[0]
    one, other = (predict_together(each, X, places) for each in (model, back))
    np.testing.assert_array_equal(one, other)
