"""Areas with labels and tables, where there are no rasters: samples without a chip."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from basrelief.chips.eye_tables import read_place_tables, write_place_tables
from basrelief.chips.labelled import read_labelled_areas
from basrelief.chips.learnable import check_targets
from basrelief.chips.tables import ChipTables, write_tables
from basrelief.config import Settings
from basrelief.run import Notes, write_json
from basrelief.sources.flights import FLIGHTS
from basrelief.sources.shared_ground import refuse_shared_ground


def take_areas(
    settings: Settings, notes: Notes, folder: Path | None = None
) -> tuple[ChipTables, dict[str, pd.DataFrame]]:
    """Read areas with their labels, and the tables that are all that is known of them.

    Parameters
    ----------
    folder
        Where sums of crime go; None to write nothing.

    Returns
    -------
    Tables without a chip, and what is known of areas by the eyes' names.

    Raises
    ------
    InputError
        If a file or column is missing, or does not fit the others.
    """
    areas, targets = read_labelled_areas(settings, notes, folder, None)
    refuse_shared_ground(areas, settings.typed("areas"))
    targets = check_targets(settings, notes, areas, targets, "areas")
    eyes = read_place_tables(settings, notes, areas, targets)
    # Nothing looks at the ground: how much of it was seen, and when, has no answer.
    areas = areas.assign(ground_covered=np.nan, is_used=True)
    for name in FLIGHTS:
        areas[name] = areas.get(name, np.nan)
    columns = {name: pd.Series(dtype=np.float64) for name in ("valid", "easting", "northing")}
    columns |= {name: pd.Series(dtype=np.float64) for name in targets}
    chips = gpd.GeoDataFrame(
        {"chip_id": pd.Series(dtype=str), **columns, "is_used": pd.Series(dtype=bool)},
        geometry=gpd.GeoSeries([], crs=areas.crs),
        crs=areas.crs,
    )
    membership = pd.DataFrame(
        {
            "chip_id": pd.Series(dtype=str),
            "area_id": pd.Series(dtype=str),
            "weight": pd.Series(dtype=np.float64),
        }
    )
    return ChipTables(chips, areas, membership, targets), eyes


def areas_from_tables(settings: Settings, notes: Notes, folder: Path) -> None:
    """Write the tables of areas that `take_areas` reads into an empty folder."""
    tables, eyes = take_areas(settings, notes, folder)
    write_tables(settings, folder, tables, {})
    write_place_tables(settings, notes, folder, eyes, tables.areas)
    n_labelled = int(tables.areas[tables.targets].notna().any(axis=1).sum())
    counts = {"areas": len(tables.areas), "areas_labelled": n_labelled}
    write_json(folder / "counts.json", counts)
    notes.run.say(
        f"chips: none, for no rasters are given; {counts['areas']} areas, {n_labelled} with a label"
    )
