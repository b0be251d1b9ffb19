"""Where a run comes from: its input files by hash, and the software."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.sources.inputs import find_inputs

LIBRARIES = ("basrelief", "torch", "timm", "scikit-learn", "numpy", "rasterio", "geopandas")

ROLES = {
    "data.dsm": "surface heights",
    "data.dtm": "ground heights",
    "data.areas": "areas",
    "data.labels": "scores",
    "data.crime": "counts of crime",
    "data.images": "pictures",
    "data.table": "table of scores",
    "models.recipes": "recipes and weights given",
    "models.weights": "recipes and weights given",
}
"""What files are to a run, by the key that names them, in the order of the report."""

OF_LABELS = ("scores", "counts of crime", "table of scores")
"""Roles of the files that labels are read from."""


@dataclass(frozen=True)
class Source:
    """The input files of one kind."""

    role: str
    n_files: int
    n_bytes: int
    sha256: str
    """Of the file; of several, of the lines that ``sha256sum`` prints for them by name."""

    names: tuple[str, ...]
    """File names without their folders."""


def list_versions() -> list[tuple[str, str]]:
    """List the libraries that a result depends on, with their versions."""
    return [(name, version(name)) for name in LIBRARIES]


def read_sources(settings: Settings, run: Run) -> list[Source]:
    """Hash the input files, those that are still there.

    Writes ``inputs.json`` (role, name, size and hash of every file), from which files that did
    not change since are taken the next time.
    """
    path = run.folder / "inputs.json"
    earlier = [(_identify(entry), entry) for entry in read_json(path)] if path.exists() else []
    # Two tiles of one name, size and time, in two folders, cannot be told apart: hashed again.
    counts = Counter(key for key, _ in earlier)
    known = {key: entry for key, entry in earlier if counts[key] == 1}
    places = list(ROLES)
    inputs = sorted(find_inputs(settings), key=lambda file: places.index(file.key))
    files = [(ROLES[file.key], file.path) for file in inputs]
    entries = []
    for role, file in run.track(files, "hashing inputs"):
        stat = file.stat()
        # The name without its folder, which tells whose machine it was.
        entry: dict[str, Any] = {
            "role": role,
            "name": file.name,
            "bytes": stat.st_size,
            "changed_ns": stat.st_mtime_ns,
        }
        before = known.get(_identify(entry))
        # Tiles of a place are gigabytes: what did not change is not read again.
        entries.append(entry | {"sha256": before["sha256"] if before else hash_file(file)})
    write_json(path, entries)
    return [
        gather_source(role, [entry for entry in entries if entry["role"] == role])
        for role in dict.fromkeys(role for role, _ in files)
    ]


def gather_source(role: str, entries: list[dict[str, Any]]) -> Source:
    """Sum files of one kind up.

    Examples
    --------
    >>> files = [{"name": "b", "bytes": 2, "sha256": "2"}, {"name": "a", "bytes": 1, "sha256": "1"}]
    >>> gather_source("areas", files).names
    ('a', 'b')
    """
    ordered = sorted(entries, key=lambda entry: str(entry["name"]))
    # Two blanks between, as sha256sum writes them: anybody can check it with that alone.
    lines = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in ordered)
    return Source(
        role=role,
        n_files=len(ordered),
        n_bytes=sum(entry["bytes"] for entry in ordered),
        sha256=ordered[0]["sha256"]
        if len(ordered) == 1
        else hashlib.sha256(lines.encode()).hexdigest(),
        names=tuple(str(entry["name"]) for entry in ordered),
    )


def hash_file(path: Path) -> str:
    """Hash a file's bytes, SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identify(entry: dict[str, Any]) -> tuple[Any, ...]:
    """Tell a file apart from others, and from itself after a change."""
    return tuple(entry[key] for key in ("role", "name", "bytes", "changed_ns"))
