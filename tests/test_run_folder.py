"""RUN_FOLDER.md against a finished run: every file of one stands in the other."""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow.parquet as pq
import pytest

import basrelief
from basrelief import commands, running
from basrelief.config import InputError, Settings
from basrelief.marks import is_finished, read_mark, unmark_stage
from basrelief.run import FORMAT, Run, check_format, read_json, write_json
from basrelief.running import run_stages
from basrelief.stages import STAGES, Stage, find_needed, fingerprint_stages

PAGE = (Path(__file__).parents[1] / "RUN_FOLDER.md").read_text(encoding="utf-8")
IN_TOWN = {"always", "rasters", "networks", "networks and rasters", "area recipes"}
IN_TOWN |= {"random-features", "published areas"}
"""When the files are there that a run of the town must have."""


def rows_of(section: str) -> Iterator[list[str]]:
    """Cells of the rows of a table whose first cell is code."""
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def as_pattern(name: str, stands_for: str = "[^/]+") -> re.Pattern[str]:
    """A name in which ``<...>`` stands for a part of a path, or of a column's name."""
    parts = re.split(r"<[^>]+>", name)
    return re.compile(stands_for.join(re.escape(part) for part in parts))


def documented_files() -> dict[str, str]:
    """When each file is there, by its name with placeholders."""
    section = PAGE.split("## Files")[1].split("\n## ")[0]
    return {row[0].strip("`"): row[1] for row in rows_of(section)}


def documented_columns() -> dict[str, list[tuple[str, bool]]]:
    """The columns of each table, and whether they must be there."""
    found = {}
    for section in PAGE.split("\n### ")[1:]:
        name = section.splitlines()[0].strip("`")
        cells = [row[0] for row in rows_of(section.split("\n## ")[0])]
        found[name] = [(cell.split("`")[1], "," not in cell) for cell in cells]
    return found


def files_of(folder: Path) -> list[str]:
    """Every file of a run; a store of pixels counts as one."""
    found = set()
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        store = next((k for k, part in enumerate(parts) if part.endswith(".zarr")), None)
        if store is not None:
            found.add("/".join(parts[: store + 1]))
        elif path.is_file():
            found.add("/".join(parts))
    return sorted(found)


def columns_of(path: Path) -> set[str]:
    """Columns of a table, or keys of a JSON object or of a list of them."""
    if path.suffix == ".parquet":
        return set(pq.read_schema(path).names)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return set(next(csv.reader(file)))
    value = json.loads(path.read_text())
    return {key for each in (value if isinstance(value, list) else [value]) for key in each}


def test_every_file_of_a_run_is_documented(town_run: Run) -> None:
    patterns = [as_pattern(name) for name in documented_files()]
    here = files_of(town_run.folder)
    assert [name for name in here if not any(p.fullmatch(name) for p in patterns)] == []


def test_every_documented_file_is_there_when_it_says(town_run: Run) -> None:
    here = files_of(town_run.folder)
    wanted = [name for name, when in documented_files().items() if when in IN_TOWN]
    assert [w for w in wanted if not any(as_pattern(w).fullmatch(name) for name in here)] == []


ELSEWHERE = {
    "chips/street.parquet": "tests/test_street_run.py",
    "evaluate/counts.json": "tests/test_tables_run.py",
}
"""Files with columns that the town has none of, and where theirs are held against the page."""


@pytest.mark.parametrize("name", sorted(set(documented_columns()) - set(ELSEWHERE)))
def test_columns_are_those_documented(name: str, town_run: Run) -> None:
    assert name in documented_files()
    columns = documented_columns()[name]
    patterns = [as_pattern(column, ".+") for column, _ in columns]
    needed = {column for column, must in columns if must}
    paths = [p for p in files_of(town_run.folder) if as_pattern(name).fullmatch(p)]
    assert paths
    for path in paths:
        has = columns_of(town_run.folder / path)
        assert needed - has == set(), path
        strangers = {each for each in has if not any(p.fullmatch(each) for p in patterns)}
        assert strangers == set(), path


