"""Labels, counts and folds that cannot be used get one line and exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

TOWN = """
[data]
dsm = "{source}/lidar/DSM_*.tif"
areas = "{areas}"
labels = "{labels}"
{more}
[chips]
size_px = 64
resolution_m = 4.0
[split]
{split}
"""
POPULATION = "Total population: mid 2015 (excluding prisoners)"


def write_config(folder: Path, town: Path, more: str = "", split: str = "", **files: Any) -> Path:
    """Write a configuration on the town's rasters, with tables changed here and there."""
    paths = {"areas": town.parent / "areas.gpkg", "labels": town.parent / "labels.csv"}
    if "labels" in files:
        paths["labels"] = folder / "own.csv"
        files["labels"].to_csv(paths["labels"], index=False)
    if "areas" in files:
        paths["areas"] = folder / "own.gpkg"
        files["areas"].to_file(paths["areas"])
    config = folder / "c.toml"
    config.write_text(TOWN.format(source=town.parent, more=more, split=split, **paths))
    return config


def read_labels(town: Path) -> pd.DataFrame:
    return pd.read_csv(town.parent / "labels.csv")


def write_counts(folder: Path, town: Path, category: str = "theft", absent: int = 6) -> pd.Series:
    """Write counts of all areas of the town but the first few; give what was counted in 2019."""
    labels = read_labels(town).iloc[absent:]
    counts = pd.DataFrame(
        {
            "LSOA11CD": labels["LSOA code (2011)"],
            "LAD11NM": labels["Local Authority District name (2019)"],
            "2018": 0,
            "2019": np.arange(len(labels)),
        }
    )
    counts.to_csv(folder / f"town-2018-2019-major-{category}.csv", index=False)
    return counts.set_index("LSOA11CD")["2019"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (0.5, "is 0.5 in all 81 areas with a value"),
        (np.nan, "has no value in any of the 81 areas"),
        (np.inf, "must be finite numbers, found 'inf'"),
    ],
)
def test_a_target_that_cannot_be_learnt(
    tmp_path: Path, town: Path, expect_line: Callable[..., None], values: float, says: str
) -> None:
    labels = read_labels(town).assign(flat=values)
    if np.isinf(values):
        labels.loc[1:, "flat"] = 1.0
    config = write_config(tmp_path, town, 'targets = ["crime", "flat"]', labels=labels)
    expect_line(config, "data.targets: 'flat'", says, command="chips")


