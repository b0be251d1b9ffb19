"""A changed input is noticed whatever its size and time say; an unchanged one is not read twice."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from basrelief import hashes
from basrelief.hashes import hash_inputs
from basrelief.run import Run, read_json, write_json


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run" / "stages").mkdir(parents=True)
    return Run(tmp_path / "run", quiet=True)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_change_of_the_same_size_and_time_is_noticed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0.5")
    os.utime(path, (1e9, 1e9))
    assert hash_inputs([path], run) == [sha("0.5")]
    path.write_text("0.7")
    os.utime(path, (1e9, 1e9))
    assert hash_inputs([path], run) == [sha("0.7")]


def test_what_did_not_change_is_read_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, read = [tmp_path / "a", tmp_path / "b"], []
    for path in paths:
        path.write_text(path.name)

    def note(path: Path) -> str:
        read.append(path.name)
        return path.name

    # As if both had long been there.
    monkeypatch.setattr(hashes, "SETTLED_NS", -(10**12))
    monkeypatch.setattr(hashes, "hash_file", note)
    assert hash_inputs(paths, run) == hash_inputs(paths, run) == ["a", "b"]
    assert read == ["a", "b"]


def test_what_was_changed_just_before_is_read_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "a", []
    path.write_text("a")

    def note(path: Path) -> str:
        read.append(path.name)
        return ""

    monkeypatch.setattr(hashes, "hash_file", note)
    hash_inputs([path], run)
    hash_inputs([path], run)
    assert read == ["a", "a"]


def test_across_a_clock_set_back_nothing_is_believed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    hash_inputs([path], run)
    memory = run.folder / "stages" / "hashes.json"
    (entry,) = read_json(memory).values()
    # Hashed in the past of the file's own time: the clock was set back since.
    wrong = entry | {"hashed_ns": entry["look"][2] - 10**12, "sha256": "0" * 64}
    write_json(memory, {"../a": wrong})
    assert hash_inputs([path], run) == [sha("a")]


def test_without_a_run_folder_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert hash_inputs([tmp_path / "a"], Run(tmp_path / "gone", quiet=True)) == [sha("a")]
    assert not (tmp_path / "gone").exists()
