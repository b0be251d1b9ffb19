"""Bad input gets one line and exit code 2, and leaves nothing half-written."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from basrelief.config import InputError
from basrelief.running import saying_disk_is_full

RASTERS = """
[data]
dsm = "{dsm}"
areas = "{areas}"
labels = "{labels}"
{more}
"""
RELIEF = '[models]\nrecipes = ["relief-statistics"]'


def write_config(folder: Path, town: Path, **changes: str) -> Path:
    """Write a configuration on the town's files, changed here and there."""
    source = town.parent
    values = {
        "dsm": f"{source}/lidar/*DSM*.tif",
        "areas": str(next(source.glob("**/*.gpkg"))),
        "labels": str(next(source.glob("**/*.csv"))),
        "more": RELIEF,
    }
    config = folder / "c.toml"
    config.write_text(RASTERS.format(**(values | changes)))
    return config


def write_tile(path: Path, *, west: float = 520000.0, **profile: object) -> None:
    """Write a small raster of one height."""
    cell = profile.pop("cell", 2.0)
    options = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": 50, "width": 50}
    transform = rasterio.transform.from_origin(west, 180000.0, cell, cell)
    with rasterio.open(path, "w", transform=transform, **(options | profile)) as file:
        file.write(np.ones((1, 50, 50), np.float32))


def test_a_glob_that_matches_nothing(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town, dsm="nowhere/*.asc")
    expect_line(config, "data.dsm", "nowhere/*.asc")