def test_a_target_that_varies_only_where_there_is_no_ground(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    labels = read_labels(town).assign(flat=1.0)
    labels.loc[0, "flat"] = 2.0
    areas = gpd.read_file(town.parent / "areas.gpkg")
    # The first area is made to reach so far out that too little of it has ground.
    west, south, east, _ = areas.total_bounds
    beyond = shapely.box(west, south - 2000, east, south)
    areas.loc[0, "geometry"] = shapely.union(beyond, areas.geometry[0])
    config = write_config(tmp_path, town, 'targets = ["flat"]', labels=labels, areas=areas)
    expect_line(config, "'flat' is 1 in all 80 areas used", command="chips")


def test_a_domain_of_all_that_is_constant_is_left_out(
    tmp_path: Path, town: Path, capsys: pytest.CaptureFixture[str], run_command: Callable[..., int]
) -> None:
    labels = read_labels(town).assign(own=np.arange(81.0))
    labels["Income Score (rate)"] = 0.1
    config = write_config(tmp_path, town, 'targets = ["all", "own"]', labels=labels)
    assert run_command("chips", str(config)) == 0
    assert "'income' is 0.1 in all 81 areas with a value: left out" in capsys.readouterr().out
    areas = gpd.read_parquet(tmp_path / "runs" / "c" / "chips" / "areas.parquet")
    assert {"imd", "crime", "own"} < set(areas.columns)
    facts = (tmp_path / "runs" / "c" / "chips" / "chips.json").read_text()
    assert '"income"' not in facts
    assert '"own"' in facts


def test_a_name_that_the_program_uses_itself(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town, 'targets = ["valid"]')
    expect_line(config, "targets: 'valid' is a name that the program uses itself", command="chips")


@pytest.mark.parametrize("which", ["labels", "areas"])
def test_duplicate_area_codes(
    tmp_path: Path, town: Path, expect_line: Callable[..., None], which: str
) -> None:
    areas = gpd.read_file(town.parent / "areas.gpkg")
    table = {"labels": read_labels(town), "areas": areas}[which]
    table = pd.concat([table, table.iloc[[3]]])
    config = write_config(tmp_path, town, **{which: table})
    expect_line(config, f"data.{which}", "E01970004 stands 2 times", command="chips")


def test_labels_of_another_vintage_than_the_boundaries(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    labels = read_labels(town).rename(columns={"LSOA code (2011)": "LSOA code (2021)"})
    labels.loc[:8, "LSOA code (2021)"] = [f"E01{k:06d}" for k in range(9)]
    config = write_config(tmp_path, town, labels=labels)
    says = ("LSOAs of 2021 (column 'LSOA code (2021)')", "2011 (column 'LSOA11CD'); 72 of 81")
    expect_line(config, "data.labels", *says, "Give boundaries of 2021", command="chips")


def test_counts_become_rates_and_missing_areas_stay_unknown(
    tmp_path: Path, town: Path, capsys: pytest.CaptureFixture[str], run_command: Callable[..., int]
) -> None:
    counted = write_counts(tmp_path, town)
    config = write_config(tmp_path, town, 'crime = "town-*.csv"\ntargets = ["theft", "crime"]')
    assert run_command("chips", str(config)) == 0
    assert "no counts for 6 of 81 areas with labels (in Relief" in capsys.readouterr().out
    areas = gpd.read_parquet(tmp_path / "runs" / "c" / "chips" / "areas.parquet")
    theft = areas.set_index("area_id")["theft"]
    people = read_labels(town).set_index("LSOA code (2011)")[POPULATION]
    expected = (counted / 2 / people * 1000).reindex(theft.index)
    assert theft.isna().sum() == 6
    np.testing.assert_allclose(theft, expected)
    assert run_command("describe", str(config)) == 0
    daily = pd.read_csv(tmp_path / "runs" / "c" / "describe" / "daily-crimes.csv")
    assert daily["theft"].sum() == pytest.approx(counted.sum() / 730, abs=1e-3)
    figure = (tmp_path / "runs" / "c" / "describe" / "daily-crimes.svg").read_text()
    assert "Relief West" in figure


def test_all_takes_the_categories_of_the_counts_too(
    tmp_path: Path, town: Path, run_command: Callable[..., int]
) -> None:
    write_counts(tmp_path, town)
    config = write_config(tmp_path, town, 'crime = "town-*.csv"\ntargets = "all"')
    assert run_command("chips", str(config)) == 0
    areas = gpd.read_parquet(tmp_path / "runs" / "c" / "chips" / "areas.parquet")
    assert {"imd", "living_environment", "theft"} < set(areas.columns)


def test_counts_without_people(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    write_counts(tmp_path, town)
    labels = read_labels(town).drop(columns=POPULATION)
    more = 'crime = "town-*.csv"\ntargets = ["theft"]'
    config = write_config(tmp_path, town, more, labels=labels)
    expect_line(
        config, "data.crime: rates per 1,000 people need a column population", command="chips"
    )


def test_a_category_that_the_labels_have_too(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    write_counts(tmp_path, town, "crime")
    config = write_config(tmp_path, town, 'crime = "town-*.csv"\ntargets = ["crime"]')
    expect_line(
        config, "'crime' is both a column of data.labels", "('Crime Score')", command="chips"
    )


def test_counts_of_another_vintage(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    write_counts(tmp_path, town)
    path = tmp_path / "town-2018-2019-major-theft.csv"
    path.write_text(path.read_text().replace("LSOA11CD", "LSOA21CD"))
    config = write_config(tmp_path, town, 'crime = "town-*.csv"\ntargets = ["theft"]')
    expect_line(config, "data.crime = 'town-*.csv' has LSOAs of 2021", "75 of 81", command="chips")


def test_years_without_counts(tmp_path: Path, town: Path, expect_line: Callable[..., None]) -> None:
    config = write_config(tmp_path, town, "crime_years = [2019]")
    expect_line(config, "crime_years needs crime", command="chips")


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ('schemes = ["block"]\nblock_m = 100000', "split.block_m = 100000: scheme 'block' needs"),
        ('schemes = ["block"]\nblock_m = 500\nbuffer_m = 9000', "The largest buffer that leaves"),
        ('schemes = ["lad"]', "at least 2 districts, found 1 (E06900001)"),
    ],
)
def test_folds_that_cannot_be_made(
    tmp_path: Path,
    town: Path,
    expect_line: Callable[..., None],
    run_command: Callable[..., int],
    split: str,
    says: str,
) -> None:
    areas = gpd.read_file(town.parent / "areas.gpkg").assign(LAD11CD="E06900001")
    config = write_config(tmp_path, town, split=split, areas=areas)
    assert run_command("chips", str(config)) == 0
    assert run_command("describe", str(config)) == 0
    expect_line(config, says, command="split")


@pytest.mark.real
def test_real_labels_of_2021_on_boundaries_of_2011(
    tmp_path: Path, shared_data: Path, expect_line: Callable[..., None]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'[data]\ndsm = "{shared_data}/lidar/tq28ne/*.asc"\ncrs = "EPSG:27700"\n'
        f'areas = "{shared_data}/areas/london-2011-lsoa-gen20.shp"\n'
        f'labels = "{shared_data}/labels/iod2025_london_crime_rates.csv"\ntargets = ["theft"]\n'
    )
    expect_line(config, "LSOAs of 2021", "those of 2011", "of 140 codes match", command="chips")


@pytest.mark.real
def test_london_s_counts_say_that_the_city_is_missing(
    tmp_path: Path,
    shared_data: Path,
    capsys: pytest.CaptureFixture[str],
    run_command: Callable[..., int],
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'[data]\ndsm = "{shared_data}/lidar/barbican/dsm_*.tif"\n'
        f'areas = "{shared_data}/areas/london-2011-lsoa-gen20.shp"\n'
        f'labels = "{shared_data}/labels/ID 2019 for London.xlsx"\n'
        f'crime = "{shared_data}/crime/*.csv"\ntargets = ["burglary"]\n'
        "[chips]\nmin_area_coverage = 0.0\n"
    )
    assert run_command("chips", str(config)) == 0
    said = capsys.readouterr().out
    assert "6 of 4835 areas with labels (in City of London), 5 of them in this place" in said
    areas = gpd.read_parquet(tmp_path / "runs" / "c" / "chips" / "areas.parquet")
    is_city = areas["area_name"].str.startswith("City of London")
    assert areas.loc[is_city, "burglary"].isna().all()
    assert areas.loc[~is_city, "burglary"].gt(0).all()


def write_pictures(folder: Path, more: str = "") -> Path:
    """Write pictures of noise in ten areas, and a table whose ``flat`` never changes."""
    rng = np.random.default_rng(0)
    (folder / "p").mkdir()
    for k in range(20):
        noise = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "p" / f"LIDAR_{k}.png")
    table = pd.DataFrame({"id": range(20), "crime": rng.normal(size=20), "flat": 1.0})
    table["LSOA11CD"] = [f"E01{k // 2:06d}" for k in range(20)]
    table["LSOA11NM"] = [f"{'Camden' if k < 8 else 'Brent'} 00{k // 4}A" for k in range(20)]
    table.to_csv(folder / "t.csv", index=False)
    config = folder / "c.toml"
    config.write_text(f'[data]\nimages = "p"\ntable = "t.csv"\n{more}\n[chips]\nsize_px = 32\n')
    return config


def test_a_constant_target_of_pictures(tmp_path: Path, expect_line: Callable[..., None]) -> None:
    config = write_pictures(tmp_path, 'targets = ["flat"]')
    expect_line(config, "data.targets: 'flat' is 1 in all 20 pictures used", command="chips")


def test_pictures_get_the_figure_of_crimes_and_districts_from_names(
    tmp_path: Path, town: Path, capsys: pytest.CaptureFixture[str], run_command: Callable[..., int]
) -> None:
    write_counts(tmp_path, town)
    config = write_pictures(tmp_path, 'crime = "town-*.csv"')
    for stage in ("chips", "describe", "split"):
        assert run_command(stage, str(config)) == 0
    assert "crime: for the figure of daily crimes only" in capsys.readouterr().out
    assert (tmp_path / "runs" / "c" / "describe" / "daily-crimes.svg").exists()
    folds = pd.read_parquet(tmp_path / "runs" / "c" / "splits" / "folds.parquet")
    counts = folds[folds["unit"] == "area"].groupby("scheme")["fold"].nunique().to_dict()
    assert counts == {"area": 10, "msoa": 5, "lad": 2}
