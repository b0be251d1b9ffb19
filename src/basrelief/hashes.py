"""Hashes of files: of inputs, so that a change is noticed, and of results, so that damage is."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from basrelief.run import Run, read_record, write_json

SETTLED_NS = 2_000_000_000
"""Two seconds. A file may change again with no other time of change, on a disk that counts in
whole seconds or two: what was changed so shortly before it was hashed is hashed again."""


def hash_file(path: Path) -> str:
    """Hash a file's bytes, SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_inputs(paths: Sequence[Path], run: Run) -> list[str]:
    """Hash files by their bytes; what surely did not change since the last time is not read again.

    What was found is kept in the run folder (``stages/hashes.json``), if there is one. Size and
    times only say that a file need not be read: one whose times lie after it was hashed, as they
    do where a clock was set back, is read.

    Parameters
    ----------
    paths
        Files that are there.

    Returns
    -------
    SHA-256 in hexadecimal, one a path.
    """
    memory = run.folder / "stages" / "hashes.json"
    known, found = read_record(memory), {}
    looks = [_look_at(path) for path in paths]
    names = [os.path.relpath(path, run.folder) for path in paths]
    changed = [
        name for name, look in zip(names, looks, strict=True) if not _is_known(known, name, look)
    ]
    # Tiles of a place are gigabytes; without any change there is nothing to wait for.
    items = list(zip(names, paths, looks, strict=True))
    for name, path, look in run.track(items, "hashing inputs") if changed else items:
        if _is_known(known, name, look):
            found[name] = known[name]
        else:
            before = time.time_ns()
            found[name] = {"look": look, "hashed_ns": before, "sha256": hash_file(path)}
    if memory.parent.is_dir() and found != known:
        write_json(memory, found)
    return [found[name]["sha256"] for name in names]


def stamp_of(path: Path) -> list[Any]:
    """Describe one of the program's own files by name, size and time of change, without reading it.

    Whoever moves or copies a run folder as it is moves and copies these too.
    """
    stat = path.stat()
    return [path.name, stat.st_size, stat.st_mtime_ns]


def _look_at(path: Path) -> list[int]:
    """Look at a file without reading it: size, place on the disk, and times of change."""
    stat = path.stat()
    # The second time is the system's own, which nobody sets back after a change.
    return [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]


def _is_known(known: dict[str, Any], name: str, look: list[int]) -> bool:
    entry = known.get(name)
    if not isinstance(entry, dict) or entry.get("look") != look:
        return False
    hashed_ns, sha256 = entry.get("hashed_ns"), entry.get("sha256")
    # What somebody else wrote there is not known.
    if type(hashed_ns) is not int or not isinstance(sha256, str):
        return False
    return max(look[2:]) + SETTLED_NS < hashed_ns
