import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import Samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.grid import Grid
from basrelief.judge.stage import evaluate_recipes
from basrelief.learn import features, stage
from basrelief.learn.area_models import load_model
from basrelief.learn.choice import choose_recipes
from basrelief.learn.features import make_features
from basrelief.learn.recipes import SetRecipe
from basrelief.learn.stage import check_recipes, train_recipes
from basrelief.run import MODEL, Run, read_json, write_json
from basrelief.splits.heldout import ChipFold
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import EvaluateSettings, ModelSettings, SplitSettings

RASTERS = DataSettings(dsm="a.tif", areas="b.gpkg", labels="c.csv", targets=["crime", "health"])
PICTURES = DataSettings(images="LIDAR", table="a.csv")
SPLIT = SplitSettings(folds=5, repeats=2, block_m=250.0, buffer_m=100.0)
AREA_M, CHIP_PX, CELL_M = 100.0, 32, 4.0
SIDE_M, SMALL_M = 1024.0, 512.0
"""Of a place that skills are told of, and of one whose files alone count."""


def write_place(run: Run, side_m: float = SIDE_M) -> None:
    """Write chips of square areas whose crime is driven by how high they are built."""
    rng = np.random.default_rng(0)
    corner = np.arange(0, side_m, AREA_M)
    areas = gpd.GeoDataFrame(
        geometry=[shapely.box(x, y, x + AREA_M, y + AREA_M) for y in corner for x in corner],
        crs="EPSG:27700",
    )
    height = rng.uniform(3.0, 15.0, len(areas))
    areas["area_id"] = [f"E{k:08d}" for k in range(len(areas))]
    areas["area_name"], areas["msoa"], areas["lad"] = "Place", None, None
    areas["is_used"] = True
    areas["crime"] = 0.1 * height + rng.normal(0, 0.1, len(areas))
    areas["health"] = rng.normal(size=len(areas))
    chip_m = CHIP_PX * CELL_M
    low = np.arange(0, side_m, chip_m)
    squares = [shapely.box(x, y, x + chip_m, y + chip_m) for y in low for x in low]
    chips = gpd.GeoDataFrame(geometry=squares, crs="EPSG:27700")
    chips["chip_id"] = [f"chip{k}" for k in range(len(chips))]
    chips["is_used"] = True
    chips["easting"], chips["northing"] = chips.centroid.x, chips.centroid.y
    membership = measure_membership(chips, areas)
    for target in ("crime", "health"):
        labels = areas.set_index("area_id")[target]
        chips[target] = average_labels(chips["chip_id"], membership, labels)
    run.chips.mkdir(parents=True)
    write_pixels(run, squares, height, len(corner), rng)
    for name, frame in (("chips", chips), ("areas", areas), ("membership", membership)):
        frame.to_parquet(run.chips / f"{name}.parquet")
    facts = {"kind": "heights", "targets": ["crime", "health"], "size_px": CHIP_PX}
    write_json(run.chips / "chips.json", facts | {"resolution_m": CELL_M})


