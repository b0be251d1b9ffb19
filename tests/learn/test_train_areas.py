from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import DataSettings, Settings
from basrelief.learn import gaussian_process
from basrelief.learn import train_areas as room
from basrelief.learn.area_models import AreaModel, decompose, load_model, predict_areas
from basrelief.learn.features import gather_features, name_columns, read_features
from basrelief.learn.joint import AreaTerms, JointProcess, predict_joint
from basrelief.learn.linear import predict_linear
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import PLACE, AreaRecipe, NetworkRecipe
from basrelief.learn.train_areas import AreaData, gather_area_data, train_areas
from basrelief.run import MODEL, Run, read_json, write_json
from basrelief.splits.heldout import AreaFold, area_folds
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import ModelSettings, SplitSettings

AREA_PX, N_AREAS = 32, 8
SMALL = """\
kind = "dense"
name = "small"
about = "a"
backbone = "test_resnet"
stages = [1]
resolutions_m = [4.0]
"""
KRIGED = 'kind = "kriged"\nname = "on-top"\nabout = "a"\ntrend = "small.toml"\n'
STACK = 'kind = "stack"\nname = "two"\nabout = "a"\nmembers = ["small.toml", "relief-statistics"]\n'


def make_settings(folder: Path, weights: str = "none") -> Settings:
    for name, text in (("small", SMALL), ("on-top", KRIGED), ("two", STACK)):
        (folder / f"{name}.toml").write_text(text)
    models = ModelSettings(weights={"test_resnet": weights}, device="cpu", precision="fp32")
    split = SplitSettings(
        schemes=["area", "block"], folds=4, repeats=1, block_m=300.0, buffer_m=100.0
    )
    data = DataSettings(dsm="a", areas="b", labels="c", targets=["crime", "income"])
    settings = Settings(data=data, split=split, models=models)
    settings._folder = folder
    return settings


def read_own(typed: str, settings: Settings) -> AreaRecipe:
    recipe = load_recipe(typed, settings)
    assert not isinstance(recipe, NetworkRecipe)
    return recipe


def write_run(folder: Path, lay_place: Callable[..., Run]) -> Run:
    """Square areas whose crime is how high they are built, and whose income leans on districts."""
    rng = np.random.default_rng(0)
    height = rng.uniform(4, 20, (N_AREAS, N_AREAS))
    is_built = rng.uniform(size=(N_AREAS * 8, N_AREAS * 8)) < 0.5
    surface = np.kron(np.kron(height, np.ones((8, 8))) * is_built, np.ones((4, 4)))
    side, corner = 4.0 * AREA_PX, (500_000.0, 100_000.0)
    index = [(row, col) for row in range(N_AREAS) for col in range(N_AREAS)]
    west, north = (
        [corner[0] + col * side for _, col in index],
        [corner[1] - row * side for row, _ in index],
    )
    polygons = [shapely.box(x, y - side, x + side, y) for x, y in zip(west, north, strict=True)]
    areas = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:27700")
    areas["area_id"] = [f"E{k:02d}" for k in range(len(areas))]
    areas["lad"] = [f"L{2 * row // N_AREAS}{2 * col // N_AREAS}" for row, col in index]
    areas["crime"] = 0.1 * height.ravel() + rng.normal(0, 0.1, len(areas))
    lean = areas["lad"].map(
        dict(zip(sorted(areas["lad"].unique()), [0.0, 2.0, 4.0, 6.0], strict=True))
    )
    areas["income"] = lean + rng.normal(0, 0.3, len(areas))
    heights = np.stack([surface, np.zeros_like(surface)]).astype(np.float32)
    run = lay_place(folder / "run", heights, areas, size_px=64, resolution_m=4.0, corner=corner)
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "one"})
    return run


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, lay_place: Callable[..., Run]
) -> tuple[Run, Settings]:
    """A place with a dense recipe, the same with place on top, and a stack, trained."""
    folder = tmp_path_factory.mktemp("trained")
    run, settings = write_run(folder, lay_place), make_settings(folder)
    assign_splits(settings, run)
    for name in ("small", "on-top", "two"):
        train_areas(read_own(f"{name}.toml", settings), load_samples(run), settings, run)
    return run, settings


def read_known(run: Run, settings: Settings, name: str) -> tuple[AreaData, AreaTerms]:
    """What a recipe knows, and the terms of all areas."""
    samples, recipe = load_samples(run), read_own(f"{name}.toml", settings)
    known = gather_area_data(recipe, read_features(recipe, settings, run), samples, settings)
    return known, known.terms(samples.areas["area_id"].to_numpy(dtype=object).astype(str))


