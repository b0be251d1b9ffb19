from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from basrelief.chips.membership import average_labels, measure_membership
from basrelief.chips.store import load_samples
from basrelief.config import DataSettings, InputError, Settings
from basrelief.run import Run, read_json, write_json
from basrelief.splits.heldout import chip_folds
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import SplitSettings

RASTERS = DataSettings(dsm="a.tif", areas="b.gpkg", labels="c.csv")
PICTURES = DataSettings(images="LIDAR", table="a.csv")


def write_place(run: Run, n_side: int, area_m: float = 250.0) -> None:
    """Write what the chips stage writes for square areas with a chip in the middle of each."""
    corner = np.arange(n_side) * area_m
    west, south = (axis.ravel() for axis in np.meshgrid(corner, corner))
    squares = [shapely.box(x, y, x + area_m, y + area_m) for x, y in zip(west, south, strict=True)]
    ids = [f"E{k:08d}" for k in range(len(squares))]
    rng = np.random.default_rng(0)
    areas = gpd.GeoDataFrame({"area_id": ids}, geometry=squares, crs="EPSG:27700")
    areas = areas.assign(is_used=True, crime=rng.normal(size=len(ids)))
    chips = gpd.GeoDataFrame(
        {"chip_id": [f"chip{k}" for k in range(len(squares))], "is_used": True},
        geometry=[square.buffer(-area_m / 10) for square in squares],
        crs="EPSG:27700",
    )
    chips = chips.assign(easting=west + area_m / 2, northing=south + area_m / 2)
    membership = measure_membership(chips, areas)
    labels = areas.set_index("area_id")["crime"]
    chips["crime"] = average_labels(chips["chip_id"], membership, labels)
    write_tables(run, chips, areas, membership, "heights", int(area_m * 0.8))


def write_pictures(run: Run, n_chips: int, n_areas: int) -> None:
    """Write what the chips stage writes for pictures; without areas when there are none."""
    chip_ids = [str(1000 + k) for k in range(n_chips)]
    chips = pd.DataFrame({"chip_id": chip_ids, "is_used": True, "crime": 0.0})
    area = [f"E{k % max(n_areas, 1)}" for k in range(n_chips)] if n_areas else []
    chips["crime"] = [float(name[1:]) for name in area] or np.arange(n_chips, dtype=float)
    areas = pd.DataFrame({"area_id": sorted(set(area)), "is_used": True, "crime": 0.1})
    membership = pd.DataFrame({"chip_id": chip_ids[: len(area)], "area_id": area, "weight": 1.0})
    write_tables(run, chips, areas, membership, "pictures", 32)


def write_tables(
    run: Run,
    chips: pd.DataFrame,
    areas: pd.DataFrame,
    membership: pd.DataFrame,
    kind: str,
    size_px: int,
) -> None:
    run.chips.mkdir(parents=True)
    chips.to_parquet(run.chips / "chips.parquet")
    areas.to_parquet(run.chips / "areas.parquet")
    membership.to_parquet(run.chips / "membership.parquet")
    facts = {"kind": kind, "targets": ["crime"], "size_px": size_px, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts)


def run_split(run: Run, settings: Settings) -> tuple[pd.DataFrame, dict[tuple[str, str], Any]]:
    assign_splits(settings, run)
    leakage = read_json(run.splits / "leakage.json")
    folds = pd.read_parquet(run.splits / "folds.parquet")
    return folds, {(record["scheme"], record["unit"]): record for record in leakage}


def test_a_place_gets_every_scheme(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run, 12)
    folds, leakage = run_split(run, Settings(data=RASTERS))
    assert list(folds.columns) == ["scheme", "repeat", "unit", "id", "fold"]
    counts = folds.groupby(["scheme", "unit"]).size().to_dict()
    assert counts == {("random", "chip"): 144, ("area", "area"): 432, ("block", "area"): 432}
    assert folds.loc[folds["scheme"] == "block", "fold"].nunique() == 9  # as many as blocks
    assert leakage["block", "area"]["n_removed_by_buffer"] > 0
    assert leakage["area", "area"]["n_removed_by_buffer"] == 0
    assert leakage["area", "chip"]["share_same_area"] == 0


