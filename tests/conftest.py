"""Fixtures that every room's tests share: the town, a finished run of it, and the real data."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, Settings, load_settings
from basrelief.grid import Grid
from basrelief.run import Run, write_json
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import MIN_WORLDS, ModelSettings, SplitSettings

# Named by `make test` as a plugin; collected it would be imported, and count, a second time.
collect_ignore = ["lines.py"]

# Before anything imports Keras, in whatever order tests are dealt.
os.environ.setdefault("KERAS_BACKEND", "torch")

# How long an example takes is for benchmarks: on a busy machine the first may take a second.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

N, AREA_PX = 6, 32
"""Areas a side, and pixels of 4 m a side of each."""

MEANS = """\
kind = "dense"
name = "means"
about = "a"
backbone = "test_resnet"
stages = [2, 1]
resolutions_m = [4.0, 8.0]
"""
RECIPES = {
    "means": MEANS,
    "spreads": MEANS.replace('"means"', '"spreads"')
    + 'pools = ["rough", "raised"]\nstatistics = ["std", "mean"]\n',
    "on-top": 'kind = "kriged"\nname = "on-top"\nabout = "a"\ntrend = "means.toml"\n',
    "two": 'kind = "stack"\nname = "two"\nabout = "a"\nmembers = ["spreads.toml", "means.toml"]\n',
    "unsure": 'kind = "stack"\nname = "unsure"\nabout = "a"\n'
    'members = ["relief-statistics", "means.toml"]\n',
}

SMALL = """\
kind = "network"
name = "small"
about = "a network that trains in seconds"
backbone = "test_resnet"
bands = ["relief", "shaded"]

[head]
kind = "pooled"

[optimiser]
learning_rate = 1e-3
schedule = "cosine"

[train]
trainable = 3
epochs = 1
batch_size = 32
"""
# A small network and two steps are enough to see that its files go through every stage, and so
# few worlds the fewest that tell a gain from chance.
TOWN_IN_SHORT = {
    '"vgg16"]': '"small.toml"]',
    "vgg16 =": "test_resnet =",
    "epochs  = 2": "epochs = 1\nsteps_per_epoch = 2",
    "[models]": f"[evaluate]\nworlds = {MIN_WORLDS}\n\n[models]",
}


DEAR = ("town_run", "built", "keras")
"""Fixtures that take long to make: the files that ask for one go to one worker."""


@cache
def find_group(path: str) -> str:
    """Find what a file's tests are dealt together with: a dear fixture's, or their own file's."""
    text = (Path(__file__).parents[1] / path).read_text(encoding="utf-8")
    return next((name for name in DEAR if re.search(rf"\b{name}: ", text)), path)


# Not by marks: the releases of pytest-xdist and pytest that are locked disagree on a test's name,
# and marks deal every test by itself.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal tests to workers group by group."""
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: find_group(nodeid.split("::")[0])
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no worker is left alone with it at the end."""
    slow = set()
    for item in items:
        if item.get_closest_marker("slow"):
            slow.add(find_group(item.nodeid.split("::")[0]))

    def is_quick(item: pytest.Item) -> tuple[bool, bool]:
        group = find_group(item.nodeid.split("::")[0])
        return group not in DEAR, group not in slow

    items.sort(key=is_quick)


def pytest_collection_finish() -> None:
    """Keep what libraries brought out of every search for garbage: it takes one part in twenty."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let libraries go as they are used to, or they complain at the end."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration file of a synthetic town, with its rasters, areas and labels."""
    from basrelief.sources.town import write_town

    config = write_town(tmp_path_factory.mktemp("town"), seed=7)
    (config.parent / "small.toml").write_text(SMALL)
    text = config.read_text()
    for before, after in TOWN_IN_SHORT.items():
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    return config


@pytest.fixture(scope="session")
def town_settings(town: Path) -> Settings:
    """The town's settings."""
    return load_settings(town)


@pytest.fixture(scope="session")
def town_run(town: Path, town_settings: Settings) -> Run:
    """A finished run of the town, every stage."""
    from basrelief.running import run_stages
    from basrelief.stages import STAGES

    run = Run(town_settings.locate(town_settings.out), quiet=True)
    run_stages(town_settings, run, [stage.name for stage in STAGES], set())
    return run


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command line in this process; give its exit code."""
    from basrelief import cli

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["basrelief", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def expect_line(
    run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Check that a command stops with one line that says all this, and writes nothing."""

    def expect(config: Path, *says: str, command: str = "run") -> None:
        capsys.readouterr()
        chips = config.parent / "runs" / "c" / "chips"
        had_chips = chips.exists()
        assert run_command(command, str(config)) == 2
        line = capsys.readouterr().err
        assert line.startswith("basrelief: ")
        assert line.count("\n") == 1
        assert [part for part in says if part not in line] == []
        assert [path for path in config.parent.rglob("*") if ".part" in path.name] == []
        assert chips.exists() == had_chips

    return expect


