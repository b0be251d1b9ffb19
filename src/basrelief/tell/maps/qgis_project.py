"""A project for QGIS: the maps of a run in groups and in order, opened at once.

Written as QGIS 3.22 and later read it: a zipped XML file beside the data, whose paths begin there.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

import pyproj

from basrelief.marks import PROJECT
from basrelief.names import name_file
from basrelief.run import Record
from basrelief.tell.maps import qgis
from basrelief.tell.maps.contributions import name_raster
from basrelief.tell.maps.layers import MapLayer
from basrelief.tell.relief import FILE as RELIEF
from basrelief.tell.words import open_sentence

NEVER = (1980, 1, 1, 0, 0, 0)
"""The least time that a zip file can tell: the same run gives the same bytes."""

GLAZE, LIGHT = 0.8, (1, 255)
"""How much areas cover of the ground under them, and from where to where its light goes."""

NAMES = {
    "predicted": "predicted",
    "observed": "observed",
    "residual": "observed less predicted",
    qgis.WIDTH: qgis.WIDTH,
}
"""A target's layers from the uppermost, by style."""


def write_project(layers: Sequence[MapLayer], contributions: Sequence[Record], part: Path) -> None:
    """Write the project of a folder of maps; what it opens lies there already."""
    drawn = draw_project(layers, _read_styles(contributions, part), (part / RELIEF).exists())
    with zipfile.ZipFile(part / PROJECT, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("areas.qgs", NEVER), drawn)


def _read_styles(contributions: Sequence[Record], part: Path) -> list[tuple[Record, str]]:
    """Read the style that lies beside each contribution map."""
    paths = [part / name_raster(record) for record in contributions]
    styles = [path.with_suffix(".qml").read_text(encoding="utf-8") for path in paths]
    return list(zip(contributions, styles, strict=True))


def draw_project(
    layers: Sequence[MapLayer], contributions: Sequence[tuple[Record, str]], has_relief: bool
) -> str:
    """Draw the project: a group a target, its predicted first; the lit ground under all of them.

    Shown are the first target's predictions alone, over the ground.

    Parameters
    ----------
    contributions
        Records of contribution maps, each with its style.
    """
    crs = layers[0].table.crs
    root = Xml.Element("qgis", projectname="basrelief", version=qgis.VERSION)
    Xml.SubElement(root, "projectCrs").append(_write_crs(crs))
    tree = Xml.SubElement(root, "layer-tree-group")
    places = Xml.SubElement(root, "projectlayers")
    for number, layer in enumerate(layers):
        is_first = number == 0
        group = _add_group(tree, open_sentence(layer.name), is_shown=is_first)
        table = f"./areas.gpkg|layername={name_file(layer.target)}"
        for style, qml in qgis.draw_styles(layer).items():
            about = _add_layer(group, places, f"{layer.target}-{style}", NAMES[style], table, crs)
            about.set("type", "vector")
            about.set("geometry", "Polygon")
            # The abstract stands in the layer's properties, and says what the map is worth.
            Xml.SubElement(Xml.SubElement(about, "resourceMetadata"), "abstract").text = layer.say()
            about.extend(qgis.read_style(qml))
            # Over relief, areas are glazed, so that the ground shows through.
            Xml.SubElement(about, "layerOpacity").text = str(GLAZE if has_relief else 1.0)
            group[-1].set("checked", _check(style == "predicted"))
        for record, qml in contributions:
            if record["target"] == layer.target:
                name = f"what the ground adds, {record['recipe']}"
                file = name_raster(record)
                about = _add_layer(group, places, f"{layer.target}-{file}", name, f"./{file}", crs)
                about.set("type", "raster")
                about.extend(qgis.read_style(qml))
                group[-1].set("checked", _check(False))
    if has_relief:
        about = _add_layer(tree, places, "relief-of-the-ground", "Lit ground", f"./{RELIEF}", crs)
        about.set("type", "raster")
        about.extend(qgis.read_style(qgis.draw_grey(*LIGHT)))
        tree[-1].set("checked", _check(True))
    # Paths begin at the project, so that a folder can be moved.
    properties = Xml.SubElement(root, "properties")
    paths = Xml.SubElement(properties, "Paths")
    Xml.SubElement(paths, "Absolute", type="bool").text = "false"
    # Else QGIS passes over the reference system of the project itself.
    enabled = Xml.SubElement(Xml.SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled")
    enabled.set("type", "int")
    enabled.text = "1"
    _add_extent(root, layers[0])
    return qgis.DOCTYPE + Xml.tostring(root, encoding="unicode")


def _add_group(tree: Xml.Element, name: str, *, is_shown: bool) -> Xml.Element:
    given = {"name": name, "checked": _check(is_shown), "expanded": str(int(is_shown))}
    return Xml.SubElement(tree, "layer-tree-group", given)


def _add_layer(
    group: Xml.Element, places: Xml.Element, key: str, name: str, source: str, crs: pyproj.CRS
) -> Xml.Element:
    """Add a layer to its group and to the list of layers; give its entry in the list."""
    provider = "gdal" if source.endswith(".tif") else "ogr"
    given = {"id": key, "name": name, "source": source, "providerKey": provider, "expanded": "0"}
    Xml.SubElement(group, "layer-tree-layer", given)
    about = Xml.SubElement(places, "maplayer")
    Xml.SubElement(about, "id").text = key
    Xml.SubElement(about, "datasource").text = source
    Xml.SubElement(about, "layername").text = name
    Xml.SubElement(about, "provider", encoding="UTF-8").text = provider
    Xml.SubElement(about, "srs").append(_write_crs(crs))
    return about


def _write_crs(crs: pyproj.CRS) -> Xml.Element:
    """Write a reference system by its authority where it has one, and always in full."""
    found = Xml.Element("spatialrefsys", nativeFormat="Wkt")
    # In full as well, as not every QGIS knows every number.
    Xml.SubElement(found, "wkt").text = crs.to_wkt()
    authority = crs.to_authority()
    if authority:
        Xml.SubElement(found, "authid").text = ":".join(authority)
    return found


def _add_extent(root: Xml.Element, layer: MapLayer) -> None:
    """Open the map where the areas are."""
    canvas = Xml.SubElement(root, "mapcanvas", name="theMapCanvas")
    extent = Xml.SubElement(canvas, "extent")
    ends = ("xmin", "ymin", "xmax", "ymax")
    for end, value in zip(ends, layer.table.total_bounds, strict=True):
        Xml.SubElement(extent, end).text = repr(float(value))


def _check(is_shown: bool) -> str:
    return "Qt::Checked" if is_shown else "Qt::Unchecked"
