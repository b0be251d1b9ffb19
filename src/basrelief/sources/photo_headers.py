"""What headers of photos say: which bands are which, what numbers mean, where and when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from pyproj import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from basrelief.config import InputError
from basrelief.eyes import COLOURS, PhotoSettings
from basrelief.names import tidy_text
from basrelief.sources.coordinates import flatten_crs, is_local, parse_crs
from basrelief.sources.gdal import bounded_gdal
from basrelief.sources.raster_places import find_place_fault

BRIGHTNESS, REFLECTANCE = "brightness", "reflectance"
"""Units of a photo's numbers: 0 to 255 as 8 bits have them, or the share of light sent back."""

FEWEST_BANDS = 3
"""Of a photo: heights have one, and what has two is neither."""

KINDS = ("uint8", "uint16", "int16", "float32", "float64")
"""What a photo's numbers may be stored as."""

SENTINEL_BANDS = {"b02": "blue", "b03": "green", "b04": "red", "b08": "nir"}
"""What people call bands whose files have Sentinel-2's numbers. With the leading zero alone: B4 is
red of Sentinel-2 and near infrared of Landsat 5."""

INTERPRETED = dict(
    zip((ColorInterp.red, ColorInterp.green, ColorInterp.blue), COLOURS, strict=True)
)

OFFSET_SINCE, OFFSET = 4.0, -1000.0
"""From which processing baseline on Sentinel-2's numbers have an offset, and which (ESA, 2022)."""

QUANTIFICATION = 10_000.0
"""Stored numbers of Sentinel-2 in a reflectance of 1, where its metadata do not say it."""

DATE = re.compile(r"(?<!\d)(20[0-4]\d)[-:]?(0[1-9]|1[0-2])[-:]?(0[1-9]|[12]\d|3[01])(?!\d{2}(?!T))")
DATE_TAGS = ("ACQUISITIONDATETIME", "ACQUISITION_DATE", "SENSING_TIME", "PRODUCT_START_TIME")
"""Words of metadata for when a photo was taken. TIFF's own date is that of the file."""


def find_photo_fault(dataset: Any) -> str | None:
    """Say why an open raster is no photo, or nothing."""
    # GDAL opens the first of several pages as if it were all.
    if dataset.subdatasets:
        return f"has {len(dataset.subdatasets)} pages. Take out the one that is meant."
    if ColorInterp.palette in dataset.colorinterp:
        return "holds numbers of a palette, not colours: gdal_translate -expand rgb IN.tif OUT.tif"
    kinds = {str(kind) for kind in dataset.dtypes}
    # Read as they are, embeddings would pass for dark pictures: their numbers are not even linear.
    if kinds == {"int8"}:
        return (
            "holds whole numbers from -128 to 127, as precomputed embeddings do; a photo has none "
            "below 0. Take it out of the pattern; embeddings are given as [data.embedding]."
        )
    strange = sorted(kinds - set(KINDS))
    if strange:
        return f"holds numbers of kind {strange[0]}; a photo has {', '.join(KINDS)}."
    n_bands = dataset.count - (ColorInterp.alpha in dataset.colorinterp)
    if n_bands < FEWEST_BANDS:
        return (
            f"has {n_bands} band{'s' * (n_bands > 1)}; a photo has three or more. Stack bands that "
            "come one a file: gdalbuildvrt -separate, then gdal_translate to a GeoTIFF."
        )
    return find_place_fault(dataset)


def find_crs(dataset: Any, given: str | None, name: str) -> CRS:
    """Find the CRS of a photo: its own, or that which the user gave for rasters without one."""
    own = flatten_crs(CRS.from_wkt(dataset.crs.to_wkt())) if dataset.crs else None
    if own is not None and not is_local(own):
        return own
    # What was typed is for all rasters that carry none, photos among them.
    found = parse_crs(given) if given is not None else None
    if found is None:
        raise InputError(
            f"{name}: carries no CRS, so that nobody knows where it lies. Give a georeferenced "
            "file: gdal_translate -a_srs EPSG:27700 IN.tif OUT.tif (or data.crs, for all rasters)."
        )
    return found


