"""A synthetic town with a known answer, written as official sources would publish it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage

from basrelief.grid import Grid
from basrelief.run import replacing, write_json
from basrelief.sources.national_grid import NATIONAL_GRID, name_square
from basrelief.sources.town_photo import PHOTO_EYE, take_photo
from basrelief.sources.town_scores import EXPECTED, TRUTH, draw_labels, publish, score_shown
from basrelief.sources.town_street import STREET_EYE, take_street_pictures
from basrelief.sources.townscape import CHARACTERS, Plan, Plane, TownEye, draw_relief

WEST_M, SOUTH_M = 520_000, 40_000
"""South-west corner on the National Grid: open sea, so that nobody takes it for a real place."""

TOWN = (
    "lidar",
    "areas.gpkg",
    "labels.csv",
    "photo.tif",
    "street",
    "street.csv",
    "truth.json",
    "config.toml",
    "run",
)
"""What stands in a town's folder, and its run."""

TILE_M = 1000
AREA_M = 335.0
"""Usual distance between the middles of neighbouring areas."""

# Smaller blocks, buffer and chips than the defaults: the town is three kilometres wide. Two
# epochs show that a network learns, and keep the demonstration short.
CONFIG = """\
# A synthetic town: a quick way to see every stage, and to check that the answers are right.
# What drives each score is written in truth.json.
out  = "run"
seed = {seed}

[data]
dsm     = "lidar/DSM_*.tif"
dtm     = "lidar/DTM_*.tif"
areas   = "areas.gpkg"
labels  = "labels.csv"
targets = {targets}
{eyes}
[chips]
size_px      = 64
resolution_m = {resolution_m:.1f}

[split]
folds    = 5
block_m  = 500
buffer_m = 100

[models]
recipes = {recipes}
weights = {{ vgg16 = "none" }}      # random: the town needs no file and no network
epochs  = 2
"""


def write_town(
    folder: Path,
    *,
    seed: int,
    side_m: int = 3000,
    resolution_m: float = 2.0,
    has_photo: bool = False,
    has_street: bool = False,
) -> Path:
    """Write a synthetic town: LIDAR tiles, boundaries, labels, the truth and a configuration.

    Parameters
    ----------
    folder
        Where it goes; made if absent.
    seed
        The same seed gives the same town.
    side_m
        Side of the square town, a whole number of kilometres.
    resolution_m
        Side of a LIDAR cell; a kilometre must be a whole number of them.
    has_photo
        Whether there is a photo too, and a score that it alone shows.
    has_street
        The same of pictures from the street.

    Returns
    -------
    Path
        The configuration file, ready to run.

    Raises
    ------
    ValueError
        If the town is no whole number of tiles, or a tile no whole number of cells.
    """
    if side_m % TILE_M or side_m <= 0 or round(TILE_M / resolution_m) * resolution_m != TILE_M:
        raise ValueError(
            f"a town of {side_m} m at {resolution_m:g} m is no whole number of tiles and cells."
        )
    # One stream for everything: a draw added in between makes another town of the same seed.
    rng = np.random.default_rng(seed)
    areas = _draw_areas(side_m, seed, rng)
    plan = _draw_plan(areas, side_m, resolution_m, rng)
    surface, terrain = draw_relief(plan, rng)
    labels = draw_labels(areas, plan, surface - terrain, rng)
    # Surface and terrain declare nodata differently, as real deliveries do.
    lowest = float(np.finfo(np.float32).min)
    pond = _draw_pond(plan)
    # Whole or not at all: no tile of an earlier town may stay behind.
    with replacing(folder / "lidar") as part:
        part.mkdir()
        _write_tiles(part, "DSM", np.where(pond, -9999.0, surface), plan, -9999.0)
        _write_tiles(part, "DTM", np.where(pond, lowest, terrain), plan, lowest)
    with replacing(folder / "areas.gpkg") as part:
        areas.to_file(part, driver="GPKG", layer="areas")
    published = publish(areas, labels, rng)
    shown = {}
    if has_photo:
        shown[PHOTO_EYE] = _photograph(folder / "photo.tif", areas, side_m, seed)
    if has_street:
        shown[STREET_EYE] = _walk_streets(folder, areas, seed)
    for eye, score in shown.items():
        published[eye.target] = labels[eye.target] = score
    with replacing(folder / "labels.csv") as part:
        published.to_csv(part, index=False)
    truth = TRUTH | {eye.target: eye.truth for eye in shown}
    write_json(folder / "truth.json", _tell_truth(areas, plan, labels, truth))
    config = folder / "config.toml"
    with replacing(config) as part:
        part.write_text(_configure(seed, resolution_m, list(shown)), encoding="utf-8")
    return config


