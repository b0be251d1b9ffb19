"""A final model in a folder of its own, as others are handed it: what it holds, and how it is read.

It stands by itself: neither the run that it comes from nor its inputs are needed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import safe_open

from basrelief import __version__
from basrelief.config import InputError
from basrelief.hashes import hash_file
from basrelief.names import suggest
from basrelief.run import Record, read_record, write_json
from basrelief.values import StrictTable

ABOUT_EXPORT = "export.json"
"""The file that makes a folder an exported model's."""

FORMAT = 1
"""Which files such a folder has. Raised whenever a name, a column or a unit changes."""

HOME = "model"
"""The folder in it with what predicts, as in ``models/<recipe>/final/`` of a run."""


class Export(StrictTable):
    """``export.json``: what the folder holds."""

    format: int
    version: str
    """Of the program that wrote it."""

    recipe: str
    training: Record
    """How far it was trained, as in ``models/recipes.json`` of its run."""

    files: dict[str, str]
    """SHA-256 of every file that predicts, by its path in the folder."""


def write_export(folder: Path, recipe: str, training: Record) -> None:
    """Write ``export.json`` of what lies in a folder; written last, it says that all is there."""
    files = {name: hash_file(folder / name) for name in _list_home(folder)}
    about = Export(
        format=FORMAT, version=__version__, recipe=recipe, training=training, files=files
    )
    write_json(folder / ABOUT_EXPORT, about.model_dump(mode="json"))


def hash_numbers(path: Path) -> str:
    """Hash the numbers of a model, SHA-256 in hexadecimal: equal models have one hash.

    Their files may differ: safetensors writes what is told beside the numbers in any order.
    """
    found = hashlib.sha256()
    with safe_open(path, "np") as file:
        for name in sorted(file.keys()):
            values = np.ascontiguousarray(file.get_tensor(name))
            found.update(f"{name} {values.dtype} {values.shape}".encode())
            found.update(values.tobytes())
    return found.hexdigest()


def is_export(folder: Path) -> bool:
    """Whether a folder says that it is an exported model's."""
    return (folder / ABOUT_EXPORT).is_file()


def open_export(folder: Path, recipe: str | None = None) -> tuple[Path, Record]:
    """Find the model in an exported folder, and how far it was trained.

    Parameters
    ----------
    recipe
        Name of the recipe that it has to be of; by default whatever it is.

    Raises
    ------
    InputError
        If the folder is no exported model's, or of another format, its files are not as they were
        written, or it is of another recipe.
    """
    about = _read_about(folder)
    if recipe not in (None, about.recipe):
        raise InputError(
            f"--recipe {recipe!r}: {folder} holds the model of {about.recipe} alone. Leave "
            f"--recipe out.{suggest(str(recipe), [about.recipe])}"
        )
    _check_files(folder, about)
    return folder / HOME, about.training


def _read_about(folder: Path) -> Export:
    """Read ``export.json``, or say what is the matter with the folder."""
    if not is_export(folder):
        what = "no exported model" if folder.is_dir() else "no such folder"
        raise InputError(
            f"{folder}: {what}. Give a folder that `basrelief export` wrote, or a run without "
            "--model: basrelief predict RUN."
        )
    record = read_record(folder / ABOUT_EXPORT)
    found = record.get("format")
    # The number first: what else stands in a newer one nobody knows.
    if type(found) is int and found != FORMAT:
        cure = "Use a newer basrelief" if found > FORMAT else "Export it again"
        raise InputError(
            f"{folder}: an exported model of format {found}, and version {__version__} reads "
            f"format {FORMAT}. {cure}."
        )
    try:
        about = Export.model_validate(record)
    except ValidationError as error:
        raise InputError(
            f"{folder / ABOUT_EXPORT}: not as `basrelief export` wrote it. Export the model again."
        ) from error
    return about


def _check_files(folder: Path, about: Export) -> None:
    """Stop where what predicts is not what was exported, file by file."""
    there = set(_list_home(folder))
    for name in sorted(there | set(about.files)):
        if name not in there:
            fault = "is gone"
        elif name not in about.files:
            # What lies in a member's folder would be taken for one.
            fault = "was put there since"
        elif hash_file(folder / name) != about.files[name]:
            fault = "has been changed or damaged"
        else:
            continue
        raise InputError(
            f"{folder / name}: {fault}; {ABOUT_EXPORT} says what was exported. Copy the folder "
            "again, or export it again."
        )


def _list_home(folder: Path) -> list[str]:
    """List the files that predict, by their paths in the folder."""
    paths = (folder / HOME).rglob("*")
    return sorted(path.relative_to(folder).as_posix() for path in paths if not path.is_dir())