def name_bands(dataset: Any) -> list[str]:
    """Name the bands of an open raster in lower case; empty where a band has no name."""
    told = [tidy_text(each or "").lower() for each in dataset.descriptions]
    # Names that somebody wrote outweigh colours, which programs set by the order of bands.
    if any(told):
        return told
    return [INTERPRETED.get(each, "") for each in dataset.colorinterp]


def read_bands(path: Path) -> tuple[tuple[str, ...], str] | None:
    """Read the bands of a GeoTIFF of three or more, and of which kind their numbers are.

    Returns
    -------
    names, kind
        Names of Sentinel-2's bands as colours, "" for a band without one; None of any other file.
    """
    try:
        with bounded_gdal(), rasterio.open(path, driver="GTiff") as dataset:
            if dataset.count < FEWEST_BANDS:
                return None
            names = tuple(SENTINEL_BANDS.get(each, each) for each in name_bands(dataset))
            return names, str(dataset.dtypes[0])
    except RasterioError:
        return None


def find_bands(dataset: Any, asked: PhotoSettings, name: str) -> tuple[int, ...]:
    """Find the bands asked for by their names, or by their number where they have none."""
    told = name_bands(dataset)
    alias = [SENTINEL_BANDS.get(each, each) for each in told]
    is_left = [
        k
        for k, colour in enumerate(dataset.colorinterp)
        if colour != ColorInterp.alpha and not (asked.mask and told[k] == asked.mask.lower())
    ]
    # The file's own names first: one may well call another band "red".
    return pick_bands(asked.bands, [told, alias], is_left, f"{name}: data.photo.bands")


def pick_bands(
    asked: Sequence[str], told: Sequence[Sequence[str]], is_left: Sequence[int], where: str
) -> tuple[int, ...]:
    """Pick bands by their names, or by their order where they have none: positions from 1.

    Parameters
    ----------
    told
        Ways in which the bands are called, in lower case; empty where one has no name.
    is_left
        Positions from 0 of the bands that may be taken in their order.
    where
        File and key, for the refusal.

    Raises
    ------
    InputError
        If names do not fit, and there are not as many bands as names.
    """
    wanted = [each.lower() for each in asked]
    for names in told:
        if all(each in names for each in wanted):
            twice = next((each for each in wanted if names.count(each) > 1), None)
            if twice is not None:
                raise InputError(
                    f"{where}: {names.count(twice)} of its bands are called {twice!r}. Give each "
                    "band that is asked for a name of its own (its description, in GDAL's words)."
                )
            return tuple(names.index(each) + 1 for each in wanted)
    shown = [each for each in told[0] if each]
    is_some = any(each in names for names in told for each in wanted)
    # Some names that fit and others that do not are a misspelling, and no order to be trusted.
    if is_some or len(is_left) != len(wanted):
        found = f"its bands are {', '.join(shown)}" if shown else f"it has {len(is_left)} bands"
        raise InputError(
            f"{where} = {list(asked)}, and {found}. Give a name for each, "
            "in their order, or pick some by the names that the file has."
        )
    return tuple(k + 1 for k in is_left)


def find_mask(dataset: Any, asked: PhotoSettings, name: str) -> int | None:
    """Find the band of classes that clouds are told by; None where nobody asked."""
    if asked.mask is None:
        return None
    told = name_bands(dataset)
    if asked.mask.lower() not in told:
        raise InputError(
            f"{name}: data.photo.mask = {asked.mask!r}, and none of its bands is called so. Stack "
            "the scene classification with the colours, or take mask out: clouds then pass for "
            "ground."
        )
    return told.index(asked.mask.lower()) + 1


