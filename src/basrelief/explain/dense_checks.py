"""Tests that contribution maps must pass: a map that cannot fail them shows nothing.

Deletion and insertion are those of `basrelief.explain.curves`.

References
----------
Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas
from basrelief.config import Settings
from basrelief.explain.contributions import EDGE_CELLS, Scene
from basrelief.explain.curves import Curves, Test, Wording, judge_curves
from basrelief.explain.ground_curves import count_looks, follow_ground
from basrelief.explain.readout import make_readout, sum_of_cells
from basrelief.explain.records import (
    NO_INTERVAL,
    SIMILAR,
    TRACES,
    Record,
    bound_mean,
    bound_ratio,
    correlate_ranks,
    record_test,
    redraw_weights,
)
from basrelief.explain.tally import AreaSums
from basrelief.explain.views import (
    View,
    look_again,
    measure_margin,
    measure_unit,
    pool_again,
    trace_again,
    view_area,
)
from basrelief.grid import Grid
from basrelief.judge.resampling import MIN_GROUPS, Draws
from basrelief.learn.extract import Extractor
from basrelief.run import Run

MAX_AREAS = 40
BUDGET_PX = 80_000_000
"""Pixels that networks look at in these tests: about two minutes on two cores."""

N_RANDOM = 3
"""Networks with random weights that a map is compared with."""

UNEVEN, INEXACT = 0.01, 0.01
"""Bounds of differences on flat ground, and of what is missing in sums of cells."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """What tests on one area found, (target,) each."""

    similarity: Floats
    """Rank correlation with the maps of random weights."""

    curves: dict[Test, Curves]
    """(target, step) How predictions move, in standard deviations over areas."""

    spread: Floats
    """Variance of what the cells say."""


def check_maps(
    scene: Scene, tally: dict[str, AreaSums], settings: Settings, run: Run
) -> tuple[list[Record], list[Record]]:
    """Test the contribution maps of a model: records of ``tests.json`` and ``curves.json``."""
    rng = np.random.default_rng(settings.seed)
    draws, model = Draws(np.random.default_rng(settings.seed)), scene.model
    predicted = np.stack([model.predict(model.describe(area_id)) for area_id in tally])
    scale = predicted.std(axis=0)
    randoms = [_redraw(scene, settings, draw) for draw in range(N_RANDOM)]
    views = choose_views(scene, list(tally))
    name = model.recipes[0]
    trials = [
        _try_area(scene, view, randoms, scale, rng)
        for view in run.track(views, f"tests of {name}'s maps")
    ]
    flat = measure_flatness(scene) / np.sqrt(np.mean([each.spread for each in trials], axis=0))
    tests, curves = list[Record](), list[Record]()
    for k, target in enumerate(model.targets):
        moved = _judge_moves(trials, k, draws)
        found = [
            _say_complete(scene, tally, k, float(scale[k])),
            _say_random(np.array([each.similarity[k] for each in trials]), draws),
            *(test for test, _ in moved),
            _say_flat(float(flat[k])),
            _say_edges(list(tally.values()), k, draws),
        ]
        key = {"recipe": name, "target": target}
        tests += [key | each for each in found]
        curves += [key | curve for _, curve in moved]
    return tests, curves


def choose_views(scene: Scene, area_ids: Sequence[str]) -> list[View]:
    """Choose the areas to test on: the smallest, as many as the budget allows."""
    sizes = scene.areas.set_index("area_id").geometry.envelope.area
    ordered = sizes.loc[list(area_ids)].sort_values(kind="stable").index[:MAX_AREAS]
    n_looks = 1 + N_RANDOM + count_looks(len(scene.model.targets))
    shrink = sum((scene.samples.resolution_m / way.resolution_m) ** 2 for way in scene.passes)
    views: list[View] = []
    spent = 0.0
    for area_id in ordered:
        view = view_area(scene, str(area_id))
        spent += n_looks * shrink * view.n_px
        # Too few areas would have no interval.
        if spent > BUDGET_PX and len(views) >= MIN_GROUPS:
            break
        views.append(view)
    return views


def measure_flatness(scene: Scene) -> Floats:
    """Measure how much cells differ on flat ground, (target,), where nothing differs."""
    side, model = 4 * measure_unit(scene) + 2 * measure_margin(scene), scene.model
    grid = Grid(0.0, 0.0, 1.0, (side, side)).pad(-measure_margin(scene))
    ground = Canvas(grid, np.zeros((2, side, side), dtype=np.float32))
    difference = np.zeros(len(model.targets))
    for way, _, maps in look_again(scene, ground):
        for sheet in way.sheets:
            flat = maps[sheet.stage].reshape(len(maps[sheet.stage]), -1)
            said = make_readout(model, sheet, model.linear.mean).read(flat)
            difference += np.ptp(said, axis=0)
    return difference


def _try_area(
    scene: Scene,
    view: View,
    randoms: list[dict[int, Extractor]],
    scale: Floats,
    rng: np.random.Generator,
) -> Trial:
    looked = look_again(scene, view.canvas)
    x = pool_again(scene, view, looked)
    cells = trace_again(scene, view, looked, x)
    said = cells.said
    is_known = cells.share > 0
    similarity = []
    for random in randoms:
        other = look_again(scene, view.canvas, random)
        unlike = trace_again(scene, view, other, pool_again(scene, view, other)).said
        similarity.append(
            [
                correlate_ranks(a, b)
                for a, b in zip(said[is_known].T, unlike[is_known].T, strict=True)
            ]
        )
    curves = {
        test: Curves(found.ranked / scale[:, None], found.at_random / scale[:, None])
        for test, found in follow_ground(scene, view, cells, scene.model.predict(x), rng).items()
    }
    return Trial(np.mean(similarity, axis=0), curves, said[is_known].var(axis=0))


def _redraw(scene: Scene, settings: Settings, draw: int) -> dict[int, Extractor]:
    """Give networks of the same build with random weights, and the same normalisation."""
    generator = torch.Generator().manual_seed(settings.seed + 1 + draw)
    found = {}
    for k, extractor in scene.extractors.items():
        backbone = redraw_weights(deepcopy(extractor.backbone), generator)
        found[k] = replace(extractor, backbone=backbone)
    return found


def _say_complete(scene: Scene, tally: dict[str, AreaSums], target: int, scale: float) -> Record:
    model = scene.model
    missing = [
        abs(area.total[target] - sum_of_cells(model, model.describe(area_id))[target])
        for area_id, area in tally.items()
    ]
    value = float(max(missing)) / max(scale, 1e-12)
    words = (
        f"The cells of each of {len(tally)} areas add up to its prediction less the model's mean, "
        f"to within {value:.1e} of the predictions' standard deviation."
    )
    return record_test("completeness", value, NO_INTERVAL, INEXACT, value <= INEXACT, words)


def _say_random(similarity: Floats, draws: Draws) -> Record:
    value = float(similarity.mean())
    words = (
        f"With random weights in the network's place the map's rank correlation with the trained "
        f"one is {value:.2f}, the mean over {len(similarity)} areas and {N_RANDOM} networks."
    )
    interval = bound_mean(similarity, draws)
    return record_test("randomised weights", value, interval, SIMILAR, abs(value) < SIMILAR, words)


def _judge_moves(trials: list[Trial], target: int, draws: Draws) -> list[tuple[Record, Record]]:
    """Judge deletion and insertion over the areas that were looked at again."""
    samples = f"the {len(trials)} smallest areas"
    wordings: dict[Test, Wording] = {
        "deletion": Wording(
            "Flattening the ground that the map ranks highest",
            "flattening as much at random",
            samples,
            "areas",
        ),
        "insertion": Wording(
            "With all of an area's ground flat, giving back what the map ranks highest",
            "giving back as much at random",
            samples,
            "areas",
        ),
    }
    found = []
    for test, wording in wordings.items():
        ranked = np.stack([each.curves[test].ranked[target] for each in trials])
        at_random = np.stack([each.curves[test].at_random[target] for each in trials])
        found.append(judge_curves(test, Curves(ranked, at_random), wording, draws))
    return found


def _say_flat(value: float) -> Record:
    words = (
        f"On ground that is flat everywhere cells differ by {value:.1e} of the standard deviation "
        "of what cells say on real ground."
    )
    return record_test("flat chips", value, NO_INTERVAL, UNEVEN, value <= UNEVEN, words)


def _say_edges(sums: list[AreaSums], target: int, draws: Draws) -> Record:
    """Compare sizes beside the edges of blocks with sizes elsewhere, area by area."""
    both = [each for each in sums if (each.share > 0).all()]
    if not both:
        words = "No area has ground both beside the edge of a block and elsewhere."
        return record_test("edges", None, NO_INTERVAL, TRACES, None, words)
    size = np.stack([each.size[:, target] for each in both])  # (area, beside or not)
    share = np.stack([each.share for each in both])
    elsewhere = size[:, 1].sum() / share[:, 1].sum()
    # What the same ground would say were it as elsewhere in its area.
    value = float(size[:, 0].sum() / (share[:, 0] * elsewhere).sum())
    interval = bound_ratio(size[:, 0], share[:, 0] * elsewhere, draws)
    words = (
        f"Within {EDGE_CELLS} cells of the edge of a block, ground says {value:.2f} times as much "
        "as elsewhere, in size."
    )
    return record_test("edges", value, interval, TRACES, value <= TRACES, words)
