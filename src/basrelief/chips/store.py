"""The store of chips: an index, layers read in small pieces, areas and membership."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from basrelief.chips.colours import render_colours
from basrelief.chips.layers import COMPRESSORS, Layer, open_array, open_layer, read_array
from basrelief.chips.terrain import render_relief, render_shaded
from basrelief.config import DataKind, InputError
from basrelief.eyes import COLOURS
from basrelief.grid import Grid
from basrelief.run import Run, read_json
from basrelief.sources.warp import resample

Bands = Literal["shaded", "relief", "relief+photo"]

"""Bands of a photo that chips show."""

HEIGHTS, PICTURES = "heights", "pictures"
"""Stores below ``layers/`` that chips are read from: a layer of a place, or pictures without one,
(picture, band, row, col)."""

PHOTO, EMBEDDING = "photo", "embedding"
"""Layers beside that of heights: a photo of the place, and embeddings of others' pictures of it."""


def name_covered(layer: str) -> str:
    """Name the column of areas that says what share of their ground a layer beside heights shows.

    Examples
    --------
    >>> name_covered(PHOTO), name_seen(PHOTO)
    ('photo_covered', 'has_photo')
    """
    return f"{layer}_covered"


def name_seen(eye: str) -> str:
    """Name the column of areas that says whether such a layer, or street pictures, show enough."""
    return f"has_{eye}"


STREET = "street"
"""What is kept of pictures from the street, beside the layers: a table, and no layer."""

SHARD_PICTURES = 64
"""Pictures a file of the store: the unit of writing, and the bound on memory."""


