"""Areas under the contributions of their ground, as the checks take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from basrelief.chips.canvas import Canvas
from basrelief.chips.store import HEIGHTS
from basrelief.explain.checks import Checked, check_maps
from basrelief.explain.contributions import EDGE_CELLS, Scene
from basrelief.explain.controls import Control, look_at
from basrelief.explain.moves import count_predictions
from basrelief.explain.random_weights import randomise_weights
from basrelief.explain.readout import make_readout, sum_of_cells
from basrelief.explain.samples import Batch, Edges, Explanation
from basrelief.explain.tally import AreaSums
from basrelief.explain.views import (
    View,
    attribute_view,
    flatten,
    forward_view,
    pool_view,
    view_area,
)
from basrelief.grid import Grid, coarsen
from basrelief.judge.resampling import MIN_GROUPS
from basrelief.learn.extract import Extractor
from basrelief.run import Run

MAX_AREAS = 40
BUDGET_PX = 80_000_000
"""Pixels that go through networks in these checks: about two minutes on two cores."""

N_RANDOM = 3
"""Networks with random weights that a map is compared with."""

PIECE_CELLS = 4
"""Ground is flattened in squares of so many cells a side, ranked or at random alike."""

UNEVEN = 0.01
"""Range of cells on flat ground over the standard deviation of cells on real ground."""

Floats = NDArray[np.float64]
Extractors = Mapping[int, Extractor]
"""By position of the member."""


def check_areas(scene: Scene, tally: Mapping[str, AreaSums], seed: int, run: Run) -> Checked:
    """Check the contribution maps of a model, on its whole prediction, place and all.

    Parameters
    ----------
    tally
        Sums by area, of the finished maps.
    """
    # A seed each: networks of one seed would be one and the same.
    randoms = [randomise_extractors(scene, seed + 1 + draw) for draw in range(N_RANDOM)]
    views = choose_views(scene, list(tally))
    shown = run.track(views, f"tests of {scene.model.recipes[0]}'s maps")
    batches = (sample_area(scene, view, randoms) for view in shown)
    return check_maps(gather_explanation(scene, tally), batches, seed)


def gather_explanation(scene: Scene, tally: Mapping[str, AreaSums]) -> Explanation:
    """Gather the maps of all areas, of flat ground, and beside the edges of tracts."""
    model = scene.model
    x = [model.describe(area_id) for area_id in tally]
    # Of each target, whatever map stands for it: (target, map).
    missing = [
        np.abs(area.total - sum_of_cells(model, features)[:, None])
        for area, features in zip(tally.values(), x, strict=True)
    ]
    blocks = scene.blocks.loc[list(tally)].tolist()
    predicted = [scene.predict(*each) for each in zip(tally, x, strict=True)]
    return Explanation(
        targets=model.targets,
        of="areas",
        spread=np.stack(predicted).std(axis=0),
        flat=map_flat(scene),
        differ=measure_deviation,
        uneven=UNEVEN,
        edges=size_edges(list(tally.values()), len(model.targets), blocks),
        missing=np.stack(missing),
        groups=blocks,
    )


def choose_views(scene: Scene, area_ids: Sequence[str]) -> list[View]:
    """Choose the areas to try: the smallest of each block, then the next, as the budget allows."""
    sizes = scene.areas.set_index("area_id").geometry.envelope.area.loc[list(area_ids)]
    sizes = sizes.sort_values(kind="stable")
    # Areas of one block err together: an interval takes as many blocks as it can get.
    turn = sizes.groupby(scene.blocks.loc[sizes.index].to_numpy()).cumcount()
    ordered = turn.sort_values(kind="stable").index[:MAX_AREAS]
    n_forwards = 1 + N_RANDOM + count_predictions(len(scene.model.targets))
    # A level of 2 m sees a quarter of the pixels of one of 1 m.
    shrink = sum(1 / level.factor**2 for level in scene.levels)
    views: list[View] = []
    spent = 0.0
    for area_id in ordered:
        view = view_area(scene, str(area_id))
        spent += n_forwards * shrink * view.n_px
        # Too few areas would have no interval.
        if spent > BUDGET_PX and len(views) >= MIN_GROUPS:
            break
        views.append(view)
    return views


def sample_area(scene: Scene, view: View, randoms: Sequence[Extractors]) -> Batch:
    """Make a sample of one area, whose ground can be flattened in squares of cells.

    Parameters
    ----------
    randoms
        Networks with random weights.
    """
    seen = forward_view(scene, view.canvas)
    x = pool_view(scene, view, seen)
    cells = attribute_view(scene, view, seen, x)
    whole = scene.predict(view.area_id, x)[None]
    is_known = cells.share > 0
    squares = number_squares(cells.share.shape)
    # Only squares with ground of the area are pieces: others would be ranked though empty.
    known, piece = np.unique(squares[is_known], return_inverse=True)
    randomised = []
    for extractors in randoms:
        unlike = forward_view(scene, view.canvas, extractors)
        other = attribute_view(scene, view, unlike, pool_view(scene, view, unlike))
        randomised.append(other.intensity[is_known][None])

    def predict(is_blank: NDArray[np.bool_]) -> Floats:
        """Predict with squares of ground flattened, (1, piece) to (1, target)."""
        if not is_blank.any():
            return whole  # once less through all networks
        canvas = flatten(scene, view.canvas, np.isin(squares, known[is_blank[0]]))
        flat = pool_view(scene, view, forward_view(scene, canvas))
        return scene.predict(view.area_id, flat)[None]

    return Batch(
        maps=cells.intensity[is_known][None],
        randomised=randomised,
        share=cells.share[is_known],
        piece=piece.astype(np.int64),
        predict=predict,
        groups=[str(scene.blocks.loc[view.area_id])],
        looks=look_at_area(scene, view, is_known),
    )


def look_at_area(scene: Scene, view: View, is_known: NDArray[np.bool_]) -> dict[Control, Floats]:
    """Say what can be seen of an area without a model: its edges, and how high or bright it is.

    Parameters
    ----------
    is_known : (row, col)
        Which cells of the view are of the area.

    Returns
    -------
    (1, cell) each: means over the pixels of a cell.
    """
    margin = scene.margin_px
    values = view.canvas.values[:, margin : -margin or None, margin : -margin or None]
    is_relief = scene.model.layer == HEIGHTS
    shown = np.nan_to_num(values[0] - values[1] if is_relief else values.mean(axis=0))
    return {
        control: coarsen(plane.astype(np.float64), scene.cell_px)[is_known][None]
        for control, plane in look_at(shown, is_relief=is_relief).items()
    }


def randomise_extractors(scene: Scene, seed: int) -> dict[int, Extractor]:
    """Give networks of the same build with random weights, and the same normalisation."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for k, extractor in scene.extractors.items():
        # A copy: the true network has all other maps to make.
        backbone = randomise_weights(deepcopy(extractor.backbone), generator)
        found[k] = replace(extractor, backbone=backbone)
    return found


