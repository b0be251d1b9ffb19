"""Runs as they are served: each as it was when it was last whole, until it is whole again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.marks import Mark, read_mark
from basrelief.reader import RunReader, open_run
from basrelief.run import Record, Run, digest, read_record
from basrelief.serve.tiers import Tier

PUBLIC = "public/"
"""Where what the gate released lies."""

OF_AREAS = (
    *("report.html", "model_card.md", "data_sheet.md", "publish.json", "explore.json"),
    *("scores.json", "scores.parquet", "describe/summary.csv", "describe/*.svg"),
    *("maps/areas.*", "maps/layers.json", "maps/*.svg", "maps/relief.tif"),
    *("evaluate/*", "stac/*"),
)
"""What tells of areas, and of nothing finer: for analysts. All else is for the custodian."""

LAST = "report"
"""The stage after which a run is whole."""


class ReplacedError(Exception):
    """What was asked for is being written anew."""


def find_file_tier(name: str) -> Tier:
    """Find the tier of a file of a run, whether it is there or not.

    Examples
    --------
    >>> find_file_tier("public/areas.csv").name, find_file_tier("maps/areas.gpkg").name
    ('PUBLIC', 'ANALYST')
    >>> find_file_tier("release/scores.json").name, find_file_tier("chips/x").name
    ('CUSTODIAN', 'CUSTODIAN')
    """
    if name.startswith(PUBLIC):
        return Tier.PUBLIC
    # The case of letters counts on every system, or a name could fall in another tier.
    is_of_areas = any(fnmatchcase(name, pattern) for pattern in OF_AREAS)
    return Tier.ANALYST if is_of_areas else Tier.CUSTODIAN


@dataclass(eq=False)
class Edition:
    """A run as it was when it was whole. What has been read of it stays as it was."""

    id: str
    folder: Path
    marks: dict[str, Mark]
    """By stage."""

    stamp: tuple[int, ...]
    """How the mark of the last stage looked on the disk."""

    looks: dict[str, tuple[int, ...]]
    """How each file looked on the disk, by name."""

    publish: Record
    """``publish.json``: what the gate released."""

    policies: dict[str, dict[str, str]] = field(default_factory=dict)
    """What pages of the run may do, by name, as far as anybody has asked for them."""

    collections: dict[str, Any] = field(default_factory=dict)
    """Collections of areas by name, as far as anybody has asked for them."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while something large is read: whoever else asks for it waits, and reads nothing."""

    @cached_property
    def tag(self) -> str:
        """A hash of all that the run is, for answers that rest on it."""
        return digest(self.id, [vars(self.marks[stage]) for stage in sorted(self.marks)])

    @cached_property
    def reader(self) -> RunReader:
        """The run, to be read as notebooks read it."""
        return open_run(self.folder)

    @cached_property
    def released(self) -> dict[str, bytes]:
        """What the gate released, file by file as its manifest has it.

        Raises
        ------
        ReplacedError
            If a file is another than the one that was released.
        """
        # By two lists, the gate's and the stage's: what was laid into the folder is in neither.
        files = self.marks[LAST].files
        named = {str(entry["item"]) for entry in self.publish.get("published", ())}
        found = {}
        for name in sorted(named & files.keys()):
            try:
                # Whole, and hashed: what is given out is then these bytes, whatever lies there.
                data = (self.folder / name).read_bytes()
            except OSError as error:
                raise ReplacedError(name) from error
            if hashlib.sha256(data).hexdigest() != files[name]["sha256"]:
                raise ReplacedError(name)
            found[name.removeprefix(PUBLIC)] = data
        return found

    def list_files(self, tier: Tier) -> list[str]:
        """List the files above the public's that a tier may have."""
        return [name for name in sorted(self.looks) if find_file_tier(name) <= tier]

    def open(self, name: str) -> BinaryIO:
        """Open a file of the run that is no public one, as it was when the run was whole.

        Raises
        ------
        KeyError
            If the run has no such file.
        ReplacedError
            If it is another by now.
        """
        look = self.looks[name]
        try:
            file = (self.folder / name).open("rb")
        except OSError as error:
            raise ReplacedError(name) from error
        # Of the file that is open, not of its name: another could take its place in between.
        if _look_at(os.fstat(file.fileno())) != look:
            file.close()
            raise ReplacedError(name)
        return file

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run; None where it has none."""
        if name not in self.looks:
            return None
        with self.open(name) as file:
            return json.load(file)

    @cached_property
    def layers(self) -> list[Record]:
        """The targets that are mapped, as ``maps/layers.json`` has them."""
        return self.read_json("maps/layers.json") or []

    @property
    def figures(self) -> list[Record]:
        """What the figures that are published are worth, by target."""
        keys = ("target", "recipe", "scheme", "worth")
        return [{key: each[key] for key in keys} for each in self.publish.get("figures", ())]

    @property
    def layers_worth(self) -> list[Record]:
        """What each target's map is worth."""
        keys = ("target", "recipe", "scheme", "says", "n", "n_outside")
        return [{key: each[key] for key in keys} for each in self.layers]


