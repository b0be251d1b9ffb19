"""The feature service of the ONS over a made-up country, as its own process.

Two districts of 4 x 4 km in England, each of 64 LSOAs of 500 m, 16 MSOAs of 1 km and 4 wards of
2 km, one such in Wales, and a Scottish one. With the argument ``flown`` the Scottish one lies where
the service of LIDAR has ground, and is 2 x 2 km; the Welsh one always lies on such ground.
Addresses begin with a way to behave, as in ``/plain/...``; ``/log`` tells what was asked. As the
real one it gives few features at a time, in any order unless one is asked for, and errors with
HTTP 200.
"""

from __future__ import annotations

import json
import random
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 7
IS_FLOWN = "flown" in sys.argv
SCOTTISH = (255_000, 660_000) if IS_FLOWN else (508_000, 180_000)
DISTRICTS = [
    ("E09000001", "Testham", 500_000, 180_000),
    ("E07000002", "King's Test", 504_000, 180_000),
    ("S12000003", "Glentest", *SCOTTISH),
    ("W06000004", "Cwmtest", 320_000, 240_000),
]

log: list[dict[str, Any]] = []
seen: dict[str, int] = {}


def square(west: int, south: int, side: int) -> list[list[list[float]]]:
    east, north = west + side, south + side
    return [[[west, south], [west, north], [east, north], [east, south], [west, south]]]


