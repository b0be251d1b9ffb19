"""Boundaries of small areas, as statistical offices publish them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyproj import CRS, Transformer

from basrelief.config import InputError, Typed
from basrelief.grid import Bounds
from basrelief.names import MAX_LETTERS, suggest, tidy_text
from basrelief.sources.census import (
    find_column,
    find_columns,
    find_vintage,
    recognise_codes,
    tidy_codes,
)
from basrelief.sources.places import flatten_crs, format_bounds, name_crs
from basrelief.sources.tables import N_SAMPLE

GDAL_ERRORS = (DataSourceError, DataLayerError, FeatureError, shapely.errors.GEOSException)


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
        if column in columns:
            return column
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
    # The Indices have 57 columns: all of them would bury what the message says.
    shown = ", ".join(str(name) for name in names[:limit])
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
        raise InputError(
            f"{where}: area codes must be unique, {codes} stands {count} times. {cure}"
        )


def read_areas(typed: Typed, *, column: str | None, crs: CRS, bounds: Bounds) -> gpd.GeoDataFrame:
    """Read the areas that share ground with the rasters.

    Parameters
    ----------
    typed
        A shapefile (with or without ``.prj``), GeoPackage or GeoJSON.
    column
        Column of the area codes as typed in ``data.area_column``, or None to recognise it.
    crs
        CRS of the rasters, projected, in metres.
    bounds
        Bounds of the rasters in ``crs``.

    Returns
    -------
    GeoDataFrame
        In ``crs``, sorted by ``area_id``: ``area_id``, ``area_name``, ``msoa``, ``lad``
        (None where unknown) and valid polygons in ``geometry``.

    Raises
    ------
    InputError
        If the file cannot be read, has no column of codes, has no polygons, gives a code
        twice, or lies elsewhere.
    """
    layer = _find_layer(typed)
    info = _read_info(typed, layer)
    own_crs = _settle_crs(info, crs)
    code = _find_code_column(typed, info, layer, column)
    # Columns by what they mean: the rest of the program knows no edition's headings.
    names = {code: "area_id"}
    for meaning in ("area_name", "msoa", "lad"):
        heading = find_column(list(info["fields"]), meaning)
        if heading is not None and heading not in names:
            names[heading] = meaning
    # The corners of a square are not those of its picture in another CRS: go along its sides.
    near = Transformer.from_crs(crs, own_crs, always_xy=True).transform_bounds(
        *bounds, densify_pts=21
    )
    # Boundaries come for whole countries, so only what lies near is read.
    try:
        found = gpd.read_file(typed.path, layer=layer, columns=list(names), bbox=near)
    except GDAL_ERRORS as error:
        raise InputError(
            f"{typed}: cannot be read to its end ({_reason(error)}). Fetch the file again."
        ) from error
    # What was settled stands for what the file says: that may have heights, or be missing.
    areas = _place(found.set_crs(own_crs, allow_override=True), crs, bounds)
    if areas.empty:
        raise InputError(
            f"{typed}: its areas lie at {_describe_extent(info, own_crs, crs)}, the rasters at "
            f"{format_bounds(bounds)} (west, south, east, north in {name_crs(crs)}). "
            "Give boundaries of the rasters' place."
        )
    return _tidy(areas.rename(columns=names), typed)


def _find_code_column(typed: Typed, info: dict[str, Any], layer: str, column: str | None) -> str:
    """Settle which column holds the area codes: as typed, by its heading, or by its values."""
    fields = list(info["fields"])
    by_values: list[str] = []
    if column is None and not find_columns(fields, "area_id"):
        try:
            first = pyogrio.read_dataframe(
                typed.path, layer=layer, read_geometry=False, max_features=N_SAMPLE
            )
        except GDAL_ERRORS as error:
            raise _refuse(typed, _reason(error)) from error
        by_values = recognise_codes(first.astype(object).where(first.notna(), None))
    return choose_code_column(typed, fields, column, by_values=by_values)


def find_area_vintage(typed: Typed, column: str | None) -> tuple[int, str] | None:
    """Read the year of the areas off the headings of a file of boundaries: see `find_vintage`."""
    layer = _find_layer(typed)
    info = _read_info(typed, layer)
    told = find_vintage(list(info["fields"]), column)
    if told is None and column is None:
        told = find_vintage([], _find_code_column(typed, info, layer, column))
    return told


def read_headings(typed: Typed) -> list[str]:
    """List the columns of a file of boundaries.

    Raises
    ------
    InputError
        If it cannot be read, or holds no polygons.
    """
    return list(_read_info(typed, _find_layer(typed))["fields"])


def _find_layer(typed: Typed) -> str:
    """Find the first layer of polygons, else the first of all."""
    if not typed.path.exists():
        raise InputError(f"{typed}: no such file. Paths are relative to {typed.origin}.")
    try:
        layers = pyogrio.list_layers(typed.path)
    except GDAL_ERRORS as error:
        raise _refuse(typed, _reason(error)) from error
    if len(layers) == 0:
        raise _refuse(typed, "no layer")
    # A layer without polygons is taken too: its refusal can then say what it holds.
    return str(next((name for name, kind in layers if "Polygon" in str(kind)), layers[0][0]))


def _refuse(typed: Typed, reason: str) -> InputError:
    return InputError(
        f"{typed}: cannot be read as boundaries ({reason}). "
        "Give a shapefile, a GeoPackage or a GeoJSON file of polygons."
    )


def _read_info(typed: Typed, layer: str) -> dict[str, Any]:
    try:
        # Forced, for not every format keeps its bounds in a header.
        info: dict[str, Any] = pyogrio.read_info(typed.path, layer=layer, force_total_bounds=True)
    except GDAL_ERRORS as error:
        raise _refuse(typed, _reason(error)) from error
    if not info["features"] or info["total_bounds"] is None:
        raise _refuse(typed, "it holds no area")
    # A layer that may mix kinds says "Unknown"; shapes are then sorted out one by one.
    if "Polygon" not in str(info["geometry_type"]) and info["geometry_type"] != "Unknown":
        raise _refuse(typed, f"it holds {info['geometry_type'] or 'no geometry'}")
    return info


def _reason(error: BaseException) -> str:
    """Say the first part of GDAL's reason; the rest is for programmers."""
    return str(error).split(";")[0].split("' ")[-1].rstrip(".")


