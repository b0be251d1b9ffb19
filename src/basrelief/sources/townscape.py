"""The relief of a synthetic town: hills, a river, streets, buildings and trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.float64]

MAIN_ROAD_M = 7.0
"""Half the width of the roads along the edges of areas."""

RIVER_M = 22.0
"""Half the width of the river."""


@dataclass(frozen=True)
class Character:
    """How an area is built: one plot, repeated along streets. Lengths in metres."""

    name: str
    share: float
    """Share of the town's areas built like this."""

    plot_m: tuple[float, float]
    """Width along the street, depth away from it."""

    house_m: tuple[float, float]
    """Width and depth of the house on the plot; as wide as the plot makes a terrace."""

    setback_m: float
    eaves_m: float
    """Usual height of the walls."""

    spread: float
    """How much the height differs from area to area (standard deviation of its logarithm)."""

    roof_m: float
    """Height of the ridge above the eaves; 0 is a flat roof."""

    built: float
    """Share of plots with a house."""

    trees_ha: float
    """Trees on a hectare of unbuilt ground."""

    block_m: float = 110.0
    """Distance between cross streets."""

    street_m: float = 10.0
    wing_m: float = 0.0
    """Depth of the low extensions behind the houses."""


CHARACTERS = (
    Character("terraces", 0.24, (6, 24), (6, 9), 4, 6.5, 0.10, 3.0, 0.97, 16, wing_m=5),
    Character("semi-detached", 0.20, (17, 30), (12, 9), 7, 5.5, 0.10, 3.0, 0.95, 30),
    Character("villas", 0.12, (26, 40), (12, 11), 11, 6.0, 0.12, 4.0, 0.88, 55, 170),
    Character("courtyards", 0.12, (20, 32), (20, 14), 1, 14.0, 0.20, 1.5, 0.96, 8, 130, 14, 13),
    Character("slabs", 0.12, (62, 46), (48, 13), 12, 19.0, 0.28, 0.0, 0.85, 24, 200, 12),
    Character("towers", 0.07, (74, 58), (25, 25), 15, 38.0, 0.22, 0.0, 0.75, 26, 240, 12),
    Character("sheds", 0.07, (84, 66), (66, 46), 12, 8.5, 0.15, 1.0, 0.85, 5, 260, 14),
    Character("park", 0.06, (60, 60), (14, 10), 20, 4.0, 0.10, 2.0, 0.05, 60, 400, 4),
)


@dataclass(frozen=True)
class Plan:
    """Which area and which character every cell of the town has."""

    area: NDArray[np.int_]
    """Index of the area, (row, col)."""

    character: NDArray[np.int_]
    """Index into ``CHARACTERS``, one an area."""

    height_factor: Plane
    """How high its houses are against its character's usual, one an area."""

    infill: Plane
    """Share of its blocks rebuilt as flats, one an area."""

    resolution_m: float


@dataclass(frozen=True)
class TownEye:
    """What a town can be looked at with beside heights, and the score that it alone shows."""

    target: str
    truth: str
    """What drives the score, in words."""

    r2: float
    """Share of the score's variance that what is shown explains."""

    recipe: str
    """Recipe that looks with it."""

    section: str
    """Lines of the configuration that say where it is."""


