from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.chips.membership import measure_membership
from basrelief.chips.store import Samples
from basrelief.grid import Grid, coarsen
from basrelief.learn import relief
from basrelief.learn.measures import MEASURES
from basrelief.learn.relief import relief_features
from basrelief.learn.urban_form import find_margin, measure_planes
from basrelief.run import Run

SIDE_PX = 64
NAMES = [measure.name for measure in MEASURES]
PLAIN = [
    *("open_share", "roof_share", "crown_share", "height_mean_m", "sky_view_share"),
    *("roof_height_mean_m", "roof_width_m", "altitude_mean_m", "slope_mean_deg", "relief_m"),
]


def store_place(
    folder: Path, surface: NDArray[np.float32], ground: NDArray[np.float32], areas: gpd.GeoDataFrame
) -> Samples:
    """Store a place of cells of 2 m as chips, its north-west corner at (1000, 9000)."""
    folder.mkdir(exist_ok=True)
    n_rows, n_cols = (side // SIDE_PX for side in surface.shape)
    side_m = 2.0 * SIDE_PX
    rows = []
    grid = Grid(1000.0, 9000.0, 2.0, surface.shape)
    path = folder / "layers" / "heights.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, areas.crs, SIDE_PX)
    layer.write(grid.find(grid), np.stack([surface, ground]).astype("f4"))
    for row, col in np.ndindex(n_rows, n_cols):
        west, north = 1000.0 + col * side_m, 9000.0 - row * side_m
        square = shapely.box(west, north - side_m, west + side_m, north)
        centre = {"easting": west + side_m / 2, "northing": north - side_m / 2}
        rows.append({"chip_id": f"{row}_{col}", "geometry": square, **centre})
    chips = gpd.GeoDataFrame(rows, crs="EPSG:27700")
    member = measure_membership(chips, areas)
    return Samples(chips, areas, member, ("crime",), "heights", SIDE_PX, 2.0, folder)


def draw_areas(polygons: list[BaseGeometry]) -> gpd.GeoDataFrame:
    names = [f"E{k}" for k in range(len(polygons))]
    return gpd.GeoDataFrame({"area_id": names}, geometry=polygons, crs="EPSG:27700")


def build_place(seed: int = 0, n_chips: int = 4) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes and bushes on a hillside, with a corner that has no data."""
    rng = np.random.default_rng(seed)
    side = n_chips * SIDE_PX
    down, right = np.mgrid[0:side, 0:side]
    ground = 60 + 0.05 * right + 3 * np.sin(down / 40)
    above = 0.3 * rng.random((side, side))
    for top, left in rng.integers(0, side - 12, (150, 2)):
        above[top : top + 5, left : left + 9] = rng.uniform(4, 15)
    above[:40, :90] = rng.uniform(2, 12, (40, 90))
    ground[-30:, -50:] = np.nan
    return (ground + above).astype("f4"), ground.astype("f4")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """A place of 4 x 4 chips under areas that share chips and cells."""
    surface, ground = build_place()
    round_one = shapely.Point(1250, 8700).buffer(120)
    polygons: list[BaseGeometry] = [
        round_one,
        shapely.box(1000.5, 8700.7, 1400.2, 9000.0).difference(round_one),
        shapely.Polygon([(1300, 8510), (1500, 8490), (1511, 8950), (1405, 8801)]),
        shapely.box(1300, 8400, 1600, 8600),
        shapely.box(5000, 5000, 5100, 5100),
    ]
    return store_place(tmp_path_factory.mktemp("place"), surface, ground, draw_areas(polygons))


@pytest.fixture(scope="module")
def features(place: Samples) -> pd.DataFrame:
    return relief_features(place, Run(place.folder, quiet=True))


def pool_naively(name: str, polygon: shapely.Polygon) -> float:
    """Mean of one measure over a polygon: every cell by the share of it inside."""
    surface, ground = build_place()
    margin = find_margin(2.0)
    wide = [np.pad(plane, margin, constant_values=np.nan) for plane in (surface, ground)]
    plane = dict(measure_planes(wide[0], wide[1], 2.0, margin))[name]
    total = count = 0.0
    for row, col in np.argwhere(np.isfinite(surface)):
        west, north = 1000 + 2 * col, 9000 - 2 * row
        share = shapely.box(west, north - 2, west + 2, north).intersection(polygon).area / 4
        if share:
            counts = 1.0 if plane.counts is None else float(plane.counts[row, col])
            total, count = total + share * float(plane.amounts[row, col]), count + share * counts
    return total / count


@pytest.mark.parametrize("name", ["height_mean_m", "roof_height_mean_m", "altitude_above_m"])
def test_pooling_equals_brute_force(place: Samples, features: pd.DataFrame, name: str) -> None:
    polygon = place.areas.geometry.iloc[2]
    assert features.loc["E2", name] == pytest.approx(pool_naively(name, polygon), rel=1e-4)


def test_every_measure_is_there_in_order_for_areas_with_ground(features: pd.DataFrame) -> None:
    assert list(features.columns) == NAMES
    assert features.index.tolist() == ["E0", "E1", "E2", "E3"]
    # Only E0 has bushes enough to speak of crowns.
    assert np.isfinite(features.drop(columns="crown_height_mean_m").to_numpy()).all()


def test_blocks_leave_no_seams(
    place: Samples, features: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relief, "TRACT_M", 1.0)
    again = relief_features(place, Run(place.folder, quiet=True))
    np.testing.assert_allclose(again, features, rtol=1e-3, atol=1e-4)


def test_moving_the_place_by_whole_chips_changes_nothing(
    place: Samples, features: pd.DataFrame, tmp_path: Path
) -> None:
    surface, ground = build_place()
    blank = np.full_like(surface[:SIDE_PX], np.nan)
    wide = [np.pad(np.vstack([blank, plane]), ((0, 0), (3 * SIDE_PX, 0)), constant_values=np.nan)
            for plane in (surface, ground)]  # fmt: skip
    step = 2.0 * SIDE_PX
    moved = [translate(shape, 3 * step, -step) for shape in place.areas.geometry]
    samples = store_place(tmp_path / "moved", wide[0], wide[1], draw_areas(moved))
    again = relief_features(samples, Run(tmp_path, quiet=True))
    np.testing.assert_allclose(again, features, rtol=1e-3, atol=1e-4)


def test_features_do_not_tell_the_size_of_the_polygon(tmp_path: Path) -> None:
    # One texture that repeats every chip, on ground that falls evenly.
    rng = np.random.default_rng(3)
    tile = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    for top, left in ((4, 6), (5, 40), (36, 9), (40, 44)):
        tile[top : top + 9, left : left + 12] = rng.uniform(5, 14)
    tile[20:30, 20:40] = rng.uniform(0, 12, (10, 20))
    n_chips = 14
    above = np.tile(tile, (n_chips, n_chips))
    down, _ = np.mgrid[0 : above.shape[0], 0 : above.shape[1]]
    ground = (90 + 0.04 * down).astype("f4")
    step = 2.0 * SIDE_PX
    corner = (1000 + 6 * step, 9000 - 8 * step)
    polygons: list[BaseGeometry] = [
        shapely.box(*corner, corner[0] + step, corner[1] + step),
        shapely.box(corner[0] - step, corner[1] - step, corner[0] + 2 * step, corner[1] + 2 * step),
    ]
    samples = store_place(tmp_path / "p", ground + above, ground, draw_areas(polygons))
    found = relief_features(samples, Run(tmp_path, quiet=True))
    np.testing.assert_allclose(found.loc["E0"], found.loc["E1"], rtol=2e-3, atol=2e-3)


def test_areas_without_roofs_say_nothing_of_roofs(tmp_path: Path) -> None:
    flat = np.full((2 * SIDE_PX, 2 * SIDE_PX), 40.0, np.float32)
    areas = draw_areas([shapely.box(1000, 8800, 1200, 9000)])
    found = relief_features(store_place(tmp_path, flat, flat, areas), Run(tmp_path, quiet=True))
    roofs = found.loc["E0", ["roof_height_q50_m", "roof_pitch_mean_deg", "roof_height_variation"]]
    assert roofs.isna().all()
    assert found.loc["E0", PLAIN].drop(["roof_height_mean_m", "roof_width_m"]).notna().all()


def test_cells_are_averaged_over_what_is_known() -> None:
    heights = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    heights[0, 0, 0] = np.nan
    heights[:, 2:, 2:] = np.nan
    found = coarsen(heights, 2, more_than=0.5)
    assert found[0, 0, 0] == pytest.approx((1 + 4 + 5) / 3)
    assert np.isnan(found[:, 1, 1]).all()
    np.testing.assert_array_equal(coarsen(heights, 1, more_than=0.5), heights)
