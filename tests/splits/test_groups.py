"""Whole districts and MSOAs are held out together, with coordinates and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import Samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.run import Run, write_json
from basrelief.splits.groups import groups_of_areas
from basrelief.splits.heldout import find_usable_areas, hold_out_areas, hold_out_chips
from basrelief.splits.stage import assign_scheme, assign_splits
from basrelief.stage_settings import SplitSettings

RASTERS = DataSettings(dsm="a.tif", areas="b.gpkg", labels="c.csv")
PICTURES = DataSettings(images="LIDAR", table="a.csv")
SEEDS = st.integers(0, 10_000)
TYPED = st.sampled_from(["msoa", "lad"])


def draw_codes(rng: np.random.Generator, n_areas: int) -> pd.DataFrame:
    """Draw areas in twelve MSOAs in four districts, some of them without a label."""
    msoa = rng.permutation(np.arange(n_areas) % 12)
    areas = pd.DataFrame({"area_id": [f"E01{k:06d}" for k in range(n_areas)], "is_used": True})
    areas["msoa"] = [f"E02{k:06d}" for k in msoa]
    areas["lad"] = [f"E09{k // 3:06d}" for k in msoa]
    areas["crime"] = np.where(rng.uniform(size=n_areas) > 0.1, rng.normal(size=n_areas), np.nan)
    return areas


def draw_pictures(seed: int, n_areas: int = 40) -> Samples:
    """Draw three pictures an area."""
    areas = draw_codes(np.random.default_rng(seed), n_areas)
    chips = areas.loc[np.repeat(np.arange(n_areas), 3), ["area_id", "crime", "is_used"]]
    chips = chips.reset_index(drop=True).assign(chip_id=[str(k) for k in range(3 * n_areas)])
    membership = chips[["chip_id", "area_id"]].assign(weight=1.0)
    return Samples(chips, areas, membership, ("crime",), "pictures", 32, 1.0, Path())


def draw_ground(seed: int, n_side: int = 12, area_m: float = 250.0) -> Samples:
    """Draw square areas, with chips of 100 m over them that straddle their edges."""
    corner = np.arange(n_side) * area_m
    west, south = (axis.ravel() for axis in np.meshgrid(corner, corner))
    frame = draw_codes(np.random.default_rng(seed), n_side**2)
    places = shapely.box(west, south, west + area_m, south + area_m)
    areas = gpd.GeoDataFrame(frame, geometry=places, crs="EPSG:27700")
    centre = np.arange(50.0, n_side * area_m, 100.0)
    east, north = (axis.ravel() for axis in np.meshgrid(centre, centre))
    squares = shapely.box(east - 50, north - 50, east + 50, north + 50)
    ids = [f"chip{k}" for k in range(len(squares))]
    chips = gpd.GeoDataFrame({"chip_id": ids, "is_used": True}, geometry=squares, crs="EPSG:27700")
    chips = chips.assign(easting=east, northing=north)
    membership = measure_membership(chips, areas)
    labels = areas.set_index("area_id")["crime"]
    chips["crime"] = average_labels(chips["chip_id"], membership, labels)
    return Samples(chips, areas, membership, ("crime",), "heights", 100, 1.0, Path())


def run_split(run: Run, samples: Samples, settings: Settings) -> pd.DataFrame:
    """Write samples as the chips stage does, run the split stage, give the folds."""
    run.chips.mkdir(parents=True)
    for name in ("chips", "areas", "membership"):
        getattr(samples, name).to_parquet(run.chips / f"{name}.parquet")
    facts = {"kind": samples.kind, "targets": ["crime"], "size_px": 100, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts)
    assign_splits(settings, run)
    return pd.read_parquet(run.splits / "folds.parquet")


def split_settings(seed: int, folds: int = 10) -> Settings:
    return Settings(data=PICTURES, seed=seed, split=SplitSettings(folds=folds, repeats=2))


@given(seed=SEEDS, scheme=TYPED, folds=st.integers(2, 12))
@settings(max_examples=25)
def test_training_areas_are_those_of_no_tested_group(seed: int, scheme: str, folds: int) -> None:
    samples = draw_pictures(seed)
    usable = find_usable_areas(samples)
    code = samples.areas.set_index("area_id")[scheme]
    assigned = assign_scheme(samples, split_settings(seed, folds), scheme)
    made = hold_out_areas(assigned, samples, scheme, 0.0)
    assert len(made) == 2 * min(folds, code.loc[usable.tolist()].nunique())
    for fold in made:
        held = set(code.loc[fold.test.tolist()])
        assert set(fold.train) == {area for area in usable if code[area] not in held}
    tested = np.concatenate([fold.test for fold in made])
    assert sorted(tested) == sorted([*usable, *usable])


@given(seed=SEEDS, scheme=TYPED)
@settings(max_examples=25)
def test_pictures_of_one_group_stay_on_one_side(seed: int, scheme: str) -> None:
    samples = draw_pictures(seed)
    assigned = assign_scheme(samples, split_settings(seed), scheme)
    first = assigned[assigned["repeat"] == 0]
    fold = hold_out_chips(first, samples, scheme, 0.0)
    code = samples.chips["area_id"].map(samples.areas.set_index("area_id")[scheme])
    sides = [set(code.iloc[rows]) for rows in (fold.train, fold.validation, fold.test)]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not sides[2] & (sides[0] | sides[1])


@given(seed=SEEDS, scheme=TYPED)
@settings(max_examples=8)
def test_training_chips_of_rasters_share_no_ground_with_a_tested_group(
    seed: int, scheme: str
) -> None:
    samples = draw_ground(seed)
    # Districts that hang together, or no chip would lie clear of all of them.
    row = (samples.areas.geometry.bounds["miny"] // 1000).astype(int).astype(str)
    samples.areas["lad"] = samples.areas["msoa"] = row
    assigned = assign_scheme(samples, split_settings(seed), scheme)
    fold = hold_out_chips(assigned[assigned["repeat"] == 0], samples, scheme, 0.0)
    squares = samples.chips.geometry.iloc[np.concatenate([fold.train, fold.validation])]
    test = samples.areas.set_index("area_id").geometry.loc[fold.test_areas.tolist()]
    assert squares.intersection(test.union_all()).area.max() < 1e-6


@pytest.mark.parametrize("draw", [draw_ground, draw_pictures])
def test_district_schemes_are_run_by_default(tmp_path: Path, draw: Any) -> None:
    samples = draw(0)
    data = RASTERS if samples.has_places else PICTURES
    split = SplitSettings(buffer_m=0.0)
    folds = run_split(Run(tmp_path, quiet=True), samples, Settings(data=data, split=split))
    counts = folds[folds["unit"] == "area"].groupby("scheme")["fold"].nunique().to_dict()
    expected = {"area": 10, "msoa": 10, "lad": 4}
    assert counts == (expected | {"block": 9} if samples.has_places else expected)


@pytest.mark.parametrize("scheme", ["msoa", "lad"])
def test_chips_of_unused_areas_are_held_out_with_their_district(scheme: str) -> None:
    samples = draw_pictures(4)
    samples.areas["is_used"] = np.arange(len(samples.areas)) % 3 > 0
    assigned = assign_scheme(samples, split_settings(4), scheme)
    fold = hold_out_chips(assigned[assigned["repeat"] == 0], samples, scheme, 0.0)
    code = samples.areas.set_index("area_id")[scheme]
    held = set(code[code.index.isin(fold.test_areas.tolist())])
    seen = samples.chips["area_id"].iloc[np.concatenate([fold.train, fold.validation])]
    assert not held & set(seen.map(code))


def test_an_area_without_a_district_leaves_the_scheme_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = draw_pictures(1)
    first = find_usable_areas(samples)[0]
    samples.areas.loc[samples.areas["area_id"] == first, "lad"] = None
    folds = run_split(Run(tmp_path / "default"), samples, Settings(data=PICTURES))
    assert "lad" not in set(folds["scheme"])
    assert "scheme lad left out" in capsys.readouterr().out
    typed = Settings(data=PICTURES, split=SplitSettings(schemes=["lad"]))
    with pytest.raises(InputError, match=rf"'lad' needs the LAD code .* 1 of .* as {first}\)"):
        run_split(Run(tmp_path / "typed"), samples, typed)


def test_one_district_is_refused_by_name(tmp_path: Path) -> None:
    samples = draw_pictures(2)
    samples.areas["lad"] = "E09000007"
    typed = Settings(data=PICTURES, split=SplitSettings(schemes=["lad"]))
    with pytest.raises(InputError, match=r"at least 2 districts, found 1 \(E09000007\)"):
        run_split(Run(tmp_path, quiet=True), samples, typed)


def test_the_block_size_that_is_suggested_makes_two_blocks() -> None:
    samples = draw_ground(3)
    split = SplitSettings(block_m=7000.0)
    with pytest.raises(InputError, match=r"block_m = 7000: .* found 1") as caught:
        assign_scheme(samples, Settings(data=RASTERS, split=split), "block")
    side = float(str(caught.value).split("split.block_m = ")[2].split(" makes 2")[0])
    assert 1000 < side < 3000
    smaller = Settings(data=RASTERS, split=SplitSettings(block_m=side))
    assert assign_scheme(samples, smaller, "block")["fold"].nunique() >= 2


def test_each_area_is_its_own_group_in_scheme_area() -> None:
    samples = draw_pictures(0)
    ids = find_usable_areas(samples)
    assert groups_of_areas(samples, ids, "area", split_settings(0)).tolist() == ids.tolist()
