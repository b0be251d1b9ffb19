"""Two runs held against each other: of a run and copies of it in which one thing is other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from basrelief.config import InputError
from basrelief.judge.two_runs import Comparison, compare_runs
from basrelief.marks import finish_stage
from basrelief.run import Record, Run, read_json, write_json
from basrelief.stages import STAGES
from basrelief.tell.page.comparison import tell_comparison_of

RECIPE = "relief-statistics"
HEAVY = shutil.ignore_patterns("maps", "explain", "features", "*.safetensors")
"""What comparing reads nothing of."""


def copy_run(run: Run, folder: Path) -> Run:
    shutil.copytree(run.folder, folder, ignore=HEAVY)
    return Run(folder)


def write_anew(run: Run, stage: str, name: str, change: Callable[[pd.DataFrame], None]) -> None:
    """Change a table of a run, as if its stage had written it so."""
    # What lies on the ground stays there.
    read = gpd.read_parquet if name.startswith("chips/") else pd.read_parquet
    table = read(run.folder / name)
    change(table)
    table.to_parquet(run.folder / name)
    writes = next(each.writes for each in STAGES if each.name == stage)
    finish_stage(run, stage, "changed", writes)


def forget(table: pd.DataFrame) -> None:
    """Let the relief statistics predict the mean."""
    mine = table["recipe"] == RECIPE
    table.loc[mine, "y_pred"] = table.loc[mine, "y_mean"]


def score_nothing(table: pd.DataFrame) -> None:
    table.loc[table["recipe"] == RECIPE, "skill"] = 0.0


@pytest.fixture(scope="module")
def blind(town_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which the relief statistics know nothing, here and in all other worlds."""
    run = copy_run(town_run, tmp_path_factory.mktemp("blind") / "run")
    write_anew(run, "evaluate", "predictions.parquet", forget)
    write_anew(run, "evaluate", "evaluate/refits.parquet", score_nothing)
    return run


@pytest.fixture(scope="module")
def found(blind: Run, town_run: Run) -> Comparison:
    return compare_runs(blind, town_run)


def pick(found: Comparison, **wanted: object) -> Record:
    wanted = {"recipe": RECIPE, "versus": RECIPE, "scheme": "block", "unit": "area"} | wanted
    (record,) = (r for r in found.pairs if r.items() >= wanted.items())
    return record


def test_over_what_predicts_the_mean_a_recipe_has_its_own_skill(
    found: Comparison, town_run: Run
) -> None:
    scores = {
        (r["scheme"], r["target"]): r["skill"]
        for r in read_json(town_run.scores)
        if r["recipe"] == RECIPE and r["unit"] == "area"
    }
    for (scheme, target), skill in scores.items():
        assert pick(found, scheme=scheme, target=target)["difference"] == pytest.approx(skill)
    means = [skill for (scheme, _), skill in scores.items() if scheme == "block"]
    over_all = pick(found, target=None)["difference"]
    assert over_all == pytest.approx(sum(means) / len(means))


def test_what_was_planted_is_told_and_what_was_not_cannot_be(found: Comparison) -> None:
    crime, health = pick(found, target="crime"), pick(found, target="health")
    assert crime["interval"] != "resampled"
    assert crime["beats"]
    assert not health["beats"]
    assert not health["is_beaten"]
    assert "place-alone" in found.same
    assert RECIPE not in found.same


def test_turned_round_the_same_is_said_of_the_other(
    found: Comparison, blind: Run, town_run: Run
) -> None:
    turned = compare_runs(town_run, blind)
    assert {(r["recipe"], r["versus"]) for r in turned.pairs} >= {(RECIPE, RECIPE)}
    mine, theirs = pick(found, target="crime"), pick(turned, target="crime")
    assert theirs["difference"] == pytest.approx(-mine["difference"])
    assert theirs["is_beaten"]


def test_models_held_fixed_are_not_told_apart(blind: Run, town_run: Run, tmp_path: Path) -> None:
    run = copy_run(blind, tmp_path / "run")

    def jolt(table: pd.DataFrame) -> None:
        # Other worlds than those of the other run: nothing there can be paired.
        table["skill"] += 0.001

    write_anew(run, "evaluate", "evaluate/refits.parquet", jolt)
    record = pick(compare_runs(run, town_run), target="crime")
    assert record["difference"] > 0.3
    assert record["interval"] in (None, "resampled")
    assert not record["beats"]


def test_a_run_beside_itself_differs_in_nothing(town_run: Run) -> None:
    found = compare_runs(town_run, town_run)
    assert found.pairs == []
    assert RECIPE in found.same


