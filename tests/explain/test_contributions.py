from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from exactextract import exact_extract
from numpy.typing import NDArray

from basrelief.chips.store import load_samples
from basrelief.config import Settings
from basrelief.explain.cells import AreaCells, spread_cells
from basrelief.explain.contributions import Scene, draw_contributions, set_scene
from basrelief.explain.kinds import KINDS
from basrelief.explain.readout import DenseModel, find_models, sum_of_cells
from basrelief.explain.tally import AreaSums
from basrelief.learn import dense
from basrelief.learn.linear import REACH
from basrelief.run import Run

Floats = NDArray[np.float64]

TOLERANCE = 1e-5
"""How far sums of cells may be from predictions, in standard deviations of these: fp32."""


def set_up(built: tuple[Run, Settings], recipe: str) -> Scene:
    run, settings = built
    (model,) = find_models(run, [recipe])
    return set_scene(model, load_samples(run), settings)


def draw(
    built: tuple[Run, Settings], recipe: str, folder: Path
) -> tuple[DenseModel, dict[str, AreaSums], list[Path]]:
    scene = set_up(built, recipe)
    tally, paths = draw_contributions(scene, folder, built[0])
    return scene.model, tally, paths


def predict_all(model: DenseModel, tally: dict[str, AreaSums]) -> Floats:
    return np.stack([model.predict(model.describe(area_id)) for area_id in tally])


@pytest.mark.parametrize("recipe", ["means", "spreads", "two"])
def test_an_areas_cells_add_up_to_its_prediction(
    built: tuple[Run, Settings], recipe: str, tmp_path: Path
) -> None:
    model, tally, _ = draw(built, recipe, tmp_path)
    assert len(tally) == 36
    total = np.stack([area.total for area in tally.values()])
    predicted = predict_all(model, tally)
    expected = np.stack([sum_of_cells(model, model.describe(area_id)) for area_id in tally])
    if recipe == "means":
        np.testing.assert_allclose(expected, predicted - model.linear.intercept)
    atol = TOLERANCE * predicted.std(axis=0).max()
    np.testing.assert_allclose(total, expected, atol=atol)


def test_the_mean_of_a_map_over_an_area_is_its_prediction_less_the_intercept(
    built: tuple[Run, Settings], tmp_path: Path
) -> None:
    model, tally, paths = draw(built, "means", tmp_path)
    areas = load_samples(built[0]).areas
    mean = exact_extract(str(paths[0]), areas, ["mean"], output="pandas")["mean"].to_numpy()
    predicted = predict_all(model, tally)[:, 0]
    error = np.abs(mean - (predicted - model.linear.intercept[0])) / predicted.std()
    # Cells on the border of the first two areas hold the mean of what both say.
    assert error[2:].max() < 1e-4
    assert error[:2].max() < 0.1


def test_a_map_covers_the_areas_and_nothing_else(
    built: tuple[Run, Settings], tmp_path: Path
) -> None:
    _, _, paths = draw(built, "means", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in paths]
    with rasterio.open(paths[0]) as raster:
        values = raster.read(1)
        assert raster.crs.to_epsg() == 27700
        assert raster.res == (16.0, 16.0)
        assert raster.bounds[:2] == (500_000.0, 99_232.0)
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(raster.nodata)
        assert raster.dtypes == ("float32",)
    known = np.isfinite(values)
    # Of the ground without data, the cells that hold some data have a value.
    assert not known[26, 25]
    assert known.mean() > 0.99


def test_maps_do_not_depend_on_how_the_ground_is_cut(
    built: tuple[Run, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = []
    for name, tract_px in (("whole", 1344), ("parts", 64)):
        monkeypatch.setattr(dense, "TRACT_PX", tract_px)
        (tmp_path / name).mkdir()
        _, _, paths = draw(built, "means", tmp_path / name)
        with rasterio.open(paths[0]) as raster:
            maps.append(raster.read(1))
    scale = np.nanstd(maps[0])
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-3 * scale)


def test_a_feature_that_is_cut_off_counts_no_further(
    built: tuple[Run, Settings], tmp_path: Path
) -> None:
    scene = set_up(built, "means")
    scene.model.linear.scale[:] *= 0.2
    tally, _ = draw_contributions(scene, tmp_path, built[0])
    model = scene.model
    x = np.stack([model.describe(area_id) for area_id in tally])
    assert (np.abs((x - model.linear.mean) / model.linear.scale) > REACH).mean() > 0.2
    total, predicted = np.stack([area.total for area in tally.values()]), predict_all(model, tally)
    expected = predicted - model.linear.intercept
    np.testing.assert_allclose(total, expected, atol=1e-4 * predicted.std())


def test_kinds_of_ground_share_out_all_that_is_added(
    built: tuple[Run, Settings], tmp_path: Path
) -> None:
    _, tally, _ = draw(built, "means", tmp_path)
    for area in tally.values():
        np.testing.assert_allclose(area.by_kind[: len(KINDS)].sum(axis=0), area.total, atol=1e-5)
        assert area.ground[: len(KINDS)].sum() == pytest.approx(area.coverage, rel=1e-5)
        # All of the weight on each of the four feature maps: two resolutions, two stages.
        assert area.share.sum() == pytest.approx(4.0)


def test_coarse_cells_are_shared_out_without_loss() -> None:
    rng = np.random.default_rng(0)
    coverage = rng.uniform(0, 1, 64)
    coverage[rng.uniform(size=64) < 0.3] = 0.0
    own_cells = np.flatnonzero(coverage)
    counted = rng.uniform(size=64) * (rng.uniform(size=64) < 0.5)
    own = AreaCells(own_cells, coverage[own_cells], (coverage * counted)[None, own_cells])
    parents = np.unique(own_cells // 8 // 4 * 2 + own_cells % 8 // 4)
    values = rng.normal(size=(len(parents), 3))
    cells, shared = spread_cells(parents, values, own, 0, 2, 4)
    np.testing.assert_allclose(shared.sum(axis=0), values.sum(axis=0))
    for parent, value in zip(parents, values, strict=True):
        inside = cells // 8 // 4 * 2 + cells % 8 // 4 == parent
        np.testing.assert_allclose(shared[inside].sum(axis=0), value)


def test_what_lies_in_a_sliver_does_not_get_all_of_a_coarse_cell() -> None:
    own = AreaCells(
        np.arange(4), np.array([1e-6, 1.0, 1.0, 1.0]), np.array([[1e-6, 0.0, 0.0, 0.0]])
    )
    _, shared = spread_cells(np.array([0]), np.array([[1.0]]), own, 0, 1, 2)
    assert shared[0, 0] / own.coverage[0] < 12 * 1.0 / own.coverage.sum()
