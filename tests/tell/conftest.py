"""A judged run of twenty areas, as the stages would leave it, for the tests of the report."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
from shapely.geometry import box

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.config import DataSettings, Settings
from basrelief.explain.area_sums import ADDS, SHARES
from basrelief.grid import Grid
from basrelief.judge.tables import INTERVALS
from basrelief.run import Run, write_json
from basrelief.stage_settings import ModelSettings

# Run by another Python, and no test.
collect_ignore = ["maps/look_in_qgis.py"]

SETTINGS = Settings(
    data=DataSettings(dsm="dsm", areas="areas", labels="labels"),
    models=ModelSettings(recipes=["dense-vgg16"]),
)
N_AREAS, N_INNER = 20, 4
KEY = {"recipe": "dense-vgg16", "target": "crime", "scheme": "block"}
UNIT = KEY | {"unit": "area"}


def write_run(folder: Path) -> Run:
    """Write a run folder of places as the stages would, judged, with one target and scheme."""
    run = Run(folder, quiet=True)
    for part in (run.chips, run.describe, run.splits, folder / "evaluate"):
        part.mkdir(parents=True)
    rng = np.random.default_rng(0)
    ids = [f"E{i:02}" for i in range(N_AREAS)]
    crime = rng.normal(size=N_AREAS)
    write_samples(run, ids, crime)
    counts = dict.fromkeys(("areas", "areas_used", "chips", "chips_used"), N_AREAS)
    write_json(run.describe / "counts.json", counts)
    pd.DataFrame({"crime": crime}).describe().T.to_csv(run.describe / "summary.csv")
    daily = pd.DataFrame({"theft": [9.0, 3.0], "burglary": [1.0, 0.0]}, index=["Barnet", "Brent"])
    daily.rename_axis("borough").to_csv(run.describe / "daily-crimes.csv")
    folds = {"scheme": "block", "repeat": 0, "unit": "area", "id": ids, "fold": 0}
    pd.DataFrame(folds).to_parquet(run.splits / "folds.parquet")
    write_json(run.splits / "leakage.json", [])
    tested = {"repeat": 0, "fold": 0, "id": ids, "y_true": crime, "y_pred": crime / 2}
    pd.DataFrame(UNIT | tested | {"y_mean": 0.0}).to_parquet(run.predictions)
    measured = dict.fromkeys(("mse", "mse_mean", "rmse", "mae", "r2", "kendall", "spearman"), 0.5)
    score = UNIT | measured | {"n": N_AREAS, "skill": 0.4, "skill_low": 0.2, "skill_high": 0.5}
    score |= {"interval": "refitted", "worth": "better"}
    place = {"recipe": "place-alone", "skill": 0.1, "skill_low": -0.1, "skill_high": 0.2}
    place |= {"worth": "unsure"}
    write_json(run.scores, [score, score | place])
    trained = {"recipe": "dense-vgg16", "is_asked": True, "is_shortened": False}
    write_json(run.models / "recipes.json", [trained | {"random_weights": []}])
    write_evaluation(folder / "evaluate", ids, crime)
    return run


def write_samples(run: Run, ids: list[str], crime: np.ndarray) -> None:
    squares = [box(100 * i, 0, 100 * i + 100, 100) for i in range(N_AREAS)]
    named = {"area_id": ids, "area_name": [f"Barnet 0{i:02}A" for i in range(N_AREAS)]}
    codes = {"msoa": "E02", "lad": "E09", "crime": crime, "is_used": True}
    codes["ground_covered"] = 1.0
    areas = gpd.GeoDataFrame(named | codes, geometry=squares, crs=27700)
    areas.to_parquet(run.chips / "areas.parquet")
    chips = {"chip_id": ids, "valid": 1.0, "is_used": True, "crime": crime}
    places = {"easting": np.arange(N_AREAS) * 100.0, "northing": 0.0}
    gpd.GeoDataFrame(chips | places, geometry=squares, crs=27700).to_parquet(
        run.chips / "chips.parquet"
    )
    member = pd.DataFrame({"chip_id": ids, "area_id": ids, "weight": 1.0})
    member.to_parquet(run.chips / "membership.parquet")
    grid = Grid(0.0, 8.0, 1.0, (8, 8))
    path = run.chips / "layers" / "heights.zarr"
    create_layer(path, grid, HEIGHT_BANDS, pyproj.CRS(27700), chunk_px=8)
    facts = {"kind": "heights", "targets": ["crime"], "size_px": 8, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts | {"native_resolution_m": 1.0})


def write_evaluation(folder: Path, ids: list[str], crime: np.ndarray) -> None:
    interval = {"n": N_AREAS, "low": 0.1, "high": 0.5}
    for name in ("over_targets", "member_weights"):
        write_json(folder / f"{name}.json", [])
    knows = {"dense-vgg16": ["heights"], "place-alone": ["place"]}
    known = [{"recipe": k, "knows": v, "yardsticks": {}} for k, v in knows.items()]
    write_json(folder / "recipes.json", known)
    beats = UNIT | interval | {"versus": "place-alone", "difference": 0.3}
    told = {
        "differs_in": ["heights", "place"],
        "differs_how": [],
        "beats": True,
        "is_beaten": False,
    }
    write_json(folder / "comparisons.json", [beats | told | {"interval": "refitted"}])
    write_chance(folder)
    preferred = UNIT | {"reason": "simplest", "beaten": {}, "alike": []}
    write_json(folder / "preferred.json", [preferred])
    skills = dict.fromkeys(("random", "area", "msoa", "lad"))
    row = {"recipe": "dense-vgg16", "target": "crime", "unit": "area", "block": 0.4} | skills
    table = [row, row | {"recipe": "place-alone", "block": -0.3}]
    place = {"target": "crime", "block": -0.0, "good": []} | skills
    audit = {"table": table, "same_label": {}, "same_area": {}, "recipes": []}
    write_json(folder / "audit.json", audit | {"place_alone": [place]})
    covered = KEY | {"group": "all", "n": 20, "mean_width": 2.5}
    held = [(50, 0.2, 0.1, 0.4), (80, 0.8, 0.6, 0.9)]
    names = ("level", "covered", "low", "high")
    levels = [covered | dict(zip(names, values, strict=True)) for values in held]
    write_json(folder / "coverage.json", levels)
    hits = KEY | {"share": 0.2, "n": 20, "n_picked": 4, "hits": 3.0, "hit_rate": 0.75}
    rates = {"chance": 0.2, "low": 0.3, "high": 0.9, "versus": "mean", "versus_hit_rate": None}
    rates["worth"] = "better"
    write_json(folder / "targeting.json", [hits | rates])
    # What areas are ranked by goes down; the prediction itself goes up and down.
    lift = np.linspace(1.4, -1.4, N_AREAS)
    ranked = {"rank": range(1, 21), "area_id": ids, "area_name": ids, "lad": "E09", "lift": lift}
    ranked["y_pred"] = lift + np.where(np.arange(N_AREAS) % 2, 0.5, -0.5)
    bounds = {"lower_80": 0.0, "upper_80": 2.0, "y_true": crime, "is_inside": [False] + [True] * 19}
    keys = {"recipe": "dense-vgg16", "target": "crime"}
    pd.DataFrame(keys | ranked | bounds).to_csv(folder / "targeting.csv", index=False)
    write_failures(folder, ids, crime)


def write_chance(folder: Path) -> None:
    """Write which claims survive chance, and the gain of LIDAR with labels moved elsewhere."""
    claim = UNIT | {"versus": "mean", "nothing": "no_lidar", "value": 0.4, "p": 0.02}
    claim |= {"is_tested": True, "holds": True}
    place = {"recipe": "place-alone", "nothing": "no_pattern", "value": 0.1, "p": 0.3}
    write_json(folder / "claims.json", [claim, claim | place | {"holds": False}])
    moved = UNIT | {"versus": "mean", "value": 0.4, "n_moved": 40, "highest": 0.23, "p": 1 / 41}
    write_json(folder / "relocation.json", [moved])


def write_failures(folder: Path, ids: list[str], crime: np.ndarray) -> None:
    deciles = [{"decile": i, "n": 2, "mse": 1.0, "bias": 0.1} for i in range(1, 11)]
    district = {"district": "E09", "n": 20, "mse": 1.0, "bias": 0.0, "skill": 0.4}
    moran = {"moran_i": 0.31, "moran_p": 0.002, "n_permutations": 999}
    failed = KEY | moran | {"deciles_exact": 0.35, "deciles_within_one": 0.7}
    write_json(
        folder / "failures.json", [failed | {"by_decile": deciles, "by_district": [district]}]
    )
    is_inside = pd.array([i >= N_INNER for i in range(N_AREAS)], dtype="boolean")
    table = {"area_id": ids, "y_true": crime, "y_pred": crime / 2, "residual": crime / 2}
    table |= dict.fromkeys(INTERVALS, np.nan) | {"is_inside": is_inside}
    pd.DataFrame(KEY | table).to_parquet(folder / "residuals.parquet")


@pytest.fixture(scope="session")
def judged_settings() -> Settings:
    """Settings of the judged run."""
    return SETTINGS


@pytest.fixture(scope="session")
def open_settings(judged_settings: Settings) -> Settings:
    """Those of a judged run that shows its areas, however few people are known."""
    publish = judged_settings.publish.model_copy(update={"min_population": 0})
    return judged_settings.model_copy(update={"publish": publish})


@pytest.fixture(scope="session")
def write_judged() -> Callable[[Path], Run]:
    """Write the judged run into a folder."""
    return write_run


@pytest.fixture(scope="session")
def plant_sums() -> Callable[[Run], pd.DataFrame]:
    """Write what kinds of ground add to each area of the judged run: see `_plant_sums`."""
    return _plant_sums


def _plant_sums(run: Run) -> pd.DataFrame:
    """Write ``explain/areas.parquet``, from the last area to the first.

    Large buildings add most, the more the further east, and open flat ground takes away.
    """
    ids = [f"E{i:02}" for i in reversed(range(N_AREAS))]
    table = pd.DataFrame({"recipe": "dense-vgg16", "target": "crime", "area_id": ids})
    east = np.arange(N_AREAS)[::-1] / N_AREAS
    sums = (-0.52 + 0 * east, 0.013 * east, 0.2 * east, 0.61 + east, 0 * east)
    shares = (0.5, 0.25, 0.125, 0.125, 0.0)
    table = table.assign(**dict(zip(ADDS, sums, strict=True)))
    table = table.assign(**dict(zip(SHARES, shares, strict=True)))
    run.explain.mkdir(exist_ok=True)
    table.to_parquet(run.explain / "areas.parquet")
    return table


SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""Drawing by the processor: machines that run tests have no screen."""

