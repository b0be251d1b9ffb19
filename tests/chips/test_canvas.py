from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
import zarr
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas, Tiling, read_canvas, trim_canvas, walk_place
from basrelief.chips.layers import HEIGHT_BANDS, Band, create_layer, open_layer
from basrelief.chips.store import Samples, load_samples
from basrelief.chips.zonal import Zoning
from basrelief.grid import Grid
from basrelief.run import Run, read_json

SIZE_PX, CORNER = 8, (500_000.0, 100_000.0)
N_ROWS, N_COLS = 3, 4


def make_heights() -> NDArray[np.float32]:
    """Three by four chips of ground, one of them without any data, and a hole in another."""
    rng = np.random.default_rng(0)
    heights = rng.normal(size=(2, N_ROWS * SIZE_PX, N_COLS * SIZE_PX)).astype(np.float32)
    heights[:, 8:16, 16:24] = np.nan
    heights[:, 2:4, 3:5] = np.nan
    return heights


@pytest.fixture
def samples(tmp_path: Path, lay_place: Callable[..., Run]) -> Samples:
    area = gpd.GeoDataFrame({"area_id": ["E0"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=27700)
    return load_samples(lay_place(tmp_path, make_heights(), area, size_px=SIZE_PX, corner=CORNER))


@pytest.mark.parametrize("margin", [0, 3, 8, 19])
@pytest.mark.parametrize("place", [(0, 0, 3, 4), (1, 1, 1, 2), (2, 3, 1, 1), (2, 2, 4, 4)])
def test_a_block_reads_back_as_the_raster_it_was_cut_from(
    samples: Samples, place: tuple[int, int, int, int], margin: int
) -> None:
    row, col, n_rows, n_cols = (SIZE_PX * part for part in place)
    grid = samples.extent().crop((slice(row, row + n_rows), slice(col, col + n_cols)))
    canvas = read_canvas(samples.layers["heights"], grid, margin)
    far = 64  # what lies beyond the place has no data
    whole = np.pad(make_heights(), ((0, 0), (far, far), (far, far)), constant_values=np.nan)
    rows = slice(far + row - margin, far + row + n_rows + margin)
    cols = slice(far + col - margin, far + col + n_cols + margin)
    np.testing.assert_array_equal(canvas.heights, whole[:, rows, cols])
    assert canvas.margin_px == margin


def test_chips_are_windows_of_the_layer_where_their_squares_lie(samples: Samples) -> None:
    layer = samples.layers["heights"]
    assert layer.grid.bounds == (500_000.0, 99_976.0, 500_032.0, 100_000.0)
    assert len(samples.chips) == N_ROWS * N_COLS - 1
    for position, square in enumerate(samples.chips.geometry):
        chip = samples.read_heights(np.array([position]))[0]
        np.testing.assert_array_equal(chip, layer.read(layer.grid.cover(square.bounds)))


def test_a_layer_says_in_its_attributes_what_it_holds(samples: Samples) -> None:
    layer = samples.layers["heights"]
    array = zarr.open_array(layer.path, mode="r")
    assert read_json(layer.path / "zarr.json")["dimension_names"] == ["band", "row", "col"]
    facts = dict(array.attrs)
    assert facts["spatial:transform"] == [1.0, 0.0, 500_000.0, 0.0, -1.0, 100_000.0]
    assert pyproj.CRS(facts["proj:wkt2"]).to_epsg() == 27700
    assert (facts["bands"], facts["units"]) == (["surface", "ground"], ["m", "m"])
    assert facts["nodata"] == "NaN"
    assert open_layer(layer.path) == layer


def test_ground_without_data_is_not_stored(tmp_path: Path) -> None:
    grid = Grid(0.0, 256.0, 1.0, (256, 256))
    layer = create_layer(tmp_path / "a.zarr", grid, HEIGHT_BANDS, pyproj.CRS(27700), 8)
    blank = np.full((2, 64, 64), np.nan, np.float32)
    for tile in grid.tiles(64):
        layer.write(grid.find(tile), blank)
    assert [path.name for path in layer.path.rglob("*") if path.is_file()] == ["zarr.json"]
    blank[:, 3, 5] = 1.0
    layer.write(grid.find(next(grid.tiles(64))), blank)
    assert np.isfinite(layer.read(grid.find(grid))).sum() == 2


def test_a_layer_of_whole_numbers_has_zeros_where_there_is_no_data(tmp_path: Path) -> None:
    grid = Grid(0.0, 20.0, 10.0, (2, 2))
    path, bands = tmp_path / "photo.zarr", (Band("red", "1"),)
    layer = create_layer(path, grid, bands, pyproj.CRS(27700), 2, dtype="uint8")
    layer.write(grid.find(grid), np.full((1, 2, 2), 9, np.uint8))
    found = layer.read(grid.find(grid.pad(1)))
    assert found.dtype == np.uint8
    assert found.sum() == found[0, 1:3, 1:3].sum() == 36


@pytest.mark.parametrize("side", [8, 16, 24, 72])
def test_a_walk_meets_the_ground_of_areas_once(samples: Samples, side: int) -> None:
    place = gpd.GeoDataFrame(
        {"area_id": ["a"]}, geometry=[shapely.box(500_000, 99_976, 500_032, 100_000)], crs=27700
    )
    held, tiling = np.zeros((N_ROWS * SIZE_PX, N_COLS * SIZE_PX)), Tiling(side, halo_px=3)
    run, ground = Run(samples.folder.parent, quiet=True), samples.extent()
    for canvas in walk_place(samples, Zoning(place), tiling, run, "walk"):
        assert canvas.has_data.any()
        held[ground.find(canvas.grid)] += 1
    is_known = np.isfinite(make_heights()[0])
    assert held.max() == 1
    assert (held[is_known] == 1).all()
    aside = place.set_geometry([shapely.box(0, 0, 1, 1)])
    assert list(walk_place(samples, Zoning(aside), tiling, run, "walk")) == []


def test_a_place_reads_the_same_wherever_it_lies(
    tmp_path: Path, lay_place: Callable[..., Run]
) -> None:
    area = gpd.GeoDataFrame({"area_id": ["E0"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=27700)
    corner = (123_456.7, 654_321.1)
    run = lay_place(tmp_path, make_heights(), area, size_px=SIZE_PX, corner=corner)
    ground = load_samples(run).extent()
    assert (ground.west, ground.north) == pytest.approx(corner)
    canvas = read_canvas(load_samples(run).layers["heights"], ground, 0)
    np.testing.assert_array_equal(canvas.heights, make_heights())


def test_sides_without_data_are_cut_off_in_whole_units() -> None:
    heights = np.full((2, 4 + 24, 4 + 32), np.nan, dtype=np.float32)
    heights[:, 2 + 9, 2 + 5] = 1.0
    heights[:, 2 + 16, 2 + 23] = 2.0
    heights[:, 0] = 3.0  # the margin's data keep nothing
    canvas = Canvas(Grid(100.0, 48.0, 2.0, (24, 32)), heights)
    found = trim_canvas(canvas, 4)
    assert found.grid.bounds == (108.0, 8.0, 148.0, 32.0)
    np.testing.assert_array_equal(found.heights, heights[:, 8 : 8 + 12 + 4, 4 : 4 + 20 + 4])
    assert not Canvas(canvas.grid, np.where(heights == 3.0, 3.0, np.nan)).has_data.any()
