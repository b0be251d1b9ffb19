"""What each eye adds to each area's prediction, for the map of the report."""

from __future__ import annotations

import numpy as np

from basrelief.run import Record
from basrelief.tell.facts import Facts
from basrelief.tell.gains import find_whole, read_added
from basrelief.tell.maps.classes import classify_residuals
from basrelief.tell.maps.layers import MapLayer
from basrelief.tell.words import name_known


def show_eyes(facts: Facts, layer: MapLayer) -> Record | None:
    """Gather what each eye, place and district add to the areas by the recipe of all eyes.

    Returns
    -------
    None where LIDAR is the only eye; else ``recipe``, ``names`` (of the
    parts), ``added``: of each part a list of the areas, null where unknown, and the classes in
    which all parts are drawn, so that their colours can be compared.
    """
    added = read_added(facts, layer.target, layer.scheme)
    if added is None:
        return None
    # In the order of the layer's areas, by which the page's script finds them.
    added = added.reindex(layer.table["area_id"])
    return {
        "recipe": find_whole(facts),
        "names": [name_known([str(part)]) for part in added],
        **classify_residuals(added.to_numpy(np.float64).ravel(), layer.classes.places).describe(),
        "added": [
            [round(value, layer.classes.places) if np.isfinite(value) else None for value in values]
            for values in added.to_numpy().T
        ],
    }
