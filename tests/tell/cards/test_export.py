"""A model in a folder of its own: what it predicts elsewhere, what it tells, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import pytest

from basrelief.chips.store import load_samples
from basrelief.config import InputError
from basrelief.judge.transfer import NewRasters, transfer_model
from basrelief.learn.area_models import load_model
from basrelief.learn.exported import ABOUT_EXPORT, open_export
from basrelief.run import MODEL, Run, read_json, write_json
from basrelief.sources.town import write_town
from basrelief.tell.cards.export import export_model

RECIPE = "relief-statistics"


@pytest.fixture(scope="module")
def exported(town_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(Run(town_run.folder, quiet=True), RECIPE, folder, "CC-BY-4.0")
    return folder


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> NewRasters:
    folder = tmp_path_factory.mktemp("elsewhere")
    write_town(folder, seed=9, side_m=1000)
    lidar = folder / "lidar"
    return NewRasters(
        f"{lidar}/DSM_*.tif", f"{lidar}/DTM_*.tif", None, f"{folder}/areas.gpkg", None
    )


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_what_was_exported_predicts_as_the_run_does_byte_for_byte(
    town_run: Run, copy: Path, elsewhere: NewRasters, tmp_path: Path
) -> None:
    one, other = (Run(tmp_path / name, quiet=True) for name in ("of the run", "of the folder"))
    transfer_model(town_run, elsewhere, one, RECIPE)
    # Of the folder alone, wherever it was taken.
    transfer_model(Run(copy, quiet=True), elsewhere, other, None)
    assert len(pd.read_parquet(one.predictions)) > 10
    assert other.predictions.read_bytes() == one.predictions.read_bytes()
    assert read_json(other.folder / "predict.json") == read_json(one.folder / "predict.json")


def test_it_holds_no_more_than_predicting_needs(exported: Path) -> None:
    names = {path.relative_to(exported).as_posix() for path in exported.rglob("*.*")}
    assert names == {
        *("README.md", "LICENCE.md", "model_card.md", ABOUT_EXPORT),
        *(f"model/{name}" for name in (MODEL, "model.json", "recipe.toml", "coefficients.json")),
        *("model/training.parquet", f"model/members/0-{RECIPE}/recipe.toml"),
        f"stac/model-{RECIPE}.json",
    }
    assert load_model(exported / "model" / MODEL).beside is None


def test_its_example_reads_the_model_without_this_program(
    town_run: Run, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)[0]
    monkeypatch.chdir(exported)
    said: dict[str, pd.DataFrame] = {}
    exec(code.replace("print(predicted)", ""), said)
    found = said["predicted"].droplevel("block")
    labels = load_samples(town_run).areas.set_index("area_id").loc[found.index]
    assert np.corrcoef(found["crime"], labels["crime"])[0, 1] > 0.8
    # Nothing is learnt of health, and there its mean is told.
    assert found["health"].std() < 0.2 * labels["health"].std()


def test_its_card_and_item_are_of_the_files_in_it(exported: Path) -> None:
    item = pystac.Item.from_file(str(exported / "stac" / f"model-{RECIPE}.json"))
    assert item.properties["license"] == "CC-BY-4.0"
    for asset in item.assets.values():
        assert (exported / "stac" / asset.href).resolve().is_file()
    card = (exported / "model_card.md").read_text()
    weights = read_json(exported / ABOUT_EXPORT)["files"][f"model/{MODEL}"]
    assert weights in card
    assert item.assets["model"].extra_fields["file:checksum"] == f"1220{weights}"
    assert "vgg16" not in card
    assert "**CC-BY-4.0**" in (exported / "LICENCE.md").read_text()


def test_no_path_of_the_machine_is_in_it(town_run: Run, exported: Path) -> None:
    own = str(town_run.folder.parent).encode()
    assert [path for path in exported.rglob("*.*") if own in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / ABOUT_EXPORT).unlink(), "no exported model"),
        (lambda folder: write_about(folder, format=99), "of format 99, .* Use a newer basrelief"),
        (lambda folder: write_about(folder, format=0), "of format 0, .* Export it again"),
        (lambda folder: write_about(folder, files=3), "not as `basrelief export` wrote it"),
        (lambda folder: (folder / "model" / MODEL).write_bytes(b"x"), "changed or damaged"),
        (lambda folder: (folder / "model" / "recipe.toml").unlink(), "recipe.toml: is gone"),
        (lambda folder: (folder / "model" / "more.toml").touch(), "was put there since"),
    ],
)
def test_a_folder_that_is_not_as_it_was_exported_is_refused(
    copy: Path, change: Callable[[Path], object], says: str
) -> None:
    change(copy)
    with pytest.raises(InputError, match=says):
        open_export(copy)


def write_about(folder: Path, **changes: object) -> None:
    write_json(folder / ABOUT_EXPORT, read_json(folder / ABOUT_EXPORT) | changes)


def test_a_card_may_be_completed_by_hand(copy: Path) -> None:
    (copy / "model_card.md").write_text("ask me\n")
    assert open_export(copy)[0] == copy / "model"


def test_a_recipe_is_guessed_and_one_that_is_finer_than_areas_stays(
    town_run: Run, tmp_path: Path
) -> None:
    run, out = Run(town_run.folder, quiet=True), tmp_path / "out"
    with pytest.raises(InputError, match=r"'relief-statistcs'.*Did you mean relief-statistics\?"):
        export_model(run, "relief-statistcs", out)
    with pytest.raises(InputError, match=r"'small': it predicts single chips.*relief-statistics"):
        export_model(run, "small", out)
    assert not out.exists()


def test_what_lies_where_a_model_is_to_go_stays(town_run: Run, copy: Path) -> None:
    before = (copy / "README.md").read_bytes()
    for out in (copy, copy / "README.md"):
        with pytest.raises(InputError, match=r"--out .*(did not write|a file)"):
            export_model(Run(town_run.folder, quiet=True), RECIPE, out)
    assert (copy / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: (run / "stages" / "report.json").unlink(), "its report is not finished"),
        (lambda run: change_publish(run, min_population=0), "under other settings"),
        (lambda run: (run / "publish.json").write_text("{}"), "publish.json: has 2 bytes"),
    ],
)
def test_without_the_report_of_the_run_nothing_goes_out(
    town_run: Run, tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    shutil.copytree(town_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.zarr"))
    change(tmp_path / "run")
    with pytest.raises(InputError, match=says):
        export_model(Run(tmp_path / "run", quiet=True), RECIPE, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def change_publish(run: Path, **changes: object) -> None:
    settings = json.loads((run / "config.json").read_text())
    settings["publish"] |= changes
    write_json(run / "config.json", settings)


@pytest.mark.parametrize("inside", ["run/model", "run/public/model"])
def test_no_model_goes_into_a_run(town_run: Run, tmp_path: Path, inside: str) -> None:
    """The next report would sweep it away, or the run would be refused for it."""
    (tmp_path / "run").mkdir()
    shutil.copy(town_run.folder / "run.json", tmp_path / "run")
    with pytest.raises(InputError, match=r"--out .*run folder"):
        export_model(Run(town_run.folder, quiet=True), RECIPE, tmp_path / inside)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


@pytest.mark.parametrize("licence", ["", " ", "MIT\nnew", "<b>MIT</b>", "[MIT](there)", "x" * 300])
def test_a_licence_is_the_name_of_one(town_run: Run, tmp_path: Path, licence: str) -> None:
    with pytest.raises(InputError, match=r"--licence .*as SPDX has it"):
        export_model(Run(town_run.folder, quiet=True), RECIPE, tmp_path / "out", licence)
    assert not (tmp_path / "out").exists()


def test_the_card_names_the_licence_that_was_given(exported: Path) -> None:
    card = (exported / "model_card.md").read_text()
    assert "**Licence of the weights:** CC-BY-4.0." in card
    assert "not settled" not in card


def test_models_trained_after_the_report_stay(town_run: Run, tmp_path: Path) -> None:
    shutil.copytree(town_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.zarr"))
    models = tmp_path / "run" / "models"
    shutil.copy(models / "random-features/final" / MODEL, models / RECIPE / "final" / MODEL)
    with pytest.raises(InputError, match="its model of relief-statistics is not that of its repo"):
        export_model(Run(tmp_path / "run", quiet=True), RECIPE, tmp_path / "out")


def test_the_command_takes_a_run_or_a_folder(
    exported: Path, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--dsm", "a", "--areas", "b", "--out", "c"]
    for words in ([], ["run", "--model", str(exported)]):
        assert run_command("predict", *words, *files) == 2
        assert "give a RUN, or --model" in capsys.readouterr().err
    assert run_command("predict", "--model", str(exported.parent), *files) == 2
    assert "no exported model" in capsys.readouterr().err
    words = ["--model", str(exported), "--recipe", "relief-statistic"]
    assert run_command("predict", *words, *files) == 2
    assert "holds the model of relief-statistics alone" in capsys.readouterr().err
