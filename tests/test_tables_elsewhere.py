"""A model that knows tables by area, on a town that it never saw: given the same tables of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from basrelief.config import InputError, Settings, load_settings
from basrelief.judge.transfer import NewRasters, transfer_model
from basrelief.learn.final import read_model
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.sources.town import write_town

CHANGES = (
    'models.recipes = ["relief-statistics"]',
    "models.weights = {}",
    'split.schemes = ["block"]',
    "split.repeats = 1",
    "chips.size_px = 32",
)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    """Models of a town of which one score is told by who lives there, blank of every fifth area."""
    config = write_town(
        tmp_path_factory.mktemp("learnt"), seed=3, resolution_m=10.0, eyes=["people"]
    )
    census = config.parent / "people.csv"
    table = pd.read_csv(census)
    table.loc[::5, table.columns[-1]] = None
    table.to_csv(census, index=False)
    settings = load_settings(config, CHANGES)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips", "split", "train"])
    return run, settings


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> NewRasters:
    """Another town, with the same table of its own areas and none of it blank."""
    folder = tmp_path_factory.mktemp("there")
    write_town(folder, seed=4, resolution_m=10.0, eyes=["people"])
    return NewRasters(
        str(folder / "lidar" / "DSM_*.tif"),
        str(folder / "lidar" / "DTM_*.tif"),
        None,
        str(folder / "areas.gpkg"),
        str(folder / "labels.csv"),
        tables={"people": str(folder / "people.csv")},
    )


def read_by(place: NewRasters) -> dict[str, list[str]]:
    """By score of a town, what it is told by."""
    told: dict[str, list[str]] = read_json(Path(place.areas).parent / "truth.json")["read_by"]
    return told


def test_a_model_tells_another_town_by_its_people(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(learnt[0], there, out, "people")
    skill = {each["target"]: each["skill"] for each in read_json(out.scores)}
    told = read_by(there)
    assert min(skill[name] for name, eyes in told.items() if eyes == ["people"]) > 0.3
    assert max(skill[name] for name, eyes in told.items() if eyes == ["heights"]) < 0.1


def test_a_model_of_people_and_relief_says_both_of_what_it_scores(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(learnt[0], there, out, "kriged-relief-statistics-people")
    told = read_by(there)
    for record in read_json(out.scores):
        assert record["knows"] == ["heights", "people"]
        if told[record["target"]] in (["people"], ["heights"]):
            assert record["skill"] > 0.3


def test_which_blanks_count_is_the_models_and_not_the_new_places(
    learnt: tuple[Run, Settings], there: NewRasters, tmp_path: Path
) -> None:
    model = read_model(learnt[0].models / "people" / "final")
    flags = [name for name in model.features if name.endswith("is not known")]
    # A fifth is blank there, and nothing here: the same features all the same.
    assert len(flags) == 1
    columns = pd.read_csv(there.tables["people"]).columns
    # In another order, with one more: columns go by their names.
    table = pd.read_csv(there.tables["people"])[columns[::-1]].assign(more=1.0)
    table.to_csv(tmp_path / "people.csv", index=False)
    outs = [Run(tmp_path / name, quiet=True) for name in ("one", "other")]
    transfer_model(learnt[0], there, outs[0], "people")
    other = replace(there, tables={"people": str(tmp_path / "people.csv")})
    transfer_model(learnt[0], other, outs[1], "people")
    one, two = (pd.read_parquet(out.predictions)["y_pred"] for out in outs)
    pd.testing.assert_series_equal(one, two)


@pytest.mark.parametrize(
    ("tables", "recipe", "says"),
    [
        ({}, "people", r"--table people=FILE: missing, .* \(columns renting, aged\)"),
        ({"people": "p.csv"}, "relief-statistics", "this model knows no table 'people'. Leave"),
        ({"people": "p.csv", "rent": "p.csv"}, "people", "no table 'rent'. It knows people"),
        ({"people": "p.csv"}, "people", "--table 'p.csv': no such file"),
    ],
)
def test_a_place_with_other_tables_is_refused(
    learnt: tuple[Run, Settings],
    there: NewRasters,
    tmp_path: Path,
    tables: dict[str, str],
    recipe: str,
    says: str,
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match=says):
        transfer_model(learnt[0], replace(there, tables=tables), out, recipe)
    assert not out.predictions.exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["people.csv"], "with its name in the run, as in --table census=census.csv"),
        (["people="], "with its name in the run"),
        (["a_b=1.csv", "a-b=2.csv"], "'a-b' is given twice"),
    ],
)
def test_a_table_is_given_with_its_name(
    typed: list[str],
    says: str,
    learnt: tuple[Run, Settings],
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["predict", str(learnt[0].folder), "--dsm", "a.tif", "--areas", "b.gpkg", "--out", "o"]
    assert run_command(*words, *(word for each in typed for word in ("--table", each))) == 2
    assert says in capsys.readouterr().err