def find_scale(
    dataset: Any, indexes: Sequence[int], asked: PhotoSettings, name: str
) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    """Find the unit of the numbers, and by band their factor and offset."""
    kinds = {str(dataset.dtypes[index - 1]) for index in indexes}
    factors = tuple(float(dataset.scales[index - 1]) for index in indexes)
    offsets = tuple(float(dataset.offsets[index - 1]) for index in indexes)
    if not all(np.isfinite((*factors, *offsets))) or not all(factors):
        raise InputError(
            f"{name}: says that its numbers are to be multiplied by {factors[0]:g} and "
            f"{offsets[0]:g} added, which makes no picture. Take both away: "
            "gdal_translate -a_scale 1 -a_offset 0 IN.tif OUT.tif"
        )
    is_said = any(each != 1.0 for each in factors) or any(offsets)
    n_bands = len(indexes)
    if not is_said:
        found = _read_quantification(dataset)
        if found is not None:
            is_said, factors, offsets = True, (found[0],) * n_bands, (found[1],) * n_bands
    if asked.scale is not None:
        typed = (asked.scale, asked.offset)
        if is_said and not np.allclose([factors[0], offsets[0]], typed, rtol=1e-6):
            raise InputError(
                f"{name}: says itself that its numbers are to be multiplied by {factors[0]:g} and "
                f"{offsets[0]:g} added; data.photo.scale and offset say {typed[0]:g} and "
                f"{typed[1]:g}. Take them out, or correct the file."
            )
        return REFLECTANCE, (typed[0],) * n_bands, (typed[1],) * n_bands
    # Pictures of 8 bits were stretched by whoever made them: there is no scale to be known.
    if kinds == {"uint8"} and not is_said:
        return BRIGHTNESS, factors, offsets
    if not is_said and not all(kind.startswith("float") for kind in kinds):
        raise InputError(
            f"{name}: holds numbers of 16 bits and does not say what they are in. Add to "
            "[data.photo] scale = 0.0001 and offset = -0.1 (Sentinel-2 from 2022 on; before, and "
            "where it was harmonised, without offset), or give 8 bits."
        )
    return REFLECTANCE, factors, offsets


def _read_quantification(dataset: Any) -> tuple[float, float] | None:
    """Read factor and offset from what Sentinel-2's own metadata say; None where they do not."""
    tags = {str(key).upper(): str(value) for key, value in dataset.tags().items()}
    try:
        known = [float(tags[key]) for key in tags if key.endswith("QUANTIFICATION_VALUE")]
        added = [float(tags[key]) for key in tags if key.endswith("ADD_OFFSET")]
        baseline = tags.get("PROCESSING_BASELINE")
        if baseline is None and not known:
            return None
        since = OFFSET if baseline is not None and float(baseline) >= OFFSET_SINCE else 0.0
    except ValueError:
        return None
    # Metadata that were copied in part still say what the offset is a part of.
    per_unit = known[0] if known and known[0] > 0 else QUANTIFICATION
    return 1.0 / per_unit, (added[0] if added else since) / per_unit


def is_mute(dataset: Any, indexes: Sequence[int]) -> bool:
    """Tell whether nothing in a file of whole numbers says where it has no data."""
    flags = [{str(flag.name) for flag in dataset.mask_flag_enums[index - 1]} for index in indexes]
    # Of fractions 0 is a value like another, and what is unknown is not a number.
    is_whole = all("float" not in str(dataset.dtypes[index - 1]) for index in indexes)
    return is_whole and all(each == {"all_valid"} for each in flags)


def find_date(dataset: Any, name: str) -> str | None:
    """Find when a photo was taken, by its metadata or else its name; None where neither says."""
    tags = {**dataset.tags(), **dataset.tags(ns="IMAGERY")}
    upper = {str(key).upper(): str(value) for key, value in tags.items()}
    told = [upper[key] for key in DATE_TAGS if key in upper]
    for text in (*told, name.replace("\\", "/").rsplit("/", 1)[-1]):
        match = DATE.search(text)
        if match:
            return "-".join(match.groups())
    return None
