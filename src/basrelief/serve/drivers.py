"""What GDAL opens while runs are served: files of rasters, and nothing that names an address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Files of these kinds name addresses that would be read in their place. Not VRT, by which rasterio
# itself turns rasters: tiles are read as GeoTIFF, and as nothing else.
SETTINGS = {
    "GDAL_SKIP": "WMS WMTS WCS WFS OAPIF HTTP TileDB PostGISRaster GDALG DERIVED",
    "OGR_SKIP": "WFS OAPIF CSW",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    # Else files that lie beside a raster are read with it.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
"""Of GDAL, in the environment: it looks at them when the first library of rasters is loaded."""


@contextmanager
def opening_rasters_alone() -> Iterator[None]:
    """Keep GDAL to files of rasters, and leave the environment as it was found."""
    found = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(SETTINGS)
    try:
        yield
    finally:
        for name, value in found.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
