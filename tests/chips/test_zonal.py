from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from basrelief.chips.zonal import Planes, Pools, Sums, Zoning, find_zones, list_areas, pool_planes
from basrelief.grid import Grid

GRID = Grid(500_000.0, 100_024.0, 2.0, (12, 15))


def make_areas(grid: Grid = GRID) -> gpd.GeoDataFrame:
    """A triangle, a rectangle with a hole that reaches beyond the grid, and one aside."""
    west, _, _, north = grid.bounds
    hole = shapely.box(west + 19.0, north - 12.5, west + 22.3, north - 9.1)
    polygons = [
        shapely.Polygon(
            [(west + 1.3, north - 2.2), (west + 17.1, north - 5.8), (west + 6.4, north - 21.9)]
        ),
        shapely.box(west + 16.5, north - 30.0, west + 28.25, north - 3.75).difference(hole),
        shapely.box(0.0, 0.0, 10.0, 10.0),
    ]
    return gpd.GeoDataFrame({"area_id": ["a", "b", "c"]}, geometry=polygons, crs="EPSG:27700")


def draw_planes(n_planes: int, grid: Grid = GRID, seed: int = 0) -> Planes:
    rng = np.random.default_rng(seed)
    values, counts = rng.uniform(0, 40, (n_planes, *grid.shape)), rng.uniform(size=grid.shape)
    return Planes("p", grid, values, counts * (counts > 0.3), has_spread=True, step=0.5)


def sample_points(area: shapely.Geometry, planes: Planes, n_side: int = 40) -> NDArray[np.float64]:
    """Points on a dense lattice inside an area: each a row of weight and values."""
    step = planes.grid.cell_m / n_side
    rows, cols = (np.arange(size * n_side) for size in planes.grid.shape)
    x = planes.grid.west + (cols + 0.5) * step
    y = planes.grid.north - (rows + 0.5) * step
    row, col = np.nonzero(shapely.contains_xy(area, *np.meshgrid(x, y)))
    at = row // n_side, col // n_side
    weight = planes.counts[at] / n_side**2
    return np.column_stack([weight, *(plane[at] for plane in planes.values)])


@pytest.mark.parametrize("n_planes", [1, 3, 9])
def test_sums_means_and_spreads_equal_points_sampled_densely(n_planes: int) -> None:
    areas, planes, pools = make_areas(), draw_planes(n_planes), Pools()
    pool_planes(pools, planes, find_zones(GRID, areas))
    assert list_areas(pools) == ["a", "b"]
    for k, area_id in enumerate(("a", "b")):
        points, sums = sample_points(areas.geometry[k], planes), pools["p"][area_id]
        weight, values = points[:, 0], points[:, 1:]
        mean = np.average(values, axis=0, weights=weight)
        spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
        assert sums.weight == pytest.approx(weight.sum(), rel=2e-3)
        np.testing.assert_allclose(sums.total, weight @ values, rtol=3e-3)
        np.testing.assert_allclose(sums.mean, mean, rtol=2e-3)
        np.testing.assert_allclose(sums.std, spread, rtol=2e-3)


def test_quantiles_equal_those_of_points_sampled_densely() -> None:
    areas, planes, pools = make_areas(), draw_planes(1), Pools()
    pool_planes(pools, planes, find_zones(GRID, areas))
    points = sample_points(areas.geometry[1], planes)
    order = np.argsort(points[:, 1])
    below = np.cumsum(points[order, 0]) / points[:, 0].sum()
    for share in (0.1, 0.5, 0.9):
        expected = points[order, 1][np.searchsorted(below, share)]
        # To within the steps in which values are counted.
        assert pools["p"]["b"].quantile(share) == pytest.approx(expected, abs=0.5)


def test_a_rectangle_covers_exact_shares_of_cells() -> None:
    west, north = GRID.west, GRID.north
    polygon = shapely.box(west + 3.0, north - 7.5, west + 8.0, north - 2.0)
    areas = gpd.GeoDataFrame({"area_id": ["a"]}, geometry=[polygon], crs="EPSG:27700")
    ((_, cells, coverage),) = find_zones(GRID, areas).of_areas()
    found = np.zeros(GRID.shape)
    found.ravel()[cells] = coverage
    expected = np.zeros(GRID.shape)
    expected[1:4, 1:4] = np.outer([1.0, 1.0, 0.75], [0.5, 1.0, 1.0])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("side", [1, 4, 5, 12])
