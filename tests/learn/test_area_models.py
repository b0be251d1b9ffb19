from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from scipy.spatial.distance import cdist

from basrelief.judge.metrics import skill
from basrelief.learn.area_models import (
    ABOUT,
    AreaModel,
    TrainingAreas,
    decompose,
    find_weights,
    fit_areas,
    fit_stack,
    load_model,
    predict_areas,
    save_model,
)
from basrelief.learn.joint import (
    AreaTerms,
    JointProcess,
    gp_interpolation,
)
from basrelief.learn.linear import LinearModel, predict_linear
from basrelief.learn.place import Locations, correlate
from basrelief.learn.recipes import DISTRICT, MEAN_PART, PLACE
from basrelief.splits.folds import block_of

Floats = NDArray[np.float64]
Known = tuple[AreaTerms, Floats, NDArray[np.str_]]
"""Terms, labels (area, target) and blocks (area,)."""


def make_areas(seed: int, n: int = 100, n_features: int = 30) -> Known:
    """Areas whose first target follows the features, and whose second is noise."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 5000, (n, 2))
    X = rng.normal(5, 2, (n, n_features))
    signal = X @ rng.normal(size=n_features) / np.sqrt(n_features) / 2
    Y = np.stack([signal + rng.normal(0, 0.4, n), rng.normal(size=n)], axis=1)
    return AreaTerms({"eye": X}, Locations(xy)), Y, block_of(xy, 1000)


def fit(known: Known, rows: NDArray[np.int64], seed: int, *, is_many: bool = False) -> LinearModel:
    """Fit a stack to some of the areas."""
    areas = TrainingAreas(*known, is_many=is_many).take(rows)
    return fit_stack(areas, np.random.default_rng(seed))


def score(known: Known, model: LinearModel, test: NDArray[np.int64]) -> list[float]:
    """Skill of each target in areas that were not learnt from."""
    terms, labels, _ = known
    guess = predict_linear(model, terms.take(test).join())
    mean = np.delete(labels, test, axis=0).mean(axis=0)
    columns = range(labels.shape[1])
    return [skill(labels[test, k], guess[:, k], np.full(len(test), mean[k])) for k in columns]


@pytest.mark.parametrize("is_many", [True, False])
def test_what_features_drive_is_learnt_and_noise_gives_the_mean(is_many: bool) -> None:
    known = make_areas(0, n=260)
    found = score(known, fit(known, np.arange(200), 0, is_many=is_many), np.arange(200, 260))
    assert found[0] > 0.5
    assert abs(found[1]) < 0.1


def test_one_set_gives_the_numbers_of_version_0_1() -> None:
    # The areas of test_joint, without their districts.
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 4000, (160, 2))
    X = rng.normal(5, 2, (160, 12))
    said = X @ rng.normal(size=12) / np.sqrt(12) / 2
    rng.integers(0, 6, 160)
    Y = said[:, None] + 0.4 * rng.normal(size=(160, 4))[:, :1]
    known = AreaTerms({"eye": X}, Locations(xy)), Y, block_of(xy, 1000)
    model = fit(known, np.arange(110), 7)
    found = predict_linear(model, X[110:112])[:, 0]
    np.testing.assert_allclose(found, [4.577381514397, 6.334434146564], rtol=1e-9)
    np.testing.assert_allclose(model.weight, [[0.998513992089]], rtol=1e-9)


def test_noise_is_never_much_worse_than_the_mean() -> None:
    skills = []
    for seed in range(10):
        known = make_areas(seed)
        skills.append(score(known, fit(known, np.arange(80), seed), np.arange(80, 100))[1])
    assert np.mean(skills) > -0.03


def test_smooth_features_are_not_taken_for_the_cause_of_a_smooth_label() -> None:
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        xy = rng.uniform(0, 4000, (120, 2))
        root = np.linalg.cholesky(correlate(cdist(xy, xy), 1500.0) + 1e-8 * np.eye(120))
        X, Y = root @ rng.normal(size=(120, 40)), root @ rng.normal(size=(120, 1))
        known = AreaTerms({"eye": X}, Locations(xy)), Y, block_of(xy, 1000)
        west = xy[:, 0] < 2500
        model = fit(known, np.flatnonzero(west), seed)
        found += score(known, model, np.flatnonzero(~west))[:1]
    # A plain regression loses here what the neighbours seemed to teach.
    assert np.median(found) > -0.1


def test_a_target_that_inner_folds_learn_nothing_about_gets_its_mean() -> None:
    terms, labels, _ = make_areas(3)
    model = fit((terms, labels, np.full(100, "a")), np.arange(100), 0)
    assert model.is_fallback.all()
    predicted = predict_linear(model, terms.join()[:1])[0]
    np.testing.assert_allclose(predicted, labels.mean(axis=0))


def test_unknown_and_flat_features_change_nothing() -> None:
    terms, labels, blocks = make_areas(4)
    extra = np.stack([np.full(100, 3.0), np.full(100, np.nan)], axis=1)
    padded = AreaTerms({"eye": np.hstack([terms.join(), extra])}, terms.locations)
    one, other = (fit((each, labels, blocks), np.arange(100), 0) for each in (terms, padded))
    np.testing.assert_allclose(other.coef[:-2], one.coef, rtol=1e-6, atol=1e-9)
    assert np.all(other.coef[-2:] == 0)


def test_the_same_generator_gives_the_same_model_bit_for_bit() -> None:
    known = make_areas(5)
    one, other = (fit(known, np.arange(100), 9) for _ in range(2))
    np.testing.assert_equal(vars(one), vars(other))


def test_moving_the_whole_place_changes_nothing() -> None:
    terms, labels, blocks = make_areas(6)
    assert terms.locations.xy is not None
    moved = AreaTerms(terms.feature_sets, Locations(terms.locations.xy + 70_000.0))
    one, other = (fit((each, labels, blocks), np.arange(100), 1) for each in (terms, moved))
    np.testing.assert_allclose(other.coef, one.coef, rtol=1e-6)


def test_of_two_sets_the_one_that_knows_gets_the_weight() -> None:
    (terms, labels, blocks), rng = make_areas(7, n=160), np.random.default_rng(0)
    sets = terms.feature_sets | {"noise": rng.normal(size=(160, 8))}
    weight = fit((AreaTerms(sets, terms.locations), labels, blocks), np.arange(160), 0).weight
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


def make_models(*, is_many: bool, joins_place: bool, has_district: bool) -> tuple[AreaModel, Known]:
    """A model of two sets, and what it learnt from."""
    terms, labels, blocks = make_areas(8, n=80)
    rng, labels = np.random.default_rng(0), labels.copy()
    labels[3, 1] = np.nan
    sets = terms.feature_sets | {"other": rng.normal(size=(80, 4))}
    district = np.array(["E06", "E07"])[np.arange(80) % 2] if has_district else None
    terms = AreaTerms(sets, Locations(terms.locations.xy, district))
    areas = TrainingAreas(terms, labels, blocks, is_many=is_many)
    model = fit_areas(areas, rng, joins_place=joins_place)
    return model, (terms, labels, blocks)


KINDS = {
    "linear": {"is_many": False, "joins_place": False},
    "process": {"is_many": False, "joins_place": True},
    "residual": {"is_many": True, "joins_place": True},
}


@pytest.mark.parametrize("has_district", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_from_its_file(tmp_path: Path, kind: str, has_district: bool) -> None:
    model, (terms, _, _) = make_models(**KINDS[kind], has_district=has_district)
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    back = load_model(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()[ABOUT])["kind"] == kind == back.kind == model.kind
    assert back.set_names == ("eye", "other")
    np.testing.assert_equal(vars(back.alone), vars(model.alone))
    np.testing.assert_array_equal(back.weight, model.weight)
    one, other = (predict_areas(each, terms, np.random.default_rng(0)) for each in (model, back))
    np.testing.assert_array_equal(one, other)
    if back.beside is not None:
        assert (back.beside.locations.district is None) == (not has_district)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_can_be_told_and_left_out(kind: str) -> None:
    model, (terms, _, _) = make_models(**KINDS[kind], has_district=True)

    def predict(*without: str) -> Floats:
        return predict_areas(model, terms, np.random.default_rng(0), without)

    parts, whole = decompose(model, terms, np.random.default_rng(0)), predict()
    beside = {"linear": [], "process": [PLACE, DISTRICT], "residual": [PLACE]}[kind]
    assert list(parts) == [MEAN_PART, "eye", "other", *beside]
    for name in parts:
        np.testing.assert_allclose(whole - predict(name), parts[name], atol=1e-10)
    linear = model.beside.linear if isinstance(model.beside, JointProcess) else model.alone
    said = predict_linear(linear, terms.join())
    np.testing.assert_allclose(predict(PLACE, DISTRICT), said, atol=1e-10)


def test_of_many_areas_what_is_left_is_interpolated() -> None:
    model, (terms, labels, _) = make_models(**KINDS["residual"], has_district=True)
    said = predict_linear(model.alone, terms.join())
    rng = np.random.default_rng(0)
    at = terms.locations
    left = gp_interpolation(at, labels - said, at, rng, is_many=True)
    found = predict_areas(model, terms, np.random.default_rng(0))
    np.testing.assert_allclose(found, said + left, atol=1e-10)


def test_the_weight_is_the_posterior_where_place_is_joined() -> None:
    joined, _ = make_models(**KINDS["process"], has_district=True)
    assert isinstance(joined.beside, JointProcess)
    np.testing.assert_array_equal(joined.weight, joined.beside.linear.weight)
    alone, _ = make_models(**KINDS["linear"], has_district=True)
    np.testing.assert_array_equal(alone.weight, joined.alone.weight)
