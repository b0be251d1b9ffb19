"""Serving, measured: pages, areas, and tiles, beside one line of FastAPI and a static file.

``python benchmarks/serve.py`` makes up a run of 5,000 areas, serves it as a process of its own, and
asks for each thing with wrk, 64 clients at once, in turn with the two that it is held against. It
needs wrk and nginx of the system. Quote ratios of one run. Writes below ``.bench/serve``.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin
from run import WORK

from basrelief.marks import finish_stage
from basrelief.run import Run, begin_run, write_json
from basrelief.tell.tiles import write_tiles

if TYPE_CHECKING:
    from collections.abc import Iterator

N_AREAS, AREA_M, PER_ROW = 5_000, 500, 100
CLIENTS, SECONDS, ROUNDS = 64, 3, 7
N_REQUESTS, N_RUNS = 100_000, 50
ORIGIN = (400_000, 300_000)
ONE_LINE = (
    "import sys, uvicorn\nfrom fastapi import FastAPI\napp = FastAPI()\n"
    "@app.get('/')\nasync def get(): return {'status': 'ok'}\n"
    "uvicorn.run(app, port=int(sys.argv[1]), log_level='warning', access_log=False, http='h11')"
)
NGINX = """\
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {folder}/static; }} }}
"""


def make_run(folder: Path) -> Run:
    """Write what the server reads of a run of many areas."""
    run, rng = Run(folder, quiet=True), np.random.default_rng(0)
    begin_run(run)
    run.maps.mkdir(parents=True)
    (folder / "public").mkdir()
    col, row = np.arange(N_AREAS) % PER_ROW, np.arange(N_AREAS) // PER_ROW
    west, south = ORIGIN[0] + col * AREA_M, ORIGIN[1] + row * AREA_M
    squares = shapely.segmentize(shapely.box(west, south, west + AREA_M, south + AREA_M), 50)
    areas = gpd.GeoDataFrame(
        {"area_id": [f"E01{k:06d}" for k in range(N_AREAS)], "area_name": "Made-up"},
        geometry=squares,
        crs="EPSG:27700",
    )
    for name in ("crime_observed", "crime_predicted", "crime_low_80", "crime_high_80"):
        areas[name] = rng.normal(size=N_AREAS).round(4)
    shown = areas.to_crs(4326)
    shown.to_file(folder / "public" / "areas.geojson", driver="GeoJSON")
    write_tiles(shown, folder / "public" / "areas.pmtiles")
    told = {"areas": {"type": "FeatureCollection", "features": []}, "layers": [], "districts": {}}
    write_json(folder / "public" / "explore.json", told)
    draw_ground(run.maps / "relief.tif")
    write_json(run.maps / "layers.json", [])
    published = [{"item": f"public/{p.name}"} for p in sorted((folder / "public").iterdir())]
    write_json(folder / "publish.json", {"published": published, "areas_published": N_AREAS})
    finish_stage(run, "map", "map", ["maps"])
    finish_stage(run, "report", "report", ["public", "publish.json"])
    return run


def draw_ground(path: Path) -> None:
    """Draw ground in cells of 20 m, as the map stage does."""
    shape = (N_AREAS // PER_ROW * AREA_M // 20, PER_ROW * AREA_M // 20)
    light = np.random.default_rng(0).integers(1, 255, shape, dtype=np.uint8)
    place = from_origin(ORIGIN[0], ORIGIN[1] + shape[0] * 20, 20, 20)
    kept = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": 1, "nodata": 0}
    with rasterio.MemoryFile() as memory:
        with memory.open(**kept, dtype="uint8", crs="EPSG:27700", transform=place) as raster:
            raster.write(light, 1)
        with memory.open() as raster:
            copy_raster(raster, path, driver="COG", compress="DEFLATE")


@contextmanager
def start(command: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it answers, and end it."""
    process = subprocess.Popen(command)
    try:
        for _ in range(400):
            try:
                urlopen(url).read()
                break
            except OSError:
                time.sleep(0.025)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str, header: str = "X-None: 1", seconds: int = SECONDS) -> dict[str, float]:
    """Ask for an address as often as it goes: answers a second, and the 99th percentile."""
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--latency", "-H", header, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    total = re.search(r"(\d+) requests in", said)
    assert rate
    assert late
    assert total
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[late[2]]
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "rate": float(rate[1]),
        "p99_ms": float(late[1]) * scale,
        "n": float(total[1]),
        "n_wrong": float(wrong[1]) if wrong else 0.0,
    }


