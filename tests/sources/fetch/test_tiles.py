from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from basrelief.config import InputError
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.tiles import write_tiles

WEST, SOUTH = 525_000, 185_000  # TQ28NE


def write_raster(path: Path, west: float = WEST, south: float = SOUTH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=100,
        height=100,
        count=1,
        dtype="float32",
        crs="EPSG:27700",
        transform=rasterio.Affine(2, 0, west, 0, -2, south + 200),
    ) as dataset:
        dataset.write(np.full((1, 100, 100), 9.5, np.float32))
    return path


def write_archive(
    folder: Path, name: str, surveys: Sequence[dict[str, Any]], index: str = "index/merged.shp"
) -> Path:
    """Pack a raster and the index of its surveys, as boxes in metres from its corner."""
    raster = write_raster(folder / "loose" / "TQ28NE_FZ_DSM_2m.tif")
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.write(raster, raster.name)
        if surveys:
            boxes = [
                shapely.box(WEST + a, SOUTH + b, WEST + c, SOUTH + d)
                for a, b, c, d in (each["box"] for each in surveys)
            ]
            rows = [{k: v for k, v in each.items() if k != "box"} for each in surveys]
            path = folder / "loose" / "index" / Path(index).name
            path.parent.mkdir(exist_ok=True)
            gpd.GeoDataFrame(rows, geometry=boxes, crs=27700).to_file(path)
            for each in path.parent.iterdir():
                archive.write(each, f"{Path(index).parent}/{each.name}")
    return folder / name


def survey(box: tuple[float, ...], first: Any, last: Any, year: Any = 2010) -> dict[str, Any]:
    return {"FILENAME": "P_1", "SRVY_YEAR": year, "SD_FLOWN": first, "ED_FLOWN": last, "box": box}


def test_tiles_without_an_index_are_dated_by_their_names(tmp_path: Path) -> None:
    names = {
        "lidar/dsm/DSM_TQ2585_P_12151_20201212_20210103.tif": ("2020-12-12", "2021-01-03", "name"),
        "lidar/dsm/tq2585_DSM_2M.tif": (None, None, None),
        "lidar/dsm/lidar_composite_first_return_dsm-2022-1-TQ2585.tif": (
            *(None, "2022-12-31", "edition"),
        ),
    }
    table = write_tiles([write_raster(tmp_path / name) for name in names], tmp_path)
    read = gpd.read_parquet(tmp_path / "tiles.parquet")
    assert read.crs.to_epsg() == 27700
    assert len(read) == len(table) == 3
    for row in read.itertuples():
        days = [None if pd.isna(d) else f"{d:%Y-%m-%d}" for d in (row.flown_from, row.flown_to)]
        origin = None if pd.isna(row.dates_from) else row.dates_from
        assert (*days, origin) == names[row.file]
        assert (row.kind, row.square, row.cell_m) == ("surface", "TQ2585", 2.0)
        assert pd.isna(row.member)
        assert row.geometry.equals(shapely.box(WEST, SOUTH, WEST + 200, SOUTH + 200))


def test_the_index_of_a_composite_says_when_its_parts_were_flown(tmp_path: Path) -> None:
    surveys = [
        survey((-5, -5, 100, 300), "2008-03-01", "2008-04-02"),
        survey((100, -5, 300, 150), "20201212", "20210115"),
        survey((900, 900, 950, 950), "20210101", "20210102"),
    ]
    name = "lidar_composite_first_return_dsm-2022-2-TQ28NE.zip"
    table = write_tiles([write_archive(tmp_path, name, surveys)], tmp_path)
    assert table["member"].unique().tolist() == ["TQ28NE_FZ_DSM_2m.tif"]
    assert table["returns"].unique().tolist() == ["first"]
    found = {
        (row.dates_from, 0 if pd.isna(row.flown_from) else row.flown_from.year): row.geometry.area
        for row in table.itertuples()
    }
    # What lies elsewhere is left out; a corner that no survey has falls back on the edition.
    assert found == {("index", 2008): 20_000, ("index", 2020): 15_000, ("edition", 0): 5_000}
    assert table.geometry.union_all().area == 40_000


@pytest.mark.parametrize(
    ("first", "last", "year", "expected"),
    [
        ("2008-03-01", "2008-04-02", 2008, (date(2008, 3, 1), date(2008, 4, 2))),
        ("01/03/2008", "02/04/2008", 2008, (date(2008, 3, 1), date(2008, 4, 2))),
        ("20080301", "20080402", 2008, (date(2008, 3, 1), date(2008, 4, 2))),
        (20080301, 20080402, 2008, (date(2008, 3, 1), date(2008, 4, 2))),
        ("2008-04-02", "2008-03-01", 2008, (date(2008, 3, 1), date(2008, 4, 2))),
        ("1899-12-30", "1899-12-30", 2008, (date(2008, 1, 1), date(2008, 12, 31))),
        ("2008-03-01", None, 2008, (date(2008, 3, 1), date(2008, 12, 31))),
        (None, None, "2008-9", (date(2008, 1, 1), date(2008, 12, 31))),
        ("unknown", "unknown", None, (None, None)),
    ],
)
@pytest.mark.parametrize("index", ["index/a.shp", "lidar_used_in_merging_process/a.gpkg"])
def test_days_are_read_as_tables_write_them(
    tmp_path: Path, first: Any, last: Any, year: Any, expected: tuple[Any, ...], index: str
) -> None:
    archive = write_archive(
        tmp_path, "x.zip", [survey((-5, -5, 300, 300), first, last, year)], index
    )
    (row,) = write_tiles([archive], tmp_path).itertuples()
    days = tuple(None if pd.isna(day) else day.date() for day in (row.flown_from, row.flown_to))
    assert days == expected
    assert pd.isna(row.dates_from) if expected[1] is None else row.dates_from == "index"


def test_a_tile_that_lies_elsewhere_than_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="covers 525000, 185000, 525200, 185200, which is not TQ3080"
    ):
        write_tiles([write_raster(tmp_path / "tq3080_dsm_2m.tif")], tmp_path)


def test_real_tiles_are_described(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "lidar" / "tq28ne"
    copies = []
    for path in sorted(folder.glob("*.asc"))[:3]:
        (tmp_path / path.name).symlink_to(path)
        copies.append(tmp_path / path.name)
    table = write_tiles(copies, tmp_path)
    assert table["square"].tolist() == [path.name[:6].upper() for path in copies]
    assert set(table["cell_m"]) == {2.0}
    assert table["flown_to"].isna().all()
    assert set(table.geometry.area) == {1e6}


def test_england_s_archives_are_described(
    start: Callable[..., str], make_client: Callable[..., Any], tmp_path: Path, lines: list[str]
) -> None:
    from basrelief.sources.fetch.england import find_lidar
    from basrelief.sources.fetch.offers import bring
    from basrelief.sources.fetch.place import NamedPlace

    client = make_client({"environment.data.gov.uk": f"{start('lidar')}/environment"})
    place = NamedPlace("p", shapely.box(526_200, 186_200, 527_400, 186_900), ENGLAND)
    brought = bring(client, find_lidar(client, place, 2.0), tmp_path, lines.append)
    table = write_tiles(brought.files, tmp_path)
    assert sorted(set(table["kind"])) == ["surface", "terrain"]
    assert set(table["survey"]) == {"P_1", "P_2"}
    assert sorted(set(table["flown_to"].dt.year)) == [2012, 2021]
