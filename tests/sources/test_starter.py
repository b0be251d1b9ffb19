"""A configuration filled from what lies in a folder: a planted place, laid out in many ways."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from basrelief.config import InputError, load_settings
from basrelief.run import read_json
from basrelief.sources.lying import Lying
from basrelief.sources.starter import write_starter


@pytest.fixture
def place(town: Path, tmp_path: Path) -> Path:
    """The town's files, without what says what they are."""
    folder = tmp_path / "place"
    shutil.copytree(town.parent / "lidar", folder / "lidar")
    for name in ("areas.gpkg", "labels.csv", "truth.json"):
        shutil.copy(town.parent / name, folder)
    return folder


def fill(folder: Path) -> dict[str, object]:
    found = tomllib.loads(write_starter(folder).path.read_text())["data"]
    assert isinstance(found, dict)
    return found


def test_a_place_is_filled_in_as_its_maker_would_and_runs(
    place: Path, town: Path, run_command: Callable[..., int]
) -> None:
    found = fill(place)
    made = tomllib.loads(town.read_text())["data"]
    assert (found["dsm"], found["dtm"]) == ("lidar/*DSM*.tif", "lidar/*DTM*.tif")
    assert (found["areas"], found["labels"]) == (made["areas"], made["labels"])
    config = place / "basrelief.toml"
    assert run_command("chips", str(config), "-q", "--set", "chips.size_px=64") == 0
    counts = read_json(place / "runs" / "basrelief" / "chips" / "counts.json")
    # The town is nine square kilometres, every one of its areas whole.
    assert (counts["tiles"], counts["terrain_tiles"]) == (9, 9)
    assert counts["areas_used"] == counts["areas"] == len(pd.read_csv(place / "labels.csv"))


def test_nothing_is_written_over(place: Path) -> None:
    (place / "basrelief.toml").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_starter(place)
    assert (place / "basrelief.toml").read_text() == "mine"


def test_what_lies_elsewhere_or_shows_no_heights_is_not_taken(place: Path) -> None:
    tile = next((place / "lidar").glob("DSM_*"))
    shutil.copy(tile, place / "lidar" / "hillshade_of_it.tif")
    (place / "other.csv").write_text("LSOA11CD,IMD Score\nE01000001,3\nE01000002,4\n")
    found = fill(place)
    assert found["dsm"] == "lidar/*DSM*.tif"
    assert found["labels"] == "labels.csv"


def test_runs_layers_and_hidden_files_are_no_data(place: Path) -> None:
    for folder in ("runs/a", ".git"):
        (place / folder).mkdir(parents=True)
        shutil.copy(place / "areas.gpkg", place / folder / "zzz.gpkg")
    (place / "runs/a/run.json").write_text("{}")
    assert [n for n in Lying(place).names if "zzz" in n] == []


def test_without_labels_the_form_says_what_to_write(place: Path) -> None:
    (place / "labels.csv").unlink()
    starter = write_starter(place)
    assert starter.missing == ["areas", "labels"]
    text = starter.path.read_text()
    assert '# areas = "areas.gpkg"' in text
    with pytest.raises(InputError, match="areas, labels missing beside dsm"):
        load_settings(starter.path)


@pytest.mark.parametrize("route", ["rasters", "pictures"])
def test_an_empty_form_is_toml_once_its_marks_are_taken_away(
    route: str, tmp_path: Path, run_command: Callable[..., int]
) -> None:
    assert run_command("init", str(tmp_path), f"--{route}", "-q") == 0
    lines = (tmp_path / "basrelief.toml").read_text().splitlines()
    bare = [line.removeprefix("# ") for line in lines if " = " in line or line.startswith("[")]
    data = tomllib.loads("\n".join(bare))["data"]
    wanted = {"dsm", "areas", "labels"} if route == "rasters" else {"images", "table"}
    assert wanted <= set(data)


@pytest.mark.parametrize(
    ("where", "is_told"), [(("TQ", 525_000, 185_000), True), (("TQ", 0, 0), False)]
)
def test_the_national_grid_is_told_by_where_tiles_lie(
    where: tuple[str, float, float], is_told: bool, tmp_path: Path
) -> None:
    _, west, south = where
    header = f"ncols 50\nnrows 50\nxllcorner {west}\nyllcorner {south}\ncellsize 20\n"
    rows = "\n".join(" ".join(["12.5"] * 50) for _ in range(50))
    (tmp_path / "tq2585_DSM_20M.asc").write_text(f"{header}NODATA_value -9999\n{rows}\n")
    text = write_starter(tmp_path).path.read_text()
    assert ('\ncrs = "EPSG:27700"' in text) == is_told
    assert ("cannot be opened" in text) != is_told


