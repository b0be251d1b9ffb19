"""Contribution maps as the map stage hands them over, and as small pictures over a page's map."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.shutil import copy as copy_raster
from rasterio.warp import calculate_default_transform, reproject

from basrelief.chips.describe import name_file
from basrelief.run import Record, Run, read_json
from basrelief.style import DIVERGING, LOWERS, RAISES, read_rgb
from basrelief.tell.maps import qgis

MAX_PX = 800
"""Longest side of the picture in the page."""

MAX_BYTES = 1_400_000
"""A picture larger than this is made with fewer pixels."""

N_SHADES = 15
"""Steps of either colour; more are not seen, and make the file larger."""

REACH = 0.98
"""Quantile of the sizes that the colours end at."""

WEB = "EPSG:3857"
"""What web maps draw in: a picture warped to it needs only its corners."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Overlay:
    """One contribution map, made small for a page."""

    picture: str
    """A ``data:`` address of a PNG, transparent where nothing contributes."""

    corners: list[list[float]]
    """Longitude and latitude of its corners: north-west, north-east, south-east, south-west."""

    reach: float
    """The contribution, in the target's unit, that the colours end at."""

    recipe: str
    unit: str
    label: str


def read_contributions(run: Run) -> list[Record]:
    """Read which contribution maps explaining left; none where it left no list.

    Returns
    -------
    Records with ``recipe, target, file`` (relative to the run folder)``, unit, label``.
    """
    path = run.explain / "contributions.json"
    records: list[Record] = read_json(path) if path.exists() else []
    return [record for record in records if (run.folder / record["file"]).exists()]


def write_rasters(records: list[Record], run: Run, folder: Path) -> None:
    """Write each contribution map as a cloud-optimised GeoTIFF, with a style for QGIS beside it."""
    for record in run.track(records, "contribution maps"):
        path = folder / name_raster(record)
        copy_raster(
            run.folder / record["file"],
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            overview_resampling="AVERAGE",
        )
        reach = find_reach(read_small(path, MAX_PX)[0])
        style = qgis.draw_ramp(reach, DIVERGING, record["unit"])
        path.with_suffix(".qml").write_text(style, encoding="utf-8")


def name_raster(record: Record) -> str:
    """Name a contribution map's file in ``maps/``."""
    return f"{name_file(record['target'])}-{name_file(record['recipe'])}.tif"


def make_overlay(record: Record, run: Run) -> Overlay | None:
    """Make a contribution map small enough for a page; None where nothing contributes."""
    path = run.folder / record["file"]
    longest = MAX_PX
    while True:
        values, corners = warp_to_web(path, longest)
        reach = find_reach(values)
        if not reach > 0:
            return None
        png = draw_contributions(values, reach)
        if len(png) <= MAX_BYTES:
            break
        longest = int(longest * 0.8)
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    about = {name: str(record[name]) for name in ("recipe", "unit", "label")}
    return Overlay(picture=picture, corners=corners, reach=reach, **about)


def read_small(path: Path, longest: int) -> tuple[Floats, rasterio.Affine, object]:
    """Read a raster with at most ``longest`` cells a side, averaged; NaN is nodata.

    Returns
    -------
    Values (row, col), the transform of these cells, and the CRS.
    """
    with rasterio.open(path) as raster:
        share = min(1.0, longest / max(raster.shape))
        shape = tuple(max(1, round(side * share)) for side in raster.shape)
        values = raster.read(1, out_shape=shape, resampling=Resampling.average, masked=True)
        scale = rasterio.Affine.scale(raster.width / shape[1], raster.height / shape[0])
        return values.astype(np.float32).filled(np.nan), raster.transform @ scale, raster.crs


def warp_to_web(path: Path, longest: int) -> tuple[Floats, list[list[float]]]:
    """Read a raster small and warp it to the web's projection.

    Returns
    -------
    Values (row, col) with NaN outside, and the corners as in `Overlay`.
    """
    values, transform, crs = read_small(path, longest)
    height, width = values.shape
    west, north = transform @ (0, 0)
    east, south = transform @ (width, height)
    to_web, n_cols, n_rows = calculate_default_transform(
        crs, WEB, width, height, west, south, east, north
    )
    warped = np.full((n_rows, n_cols), np.nan, np.float32)
    reproject(
        values,
        warped,
        src_transform=transform,
        src_crs=crs,
        dst_transform=to_web,
        dst_crs=WEB,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.nearest,
    )
    ends = [to_web @ corner for corner in ((0, 0), (n_cols, 0), (n_cols, n_rows), (0, n_rows))]
    to_degrees = Transformer.from_crs(WEB, "EPSG:4326", always_xy=True)
    corners = [[round(angle, 7) for angle in to_degrees.transform(*end)] for end in ends]
    return warped, corners


def find_reach(values: Floats) -> float:
    """Find the size that colours end at, so that one odd cell, (row, col), pales no other."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.quantile(sizes, REACH)) if len(sizes) else 0.0


def draw_contributions(values: Floats, reach: float) -> bytes:
    """Draw contributions, (row, col), as a PNG of few colours: orange raises, purple lowers.

    The weaker, the more transparent, so that what lies below shows.
    """
    share = np.nan_to_num(np.clip(values / reach, -1, 1))
    shade = (np.round(share * N_SHADES) + N_SHADES).astype(np.uint8)
    picture = Image.fromarray(shade, mode="P")
    lowers, raises = read_rgb(LOWERS), read_rgb(RAISES)
    picture.putpalette(bytes(lowers * N_SHADES + raises * (N_SHADES + 1)))
    strength = np.abs(np.arange(-N_SHADES, N_SHADES + 1)) / N_SHADES
    buffer = io.BytesIO()
    opacity = bytes(np.round(255 * strength).astype(np.uint8))
    picture.save(buffer, "PNG", transparency=opacity, optimize=True)
    return buffer.getvalue()
