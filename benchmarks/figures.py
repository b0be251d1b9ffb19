"""Compare every figure of two runs: is what the code says after a change what it said before?

    python benchmarks/figures.py runs/before runs/after

Figures are matched by what they are of (recipe, target, scheme, area, ...), never by their place
in a file. For each file it prints how many figures both runs have, the largest difference, and
what only one of them has; a difference is told as a share of the largest size in its column.
Exit code 1 if a difference is above the tolerance, or if a figure is gone.

What is of one run alone, such as seconds, sizes of files, dates and hashes, is not compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import rasterio

NAMES = (
    *("recipe", "versus", "target", "scheme", "unit", "repeat", "fold", "id", "chip_id"),
    *("area_id", "test", "kind", "rank", "level", "group", "share", "decile", "district", "lad"),
    *("exposure", "controls", "member", "name", "key", "part", "layer", "n_permutations"),
)
"""Fields that say what a figure is of."""

OF_ONE_RUN = {"seconds", "bytes", "changed_ns", "sha256", "fingerprint", "version", "scale_px"}
"""Fields that two runs of the same code do not share."""

LEFT_OUT = ("models/", "stages/", "stac/", "inputs.json", "config.json", "publish.json", "run.json")
"""Files that hold no figures, or weights of which predictions tell enough."""

Figures = dict[str, float]
"""Figures of one file, by what they are of."""


def read_figures(path: Path) -> Figures:
    """Read every figure of one file of a run."""
    match path.suffix:
        case ".json":
            found = list(walk_json(json.loads(path.read_text(encoding="utf-8"))))
        case ".csv":
            found = list(walk_table(pd.read_csv(path)))
        case _:
            columns = [c for c in pq.read_schema(path).names if c != "geometry"]
            table = pd.read_parquet(path, columns=columns)
            if table.index.name:
                table = table.reset_index()
            found = list(walk_table(table))
    seen: Counter[str] = Counter()
    figures = {}
    for name, value in found:
        # What cannot be told apart by its names is told apart by its order.
        seen[name] += 1
        figures[name if seen[name] == 1 else f"{name} #{seen[name]}"] = value
    return figures


def walk_json(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Go through a JSON value: each figure with the way to it."""
    if isinstance(value, Mapping):
        of = "/".join(f"{key}={value[key]}" for key in NAMES if is_name(value.get(key)))
        if of:
            yield f"{path}[{of}]", 1.0  # that it is there is a finding too
        for key, item in value.items():
            if key not in OF_ONE_RUN and not (key in NAMES and is_name(item)):
                yield from walk_json(item, f"{path}[{of}].{key}" if of else f"{path}.{key}")
    elif isinstance(value, list):
        is_of_records = any(isinstance(item, Mapping) for item in value)
        for k, item in enumerate(value):
            yield from walk_json(item, path if is_of_records else f"{path}.{k}")
    elif isinstance(value, bool | int | float):
        yield path, float(value)
    elif value is None:
        yield path, math.nan


def is_name(value: Any) -> bool:
    """Whether a field's value says what a figure is of."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def walk_table(table: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Go through a table: each figure by its row's names and its column."""
    names = [column for column in table.columns if column in NAMES]
    texts = [table[name].astype(str).astype(object) for name in names] or [table.index.astype(str)]
    rows = ["/".join(map(str, row)) for row in zip(*texts, strict=True)]
    yield from ((f"[{row}]", 1.0) for row in rows)
    for column in table.columns:
        if column in names or column in OF_ONE_RUN or not is_number(table[column]):
            continue
        values = pd.to_numeric(table[column]).to_numpy(np.float64, na_value=np.nan)
        for row, value in zip(rows, values.tolist(), strict=True):
            yield f"[{row}].{column}", value


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds figures."""
    return bool(pd.api.types.is_numeric_dtype(column))


def compare_rasters(before: Path, after: Path) -> tuple[int, float]:
    """Count the cells of a raster and find the largest difference, as `compare` does."""
    planes = []
    for path in (before, after):
        with rasterio.open(path) as raster:
            planes.append(raster.read(masked=True).astype(np.float64).filled(np.nan))
    one, other = planes
    if one.shape != other.shape or (np.isnan(one) != np.isnan(other)).any():
        return one.size, math.inf
    size = float(np.nanmax(np.abs(one), initial=0.0)) or 1.0
    return one.size, float(np.nanmax(np.abs(one - other), initial=0.0)) / size


def list_files(run: Path) -> list[str]:
    """List the files of a run that hold figures, by their names in it."""
    paths = (path for kind in ("json", "csv", "parquet", "tif") for path in run.rglob(f"*.{kind}"))
    names = (path.relative_to(run).as_posix() for path in paths if ".zarr" not in str(path))
    return sorted(name for name in names if not name.startswith(LEFT_OUT))


def compare(before: Figures, after: Figures) -> tuple[float, str]:
    """Find the largest difference of what both have, as a share of its column's largest size."""
    both = before.keys() & after.keys()
    sizes: dict[str, float] = {}
    for name in both:
        column = name.rpartition(".")[2]
        if math.isfinite(before[name]):
            sizes[column] = max(sizes.get(column, 0.0), abs(before[name]))
    largest, where = 0.0, ""
    for name in both:
        one, other = before[name], after[name]
        if one == other or (math.isnan(one) and math.isnan(other)):
            continue
        size = sizes.get(name.rpartition(".")[2], 0.0) or 1.0
        apart = abs(one - other) / size if math.isfinite(one - other) else math.inf
        if apart > largest:
            largest, where = apart, name
    return largest, where


def tell_file(
    old: Path, new: Path, tolerance: float, rename: Callable[[str], str]
) -> tuple[int, bool]:
    """Compare one file, and print what was found: how many figures, and whether all are equal."""
    gone, come, where = list[str](), list[str](), ""
    if new.suffix == ".tif":
        n_compared, largest = compare_rasters(old, new)
    else:
        before = {rename(key): value for key, value in read_figures(old).items()}
        after = read_figures(new)
        largest, where = compare(before, after)
        gone, come = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
        n_compared = len(before) - len(gone)
    said = f"{new}: {n_compared} figures, largest difference {largest:.1e}"
    said += f" at {where}" if largest > tolerance else ""
    said += f"; {len(gone)} gone, such as {gone[0]}" if gone else ""
    said += f"; {len(come)} new, such as {come[0]}" if come else ""
    print(said)
    return n_compared, largest <= tolerance and not gone


def main() -> None:
    """Compare two runs, file by file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-9)
    parser.add_argument(
        "--renamed", nargs=2, action="append", default=[], metavar=("OLD", "NEW"),
        help="a word in names of files or figures that is another now",
    )  # fmt: skip
    asked = parser.parse_args()

    def rename(name: str) -> str:
        for old, new in asked.renamed:
            name = name.replace(old, new)
        return name

    files = {rename(name): name for name in list_files(asked.before)}
    new = set(list_files(asked.after))
    n_figures, is_good = 0, files.keys() <= new
    for name in sorted(files.keys() | new):
        if name in files and name in new:
            old = asked.before / files[name]
            n_compared, is_equal = tell_file(old, asked.after / name, asked.tolerance, rename)
            n_figures += n_compared
            is_good &= is_equal
        else:
            print(f"{name}: only {'before' if name in files else 'after'}")
    print(f"{n_figures} figures compared: {'equal' if is_good else 'NOT equal'}")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