def test_a_raster_of_which_nothing_is_said_is_taken_with_a_word(
    place: Path, tmp_path: Path
) -> None:
    for path in (place / "lidar").glob("DTM_*"):
        path.unlink()
    for path in (place / "lidar").glob("DSM_*"):
        path.rename(path.with_name(path.name.replace("DSM", "tile")))
    text = write_starter(place).path.read_text()
    assert "their names do not say: check it" in text
    assert '\ndsm = "lidar/*.tif"' in text


def test_a_terrain_that_may_be_one_waits_for_a_word(place: Path) -> None:
    for path in (place / "lidar").glob("DTM_*"):
        path.rename(path.with_name(path.name.replace("DTM", "DEM")))
    text = write_starter(place).path.read_text()
    assert '# dtm = "lidar/*DEM*.tif"' in text


def test_boundaries_are_those_that_the_labels_know(place: Path) -> None:
    areas = gpd.read_file(place / "areas.gpkg")
    areas["LSOA11CD"] = "W" + areas["LSOA11CD"].str[1:]
    areas.to_file(place / "a-first.gpkg")
    assert fill(place)["areas"] == "areas.gpkg"


def test_labels_are_found_though_they_have_nothing_but_codes_and_scores(place: Path) -> None:
    labels = pd.read_csv(place / "labels.csv")
    labels.iloc[:, [0, -1]].to_csv(place / "labels.csv", index=False)
    assert fill(place)["labels"] == "labels.csv"


def test_of_two_censuses_boundaries_and_labels_that_go_together_are_taken(place: Path) -> None:
    # As of the next census: two areas were split, and nobody has scores of their parts.
    areas = gpd.read_file(place / "areas.gpkg")
    parts = areas.iloc[[0, 0, 1, 1]].assign(LSOA11CD=[f"E0199999{k}" for k in range(4)])
    later = gpd.GeoDataFrame(pd.concat([areas.iloc[2:], parts]), crs=areas.crs)
    later.to_file(place / "a-later.gpkg")
    rates = pd.DataFrame({"LSOA11CD": later["LSOA11CD"], "Burglary": 1.5})
    rates.to_csv(place / "a-rates.csv", index=False)
    found = fill(place)
    assert (found["areas"], found["labels"]) == ("areas.gpkg", "labels.csv")


