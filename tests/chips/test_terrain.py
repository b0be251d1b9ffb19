from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.terrain import (
    HALO_M,
    estimate_ground,
    hillshade,
    render_relief,
    render_shaded,
    slope_degrees,
)


def hilly(shape: tuple[int, int]) -> NDArray[np.float32]:
    rows, cols = np.indices(shape)
    land: NDArray[np.float32] = (50 + 0.05 * cols + 3 * np.sin(rows / 80)).astype(np.float32)
    return land


def test_ground_passes_under_houses() -> None:
    land = hilly((300, 300))
    surface = land.copy()
    for corner in (80, 150, 200):
        surface[corner : corner + 12, 100:130] += 9
    error = np.abs(estimate_ground(surface, 1.0) - land)[70:-70, 70:-70]
    assert error.max() < 0.5


def test_ground_does_not_depend_on_what_lies_beyond_the_halo() -> None:
    rng = np.random.default_rng(0)
    surface = hilly((420, 420)) + rng.uniform(0, 8, (420, 420)).astype(np.float32)
    halo = round(HALO_M)
    whole = estimate_ground(surface, 1.0)[150:270, 150:270]
    alone = estimate_ground(surface[150 - halo : 270 + halo, 150 - halo : 270 + halo], 1.0)
    assert np.abs(alone[halo:-halo, halo:-halo] - whole).max() < 1e-3


def test_nodata_stays_nodata_and_does_not_spread() -> None:
    surface = hilly((200, 200))
    surface[50:150, 50:150] = np.nan
    ground = estimate_ground(surface, 1.0)
    assert np.array_equal(np.isnan(ground), np.isnan(surface))
    assert np.nanmax(np.abs(ground - surface)) < 2.5
    assert np.isnan(estimate_ground(np.full((9, 9), np.nan, np.float32), 1.0)).all()


def test_slope_is_the_angle_of_the_plane() -> None:
    plane = np.tile(np.arange(50, dtype=np.float32) * 2, (50, 1))
    assert slope_degrees(plane, 2.0) == pytest.approx(45.0, abs=1e-4)
    assert slope_degrees(plane * 0, 2.0).max() == 0


def test_light_comes_from_the_north_west() -> None:
    rows, cols = np.indices((20, 20))
    facing = hillshade((rows + cols).astype(np.float32), 1.0)[10, 10]
    away = hillshade((-rows - cols).astype(np.float32), 1.0)[10, 10]
    assert facing > np.sqrt(0.5) > away


def test_relief_bands_are_height_slope_altitude_with_nodata_zero() -> None:
    ground = np.full((32, 32), 40.0, np.float32)
    surface = ground + 6
    surface[0, 0] = ground[0, 0] = np.nan
    height, slope, altitude = render_relief(surface, ground, 1.0)
    assert (height[5, 5], slope[5, 5], altitude[5, 5]) == (6.0, 0.0, 40.0)
    assert height[0, 0] == altitude[0, 0] == 0.0


def test_shaded_bands_are_colours_with_nodata_black() -> None:
    ground = hilly((32, 32))
    surface = ground + 12
    surface[3, 3] = np.nan
    picture = render_shaded(surface, ground, 1.0)
    assert picture.shape == (3, 32, 32)
    assert picture.dtype == np.uint8
    assert picture[:, 3, 3].max() == 0
    assert picture[:, 20, 20].min() > 0
