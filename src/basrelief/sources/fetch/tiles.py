"""What tiles are, by their names and what lies beside them: product, cells, days of flight."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from pyproj import CRS

from basrelief.config import InputError
from basrelief.run import Record, replacing
from basrelief.sources.archives import list_members
from basrelief.sources.coordinates import format_bounds, is_same_crs
from basrelief.sources.formats import name_member
from basrelief.sources.inputs import TILE_INDEX
from basrelief.sources.national_grid import EPSG, NATIONAL_GRID, lies_in_square
from basrelief.sources.products import TileName, read_name
from basrelief.sources.tiles import Tile, find_tiles
from basrelief.typed import Typed

INDEX = re.compile(r"(?:merging|index)[^/]*(?:/[^/]*)?\.(?:shp|gpkg|geojson|json)$", re.IGNORECASE)
"""How archives of composites call the index of the surveys in them: a file, or one in a folder."""

COLUMNS = (
    *("file", "member", "kind", "returns", "cell_m", "square", "survey"),
    *("flown_from", "flown_to", "dates_from", "geometry"),
)

FIRST_YEAR = 1990
"""No LIDAR of a country is older: what is, is what a table writes for no day at all."""

SLIVER = 1e-6
"""Share of a tile that is nothing: what is left where boundaries were drawn twice."""


def write_tiles(files: Sequence[Path], folder: Path) -> gpd.GeoDataFrame:
    """Write ``tiles.parquet`` of rasters of heights, or of archives of them, in a folder.

    Parameters
    ----------
    files
        In ``folder``, at any depth.

    Returns
    -------
    One row for each piece of ground that one survey flew, GeoParquet on the National Grid. A tile
    of one survey has one row, a composite's one for each survey in its index, and one for ground
    that the index does not have. ``file`` is the path within ``folder``, ``member`` which file of
    an archive, ``kind`` ``surface`` or ``terrain``, ``returns`` ``first`` or ``last``, ``cell_m``
    metres, ``square`` the reference on the grid, ``survey`` what the index calls it, ``flown_from``
    and ``flown_to`` days, ``dates_from`` where these stand: ``index``, ``name``, or ``edition``,
    which says only what nothing is newer than. What is not known is null. Where pieces of one
    tile lie over each other, its heights are of either.

    Raises
    ------
    InputError
        If a file cannot be read, or lies elsewhere than its name says.
    """
    rows = [row for file in sorted(files) for row in _describe_file(file, folder)]
    table = gpd.GeoDataFrame(rows, columns=list(COLUMNS), geometry="geometry", crs=NATIONAL_GRID)
    for column in ("flown_from", "flown_to"):
        table[column] = pd.to_datetime(table[column]).astype("datetime64[ms]")
    with replacing(folder / TILE_INDEX) as part:
        table.to_parquet(part, index=False)
    return table


def _describe_file(file: Path, folder: Path) -> Iterator[Record]:
    """Describe each raster of a file, piece by piece."""
    name = str(file.relative_to(folder))
    surveys = _read_index(file, name)
    for tile in find_tiles(Typed("file", name, file)):
        said = read_name(tile.name)
        _check_square(tile, said)
        base = {
            "file": name,
            "member": tile.member,
            "kind": said.kind,
            "returns": said.returns,
            # As its header has it: a name may round.
            "cell_m": tile.grid.cell_m,
            "square": said.square,
        }
        square = shapely.box(*tile.grid.bounds)
        left = square
        for survey in surveys:
            # What of it lies in the tile: indices are of whole counties.
            piece = survey["geometry"].intersection(square)
            if piece.area > SLIVER * square.area:
                left = left.difference(piece)
                yield base | survey | {"geometry": piece}
        if left.area > SLIVER * square.area:
            yield base | _date_by_name(said) | {"geometry": left}


def _check_square(tile: Tile, said: TileName) -> None:
    """Refuse a tile that lies elsewhere than its name says: one of the two is wrong."""
    # A name without a square promises nothing.
    if said.square is not None and not lies_in_square(tile.grid, said.square):
        raise InputError(
            f"{tile.name}: covers {format_bounds(tile.grid.bounds)}, which is not {said.square} of "
            "its name. Rename it, or fetch it again."
        )


def _date_by_name(said: TileName) -> Record:
    """Give the days of flight that a name says."""
    if said.edition is not None:
        last = date(said.edition, 12, 31)
        return {"survey": None, "flown_from": None, "flown_to": last, "dates_from": "edition"}
    origin = "name" if said.flown_to else None
    days = {"flown_from": said.flown_from, "flown_to": said.flown_to}
    return {"survey": None, "dates_from": origin} | days


def _read_index(file: Path, name: str) -> list[Record]:
    """Read which surveys an archive says were merged, each with its ground; newest first."""
    if file.suffix.lower() != ".zip":
        return []
    found = [each for each in list_members(file, name) if INDEX.search(each)]
    surveys = []
    for member in found:
        try:
            table = pyogrio.read_dataframe(name_member(file, member))
        except (pyogrio.errors.DataSourceError, ValueError) as error:
            raise InputError(
                f"{name}/{member}: the index of surveys cannot be read ({error}). Fetch it again."
            ) from error
        # A table of attributes beside the index, under its name.
        if "geometry" not in table:
            continue
        table = _lay_on_grid(table, f"{name}/{member}")
        keys = {str(column).lower(): column for column in table.columns}
        surveys += [_read_survey(row, keys) for _, row in table.iterrows()]
    return sorted(
        (each for each in surveys if each["geometry"] is not None),
        key=lambda each: each["flown_to"] or date.min,
        reverse=True,
    )


def _lay_on_grid(table: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Check that an index lies on the National Grid, as its tiles do."""
    if table.crs is None:
        return table.set_crs(NATIONAL_GRID)
    if not is_same_crs(table.crs, CRS.from_epsg(EPSG), tuple(table.total_bounds)):
        raise InputError(f"{name}: the index of surveys is not on the National Grid.")
    return table


def _read_survey(row: Any, keys: dict[str, Any]) -> Record:
    """Read a row of an index: ``FILENAME``, ``SRVY_YEAR``, ``SD_FLOWN``, ``ED_FLOWN``."""

    def get(key: str) -> Any:
        value = row[keys[key]] if key in keys else None
        return None if value is None or pd.isna(value) else value

    first, last = read_day(get("sd_flown")), read_day(get("ed_flown"))
    year = get("srvy_year")
    if (first is None or last is None) and year is not None and str(year)[:4].isdigit():
        # One day alone is the beginning or the end of an unknown span within its year.
        n = int(str(year)[:4])
        first, last = first or date(n, 1, 1), last or date(n, 12, 31)
    if first is not None and last is not None and first > last:
        first, last = last, first
    geometry = row["geometry"]
    return {
        "survey": None if get("filename") is None else str(get("filename")),
        "flown_from": first,
        "flown_to": last,
        "dates_from": "index" if last else None,
        "geometry": None if geometry is None else shapely.make_valid(geometry),
    }


def read_day(value: Any) -> date | None:
    """Read a day as tables write it; None for what stands for none."""
    if value is None:
        return None
    text = str(value).removesuffix(".0")
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    # Of the country whose index it is: days come first where they are written in figures.
    is_day_first = re.match(r"\d{1,2}[/-]\d", text) is not None
    day = pd.to_datetime(text, dayfirst=is_day_first, errors="coerce")
    if pd.isna(day) or day.year < FIRST_YEAR:
        return None
    return date(day.year, day.month, day.day)