def add_eyes(place: Path) -> None:
    """A photo of the place, an earlier index, the same index again, and a census."""
    labels = pd.read_csv(place / "labels.csv")
    (place / "labels.csv").rename(place / "iod-2019.csv")
    labels.to_csv(place / "iod-2019-copy.csv", index=False)
    # In another order, so that it says something else.
    older = labels.set_axis(labels.index[::-1]).sort_index()
    older.assign(**{labels.columns[0]: labels.iloc[:, 0]}).to_csv(
        place / "iod-2010.csv", index=False
    )
    rng = np.random.default_rng(0)
    census = labels.iloc[:, :2].set_axis(["LSOA code (2011)", "name"], axis=1)
    census["rented"] = rng.uniform(size=len(labels))
    census["rented rank"] = range(len(labels))
    census.to_csv(place / "census 2011.csv", index=False)
    with rasterio.open(next((place / "lidar").glob("DSM_*"))) as tile:
        crs = tile.crs
    bounds = gpd.read_file(place / "areas.gpkg").total_bounds
    width, height = (int((bounds[k + 2] - bounds[k]) // 10) for k in (0, 1))
    (place / "photo").mkdir()
    with rasterio.open(
        place / "photo" / "summer.tif",
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=3,
        dtype="uint8",
        crs=crs,
        transform=rasterio.transform.from_origin(bounds[0], bounds[3], 10, 10),
        photometric="RGB",
    ) as photo:
        photo.write(rng.integers(20, 250, (3, height, width), dtype=np.uint8))
        profile = photo.profile
    (place / "embedding").mkdir()
    profile |= {"count": 64, "dtype": "int8", "photometric": "MINISBLACK", "nodata": -128}
    with rasterio.open(place / "embedding" / "2021.tif", "w", **profile) as embedding:
        embedding.write(rng.integers(-9, 9, (64, height, width), dtype=np.int8))


def test_photos_and_tables_are_proposed_and_work_once_their_marks_are_gone(
    place: Path, run_command: Callable[..., int]
) -> None:
    add_eyes(place)
    path = write_starter(place).path
    data = tomllib.loads(path.read_text())["data"]
    assert data["labels"] in ("iod-2019.csv", "iod-2019-copy.csv")
    # A photo is a raster of which no name says what it shows, and no terrain.
    assert data["dtm"] == "lidar/*DTM*.tif"
    lines = path.read_text().splitlines()
    begin = next(k for k, line in enumerate(lines) if line.startswith("# [data."))
    freed = [
        line.removeprefix("# ") if re.match(r"# (\[data\.|\w+ = )", line) else line
        for line in lines[begin : lines.index("[models]")]
    ]
    whole = [*lines[:begin], *freed, *lines[lines.index("[models]") :]]
    path.write_text("\n".join(whole) + "\n")
    found = tomllib.loads(path.read_text())["data"]
    assert found["photo"] == {"files": "photo/summer.tif", "bands": ["red", "green", "blue"]}
    assert found["embedding"] == {"files": "embedding/2021.tif", "coding": "alphaearth"}
    assert found["tables"] == {
        "release_2010": {"file": "iod-2010.csv", "role": "last_release"},
        "census_2011": {"file": "census 2011.csv", "columns": ["rented"]},
    }
    only = ["--set", 'models.recipes=["relief-statistics"]']
    assert run_command("check", str(path), "-q", *only) == 0


def pictures(folder: Path, n: int = 6) -> None:
    (folder / "LIDAR").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k in range(n):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
            folder / "LIDAR" / f"LIDAR_{k}.png"
        )
    codes = [f"E0100000{k}" for k in range(n)]
    table = pd.DataFrame({"id": range(n), "LSOA11CD": codes, "crime": rng.normal(size=n)})
    table.to_csv(folder / "table.csv", index=False)


def test_pictures_are_found_with_their_table(
    tmp_path: Path, run_command: Callable[..., int]
) -> None:
    pictures(tmp_path)
    (tmp_path / "other.csv").write_text("id,crime\n900,1\n901,2\n")
    found = fill(tmp_path)
    assert found == {"images": "LIDAR", "table": "table.csv", "targets": "all"}
    config = str(tmp_path / "basrelief.toml")
    assert run_command("chips", config, "-q", "--set", "chips.size_px=32") == 0


def test_pictures_beside_rasters_are_asked_about(place: Path) -> None:
    pictures(place)
    with pytest.raises(InputError, match="--pictures or --rasters"):
        write_starter(place)
    assert write_starter(place, "rasters").missing == []


@pytest.mark.parametrize(
    ("names", "others"),
    [
        (["a.tif"], ["b.tif"]),
        (["x/a.tif", "x/b.tif"], ["x/c.asc"]),
        (["x/1_DSM_a.tif", "x/2_DSM_b.tif"], ["x/1_DTM_a.tif", "x/2_DTM_b.tif"]),
        (["x/a_DSM.tif", "y/b_DSM.tif"], ["x/a_DTM.tif"]),
        (["x/DSM1.tif", "x/DSM2.tif"], ["x/DSN3.tif", "z/DSM4.tif"]),
        (["x [1]/a.tif", "x [1]/b.tif"], []),
    ],
)
def test_a_pattern_matches_just_what_is_meant(
    names: list[str], others: list[str], tmp_path: Path
) -> None:
    for name in (*names, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pattern = Lying(tmp_path).find_pattern(names)
    assert pattern is not None
    # Folders with signs of patterns are taken as they are called.
    folder = tmp_path / Path(pattern).parent
    found = folder.glob(Path(pattern).name) if folder.is_dir() else tmp_path.glob(pattern)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == sorted(names)


@pytest.mark.real
@pytest.mark.slow
def test_real_files_are_put_together_as_in_the_examples(shared_data: Path, tmp_path: Path) -> None:
    for name in ("areas", "labels", "crime", "lookups"):
        (tmp_path / name).symlink_to(shared_data / name)
    (tmp_path / "lidar").symlink_to(shared_data / "lidar" / "tq28ne")
    found = fill(tmp_path)
    assert found["dsm"] == "lidar/*.asc"
    assert found["crs"] == "EPSG:27700"
    assert found["areas"] == "areas/london-2011-lsoa-gen20.shp"
    assert "2019" in str(found["labels"])
    assert found["crime"] == "crime/*.csv"


def test_point_clouds_are_told_of_by_name(tmp_path: Path) -> None:
    (tmp_path / "tq2585.laz").write_bytes(b"LASF")
    with pytest.raises(InputError, match=r"Point clouds \(tq2585.laz\) are not read: grid them"):
        write_starter(tmp_path)