def test_a_kriged_fold_predicts_by_features_place_and_district_at_once(
    trained: tuple[Run, Settings],
) -> None:
    run, settings = trained
    _, terms = read_known(run, settings, "on-top")
    model = load_model(run.models / "on-top" / "block" / "0-0" / MODEL)
    assert isinstance(model.beside, JointProcess)
    found = predict_areas(model, terms, np.random.default_rng(0))
    np.testing.assert_allclose(found, predict_joint(model.beside, terms))
    # Income leans on districts, which features do not know.
    said = predict_linear(model.beside.linear, terms.join())
    assert np.abs(found - said)[:, 1].max() > 0.5
    assert model.beside.locations.district is not None
    assert model.weight[0, 0] > 0.9


def test_beyond_many_areas_place_is_interpolated_after_the_features(
    copied: tuple[Run, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = copied
    monkeypatch.setattr(gaussian_process, "MANY", 10)
    train_areas(read_own("on-top.toml", settings), load_samples(run), settings, run)
    known, terms = read_known(run, settings, "on-top")
    assert known.is_many
    model = load_model(run.models / "on-top" / "block" / "0-0" / MODEL)
    assert model.kind == "residual"
    parts = decompose(model, terms, np.random.default_rng(0))
    found = predict_areas(model, terms, np.random.default_rng(0))
    said = predict_linear(model.alone, terms.join())
    np.testing.assert_allclose(found, said + parts[PLACE])
    assert np.abs(parts[PLACE][:, 1]).max() > 0.5


def test_whether_areas_are_many_is_asked_of_the_place_and_not_of_a_fold(
    copied: tuple[Run, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = copied
    samples = load_samples(run)
    fold = max(area_folds(run, samples, settings), key=lambda fold: len(fold.train))
    # Fewer than many in every fold, and many in the place.
    monkeypatch.setattr(gaussian_process, "MANY", len(fold.train))
    train_areas(read_own("on-top.toml", settings), samples, settings, run)
    for path in (run.models / "on-top").glob("**/model.safetensors"):
        assert load_model(path).kind == "residual"


@pytest.mark.parametrize("many", [10, 500])
def test_places_are_kept_of_the_training_areas_alone(
    copied: tuple[Run, Settings], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = copied
    monkeypatch.setattr(gaussian_process, "MANY", many)
    samples = load_samples(run)
    train_areas(read_own("on-top.toml", settings), samples, settings, run)
    fold = next(iter(area_folds(run, samples, settings)))
    model = load_model(run.models / "on-top" / fold.scheme / "0-0" / MODEL)
    assert model.beside is not None
    kept = model.beside.locations
    places = samples.areas.set_index("area_id").loc[fold.train.tolist()].representative_point()
    np.testing.assert_array_equal(kept.xy, np.stack([places.x, places.y], axis=1))


def test_what_features_say_is_the_same_alone_and_with_place_on_top(
    trained: tuple[Run, Settings],
) -> None:
    run, _ = trained
    for part in ("area/0-1", "block/0-0", "final"):
        alone, kriged = (
            load_model(run.models / name / part / MODEL) for name in ("small", "on-top")
        )
        assert (alone.kind, kriged.kind) == ("linear", "process")
        np.testing.assert_equal(vars(alone.alone), vars(kriged.alone))


def test_a_stack_gives_its_weight_to_members_that_know(trained: tuple[Run, Settings]) -> None:
    run, settings = trained
    model = load_model(run.models / "two" / "final" / MODEL).alone
    assert model.weight.shape == (2, 2)
    assert (model.weight >= 0).all()
    assert (model.weight.sum(axis=0) <= 1 + 1e-9).all()
    assert model.weight[:, 0].sum() > 0.8
    features = read_features(read_own("two.toml", settings), settings, run)
    names = name_columns(features)
    assert names[0].startswith("0/4m/raised/1/mean/")
    assert names[-1].startswith("1/")
    assert len(names) == len(model.mean)


def test_a_final_model_carries_what_its_members_features_are_made_with(
    trained: tuple[Run, Settings],
) -> None:
    run, _ = trained
    members = run.models / "two" / "final" / "members"
    assert sorted(path.name for path in members.iterdir()) == ["0-small", "1-relief-statistics"]
    own = (run.features / "small" / "backbone.safetensors").read_bytes()
    assert (members / "0-small" / "backbone.safetensors").read_bytes() == own


def test_random_weights_and_features_are_the_same_in_two_runs(
    trained: tuple[Run, Settings], tmp_path: Path, lay_place: Callable[..., Run]
) -> None:
    run, _ = trained
    again, settings = write_run(tmp_path, lay_place), make_settings(tmp_path)
    gather_features(read_own("small.toml", settings), load_samples(again), settings, again)
    for name in ("backbone.safetensors", "features.parquet"):
        one, other = (each.features / "small" / name for each in (run, again))
        assert one.read_bytes() == other.read_bytes()


def test_features_are_made_anew_when_recipe_weights_or_seed_change(
    tmp_path: Path, lay_place: Callable[..., Run]
) -> None:
    run, settings = write_run(tmp_path, lay_place), make_settings(tmp_path)
    recipe, stamp = read_own("small.toml", settings), run.features / "small" / "features.json"
    marks = []
    for changed in (settings, settings, settings.model_copy(update={"seed": 1})):
        gather_features(recipe, load_samples(run), changed, run)
        marks.append((stamp.stat().st_mtime_ns, read_json(stamp)["seed"]))
    assert marks[0] == marks[1]
    assert marks[2][0] > marks[0][0]
    assert marks[2][1] == 1


def test_a_place_of_one_block_is_told_that_its_features_say_nothing_alone(
    tmp_path: Path, lay_place: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run, settings = write_run(tmp_path, lay_place), make_settings(tmp_path)
    split = settings.split.model_copy(update={"schemes": ["area"], "block_m": 10_000.0})
    settings = settings.model_copy(update={"split": split})
    assign_splits(settings, run)
    samples, recipe = load_samples(run), read_own("relief-statistics", settings)
    told = Run(run.folder)
    train_areas(recipe, samples, settings, told)
    said = " ".join(capsys.readouterr().out.split())
    assert "split.block_m = 10000 puts all areas in one block, which leaves no other" in said
    assert "inner folds see no skill" not in said
    final = load_model(run.models / "relief-statistics" / "final" / MODEL)
    assert final.alone.is_fallback.all()
    # What it says would work does, as far as blocks go.
    found = re.search(r"split.block_m = (\S+) makes 2", said)
    assert found is not None
    smaller = split.model_copy(update={"block_m": float(found[1])})
    train_areas(recipe, samples, settings.model_copy(update={"split": smaller}), told)
    assert "in one block" not in capsys.readouterr().out


def read_fold(run: Run, recipe: str, fold: AreaFold) -> dict[str, bytes]:
    """Every file of a fold's model, as bytes."""
    folder = run.models / recipe / fold.scheme / f"{fold.repeat}-{fold.fold}"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def corrupt(
    samples: Samples, features: list[pd.DataFrame], ids: NDArray[np.str_]
) -> tuple[Samples, list[pd.DataFrame]]:
    """Spoil labels and features of some areas."""
    areas, rng = samples.areas.copy(), np.random.default_rng(5)
    is_hit = areas["area_id"].isin(ids)
    for target in samples.targets:
        areas.loc[is_hit, target] = 1000 * rng.normal(size=int(is_hit.sum()))
    spoilt = [each.copy() for each in features]
    for each in spoilt:
        each.loc[each.index.isin(ids)] = 1000.0
    return replace(samples, areas=areas), spoilt


def find_leaks(
    run: Run, name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """List the folds whose model changes with the labels and features of its test areas."""
    recipe, samples = read_own(f"{name}.toml", settings), load_samples(run)
    features = gather_features(recipe, samples, settings, run)
    train_areas(recipe, samples, settings, run)
    everything = list(area_folds(run, samples, settings))
    before = [read_fold(run, name, fold) for fold in everything]
    leaks = []
    for fold, expected in zip(everything, before, strict=True):
        other, spoilt = corrupt(samples, features, fold.test)
        monkeypatch.setattr(room, "area_folds", lambda *_, fold=fold: [fold])
        monkeypatch.setattr(room, "gather_features", lambda *_, spoilt=spoilt: spoilt)
        train_areas(recipe, other, settings, run)
        if read_fold(run, name, fold) != expected:
            leaks.append(f"{fold.scheme} {fold.fold}")
    return leaks


@pytest.fixture
def copied(trained: tuple[Run, Settings], tmp_path: Path) -> tuple[Run, Settings]:
    """A copy of the trained place that a test may spoil."""
    shutil.copytree(trained[0].folder, tmp_path / "run")
    return Run(tmp_path / "run", quiet=True), trained[1]


@pytest.mark.parametrize("recipe", ["small", "on-top", "two"])
def test_the_outer_folds_decide_nothing(
    copied: tuple[Run, Settings], recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = copied
    assert find_leaks(run, recipe, settings, monkeypatch) == []


@pytest.mark.parametrize("recipe", ["small", "on-top"])
def test_a_fit_that_sees_its_test_areas_is_caught(
    copied: tuple[Run, Settings], recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, settings = copied
    honest = room._fit_fold

    def leak(recipe: AreaRecipe, fold: AreaFold, *rest: Any) -> AreaModel:
        return honest(recipe, replace(fold, train=np.append(fold.train, fold.test)), *rest)

    monkeypatch.setattr(room, "_fit_fold", leak)
    n_folds = len(list(area_folds(run, load_samples(run), settings)))
    assert len(find_leaks(run, recipe, settings, monkeypatch)) == n_folds
