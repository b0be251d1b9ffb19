"""The map of the public page: estimates beside official scores, over the relief of the ground."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from basrelief.run import Record
from basrelief.tell.facts import Facts
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.page.map_place import draw_relief
from basrelief.tell.page.web_map import embed_json, embed_map, list_tenths, list_values
from basrelief.tell.units import Unit, find_unit, say_direction
from basrelief.tell.words import open_sentence


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what the map needs; None where nothing that may be shown was estimated in a place."""
    layers = gather_layers(facts)
    if not layers:
        return None
    told = [describe_layer(layer, find_unit(layer.target, facts.counted)) for layer in layers]
    areas = layers[0].table
    # Of areas shown alone: those withheld have an outline and no code.
    relief = facts.relief and draw_relief(facts.relief, areas[areas["area_id"].notna()])
    return embed_map(areas, told, ["resident-map.js"]) | {
        "targets": [layer["name"] for layer in told],
        "relief": embed_json(json.dumps(relief)) if relief else None,
        "has_hatched": bool(areas["area_id"].isna().any()),
        "says_width": _say_widths(layers),
    }


def describe_layer(layer: MapLayer, unit: Unit) -> Record:
    """Describe one score for the script, in numbers as people are told them."""
    # Two places of a share of 1 are a whole number in 100.
    shift = len(str(unit.factor)) - 1
    places = max(0, layer.classes.places - shift)
    table = layer.table.rename(columns={"lower_80": "low", "upper_80": "high"})
    classes = layer.classes.times(unit.factor, places)
    return {
        "name": open_sentence(layer.name),
        "places": places,
        "unit": unit.words,
        "meaning": f"{unit.meaning} {say_direction(unit)}",
        "ends": ["best", "worst"] if unit.is_worse_up else ["lowest", "highest"],
        "scores": classes.describe(),
        **{
            name: list_values(table[name] * unit.factor, places + 2)
            for name in ("observed", "predicted", "low", "high")
        },
        "inside": _list_inside(layer),
        "tenth": list_tenths(layer.table),
    }


def _list_inside(layer: MapLayer) -> list[int | None]:
    """List whether areas are like what was learnt from, 1 or 0; None where nobody measured it."""
    # JSON has no value for what is unknown but null.
    return [None if pd.isna(value) else int(value) for value in layer.table["is_inside"]]


def _say_widths(layers: list[MapLayer]) -> str:
    """Say whether likely ranges differ between areas, over all scores."""
    known = [layer for layer in layers if np.isfinite(layer.width).any()]
    if not known:
        return ""
    if all(layer.says_width for layer in known):
        return (
            "The likely ranges are about equally wide everywhere: no area is known much better "
            "than another."
        )
    return "Some areas have a wider likely range than others: there the computer is less sure."
