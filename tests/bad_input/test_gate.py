"""The gate against an attacker: nothing that is published tells a label that is withheld.

The attacker has the page, the tables, the heights and boundaries, and the program. He is given more
than is published: every held-out prediction of the models that the public version is drawn from,
unrounded, and the folds. Withheld labels are noise of the same spread as the others: what a model
of the labels shown says of them is no help, and whatever beats the average is a leak.
"""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import basrelief
from basrelief.chips.store import load_samples
from basrelief.config import Settings, load_settings
from basrelief.learn.area_models import fit_areas, load_model, predict_areas
from basrelief.learn.features import read_features
from basrelief.learn.linear import predict_linear
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.train_areas import gather_area_data
from basrelief.run import MODEL, Run, read_json
from basrelief.splits.heldout import AreaFold, area_folds
from basrelief.tell.cards.export import export_model
from basrelief.tell.provenance import InputRole
from basrelief.tell.release.narrow import narrow_sources
from basrelief.toml import format_toml

Place = Any
"""As in the conftest beside this file, which no test can import."""

RECIPE, TARGET, N_SIDE = "relief-statistics", "crime", 10
IS_HIDDEN = np.arange(N_SIDE**2) % N_SIDE == 3
SAFE = 0.95
"""An attack that errs as much as this share of what the public average errs has found nothing."""

FOUND = 0.9
"""One that errs less than this has found something."""

Floats = NDArray[np.float64]

SMALL = """\
kind = "network"
name = "small"
about = "a network that trains in seconds"
backbone = "test_resnet"
bands = ["shaded"]
[head]
[optimiser]
learning_rate = 1e-3
[train]
trainable = "all"
epochs = 1
batch_size = 8
"""
NETWORK: dict[str, Any] = {"recipes": ["small.toml"], "weights": {"test_resnet": "none"}}
NETWORK |= {"epochs": 1, "steps_per_epoch": 2, "device": "cpu"}
"""Settings of a run of it."""


@dataclass(frozen=True)
class Case:
    """A place of which ten areas are withheld: what can be learnt there, and how it is held out."""

    is_skilful: bool
    folds: int
    repeats: int
    worlds: int = 0


CASES = {
    "fallback, one repeat": Case(False, folds=10, repeats=1),
    "fallback, three repeats": Case(False, folds=3, repeats=3),
    "skilful, one repeat": Case(True, folds=3, repeats=1, worlds=40),
    "skilful, three repeats": Case(True, folds=3, repeats=3),
}


def build_place(place: Place, case: Case) -> None:
    """Build houses as high and dense as areas differ, and label areas by them or by chance."""
    rng = np.random.default_rng(0)
    shape, cell = (N_SIDE, N_SIDE), np.ones((50, 50))
    height, share = rng.uniform(3, 25, shape), rng.uniform(0.1, 0.6, shape)
    is_plot = np.kron(rng.uniform(size=(100, 100)), np.ones((5, 5))) < np.kron(share, cell)
    built = np.kron(height, cell) * is_plot
    place.write_raster("dsm.tif", (20 + built).astype(np.float32))
    mean = built.reshape(N_SIDE, 50, N_SIDE, 50).mean(axis=(1, 3)).ravel()
    values = mean / mean.std() + rng.normal(0, 0.3, mean.size)
    if not case.is_skilful:
        values = rng.normal(values.mean(), values.std(), mean.size)
    values[IS_HIDDEN] = rng.normal(values.mean(), values.std(), IS_HIDDEN.sum())
    people = np.where(IS_HIDDEN, 50, 1500)
    labels = place.labels().assign(**{TARGET: values.round(3)}, population=people)
    labels.to_csv(place.folder / "labels.csv", index=False)
    # One block holds the whole place: inner folds have nothing to hold out, and nothing is learnt.
    block_m = 200.0 if case.is_skilful else 1000.0
    split = {"folds": case.folds, "repeats": case.repeats, "block_m": block_m}
    place.configure(split=split, evaluate={"worlds": case.worlds}, seed=7)


@pytest.fixture(scope="module")
def place_of(
    copy_place: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Place]:
    """Give the place of a case, run; each is made once."""
    known: dict[str, Place] = {}

    def build(name: str) -> Place:
        if name not in known:
            known[name] = copy_place(tmp_path_factory.mktemp("gate") / "place")
            build_place(known[name], CASES[name])
            basrelief.run_all(known[name].config, quiet=True)
        return known[name]

    return build


