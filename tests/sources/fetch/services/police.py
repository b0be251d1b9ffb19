"""police.uk over archives in a folder, as its own process.

Addresses begin with a way to behave. West of 0.5 degrees west it is Testshire's ground, then
King's, and beyond 0.43 degrees nobody's. ``/log`` tells what was asked, and how much was given.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

log: list[dict[str, Any]] = []


class Police(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        way, _, path = url.path.strip("/").partition("/")
        if way == "log":
            self.give(200, json.dumps(log).encode())
        elif path == "api/crime-last-updated":
            self.give(200, json.dumps({"date": "2020-02-01"}).encode())
        elif path == "api/locate-neighbourhood":
            east = float(parse_qs(url.query)["q"][0].split(",")[1])
            force = "testshire" if east < -0.5 else "kings"
            body = json.dumps({"force": force, "neighbourhood": "N1"}).encode()
            self.give(*((200, body) if east < -0.43 else (404, b"")))
        else:
            self.give_archive(way, Path(sys.argv[1]) / path.rpartition("/")[2])

    def give_archive(self, way: str, path: Path) -> None:
        if not path.is_file():
            self.give(404, b"")
            return
        body = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if span is None or way == "whole":
            log.append({"path": path.name, "n_bytes": len(body)})
            self.give(200, body)
            return
        start, end = int(span[1]), min(int(span[2]) + 1, len(body))
        part = body[start:end]
        if way == "damaged" and len(part) > 100 and start < len(body) // 2:
            part = part[:60] + bytes(len(part) - 60)
        log.append({"path": path.name, "n_bytes": end - start})
        self.give(206, part, {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})

    def give(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Police)
    print(server.server_port, flush=True)
    server.serve_forever()
