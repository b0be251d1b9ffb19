from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from basrelief import open_run
from basrelief.config import InputError, load_settings
from basrelief.run import Notes, Run, read_json
from basrelief.running import run_one
from basrelief.sources.fetch.tiles import write_tiles
from basrelief.sources.flights import find_flights, mark_timely, measure_years_apart
from basrelief.sources.tiles import Tile, find_tiles
from basrelief.tell.page.data import say_flights
from basrelief.typed import Typed

SIDE = 200.0


def write_tile(path: Path, west: float, south: float = 185_000.0) -> Tile:
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = rasterio.Affine(2, 0, west, 0, -2, south + SIDE)
    size = int(SIDE / 2)
    with rasterio.open(
        path, "w", driver="GTiff", width=size, height=size, count=1, dtype="float32", transform=cell
    ) as dataset:
        dataset.write(np.full((1, size, size), 9.5, np.float32))
    return find_tiles(Typed("dsm", str(path), path))[0]


def boxes(*bounds: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    shapes = [shapely.box(*each) for each in bounds]
    return gpd.GeoDataFrame({"area_id": list(map(str, range(len(shapes))))}, geometry=shapes)


def spans(found: pd.DataFrame) -> list[tuple[float, float]]:
    return [tuple(row) for row in found.to_numpy()]


def same(found: Sequence[tuple[float, float]], expected: Sequence[tuple[float, float]]) -> bool:
    return np.array_equal(np.array(found), np.array(expected), equal_nan=True)


def test_an_area_has_the_years_of_the_tiles_over_it(tmp_path: Path) -> None:
    tiles = [
        write_tile(tmp_path / "DSM_TQ2585_P_1_20030401_20030402.tif", 525_000),
        write_tile(tmp_path / "DSM_TQ2585_P_2_20160401_20170402.tif", 525_200),
        write_tile(tmp_path / "tq2585_DSM_2M.tif", 525_400),
    ]
    areas = boxes(
        (525_010, 185_010, 525_190, 185_190),  # on the first alone
        (525_100, 185_010, 525_300, 185_190),  # on both
        (525_001, 185_010, 525_202, 185_190),  # on the second by a hair
        (525_300, 185_010, 525_500, 185_190),  # half of it on ground of unknown age
        (900_000, 185_010, 900_100, 185_190),  # on nothing
    )
    n = np.nan
    expected = [(2003, 2003), (2003, 2017), (2003, 2003), (n, n), (n, n)]
    assert same(spans(find_flights(tiles, areas)), expected)


def test_where_tiles_lie_over_each_other_the_first_is_seen(tmp_path: Path) -> None:
    new = write_tile(tmp_path / "b_2020.tif", 525_000)
    old = write_tile(tmp_path / "a_2001.tif", 525_000)
    area = boxes((525_010, 185_010, 525_190, 185_190))
    assert same(spans(find_flights([new, old], area)), [(2020, 2020)])
    assert same(spans(find_flights([old, new], area)), [(2001, 2001)])


def test_an_edition_has_no_first_year(tmp_path: Path) -> None:
    name = "lidar_composite_first_return_dsm-2022-1-TQ2585.tif"
    tile = write_tile(tmp_path / name, 525_000)
    found = find_flights([tile], boxes((525_010, 185_010, 525_190, 185_190)))
    assert same(spans(found), [(np.nan, 2022)])
    assert measure_years_apart(found, pd.Series([2015.0])).isna().all()


def test_the_index_of_fetched_tiles_is_believed_before_names(tmp_path: Path) -> None:
    name = "dsm/lidar_composite_first_return_dsm-2022-1-TQ2585.tif"
    tile = write_tile(tmp_path / "lidar" / name, 525_000)
    table = write_tiles([tile.file], tmp_path / "lidar")
    # Two surveys, a half each, as an archive's own index would tell.
    west, south, east, north = tile.grid.bounds
    middle = (west + east) / 2
    parts = gpd.GeoDataFrame(
        pd.concat([table, table], ignore_index=True).assign(
            flown_from=pd.to_datetime(["2008-03-01", "2020-12-12"]),
            flown_to=pd.to_datetime(["2009-01-02", "2021-01-15"]),
        ),
        geometry=[shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)],
        crs=27700,
    )
    parts.to_parquet(tmp_path / "lidar" / "tiles.parquet")
    areas = boxes(
        (west, south, middle - 10, north), (middle + 10, south, east, north), tile.grid.bounds
    )
    expected = [(2008, 2009), (2020, 2021), (2008, 2021)]
    assert same(spans(find_flights([tile], areas)), expected)


