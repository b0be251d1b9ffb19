"""The layer of a photo: its own cells, the median of dates, and no more memory for more of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from basrelief.chips import overlay as overlay_layer
from basrelief.chips.layers import Layer, open_layer
from basrelief.chips.overlay import CONTEXT_PX, lay_overlay, open_overlay
from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import PhotoSettings
from basrelief.grid import Grid
from basrelief.run import Notes, Run

SIDE, CELL_M, CORNER = 60, 10.0, (500_000.0, 100_000.0)

Lay = Callable[..., tuple[NDArray[np.float32], NDArray[np.float64], Grid, list[str]]]


def draw(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(1, 255, (3, SIDE, SIDE)).astype(np.uint8)


def write(path: Path, values: NDArray[Any], corner: tuple[float, float] = CORNER) -> None:
    grid = Grid(*corner, CELL_M, values.shape[1:])
    profile = {"driver": "GTiff", "crs": "EPSG:27700", "transform": grid.transform}
    shape = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    with rasterio.open(path, "w", dtype=values.dtype, **profile, **shape) as dataset:
        dataset.write(values)


def make_areas(corner: tuple[float, float] = CORNER) -> gpd.GeoDataFrame:
    west, north = corner
    boxes = [
        shapely.box(west, north - 300, west + 250, north - 10),
        shapely.box(west + 250, north - 600, west + 600, north - 300),
    ]
    return gpd.GeoDataFrame({"area_id": ["E0", "E1"]}, geometry=boxes, crs=27700)


def lay_photo(
    where: Path, areas: gpd.GeoDataFrame, pattern: str, **asked: Any
) -> tuple[Layer, NDArray[np.float64], list[str]]:
    """Make the layer of the photos that lie in a folder."""
    wanted = PhotoSettings(files=pattern, bands=["red", "green", "blue"], **asked)
    settings = Settings(data=DataSettings(dsm="a", areas="b", labels="c", photo=wanted))
    settings._folder = where
    notes = Notes(Run(where / "run", quiet=True))
    photo = open_overlay(settings, "photo", notes, areas)
    folder = where / f"chips{len(list(where.glob('chips*')))}"
    covered = lay_overlay(photo, areas, settings.typed("photo.files"), folder, notes)
    layer = open_layer(folder / "layers" / "photo.zarr")
    assert layer.bands == photo.bands
    return layer, covered, notes.lines


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Make the layer of the photos that lie in the test's folder."""

    def make(
        areas: gpd.GeoDataFrame | None = None, pattern: str = "*.tif", **asked: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], Grid, list[str]]:
        areas = make_areas() if areas is None else areas
        layer, covered, lines = lay_photo(tmp_path, areas, pattern, **asked)
        return layer.read(layer.grid.find(layer.grid)), covered, layer.grid, lines

    return make


def test_the_layer_is_the_photo_cell_by_cell(tmp_path: Path, lay: Lay) -> None:
    values = draw()
    write(tmp_path / "a.tif", values)
    found, covered, grid, _ = lay()
    assert grid.cell_m == CELL_M
    whole = Grid(*CORNER, CELL_M, (SIDE, SIDE))
    inside, within = grid.clip(grid.find(whole))
    np.testing.assert_array_equal(found[:, *inside], values[:, *within].astype(np.float32))
    assert np.isfinite(found[0]).sum() == found[:, *inside][0].size
    np.testing.assert_allclose(covered, make_areas().area)


def test_files_side_by_side_are_one_photo(tmp_path: Path, lay: Lay) -> None:
    values = draw()
    write(tmp_path / "whole.tif", values)
    whole, *_ = lay(pattern="whole.tif")
    for k, (row, col) in enumerate([(0, 0), (0, 23), (31, 0), (31, 23)]):
        part = values[:, row : 31 if row == 0 else SIDE, col : 23 if col == 0 else SIDE]
        corner = (CORNER[0] + col * CELL_M, CORNER[1] - row * CELL_M)
        write(tmp_path / f"part-{k}.tif", part, corner)
    parts, *_ = lay(pattern="part-*.tif")
    np.testing.assert_array_equal(parts, whole)


def test_several_dates_are_their_median_and_a_cloud_of_one_goes(tmp_path: Path, lay: Lay) -> None:
    dates = [draw(seed) for seed in range(3)]
    dates[1][:, 10:20, 10:20] = 255  # a cloud that no mask knew
    dates[2][:, 30:40, 30:40] = 0  # and ground that one of them does not show
    for k, values in enumerate(dates):
        write(tmp_path / f"{k}.tif", values)
    found, _, grid, _ = lay()
    stack = np.stack(dates).astype(np.float64)
    stack[:, :, :][(stack == 0).all(axis=1, keepdims=True).repeat(3, axis=1)] = np.nan
    inside, within = grid.clip(grid.find(Grid(*CORNER, CELL_M, (SIDE, SIDE))))
    expected = np.nanmedian(stack, axis=0)[:, *within]
    np.testing.assert_allclose(found[:, *inside], expected)
    assert (found[:, *inside][:, 12:18, 12:18] < 255).any()