def test_every_table_has_its_columns_documented(town_run: Run) -> None:
    documented = [as_pattern(name) for name in documented_columns()]
    # What a final model keeps repeats what stands elsewhere; the others are for people.
    others = (
        r"models/.+/final/.+|models/.+/layers.csv|describe/.+crimes.csv|.*one_colour.csv|"
        r".*removal.csv|chips/crime.parquet"
    )
    tables = [n for n in files_of(town_run.folder) if n.endswith((".parquet", ".csv"))]
    missing = [n for n in tables if not any(p.fullmatch(n) for p in documented)]
    assert [name for name in missing if not re.fullmatch(others, name)] == []


def test_a_run_is_read_as_tables(town_run: Run) -> None:
    run = basrelief.open_run(str(town_run.folder))
    assert run.targets == ("crime", "barriers", "health")
    areas, chips = run.areas(), run.chips()
    assert isinstance(areas, gpd.GeoDataFrame)
    assert isinstance(chips, gpd.GeoDataFrame)
    assert set(run.membership()["area_id"]) <= set(areas["area_id"])
    assert set(run.folds()["scheme"]) == set(run.scores()["scheme"])
    some = run.predictions(target="crime", scheme="block", recipe="relief-statistics")
    assert 0 < len(some) < len(run.predictions())
    assert some["target"].eq("crime").all()


def test_a_map_is_read_by_its_target(town_run: Run) -> None:
    table = basrelief.open_run(town_run.folder).map("crime")
    assert {"area_id", "observed", "predicted", "residual", "lower_80", "is_inside"} <= set(table)
    assert not [name for name in table if str(name).startswith(("crime", "barriers"))]
    areas = pd.read_parquet(town_run.chips / "areas.parquet")
    assert table["observed"].tolist() == areas["crime"].tolist()
    with pytest.raises(InputError, match=r"no map of 'nothing'.*maps of crime, barriers"):
        basrelief.open_run(town_run.folder).map("nothing")
    # What other columns happen to begin with is no target.
    with pytest.raises(InputError, match="no map of 'area'"):
        basrelief.open_run(town_run.folder).map("area")


def test_a_target_that_another_begins_with_has_columns_of_its_own(tmp_path: Path) -> None:
    run = Run(tmp_path)
    names = ["theft", "theft_person"]
    columns = {f"{name}_observed": [float(k)] for k, name in enumerate(names)}
    table = gpd.GeoDataFrame({"area_id": ["a"], **columns}, geometry=[None], crs="EPSG:27700")
    run.maps.mkdir()
    table.to_parquet(run.maps / "areas.parquet")
    write_json(run.folder / "run.json", {"format": FORMAT})
    write_json(run.chips / "chips.json", {"targets": names})
    for k, name in enumerate(names):
        found = basrelief.open_run(tmp_path).map(name)
        assert list(found.columns) == ["area_id", "observed", "geometry"]
        assert found["observed"].tolist() == [float(k)]


def test_layers_are_found_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"format": FORMAT})
    folder = tmp_path / "chips" / "layers"
    for name in ("heights", "photo"):
        (folder / f"{name}.zarr").mkdir(parents=True)
    found = basrelief.open_run(tmp_path).layers()
    assert found == {name: folder / f"{name}.zarr" for name in ("heights", "photo")}


