"""Chips from rasters, boundaries and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from basrelief.chips.cut import make_grid, measure_ground, read_block, split_block
from basrelief.chips.membership import MIN_LABELLED, average_labels, measure_membership
from basrelief.chips.store import open_writer
from basrelief.chips.tables import name_targets, write_tables
from basrelief.config import InputError, Settings
from basrelief.run import Run, write_json
from basrelief.sources.areas import read_areas
from basrelief.sources.iod import read_labels
from basrelief.sources.lidar import Mosaic, check_same_grid, open_mosaic


@dataclass(frozen=True)
class Cut:
    """What cutting a place gives besides the pixels."""

    chips: gpd.GeoDataFrame
    """``chip_id``, ``valid``, ``easting``, ``northing`` and squares, in the pixels' order."""

    covered_m2: pd.Series[float]
    """Ground with data by ``area_id``, in square metres."""


def chips_from_rasters(settings: Settings, run: Run, folder: Path) -> None:
    """Cut rasters into chips and measure how they cover the areas.

    Parameters
    ----------
    folder
        An empty folder; see ``make_chips`` for what is written.
    """
    surface, terrain = _open_mosaics(settings)
    areas, targets = _read_labelled_areas(settings, surface)
    cut = _cut_place(settings, run, folder, surface, terrain, areas)
    chips = cut.chips
    covered = cut.covered_m2[areas["area_id"]].to_numpy()
    areas["ground_covered"] = np.minimum(covered / areas.area, 1.0)
    areas["is_used"] = areas["ground_covered"] >= settings.chips.min_area_coverage
    membership = measure_membership(chips, areas)
    for target in targets:
        labels = areas.set_index("area_id")[target]
        chips[target] = average_labels(chips["chip_id"], membership, labels)
    inside = membership.groupby("chip_id")["weight"].sum().reindex(chips["chip_id"]).to_numpy()
    chips["is_used"] = (chips["valid"] >= settings.chips.min_valid) & (inside >= MIN_LABELLED)
    write_tables(settings, folder, chips, areas, membership, targets)
    is_labelled = areas[targets].notna().any(axis=1)
    counts = {
        "tiles": len(surface.tiles),
        "terrain_tiles": len(terrain.tiles) if terrain else 0,
        "chips": len(chips),
        "chips_used": int(chips["is_used"].sum()),
        "areas": len(areas),
        "areas_labelled": int(is_labelled.sum()),
        "areas_used": int((areas["is_used"] & is_labelled).sum()),
    }
    write_json(folder / "counts.json", counts)
    run.say(
        f"chips: {counts['chips']} from {counts['tiles']} tiles, {counts['chips_used']} used; "
        f"{counts['areas']} areas touched, {counts['areas_used']} with at least "
        f"{settings.chips.min_area_coverage:.0%} of their ground and a label"
    )


def _cut_place(
    settings: Settings,
    run: Run,
    folder: Path,
    surface: Mosaic,
    terrain: Mosaic | None,
    areas: gpd.GeoDataFrame,
) -> Cut:
    """Write the chips that touch an area, block by block, in bounded memory."""
    grid = make_grid(surface.bounds, settings.chips)
    covered = pd.Series(0.0, index=areas["area_id"])
    squares, valid = [], []
    polygons = shapely.STRtree(areas.geometry.to_numpy())
    with open_writer(folder / "pixels.zarr", 2, settings.chips.size_px, "float32") as writer:
        for place in run.track(grid.blocks(), "cutting chips"):
            block = read_block(grid, place, surface, terrain)
            covered = covered.add(measure_ground(block, areas), fill_value=0.0)
            for chip in split_block(block, settings.chips.size_px):
                square = shapely.box(*chip.bounds)
                if len(polygons.query(square, predicate="intersects")):
                    writer.append(chip.heights)
                    squares.append(square)
                    valid.append(chip.valid)
    if not squares:
        raise InputError(
            f"data.dsm = {settings.data.dsm!r}: no cell with data lies inside any area of "
            f"data.areas = {settings.data.areas!r}. Check that both show the same place."
        )
    return Cut(_index_squares(squares, valid, areas), covered)


def _open_mosaics(settings: Settings) -> tuple[Mosaic, Mosaic | None]:
    data = settings.data
    assert data.dsm is not None
    surface = open_mosaic(data.dsm, settings.locate(data.dsm), key="data.dsm", crs=data.crs)
    if data.dtm is None:
        return surface, None
    terrain = open_mosaic(data.dtm, settings.locate(data.dtm), key="data.dtm", crs=data.crs)
    check_same_grid(surface, terrain)
    return surface, terrain


def _read_labelled_areas(settings: Settings, surface: Mosaic) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Read the areas that the rasters touch, with one column a target."""
    data = settings.data
    assert data.areas is not None
    assert data.labels is not None
    labels = read_labels(
        data.labels,
        settings.locate(data.labels),
        targets=data.targets,
        column=data.label_column,
    )
    areas = read_areas(
        data.areas,
        settings.locate(data.areas),
        column=data.area_column,
        crs=surface.crs,
        bounds=surface.bounds,
    )
    known = areas["area_id"].isin(labels.index)
    if not known.any():
        raise InputError(
            f"data.labels = {data.labels!r}: none of its area codes (such as "
            f"{labels.index[0]!r}) is among the codes of data.areas = {data.areas!r} (such as "
            f"{areas['area_id'].iloc[0]!r}). Give both for the same areas and year."
        )
    targets = name_targets(settings, list(labels.columns))
    for column in labels.columns:
        if column in targets or column == "population":
            areas[column] = areas["area_id"].map(labels[column])
        elif column == "lad" and areas["lad"].isna().all():
            areas["lad"] = areas["area_id"].map(labels["lad"])
    return areas, targets


def _index_squares(
    squares: list[shapely.Polygon], valid: list[float], areas: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    corner = shapely.bounds(squares)
    centre = shapely.centroid(squares)
    return gpd.GeoDataFrame(
        {
            "chip_id": [f"{west:.10g}_{south:.10g}" for west, south, _, _ in corner],
            "valid": valid,
            "easting": shapely.get_x(centre),
            "northing": shapely.get_y(centre),
        },
        geometry=squares,
        crs=areas.crs,
    )
