"""How large a report with a map of many areas is, how fast it is written, and how fast it opens.

``python benchmarks/open_map.py [AREAS] [TARGETS]`` takes the made-up country of ``areas.py``,
gives its areas outlines as winding as those of real ones, and runs the stages up to the report.
Then a browser without a window (Chromium, drawing in software) opens it. Writes under
``.bench/map``.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from areas import AREA_M, make_country
from run import HERE, WORK, measure

from basrelief.chips.describe import describe_chips
from basrelief.config import load_settings
from basrelief.run import Run, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.page.report import write_page

N_CORNERS = 16
"""Corners that each side of an area gets, as generalised boundaries have."""

N_OPENED = 5
SOFTWARE = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def wind_outlines(run: Run) -> None:
    """Bend every border, the same way for both of its areas."""
    path = run.chips / "areas.parquet"
    areas = gpd.read_parquet(path)
    dense = shapely.segmentize(areas.geometry.to_numpy(), AREA_M / N_CORNERS)

    def bend(corners: np.ndarray) -> np.ndarray:
        # What moves a corner depends on where it is alone: borders stay shared.
        phase = corners @ np.array([[0.031, 0.017], [0.023, 0.029]])
        rough = np.sin(corners[:, ::-1] * 12.9898 + corners * 78.233) * 43758.5453
        return corners + 60 * np.sin(phase) + 12 * (rough - np.floor(rough))

    areas.geometry = shapely.transform(dense, bend)
    areas.to_parquet(path)
    write_json(run.chips / "counts.json", {"areas": len(areas)})


def work(config: Path, name: str) -> None:
    """Do one stage in this process."""
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    stages = {
        "describe": describe_chips,
        "map": write_maps,
        "report": lambda settings, run: write_page(read_facts(settings, run)),
    }
    stages[name](settings, run)


def open_report(path: Path) -> None:
    """Open the page several times; say when it can be read and when its map is drawn.

    Beside the time stands the processor time of the page's own thread: on a shared machine the
    two differ, and software drawing in other threads is most of the second.
    """
    from playwright.sync_api import sync_playwright

    found: dict[str, list[tuple[float, float]]] = {"read": [], "drawn": [], "switched": []}
    with sync_playwright() as player:
        chromium = shutil.which("chromium")
        browser = player.chromium.launch(executable_path=chromium, args=list(SOFTWARE))
        for _ in range(N_OPENED):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            watch = page.context.new_cdp_session(page)
            watch.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(path.as_uri())
            ready = page.evaluate(
                "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            )
            found["read"].append((ready, count_ticks(watch)))
            before, began = count_ticks(watch), time.perf_counter()
            page.evaluate("document.getElementById('map').scrollIntoView()")
            page.wait_for_selector("#map-view[data-idle]", state="attached", timeout=60_000)
            found["drawn"].append(since(began, before, watch))
            before, began = count_ticks(watch), time.perf_counter()
            page.get_by_label("observed", exact=True).check()
            page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            found["switched"].append(since(began, before, watch))
            page.close()
        browser.close()
    for name, times in found.items():
        wall, ticks = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{name}: median {wall:.0f} ms, of which the page's thread worked {ticks:.0f} ms")


def count_ticks(watch: Any) -> float:
    """Processor time of the page's thread until now, in milliseconds."""
    metrics = watch.send("Performance.getMetrics")["metrics"]
    return 1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")


def since(began: float, before: float, watch: Any) -> tuple[float, float]:
    """Time and processor time since then, in milliseconds."""
    return 1000 * (time.perf_counter() - began), count_ticks(watch) - before


def main() -> None:
    n_areas = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    n_targets = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    config = make_country(WORK / "map", n_areas, n_targets)
    # The map shows one scheme; the others would only take time here.
    text = config.read_text().replace('["area", "msoa", "lad", "block"]', '["block"]')
    config.write_text(text)
    folder = config.parent / "run"
    wind_outlines(Run(folder, quiet=True))
    for name in ("split", "train", "evaluate"):
        measure([sys.executable, str(HERE / "areas.py"), "--stage", name, str(config)])
    for name in ("describe", "map", "report"):
        found = measure([sys.executable, __file__, "--stage", name, str(config)])
        print(f"{name}: {found.seconds:.0f} s, peak {found.peak_mb:.0f} MB", flush=True)
    report = folder / "report.html"
    print(f"{n_areas} areas, {n_targets} targets: {report.stat().st_size / 1e6:.1f} MB")
    open_report(report)


if __name__ == "__main__":
    if "--stage" in sys.argv:
        work(Path(sys.argv[3]), sys.argv[2])
    else:
        main()
