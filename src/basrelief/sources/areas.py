"""Boundaries of small areas, as statistical offices publish them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.names import MAX_AREA_NAME_LETTERS, MAX_CODE_LETTERS, find_same, suggest, tidy_text
from basrelief.run import Notes
from basrelief.sources.boundaries import (
    OPEN_ERRORS,
    BoundaryLayer,
    bring_bounds,
    choose_own_crs,
    describe_aside,
    find_boundary_layer,
    quiet_gdal,
    refuse,
    say_reason,
    settle_layer_crs,
)
from basrelief.sources.census import (
    find_column,
    find_columns,
    find_vintage,
    note_guarded,
    recognise_codes,
    tidy_codes,
)
from basrelief.sources.coordinates import name_crs
from basrelief.sources.plausible import FARTHEST_M, MAX_VERTICES, MENDED_SHARE
from basrelief.sources.sheets import N_SAMPLE
from basrelief.typed import Typed

MAX_SCANNED_BYTES = 300 * 2**20
"""Files up to this size are gone through for areas without a place; of larger ones only what lies
near the rasters is read, or a country's full boundaries would take a minute."""


def choose_code_column(
    typed: Typed,
    columns: Sequence[str],
    column: str | None,
    key: str = "area_column",
    by_values: Sequence[str] = (),
) -> str:
    """Settle which column holds the area codes.

    Parameters
    ----------
    typed
        The file.
    columns
        Headings of the table.
    column
        What the user typed for ``key``, or None to recognise it.
    key
        The setting that would name the column.
    by_values
        Columns whose values are codes, as `recognise_codes` tells them: where no heading does.

    Raises
    ------
    InputError
        If the typed column is absent, or none or several are recognised.
    """
    if column is not None:
        # What was typed is never held against what it looks like.
        typed_column = find_same(column, columns)
        if typed_column is not None:
            return typed_column
        raise InputError(
            f"{typed.beside(key, column)}: {typed} has no such column. "
            f"It has: {list_names(columns)}.{suggest(column, columns)}"
        )
    found = find_columns(columns, "area_id") or list(by_values)
    if len(found) == 1:
        return found[0]
    # Of several only this heading is the program's own, so whoever wrote it meant it.
    if "area_id" in found:
        return "area_id"
    fault = (
        f"several columns of area codes ({list_names(found)})"
        if found
        else (f"no column of area codes was recognised among {list_names(columns)}")
    )
    raise InputError(f"{typed}: {fault}. Say which with {typed.suggest(key, '...')}.")


