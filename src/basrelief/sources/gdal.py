"""GDAL as rasters are read with it: bounded, offline, and its words said as ours are."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from pyproj.exceptions import CRSError
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from basrelief.sources.formats import OFFLINE

# GDAL's own errors come through where rasterio asks for a header's words only when they are wanted.
BROKEN_RASTER = (RasterioError, CPLE_BaseError, CRSError, MemoryError, ValueError)
"""What rasterio and PROJ raise of a broken raster, depending on what the damage hits first."""

# GDAL's own default is a twentieth of the machine's memory, whatever else runs there.
CACHE_BYTES = 256 * 2**20
"""Bound on what GDAL keeps of the tiles in memory."""


@contextmanager
def bounded_gdal() -> Iterator[None]:
    """Bound GDAL's memory, and read ASCII grids as floats even where they start with -9999."""
    with (
        # In bytes: rasterio does not read small numbers as megabytes, as GDAL itself does.
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, AAIGRID_DATATYPE="Float32", **OFFLINE),
        warnings.catch_warnings(),
        _passing_by_undecoded(),
    ):
        # A raster without a place is refused in a line of our own.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def say_gdal_reason(error: BaseException, path: str, name: str) -> str:
    """Say GDAL's own first reason, with the file as the user knows it."""
    # GDAL's sentence is the cause; rasterio's own only points at it.
    text = " ".join(str(error.__cause__ or error).split())
    return text.replace(f"'{path}' ", "").replace(path, name).rstrip(".")


@contextmanager
def _passing_by_undecoded() -> Iterator[None]:
    """Pass by what rasterio cannot decode of a message of GDAL's.

    GDAL quotes bytes of a broken header, which are no text. rasterio's listener to its messages can
    raise to nobody, and so Python prints the error on the terminal, by both its hooks. The message
    would go to a log that is not shown; where it is an error's, reading fails and is told.
    """
    hooks = sys.excepthook, sys.unraisablehook
    # Once, whatever threads read: of two, each would put back the other's.
    if hooks[0] is not _print_error:
        sys.excepthook, sys.unraisablehook = _print_error, _print_unraisable
    try:
        yield
    finally:
        if hooks[0] is not _print_error:
            sys.excepthook, sys.unraisablehook = hooks


def _print_error(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    # An error of ours that nobody catches comes here after the reading has ended.
    if not isinstance(error, UnicodeDecodeError):
        sys.__excepthook__(kind, error, trace)


def _print_unraisable(found: sys.UnraisableHookArgs) -> None:
    if not isinstance(found.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(found)
