from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, WhiteKernel

from basrelief.config import InputError
from basrelief.judge.metrics import skill
from basrelief.learn import joint
from basrelief.learn.gaussian_process import GaussianProcess, fit_gaussian_process
from basrelief.learn.joint import (
    AreaTerms,
    decompose_joint,
    fit_joint,
    gp_interpolation,
    list_mixes,
    predict_joint,
)
from basrelief.learn.linear import measure_spread, predict_linear, standardise
from basrelief.learn.place import Locations, choose_scales, correlate
from basrelief.learn.recipes import DISTRICT, MEAN_PART, PLACE

Floats = NDArray[np.float64]
NOISE = 0.3
TRAIN, TEST = np.arange(110), np.arange(110, 160)

EARLIER = [
    [4.536776366151, 0.25771107721, 4.408474557319, -0.135029596909],
    [6.506120630145, 1.367332848034, 6.883774927686, -0.140901692537],
]
EARLIER_POSTERIOR = [1.0, 2.010029348871e-05, 1.0, 5.602211880148e-01]
"""What version 0.1 predicted of the first two test areas, when a process took one set at most."""


def make_areas(seed: int = 0, n: int = 160) -> tuple[AreaTerms, Floats]:
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
    return AreaTerms({"eye": X}, Locations(xy, codes)), Y


