"""Boundaries of a place: small areas with what they lie in, in one file that a run can read."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from basrelief.grid import Bounds
from basrelief.sources.boundaries import OPEN_ERRORS, quiet_gdal
from basrelief.sources.census import name_msoa
from basrelief.sources.countries import Country
from basrelief.sources.england import ENGLAND, ONS
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.downloads import download
from basrelief.sources.fetch.features import query_features
from basrelief.sources.fetch.gazetteer import read_place_names
from basrelief.sources.fetch.offers import EmptyPlaceError, Offer
from basrelief.sources.fetch.ons import LAD, LSOA, MSOA, WARD
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.national_grid import EPSG, NATIONAL_GRID
from basrelief.sources.scotland import SCOTLAND

AREAS = "boundaries/areas.gpkg"
"""Layers ``areas``, ``msoas``, ``districts``, ``place_names`` and, of England and Wales,
``wards``."""

MIN_INSIDE = 0.5
"""An area belongs to a place when this share of its ground does: borders of one degree of
generalisation cross those of another."""

MIN_PARENT_SHARE = 0.9
"""Areas lie whole in what they are part of; less, and the wrong one may have been found."""

MAX_OTHER_NAMES = 0.05
"""Share of LSOAs that may lie in another MSOA than their name says."""


def find_boundaries(place: NamedPlace, year: int) -> list[Offer]:
    """Offer the small areas of a place: LSOAs, or data zones of Scotland.

    Parameters
    ----------
    year
        Census of the areas: 2011 or 2021; of Scotland 2011, which its index is of.

    Returns
    -------
    list of Offer
        One GeoPackage, in EPSG:27700. Its layer ``areas`` has codes and names of the areas, of
        their MSOAs (intermediate zones) and of their districts, headed as `data.areas` expects.
    """

    def make(client: Client, part: Path) -> None:
        if place.country == SCOTLAND:
            layers = _read_scotland(client, place)
        else:
            layers = _read_england_and_wales(client, place, year)
        # Names come last: what they need may fail, and areas are worth having without.
        layers |= _read_names(client, place)
        for name, layer in layers.items():
            # One file: the layers are appended to it, and only one has codes of areas.
            layer.to_file(part, layer=name, driver="GPKG", engine="pyogrio")

    if place.country == SCOTLAND:
        what = _name_what(SCOTLAND, 2011)
        return [Offer(what, SCOTLAND_URL, AREAS, None, 2011, SCOTLAND.boundaries, make=make)]
    what = f"{_name_what(ENGLAND, year)}, with wards"
    return [Offer(what, LSOA[year].url, AREAS, None, year, ONS, make=make)]


SCOTLAND_URL = "https://maps.gov.scot/ATOM/shapefiles/SG_DataZoneBdry_2011.zip"


def _name_what(country: Country, year: int) -> str:
    area, middle, large = country.levels
    return f"boundaries of {area}s of {year}, their {middle}s and {large}s"


def find_inside(areas: gpd.GeoDataFrame, place: NamedPlace) -> gpd.GeoDataFrame:
    """Take the areas that lie in a place with at least `MIN_INSIDE` of their ground.

    Raises
    ------
    EmptyPlaceError
        If there is none.
    """
    polygons = areas.geometry.to_numpy()
    inside = shapely.area(shapely.intersection(polygons, place.polygon))
    # By ground, not by middle: the middle of a crescent lies outside of it.
    chosen = areas[inside >= MIN_INSIDE * shapely.area(polygons)]
    if chosen.empty:
        raise EmptyPlaceError(
            f"{place.name}: no small area lies there with half its ground or more. Take a larger "
            "--radius or --bounds."
        )
    return chosen.reset_index(drop=True)


def join_parents(
    areas: gpd.GeoDataFrame, parents: gpd.GeoDataFrame, code: str, where: str
) -> pd.DataFrame:
    """Find in which of larger areas each area lies: the one with most of its ground.

    Parameters
    ----------
    code
        Column of the larger areas' codes.

    Returns
    -------
    The columns of ``parents`` but its shapes, a row an area, in the order of ``areas``.

    Raises
    ------
    ServiceError
        If an area lies in none with at least `MIN_PARENT_SHARE` of its ground.
    """
    polygons, larger = areas.geometry.to_numpy(), parents.geometry.to_numpy()
    # No lookup of codes does: Scotland has none by service, and editions of districts change.
    own, other = shapely.STRtree(larger).query(polygons, predicate="intersects")
    shared = shapely.area(shapely.intersection(polygons[own], larger[other]))
    best = pd.DataFrame({"own": own, "other": other, "shared": shared})
    best = best.sort_values("shared").drop_duplicates("own", keep="last").set_index("own")
    best = best.reindex(np.arange(len(areas)))
    share = best["shared"].fillna(0.0).to_numpy() / shapely.area(polygons)
    if (share < MIN_PARENT_SHARE).any():
        worst = int(share.argmin())
        raise ServiceError(
            f"{where}: {areas.iloc[worst, 0]} lies in no {code[:-2]} that was found, or with "
            f"{share[worst]:.0%} of its ground. The layers are not of one edition."
        )
    found = parents.drop(columns="geometry").iloc[best["other"].astype(int).to_numpy()]
    return pd.DataFrame(found).reset_index(drop=True)


def _read_england_and_wales(
    client: Client, place: NamedPlace, year: int
) -> dict[str, gpd.GeoDataFrame]:
    """Read the layers of a place in England or Wales, by envelope."""
    near = query_features(client, LSOA[year], bounds=place.bounds)
    areas = find_inside(near, place)
    # By the areas and not by the place: those at its edge reach beyond it.
    around = _bounds(areas)
    msoas = query_features(client, MSOA[year], bounds=around)
    districts = query_features(client, LAD, bounds=around)
    wards = query_features(client, WARD, bounds=around)
    short = f"{year % 100}"
    in_msoa = join_parents(areas, msoas, f"MSOA{short}CD", place.name)
    in_lad = join_parents(areas, districts, "LAD25CD", place.name)
    _check_names(client, areas[f"LSOA{short}NM"], in_msoa[f"MSOA{short}NM"], place.name)
    whole = gpd.GeoDataFrame(pd.concat([areas, in_msoa, in_lad], axis=1), crs=NATIONAL_GRID)
    return {
        "areas": _order(whole),
        "msoas": _take(msoas, in_msoa[f"MSOA{short}CD"]),
        "districts": _take(districts, in_lad["LAD25CD"]),
        "wards": wards,
    }


def _check_names(client: Client, areas: pd.Series, msoas: pd.Series, where: str) -> None:
    """Hold MSOAs that were found by ground against those that LSOAs are named after.

    Raises
    ------
    ServiceError
        If more than a few differ, as where the layers are of two censuses.
    """
    told = areas.astype(str).map(name_msoa)
    differs = told.notna() & (told != msoas.astype(str))
    if not differs.any():
        return
    first = int(differs.to_numpy().argmax())
    said = (
        f"{where}: {areas.iloc[first]} lies in {msoas.iloc[first]}, whose name it does not bear "
        f"({differs.sum()} of {len(areas)} LSOAs)"
    )
    if differs.mean() > MAX_OTHER_NAMES:
        raise ServiceError(f"{said}. The layers are not of one edition.")
    client.say(f"{said}; what it lies in is taken")


def _read_scotland(client: Client, place: NamedPlace) -> dict[str, gpd.GeoDataFrame]:
    """Read the layers of a place in Scotland: from whole files, of which what is near is taken."""
    zones_url = "https://maps.gov.scot/ATOM/shapefiles/SG_IntermediateZoneBdry_2011.zip"
    names = {"DataZone": "area_id", "Name": "area_name"}
    near = _read_zip(client, SCOTLAND_URL, names, place.bounds)
    areas = find_inside(near, place)
    around = _bounds(areas)
    zones = _read_zip(client, zones_url, {"InterZone": "msoa", "Name": "msoa_name"}, around)
    districts = query_features(client, LAD, bounds=around)
    districts = districts.rename(columns={"LAD25CD": "lad", "LAD25NM": "lad_name"})
    in_zone = join_parents(areas, zones, "msoa", place.name)
    in_lad = join_parents(areas, districts, "lad", place.name)
    whole = gpd.GeoDataFrame(pd.concat([areas, in_zone, in_lad], axis=1), crs=NATIONAL_GRID)
    return {
        "areas": _order(whole),
        "msoas": _take(zones, in_zone["msoa"]),
        "districts": _take(districts, in_lad["lad"]),
    }


def _read_names(client: Client, place: NamedPlace) -> dict[str, gpd.GeoDataFrame]:
    """Read the names of localities in a place, for maps; areas are worth having without them."""
    try:
        table = read_place_names(client)
    except ServiceError as error:
        client.say(f"no names of places for the map: {error}")
        return {}
    inside = (table["kind"] == "LOC") & shapely.intersects(place.polygon, table["point"].to_numpy())
    found = table.loc[inside, ["name", "point"]].reset_index(drop=True)
    return {
        "place_names": gpd.GeoDataFrame(found[["name"]], geometry=found["point"], crs=NATIONAL_GRID)
    }


def _read_zip(client: Client, url: str, names: dict[str, str], bounds: Bounds) -> gpd.GeoDataFrame:
    """Read what lies near bounds from a zipped shapefile of a whole country."""
    path = download(client, url, f"maps.gov.scot/{url.rpartition('/')[2]}")
    try:
        with quiet_gdal():
            found = gpd.read_file(path, bbox=bounds, columns=list(names))
    except OPEN_ERRORS as error:
        raise ServiceError(f"maps.gov.scot: {path.name} cannot be read ({error})") from error
    missing = sorted(set(names) - set(found))
    # Its numbers are taken for metres of the grid below, so another CRS is no detail.
    if missing or found.crs is None or found.crs.to_epsg() != EPSG:
        raise ServiceError(
            f"maps.gov.scot: {path.name} has no {', '.join(missing) or NATIONAL_GRID}. It was "
            "changed there."
        )
    return found.rename(columns=names)[[*names.values(), "geometry"]]


def _bounds(areas: gpd.GeoDataFrame) -> Bounds:
    west, south, east, north = areas.total_bounds.tolist()
    return west, south, east, north


def _take(layer: gpd.GeoDataFrame, codes: pd.Series) -> gpd.GeoDataFrame:
    """Take the features with a code that is used, each once."""
    return layer[layer[str(codes.name)].isin(set(codes))].reset_index(drop=True)


def _order(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Order rows by code, and set the shapes behind the columns."""
    # By code: services answer in an order of their own, and two runs should hash alike.
    columns = [c for c in areas.columns if c != "geometry"]
    return areas.sort_values(columns[0])[[*columns, "geometry"]].reset_index(drop=True)
