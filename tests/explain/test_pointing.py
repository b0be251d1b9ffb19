"""On the town, whose crime is driven by height: does the map point at what is tall?"""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from basrelief.chips.store import load_samples
from basrelief.config import Settings, load_settings
from basrelief.explain.contributions import draw_contributions, set_scene
from basrelief.explain.readout import find_models
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.train_areas import train_areas
from basrelief.run import Run
from basrelief.running import run_stages

RECIPE = """\
kind = "dense"
name = "small"
about = "a"
backbone = "test_resnet"
stages = [1]
resolutions_m = [2.0]
"""
TALL_M = 12.0
"""As in the town's truth: the share of ground above it drives crime."""

LEAST = 0.02
"""Share of an area's ground that must be tall for there to be something to point at."""


@pytest.fixture(scope="module")
def cut(town: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    """The town's chips, for its crime alone and a small dense recipe."""
    folder = tmp_path_factory.mktemp("pointing")
    text = town.read_text().replace('["relief-statistics", "small.toml"]', '["small.toml"]')
    text = text.replace('["crime", "barriers", "health"]', '["crime"]')
    for name in ("lidar/", "areas.gpkg", "labels.csv"):
        text = text.replace(f'"{name}', f'"{town.parent}/{name}')
    (folder / "small.toml").write_text(RECIPE)
    (folder / "town.toml").write_text(text)
    settings = load_settings(folder / "town.toml")
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split"], set())
    return run, settings


def point(run: Run, settings: Settings, folder: Path) -> float:
    """Share of the areas with tall ground whose highest cell, or one beside it, is tall."""
    recipe = load_recipe("small.toml", settings)
    assert not isinstance(recipe, NetworkRecipe)
    samples = load_samples(run)
    train_areas(recipe, samples, settings, run)
    models = find_models(run, ["small"])
    if not models:
        return 0.0
    (path,) = draw_contributions(set_scene(models[0], samples, settings), folder, run)[1]
    with rasterio.open(path) as raster:
        values, transform = raster.read(1), raster.transform
    tall = read_tall(settings, values.shape)
    hits = []
    for polygon in samples.areas.geometry:
        inside = ~geometry_mask([polygon], values.shape, transform) & np.isfinite(values)
        if (tall[inside] > 0.5).mean() < LEAST:
            continue
        row, col = np.unravel_index(np.argmax(np.where(inside, values, -np.inf)), values.shape)
        near = tall[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2]
        hits.append(bool((near > 0.5).any()))
    assert len(hits) > 15
    return float(np.mean(hits))


def read_tall(settings: Settings, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Share of each cell of 8 m that is tall, read from the town's own tiles."""
    data = settings.data
    assert data.dtm is not None
    found = []
    for typed in (data.dsm, data.dtm):
        assert typed is not None
        pattern = settings.locate(typed)
        rows: dict[float, dict[float, NDArray[np.float32]]] = {}
        for path in pattern.parent.glob(pattern.name):
            with rasterio.open(path) as raster:
                corner = raster.bounds
                rows.setdefault(corner.top, {})[corner.left] = raster.read(1)
        strips = [np.hstack([rows[y][x] for x in sorted(rows[y])]) for y in sorted(rows)[::-1]]
        found.append(np.vstack(strips))
    is_tall = found[0] - found[1] > TALL_M
    n_rows, n_cols = is_tall.shape[0] // 4, is_tall.shape[1] // 4
    share = is_tall.reshape(n_rows, 4, n_cols, 4).mean(axis=(1, 3))
    padded = np.zeros(shape)
    padded[:n_rows, :n_cols] = share
    return padded


def test_the_map_points_at_what_is_tall(cut: tuple[Run, Settings], tmp_path: Path) -> None:
    assert point(*cut, tmp_path) > 0.8


def test_with_labels_shuffled_it_does_not(cut: tuple[Run, Settings], tmp_path: Path) -> None:
    shutil.copytree(cut[0].folder, tmp_path / "run")
    run = Run(tmp_path / "run", quiet=True)
    areas = gpd.read_parquet(run.chips / "areas.parquet")
    areas["crime"] = np.random.default_rng(0).permutation(areas["crime"].to_numpy())
    areas.to_parquet(run.chips / "areas.parquet")
    assert point(run, cut[1], tmp_path) < 0.5
