"""Collections of areas, held in memory: found by place or by number, and given as GeoJSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from basrelief.names import name_file
from basrelief.run import Record
from basrelief.serve.editions import Edition
from basrelief.serve.tiers import Tier

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
NATIONAL_GRID = "http://www.opengis.net/def/crs/EPSG/0/27700"
SYSTEMS = {CRS84: "EPSG:4326", NATIONAL_GRID: "EPSG:27700"}
"""Reference systems that areas are given in, both with east first and then north, and the codes
by which files of runs were turned into them."""

PLACES = {CRS84: 6, NATIONAL_GRID: 1}
"""Decimal places of coordinates: a tenth of a metre."""

Box = tuple[float, float, float, float]


@dataclass(eq=False)
class Collection:
    """Areas with what is known of each."""

    id: str
    title: str
    description: str
    tier: Tier
    edition: Edition
    ids: list[str]
    properties: list[str]
    """Of each area its properties, as JSON."""

    shapes: dict[str, NDArray[Any]]
    """Of each area its shape, by reference system: of one at first, of others once they are
    asked for."""

    storage: str
    """The system that shapes were kept in."""

    def shape_in(self, crs: str) -> NDArray[Any]:
        """Give the shapes in a reference system, (n,)."""
        with self.edition.lock:
            return self._shape_in(crs)

    def _shape_in(self, crs: str) -> NDArray[Any]:
        if crs not in self.shapes:
            turn = Transformer.from_crs(SYSTEMS[self.storage], SYSTEMS[crs], always_xy=True)
            kept = self.shapes[self.storage]
            self.shapes[crs] = shapely.transform(
                kept, lambda xy: np.column_stack(turn.transform(*xy.T)).round(PLACES[crs])
            )
        return self.shapes[crs]

    @cached_property
    def _written(self) -> dict[str, list[bytes]]:
        return {}

    def write_in(self, crs: str) -> list[bytes]:
        """Write the areas as GeoJSON features in a reference system, each by itself."""
        with self.edition.lock:
            if crs not in self._written:
                shapes = shapely.to_geojson(self.shape_in(crs))
                told = zip(self.ids, shapes, self.properties, strict=True)
                self._written[crs] = [
                    # Joined as text: the shape is JSON already, and so are the properties.
                    f'{{"type":"Feature","id":{json.dumps(area_id)},"geometry":{shape},'
                    f'"properties":{properties}}}'.encode()
                    for area_id, shape, properties in told
                ]
            return self._written[crs]

    @cached_property
    def _trees(self) -> dict[str, shapely.STRtree]:
        return {}

    def _tree_in(self, crs: str) -> shapely.STRtree:
        with self.edition.lock:
            if crs not in self._trees:
                self._trees[crs] = shapely.STRtree(self.shape_in(crs))
            return self._trees[crs]

    def find(self, box: Box, crs: str) -> NDArray[np.int64]:
        """Find the areas that meet a box, (area,): their positions, ascending."""
        found = self._tree_in(crs).query(shapely.box(*box), predicate="intersects")
        # A tree has an order of its own; pages of an answer need one that stays.
        return np.sort(found)

    def is_ready(self, crs: str, of_box: str) -> bool:
        """Whether areas can be given, and found in a box, at once."""
        return crs in self._written and of_box in self._trees

    def make_ready(self, crs: str, of_box: str) -> None:
        """Read and write all that answers in these reference systems need."""
        self.write_in(crs)
        self._tree_in(of_box)

    @cached_property
    def bounds(self) -> Box:
        """West, south, east, north in degrees."""
        west, south, east, north = shapely.total_bounds(self.shape_in(CRS84)).tolist()
        return west, south, east, north

    @cached_property
    def place_of(self) -> dict[str, int]:
        """The order of each area, by its code."""
        return {area_id: place for place, area_id in enumerate(self.ids)}


def list_collections(edition: Edition) -> dict[str, Tier]:
    """List the collections of a run, and which tier each takes, without reading any."""
    found = {}
    if any(each["item"] == "public/areas.geojson" for each in edition.publish["published"]):
        found[edition.id] = Tier.PUBLIC
    for layer in edition.layers:
        found[f"{edition.id}.{name_file(layer['target'])}"] = Tier.ANALYST
    return found


def read_collection(edition: Edition, name: str) -> Collection:
    """Read a collection of those that `list_collections` names."""
    with edition.lock:
        if name not in edition.collections:
            read = _read_public if name == edition.id else _read_mapped
            edition.collections[name] = read(edition, name)
        found: Collection = edition.collections[name]
        return found


def _read_public(edition: Edition, name: str) -> Collection:
    """Read the areas that the gate released: rows of that file, and nothing else."""
    features = json.loads(edition.released["areas.geojson"])["features"]
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    figures = edition.publish.get("figures", [])
    worth = "; ".join(f"{f['target']} by {f['recipe']}: {f['worth']}" for f in figures)
    return Collection(
        id=name,
        title=f"{edition.id}: what is published",
        description=f"Figures of areas, not of people. {worth or 'Observed scores alone'}.",
        tier=Tier.PUBLIC,
        edition=edition,
        ids=[feature["properties"]["area_id"] for feature in features],
        properties=[_write(feature["properties"]) for feature in features],
        shapes={CRS84: shapes},
        storage=CRS84,
    )


def _read_mapped(edition: Edition, name: str) -> Collection:
    """Read a target's map: all areas, with residuals and intervals."""
    layer = next(
        each for each in edition.layers if name == f"{edition.id}.{name_file(each['target'])}"
    )
    table = edition.reader.map(layer["target"])
    columns = table.drop(columns="geometry")
    # Null for what is unknown: NaN is no JSON.
    known = columns.astype(object).where(columns.notna(), None)
    records: list[Record] = known.to_dict("records")
    # In the grid that it has, where clients may ask for it: there and back, corners move.
    storage = NATIONAL_GRID if table.crs is not None and table.crs.to_epsg() == 27700 else CRS84
    placed = table if storage == NATIONAL_GRID else table.to_crs(SYSTEMS[CRS84])
    return Collection(
        id=name,
        title=f"{edition.id}: {layer['target']}",
        description=f"Figures of areas, not of people. {layer['says']}",
        tier=Tier.ANALYST,
        edition=edition,
        ids=[str(area_id) for area_id in table["area_id"]],
        properties=[_write(record) for record in records],
        shapes={storage: placed.geometry.to_numpy()},
        storage=storage,
    )


def _write(values: Record) -> str:
    return json.dumps(values, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """Give a number of NumPy's as one of Python's."""
    return value.item()


def join_features(written: Sequence[bytes], places: Sequence[int]) -> bytes:
    """Join features to a list."""
    return b"[" + b",".join([written[place] for place in places]) + b"]"
