from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray

from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import Samples, load_samples
from basrelief.config import DataSettings, Settings
from basrelief.judge import predictions as predicting
from basrelief.judge import stage
from basrelief.judge.predictions import average_over_areas
from basrelief.judge.stage import evaluate_recipes, group_units
from basrelief.judge.tables import PREDICTIONS
from basrelief.learn.recipes import Recipe
from basrelief.run import Run, read_json, write_json
from basrelief.splits.heldout import chip_fold
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import ModelSettings, SplitSettings

SETTINGS = Settings(
    data=DataSettings(dsm="a.tif", areas="b.gpkg", labels="c.csv", targets=["crime", "health"]),
    split=SplitSettings(block_m=250.0, buffer_m=100.0, repeats=1),
    models=ModelSettings(recipes=["coursework-vgg16"]),
)
TARGETS = ["crime", "health"]


def guess_of(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Make up a prediction for each chip that its position alone decides."""
    return np.stack([np.sin(rows), np.cos(rows)], axis=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Areas of 120 m under chips of 100 m, split, and predicted by a made-up network."""
    run = Run(tmp_path_factory.mktemp("judged"), quiet=True)
    rng = np.random.default_rng(0)
    sides = {"area": 120.0, "chip": 100.0}
    frames = {}
    for name, side in sides.items():
        low = np.arange(0, 1200.0, side)
        squares = [shapely.box(x, y, x + side, y + side) for x in low for y in low]
        frame = gpd.GeoDataFrame(geometry=squares, crs="EPSG:27700")
        frames[name] = frame.assign(is_used=rng.uniform(size=len(squares)) > 0.05)
    areas, chips = frames["area"], frames["chip"]
    areas["area_id"] = [f"E{k:08d}" for k in range(len(areas))]
    areas["area_name"] = [f"Place {k}" for k in range(len(areas))]
    areas["msoa"], areas["lad"] = None, np.where(areas.centroid.x < 600, "west", "east")
    chips["chip_id"] = [f"chip{k}" for k in range(len(chips))]
    chips["easting"], chips["northing"] = chips.centroid.x, chips.centroid.y
    membership = measure_membership(chips, areas)
    for target in TARGETS:
        areas[target] = rng.normal(size=len(areas))
        labels = areas.set_index("area_id")[target]
        chips[target] = average_labels(chips["chip_id"], membership, labels)
    areas.loc[3, "health"] = np.nan
    run.chips.mkdir()
    for stem, table in (("chips", chips), ("areas", areas), ("membership", membership)):
        table.to_parquet(run.chips / f"{stem}.parquet")
    facts = {"kind": "heights", "targets": TARGETS, "size_px": 100, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts)
    assign_splits(SETTINGS, run)
    return run


@pytest.fixture(scope="module")
def predictions(place: Run) -> pd.DataFrame:
    """What evaluating the made-up network writes."""

    def predict_fold(
        folder: Path, samples: Samples, rows: NDArray[np.int64], settings: Settings
    ) -> NDArray[np.float64]:
        return guess_of(rows)

    def leave_out(recipes: list[Recipe], settings: Settings) -> list[Recipe]:
        return []

    # Training wrote it; nothing was cut short.
    trained = {"recipe": "coursework-vgg16", "is_asked": True, "is_shortened": False}
    write_json(place.models / "recipes.json", [trained | {"random_weights": []}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predicting, "predict_fold", predict_fold)
        # There are no pixels here to measure relief in.
        patch.setattr(stage, "choose_baselines", leave_out)
        evaluate_recipes(SETTINGS, place)
    return pd.read_parquet(place.predictions)


def test_predictions_have_the_columns_of_the_contract(predictions: pd.DataFrame) -> None:
    assert list(predictions.columns) == PREDICTIONS.names
    assert set(predictions["scheme"]) == {"random", "area", "lad", "block"}
    assert set(predictions["unit"]) == {"chip", "area"}
    assert predictions[["y_true", "y_pred", "y_mean"]].notna().all(axis=None)


@pytest.mark.parametrize("scheme", ["random", "area", "block"])
def test_chip_rows_are_the_test_chips_beside_the_training_mean(
    place: Run, predictions: pd.DataFrame, scheme: str
) -> None:
    samples = load_samples(place)
    fold = chip_fold(place, samples, SETTINGS, scheme)
    is_asked = (predictions["scheme"] == scheme) & (predictions["unit"] == "chip")
    is_asked &= predictions["recipe"] == "coursework-vgg16"
    rows = predictions[is_asked & (predictions["target"] == "crime")]
    assert rows["id"].tolist() == samples.chips["chip_id"].iloc[fold.test].tolist()
    np.testing.assert_allclose(rows["y_pred"], np.sin(fold.test))
    np.testing.assert_allclose(rows["y_mean"], samples.chips["crime"].iloc[fold.train].mean())


def test_area_rows_are_test_areas_averaged_over_all_their_used_chips(
    place: Run, predictions: pd.DataFrame
) -> None:
    samples = load_samples(place)
    fold = chip_fold(place, samples, SETTINGS, "area")
    is_asked = (predictions["scheme"] == "area") & (predictions["unit"] == "area")
    is_asked &= predictions["recipe"] == "coursework-vgg16"
    rows = predictions[is_asked & (predictions["target"] == "crime")]
    assert set(rows["id"]) <= set(fold.test_areas)
    used = samples.chips.reset_index().query("is_used").set_index("chip_id")["index"]
    for area_id, y_pred in zip(rows["id"], rows["y_pred"], strict=True):
        member = samples.membership[samples.membership["area_id"] == area_id]
        member = member[member["chip_id"].isin(used.index)]
        position = used.loc[member["chip_id"]].to_numpy()
        assert y_pred == pytest.approx(np.average(np.sin(position), weights=member["weight"]))


def test_an_area_without_a_label_is_not_scored_for_that_target(predictions: pd.DataFrame) -> None:
    unlabelled = predictions[(predictions["id"] == "E00000003")]
    assert "health" not in set(unlabelled["target"])


def test_baselines_stand_beside_the_network_in_every_scheme(predictions: pd.DataFrame) -> None:
    found = predictions.groupby(["scheme", "unit"])["recipe"].agg(set).to_dict()
    of_chips = {"coursework-vgg16", "place-alone", "district-mean"}
    for scheme in ("area", "block"):
        assert found[scheme, "chip"] == of_chips
        assert found[scheme, "area"] == of_chips | {"place-and-district", "area-size"}
    assert found["lad", "area"] == found["area", "area"] - {"coursework-vgg16"}
    assert found["random", "chip"] == of_chips
    place = predictions[(predictions["recipe"] == "place-alone") & (predictions["unit"] == "area")]
    n_folds = place.groupby("scheme")["fold"].nunique().to_dict()
    assert n_folds == {"area": 10, "lad": 2, "block": 10}


def test_whole_districts_held_out_leave_the_districts_mean_nothing(
    place: Run, predictions: pd.DataFrame
) -> None:
    rows = predictions[
        (predictions["recipe"] == "district-mean") & (predictions["scheme"] == "lad")
    ]
    np.testing.assert_array_equal(rows["y_pred"], rows["y_mean"])


def test_scores_say_the_same_as_json_and_as_parquet(place: Run, predictions: pd.DataFrame) -> None:
    records = read_json(place.scores)
    table = pd.read_parquet(place.folder / "scores.parquet")
    keys = ["recipe", "target", "scheme", "unit"]
    assert len(records) == len(table) == len(predictions.groupby(keys))
    assert table["skill"].tolist() == [record["skill"] for record in records]
    ours = [record for record in records if record["recipe"] == "coursework-vgg16"]
    assert all(record["skill"] < 0 for record in ours)


def test_the_network_is_compared_with_each_baseline_on_its_own_items(
    place: Run, predictions: pd.DataFrame
) -> None:
    records = read_json(place.folder / "evaluate" / "comparisons.json")
    by = {(r["recipe"], r["versus"], r["target"], r["scheme"], r["unit"]): r for r in records}
    record = by["coursework-vgg16", "place-alone", "crime", "area", "area"]
    is_asked = (predictions["scheme"] == "area") & (predictions["unit"] == "area")
    rows = predictions[is_asked & (predictions["target"] == "crime")]
    ours = rows[rows["recipe"] == "coursework-vgg16"].set_index("id")
    theirs = rows[(rows["recipe"] == "place-alone") & (rows["repeat"] == 0)].set_index("id")
    theirs = theirs.loc[ours.index]
    assert record["n"] == len(ours) < theirs["fold"].size + len(rows)
    sums = {
        (name, column): ((part["y_true"] - part[column]) ** 2).sum()
        for name, part in (("ours", ours), ("theirs", theirs))
        for column in ("y_pred", "y_mean")
    }
    # A network's mean leaves its validation areas out: both are measured by the average of the
    # two, so that equal predictions are equally good.
    of_mean = (sums["ours", "y_mean"] + sums["theirs", "y_mean"]) / 2
    assert sums["ours", "y_mean"] != sums["theirs", "y_mean"]
    gain = (sums["theirs", "y_pred"] - sums["ours", "y_pred"]) / of_mean
    assert record["difference"] == pytest.approx(gain)
    assert not record["beats"]


def test_every_file_of_the_contract_is_written(place: Run, predictions: pd.DataFrame) -> None:
    folder = place.folder / "evaluate"
    names = {"comparisons", "preferred", "audit", "coverage", "targeting", "failures"}
    names |= {"member_weights", "over_targets", "recipes", "claims", "relocation", "counts"}
    assert {path.stem for path in folder.glob("*.json")} == names
    tables = {path.name for path in folder.iterdir() if path.suffix != ".json"}
    measured = {"residuals.parquet", "applicability.parquet", "refits.parquet", "parts.parquet"}
    assert tables == measured | {"targeting.csv"}
    listed = pd.read_csv(folder / "targeting.csv")
    assert set(listed["recipe"]) == {
        "coursework-vgg16",
        "place-alone",
        "place-and-district",
        "district-mean",
        "area-size",
    }
    preferred = read_json(folder / "preferred.json")
    assert {record["recipe"] for record in preferred} <= {"mean", "place-alone"}


def test_each_comparison_names_all_that_the_two_differ_in(
    place: Run, predictions: pd.DataFrame
) -> None:
    folder = place.folder / "evaluate"
    knows = {
        record["recipe"]: set(record["knows"]) for record in read_json(folder / "recipes.json")
    }
    assert set(knows) == set(predictions["recipe"])
    knows["mean"] = set()
    means = read_json(folder / "over_targets.json")
    pairs = read_json(folder / "comparisons.json") + means
    pairs += [
        {"recipe": r["recipe"], "versus": v} | each for r in means for v, each in r["over"].items()
    ]
    assert len(pairs) > 20
    for pair in pairs:
        assert set(pair["differs_in"]) == knows[pair["recipe"]] ^ knows[pair["versus"]]
        # Two that know the same are two recipes by something else.
        same = knows[pair["recipe"]] == knows[pair["versus"]]
        assert bool(pair["differs_how"]) or not same or pair["recipe"] == pair["versus"]
    # A network sees LIDAR alone, so that its gain is over the mean.
    network = {r["versus"] for r in means if r["recipe"] == "coursework-vgg16"}
    assert network == {"mean"}


def list_texts(found: Any) -> list[str]:
    """Every text in what was read from JSON, keys left out."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list):
        return [text for each in found for text in list_texts(each)]
    return [found] if isinstance(found, str) else []


def test_judging_writes_figures_and_codes_and_no_sentences(
    place: Run, predictions: pd.DataFrame
) -> None:
    files = [place.scores, *(place.folder / "evaluate").glob("*.json")]
    texts = [text for file in files for text in list_texts(read_json(file))]
    assert len(texts) > 100
    assert [text for text in texts if " " in text] == []


def test_area_averages_equal_brute_force(place: Run) -> None:
    samples = load_samples(place)
    rows = np.random.default_rng(0).permutation(len(samples.chips))[:20]
    values = guess_of(rows)
    averaged = average_over_areas(samples, rows, values)
    value_of = dict(zip(samples.chips["chip_id"].iloc[rows], values, strict=True))
    for area_id, found in averaged.iterrows():
        member = samples.membership[samples.membership["area_id"] == area_id]
        member = member[member["chip_id"].isin(value_of)]
        part = np.array([value_of[name] for name in member["chip_id"]])
        expected = np.average(part, axis=0, weights=member["weight"])
        np.testing.assert_allclose(found.to_numpy(), expected)


def test_chips_and_areas_are_resampled_by_block(place: Run) -> None:
    groups = group_units(load_samples(place), SETTINGS)
    assert groups["chip"]["chip0"] == groups["area"]["E00000000"] == "0_0"
    assert groups["area"].nunique() == 25


def test_pictures_are_resampled_by_area(tmp_path: Path) -> None:
    chips = pd.DataFrame({"chip_id": ["a", "b", "c"]})
    areas = pd.DataFrame({"area_id": ["E1", "E2"]})
    membership = pd.DataFrame({"chip_id": ["a", "b"], "area_id": ["E1", "E1"], "weight": 1.0})
    samples = Samples(chips, areas, membership, ("crime",), "pictures", 32, 1.0, tmp_path)
    groups = group_units(samples, SETTINGS)
    assert groups["chip"].to_dict() == {"a": "E1", "b": "E1"}
    assert groups["area"].to_dict() == {"E1": "E1", "E2": "E2"}
