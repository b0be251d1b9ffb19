"""Chips from rasters, boundaries and labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.chips.cut import cut_heights
from basrelief.chips.eye_tables import read_place_tables, write_place_tables
from basrelief.chips.label_doubts import name_areas
from basrelief.chips.labelled import read_labelled_areas
from basrelief.chips.layers import HEIGHT_BANDS, SHARD_SIDE, create_layer
from basrelief.chips.learnable import check_targets
from basrelief.chips.membership import MIN_LABELLED, average_labels, measure_membership
from basrelief.chips.overlay import Overlay, lay_overlay, open_overlay
from basrelief.chips.store import HEIGHTS, STREET, name_covered, name_seen
from basrelief.chips.street import StreetPictures, say_street, take_street
from basrelief.chips.tables import ChipTables, write_tables
from basrelief.chips.zonal import Zoning
from basrelief.config import InputError, Settings
from basrelief.grid import Grid
from basrelief.run import Notes, Run, write_json
from basrelief.sources.flights import find_flights, mark_timely, measure_years_apart
from basrelief.sources.lidar import Mosaic, check_same_place, open_mosaic
from basrelief.sources.looks import believe_heights, check_products, choose_windows
from basrelief.sources.plausible import MAX_CELLS
from basrelief.sources.shared_ground import refuse_shared_ground
from basrelief.sources.surface_and_terrain import compare_terrain

FINEST = 10
"""How many times finer than the rasters' cells pixels may be."""


@dataclass(frozen=True)
class Rasters:
    """What is cut, and how finely."""

    surface: Mosaic
    terrain: Mosaic | None
    detail_m: float | None
    """Side of the cells that finer rasters are averaged to first, in metres."""

    overlays: tuple[Overlay, ...] = ()
    street: StreetPictures | None = None

    def describe(self) -> dict[str, Any]:
        """Say what a model that learns from these must find elsewhere."""
        besides = {overlay.name: overlay.describe() for overlay in self.overlays}
        if self.street is not None:
            besides[STREET] = self.street.describe()
        return {
            "native_resolution_m": self.surface.grid.cell_m,
            "ground": "estimated" if self.terrain is None else "terrain",
        } | besides


def chips_from_rasters(
    settings: Settings, notes: Notes, folder: Path, detail_m: float | None = None
) -> None:
    """Cut rasters into chips and measure how they cover the areas.

    Parameters
    ----------
    notes
        Takes what is odd about the files.
    folder
        An empty folder; see ``make_chips`` for what is written.
    detail_m
        As for ``cut_like``; None where a model is to be learnt.
    """
    run = notes.run
    rasters, areas, targets = open_place(settings, notes, folder, detail_m)
    is_to_learn = detail_m is None
    eyes = read_place_tables(settings, notes, areas, targets, is_to_learn=is_to_learn)
    chips, covered_m2 = _cut_place(settings, run, folder, rasters, areas)
    # Sums of shares can pass the polygon's own area in the last digit.
    areas["ground_covered"] = np.minimum(covered_m2 / areas.area, 1.0)
    for overlay in rasters.overlays:
        _show_areas(settings, notes, folder, overlay, areas)
    targets, membership = join_chips(settings, notes, chips, areas, targets, is_to_learn)
    tables = ChipTables(chips, areas, membership, targets)
    write_tables(settings, folder, tables, rasters.describe())
    write_place_tables(settings, notes, folder, eyes, areas, is_to_learn)
    _say_counts(settings, run, folder, rasters, tables)