def list_names(names: Sequence[str], limit: int = 12) -> str:
    """Join names for a message, the first ``limit`` of them.

    >>> list_names(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    # The Indices have 57 columns: all of them would bury what the message says. And a heading may
    # have line breaks, or be as long as a book.
    shown = ", ".join(" ".join(str(name).split())[:MAX_AREA_NAME_LETTERS] for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def refuse_repeats(table: pd.DataFrame, keys: list[str], where: str, cure: str) -> None:
    """Stop where rows have the same codes in all of these columns; name them.

    Raises
    ------
    InputError
        If there are such rows; says how many, and ``cure``.
    """
    repeated = table[table.duplicated(keys, keep=False)]
    if len(repeated):
        # Codes may be blank too; pandas would leave their group out, and nothing could be named.
        count = repeated.groupby(keys, dropna=False, sort=False).size().iloc[0]
        codes = list_names(repeated[keys].iloc[0].tolist())
        what = "area codes must be unique"
        if len(keys) > 1:
            what = f"rows must differ in one of {', '.join(map(repr, keys))} at least"
        raise InputError(f"{where}: {what}, {codes} stands {count} times. {cure}")


def read_areas(
    typed: Typed,
    *,
    column: str | None,
    crs: CRS | Typed | None,
    bounds: Bounds | None,
    notes: Notes,
) -> gpd.GeoDataFrame:
    """Read the areas that share ground with the rasters; all areas where there are none.

    Parameters
    ----------
    typed
        A shapefile (with or without ``.prj``), GeoPackage, GeoJSON, FlatGeobuf, KML, file
        geodatabase, Esri JSON or MapInfo file, or a zip of one.
    column
        Column of the area codes as typed in ``data.area_column``, or None to recognise it.
    crs
        CRS of the rasters, projected, in metres. Without rasters what the user typed, or None: see
        `choose_own_crs`.
    bounds
        Bounds of the rasters in ``crs``; None without rasters.
    notes
        Takes what is odd about the file: areas without a place, numbers that are no degrees.

    Returns
    -------
    GeoDataFrame
        In ``crs``, or the one chosen, sorted by ``area_id``: ``area_id``, ``area_name``, ``msoa``,
        ``lad`` (None where unknown) and valid polygons in ``geometry``.

    Raises
    ------
    InputError
        If the file cannot be read, has no column of codes, has no polygons, gives a code
        twice, or lies elsewhere.
    """
    layer = find_boundary_layer(typed, column)
    code = _find_code_column(typed, layer, column)
    extent = _scan_bounds(layer, code, typed, notes)
    if not isinstance(crs, CRS):
        crs = choose_own_crs(layer, extent, crs, typed)
    own_crs = settle_layer_crs(layer, extent, crs, typed, notes)
    if bounds is None:
        # Without rasters nothing says which of them are meant.
        bounds = bring_bounds(own_crs, crs, extent)
        if bounds is None:
            raise refuse(typed, f"its areas lie nowhere in {name_crs(crs)}")
    near = bring_bounds(crs, own_crs, bounds)
    if near is None:
        raise describe_aside(typed, extent, (own_crs, crs), bounds)
    found = _read_near(typed, layer, _name_columns(layer, code), near)
    is_broken = found.geometry.isna()
    if is_broken.any():
        _note_left_out(notes, typed, found.loc[is_broken, "area_id"].tolist(), "of broken outline")
    _refuse_detail(found, typed)
    # What was settled stands for what the file says: that may have heights, or be missing.
    areas = _lay_on_grid(found.set_crs(own_crs, allow_override=True), crs, bounds, typed, notes)
    if areas.empty:
        raise describe_aside(typed, extent, (own_crs, crs), bounds)
    return _tidy(areas, typed, notes)


def _name_columns(layer: BoundaryLayer, code: str) -> dict[str, str]:
    """Name columns by what they mean: the rest of the program knows no edition's headings."""
    names = {code: "area_id"}
    for meaning in ("area_name", "msoa", "lad"):
        heading = find_column(layer.headings, meaning)
        if heading is not None and heading not in names:
            names[heading] = meaning
    return names


def _read_near(
    typed: Typed, layer: BoundaryLayer, names: dict[str, str], near: Bounds
) -> gpd.GeoDataFrame:
    """Read some columns of the areas near some ground: boundaries come for whole countries."""
    try:
        with quiet_gdal():
            found = gpd.read_file(
                layer.source.path,
                layer=layer.name,
                columns=list(names),
                bbox=near,
                # One broken outline is no reason to lose a country's others.
                on_invalid="ignore",
            )
    except OPEN_ERRORS as error:
        raise InputError(
            f"{typed}: cannot be read to its end ({say_reason(error)}). Fetch the file again."
        ) from error
    return found.rename(columns=names)


def _find_code_column(typed: Typed, layer: BoundaryLayer, column: str | None) -> str:
    """Settle which column holds the area codes: as typed, by its heading, or by its values."""
    by_values: list[str] = []
    if column is None and not find_columns(layer.headings, "area_id"):
        try:
            first = pyogrio.read_dataframe(
                layer.source.path, layer=layer.name, read_geometry=False, max_features=N_SAMPLE
            )
        except OPEN_ERRORS as error:
            raise refuse(typed, say_reason(error)) from error
        by_values = recognise_codes(first.astype(object).where(first.notna(), None))
    return choose_code_column(typed, layer.headings, column, by_values=by_values)