def test_moving_the_place_by_kilometres_changes_nothing(tmp_path: Path, lay: Lay) -> None:
    write(tmp_path / "here.tif", draw())
    here, covered, *_ = lay(pattern="here.tif")
    corner = (CORNER[0] + 13_000.0, CORNER[1] + 7_000.0)
    write(tmp_path / "there.tif", draw(), corner)
    there, as_much, *_ = lay(make_areas(corner), "there.tif")
    np.testing.assert_array_equal(there, here)
    np.testing.assert_allclose(as_much, covered)


def test_pieces_do_not_show(tmp_path: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3):
        write(tmp_path / f"{k}.tif", draw(k))
    whole, *_ = lay(resolution_m=20.0)
    monkeypatch.setattr(overlay_layer, "MAX_VALUES", 3 * 3 * 4 * 7**2)
    monkeypatch.setattr(overlay_layer, "CHUNK_PX", 16)
    parts, *_ = lay(resolution_m=20.0)
    np.testing.assert_allclose(parts, whole, atol=1e-4)


def test_a_coarser_layer_is_the_mean_of_finer_cells(tmp_path: Path, lay: Lay) -> None:
    values = draw()
    write(tmp_path / "a.tif", values)
    found, _, grid, _ = lay(resolution_m=20.0)
    assert grid.cell_m == 20.0
    inside = grid.find(Grid(*CORNER, 20.0, (SIDE // 2, SIDE // 2)))
    mean = values.reshape(3, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(found[:, *inside], mean, atol=0.01)


def test_more_dates_take_no_more_memory(
    tmp_path: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_layer, "MAX_VALUES", 50_000)
    peaks = []
    for n_dates in (3, 30):
        for k in range(n_dates):
            write(tmp_path / f"{n_dates}-{k}.tif", draw(k))
        tracemalloc.start()
        lay(pattern=f"{n_dates}-*.tif")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_wider_place_takes_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_layer, "MAX_VALUES", 100_000)
    monkeypatch.setattr(overlay_layer, "CHUNK_PX", 16)
    peaks = []
    for side in (300, 1200):
        folder = tmp_path / str(side)
        folder.mkdir()
        colours = np.random.default_rng(0).integers(1, 255, (3, side, side)).astype(np.uint8)
        write(folder / "a.tif", colours)
        # Areas of one size: of a wider place there are more, and each is small.
        corners = np.arange(0, side, 100) * CELL_M
        west, north = np.meshgrid(CORNER[0] + corners, CORNER[1] - corners)
        boxes = shapely.box(west, north - 1000, west + 1000, north).ravel()
        ids = [f"E{k}" for k in range(len(boxes))]
        areas = gpd.GeoDataFrame({"area_id": ids}, geometry=boxes, crs=27700)
        tracemalloc.start()
        lay_photo(folder, areas, "a.tif")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Sixteen times the ground.
    assert peaks[1] < 1.5 * peaks[0]


def test_networks_see_what_lies_around_the_areas(tmp_path: Path, lay: Lay) -> None:
    wide = np.random.default_rng(0).integers(1, 255, (3, 400, 400)).astype(np.uint8)
    write(tmp_path / "a.tif", wide, (CORNER[0] - 1700.0, CORNER[1] + 1700.0))
    found, _, grid, _ = lay()
    assert np.isfinite(found).all()
    west, south, east, north = make_areas().total_bounds
    margin = CONTEXT_PX * CELL_M
    assert grid.bounds == (west - margin, south - margin, east + margin, north + margin)


@pytest.mark.parametrize(("offset", "says"), [(-0.5, "below 0"), (20.0, "above 10")])
def test_reflectances_that_nothing_has_are_refused(
    tmp_path: Path, lay: Lay, offset: float, says: str
) -> None:
    write(tmp_path / "a.tif", draw().astype(np.uint16) * 10)
    with pytest.raises(InputError, match=f"of its reflectances are {says}"):
        lay(scale=1e-4, offset=offset)


def test_a_photo_that_is_all_clouds_is_refused(tmp_path: Path, lay: Lay) -> None:
    write(tmp_path / "a.tif", np.zeros((3, SIDE, SIDE), np.uint8))
    with pytest.raises(InputError, match="shows no ground of any area"):
        lay()


def test_files_that_lie_aside_are_left_out_with_a_line(tmp_path: Path, lay: Lay) -> None:
    write(tmp_path / "a.tif", draw())
    alone, *_ = lay()
    write(tmp_path / "b.tif", draw(1), (CORNER[0] + 5000.0, CORNER[1]))
    found, _, _, notes = lay()
    np.testing.assert_array_equal(found, alone)
    assert "1 of 2 files lie aside of the areas" in notes[0]