def test_a_raster_without_crs_is_said_first(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    write_tile(tmp_path / "a.tif")
    write_tile(tmp_path / "b.tif", cell=1.0, west=520100.0)
    config = write_config(tmp_path, town, dsm="*.tif")
    expect_line(config, "a.tif", "no CRS", "data.crs", "EPSG:27700")


def test_rasters_of_different_crs(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    write_tile(tmp_path / "a.tif", crs="EPSG:27700")
    write_tile(tmp_path / "b.tif", crs="EPSG:32630", west=520100.0)
    config = write_config(tmp_path, town, dsm="*.tif")
    expect_line(config, "b.tif", "27700", "32630")


def test_boundaries_elsewhere(tmp_path: Path, town: Path, expect_line: Callable[..., None]) -> None:
    write_tile(tmp_path / "a.tif", crs="EPSG:27700", west=100000.0)
    config = write_config(tmp_path, town, dsm="*.tif")
    expect_line(config, "data.areas", "100000, 179900", "rasters' place")


def test_a_missing_labels_file(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    expect_line(write_config(tmp_path, town, labels="none.csv"), "data.labels", "none.csv")


def test_labels_without_the_target(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town, more='targets = ["happiness"]\n' + RELIEF)
    expect_line(config, "happiness", "crime")


def test_labels_of_unknown_areas(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    pd.DataFrame({"LSOA11CD": ["W01000001"], "crime": [0.5]}).to_csv(tmp_path / "l.csv")
    config = write_config(tmp_path, town, labels="l.csv")
    expect_line(config, "data.labels", "l.csv", "W01000001")


def test_a_truncated_tiff(tmp_path: Path, town: Path, expect_line: Callable[..., None]) -> None:
    for tile in (town.parent / "lidar").glob("*DSM*.tif"):
        shutil.copy(tile, tmp_path / tile.name)
    broken = sorted(tmp_path.glob("*.tif"))[0]
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    expect_line(write_config(tmp_path, town, dsm="*.tif"), broken.name)


def test_a_file_that_is_no_raster(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    (tmp_path / "readme.tif").write_text("hello")
    expect_line(write_config(tmp_path, town, dsm="*.tif"), "readme.tif")


def test_an_output_that_cannot_be_written(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town)
    (tmp_path / "file").touch()
    config.write_text('out = "file/run"\n' + config.read_text())
    expect_line(config, "out = 'file/run'")


def test_a_disk_that_is_full(
    tmp_path: Path, town: Path, expect_line: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("basrelief.chips.layers.Layer.write", fail)
    kept = "finished stages are kept"
    expect_line(write_config(tmp_path, town), "no space left", "out = 'runs/c'", kept)


def test_of_a_full_disk_nothing_is_said_to_be_kept_that_is_not() -> None:
    # A prediction or a comparison has no stages.
    with pytest.raises(InputError) as caught, saying_disk_is_full("--out 'x'", "in predict"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).endswith("in predict. Free some, or choose another folder.")


def test_a_recipe_that_is_unknown(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town, more='[models]\nrecipes = ["magic"]')
    expect_line(config, "magic", "relief-statistics")


def test_a_weights_file_that_is_missing(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    more = '[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "no.h5" }'
    expect_line(write_config(tmp_path, town, more=more), "no.h5")


def test_a_stage_before_its_time(
    tmp_path: Path, town: Path, expect_line: Callable[..., None]
) -> None:
    config = write_config(tmp_path, town)
    expect_line(config, "needs stage chips", command="describe")


def write_pictures(folder: Path, n: int) -> Path:
    """Write pictures of noise and their table."""
    rng = np.random.default_rng(0)
    (folder / "p").mkdir()
    for i in range(n):
        picture = rng.integers(0, 255, (64, 64, 4), dtype=np.uint8)
        picture[..., 3] = 255
        Image.fromarray(picture, "RGBA").save(folder / "p" / f"LIDAR_{i}.png")
    table = pd.DataFrame({"id": range(n), "crime": rng.normal(size=n)})
    table["LSOA11CD"] = [f"E0100{i // 4:04d}" for i in range(n)]
    table.to_csv(folder / "t.csv", index=False)
    config = folder / "c.toml"
    text = '[data]\nimages = "p"\ntable = "t.csv"\n[chips]\nsize_px = 64\n'
    config.write_text(text)
    return config


def test_one_truncated_picture_is_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run_command: Callable[..., int]
) -> None:
    config = write_pictures(tmp_path, 40)
    broken = tmp_path / "p" / "LIDAR_7.png"
    broken.write_bytes(broken.read_bytes()[:900])
    assert run_command("chips", str(config)) == 0
    assert "LIDAR_7.png" in capsys.readouterr().out
    chips = pd.read_parquet(tmp_path / "runs" / "c" / "chips" / "chips.parquet")
    assert len(chips) == 39
    assert "7" not in set(chips["chip_id"])


def test_many_truncated_pictures_stop_the_run(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = write_pictures(tmp_path, 40)
    for i in range(3):
        (tmp_path / "p" / f"LIDAR_{i}.png").write_bytes(b"\x89PNG")
    expect_line(config, "3 of the first 3", "of all 40", "LIDAR_0.png", command="chips")


def test_too_few_worlds(tmp_path: Path, expect_line: Callable[..., None]) -> None:
    config = write_pictures(tmp_path, 8)
    config.write_text(config.read_text() + "[evaluate]\nworlds = 39\n")
    expect_line(config, "c.toml", "evaluate", "worlds = 39", "40 or more, or 0 for none")


def test_relief_statistics_of_pictures(tmp_path: Path, expect_line: Callable[..., None]) -> None:
    config = write_pictures(tmp_path, 8)
    config.write_text(config.read_text() + '[models]\nrecipes = ["relief-statistics"]\n')
    expect_line(config, "relief-statistics", "pictures")


def test_blocks_of_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run_command: Callable[..., int]
) -> None:
    config = write_pictures(tmp_path, 8)
    config.write_text(config.read_text() + '[split]\nschemes = ["block"]\n')
    assert run_command("chips", str(config)) == 0
    assert run_command("describe", str(config)) == 0
    assert run_command("split", str(config)) == 2
    line = capsys.readouterr().err
    assert "block" in line
    assert line.count("\n") == 1


def test_an_area_too_few(
    tmp_path: Path,
    shared_data: Path,
    capsys: pytest.CaptureFixture[str],
    run_command: Callable[..., int],
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        RASTERS.format(
            dsm=shared_data / "lidar" / "barbican" / "dsm_*.tif",
            areas=shared_data / "areas" / "london-2011-lsoa-gen20.shp",
            labels=shared_data / "labels" / "ID 2019 for London.xlsx",
            more=f'dtm = "{shared_data}/lidar/barbican/dem_*.tif"',
        )
    )
    for stage in ("chips", "describe"):
        assert run_command(stage, str(config)) == 0
    assert run_command("split", str(config)) == 2
    assert "2 areas" in capsys.readouterr().err


def test_boundaries_in_another_crs_give_the_same_membership(
    tmp_path: Path, town: Path, run_command: Callable[..., int]
) -> None:
    config = write_config(tmp_path, town)
    assert run_command("chips", str(config)) == 0
    areas = gpd.read_file(next(town.parent.glob("**/*.gpkg")))
    areas.to_crs("EPSG:4326").to_file(tmp_path / "degrees.geojson")
    (tmp_path / "other").mkdir()
    other = write_config(tmp_path / "other", town, areas=str(tmp_path / "degrees.geojson"))
    assert run_command("chips", str(other)) == 0
    weights = [
        pd.read_parquet(folder / "runs" / "c" / "chips" / "membership.parquet")
        .set_index(["chip_id", "area_id"])["weight"]
        .sort_index()
        for folder in (tmp_path, tmp_path / "other")
    ]
    assert (weights[0] - weights[1]).abs().max() < 1e-3