@pytest.fixture(scope="session")
def lay_place() -> Callable[..., Run]:
    """Write the chips of a place that a test made up: see `_lay_place`."""
    return _lay_place


def _lay_place(
    folder: Path,
    heights: NDArray[np.float32],
    areas: gpd.GeoDataFrame,
    *,
    size_px: int,
    resolution_m: float = 1.0,
    corner: tuple[float, float] = (500_000.0, 100_000.0),
) -> Run:
    """Cut surface and ground, (2, row, col), into chips; ``corner`` is north-west.

    Areas have ``area_id``, polygons and a column a target. Chips without data are left out.
    """
    run, side_m = Run(folder, quiet=True), size_px * resolution_m
    targets = [name for name in areas.columns if name not in ("area_id", "geometry", "lad")]
    squares, valid = [], []
    for row in range(0, heights.shape[1], size_px):
        for col in range(0, heights.shape[2], size_px):
            part = np.isfinite(heights[0, row : row + size_px, col : col + size_px])
            if part.any():
                west, north = corner[0] + col * resolution_m, corner[1] - row * resolution_m
                squares.append(shapely.box(west, north - side_m, west + side_m, north))
                valid.append(part.sum() / size_px**2)
    chips = gpd.GeoDataFrame(geometry=squares, crs=areas.crs)
    chips["chip_id"] = [f"chip{k}" for k in range(len(chips))]
    chips["valid"] = valid
    chips["is_used"] = chips["valid"] > 0.9
    chips["easting"], chips["northing"] = chips.centroid.x, chips.centroid.y
    run.chips.mkdir(parents=True)
    grid = Grid(*corner, resolution_m, heights.shape[1:]).snap(size_px)
    path = run.chips / "layers" / "heights.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, areas.crs, size_px)
    layer.write(grid.find(Grid(*corner, resolution_m, heights.shape[1:])), heights)
    membership = measure_membership(chips, areas)
    for name in targets:
        labels = areas.set_index("area_id")[name]
        chips[name] = average_labels(chips["chip_id"], membership, labels)
    chips.to_parquet(run.chips / "chips.parquet")
    known = {"area_name": None, "msoa": None, "is_used": True, "ground_covered": 1.0}
    areas = areas.assign(**known)
    areas["lad"] = areas.get("lad")
    areas.to_parquet(run.chips / "areas.parquet")
    membership.to_parquet(run.chips / "membership.parquet")
    facts = {"kind": "heights", "targets": targets, "size_px": size_px}
    write_json(run.chips / "chips.json", facts | {"resolution_m": resolution_m})
    return run


