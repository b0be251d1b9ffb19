"""From what people call a place to its ground: districts, wards, MSOAs, place names, postcodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from basrelief.config import InputError
from basrelief.grid import Bounds
from basrelief.names import suggest, tidy_text
from basrelief.sources.boundaries import (
    OPEN_ERRORS,
    find_boundary_layer,
    quiet_gdal,
    refuse,
    say_reason,
)
from basrelief.sources.census import COUNTRY_BY_LETTER
from basrelief.sources.countries import Country
from basrelief.sources.england import ONS
from basrelief.sources.fetch.client import Client, NotThereError, ServiceError
from basrelief.sources.fetch.downloads import download
from basrelief.sources.fetch.features import query_features, quote
from basrelief.sources.fetch.gazetteer import WELSH, fold_name, read_place_names
from basrelief.sources.fetch.ons import LAD, MSOA, WARD
from basrelief.sources.licences import Credit
from basrelief.sources.national_grid import NATIONAL_GRID, WHOLE_GRID
from basrelief.typed import Typed

APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´", "'"))
"""What telephones and word processors write for the one that names have."""

POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}")

RADIUS_M = 1500.0
"""Of ground around a point, where none is given: some dozens of LSOAs of a town."""

SAME_PLACE_M = 3000.0
"""Two entries of one name and district that lie nearer are one place."""

N_SHOWN = 12

SLIVER_SHARE = 0.001
"""Of a place's ground that counts for nothing where it lies beyond a border: borders of another
degree of generalisation leave slivers."""

MSOA_NAMES = Credit(
    source="House of Commons Library",
    licence="Open Parliament Licence v3.0",
    statement="Contains Parliamentary information licensed under the Open Parliament Licence v3.0.",
    url="https://houseofcommonslibrary.github.io/msoanames/",
)

POSTCODES = Credit(
    source="postcodes.io (Office for National Statistics, Ordnance Survey, Royal Mail)",
    licence="OGL v3",
    statement=(
        f"{ONS.statement} Contains Royal Mail data © Royal Mail copyright and database right."
    ),
    url="https://postcodes.io/docs/licences",
)

OPENSTREETMAP = Credit(
    source="OpenStreetMap",
    licence="ODbL 1.0",
    statement="© OpenStreetMap contributors",
    url="https://www.openstreetmap.org/copyright",
)


@dataclass(frozen=True, eq=False)
class NamedPlace:
    """What is called by a name, and its ground: a district, a ward, ground around a point."""

    name: str
    polygon: BaseGeometry
    """In EPSG:27700."""

    country: Country
    credit: Credit | None = None
    """Whose the outline is; None where it was typed."""

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in metres."""
        west, south, east, north = self.polygon.bounds
        return west, south, east, north


@dataclass(frozen=True)
class _Hit:
    """What a name may mean."""

    name: str
    district: str
    polygon: BaseGeometry
    code: str
    """Of itself or of its district: its first letter tells the country."""

    credit: Credit = ONS
    is_unit: bool = True
    """Whether it is a whole unit of a country, as districts and wards are."""


def find_place(
    client: Client, typed: str, radius_m: float | None = None, nominatim: bool = False
) -> NamedPlace:
    """Find a place by what was typed.

    The first kind that knows the name decides: districts, wards, the House of Commons Library's
    names of MSOAs, place names of the ONS.

    Parameters
    ----------
    typed
        A name, alone or with its district behind a comma (``Abbey, Merton``); or a postcode.
    radius_m
        Ground around a point to take; by default `RADIUS_M`. Of a name with an outline the
        ground within so many metres of the outline's middle.
    nominatim
        Ask OpenStreetMap instead of all these.

    Raises
    ------
    InputError
        If nothing has that name, or several places have: lists them with their districts.
    """
    whole = tidy_text(typed).translate(APOSTROPHES)
    name, _, district = (part.strip() for part in whole.partition(","))
    if radius_m is not None and not 50 <= radius_m <= 100_000:
        raise InputError(f"--radius {radius_m:g}: must be between 50 and 100,000 metres.")
    if not name:
        raise InputError("--place: say a name, as in --place Camden, or a postcode.")
    around_m = radius_m or RADIUS_M
    # Only by a flag: its terms want that no program asks it in the background.
    if nominatim:
        return _settle(client, _find_by_nominatim(client, typed, around_m), typed, radius_m)
    # Before names: no district or ward is called like one.
    if POSTCODE.fullmatch(name.upper()):
        return _find_postcode(client, name.upper(), around_m)
    hits = _find_districts(client, whole)
    if hits:
        return _settle(client, hits, typed, radius_m)
    # From what has an outline of its own to what is a point: ground around a point is a guess.
    for find in (_find_wards, _find_msoas, _find_place_names):
        hits = [hit for hit in find(client, name, around_m) if _is_in(hit, district)]
        if hits:
            return _settle(client, hits, typed, radius_m)
    raise _describe_unknown(client, typed, name)


