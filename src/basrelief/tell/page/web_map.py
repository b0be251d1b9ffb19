"""The map in the report: what its script draws, and the library that it draws with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry import mapping

from basrelief.run import Record
from basrelief.tell.facts import Facts
from basrelief.tell.maps.contributions import choose_contribution, read_contributions
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.page.map_eyes import show_eyes
from basrelief.tell.page.map_ground import show_sums
from basrelief.tell.page.map_pictures import make_map_picture
from basrelief.tell.page.map_place import find_districts
from basrelief.tell.senses import SENSES
from basrelief.tell.words import say_shown, say_years

DEGREE_PLACES = 5
"""Decimal places of longitude and latitude: a metre."""

MAX_VERTICES = 150_000
"""More corners than this and outlines are simplified further: some three megabytes of text."""

SHARE_SEEN = 1 / 2000
"""Share of the place's width below which a corner is not seen, however large the screen."""

SCRIPTS = ("map-drawing.js", "map-webgl.js", "map-panes.js")
"""Scripts of every map, each of which needs those before it."""

EXTRA_PLACES = 2
"""Digits that values keep beyond those shown, so that differences come out right."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what the map of the report needs; None where nothing was predicted in a place."""
    layers = gather_layers(facts)
    if not layers:
        return None
    records = facts.tell(read_contributions(facts.run))
    shown = [
        describe_layer(layer)
        | {"overlay": _find_overlay(facts, layer, records)}
        | {"ground": show_sums(facts, layer), "eyes": show_eyes(facts, layer)}
        for layer in layers
    ]
    n_predicted = max(layer.n_predicted for layer in layers)
    told = {"map-ground.js": "ground", "map-eyes.js": "eyes"}
    eyes: list[str] = next((layer["eyes"]["names"] for layer in shown if layer["eyes"]), [])
    extra = [script for script, key in told.items() if any(layer[key] for layer in shown)]
    return {
        "targets": [layer.name for layer in layers],
        "eyes": eyes,
        "has_overlays": any(layer["overlay"] for layer in shown),
        "has_applicability": any(bool(layer.table["is_inside"].notna().any()) for layer in layers),
        "shown": say_shown(n_predicted, len(layers[0].table)),
        **embed_map(layers[0].table, shown, [*extra, "map.js"]),
    }


def embed_map(
    areas: gpd.GeoDataFrame, layers: Sequence[Record], scripts: Sequence[str]
) -> dict[str, Any]:
    """Gather what stands in the page of a map: its data, its library, and its scripts by name.

    Parameters
    ----------
    areas
        As `write_geojson` takes them.
    layers
        As `describe_layer` gives them, in the order of the areas.
    scripts
        The page's own, which follow those that all maps have.
    """
    polygons = simplify_areas(areas)
    return {
        "areas": embed_json(write_geojson(areas, polygons)),
        "layers": embed_json(_pack(layers)),
        "districts": embed_json(_pack(find_districts(areas, polygons))),
        "relief": None,
        "library": read_library("maplibre-gl.js"),
        "library_style": read_library("maplibre-gl.css"),
        "licences": read_licences(),
        "scripts": [*SCRIPTS, *scripts],
    }


def _pack(told: Any) -> str:
    return json.dumps(told, separators=(",", ":"), allow_nan=False)


def list_tenths(table: pd.DataFrame) -> list[int | None] | None:
    """List the national tenths of areas for the script; None where no table tells them."""
    if "tenth" not in table:
        return None
    return [None if pd.isna(tenth) else int(tenth) for tenth in table["tenth"]]


def describe_layer(layer: MapLayer) -> Record:
    """Describe one target's map for the script: classes, values in the order of the areas."""
    places = layer.classes.places
    table = layer.table.rename(columns={"lower_80": "low", "upper_80": "high"})
    values = {
        name: list_values(table[name], places + EXTRA_PLACES)
        for name in ("observed", "predicted", "low", "high")
    }
    # Three values for the script: inside, outside, and not measured.
    is_inside = layer.table["is_inside"].astype(object)
    # Without a score nobody knows whether the map is worth anything.
    sense = SENSES[layer.finding.sense if layer.finding else "even"]
    return {
        "name": layer.name,
        "recipe": layer.recipe,
        "says": layer.say(),
        "sense": sense.tone,
        "sign": sense.sign,
        "places": places,
        "scores": layer.classes.describe(),
        "residuals": layer.residuals.describe(),
        "widths": layer.widths.describe(),
        "says_width": layer.says_width,
        **values,
        "tenth": list_tenths(layer.table),
        "inside": [None if pd.isna(value) else int(value) for value in is_inside],
    }


