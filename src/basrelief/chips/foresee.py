"""What the chips stage would make, foreseen from all that it reads before it cuts a chip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.chips.areas import take_areas
from basrelief.chips.eye_tables import read_place_tables
from basrelief.chips.overlay import Overlay
from basrelief.chips.pictures import take_pictures
from basrelief.chips.rasters import Rasters, find_tracts, index_squares, join_chips, open_place
from basrelief.chips.store import EMBEDDING, Samples
from basrelief.chips.street import say_street
from basrelief.chips.tables import ChipTables
from basrelief.config import DataKind, InputError, Settings
from basrelief.eyes import OVERLAYS
from basrelief.grid import Grid
from basrelief.run import Notes
from basrelief.sources.eye_tables import note_few


@dataclass(frozen=True, eq=False)
class Foreseen:
    """Samples as the chips stage would leave them, and how much it would read."""

    samples: Samples
    """Of a folder that is not there: no pixel can be read."""

    lines: tuple[str, ...]
    """What there is, in words."""


def foresee_chips(settings: Settings, notes: Notes) -> Foreseen:
    """Read every input of the chips stage, and foresee what it would make of them.

    Of rasters headers are read, and windows of heights where the areas are; ground within a tile
    counts as ground with data. Pictures are all opened.

    Raises
    ------
    InputError
        Where the chips stage would stop, as far as that can be known.
    """
    if settings.data.kind == "tables":
        return _foresee_tables(settings, notes)
    if settings.data.has_rasters:
        return _foresee_rasters(settings, notes)
    return _foresee_pictures(settings, notes)


def _foresee_rasters(settings: Settings, notes: Notes) -> Foreseen:
    rasters, areas, targets = open_place(settings, notes)
    eyes = read_place_tables(settings, notes, areas, targets)
    # Outlines stand for data: reading every cell would take as long as cutting.
    tiles = shapely.box(*np.array([tile.grid.bounds for tile in rasters.surface.tiles]).T)
    ground = shapely.union_all(tiles)
    areas["ground_covered"] = shapely.area(shapely.intersection(areas.geometry.values, ground))
    areas["ground_covered"] = np.minimum(areas["ground_covered"] / areas.area, 1.0)
    chips = _lay_chips(settings, rasters, areas, ground)
    n_areas = len(areas)
    targets, membership = join_chips(settings, notes, chips, areas, targets)
    note_few(eyes, int(areas["is_used"].sum()), settings, notes)
    samples = _gather(settings, "heights", ChipTables(chips, areas, membership, targets))
    below = () if rasters.terrain is None else rasters.terrain.tiles
    terrain = f", {len(below)} of terrain" if below else ""
    lines: tuple[str, ...] = (
        f"{len(tiles)} tile{'s' * (len(tiles) > 1)} of surface{terrain}, cells of "
        f"{rasters.surface.grid.cell_m:g} m; about {len(chips)} chips of "
        f"{settings.chips.ground_m:g} m, about {int(chips['is_used'].sum())} of them for networks",
        f"{n_areas} areas touched, about {int(areas['is_used'].sum())} with at least "
        f"{settings.chips.min_area_coverage:.0%} of their ground",
        *_list_tables(eyes, n_areas),
    )
    lines += tuple(_tell_overlay(overlay) for overlay in rasters.overlays)
    if rasters.street is not None:
        lines += (say_street(rasters.street, areas),)
    return Foreseen(samples, lines)


def _foresee_tables(settings: Settings, notes: Notes) -> Foreseen:
    tables, eyes = take_areas(settings, notes)
    n_areas = len(tables.areas)
    note_few(eyes, n_areas, settings, notes)
    lines = (f"no rasters: {n_areas} areas and no chip", *_list_tables(eyes, n_areas))
    return Foreseen(_gather(settings, "tables", tables), lines)


def _list_tables(eyes: dict[str, pd.DataFrame], n_areas: int) -> list[str]:
    """List how much is known of areas by each table."""
    return [
        f"table {eye}: {table.shape[1]} columns, {int(table.notna().any(axis=1).sum())} of the "
        f"{n_areas} areas"
        for eye, table in eyes.items()
    ]


def _tell_overlay(overlay: Overlay) -> str:
    """Tell in a line what a layer beside heights is made of."""
    told = overlay.describe()
    n_files, bands = told["n_files"], told["bands"]
    start = f"{n_files} file{'s' * (n_files > 1)} of {OVERLAYS[overlay.name].words}, cells of "
    # Of embeddings there are dozens, and their names say nothing.
    shown = f"{len(bands)} bands" if overlay.name == EMBEDDING else f"bands {', '.join(bands)}"
    unit = "" if overlay.name == EMBEDDING else f" ({told['unit']})"
    return f"{start}{told['cell_m']:g} m, {shown}{unit}"


def _lay_chips(
    settings: Settings, rasters: Rasters, areas: gpd.GeoDataFrame, ground: shapely.Geometry
) -> gpd.GeoDataFrame:
    """Lay chips over the ground of a place: those that touch an area, as they are cut."""
    size_px = settings.chips.size_px
    grid = Grid.over(rasters.surface.grid.bounds, settings.chips.resolution_m, unit=size_px)
    tree = shapely.STRtree(areas.geometry.values)
    squares: list[Any] = []
    for tract in find_tracts(settings, grid, areas, rasters.surface.grid.cell_m):
        own = np.array([shapely.box(*chip.bounds) for chip in tract.tiles(size_px)])
        touched = np.unique(tree.query(own, predicate="intersects")[0])
        squares += list(own[touched])
    shapes: NDArray[np.object_] = np.array(squares, dtype=object)
    shapely.prepare(ground)
    inside = shapely.area(shapely.intersection(shapes, ground)) / settings.chips.ground_m**2
    has_data = inside > 0
    if not has_data.any():
        raise InputError(
            f"{settings.typed('dsm')}: no tile lies inside any area of {settings.typed('areas')}. "
            "Check that both show the same place."
        )
    # Sums of shares can pass 1 in the last digit.
    valid = np.minimum(inside[has_data], 1.0).tolist()
    return index_squares(list(shapes[has_data]), valid, areas)


def _foresee_pictures(settings: Settings, notes: Notes) -> Foreseen:
    taken = take_pictures(settings, notes, None)
    pictures, tables = taken.pictures, taken.tables
    lines = (
        f"{pictures.n_pictures} pictures, {pictures.n_rows} rows; "
        f"{len(pictures.pictures_without_row)} pictures without a row, "
        f"{len(pictures.rows_without_picture)} rows without a picture; "
        f"{len(taken.one_colour)} of one colour; {len(taken.shown)} of use, in "
        f"{len(tables.areas)} areas",
    )
    return Foreseen(_gather(settings, "pictures", tables), lines)


def _gather(settings: Settings, kind: DataKind, tables: ChipTables) -> Samples:
    return Samples(
        chips=tables.chips,
        areas=tables.areas,
        membership=tables.membership,
        targets=tuple(tables.targets),
        kind=kind,
        size_px=settings.chips.size_px,
        resolution_m=settings.chips.resolution_m,
        folder=Path("nowhere"),
    )
