"""What a stage wrote stays its own: checked when it is read, and nothing else is ever removed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

import numpy as np
import pytest
from pyproj import CRS

import basrelief
from basrelief import running
from basrelief.chips.layers import Band, create_layer, open_layer
from basrelief.config import DataSettings, InputError, Settings
from basrelief.grid import Grid
from basrelief.judge.new_places import holding_answer
from basrelief.locks import locking
from basrelief.marks import (
    FOR_PEOPLE,
    OWN,
    PROJECT,
    check_files,
    is_finished,
    mark_of,
    read_mark,
    refuse_foreign_folder,
    run_stage,
    sweep_parts,
    unmark_stage,
)
from basrelief.names import OF_FILES
from basrelief.run import Run, begin_run, read_json
from basrelief.stages import STAGES, Stage

WRITES = ("maps", "report.html")


def write_files(run: Run) -> None:
    (run.folder / "maps" / "deep").mkdir(parents=True, exist_ok=True)
    (run.folder / "maps" / "deep" / "a.csv").write_text("one")
    (run.folder / "report.html").write_text("page")


def finish(run: Run) -> bool:
    return run_stage(run, "map", "a", lambda: write_files(run), writes=WRITES)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, quiet=True)


def test_a_mark_lists_what_was_written_with_its_hash(run: Run) -> None:
    finish(run)
    files = read_json(mark_of(run, "map"))["files"]
    done = subprocess.run(
        ["sha256sum", "report.html"], cwd=run.folder, capture_output=True, text=True, check=True
    )
    assert list(files) == ["maps/deep/a.csv", "report.html"]
    assert files["report.html"] == {"size": 4, "sha256": done.stdout.split()[0]}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_text("longer"), "has 6 bytes, and had 3"),
        (lambda path: path.write_text("two"), "changed or damaged"),
    ],
)
def test_what_is_not_as_it_was_written_is_named_with_what_to_run(
    spoil: Callable[[Path], object], says: str, run: Run
) -> None:
    finish(run)
    check_files(run, "map")
    spoil(run.folder / "maps" / "deep" / "a.csv")
    with pytest.raises(InputError, match=rf"a.csv: .*{says}.*--from map"):
        check_files(run, "map")


def test_a_finished_stage_whose_files_are_gone_is_not_skipped_in_silence(run: Run) -> None:
    finish(run)
    (run.folder / "report.html").unlink()
    with pytest.raises(InputError, match=r"report.html: is gone"):
        finish(run)


def test_a_users_file_among_a_stages_own_is_refused_and_kept(run: Run) -> None:
    finish(run)
    mine = run.folder / "maps" / "mine.qgz"
    mine.touch()
    with pytest.raises(InputError, match=r"mine.qgz: not written by this program"):
        run_stage(run, "map", "b", lambda: write_files(run), writes=WRITES)
    assert mine.exists()
    # Not for want of a mark either: who lays a folder there before the stage ever ran keeps it.
    with pytest.raises(InputError, match=r"maps/deep/a.csv: not written"):
        run_stage(Run(run.folder), "other", "a", lambda: None, writes=("maps",))


def write_shown(run: Run) -> None:
    (run.folder / "maps").mkdir(exist_ok=True)
    (run.folder / "maps" / "areas.gpkg").write_text("a map")
    (run.folder / "model_card.md").write_text("a card")


SHOWN = ("maps", "model_card.md")


def test_a_map_that_was_opened_stops_nothing(run: Run) -> None:
    run_stage(run, "map", "a", lambda: write_shown(run), writes=SHOWN)
    (run.folder / "maps" / "areas.gpkg").write_text("a map, opened by QGIS")
    for name in ("areas.gpkg-wal", "areas.gpkg-shm", "areas.gpkg.aux.xml"):
        (run.folder / "maps" / name).touch()
    check_files(run, "map")
    assert not run_stage(run, "map", "a", lambda: write_shown(run), writes=SHOWN)
    # Gone is another matter: the stage would be skipped without it.
    (run.folder / "maps" / "areas.gpkg").unlink()
    with pytest.raises(InputError, match=r"areas.gpkg: is gone"):
        check_files(run, "map")


def test_what_was_written_into_a_card_or_a_map_is_kept_aside(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage(run, "map", "a", lambda: write_shown(run), writes=SHOWN)
    loud, kept = Run(run.folder), run.folder / "edited"
    for number, mine in enumerate(("my paragraph", "my other one")):
        (run.folder / "model_card.md").write_text(mine)
        run_stage(loud, "map", str(number), lambda: write_shown(run), writes=SHOWN)
        assert "model_card.md was changed since it was written" in capsys.readouterr().out
    assert (run.folder / "model_card.md").read_text() == "a card"
    assert (kept / "model_card.md").read_text() == "my paragraph"
    assert (kept / "model_card-2.md").read_text() == "my other one"
    # What a program still holds back of a map goes with it.
    (run.folder / "maps" / "areas.gpkg-wal").write_text("my layer")
    run_stage(loud, "map", "b", lambda: write_shown(run), writes=SHOWN)
    assert (kept / "maps" / "areas.gpkg-wal").read_text() == "my layer"
    assert (kept / "maps" / "areas.gpkg").read_text() == "a map"
    # Nothing that nobody changed is kept, and the folder is no stranger.
    run_stage(loud, "map", "c", lambda: write_shown(run), writes=SHOWN)
    assert len([path for path in kept.rglob("*") if path.is_file()]) == 4
    refuse_foreign_folder(run.folder, "out = 'a'", {*OWN, *SHOWN}, "A run")


def test_what_is_for_people_is_read_by_no_stage() -> None:
    page = (Path(__file__).parents[1] / "RUN_FOLDER.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    readers = {row[0].strip("| `"): row[3] for row in rows if len(row) > 4}
    shown = [name for name in readers if any(fnmatchcase(name, each) for each in FOR_PEOPLE)]
    assert {"maps/areas.gpkg", "model_card.md", "report.html"} <= set(shown)
    assert {readers[name] for name in shown} == {"people"}


def test_after_a_kill_what_the_stage_began_is_its_own(run: Run) -> None:
    def be_killed() -> None:
        write_files(run)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(run, "map", "a", be_killed, writes=WRITES)
    assert read_mark(run, "map").has_begun
    unmark_stage(run, "map")
    # But for what no stage writes.
    mine = run.folder / "maps" / "mine.qgz"
    mine.touch()
    with pytest.raises(InputError, match=r"mine.qgz: not written by this program"):
        finish(run)
    mine.unlink()
    assert finish(run)


def test_every_file_of_a_run_ends_as_the_programs_files_do() -> None:
    page = (Path(__file__).parents[1] / "RUN_FOLDER.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `([^`]+/[^`]+\.[^/`]+)` \| ", page, re.MULTILINE)
    assert len(names) > 50
    # <heat>.png ends so too, and what is in edited/ is the user's.
    paths = [PurePath(name) for name in names]
    assert [p for p in paths if p.suffix not in OF_FILES and p.name != PROJECT] == []


def test_unmarking_keeps_what_is_known_of_the_files(run: Run) -> None:
    finish(run)
    unmark_stage(run, "map")
    assert not is_finished(run, "map", "a")
    assert finish(run)


def test_what_a_killed_run_left_half_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".chips.0a1b2c3d.part").mkdir()
    (tmp_path / ".chips.0a1b2c3d.part" / "x").touch()
    (tmp_path / "models").mkdir()
    half = tmp_path / "models" / ".model.0a1b2c3d.part.safetensors"
    half.touch()
    kept = tmp_path / "models" / ".mine.part.txt"
    kept.touch()
    refuse_foreign_folder(tmp_path, "out = 'a'", {"models"}, "A run")
    sweep_parts(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.name != "models"] == [kept]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", ".gitkeep", ".gitignore"])
def test_what_is_nobody_s_work_is_no_reason_to_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    refuse_foreign_folder(tmp_path, "out = 'a'", (), "A run")


def write_config(folder: Path, out: str) -> Path:
    (folder / "c.toml").write_text(
        f'out = "{out}"\n[data]\nimages = "pictures"\ntable = "t.csv"\n'
        '[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "none" }\n'
    )
    return folder / "c.toml"


@pytest.mark.parametrize("out", [".", "mine"])
def test_a_folder_of_the_users_is_refused_before_anything_is_written(
    out: str, tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    for name in ("maps", "public", "chips", "stac", "models"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "precious").touch()
    before = sorted(tmp_path.rglob("*"))
    config = write_config(tmp_path, out)
    expect_line(config, f"out = '{out}'", "did not write", "choose another")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, config])


def test_inputs_in_the_run_folder_are_refused(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, "run")
    (tmp_path / "run" / "pictures").mkdir(parents=True)
    (tmp_path / "run" / "pictures" / "a.png").touch()
    text = config.read_text().replace('"pictures"', '"run/pictures"')
    config.write_text(text)
    expect_line(config, "data.images", "a.png", "lies in the run folder")


def test_a_second_process_is_told_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, "run")
    monkeypatch.setattr(Stage, "work", lambda self: lambda *_: None)
    # There are no pictures to look at.
    monkeypatch.setattr(running, "_check_beforehand", lambda settings: None)
    run = basrelief.run_all(config, quiet=True)
    code = (
        "import sys, basrelief\n"
        "try: basrelief.run_all(sys.argv[1], quiet=True)\n"
        "except basrelief.InputError as error: print(error)"
    )
    with locking(run, "out = 'run'"):
        holder = (run.folder / ".lock").read_text()
        done = subprocess.run(
            [sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=True
        )
    assert f"another basrelief works there (process {holder})" in done.stdout
    assert not (run.folder / ".lock").exists()
    assert len(list((run.folder / "stages").iterdir())) == len(STAGES)


def test_one_flipped_bit_of_a_layer_is_told(tmp_path: Path) -> None:
    layer = create_layer(
        tmp_path / "heights.zarr",
        Grid(500_000, 100_000, 1.0, (64, 64)),
        (Band("surface", "m"),),
        CRS.from_epsg(27700),
        chunk_px=32,
    )
    window = (slice(0, 64), slice(0, 64))
    values = np.random.default_rng(0).random((1, 64, 64)).astype(np.float32)
    layer.write(window, values)
    np.testing.assert_array_equal(open_layer(layer.path).read(window), values)
    (piece,) = (path for path in layer.path.rglob("*") if path.is_file() and not path.suffix)
    stored = bytearray(piece.read_bytes())
    stored[len(stored) // 2] ^= 1
    piece.write_bytes(bytes(stored))
    with pytest.raises(InputError, match=r"heights.zarr.*damaged.*--from chips"):
        open_layer(layer.path).read(window)


def test_a_lock_that_was_given_back_meanwhile_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other process removes its file between being opened here and being locked.
    def give_back(*_: object) -> None:
        (tmp_path / ".lock").unlink()

    monkeypatch.setattr("basrelief.locks.fcntl.flock", give_back)
    with pytest.raises(InputError, match="another basrelief"), locking(Run(tmp_path), "out = 'a'"):
        pass


def test_the_demo_builds_its_town_in_no_folder_of_the_users(
    tmp_path: Path, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("mine")
    assert run_command("demo", "--out", str(tmp_path)) == 2
    assert "(labels.csv). The demo needs a folder of its own" in capsys.readouterr().err
    assert (tmp_path / "labels.csv").read_text() == "mine"


def answer(folder: Path, *names: str, areas: Path | None = None) -> None:
    """Leave files in a folder as a prediction does."""
    data = DataSettings.model_construct(areas=None if areas is None else str(areas))
    settings = Settings.model_construct(data=data)
    with holding_answer(settings, Run(folder, quiet=True)):
        for name in names:
            (folder / name).touch()


def test_a_prediction_goes_into_no_folder_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "mine").touch()
    with pytest.raises(InputError, match=r"did not write \(chips\)"):
        answer(tmp_path)
    assert (tmp_path / "chips" / "mine").exists()
    answer(tmp_path / "there", "scores.json", "areas.gpkg")
    # Its own folder it takes again, and clears it of what an earlier place left.
    answer(tmp_path / "there")
    assert [path.name for path in sorted((tmp_path / "there").iterdir())] == ["stages"]


@pytest.mark.parametrize("name", ["predict.json", "scores.json", "areas.gpkg"])
def test_what_is_called_as_a_prediction_is_may_be_the_users(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")
    with pytest.raises(InputError, match=rf"did not write \({name}\)"):
        answer(tmp_path / "mine")
    # Also where another answer lies, of which it is no part.
    answer(tmp_path / "there")
    (tmp_path / "there" / name).write_text("{}")
    with pytest.raises(InputError, match=rf"{name}: not written by this program"):
        answer(tmp_path / "there")
    assert (tmp_path / "mine" / name).read_text() == "{}"
    assert (tmp_path / "there" / name).read_text() == "{}"


def test_a_prediction_goes_neither_over_its_inputs_nor_into_a_run(tmp_path: Path) -> None:
    answer(tmp_path / "there", "areas.gpkg")
    said = r"--areas: areas.gpkg lies in --out '.*there', where files are replaced"
    with pytest.raises(InputError, match=said):
        answer(tmp_path / "there", areas=tmp_path / "there" / "areas.gpkg")
    assert (tmp_path / "there" / "areas.gpkg").exists()
    begin_run(Run(tmp_path / "run", quiet=True))
    for out in ("run", "run/there", "run/maps/there"):
        with pytest.raises(InputError, match=r"--out .*a run folder.*folder of its own"):
            answer(tmp_path / out)
        assert not (tmp_path / "run" / "there").exists()
