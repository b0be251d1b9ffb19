"""Files of what is laid beside heights, photos or embeddings: headers, and numbers in windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import Affine
from rasterio.transform import array_bounds
from rasterio.warp import calculate_default_transform, transform_bounds
from rasterio.windows import Window as RasterWindow
from rasterio.windows import transform as window_transform

from basrelief.config import InputError
from basrelief.eyes import OVERLAYS, EmbeddingSettings, OverlaySettings
from basrelief.grid import Bounds, Grid
from basrelief.sources.coordinates import is_same_crs
from basrelief.sources.embeddings import (
    NO_UNIT,
    decode_alphaearth,
    find_dimensions,
    find_embedding_fault,
    name_dimensions,
)
from basrelief.sources.gdal import BROKEN_RASTER, bounded_gdal, say_gdal_reason
from basrelief.sources.photo_headers import (
    find_bands,
    find_crs,
    find_date,
    find_mask,
    find_photo_fault,
    find_scale,
    is_mute,
)
from basrelief.sources.raster_places import find_move
from basrelief.sources.tiles import GRID_TOLERANCE, RasterFile, find_stranger
from basrelief.sources.warp import resample

CLOUDED = (0, 1, 3, 8, 9, 10)
"""Classes of Sentinel-2's scene classification that show no ground: no data, saturated, shadows of
clouds, and clouds, likely, surely, or thin."""

N_CLASSES = 12
"""Classes of the scene classification, counted from 0."""

SPARE_CELLS = 3
"""Cells around a window that are read besides: what its edge is resampled from."""


@dataclass(frozen=True, eq=False)
class OverlayFile:
    """A file of a photo or of embeddings as delivered: its header, not its numbers."""

    raster: RasterFile
    driver: str
    crs: CRS
    place_crs: CRS
    """That of the heights, in which it is wanted."""

    transform: Affine
    shape: tuple[int, int]
    indexes: tuple[int, ...]
    """Positions from 1 of the bands that were asked for, in that order."""

    bands: tuple[str, ...]
    """What these are called."""

    mask: int | None
    """Position of the band that says where clouds are."""

    factors: tuple[float, ...]
    offsets: tuple[float, ...]
    """By band: what stored numbers are multiplied with, and what is added then."""

    coding: Literal["alphaearth"] | None
    """How stored numbers are decoded, where they are no multiples of what they mean."""

    unit: str
    is_zero_void: bool
    """Whether nothing says where there is no data, so that 0 in all bands stands for it."""

    date: str | None
    """When it was taken, ``2021-06-12``, where that is known; None of embeddings."""

    @property
    def name(self) -> str:
        """The file as the user typed it."""
        return self.raster.name

    @cached_property
    def own_bounds(self) -> Bounds:
        """West, south, east and north in its own CRS."""
        west, south, east, north = array_bounds(*self.shape, self.transform)
        return min(west, east), min(south, north), max(west, east), max(south, north)

    @cached_property
    def is_in_place(self) -> bool:
        """Whether its own CRS is the one that it is wanted in."""
        # Kept: it takes PROJ a while, and every piece asks.
        return is_same_crs(self.crs, self.place_crs, self.own_bounds)

    @cached_property
    def bounds(self) -> Bounds:
        """West, south, east and north, in metres of the place's CRS."""
        if self.is_in_place:
            return self.own_bounds
        found: Bounds = transform_bounds(self.crs, self.place_crs, *self.own_bounds)
        return found

    @cached_property
    def cell_m(self) -> float:
        """Side of its cells on the ground, in metres."""
        cell = self.transform
        if self.crs.is_projected:
            own = abs(cell.a * cell.e - cell.b * cell.d) ** 0.5
            return round(float(own * self.crs.axis_info[0].unit_conversion_factor), 9)
        n_rows, n_cols = self.shape
        there, _, _ = calculate_default_transform(
            self.crs, self.place_crs, n_cols, n_rows, *self.own_bounds
        )
        # Of degrees no whole number of metres comes: two digits are as good, and can be typed.
        return float(f"{abs(there.a):.2g}")

    def fits(self, grid: Grid) -> bool:
        """Tell whether its cells are cells of a grid, so that nothing has to be resampled."""
        cell = self.transform
        if not self.is_in_place or cell.b or cell.d:
            return False
        # Over all cells: what is too little to see in one adds up to a shift of the last.
        slack = GRID_TOLERANCE * grid.cell_m / max(self.shape)
        if abs(cell.a - grid.cell_m) > slack or abs(cell.a + cell.e) > slack:
            return False
        return grid.measure_shift(cell.c, cell.f) <= GRID_TOLERANCE


