from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.learn.kriging import Places, Residuals, krige, load_residuals, save_residuals

Floats = NDArray[np.float64]


def make_residuals(districts: NDArray[np.str_] | None = None, n: int = 120) -> Residuals:
    """What is left follows a wave over the ground."""
    xy = np.random.default_rng(0).uniform(0, 4000, (n, 2))
    wave = np.sin(xy[:, 0] / 700) + np.cos(xy[:, 1] / 600)
    return Residuals(Places(xy, districts), wave[:, None])


def test_between_training_areas_residuals_are_interpolated() -> None:
    known = make_residuals()
    xy = np.random.default_rng(1).uniform(500, 3500, (40, 2))
    expected = np.sin(xy[:, 0] / 700) + np.cos(xy[:, 1] / 600)
    found = krige(known, Places(xy, None), np.random.default_rng(0))[:, 0]
    assert np.abs(found - expected).mean() < 0.1


def test_far_from_every_training_area_stands_their_mean() -> None:
    known = make_residuals()
    far = Places(np.array([[1e6, 1e6]]), None)
    found = krige(known, far, np.random.default_rng(0))
    assert found[0, 0] == pytest.approx(known.values.mean(), abs=1e-6)


def test_areas_of_one_district_have_something_in_common() -> None:
    xy = np.random.default_rng(2).uniform(0, 4000, (120, 2))
    # Districts in stripes, so that place alone is slow to tell them apart.
    stripe = (xy[:, 0] // 250).astype(int) % 2
    district = np.array(["west", "east"])[stripe]
    noise = np.random.default_rng(3).normal(0, 0.3, 120)
    known = Residuals(Places(xy[:80], district[:80]), (2.0 * stripe - 1.0 + noise)[:80, None])
    errors = []
    for codes in (district[80:], None):
        guess = krige(known, Places(xy[80:], codes), np.random.default_rng(0))[:, 0]
        errors.append(np.abs(guess - (2.0 * stripe[80:] - 1.0)).mean())
    assert errors[0] < 0.2
    assert errors[1] > 2 * errors[0]


def test_a_district_that_nobody_knows_has_nothing_in_common_with_others() -> None:
    district = np.array(["a", "b"])[np.arange(120) % 2]
    known = make_residuals(district)
    xy = np.array([[2000.0, 2000.0]])
    lonely, shared = (
        krige(known, Places(xy, np.array([code])), np.random.default_rng(0)) for code in "ca"
    )
    # These residuals do not lean on districts, so it makes next to no difference.
    assert lonely == pytest.approx(shared, abs=0.05)


@pytest.mark.parametrize("districts", [None, np.array(["E06", "E07", "E06"])])
def test_residuals_come_back_from_their_file(
    tmp_path: Path, districts: NDArray[np.str_] | None
) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(3, 2))
    values[1, 0] = np.nan
    known = Residuals(Places(rng.uniform(size=(3, 2)), districts), values)
    save_residuals(known, ("crime", "lad_score"), tmp_path / "r.parquet")
    back = load_residuals(tmp_path / "r.parquet")
    np.testing.assert_array_equal(back.values, values)
    np.testing.assert_array_equal(back.places.xy, known.places.xy)
    assert (back.places.district is None) == (districts is None)
    if districts is not None:
        np.testing.assert_array_equal(back.places.district, districts)