def _settle_crs(info: dict[str, Any], crs: CRS) -> CRS:
    """Take the file's CRS; without one, degrees if the numbers look like it, else ``crs``."""
    if info["crs"]:
        return flatten_crs(CRS.from_user_input(info["crs"]))
    west, south, east, north = info["total_bounds"]
    is_degrees = -180 <= west <= east <= 180 and -90 <= south <= north <= 90
    return CRS.from_epsg(4326) if is_degrees else crs


def _place(areas: gpd.GeoDataFrame, crs: CRS, bounds: Bounds) -> gpd.GeoDataFrame:
    """Bring areas into the rasters' CRS, mend them, and keep those that share ground."""
    areas = areas.to_crs(crs)
    areas = areas[~(areas.geometry.isna() | areas.geometry.is_empty)]
    # "structure" keeps holes as holes and leaves no lines behind.
    areas = areas.set_geometry(
        shapely.make_valid(areas.geometry.values, method="structure", keep_collapsed=False)
    ).set_crs(crs, allow_override=True)
    is_polygon = areas.geom_type.isin(["Polygon", "MultiPolygon"]) & (areas.area > 0)
    frame = shapely.box(*bounds)
    # The file was asked by a box, which lets in areas that touch the rasters or only come near.
    return areas[is_polygon & (shapely.area(areas.intersection(frame).values) > 0)]


def _describe_extent(info: dict[str, Any], own_crs: CRS, crs: CRS) -> str:
    extent: Bounds = tuple(info["total_bounds"])
    if name_crs(own_crs) == name_crs(crs):
        return format_bounds(extent)
    return f"{format_bounds(extent)} in {name_crs(own_crs)}"


def _tidy(areas: gpd.GeoDataFrame, typed: Typed) -> gpd.GeoDataFrame:
    """Give every column its type and the rows their order."""
    areas = areas[areas["area_id"].notna()].copy()
    # A blank behind a code would keep it from its labels.
    areas["area_id"] = tidy_codes(areas["area_id"].astype(object))
    longest = areas["area_id"].str.len().max()
    if longest > MAX_LETTERS:
        raise InputError(
            f"{typed}: an area code has {longest} letters; {MAX_LETTERS} are allowed. Name another "
            f"column with {typed.name('area_column')}."
        )
    cure = f"Dissolve the polygons by code, or name another {typed.name('area_column')}."
    refuse_repeats(areas, ["area_id"], str(typed), cure)
    for column in ("area_name", "msoa", "lad"):
        known = areas[column] if column in areas else pd.Series(None, areas.index, dtype=object)
        known = known.astype(object).where(known.notna(), None)
        # In one line, and short enough to be shown: names go into pages and maps as they are.
        areas[column] = known.map(
            lambda name: tidy_text(str(name))[:MAX_LETTERS], na_action="ignore"
        )
    columns = ["area_id", "area_name", "msoa", "lad", "geometry"]
    return areas[columns].sort_values("area_id").reset_index(drop=True)