def read_edition(run_id: str, folder: Path) -> Edition:
    """Read what a finished run holds.

    Raises
    ------
    InputError
        If it is no run, or not whole.
    """
    run = open_run(folder)
    # Before the marks: if they change while they are read, the run looks new next time.
    stamp = _stamp(folder)
    stages = [path.stem for path in sorted((folder / "stages").glob("*.json"))]
    marks = {stage: read_mark(Run(folder), stage) for stage in stages if stage != "hashes"}
    last = marks.get(LAST, Mark())
    if last.fingerprint is None or any(mark.has_begun for mark in marks.values()):
        raise InputError(f"{folder}: not finished. Run it to its end: basrelief run CONFIG.")
    names = [name for mark in marks.values() for name in mark.files if not name.endswith(".zarr")]
    names += [f"stages/{stage}.json" for stage in marks]
    looks = {}
    for name in names:
        # A file that is a link leads out of the run.
        path = run.folder / name
        if not name.startswith(PUBLIC) and path.is_file() and not path.is_symlink():
            looks[name] = _look_at(path.stat())
    return Edition(run_id, folder, marks, stamp, looks, _read_released(folder, last))


def _read_released(folder: Path, last: Mark) -> Record:
    """Read what the gate released, as the last stage wrote it, and as nobody has changed it."""
    path = folder / "publish.json"
    written = last.files.get(path.name, {}).get("sha256")
    if not path.is_file() or hash_file(path) != written:
        raise InputError(
            f"{path}: not as the report stage wrote it, so nobody knows what may be shown. "
            "Write it anew: basrelief run CONFIG --from report."
        )
    return read_record(path)


class Shelf:
    """The runs that are served, by name."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._editions: dict[str, Edition] = {}
        self._unfit: dict[str, tuple[int, ...]] = {}
        for folder in folders:
            name = _name_run(folder)
            if name in self._editions:
                # Many runs lie in a folder called "run"; the one above tells them apart.
                name = f"{_name_run(folder.resolve().parent)}-{name}"
            if name in self._editions:
                raise InputError(f"{folder}: a run called {name} is served already. Rename one.")
            self._editions[name] = read_edition(name, folder)

    def __iter__(self) -> Any:
        """Go through the runs, each as it is now."""
        return (self._renew(edition) for edition in list(self._editions.values()))

    def get(self, name: str) -> Edition | None:
        """Find a run by name; None where there is none."""
        edition = self._editions.get(name)
        return edition and self._renew(edition)

    def forget(self, edition: Edition) -> None:
        """Read a run again, of which a file was found to be another."""
        stamp = _stamp(edition.folder)
        try:
            self._editions[edition.id] = read_edition(edition.id, edition.folder)
        except (InputError, OSError):
            # At work: until it is whole again there is nothing better.
            self._unfit[edition.id] = stamp

    def _renew(self, edition: Edition) -> Edition:
        """Take a run's new edition where it is whole, else the one before."""
        # A run at work is not read for each question, but once its last mark has changed.
        if _stamp(edition.folder) not in (edition.stamp, self._unfit.get(edition.id)):
            self.forget(edition)
        return self._editions[edition.id]


def _name_run(folder: Path) -> str:
    """Name a run by its folder, in letters that stand in an address as they are."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-") or "run"


def _stamp(folder: Path) -> tuple[int, ...]:
    try:
        return _look_at((folder / "stages" / f"{LAST}.json").stat())
    except OSError:
        return ()


def _look_at(status: os.stat_result) -> tuple[int, ...]:
    """Tell what changes when a file is written anew."""
    # With the inode: a file may be replaced by one as large that keeps the old time.
    return (status.st_size, status.st_mtime_ns, status.st_ino)
