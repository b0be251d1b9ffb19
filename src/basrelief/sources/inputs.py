"""The files that a run reads: the one list for reading, skipping, hashing and release."""

from __future__ import annotations

import fnmatch
import glob
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from basrelief.config import InputError, Settings
from basrelief.run import ABOUT_RUN
from basrelief.typed import Typed

KEYS = ("dsm", "dtm", "crime", "areas", "labels", "lookup", "table", "images")
"""Keys of ``[data]`` that name files themselves; its tables `list_typed` knows."""

OF_TILES = ("dsm", "dtm")
"""Of these, rasters beside which fetching says when they were flown."""

SINGLE = ("areas", "labels", "lookup", "table", "tables")
"""What names one file, or a folder that is a format; the others may match several."""

SHAPEFILE = (".shp", ".dbf", ".shx", ".prj", ".cpg")
WORLD = (".tfw", ".tifw", ".tiffw", ".wld")

TAB, MIF = (".tab", ".dat", ".map", ".id", ".ind"), (".mif", ".mid")

TYPED_FOR = {SHAPEFILE[:3]: SHAPEFILE, TAB[:3]: TAB, MIF: MIF}
"""Files that people type for a source, the one that opens it first; and all that belongs to it."""

SIDES = {other: typed[0] for typed in TYPED_FOR for other in typed[1:]}
"""Which file of a source opens it, where another of its files was typed."""

COMPANIONS = {
    **{each: files for typed, files in TYPED_FOR.items() for each in typed},
    # What was written last, where another program has it open.
    ".gpkg": (".gpkg-wal",),
    ".tif": (*WORLD, ".prj", ".tif.aux.xml", ".aux.xml", ".tif.msk"),
    ".tiff": (*WORLD, ".prj", ".tiff.aux.xml", ".aux.xml", ".tiff.msk"),
    ".asc": (".prj", ".asc.aux.xml", ".aux.xml"),
    ".img": (".ige", ".img.aux.xml", ".aux.xml"),
}
"""What a format keeps beside a file, in lower case: codes, CRS, place, nodata. GDAL reads them
unasked."""

TILE_INDEX = "tiles.parquet"
"""What fetching writes of rasters, in their folder or the one above: when each was flown."""

CREDITS, TRUTH = "credits.json", "truth.json"
"""What lies beside inputs, and is told of them alone: whose every fetched file of a folder is,
where it came from, and its SHA-256; and what drives the scores of a made-up town."""

PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
"""What a picture's suffix says it is. Nothing else is opened: Pillow would run Ghostscript for a
picture of PostScript, whatever it is called."""

PICTURE_SUFFIXES = tuple(PICTURE_FORMATS)

MADE_OF = ("trend", "members")
"""Keys of a recipe that name other recipes."""

RANDOM = "none"
"""What stands in the place of a weights file where weights are random."""


@dataclass(frozen=True)
class InputFile:
    """A file that a run reads."""

    key: str
    """Where it was asked for: ``data.dsm``, ``models.weights``."""

    path: Path


def list_typed(settings: Settings) -> list[tuple[str, Typed]]:
    """List what of ``[data]`` names files, as it was typed, each with its key.

    Of its tables the key is their name: that of a layer, and ``tables`` for each of
    ``[data.tables]``.
    """
    found = [(key, settings.typed(key)) for key in KEYS if getattr(settings.data, key) is not None]
    found += [(name, settings.typed(f"{name}.files")) for name in settings.data.overlays]
    if settings.data.street is not None:
        found.append(("street", settings.typed("street.table")))
    return found + [("tables", settings.typed_table(eye)) for eye in settings.table_eyes]


