from __future__ import annotations

import shutil
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy.spatial.distance import cdist

from basrelief import cli
from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.judge.new_places import draw_skills, find_model, weigh
from basrelief.judge.scores import score_predictions
from basrelief.judge.tables import PREDICTIONS
from basrelief.judge.transfer import NewRasters, settle_place, transfer_model
from basrelief.judge.worlds import WorldKind
from basrelief.learn.area_models import load_model
from basrelief.learn.final import read_model
from basrelief.learn.place import Locations, correlate
from basrelief.run import FORMAT, MODEL, Run, read_json, write_json
from basrelief.sources.town import write_town
from basrelief.stage_settings import EvaluateSettings
from basrelief.tell.new_places import say_answer


def place_of(folder: Path, *, dsm: str = "DSM", labels: bool = False) -> NewRasters:
    """Name a town's files as a user would."""
    return NewRasters(
        dsm=f"{folder}/lidar/{dsm}_*.tif",
        dtm=f"{folder}/lidar/DTM_*.tif",
        crs=None,
        areas=f"{folder}/areas.gpkg",
        labels=f"{folder}/labels.csv" if labels else None,
    )


def rescale_tiles(source: Path, target: Path, factor: float) -> None:
    """Write tiles anew with cells split (factor above 1) or taken one in so many."""
    target.mkdir()
    for path in source.glob("*.tif"):
        with rasterio.open(path) as tile:
            values, profile = tile.read(1), tile.profile
        step = round(1 / factor)
        if factor > 1:
            values = values.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
        else:
            values = values[::step, ::step]
        profile["transform"] @= rasterio.Affine.scale(1 / factor)
        profile |= {"height": values.shape[0], "width": values.shape[1]}
        with rasterio.open(target / path.name, "w", **profile) as tile:
            tile.write(values, 1)


def run_predict(*words: str) -> int:
    """Run the command line in this process; give its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["basrelief", "predict", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def other_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second town, which no model saw."""
    folder = tmp_path_factory.mktemp("other")
    write_town(folder, seed=8, side_m=2000)
    return folder


