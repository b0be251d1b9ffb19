"""Marks of stages: what each depended on and wrote, so that it is skipped, checked, or removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any

from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.locks import LOCK
from basrelief.names import OF_FILES
from basrelief.run import ABOUT_RUN, PART, Run, read_record, write_json

OF_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep", ".keep", ".gitignore"}
"""What a file manager leaves wherever it looks, and how people keep an empty folder in Git."""

OF_VIEWERS = (".aux.xml", ".gpkg-wal", ".gpkg-shm", ".gpkg-journal")
"""How what QGIS and other programs leave beside a map that they open ends."""

PROJECT = "areas.qgz"
"""The project for QGIS. Any other is a person's: people keep theirs beside the maps."""

EDITED = "edited"
"""The folder for what people changed of the program's files, kept when these are written anew."""

OWN = {ABOUT_RUN, "README.md", "config.json", "stages", EDITED}
"""What stands in a run folder and is of no stage."""

FOR_PEOPLE = (
    *("maps/*.gpkg", "maps/*.qgz", "maps/*.svg", "maps/*.qml", "describe/*.svg"),
    *("report.html", "model_card.md", "data_sheet.md", "areas.gpkg"),
)
"""What no stage reads: people open it, which changes a GeoPackage, and may write in it."""


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
        or not all(_is_entry(name, entry) for name, entry in files.items())
    ):
        return Mark(has_begun=True)
    return Mark(fingerprint, bool(found.get("has_begun")), files)


def _is_entry(name: str, value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"size", "sha256"}:
        return False
    # What lies elsewhere is no stage's own.
    is_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    return is_inside and type(value["size"]) is int and isinstance(value["sha256"], str | None)


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
    begin_stage(run, stage)
    work()
    finish_stage(run, stage, fingerprint, writes)
    return True


def begin_stage(run: Run, stage: str) -> None:
    """Mark a stage as begun, and keep aside what people changed of what it will write anew."""
    keep_edited(run, stage)
    # Before the work: a stage that is killed must not look finished.
    write_json(mark_of(run, stage), asdict(Mark(None, True, read_mark(run, stage).files)))


def finish_stage(run: Run, stage: str, fingerprint: str, writes: Iterable[str]) -> None:
    """Mark a stage as finished, with what it wrote."""
    files = {name: _describe(run.folder / name) for name in list_files(run, writes)}
    write_json(mark_of(run, stage), asdict(Mark(fingerprint, False, files)))


def keep_edited(run: Run, stage: str) -> None:
    """Move what people changed since a stage wrote it into ``edited/``, and say so.

    A map that is merely opened may change too: nobody can tell, and nothing is lost.
    """
    for name, entry in read_mark(run, stage).files.items():
        path = run.folder / name
        if not _is_for_people(name) or not path.is_file() or path.is_symlink():
            continue
        # Changes that a program has not yet brought into the file itself.
        waiting = path.with_name(f"{path.name}-wal")
        is_open = waiting.is_file() and waiting.stat().st_size > 0
        if not is_open and _describe(path) == entry:
            continue
        kept = _find_free(run.folder / EDITED / name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)
        if is_open:
            waiting.rename(kept.with_name(f"{kept.name}-wal"))
        run.say(
            f"note: {name} was changed since it was written: it is kept as "
            f"{kept.relative_to(run.folder)}, and written anew"
        )


def _find_free(path: Path) -> Path:
    """Give a path, numbered if something is there."""
    found, number = path, 2
    while found.exists():
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found


def _ends_as_ours(name: str) -> bool:
    path = PurePath(name)
    # Pieces of layers have no ending.
    in_layer = any(each.suffix == ".zarr" for each in path.parents)
    return path.suffix in OF_FILES or path.name == PROJECT or in_layer


def _is_for_people(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in FOR_PEOPLE)


def list_files(run: Run, writes: Iterable[str]) -> list[str]:
    """List the files that are there of files and folders of a run, by path in the run folder."""
    found = []
    for name in writes:
        path = run.folder / name
        if path.is_dir() and not path.is_symlink():
            for folder, _, files in os.walk(path):
                found += [Path(folder, each).relative_to(run.folder).as_posix() for each in files]
        elif path.exists():
            found.append(name)
    return sorted(name for name in found if not _is_litter(Path(name).name))


def check_files(run: Run, stage: str, *, is_thorough: bool = True) -> None:
    """Check that what a finished stage wrote is still as it wrote it.

    What no stage reads has to be there, and may be changed.

    Parameters
    ----------
    is_thorough
        Read every file, but for pieces of layers, whose own checksums are checked as they are
        read; otherwise look at sizes alone.

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
        elif _is_for_people(name):
            continue
        elif path.stat().st_size != entry["size"]:
            yield path, f"has {path.stat().st_size} bytes, and had {entry['size']}"
        elif is_thorough and entry["sha256"] and hash_file(path) != entry["sha256"]:
            yield path, "has been changed or damaged"


def refuse_strangers(run: Run, stage: str, writes: Collection[str]) -> None:
    """Refuse to run a stage where its files are not all its own: they would be removed with them.

    Of a stage that was killed it is not known what it wrote: all that is there is taken for its
    own, but for what ends as nothing does that the program writes.

    Raises
    ------
    InputError
        Names the first file.
    """
    mark = read_mark(run, stage)
    for name in list_files(run, writes):
        is_own = name in mark.files or (mark.has_begun and _ends_as_ours(name))
        if not is_own:
            raise InputError(
                f"{run.folder / name}: not written by this program, and stage {stage} makes "
                f"{name.split('/')[0]} anew. Move it out of there."
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


def sweep_parts(folder: Path, unless_within_s: float | None = None) -> None:
    """Remove what killed processes left half-written in a folder that is the program's own.

    Parameters
    ----------
    unless_within_s
        Seconds within which what was written may be another process's at work, and stays; None
        where the folder is this one's alone.
    """
    for path in _find_parts(folder):
        if unless_within_s is not None and _measure_age(path) < unless_within_s:
            continue
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _measure_age(path: Path) -> float:
    """Seconds since something was written; 0 where it is gone, as when it got its name."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _find_parts(folder: Path) -> Iterator[Path]:
    """Find what was being written when a run was killed."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if PART.fullmatch(name):
                yield Path(parent, name)
        # A layer's pieces are thousands, and none of them is written in parts.
        folders[:] = [name for name in folders if not name.endswith((".zarr", ".part"))]


def _is_litter(name: str) -> bool:
    is_left = name == LOCK or name in OF_SYSTEMS or name.endswith(OF_VIEWERS)
    return is_left or PART.fullmatch(name) is not None


def _describe(path: Path) -> dict[str, Any]:
    """Describe a file as it was written. A layer's pieces carry checksums of their own."""
    is_in_layer = any(parent.suffix == ".zarr" for parent in path.parents)
    # Where a layer lies and what its numbers are stands in a file without any checksum.
    is_piece = is_in_layer and path.name != "zarr.json"
    return {"size": path.stat().st_size, "sha256": None if is_piece else hash_file(path)}