def open_place(
    settings: Settings, notes: Notes, folder: Path | None = None, detail_m: float | None = None
) -> tuple[Rasters, gpd.GeoDataFrame, list[str]]:
    """Read all that is read before anything is cut, and look at the heights.

    Parameters
    ----------
    folder
        Where sums of crime and the list of street pictures go; None to write nothing, and to open
        no picture.
    detail_m
        As for ``cut_like``; None where a model is to be learnt.

    Returns
    -------
    rasters, areas, targets
        Areas with their labels, those that share ground with the rasters; and when they were
        flown, as far as that is known.
    """
    rasters = _open_rasters(settings, notes, detail_m)
    areas, targets = read_labelled_areas(settings, notes, folder, rasters.surface)
    if detail_m is None:
        refuse_shared_ground(areas, settings.typed("areas"))
        targets = check_targets(settings, notes, areas, targets, "areas")
    rasters = _believe(settings, notes, rasters, areas)
    opened = [open_overlay(settings, name, notes, areas) for name in settings.data.overlays]
    rasters = replace(rasters, overlays=tuple(opened))
    if settings.data.street is not None:
        rasters = replace(rasters, street=take_street(settings, notes, areas, folder))
    flights = find_flights(rasters.surface.tiles, areas)
    areas[flights.columns] = flights
    areas["years_apart"] = measure_years_apart(flights, areas["label_year"])
    return rasters, areas, targets


def join_chips(
    settings: Settings,
    notes: Notes,
    chips: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame,
    targets: list[str],
    is_to_learn: bool = True,
) -> tuple[list[str], pd.DataFrame]:
    """Settle which areas and chips are used, and give chips the labels of their areas.

    Fills in ``is_used`` of both, by ``ground_covered`` of areas and ``valid`` of chips.

    Returns
    -------
    Targets that vary over the areas used, and the membership.
    """
    least = settings.chips.min_area_coverage
    areas["is_used"] = areas["ground_covered"] >= least
    if is_to_learn:
        short = areas[~areas["is_used"]]
        if len(short):
            notes.add(
                f"{settings.typed('dsm')}: {name_areas(short, areas)} have heights on less than "
                f"{least:.0%} of their ground (chips.min_area_coverage): left out"
            )
        limit, typed = settings.data.max_years_apart, settings.typed("areas")
        areas["is_used"] &= mark_timely(areas, limit, typed, notes)
        _note_unseen(settings, notes, areas)
        # Again: what varies over all areas may not vary over those with enough ground.
        targets = check_targets(settings, notes, areas[areas["is_used"]], targets, "areas used")
    membership = measure_membership(chips, areas)
    for target in targets:
        # Of areas that are used alone: what is neither judged nor shown must not be learnt from.
        labels = areas[areas["is_used"]].set_index("area_id")[target]
        chips[target] = average_labels(chips["chip_id"], membership, labels)
    # Half of a chip at least has to be ground of some area; a sliver must not stand for it.
    inside = membership.groupby("chip_id")["weight"].sum().reindex(chips["chip_id"]).to_numpy()
    chips["is_used"] = (chips["valid"] >= settings.chips.min_valid) & (inside >= MIN_LABELLED)
    return targets, membership


def _show_areas(
    settings: Settings, notes: Notes, folder: Path, overlay: Overlay, areas: gpd.GeoDataFrame
) -> None:
    """Write a layer beside heights; fill in how much of each area it shows, and if enough."""
    typed, least = settings.typed(f"{overlay.name}.files"), settings.chips.min_area_coverage
    covered = np.minimum(lay_overlay(overlay, areas, typed, folder, notes) / areas.area, 1.0)
    areas[name_covered(overlay.name)] = covered
    areas[name_seen(overlay.name)] = covered >= least
    # Nothing could be learnt from it: the mean would stand for every area without a word.
    if not (covered >= least).any():
        raise InputError(
            f"{typed}: shows {least:.0%} of the ground of no area (chips.min_area_coverage); of "
            f"the best it shows {covered.max():.0%}. Give more files, or dates."
        )


