"""Where a run comes from: its input files by hash, and the software."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.eyes import OVERLAYS
from basrelief.hashes import hash_inputs
from basrelief.run import Run, read_json, write_json
from basrelief.sources.credits import InputCredits, credit_street, find_credits, name_years
from basrelief.sources.inputs import find_inputs

LIBRARIES = ("basrelief", "torch", "timm", "scikit-learn", "numpy", "rasterio", "geopandas")

ROLES = {
    "data.dsm": "surface heights",
    "data.dtm": "ground heights",
    **{f"data.{layer}": layer for layer in OVERLAYS},
    "data.street": "street pictures and their tables",
    "data.areas": "areas",
    "data.labels": "scores",
    "data.crime": "counts of crime",
    "data.lookup": "lookup between censuses",
    "data.tables": "tables by area",
    "data.images": "pictures",
    "data.table": "table of scores",
    "models.recipes": "recipes and weights given",
    "models.weights": "recipes and weights given",
    "told.credits": "whose fetched files are",
    "told.truth": "truth of a made-up town",
}
"""What files are to a run, by the key that names them, in the order of the report."""

OF_LABELS = (
    *("areas", "scores", "counts of crime", "table of scores"),
    *("tables by area", "whose fetched files are"),
)
"""Roles of the files in which labels stand, or may, or their hashes: boundaries come with scores as
columns, and a table by area may be another sheet of the workbook that labels are read from."""


@dataclass(frozen=True)
class InputRole:
    """The input files of one kind."""

    role: str
    n_files: int
    n_bytes: int
    sha256: str
    """Of the file; of several, of the lines that ``sha256sum`` prints for them by name."""

    names: tuple[str, ...]
    """File names without their folders."""


def read_date(path: Path) -> datetime:
    """Read when a file was last changed, in universal time, to the second."""
    return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)


def find_day(run: Run) -> date:
    """Find the day on which a run was judged, in universal time."""
    return read_date(run.scores).date()


def find_run_credits(settings: Settings, run: Run, samples: Samples) -> InputCredits:
    """Find whose the inputs are: by their files, and of street pictures by their tables."""
    street = read_json(run.chips / "chips.json").get("street")
    told = credit_street(street["terms"]) if street else ()
    found = replace(find_credits(settings, samples.areas["area_id"]), told=told)
    flown = samples.areas["flown_to"].max() if "flown_to" in samples.areas else np.nan
    return name_years(found, None if np.isnan(flown) else int(flown), find_day(run).year)


def list_versions() -> list[tuple[str, str]]:
    """List the libraries that a result depends on, with their versions."""
    return [(name, version(name)) for name in LIBRARIES]


def read_sources(settings: Settings, run: Run) -> list[InputRole]:
    """Hash the input files, those that are still there.

    Writes ``inputs.json`` (role, name, size and hash of every file).
    """
    places = list(ROLES)
    inputs = sorted(find_inputs(settings), key=lambda file: places.index(file.key))
    hashes = hash_inputs([file.path for file in inputs], run)
    entries: list[dict[str, Any]] = [
        {
            "role": ROLES[file.key],
            # The name without its folder, which tells whose machine it was.
            "name": file.path.name,
            "bytes": file.path.stat().st_size,
            "sha256": sha256,
        }
        for file, sha256 in zip(inputs, hashes, strict=True)
    ]
    write_json(run.folder / "inputs.json", entries)
    return [
        gather_source(role, [entry for entry in entries if entry["role"] == role])
        for role in dict.fromkeys(str(entry["role"]) for entry in entries)
    ]


def gather_source(role: str, entries: list[dict[str, Any]]) -> InputRole:
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
    return InputRole(
        role=role,
        n_files=len(ordered),
        n_bytes=sum(entry["bytes"] for entry in ordered),
        sha256=ordered[0]["sha256"]
        if len(ordered) == 1
        else hashlib.sha256(lines.encode()).hexdigest(),
        names=tuple(str(entry["name"]) for entry in ordered),
    )