def place_of_bounds(client: Client, bounds: Bounds, name: str | None = None) -> NamedPlace:
    """Make a place of bounds, in metres of the National Grid.

    Raises
    ------
    InputError
        If they are no rectangle, or hold no district of England, Wales or Scotland.
    """
    west, south, east, north = bounds
    shown = ",".join(f"{each:g}" for each in bounds)
    grid = WHOLE_GRID
    if not (grid[0] <= west < east <= grid[2] and grid[1] <= south < north <= grid[3]):
        raise InputError(
            f"--bounds {shown}: must be west,south,east,north in metres of the British National "
            f"Grid ({NATIONAL_GRID}), as in 525000,180000,535000,190000."
        )
    ground, country = _keep_country(client, shapely.box(*bounds), f"--bounds {shown}")
    return NamedPlace(name or f"bounds {shown}", ground, country)


def place_of_file(client: Client, path: Path) -> NamedPlace:
    """Make a place of the polygons of a file, all of them together.

    Raises
    ------
    InputError
        If it cannot be read, holds no polygons, or lies outside England, Wales and Scotland.
    """
    typed = Typed("areas", str(path), path, is_option=True)
    layer = find_boundary_layer(typed, None)
    try:
        with quiet_gdal():
            found = gpd.read_file(layer.source.path, layer=layer.name, on_invalid="fix")
    except OPEN_ERRORS as error:
        raise refuse(typed, say_reason(error)) from error
    # A run would take the CRS of the rasters; here are none yet.
    if found.crs is None:
        raise InputError(f"--areas {path}: says no CRS. Save it with one, as in {NATIONAL_GRID}.")
    shapes = shapely.make_valid(found.to_crs(NATIONAL_GRID).geometry.to_numpy())
    # What is mended may leave lines and points, which have no ground to fetch.
    shapes = shapes[shapely.get_dimensions(shapes) == 2]
    if not len(shapes):
        raise InputError(f"--areas {path}: holds no polygon.")
    outline = shapely.union_all(shapely.force_2d(shapes))
    return NamedPlace(path.stem, *_keep_country(client, outline, f"--areas {path}"))


def _settle(client: Client, hits: Sequence[_Hit], typed: str, radius_m: float | None) -> NamedPlace:
    """Take the only place of a name; of several none: whichever is taken may be the wrong one."""
    if len(hits) > 1:
        shown = sorted(_name_hit(hit, hits) for hit in hits)
        more = f" and {len(shown) - N_SHOWN} more" if len(shown) > N_SHOWN else ""
        raise InputError(
            f"--place {typed!r}: {len(hits)} places are called so: {'; '.join(shown[:N_SHOWN])}"
            f"{more}. Give one with its district, or a postcode and --radius."
        )
    hit = hits[0]
    # No service has LIDAR of Northern Ireland, so that its districts are no places here.
    country = COUNTRY_BY_LETTER.get(hit.code[:1])
    if country is None:
        raise InputError(f"--place {typed!r}: lies in {hit.district}, outside Great Britain.")
    outline = hit.polygon
    # From the middle of what was found: the outline of a district is mostly too much to fetch.
    if radius_m is not None:
        outline = shapely.buffer(shapely.centroid(outline), radius_m)
    if radius_m is not None or not hit.is_unit:
        outline, _ = _keep_country(client, outline, f"--place {typed!r}", country)
    return NamedPlace(hit.name, outline, country, hit.credit)


