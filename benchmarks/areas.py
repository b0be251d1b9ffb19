"""Evaluate as many made-up areas as England has, and measure time and memory.

``python benchmarks/areas.py [AREAS] [TARGETS]`` makes a country of square areas with relief
statistics drawn at random, fits and evaluates, each stage in a process of its own. Writes under
``.bench/areas``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from run import WORK, measure
from scipy import ndimage

from basrelief.config import load_settings
from basrelief.learn import choice, features, stage
from basrelief.learn.measures import MEASURES
from basrelief.run import Run, write_json

AREA_M = 500.0
CONFIG = """\
out = "run"
[data]
dsm = "none.tif"
areas = "none.gpkg"
labels = "none.csv"
targets = {targets}
[split]
schemes = ["area", "msoa", "lad", "block"]
block_m = 5000
buffer_m = 500
[models]
recipes = ["relief-statistics"]
"""


def make_country(folder: Path, n_areas: int, n_targets: int) -> Path:
    """Write what the chips stage would have, and the features that training would compute."""
    shutil.rmtree(folder, ignore_errors=True)
    rng = np.random.default_rng(0)
    side = int(np.ceil(n_areas**0.5))
    row, col = (index.ravel()[:n_areas] for index in np.indices((side, side)))
    west, south = col * AREA_M, row * AREA_M
    areas = gpd.GeoDataFrame(
        {
            "area_id": [f"E01{k:06d}" for k in range(n_areas)],
            "area_name": [f"Made-up {k}" for k in range(n_areas)],
            "msoa": [f"E02{r // 2:03d}{c // 3:03d}" for r, c in zip(row, col, strict=True)],
            "lad": [f"E07{r // 10:03d}{c // 11:03d}" for r, c in zip(row, col, strict=True)],
            "ground_covered": 1.0,
            "is_used": True,
        },
        geometry=shapely.box(west, south, west + AREA_M, south + AREA_M),
        crs="EPSG:27700",
    )
    X = rng.uniform(0.05, 0.95, (n_areas, len(MEASURES)))
    targets = [f"target_{k:02d}" for k in range(n_targets)]
    for k, target in enumerate(targets):
        place = ndimage.gaussian_filter(rng.normal(size=(side, side)), 6)[row, col]
        areas[target] = place / place.std() + X @ rng.normal(0, 0.7, len(MEASURES)) * (k % 3)
        areas[target] += rng.normal(size=n_areas)
    run = Run(folder / "run", quiet=True)
    run.chips.mkdir(parents=True)
    chips = gpd.GeoDataFrame(areas[targets], geometry=areas.geometry).iloc[:1]
    centre = {"easting": 0.0, "northing": 0.0}
    chips = chips.assign(chip_id="0", valid=1.0, is_used=False, **centre)
    chips.to_parquet(run.chips / "chips.parquet")
    areas.to_parquet(run.chips / "areas.parquet")
    member = pd.DataFrame({"chip_id": ["0"], "area_id": areas["area_id"][:1], "weight": [1.0]})
    member.to_parquet(run.chips / "membership.parquet")
    facts = {"kind": "heights", "targets": targets, "size_px": 224, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts)
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "made up"})
    config = folder / "config.toml"
    config.write_text(CONFIG.format(targets=targets).replace("'", '"'))
    known = pd.DataFrame(X, index=areas["area_id"], columns=[each.name for each in MEASURES])
    known.to_parquet(folder / "features.parquet")
    return config


def work(config: Path, name: str) -> None:
    """Do one stage in this process."""
    from basrelief.judge.stage import evaluate_recipes
    from basrelief.splits.stage import assign_splits

    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    given = pd.read_parquet(config.parent / "features.parquet")
    # Features of the relief need rasters: they are given, and random features are left out.
    features.make_features = lambda *_: given
    choice.BASELINE_RECIPES = ("relief-statistics",)
    stages = {"split": assign_splits, "train": stage.train_recipes, "evaluate": evaluate_recipes}
    stages[name](settings, run)


def main() -> None:
    n_areas = int(sys.argv[1]) if len(sys.argv) > 1 else 33_755
    n_targets = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    config = make_country(WORK / "areas", n_areas, n_targets)
    print(f"{n_areas} areas, {n_targets} targets")
    for name in ("split", "train", "evaluate"):
        found = measure([sys.executable, __file__, "--stage", name, str(config)])
        print(f"{name}: {found.seconds:.0f} s, peak {found.peak_mb:.0f} MB", flush=True)


if __name__ == "__main__":
    if "--stage" in sys.argv:
        work(Path(sys.argv[3]), sys.argv[2])
    else:
        main()
