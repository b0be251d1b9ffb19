import json
from dataclasses import dataclass
from typing import cast

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from esda.moran import Moran
from libpysal.weights import Queen

from basrelief.chips.store import Samples
from basrelief.judge.failures import (
    average_repeats,
    deciles_of,
    find_neighbours,
    join_islands,
    measure_failures,
    measure_moran,
)
from basrelief.judge.metrics import skill

SIDE = 12
"""The made-up place is a square of this many areas each way, in two districts."""


@dataclass
class OnlyAreas:
    areas: pd.DataFrame
    has_places: bool = True


def squares(has_places: bool = True, far: int = 0) -> Samples:
    """Square areas of 100 m; the last ``far`` of them far away from each other."""
    row, col = np.divmod(np.arange(SIDE**2), SIDE)
    row = row + np.where(np.arange(SIDE**2) >= SIDE**2 - far, 100 * np.arange(SIDE**2), 0)
    polygons = shapely.box(100 * col, 100 * row, 100 * col + 100, 100 * row + 100)
    columns = {"area_id": ids(), "lad": np.where(col < 6, "west", "east"), "area_name": ids()}
    frame = gpd.GeoDataFrame(columns, geometry=polygons, crs="EPSG:27700")
    return cast(Samples, OnlyAreas(frame, has_places))


def ids() -> list[str]:
    # Not in the order of their names, so that an order mixed up would show.
    return [f"E{(k * 7) % SIDE**2:03d}" for k in range(SIDE**2)]


def predict(kind: str, seed: int = 0, repeat: int = 0) -> pd.DataFrame:
    """Predictions whose residual is smooth on the map, or mere noise."""
    rng = np.random.default_rng(seed)
    _, col = np.divmod(np.arange(SIDE**2), SIDE)
    residual = np.sin(col / 2) if kind == "smooth" else rng.normal(size=SIDE**2)
    y_pred = rng.normal(size=SIDE**2)
    frame = pd.DataFrame({"id": ids(), "y_true": y_pred + residual, "y_pred": y_pred})
    names = {"recipe": "ridge", "target": kind, "scheme": "block", "unit": "area"}
    return frame.assign(**names, repeat=repeat, fold=0, y_mean=0.1)


def test_smooth_residuals_are_told_from_noise() -> None:
    frame = pd.concat([predict("smooth"), predict("noise")])
    records = measure_failures(frame, squares(), np.random.default_rng(0))[1]
    found = {record["target"]: record for record in records}
    assert found["smooth"]["moran_i"] > 0.5
    assert found["smooth"]["moran_p"] == pytest.approx(0.001)
    assert found["noise"]["moran_p"] > 0.05
    assert found["noise"]["n_permutations"] == 999


def test_moran_equals_esda_used_directly() -> None:
    samples, frame = squares(), predict("noise", seed=3)
    (record,) = measure_failures(frame, samples, np.random.default_rng(5))[1]
    residual = (frame["y_true"] - frame["y_pred"]).to_numpy()
    weights = Queen.from_dataframe(samples.areas, use_index=False, silence_warnings=True)
    np.random.seed(int(np.random.default_rng(5).integers(2**32)))  # noqa: NPY002
    direct = Moran(residual, weights, permutations=999)
    assert record["moran_i"] == pytest.approx(direct.I)
    assert record["moran_p"] == (1 + (direct.sim >= direct.I).sum()) / 1000


