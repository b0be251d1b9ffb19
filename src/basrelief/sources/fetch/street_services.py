"""Services of street pictures: what they are asked, and what they answer of a square of ground."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from basrelief.config import InputError
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.licences import Credit
from basrelief.sources.street_tables import (
    GEOGRAPH,
    KARTAVIEW,
    LICENCES,
    MAPILLARY,
    is_middle_of_square,
)

CELL_DEGREES = 0.0095
"""Side of the squares that are asked for: Mapillary refuses a hundredth of a degree (2026)."""

SMALLEST_DEGREES = CELL_DEGREES / 64
"""Some 15 m: who has more pictures of less has them of one spot."""

MAPILLARY_LIMIT = 2000
"""The most that Mapillary answers; it says not whether there are more."""

KARTAVIEW_PAGE, GEOGRAPH_PAGE, GEOGRAPH_LIMIT = 150, 100, 1000
DEGREE_KM = 111.3

REFUSED = frozenset({400, 401, 403})
"""Answers to a token that is none, or no longer."""


@dataclass(frozen=True)
class Cell:
    """A square of ground in degrees."""

    west: float
    south: float
    side: float

    @property
    def name(self) -> str:
        """What it is called, the same in every call for the same ground."""
        return f"{self.west:.5f}_{self.south:.5f}"

    def quarter(self) -> list[Cell]:
        """Cut it in four."""
        half = self.side / 2
        return [
            Cell(self.west + k * half, self.south + j * half, half)
            for j in range(2)
            for k in range(2)
        ]


@dataclass(frozen=True)
class StreetPicture:
    """A picture that a service has, and where its pixels are."""

    id: str
    longitude: float
    latitude: float
    captured_at: str
    author: str
    link: str
    """Its page, for people."""

    url: str
    """Of its pixels; some are good for hours only, so that none is kept."""


@dataclass
class Pace:
    """Lets requests go no faster than one in so many seconds, whichever thread asks."""

    seconds: float
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, stop: threading.Event) -> None:
        """Wait for one's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + self.seconds
        stop.wait(turn - now)


@dataclass(frozen=True)
class StreetService:
    """A service of street pictures."""

    name: str
    search: Callable[[Asking, Cell], list[StreetPicture] | None]
    """What it has of a cell; None where that is more than it tells."""

    pause_s: float
    """Between two requests: half a second is what Geograph asks for, and no service minds."""

    credit: Credit
    variable: str | None = None
    """Environment variable with what it knows the user by; None where it asks for nothing."""

    get_one: str = ""
    """Where that is to be had."""