def draw_relief(plan: Plan, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Draw the surface and the ground of a town.

    Parameters
    ----------
    plan
        What stands where.
    rng
        Where every tree and every missing house comes from.

    Returns
    -------
    surface, terrain
        Heights in metres, (row, col), first row in the north.
    """
    cell = plan.resolution_m
    terrain, river_m = _draw_terrain(plan.area.shape, cell, rng)
    edge_m = cell * ndimage.distance_transform_edt(_inside(plan.area))
    is_free = (edge_m > MAIN_ROAD_M + 3) & (river_m > RIVER_M + 18)
    houses = _draw_houses(plan, is_free, rng)
    is_green = is_free & ~(ndimage.maximum_filter(houses, 3) > 0)
    trees = _draw_trees(plan, is_green, rng)
    is_banked = (river_m > RIVER_M) & (river_m < RIVER_M + 14) & (edge_m > 4)
    trees = np.maximum(trees, _draw_riverside(is_banked, cell, rng))
    above = np.where(houses > 0, houses, trees)
    above[river_m <= RIVER_M] = 0
    return terrain + above, terrain


def smooth_noise(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> Plane:
    """Make noise, (row, col), that changes over ``scale`` cells: mean 0, standard deviation 1."""
    # Separable Gaussian bumps on a coarse grid: two thin matrix products for any size.
    weights = []
    for side in shape:
        # Knots beyond both ends: without them the noise would fade towards the edges.
        knots = np.arange(-2, np.ceil(side / scale) + 3)
        offset = np.arange(side)[:, None] / scale - knots
        weights.append(np.exp(-0.5 * (offset / 0.7) ** 2))
    rows, cols = weights
    field: Plane = rows @ rng.normal(size=(rows.shape[1], cols.shape[1])) @ cols.T
    return np.asarray((field - field.mean()) / field.std())


def _draw_terrain(
    shape: tuple[int, ...], cell: float, rng: np.random.Generator
) -> tuple[Plane, Plane]:
    """Draw hills with a river valley; return heights and the distance to the river's middle."""
    rows, cols = np.indices(shape, dtype=float) * cell
    side = shape[0] * cell
    phase = rng.uniform(0, 2 * np.pi, 2)
    middle = side * (0.42 + 0.11 * np.sin(2 * np.pi * cols / (0.85 * side) + phase[0]))
    middle += 0.025 * side * np.sin(2 * np.pi * cols / (0.31 * side) + phase[1])
    slope = np.gradient(middle, cell, axis=1)
    # Across the river and not along the column: it would be thin wherever it turns.
    river_m = np.abs(rows - middle) / np.sqrt(1 + slope**2)
    hills = 14 * smooth_noise(shape, 700 / cell, rng) + 3 * smooth_noise(shape, 180 / cell, rng)
    away = 1 - np.exp(-river_m / 420)
    fall = 6 * (1 - cols / side)
    terrain = 24 + fall + away * (26 + hills)
    terrain -= 2.5 * np.clip((RIVER_M + 8 - river_m) / 8, 0, 1)
    return terrain, river_m


def _inside(area: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Mark cells that are not on the edge between two areas."""
    inside = np.ones(area.shape, dtype=bool)
    inside[:-1] &= area[:-1] == area[1:]
    inside[:, :-1] &= area[:, :-1] == area[:, 1:]
    return inside


def _draw_houses(plan: Plan, is_free: NDArray[np.bool_], rng: np.random.Generator) -> Plane:
    """Build every plot of every area; 0 where nothing stands."""
    houses = np.zeros(plan.area.shape)
    boxes = ndimage.find_objects(plan.area + 1)
    for index, box in enumerate(boxes):
        is_here = (plan.area[box] == index) & is_free[box]
        built = _build_area(plan, index, is_here, rng)
        houses[box] = np.where(is_here, built, houses[box])
    return houses


def _build_area(
    plan: Plan, index: int, is_here: NDArray[np.bool_], rng: np.random.Generator
) -> Plane:
    """Build one area on a street grid that is turned its own way; heights above ground."""
    kind = CHARACTERS[plan.character[index]]
    along, across = _turn(is_here.shape, plan.resolution_m, rng)
    depth = 2 * kind.plot_m[1]
    block_row, into_block = np.divmod(across, depth + kind.street_m)
    block_col, on_street = np.divmod(along, kind.block_m)
    n_plots = max(1, int((kind.block_m - kind.street_m) // kind.plot_m[0]))
    plot = np.floor((on_street - kind.street_m) / kind.plot_m[0])
    into_block -= kind.street_m
    is_back = into_block > kind.plot_m[1]
    inwards = np.where(is_back, depth - into_block, into_block) - kind.setback_m
    sideways = (on_street - kind.street_m) - (plot + 0.5) * kind.plot_m[0]

    is_plot = is_here & (plot >= 0) & (plot < n_plots)
    is_house = is_plot & (np.abs(sideways) <= kind.house_m[0] / 2)
    is_house &= (inwards >= 0) & (inwards < kind.house_m[1])
    if not is_house.any():
        return np.zeros(is_here.shape)
    # Numbers that no two houses share: a town has fewer than 512 blocks in a row, a block fewer
    # than 64 plots.
    block = block_row * 512 + block_col
    house = (block * 64 + plot) * 2 + is_back
    eaves = _raise_walls(plan, index, house, block, is_house, rng)
    ridge = kind.roof_m * (1 - np.abs(2 * inwards / kind.house_m[1] - 1))
    # What stands far above its street was rebuilt as flats, and those have no ridge.
    is_flats = eaves > 1.6 * kind.eaves_m * plan.height_factor[index]
    houses = np.where(eaves > 0, eaves + np.where(is_flats, 0, ridge), 0)
    # Back extensions of terraces, in pairs: what makes their yards look like yards.
    reach = inwards - kind.house_m[1]
    is_wing = is_plot & (reach >= 0) & (reach < kind.wing_m)
    is_wing &= np.where(plot % 2 == 0, sideways, -sideways) > 0
    is_wing &= np.isin(house, house[eaves > 0])
    return np.where(is_wing, 0.55 * kind.eaves_m, houses)


def _turn(shape: tuple[int, ...], cell: float, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Make coordinates along and across streets, in metres: turned, and slightly bent."""
    angle, phase = rng.uniform(0, np.pi / 2), rng.uniform(0, 2 * np.pi)
    rows, cols = np.indices(shape) * cell
    along = rows * np.sin(angle) + cols * np.cos(angle)
    across = rows * np.cos(angle) - cols * np.sin(angle)
    bent = across + 9 * np.sin(along / 75 + phase)
    # Away from zero, so that blocks count upwards everywhere.
    return along + 2000, bent + 2000


def _raise_walls(
    plan: Plan,
    index: int,
    house: Plane,
    block: Plane,
    is_house: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Plane:
    """Give each house its height, blocks of flats more; 0 where the plot stays empty."""
    kind = CHARACTERS[plan.character[index]]
    ids, which = np.unique(house[is_house], return_inverse=True)
    _, first = np.unique(which, return_index=True)
    blocks, of_block = np.unique(block[is_house][first], return_inverse=True)
    usual = kind.eaves_m * plan.height_factor[index]
    heights = usual * rng.normal(1, 0.05 + 0.3 * kind.spread, ids.size).clip(0.6, 1.5)
    is_flats = rng.random(blocks.size) < plan.infill[index]
    heights = np.where(is_flats[of_block], heights + 9.0, heights)
    heights[rng.random(ids.size) > kind.built] = 0
    # A house cut through by a road was never built.
    whole = kind.house_m[0] * kind.house_m[1] / plan.resolution_m**2
    heights[np.bincount(which) < 0.7 * whole] = 0
    eaves = np.zeros(house.shape)
    eaves[is_house] = heights[which]
    return eaves


def _draw_trees(plan: Plan, is_green: NDArray[np.bool_], rng: np.random.Generator) -> Plane:
    """Scatter trees over gardens, lawns and parks, in clumps."""
    per_ha = np.array([kind.trees_ha for kind in CHARACTERS])[plan.character][plan.area]
    # By way of the exponential, so that no clump's density falls below 0.
    clumps = np.exp(0.8 * smooth_noise(plan.area.shape, 60 / plan.resolution_m, rng))
    expected = per_ha * clumps * (plan.resolution_m**2 / 10_000)
    expected[~is_green] = 0
    spots = np.argwhere(rng.random(expected.shape) < expected)
    return _stamp(spots, plan.area.shape, plan.resolution_m, rng)


def _draw_riverside(is_banked: NDArray[np.bool_], cell: float, rng: np.random.Generator) -> Plane:
    """Line the river with trees."""
    # By area, not by cell: a finer town must not have more trees.
    spots = np.argwhere(is_banked & (rng.random(is_banked.shape) < 0.012 * cell**2 / 4))
    return _stamp(spots, is_banked.shape, cell, rng)


def _stamp(
    spots: NDArray[np.int_], shape: tuple[int, ...], cell: float, rng: np.random.Generator
) -> Plane:
    """Stamp a round crown at each place, the higher one where crowns meet."""
    trees = np.zeros(shape)
    heights = rng.gamma(6, 1.3, len(spots)).clip(3, 15)
    for (row, col), height in zip(spots, heights, strict=True):
        radius = 0.32 * height + 1.0
        reach = int(radius / cell) + 1
        top, left = max(0, row - reach), max(0, col - reach)
        part = trees[top : row + reach + 1, left : col + reach + 1]
        rows = (np.arange(top, top + part.shape[0]) - row)[:, None] * cell
        cols = (np.arange(left, left + part.shape[1]) - col)[None] * cell
        squared = (rows**2 + cols**2) / radius**2
        np.maximum(part, np.where(squared < 1, height * (1 - 0.45 * squared), 0), out=part)
    return trees
