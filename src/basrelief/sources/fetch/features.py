"""The feature service of the Office for National Statistics, asked page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely

from basrelief.grid import Bounds
from basrelief.sources.fetch.client import Client, NotThereError, ServiceError
from basrelief.sources.national_grid import EPSG, NATIONAL_GRID

N_CODES = 50
"""Codes of one request: longer conditions are refused by some of the office's servers."""

N_PAGE = 1000
"""Features asked for at once; a service may give fewer, and says so."""

BUSY = frozenset({429, 498, 500, 502, 503, 504})
"""Codes of errors, in answers with HTTP 200, after which the same request may well succeed."""

N_TRIES_BUSY = 4


@dataclass(frozen=True)
class FeatureLayer:
    """A layer or table of the service."""

    service: str
    key: tuple[str, ...]
    """Fields that together tell its rows apart; pages are in their order, or rows would be given
    twice and others never."""

    fields: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where it is asked."""
        base = "https://services1.arcgis.com/ESMARspQHYMw9BZ9/arcgis/rest/services"
        return f"{base}/{self.service}/FeatureServer/0/query"


def query_features(
    client: Client, layer: FeatureLayer, bounds: Bounds | None = None, where: str = "1=1"
) -> gpd.GeoDataFrame:
    """Read the features of a layer whose box meets bounds, or that meet a condition.

    Parameters
    ----------
    bounds
        West, south, east, north in metres of the National Grid.
    where
        In SQL; texts within are to be written by `quote`.

    Returns
    -------
    GeoDataFrame
        In EPSG:27700, in the order of the layer's key, a column a field and ``geometry``.

    Raises
    ------
    ServiceError
        If the service fails, gives other features than it counts, or another reference system.
    """
    asked: dict[str, Any] = {"where": where, "outSR": EPSG, "returnGeometry": "true"}
    if bounds is not None:
        # No spatialRel: some of the servers answer that it is invalid.
        asked |= {
            "geometry": ",".join(f"{each:.2f}" for each in bounds),
            "geometryType": "esriGeometryEnvelope",
            "inSR": EPSG,
        }
    features = list(_walk(client, layer, asked, is_long=False))
    shapes = [_draw(each, layer) for each in features]
    table = _tabulate(features, layer)
    return gpd.GeoDataFrame(table, geometry=shapes, crs=NATIONAL_GRID)


def query_rows(
    client: Client, layer: FeatureLayer, column: str, codes: Sequence[str]
) -> pd.DataFrame:
    """Read the rows of a layer that have one of many codes, without their shapes.

    Raises
    ------
    ServiceError
        As of `query_features`.
    """
    wanted = sorted(set(codes))
    features: list[Mapping[str, Any]] = []
    for k in range(0, len(wanted), N_CODES):
        listed = ",".join(quote(code) for code in wanted[k : k + N_CODES])
        asked = {"where": f"{column} IN ({listed})", "returnGeometry": "false"}
        # By POST: fifty codes are too long for an address.
        features += _walk(client, layer, asked, is_long=True)
    return _tabulate(features, layer)


def quote(text: str) -> str:
    """Write a text as it has to stand in a condition.

    >>> quote("King's Lynn")
    "'King''s Lynn'"
    """
    return "'" + text.replace("'", "''") + "'"


def _walk(
    client: Client, layer: FeatureLayer, asked: dict[str, Any], *, is_long: bool
) -> Iterator[Mapping[str, Any]]:
    """Ask for page after page until the service says that there is no more, and count."""
    expected = _ask(client, layer, asked | {"returnCountOnly": "true", "f": "json"}, is_long)
    asked = asked | {
        "outFields": ",".join(layer.fields),
        "orderByFields": ",".join(layer.key),
        "resultRecordCount": N_PAGE,
        "f": "json",
    }
    n_got, seen = 0, set()
    while True:
        page = _ask(client, layer, asked | {"resultOffset": n_got}, is_long)
        _check_system(page, layer, has_shapes=asked["returnGeometry"] == "true")
        features = page.get("features", [])
        for feature in features:
            seen.add(tuple(feature.get("attributes", {}).get(name) for name in layer.key))
            yield feature
        n_got += len(features)
        # Never by the number on a page: a service's own limit may be lower than what was asked.
        more = page.get("exceededTransferLimit") or page.get("properties", {}).get(
            "exceededTransferLimit"
        )
        if not more:
            break
        if not features:
            raise ServiceError(f"{_name(layer)}: says that there is more, and gives nothing")
    if len(seen) != n_got or n_got != expected.get("count"):
        raise ServiceError(
            f"{_name(layer)}: counts {expected.get('count')} features and gives {n_got}, "
            f"{len(seen)} of them different. Try again later."
        )


def _ask(
    client: Client, layer: FeatureLayer, asked: Mapping[str, Any], is_long: bool
) -> dict[str, Any]:
    """Send one request; errors come with HTTP 200, and those of a busy service are tried again."""
    for k in range(N_TRIES_BUSY):
        try:
            if is_long:
                answer = client.post_json(layer.url, dict(asked), form=True)
            else:
                answer = client.get_json(layer.url, asked)
        except NotThereError as gone:
            raise _describe_gone(client, layer) from gone
        error = answer.get("error") if isinstance(answer, dict) else {"message": "no object"}
        if not error:
            return dict(answer)
        said = " ".join([str(error.get("message", "")), *map(str, error.get("details") or [])])
        # The office renames layers with each correction; the message is all that tells.
        if "Invalid URL" in said:
            raise _describe_gone(client, layer)
        if error.get("code") not in BUSY or k == N_TRIES_BUSY - 1:
            break
        client.stop.wait(client.pause_s * 2**k)
    raise ServiceError(f"{_name(layer)}: answers with an error: {said.strip()[:200]}")


def _describe_gone(client: Client, layer: FeatureLayer) -> ServiceError:
    """Say that a layer has gone, and which the office has now that are called nearly so."""
    address = "https://www.arcgis.com/sharing/rest/search"
    words = " ".join(layer.service.split("_")[:4])
    sought = f"orgid:ESMARspQHYMw9BZ9 AND title:({words})"
    try:
        found = client.get_json(address, {"f": "json", "num": 5, "q": sought})["results"]
        names = ", ".join(str(each.get("name") or each.get("title")) for each in found)
    except (ServiceError, KeyError, TypeError):
        names = ""
    now = f" The office now has: {names}." if names else ""
    return ServiceError(
        f"{_name(layer)}: there is no such layer any more.{now} A newer version of this program "
        "may know its name."
    )


def _check_system(page: Mapping[str, Any], layer: FeatureLayer, *, has_shapes: bool) -> None:
    """Refuse shapes in another reference system: degrees would pass for metres off Cornwall."""
    if not has_shapes or not page.get("features"):
        return
    said = page.get("spatialReference") or {}
    if EPSG not in (said.get("wkid"), said.get("latestWkid")):
        raise ServiceError(
            f"{_name(layer)}: gives shapes in {said or 'no system'}, not {NATIONAL_GRID}"
        )


def _draw(feature: Mapping[str, Any], layer: FeatureLayer) -> Any:
    """Draw a feature's rings: what an odd number of them encloses is ground."""
    rings = (feature.get("geometry") or {}).get("rings") or []
    lines = [shapely.LineString(ring) for ring in rings if len(ring) > 3]
    # Whichever way they turn: not every edition of the office keeps to the rule.
    drawn = shapely.build_area(shapely.MultiLineString(lines))
    if drawn.is_empty:
        code = feature.get("attributes", {}).get(layer.key[0])
        raise ServiceError(f"{_name(layer)}: gives no outline of {code}")
    return drawn


def _tabulate(features: Sequence[Mapping[str, Any]], layer: FeatureLayer) -> pd.DataFrame:
    """Put attributes into a table, a column a field."""
    # A field that a service does not know is left out of its answer without a word.
    rows = [feature.get("attributes", {}) for feature in features]
    for field in layer.fields:
        if any(field not in row for row in rows):
            raise ServiceError(f"{_name(layer)}: gives no field {field}")
    cells = [[row[field] for field in layer.fields] for row in rows]
    return pd.DataFrame(cells, columns=list(layer.fields), dtype=object)


def _name(layer: FeatureLayer) -> str:
    return f"ONS geography, {layer.service}"