def draw_cells(district: int, side: int) -> list[tuple[int, int, int]]:
    """Number, west and south of the cells of a district, row by row."""
    (west, south), n = DISTRICTS[district][2:], 4000 // side
    return [(k, west + side * (k % n), south + side * (k // n)) for k in range(n * n)]


def find_msoa(district: int, west: int, south: int) -> int:
    _, _, first, lowest = DISTRICTS[district]
    return (west - first) // 1000 + 4 * ((south - lowest) // 1000)


def make_layers() -> dict[str, list[tuple[dict[str, Any], list[Any]]]]:
    lads = [
        ({"LAD25CD": c, "LAD25NM": n}, square(w, s, 2000 if IS_FLOWN and c[0] == "S" else 4000))
        for c, n, w, s in DISTRICTS
    ]
    layers: dict[str, list[Any]] = {"LAD_MAY": lads, "WD_MAY": [], "RINGS": [], "CHANGES": []}
    for year in ("11", "21"):
        layers |= {f"LSOA{year}": [], f"MSOA{year}": []}
    for d in (0, 1, 3):
        letter = DISTRICTS[d][0][0]
        lad = {"LAD25CD": DISTRICTS[d][0], "LAD25NM": DISTRICTS[d][1]}
        for k, west, south in draw_cells(d, 2000):
            name = "Abbey" if k == 0 and letter == "E" else f"{lad['LAD25NM']} Ward {k}"
            ward = {"WD25CD": f"{letter}050000{d}{k}", "WD25NM": name}
            layers["WD_MAY"].append((ward | lad, square(west, south, 2000)))
        for k, west, south in draw_cells(d, 1000):
            for year in ("11", "21"):
                code = {f"MSOA{year}CD": f"{letter}02000{d}{k:02d}"}
                code[f"MSOA{year}NM"] = f"{lad['LAD25NM']} {k + 1:03d}"
                layers[f"MSOA{year}"].append((code, square(west, south, 1000)))
        for k, west, south in draw_cells(d, 500):
            part = "ABCD"[(west // 500) % 2 + 2 * ((south // 500) % 2)]
            name = f"{lad['LAD25NM']} {find_msoa(d, west, south) + 1:03d}{part}"
            for year in ("11", "21"):
                code = {f"LSOA{year}CD": f"{letter}0100{d}{k:03d}", f"LSOA{year}NM": name}
                layers[f"LSOA{year}"].append((code, square(west, south, 500)))
            own = f"{letter}0100{d}{k:03d}"
            change = {"LSOA11CD": own, "LSOA21CD": own}
            change |= {"CHGIND": "U", "LAD22CD": lad["LAD25CD"]}
            layers["CHANGES"].append((change, []))
    # At the border of the districts: what was one became two, one of them in the other district.
    row = layers["CHANGES"][64][0]
    layers["CHANGES"][64] = (row | {"LSOA11CD": "E01000007", "CHGIND": "S"}, [])
    layers["CHANGES"][7][0]["CHGIND"] = "S"
    # A ring with a hole, and a second part inside the hole; which way they turn is not told.
    rings = [*square(0, 0, 100), *square(20, 20, 60), *square(40, 40, 20)]
    layers["RINGS"].append(({"CODE": "A"}, rings))
    layers["RINGS"].append(({"CODE": "B"}, []))
    return layers


LAYERS = make_layers()
NAMES = {
    "Lower_layer_Super_Output_Areas_December_2021": "LSOA21",
    "LSOA_Dec_2011": "LSOA11",
    "Middle_layer_Super_Output_Areas_December_2021": "MSOA21",
    "MSOA_Dec_2011": "MSOA11",
    "LAD_MAY_2025": "LAD_MAY",
    "WD_MAY_2025": "WD_MAY",
    "LSOA11_LSOA21": "CHANGES",
    "RINGS": "RINGS",
}


def is_chosen(attributes: dict[str, Any], where: str) -> bool:
    if where == "1=1":
        return True
    text = r"'((?:[^']|'')*)'"
    found = re.fullmatch(rf"(UPPER\()?(\w+)\)?\s*=\s*{text}", where)
    if found:
        value = str(attributes[found[2]])
        value = value.upper() if found[1] else value
        return value == found[3].replace("''", "'")
    found = re.fullmatch(r"(UPPER\()?(\w+)\)? IN \((.*)\)", where)
    if not found:
        raise ValueError(where)
    value = str(attributes[found[2]])
    value = value.upper() if found[1] else value
    return value in [each.replace("''", "'") for each in re.findall(text, found[3])]


def answer(way: str, service: str, asked: dict[str, str]) -> dict[str, Any]:
    name = next((NAMES[each] for each in NAMES if service.startswith(each)), None)
    if name is None or way == "gone":
        return fail(400, "Invalid URL")
    if way == "failing" or (way == "busy" and seen[service] % 3):
        return fail(503 if way == "busy" else 400, "Unable to perform query operation.")
    if "spatialRel" in asked:
        return fail(400, "", "'spatialRel' parameter is invalid")
    try:
        rows = choose(name, asked)
    except (KeyError, ValueError):
        return fail(400, "Cannot perform query. Invalid query parameters.", "'where' is invalid")
    if asked.get("returnCountOnly") == "true":
        return {"count": len(rows)}
    return give_page(way, rows, asked)


def choose(name: str, asked: dict[str, str]) -> list[tuple[dict[str, Any], list[Any]]]:
    rows = [each for each in LAYERS[name] if is_chosen(each[0], asked["where"])]
    if "geometry" in asked:
        west, south, east, north = (float(v) for v in asked["geometry"].split(","))
        if (asked["inSR"], asked["geometryType"]) != ("27700", "esriGeometryEnvelope"):
            raise ValueError(asked["inSR"])
        rows = [e for e in rows if meets(e[1], west, south, east, north)]
    if "orderByFields" in asked:
        rows.sort(key=lambda each: [each[0][f] for f in asked["orderByFields"].split(",")])
    else:
        random.shuffle(rows)
    fields = asked["outFields"].split(",") if "outFields" in asked else []
    return [({field: row[0][field] for field in fields}, row[1]) for row in rows]


def give_page(way: str, rows: list[Any], asked: dict[str, str]) -> dict[str, Any]:
    start, wanted = int(asked.get("resultOffset", 0)), int(asked["resultRecordCount"])
    part = rows[start : start + min(wanted, PAGE)]
    page: dict[str, Any] = {"features": [{"attributes": attributes} for attributes, _ in part]}
    if asked["returnGeometry"] == "true":
        for feature, (_, rings) in zip(page["features"], part, strict=True):
            feature["geometry"] = {"rings": rings}
    system = {"wkid": 4326} if way == "degrees" else {"wkid": 27700, "latestWkid": 27700}
    page["spatialReference"] = system
    # "silent" leaves the rest out without a word.
    if start + len(part) < len(rows) and way != "silent":
        holder = page.setdefault("properties", {}) if way == "geojson" else page
        holder["exceededTransferLimit"] = True
    return page


def meets(rings: list[Any], west: float, south: float, east: float, north: float) -> bool:
    xs = [x for ring in rings for x, _ in ring]
    ys = [y for ring in rings for _, y in ring]
    return bool(min(xs) <= east and max(xs) >= west and min(ys) <= north and max(ys) >= south)


def fail(code: int, message: str, *details: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": list(details)}}


class Geography(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = ""
        if self.command == "POST":
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {key: values[0] for key, values in parse_qs(body or url.query).items()}
        parts = url.path.strip("/").split("/")
        if parts[0] == "log":
            self.give(log)
            return
        if "search" in parts:
            self.give({"results": [{"name": "LSOA_2021_V6"}]})
            return
        service = parts[parts.index("services") + 1]
        seen[service] = seen.get(service, 0) + 1
        log.append({"method": self.command, "service": service} | asked)
        self.give(answer(parts[0], service, asked))

    do_POST = do_GET  # noqa: N815

    def give(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Geography)
    print(server.server_port, flush=True)
    server.serve_forever()
