"""Services of LIDAR of three countries as they answer, faults included, as their own process.

Arguments are faults: ``truncate`` (wide searches are cut short), ``truncate-all`` (all are),
``old-path``, ``renamed`` (a product is called otherwise), ``busy`` (every file is 504 at first),
``broken`` (TQ28NE's surface is a page), ``altered`` (a byte of it is), ``swapped`` (it is another
square's), ``no-coverages``, ``two-coverages``, ``hillshade`` (a picture under the name of
heights), ``zero-west=EASTING`` (coverages are 0 west of it), ``no-page`` (Wales ignores
startIndex), ``also=SQUARES`` (it has these too, with commas between), ``side=METRES`` (of what
Scotland has of a square).
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from osbng import BNGReference, bbox_to_bng
from pyproj import Transformer

FAULTS = dict(each.partition("=")[::2] for each in sys.argv[1:])
FOUND = Transformer.from_crs(4326, 27700, always_xy=True)

# What England has: nine squares of 5 km, of one of which there is no terrain.
ENGLAND: tuple[str, ...] = (
    *("TQ28NE", "TQ28NW", "TQ28SE", "TQ28SW", "TQ38NW", "TQ38SW", "TQ29SE", "TQ29SW", "TQ39SW"),
)
ENGLAND += tuple(filter(None, FAULTS.get("also", "").split(",")))
NO_TERRAIN = "TQ38SW"
SURFACE, TERRAIN = "lidar_composite_first_return_dsm", "lidar_composite_dtm"
COVERAGE = "df4e3ec3-315e-48aa-aaaf-b5ae74d7b2bb__Lidar_Composite_"
WALES = [f"SO{x}{y}" for x in range(20, 24) for y in range(40, 43)]
# Its archive: year, side of a cell, the tile's west, south and side, and whether it has terrain.
# One reaches over squares of the newer survey.
ARCHIVE = [(2007, 2, 323_000, 240_000, 2000, False), (2012, 1, 324_000, 240_000, 1000, True)]
# Scotland: collection, square, licence, last year.
OPEN = "Scottish Government copyright. Licence: Open Government Licence v3."
CLOSED = "Non-Commercial Government Licence applies. Contains HES data."
SCOTLAND = [
    ("phase-1", "NS56SW", "1M", OPEN, "2012"),
    ("phase-1", "NS56SE", "1M", OPEN, "2012"),
    ("phase-2", "NS56SE", "1M", CLOSED, "2014"),
    ("phase-5", "NS56SW", "50CM", OPEN, "2021"),
]

log: list[dict[str, Any]] = []
seen: dict[str, int] = {}
lock = threading.Lock()


def ground(square: str) -> tuple[int, int, int, int]:
    box: tuple[int, int, int, int] = BNGReference(square).bng_to_bbox()
    return box


def make_raster(
    west: float, south: float, side_m: int, cell_m: float = 1.0, add: float = 0.0, kind: str = ""
) -> bytes:
    """Heights that tell where they are: easting and northing within 10 km, in km, and more."""
    n = round(side_m / cell_m)
    east = west + (np.arange(n) + 0.5) * cell_m
    north = south + side_m - (np.arange(n) + 0.5) * cell_m
    is_built = (east[None] // 10 % 2 == 0) & (north[:, None] // 10 % 2 == 0)
    values = 20.5 + add * is_built + (east[None] % 10_000) / 1000 + (north[:, None] % 10_000) / 1000
    if "zero-west" in FAULTS and kind == "coverage":
        values[:, east < float(FAULTS["zero-west"])] = 0
    if kind == "picture":
        values = np.round(values * 4)
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=n,
            height=n,
            count=1,
            dtype="float32",
            crs="EPSG:27700",
            nodata=-3.4028234663852886e38,
            transform=rasterio.Affine(cell_m, 0, west, 0, -cell_m, south + side_m),
            compress="deflate",
        ) as dataset:
            dataset.write(values.astype("float32"), 1)
        return bytes(memory.read())


def make_archive(product: str, square: str, cell_m: float) -> bytes:
    """A corner of a tile, with the index of the surveys that were merged, as composites have it."""
    west, south, east, north = ground("TQ28SW" if "swapped" in FAULTS else square)
    word = "DTM" if product == TERRAIN else "FZ_DSM"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, tempfile.TemporaryDirectory() as folder:
        add = 0.0 if product == TERRAIN else 5.0
        heights = make_raster(west, south, 200, cell_m, add)
        archive.writestr(f"{square}_{word}_{cell_m:g}m.tif", heights)
        middle = (west + east) / 2
        index = gpd.GeoDataFrame(
            {
                "FILENAME": ["P_1", "P_2"],
                "SRVY_YEAR": [2012, 2020],
                "SD_FLOWN": ["2012-03-01", "2020-12-12"],
                "ED_FLOWN": ["2012-04-02", "2021-01-15"],
                "RESOLUTION": ["1m", "1m"],
            },
            geometry=[
                shapely.box(west, south, west + 100, north),
                shapely.box(west + 100, south, middle, north),
            ],
            crs=27700,
        )
        path = Path(folder) / "lidar_used_in_merging_process.shp"
        index.to_file(path)
        for each in sorted(path.parent.iterdir()):
            archive.write(each, f"index/{each.name}")
    return buffer.getvalue()


def outline_older(row: tuple[Any, ...]) -> Any:
    _, _, west, south, side, _ = row
    return shapely.box(west, south, west + side, south + side)


def describe_older(row: tuple[Any, ...]) -> dict[str, Any]:
    year, cell, *_, has_terrain = row
    # Without the beginning of an address, as most rows have it.
    name = f"lle.blob.core.windows.net/lidar/{cell}m_res_SO24_{year}_"
    return {
        "type": "Feature",
        "properties": {
            **{"gb_ng": "SO2440", "_10k": "SO24 ", "year": str(year), "resolution": cell},
            "dsm_url": f"{name}dsm.zip",
            "dtm_url": f"{name}dtm.zip" if has_terrain else "",
        },
        "geometry": shapely.geometry.mapping(outline_older(row)),
    }


def make_older(path: str) -> bytes:
    """An archive of a survey: a grid of millimetres as text, two of its cells without data."""
    row = next(each for each in ARCHIVE if str(each[0]) in path)
    year, cell, west, south, side, _ = row
    add = 5.0 if "dsm" in path else 0.0
    raster = make_raster(west, south, side, cell, add)
    with rasterio.MemoryFile(raster) as memory, memory.open() as dataset:
        values = np.round(dataset.read(1) * 1000).astype(int)
    values[0, :2] = -9999
    n = side // cell
    head = f"ncols {n}\r\nnrows {n}\r\nxllcorner {west}\r\nyllcorner {south}\r\ncellsize {cell}\r\n"
    lines = [" ".join(map(str, line)) for line in values]
    text = "\r\n".join([f"{head}NODATA_value -9999", *lines, ""])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        word = "dsm_D" if "dsm" in path else "dtm_F"
        archive.writestr(f"{word}0000878_{year}0328_{year}0328_mm_units.asc", text)
    return buffer.getvalue()


class Lidar(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: C901
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            n = seen[self.path] = seen.get(self.path, 0) + 1
            log.append({"method": self.command, "path": self.path, "body": body.decode()})
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        host, _, path = parts.path.lstrip("/").partition("/")
        if self.command == "HEAD":
            self.give(405, b"")
        elif host == "log":
            self.give(200, json.dumps(log).encode())
        elif host == "environment" and path.endswith("survey/search"):
            self.search(path, json.loads(body))
        elif "busy" in FAULTS and n == 1 and ("/survey/" in path or host in ("blob", "s3")):
            self.give(504, b"")
        elif host == "environment" and path.startswith("tiles/"):
            self.give_tile(*path.split("/")[3:])
        elif host == "environment":
            self.give_coverage(path.split("/")[1], query)
        elif host == "wales":
            self.find_welsh(query)
        elif host == "lle":
            self.give(200, make_older(path))
        elif host in ("blob", "s3"):
            square = re.search(r"[A-Z]{2}\d+[NS]?[EW]?", path)
            assert square is not None
            west, south, _, _ = ground(square[0])
            cell_m = 0.5 if "50CM" in path else 1.0
            side = int(FAULTS.get("side", 1000)) if host == "s3" else 1000
            self.give(200, make_raster(west, south, side, cell_m, 5.0 if "dsm" in path else 0.0))
        elif host == "scot" and self.command == "GET":
            names = [f"scotland-gov/lidar/{s[0]}/{p}" for s in SCOTLAND for p in ("dsm", "dtm")]
            self.give(200, json.dumps({"result": [{"name": n} for n in sorted(set(names))]}))
        elif host == "scot":
            self.find_scottish(json.loads(body))
        else:
            self.give(404, b"")

    do_POST = do_HEAD = do_GET  # noqa: N815

    def search(self, path: str, polygon: dict[str, Any]) -> None:
        if "old-path" in FAULTS and not path.startswith("backend/"):
            self.give(404, b"")
            return
        if polygon["type"] != "Polygon" or self.headers["Content-Type"] != "application/geo+json":
            self.give(400, b"")
            return
        ring = np.array(polygon["coordinates"][0])
        area = shapely.Polygon(np.column_stack(FOUND.transform(ring[:, 0], ring[:, 1])))
        squares = [s for s in ENGLAND if area.intersects(shapely.box(*ground(s)))]
        if "truncate" in FAULTS and area.bounds[2] - area.bounds[0] > 6_000:
            squares = squares[:1]
        results = []
        for square in squares:
            west, south, _, _ = ground(square)
            corner = bbox_to_bng(west, south, west + 1, south + 1, 1000)[0].bng_ref_compact
            for product, year, cell in (
                *((SURFACE, "2020", "1"), (SURFACE, "2022", "1"), (SURFACE, "2022", "2")),
                *((TERRAIN, "2022", "1"), (TERRAIN, "2022", "2"), (TERRAIN, "2022", "10")),
                *(("national_lidar_programme_point_cloud", "2019", "NaN"),),
            ):
                if product == TERRAIN and square == NO_TERRAIN:
                    continue
                if "renamed" in FAULTS and product == SURFACE:
                    product = "surface_of_2027"
                uri = f"https://environment.data.gov.uk/tiles/collections/survey/{product}/{year}/{cell}/{corner}"
                results.append(
                    {
                        "product": {"id": product, "label": product},
                        "year": {"id": year, "label": year},
                        "resolution": {"id": cell, "label": f"{cell}m"},
                        "tile": {"id": corner, "label": square},
                        "uri": f"{uri}?subscription-key=dspui",
                    }
                )
        count = 9 if "truncate-all" in FAULTS else len(results)
        results = results[:3] if "truncate-all" in FAULTS else results
        self.give(200, json.dumps({"count": count, "results": results}))

    def give_tile(self, product: str, year: str, cell: str, corner: str) -> None:
        west, south, _, _ = ground(corner)
        square = bbox_to_bng(west, south, west + 1, south + 1, 5000)[0].bng_ref_compact
        if square not in ENGLAND:
            self.give(500, b"")
        elif "broken" in FAULTS and square == "TQ28NE" and product == SURFACE:
            self.give(200, b"<html>Invalid URL</html>")
        else:
            body = make_archive(product, square, float(cell))
            if "altered" in FAULTS and square == "TQ28NE":
                # Within the heights of the raster, in no header.
                at = body.index(b".tif") + 2_000
                body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            self.give(200, body)

    def give_coverage(self, slug: str, query: dict[str, list[str]]) -> None:
        if "no-coverages" in FAULTS or slug.endswith("-2022"):
            self.give(404, b"")
            return
        name = f"{COVERAGE}Elevation_{'DTM' if 'dtm' in slug else 'FZ_DSM'}_1m"
        if query["request"] == ["GetCapabilities"]:
            names = [name, name.replace("Elevation", "Hillshade")]
            names += [f"{name}_old"] if "two-coverages" in FAULTS else []
            ids = "".join(f"<wcs:CoverageId>{each}</wcs:CoverageId>" for each in names)
            self.give(200, f"<wcs:Capabilities>{ids}</wcs:Capabilities>")
            return
        spans = {}
        for subset in query["subset"]:
            axis, low, high = re.fullmatch(r"(\w)\((\d+),(\d+)\)", subset).groups()  # type: ignore[union-attr]
            spans[axis] = int(low), int(high)
        if query["coverageId"] != [name] or set(spans) != {"E", "N"}:
            self.give(500, b"")
            return
        kind = "picture" if "hillshade" in FAULTS else "coverage"
        add = 0.0 if "dtm" in slug else 5.0
        self.give(200, make_raster(spans["E"][0], spans["N"][0], 1000, add=add, kind=kind))

    def find_welsh(self, query: dict[str, list[str]]) -> None:
        """Tiles of a catalogue, five at a time however many are asked for."""
        *box, system = query["bbox"][0].split(",")
        assert system == "EPSG:27700"
        west, south, east, north = (float(each) for each in box)
        area = shapely.box(west, south, east, north)
        tiles = [s for s in WALES if area.intersects(shapely.box(*ground(s)))]
        start = 0 if "no-page" in FAULTS else int(query["startIndex"][0])
        if query["typeNames"][0].endswith("archive"):
            found = [row for row in ARCHIVE if area.intersects(outline_older(row))]
            features = [describe_older(row) for row in found[start : start + 1]]
            self.give(200, json.dumps({"features": features, "numberMatched": len(found)}))
            return
        blob = "https://dmwproductionblob.blob.core.windows.net/lidar"
        features = [
            {
                "type": "Feature",
                "properties": {
                    "british_gr": s,
                    "date": None if s == "SO2240" else "02-03-2021",
                    "dsm_link": f"{blob}/{s}_dsm_32bit.tif",
                    "dtm_link": None if s == "SO2341" else f"{blob}/{s}_dtm_32bit.tif",
                },
                "geometry": None,
            }
            for s in tiles[start : start + 5]
        ]
        answer = {"type": "FeatureCollection", "features": features, "numberMatched": len(tiles)}
        self.give(200, json.dumps(answer))

    def find_scottish(self, body: dict[str, Any]) -> None:
        (collection,) = body["collections"]
        assert body["spatialop"] == "intersects"
        ring = shapely.from_wkt(body["footprint"])
        area = shapely.transform(ring, lambda xy: np.column_stack(FOUND.transform(*xy.T)))
        result = []
        for phase, square, cell, licence, year in SCOTLAND:
            _, _, own, product = collection.split("/")
            if own != phase or not area.intersects(shapely.box(*ground(square))):
                continue
            name = f"{square}_{cell}_{product.upper()}_{phase.replace('-', '').upper()}.tif"
            s3 = "https://srsp-open-data.s3.eu-west-2.amazonaws.com/lidar"
            url = f"{s3}/{phase}/{product}/27700/gridded/{name}"
            product_data = {"product": {"http": {"url": url, "size": 12_345}}}
            span = {"begin": f"{int(year) - 1}-03-01T00:00:00Z", "end": f"{year}-10-31T00:00:00Z"}
            result.append(
                {
                    "collectionName": collection,
                    "metadata": {"temporalExtent": span, "useConstraints": licence},
                    "data": product_data,
                    "footprint": None,
                }
            )
        start = body["offset"]
        self.give(200, json.dumps({"result": result[start : start + 1]}))

    def give(self, code: int, body: bytes | str) -> None:
        sent = body.encode() if isinstance(body, str) else body
        self.send_response(code)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lidar)
    print(server.server_port, flush=True)
    server.serve_forever()
