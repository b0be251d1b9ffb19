"""What each eye adds, on a place with planted eyes: heights, people, and a table of noise."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from basrelief.chips.eye_tables import FOLDER
from basrelief.config import DataSettings, Settings
from basrelief.eyes import TableSettings
from basrelief.judge.stage import evaluate_recipes
from basrelief.learn.stage import train_recipes
from basrelief.run import Record, Run, read_json, write_json
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import EvaluateSettings, ModelSettings, SplitSettings
from basrelief.tell.facts import select

N, AREA_PX = 10, 16
"""Areas a side, and pixels of 4 m a side of each."""

EYES = ("heights", "census", "noise")
PLANTED = {"built": {"heights"}, "social": {"census"}, "both": {"heights", "census"}, "none": set()}
"""By target the eyes that tell it."""


def plant(rng: np.random.Generator) -> tuple[np.ndarray, gpd.GeoDataFrame, dict[str, pd.DataFrame]]:
    """Heights, (2, row, col), areas with their labels, and tables."""
    tall = rng.uniform(4, 20, (N, N))
    is_built = rng.uniform(size=(N * 4, N * 4)) < 0.5
    surface = np.kron(np.kron(tall, np.ones((4, 4))) * is_built, np.ones((4, 4)))
    side, index = 4.0 * AREA_PX, [(row, col) for row in range(N) for col in range(N)]
    polygons = [
        shapely.box(x, y - side, x + side, y)
        for x, y in ((500_000.0 + col * side, 100_000.0 - row * side) for row, col in index)
    ]
    areas = gpd.GeoDataFrame(geometry=polygons, crs="EPSG:27700")
    areas["area_id"] = [f"E{k:03d}" for k in range(len(areas))]
    areas["lad"] = [f"L{2 * row // N}{2 * col // N}" for row, col in index]
    height = (tall.ravel() - tall.mean()) / tall.std()
    people, noise = rng.standard_normal((len(areas), 3)), rng.standard_normal((len(areas), 3))
    for target, eyes in PLANTED.items():
        said = 1.0 * height * ("heights" in eyes) + 1.0 * people[:, 0] * ("census" in eyes)
        areas[target] = said + 0.6 * rng.standard_normal(len(areas))
    ids = pd.Index(areas["area_id"], name="area_id")
    tables = {
        name: pd.DataFrame(values, index=ids, columns=["a", "b", "c"])
        for name, values in (("census", people), ("noise", noise))
    }
    return np.stack([surface, np.zeros_like(surface)]).astype(np.float32), areas, tables


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, lay_place: Callable[..., Run]
) -> tuple[Run, Settings]:
    """A place with three eyes, trained and judged. Ten areas are not in the census."""
    folder = tmp_path_factory.mktemp("eyes")
    heights, areas, tables = plant(np.random.default_rng(5))
    run = lay_place(folder / "run", heights, areas, size_px=32, resolution_m=4.0)
    tables["census"].iloc[:10] = np.nan
    (run.chips / FOLDER).mkdir()
    for name, table in tables.items():
        table.to_parquet(run.chips / FOLDER / f"{name}.parquet")
    write_json(run.folder / "stages" / "chips.json", {"fingerprint": "one"})
    table_settings = {
        name: TableSettings(file=f"{name}.csv", columns=["a", "b", "c"]) for name in tables
    }
    settings = Settings(
        data=DataSettings(
            dsm="a", areas="b", labels="c", targets=list(PLANTED), tables=table_settings
        ),
        split=SplitSettings(schemes=["area"], folds=4, repeats=1, block_m=130.0),
        models=ModelSettings(recipes=["relief-statistics"], device="cpu", precision="fp32"),
        evaluate=EvaluateSettings(worlds=40),
    )
    settings._folder = folder
    assign_splits(settings, run)
    train_recipes(settings, run)
    evaluate_recipes(settings, run)
    return run, settings


def find_gains(run: Run) -> dict[tuple[str, str], Record]:
    """By eye and target, the claim of all eyes' gain over all without that one."""
    claims = read_json(run.folder / "evaluate" / "claims.json")
    recipes = read_json(run.folder / "evaluate" / "recipes.json")
    (whole,) = [each for each in recipes if set(EYES) <= set(each["knows"])]
    found = {}
    for eye in EYES:
        versus = {"recipe": whole["recipe"], "versus": whole["yardsticks"][eye], "unit": "area"}
        for target in PLANTED:
            (found[eye, target],) = select(claims, target=target, **versus)
    return found


def test_each_planted_eye_is_found_and_no_other(judged: tuple[Run, Settings]) -> None:
    run, _ = judged
    found = {key: claim["holds"] for key, claim in find_gains(run).items()}
    expected = {(eye, target): eye in PLANTED[target] for eye in EYES for target in PLANTED}
    assert found == expected