def make_sets(seed: int, n: int = 160) -> tuple[AreaTerms, Floats]:
    """Of three sets one target follows the first, one the first and second, one none."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 4000, (n, 2))
    sets = {name: rng.normal(size=(n, 8)) for name in ("photo", "street", "noise")}
    one, other = (sets[name] @ rng.normal(size=8) / np.sqrt(8) for name in ("photo", "street"))
    wave = np.sin(xy[:, 0] / 600)
    Y = np.stack([one + wave, one + other + 0.5 * wave, wave], axis=1)
    return AreaTerms(sets, Locations(xy)), Y + rng.normal(0, 0.4, Y.shape)


def measure_skills(terms: AreaTerms, Y: Floats) -> Floats:
    """Skill of each target in the test areas, (target,)."""
    guess = predict_joint(fit_joint(terms.take(TRAIN), Y[TRAIN]), terms.take(TEST))
    mean = np.tile(Y[TRAIN].mean(axis=0), (len(TEST), 1))
    columns = range(Y.shape[1])
    return np.array([skill(Y[TEST, k], guess[:, k], mean[:, k]) for k in columns])


def test_each_target_is_predicted_by_what_drives_it() -> None:
    terms, Y = make_areas()
    found = measure_skills(terms, Y)
    assert min(found[:3]) > 0.5
    assert abs(found[3]) < 0.1
    (posterior,) = fit_joint(terms.take(TRAIN), Y[TRAIN]).linear.weight
    assert min(posterior[[0, 2]]) > 0.99
    assert max(posterior[[1, 3]]) < 0.6


def test_one_set_gives_the_numbers_of_the_process_of_one_set() -> None:
    terms, Y = make_areas()
    fitted = fit_joint(terms.take(TRAIN), Y[TRAIN])
    found = predict_joint(fitted, terms.take(TEST[:2]))
    np.testing.assert_allclose(found, EARLIER, rtol=1e-9)
    np.testing.assert_allclose(fitted.linear.weight, [EARLIER_POSTERIOR], rtol=1e-9)


def test_a_planted_set_is_found_and_a_null_one_is_not() -> None:
    found = []
    for seed in range(3):
        terms, Y = make_sets(seed)
        found.append(fit_joint(terms, Y).linear.weight)
    posterior = np.array(found)  # (seed, set, target)
    assert posterior[:, 0, :2].min() > 0.99
    assert posterior[:, 1, 1].min() > 0.99
    assert posterior[:, 1, 0].max() < 0.1
    assert posterior[:, 2].max() < 0.1
    assert posterior[:, :, 2].max() < 0.1


def test_leaving_out_the_planted_set_costs_skill_and_a_null_one_none() -> None:
    terms, Y = make_sets(3)
    everything = measure_skills(terms, Y)
    without = {name: measure_skills(terms.leave_out([name]), Y) for name in terms.feature_sets}
    assert everything[0] - without["photo"][0] > 0.2
    assert everything[1] - without["street"][1] > 0.2
    np.testing.assert_allclose(without["noise"], everything, atol=0.05)


def test_parts_add_up_to_the_prediction() -> None:
    terms, Y = make_sets(4)
    district = np.array(["a", "b", "c"])[np.arange(160) % 3]
    terms = AreaTerms(terms.feature_sets, Locations(terms.locations.xy, district))
    fitted, new = fit_joint(terms.take(TRAIN), Y[TRAIN]), terms.take(TEST)
    parts = decompose_joint(fitted, new)
    assert list(parts) == [MEAN_PART, *terms.feature_sets, PLACE, DISTRICT]
    said = predict_linear(fitted.linear, new.join())
    sets = sum(parts[name] for name in terms.feature_sets)
    np.testing.assert_allclose(parts[MEAN_PART] + sets, said, atol=1e-10)
    whole = said + parts[PLACE] + parts[DISTRICT]
    np.testing.assert_allclose(predict_joint(fitted, new), whole, atol=1e-10)


def test_areas_that_a_set_does_not_cover_are_predicted_by_the_others() -> None:
    terms, Y = make_sets(5)
    fitted, new = fit_joint(terms.take(TRAIN), Y[TRAIN]), terms.take(TEST)
    blind = new.feature_sets | {"photo": np.full((len(TEST), 8), np.nan)}
    parts = decompose_joint(fitted, new)
    found = predict_joint(fitted, AreaTerms(blind, new.locations))
    rest = sum(part for name, part in parts.items() if name != "photo")
    np.testing.assert_allclose(found, rest, atol=1e-10)


@pytest.mark.parametrize("left_out", [[], [PLACE], [DISTRICT]])
def test_place_and_district_without_sets_are_the_interpolation(left_out: list[str]) -> None:
    terms, Y = make_areas()
    bare = terms.leave_out(["eye", *left_out])
    found = predict_joint(fit_joint(bare.take(TRAIN), Y[TRAIN]), bare.take(TEST))
    known, new, rng = bare.take(TRAIN).locations, bare.take(TEST).locations, np.random.default_rng()
    n_scales = joint.MOST_SCALES
    expected = gp_interpolation(known, Y[TRAIN], new, rng, is_many=False, n_scales=n_scales)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_place_tells_as_much_beside_many_sets_as_beside_few() -> None:
    terms, Y = make_areas()
    rng = np.random.default_rng(1)
    skills = []
    for n_sets in (1, 3, 4):
        sets = {str(k): rng.normal(size=(160, 4)) for k in range(n_sets)}
        beside = AreaTerms(sets, Locations(terms.locations.xy))
        found = predict_joint(fit_joint(beside.take(TRAIN), Y[TRAIN]), beside.take(TEST))
        mean = np.full(len(TEST), Y[TRAIN, 1].mean())
        skills.append(skill(Y[TEST, 1], found[:, 1], mean))
    assert skills[0] > 0.5
    assert skills[1:] == pytest.approx([skills[0]] * 2, abs=0.05)


def test_sets_without_place_and_district_are_a_process_of_their_own() -> None:
    terms, Y = make_areas()
    only = terms.leave_out([PLACE, DISTRICT])
    fitted = fit_joint(only.take(TRAIN), Y[TRAIN])
    assert list(decompose_joint(fitted, only)) == [MEAN_PART, "eye"]
    assert min(fitted.linear.weight[0, [0, 2]]) > 0.99
    assert max(fitted.linear.weight[0, [1, 3]]) < 0.6
    assert measure_skills(only, Y)[0] > 0.5


def test_a_place_of_one_scale_is_mixed_with_its_districts_in_three_shares() -> None:
    mixes, prior = list_mixes(0, 1, has_district=True)
    np.testing.assert_allclose(mixes, [[1.0, 0.0], [0.7, 0.3], [0.4, 0.6]])
    np.testing.assert_allclose(prior, 1 / 3)
    assert list_mixes(0, 0, has_district=True)[0] == [[1.0]]
    assert list_mixes(1, 0, has_district=False)[0].tolist() == [[0.0], [1.0]]


def test_every_set_is_in_or_out_with_one_half_before_labels_are_seen() -> None:
    for n_sets in (1, 2, 3):
        mixes, prior = list_mixes(n_sets, 3, has_district=True)
        np.testing.assert_allclose(mixes.sum(axis=1), 1.0)
        assert prior.sum() == pytest.approx(1.0)
        is_in = mixes[:, :n_sets] > 0
        np.testing.assert_allclose(prior @ is_in, 0.5)
        np.testing.assert_allclose(prior[is_in.all(axis=1)].sum(), 0.5**n_sets)
    assert len(np.unique(mixes, axis=0)) == len(mixes)


def test_more_sets_leave_fewer_scales_but_those_that_place_needs_and_seven_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms, Y = make_areas(n=30)
    counted = []

    def count(*args: Floats) -> GaussianProcess:
        counted.append(len(args[2]))
        return fit_gaussian_process(*args)

    monkeypatch.setattr(joint, "fit_gaussian_process", count)
    X = terms.feature_sets["eye"]
    for n_sets in (1, 2, 4, 6):
        sets = {f"set {k}": X for k in range(n_sets)}
        fit_joint(AreaTerms(sets, terms.locations), Y)
    assert counted == [97, 243, 567, 2343]
    with pytest.raises(InputError, match=r"joins 7 feature sets with place \(set 0, .* at most 6"):
        fit_joint(AreaTerms({f"set {k}": X for k in range(7)}, terms.locations), Y)


def take_one(monkeypatch: pytest.MonkeyPatch, candidate: int, share: float = 0.5) -> None:
    """Leave the fit one candidate and one share of noise.

    Of one set and one length scale these are place alone, both, and the set alone.
    """

    def fit(components: Floats, Y: Floats, mixes: Floats, prior: Floats) -> GaussianProcess:
        only = np.full(len(prior), 1e-300)
        only[candidate] = 1.0
        return fit_gaussian_process(components, Y, mixes, only, np.array([NOISE]))

    monkeypatch.setattr(joint, "SHARES", (share,))
    monkeypatch.setattr(joint, "fit_gaussian_process", fit)


def test_one_candidate_equals_the_solved_process(monkeypatch: pytest.MonkeyPatch) -> None:
    terms, Y = make_areas(n=60)
    share, bare = 0.4, terms.leave_out([DISTRICT])
    take_one(monkeypatch, 1, share)
    fitted = fit_joint(bare.take(np.arange(40)), Y[:40], n_scales=1)
    found = predict_joint(fitted, bare.take(np.arange(40, 60)))

    X, xy = terms.feature_sets["eye"], terms.locations.xy
    assert xy is not None
    Z = standardise(X, *measure_spread(X[:40]))
    Z -= Z[:40].mean(axis=0)
    distance = cdist(xy, xy)
    near = correlate(distance, choose_scales(distance[:40, :40], 1)[0])
    common = (1 - share) * near + share * Z @ Z.T / ((Z[:40] ** 2).sum() / 40)
    covariance = (1 - NOISE) * common[:40, :40] + NOISE * np.eye(40)
    centre = Y[:40].mean(axis=0)
    solved = np.linalg.solve(covariance, Y[:40] - centre)
    np.testing.assert_allclose(found, centre + (1 - NOISE) * common[40:, :40] @ solved, atol=1e-8)


def test_far_from_every_training_area_features_alone_speak() -> None:
    terms, Y = make_areas()
    fitted = fit_joint(terms, Y)
    X = terms.feature_sets["eye"][:5]
    far = AreaTerms({"eye": X}, Locations(np.full((5, 2), 1e7), np.full(5, "elsewhere")))
    np.testing.assert_allclose(
        predict_joint(fitted, far), predict_linear(fitted.linear, X), atol=1e-9
    )


def test_of_two_sets_the_one_that_knows_is_likely() -> None:
    terms, Y = make_areas(3)
    noise = np.random.default_rng(1).normal(size=(len(Y), 12))
    both = AreaTerms({"noise": noise} | terms.feature_sets, terms.locations)
    posterior = fit_joint(both, Y).linear.weight
    assert posterior.shape == (2, 4)
    assert posterior[1, 0] > 0.99
    assert posterior[0, 0] < 0.01


def test_unknown_labels_and_flat_features_are_taken_as_they_are() -> None:
    terms, Y = make_areas(4, n=80)
    Y[:20, 1] = np.nan
    flat = AreaTerms({"eye": np.zeros((80, 3))}, terms.locations)
    fitted = fit_joint(flat, Y)
    assert (fitted.linear.coef == 0).all()
    assert (fitted.weights[:, :20, 1] == 0).all()
    guess = predict_joint(fitted, flat)
    assert np.isfinite(guess).all()
    assert np.corrcoef(guess[20:, 1], Y[20:, 1])[0, 1] > 0.8


def make_standard(n: int = 60, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Standardised features, two targets that follow them in part, and places."""
    rng = np.random.default_rng(seed)
    Z = rng.uniform(-1, 1, (n, 8))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    Y = Z @ rng.normal(size=(8, 2)) + rng.normal(size=(n, 2)) + 5.0
    return Z, Y, rng.uniform(0, 4000, (n, 2))


