"""Rasters of runs as tiles of the web, by the name of a layer and by no address of anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import rasterio
from fastapi import APIRouter, HTTPException, Request, Response
from morecantile import tms
from morecantile.defaults import TileMatrixSets
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from basrelief.serve.answers import JSON, answer, find_base, is_known, name_cache, write_json
from basrelief.serve.credits import credit
from basrelief.serve.editions import Edition
from basrelief.serve.guard import GuardedRoute, for_tier, person_of, require
from basrelief.serve.pages import hash_runs
from basrelief.serve.tiers import Tier
from basrelief.style import DIVERGING, read_rgb

router = APIRouter(route_class=GuardedRoute)
tiles = APIRouter(route_class=GuardedRoute, prefix="/rasters/{layer}")

GRID = "WebMercatorQuad"
RELIEF = "maps/relief.tif"
DEEPEST = 22
"""Zoom at which a tile of 256 cells is ten metres wide."""

SIDES = ("256", "512")
"""Cells along a side of a tile that can be asked for."""


@dataclass(frozen=True)
class Layer:
    """A raster of a run, and how it is coloured."""

    path: Path
    edition: Edition
    reach: float | None
    """Of contributions, the size that colours end at; None of the lit ground, which is grey."""


def list_rasters(edition: Edition, tier: Tier) -> dict[str, str]:
    """List the rasters of a run that a tier may see: files by the names of layers."""
    found = {f"{edition.id}.relief": RELIEF} if RELIEF in edition.looks else {}
    if tier >= Tier.CUSTODIAN:
        others = [n for n in edition.looks if n.startswith("maps/") and n.endswith(".tif")]
        found |= {f"{edition.id}.{Path(n).stem}": n for n in others if n != RELIEF}
    return found if tier >= Tier.ANALYST else {}


def find_layer(request: Request, layer: str) -> Layer:
    """Find a layer by its name, for whoever may see it, and refuse a tile that there is not.

    Raises
    ------
    HTTPException
        304 where whoever asks has this very tile.
    """
    run, _, name = layer.partition(".")
    # The ground is of areas and coarse; what it adds to predictions points at buildings.
    require(request, Tier.ANALYST if name == "relief" else Tier.CUSTODIAN)
    edition: Edition | None = request.app.state.shelf.get(run)
    file = edition and list_rasters(edition, Tier.CUSTODIAN).get(layer)
    if edition is None or not file:
        raise HTTPException(404, "There is no such layer.")
    refuse_tile(request)
    etag = f'"{edition.tag}"'
    sent = {"ETag": etag, **name_cache(request)}
    if is_known(request, etag):
        # Raised, as titiler would read the tile before anything could be answered.
        raise HTTPException(304, headers=sent)
    # titiler makes the answer; the shield puts these to it.
    request.scope["sent"] = [(key.lower().encode(), sent[key].encode()) for key in sent]
    # Held against what it was: a raster that is being written is not read.
    edition.open(file).close()
    return Layer(edition.folder / file, edition, read_reach(edition, file))


def refuse_tile(request: Request) -> None:
    """Refuse a tile that no grid has, or one larger than screens.

    Raises
    ------
    HTTPException
        400.
    """
    strange = [key for key in request.query_params if key not in ("tilesize", "f")]
    if strange or request.query_params.get("tilesize", SIDES[0]) not in SIDES:
        raise HTTPException(400, f"Only tilesize can be asked for: {' or '.join(SIDES)}.")
    place = [request.path_params.get(key, "0") for key in "zxy"]
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in place):
        raise HTTPException(400, "z, x and y: must be whole numbers from 0.")
    zoom, *cell = (int(part) for part in place)
    if zoom > DEEPEST or max(cell) >= 2**zoom:
        raise HTTPException(400, f"z, x and y: no such tile; z goes to {DEEPEST}.")


def read_reach(edition: Edition, file: str) -> float | None:
    """Read the size that colours end at, from the style that the map stage wrote beside.

    None where it says none.
    """
    style = str(Path(file).with_suffix(".qml"))
    if style not in edition.looks:
        return None
    with edition.open(style) as opened:
        # A file of the program's own, which is still what it was.
        root = Xml.parse(opened).getroot()  # noqa: S314
    renderer = root.find("pipe/rasterrenderer")
    reach = math.nan if renderer is None else float(renderer.get("classificationMax", "nan"))
    return reach if math.isfinite(reach) else None


class LayerReader(Reader):
    """Reads a layer as GeoTIFF, and as nothing else, in its own colours."""

    def __init__(self, layer: Layer, **options: Any) -> None:
        self._layer = layer
        # Else what stands in a file chooses how it is read, and could name other files.
        self._file = rasterio.open(layer.path, driver="GTiff")
        super().__init__(
            str(layer.path),
            dataset=self._file,
            colormap=_ramp() if layer.reach else None,
            **options,
        )

    def close(self) -> None:
        """Close the file as well."""
        super().close()  # type: ignore[no-untyped-call]
        self._file.close()

    def tile(self, tile_x: int, tile_y: int, tile_z: int, *_: Any, **options: Any) -> ImageData:
        """Read a tile, in the range of its colours."""
        image = super().tile(tile_x, tile_y, tile_z, **options)
        if self._layer.reach:
            image.rescale(in_range=((-self._layer.reach, self._layer.reach),))
        return image


def _ramp() -> dict[int, tuple[int, ...]]:
    """Give the colours of contributions, from what lowers most to what raises most."""
    ends = np.array([read_rgb(colour) for colour in DIVERGING])
    parts = [np.interp(np.arange(256), (0, 127.5, 255), ends[:, k]).round() for k in range(3)]
    return {place: (*map(int, rgb), 255) for place, rgb in enumerate(zip(*parts, strict=True))}


class LayerTiles(TilerFactory):
    """Tiles, and what tells programs where they are; none of titiler's other addresses."""

    def register_routes(self) -> None:
        """Register the addresses that are kept."""
        self.tile()  # type: ignore[no-untyped-call]
        self.tilejson()  # type: ignore[no-untyped-call]

    def url_for(self, request: Request, name: str, **path_params: Any) -> str:
        """Give an address that begins as this server is called from outside."""
        layer = request.path_params["layer"]
        path = self.router.url_path_for(name, layer=layer, **path_params)
        return f"{find_base(request)}{path}"


