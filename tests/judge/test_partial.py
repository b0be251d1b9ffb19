from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.chips.store import Samples
from basrelief.judge.partial import (
    Effect,
    estimate_effects,
    find_basis,
    measure_partial,
    spread_surface,
)
from basrelief.judge.resampling import Draws
from basrelief.learn.measures import MEASURES
from basrelief.splits.folds import block_of

Floats = NDArray[np.float64]


def draw_smooth(distance: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """One smooth surface over places, with a little that is each place's own."""
    covariance = 0.7 * np.exp(-((distance / scale) ** 2)) + 0.3 * np.eye(len(distance))
    drawn: Floats = np.linalg.cholesky(covariance) @ rng.standard_normal(len(distance))
    return drawn


def plant(seed: int, slope: float, n: int = 120) -> tuple[list[Effect], Floats]:
    """Effects found where a target rises with slope and is otherwise smooth over the place."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 6000, (n, 2))
    distance = cdist(xy, xy)
    altitude = draw_smooth(distance, 2500, rng)
    steep = draw_smooth(distance, 700, rng) + 0.3 * altitude
    built = draw_smooth(distance, 800, rng)
    y = slope * steep + 0.5 * built + draw_smooth(distance, 800, rng)
    held = np.column_stack([built, spread_surface(xy, n // 5)])
    groups = np.unique(block_of(xy, 1000.0), return_inverse=True)[1]
    exposures = np.column_stack([steep, altitude])
    (found,) = estimate_effects(y[:, None], exposures, held, groups, Draws(rng))
    return found, y


def test_a_planted_slope_is_recovered_and_its_interval_holds_it() -> None:
    effects = [plant(seed, slope=0.6)[0] for seed in range(60)]
    assert np.mean([slope.value for slope, _ in effects]) == pytest.approx(0.6, abs=0.05)
    holds = [slope.low <= 0.6 <= slope.high for slope, _ in effects]
    assert np.mean(holds) > 0.88
    assert np.mean([slope.low > 0 for slope, _ in effects]) > 0.7


def test_where_nothing_is_planted_intervals_hold_nothing() -> None:
    effects = [plant(seed, slope=0.0)[0] for seed in range(60)]
    for which in (0, 1):
        holds = [effect[which].low <= 0 <= effect[which].high for effect in effects]
        assert np.mean(holds) > 0.88


def test_effects_equal_those_of_one_regression_on_everything() -> None:
    rng = np.random.default_rng(0)
    n = 80
    controls, noise = rng.normal(size=(n, 4)), rng.normal(size=(n, 2))
    exposures = rng.normal(size=(n, 2)) + controls[:, :2]
    y = exposures @ np.array([[1.0, 0.0], [-2.0, 3.0]]) + controls[:, :2] + noise
    groups = rng.integers(0, 16, n)
    found = estimate_effects(y, exposures, controls, groups, Draws(rng))
    everything = np.column_stack([exposures, np.ones(n), controls])
    expected = np.linalg.lstsq(everything, y, rcond=None)[0][:2]
    values = np.array([[effect.value for effect in of_target] for of_target in found])
    np.testing.assert_allclose(values, expected.T, rtol=1e-8)
    assert all(effect.low < effect.value < effect.high for each in found for effect in each)


def test_an_exposure_that_the_controls_say_has_no_effect_of_its_own() -> None:
    rng = np.random.default_rng(1)
    exposures = rng.normal(size=(60, 2))
    controls = np.column_stack([3 * exposures[:, 1] + 2, rng.normal(size=60)])
    groups = np.arange(60) // 4
    (found,) = estimate_effects(rng.normal(size=(60, 1)), exposures, controls, groups, Draws(rng))
    assert found[1].kept == pytest.approx(0.0, abs=1e-9)
    assert all(np.isnan([effect.value, effect.low]).all() for effect in found)


def test_with_few_blocks_there_is_no_interval() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 1))
    (found,) = estimate_effects(y, x, np.empty((40, 0)), np.arange(40) % 9, Draws(rng))
    assert np.isfinite(found[0].value)
    assert np.isnan(found[0].low)
    (none,) = estimate_effects(y[:0], x[:0], np.empty((0, 0)), np.arange(0), Draws(rng))
    assert none[0].n == 0
    assert np.isnan(none[0].value)


def test_where_two_exposures_are_told_apart_in_one_block_alone_there_is_no_interval() -> None:
    rng = np.random.default_rng(0)
    groups, x = np.arange(40) % 10, np.repeat(rng.normal(size=(40, 1)), 2, axis=1)
    x[groups == 0, 1] += [1.0, -1.0, 1.0, -1.0]  # no shift, which the mean would take out
    # A third of the replicates lack that block: in these the two are one.
    (found,) = estimate_effects(rng.normal(size=(40, 1)), x, np.empty((40, 0)), groups, Draws(rng))
    assert np.isfinite([effect.value for effect in found]).all()
    assert np.isnan([(effect.low, effect.high) for effect in found]).all()


def test_a_basis_leaves_out_what_adds_nothing() -> None:
    one = np.random.default_rng(3).normal(size=(30, 2))
    basis = find_basis(np.column_stack([one, one @ [1e-6, 2e6], np.zeros(30)]))
    assert basis.shape == (30, 2)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)


def test_a_smooth_surface_takes_out_what_is_smooth() -> None:
    xy = np.random.default_rng(4).uniform(0, 5000, (200, 2))
    smooth = np.sin(xy[:, 0] / 1500) * np.cos(xy[:, 1] / 1500)
    basis = find_basis(np.column_stack([np.ones(200), spread_surface(xy, 40)]))
    left = smooth - basis @ (basis.T @ smooth)
    assert left.var() < 0.02 * smooth.var()


def make_place(n: int = 121) -> tuple[Samples, pd.DataFrame]:
    """Areas on a lattice of 500 m in two districts, one of them not used, one without relief."""
    rng = np.random.default_rng(5)
    side = round(n**0.5)
    corners = [(500.0 * x, 500.0 * y) for y in range(side) for x in range(side)]
    ids = [f"E{k:03d}" for k in range(n)]
    names = [measure.name for measure in MEASURES]
    features = pd.DataFrame(rng.uniform(0.2, 0.8, (n, len(names))), index=ids, columns=names)
    features["slope_mean_deg"] = rng.uniform(1, 6, n)
    areas = gpd.GeoDataFrame(
        {
            "area_id": ids,
            "is_used": [k != 7 for k in range(n)],
            "lad": ["A" if x < 2500 else "B" for x, _ in corners],
            "burglary": 2.0 * features["slope_mean_deg"].to_numpy() + rng.normal(0, 0.5, n),
            "theft": rng.normal(size=n),
        },
        geometry=[shapely.box(x, y, x + 400, y + 400) for x, y in corners],
        crs="EPSG:27700",
    )
    areas.loc[20:25, "theft"] = np.nan
    empty = gpd.GeoDataFrame({"chip_id": []}, geometry=[], crs="EPSG:27700")
    targets = ("burglary", "theft")
    samples = Samples(empty, areas, pd.DataFrame(), targets, "heights", 64, 2.0, None)  # type: ignore[arg-type]
    return samples, features.drop(index="E003")


def test_effects_are_told_in_degrees_in_tens_of_metres_and_in_spreads() -> None:
    samples, features = make_place()
    points = samples.areas.geometry.representative_point()
    xy = np.stack([points.x, points.y], axis=1)
    blocks = pd.Series(block_of(xy, 1000.0), index=samples.areas["area_id"])
    records = measure_partial(samples, features, blocks, np.random.default_rng(6))
    json.dumps(records, allow_nan=False)
    assert len(records) == 2 * 2 * 4
    by_key = {(r["target"], r["exposure"], r["controls"]): r for r in records}
    for held in ("nothing", "form", "form_and_district", "form_and_place"):
        slope = by_key["burglary", "slope", held]
        assert slope["per_unit"] == pytest.approx(2.0, abs=0.15)
        assert slope["low"] < 2.0 < slope["high"]
        assert slope["per_sd"] == pytest.approx(slope["per_unit"] * slope["sd"])
        assert (slope["n"], slope["unit"], slope["differs"]) == (119, "degree", True)
        altitude = by_key["burglary", "altitude", held]
        assert altitude["per_sd"] == pytest.approx(altitude["per_unit"] * altitude["sd"] / 10)
        assert by_key["theft", "slope", held]["n"] == 113
    kept = [by_key["theft", "slope", held]["kept"] for held in ("nothing", "form")]
    assert kept[0] == pytest.approx(1.0)
    assert kept[1] < 1.0