def write_pixels(
    run: Run,
    squares: list[shapely.Polygon],
    height: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    n_columns: int,
    rng: np.random.Generator,
) -> None:
    """Write surface and ground: half of each area is built, to its own height."""
    west, south, east, north = shapely.total_bounds(squares).tolist()
    grid = Grid.over((west, south, east, north), CELL_M, unit=CHIP_PX)
    path = run.chips / "layers" / "heights.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, pyproj.CRS(27700), CHIP_PX)
    for square in squares:
        west, _, _, north = square.bounds
        step = (np.arange(CHIP_PX) + 0.5) * CELL_M
        column, row = ((west + step) // AREA_M).astype(int), ((north - step) // AREA_M)
        area = row.astype(int)[:, None] * n_columns + column[None, :]
        built = rng.uniform(size=area.shape) < 0.5
        chip = np.stack([height[area] * built, np.zeros(area.shape)]).astype("f4")
        layer.write(grid.cover(square.bounds), chip)


def make_settings(recipes: list[str] | None, data: DataSettings = RASTERS) -> Settings:
    models, evaluate = ModelSettings(recipes=recipes), EvaluateSettings(worlds=40)
    return Settings(data=data, split=SPLIT, models=models, evaluate=evaluate)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A place taken through split, train and evaluate with relief statistics."""
    run = Run(tmp_path_factory.mktemp("place"), quiet=True)
    write_place(run)
    settings = make_settings(["relief-statistics"])
    assign_splits(settings, run)
    train_recipes(settings, run)
    evaluate_recipes(settings, run)
    return run


def test_a_label_driven_by_height_is_learnt_and_noise_is_not(place: Run) -> None:
    scores = {
        (score["target"], score["scheme"]): score
        for score in read_json(place.scores)
        if score["recipe"] == "relief-statistics"
    }
    assert set(scores) == {(t, s) for t in ("crime", "health") for s in ("area", "block")}
    for scheme in ("area", "block"):
        assert scores["crime", scheme]["skill"] > 0.7
        # An interval of what is to be expected is wider than one of the models as they are.
        assert scores["crime", scheme]["skill_low"] > 0.4
        assert scores["crime", scheme]["worth"] == "better"
        assert -0.1 < scores["health", scheme]["skill"] < 0.1
        assert scores["health", scheme]["worth"] != "better"


def read_ours(place: Run) -> pd.DataFrame:
    """Rows of relief statistics alone."""
    predictions = pd.read_parquet(place.predictions)
    return predictions[predictions["recipe"] == "relief-statistics"]


def test_every_usable_area_is_predicted_once_a_repeat(place: Run) -> None:
    predictions = read_ours(place)
    assert list(predictions.columns[:7]) == [
        "recipe",
        "target",
        "scheme",
        "repeat",
        "fold",
        "unit",
        "id",
    ]
    assert list(predictions.columns[7:10]) == ["y_true", "y_pred", "y_mean"]
    counts = predictions.groupby(["target", "scheme", "repeat"])["id"].agg(["size", "nunique"])
    assert (counts == 121).all(axis=None)


def test_the_mean_is_that_of_the_training_areas_left_by_the_buffer(place: Run) -> None:
    predictions = read_ours(place)
    is_asked = (predictions["scheme"] == "block") & (predictions["target"] == "crime")
    fold = predictions[is_asked & (predictions["repeat"] == 0) & (predictions["fold"] == 0)]
    areas = gpd.read_parquet(place.chips / "areas.parquet")
    test = areas[areas["area_id"].isin(fold["id"])]
    clear = areas.distance(test.union_all()) >= SPLIT.buffer_m
    np.testing.assert_allclose(fold["y_mean"], areas.loc[clear, "crime"].mean())


def test_a_model_folder_holds_arrays_and_recipe(place: Run) -> None:
    folder = place.models / "relief-statistics"
    assert sorted(path.name for path in (folder / "final").iterdir()) == [
        "members",
        "model.json",
        "model.safetensors",
        "recipe.toml",
        "training.parquet",
    ]
    member = place.models / "random-features" / "final" / "members" / "0-random-features"
    assert (member / "filters.safetensors").exists()
    model = load_model(folder / "block" / "1-0" / MODEL)
    assert not model.alone.is_fallback[0]


def test_training_again_gives_the_same_arrays_bit_for_bit(place: Run, tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run)
    # One of two schemes alone: what a fold draws does not hang on the other.
    split = SPLIT.model_copy(update={"schemes": ["area"]})
    settings = make_settings(["relief-statistics"]).model_copy(update={"split": split})
    assign_splits(settings, run)
    train_recipes(settings, run)
    name = Path("relief-statistics", "area", "0-3", MODEL)
    assert (run.models / name).read_bytes() == (place.models / name).read_bytes()


def test_features_are_kept_while_the_chips_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings, calls = Run(tmp_path, quiet=True), make_settings(["relief-statistics"]), []
    write_place(run, SMALL_M)
    assign_splits(settings, run)
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "one"})
    original = make_features

    def count(
        recipe: SetRecipe, samples: Samples, settings: Settings, run: Run, folder: Path
    ) -> pd.DataFrame:
        calls.append(samples)
        return original(recipe, samples, settings, run, folder)

    monkeypatch.setattr(features, "make_features", count)
    train_recipes(settings, run)
    train_recipes(settings, run)
    assert len(calls) == 2  # relief statistics, and random features as a baseline
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "other"})
    train_recipes(settings, run)
    assert len(calls) == 4


def test_networks_are_trained_once_a_scheme_and_on_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run)
    # With fewer folds hardly a chip is left that touches no area of the test set.
    split = SPLIT.model_copy(update={"folds": 10})
    settings = make_settings(["coursework-vgg16"]).model_copy(update={"split": split})
    assign_splits(settings, run)
    trained: list[tuple[str, Path]] = []

    def record(
        recipe: object, samples: Samples, fold: ChipFold, folder: Path, settings: object, run: Run
    ) -> None:
        trained.append((fold.scheme, folder.relative_to(run.models)))

    monkeypatch.setattr(stage, "train_network", record)
    train_recipes(settings, run)
    name = Path("coursework-vgg16")
    assert trained == [
        ("random", name / "random" / "0-0"),
        ("area", name / "area" / "0-0"),
        ("block", name / "block" / "0-0"),
        ("final", name / "final"),
    ]


def test_pictures_leave_relief_statistics_out_with_a_line() -> None:
    recipes, left_out = choose_recipes(make_settings(None, PICTURES))
    assert [recipe.name for recipe in recipes] == ["vgg16"]
    assert "relief-statistics left out" in left_out[0]


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (["relief-statistics"], "needs heights, and pictures have none"),
        (["vgg61"], "no recipe 'vgg61'"),
    ],
)
def test_recipes_that_cannot_run_are_refused_at_the_start(recipes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_recipes(make_settings(recipes, PICTURES))


def test_an_area_recipe_with_the_random_scheme_alone_is_refused() -> None:
    split = SplitSettings(schemes=["random"])
    models = ModelSettings(recipes=["relief-statistics"])
    with pytest.raises(InputError, match=r"cannot use split.schemes = \['random'\]"):
        check_recipes(Settings(data=RASTERS, split=split, models=models))


def test_a_weights_file_that_is_missing_is_refused_at_the_start() -> None:
    models = ModelSettings(recipes=["vgg16"], weights={"vgg16": "gone.safetensors"})
    with pytest.raises(InputError, match=r"gone\.safetensors"):
        check_recipes(Settings(data=PICTURES, models=models))


def test_more_sets_than_can_be_told_apart_are_refused_before_any_is_computed(
    place: Run, tmp_path: Path
) -> None:
    shutil.copytree(place.folder, tmp_path / "run", ignore=shutil.ignore_patterns("features"))
    names = [f"filters-{k}" for k in range(7)]
    for name in names:
        text = f'kind = "random-features"\nname = "{name}"\nabout = "a"\nn_filters = 4\n'
        (tmp_path / f"{name}.toml").write_text(text)
    members = [f"{name}.toml" for name in names]
    (tmp_path / "all.toml").write_text(
        f'kind = "stack"\nname = "all"\nabout = "a"\nmembers = {members}\n'
    )
    joint = 'kind = "kriged"\nname = "joint"\nabout = "a"\ntrend = "all.toml"\n'
    (tmp_path / "joint.toml").write_text(joint)
    settings = make_settings(["joint.toml"])
    settings._folder = tmp_path
    run = Run(tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"joins 7 feature sets .* at most 6"):
        train_recipes(settings, run)
    assert not run.features.exists()
