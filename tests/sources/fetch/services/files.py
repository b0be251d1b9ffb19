"""A service of files that fails in every way in which services fail, as its own process.

``/{way}/{name}`` gives the same bytes in that way; ``/log`` tells what was asked.
"""

from __future__ import annotations

import json
import random
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
LONGER = random.Random(3).randbytes(300_001)

log: list[dict[str, Any]] = []
seen: dict[str, int] = {}
at_once = [0, 0]
lock = threading.Lock()


class Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with lock:
            n = seen[self.path] = seen.get(self.path, 0) + 1
            at_once[0] += 1
            at_once[1] = max(at_once)
            log.append({"method": self.command, "path": self.path} | dict(self.headers))
        try:
            self.answer(n)
        finally:
            with lock:
                at_once[0] -= 1

    do_POST = do_HEAD = do_GET  # noqa: N815

    def answer(self, n: int) -> None:
        way = self.path.split("/")[1]
        if self.command == "HEAD":
            self.give(405, b"")
        elif way == "log":
            self.give(200, json.dumps({"log": log, "at_once": at_once[1]}).encode())
        elif way.startswith("status-"):
            # status-503-2: so twice, then well
            code, times = (int(each) for each in way.split("-")[1:])
            self.give(*((code, b"busy") if n <= times else (200, BODY)))
        elif way.startswith("wait-"):
            until = "2" if way == "wait-seconds" else formatdate(time.time() + 3, usegmt=True)
            until = "86400" if way == "wait-day" else until
            self.give(*((429, b"") if n == 1 else (200, BODY)), headers={"Retry-After": until})
        elif way == "slow":
            time.sleep(0.2)
            self.give(200, BODY)
        elif way == "silent":
            time.sleep(2)
            self.give(200, BODY)
        elif way == "json":
            self.give(200, b'{"a": 1}')
        elif way == "page":
            self.give(200, b"<html>Invalid URL</html>")
        elif way == "echo":
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            said = {"body": body, "type": self.headers["Content-Type"]}
            self.give(200, json.dumps(said).encode())
        else:
            self.give_file(way, n)

    def give_file(self, way: str, n: int) -> None:
        """Give the file, cut at the first request, and what follows in one way or another."""
        asked = self.headers.get("Range")
        body, etag = (BODY, '"one"') if n == 1 or "changed" not in way else (OTHER, '"two"')
        body = LONGER if way == "longer" and n > 1 else body
        headers = {"ETag": etag} if "etag" in way else {}
        if "unsized" in way:
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body[: 100_000 if "cut" in way else None])
            return
        start = 0
        if asked and "whole" not in way:
            start = int(asked.split("=")[1].split("-")[0])
            if_range = self.headers.get("If-Range")
            if if_range and if_range != etag and "rude" not in way:
                start = 0  # as it should be: another file is given whole
        is_part = bool(asked) and (start > 0 or asked == "bytes=0-0")
        stop = len(body)
        if asked and not asked.endswith("-") and "whole" not in way:
            stop = int(asked.rpartition("-")[2]) + 1
            is_part = True
        if is_part and "shifted" in way:
            start += 10
        if is_part:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
        part = body[start:stop]
        if "chunked" in way:
            self.give_chunked(part, is_cut=n == 1, headers=headers)
            return
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Length", str(len(part) // (2 if "short" in way else 1)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        is_cut = not is_part if "always" not in way else True
        is_cut = is_cut and (n == 1 or "always" in way) and "plain" not in way
        self.wfile.write(part[: len(part) // 3] if is_cut and "short" not in way else part)
        self.close_connection = self.close_connection or is_cut

    def give_chunked(self, body: bytes, is_cut: bool, headers: dict[str, str]) -> None:
        self.send_response(206 if "Content-Range" in headers else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % len(body))
        self.wfile.write(body[:150_000] if is_cut else body + b"\r\n0\r\n\r\n")
        self.close_connection = self.close_connection or is_cut

    def give(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    print(server.server_port, flush=True)
    server.serve_forever()