def _draw_areas(height: NDArray[np.float64]) -> gpd.GeoDataFrame:
    """Areas along the cells of every sheet, but for the first two, whose border is askew."""
    side, rng = 4.0 * AREA_PX, np.random.default_rng(1)
    west, north = np.meshgrid(500_000 + side * np.arange(N), 100_000 - side * np.arange(N))
    corners = zip(west.ravel(), north.ravel(), strict=True)
    polygons = [shapely.box(x, y - side, x + side, y) for x, y in corners]
    x, y = 500_000.0, 100_000.0
    askew = [(x + side - 21, y), (x + side + 17, y - side)]
    polygons[0] = shapely.Polygon([(x, y), *askew, (x, y - side)])
    polygons[1] = shapely.Polygon([askew[0], (x + 2 * side, y), (x + 2 * side, y - side), askew[1]])
    areas = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:27700")
    areas["area_id"] = [f"E{k:02d}" for k in range(len(areas))]
    areas["crime"] = 0.1 * height.ravel() + rng.normal(0, 0.1, len(areas))
    areas["health"] = rng.normal(size=len(areas))
    return areas


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory, lay_place: Callable[..., Run]
) -> tuple[Run, Settings]:
    """A small place whose crime is how high it is built, with every recipe of `RECIPES` trained
    on it; nothing is explained yet."""
    from basrelief.learn.recipe_files import load_recipe
    from basrelief.learn.recipes import NetworkRecipe
    from basrelief.learn.train_areas import train_areas

    folder, rng = tmp_path_factory.mktemp("built"), np.random.default_rng(0)
    height = rng.uniform(4, 20, (N, N))
    is_built = rng.uniform(size=(N * 8, N * 8)) < 0.4
    unlike = rng.uniform(0.4, 1.6, is_built.shape)
    surface = np.kron(np.kron(height, np.ones((8, 8))) * unlike * is_built, np.ones((4, 4)))
    heights = np.stack([surface, np.zeros_like(surface)]).astype(np.float32)
    heights[:, 100:110, 100:104] = np.nan
    run = lay_place(folder / "run", heights, _draw_areas(height), size_px=64, resolution_m=4.0)
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "one"})
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    models = ModelSettings(
        weights={"test_resnet": "none", "vgg11": "none"}, device="cpu", precision="fp32"
    )
    settings = Settings(
        data=DataSettings(dsm="a", areas="b", labels="c", targets=["crime", "health"]),
        split=SplitSettings(schemes=["area"], folds=2, repeats=1, block_m=150.0),
        models=models,
    )
    settings._folder = folder
    assign_splits(settings, run)
    for name in RECIPES:
        recipe = load_recipe(f"{name}.toml", settings)
        assert not isinstance(recipe, NetworkRecipe)
        train_areas(recipe, load_samples(run), settings, run)
    tested = {"recipe": list(RECIPES), "scheme": "area", "unit": "area"}
    pd.DataFrame(tested).to_parquet(run.predictions)
    return run, settings


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras on its torch backend, the reference for the coursework's recipes."""
    return pytest.importorskip("keras")


@pytest.fixture(scope="session")
def keras_vgg(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Keras' VGG16 of 64 pixels with random weights, and the file that it wrote."""
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (each.value.detach() for each in layer.weights)
            # Glorot's spread loses half of a map at each ReLU, and nothing would reach the head.
            layer.set_weights([kernel * 2**0.5, bias + 0.05])
    path = tmp_path_factory.mktemp("keras") / "vgg16.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.fixture(scope="session")
def keras_resnet(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Keras' ResNet50V2 of 64 pixels with weights like no other's, and the file that it wrote."""
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50V2(weights=None, include_top=False, input_shape=(64, 64, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        drawn = [each.value.detach().numpy() for each in layer.weights]
        if isinstance(layer, keras.layers.BatchNormalization):
            # As Keras starts them they do nothing, and a layer in another's place would pass.
            shape = drawn[0].shape
            scale, spread = rng.uniform(0.5, 1.5, shape), rng.uniform(0.5, 2.0, shape)
            drawn = [scale, rng.normal(0, 0.3, shape), rng.normal(0, 0.3, shape), spread]
        elif len(drawn) == 2:
            # The first layer's pictures may be nearly one colour: a bias must not drown them.
            drawn[1] = rng.normal(0, 0.001 if layer.name == "conv1_conv" else 0.2, drawn[1].shape)
        layer.set_weights(drawn)
    path = tmp_path_factory.mktemp("keras") / "resnet50v2.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.fixture(scope="session")
def list_columns() -> Callable[[str], set[str]]:
    """List the columns of a file of the run folder as RUN_FOLDER.md has them."""
    page = (Path(__file__).parents[1] / "RUN_FOLDER.md").read_text(encoding="utf-8")

    def list_them(name: str) -> set[str]:
        section = page.split(f"\n### `{name}`")[1].split("\n### ")[0]
        return set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))

    return list_them


@pytest.fixture(scope="session")
def shorten_town() -> Callable[..., Path]:
    """Shorten the run of a town whose scores are its own eye's and crime, at 10 m a pixel."""

    def shorten(
        config: Path, *changes: tuple[str, str], scheme: str = "area", worlds: int = 0
    ) -> Path:
        text = config.read_text()
        for before, after in (
            *changes,
            ("size_px      = 64", "size_px = 32"),
            ("folds    = 5", f'folds = 5\nrepeats = 1\nschemes = ["{scheme}"]'),
            ("[models]", f"[evaluate]\nworlds = {worlds}\n\n[models]"),
            ('"barriers", "health", ', ""),
        ):
            assert before in text
            text = text.replace(before, after)
        config.write_text(text)
        return config

    return shorten