def map_flat(scene: Scene) -> list[Floats]:
    """Map ground on which nothing is to be seen: (cell, target) of each feature map."""
    side, model = 4 * scene.unit_px + 2 * scene.margin_px, scene.model
    grid = Grid(0.0, 0.0, 1.0, (side, side)).pad(-scene.margin_px)
    ground = Canvas(grid, np.zeros((2, side, side), dtype=np.float32))
    if model.layer != HEIGHTS:
        colour = np.broadcast_to(scene.plain[:, None, None], (len(scene.plain), side, side))
        ground = Canvas(grid, colour, scene.layer.bands)
    found = []
    for level, _, maps in forward_view(scene, ground):
        for feature_map in level.feature_maps:
            flat = maps[feature_map.stage].reshape(len(maps[feature_map.stage]), -1)
            found.append(make_readout(model, feature_map, model.linear.mean).read(flat))
    return found


def measure_deviation(maps: Sequence[NDArray[Any]]) -> Floats:
    """Measure how far cells of maps lie from their map's mean, (target,), over all maps."""
    return np.asarray(np.sqrt(np.mean([each.var(axis=0) for each in maps], axis=0)))


def size_edges(sums: Sequence[AreaSums], n_targets: int, blocks: Sequence[str]) -> Edges:
    """Compare contributions beside the edges of tracts with those elsewhere, area by area.

    Areas that do not have both kinds of ground are left out.

    Parameters
    ----------
    blocks : (area,)
        The ground that each is resampled with.
    """
    pairs = zip(sums, blocks, strict=True)
    kept = [(each, block) for each, block in pairs if (each.share > 0).all()]
    both, groups = [each for each, _ in kept], [block for _, block in kept]
    size = np.array([each.size for each in both]).reshape(-1, 2, n_targets)
    share = np.array([each.share for each in both]).reshape(-1, 2)  # (area, beside or not)
    # Of all areas: one alone can have too little ground elsewhere to compare with.
    elsewhere = size[:, 1].sum(axis=0) / max(share[:, 1].sum(), 1e-12)
    return Edges(size[:, 0], share[:, :1] * elsewhere, groups, EDGE_CELLS)


def number_squares(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Say by number which square each cell of a view lies in, (row, col)."""
    rows, cols = np.indices(shape) // PIECE_CELLS
    return np.asarray(rows * (shape[1] // PIECE_CELLS + 1) + cols)