def find_area_vintage(typed: Typed, column: str | None) -> tuple[int, str] | None:
    """Read the year of the areas off the headings of a file of boundaries: see `find_vintage`."""
    layer = find_boundary_layer(typed, column)
    told = find_vintage(layer.headings, column)
    if told is None and column is None:
        told = find_vintage([], _find_code_column(typed, layer, column))
    return told


def read_headings(typed: Typed, column: str | None = None) -> list[str]:
    """List the columns of a file of boundaries.

    Raises
    ------
    InputError
        If it cannot be read, or holds no polygons.
    """
    return find_boundary_layer(typed, column).headings


def _scan_bounds(layer: BoundaryLayer, code: str, typed: Typed, notes: Notes) -> Bounds:
    """Give the bounds of the areas that have a place; say how many have none, and refuse if all."""
    if typed.path.is_file() and typed.path.stat().st_size > MAX_SCANNED_BYTES:
        return layer.bounds
    try:
        with quiet_gdal():
            _, boxes = pyogrio.read_bounds(layer.source.path, layer=layer.name)
            # An empty shape has a box of zeros.
            has_place = _is_on_earth(boxes) & boxes.any(axis=0)
            lost = [] if has_place.all() else _read_codes(layer, code, ~has_place)
    except OPEN_ERRORS as error:
        raise InputError(
            f"{typed}: cannot be read to its end ({say_reason(error)}). Fetch the file again."
        ) from error
    if not has_place.any():
        raise refuse(typed, "none of its areas has a place")
    if lost:
        _note_left_out(notes, typed, lost, "without a place on the ground")
    west, south = boxes[:2, has_place].min(axis=1).tolist()
    east, north = boxes[2:, has_place].max(axis=1).tolist()
    return west, south, east, north


def _read_codes(layer: BoundaryLayer, code: str, asked: NDArray[np.bool_]) -> list[Any]:
    """Read the codes of some areas of a layer, (area,)."""
    table = pyogrio.read_dataframe(
        layer.source.path, layer=layer.name, columns=[code], read_geometry=False
    )
    codes: list[Any] = table.loc[asked, code].tolist()
    return codes


def _note_left_out(notes: Notes, typed: Typed, codes: Sequence[Any], what: str) -> None:
    n_areas = f"{len(codes)} area" + ("s" if len(codes) > 1 else "")
    verb = "are" if len(codes) > 1 else "is"
    named = list_names([str(each)[:MAX_CODE_LETTERS] for each in codes], limit=5)
    notes.add(f"{typed}: {n_areas} {what} {verb} left out ({named})")


def _refuse_detail(areas: gpd.GeoDataFrame, typed: Typed) -> None:
    """Stop where one area has more vertices than can be worked with."""
    n_vertices = shapely.get_num_coordinates(areas.geometry.to_numpy())
    if n_vertices.max(initial=0) > MAX_VERTICES:
        worst = int(n_vertices.argmax())
        raise InputError(
            f"{typed}: {areas['area_id'].iloc[worst]} has {n_vertices[worst]:,} vertices, and "
            f"{MAX_VERTICES:,} can be worked with. Give a generalised edition (BGC, BSC)."
        )


