"""What is fitted to labels anew is what a run fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from basrelief.chips.store import load_samples
from basrelief.config import Settings, load_settings
from basrelief.judge import worlds
from basrelief.judge.baselines import predict_baseline
from basrelief.judge.inputs import EvaluationInputs
from basrelief.judge.refit import hold_fixed, label_chips, make_refitter, refit_scores
from basrelief.judge.targeting import SHARES, count_picked
from basrelief.learn import gaussian_process
from basrelief.learn.area_models import fit_areas, predict_areas
from basrelief.learn.features import read_features
from basrelief.learn.recipes import KrigedRecipe, NetworkRecipe
from basrelief.learn.train_areas import gather_area_data
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.sources.town import write_town
from basrelief.splits.heldout import find_usable_areas
from basrelief.tell.answers import compare_answers


@pytest.fixture(scope="module")
def inputs(town_run: Run, town_settings: Settings) -> EvaluationInputs:
    """What the town's evaluation was made from."""
    from basrelief.learn.choice import choose_baselines, choose_recipes

    recipes, _ = choose_recipes(town_settings)
    everything = [*recipes, *choose_baselines(recipes, town_settings)]
    return EvaluationInputs(load_samples(town_run), town_settings, town_run, everything)


@pytest.mark.parametrize(
    "name", ["relief-statistics", "place-alone", "place-and-district", "district-mean", "area-size"]
)
def test_refitted_to_the_real_labels_a_skill_is_the_runs_own(
    inputs: EvaluationInputs, town_run: Run, name: str
) -> None:
    refitter = make_refitter(inputs)
    assert refitter is not None
    folds = [fold for fold in inputs.folds if fold.scheme == "block"]
    found = refit_scores(refitter.learners[name], inputs.areas, folds, inputs.areas.labels)
    expected = {
        record["target"]: record["skill"]
        for record in read_json(town_run.scores)
        if (record["recipe"], record["scheme"], record["unit"]) == (name, "block", "area")
    }
    targets = inputs.samples.targets
    assert found.skill == pytest.approx([expected[target] for target in targets], abs=1e-3)
    hits = {
        (record["share"], record["target"]): record["hit_rate"] - record["chance"]
        for record in read_json(town_run.folder / "evaluate" / "targeting.json")
        if (record["recipe"], record["scheme"]) == (name, "block")
    }
    for share, lifts in zip(SHARES, found.lifts, strict=True):
        # Single precision may break a tie otherwise: at most by one area of those picked.
        most = 1.01 / int(count_picked(np.asarray(len(inputs.areas.ids)), share))
        assert lifts == pytest.approx([hits[share, target] for target in targets], abs=most)


def test_columns_do_not_know_each_other(inputs: EvaluationInputs) -> None:
    refitter = make_refitter(inputs)
    assert refitter is not None
    folds = [fold for fold in inputs.folds if fold.scheme == "lad"][:3]
    labels = inputs.areas.labels
    predict = refitter.learners["relief-statistics"]
    together = refit_scores(predict, inputs.areas, folds, labels).skill
    alone = [refit_scores(predict, inputs.areas, folds, labels[:, [k]]).skill[0] for k in range(3)]
    assert together == pytest.approx(alone, abs=1e-4)


def test_without_worlds_nothing_is_refitted(inputs: EvaluationInputs) -> None:
    settings = inputs.settings.model_copy(
        update={"evaluate": inputs.settings.evaluate.model_copy(update={"worlds": 0})}
    )
    assert make_refitter(replace(inputs, settings=settings)) is None


def test_chips_are_labelled_as_the_chips_stage_labels_them(inputs: EvaluationInputs) -> None:
    samples = inputs.samples
    targets = list(samples.targets)
    used = samples.areas["is_used"].to_numpy(bool)
    labels = np.where(used[:, None], samples.areas[targets].to_numpy(float), np.nan)
    found = label_chips(samples, np.stack([labels, 2 * labels]))
    expected = samples.chips[targets].to_numpy(float)
    is_known = np.isfinite(expected) & np.isfinite(found[0])
    assert is_known.mean() > 0.5
    assert found[0][is_known] == pytest.approx(expected[is_known])
    assert found[1][is_known] == pytest.approx(2 * expected[is_known])


