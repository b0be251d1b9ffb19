"""What each eye adds to each area's prediction, for the map of the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from basrelief.run import Record
from basrelief.tell.facts import Facts
from basrelief.tell.maps.layers import MapLayer
from basrelief.tell.page.eyes import find_whole, name_sets
from basrelief.tell.words import name_known


def show_eyes(facts: Facts, layer: MapLayer) -> Record | None:
    """Gather what each eye, place and district add to the areas by the recipe of all eyes.

    Returns
    -------
    None where LIDAR is the only eye; else ``recipe``, ``names`` (of the
    parts), ``places`` (decimal) and ``added``: of each part a list of the areas, null where
    unknown.
    """
    whole = find_whole(facts)
    if whole is None:
        return None
    filters = [
        ("recipe", "==", facts.find_code(whole)),
        ("target", "==", layer.target),
        ("scheme", "==", layer.scheme),
    ]
    path = facts.run.folder / "evaluate" / "parts.parquet"
    table: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    if table.empty:
        return None
    # In the order of the layer's areas, by which the page's script finds them.
    by_part = dict(list(table.set_index("area_id").groupby("part", sort=False)["added"]))
    added = {part: values.reindex(layer.table["area_id"]) for part, values in by_part.items()}
    sets = name_sets(facts, whole)
    return {
        "recipe": whole,
        "names": [name_known([sets.get(str(part), str(part))]) for part in added],
        "places": layer.classes.places,
        "added": [
            [round(value, layer.classes.places) if np.isfinite(value) else None for value in values]
            for values in added.values()
        ],
    }
