"""How much of predictions a map explains: all of them, or what place and others leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from basrelief.explain.contributions import Scene
from basrelief.explain.readout import keep_targets, sum_of_cells
from basrelief.learn.recipes import DISTRICT, PLACE
from basrelief.run import Record, Run

LEAST_SHARE = 0.05
"""Share of the predictions' variance from which a map is drawn: less would pass for the whole."""

Floats = NDArray[np.float64]


def measure_shares(scene: Scene) -> list[Record]:
    """Measure which share of the final model's predictions each component explains, by target.

    The covariance of what a component adds to areas with the whole prediction, over areas,
    divided by the prediction's variance: 1 where the component is all that differs, 0 where it
    does not go with the prediction. Components add up to 1. Of the areas that were learnt from
    place knows the labels nearby, so its share is that of a map of known ground.

    Returns
    -------
    Records of ``shares.json`` for every target of the run: ``target``; the shares ``map`` (the
    cells of the contribution map together), ``place``, ``district`` and ``rest`` (members that are
    not drawn), all None where every area is predicted alike; and ``n``, over how many areas.
    """
    targets, model = scene.samples.targets, scene.model
    beside = {
        name: scene.components[name] for name in (PLACE, DISTRICT) if name in scene.components
    }
    whole: Floats = np.sum(list(scene.components.values()), axis=0)  # (area, target)
    mapped = np.zeros_like(whole)
    x = [model.describe(area_id) for area_id in scene.areas["area_id"]]
    known = [targets.index(target) for target in model.targets]
    mapped[:, known] = np.stack([sum_of_cells(model, each) for each in x])
    found = []
    for k, target in enumerate(targets):
        names = {"map": mapped, **beside}
        shares = {
            name: explain_share(component[:, k], whole[:, k]) for name, component in names.items()
        }
        record: Record = {"target": target, "map": None, PLACE: 0.0, DISTRICT: 0.0} | shares
        told = [record["map"], record[PLACE], record[DISTRICT]]
        # Components add up: what was told of none is that of members without a map.
        rest = None if record["map"] is None else 1.0 - sum(told)
        found.append(record | {"rest": rest, "n": len(whole)})
    return found


def explain_share(component: Floats, whole: Floats) -> float | None:
    """Give the share of predictions' variance, (area,), that one of their components explains.

    Examples
    --------
    >>> place, ground = np.array([0.0, 0.0, 2.0, 2.0]), np.array([0.0, 1.0, 0.0, 1.0])
    >>> explain_share(ground, place + ground), explain_share(place, place + ground)
    (0.2, 0.8)
    """
    apart = whole - whole.mean()
    total = float(apart @ apart)
    # Predictions that differ by rounding alone are alike.
    if not total > 1e-18 * max(1.0, float(np.abs(whole).max()) ** 2) * len(whole):
        return None
    return float((component - component.mean()) @ apart) / total


def keep_explained(scene: Scene, shares: Sequence[Record], run: Run) -> Scene | None:
    """Keep the targets whose predictions a map would explain; None where there is none."""
    by_target = {record["target"]: record["map"] for record in shares}
    known = [
        k
        for k, target in enumerate(scene.model.targets)
        if by_target[target] is not None and by_target[target] >= LEAST_SHARE
    ]
    for k, target in enumerate(scene.model.targets):
        if k not in known:
            name = " and ".join(scene.model.recipes)
            share = by_target[target] or 0.0
            run.say(f"explain: {name}: no map of {target}: {share:.2f} of predictions by LIDAR")
    return replace(scene, model=keep_targets(scene.model, known)) if known else None