def _name_hit(hit: _Hit, hits: Sequence[_Hit]) -> str:
    """Name one of several: by its district, and where that tells nothing by where it lies."""
    named = f"{hit.name}, {hit.district}"
    if sum((each.name, each.district) == (hit.name, hit.district) for each in hits) == 1:
        return named
    at = shapely.centroid(hit.polygon)
    return f"{named} (at {at.x:.0f},{at.y:.0f})"


def _is_in(hit: _Hit, district: str) -> bool:
    return not district or fold_name(hit.district) == fold_name(district)


def _find_districts(client: Client, typed: str) -> list[_Hit]:
    """Find districts called as typed, or as the ONS turns it: ``Bristol, City of``."""
    # In this form the ONS lists cities in alphabetical order, and nobody types it.
    plain = WELSH.get(fold_name(typed)) or re.sub(r" ?& ?", " and ", typed)
    forms = (plain, f"{plain}, City of", f"{plain}, County of", f"City of {plain}")
    listed = ",".join(quote(each.upper()) for each in forms)
    found = query_features(client, LAD, where=f"UPPER(LAD25NM) IN ({listed})")
    rows = zip(found["LAD25NM"], found["LAD25CD"], found.geometry, strict=True)
    return [_Hit(own, own, outline, code) for own, code, outline in rows]


def _find_wards(client: Client, name: str, around_m: float) -> list[_Hit]:
    found = query_features(client, WARD, where=f"UPPER(WD25NM)={quote(name.upper())}")
    rows = zip(found["WD25NM"], found["LAD25NM"], found["WD25CD"], found.geometry, strict=True)
    return [_Hit(own, lad, outline, code) for own, lad, code, outline in rows]


def _find_msoas(client: Client, name: str, around_m: float) -> list[_Hit]:
    """Find MSOAs by the names that the House of Commons Library gives them."""
    host = "houseofcommonslibrary.github.io"
    url, kept = f"https://{host}/msoanames/MSOA-Names-Latest2.csv", f"{host}/msoa-names-2021.csv"
    path = download(client, url, kept, check=_check)
    # With a mark at its beginning, which would hide the first heading.
    table = pd.read_csv(path, encoding="utf-8-sig", dtype=str)
    lad = next((c for c in table if str(c).lower() in ("localauthorityname", "laname")), None)
    if lad is None or not {"msoa21cd", "msoa21hclnm"} <= set(table):
        raise ServiceError(f"houseofcommonslibrary.github.io: unknown columns {list(table)[:8]}")
    chosen = table[table["msoa21hclnm"].map(fold_name, na_action="ignore") == fold_name(name)]
    hits = []
    for code, own, district in zip(
        chosen["msoa21cd"], chosen["msoa21hclnm"], chosen[lad], strict=True
    ):
        drawn = query_features(client, MSOA[2021], where=f"MSOA21CD={quote(code)}")
        if len(drawn):
            hits.append(_Hit(own, district, drawn.geometry.iloc[0], code, MSOA_NAMES))
    return hits


def _find_place_names(client: Client, name: str, around_m: float) -> list[_Hit]:
    """Find points of the Index of Place Names, as ground around them."""
    table = read_place_names(client)
    chosen = table[table["name"].map(fold_name) == fold_name(name)]
    kept: list[Any] = []
    for row in chosen.sort_values("rank", kind="stable").itertuples(index=False):
        # A place stands there as a locality, as a parish and as what is built up, near each other.
        same = (
            each.lad == row.lad and each.point.distance(row.point) < SAME_PLACE_M for each in kept
        )
        if not any(same):
            kept.append(row)
    return [
        _Hit(each.name, each.lad_name, each.point.buffer(around_m), each.lad, is_unit=False)
        for each in kept
    ]


def _find_postcode(client: Client, code: str, around_m: float) -> NamedPlace:
    """Take the ground around a postcode."""
    url = f"https://api.postcodes.io/postcodes/{code.replace(' ', '%20')}"
    try:
        found = client.get_json(url)["result"]
    except NotThereError as error:
        raise InputError(
            f"--place {code!r}: no postcode in use. Check it, or give a name or --bounds."
        ) from error
    x, y = found.get("eastings"), found.get("northings")
    country = COUNTRY_BY_LETTER.get(str(found.get("country", ""))[:1])
    if x is None or y is None or country is None:
        raise InputError(
            f"--place {code!r}: lies in {found.get('country')}, off the National Grid."
        )
    # Said, since a digit of a postcode that is wrong leads to another town.
    district = found.get("admin_district")
    client.say(f"{code} ({district}): the ground within {around_m:g} m")
    circle = shapely.buffer(shapely.Point(float(x), float(y)), around_m)
    ground, _ = _keep_country(client, circle, f"--place {code!r}", country)
    return NamedPlace(code, ground, country, POSTCODES)