NO_WEBGL = ["--no-sandbox", "--disable-3d-apis"]


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[[list[str]], Any]]:
    """Start a browser with given arguments; without one, tests that need it are skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as player:
        yield lambda args: player.chromium.launch(executable_path=chromium, args=args)


@pytest.fixture(scope="module")
def webgl(launch: Callable[[list[str]], Any]) -> Any:
    """A browser that draws with WebGL."""
    return launch(SOFTWARE)


@pytest.fixture(scope="module")
def no_webgl(launch: Callable[[list[str]], Any]) -> Any:
    """A browser that has no WebGL."""
    return launch(NO_WEBGL)


@pytest.fixture(scope="session")
def tab_to() -> Callable[[Any, str], Any]:
    """Press Tab until what is wanted has the focus: see `press_tab`."""
    return press_tab


def press_tab(page: Any, wanted: str) -> Any:
    """Press Tab until what is wanted has the focus, and give it; fail where it never does."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return page.locator(":focus")
    raise AssertionError(f"no way to {wanted} by Tab")


@pytest.fixture(scope="session")
def section() -> Callable[[str, str], str]:
    """Read the text of one section of a page."""
    return read_section


def read_section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}"')
    found = re.sub(r"<[^>]+>", " ", page[start : page.index('<section id="', start + 1)])
    return re.sub(r"\s+", " ", found)
