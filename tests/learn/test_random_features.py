from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from numpy.typing import NDArray

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.chips.membership import measure_membership
from basrelief.chips.store import Samples
from basrelief.config import InputError
from basrelief.grid import Grid
from basrelief.learn.random_features import (
    Filters,
    load_filters,
    random_features,
    respond,
    sample_filters,
    save_filters,
    whiten_patches,
)
from basrelief.learn.recipes import RandomRecipe
from basrelief.run import Run

RECIPE = RandomRecipe(kind="random-features", name="random-features", about="a", n_filters=24)


def make_place(folder: Path, resolution_m: float = 1.0, seed: int = 0) -> Samples:
    """Four chips of rough ground under nine areas, a corner of it without data."""
    rng = np.random.default_rng(seed)
    side_m = 32 * resolution_m
    squares = [
        shapely.box(x, y, x + side_m, y + side_m) for y in (side_m, 0.0) for x in (0.0, side_m)
    ]
    chips = gpd.GeoDataFrame({"chip_id": list("abcd")}, geometry=squares, crs="EPSG:27700")
    cuts = np.array([-5.0, 21.0, 40.0, 64.0]) * resolution_m
    cells = [(x, y) for y in range(3) for x in range(3)]
    polygons = [shapely.box(cuts[x], cuts[y], cuts[x + 1], cuts[y + 1]) for x, y in cells]
    areas = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:27700")
    areas["area_id"] = [f"E{k}" for k in range(9)]
    chips["easting"], chips["northing"] = chips.centroid.x, chips.centroid.y
    grid = Grid(0.0, 2 * side_m, resolution_m, (64, 64))
    path = folder / "layers" / "heights.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, areas.crs, 32)
    for chip in grid.tiles(32):
        surface = 4 * rng.standard_normal((32, 32)) ** 2
        surface[:6, :6] = np.nan
        layer.write(grid.find(chip), np.stack([surface, np.zeros((32, 32))]).astype("f4"))
    member = measure_membership(chips, areas)
    return Samples(chips, areas, member, ("crime",), "heights", 32, resolution_m, folder)


def make_filters(n: int = 8, side: int = 5, seed: int = 0) -> Filters:
    weights = np.random.default_rng(seed).normal(size=(n, side, side)).astype(np.float32)
    return Filters(weights, bias=-1.0, scale_m=3.0, cell_m=1.0)


def respond_naively(height: NDArray[np.float32], filters: Filters) -> NDArray[np.float64]:
    """Responses cell by cell, (filter, row, col), on the mirrored chip."""
    margin = filters.weights.shape[-1] // 2
    padded = np.pad(np.nan_to_num(height) / filters.scale_m, margin, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, filters.weights.shape[1:])
    found = np.einsum("rcij,fij->frc", windows, filters.weights, dtype=np.float64)
    return np.asarray(found + filters.bias)


def test_responses_equal_brute_force() -> None:
    height = np.random.default_rng(0).uniform(0, 12, (40, 36)).astype(np.float32)
    filters = make_filters()
    response = respond_naively(height, filters)
    both = np.stack([np.maximum(response, 0), np.maximum(-response, 0)])
    np.testing.assert_allclose(respond(height, filters), both, rtol=1e-4, atol=1e-5)


def test_responses_equal_torchgeos() -> None:
    rcf = pytest.importorskip("torchgeo.models.rcf", reason="torchgeo is not installed")
    filters = make_filters(n=16)
    model = rcf.RCF(in_channels=1, features=32, kernel_size=5, bias=-1.0)
    model.weights = torch.from_numpy(filters.weights)[:, None]
    height = np.random.default_rng(1).uniform(0, 12, (64, 64)).astype(np.float32)
    expected = model(torch.from_numpy(height / np.float32(filters.scale_m))[None, None])[0]
    found = respond(height, filters)[:, :, 2:-2, 2:-2].mean(axis=(2, 3)).ravel()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_whitening_equals_torchgeos() -> None:
    rcf = pytest.importorskip("torchgeo.models.rcf", reason="torchgeo is not installed")
    patches = np.random.default_rng(2).uniform(0, 9, (400, 1, 5, 5)).astype(np.float32)
    expected = rcf.RCF(in_channels=1, features=2)._normalize(patches).reshape(400, 25)
    found = whiten_patches(patches.reshape(400, 25))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_whitened_ground_has_no_correlation_but_that_of_the_constant() -> None:
    rng = np.random.default_rng(3)
    patches = rng.normal(size=(4000, 9)) @ rng.normal(size=(9, 9))
    centred = patches - patches.mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    # Whitening is applied to the filter twice, so filter and ground together are white.
    product = whiten_patches(patches.astype(np.float32)).T @ centred / 4000
    values = np.linalg.eigvalsh((product + product.T) / 2)
    assert values[0] == pytest.approx(0.0, abs=1e-6)
    assert values[1:] == pytest.approx(1.0, abs=0.3)


def test_features_of_an_area_are_the_mean_over_its_cells_with_data(tmp_path: Path) -> None:
    samples, run = make_place(tmp_path), Run(tmp_path, quiet=True)
    filters = make_filters()
    table = random_features(samples, filters, run)
    assert list(table.index) == [f"E{k}" for k in range(9)]
    surface = samples.read_heights(np.array([2]))[0, 0]  # the south-west chip
    response = respond_naively(surface, filters)[:, 11:, :21]  # the area's 21 m square
    has_data = np.isfinite(surface)[11:, :21]
    expected = np.maximum(response, 0)[:, has_data].mean(axis=1)
    np.testing.assert_allclose(table.loc["E0"].iloc[:8], expected, rtol=1e-4)


def test_filters_are_drawn_from_a_seed_and_come_back_from_their_file(tmp_path: Path) -> None:
    samples = make_place(tmp_path, resolution_m=0.5)
    one, same = (sample_filters(RECIPE, samples, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, same.weights)
    assert one.weights.shape == (24, 5, 5)
    assert one.cell_m == 2.0
    save_filters(one, tmp_path / "filters.safetensors")
    back = load_filters(tmp_path / "filters.safetensors")
    np.testing.assert_array_equal(back.weights, one.weights)
    assert (back.bias, back.scale_m, back.cell_m) == (one.bias, one.scale_m, one.cell_m)


def test_filters_of_other_cells_are_refused(tmp_path: Path) -> None:
    samples = make_place(tmp_path, resolution_m=3.0)
    with pytest.raises(InputError, match=r"cells of 3 m, and the model's are of 2 m"):
        random_features(
            samples, Filters(make_filters().weights, -1.0, 1.0, 2.0), Run(tmp_path, quiet=True)
        )


def test_flat_ground_has_no_filters(tmp_path: Path) -> None:
    samples = make_place(tmp_path)
    layer = samples.layers["heights"]
    layer.write(layer.grid.find(layer.grid), np.full((2, 64, 64), 7.0, np.float32))
    with pytest.raises(InputError, match="no ground that is not flat"):
        sample_filters(RECIPE, samples, np.random.default_rng(0))