def _find_overlay(facts: Facts, layer: MapLayer, records: Sequence[Record]) -> Record | None:
    """Find a contribution map of a target: of the recipe shown where it has one."""
    record = choose_contribution(records, layer.target, layer.recipe)
    return make_map_picture(record, facts.run) if record else None


def write_geojson(areas: gpd.GeoDataFrame, polygons: NDArray[Any]) -> str:
    """Write areas as GeoJSON for the web; the feature's ``id`` is the row's number.

    Parameters
    ----------
    areas
        Rows with ``area_id``, and names where they are known.
    polygons : (n,)
        As `simplify_areas` gives them.
    """
    names = [name for name in ("area_id", "area_name", "district") if name in areas]
    told = areas[names].assign(flown=_say_flown(areas))
    # Null for what is unknown: NaN is no JSON.
    properties = told.astype(object).where(told.notna(), None).to_dict("records")
    features = [
        # MapLibre keeps what is pointed at by number, and takes no codes for that.
        {"type": "Feature", "id": row, "properties": named, "geometry": mapping(polygon)}
        for row, (named, polygon) in enumerate(zip(properties, polygons, strict=True))
    ]
    collection = {"type": "FeatureCollection", "features": features}
    return _pack(collection)


def simplify_areas(areas: gpd.GeoDataFrame) -> Any:
    """Simplify outlines as far as is not seen, and turn them into longitude and latitude, rounded.

    Neighbours keep the borders that they share.

    Returns
    -------
    (n,) polygons.
    """
    # No map draws the heights that some boundaries carry.
    polygons = shapely.force_2d(areas.geometry.to_numpy())
    west, _, east, _ = areas.total_bounds
    tolerance = float(east - west) * SHARE_SEEN
    simple = shapely.coverage_simplify(polygons, tolerance)
    # Halving the corners takes about twice the tolerance; a few rounds reach any size.
    while shapely.get_num_coordinates(simple).sum() > MAX_VERTICES and tolerance < east - west:
        tolerance *= 2
        simple = shapely.coverage_simplify(polygons, tolerance)
    degrees = gpd.GeoSeries(simple, crs=areas.crs).to_crs("EPSG:4326").to_numpy()
    rounded = shapely.transform(degrees, lambda corner: np.round(corner, DEGREE_PLACES))
    # Rounding lays corners on each other.
    return shapely.remove_repeated_points(rounded)


@cache
def read_library(name: str) -> str:
    """Read a file of MapLibre GL JS as its wheel carries it, ready to stand in a page."""
    path = Path(str(distribution("maplibre").locate_file(f"maplibre/srcjs/{name}")))
    lines = path.read_text(encoding="utf-8").splitlines()
    # A browser's tools would ask the network for the map of its sources.
    kept = [line for line in lines if not line.startswith("//# sourceMappingURL")]
    # In a page it would end the element that the library stands in.
    return "\n".join(kept).replace("</script", "<\\/script")


@cache
def read_licences() -> list[str]:
    """Read what has to go with a copy of MapLibre GL JS.

    Its wheel holds the library's banner, which says where the full text with the notices of all
    parts stands, but not that text; the conditions and the disclaimer are kept beside this file.

    Returns
    -------
    The banner as the library carries it, the licence of MapLibre GL JS, and that of the wheel.
    """
    banner = read_library("maplibre-gl.js").partition("*/")[0].removeprefix("/**")
    lines = [line.strip().removeprefix("*").strip() for line in banner.splitlines()]
    own = (Path(__file__).parent / "maplibre-licence.txt").read_text(encoding="utf-8")
    wheel = distribution("maplibre")
    files = [Path(str(file.locate())) for file in wheel.files or [] if "LICEN" in file.name.upper()]
    of_wheel = [f"Wheel maplibre {wheel.version}\n\n{path.read_text('utf-8')}" for path in files]
    return ["\n".join(line for line in lines if line), own.strip(), *map(str.strip, of_wheel)]


def embed_json(text: str) -> str:
    """Make JSON safe to stand in a ``script`` element, whatever names are in it."""
    return text.replace("<", "\\u003c")


def _say_flown(areas: pd.DataFrame) -> list[str | None]:
    """Say in which years each area's ground was flown; None where that is not known."""
    if "flown_to" not in areas:
        return [None] * len(areas)
    return [
        None if np.isnan(last) else say_years(first, last)
        for first, last in zip(areas["flown_from"], areas["flown_to"], strict=True)
    ]


def list_values(values: pd.Series[float], places: int) -> list[float | None]:
    """List values rounded, null where there is none."""
    rounded = values.round(places).to_numpy(np.float64)
    return [float(value) if np.isfinite(value) else None for value in rounded]
