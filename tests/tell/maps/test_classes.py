from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from basrelief.style import read_rgb
from basrelief.tell.maps.classes import (
    Classes,
    classify_residuals,
    classify_values,
    count_decimals_of,
)

VALUES = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(VALUES)
@example(np.array([5e-324, 0.0]))
def test_every_value_has_a_class_with_a_colour_and_a_name(values: np.ndarray) -> None:
    classes = classify_values(values)
    assert len(classes.colours) == len(classes.labels) == len(classes.breaks) + 1
    assert set(classes.find(values)) <= set(range(len(classes.colours)))
    assert list(classes.breaks) == sorted(set(classes.breaks))


def test_scores_fall_into_fifths() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    sizes = np.bincount(classify_values(values).find(values))
    assert sizes.tolist() == pytest.approx([200] * 5, abs=10)


def test_a_value_on_a_break_is_in_the_upper_class_and_none_is_in_none() -> None:
    classes = Classes((0.0, 1.0), ("#000000", "#777777", "#ffffff"), 1)
    found = classes.find(np.array([-0.1, 0.0, 1.0, np.nan]))
    assert found.tolist() == [0, 1, 2, -1]


def test_breaks_are_what_the_legend_says() -> None:
    classes = classify_values(np.random.default_rng(0).uniform(0.02, 0.38, 500))
    assert classes.places == 3
    assert classes.breaks == tuple(round(edge, 3) for edge in classes.breaks)
    assert classes.labels[0] == f"below {classes.breaks[0]:.3f}"


@pytest.mark.parametrize("values", [[], [np.nan], [2.0, 2.0, 2.0]])
def test_values_that_are_all_alike_have_one_class(values: list[float]) -> None:
    classes = classify_values(np.array(values))
    assert classes.labels == ["all"]
    assert len(classes.colours) == 1


def test_residuals_have_the_same_classes_on_both_sides_of_zero() -> None:
    classes = classify_residuals(np.random.default_rng(0).normal(2.0, 1.0, 500), places=2)
    assert np.array(classes.breaks) == pytest.approx(-np.array(classes.breaks[::-1]))
    assert classes.find(np.array([0.0])).tolist() == [2]


def test_more_than_predicted_has_the_colour_of_what_raises() -> None:
    lowest, *_, highest = map(read_rgb, classify_residuals(np.arange(-9.0, 10.0), 0).colours)
    assert lowest[2] > lowest[0]  # purple
    assert highest[0] > highest[2]  # orange


@pytest.mark.parametrize("residuals", [[], [0.0, 0.0], [1e-9, -1e-9]])
def test_errors_too_small_to_show_are_all_in_the_middle(residuals: list[float]) -> None:
    classes = classify_residuals(np.array(residuals), places=1)
    assert classes.breaks == (-0.2, -0.1, 0.1, 0.2)
    assert set(classes.find(np.array(residuals))) <= {2}


def test_one_odd_area_does_not_cost_the_others_their_digits() -> None:
    values = np.r_[np.random.default_rng(0).uniform(0, 1, 200), 1e6]
    assert count_decimals_of(values) == 3
