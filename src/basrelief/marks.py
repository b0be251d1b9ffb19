"""Marks of stages: what each depended on and wrote, so that it is skipped, checked, or removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.run import LOCK, PART, Run, read_record, write_json

OF_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What a file manager leaves wherever it looks, and nobody misses."""

OWN = {"run.json", "README.md", "config.json", "stages"}
"""What stands in a run folder and is of no stage."""


@dataclass(frozen=True)
class Mark:
    """What stands of a stage in ``stages/<stage>.json``."""

    fingerprint: str | None = None
    """Of what the finished stage depended on; None while it is not finished."""

    has_begun: bool = False
    """Whether it was begun and not finished: what it has written since nobody knows."""

    files: Mapping[str, Any] = field(default_factory=dict)
    """What it wrote when it last ended: size in bytes and SHA-256 by path in the run folder."""


def mark_of(run: Run, stage: str) -> Path:
    """Locate the mark of a stage."""
    return run.folder / "stages" / f"{stage}.json"


def read_mark(run: Run, stage: str) -> Mark:
    """Read the mark of a stage. A broken one is that of a stage that has begun."""
    path = mark_of(run, stage)
    if not path.exists():
        return Mark()
    found = read_record(path)
    fingerprint, files = found.get("fingerprint"), found.get("files")
    if (
        not isinstance(fingerprint, str | None)
        or not isinstance(files, dict)
        or not all(_is_entry(each) for each in files.values())
    ):
        return Mark(has_begun=True)
    return Mark(fingerprint, bool(found.get("has_begun")), files)


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"size", "sha256"}


def is_finished(run: Run, stage: str, fingerprint: str) -> bool:
    """Whether a stage ended well on exactly these inputs."""
    return read_mark(run, stage).fingerprint == fingerprint


def unmark_stage(run: Run, stage: str) -> None:
    """Let a stage count as unfinished; what it wrote is still known to be its own."""
    mark = read_mark(run, stage)
    if mark_of(run, stage).exists():
        write_json(mark_of(run, stage), asdict(Mark(None, mark.has_begun, mark.files)))


def run_stage(
    run: Run,
    stage: str,
    fingerprint: str,
    work: Callable[[], None],
    *,
    writes: Collection[str] = (),
    force: bool = False,
) -> bool:
    """Run a stage unless it is finished on the same inputs; return whether it ran.

    Parameters
    ----------
    writes
        Files and folders of the run folder that are the stage's own.

    Raises
    ------
    InputError
        If a finished stage's files are gone or of another size, or something that the program did
        not write lies where it would be removed.
    """
    if not force and is_finished(run, stage, fingerprint):
        check_files(run, stage, is_thorough=False)
        run.say(f"{stage}: unchanged, skipped")
        return False
    # Again, just before: hours may have passed since the run began.
    refuse_strangers(run, stage, writes)
    # Before the work: a stage that is killed must not look finished.
    write_json(mark_of(run, stage), asdict(Mark(None, True, read_mark(run, stage).files)))
    work()
    files = {name: _describe(run.folder / name) for name in list_files(run, writes)}
    write_json(mark_of(run, stage), asdict(Mark(fingerprint, False, files)))
    return True


def list_files(run: Run, writes: Iterable[str]) -> list[str]:
    """List the files that are there of files and folders of a run, by path in the run folder."""
    found = []
    for name in writes:
        path = run.folder / name
        if path.is_dir() and not path.is_symlink():
            for folder, _, files in os.walk(path):
                found += [str(Path(folder, each).relative_to(run.folder)) for each in files]
        elif path.exists():
            found.append(name)
    return sorted(name for name in found if not _is_litter(Path(name).name))


def check_files(run: Run, stage: str, *, is_thorough: bool = True) -> None:
    """Check that what a finished stage wrote is still as it wrote it.

    Parameters
    ----------
    is_thorough
        Read every file, but for layers, whose own checksums are checked as they are read;
        otherwise look at sizes alone.

    Raises
    ------
    InputError
        Names the first file that is not, and what to run.
    """
    for path, fault in _list_faults(run, stage, is_thorough):
        raise InputError(
            f"{path}: {fault} since stage {stage} wrote it. Run: basrelief run CONFIG --from "
            f"{stage}"
        )


def list_damaged(run: Run, stage: str) -> list[Path]:
    """List the files of a finished stage that are gone, changed or damaged, every one read."""
    return [path for path, _ in _list_faults(run, stage, is_thorough=True)]


def _list_faults(run: Run, stage: str, is_thorough: bool) -> Iterator[tuple[Path, str]]:
    """Find the files that are not as a finished stage wrote them, and say what is the matter."""
    for name, entry in read_mark(run, stage).files.items():
        path = run.folder / name
        if not path.is_file():
            yield path, "is gone"
        elif path.stat().st_size != entry["size"]:
            yield path, f"has {path.stat().st_size} bytes, and had {entry['size']}"
        elif is_thorough and entry["sha256"] and hash_file(path) != entry["sha256"]:
            yield path, "has been changed or damaged"


def refuse_strangers(run: Run, stage: str, writes: Collection[str]) -> None:
    """Refuse to run a stage where its files are not all its own: they would be removed with them.

    Of a stage that was killed it is not known what it wrote: all that is there is taken for its
    own.

    Raises
    ------
    InputError
        Names the first file.
    """
    mark = read_mark(run, stage)
    if mark.has_begun:
        return
    for name in list_files(run, writes):
        if name not in mark.files:
            raise InputError(
                f"{run.folder / name}: not written by this program, and stage {stage} makes "
                f"{name.split('/')[0]} anew. Move it out of the run folder."
            )


def refuse_foreign_folder(folder: Path, typed: str, known: Collection[str], what: str) -> None:
    """Refuse a folder with anything that is not known.

    Parameters
    ----------
    typed
        The folder as the user gave it: ``out = 'runs/a'``.
    known
        Names of what may stand in it; empty where it is not the program's yet.
    what
        What is to be written there.

    Raises
    ------
    InputError
        Names what is there.
    """
    names = sorted(each.name for each in folder.iterdir())
    strange = [name for name in names if name not in known and not _is_litter(name)]
    if strange:
        told = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
        raise InputError(
            f"{typed}: there are things in it that this program did not write ({told}). {what} "
            "needs a folder of its own: choose another, or an empty one."
        )


def sweep_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder that is the program's own."""
    for path in _find_parts(folder):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _find_parts(folder: Path) -> Iterator[Path]:
    """Find what was being written when a run was killed."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if PART.fullmatch(name):
                yield Path(parent, name)
        # A layer's pieces are thousands, and none of them is written in parts.
        folders[:] = [name for name in folders if not name.endswith((".zarr", ".part"))]


def _is_litter(name: str) -> bool:
    return name == LOCK or name in OF_SYSTEMS or PART.fullmatch(name) is not None


def _describe(path: Path) -> dict[str, Any]:
    """Describe a file as it was written. A layer's pieces carry checksums of their own."""
    is_piece = any(parent.suffix == ".zarr" for parent in path.parents)
    return {"size": path.stat().st_size, "sha256": None if is_piece else hash_file(path)}
