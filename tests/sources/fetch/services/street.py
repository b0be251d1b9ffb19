"""Three services of street pictures over made-up streets, as their own process.

Addresses begin with a way to behave: ``plain``, ``busy-N`` (503 to every picture after N), ``gone``
(one picture was taken down, another is a web page), ``regrets`` (an answer without pictures).
``/log`` tells what was asked; the tokens that are known are given on the command line.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

TOKEN = sys.argv[1] if len(sys.argv) > 1 else "none"
WEST, SOUTH, N_SIDE = -0.1400, 51.5000, 12
STEP = 0.0006
"""Pictures stand on a grid of some 42 by 67 m, and a second, older one beside each."""

log: list[dict[str, Any]] = []
lock = threading.Lock()


def list_all() -> list[dict[str, Any]]:
    found = []
    for k in range(N_SIDE**2):
        lon, lat = WEST + STEP * (k % N_SIDE), SOUTH + STEP * (k // N_SIDE)
        for age in range(2):
            own = {"id": f"{1000 + 2 * k + age}", "lon": lon + 1e-6 * age, "lat": lat}
            found.append(own | {"taken": 1559297040000 - 86_400_000 * age, "by": f"walker {k % 5}"})
    return found


def draw(own: int) -> bytes:
    """A JPEG that says where its camera's owner lives, and how it was held."""
    pixels = np.random.default_rng(own).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "home of Mrs Miller"
    if own % 2:
        exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, comment=b"serial 4711")
    return file.getvalue()


class Street(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/log":
            self.give(200, json.dumps(log).encode())
            return
        with lock:
            log.append({"path": self.path, "authorization": self.headers.get("Authorization")})
        way, service, *rest = url.path.strip("/").split("/")
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if way == "regrets":
            self.give(200, b'{"message": "We are moving house"}')
        elif service == "pictures":
            self.give_picture(way, int(rest[0].partition(".")[0].partition("_")[0]))
        else:
            getattr(self, service)(way, asked)

    def graph(self, way: str, asked: dict[str, str]) -> None:
        if self.headers.get("Authorization") != f"OAuth {TOKEN}":
            self.give(400, b'{"error": {"type": "OAuthException", "code": 190}}')
            return
        west, south, east, north = (float(each) for each in asked["bbox"].split(","))
        assert east - west < 0.01
        assert north - south < 0.01
        inside = [o for o in list_all() if west <= o["lon"] < east and south <= o["lat"] < north]
        records = [
            {
                "id": each["id"],
                "geometry": {"type": "Point", "coordinates": [each["lon"], each["lat"]]},
                "captured_at": each["taken"],
                "creator": {"username": each["by"], "id": "1"},
                "thumb_1024_url": f"https://pictures.test/{each['id']}.jpg?oh=signed",
            }
            for each in inside
        ]
        self.give(200, json.dumps({"data": records[: int(asked["limit"])]}).encode())

    def karta(self, way: str, asked: dict[str, str]) -> None:
        west, east = float(asked["nwLng"]), float(asked["seLng"])
        south, north = float(asked["seLat"]), float(asked["nwLat"])
        inside = [o for o in list_all() if west <= o["lon"] < east and south <= o["lat"] < north]
        page, size = int(asked["page"]), min(int(asked["itemsPerPage"]), 40)
        records = [
            {
                "id": each["id"],
                "lat": str(each["lat"]),
                "lng": str(each["lon"]),
                "shotDate": f"2019-05-{31 - (each['taken'] < 1559297040000)} 10:04:00.000",
                "sequenceId": "77",
                "sequenceIndex": "1",
                "fileurlProc": f"https://pictures.test/{each['id']}.jpg",
            }
            for each in inside[size * (page - 1) : size * page]
        ]
        more = size * page < len(inside)
        answer = {"status": {"apiCode": 600}, "result": {"data": records, "hasMoreData": more}}
        self.give(200, json.dumps(answer).encode())

    def geo(self, way: str, asked: dict[str, str]) -> None:
        if asked.get("key") != TOKEN:
            self.give(403, b"unknown key")
            return
        lat, lon = (float(each) for each in asked["location"].split(","))
        km = float(asked["distance"])
        scale = 111.3 * np.cos(np.radians(lat))
        inside = [
            each
            for each in list_all()
            if np.hypot(scale * (each["lon"] - lon), 111.3 * (each["lat"] - lat)) <= km
        ]
        page, size = int(asked.get("page", 1)), 50
        items = [
            {
                "guid": each["id"],
                "title": 'The "Old Inn',
                "author": each["by"],
                "imageTaken": f"2019-05-{31 - (each['taken'] < 1559297040000)}",
                "lat": str(each["lat"]),
                "long": str(each["lon"]),
                "thumb": f"https://pictures.test/{each['id']}_120x120.jpg",
            }
            for each in inside[size * (page - 1) : size * page]
        ]
        answer: dict[str, Any] = {"items": items}
        if size * page < len(inside):
            again = "&".join(f"{name}={value}" for name, value in asked.items() if name != "page")
            base = "https://api.geograph.org.uk/syndicator.php"
            answer["nextURL"] = f"{base}?{again}&page={page + 1}"
        self.give(200, json.dumps(answer).encode())

    def give_picture(self, way: str, own: int) -> None:
        n = sum("/pictures/" in each["path"] for each in log)
        if way.startswith("busy-") and n > int(way.removeprefix("busy-")):
            self.give(503, b"busy")
        elif way == "gone" and own == 1000:
            self.give(404, b"taken down")
        elif way == "gone" and own == 1002:
            self.give(200, b"<html>This picture is not available</html>")
        else:
            self.give(200, draw(own))

    def give(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Street)
    print(server.server_port, flush=True)
    server.serve_forever()