def _configure(seed: int, resolution_m: float, eyes: Sequence[TownEye]) -> str:
    """Write the configuration: what eyes show is asked for, and recipes that look with them."""
    targets = ["crime", "barriers", "health", *(eye.target for eye in eyes)]
    recipes = ["relief-statistics", *(eye.recipe for eye in eyes), "vgg16"]
    return CONFIG.format(
        seed=seed,
        resolution_m=resolution_m,
        targets=json.dumps(targets),
        recipes=json.dumps(recipes),
        eyes="".join(eye.section for eye in eyes),
    )


def _photograph(path: Path, areas: gpd.GeoDataFrame, side_m: int, seed: int) -> Plane:
    """Write a photo of the town, and give the score that it shows, (area,)."""
    # A stream of its own: with a photo or without, the town is the same.
    rng = np.random.default_rng([seed, zlib.crc32(b"photo")])
    bounds = (WEST_M, SOUTH_M, WEST_M + side_m, SOUTH_M + side_m)
    with replacing(path) as part:
        shown = take_photo(part, areas, bounds, rng)
    return score_shown(shown, PHOTO_EYE.r2, rng)


def _walk_streets(folder: Path, areas: gpd.GeoDataFrame, seed: int) -> Plane:
    """Write pictures from the streets, and give the score that they show, (area,)."""
    rng = np.random.default_rng([seed, zlib.crc32(b"street")])
    with replacing(folder / "street") as part:
        shown, table = take_street_pictures(part, areas, rng)
    with replacing(folder / "street.csv") as part:
        table.to_csv(part, index=False)
    return score_shown(shown, STREET_EYE.r2, rng)


