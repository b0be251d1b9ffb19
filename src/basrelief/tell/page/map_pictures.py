"""Contribution maps as small pictures over the map of the report."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from pyproj import Transformer
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform, reproject

from basrelief.run import Record, Run
from basrelief.style import LOWERS, RAISES, read_rgb
from basrelief.tell.maps.contributions import MAX_PX, find_reach
from basrelief.tell.small import Singles, read_small
from basrelief.tell.words import name_layer

MAX_BYTES = 1_400_000
"""A picture larger than this is made with fewer pixels."""

N_SHADES = 15
"""Steps of either colour; more are not seen, and make the file larger."""


WEB, DEGREES = "EPSG:3857", "EPSG:4326"
"""What web maps draw in: a picture warped to it needs only its corners. Told in degrees."""


def make_map_picture(record: Record, run: Run) -> Record | None:
    """Make a contribution map small enough for a page; None where nothing contributes.

    Returns
    -------
    ``picture``, the ``data:`` address of a PNG that is transparent where nothing contributes;
    ``corners``, their longitude and latitude from the north-west clockwise; ``reach``, the
    contribution in the target's unit that the colours end at; ``recipe``; ``layer``, what it looks
    at, in words.
    """
    path = run.folder / record["file"]
    longest = MAX_PX
    while True:
        values, corners = warp_to_web(*read_small(path, longest))
        reach = find_reach(values)
        # Written so that NaN is caught too, where no cell is known.
        if not reach > 0:
            return None
        png = shade_contributions(values, reach)
        if len(png) <= MAX_BYTES:
            break
        # Noise hardly packs, so how many pixels fit is known only once they are packed.
        longest = int(longest * 0.8)
    picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    about = {"picture": picture, "corners": corners, "reach": reach}
    return about | {"recipe": record["recipe"], "layer": name_layer(record["layer"])}


def warp_to_web(
    values: Singles, transform: Affine, crs: object
) -> tuple[Singles, list[list[float]]]:
    """Warp a raster, (row, col) with NaN for nodata, to the web's projection.

    Returns
    -------
    Values (row, col) with NaN outside, and the corners as `make_map_picture` gives them.
    """
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
        # Cells were averaged as they were read, and keep their values here.
        resampling=Resampling.nearest,
    )
    ends = [to_web @ corner for corner in ((0, 0), (n_cols, 0), (n_cols, n_rows), (0, n_rows))]
    to_degrees = Transformer.from_crs(WEB, DEGREES, always_xy=True)
    # To the centimetre.
    corners = [[round(angle, 7) for angle in to_degrees.transform(*end)] for end in ends]
    return warped, corners


def shade_contributions(values: Singles, reach: float) -> bytes:
    """Draw contributions, (row, col), as a PNG of few colours: orange raises, purple lowers.

    The weaker, the more transparent, so that what lies below shows.
    """
    share = np.nan_to_num(np.clip(values / reach, -1, 1))
    shade = (np.round(share * N_SHADES) + N_SHADES).astype(np.uint8)
    picture = Image.fromarray(shade, mode="P")
    lowers, raises = read_rgb(LOWERS), read_rgb(RAISES)
    # The shade of 0 counts to one side: it is transparent, and its hue not seen.
    picture.putpalette(bytes(lowers * N_SHADES + raises * (N_SHADES + 1)))
    strength = np.abs(np.arange(-N_SHADES, N_SHADES + 1)) / N_SHADES
    buffer = io.BytesIO()
    opacity = bytes(np.round(255 * strength).astype(np.uint8))
    picture.save(buffer, "PNG", transparency=opacity, optimize=True)
    return buffer.getvalue()
