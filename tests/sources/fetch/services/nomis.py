"""NOMIS over made-up people, as its own process: pages, and the ways in which it fails.

Addresses begin with a way to behave. Area ``k`` has ``1000 + k`` people; the last are Welsh.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

N_WELSH = 4_000
N_AREAS = {"NM_2014_1": ("TYPE151", 35_672, 2024), "NM_2010_1": ("TYPE298", 34_753, 2020)}


def name_area(k: int, n_areas: int) -> str:
    """Codes of England, then of Wales from W01000000 on."""
    welsh = k - (n_areas - N_WELSH)
    return f"E010{k:05d}" if welsh < 0 else f"W01{welsh:06d}"


class Nomis(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        way, *_, name = url.path.strip("/").split("/")
        kind, n_areas, year = N_AREAS[name.partition(".")[0]]
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        assert (asked["geography"], asked["c_age"], asked["gender"]) == (kind, "200", "0")
        start = int(asked["RecordOffset"])
        end = min(start + min(int(asked["RecordLimit"]), 25_000), n_areas)
        if way == "cut":
            n_areas = 25_000  # says that there is no more
        columns = [each.upper() for each in asked["select"].split(",")]
        lines = [",".join(f'"{each}"' for each in columns)]
        for k in range(start, min(end, n_areas)):
            people = "" if way == "gap" and k == 7 else 1000 + k
            row = {
                "DATE_NAME": year,
                "GEOGRAPHY_CODE": name_area(k, N_AREAS[name.partition(".")[0]][1]),
                "OBS_VALUE": people,
                "RECORD_COUNT": n_areas,
            }
            lines.append(",".join(f'"{row[each]}"' for each in columns))
        body = "\r\n".join([*lines, ""]).encode()
        if way == "error":
            body = b'"Error: the query is too large"\r\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nomis)
    print(server.server_port, flush=True)
    server.serve_forever()