def add_to_hidden(place: Place, by: float) -> None:
    labels = place.labels()
    labels.loc[IS_HIDDEN, TARGET] += by
    labels.to_csv(place.folder / "labels.csv", index=False)


def read_public(run: Path) -> dict[str, bytes]:
    """Read every published file, and what is said of them."""
    paths = [*sorted((run / "public").rglob("*")), run / "publish.json"]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


@dataclass(frozen=True)
class Told:
    """What an attacker is told of models and averages."""

    predictions: pd.DataFrame
    """Of areas shown: ``repeat, id, y_pred``."""

    n: int
    """How many labels the average is over."""

    mean: float


@dataclass(frozen=True, eq=False)
class Attacker:
    """What the attacker knows of a place besides: ground, folds, program, and labels shown."""

    settings: Settings
    run: Run
    """Whose samples and folds he has made again, from open heights and boundaries."""

    shown: pd.Series[float]
    """Labels by area."""

    @cached_property
    def hidden(self) -> list[str]:
        ids = load_samples(self.run).areas["area_id"]
        return [name for name in ids if name not in self.shown.index]

    @cached_property
    def folds(self) -> list[AreaFold]:
        return list(area_folds(self.run, load_samples(self.run), self.settings))

    def solve_averages(self, told: Told) -> Floats:
        """Solve for the labels withheld, taking each prediction for the mean of its training."""
        rows = [np.full(len(self.hidden), float(told.n > len(self.shown)))]
        sums = [told.n * told.mean - self.shown.sum()]
        for fold in self.folds:
            tested = told.predictions[told.predictions["repeat"] == fold.repeat]
            mean = tested.loc[tested["id"].isin(fold.test), "y_pred"].mean()
            rows.append(np.isin(self.hidden, fold.train).astype(float))
            known = self.shown[self.shown.index.isin(fold.train)].sum()
            sums.append(len(fold.train) * mean - known)
        # Of all labels that meet the equations those nearest to the public average.
        known_mean = float(self.shown.mean())
        left = np.array(sums) - np.array(rows).sum(axis=1) * known_mean
        found, *_ = np.linalg.lstsq(np.array(rows), left, rcond=1e-6)
        labels: Floats = known_mean + found
        return labels

    def solve_models(self, told: Told) -> Floats:
        """Fit the program's models with labels guessed, and solve for those that fit best."""
        first, slopes = self.response
        predicted = told.predictions.set_index(["repeat", "id"])["y_pred"].reindex(first.index)
        found, *_ = np.linalg.lstsq(slopes, (predicted - first).to_numpy(), rcond=1e-3)
        labels: Floats = float(self.shown.mean()) + found
        return labels

    @cached_property
    def response(self) -> tuple[pd.Series[float], Floats]:
        """What is predicted with the average for every withheld label, and the slope by each."""
        guess, step = np.full(len(self.hidden), self.shown.mean()), 0.1 * self.shown.std()
        first = self.predict(guess)
        moved = guess + step * np.eye(len(guess))
        return first, np.array([(self.predict(each) - first) / step for each in moved]).T

    def predict(self, hidden: Floats) -> pd.Series[float]:
        """Predict the areas shown as the program would, were these the labels withheld."""
        samples = load_samples(self.run)
        labels = pd.concat([self.shown, pd.Series(hidden, index=self.hidden)])
        areas = samples.areas.assign(**{TARGET: samples.areas["area_id"].map(labels)})
        recipe = load_recipe(RECIPE, self.settings)
        assert not isinstance(recipe, NetworkRecipe)
        features = read_features(recipe, self.settings, self.run)
        data = gather_area_data(recipe, features, replace(samples, areas=areas), self.settings)
        found: dict[tuple[int, str], float] = {}
        for fold in self.folds:
            key = [self.settings.seed, zlib.crc32(fold.scheme.encode()), fold.repeat, fold.fold]
            model = fit_areas(
                data.learn_from(fold.train), np.random.default_rng(key), joins_place=False
            )
            rng = np.random.default_rng(0)
            predicted = predict_areas(model, data.terms(fold.test), rng)[:, 0]
            found |= {(fold.repeat, n): v for n, v in zip(fold.test, predicted, strict=True)}
        table: pd.Series[float] = pd.Series(found, dtype=float)
        return table[table.index.get_level_values(1).isin(self.shown.index)]


def make_attacker(place: Place) -> Attacker:
    run = Run(place.run, quiet=True)
    table = pd.read_csv(run.folder / "public" / "areas.csv").set_index("area_id")
    return Attacker(load_settings(place.config), run, table[f"{TARGET}_observed"])