def other_labels(run: Run) -> None:
    def change(table: pd.DataFrame) -> None:
        table["crime"] += 1.0

    for name in ("areas", "chips"):
        write_anew(run, "chips", f"chips/{name}.parquet", change)


def other_folds(run: Run) -> None:
    def change(table: pd.DataFrame) -> None:
        rows = table["scheme"] == "block"
        table.loc[rows, "fold"] = table.loc[rows, "fold"].to_numpy()[::-1]

    write_anew(run, "split", "splits/folds.parquet", change)


def other_areas(run: Run) -> None:
    def change(table: pd.DataFrame) -> None:
        table.loc[table.index[0], "is_used"] = False

    write_anew(run, "chips", "chips/areas.parquet", change)


def other_buffer(run: Run) -> None:
    settings = read_json(run.folder / "config.json")
    settings["split"]["buffer_m"] = 50.0
    write_json(run.folder / "config.json", settings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_labels, "their labels differ"),
        (other_folds, "their folds of scheme 'block' differ"),
        (other_areas, "their areas or pictures differ: 1 are in one alone, such as "),
        (other_buffer, r"their split\.buffer_m differs, 100 and 50"),
        (lambda run: (run.folder / "stages" / "evaluate.json").unlink(), "not evaluated yet"),
        (lambda run: (run.folder / "predictions.parquet").write_bytes(b""), "has 0 bytes"),
    ],
)
def test_what_is_not_the_same_is_named(
    town_run: Run, tmp_path: Path, change: Callable[[Run], object], says: str
) -> None:
    run = copy_run(town_run, tmp_path / "run")
    change(run)
    with pytest.raises(InputError, match=says):
        compare_runs(town_run, run)


def test_the_page_stands_by_itself_and_says_what_the_terminal_says(
    blind: Run, town_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "comparison.html"
    tell_comparison_of(blind, town_run, out)
    said, page = capsys.readouterr().out, out.read_text()
    named = f"{RECIPE} over {RECIPE}, crime"
    line = next(each for each in said.splitlines() if named in each)
    assert "▲ better" in line
    assert "src=" not in page
    assert page.count("href=") == page.count('href="#')
    assert str(town_run.folder.parent) not in page
    assert "▲" in page
    # Written again, but over nothing else.
    tell_comparison_of(Run(blind.folder, quiet=True), town_run, out)
    (tmp_path / "mine.html").write_text("<html>")
    with pytest.raises(InputError, match="did not write"):
        tell_comparison_of(blind, town_run, tmp_path / "mine.html")


def cut_short(run: Run, n_epochs: int) -> None:
    """Have a run's training of the relief statistics cut short, as far as the run tells."""
    records = read_json(run.models / "recipes.json")
    length = {"epochs": n_epochs, "epochs_of_recipe": 20, "is_shortened": True}
    for record in records:
        record |= length if record["recipe"] == RECIPE else {}
    write_json(run.models / "recipes.json", records)
    writes = next(each.writes for each in STAGES if each.name == "train")
    finish_stage(run, "train", "changed", writes)


def test_what_was_cut_short_is_called_so_in_lines_and_on_the_page(
    blind: Run, town_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = copy_run(blind, tmp_path / "a"), copy_run(town_run, tmp_path / "b")
    cut_short(first, 2)
    cut_short(second, 3)
    tell_comparison_of(first, second, tmp_path / "comparison.html")
    said, page = capsys.readouterr().out, (tmp_path / "comparison.html").read_text()
    short = [f"{RECIPE} (shortened: {n} of 20 epochs)" for n in (2, 3)]
    assert f"{short[1]} over {short[0]}, crime" in said
    assert f"{short[1]}, second run, over {short[0]}, first" in page
    for which, n in (("First", 2), ("Second", 3)):
        sentence = f"{which} run: Training of {RECIPE} was shortened: {n} of 20 epochs."
        assert f"note: {sentence}" in said
        assert sentence in page
    # Alike, they are not compared; the word stays.
    tell_comparison_of(first, first, None)
    alike = next(line for line in capsys.readouterr().out.splitlines() if "alike in" in line)
    assert short[0] in alike


def test_no_page_goes_into_a_run_or_a_pipe(blind: Run, town_run: Run, tmp_path: Path) -> None:
    """In a run it would be swept away, or keep it from going on; a pipe may never end."""
    for name in ("comparison.html", "public/comparison.html"):
        with pytest.raises(InputError, match=r"--out .*run folder"):
            tell_comparison_of(blind, town_run, blind.folder / name)
        assert not (blind.folder / name).exists()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="did not write"):
            tell_comparison_of(blind, town_run, tmp_path / "pipe")