def find_inputs(settings: Settings) -> list[InputFile]:
    """List every file that a run reads, those that are there, each once a key.

    What a file's format keeps beside it counts; a zip archive is one file. Recipes and weights
    that the user gave are among them; those that come with the program are not.
    """
    models, found = settings.models, list[InputFile]()
    for key, typed in list_typed(settings):
        if key == "images":
            paths = list_pictures(typed.path)
        elif key in SINGLE:
            paths = _files_of(typed.path)
        else:
            paths = [match for match, _ in expand_pattern(typed.value, typed.path)]
        if key in OF_TILES:
            paths += sorted({index for each in paths if (index := find_tile_index(each))})
        found += [InputFile(f"data.{key}", each) for each in _with_companions(paths)]
    if settings.data.street is not None:
        pictures = list_pictures(settings.typed("street.folder").path)
        found += [InputFile("data.street", each) for each in pictures]
    weights = [name for name in models.weights.values() if name != RANDOM]
    recipes = _follow_recipes(models.recipes or (), settings)
    for key, names in (("recipes", recipes), ("weights", weights)):
        paths = sorted({settings.locate(name) for name in names})
        found += [InputFile(f"models.{key}", path) for path in paths if path.is_file()]
    return [*found, *_find_told(settings, found)]


def _find_told(settings: Settings, found: Iterable[InputFile]) -> Iterator[InputFile]:
    """Find what the report alone reads of the inputs' folders."""
    above = {folder for file in found for folder in file.path.absolute().parents}
    told = [("told.credits", folder / CREDITS) for folder in sorted(above)]
    for key, path in (*told, ("told.truth", settings.locate(TRUTH))):
        if path.is_file():
            yield InputFile(key, path)


def find_tile_index(file: Path) -> Path | None:
    """Find the index of fetched tiles that speaks of a raster; None where there is none."""
    folders = (file.parent, file.parent.parent)
    return next((at for folder in folders if (at := folder / TILE_INDEX).is_file()), None)


def find_input_inside(settings: Settings, folder: Path) -> InputFile | None:
    """Find an input that lies in a folder, at any depth; None if none does."""
    inside = folder.resolve()
    files = find_inputs(settings)
    return next((each for each in files if inside in each.path.resolve().parents), None)


def expand_pattern(typed: str, path: Path) -> list[tuple[Path, str]]:
    """Find the files that a pattern matches, each with the name that the user would type.

    What exists under its literal name is never a pattern: neither a file called ``a[1].tif`` nor
    a folder ``place [2024]`` before the pattern. ``**`` matches folders at any depth, but for run
    folders: what a run draws on the ground is no input of the next.

    Parameters
    ----------
    typed, path
        The pattern as typed, and with the configuration file's folder before it.

    Returns
    -------
    list of (path, name)
        Sorted by name; files only.

    Raises
    ------
    InputError
        If a match is neither file nor folder: a tile behind a link that leads nowhere would be
        missing without a word.
    """
    if path.is_file():
        return [(path, typed)]
    # The folders that exist are taken as they are called; only the rest is a pattern.
    start = find_existing(path)
    pattern = str(path.relative_to(start))
    if pattern == ".":
        return []
    matches = glob.glob(pattern, root_dir=start, recursive=True)  # noqa: PTH207
    is_absolute = Path(typed).expanduser().is_absolute()
    n_before = 0 if is_absolute else len(path.parts) - len(Path(typed).parts)
    found = [start / name for name in matches]
    lost = next((each for each in found if not each.is_file() and not each.is_dir()), None)
    if lost is not None:
        kind = _name_stranger(lost)
        raise InputError(
            f"{Path(*lost.parts[n_before:])}: is {kind}, and matches {typed!r}. Mend it, or take "
            "it out of the pattern."
        )
    files = _outside_runs(found, start)
    return sorted((each, str(Path(*each.parts[n_before:]))) for each in files)


