"""Layers of a place: rasters of named bands, each on its own grid, of which parts may be absent.

A layer is a zarr array (band, row, col) that says in its attributes where it lies and what it
holds, so that any reader of zarr can use it. Ground without data is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from zarr.codecs import BloscCodec, Crc32cCodec

from basrelief.config import InputError
from basrelief.grid import Grid, Window

SHARD_SIDE = 8
"""Chunks along a side of what is one file: the unit of writing."""

# Bits side by side: neighbouring heights share their leading bits. The last one tells a flipped
# bit, which unpacks to other values without a word.
COMPRESSORS = (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec())
"""How the pieces of layers and of pictures are packed."""

CONVENTIONS = [
    {"uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "name": "spatial:"},
    {"uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f", "name": "proj:"},
]
"""Of the attributes that say where a zarr array lies (github.com/zarr-conventions)."""


class Band(NamedTuple):
    """One plane of a layer: its name, and the unit of its numbers."""

    name: str
    unit: str


HEIGHT_BANDS = (Band("surface", "m"), Band("ground", "m"))
"""Bands of the layer ``heights``: altitudes of what stands there and of the ground under it."""


@dataclass(frozen=True)
class Layer:
    """A raster of a place in its run folder."""

    name: str
    grid: Grid
    bands: tuple[Band, ...]
    path: Path

    def read(self, window: Window) -> NDArray[Any]:
        """Read a window, (band, row, col); what lies beyond the layer has no data.

        Parameters
        ----------
        window
            Rows and columns of the layer's grid; may reach beyond it.

        Returns
        -------
        (band, row, col)
            In the bands' units. No data is NaN in layers of fractions and 0 in those of whole
            numbers.
        """
        inside, within = self.grid.clip(window)
        # The usual case, without a copy.
        if inside == window:
            return read_array(self._array, (slice(None), *inside))
        shape = tuple(span.stop - span.start for span in window)
        values = np.full((len(self.bands), *shape), self._array.fill_value, self._array.dtype)
        if all(span.stop > span.start for span in inside):
            values[:, within[0], within[1]] = read_array(self._array, (slice(None), *inside))
        return values

    @property
    def chunk_px(self) -> int:
        """Side of what is read at once, in cells: of heights, a chip."""
        return int(self._array.chunks[-1])

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Write a window inside the layer, (band, row, col): whole shards, or up to its edge."""
        array = zarr.open_array(self.path, mode="r+")
        array[:, window[0], window[1]] = values

    @cached_property
    def _array(self) -> zarr.Array[Any]:
        return open_array(self.path)


def open_array(path: Path) -> zarr.Array[Any]:
    """Open a zarr array of the chips stage for reading.

    Raises
    ------
    InputError
        If what it says of itself is not what was written.
    """
    try:
        return zarr.open_array(path, mode="r")
    # Every part of zarr refuses a broken zarr.json in its own way.
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path) from error


def _damaged(path: object) -> InputError:
    return InputError(
        f"{path}: damaged since stage chips wrote it. Run: basrelief run CONFIG --from chips"
    )


def read_array(array: zarr.Array[Any], selection: Any) -> NDArray[Any]:
    """Read a part of a zarr array of the chips stage, of any shape: that of the selection.

    Parameters
    ----------
    array : (band, row, col), or (picture, band, row, col)

    Raises
    ------
    InputError
        If what is stored is not what was written.
    """
    try:
        return np.asarray(array[selection])
    except ValueError as error:
        # zarr has no error of its own for it.
        if "checksum" not in str(error):
            raise
        raise _damaged(array.store_path) from error


def create_layer(
    path: Path, grid: Grid, bands: tuple[Band, ...], crs: CRS, chunk_px: int, dtype: str = "float32"
) -> Layer:
    """Create a layer without any data.

    Parameters
    ----------
    path
        ``<folder>/<name>.zarr``.
    chunk_px
        Side of what is read at once, in cells: a chip, where chips are cut from the layer.
    """
    fill = np.nan if np.issubdtype(np.dtype(dtype), np.floating) else 0
    zarr.create_array(
        store=path,
        shape=(len(bands), *grid.shape),
        chunks=(len(bands), chunk_px, chunk_px),
        # A chunk is what is read at once; a file holds many, or a country would be millions.
        shards=(len(bands), SHARD_SIDE * chunk_px, SHARD_SIDE * chunk_px),
        dtype=dtype,
        compressors=COMPRESSORS,
        fill_value=fill,
        dimension_names=("band", "row", "col"),
        attributes=_describe(grid, bands, crs, fill),
    )
    return Layer(path.stem, grid, bands, path)


def open_layer(path: Path) -> Layer:
    """Open a layer that `create_layer` made, by what its attributes say."""
    array = open_array(path)
    facts: dict[str, Any] = dict(array.attrs)
    try:
        cell_m, _, west, _, _, north = facts["spatial:transform"]
        bands = tuple(Band(*both) for both in zip(facts["bands"], facts["units"], strict=True))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    grid = Grid(west, north, cell_m, (array.shape[1], array.shape[2]))
    return Layer(path.stem, grid, bands, path)


def _describe(grid: Grid, bands: tuple[Band, ...], crs: CRS, fill: float) -> dict[str, Any]:
    """Say where a layer lies and what it holds, as other readers of zarr expect it."""
    return {
        "zarr_conventions": CONVENTIONS,
        "spatial:dimensions": ["row", "col"],
        "spatial:transform": list(grid.transform)[:6],
        "spatial:bbox": list(grid.bounds),
        "spatial:shape": list(grid.shape),
        "proj:wkt2": crs.to_wkt(),
        "bands": [band.name for band in bands],
        "units": [band.unit for band in bands],
        # Spelt as zarr does: JSON has no such number.
        "nodata": "NaN" if np.isnan(fill) else fill,
    }
