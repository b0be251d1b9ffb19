"""Tables of street pictures: a plain one, and as Mapillary, KartaView and Geograph give them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pyproj import Transformer

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.tables import open_first_sheet, read_bytes

HEADINGS = {
    "id": ("id", "image_id", "picture", "guid", "gridimage_id"),
    "longitude": ("longitude", "lon", "lng", "long", "wgs84_long"),
    "latitude": ("latitude", "lat", "wgs84_lat"),
    "easting": ("easting", "eastings"),
    "northing": ("northing", "northings"),
    "captured_at": ("captured_at", "shotdate", "shot_date", "imagetaken", "datetime", "taken"),
    "author": ("author", "creator", "username", "realname", "photographer"),
    "licence": ("licence", "license"),
    "link": ("link", "source"),
}
"""What is read of a picture, and what tables and services call it, in small letters."""

PLACES = (("longitude", "latitude"), ("easting", "northing"))
"""How a place is given; the first of the two counts where both are."""

JSON_SUFFIXES = (".json", ".geojson")

LISTS = (("features",), ("data",), ("result", "data"), ("currentPageItems",), ("items",))
"""Where an answer in JSON has its pictures: GeoJSON, Mapillary, KartaView (2.0 and 1.0), and
Geograph."""

MAPILLARY, KARTAVIEW, GEOGRAPH = "Mapillary", "KartaView", "Geograph"
LICENCES = {MAPILLARY: "CC BY-SA 4.0", KARTAVIEW: "CC BY-SA 4.0", GEOGRAPH: "CC BY-SA 2.0"}
"""Under which their pictures stand (terms of 2026); who took each is told by most."""

AUTHORS = {KARTAVIEW: "Grab and KartaView Contributors"}
"""Who is named where a service names nobody, as it asks for."""

MARKS = {GEOGRAPH: ("gridimage_id", "guid"), KARTAVIEW: ("shotdate", "shot_date")}
"""Keys that a service's tables alone have."""

OF_MAPILLARY = ("computed_geometry", "thumb_1024_url", "sequence", "sequence_id", "creator_id")

SHOWN = ("accepted", "geograph")
"""What Geograph's moderators said of pictures that are shown."""

ROUGH = ("2", "4")
"""Figures of a grid reference that says no more than a square of 1 km, or of 10."""

KM, NEAR_M = 1000.0, 12.0
"""Sides of the squares of the National Grid, and how near to one's middle a place is taken for it:
the way from degrees to metres is known to some five."""

MAX_DUMP_BYTES = 8 * 2**30
"""Unpacked size of a dump: that of all pictures of Geograph has 1 GB."""

Row = Mapping[str, Any]
"""A picture by the keys of `HEADINGS`, as its table has them; a key may be missing."""


@dataclass(frozen=True)
class Listed:
    """Pictures as their tables list them."""

    rows: Sequence[Row]
    separator: str = ","
    """What stands between columns of a text, see `parse_numbers`."""

    service: str | None = None
    """Whose the table is, where that shows."""

    grades: Mapping[str, str] = field(default_factory=dict)
    """By id the figures of the grid reference that a place was given by, of Geograph."""

    n_unshown: int = 0
    """Pictures that its moderators have not accepted."""


def list_pictures_of(
    path: Path, where: str, notes: Notes, is_wanted: Callable[[str], bool]
) -> Listed:
    """Read a table of street pictures, of whatever kind it is.

    Parameters
    ----------
    path, where
        The file, and how messages name it.
    is_wanted
        Says by its id whether there is such a picture: a dump has those of a whole country.

    Raises
    ------
    InputError
        If it is no such table, has no ids or places, or is broken.
    """
    # By its ending: a dump has no mark at its head, and begins as any table of text does.
    if path.suffix.lower() in JSON_SUFFIXES:
        return _read_json(path, where)
    if path.name.lower().endswith((".tsv", ".tsv.gz")):
        return _read_dump(path, where, notes, is_wanted)
    sheet = open_first_sheet(path, where, has_places)
    columns = find_headings(sheet.columns)
    check_headings(columns, sheet.columns, where)
    sheet.check_columns(list(columns.values()))
    cells = sheet.read(list(columns.values()))
    rows = [dict(zip(columns, row, strict=True)) for row in cells.itertuples(index=False)]
    return Listed(rows, sheet.separator)


def find_headings(names: Sequence[str]) -> dict[str, str]:
    """Find what is read of a picture among headings, or keys, by the keys of `HEADINGS`.

    >>> find_headings(["ID", "Lng", "Lat", "crime"])
    {'id': 'ID', 'longitude': 'Lng', 'latitude': 'Lat'}
    """
    # Of namesakes the first, as in every other table.
    by_name = {name.strip().lower(): name for name in reversed(names)}
    found = {
        key: next((by_name[known] for known in all_known if known in by_name), None)
        for key, all_known in HEADINGS.items()
    }
    return {key: name for key, name in found.items() if name is not None}


def has_places(names: Sequence[str]) -> bool:
    """Say whether headings, or keys, are those of pictures with a place each."""
    found = find_headings(names)
    return "id" in found and any(set(pair) <= found.keys() for pair in PLACES)


def is_middle_of_square(longitude: float, latitude: float) -> bool:
    """Say whether a place is the middle of a square kilometre of the National Grid.

    Geograph puts there what is known by a reference of four figures. By chance one place in two
    thousand is so near.

    >>> is_middle_of_square(-0.135737, 51.499612), is_middle_of_square(-0.14, 51.5)
    (True, False)
    """
    x, y = _to_grid().transform(longitude, latitude)
    return bool(max(abs(x % KM - KM / 2), abs(y % KM - KM / 2)) < NEAR_M)


