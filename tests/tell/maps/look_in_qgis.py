"""What QGIS makes of a run's maps, as JSON; run by the Python that QGIS is installed for.

``python3 look_in_qgis.py MAPS PICTURE`` opens ``MAPS/areas.qgz`` and draws it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsLayerTree,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def list_tree(group: Any) -> list[Any]:
    """Names of groups and layers, from the uppermost."""
    return [
        [each.name(), list_tree(each)] if QgsLayerTree.isGroup(each) else each.name()
        for each in group.children()
    ]


def describe(layer: Any) -> dict[str, Any]:
    """Aliases, legend, and the tip of the first area, of a layer of areas."""
    aliases = {field.name(): field.alias() for field in layer.fields()}
    feature = next(layer.getFeatures())
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(feature)
    return {
        "aliases": aliases,
        "tip": QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context),
        "area": {name: feature[name] for name in ("area_id", "predicted", "lower_80", "upper_80")},
        "legend": [item.label() for item in layer.renderer().legendSymbolItems()],
        "abstract": layer.metadata().abstract(),
    }


def draw(project: Any, path: str) -> list[str]:
    """Draw what the project shows as it opens."""
    settings = QgsMapSettings()
    shown = [each.layer() for each in project.layerTreeRoot().findLayers() if each.isVisible()]
    settings.setLayers(shown)
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(900, 700))
    settings.setExtent(shown[0].extent())
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(path)
    return [layer.name() for layer in shown]


def main(maps: str, picture: str) -> None:
    """Open the project and the GeoPackage, and tell what is there."""
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    found = {"is_read": project.read(f"{maps}/areas.qgz")}
    found["crs"] = project.crs().authid()
    found["tree"] = list_tree(project.layerTreeRoot())
    layers = project.mapLayers()
    found["invalid"] = [key for key, layer in layers.items() if not layer.isValid()]
    found["layers"] = {
        key: describe(layer) for key, layer in layers.items() if isinstance(layer, QgsVectorLayer)
    }
    # The GeoPackage alone, as most people open it: its own default style.
    alone = QgsVectorLayer(f"{maps}/areas.gpkg|layername=crime", "alone", "ogr")
    found["alone"] = describe(alone)
    found["drawn"] = draw(project, picture)
    json.dump(found, sys.stdout, default=str)
    sys.stdout.flush()


main(*sys.argv[1:])
