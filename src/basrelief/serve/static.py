"""What pages load besides themselves: scripts and styles, those of reports and MapLibre's."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from basrelief.serve.answers import answer, find_media
from basrelief.serve.guard import GuardedRoute, for_tier
from basrelief.serve.tiers import Tier
from basrelief.style import write_colours
from basrelief.tell import page

router = APIRouter(route_class=GuardedRoute)

OF_REPORTS = (
    *("report.css", "map.css", "map-drawing.js", "map-webgl.js", "map-panes.js", "map-eyes.js"),
    "maplibre-licence.txt",
)
OWN = ("serve.css", "explore.css", "explore-load.js", "explore.js")
OF_MAPLIBRE = ("maplibre-gl.js", "maplibre-gl.css")
COLOURS = "colours.css"
ALL = frozenset((*OF_REPORTS, *OWN, *OF_MAPLIBRE, COLOURS))


@cache
def read_static(name: str) -> tuple[bytes, str]:
    """Read a file that pages load, and hash it."""
    if name == COLOURS:
        data = write_colours().encode()
    elif name in OF_REPORTS:
        data = (Path(page.__file__).parent / name).read_bytes()
    elif name in OWN:
        data = (Path(__file__).parent / name).read_bytes()
    else:
        path = distribution("maplibre").locate_file(f"maplibre/srcjs/{name}")
        text = Path(str(path)).read_text(encoding="utf-8")
        # A browser's tools would ask the network for the map of its sources.
        kept = [line for line in text.splitlines() if not line.startswith("//# sourceMapping")]
        data = "\n".join(kept).encode()
    return data, hashlib.sha256(data).hexdigest()[:32]


@router.get("/static/{name}", summary="A script or a style of the pages")
@for_tier(Tier.PUBLIC)
async def get_static(request: Request, name: str) -> Response:
    """Give a file that pages load."""
    # By a list and no look at a folder: names with dots in them lead nowhere.
    if name not in ALL:
        raise HTTPException(404, "There is no such file.")
    data, tag = read_static(name)
    return answer(request, data, find_media(name), tag)