def list_questions(base: str, ground: str) -> dict[str, tuple[str, str]]:
    """List what is asked for, by what it is called; with a header that goes along."""
    box = gpd.GeoSeries(
        [shapely.box(ORIGIN[0] + 10, ORIGIN[1] + 10, ORIGIN[0] + 4_990, ORIGIN[1] + 2_490)],
        crs=27700,
    )
    bounds = f"{ORIGIN[0] + 10},{ORIGIN[1] + 10},{ORIGIN[0] + 4_990},{ORIGIN[1] + 2_490}"
    asked = f"bbox={bounds}&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/27700"
    middle = box.to_crs(3857).iloc[0].centroid
    zoom, world = 12, 2 * 20037508.342789244
    x, y = (middle.x / world + 0.5) * 2**zoom, (0.5 - middle.y / world) * 2**zoom
    tile = f"{zoom}/{int(x)}/{int(y)}"
    none = "X-None: 1"
    return {
        "explore page": (f"{base}/runs/country", "Accept: text/html"),
        "list of runs": (f"{base}/", "Accept: text/html"),
        "50 of 5,000 areas": (f"{base}/collections/country/items?limit=100&{asked}", none),
        "bytes of a vector tile": (
            f"{base}/runs/country/files/public/areas.pmtiles",
            "Range: bytes=20000-44999",
        ),
        "raster tile": (f"{ground}/rasters/country.relief/tiles/WebMercatorQuad/{tile}.png", none),
    }


def summarise(rounds: list[dict[str, dict[str, float]]], name: str) -> dict[str, float]:
    """Take the middle of all rounds; shares of the one line are taken round by round."""
    shares = [each[name]["rate"] / each["one line of FastAPI"]["rate"] for each in rounds]
    found = {
        key: statistics.median(each[name][key] for each in rounds) for key in ("rate", "p99_ms")
    }
    n_wrong = sum(each[name]["n_wrong"] for each in rounds)
    return found | {"of_one_line": statistics.median(shares), "n_wrong": n_wrong}


def read_memory(process: subprocess.Popen[bytes]) -> float:
    """Read what a process holds, in megabytes."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    assert found
    return int(found[1]) / 1024


def measure_rates(folder: Path, static: Path) -> dict[str, object]:
    """Measure everything in turn, some rounds; and memory over very many requests."""
    command = [sys.executable, "-m", "basrelief.cli", "serve", str(folder), "-q", "--port"]
    (static.parent / "nginx.conf").write_text(NGINX.format(folder=static.parent, port=18803))
    nginx = ["nginx", "-c", str(static.parent / "nginx.conf"), "-p", str(static.parent)]
    with ExitStack() as stack:
        mine = stack.enter_context(start([*command, "18801"], "http://127.0.0.1:18801/health"))
        ground = [*command, "18804", "--tier", "analyst"]
        stack.enter_context(start(ground, "http://127.0.0.1:18804/health"))
        line = [sys.executable, "-c", ONE_LINE, "18802"]
        stack.enter_context(start(line, "http://127.0.0.1:18802/"))
        stack.enter_context(start(nginx, "http://127.0.0.1:18803/file"))
        questions = list_questions("http://127.0.0.1:18801", "http://127.0.0.1:18804")
        questions["one line of FastAPI"] = ("http://127.0.0.1:18802/", "X-None: 1")
        questions["a static file by nginx"] = ("http://127.0.0.1:18803/file", "X-None: 1")
        rounds = [
            {name: ask(url, header) for name, (url, header) in questions.items()}
            for _ in range(ROUNDS)
        ]
        told: dict[str, object] = {name: summarise(rounds, name) for name in questions}
        before, n = read_memory(mine), 0.0
        while n < N_REQUESTS:
            n += ask(*questions["50 of 5,000 areas"], seconds=20)["n"]
        told["memory"] = {"before_mb": before, "after_mb": read_memory(mine), "n": n}
    return told


def measure_start(folder: Path) -> float:
    """Measure how long a server of many runs takes to its first answer, in seconds."""
    copies = folder.parent / "copies"
    for place in range(N_RUNS):
        shutil.copytree(folder, copies / f"run{place}")
    runs = [str(path) for path in sorted(copies.iterdir())]
    command = [sys.executable, "-m", "basrelief.cli", "serve", *runs, "-q", "--port", "18805"]
    began = time.monotonic()
    with start(command, "http://127.0.0.1:18805/health"):
        return time.monotonic() - began


def main() -> None:
    """Measure, print, and keep."""
    place = WORK / "serve"
    shutil.rmtree(place, ignore_errors=True)
    (place / "static").mkdir(parents=True)
    (place / "static" / "file").write_text('{"status": "ok"}')
    run = make_run(place / "country")
    found = measure_rates(run.folder, place / "static")
    found["start_s"] = measure_start(run.folder)
    (place / "serve.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