def test_what_is_not_there_yet_says_which_stage_writes_it(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"format": FORMAT})
    with pytest.raises(InputError, match=r"scores\.parquet: not there yet.*basrelief evaluate"):
        basrelief.open_run(tmp_path).scores()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (None, "holds no run"),
        ({"format": FORMAT + 1}, f"a run of format {FORMAT + 1}.*Run it again"),
        ({}, "a run of format 0.*Run it again"),
    ],
)
def test_a_folder_of_another_format_is_not_read(
    facts: dict[str, int] | None, says: str, tmp_path: Path
) -> None:
    if facts is not None:
        write_json(tmp_path / "run.json", facts)
    with pytest.raises(InputError, match=says):
        basrelief.open_run(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        check_format(tmp_path / "gone")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": "one"}', '{"format": 1.5}'])
def test_a_broken_word_on_the_format_is_another_format(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"a run of format 0.*Run it again"):
        basrelief.open_run(tmp_path)


def test_a_broken_mark_is_an_unfinished_stage(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    (tmp_path / "stages").mkdir()
    for text in ("", "{", "[]", '{"fingerprint": 1}', '{"fingerprint": "a", "files": {"b": 1}}'):
        (tmp_path / "stages" / "chips.json").write_text(text)
        assert not is_finished(run, "chips", "a")
        assert read_mark(run, "chips").has_begun


def test_a_stage_that_there_is_not_is_refused(tmp_path: Path, town_settings: Settings) -> None:
    with pytest.raises(InputError, match="no stage 'chps'"):
        run_stages(town_settings, Run(tmp_path / "run"), ["chips", "chps"])
    assert not (tmp_path / "run").exists()


def write_pictures_config(folder: Path) -> None:
    (folder / "c.toml").write_text(
        'out = "run"\n[data]\nimages = "p"\ntable = "t.csv"\n'
        '[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "none" }\n'
    )


def test_a_stage_that_was_to_be_done_anew_is_unfinished_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures_config(tmp_path)

    def stop(stage: Stage) -> Callable[..., None]:
        raise KeyboardInterrupt

    names = [stage.name for stage in STAGES]
    monkeypatch.setattr(running, "_check_beforehand", lambda settings: None)
    monkeypatch.setattr(Stage, "work", lambda self: lambda *_: None)
    run = basrelief.run_all(tmp_path / "c.toml", quiet=True)
    monkeypatch.setattr(Stage, "work", stop)
    with pytest.raises(KeyboardInterrupt):
        basrelief.run_all(tmp_path / "c.toml", start="train", quiet=True)
    finished = [name for name in names if read_mark(run, name).fingerprint is not None]
    assert finished == names[: names.index("train")]


def test_a_folder_of_the_users_own_is_not_taken_for_an_old_run(tmp_path: Path) -> None:
    write_pictures_config(tmp_path)
    for name in ("stages", "models"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "mine").touch()
    with pytest.raises(InputError, match=r"did not write \(models, stages\)"):
        basrelief.run_all(tmp_path / "c.toml", quiet=True)
    assert (tmp_path / "run" / "models" / "mine").exists()


def test_a_run_is_read_without_torch(town_run: Run) -> None:
    code = (
        "import sys, basrelief; from pathlib import Path\n"
        f"run = basrelief.open_run({str(town_run.folder)!r})\n"
        "run.areas(), run.chips(), run.scores(), run.map('crime')\n"
        "print(*{'torch', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_stage_and_every_reader_has_a_public_function() -> None:
    functions = {stage.function.rsplit(".", 1)[1] for stage in STAGES}
    assert functions | {"open_run", "run_all"} <= set(basrelief.__all__)


def test_what_predicts_on_the_command_line_has_public_names() -> None:
    tree = ast.parse(Path(commands.__file__).read_text(encoding="utf-8"))
    command = next(each for each in tree.body if getattr(each, "name", "") == "predict")
    imported = {
        name.name
        for each in ast.walk(command)
        if isinstance(each, ast.ImportFrom)
        for name in each.names
    }
    assert {"transfer_model", "transfer_to_pictures"} <= imported
    assert imported | {"Run"} <= set(basrelief.__all__)


def test_names_for_readers_load_no_torch() -> None:
    code = (
        "import sys, basrelief\n"
        "basrelief.open_run, basrelief.RunReader, basrelief.Run, basrelief.InputError\n"
        "basrelief.Settings, basrelief.load_settings, basrelief.Samples, basrelief.load_samples\n"
        "basrelief.run_all, basrelief.run_stages, basrelief.make_chips, basrelief.assign_splits\n"
        "print(*{'torch', 'timm'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_stages_read_from_stages_before_them() -> None:
    names = [stage.name for stage in STAGES]
    for k, stage in enumerate(STAGES):
        assert set(stage.reads) <= set(names[:k])
    assert find_needed("split") == ["chips"]
    assert find_needed("explain") == ["chips", "split", "train", "evaluate"]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"publish": {"min_population": 7}}, ["map", "report"]),
        ({"split": {"folds": 3}}, ["split", "train", "evaluate", "explain", "map", "report"]),
        ({"models": {"epochs": 3}}, ["train", "evaluate", "explain", "map", "report"]),
        ({"chips": {"size_px": 32}}, [stage.name for stage in STAGES]),
        ({"out": "elsewhere"}, []),
    ],
)
def test_a_setting_concerns_the_stages_that_depend_on_it(
    change: dict[str, object], again: list[str], town_settings: Settings
) -> None:
    run = Run(town_settings.locate(town_settings.out))
    before = fingerprint_stages(town_settings, run)
    table = town_settings.model_dump(exclude_none=True)
    for key, value in change.items():
        table[key] = table[key] | value if isinstance(value, dict) else value
    changed = Settings.model_validate(table)
    changed._folder = town_settings._folder
    after = fingerprint_stages(changed, run)
    assert [stage for stage in before if before[stage] != after[stage]] == again