def tell(run: Run, attacker: Attacker) -> Told:
    """Tell the attacker what a run found."""
    table = pd.read_parquet(run.predictions)
    is_told = (table["recipe"] == RECIPE) & table["id"].isin(attacker.shown.index)
    summary = pd.read_csv(run.describe / "summary.csv").iloc[0]
    told = table.loc[is_told, ["repeat", "id", "y_pred"]].astype({"id": str})
    return Told(told, int(summary["count"]), float(summary["mean"]))


def measure_attack(attacker: Attacker, told: Told, place: Place) -> float:
    """Measure how far the best attack errs, as a share of what the public average errs."""
    labels = place.labels().set_index("LSOA code (2011)")[TARGET]
    true = labels.loc[attacker.hidden].to_numpy()
    found = [attacker.solve_averages(told), attacker.solve_models(told)]
    blind = np.sqrt(np.mean((true - attacker.shown.mean()) ** 2))
    return min(float(np.sqrt(np.mean((true - each) ** 2)) / blind) for each in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_no_attack_finds_a_withheld_label(name: str, place_of: Callable[[str], Place]) -> None:
    place = place_of(name)
    attacker, run = make_attacker(place), Run(place.run, quiet=True)
    assert len(attacker.hidden) == 10
    # The attack is one: from what the run itself found, labels come back.
    assert measure_attack(attacker, tell(run, attacker), place) < FOUND
    assert measure_attack(attacker, tell(Run(run.release), attacker), place) >= SAFE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fallback, one repeat", "skilful, one repeat"])
def test_withheld_labels_change_no_published_byte(
    name: str, place_of: Callable[[str], Place], tmp_path: Path
) -> None:
    place = place_of(name)
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    add_to_hidden(other, 100.0)
    basrelief.run_all(other.config, quiet=True)
    assert read_json(other.run / "scores.json") != read_json(place.run / "scores.json")
    assert read_public(other.run) == read_public(place.run)


def read_export(run: Path, folder: Path) -> dict[str, bytes]:
    """Export a model, and read every file of it; when its weights were written is no finding."""
    export_model(Run(run, quiet=True), RECIPE, folder)
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.*")}
    dated = re.compile(rb"weights written [^U]*UTC|\"datetime\": \"[^\"]*\"")
    return {name: dated.sub(b"", path.read_bytes()) for name, path in files.items()}


def test_withheld_labels_change_no_byte_of_an_exported_model(
    place_of: Callable[[str], Place], tmp_path: Path
) -> None:
    place = place_of("skilful, one repeat")
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    add_to_hidden(other, 100.0)
    basrelief.run_all(other.config, quiet=True)
    folders = {tmp_path / f"model of {each.folder.name}": each.run for each in (place, other)}
    one, two = (read_export(run, folder) for folder, run in folders.items())
    assert two == one
    hidden = place.labels()["LSOA code (2011)"][IS_HIDDEN].astype(str)
    learnt = pd.read_parquet(tmp_path / "model of place" / "model" / "training.parquet")
    assert len(learnt) == N_SIDE**2 - IS_HIDDEN.sum()
    assert not set(hidden) & set(learnt.index.get_level_values("area_id"))
    # Whatever file a code could stand in.
    assert not [name for name, text in one.items() if any(id.encode() in text for id in hidden)]
    assert b'"seed": 7' not in one["model/model.json"]
    assert b"seed withheld" in one["model_card.md"]


def sum_learnt(folder: Path) -> float:
    """Sum the labels that a model learnt from: on average it predicts there what it learnt."""
    learnt = pd.read_parquet(folder / "training.parquet").to_numpy(np.float64)
    return float(predict_linear(load_model(folder / MODEL).alone, learnt)[:, 0].sum())


def test_from_an_exported_model_no_sum_of_withheld_labels_is_had(
    place_of: Callable[[str], Place], tmp_path: Path
) -> None:
    place = place_of("skilful, one repeat")
    export_model(Run(place.run, quiet=True), RECIPE, tmp_path / "out")
    shown = float(make_attacker(place).shown.sum())
    hidden = float(place.labels()[TARGET][IS_HIDDEN].sum())
    # The attack is one: whoever has the run's own model has their sum.
    assert sum_learnt(place.run / "models" / RECIPE / "final") - shown == pytest.approx(hidden)
    assert sum_learnt(tmp_path / "out" / "model") == pytest.approx(shown)


def test_what_is_published_is_what_the_attacker_was_told(place_of: Callable[[str], Place]) -> None:
    place = place_of("skilful, one repeat")
    table = pd.read_csv(place.run / "public" / "areas.csv").set_index("area_id")
    assert not set(table.index) & set(place.labels()["LSOA code (2011)"][IS_HIDDEN])
    found = pd.read_parquet(place.run / "release" / "predictions.parquet")
    predicted = found[found["recipe"] == RECIPE].set_index("id")["y_pred"]
    np.testing.assert_allclose(table[f"{TARGET}_predicted"], predicted[table.index], rtol=1e-3)


def test_every_file_of_the_refit_is_what_it_is_in_the_run(place_of: Callable[[str], Place]) -> None:
    run = place_of("skilful, one repeat").run
    files = [path for path in (run / "release").rglob("*") if path.is_file()]
    alike = [path for path in files if (run / path.relative_to(run / "release")).exists()]
    assert {path.name for path in set(files) - set(alike)} == {"release.json"}
    # Heights and features are not kept twice.
    assert not [path for path in files if "layers" in path.parts or "features" in path.parts]


def test_where_nothing_was_learnt_no_prediction_is_told(place_of: Callable[[str], Place]) -> None:
    place = place_of("fallback, one repeat")
    table = pd.read_csv(place.run / "public" / "areas.csv")
    assert list(table.columns[-1:]) == [f"{TARGET}_observed"]


def test_where_anything_is_withheld_no_seed_and_no_hash_of_its_table_is_told(
    place_of: Callable[[str], Place],
) -> None:
    place = place_of("skilful, one repeat")
    entries = read_json(place.run / "inputs.json")
    hashes = {entry["role"]: entry["sha256"] for entry in entries}
    assert hashes["surface heights"] in (place.run / "data_sheet.md").read_text(encoding="utf-8")
    # Boundaries come with scores as columns of theirs.
    withheld = [hashes["scores"], hashes["areas"]]
    for name in ("public/report.html", "model_card.md", "data_sheet.md"):
        text = (place.run / name).read_text(encoding="utf-8")
        assert not [each for each in withheld if each in text]
        assert not re.search(r"seed\W*=?\W*7\b", text)


@pytest.mark.parametrize("role", ["areas", "scores", "counts of crime", "tables by area"])
def test_no_hash_of_a_file_in_which_labels_may_stand_is_told(role: str) -> None:
    # A table by area may be the file of the labels, or hold them too.
    told = InputRole(role, 1, 9, "abc", ("a.csv",))
    assert narrow_sources([told], is_whole=False) == []
    assert narrow_sources([told], is_whole=True) == [replace(told, names=())]


@pytest.mark.slow
def test_a_second_report_does_not_fit_again(
    place_of: Callable[[str], Place], capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_of("fallback, one repeat")
    before = (place.run / "release" / "predictions.parquet").stat().st_mtime_ns
    basrelief.run_all(place.config, start="report")
    said = capsys.readouterr().out
    assert (
        "10 areas are withheld and were learnt from: all that is published is fitted anew" in said
    )
    assert "fitted without them before, and kept" in said
    assert (place.run / "release" / "predictions.parquet").stat().st_mtime_ns == before
    # One that was damaged since is made anew, and not believed.
    for name in ("chips/areas.parquet", "scores.json", "evaluate/targeting.csv"):
        path, public = place.run / "release" / name, read_public(place.run)
        sound = path.read_bytes()
        path.write_bytes(sound[:9] + b"9" + sound[10:])
        basrelief.run_all(place.config, start="report")
        assert f"release/{name} is gone, changed or damaged" in capsys.readouterr().out
        assert read_public(place.run) == public
    place.configure(publish={"min_population": 0})
    basrelief.run_all(place.config, quiet=True)
    assert read_json(place.run / "publish.json")["drawn_from"]["kind"] == "run"
    assert not (place.run / "release").exists()


def write_pictures(folder: Path, by: float = 0.0) -> Path:
    """Write pictures of forty areas, of four of which nobody knows how many people they hold.

    Beside them six more are withheld. ``by`` is added to the labels of all ten.
    """
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    rows = []
    for k in range(120):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"LIDAR_{k}.png")
        area = k // 3
        # Of areas that hold as many people those of the lowest codes are withheld too.
        label = round(rng.normal() + (by if area < 10 else 0.0), 3)
        # Whether this is a score hangs on the others: far from all of them it is none.
        label = 99.0 if k == 100 else label
        code = f"X0100{area:04d}" if area < 4 else f"E0100{area:04d}"
        rows.append({"id": k, "LSOA11CD": code, TARGET: label})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    (folder / "small.toml").write_text(SMALL)
    publish = {"min_ground_covered": 0.0, "allow": "chips", "reason": "Agreed."}
    values: dict[str, Any] = {
        "out": "run",
        "data": {"images": "pictures", "table": "table.csv", "targets": [TARGET]},
        "chips": {"size_px": 32},
        "split": {"schemes": ["random", "area"], "folds": 3, "repeats": 1},
        "models": NETWORK,
        "publish": publish,
    }
    (folder / "c.toml").write_text(format_toml(values))
    return folder / "c.toml"


@pytest.mark.slow
def test_of_pictures_too_withheld_labels_change_no_published_byte(tmp_path: Path) -> None:
    runs = []
    for name, by in (("one", 0.0), ("other", 100.0)):
        runs.append(basrelief.run_all(write_pictures(tmp_path / name, by), quiet=True).folder)
    one, other = runs
    assert read_json(one / "scores.json") != read_json(other / "scores.json")
    record = read_json(one / "publish.json")
    assert record["drawn_from"]["kind"] == "refit"
    assert record["areas_published"] == 30
    assert b'<img src="data:image/webp' in (one / "public" / "report.html").read_bytes()
    assert read_public(one) == read_public(other)


def compare_published(place: Place, change: Callable[[Place], None], tmp_path: Path) -> None:
    """Run a place, and a copy of it that was changed: public/ must be the same, the run not."""
    people = np.where(IS_HIDDEN, 50, 1500)
    place.labels().assign(population=people).to_csv(place.folder / "labels.csv", index=False)
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    change(other)
    for each in (place, other):
        basrelief.run_all(each.config, quiet=True)
    assert read_json(place.run / "publish.json")["drawn_from"]["kind"] == "refit"
    tables = [pd.read_parquet(each.run / "chips" / "areas.parquet") for each in (place, other)]
    shown = [table.loc[~IS_HIDDEN, place_target(place)] for table in tables]
    # What is asked for is a change: the run's own figures of areas shown are other ones.
    assert not shown[0].equals(shown[1])
    assert read_public(other.run) == read_public(place.run)


def place_target(place: Place) -> str:
    target: str = load_settings(place.config).data.targets[0]
    return target


def write_burglaries(place: Place, n_hidden: int) -> None:
    """Write two years of crimes; of one June so many in one withheld area, and none elsewhere."""
    hidden = place.labels()["LSOA code (2011)"][IS_HIDDEN].iloc[0]
    rows = [
        (f"{year}-{month:02d}", code)
        for year in (2018, 2019)
        for month in range(1, 13)
        for k, code in enumerate(place.labels()["LSOA code (2011)"])
        for _ in range(1 + k % 2 + (year == 2019))
        if (year, month) != (2019, 6)
    ]
    rows += [("2019-06", hidden)] * n_hidden + [("2019-06", "")]
    table = pd.DataFrame(rows, columns=["Month", "LSOA code"])
    table.assign(**{"LSOA name": "Testham 001A", "Crime type": "Burglary"}).to_csv(
        place.folder / "crimes.csv", index=False
    )


@pytest.mark.slow
def test_counts_of_withheld_areas_decide_no_published_rate(place: Place, tmp_path: Path) -> None:
    write_burglaries(place, 0)
    place.configure(data={"crime": "crimes.csv", "targets": ["burglary"]})
    # With them, June is a month in which few burglaries were recorded, and 2019 a year.
    compare_published(place, lambda other: write_burglaries(other, 20), tmp_path)


@pytest.mark.slow
def test_whether_a_99_is_a_score_hangs_on_no_withheld_one(place: Place, tmp_path: Path) -> None:
    labels = place.labels()
    labels.loc[4, TARGET] = 99.0
    labels.to_csv(place.folder / "labels.csv", index=False)

    def change(other: Place) -> None:
        changed = other.labels()
        changed.loc[np.flatnonzero(IS_HIDDEN)[0], TARGET] = 30.0
        changed.to_csv(other.folder / "labels.csv", index=False)

    compare_published(place, change, tmp_path)


def write_census(place: Place, of_hidden: list[str], of_shown: str) -> None:
    """Write a table by area: one number of the areas shown, and what it says of those withheld."""
    labels = place.labels()
    rent = (labels[TARGET] + np.random.default_rng(5).normal(0, 0.3, len(labels))).round(3)
    column = rent.astype(str)
    column[IS_HIDDEN] = of_hidden
    column[4] = of_shown
    table = pd.DataFrame({"LSOA11CD": labels.iloc[:, 0], "rent": column})
    table.to_csv(place.folder / "census.csv", index=False)


@pytest.mark.parametrize(
    ("of_hidden", "of_shown"),
    [
        pytest.param(["-55.5"] * 10, "0.1", id="other numbers"),
        # Of a twentieth of all areas and more a column says that they are blank.
        pytest.param([""] * 10, "0.1", id="blanks"),
        # Whether a 99.9 is a rent hangs on how often it stands there.
        pytest.param(["99.9"] * 3 + ["1.0"] * 7, "99.9", id="numbers that stand for none"),
    ],
)
def test_what_tables_say_of_withheld_areas_changes_no_published_byte(
    place: Place, tmp_path: Path, of_hidden: list[str], of_shown: str
) -> None:
    labels = place.labels()
    people = np.where(IS_HIDDEN, 50, 1500)
    labels.assign(population=people).to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"tables": {"census": {"file": "census.csv", "columns": ["rent"]}}})
    shutil.copytree(place.folder, tmp_path / "other")
    other = replace(place, folder=tmp_path / "other")
    write_census(place, ["1.0"] * 10, of_shown)
    write_census(other, of_hidden, of_shown)
    for each in (place, other):
        basrelief.run_all(each.config, quiet=True)
    assert read_json(other.run / "scores.json") != read_json(place.run / "scores.json")
    assert read_public(other.run) == read_public(place.run)
    # Of heights there is one set of features, and of the table the public has its own.
    folders = [path.name for path in (place.run / "release" / "features").iterdir()]
    assert folders == ["census"]