def _note_unseen(settings: Settings, notes: Notes, areas: gpd.GeoDataFrame) -> None:
    """Say which areas that are used layers and street pictures show too little of."""
    least, street = settings.chips.min_area_coverage, settings.data.street
    shortfalls = {
        name: f"{settings.typed(f'{name}.files')}: shows less than {least:.0%} of the ground of"
        for name in settings.data.overlays
    }
    if street is not None:
        shortfalls[STREET] = (
            f"{settings.typed('street.table')}: has fewer than {street.min_pictures} pictures "
            "(data.street.min_pictures) in"
        )
    for eye, shortfall in shortfalls.items():
        # Before the chips are cut nobody knows yet how much of each area a layer shows.
        if name_seen(eye) not in areas:
            continue
        unseen = areas[areas["is_used"] & ~areas[name_seen(eye)]]
        if len(unseen):
            notes.add(
                f"{shortfall} {name_areas(unseen, areas)}: there nothing is learnt from it, and "
                "what rests on it alone predicts the mean"
            )


def _say_counts(
    settings: Settings, run: Run, folder: Path, rasters: Rasters, tables: ChipTables
) -> None:
    """Write and say how much there is, and how much of it is used."""
    chips, areas, terrain = tables.chips, tables.areas, rasters.terrain
    is_labelled = areas[tables.targets].notna().any(axis=1)
    # A place without a table of labels is to be predicted: there every area is of use.
    is_enough = areas["is_used"] & (is_labelled if settings.data.labels else True)
    limit = settings.data.max_years_apart
    # What is not known to be within the limit is left out too.
    n_untimely = 0 if limit is None else int((~(areas["years_apart"] <= limit)).sum())
    counts = {
        "tiles": len(rasters.surface.tiles),
        "terrain_tiles": len(terrain.tiles) if terrain else 0,
        "chips": len(chips),
        "chips_used": int(chips["is_used"].sum()),
        "areas": len(areas),
        "areas_labelled": int(is_labelled.sum()),
        "areas_untimely": n_untimely,
        "areas_used": int(is_enough.sum()),
    }
    write_json(folder / "counts.json", counts)
    run.say(
        f"chips: {counts['chips']} from {counts['tiles']} tiles, {counts['chips_used']} used; "
        f"{counts['areas']} areas touched, {counts['areas_used']} with at least "
        f"{settings.chips.min_area_coverage:.0%} of their ground"
        + (" and a label" if settings.data.labels else "")
    )
    if rasters.street is not None:
        run.say(f"chips: {say_street(rasters.street, areas)}")


def _cut_place(
    settings: Settings, run: Run, folder: Path, rasters: Rasters, areas: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, NDArray[np.float64]]:
    """Write the layer of heights, tract by tract, in bounded memory: the chips that touch an area.

    Returns
    -------
    The chips in the order in which they are cut (``chip_id``, ``valid``, ``easting``,
    ``northing`` and squares), and the square metres of ground with data in each area.
    """
    size_px, cell_m = settings.chips.size_px, settings.chips.resolution_m
    grid = Grid.over(rasters.surface.grid.bounds, cell_m, unit=size_px)
    tracts = find_tracts(settings, grid, areas, rasters.surface.grid.cell_m)
    path = folder / "layers" / f"{HEIGHTS}.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, rasters.surface.crs, size_px)
    zoning, covered = Zoning(areas), np.zeros(len(areas))  # cells with data by (area,)
    squares: list[shapely.Polygon] = []
    valid: list[float] = []
    for tract in run.track(tracts, "cutting chips"):
        if not zoning.is_touched(tract):
            continue
        heights = cut_heights(tract, rasters.surface, rasters.terrain, rasters.detail_m)
        for chip in tract.tiles(size_px):
            rows, cols = tract.find(chip)
            has_data = np.isfinite(heights[0, rows, cols])
            # Partial chips are kept: areas at the edge of the rasters keep their ground, and
            # min_valid decides only what networks see.
            if has_data.any() and zoning.is_touched(chip):
                squares.append(shapely.box(*chip.bounds))
                valid.append(float(has_data.mean()))
            else:
                # What no chip holds is not stored: the layer and the chips are the same ground.
                heights[:, rows, cols] = np.nan
        covered += zoning.count_cells(tract, np.isfinite(heights[0]))
        # A tract's cells are many, and no other tract asks for them.
        zoning.forget()
        layer.write(grid.find(tract), heights)
    if not squares:
        raise InputError(
            f"{settings.typed('dsm')}: no cell with data lies inside any area of "
            f"{settings.typed('areas')}. Check that both show the same place."
        )
    return index_squares(squares, valid, areas), covered * cell_m**2


