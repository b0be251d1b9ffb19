from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from basrelief.learn.grounds import (
    REACH_PX,
    average_nearby,
    find_ground,
    find_window,
    measure_departure,
)


def make_above(shape: tuple[int, int] = (37, 50), seed: int = 0) -> NDArray[np.float32]:
    """Garden walls, houses and towers, one a pixel."""
    rng = np.random.default_rng(seed)
    return rng.choice([0.0, 1.0, 5.0, 8.0, 20.0], shape).astype(np.float32)


def stand(above: NDArray[np.float32], ground_m: float = 30.0) -> NDArray[np.float32]:
    ground = np.full_like(above, ground_m)
    return np.stack([ground + above, ground])


def test_departure_is_from_the_median_of_a_square() -> None:
    above = make_above()
    median = ndimage.median_filter(above, 5, mode="nearest")
    np.testing.assert_array_equal(measure_departure(above, 1.0), np.abs(above - median))


def test_raised_ground_and_roofs_lie_between_their_heights() -> None:
    heights = stand(np.array([[0.0, 2.4, 2.5, 5.9, 6.0, 11.9, 12.0, 40.0]], dtype=np.float32))
    assert find_ground(heights, 1.0, "raised").tolist() == [[False] * 2 + [True] * 6]
    roofs = [[False] * 4 + [True] * 2 + [False] * 2]
    assert find_ground(heights, 1.0, "roofs").tolist() == roofs
    assert find_ground(heights, 1.0, "ground").all()


def test_a_hedge_is_rough_and_a_wide_roof_and_a_lawn_are_not() -> None:
    above = np.zeros((40, 40), dtype=np.float32)
    above[5:30, 5:15] = 4.0  # a flat garage
    above[:, 30] = 1.5  # a hedge
    found = find_ground(stand(above), 1.0, "rough")
    assert found[:, 29:32].all()
    assert not found[8:27, 8:12].any()
    assert not found[35:, :20].any()


def test_high_ground_is_not_rough_however_uneven() -> None:
    above = make_above() + 6.0
    assert not find_ground(stand(above), 1.0, "rough").any()


@pytest.mark.parametrize("ground", ["ground", "raised", "roofs", "rough"])
def test_ground_without_data_never_counts(ground: str) -> None:
    heights = stand(make_above())
    heights[0, 10:20] = np.nan
    found = find_ground(heights, 1.0, ground)  # type: ignore[arg-type]
    assert found.any()
    assert not found[10:20].any()


@pytest.mark.parametrize("resolution_m", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_what_is_rough_depends_on_no_more_than_the_reach(resolution_m: float) -> None:
    edge = REACH_PX["rough"]
    assert 2 * (find_window(resolution_m) // 2) <= edge
    wide = stand(make_above((30 + 4 * edge, 25 + 4 * edge)))
    other = wide.copy()
    inside = np.zeros(wide.shape[1:], dtype=bool)
    inside[edge:-edge, edge:-edge] = True
    other[0, ~inside] = 77.0
    # Two edges wide: the inner square sees only what both have in common.
    core = (slice(2 * edge, -2 * edge), slice(2 * edge, -2 * edge))
    here, there = (find_ground(each, resolution_m, "rough")[core] for each in (wide, other))
    np.testing.assert_array_equal(here, there)


def test_average_nearby_is_a_mean_over_the_square() -> None:
    departure = make_above()
    expected = np.lib.stride_tricks.sliding_window_view(departure, (5, 5)).mean(axis=(2, 3))
    found = average_nearby(departure, 1.0)[2:-2, 2:-2]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