def fit_coef(Z: Floats, Y: Floats, xy: Floats, n_scales: int = 3) -> Floats:
    return fit_joint(AreaTerms({"eye": Z}, Locations(xy)), Y, n_scales).linear.coef


def test_a_set_alone_equals_scikit_learns_process(monkeypatch: pytest.MonkeyPatch) -> None:
    Z, Y, xy = make_standard()
    take_one(monkeypatch, 2)
    size = float((Z**2).sum()) / len(Z)
    kernel = ConstantKernel((1 - NOISE) / size) * DotProduct(0.0, "fixed") + WhiteKernel(NOISE)
    reference = GaussianProcessRegressor(kernel, optimizer=None).fit(Z, Y - Y.mean(axis=0))
    new = np.random.default_rng(1).normal(size=(5, 8))
    np.testing.assert_allclose(new @ fit_coef(Z, Y, xy, 1), reference.predict(new), rtol=1e-8)


@pytest.mark.parametrize(("candidate", "share"), [(0, 0.0), (1, 0.5), (2, 1.0)])
def test_beside_place_a_set_is_its_part_of_the_process(
    monkeypatch: pytest.MonkeyPatch, candidate: int, share: float
) -> None:
    Z, Y, xy = make_standard()
    take_one(monkeypatch, candidate)
    product = Z @ Z.T / (float((Z**2).sum()) / len(Z))
    distance = cdist(xy, xy)
    near = correlate(distance, choose_scales(distance, 1)[0])
    common = (1 - share) * near + share * product
    covariance = (1 - NOISE) * common + NOISE * np.eye(len(Z))
    solved = np.linalg.solve(covariance, Y - Y.mean(axis=0))
    expected = (1 - NOISE) * share * product @ solved
    np.testing.assert_allclose(Z @ fit_coef(Z, Y, xy, 1), expected, atol=1e-8)