def read_overlay_header(
    raster: RasterFile, asked: OverlaySettings, place_crs: CRS, given: str | None = None
) -> OverlayFile:
    """Read the header of a file, and say which of its bands are the ones asked for.

    Parameters
    ----------
    place_crs
        That of the heights.
    given
        CRS of rasters that carry none, as typed in ``data.crs``.

    Raises
    ------
    InputError
        If it is not what was asked for, has not the bands, lies nowhere, or its numbers have no
        known scale.
    """
    name, driver = raster.name, raster.choose_driver(raster.read_head())
    words = next(kind.words for kind in OVERLAYS.values() if isinstance(asked, kind.settings))
    if driver != "GTiff":
        raise InputError(f"{name}: give {words} as a GeoTIFF: gdal_translate IN OUT.tif")
    try:
        with bounded_gdal(), rasterio.open(raster.path, driver=driver) as dataset:
            _refuse_fault(dataset, asked, raster)
            return OverlayFile(
                raster=raster,
                driver=driver,
                crs=find_crs(dataset, given, name),
                place_crs=place_crs,
                transform=dataset.transform,
                shape=dataset.shape,
                **_read_numbers(dataset, asked, name),
            )
    except BROKEN_RASTER as error:
        reason = say_gdal_reason(error, raster.path, name)
        raise InputError(f"{name}: cannot be read as {words} ({reason}).") from error


def _refuse_fault(dataset: Any, asked: OverlaySettings, raster: RasterFile) -> None:
    """Stop where an open raster is not what was asked for, or is not the file that was named."""
    if isinstance(asked, EmbeddingSettings):
        fault = find_embedding_fault(dataset, asked)
    else:
        fault = find_photo_fault(dataset)
    if fault is None and raster.member is None:
        fault = find_stranger(dataset, raster.file) or find_move(dataset, raster.file)
    if fault is not None:
        raise InputError(f"{raster.name}: {fault}")


def _read_numbers(dataset: Any, asked: OverlaySettings, name: str) -> dict[str, Any]:
    """Read what an open raster's header says of its numbers, as fields of `OverlayFile`."""
    if isinstance(asked, EmbeddingSettings):
        indexes = find_dimensions(dataset, asked, name)
        # A vector without any length is that of no place, whatever else says that it is void.
        return {
            "indexes": indexes,
            "bands": name_dimensions(dataset, indexes),
            "mask": None,
            "factors": (1.0,) * len(indexes),
            "offsets": (0.0,) * len(indexes),
            "coding": asked.coding,
            "unit": NO_UNIT,
            "is_zero_void": True,
            "date": None,
        }
    indexes = find_bands(dataset, asked, name)
    unit, factors, offsets = find_scale(dataset, indexes, asked, name)
    return {
        "indexes": indexes,
        "bands": tuple(each.lower() for each in asked.bands),
        "mask": find_mask(dataset, asked, name),
        "factors": factors,
        "offsets": offsets,
        "coding": None,
        "unit": unit,
        "is_zero_void": is_mute(dataset, indexes),
        "date": find_date(dataset, name),
    }


