"""Where rasters lie: by what is in them, and by files beside them that say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio

from basrelief.sources.inputs import WORLD
from basrelief.sources.plausible import FARTHEST_M, LARGEST_CELL_M, SMALLEST_CELL_M

MOVED_CELLS = 0.75
"""How many cells two words for one place may differ: to some programs a world file tells the corner
of a cell, to others its middle, which is half a cell aside."""


def find_place_fault(dataset: Any) -> str | None:
    """Say why nobody can tell where an open raster lies, or nothing."""
    cell = dataset.transform
    # What rasterio gives where a file says nothing of its place.
    if cell.is_identity:
        return "carries no place on the ground. Give a georeferenced raster."
    # Written so that not-a-number is no place either.
    is_degrees = dataset.crs is not None and dataset.crs.is_geographic
    # What is in degrees is told so, by its CRS.
    is_sized = is_degrees or SMALLEST_CELL_M <= abs(cell.determinant) ** 0.5 <= LARGEST_CELL_M
    # Each by itself: of two the larger is no longer told where one is not-a-number.
    is_near = all(abs(each) < FARTHEST_M for each in (cell.c, cell.f))
    if not (is_sized and abs(cell.determinant) > 0 and is_near):
        return (
            f"its corner lies at {cell.c:g}, {cell.f:g} with cells of {cell.a:g}, which is no "
            "place in metres. Fetch it again."
        )
    return None


def find_move(dataset: Any, file: Path) -> str | None:
    """Say that a file beside a GeoTIFF puts it elsewhere than it does itself, or nothing.

    GDAL believes an ``.aux.xml`` first and a world file last, other programs the other way about:
    nobody knows which is meant, and ground of another place would be learnt from.

    Parameters
    ----------
    dataset
        The raster as GDAL opens it by itself.
    file
        The file, none of an archive.
    """
    beside = [Path(name).name for name in dataset.files if name.lower().endswith(".aux.xml")]
    # Asked for by name: a folder may hold thousands of tiles.
    beside += [f"{file.stem}{end}" for end in WORLD if (file.parent / f"{file.stem}{end}").exists()]
    if not beside:
        return None
    own = _read_place(dataset, "INTERNAL")
    other = _read_place(dataset, "PAM,WORLDFILE")
    if own is None or other is None:
        return None
    n_rows, n_cols = dataset.shape
    # Two corners: cells of another size move the far one alone.
    for col, row in ((0, 0), (n_cols, n_rows)):
        (x, y), (other_x, other_y) = _locate(own, col, row), _locate(other, col, row)
        if max(abs(other_x - x), abs(other_y - y)) > MOVED_CELLS * abs(own.determinant) ** 0.5:
            return (
                f"a corner of it lies at {x:.10g}, {y:.10g} by itself, and at {other_x:.10g}, "
                f"{other_y:.10g} by {beside[0]} beside it. Keep the one that is right: take that "
                "file away, or georeference the raster anew."
            )
    return None


def _read_place(dataset: Any, sources: str) -> rasterio.Affine | None:
    """Read where a GeoTIFF lies by some of what says it; None where that says nothing."""
    with rasterio.open(dataset.name, driver="GTiff", GEOREF_SOURCES=sources) as alone:
        found: rasterio.Affine = alone.transform
    return None if found.is_identity else found


def _locate(place: rasterio.Affine, col: int, row: int) -> tuple[float, float]:
    return place.a * col + place.b * row + place.c, place.d * col + place.e * row + place.f