@pytest.mark.slow
def test_noise_held_out_by_blocks_shows_no_pattern() -> None:
    # Held-out blocks with high noise have training data with a low mean: neighbours share that.
    samples, found = squares(), []
    place = samples.areas.geometry.centroid
    fold = pd.factorize((place.x // 400).astype(str) + (place.y // 400).astype(str))[0]
    names = {"recipe": "mean", "target": "noise", "scheme": "block", "repeat": 0, "fold": fold}
    neighbours = find_neighbours(samples)
    for seed in range(150):
        noise = np.random.default_rng(seed).standard_normal(len(fold))
        mean = np.array([noise[fold != k].mean() for k in fold])
        frame = pd.DataFrame({"id": ids(), "y_true": noise, "y_pred": mean, "y_mean": mean})
        rng = np.random.default_rng(seed)
        (record,) = measure_failures(frame.assign(**names), samples, rng, neighbours)[1]
        found.append(record["moran_p"])
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_moran_is_seeded_and_leaves_numpys_generator_as_it_was() -> None:
    samples, frame = squares(), predict("noise")
    np.random.seed(1)  # noqa: NPY002
    first = measure_failures(frame, samples, np.random.default_rng(0))[1]
    drawn = np.random.random()  # noqa: NPY002
    second = measure_failures(frame, samples, np.random.default_rng(0))[1]
    np.random.seed(1)  # noqa: NPY002
    assert drawn == np.random.random()  # noqa: NPY002
    assert first == second


def test_an_area_that_touches_none_is_compared_with_its_six_nearest() -> None:
    samples = squares(far=3)
    graph = join_islands(find_neighbours(samples), samples, ids())
    assert graph is not None
    assert not len(graph.isolates)
    assert graph.cardinalities.loc[ids()[-3:]].tolist() == [6, 6, 6]
    assert graph.cardinalities.max() == 8


def test_neighbours_of_some_areas_stay_in_the_order_asked_for() -> None:
    samples = squares(far=3)
    some = ids()[::-2]
    graph = join_islands(find_neighbours(samples), samples, some)
    assert graph is not None
    assert list(graph.unique_ids) == some


@pytest.mark.parametrize("case", ["no polygons", "too few areas", "all equal"])
def test_moran_is_left_open_where_it_cannot_be_had(case: str) -> None:
    samples, frame = squares(has_places=case != "no polygons"), predict("noise")
    if case == "too few areas":
        frame = frame.iloc[:9]
    if case == "all equal":
        frame = frame.assign(y_true=frame["y_pred"])
    (record,) = measure_failures(frame, samples, np.random.default_rng(0))[1]
    assert (record["moran_i"], record["moran_p"], record["n_permutations"]) == (None, None, 0)


def test_moran_of_equal_values_is_none() -> None:
    graph = join_islands(find_neighbours(squares()), squares(), ids())
    values = np.full(SIDE**2, 0.3)
    assert measure_moran(values, graph, np.random.default_rng(0))["moran_i"] is None


def test_deciles_run_from_one_for_the_highest_and_ties_share_the_middle() -> None:
    assert deciles_of(pd.Series(np.arange(100.0))).value_counts().tolist() == [10] * 10
    assert deciles_of(pd.Series(np.arange(100.0))).iloc[-1] == 1
    assert set(deciles_of(pd.Series(np.zeros(50)))) == {6}


def test_deciles_hit_equal_counting_them() -> None:
    residuals, (record,) = measure_failures(predict("noise"), squares(), np.random.default_rng(0))
    miss = (residuals["decile_true"] - residuals["decile_pred"]).abs()
    assert record["deciles_exact"] == pytest.approx(np.mean(miss == 0))
    assert record["deciles_within_one"] == pytest.approx(np.mean(miss <= 1))


def test_errors_by_district_equal_the_metrics() -> None:
    frame, samples = predict("noise"), squares()
    (record,) = measure_failures(frame, samples, np.random.default_rng(0))[1]
    west = frame["id"].map(samples.areas.set_index("area_id")["lad"]) == "west"
    y_true, y_pred, y_mean = (
        frame.loc[west, name].to_numpy() for name in ("y_true", "y_pred", "y_mean")
    )
    (found,) = [each for each in record["by_district"] if each["district"] == "west"]
    assert found["n"] == 72
    assert found["bias"] == pytest.approx(np.mean(y_pred - y_true))
    assert found["skill"] == pytest.approx(skill(y_true, y_pred, y_mean))


def test_errors_by_decile_cover_every_area_once() -> None:
    frame = pd.concat([predict("noise"), predict("noise", repeat=1)])
    (record,) = measure_failures(frame, squares(), np.random.default_rng(0))[1]
    assert [each["decile"] for each in record["by_decile"]] == list(range(1, 11))
    assert sum(each["n"] for each in record["by_decile"]) == SIDE**2
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_residuals_are_means_over_repeats() -> None:
    one, two = predict("noise"), predict("noise", repeat=1).assign(y_pred=0.0)
    table = average_repeats(pd.concat([one, two])).set_index("area_id")
    first = one.set_index("id")
    assert table["y_pred"].to_numpy() == pytest.approx(first["y_pred"].to_numpy() / 2)
    assert table["residual"].to_numpy() == pytest.approx(table["y_true"] - table["y_pred"])
    assert table["is_inside"].isna().all()


def test_bounds_are_means_over_repeats_where_they_are_known() -> None:
    bounds = {"lower_80": [0.0], "upper_80": [1.0]}
    one = predict("noise").iloc[:1].assign(**bounds)
    table = average_repeats(pd.concat([one, one.assign(repeat=1, upper_80=3.0)]))
    assert table[["lower_80", "upper_80"]].to_numpy().tolist() == [[0.0, 2.0]]
    assert "lower_50" not in table