def read_overlay(file: OverlayFile, grid: Grid) -> NDArray[np.float32] | None:
    """Read what a file shows of a grid, in its unit; None where it shows nothing of it.

    Parameters
    ----------
    grid
        Of the layer: cells are read as they are stored where they are its own, averaged where
        they are finer, and else interpolated.

    Returns
    -------
    (band, row, col)
        NaN in all bands where a cell has no data, or is masked, in any.

    Raises
    ------
    InputError
        If it cannot be read to its end.
    """
    window = _find_window(file, grid)
    if window is None:
        return None
    rows, cols = window
    # Read before it is warped: GDAL's own warping knows no masks of clouds.
    values = _read_window(file, RasterWindow.from_slices(rows, cols))
    place = window_transform(RasterWindow.from_slices(rows, cols), file.transform)
    if file.fits(grid):
        own = Grid(place.c, place.f, grid.cell_m, (values.shape[1], values.shape[2]))
        found = np.full((len(values), *grid.shape), np.nan, np.float32)
        inside, within = grid.clip(grid.find(own))
        found[:, *inside] = values[:, *within]
        return found
    # What is called otherwise and is the same is not warped: half a metre may lie between.
    source = file.place_crs if file.is_in_place else file.crs
    crs = (source.to_wkt(), file.place_crs.to_wkt())
    return np.stack([resample(each, place, grid, cell_m=file.cell_m, crs=crs) for each in values])


def _find_window(file: OverlayFile, grid: Grid) -> tuple[slice, slice] | None:
    """Find the rows and columns of a file that a grid needs; None where there are none."""
    bounds = grid.bounds
    if not file.is_in_place:
        bounds = transform_bounds(file.place_crs, file.crs, *bounds)
    west, south, east, north = bounds
    x, y = np.array([west, west, east, east]), np.array([south, north, south, north])
    # All four corners: cells of a file may be turned, or run from the south.
    back = ~file.transform
    col, row = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    found = []
    for at, size in ((row, file.shape[0]), (col, file.shape[1])):
        # Of a photo of a whole county a piece needs a corner.
        first = max(0, int(np.floor(at.min())) - SPARE_CELLS)
        last = min(size, int(np.ceil(at.max())) + SPARE_CELLS)
        if first >= last:
            return None
        found.append(slice(first, last))
    return found[0], found[1]


def _read_window(file: OverlayFile, window: RasterWindow) -> NDArray[np.float32]:
    """Read a window as it is stored, (band, row, col), in the photo's unit; NaN where no data."""
    try:
        with bounded_gdal(), rasterio.open(file.raster.path, driver=file.driver) as dataset:
            stored = dataset.read(file.indexes, window=window, out_dtype="float32")
            has_data = np.isfinite(stored).all(axis=0)
            # Nodata, an alpha band, or a mask, whichever the file has: GDAL knows.
            for index in file.indexes:
                has_data &= dataset.read_masks(index, window=window) > 0
            if file.mask is not None:
                classes = dataset.read(file.mask, window=window)
                _refuse_odd_classes(classes[has_data], file.name)
                has_data &= ~np.isin(classes, CLOUDED)
    except BROKEN_RASTER as error:
        reason = say_gdal_reason(error, file.raster.path, file.name)
        raise InputError(
            f"{file.name}: cannot be read to its end, it may be truncated ({reason}). "
            "Fetch it again, or take it out."
        ) from error
    if file.is_zero_void:
        has_data &= (stored != 0).any(axis=0)
    # After the marks, which are on numbers as they are stored.
    if file.coding is None:
        factors, offsets = (np.array(each)[:, None, None] for each in (file.factors, file.offsets))
        values: NDArray[np.float32] = (stored * factors + offsets).astype(np.float32)
    else:
        values = decode_alphaearth(stored)
        has_data &= np.isfinite(values).all(axis=0)
    values[:, ~has_data] = np.nan
    return values


def _refuse_odd_classes(classes: NDArray[Any], name: str) -> None:
    """Stop where a mask holds what is no class: clouds would pass for ground."""
    odd = np.setdiff1d(classes, np.arange(N_CLASSES))
    if odd.size:
        raise InputError(
            f"{name}: data.photo.mask is to be Sentinel-2's scene classification, with whole "
            f"numbers from 0 to {N_CLASSES - 1}, and has {odd[0]:g}. Give it as it is published, "
            "or take mask out."
        )