@dataclass(frozen=True)
class Samples:
    """What the chips stage wrote, as the later stages read it.

    ``chips`` has one row a chip, in the order of the pictures: ``chip_id`` (str), ``valid``
    (share of ground with data), ``is_used`` (whether networks may use it), ``picture``
    (file name, pictures only), ``easting`` and ``northing`` of the centre in metres (rasters
    only), and one column a target (NaN where the chip has no label). ``areas`` has
    ``area_id``, ``area_name``, ``msoa``, ``lad`` (each may be missing), ``ground_covered``
    (0 to 1; NaN for pictures), ``is_used``, one column a target, and polygons where places
    are known. ``membership`` has ``chip_id``, ``area_id`` and ``weight``, the share of the
    chip's ground inside the area.
    """

    chips: pd.DataFrame
    areas: pd.DataFrame
    membership: pd.DataFrame
    targets: tuple[str, ...]
    kind: DataKind

    size_px: int
    resolution_m: float
    folder: Path
    """Of a chips stage; ``layers/`` in it holds what chips are windows of."""

    @property
    def has_places(self) -> bool:
        """Whether chips and areas have coordinates."""
        return self.kind != "pictures"

    @property
    def store(self) -> Path:
        """What chips are read from."""
        return self.folder / "layers" / f"{self.kind}.zarr"

    def list_stores(self, bands: Bands) -> list[Path]:
        """List what chips of such bands are read from: a second one where a photo is seen too."""
        photo = self.store.with_name(f"{PHOTO}.zarr")
        return [self.store, photo] if bands == "relief+photo" else [self.store]

    # Opened once: opening costs half of what reading a chip does, and some batches are one chip.
    # Only what a layer says of itself is kept; cells are read from disk each time.
    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Rasters of the place by name, each on its own grid; none of pictures."""
        if not self.has_places:
            return {}
        return {path.stem: open_layer(path) for path in sorted(self.store.parent.glob("*.zarr"))}

    @cached_property
    def _pictures(self) -> zarr.Array[Any]:
        """What pictures are read from: (picture, band, row, col)."""
        return open_array(self.store)

    def extent(self, layer: str = HEIGHTS) -> Grid:
        """Give the ground of all chips in the cells of heights; of other layers all that they are.

        Those are laid over the areas: where chips begin would move the cells of feature maps.
        """
        if layer != HEIGHTS:
            return self.layers[layer].grid
        half = self.size_px * self.resolution_m / 2
        east, north = self.chips["easting"], self.chips["northing"]
        bounds = (east.min() - half, north.min() - half, east.max() + half, north.max() + half)
        grid = self.layers[layer].grid
        return grid.crop(grid.cover(bounds))

    def read_heights(self, rows: NDArray[np.int_]) -> NDArray[np.float32]:
        """Read chips' heights in metres, (chip, [surface, ground], row, col); NaN is nodata.

        Parameters
        ----------
        rows : (chip,)
            Positions in ``chips``.
        """
        layer = self.layers[HEIGHTS]
        return np.stack([layer.read(layer.grid.find(chip)) for chip in self.squares(rows)])

    def squares(self, rows: NDArray[np.int_]) -> list[Grid]:
        """Give the ground of chips by their positions, (chip,): each a grid of its pixels."""
        half, shape = self.size_px * self.resolution_m / 2, (self.size_px, self.size_px)
        chips = self.chips.iloc[rows]
        corners = zip(chips["easting"] - half, chips["northing"] + half, strict=True)
        return [Grid(west, north, self.resolution_m, shape) for west, north in corners]

    def read_bands(self, rows: NDArray[np.int_], bands: Bands) -> NDArray[Any]:
        """Read chips rendered as bands.

        Parameters
        ----------
        rows : (chip,)
            Positions in ``chips``.
        bands
            ``"shaded"``: uint8 red, green, blue. ``"relief"``: float32 height above ground
            (m), slope (degrees), altitude of the ground (m); nodata is 0. ``"relief+photo"``:
            these, and behind them red, green and blue of the photo, 0 to 255.

        Returns
        -------
        (chip, band, row, col)

        Raises
        ------
        InputError
            If the store holds pictures and relief is asked for, or the photo has no such colours.
        """
        if self.kind == "pictures":
            if bands != "shaded":
                raise InputError("pictures have no heights: only shaded bands can be read.")
            return np.stack([read_array(self._pictures, int(row)) for row in rows])
        render = render_shaded if bands == "shaded" else render_relief
        heights = self.read_heights(rows)
        shown = np.stack(
            [render(surface, ground, self.resolution_m) for surface, ground in heights]
        )
        if bands == "relief+photo":
            return np.concatenate([shown, self._read_colours(rows)], axis=1)
        return shown

    def _read_colours(self, rows: NDArray[np.int_]) -> NDArray[np.float32]:
        """Read what a photo shows of chips, (chip, [red, green, blue], row, col), 0 to 255.

        In the chips' own pixels, so that both halves of a chip lie on one another: finer cells are
        averaged, and coarser ones interpolated.
        """
        layer = self.layers[PHOTO]
        found = []
        for chip in self.squares(rows):
            # One cell more on each side: what the edge is interpolated from.
            window = layer.grid.cover(chip.bounds)
            grid = layer.grid.crop(window).pad(1)
            values = layer.read(layer.grid.find(grid))
            planes = [resample(plane, grid.transform, chip, cell_m=grid.cell_m) for plane in values]
            found.append(render_colours(np.stack(planes), layer.bands, COLOURS))
        return np.stack(found)


def find_seen_areas(samples: Samples, eye: str) -> pd.DataFrame:
    """Find the areas that are used and that an eye shows enough of to describe them.

    Parameters
    ----------
    eye
        Heights, a layer beside them, or street pictures.
    """
    is_seen = samples.areas["is_used"].to_numpy(bool)
    if eye != HEIGHTS:
        # A sliver that a photo shows, or one picture, must not stand for an area.
        is_seen = is_seen & samples.areas[name_seen(eye)].to_numpy(bool)
    return samples.areas[is_seen]


def load_samples(run: Run | Path | str) -> Samples:
    """Read what the chips stage wrote in a run, or in the folder of one (pixels stay on disk)."""
    run = run if isinstance(run, Run) else Run(Path(run))
    facts = read_json(run.chips / "chips.json")
    has_places = facts["kind"] != "pictures"
    read = gpd.read_parquet if has_places else pd.read_parquet
    return Samples(
        chips=read(run.chips / "chips.parquet"),
        areas=read(run.chips / "areas.parquet"),
        membership=pd.read_parquet(run.chips / "membership.parquet"),
        targets=tuple(facts["targets"]),
        kind=facts["kind"],
        size_px=facts["size_px"],
        resolution_m=facts["resolution_m"],
        folder=run.owner.chips,
    )


@dataclass
class PictureWriter:
    """Collects pictures and writes them a shard at a time, so that memory stays flat."""

    array: zarr.Array[Any]
    _pending: list[NDArray[Any]]
    n_written: int = 0

    def append(self, picture: NDArray[Any]) -> None:
        """Add one picture, (band, row, col)."""
        self._pending.append(picture)
        if len(self._pending) == SHARD_PICTURES:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        shard = np.stack(self._pending)
        end = self.n_written + len(shard)
        # Grown a shard at a time: how many pictures can be read is known only at the end.
        self.array.resize((end, *self.array.shape[1:]))
        self.array[self.n_written : end] = shard
        self.n_written = end
        self._pending.clear()


@contextmanager
def open_writer(folder: Path, size_px: int) -> Iterator[PictureWriter]:
    """Create the store of pictures of a chips folder, and yield its writer."""
    array = zarr.create_array(
        store=folder / "layers" / f"{PICTURES}.zarr",
        shape=(0, 3, size_px, size_px),
        chunks=(1, 3, size_px, size_px),
        # A chunk is one picture, for batches take them in any order; a file holds many, for
        # a file each would be more than some file systems bear.
        shards=(SHARD_PICTURES, 3, size_px, size_px),
        dtype="uint8",
        compressors=COMPRESSORS,
        fill_value=0,
        dimension_names=("picture", "band", "row", "col"),
        attributes={"bands": list(COLOURS), "units": ["1", "1", "1"]},
    )
    writer = PictureWriter(array, [])
    yield writer
    writer.flush()