def test_what_neighbours_explain_is_not_taken_for_what_features_say() -> None:
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 4000, (150, 2))
    root = np.linalg.cholesky(correlate(cdist(xy, xy), 1500.0) + 1e-8 * np.eye(150))
    Z, smooth = root @ rng.normal(size=(150, 6)), root @ rng.normal(size=(150, 1))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    driven = Z @ rng.normal(size=(6, 1)) / np.sqrt(6)
    coef = fit_coef(Z, np.hstack([smooth, driven + 0.3 * smooth]), xy)
    share = (Z @ coef).std(axis=0) / np.array([smooth.std(), driven.std()])
    plain = (Z @ np.linalg.lstsq(Z, smooth - smooth.mean(), rcond=None)[0]).std() / smooth.std()
    assert share[0] < 0.5 * plain
    assert share[1] > 0.8


def test_an_unknown_label_and_features_that_do_not_vary_do_not_touch_other_targets() -> None:
    Z, Y, xy = make_standard()
    Y[:20, 1] = np.nan
    both = fit_coef(Z, Y, xy)
    np.testing.assert_allclose(both[:, :1], fit_coef(Z, Y[:, :1], xy), rtol=1e-6)
    assert np.isfinite(both).all()
    assert (fit_coef(np.zeros_like(Z), Y, xy) == 0).all()