@dataclass(frozen=True)
class Asking:
    """A service being asked: by whom, and how fast."""

    client: Client
    service: StreetService
    secret: SecretStr | None
    """Shown by nothing that prints or writes it."""

    pace: Pace

    def get_json(
        self, url: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Any:
        """Ask for JSON when it is one's turn.

        Raises
        ------
        ServiceError
            If it cannot be had; where the service does not know the user, says so.
        """
        self.pace.wait(self.client.stop)
        try:
            return self.client.get_json(url, params, headers)
        except ServiceError as error:
            if error.status in REFUSED and self.service.variable is not None:
                raise ServiceError(
                    f"{error}: {self.service.name} may not know what stands in "
                    f"{self.service.variable}. Get one at {self.service.get_one}.",
                    error.status,
                ) from None
            raise

    def get_picture(self, url: str) -> bytes:
        """Ask for the bytes of a picture when it is one's turn."""
        self.pace.wait(self.client.stop)
        return self.client.get_bytes(url)


def read_secret(service: StreetService, environment: Mapping[str, str]) -> SecretStr | None:
    """Read what a service knows the user by, from the environment alone.

    Raises
    ------
    InputError
        If it asks for something and nothing is there.
    """
    if service.variable is None:
        return None
    found = environment.get(service.variable, "").strip()
    if not found:
        raise InputError(
            f"fetch --street {service.name.lower()}: {service.name} asks who you are: set "
            f"{service.variable} in the environment to your own. Get one at {service.get_one}."
        )
    return SecretStr(found)


def search_mapillary(asking: Asking, cell: Cell) -> list[StreetPicture] | None:
    """Ask Mapillary for a cell: one answer of at most `MAPILLARY_LIMIT`, and no pages."""
    assert asking.secret is not None
    fields = "id,geometry,computed_geometry,captured_at,creator,thumb_1024_url"
    sides = (cell.west, cell.south, cell.west + cell.side, cell.south + cell.side)
    # In a header and not in the address, which ends up in logs on the way.
    answer = asking.get_json(
        "https://graph.mapillary.com/images",
        {
            "bbox": ",".join(f"{side:.7f}" for side in sides),
            "fields": fields,
            "limit": MAPILLARY_LIMIT,
        },
        {"Authorization": f"OAuth {asking.secret.get_secret_value()}"},
    )
    records = _take_list(answer, ("data",), MAPILLARY)
    return None if len(records) >= MAPILLARY_LIMIT else list(_read_mapillary(records))


def _read_mapillary(records: list[dict[str, Any]]) -> Iterator[StreetPicture]:
    for each in records:
        place = each.get("computed_geometry") or each.get("geometry") or {}
        at, url, own = place.get("coordinates"), each.get("thumb_1024_url"), str(each.get("id"))
        if isinstance(at, list) and len(at) >= 2 and url:
            author = str((each.get("creator") or {}).get("username") or "")
            link = f"https://www.mapillary.com/app/?pKey={own}"
            taken = str(each.get("captured_at") or "")
            yield StreetPicture(own, float(at[0]), float(at[1]), taken, author, link, str(url))


def search_kartaview(asking: Asking, cell: Cell) -> list[StreetPicture] | None:
    """Ask KartaView for a cell, page by page."""
    found: list[StreetPicture] = []
    params = {
        "nwLat": f"{cell.south + cell.side:.7f}",
        "nwLng": f"{cell.west:.7f}",
        "seLat": f"{cell.south:.7f}",
        "seLng": f"{cell.west + cell.side:.7f}",
        "itemsPerPage": KARTAVIEW_PAGE,
        # Without an order pages of one search overlap, and leave pictures out.
        "orderBy": "id",
        "orderDirection": "asc",
    }
    page = 1
    while True:
        answer = asking.get_json(
            "https://api.openstreetcam.org/2.0/photo/", params | {"page": page}
        )
        records = _take_list(answer, ("result", "data"), KARTAVIEW)
        found += _read_kartaview(records)
        # An empty page ends it, whatever the service says of more.
        if not records or not answer["result"].get("hasMoreData"):
            return found
        page += 1


def _read_kartaview(records: list[dict[str, Any]]) -> Iterator[StreetPicture]:
    for each in records:
        url = each.get("fileurlProc") or each.get("fileurlLTh")
        if not url or each.get("lat") is None or each.get("lng") is None:
            continue
        own, author = str(each["id"]), str(each.get("username") or "")
        drive, number = each.get("sequenceId"), each.get("sequenceIndex")
        link = f"https://kartaview.org/details/{drive}/{number}" if drive else ""
        taken = str(each.get("shotDate") or "")
        lon, lat = float(each["lng"]), float(each["lat"])
        yield StreetPicture(own, lon, lat, taken, author, link, str(url))


def search_geograph(asking: Asking, cell: Cell) -> list[StreetPicture] | None:
    """Ask Geograph for a circle around a cell, page by page; of it what lies in the cell counts."""
    assert asking.secret is not None
    lon, lat = cell.west + cell.side / 2, cell.south + cell.side / 2
    # Half a diagonal; a degree of longitude is shorter.
    km = DEGREE_KM * cell.side / 2 * math.hypot(1, math.cos(math.radians(lat)))
    params: dict[str, Any] = {
        "location": f"{lat:.6f},{lon:.6f}",
        "distance": f"{km + 0.02:.2f}",
        "format": "JSON",
        "perpage": GEOGRAPH_PAGE,
    }
    found: list[StreetPicture] = []
    n_seen = 0
    while True:
        # It takes its key in the address alone.
        key = {"key": asking.secret.get_secret_value()}
        answer = asking.get_json("https://api.geograph.org.uk/syndicator.php", params | key)
        records = _take_list(answer, ("items",), GEOGRAPH)
        n_seen += len(records)
        found += [
            each
            for each in _read_geograph(records)
            if 0 <= each.longitude - cell.west < cell.side
            and 0 <= each.latitude - cell.south < cell.side
            # A picture that is known to a kilometre lies in the middle of its square, and in no
            # area that one could tell.
            and not is_middle_of_square(each.longitude, each.latitude)
        ]
        following = answer.get("nextURL")
        if n_seen >= GEOGRAPH_LIMIT:
            return None
        if not following or not records:
            return found
        # The address of the next page has the key in it: only what it asks for is taken.
        asked = parse_qs(urlsplit(str(following)).query)
        params = {name: values[0] for name, values in asked.items() if name != "key"}


def _read_geograph(records: list[dict[str, Any]]) -> Iterator[StreetPicture]:
    for each in records:
        thumb, own = str(each.get("thumb") or ""), str(each.get("guid") or "")
        # The picture of 640 pixels is called as its small copies, without their size.
        url = thumb.replace("_120x120", "").replace("_213x160", "")
        if not own or not thumb or each.get("lat") in (None, "") or each.get("long") in (None, ""):
            continue
        author, taken = str(each.get("author") or ""), str(each.get("imageTaken") or "")
        link = f"https://www.geograph.org.uk/photo/{own}"
        lon, lat = float(each["long"]), float(each["lat"])
        yield StreetPicture(own, lon, lat, taken, author, link, url)


def _take_list(answer: Any, keys: tuple[str, ...], service: str) -> list[dict[str, Any]]:
    """Take the pictures out of an answer; a page of regrets must not pass for an empty street."""
    inner = answer
    for key in keys:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, list) or not all(isinstance(each, dict) for each in inner):
        raise ServiceError(f"{service}: answers with no list of pictures. Try again later.")
    return inner


def _credit(service: str, statement: str, url: str) -> Credit:
    return Credit(f"street pictures of {service}", LICENCES[service], statement, url)


SERVICES = {
    "mapillary": StreetService(
        MAPILLARY,
        search_mapillary,
        0.05,
        _credit(
            MAPILLARY,
            "Street pictures © Mapillary contributors, CC BY-SA 4.0.",
            "https://www.mapillary.com/terms",
        ),
        "BASRELIEF_MAPILLARY_TOKEN",
        "https://www.mapillary.com/dashboard/developers",
    ),
    "kartaview": StreetService(
        KARTAVIEW,
        search_kartaview,
        0.5,
        _credit(
            KARTAVIEW,
            "Street pictures © Grab and KartaView Contributors, CC BY-SA 4.0.",
            "https://kartaview.org/terms",
        ),
    ),
    "geograph": StreetService(
        GEOGRAPH,
        search_geograph,
        0.5,
        _credit(
            GEOGRAPH,
            "Street pictures © their photographers, geograph.org.uk, CC BY-SA 2.0.",
            "https://www.geograph.org.uk/help/freedom",
        ),
        "BASRELIEF_GEOGRAPH_KEY",
        "https://www.geograph.org.uk/admin/mykey.php",
    ),
}
"""By what people type."""
