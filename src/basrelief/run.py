"""A run folder: where each stage's files are, how they are written, whose it is."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator, Sized
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

ABOUT_RUN = "run.json"
"""The file that makes a folder a run's: format number, and version of the program."""

T = TypeVar("T")

Record = dict[str, Any]
"""One finding as JSON has it: what it is of, and its figures, by name."""

PART = re.compile(r"\.(.+\.)?[0-9a-f]{8}\.part(\..+)?")
"""How files are called while they are written, see `replacing`."""

FORMAT = 6
"""Which files a run folder has, as RUN_FOLDER.md tells. Raised whenever a name, a column or a unit
changes: a folder of another number is not read but made anew."""

README = f"""\
# A run of basrelief

| open first | what it is |
|---|---|
| `report.html` | what was found, for the analyst: it shows single areas and chips |
| `public/` | what may be handed out, and nothing else here, `release/` neither |
| `maps/areas.gpkg` | the maps, for QGIS, where the input is rasters |
| `scores.json` | every skill and error, beside what no LIDAR at all would give |
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
    def owner(self) -> Run:
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
        return self.owner.folder / "features"

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


def no_notes() -> Notes:
    """Make notes that are said to nobody: of what is read again, and was told the first time."""
    return Notes(Run(Path(), quiet=True))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder under a temporary name, and rename it when all went well.

    Yields a path beside ``path`` with the same suffix. If the body raises, what it
    wrote is removed and ``path`` is as it was before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{path.parent}: a file, where this program keeps a folder. Move it away."
        ) from error
    # A name that no other process can have; the suffix stays, for writers go by it.
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield part
        # A file is replaced in one step; the system does not do that for a folder with files.
        if path.is_dir():
            if not part.is_dir():
                raise InputError(
                    f"{path}: a folder, where this program writes a file. Move it away."
                )
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
    """Read a JSON file of the program's own.

    Raises
    ------
    InputError
        If it is no JSON any more.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # Brackets without end are an error of depth.
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: no JSON any more, as this program wrote it. Run the stage that writes it "
            "anew: basrelief run CONFIG --from STAGE."
        ) from error


def prepare_folder(folder: Path, typed: str) -> None:
    """Make the run folder and check that it can be written.

    Raises
    ------
    InputError
        If it cannot be made or written. Names ``typed``, the folder as the user gave it:
        ``out = 'runs/a'``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only writing tells: rights are not all that can stand in its way.
        probe = folder / f".{uuid.uuid4().hex[:8]}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{typed}: cannot write there ({error.strerror}). Choose another folder."
        ) from error


def begin_run(run: Run) -> None:
    """Say in a run folder that it is one, and what it holds (``run.json``, ``README.md``)."""
    write_json(run.folder / ABOUT_RUN, {"format": FORMAT, "version": __version__})
    with replacing(run.folder / "README.md") as part:
        part.write_text(README, encoding="utf-8")


def read_format(folder: Path) -> int | None:
    """Read the format of a run folder: 0 if it does not say, None where there is no mark of one."""
    path = folder / ABOUT_RUN
    if path.is_file():
        found = read_record(path).get("format", 0)
        # Not isinstance: to Python true is a whole number.
        return found if type(found) is int else 0
    return None


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
            "Run it again, into another folder: basrelief run CONFIG."
        )


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that nothing more can be written."""
    chain: BaseException | None = error
    while chain is not None:
        # A quota that is used up, or a bound on files, is a full disk to whoever has it.
        # Not every system has quotas.
        full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
        if isinstance(chain, OSError) and chain.errno in full:
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def digest(*parts: Any) -> str:
    """Hash JSON-able values into a short hexadecimal text."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_record(path: Path) -> Record:
    """Read a JSON object; empty where there is none, or it is broken: nothing is said then."""
    try:
        found = read_json(path)
    except (OSError, InputError):
        return {}
    return found if isinstance(found, dict) else {}