@cache
def _to_grid() -> Transformer:
    return Transformer.from_crs(4326, NATIONAL_GRID, always_xy=True)


def check_headings(found: Mapping[str, str], names: Sequence[str], where: str) -> None:
    """Stop where pictures have no ids or no places."""
    has = f"It has: {list_names([name for name in names if name])}."
    if "id" not in found:
        raise InputError(f'{where}: no column "id", by which pictures are found. {has}')
    if not any(set(pair) <= found.keys() for pair in PLACES):
        raise InputError(
            f"{where}: says not where pictures were taken: give columns longitude and latitude "
            f"(degrees), or easting and northing (metres, as the areas). {has}"
        )


def _read_json(path: Path, where: str) -> Listed:
    """Read pictures from JSON: GeoJSON, or an answer of a service as it came."""
    try:
        found = json.loads(read_bytes(path, where))
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "broken"
        raise InputError(f"{where}: no JSON that can be read ({reason}). Save it again.") from error
    records = _find_list(found)
    if records is None:
        raise InputError(
            f"{where}: has no list of pictures. Give GeoJSON, an answer of Mapillary or KartaView "
            "as it came, or a table (CSV)."
        )
    flat = [_flatten(each) for each in records]
    # Of many: a service leaves out what it does not know of a picture.
    names = list(dict.fromkeys(name for row in flat[:1000] for name in row))
    if not flat:
        return Listed([])
    columns = find_headings(names)
    check_headings(columns, names, where)
    rows = [{key: _as_cell(row.get(name)) for key, name in columns.items()} for row in flat]
    return Listed(rows, service=_find_service(names))


def _as_cell(value: Any) -> Any:
    """Take a value of JSON for a cell of a table: of a list its text, which is no number there."""
    return str(value) if isinstance(value, list) else value


def _find_list(found: Any) -> list[dict[str, Any]] | None:
    """Find the list of pictures in what a file of JSON holds; None where there is none."""
    candidates = [found]
    for keys in LISTS:
        inner = found
        for key in keys:
            inner = inner.get(key) if isinstance(inner, dict) else None
        candidates.append(inner)
    for each in candidates:
        if isinstance(each, list) and all(isinstance(record, dict) for record in each):
            return each
    return None


def _flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Lay a picture's record out in one level, its place as two numbers."""
    properties = record.get("properties")
    flat = {k: v for k, v in record.items() if not isinstance(v, dict)}
    if isinstance(properties, dict):
        # A feature may have an id of its own; a picture's is among its properties.
        flat |= {k: v for k, v in properties.items() if not isinstance(v, dict)}
    creator = record.get("creator")
    if isinstance(creator, dict):
        flat["creator"] = creator.get("username") or creator.get("id")
    # Where a service worked out itself where its pictures are, cameras knew it less well.
    for key in ("computed_geometry", "geometry"):
        place = record.get(key)
        at = place.get("coordinates") if isinstance(place, dict) else None
        if isinstance(at, list) and len(at) >= 2:
            return flat | {"longitude": at[0], "latitude": at[1]}
    return flat


def _find_service(names: Sequence[str]) -> str | None:
    """Tell by its keys whose an answer is; None where that does not show."""
    lower = {name.lower() for name in names}
    for service, marks in MARKS.items():
        if lower.intersection(marks):
            return service
    return MAPILLARY if lower.intersection(OF_MAPILLARY) else None


def _read_dump(path: Path, where: str, notes: Notes, is_wanted: Callable[[str], bool]) -> Listed:
    """Read a dump of Geograph, line by line: of millions of pictures only those that are there."""
    lines = _walk_lines(path, where)
    names = next(lines, [])
    columns = find_headings(names)
    if "gridimage_id" in names and "natgrlen" in names and "latitude" not in columns:
        at, grade = names.index("gridimage_id"), names.index("natgrlen")
        grades = {c[at]: c[grade] for c in lines if len(c) > max(at, grade) and is_wanted(c[at])}
        return Listed([], grades=grades, service=GEOGRAPH)
    check_headings(columns, names, where)
    positions = {key: names.index(name) for key, name in columns.items()}
    status = names.index("moderation_status") if "moderation_status" in names else None
    rows: list[Row] = []
    n_unshown = n_torn = 0
    for cells in lines:
        # A tab in somebody's title moves all that stands behind it: the place would be another.
        if len(cells) != len(names):
            n_torn += 1
            continue
        if not is_wanted(cells[positions["id"]]):
            continue
        if status is not None and cells[status] not in SHOWN:
            n_unshown += 1
            continue
        rows.append({key: cells[at] or None for key, at in positions.items()})
    if n_torn:
        notes.add(f"{where}: {n_torn} lines have not the columns of its headings: left out")
    return Listed(rows, "\t", _find_service(names), n_unshown=n_unshown)


def _walk_lines(path: Path, where: str) -> Iterator[list[str]]:
    """Go through the lines of a dump, packed or not, split at tabs."""
    # No quotes: titles have some that are never closed.
    try:
        open_lines = gzip.open if path.suffix.lower() == ".gz" else open
        with open_lines(path, "rb") as file:
            n_bytes = 0
            for line in file:
                n_bytes += len(line)
                if n_bytes > MAX_DUMP_BYTES:
                    raise InputError(f"{where}: unpacks to more than any dump has.")
                yield _decode(line).rstrip("\r\n").split("\t")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{where}: cannot be read to its end ({error}). Fetch it again."
        ) from error


def _decode(line: bytes) -> str:
    # Geograph's dumps are Latin 1, and names of people in other files are not.
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