def _draw_areas(side_m: int, seed: int, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Divide the town into irregular areas that fit together, with codes like the official ones."""
    n = max(2, round(side_m / AREA_M))
    step = side_m / n
    col, row = (index.ravel() for index in np.meshgrid(np.arange(n), np.arange(n)))
    # By less than half a step: rows and columns still say who is whose neighbour.
    middles = (np.c_[col, row] + 0.5 + rng.uniform(-0.36, 0.36, (n * n, 2))) * step
    town = shapely.box(0, 0, side_m, side_m)
    cells = shapely.voronoi_polygons(shapely.MultiPoint(middles), extend_to=town, ordered=True)
    polygons = shapely.intersection(shapely.get_parts(cells), town)
    # A straight edge has no corners that could be moved, so it gets some first.
    bent = shapely.transform(shapely.segmentize(polygons, 15.0), _Bend(side_m, rng))
    msoa = row // 2 * ((n + 2) // 3) + col // 3
    lad = 2 * col // n
    number = np.arange(1, n * n + 1)
    letter = pd.Series(number).groupby(msoa).cumcount().map(lambda k: chr(65 + k))
    return gpd.GeoDataFrame(
        {
            # Codes of the official form, of numbers that are not in use; another town has others.
            "LSOA11CD": [f"E019{seed % 10}{k:04d}" for k in number],
            "LSOA11NM": [f"Relief {m + 1:03d}{a}" for m, a in zip(msoa, letter, strict=True)],
            "MSOA11CD": [f"E029{m + 1:05d}" for m in msoa],
            "LAD11CD": [f"E069{k + 1:05d}" for k in lad],
            "LAD11NM": np.where(lad == 0, "Relief West", "Relief East"),
        },
        geometry=bent,
        crs=NATIONAL_GRID,
    )


class _Bend:
    """Bends straight edges a little, the same way wherever they meet."""

    def __init__(self, side_m: int, rng: np.random.Generator) -> None:
        self.side_m = side_m
        angle = rng.uniform(0, 2 * np.pi, 8)
        length_m = rng.uniform(230, 520, 8)
        self.waves = 2 * np.pi * np.c_[np.cos(angle), np.sin(angle)] / length_m[:, None]
        self.phases = rng.uniform(0, 2 * np.pi, 8)

    def __call__(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points, (n, 2) in metres from the town's corner, onto the National Grid."""
        push = 9.0 * np.sin(xy @ self.waves.T + self.phases)
        inside_m = np.minimum(xy, self.side_m - xy).min(axis=1)
        # Nothing moves at the town's edge, so that it stays a square of whole tiles.
        fade = np.clip(inside_m / 80, 0, 1)[:, None]
        moved = xy + fade * np.c_[push[:, :4].sum(axis=1), push[:, 4:].sum(axis=1)]
        return np.asarray(np.round(moved + np.array([WEST_M, SOUTH_M]), 2))


def _draw_plan(
    areas: gpd.GeoDataFrame, side_m: int, resolution_m: float, rng: np.random.Generator
) -> Plan:
    """Deal characters out at random, so that place does not tell how an area is built."""
    bounds = (WEST_M, SOUTH_M, WEST_M + side_m, SOUTH_M + side_m)
    grid = Grid.over(bounds, resolution_m)
    area = rasterize(
        zip(areas.geometry, range(len(areas)), strict=True),
        out_shape=grid.shape,
        transform=grid.transform,
        dtype="int32",
    )
    shares = np.cumsum([kind.share for kind in CHARACTERS])
    # By rank, not drawn one by one: even a small town gets each character's share.
    ranks = (rng.permutation(len(areas)) + 0.5) / len(areas)
    character = np.searchsorted(shares, ranks * shares[-1])
    spread = np.array([kind.spread for kind in CHARACTERS])[character]
    is_low = np.array([kind.eaves_m < 10 for kind in CHARACTERS])[character]
    return Plan(
        area=area.astype(np.int_),
        character=character,
        height_factor=np.exp(spread * rng.normal(size=len(areas))),
        infill=np.where(is_low, rng.beta(0.8, 4, len(areas)), 0.1),
        resolution_m=resolution_m,
    )


def _draw_pond(plan: Plan) -> NDArray[np.bool_]:
    """Mark a pond in a park: water sends no pulse back, so real tiles have holes there."""
    is_park = np.array([kind.name == "park" for kind in CHARACTERS])[plan.character]
    chosen = int(np.argmax(is_park))
    # Padded, so that the town's own edge counts as one and the pond keeps off it.
    inside = ndimage.distance_transform_edt(np.pad(plan.area == chosen, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(inside), inside.shape)
    rows, cols = np.indices(plan.area.shape, dtype=float)
    squared = ((rows - row) / 30) ** 2 + ((cols - col) / 44) ** 2
    return np.asarray(squared * plan.resolution_m**2 < 1)


def _write_tiles(folder: Path, kind: str, heights: Plane, plan: Plan, nodata: float) -> None:
    """Write heights as GeoTIFFs of a kilometre, named as the Environment Agency names them."""
    n_rows = heights.shape[0]
    whole = Grid(WEST_M, SOUTH_M + n_rows * plan.resolution_m, plan.resolution_m, heights.shape)
    n = round(TILE_M / plan.resolution_m)
    for number, grid in enumerate(whole.tiles(n)):
        west, south, _, _ = grid.bounds
        name = f"{kind}_{name_square(west, south, TILE_M)}_P_{10001 + number}_20200101_20200101.tif"
        with rasterio.open(
            folder / name,
            "w",
            driver="GTiff",
            width=n,
            height=n,
            count=1,
            dtype="float32",
            crs=NATIONAL_GRID,
            transform=grid.transform,
            nodata=nodata,
            compress="deflate",
            # The predictor for floating point, with which heights pack smaller.
            predictor=3,
        ) as dataset:
            dataset.write(heights[whole.find(grid)].astype(np.float32), 1)


def _tell_truth(
    areas: gpd.GeoDataFrame, plan: Plan, labels: pd.DataFrame, truth: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Say what drives each score and how each area is built."""
    names = [CHARACTERS[kind].name for kind in plan.character]
    return {
        "driven_by": {str(name): truth[str(name)] for name in labels},
        "expected": EXPECTED,
        "character": dict(zip(areas["LSOA11CD"], names, strict=True)),
    }
