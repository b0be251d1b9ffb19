"""Files of boundaries: which layer holds the areas, and in which CRS its numbers are."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.names import find_same
from basrelief.run import Notes
from basrelief.sources.census import find_columns
from basrelief.sources.coordinates import (
    NOT_OSGB36,
    drop_shift,
    find_lon_lat,
    flatten_crs,
    format_bounds,
    has_datum,
    is_degrees,
    is_in_metres,
    is_local,
    is_national_grid_elsewhere,
    is_same_crs,
    measure_scale,
    name_crs,
    overlap,
    parse_crs,
)
from basrelief.sources.formats import OFFLINE, GdalFile, find_gdal_files
from basrelief.sources.inputs import refuse_absent
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.plausible import MAX_AREAS, SCALE_REFUSED
from basrelief.typed import Typed

GDAL_ERRORS = (DataSourceError, DataLayerError, FeatureError, shapely.errors.GEOSException)

OPEN_ERRORS = (*GDAL_ERRORS, ValueError, CRSError, MemoryError, UnboundLocalError)
"""What broken files raise besides: text in no encoding, and in pyogrio 0.13 what follows from a
CRS in none."""


VIEWS = "SELECT name FROM sqlite_master WHERE type = 'view'"


@dataclass(frozen=True)
class BoundaryLayer:
    """A layer of a file of boundaries, by its header."""

    source: GdalFile
    name: str
    info: dict[str, Any]
    """As pyogrio gives it."""

    @property
    def headings(self) -> list[str]:
        """Its columns."""
        return [str(each) for each in self.info["fields"]]

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in the file's own numbers."""
        west, south, east, north = (float(value) for value in self.info["total_bounds"])
        return west, south, east, north


def find_boundary_layer(typed: Typed, column: str | None) -> BoundaryLayer:
    """Find the layer of areas in what was typed for ``areas``.

    Of several layers of polygons the one with area codes is taken; of several of these none.

    Parameters
    ----------
    column
        Column of the area codes as typed, or None to recognise it.

    Raises
    ------
    InputError
        If there is none, or more than one; names them.
    """
    if not typed.path.exists():
        raise refuse_absent(typed)
    sources = find_gdal_files(typed.path, typed.value)
    layers = [layer for source in sources for layer in _list(source)]
    # A layer that may mix kinds says "Unknown"; shapes are then sorted out one by one.
    drawn = [each for each in layers if _is_drawn(each)]
    coded = [each for each in drawn if _has_codes(each.headings, column)]
    if len(coded) > 1:
        found = ", ".join(f"{each.name} ({each.info['features']} areas)" for each in coded[:6])
        raise InputError(
            f"{typed}: holds {len(coded)} layers with area codes: {found}. Give a file with the "
            f"one that is meant, for example: ogr2ogr one.gpkg {coded[0].source.name!r} "
            f"{coded[-1].name!r}"
        )
    # Some layer, so that the refusal can say what it holds.
    chosen = next(iter([*coded, *drawn, *layers]))
    if not _is_drawn(chosen):
        raise refuse(typed, f"it holds {chosen.info['geometry_type'] or 'no geometry'}")
    if not coded and len(drawn) > 1:
        names = "; ".join(f"{each.name}: {', '.join(each.headings[:6])}" for each in drawn[:6])
        raise InputError(
            f"{typed}: none of its {len(drawn)} layers has a column of area codes that is "
            f"recognised ({names}). Say which with {typed.suggest('area_column', '...')}."
        )
    if not chosen.info["features"]:
        raise refuse(typed, "it holds no area")
    # A header may say any number, and GDAL makes room for it.
    if chosen.info["features"] > MAX_AREAS:
        raise refuse(typed, f"it says that it holds {chosen.info['features']:,} areas")
    return chosen


