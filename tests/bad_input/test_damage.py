"""What lies in a run folder and is not as it was written: told in one line, or made anew."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from basrelief.running import run_one

from .conftest import Place

LAYER = "chips/layers/heights.zarr/zarr.json"
DEEP = "[" * 100_000
"""Ends every reader of JSON in an error of depth."""

Spoil = Callable[[Path], object]


def change(name: str, old: str, new: str) -> Spoil:
    def spoil(run: Path) -> None:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new, 1))

    return spoil


def write(name: str, text: str) -> Spoil:
    return lambda run: (run / name).write_text(text)


def make_folder(name: str) -> Spoil:
    def spoil(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return spoil


def link_lock(link: Callable[[Path, Path], object]) -> Spoil:
    """Lay a link to a file of the user's where the lock is to be."""

    def spoil(run: Path) -> None:
        (run.parent / "precious").write_text("mine")
        link(run.parent / "precious", run / ".lock")

    return spoil


def name_outside(run: Path) -> None:
    """Let a mark name a file that is not in the run folder."""
    mark = json.loads((run / "stages" / "chips.json").read_text())
    mark["files"]["../../c.toml"] = {"size": 1, "sha256": None}
    (run / "stages" / "chips.json").write_text(json.dumps(mark))


@pytest.fixture(scope="module")
def _cut(copy_place: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = copy_place(tmp_path_factory.mktemp("cut") / "place")
    place.configure(models={"recipes": ["random-features"]})
    # Twice, for hashes are kept in a folder that the first run makes.
    for stage in ("chips", "describe"):
        run_one(stage, place.config, quiet=True)
    return place.folder


@pytest.fixture
def cut(_cut: Path, tmp_path: Path) -> Place:
    """The place with its chips cut."""
    shutil.copytree(_cut, tmp_path / "place")
    return Place(tmp_path / "place")


NO_LOCK = (".lock in it is no file that this program wrote", "Move it away")
AGAIN = ("zarr.json: has been changed or damaged since stage chips", "--from chips")
REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "a digit of where a layer lies": (change(LAYER, "530000", "530900"), AGAIN),
    "a layer of other cells": (change(LAYER, "      2.0,\n", "      4.0,\n"), AGAIN),
    "a layer that says nothing": (write(LAYER, "{}"), ("zarr.json: has 2 bytes", "--from chips")),
    "run.json too deep": (write("run.json", DEEP), ("out = ", "a run of format 0")),
    "a mark too deep": (write("stages/chips.json", DEEP), ("needs stage chips first",)),
    "a mark of lists": (
        write("stages/chips.json", '{"fingerprint": "x", "files": []}'),
        ("needs stage chips first",),
    ),
    "a mark of texts": (
        change("stages/chips.json", '"size": ', '"size": "a", "was": '),
        ("needs stage chips first",),
    ),
    "a mark of files elsewhere": (name_outside, ("needs stage chips first",)),
    "config.json a folder": (
        make_folder("config.json"),
        ("config.json: a folder, where this program writes a file",),
    ),
    "the lock a link": (link_lock(lambda old, new: new.symlink_to(old)), NO_LOCK),
    "the lock a second name": (link_lock(lambda old, new: new.hardlink_to(old)), NO_LOCK),
    "the lock a folder": (make_folder(".lock"), NO_LOCK),
    "the lock a pipe": (lambda run: os.mkfifo(run / ".lock"), NO_LOCK),
    "the lock a text": (write(".lock", "do not lose this"), NO_LOCK),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_is_damaged_is_told_in_one_line(
    case: str, cut: Place, expect_line: Callable[..., None]
) -> None:
    spoil, says = REFUSED[case]
    spoil(cut.run)
    expect_line(cut.config, *says, command="describe")
    precious = cut.run.parent / "precious"
    assert not precious.exists() or precious.read_text() == "mine"
    assert not (cut.run / ".lock").is_file() or case == "the lock a text" or precious.exists()


HASHES = "stages/hashes.json"
UNKNOWN: dict[str, Spoil] = {
    "too deep": write(HASHES, DEEP),
    "a list": write(HASHES, "[1]"),
    "no time": change(HASHES, '"hashed_ns": ', '"hashed_ns": null, "was": '),
    "no text": change(HASHES, '"sha256": ', '"sha256": 3, "was": '),
    "other letters": lambda run: (run / HASHES).write_bytes(b"\xff\xfe{"),
}


@pytest.mark.parametrize("case", list(UNKNOWN))
def test_hashes_of_inputs_that_nobody_can_read_are_taken_anew(case: str, cut: Place) -> None:
    before = json.loads((cut.run / HASHES).read_text())
    UNKNOWN[case](cut.run)
    run_one("describe", cut.config, quiet=True)
    after = json.loads((cut.run / HASHES).read_text())
    assert [each["sha256"] for each in after.values()] == [
        each["sha256"] for each in before.values()
    ]


@pytest.fixture(scope="module")
def trained(_cut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "place"
    shutil.copytree(_cut, folder)
    for stage in ("split", "train"):
        run_one(stage, folder / "c.toml", quiet=True)
    return folder


def turn_over(run: Path) -> None:
    """Give each area the features of another one."""
    path = run / "features" / "relief-statistics" / "features.parquet"
    table = pd.read_parquet(path)
    table.iloc[:] = table.to_numpy()[::-1]
    table.to_parquet(path)


def flip_bit(name: str) -> Spoil:
    def spoil(run: Path) -> None:
        stored = bytearray((run / name).read_bytes())
        stored[-3] ^= 1
        (run / name).write_bytes(bytes(stored))

    return spoil


FEATURES: dict[str, tuple[Spoil, bool]] = {
    "features of other areas": (turn_over, True),
    "a bit of features": (flip_bit("features/relief-statistics/features.parquet"), True),
    "a bit of filters": (flip_bit("features/random-features/filters.safetensors"), True),
    "a stamp cut short": (write("features/relief-statistics/features.json", "{"), False),
    "a stamp too deep": (write("features/random-features/features.json", DEEP), False),
}


@pytest.mark.parametrize("case", list(FEATURES))
def test_features_that_are_not_as_they_were_made_are_made_anew(
    case: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "place")
    place, sound = Place(tmp_path / "place"), Place(trained)
    spoil, is_told = FEATURES[case]
    spoil(place.run)
    # Other folds: the train stage runs again, over the same features.
    place.configure(split={"folds": 4})
    for stage in ("split", "train"):
        run_one(stage, place.config)
    for recipe in ("relief-statistics", "random-features"):
        one, two = (each.run / "features" / recipe / "features.parquet" for each in (place, sound))
        assert one.read_bytes() == two.read_bytes()
    assert ("changed or damaged since training made it" in capsys.readouterr().out) == is_told
