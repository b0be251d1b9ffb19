from __future__ import annotations

import errno
from pathlib import Path

import pytest

from basrelief.config import InputError
from basrelief.marks import run_stage
from basrelief.run import (
    Run,
    digest,
    is_disk_full,
    prepare_folder,
    read_json,
    replacing,
    write_json,
)


def fail() -> None:
    raise ZeroDivisionError


def write_half(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("half")
        part.write_text(b"bytes")  # type: ignore[arg-type]


def make_twice(path: Path) -> None:
    with replacing(path) as part:
        part.mkdir()
        part.mkdir()


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.json"
    write_json(path, {"mse": 0.5})
    with pytest.raises(TypeError, match="str"):
        write_half(path)
    assert read_json(path) == {"mse": 0.5}
    assert [entry.name for entry in path.parent.iterdir()] == ["scores.json"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "chips"
    for name in ("old", "new"):
        with replacing(path) as part:
            part.mkdir()
            (part / name).touch()
    assert [entry.name for entry in path.iterdir()] == ["new"]
    with pytest.raises(FileExistsError):
        make_twice(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["chips"]


def test_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_a_finished_stage_is_skipped_until_its_inputs_change(tmp_path: Path) -> None:
    run, ran = Run(tmp_path, quiet=True), []
    assert run_stage(run, "chips", "a", lambda: ran.append(1))
    assert not run_stage(run, "chips", "a", lambda: ran.append(2))
    assert run_stage(run, "chips", "b", lambda: ran.append(3))
    assert run_stage(run, "chips", "b", lambda: ran.append(4), force=True)
    assert ran == [1, 3, 4]


def test_a_stage_that_fails_is_not_finished(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    run_stage(run, "chips", "a", lambda: None)
    with pytest.raises(ZeroDivisionError):
        run_stage(run, "chips", "b", fail)
    assert run_stage(run, "chips", "a", lambda: None)


def test_an_output_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out = 'file/run': cannot write there \(Not a dir"):
        prepare_folder(tmp_path / "file" / "run", "out = 'file/run'")


def test_a_full_disk_is_recognised_behind_another_error() -> None:
    full = RuntimeError("zarr failed")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(full)
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))


def test_quiet_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Run(tmp_path, quiet=True).say("hello")
    assert list(Run(tmp_path).track([1, 2], "counting")) == [1, 2]
    Run(tmp_path).say("heard")
    assert capsys.readouterr() == ("heard\n", "")


def test_digests_depend_on_every_part() -> None:
    assert digest("a", 1) == digest("a", 1)
    assert digest("a", 1) != digest("a", 2)