def _find_by_nominatim(client: Client, typed: str, around_m: float) -> list[_Hit]:
    """Ask OpenStreetMap's search: one request, kept in the cache, as its terms want it."""
    url = "https://nominatim.openstreetmap.org/search"
    asked: dict[str, Any] = {"q": typed, "format": "jsonv2", "countrycodes": "gb"}
    asked |= {"polygon_geojson": 1, "limit": 10}
    kept = "nominatim/" + re.sub(r"[^a-z0-9]+", "-", typed.casefold()) + ".json"
    path = download(client, url, kept, params=asked, check=_check)
    to_grid = Transformer.from_crs("EPSG:4326", NATIONAL_GRID, always_xy=True)
    hits = []
    for each in pd.read_json(path, dtype=False, orient="records").to_dict("records"):
        drawn = shape(each["geojson"])
        x, y = to_grid.transform(float(each["lon"]), float(each["lat"]))
        if "Polygon" in drawn.geom_type:
            outline = shapely.transform(
                drawn, lambda xy: np.stack(to_grid.transform(*xy.T), axis=1)
            )
        else:
            outline = shapely.buffer(shapely.Point(x, y), around_m)
        whole = str(each["display_name"])
        own, _, rest = whole.partition(", ")
        outline, country = _keep_country(client, outline, f"--place {typed!r}")
        hits.append(_Hit(own, rest, outline, country.letter, OPENSTREETMAP))
    if not hits:
        raise InputError(f"--place {typed!r}: OpenStreetMap knows no such place in Great Britain.")
    return hits


def _keep_country(
    client: Client, outline: BaseGeometry, typed: str, country: Country | None = None
) -> tuple[BaseGeometry, Country]:
    """Keep the ground of one country: neither the sea nor a neighbour has anything to fetch.

    Parameters
    ----------
    country
        By default the one that has most of the ground.
    """
    west, south, east, north = outline.bounds
    lads = query_features(client, LAD, bounds=(west, south, east, north))
    letters = lads["LAD25CD"].str[:1].to_numpy()
    shared = shapely.intersection(lads.geometry.to_numpy(), outline)
    # Boxes of districts meet where their ground does not.
    by_letter = pd.Series(shapely.area(shared), dtype=float).groupby(letters).sum()
    by_letter = by_letter[by_letter > 0]
    letter = country.letter if country else (by_letter.idxmax() if len(by_letter) else "")
    if letter not in COUNTRY_BY_LETTER or letter not in by_letter:
        raise InputError(f"{typed}: holds no ground of England, Wales or Scotland.")
    kept = COUNTRY_BY_LETTER[str(letter)]
    share = by_letter[letter] / by_letter.sum()
    if share < 1 - SLIVER_SHARE:
        client.say(
            f"{typed}: {share:.0%} of its ground is of {kept.name}, and what {kept.name} publishes "
            "of that is taken; ask for the rest by itself"
        )
    return shapely.union_all(shared[(letters == letter) & (shapely.area(shared) > 0)]), kept


def _describe_unknown(client: Client, typed: str, name: str) -> InputError:
    """Say that nothing is called so, and which district is called nearly so."""
    table = read_place_names(client)
    # Of a whole country's names those with other first letters are rarely the one that is meant.
    near = table[table["name"].str[:2].str.casefold() == name[:2].casefold()]
    meant = suggest(name, dict.fromkeys([*table["lad_name"], *near["name"]]))
    return InputError(
        f"--place {typed!r}: no district, ward, MSOA or place is called so.{meant} A postcode, "
        "--bounds or --areas work too, and --nominatim asks OpenStreetMap."
    )


def _check(path: Path) -> None:
    if path.read_bytes()[:200].lstrip().startswith((b"<", b'{"error"')):
        raise ServiceError(f"{path.name}: what came is a page of words, and not the file")
