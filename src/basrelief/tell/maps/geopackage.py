"""The layers as files: a GeoPackage with styles, GeoParquet, and a list for other programs."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from basrelief.names import name_file
from basrelief.reader import SHARED
from basrelief.run import Record
from basrelief.tell.maps import qgis
from basrelief.tell.maps.layers import VALUES, MapLayer

GPKG_VERSION = "1.2"
"""The one that every QGIS still in use reads without complaint."""


def write_geopackage(layers: list[MapLayer], path: Path) -> None:
    """Write a layer a target, with the styles that QGIS looks for in ``layer_styles``.

    Columns: what the area is, ``observed``, ``predicted`` (held out, mean over repeats),
    ``residual`` (observed less predicted), bounds of the 50, 80 and 95 % intervals,
    ``is_inside`` (null where it was not measured), with several eyes what each adds
    (``adds_<eye>``), ``recipe`` and ``scheme``.
    """
    for layer in layers:
        # Outlines are written once a target: a layer can then be opened and be seen as it is.
        table = layer.table.assign(recipe=layer.recipe, scheme=layer.scheme)
        pyogrio.write_dataframe(
            table,
            path,
            layer=name_file(layer.target),
            driver="GPKG",
            use_arrow=True,
            # A layer has one kind of shape, and some areas are of several parts.
            promote_to_multi=True,
            dataset_options={"VERSION": GPKG_VERSION},
            layer_options={"GEOMETRY_NAME": qgis.GEOMETRY, "DESCRIPTION": layer.say()},
        )
    styles = pd.DataFrame([row for layer in layers for row in qgis.list_styles(layer)])
    # Stamped here and not where styles are drawn, which are the same for the same run.
    styles["update_time"] = pd.Timestamp.now("UTC").floor("s")
    pyogrio.write_dataframe(styles, path, layer="layer_styles", driver="GPKG")


def join_layers(layers: list[MapLayer]) -> gpd.GeoDataFrame:
    """Put all layers into one table of a row an area, values as ``<target>_<column>``."""
    first = layers[0].table
    wide = first[[name for name in SHARED if name in first]]
    values = [layer.table[list(VALUES)].add_prefix(f"{layer.target}_") for layer in layers]
    joined = pd.concat([wide, *values], axis=1)
    return gpd.GeoDataFrame(joined, geometry=first.geometry, crs=first.crs)


def list_layers(layers: list[MapLayer]) -> list[Record]:
    """Describe the layers for other programs: whose predictions, what they are worth, classes."""
    return [
        {
            "target": layer.target,
            "recipe": layer.code,
            "scheme": layer.scheme,
            "says": layer.say(),
            "n": layer.n_predicted,
            "n_outside": int(layer.is_outside.sum()),
            "classes": {
                "values": layer.classes.describe(),
                "residuals": layer.residuals.describe(),
                "widths": layer.widths.describe(),
            },
        }
        for layer in layers
    ]
