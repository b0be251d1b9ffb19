"""Tiles of areas and of rasters, and the catalogue."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import morecantile
import numpy as np
import pystac
import pytest
from PIL import Image

from basrelief.reader import open_run
from basrelief.run import Run
from basrelief.style import DIVERGING, read_rgb

GRID = "WebMercatorQuad"
CONTRIBUTION = "town.crime-dense-vgg16"


def tile_at(served_run: Run, zoom: int) -> tuple[int, int, int]:
    """The tile in which the middle of the run's areas lies."""
    middle = open_run(served_run.folder).map("crime").to_crs(4326).union_all().centroid
    tile = morecantile.tms.get(GRID).tile(middle.x, middle.y, zoom)
    return tile.z, tile.x, tile.y


def path_of(layer: str, z: int, x: int, y: int) -> str:
    return f"/rasters/{layer}/tiles/{GRID}/{z}/{x}/{y}.png"


def read_tile(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))


def test_the_ground_is_given_as_tiles_to_analysts(
    public: Any, analyst: Any, served_run: Run
) -> None:
    path = path_of("town.relief", *tile_at(served_run, 14))
    assert public.ask(path).status == 401
    found = analyst.ask(path)
    assert (found.status, found.headers["content-type"]) == (200, "image/png")
    cells = read_tile(found.body)
    assert set(cells[cells[..., 3] == 255][:, 0]) == {200}
    assert 0 < (cells[..., 3] == 255).mean() < 1
    assert found.headers["cache-control"] == "private, no-cache"
    assert analyst.ask(path, If_None_Match=found.headers["etag"]).status == 304


def test_contributions_are_given_to_the_custodian_in_the_colours_of_their_style(
    analyst: Any, custodian: Any, served_run: Run
) -> None:
    path = path_of(CONTRIBUTION, *tile_at(served_run, 13))
    assert analyst.ask(path).status == 403
    cells = read_tile(custodian.ask(path).body)
    seen = cells[cells[..., 3] == 255].reshape(-1, 4)[:, :3].astype(int)
    lowers, _, raises = (np.array(read_rgb(colour)) for colour in DIVERGING)
    # Purple in the west, orange in the east.
    row = cells[:, :, 3].argmax(axis=0).max()
    across = cells[row][cells[row, :, 3] == 255][:, :3].astype(int)
    assert np.abs(seen - lowers).sum(axis=1).min() < 30
    assert np.abs(across[0] - lowers).sum() < np.abs(across[0] - raises).sum()
    assert np.abs(across[-1] - raises).sum() < np.abs(across[-1] - lowers).sum()


def test_programs_are_told_where_tiles_are(analyst: Any, custodian: Any, public: Any) -> None:
    names = [
        [each["id"] for each in served.ask("/rasters").json["rasters"]]
        for served in (public, analyst, custodian)
    ]
    assert names == [[], ["town.relief"], ["town.relief", CONTRIBUTION]]
    told = analyst.ask(f"/rasters/town.relief/{GRID}/tilejson.json").json
    assert told["tiles"][0].startswith(f"{analyst.url}/rasters/town.relief/tiles/{GRID}/{{z}}/")


@pytest.mark.parametrize(
    "path",
    [
        *("30/0/0", "1/2/0", "0/0/1", "-1/0/0", "1e3/0/0", "99999999999/0/0", "a/b/c"),
        *("0/0/0.png?tilesize=100000", "0/0/0.png?url=http://127.0.0.1/", "0/0/0.exe"),
        *("0/0/0.png?expression=b1*b1", "0/0/0.png?buffer=9999", "0/0/0.png?algorithm=hillshade"),
    ],
)
def test_a_tile_that_there_is_not_is_refused(path: str, analyst: Any) -> None:
    assert analyst.ask(f"/rasters/town.relief/tiles/{GRID}/{path}").status == 400


def test_elsewhere_there_is_no_tile(analyst: Any) -> None:
    assert analyst.ask(path_of("town.relief", 10, 0, 0)).status == 404
    assert analyst.ask(path_of("nowhere.relief", 0, 0, 0)).status == 404


def test_none_of_the_other_addresses_of_the_library_are_there(custodian: Any) -> None:
    for path in ("info", "statistics", "preview", "point/0,0", "bbox/0,0,1,1.png", "map.html"):
        assert custodian.ask(f"/rasters/town.relief/{path}").status == 404


def test_areas_are_read_from_tiles_by_ranges(public: Any, served_run: Run) -> None:
    """By GDAL, which asks for the bytes that it needs, in a process of its own."""
    code = (
        "import geopandas, sys\n"
        "table = geopandas.read_file('/vsicurl/' + sys.argv[1])\n"
        "print(*sorted(set(table['area_id'])))"
    )
    url = f"{public.url}/runs/town/files/public/areas.pmtiles"
    command = [sys.executable, "-c", code, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == [f"E{i:02}" for i in range(20)]


def test_the_catalogue_names_what_each_may_take(public: Any, analyst: Any) -> None:
    names = {}
    for served in (public, analyst):
        catalogue = served.ask("/stac").json
        assert pystac.Catalog.from_dict(catalogue).id == "basrelief"
        told = served.ask("/stac/town").json
        found = pystac.Collection.from_dict(json.loads(json.dumps(told)))
        assert found.extent.spatial.bboxes[0][0] < -7
        assert "not of people" in told["description"]
        names[served.port] = set(told["assets"])
        for asset in told["assets"].values():
            assert served.ask(asset["href"].removeprefix(served.url)).status == 200
    mine, theirs = names[public.port], names[analyst.port]
    assert {name.partition("/")[0] for name in mine} == {"public"}
    assert mine < theirs
    assert "report.html" in theirs
    assert "inputs.json" not in theirs