def test_areas_of_a_block_share_a_fold_in_each_repeat(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run, 12)
    folds, _ = run_split(run, Settings(data=RASTERS))
    block = folds[folds["scheme"] == "block"]
    number = block["id"].str[1:].astype(int)
    name = (number // 12 // 4) * 10 + number % 12 // 4
    assert (block.groupby([block["repeat"], name])["fold"].nunique() == 1).all()


def test_the_same_seed_gives_the_same_folds(tmp_path: Path) -> None:
    frames = []
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        run = Run(tmp_path / name, quiet=True)
        write_place(run, 8)
        settings = Settings(data=RASTERS, seed=seed, split=SplitSettings(buffer_m=100.0))
        frames.append(run_split(run, settings)[0])
    assert frames[0].equals(frames[1])
    assert not frames[0].equals(frames[2])


def test_pictures_with_areas_get_random_and_area(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path)
    write_pictures(run, 60, 12)
    folds, leakage = run_split(run, Settings(data=PICTURES))
    assert set(folds["scheme"]) == {"random", "area"}
    assert "scheme block left out" in capsys.readouterr().out
    assert leakage["random", "chip"]["share_same_label"] > 0.9
    assert leakage["random", "chip"]["share_same_area"] > 0.9
    assert leakage["area", "chip"]["share_same_label"] == 0


def test_pictures_without_areas_get_random_alone(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_pictures(run, 60, 0)
    folds, leakage = run_split(run, Settings(data=PICTURES))
    assert set(folds["scheme"]) == {"random"}
    assert leakage["random", "chip"]["share_same_area"] is None
    assert leakage["random", "chip"]["share_same_label"] == 0


def test_the_random_scheme_deals_a_coursework_sized_set_as_keras_does(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_pictures(run, 649, 0)
    folds, _ = run_split(run, Settings(data=PICTURES))
    assert folds["fold"].value_counts().to_dict() == {2: 416, 0: 130, 1: 103}


@pytest.mark.parametrize(
    ("scheme", "message"),
    [("block", "needs coordinates"), ("area", r"at least 3 areas .* found 2")],
)
def test_a_scheme_that_was_typed_and_cannot_be_is_refused(
    tmp_path: Path, scheme: Any, message: str
) -> None:
    run = Run(tmp_path, quiet=True)
    write_pictures(run, 60, 12 if scheme == "block" else 2)
    with pytest.raises(InputError, match=message):
        run_split(run, Settings(data=PICTURES, split=SplitSettings(schemes=[scheme])))


def test_two_areas_of_rasters_are_refused_with_what_would_work(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run, 4)
    areas = gpd.read_parquet(run.chips / "areas.parquet")
    areas["is_used"] = areas.index < 2
    areas.to_parquet(run.chips / "areas.parquet")
    with pytest.raises(InputError, match=r"2 areas and 16 chips .*at least 3 areas"):
        run_split(run, Settings(data=RASTERS))
    assert not (run.splits / "folds.parquet").exists()


def test_one_block_is_refused_with_the_block_size(tmp_path: Path) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run, 4)
    with pytest.raises(InputError, match=r"block_m = 1000: .* at least 2 blocks, found 1"):
        run_split(run, Settings(data=RASTERS, split=SplitSettings(schemes=["block"])))


def test_a_buffer_that_was_typed_with_its_scheme_and_is_too_wide_is_refused(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, quiet=True)
    write_place(run, 8)
    split = SplitSettings(schemes=["block"], buffer_m=5000.0)
    with pytest.raises(InputError, match=r"buffer_m = 5000.* fold one is 1060 m"):
        run_split(run, Settings(data=RASTERS, split=split))


@pytest.mark.real
def test_real_london_areas_lose_training_areas_to_the_buffer(
    tmp_path: Path, shared_data: Path
) -> None:
    place = shapely.box(525_000, 185_000, 530_000, 190_000)
    areas = gpd.read_file(shared_data / "areas" / "london-2011-lsoa-gen20.shp", bbox=place.bounds)
    covered = areas.geometry.intersection(place).area / areas.area
    areas = areas.rename(columns={"LSOA11CD": "area_id"})[["area_id", "geometry"]]
    areas = areas.assign(is_used=covered >= 0.5, crime=0.0)
    run = Run(tmp_path, quiet=True)
    chips = gpd.GeoDataFrame(
        {"chip_id": ["a"], "is_used": False, "crime": 0.0, "easting": 0.0, "northing": 0.0},
        geometry=[shapely.box(0, 0, 1, 1)],
        crs=areas.crs,
    )
    membership = pd.DataFrame({"chip_id": ["a"], "area_id": ["none"], "weight": [0.0]})
    write_tables(run, chips, areas, membership, "heights", 1)
    folds, leakage = run_split(run, Settings(data=RASTERS))
    assert folds.loc[folds["scheme"] == "area", "id"].nunique() == 99
    assert leakage["block", "area"]["n_folds"] == 10
    assert 15 < leakage["block", "area"]["n_removed_by_buffer"] < 60


def test_a_scheme_without_clear_chips_is_left_to_area_recipes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path)
    write_place(run, 8)
    chips = gpd.read_parquet(run.chips / "chips.parquet")
    chips["is_used"] = chips["northing"] < 600.0
    chips.to_parquet(run.chips / "chips.parquet")
    settings = Settings(data=RASTERS, split=SplitSettings(buffer_m=700.0))
    run_split(run, settings)
    assert "scheme block is for area recipes only" in capsys.readouterr().out
    schemes = [fold.scheme for fold in chip_folds(run, load_samples(run), settings)]
    assert schemes == ["random", "area"]
    typed = SplitSettings(schemes=["block"], buffer_m=700.0)
    with pytest.raises(InputError, match="scheme 'block' leaves no chip"):
        chip_folds(run, load_samples(run), Settings(data=RASTERS, split=typed))