def find_tracts(
    settings: Settings, grid: Grid, areas: gpd.GeoDataFrame, native_m: float
) -> list[Grid]:
    """List the tracts of a grid within the bounds of the areas; rasters may reach far beyond.

    Parameters
    ----------
    native_m
        Side of the rasters' own cells, in metres.

    Raises
    ------
    InputError
        If they have more cells than can be cut, or much finer ones than the rasters.
    """
    side = SHARD_SIDE * settings.chips.size_px
    (rows, cols), _ = grid.clip(grid.cover(tuple(areas.total_bounds), unit=side))
    inside = grid.crop((rows, cols))
    if inside.n_cells > MAX_CELLS:
        wanted = settings.chips.resolution_m * (inside.n_cells / MAX_CELLS) ** 0.5
        raise InputError(
            f"chips.resolution_m = {settings.chips.resolution_m:g}: the areas' ground would be "
            f"{inside.n_cells:.0e} cells, and {MAX_CELLS:.0e} can be cut. From {wanted:.2g} m on "
            "they are few enough; or give fewer areas."
        )
    if settings.chips.resolution_m * FINEST < native_m:
        raise InputError(
            f"chips.resolution_m = {settings.chips.resolution_m:g}: the rasters' cells are "
            f"{native_m:g} m, and nothing so much finer is in them. Give {native_m / FINEST:g} or "
            "more."
        )
    return list(inside.tiles(side))


def _open_rasters(settings: Settings, notes: Notes, detail_m: float | None) -> Rasters:
    """Open surface and terrain; refuse what is coarser than a model learnt from."""
    data, typed = settings.data, settings.typed("dsm")
    surface = open_mosaic(typed, data.crs, notes, detail_m or settings.chips.resolution_m)
    check_products(typed, surface.tiles, "surface", notes)
    # A hundredth of slack: cells of files are not exactly what they are called.
    coarsest_m = max(tile.cells.cell_m for tile in surface.tiles)
    if detail_m is not None and coarsest_m > 1.01 * detail_m:
        raise InputError(
            f"{typed}: its cells are {coarsest_m:g} m, coarser than "
            f"the {detail_m:g} m that the model learnt from. Give rasters of {detail_m:g} m or "
            "finer: those are averaged."
        )
    if data.dtm is None:
        return Rasters(surface, None, detail_m)
    terrain = open_mosaic(settings.typed("dtm"), data.crs, notes, surface.grid.cell_m)
    check_products(settings.typed("dtm"), terrain.tiles, "terrain", notes)
    check_same_place(surface, terrain, notes)
    return Rasters(surface, terrain, detail_m)


def _believe(
    settings: Settings, notes: Notes, rasters: Rasters, areas: gpd.GeoDataFrame
) -> Rasters:
    """Look at the heights where the areas are, before anything is made of them."""
    typed = settings.typed("dsm")
    windows = choose_windows(rasters.surface, areas)
    surface = believe_heights(rasters.surface, typed, windows, notes)
    if rasters.terrain is None:
        return replace(rasters, surface=surface)
    below = settings.typed("dtm")
    terrain = believe_heights(rasters.terrain, below, windows, notes)
    compare_terrain((surface, terrain), (typed, below), windows, notes)
    return replace(rasters, surface=surface, terrain=terrain)


def index_squares(
    squares: list[shapely.Polygon], valid: list[float], areas: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Make the table of chips from their squares and shares of ground with data, (chip,)."""
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