LayerTiles(
    router=tiles,
    reader=LayerReader,
    path_dependency=find_layer,
    # No choice of bands, formulas or sampling: each is work that anybody could order.
    layer_dependency=DefaultDependency,
    dataset_dependency=DefaultDependency,
    tile_dependency=DefaultDependency,
    render_dependency=DefaultDependency,
    process_dependency=lambda: None,
    colormap_dependency=lambda: None,
    supported_tms=TileMatrixSets({GRID: tms.get(GRID)}),
    name="rasters",
)
for _route in tiles.routes:
    # What is finer takes more, by the name of its layer.
    for_tier(Tier.ANALYST)(_route.endpoint)  # type: ignore[attr-defined]
router.routes.extend(tiles.routes)


@router.get("/rasters", summary="The rasters that can be had as tiles")
@for_tier(Tier.PUBLIC)
async def get_rasters(request: Request) -> Response:
    """List the rasters that whoever asks may see."""
    tier, base = person_of(request).tier, f"{find_base(request)}/rasters"
    shown = [
        {
            "id": name,
            "tiles": f"{base}/{name}/tiles/{GRID}/{{z}}/{{x}}/{{y}}.png",
            "tilejson": f"{base}/{name}/{GRID}/tilejson.json",
            **credit(edition, tier),
        }
        for edition in request.app.state.shelf
        for name in list_rasters(edition, tier)
    ]
    return answer(request, write_json({"rasters": shown}), JSON, hash_runs(request, "rasters"))
