"""Areas as vector tiles in one file (PMTiles), of which maps on the web read parts."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pyogrio

FILE = "areas.pmtiles"

LAYER = "areas"
"""The layer of the file."""

ZOOMS = (4, 12)
"""From a country on a screen to corners a metre apart; programs draw the last one larger."""

MOST = 1_000_000
"""Areas and bytes of a tile, which GDAL would else cut down to fewer, and say nothing."""


def write_tiles(areas: gpd.GeoDataFrame, path: Path) -> None:
    """Write areas, with all that is known of each, as vector tiles.

    Parameters
    ----------
    areas
        Polygons in any CRS. What is unknown has no entry in a tile.
    """
    low, high = ZOOMS
    pyogrio.write_dataframe(
        areas,
        path,
        layer=LAYER,
        driver="PMTiles",
        # A layer has one kind of shape, and some areas are of several parts.
        promote_to_multi=True,
        dataset_options={
            "NAME": LAYER,
            "MINZOOM": str(low),
            "MAXZOOM": str(high),
            "MAX_FEATURES": str(MOST),
            "MAX_SIZE": str(MOST),
        },
    )
