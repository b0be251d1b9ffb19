"""A run folder: where each stage's files are, what is finished, what can be resumed."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from basrelief import __version__
from basrelief.config import InputError

MODEL = "model.safetensors"
"""The file of a trained model, whatever its kind: its metadata say which."""

T = TypeVar("T")

Record = dict[str, Any]
"""One finding as JSON has it: what it is of, and its figures, by name."""

FORMAT = 2
"""Which files a run folder has, as RUN_FOLDER.md tells. Raised whenever a name, a column or a unit
changes: a folder of another number is not read but made anew."""

README = f"""\
# A run of basrelief

| open first | what it is |
|---|---|
| `report.html` | what was found, for the analyst: it shows single areas and chips |
| `public/` | what may be handed out, and nothing else here, `release/` neither |
| `maps/areas.gpkg` | the maps, for QGIS |
| `scores.json` | every score, beside what no LIDAR at all would give |
| `config.json` | the settings, resolved |

In Python, without PyTorch: `basrelief.open_run("this folder")`. Every file, with columns and units,
stands in the program's RUN_FOLDER.md; the format is number {FORMAT} (`run.json`).

Written by the program. Do not keep files of your own here.
"""


@dataclass(frozen=True)
class Run:
    """A run folder and how to speak about it.

    The folder is the contract between stages: each stage reads what the
    stages before it wrote, and nothing else.
    """

    folder: Path
    """The run folder, absolute or relative to the working directory; text is taken too."""

    quiet: bool = False
    """Say nothing and show no progress."""

    lender: Run | None = None
    """The run whose layers and features this one reads, where it has none of its own."""

    def __init__(self, folder: Path | str, quiet: bool = False, lender: Run | None = None) -> None:
        # A frozen dataclass can be filled in no other way.
        object.__setattr__(self, "folder", Path(folder))
        object.__setattr__(self, "quiet", quiet)
        object.__setattr__(self, "lender", lender)

    @property
    def ground(self) -> Run:
        """The run that holds what was measured on the ground, which no label has a part in."""
        return self if self.lender is None else self.lender

    @property
    def chips(self) -> Path:
        """Index, pixels, areas and membership."""
        return self.folder / "chips"

    @property
    def describe(self) -> Path:
        """Summary statistics and figures of the data."""
        return self.folder / "describe"

    @property
    def splits(self) -> Path:
        """Folds and what leaks."""
        return self.folder / "splits"

    @property
    def features(self) -> Path:
        """Features of areas, one folder a recipe that has its own."""
        return self.ground.folder / "features"

    @property
    def models(self) -> Path:
        """Trained models, one folder a recipe."""
        return self.folder / "models"

    @property
    def predictions(self) -> Path:
        """Held-out predictions of every recipe."""
        return self.folder / "predictions.parquet"

    @property
    def scores(self) -> Path:
        """Scores of every recipe, a list of records."""
        return self.folder / "scores.json"

    @property
    def explain(self) -> Path:
        """Explanations, one folder a recipe."""
        return self.folder / "explain"

    @property
    def maps(self) -> Path:
        """Layers with styles, rasters and drawings."""
        return self.folder / "maps"

    @property
    def release(self) -> Path:
        """What is fitted anew for the public without the labels of areas withheld from it."""
        return self.folder / "release"

    @property
    def report(self) -> Path:
        """The report, one file."""
        return self.folder / "report.html"

    def say(self, line: str) -> None:
        """Print one line for the user, unless quiet."""
        if not self.quiet:
            line = line if self.lender is None else f"for the public, {line}"
            # At once: Python keeps back what goes into a file or a pipe until much has gathered.
            print(line, flush=True)

    def track(self, items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
        """Iterate with a progress bar; silent when quiet or not on a terminal."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        with self.progress() as bar:
            task = bar.add_task(text, total=total)
            for item in items:
                yield item
                bar.advance(task)

    def progress(self) -> Progress:
        """Make a progress display; silent when quiet or not on a terminal."""
        is_silent = self.quiet or not sys.stderr.isatty()
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # Beside the lines that are said, so that those can be kept in a file alone.
            console=Console(stderr=True),
            disable=is_silent,
            transient=True,
        )