@contextmanager
def quiet_gdal() -> Iterator[None]:
    """Keep GDAL's warnings to itself, and GDAL from the network: see `OFFLINE`.

    What matters is told in lines of our own.
    """
    pyogrio.set_gdal_config_options(OFFLINE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def refuse(typed: Typed, reason: str) -> InputError:
    """Say why a file cannot be read as boundaries."""
    return InputError(
        f"{typed}: cannot be read as boundaries ({reason}). "
        "Give a shapefile, a GeoPackage or a GeoJSON file of polygons."
    )


def say_reason(error: BaseException) -> str:
    """Say the first part of GDAL's reason; the rest is for programmers."""
    if isinstance(error, UnboundLocalError):
        return "its CRS is no text"
    return " ".join(str(error).split(";")[0].split("' ")[-1].split()).rstrip(".")


def settle_layer_crs(
    layer: BoundaryLayer, bounds: Bounds, crs: CRS, typed: Typed, notes: Notes
) -> CRS:
    """Settle in which CRS a layer's numbers are.

    Parameters
    ----------
    bounds
        Those of the layer.
    crs
        That of the rasters: taken where the file says none, or none that its numbers can be in.
    """
    said = _read_crs(layer.info["crs"])
    if said is None or is_local(said):
        if said is not None:
            notes.add(f"{typed}: its CRS ({said.name}) is local; its numbers say {name_crs(crs)}")
        elif is_degrees(bounds):
            notes.add(
                f"{typed}: names no CRS; its degrees are taken as those of WGS 84 (older ones, of "
                "OSGB36, lie 100 m aside)"
            )
        return CRS.from_epsg(4326) if is_degrees(bounds) else crs
    if said.is_geographic and not is_degrees(bounds):
        # The standard of GeoJSON has degrees alone, and offices publish metres in it.
        notes.add(
            f"{typed}: says {name_crs(said)}, and {bounds[0]:.0f}, {bounds[1]:.0f} are no degrees; "
            f"the CRS of the rasters is taken ({name_crs(crs)})"
        )
        return crs
    if not said.is_geographic and is_same_crs(said, crs, bounds):
        return crs
    if not has_datum(said):
        notes.add(f"{typed}: its CRS ({said.name}) names no datum: areas may lie up to 200 m aside")
    elif is_national_grid_elsewhere(said):
        notes.add(f"{typed}: {NOT_OSGB36.format(said.name)}")
    return said


def choose_own_crs(layer: BoundaryLayer, bounds: Bounds, given: Typed | None, typed: Typed) -> CRS:
    """Choose the CRS to measure in where no rasters say one: projected, in metres of the ground.

    That of the file where it is one; else the British National Grid where the place lies on it,
    and its zone of UTM elsewhere.

    Parameters
    ----------
    bounds
        Those of the layer.
    given
        What the user typed for ``data.crs``: it goes first.

    Raises
    ------
    InputError
        If what is given is none in metres, or is needed and not given.
    """
    if given is not None:
        wanted = parse_crs(given.value)
        if wanted is None or not is_in_metres(wanted):
            raise InputError(
                f"{given}: no projected CRS in metres is known by that name. Write it as in "
                f'"{NATIONAL_GRID}".'
            )
        return wanted
    said = _read_crs(layer.info["crs"])
    is_mute = said is None or is_local(said) or (said.is_geographic and not is_degrees(bounds))
    if is_mute and not is_degrees(bounds):
        raise InputError(
            f"{typed}: says no CRS that its numbers ({format_bounds(bounds)}) can be in. Add "
            f"{typed.suggest('crs', NATIONAL_GRID)} if they are of the British National Grid."
        )
    own = CRS.from_epsg(4326) if said is None or is_mute else said
    scale = measure_scale(own, bounds) if is_in_metres(own) else None
    # Web Mercator is in metres too, and at London's latitude 0.6 of one on the ground.
    if scale is not None and abs(scale - 1) < SCALE_REFUSED:
        return drop_shift(own)
    grid = CRS.from_user_input(NATIONAL_GRID)
    lon_lat = find_lon_lat(own, bounds)
    if lon_lat is None:
        raise refuse(typed, f"its areas lie nowhere in {name_crs(own)}")
    west, south, east, north = grid.area_of_use.bounds if grid.area_of_use else (0.0,) * 4
    if west <= lon_lat[0] <= east and south <= lon_lat[1] <= north:
        return grid
    zone = int((lon_lat[0] + 180) // 6) % 60 + 1
    return CRS.from_epsg((32600 if lon_lat[1] >= 0 else 32700) + zone)


def describe_aside(
    typed: Typed, bounds: Bounds, own: tuple[CRS, CRS], rasters: Bounds
) -> InputError:
    """Say that areas lie elsewhere than the rasters, and why that may be.

    Parameters
    ----------
    bounds
        Of the areas, in their CRS, the first of ``own``; ``rasters`` those of the rasters.
    """
    own_crs, crs = own
    west, south, east, north = bounds
    where = format_bounds(bounds) + ("" if own_crs == crs else f" in {name_crs(own_crs)}")
    cure = "Give boundaries of the rasters' place."
    if overlap(bounds, rasters):
        cure = "Their numbers are the same: one of the two is not in the CRS that is said of it."
    turned = bring_bounds(crs, own_crs, rasters)
    if turned is not None and overlap((south, west, north, east), turned):
        cure = "They share ground once the two coordinates are swapped: write east before north."
    return InputError(
        f"{typed}: its areas lie at {where}, the rasters at {format_bounds(rasters)} (west, south, "
        f"east, north in {name_crs(crs)}). {cure}"
    )


def bring_bounds(source: CRS, target: CRS, bounds: Bounds) -> Bounds | None:
    """Bring bounds from one CRS into another; None where they have no place there."""
    # The corners of a square are not those of its picture in another CRS: go along its sides.
    try:
        west, south, east, north = Transformer.from_crs(
            source, target, always_xy=True
        ).transform_bounds(*bounds, densify_pts=21)
    except ProjError:
        return None
    return west, south, east, north


def _list(source: GdalFile) -> list[BoundaryLayer]:
    """List the layers of a source, each with its header."""
    _refuse_views(source)
    try:
        with quiet_gdal():
            names = [str(name) for name, _ in pyogrio.list_layers(source.path)]
            # Forced, for not every format keeps its bounds in a header.
            infos = [
                pyogrio.read_info(source.path, layer=each, force_total_bounds=True)
                for each in names
            ]
    except OPEN_ERRORS as error:
        raise InputError(
            f"{source.name}: cannot be read as boundaries ({say_reason(error)}). "
            "Give a shapefile, a GeoPackage or a GeoJSON file of polygons."
        ) from error
    strange = {str(info["driver"]) for info in infos} - set(source.drivers)
    if not infos or strange:
        found = f"GDAL takes it for {min(strange)}" if strange else "no layer"
        raise InputError(
            f"{source.name}: cannot be read as boundaries ({found}). "
            "Give a shapefile, a GeoPackage or a GeoJSON file of polygons."
        )
    return [BoundaryLayer(source, name, info) for name, info in zip(names, infos, strict=True)]


def _refuse_views(source: GdalFile) -> None:
    """Refuse a GeoPackage with queries for layers: they may run for ever, and GDAL counts rows."""
    if "GPKG" not in source.drivers or source.path.startswith("/vsizip/"):
        return
    with closing(sqlite3.connect(f"file:{quote(source.path)}?mode=ro", uri=True)) as database:
        # A name may be no text, and be a query all the same.
        database.text_factory = lambda name: name.decode(errors="replace")
        try:
            found = [str(name) for (name,) in database.execute(VIEWS)]
        except (sqlite3.Error, UnicodeDecodeError):
            # What is broken is for GDAL to say; SQLite's own message may quote damaged bytes.
            return
    if found:
        raise InputError(
            f"{source.name}: its layer {found[0]} is a query, not a table of areas. Save it as "
            "a layer of its own: ogr2ogr OUT.gpkg IN.gpkg"
        )


def _is_drawn(layer: BoundaryLayer) -> bool:
    kind = str(layer.info["geometry_type"])
    return "Polygon" in kind or "Surface" in kind or kind in ("Unknown", "GeometryCollection")


def _has_codes(headings: Sequence[str], column: str | None) -> bool:
    if column is not None:
        return find_same(column, headings) is not None
    return bool(find_columns(headings, "area_id"))


def _read_crs(text: str | None) -> CRS | None:
    if not text:
        return None
    try:
        return flatten_crs(CRS.from_user_input(text))
    except CRSError:
        return None