def _lay_on_grid(
    areas: gpd.GeoDataFrame, crs: CRS, bounds: Bounds, typed: Typed, notes: Notes
) -> gpd.GeoDataFrame:
    """Bring areas into the rasters' CRS, mend them, and keep those that share ground."""
    shapes = shapely.force_2d(areas.geometry.to_numpy())
    areas = areas.set_geometry(gpd.GeoSeries(shapes, areas.index, crs=areas.crs))
    # Before and after: degrees near a pole may lie nowhere on the rasters' grid.
    areas = areas[_is_on_earth(shapely.bounds(shapes).T)].to_crs(crs)
    areas = areas[_is_on_earth(shapely.bounds(areas.geometry.to_numpy()).T)]
    before = shapely.area(areas.geometry.to_numpy())
    # By boxes: a ring that goes there and back has one, and nothing is left of it below.
    frame = shapely.box(*bounds)
    is_near = shapely.intersects(shapely.envelope(areas.geometry.to_numpy()), frame)
    # "structure" keeps holes as holes and leaves no lines behind.
    shapes = shapely.make_valid(areas.geometry.to_numpy(), method="structure", keep_collapsed=False)
    areas = areas.set_geometry(gpd.GeoSeries(_take_polygons(shapes), areas.index, crs=crs))
    # The file was asked by a box, which lets in areas that touch the rasters or only come near.
    after = areas.area.to_numpy()
    is_drawn = after > 0
    flat = areas.loc[is_near & ~is_drawn, "area_id"].tolist()
    if flat and not is_drawn.any():
        raise refuse(typed, f"its areas here enclose no ground, such as {flat[0]}")
    if flat:
        _note_left_out(notes, typed, flat, "drawn as points or lines, without ground,")
    is_inside = is_drawn & (shapely.area(areas.intersection(frame).values) > 0)
    is_mended = is_inside & (np.abs(after - before) > MENDED_SHARE * after)
    if is_mended.any():
        codes = areas.loc[is_mended, "area_id"].tolist()
        notes.add(
            f"{typed}: outlines that cross themselves are mended, {len(codes)} of "
            f"{len(areas)}: what they enclose is taken ({list_names(codes, limit=5)})"
        )
    return areas[is_inside]


def _is_on_earth(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the boxes, (4, box), whose numbers can be a place."""
    # Written so that not-a-number is none.
    return np.asarray((np.abs(boxes) < FARTHEST_M).all(axis=0))


def _take_polygons(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Take the polygons out of collections of several kinds."""
    taken = shapes.copy()
    for k in np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION):
        parts = shapely.get_parts(shapes[k])
        taken[k] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    return taken


def _tidy(areas: gpd.GeoDataFrame, typed: Typed, notes: Notes) -> gpd.GeoDataFrame:
    """Give every column its type and the rows their order."""
    note_guarded(areas["area_id"].astype(object), str(typed), notes)
    codes = tidy_codes(areas["area_id"].astype(object))
    is_bare = codes.isna() | (codes == "")
    if is_bare.any():
        n_bare = int(is_bare.sum())
        notes.add(
            f"{typed}: {n_bare} area{'s' if n_bare > 1 else ''} without a code "
            f"{'are' if n_bare > 1 else 'is'} left out"
        )
    areas = areas.assign(area_id=codes)[~is_bare].copy()
    if areas.empty:
        raise refuse(typed, "none of its areas here has a code")
    longest = areas["area_id"].str.len().max()
    if longest > MAX_CODE_LETTERS:
        raise InputError(
            f"{typed}: its area codes have up to {longest:,} letters. Name another "
            f"{typed.name('area_column')}."
        )
    cure = f"Dissolve the polygons by code, or name another {typed.name('area_column')}."
    refuse_repeats(areas, ["area_id"], str(typed), cure)
    for column in ("area_name", "msoa", "lad"):
        known = areas[column] if column in areas else pd.Series(None, areas.index, dtype=object)
        # In one line: names go into pages and maps as they are.
        tidy = [tidy_text(str(name)) if pd.notna(name) else None for name in known]
        areas[column] = pd.Series(tidy, areas.index, dtype=object)
    names = areas["area_name"].astype(str)
    is_long = names.str.len() > MAX_AREA_NAME_LETTERS
    if is_long.any():
        areas.loc[is_long, "area_name"] = names[is_long].str[:MAX_AREA_NAME_LETTERS] + "…"
        notes.add(f"{typed}: {is_long.sum()} names are cut to {MAX_AREA_NAME_LETTERS} letters")
    columns = ["area_id", "area_name", "msoa", "lad", "geometry"]
    return areas[columns].sort_values("area_id").reset_index(drop=True)
