"""What a person does in QGIS: adds the areas and the ground, colours them, and looks."""

from __future__ import annotations

import json
import os
import sys
import warnings


def main() -> None:
    """Add, draw, and tell what was seen."""
    # Here, for whoever looks at this file has no QGIS.
    from qgis.core import (
        QgsApplication,
        QgsCoordinateReferenceSystem,
        QgsCoordinateTransform,
        QgsFillSymbol,
        QgsGradientColorRamp,
        QgsGraduatedSymbolRenderer,
        QgsMapRendererParallelJob,
        QgsMapSettings,
        QgsProject,
        QgsRasterLayer,
        QgsVectorLayer,
    )
    from qgis.PyQt.QtCore import QSize
    from qgis.PyQt.QtGui import QColor

    url, collection, column, raster, picture = sys.argv[1:]
    warnings.simplefilter("ignore")
    QgsApplication.setPrefixPath("/usr", True)
    app = QgsApplication([], False)
    app.initQgis()

    areas = QgsVectorLayer(f"url='{url}' typename='{collection}' pageSize='7'", "areas", "OAPIF")
    told = {
        "is_valid": areas.isValid(),
        "columns": [field.name() for field in areas.fields()],
        "ids": sorted(feature["area_id"] for feature in areas.getFeatures()),
    }
    ramp = QgsGradientColorRamp(QColor("navy"), QColor("yellow"))
    symbol, classes = QgsFillSymbol.createSimple({}), QgsGraduatedSymbolRenderer.Quantile
    areas.setRenderer(
        QgsGraduatedSymbolRenderer.createRenderer(areas, column, 5, classes, symbol, ramp)
    )
    areas.setOpacity(0.6)
    layers = [areas]
    if raster:
        tiles = raster.replace("{", "%7B").replace("}", "%7D")
        ground = QgsRasterLayer(f"type=xyz&url={tiles}&zmin=0&zmax=18", "ground", "wms")
        told["is_ground_valid"] = ground.isValid()
        layers.append(ground)

    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    settings.setOutputSize(QSize(800, 400))
    turn = QgsCoordinateTransform(areas.crs(), settings.destinationCrs(), QgsProject.instance())
    settings.setExtent(turn.transformBoundingBox(areas.extent()))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(picture)
    told["errors"] = [error.message for error in job.errors()]
    print(json.dumps(told), flush=True)
    # At once: what layers hold may not be taken down after the program that they are of.
    os._exit(0)


if __name__ == "__main__":
    main()
