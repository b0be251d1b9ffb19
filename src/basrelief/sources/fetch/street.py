"""Street pictures of a place, square by square, from a service that has them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from basrelief.hashes import hash_file
from basrelief.names import guard_table
from basrelief.run import Record, read_json, replacing, write_json
from basrelief.sources.fetch.client import N_AT_ONCE, Client, ServiceError
from basrelief.sources.fetch.offers import Offer, keep_credit
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.street_services import (
    CELL_DEGREES,
    SERVICES,
    SMALLEST_DEGREES,
    Asking,
    Cell,
    Pace,
    StreetPicture,
    read_secret,
)
from basrelief.sources.national_grid import NATIONAL_GRID
from basrelief.sources.picture_metadata import strip_metadata
from basrelief.sources.street_tables import AUTHORS, LICENCES

FOLDER, TABLE, SEARCHED = "street", "street.csv", ".searched"
"""Where pictures lie, what lists them, and what was brought of each square."""

SPACING_M = 25.0
"""Of a square of such a side one picture is brought, the newest. Cameras in cars take one every
few metres, which show the same: a borough has hundreds of thousands."""

COLUMNS = ("id", "longitude", "latitude", "captured_at", "author", "licence", "link")


def fetch_street(
    client: Client, place: NamedPlace, name: str, folder: Path, environment: Mapping[str, str]
) -> int:
    """Bring street pictures of a place into ``street/``, and list them in ``street.csv``.

    Square by square: what was brought of one is not asked for again. Of a picture its pixels are
    kept, and where, when and by whom it was taken; what its file says beside is taken out.

    Parameters
    ----------
    name
        A key of `SERVICES`.
    environment
        Where the user's token is. It goes into requests, and is written nowhere.

    Returns
    -------
    How many pictures are listed, of all services.

    Raises
    ------
    InputError
        If the service asks for a token and none is there, or does not answer. What came stays.
    """
    service = SERVICES[name]
    secret = read_secret(service, environment)
    # It writes addresses for whoever looks for faults, and a key may stand in them.
    logging.getLogger("urllib3").setLevel(logging.INFO)
    asking = Asking(client, service, secret, Pace(service.pause_s))
    cells = lay_cells(place)
    searched = folder / FOLDER / SEARCHED
    n_lost = 0
    for k, cell in enumerate(cells):
        kept = searched / f"{name}-{cell.name}.json"
        # A square is done when this lies there; addresses of pictures are good for hours alone.
        if not kept.exists():
            found = thin(_search(asking, cell), place)
            rows, lost = _bring_pictures(asking, found, folder / FOLDER, name)
            n_lost += lost
            # Last: a square that was begun is asked for again, and what lies there is kept.
            write_json(kept, rows)
            client.say(f"{service.name}: {k + 1} of {len(cells)} squares, {len(rows)} pictures")
    if n_lost:
        client.say(f"{service.name}: {n_lost} pictures did not come, or are none: left out")
    n = _write_table(folder)
    if n:
        _keep_credit(folder, name)
    return n


def lay_cells(place: NamedPlace) -> list[Cell]:
    """Lay the squares that are asked for over a place, the same in every call."""
    polygon = _to_degrees(place)
    west, south, east, north = polygon.bounds
    first_col, first_row = math.floor(west / CELL_DEGREES), math.floor(south / CELL_DEGREES)
    n_cols = math.ceil(east / CELL_DEGREES) - first_col
    n_rows = math.ceil(north / CELL_DEGREES) - first_row
    cells = [
        Cell((first_col + col) * CELL_DEGREES, (first_row + row) * CELL_DEGREES, CELL_DEGREES)
        for row in range(n_rows)
        for col in range(n_cols)
    ]
    shapely.prepare(polygon)
    return [
        cell
        for cell in cells
        if polygon.intersects(
            shapely.box(cell.west, cell.south, cell.west + cell.side, cell.south + cell.side)
        )
    ]


def thin(found: Iterable[StreetPicture], place: NamedPlace) -> list[StreetPicture]:
    """Take of each square of `SPACING_M` inside a place the newest picture, in order of id."""
    to_grid = Transformer.from_crs(4326, NATIONAL_GRID, always_xy=True)
    newest: dict[tuple[int, int], StreetPicture] = {}
    # By id before, so that of two of one time it is always the same.
    for each in sorted(found, key=lambda one: one.id):
        x, y = to_grid.transform(each.longitude, each.latitude)
        if not (math.isfinite(x) and place.polygon.intersects(shapely.Point(x, y))):
            continue
        square = (int(x // SPACING_M), int(y // SPACING_M))
        before = newest.get(square)
        if before is None or before.captured_at < each.captured_at:
            newest[square] = each
    return sorted(newest.values(), key=lambda one: one.id)


def _search(asking: Asking, cell: Cell) -> list[StreetPicture]:
    """Ask for a square; for its quarters where there is more than a service tells at once."""
    found = asking.service.search(asking, cell)
    if found is not None:
        return found
    if cell.side / 2 < SMALLEST_DEGREES:
        asking.client.say(f"{asking.service.name}: more pictures of one spot than it tells")
        return []
    return [each for part in cell.quarter() for each in _search(asking, part)]


def _bring_pictures(
    asking: Asking, found: list[StreetPicture], folder: Path, name: str
) -> tuple[list[Record], int]:
    """Bring pictures, those that are there already but once; give their rows, and how many not."""
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        try:
            came = list(pool.map(lambda each: _bring_one(asking, each, folder, name), found))
        except BaseException:
            asking.client.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    licence = LICENCES[asking.service.name]
    rows = [
        {key: value for key, value in asdict(each).items() if key in COLUMNS}
        | {"id": _name(each, name), "licence": licence}
        | {"author": each.author or AUTHORS.get(asking.service.name, "")}
        for each, is_there in zip(found, came, strict=True)
        if is_there
    ]
    return rows, len(found) - len(rows)


def _bring_one(asking: Asking, picture: StreetPicture, folder: Path, name: str) -> bool:
    """Bring one picture, without what its file says beside pixels; False where there is none."""
    own = _name(picture, name)
    if any((folder / f"{own}{suffix}").is_file() for suffix in (".jpg", ".png")):
        return True
    try:
        data, suffix = strip_metadata(asking.get_picture(picture.url))
    except ServiceError as error:
        # One that was taken down is no fault of the service; one that is busy is asked again.
        if error.status is None or error.status >= 500:
            raise
        return False
    except ValueError:
        return False
    with replacing(folder / f"{own}{suffix}") as part:
        part.write_bytes(data)
    return True


def _name(picture: StreetPicture, name: str) -> str:
    """Name a picture so that no other service has one of the name."""
    plain = "".join(each if each.isalnum() else "-" for each in picture.id)
    return f"{name}-{plain}"


def _write_table(folder: Path) -> int:
    """List all that was brought, of every service; give how many that are."""
    rows = [
        row
        for kept in sorted((folder / FOLDER / SEARCHED).glob("*.json"))
        for row in read_json(kept)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).drop_duplicates("id").sort_values("id")
    if table.empty:
        return 0
    with replacing(folder / TABLE) as part:
        # Names are typed by strangers, and a spreadsheet runs what begins as a formula.
        guard_table(table).to_csv(part, index=False)
    return len(table)


def _keep_credit(folder: Path, name: str) -> None:
    service, path = SERVICES[name], folder / TABLE
    offer = Offer(
        what=f"street pictures of {service.name}",
        url=service.credit.url,
        name=TABLE,
        n_bytes=path.stat().st_size,
        year=None,
        credit=service.credit,
    )
    record = {
        "url": service.credit.url,
        "sha256": hash_file(path),
        "n_bytes": path.stat().st_size,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    keep_credit(folder, TABLE, offer, record)


def _to_degrees(place: NamedPlace) -> BaseGeometry:
    to_degrees = Transformer.from_crs(NATIONAL_GRID, 4326, always_xy=True)
    outline: BaseGeometry = shapely.transform(
        place.polygon, lambda xy: np.column_stack(to_degrees.transform(*xy.T))
    )
    return outline
