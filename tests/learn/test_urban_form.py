from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.learn.urban_form import (
    SPECKLE,
    classify_cover,
    find_margin,
    measure_planes,
)

CELL_M = 2.0
MARGIN = 48
"""Enough for all but altitude, which is measured with `find_margin`."""

Grid = NDArray[np.float32]


def measure(above: NDArray[np.floating], ground: Grid | None = None) -> dict[str, float]:
    """Means over the middle of a surface, with a margin measured but not counted."""
    low = np.zeros(above.shape, np.float32) if ground is None else ground
    margin = MARGIN if ground is None else find_margin(CELL_M)
    found = {}
    for name, plane in measure_planes((low + above).astype(np.float32), low, CELL_M, margin):
        total = float(plane.amounts.sum(dtype=np.float64))
        count = plane.amounts.size if plane.counts is None else plane.counts.sum(dtype=np.float64)
        found[name] = total / count if count else float("nan")
    return found


def draw(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances in metres of each cell's centre from the north-west corner, down and right."""
    down, right = np.mgrid[0 : shape[0], 0 : shape[1]]
    return (down + 0.5) * CELL_M, (right + 0.5) * CELL_M


def build_rows(turn_deg: float, side: int = 200) -> Grid:
    """Rows of gabled houses, 14 m by 9 m, 6 m apart and 30 m over the street, turned."""
    down, right = np.mgrid[0 : 4 * side, 0 : 4 * side] * (CELL_M / 4)
    turn = np.radians(turn_deg)
    along = np.mod(np.cos(turn) * right + np.sin(turn) * down, 20.0)
    across = np.mod(np.cos(turn) * down - np.sin(turn) * right, 39.0)
    gable = 5.0 + 0.6 * np.minimum(across, 9.0 - across)
    fine = np.where((along < 14.0) & (across < 9.0), gable, 0.0)
    cells: Grid = fine.reshape(side, 4, side, 4).mean(axis=(1, 3)).astype(np.float32)
    return cells


def test_flat_ground_is_open_and_sees_all_the_sky() -> None:
    found = measure(np.zeros((150, 150)))
    for name in ("open_share", "remote_share", "wide_open_share", "sky_view_share"):
        assert found[name] == pytest.approx(1.0)
    for name in ("roof_share", "crown_share", "height_mean_m", "grain_64m_m", "roughness_m"):
        assert found[name] == 0.0
    assert found["slope_mean_deg"] == found["steep_share"] == found["roofs_per_ha"] == 0.0
    assert np.isnan(found["roof_height_mean_m"])


def test_one_box_has_the_size_that_it_was_built_with() -> None:
    above = np.zeros((296, 296))
    above[140:150, 140:155] = 8.0  # 20 m by 30 m, on 16 hectares
    found = measure(above)
    assert found["roof_share"] == pytest.approx(600 / 160_000)
    assert found["roof_height_mean_m"] == pytest.approx(8.0)
    assert found["roofs_per_ha"] == pytest.approx(1 / 16)
    assert found["roof_edge_m_per_ha"] == pytest.approx(100 / 16, rel=0.08)
    # Four times the mean way to the nearest edge of a rectangle a by b is a - a² / 3b.
    assert found["roof_width_m"] == pytest.approx(20 - 400 / 90, rel=0.03)
    assert found["flat_roof_share"] == 1.0
    assert found["tall_roof_share"] == 0.0


def test_a_grid_of_boxes_has_its_number_and_its_spacing() -> None:
    above = np.zeros((296, 296))
    for top in range(0, 296, 20):
        for left in range(0, 296, 25):
            above[top : top + 6, left : left + 8] = 12.0  # every 40 m and 50 m
    found = measure(above)
    assert found["roofs_per_ha"] == pytest.approx(10_000 / (40 * 50))
    assert found["roof_share"] == pytest.approx(48 / 500)
    assert found["tall_roof_share"] == 1.0
    assert found["crossing_share"] > 0.7
    assert found["one_way_share"] < 0.4
    assert found["remote_share"] == 0.0


def test_yards_count_against_roofs() -> None:
    above = np.zeros((196, 196))
    above[80:110, 80:110] = 9.0
    above[90:100, 90:100] = 0.0
    assert measure(above)["roofs_per_ha"] == pytest.approx(0.0)


def test_terraces_have_the_width_and_the_streets_that_they_were_built_with() -> None:
    above = np.zeros((296, 296))
    for top in range(3, 296, 20):
        above[top : top + 5] = 7.0  # 10 m wide, 30 m of street
    found = measure(above)
    assert found["roof_width_m"] == pytest.approx(10.0, rel=0.05)
    assert found["roof_distance_m"] == pytest.approx(30 / 4, rel=0.05)
    assert found["one_way_share"] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("turn_deg", [0.0, 20.0, 45.0, 70.0])
def test_stripes_run_one_way_whichever_it_is(turn_deg: float) -> None:
    down, right = draw((196, 196))
    turn = np.radians(turn_deg)
    stripes = 5 + 5 * np.sin((np.cos(turn) * right + np.sin(turn) * down) / 6)
    found = measure(stripes)
    assert found["one_way_share"] == pytest.approx(1.0, abs=0.02)
    both = measure(stripes + 5 * np.sin((np.cos(turn) * down - np.sin(turn) * right) / 6))
    assert both["one_way_share"] < 0.15
    assert both["crossing_share"] > both["one_way_share"] + 0.2


def test_noise_runs_no_way() -> None:
    found = measure(np.random.default_rng(0).uniform(0, 8, (296, 296)))
    assert found["one_way_share"] < 0.1
    assert found["crossing_share"] < 0.1


@pytest.mark.parametrize("turn_deg", [0.0, 15.0, 30.0, 45.0])
def test_houses_are_roofs_whichever_way_they_turn(turn_deg: float) -> None:
    above = build_rows(turn_deg)
    cover = classify_cover(above, np.zeros_like(above), CELL_M)
    n_high = (above > 2.5).sum()
    assert cover.is_crown.sum() < 0.1 * n_high
    assert cover.is_roof.sum() > 0.9 * n_high
    assert cover.is_roof.mean() == pytest.approx(14 * 9 / (20 * 39), rel=0.25)


def test_rough_trees_are_crowns_and_smooth_roofs_are_not() -> None:
    above = np.zeros((200, 200), np.float32)
    above[:, :100] = np.random.default_rng(1).uniform(3.0, 12.0, (200, 100))
    above[60:140, 140:180] = 8.0
    cover = classify_cover(above, np.zeros_like(above), CELL_M)
    assert cover.is_crown[:, :100].mean() > 0.98
    assert not cover.is_crown[:, 110:].any()
    assert cover.is_roof.sum() == pytest.approx(80 * 40, abs=0.02 * 200 * 100)
    assert 0 < SPECKLE < 1


def test_a_wall_narrower_than_three_cells_is_no_roof() -> None:
    above = np.zeros((100, 100), np.float32)
    above[50:52] = 4.0
    cover = classify_cover(above, np.zeros_like(above), CELL_M)
    assert not cover.is_roof.any()


def test_a_gable_has_its_pitch_up_to_ridge_and_eaves() -> None:
    down, _ = draw((196, 196))
    across = np.mod(down, 60.0)  # 13 cells of roof, the ridge in the middle of one
    above = np.where(across < 26.0, 4.0 + np.tan(np.radians(35)) * (13 - abs(across - 13)), 0.0)
    found = measure(above)
    assert found["roof_pitch_mean_deg"] == pytest.approx(35.0, abs=1.0)
    assert found["flat_roof_share"] == 0.0


def test_sky_beside_a_wall_is_what_the_horizon_leaves() -> None:
    above = np.zeros((160, 160))
    above[:, 80:] = 16.0
    planes = dict(
        measure_planes(above.astype(np.float32), np.zeros(above.shape, np.float32), CELL_M, MARGIN)
    )
    found = planes["sky_view_share"].amounts[32, 80 - 8 - MARGIN]  # 16 m from the wall
    # Straight on the wall stands at 45 degrees, slantwise it is further by the root of 2.
    hidden = np.sin(np.arctan([1.0, 0.5**0.5, 0.5**0.5])).sum()
    assert found == pytest.approx(1 - hidden / 8, abs=1e-5)


def test_grain_and_roughness_of_a_ramp() -> None:
    _, right = draw((176, 176))
    found = measure(0.1 * right)
    assert found["grain_16m_m"] == pytest.approx(1.6 / 2, rel=1e-4)
    assert found["grain_64m_m"] == pytest.approx(0.1 * 64 / 2, abs=0.4)  # the edge goes on
    assert found["roughness_m"] == pytest.approx(0.2 * (2 / 3) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("angle_deg", "is_steep"), [(4.0, 0.0), (6.0, 1.0)])
def test_a_hillside_has_its_slope_and_no_height(angle_deg: float, is_steep: float) -> None:
    side = 2 * find_margin(CELL_M) + 60
    down, right = draw((side, side))
    uphill = np.cos(0.5) * right + np.sin(0.5) * down
    ground = (80.0 + np.tan(np.radians(angle_deg)) * uphill).astype(np.float32)
    found = measure(np.zeros(ground.shape), ground)
    assert found["slope_mean_deg"] == pytest.approx(angle_deg, abs=0.01)
    assert found["steep_share"] == is_steep
    assert found["altitude_mean_m"] == pytest.approx(ground.mean(), rel=1e-5)
    assert found["altitude_above_m"] == pytest.approx(0.0, abs=0.2)
    expected = np.tan(np.radians(angle_deg)) * 500 / 12**0.5
    assert found["relief_m"] == pytest.approx(expected, rel=0.01)
    assert found["open_share"] == 1.0


def test_a_hill_top_stands_above_its_surroundings() -> None:
    side = 2 * find_margin(CELL_M) + 40
    ground = np.full((side, side), 50.0, np.float32)
    middle = slice(side // 2 - 20, side // 2 + 20)
    ground[middle, middle] = 70.0
    found = measure(np.zeros(ground.shape), ground)
    assert found["altitude_above_m"] == pytest.approx(20 - 20 * (80 / 1000) ** 2, rel=0.02)


def test_ground_without_data_spreads_nothing() -> None:
    side = 2 * find_margin(CELL_M) + 40
    ground = np.full((side, side), 60.0, np.float32)
    ground[:, : side // 2] = np.nan
    planes = dict(measure_planes(ground, ground, CELL_M, find_margin(CELL_M)))
    for name in ("slope_mean_deg", "altitude_above_m", "relief_m", "height_mean_m"):
        assert np.abs(planes[name].amounts[:, 20:]).max() < 1e-3
    assert all(np.isfinite(plane.amounts).all() for plane in planes.values())