@pytest.mark.parametrize("n_planes", [2, 9])
def test_sums_are_the_same_tile_by_tile(side: int, n_planes: int) -> None:
    planes, zoning = draw_planes(n_planes), Zoning(make_areas())
    whole, parts = Pools(), Pools()
    pool_planes(whole, planes, zoning.on(GRID))
    for tile in GRID.tiles(side):
        rows, cols = GRID.find(tile)
        part = Planes("p", tile, planes.values[:, rows, cols], planes.counts[rows, cols], True, 0.5)
        pool_planes(parts, part, zoning.on(tile))
    for area_id in ("a", "b"):
        one, other = whole["p"][area_id], parts["p"][area_id]
        for name in ("weight", "total", "square", "counted", "mean", "std"):
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-6)


@pytest.mark.parametrize("n_areas", [2, 40])
def test_every_way_of_summing_gives_the_same(n_areas: int) -> None:
    grid, rng = Grid(0.0, 60.0, 1.0, (60, 60)), np.random.default_rng(1)
    corners = rng.uniform(0, 50, (n_areas, 2))
    polygons = [shapely.box(x, y, x + 9.3, y + 7.7) for x, y in corners]
    codes = [f"E{k:02}" for k in range(n_areas)]
    areas = gpd.GeoDataFrame({"area_id": codes}, geometry=polygons, crs="EPSG:27700")
    zones, values = find_zones(grid, areas), rng.normal(size=(9, grid.n_cells))
    expected = np.stack([values[:, cells] @ weight for _, cells, weight in zones.of_areas()])
    np.testing.assert_allclose(zones.sum(values), expected, atol=1e-9)
    np.testing.assert_allclose(zones.sum(values[:2]), expected[:, :2], atol=1e-9)
    assert zones.sum(values[:0]).shape == (n_areas, 0)


def test_areas_of_which_nothing_counts_are_left_out() -> None:
    zones = find_zones(GRID, make_areas())
    counts = np.zeros(GRID.shape, dtype=bool)
    counts[:, 9:] = True
    assert zones.weigh(counts).area_ids == ("b",)
    assert zones.weigh(~counts & False).area_ids == ()


def test_sums_are_taken_in_the_precision_of_what_counts() -> None:
    zones = find_zones(GRID, make_areas())
    assert zones.weigh(np.ones(GRID.shape, np.float32)).weight.dtype == np.float32
    assert zones.weigh(np.ones(GRID.shape, bool)).weight.dtype == np.float64


def test_a_grid_that_no_area_touches_has_no_zones() -> None:
    zoning, far = Zoning(make_areas()), Grid(0.0, 5000.0, 1.0, (3, 3))
    assert not zoning.is_touched(far)
    assert zoning.is_touched(GRID)
    pools = Pools()
    pool_planes(pools, draw_planes(2, far), zoning.on(far))
    assert list_areas(pools) == []


def test_coverage_is_measured_once_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    zoning = Zoning(make_areas())
    zones = zoning.on(GRID)
    monkeypatch.setattr("basrelief.chips.zonal.find_zones", None)
    assert zoning.on(Grid(*vars_of(GRID))) is zones


def vars_of(grid: Grid) -> tuple[float, float, float, tuple[int, int]]:
    return grid.west, grid.north, grid.cell_m, grid.shape


def test_a_quantile_lies_inside_the_step_that_holds_it() -> None:
    sums = Sums(counted=np.array([0.0, 4.0, 0.0, 4.0]), step=0.5)
    assert [sums.quantile(share) for share in (0.25, 0.5, 0.75)] == [0.75, 1.0, 1.75]


def test_counting_cells_gives_the_weight_that_pooling_gives() -> None:
    zoning, planes, pools = Zoning(make_areas()), draw_planes(1), Pools()
    marks = planes.counts > 0.3
    pool_planes(pools, Planes("p", GRID, planes.values[:0], marks), zoning.on(GRID))
    counted = zoning.count_cells(GRID, marks)
    assert counted == pytest.approx([pools["p"]["a"].weight, pools["p"]["b"].weight, 0.0])
    far = Grid(0.0, 5000.0, 1.0, (3, 3))
    assert zoning.count_cells(far, np.ones(far.shape, dtype=bool)).tolist() == [0.0] * 3