def test_a_stage_that_another_does_not_read_does_not_make_it_run_again(
    town_settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "run")
    run_stages(town_settings, run, ["chips", "describe", "split"])
    unmark_stage(run, "describe")
    capsys.readouterr()
    run_stages(town_settings, run, ["chips", "describe", "split"])
    said = capsys.readouterr().out.splitlines()
    assert "chips: unchanged, skipped" in said
    assert "split: unchanged, skipped" in said
    assert "describe: unchanged, skipped" not in said


def test_from_a_stage_on_all_later_ones_are_done_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text(
        'out = "run"\n[data]\nimages = "p"\ntable = "t.csv"\n'
        '[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "none" }\n'
    )
    names, done = [stage.name for stage in STAGES], list[str]()
    monkeypatch.setattr(running, "_check_beforehand", lambda settings: None)
    monkeypatch.setattr(Stage, "work", lambda self: lambda *_: done.append(self.name))
    config = str(tmp_path / "c.toml")
    run = basrelief.run_all(config, quiet=True)
    assert done == names
    (run.models / "old").mkdir(parents=True)
    basrelief.run_all(config, quiet=True)
    assert done == names
    basrelief.run_all(config, start="evaluate", quiet=True)
    assert done == names + names[names.index("evaluate") :]
    assert (run.models / "old").exists()
    basrelief.run_all(config, start="train", quiet=True)
    assert not (run.models / "old").exists()
    with pytest.raises(InputError, match="--from 'nothing': no such stage"):
        basrelief.run_all(config, start="nothing")
    with pytest.raises(InputError, match="Did you mean train"):
        basrelief.run_all(config, start="trian")


def test_a_run_of_another_format_is_refused_and_kept(
    town_settings: Settings, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run", quiet=True)
    (run.models / "old").mkdir(parents=True)
    (run.models / "old" / "model.safetensors").touch()
    write_json(run.folder / "run.json", {"format": FORMAT - 1})
    says = f"a run of format {FORMAT - 1}, and this version writes format {FORMAT}"
    with pytest.raises(InputError, match=says):
        run_stages(town_settings, run, ["chips"])
    assert (run.models / "old" / "model.safetensors").exists()
    assert read_json(run.folder / "run.json") == {"format": FORMAT - 1}