@pytest.fixture(scope="module")
def answer(town_run: Run, other_town: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the town's relief statistics say of the other town."""
    out = Run(tmp_path_factory.mktemp("answer") / "there", quiet=True)
    transfer_model(town_run, place_of(other_town, labels=True), out, "relief-statistics")
    return out


def test_what_was_learnt_in_one_town_holds_in_another(answer: Run) -> None:
    records = {record["target"]: record for record in read_json(answer.scores)}
    assert records["crime"]["skill"] > 0.3
    assert abs(records["health"]["skill"]) < 0.1
    assert records["crime"]["n"] == len(gpd.read_file(answer.folder / "areas.gpkg"))


def test_skill_is_against_the_mean_label_of_the_training_town(town_run: Run, answer: Run) -> None:
    table = pd.read_parquet(answer.predictions)
    crime = table[table["target"] == "crime"]
    learnt = load_samples(town_run).areas.query("is_used")["crime"].mean()
    np.testing.assert_allclose(crime["y_mean"], learnt)
    record = next(r for r in read_json(answer.scores) if r["target"] == "crime")
    error = ((crime["y_true"] - crime["y_pred"]) ** 2).sum()
    assert record["skill"] == pytest.approx(1 - error / ((crime["y_true"] - learnt) ** 2).sum())
    assert record["n_inside"] == crime["is_inside"].sum()
    assert record["compared_with"] == "training_mean"


def test_a_gain_on_a_new_place_is_held_against_luck_among_as_many_as_there_are() -> None:
    ends = {"skill": 0.3, "skill_low": 0.1, "skill_high": 0.6}
    key = {"recipe": "a", "scheme": "transfer", "unit": "area"}
    crime, income, health = (key | {"target": name} | ends for name in ("crime", "income", "imd"))
    # In 2 of 99 worlds luck gives crime as much, and in 3 others each of the rest.
    luck = pd.DataFrame(0.0, index=range(99), columns=["crime", "income", "imd"])
    luck.iloc[:2, 0] = luck.iloc[10:13, 1] = luck.iloc[20:23, 2] = 0.4
    drawn: dict[WorldKind, pd.DataFrame] = {"no_lidar": luck, "moved": luck}
    alone: dict[WorldKind, pd.DataFrame] = {kind: each[["crime"]] for kind, each in drawn.items()}
    assert [r["worth"] for r in weigh([crime], by_chance=alone)] == ["better"]
    found = weigh([crime, income, health], by_chance=drawn)
    assert [record["worth"] for record in found] == ["by_chance"] * 3
    few = health | {"skill_low": None, "skill_high": None}
    found = weigh([crime, few], by_chance=drawn)
    assert [record["worth"] for record in found] == ["better", "no_interval"]
    # Nothing is fitted anew of a model that comes from elsewhere.
    assert [record["interval"] for record in found] == ["resampled", None]
    # A range of models held fixed says nothing of luck, and pictures have no place to be moved in.
    assert [record["worth"] for record in weigh([crime])] == ["untested"]
    chip = crime | {"unit": "chip"}
    assert [record["worth"] for record in weigh([chip], by_chance=alone)] == ["untested"]


def test_a_skill_of_two_eyes_is_told_of_both_and_held_against_luck_as_well() -> None:
    key = {"recipe": "a", "scheme": "transfer", "unit": "area", "target": "crime"}
    crime = key | {"skill": 0.3, "skill_low": 0.1, "skill_high": 0.6}
    for luck, worth in ((0.0, "better"), (0.4, "by_chance")):
        drawn: dict[WorldKind, pd.DataFrame] = {
            kind: pd.DataFrame({"crime": np.full(99, luck)}) for kind in ("no_lidar", "moved")
        }
        (found,) = weigh([crime], ("heights", "photo"), drawn)
        assert found["worth"] == worth


def draw_known(seed: int, *, knows: bool) -> tuple[pd.DataFrame, Locations]:
    """Draw smooth labels of 60 areas, and predictions that know them, or are smooth alone."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 6000, (60, 2))
    root = np.linalg.cholesky(correlate(cdist(xy, xy), 2000.0) + 1e-9 * np.eye(60))
    label, other = (root @ rng.standard_normal((60, 2))).T
    predicted = label + 0.3 * rng.standard_normal(60) if knows else other
    ids = [f"a{k:02}" for k in range(60)]
    about = {"recipe": "a", "scheme": "transfer", "unit": "area", "repeat": 0, "target": "crime"}
    table = {"id": ids, "y_true": label, "y_pred": 0.8 * predicted, "y_mean": 0.0}
    return pd.DataFrame(about | table), Locations(xy)


def test_smooth_predictions_that_know_nothing_are_told_better_one_time_in_twenty() -> None:
    settings = load_settings_of_data(worlds=40)
    worth: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(24):
        for knows in worth:
            known, at = draw_known(seed, knows=knows)
            (record,) = score_predictions(
                known, {"area": known.set_index("id").index.to_series()}, np.random.default_rng(0)
            )
            (found,) = weigh([record], by_chance=draw_skills(known, at, settings))
            worth[knows].append(found["worth"] == "better")
    assert np.mean(worth[True]) > 0.9
    # Each is one in twenty at most: five of 24 come once in three hundred times.
    assert sum(worth[False]) <= 4


def load_settings_of_data(worlds: int) -> Settings:
    """Settings that ask for worlds."""
    data = DataSettings(dsm="a", areas="b", labels="c")
    return Settings(data=data, evaluate=EvaluateSettings(worlds=worlds))


def test_scores_of_a_new_place_have_the_fields_of_a_runs_own(town_run: Run, answer: Run) -> None:
    mine = set(read_json(town_run.scores)[0])
    for record in read_json(answer.scores):
        assert set(record) == mine | {"knows", "compared_with", "n_inside"}
        assert record["knows"] == ["heights"]
    assert read_json(answer.folder / "predict.json")["counts"]["areas_learnt_from"] == 0


def test_predictions_and_areas_say_the_same(answer: Run) -> None:
    table = pd.read_parquet(answer.predictions)
    assert list(table.columns) == PREDICTIONS.names
    areas = gpd.read_file(answer.folder / "areas.gpkg").set_index("area_id")
    crime = table[table["target"] == "crime"].set_index("id")
    np.testing.assert_allclose(areas["predicted_crime"], crime["y_pred"].loc[areas.index])
    np.testing.assert_allclose(areas["observed_crime"], crime["y_true"].loc[areas.index])
    assert areas["ground_covered"].between(0.5, 1.0).all()
    is_inside, di = areas["is_inside_crime"], areas["dissimilarity_crime"]
    assert is_inside.tolist() == crime["is_inside"].loc[areas.index].tolist()
    inside, outside = (di[is_inside == flag] for flag in (1, 0))
    assert outside.empty or inside.max() < outside.min()


def test_counts_of_areas_inside_are_told_by_target(answer: Run) -> None:
    areas = gpd.read_file(answer.folder / "areas.gpkg")
    inside = read_json(answer.folder / "predict.json")["counts"]["areas_inside"]
    assert list(inside) == ["crime", "barriers", "health"]
    for target, n in inside.items():
        flags = areas[f"is_inside_{target}"]
        # A target of which nothing was learnt rests on nothing, and is unlike nothing.
        assert n == (flags.sum() if flags.notna().any() else None)


def test_the_models_own_town_is_predicted_as_it_was_learnt(
    town_run: Run, town: Path, tmp_path: Path
) -> None:
    out = Run(tmp_path / "again", quiet=True)
    transfer_model(town_run, place_of(town.parent), out, "relief-statistics")
    drawn = gpd.read_file(out.folder / "areas.gpkg")
    # Every area is one of those learnt from.
    np.testing.assert_allclose(drawn["dissimilarity_crime"], 0.0, atol=1e-6)
    assert drawn["is_inside_crime"].all()
    said = list(say_answer(out))
    assert any(f"the model learnt from {len(drawn)} of these areas" in line for line in said)
    assert not out.scores.exists()
    assert "observed_crime" not in drawn


def test_split_cells_are_averaged_to_what_the_model_learnt_from(
    town_run: Run, other_town: Path, answer: Run, tmp_path: Path
) -> None:
    shutil.copy(other_town / "areas.gpkg", tmp_path)
    rescale_tiles(other_town / "lidar", tmp_path / "lidar", 2)
    out = Run(tmp_path / "finer", quiet=True)
    transfer_model(town_run, place_of(tmp_path), out, "relief-statistics")
    assert read_json(out.chips / "chips.json")["native_resolution_m"] == pytest.approx(1.0)
    finer, same = (pd.read_parquet(run.predictions) for run in (out, answer))
    np.testing.assert_allclose(finer["y_pred"], same["y_pred"], rtol=1e-5)


def test_a_network_and_random_features_go_the_same_way(
    town_run: Run, other_town: Path, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    for recipe, knows_likeness in (("small", False), ("random-features", True)):
        transfer_model(town_run, place_of(other_town, labels=True), out, recipe)
        table = pd.read_parquet(out.predictions)
        assert set(table["recipe"]) == {recipe}
        assert table["y_pred"].notna().all()
        crime = table[table["target"] == "crime"]
        assert crime["is_inside"].notna().all() == knows_likeness
        assert {record["recipe"] for record in read_json(out.scores)} == {recipe}


def test_the_recipe_asked_for_first_is_the_default(town_run: Run) -> None:
    assert find_model(town_run, None).folder.parent.name == "relief-statistics"
    model = read_model(find_model(town_run, "small").folder)
    assert (model.unit, model.bands, model.features) == ("chip", "relief", {})


def test_a_model_carries_what_it_needs(town_run: Run, tmp_path: Path) -> None:
    folder = find_model(town_run, None).folder
    model = read_model(folder)
    assert (model.ground, model.native_resolution_m, model.chips.size_px) == ("terrain", 2.0, 64)
    assert list(model.labels) == model.targets == ["crime", "barriers", "health"]
    training = pd.read_parquet(folder / "training.parquet")
    assert list(training.columns) == list(model.features)
    roofs = model.features["roof_share"]
    assert roofs.mean == pytest.approx(training["roof_share"].mean())
    assert load_model(folder / MODEL).alone.coef.shape == (len(model.features), len(model.targets))
    settings = settle_place(model, place_of(tmp_path), Run(tmp_path))
    assert (settings.data.labels, settings.seed) == (None, 7)


BAD = {
    "no run": (["nowhere"], ["nowhere", "no such folder"]),
    "other folder": (["{tmp}"], ["holds no run", "basrelief run"]),
    "no recipe": (["{run}", "--recipe", "smell"], ["'smell'", "relief-statistics", "small"]),
    "no terrain": (["{run}"], ["--dtm: missing", "terrain"]),
    "own folder": (["{run}", "--dtm", "{dtm}", "--out", "{run}"], ["--out", "a run folder"]),
    "no raster": (["{run}", "--dtm", "{dtm}", "--dsm", "x*.tif"], ["--dsm 'x*.tif': no file"]),
    "no areas": (["{run}", "--dtm", "{dtm}", "--areas", "a.shp"], ["--areas 'a.shp': no such"]),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_gets_one_line_about_options(
    case: str, town_run: Run, town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_of(town.parent)
    assert place.dtm is not None
    names = {"tmp": str(tmp_path), "run": str(town_run.folder), "dtm": place.dtm}
    words, says = BAD[case]
    given = [word.format(**names) for word in words]
    rest = {"--dsm": place.dsm, "--areas": place.areas, "--out": str(tmp_path / "out")}
    given += [part for name, value in rest.items() if name not in given for part in (name, value)]
    assert run_predict(*given) == 2
    line = capsys.readouterr().err
    assert line.startswith("basrelief: ")
    assert line.count("\n") == 1
    assert all(part in line for part in says), line
    assert "data." not in line
    assert not (tmp_path / "out" / "chips").exists()


def test_coarser_rasters_are_refused(
    town_run: Run, town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rescale_tiles(town.parent / "lidar", tmp_path / "lidar", 0.5)
    place = place_of(tmp_path)
    assert place.dtm is not None
    files = ["--dsm", place.dsm, "--dtm", place.dtm, "--areas", str(town.parent / "areas.gpkg")]
    assert run_predict(str(town_run.folder), *files, "--out", str(tmp_path / "out")) == 2
    line = capsys.readouterr().err
    assert all(part in line for part in ("--dsm", "4 m", "2 m", "coarser"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "pictures"}, "learnt from pictures"),
        ({"ground": "estimated"}, "Leave --dtm out"),
        ({"surprise": 1}, "not a model of version"),
    ],
)
def test_a_model_of_another_kind_is_refused(
    changes: dict[str, object],
    says: str,
    town_run: Run,
    town: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run" / "models" / "relief-statistics" / "final"
    shutil.copytree(find_model(town_run, "relief-statistics").folder, folder)
    shutil.copy(town_run.folder / "run.json", tmp_path / "run")
    shutil.copy(town_run.models / "recipes.json", tmp_path / "run" / "models")
    write_json(folder / "model.json", read_json(folder / "model.json") | changes)
    place = place_of(town.parent)
    assert place.dtm is not None
    files = ["--dsm", place.dsm, "--dtm", place.dtm, "--areas", place.areas]
    assert run_predict(str(tmp_path / "run"), *files, "--out", str(tmp_path / "out")) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert says in line


def test_a_run_without_a_final_model_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"format": FORMAT})
    with pytest.raises(InputError, match="has no final model"):
        find_model(Run(tmp_path), None)


def test_a_recipe_given_as_a_file_is_the_default_by_its_name(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"format": FORMAT})
    for name in ("a-baseline", "mine"):
        write_json(tmp_path / "models" / name / "final" / "model.json", {})
    # Whatever the order: what was asked for is a field of its own.
    trained = [{"recipe": "a-baseline", "is_asked": False}, {"recipe": "mine", "is_asked": True}]
    write_json(tmp_path / "models" / "recipes.json", trained)
    assert find_model(Run(tmp_path), None).folder == tmp_path / "models" / "mine" / "final"


@pytest.mark.real
@pytest.mark.slow
def test_a_model_of_tq28ne_predicts_barbican(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("basrelief.learn.stage.choose_baselines", lambda *_: [])
    areas = shared_data / "areas" / "london-2011-lsoa-gen20.shp"
    labels = shared_data / "labels" / "ID 2019 for London.xlsx"
    config = tmp_path / "c.toml"
    config.write_text(
        f'out = "run"\n[data]\ndsm = "{shared_data}/lidar/tq28ne/*.asc"\ncrs = "EPSG:27700"\n'
        f'areas = "{areas}"\nlabels = "{labels}"\ntargets = "all"\n'
        "[chips]\nresolution_m = 2\n"
        # The model of everything alone is asked.
        '[split]\nschemes = ["block"]\nfolds = 2\nrepeats = 1\n'
        '[models]\nrecipes = ["relief-statistics"]\n'
    )
    for stage in ("chips", "describe", "split", "train"):
        cli.app([stage, str(config), "--quiet"], standalone_mode=False)
    dsm = f"{shared_data}/lidar/barbican/dsm_*.tif"
    place = NewRasters(dsm, None, None, str(areas), str(labels))
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(Run(tmp_path / "run"), place, out, None)
    drawn = gpd.read_file(out.folder / "areas.gpkg")
    assert len(drawn) == 2
    assert drawn.filter(like="predicted_").notna().all(axis=None)
    # Nothing of Barnet or Haringey is built like the Barbican, and the answer says so.
    flags = drawn.filter(like="is_inside_")
    # Unknown where nothing was learnt of a score, and its prediction is the mean.
    assert flags.notna().any(axis=None)
    assert not flags.eq(1).any(axis=None)
    assert {(r["n"], r["n_inside"]) for r in read_json(out.scores)} <= {(2, 0), (2, None)}