def test_years_are_counted_to_the_flight_farthest_off() -> None:
    flights = pd.DataFrame({"flown_from": [2003.0, 2014, 2020], "flown_to": [2016.0, 2014, 2021]})
    apart = measure_years_apart(flights, pd.Series([2015.0, 2015.0, 2015.0]))
    assert apart.tolist() == [12, 1, 6]
    assert measure_years_apart(flights, pd.Series([np.nan] * 3)).isna().all()


def test_only_what_is_known_to_be_near_is_timely(tmp_path: Path) -> None:
    notes, typed = Notes(Run(tmp_path, quiet=True)), Typed("areas", "areas.gpkg", tmp_path)
    areas = pd.DataFrame({"years_apart": [1.0, 5.0, 6.0, np.nan]})
    assert mark_timely(areas, None, typed, notes).all()
    assert not notes.lines
    assert mark_timely(areas, 5, typed, notes).tolist() == [True, True, False, False]
    assert "1 areas were flown longer" in notes.lines[0]
    assert "of 1 it is not known" in notes.lines[0]
    with pytest.raises(InputError, match=r"max_years_apart = 0: the nearest area was flown 1 year"):
        mark_timely(areas, 0, typed, notes)
    with pytest.raises(InputError, match="no area's year of flight is known"):
        mark_timely(areas[3:], 5, typed, notes)


def test_areas_flown_too_long_from_their_labels_are_left_out(town: Path, tmp_path: Path) -> None:
    folder = tmp_path / "town"
    shutil.copytree(town.parent, folder, ignore=shutil.ignore_patterns("run*"))
    # The town was flown in 2020, and its people are of 2015; its first kilometre now in 2012.
    names = sorted(path.name for path in (folder / "lidar").glob("DSM_*.tif"))
    old = folder / "lidar" / names[0]
    with rasterio.open(old) as dataset:
        ground = shapely.box(*dataset.bounds)
    old.rename(old.with_name(names[0].replace("20200101_20200101", "20120301_20120402")))
    run_one("chips", folder / "config.toml", quiet=True, changes=["data.max_years_apart=4"])
    settings = load_settings(folder / "config.toml")
    areas = open_run(settings.locate(settings.out)).areas().set_index("area_id")
    share = areas.geometry.intersection(ground).area / areas.area
    assert set(areas["label_year"]) == {2015}
    # Of an area a twentieth may lie on other ground, and does not count.
    is_old, is_other = share > 0.951, share < 0.949
    assert is_old.sum() > 3
    assert set(areas.loc[is_old, "years_apart"]) == {3}
    # Whatever else was flown over the rest is five years from its labels.
    assert set(areas.loc[is_other, "years_apart"]) == {5}
    assert areas.loc[is_old, "is_used"].all()
    assert not areas.loc[is_other, "is_used"].any()
    counts = read_json(settings.locate(settings.out) / "chips" / "counts.json")
    assert counts["areas_untimely"] == (~areas["is_used"]).sum()


def test_the_page_says_when_the_ground_was_flown() -> None:
    areas = pd.DataFrame(
        {
            "is_used": [True, True, True, False],
            "label_year": 2015.0,
            "flown_from": [2003.0, 2014.0, np.nan, 1999.0],
            "flown_to": [2004.0, 2020.0, np.nan, 1999.0],
            "years_apart": [12.0, 5.0, np.nan, 16.0],
        }
    )
    said = say_flights(areas)
    assert "2 areas was flown from 2003 to 2020; of 1 it is not known" in said
    assert "at most 12 years" in said
    assert "is not known: neither" in say_flights(areas.assign(flown_to=np.nan))
    assert "Of which year the scores are is not known" in say_flights(
        areas.assign(label_year=np.nan, years_apart=np.nan)
    )
    assert "flown until 2020" in say_flights(areas.assign(flown_from=np.nan))
