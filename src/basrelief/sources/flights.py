"""When the ground of areas was flown, and how far that is from the year of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.inputs import find_tile_index
from basrelief.sources.products import read_name
from basrelief.sources.tiles import Tile
from basrelief.typed import Typed

FLIGHTS = ("label_year", "flown_from", "flown_to", "years_apart")
"""Columns of areas: the year that labels speak of, first and last year of flight, and the most
years between these and the labels. NaN where not known."""

LEAST_SHARE = 0.05
"""Share of an area's ground from which a flight counts for it: a tile that only touches an area
must not make it look decades old."""

Span = NDArray[np.float64]
"""(2,) First and last year of flight; NaN where not known."""


def find_flights(tiles: Sequence[Tile], areas: gpd.GeoDataFrame) -> pd.DataFrame:
    """Find the first and the last year of flight over each area.

    What the index of fetched tiles says is believed before names: of a composite it has the
    surveys that were put together.

    Parameters
    ----------
    tiles
        In the order in which they are read: where they overlap, the first is what is seen.
    areas
        Polygons in the tiles' CRS.

    Returns
    -------
    Indexed as ``areas``, with ``flown_from`` and ``flown_to``: years, NaN where neither an index
    nor a name says one for all tiles over the area. What is put together from many surveys has
    the year of its edition as the last, and no first, where the index does not tell them.
    """
    indices = _Indices()
    pieces = [piece for tile in tiles for piece in _list_pieces(tile, indices)]
    frames = np.array([frame for frame, _ in pieces], dtype=object)
    years = np.array([span for _, span in pieces]).reshape(-1, 2)
    tree, found = shapely.STRtree(frames), np.full((len(areas), 2), np.nan)
    for k, shape in enumerate(areas.geometry.to_numpy()):
        over = np.sort(tree.query(shape, predicate="intersects"))
        found[k] = _span(years[over[_is_seen(shape, frames[over])]])
    return pd.DataFrame(found, areas.index, ["flown_from", "flown_to"])


def measure_years_apart(flights: pd.DataFrame, years: pd.Series[float]) -> pd.Series[float]:
    """Measure how many years lie between labels and the flight farthest from them, by area.

    Parameters
    ----------
    years
        That the labels speak of; NaN where not known.

    Examples
    --------
    >>> flights = pd.DataFrame({"flown_from": [2003.0, np.nan], "flown_to": [2016.0, 2022.0]})
    >>> measure_years_apart(flights, pd.Series([2015.0, 2015.0])).tolist()
    [12.0, nan]
    """
    # An edition has no first year: how old its surveys are is not known.
    return flights[["flown_from", "flown_to"]].sub(years, axis=0).abs().max(axis=1, skipna=False)


def mark_timely(
    areas: pd.DataFrame, limit: int | None, typed: Typed, notes: Notes
) -> NDArray[np.bool_]:
    """Mark the areas that were flown within so many years of their labels, (area,).

    All of them without a limit. With one, what is not known to be within it is not.

    Raises
    ------
    InputError
        If none is known to be within the limit; says why.
    """
    if limit is None:
        return np.ones(len(areas), dtype=bool)
    apart = areas["years_apart"].to_numpy(np.float64)
    is_timely: NDArray[np.bool_] = apart <= limit  # false where not known
    if not is_timely.any():
        known = apart[~np.isnan(apart)]
        found = (
            f"the nearest area was flown {known.min():.0f} years from its labels"
            if len(known)
            else "no area's year of flight is known from names or an index of tiles"
        )
        raise InputError(
            f"data.max_years_apart = {limit}: {found}, so nothing is left of {typed}. Allow more "
            "years, or leave the key out."
        )
    n_unknown = int(np.isnan(apart).sum())
    n_far = int((~is_timely).sum()) - n_unknown
    if n_far or n_unknown:
        notes.add(
            f"data.max_years_apart = {limit}: {n_far} areas were flown longer from their labels, "
            f"of {n_unknown} it is not known: left out"
        )
    return is_timely


class _Indices(dict[Path, gpd.GeoDataFrame]):
    """Indices of fetched tiles by their path, each read once."""

    def __missing__(self, path: Path) -> gpd.GeoDataFrame:
        self[path] = gpd.read_parquet(path)
        return self[path]


def _list_pieces(tile: Tile, indices: _Indices) -> list[tuple[shapely.Geometry, Span]]:
    """List the ground of a tile with its years, piece by piece as surveys were put together."""
    path = find_tile_index(tile.file)
    if path is not None:
        index = indices[path]
        own = index[index["file"] == tile.file.relative_to(path.parent).as_posix()]
        own = own[own["member"].isna() | (own["member"] == tile.member)]
        years = [own[column].dt.year.to_numpy(np.float64) for column in ("flown_from", "flown_to")]
        if len(own):
            return list(zip(own.geometry, np.stack(years, axis=1), strict=True))
    return [(shapely.box(*tile.grid.bounds), _read_years(tile.name))]


def _read_years(name: str) -> Span:
    """Read the years of flight in a tile's name."""
    said = read_name(name)
    first = np.nan if said.flown_from is None else said.flown_from.year
    last = said.edition if said.flown_to is None else said.flown_to.year
    return np.array([first, np.nan if last is None else last])


def _is_seen(shape: shapely.Geometry, frames: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Mark the frames that are seen over enough of a shape, (frame,), each below those before."""
    left, whole, marks = shape, max(shapely.area(shape), 1e-9), []
    for frame in frames:
        rest = shapely.difference(left, frame)
        marks.append((shapely.area(left) - shapely.area(rest)) / whole >= LEAST_SHARE)
        left = rest
    return np.array(marks, dtype=bool)


def _span(years: NDArray[np.float64]) -> Span:
    """Span the years of several tiles, (tile, 2); NaN where one of them says nothing."""
    if not len(years):
        return np.array([np.nan, np.nan])
    # One tile of unknown age leaves the area's unknown: it may be the oldest.
    return np.array([years[:, 0].min(), years[:, 1].max()])