@dataclass(frozen=True)
class Notes:
    """What was odd about the input and yet taken: said at once, and kept for the pages.

    Readers of files take one and add to it. A line says what, in which file or key as typed, and
    what was made of it: it is what keeps a doubtful number from standing there without a word.
    """

    run: Run
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Say a line, once however often it is met."""
        if line not in self.lines:
            self.lines.append(line)
            self.run.say(f"note: {line}")

    def write(self, path: Path) -> None:
        """Keep the lines as a JSON list."""
        write_json(path, self.lines)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder under a temporary name, and rename it when all went well.

    Yields a path beside ``path`` with the same suffix. If the body raises, what it
    wrote is removed and ``path`` is as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name that no other process can have; the suffix stays, for writers go by it.
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield part
        # A file is replaced in one step; the system does not do that for a folder with files.
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all. NaN is refused."""
    # NaN is Python's own addition to JSON: browsers refuse a file that has it.
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        # Piece by piece: as one text, the records of a whole country take half a gigabyte.
        json.dump(value, file, indent=1, allow_nan=False)
        file.write("\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def prepare_folder(folder: Path, typed: str) -> None:
    """Make the run folder and check that it can be written.

    Raises
    ------
    InputError
        If it cannot be made or written; names ``typed``, the path as the user gave it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only writing tells: rights are not all that can stand in its way.
        probe = folder / f".{uuid.uuid4().hex[:8]}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"out = {typed!r}: cannot write there ({error.strerror}). Choose another folder."
        ) from error


def begin_run(run: Run, typed: str) -> None:
    """Make the run folder, and say in it what it is (``run.json``, ``README.md``).

    What a run of another format left cannot be gone on from: its stages are done anew.

    Raises
    ------
    InputError
        As `prepare_folder`.
    """
    prepare_folder(run.folder, typed)
    if read_format(run.folder) not in (None, FORMAT):
        run.say(f"out = {typed!r}: a run of another version; every stage is run again")
        # What stages go on from; all else they write anew as a whole.
        for name in ("stages", "features", "models"):
            shutil.rmtree(run.folder / name, ignore_errors=True)
    write_json(run.folder / "run.json", {"format": FORMAT, "version": __version__})
    with replacing(run.folder / "README.md") as part:
        part.write_text(README, encoding="utf-8")


def read_format(folder: Path) -> int | None:
    """Read the format of a run folder: 0 if it does not say, None if no run was begun there."""
    path = folder / "run.json"
    if path.is_file():
        found = read_record(path).get("format", 0)
        # Not isinstance: to Python true is a whole number.
        return found if type(found) is int else 0
    # A folder of the user's own may well hold one called "stages", or "models".
    return 0 if (folder / "stages" / "chips.json").is_file() else None


def check_format(folder: Path) -> None:
    """Stop where a folder is no run, or one that this version cannot read.

    Raises
    ------
    InputError
        Says what to do.
    """
    found = read_format(folder)
    if found is None:
        what = "holds no run" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {what}. Give the run folder of a `basrelief run`.")
    if found != FORMAT:
        raise InputError(
            f"{folder}: a run of format {found}, and this version reads format {FORMAT}. "
            "Run it again: basrelief run CONFIG."
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that the disk has no space left."""
    chain: BaseException | None = error
    while chain is not None:
        # A quota that is used up is a full disk to whoever has it.
        if isinstance(chain, OSError) and chain.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def digest(*parts: Any) -> str:
    """Hash JSON-able values into a short hexadecimal text."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamp_of(path: Path) -> list[Any]:
    """Describe a file by name, size and time of change, to notice when it changes."""
    # Not by its bytes: this is asked of every tile whenever a run starts.
    stat = path.stat()
    return [str(path), stat.st_size, stat.st_mtime_ns]


def is_finished(run: Run, stage: str, fingerprint: str) -> bool:
    """Whether a stage ended well on exactly these inputs."""
    return read_record(mark_of(run, stage)) == {"fingerprint": fingerprint}


def mark_of(run: Run, stage: str) -> Path:
    """Locate the file that says what a finished stage depended on."""
    return run.folder / "stages" / f"{stage}.json"


def unmark_stage(run: Run, stage: str) -> None:
    """Let a stage count as unfinished."""
    mark_of(run, stage).unlink(missing_ok=True)


def read_record(path: Path) -> Record:
    """Read a JSON object; empty where there is none, or it is broken: nothing is said then."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def run_stage(
    run: Run, stage: str, fingerprint: str, work: Callable[[], None], *, force: bool = False
) -> bool:
    """Run a stage unless it is finished on the same inputs; return whether it ran."""
    if not force and is_finished(run, stage, fingerprint):
        run.say(f"{stage}: unchanged, skipped")
        return False
    # Before the work: a stage that is killed must not look finished.
    unmark_stage(run, stage)
    work()
    write_json(mark_of(run, stage), {"fingerprint": fingerprint})
    return True