def test_fixed_predictions_are_scored_by_hand(inputs: EvaluationInputs) -> None:
    data = inputs.areas
    ids = data.ids[:6].to_numpy(dtype=object).astype(str)
    frame = pd.DataFrame(
        {"id": ids, "target": "crime", "y_pred": [2.0, 1, 3, 1, 2, 4], "y_mean": 1.5}
    )
    labels = np.random.default_rng(0).normal(10, 2, (3, len(data.ids), 2))
    train = np.arange(20, 40)
    found = hold_fixed(frame, ("crime", "health"), data, train, labels)
    for world in range(3):
        mean = labels[world, 20:40, 0].mean()
        truth, guess = labels[world, :6, 0], mean + frame["y_pred"] - 1.5
        expected = 1 - ((truth - guess) ** 2).sum() / ((truth - mean) ** 2).sum()
        assert found.skill[world, 0] == pytest.approx(expected)
        # One of six is picked, and it is the last.
        hit = float(truth.argmax() == 5)
        assert found.lifts[:, world, 0] == pytest.approx(hit - 1 / 6)
    assert np.isnan(found.skill[:, 1]).all()


def test_skills_in_other_worlds_are_written(town_run: Run, inputs: EvaluationInputs) -> None:
    table = pd.read_parquet(town_run.folder / "evaluate" / "refits.parquet")
    kinds = table.groupby("recipe")["kind"].unique().map(set)
    assert kinds["relief-statistics"] == {"alike", "no_lidar", "no_pattern", "moved"}
    assert kinds["small"] == {"no_lidar", "moved"}
    worlds = inputs.settings.evaluate.worlds
    assert table.groupby(["recipe", "scheme", "unit", "kind", "target"]).size().eq(worlds).all()


def test_the_town_gives_its_planted_answers(town: Path, town_run: Run) -> None:
    lines, agree = compare_answers(town_run, town.parent / "truth.json")
    assert agree, lines
    assert len(lines) == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [8, 9])
def test_towns_of_other_seeds_give_their_planted_answers(tmp_path: Path, seed: int) -> None:
    config = write_town(tmp_path, seed=seed)
    text = config.read_text().replace('"relief-statistics", "vgg16"', '"relief-statistics"')
    text = text.replace('weights = { vgg16 = "none" }', "")
    config.write_text(text.replace("[split]", '[split]\nschemes = ["block"]'))
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split", "train", "evaluate"], set())
    lines, agree = compare_answers(run, tmp_path / "truth.json")
    assert agree, lines
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["relief-statistics", "place-alone", "on-top"])
def test_of_many_areas_what_is_refitted_is_what_a_run_fits(
    inputs: EvaluationInputs, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the stage's own functions, fold by fold, in double precision."""
    monkeypatch.setattr(gaussian_process, "MANY", 40)
    recipe = KrigedRecipe(kind="kriged", name="on-top", about="x", trend="relief-statistics")
    inputs = replace(inputs, recipes=[*inputs.recipes, recipe])
    refitter = make_refitter(inputs)
    assert refitter is not None
    assert set(refitter.worlds.labels) == {"alike", "no_lidar", "no_pattern", "moved"}
    folds = [fold for fold in inputs.folds if fold.scheme == "block" and fold.repeat == 0][:3]
    labels = inputs.areas.labels
    found = refit_scores(refitter.learners[name], inputs.areas, folds, labels).skill
    square = np.zeros((2, labels.shape[1]))
    for fold in folds:
        rng = np.random.default_rng([inputs.settings.seed, crc32(b"block"), fold.repeat, fold.fold])
        train, test = inputs.areas.find(fold.train), inputs.areas.find(fold.test)
        if name == "place-alone":
            guess = predict_baseline(name, inputs.areas, train, test, rng)
        else:
            of = next(each for each in inputs.recipes if each.name == name)
            assert not isinstance(of, NetworkRecipe)
            features = read_features(of, inputs.settings, inputs.run)
            data = gather_area_data(of, features, inputs.samples, inputs.settings)
            model = fit_areas(data.learn_from(fold.train), rng, joins_place=data.joins_place)
            guess = predict_areas(model, data.terms(fold.test), rng)
        mean = np.nanmean(labels[train], axis=0)
        square += [((labels[test] - each) ** 2).sum(axis=0) for each in (guess, mean)]
    assert found == pytest.approx(1 - square[0] / square[1], abs=5e-3)


def test_beyond_what_can_be_refitted_nothing_is(
    inputs: EvaluationInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_usable = len(find_usable_areas(inputs.samples))
    monkeypatch.setattr(worlds, "MAX_AREAS", n_usable - 1)
    refitter = make_refitter(inputs)
    assert refitter is not None
    assert not refitter.learners
    assert set(refitter.worlds.labels) == {"no_pattern"}
