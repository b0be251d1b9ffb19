"""What the explore page of a server draws: what the pages tell of each area, for all scores."""

from __future__ import annotations

import json
from typing import Any

from basrelief.run import Record, Run, replacing
from basrelief.tell.facts import Facts
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.page.map_eyes import show_eyes
from basrelief.tell.page.map_place import draw_relief, find_districts
from basrelief.tell.page.web_map import simplify_areas, write_geojson
from basrelief.tell.resident.map import describe_layer
from basrelief.tell.units import find_unit

FILE = "explore.json"


def describe_place(facts: Facts) -> str | None:
    """Describe the maps of a place to the explore page.

    Parameters
    ----------
    facts
        Of a run, or as `narrow_facts` leaves them: then nothing stands in it but what the public
        page has.

    Returns
    -------
    JSON with ``areas`` (GeoJSON, outlines as they are drawn), ``layers`` (one a score, in numbers
    as people are told them), ``districts`` and ``relief``; None where nothing was predicted in a
    known place.
    """
    layers = gather_layers(facts)
    if not layers:
        return None
    areas = layers[0].table
    polygons = simplify_areas(areas)
    relief = facts.relief and draw_relief(facts.relief, areas[areas["area_id"].notna()])
    told = {
        "areas": json.loads(write_geojson(areas, polygons)),
        "layers": [_describe(facts, layer) for layer in layers],
        "districts": find_districts(areas, polygons),
        "relief": relief or None,
    }
    return json.dumps(told, separators=(",", ":"), allow_nan=False) + "\n"


def write_place(run: Run, place: str | None) -> None:
    """Write what the explore page draws for the analyst; take away what another run left."""
    path = run.folder / FILE
    if place is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part:
        part.write_text(place, encoding="utf-8")


def _describe(facts: Facts, layer: MapLayer) -> Record:
    """Describe one score; to the analyst with errors, widths, and what each eye adds."""
    unit = find_unit(layer.target, facts.counted)
    told = describe_layer(layer, unit)
    # The same score must not tell more here than on the public page.
    if facts.is_public:
        return told
    places = told["places"]
    of_analyst: dict[str, Any] = {
        "says": layer.say(),
        "residuals": layer.residuals.times(unit.factor, places).describe(),
        "widths": layer.widths.times(unit.factor, places).describe(),
        "eyes": _scale(show_eyes(facts, layer), unit.factor, places),
    }
    return told | of_analyst


def _scale(eyes: Record | None, factor: int, places: int) -> Record | None:
    """Tell what eyes add in the unit that people are told."""
    if eyes is None:
        return None
    added = [
        [None if value is None else round(factor * value, places) for value in values]
        for values in eyes["added"]
    ]
    return eyes | {"added": added, "places": places}