@pytest.mark.slow
def test_labels_of_areas_that_are_not_used_change_no_published_byte(place: Place) -> None:
    """As by default, where nothing that was used is withheld and nothing is fitted anew."""
    heights = place.heights()
    # Of the last column of areas too little is seen; networks see the chips on its border.
    heights[:, 470:] = np.nan
    place.write_raster("dsm.tif", heights)
    (place.folder / "small.toml").write_text(SMALL)
    place.configure(models=NETWORK, chips={"min_valid": 0.5}, evaluate={"worlds": 40})
    place.configure(split={"schemes": ["random", "area"], "block_m": 200.0})
    found = []
    for by in (0.0, 100.0):
        labels = place.labels()
        labels.loc[np.arange(len(labels)) % N_SIDE == N_SIDE - 1, TARGET] += by
        labels.to_csv(place.folder / "labels.csv", index=False)
        run = basrelief.run_all(place.config, quiet=True)
        assert read_json(run.folder / "publish.json")["drawn_from"]["kind"] == "run"
        assert not (run.folder / "release").exists()
        page = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
        found.append(page)
    areas = pd.read_parquet(run.folder / "chips" / "areas.parquet")
    assert areas["is_used"].sum() == 90
    assert found[0] == found[1]


def test_where_too_few_areas_are_left_to_fit_anything_their_labels_alone_are_published(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    people = np.where(np.arange(N_SIDE**2) < 2, 1500, 50)
    place.labels().assign(population=people).to_csv(place.folder / "labels.csv", index=False)
    run = basrelief.run_all(place.config)
    assert (
        "that cannot be done, and nothing that was learnt is published" in capsys.readouterr().out
    )
    table = pd.read_csv(run.folder / "public" / "areas.csv")
    assert len(table) == 2
    assert f"{TARGET}_predicted" not in table
    assert read_json(run.folder / "publish.json")["drawn_from"]["kind"] == "nothing"


def test_where_every_area_is_withheld_no_figure_is_published(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.configure(publish={"min_population": 5000})
    run = basrelief.run_all(place.config)
    assert [path.name for path in (run.folder / "public").iterdir()] == ["report.html"]
    page = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
    assert "No figure that was learnt or averaged is shown" in page
    assert "0.9" not in page[page.index("</style>") :]
    said = capsys.readouterr().out
    assert "public/ shows no figure. Every area is withheld" in said
    assert "publish.min_population = 0" in said
    record = read_json(run.folder / "publish.json")
    assert (record["drawn_from"]["kind"], record["averages_published"]) == ("nothing", 0)
    assert "| withheld: too few areas" in (run.folder / "model_card.md").read_text("utf-8")
