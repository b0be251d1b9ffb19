import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.judge import applicability
from basrelief.judge.applicability import (
    Applicability,
    hold_out,
    mark_unknown,
    measure_applicability,
)
from basrelief.judge.importance import Importance, weigh_linear, weigh_predictors
from basrelief.learn.area_models import AreaModel, TrainingAreas, fit_areas
from basrelief.learn.joint import AreaTerms, decompose_joint
from basrelief.learn.place import Locations, correlate

Floats = NDArray[np.float64]


def place(
    n: int = 200, p: int = 6, seed: int = 0
) -> tuple[Floats, Floats, Floats, NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    train, test = rng.normal(size=(n, p)) * 5 + 3, rng.normal(size=(40, p)) * 5 + 3
    return train, test, rng.uniform(0.1, 1, p), np.array([f"b{k // 10}" for k in range(n)])


def measure_all(
    train: Floats, test: Floats, weights: Floats, groups: NDArray[np.str_]
) -> Applicability:
    """Measure by features alone, with a column of weights a target."""
    n_targets = weights.shape[1]
    importance = Importance(weights, np.zeros(0), np.zeros((0, n_targets)), np.zeros(n_targets))
    known, new = (AreaTerms({"a": X}, Locations(None)) for X in (train, test))
    rng = np.random.default_rng(0)
    return measure_applicability(known, new, importance, hold_out(groups), rng)


class Single:
    """What is found for a single target."""

    def __init__(self, found: Applicability) -> None:
        self.di, self.threshold = found.di[:, 0], found.threshold[0]
        self.is_inside = np.asarray(found.flag(0))


def measure(train: Floats, test: Floats, weights: Floats, groups: NDArray[np.str_]) -> Single:
    return Single(measure_all(train, test, weights[:, None], groups))


def brute_force(
    train: Floats, test: Floats, weights: Floats, groups: NDArray[np.str_]
) -> tuple[Floats, float]:
    """The index as the paper says it, from whole matrices of distances."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    a, b = (train - mean) / spread * weights, (test - mean) / spread * weights
    between = cdist(a, a)
    unit = between[np.triu_indices(len(a), 1)].mean()
    own = np.where(groups[:, None] == groups, np.inf, between).min(axis=1) / unit
    low, high = np.percentile(own, (25, 75))
    return cdist(b, a).min(axis=1) / unit, own[own <= high + 1.5 * (high - low)].max()


@pytest.mark.parametrize("seed", range(5))
def test_the_index_and_its_threshold_equal_brute_force(seed: int) -> None:
    known = brute_force(*place(seed=seed))
    found = measure(*place(seed=seed))
    assert found.di == pytest.approx(known[0])
    assert found.threshold == pytest.approx(known[1])
    assert (found.is_inside == (found.di <= found.threshold)).all()


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(*place())
    monkeypatch.setattr(applicability, "TILE_ROWS", 7)
    monkeypatch.setattr(applicability, "TILE_COLUMNS", 11)
    pieces = measure(*place())
    assert pieces.di == pytest.approx(whole.di)
    assert pieces.threshold == pytest.approx(whole.threshold)


def test_areas_like_the_training_areas_are_inside_and_one_far_outside_is_marked() -> None:
    train, test, weights, groups = place()
    test[0] = train.max(axis=0) * 10
    found = measure(train, test, weights, groups)
    assert not found.is_inside[0]
    assert found.is_inside[1:].mean() > 0.9


def test_a_training_area_itself_has_index_nought() -> None:
    train, _, weights, groups = place()
    assert measure(train, train[:5], weights, groups).di == pytest.approx(0, abs=1e-12)


def test_features_that_the_model_does_not_rest_on_do_not_count() -> None:
    train, test, weights, groups = place()
    weights[2] = 0.0
    known = measure(train, test, weights, groups)
    test[:, 2] = 1e6
    assert measure(train, test, weights, groups).di == pytest.approx(known.di)


def test_a_target_that_rests_on_nothing_has_no_index_and_leaves_the_others_theirs() -> None:
    train, test, weights, groups = place()
    known = measure(train, test, weights, groups)
    both = measure_all(train, test, np.stack([weights * 0, weights], axis=1), groups)
    assert np.isnan(both.di[:, 0]).all()
    assert np.isnan(both.threshold[0])
    assert pd.Series(both.flag(0)).isna().all()
    assert both.di[:, 1] == pytest.approx(known.di)
    assert pd.Series(both.is_inside)[len(test) :].tolist() == known.is_inside.tolist()


def test_every_target_is_measured_in_what_its_own_prediction_rests_on() -> None:
    train, test, _, groups = place()
    weights = np.zeros((6, 2))
    weights[1, 0] = weights[2, 1] = 0.3
    test[0, 1] = 1e6
    found = measure_all(train, test, weights, groups)
    assert pd.Series(found.flag(0))[0] == False  # noqa: E712 - it may be null
    assert found.di[:, 1] == pytest.approx(measure(train, test, weights[:, 1], groups).di)


def test_an_unknown_feature_counts_as_the_training_mean() -> None:
    train, test, weights, groups = place()
    known = test.copy()
    test[3, 1], known[3, 1] = np.nan, train[:, 1].mean()
    assert measure(train, test, weights, groups).di == pytest.approx(
        measure(train, known, weights, groups).di
    )


def test_a_single_group_has_no_threshold_and_leaves_every_area_inside() -> None:
    train, test, weights, _ = place()
    found = measure(train, test, weights, np.full(len(train), "all"))
    assert found.threshold == np.inf
    assert found.is_inside.all()


def test_training_areas_that_are_all_the_same_have_an_index_still() -> None:
    _, test, weights, groups = place()
    found = measure(np.ones((len(groups), 6)), test, weights, groups)
    assert np.isfinite(found.di).all()
    assert not found.is_inside.any()


def test_many_training_areas_are_sampled_for_the_threshold_but_not_for_the_index() -> None:
    train, test, weights, groups = place(n=4000)
    known_di, known_threshold = brute_force(train, test, weights, groups)
    found = measure(train, test, weights, groups)
    ratio = found.di / known_di
    assert np.ptp(ratio) < 1e-9
    assert ratio[0] == pytest.approx(1, abs=0.02)
    assert found.threshold == pytest.approx(known_threshold, rel=0.1)


def lay_joint(n: int = 90, seed: int = 0) -> tuple[AreaTerms, Floats]:
    """Areas whose first label is a feature, and whose second is where they lie."""
    rng = np.random.default_rng(seed)
    X, xy = rng.normal(size=(n, 5)), rng.uniform(0, 5000, (n, 2))
    district = np.where(xy[:, 0] > 2500, "east", "west")
    smooth = np.sin(xy[:, 0] / 900) + np.cos(xy[:, 1] / 1100) + 0.7 * (district == "east")
    labels = np.stack([X[:, 0], smooth], axis=1) + 0.1 * rng.normal(size=(n, 2))
    return AreaTerms({"lidar": X}, Locations(xy, district)), labels


def fit_joint_model(terms: AreaTerms, labels: Floats) -> AreaModel:
    blocks = np.array([f"{k % 9}" for k in range(terms.n_areas)])
    areas = TrainingAreas(terms, labels, blocks, is_many=False)
    return fit_areas(areas, np.random.default_rng(0), joins_place=True)


def whole_matrix(one: AreaTerms, other: AreaTerms, weights: Importance, target: int) -> Floats:
    """Distances of all pairs, term by term as the docstring has them; features as they stand."""
    scaled = [each.join() * weights.features[:, target] for each in (one, other)]
    square = cdist(*scaled) ** 2
    assert one.locations.xy is not None
    assert other.locations.xy is not None
    apart = cdist(one.locations.xy, other.locations.xy)
    for scale, weight in zip(weights.scales, weights.place[:, target], strict=True):
        square += weight**2 * 2 * (1 - correlate(apart, scale))
    assert one.locations.district is not None
    differs = one.locations.district[:, None] != other.locations.district
    return np.asarray(np.sqrt(np.maximum(square + 2 * weights.district[target] ** 2 * differs, 0)))


def test_a_joint_model_is_measured_in_its_own_space_with_what_the_buffer_leaves() -> None:
    terms, labels = lay_joint()
    model = fit_joint_model(terms, labels)
    X = terms.feature_sets["lidar"]
    # Standardised beforehand, so that the brute force need not.
    whole = AreaTerms({"lidar": (X - X[:70].mean(0)) / X[:70].std(0)}, terms.locations)
    train, test = whole.take(np.arange(70)), whole.take(np.arange(70, 90))
    weights = weigh_predictors(model, terms, np.random.default_rng(0))
    groups = np.array([f"{k % 12}" for k in range(70)])
    xy = train.locations.xy
    assert xy is not None
    is_near = cdist(xy, xy) < 400
    held = hold_out(groups, np.argwhere(is_near))
    found = measure_applicability(train, test, weights, held, np.random.default_rng(0))
    for target in range(2):
        among = whole_matrix(train, train, weights, target)
        unit = among[np.triu_indices(70, 1)].mean()
        # Left out with an area: its group, and all within the buffer of any of that group.
        same = groups[:, None] == groups
        barred = same | ((same @ is_near) > 0)
        own = np.where(barred, np.inf, among).min(axis=1) / unit
        low, high = np.percentile(own[np.isfinite(own)], (25, 75))
        limit = own[own <= high + 1.5 * (high - low)].max()
        nearest = whole_matrix(test, train, weights, target).min(axis=1) / unit
        assert found.di[:, target] == pytest.approx(nearest)
        assert found.threshold[target] == pytest.approx(limit)


def test_parts_of_a_joint_model_weigh_as_much_as_what_they_add() -> None:
    terms, labels = lay_joint()
    model = fit_joint_model(terms, labels)
    joint = model.beside
    weights = weigh_predictors(model, terms, np.random.default_rng(0))
    parts = decompose_joint(joint, terms)  # type: ignore[arg-type]
    rows, columns = np.triu_indices(terms.n_areas, 1)
    Z = terms.join() - terms.join().mean(0)
    Z /= Z.std(0)
    at = terms.locations
    assert at.xy is not None
    assert at.district is not None
    apart = cdist(at.xy, at.xy)[rows, columns]
    for target in range(2):
        lidar = ((Z[rows] - Z[columns]) * weights.features[:, target]) ** 2
        place = sum(
            weight**2 * 2 * (1 - correlate(apart, scale))
            for scale, weight in zip(weights.scales, weights.place[:, target], strict=True)
        )
        differs = at.district[rows] != at.district[columns]
        district = 2 * weights.district[target] ** 2 * differs
        squares = {"lidar": lidar.sum(axis=1), "place": place, "district": district}
        for name, square in squares.items():
            added = parts[name][:, target]
            # An area is not paired with itself: more by one part in n - 1.
            assert np.mean(square) == pytest.approx(2 * added.var(), rel=0.02), name
    # What is learnt from a feature rests on it, and what lies in place rests on place.
    assert weights.features[0, 0] > 5 * weights.place[:, 0].max()
    assert weights.place[:, 1].max() > 2 * weights.features[:, 1].max()


def test_an_area_far_off_is_outside_for_what_rests_on_place_and_inside_for_what_does_not() -> None:
    terms, labels = lay_joint()
    model = fit_joint_model(terms, labels)
    xy = terms.locations.xy
    assert xy is not None
    far = AreaTerms(
        {"lidar": terms.feature_sets["lidar"][:1]},
        Locations(xy[:1] + 40_000, np.array(["elsewhere"])),
    )
    weights = weigh_predictors(model, terms, np.random.default_rng(0))
    held = hold_out(np.array([f"{k}" for k in range(terms.n_areas)]))
    found = measure_applicability(terms, far, weights, held, np.random.default_rng(0))
    assert found.di[0, 1] > found.threshold[1]
    assert found.di[0, 0] < found.threshold[0]


def test_a_model_without_place_weighs_features_by_their_coefficients() -> None:
    terms, labels = lay_joint()
    areas = TrainingAreas(terms, labels, np.array([f"{k % 9}" for k in range(90)]), is_many=False)
    model = fit_areas(areas, np.random.default_rng(0), joins_place=False)
    weights = weigh_predictors(model, terms, np.random.default_rng(0))
    np.testing.assert_array_equal(weights.features, np.abs(model.alone.coef))
    np.testing.assert_array_equal(weights.features, weigh_linear(model.alone).features)
    assert weights.place.size == 0
    assert not weights.district.any()


def test_what_many_areas_leave_weighs_at_the_length_scale_that_it_has() -> None:
    terms, labels = lay_joint(600)
    areas = TrainingAreas(terms, labels, np.array([f"{k % 9}" for k in range(600)]), is_many=True)
    model = fit_areas(areas, np.random.default_rng(0), joins_place=True)
    weights = weigh_predictors(model, terms, np.random.default_rng(0))
    assert (weights.place > 0).sum(axis=0).max() == 1
    # The second label is smooth in place, and features say nothing of it.
    (row,) = np.flatnonzero(weights.place[:, 1])
    assert 300 < weights.scales[row] < 10_000
    assert weights.place[row, 1] > 2 * weights.features[:, 1].max()
    assert weights.features[0, 0] > 2 * weights.place[:, 0].max()


def test_what_is_held_out_is_marked_as_brute_force_does() -> None:
    rng = np.random.default_rng(3)
    groups, xy = rng.integers(0, 6, 40).astype(str), rng.uniform(0, 10, (40, 2))
    is_near = cdist(xy, xy) < 2
    found = hold_out(groups, np.argwhere(is_near)).mark(np.arange(5, 9), slice(10, 30))
    for k, row in enumerate(range(5, 9)):
        group = np.flatnonzero(groups == groups[row])
        for j, column in enumerate(range(10, 30)):
            assert found[k, j] == (groups[column] == groups[row] or is_near[group, column].any())


def test_a_frame_without_applicability_is_marked_unknown() -> None:
    assert mark_unknown(pd.DataFrame({"id": ["a", "b"]}))["is_inside"].isna().all()
    known = mark_unknown(pd.DataFrame({"is_inside": [True, None]}))
    assert known["is_inside"].dtype == "boolean"
