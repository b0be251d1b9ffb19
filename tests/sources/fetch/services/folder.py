"""A folder of files with parts of them on demand, as its own process; ``/log`` tells requests."""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

log: list[dict[str, Any]] = []


class Folder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if path == "/log":
            self.give(200, json.dumps(log).encode(), {})
            return
        found = Path(sys.argv[1]) / path.lstrip("/")
        body = found.read_bytes() if found.is_file() else b""
        start, end = 0, len(body)
        if span and found.is_file():
            start = int(span[1])
            end = min(int(span[2]) + 1, len(body)) if span[2] else len(body)
        log.append({"path": path, "n_bytes": end - start})
        if not found.is_file():
            self.give(404, b"", {})
        elif span:
            headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
            self.give(206, body[start:end], headers)
        else:
            self.give(200, body, {"Accept-Ranges": "bytes"})

    def give(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Folder)
    print(server.server_port, flush=True)
    server.serve_forever()