def refuse_absent(typed: Typed, what: str = "no such file") -> InputError:
    """Say that there is no file, and which is called so but for capitals, or meant by a pattern."""
    if typed.path.is_symlink() or (typed.path.exists() and not typed.path.is_dir()):
        what = f"is {_name_stranger(typed.path)}, and no file"
    hint, pattern = "", re.compile(fnmatch.translate(typed.path.name), re.IGNORECASE)
    if typed.path.parent.is_dir():
        alike = sorted(p.name for p in typed.path.parent.iterdir() if pattern.match(p.name))
        meant = [name for name in alike if fnmatch.fnmatchcase(name, typed.path.name)]
        if meant and (typed.path.parent / meant[0]).is_dir():
            hint = f" {meant[0]} is there: a folder."
        elif meant and meant[0] != typed.path.name:
            hint = f" A pattern stands for no single file: write {meant[0]}."
        elif alike and alike[0] != typed.path.name:
            hint = f" {alike[0]} is there: capitals count."
    return InputError(f"{typed}: {what}. Paths are relative to {typed.origin}.{hint}")


def _name_stranger(path: Path) -> str:
    """Name what lies there and is neither file nor folder."""
    is_lost = path.is_symlink() and not path.exists()
    return "a link that leads nowhere" if is_lost else "a pipe, socket or device"


def find_existing(path: Path) -> Path:
    """Find what exists of a path: itself, or the nearest folder above it."""
    return next(each for each in (path, *path.parents, Path()) if each.exists())


def is_run_folder(folder: Path) -> bool:
    """Tell whether a folder is a run's: what a run draws on the ground is no input of the next."""
    return (folder / ABOUT_RUN).is_file()


def _outside_runs(paths: Iterable[Path], start: Path) -> list[Path]:
    """Pick the files that lie in no run folder below a folder."""
    files = [path for path in paths if path.is_file()]
    runs = {
        folder
        for folder in {parent for file in files for parent in file.parents}
        if start in folder.parents and is_run_folder(folder)
    }
    return [file for file in files if runs.isdisjoint(file.parents)]


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures of a folder, whatever the case of their suffix, by name.

    Of a folder that has none itself, those of its sub-folders at any depth, but for run folders.
    """
    if not folder.is_dir():
        return []
    found = _pick_pictures(folder.iterdir(), folder)
    return found or _pick_pictures(folder.rglob("*"), folder)


def list_pictures_below(folder: Path) -> list[Path]:
    """List the pictures of a folder's sub-folders alone, as `list_pictures` does."""
    return _pick_pictures(folder.glob("*/**/*"), folder)


def _pick_pictures(paths: Iterable[Path], folder: Path) -> list[Path]:
    # Copies from a Mac bring a hidden "._LIDAR_1.png" beside each picture.
    named = (
        path
        for path in paths
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    )
    return sorted(_outside_runs(named, folder))


def _follow_recipes(names: Iterable[str], settings: Settings) -> list[str]:
    """List the recipe files among names, and those that they are made of, and so on."""
    found: list[str] = []
    waiting = [name for name in names if name.endswith(".toml")]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        try:
            recipe = tomllib.loads(settings.locate(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # what is wrong with it is said where it is read
        for key in MADE_OF:
            named = recipe.get(key, [])
            each = [named] if isinstance(named, str) else named
            waiting += [other for other in each if str(other).endswith(".toml")]
    return found


def _files_of(path: Path) -> list[Path]:
    """List the files of one source: itself, or of a format that is a folder what is in it."""
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    return [path] if path.is_file() else []


def _with_companions(paths: list[Path]) -> Iterator[Path]:
    """Follow each file with what its format keeps beside it; each file once."""
    seen = set(paths)
    # By listing, not by asking for each name: suffixes come in either case, and tiles in thousands.
    listed = {
        folder: {each.name.lower(): each for each in folder.iterdir()}
        for folder in {path.parent for path in paths}
    }
    for path in paths:
        yield path
        for suffix in COMPANIONS.get(path.suffix.lower(), ()):
            beside = listed[path.parent].get(f"{path.stem}{suffix}".lower())
            # A pipe would be read for ever: where the source is opened, it is refused.
            if beside is not None and beside not in seen and beside.is_file():
                seen.add(beside)
                yield beside
