"""What tells where places are: names of MSOAs, the Index of Place Names, postcodes, Nominatim.

Its own process. ``/log`` tells what was asked.
"""

from __future__ import annotations

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# (name, kind, latitude, longitude, district, its code)
NAMES = [
    ("Ashby", "LOC", 51.52, -0.55, "Testham", "E09000001"),
    ("Ashby", "PAR", 51.521, -0.551, "Testham", "E09000001"),
    ("Ashby", "LOC", 52.5, -1.55, "Farham", "E07000009"),
    ("Dinas Maŵr".replace("ŵ", "â"), "LOC", 52.0708527, -3.1393844, "Cwmtest", "W06000004"),
    ("Newton", "LOC", 51.52, -0.55, "Testham", "E09000001"),
    ("Newton", "LOC", 51.6, -0.55, "Testham", "E09000001"),
    ("Newton", "WD", 51.6, -0.55, "Testham", "E09000001"),
]

MSOAS = (
    "\ufeffmsoa21cd,msoa21nm,msoa21nmw,msoa21hclnm,msoa21hclnmw,localauthorityname,type\n"
    "E02000006,Testham 007,,Old Mill,,Testham,Present in 2011\n"
    "E02000107,King's Test 008,,Old Mill,,King's Test,Present in 2011\n"
    "E02000103,King's Test 004,,Priory & Docks,,King's Test,Present in 2011\n"
)

POSTCODES = {
    "TE1 1ST": {
        "eastings": 502_000,
        "northings": 182_000,
        "country": "England",
        "admin_district": "Testham",
    },
    "BT1 1AA": {
        "eastings": 1,
        "northings": 1,
        "country": "Northern Ireland",
        "admin_district": "Belfast",
    },
}

log: list[dict[str, Any]] = []


def pack_names() -> bytes:
    heads = "placeid,place23cd,place23nm,descnm,lat,long,lad23cd,lad23nm"
    lines = [f"{k},X,{n},{d},{y},{x},{c},{lad}" for k, (n, d, y, x, lad, c) in enumerate(NAMES)]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("IPN_GB_2024.csv", "\n".join([heads, *lines]).encode("cp1252"))
        archive.writestr("guide.pdf", b"%PDF")
    return held.getvalue()


class Places(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        log.append({"path": url.path} | parse_qs(url.query) | {"agent": self.headers["User-Agent"]})
        last = unquote(url.path.rpartition("/")[2])
        if last == "log":
            self.give(json.dumps(log).encode())
        elif last == "MSOA-Names-Latest2.csv":
            self.give(MSOAS.encode())
        elif url.path.endswith("/data"):
            self.give(pack_names())
        elif "/postcodes/" in url.path:
            found = POSTCODES.get(last)
            body = {"status": 200, "result": found} if found else {"status": 404}
            self.give(json.dumps(body).encode(), 200 if found else 404)
        elif last == "search":
            ring = [[-0.56, 51.5], [-0.54, 51.5], [-0.54, 51.52], [-0.56, 51.52], [-0.56, 51.5]]
            drawn = {"type": "Polygon", "coordinates": [ring]}
            hit = {"lat": "51.51", "lon": "-0.55", "display_name": "The Common, Testham, England"}
            self.give(json.dumps([hit | {"geojson": drawn}]).encode())
        else:
            self.give(b"", 404)

    def give(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Places)
    print(server.server_port, flush=True)
    server.serve_forever()
