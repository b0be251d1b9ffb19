"""The handed cases on rasters and boundaries: the right numbers, with a line, or a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import zarr

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "geo"
LEARNING = CASES.parent / "learning"

pytestmark = [
    pytest.mark.cases,
    pytest.mark.skipif(not CASES.is_dir(), reason="the handed cases are not beside the code"),
]


class Fine(NamedTuple):
    """What is right of a case that is taken: notes, mean surface, and the ground of areas."""

    notes: tuple[str, ...] = ()
    surface_m: float = 32.03
    covered: float = 1.0


FINE = {
    "00_base": Fine(),
    "02_two_flights_oldest_wins": Fine(("the newer flight by name is taken",)),
    "04_local_cs": Fine(("is local",)),
    "05_user_defined_airy_tmerc": Fine(),
    "05b_user_defined_airy_tmerc_no_crs_typed": Fine(("names no datum",)),
    "05c_crs_with_towgs84": Fine(),
    "05d_towgs84_beside_plain": Fine(),
    "06_dtm_half_pixel_and_smaller": Fine((), 32.1, 0.94),
    "07_zero_outside_flight": Fine(("the value 0 stands in patches",), 34.52, 0.675),
    "08_geojson_bng_no_crs": Fine(("are no degrees",)),
    "09_geopackage_lad_layer_first": Fine(),
    "11_zipped_shapefile": Fine(),
    "11b_zipped_shapefile_flat": Fine(),
    "22_asc_header_variants": Fine(),
    "23_asc_with_old_esri_prj": Fine(),
    "23b_esri_wkt_prj": Fine(),
    "27_zip_made_on_a_mac": Fine(),
    "34_nodata_bled_into_the_edge": Fine(("averages with them",), 34.59, 0.6675),
    "35_kml": Fine(),
    "36_file_geodatabase": Fine(),
    "37_esri_json": Fine(),
    "38_area_or_point": Fine(),
    "57_heights_in_feet_by_band_unit": Fine(("US survey foot", "converted to metres")),
}

REFUSED: dict[str, tuple[str, ...]] = {
    "01_dtm_and_dsm_in_one_glob": ("TQ38sw_DTM_2m.tif is a terrain model", "data.dtm"),
    "03_heights_in_millimetres": ("tq3080_DSM_2M.asc", "millimetres"),
    "03b_heights_in_millimetres_low_ground": ("tq3080_DSM_2M.asc", "millimetres"),
    "09b_geopackage_msoa_and_lsoa": ("pilot_area (8 areas)", "all_lsoas (12 areas)"),
    "28_web_mercator": ("EPSG:3857", "EPSG:27700"),
    "31_south_up_raster": ("rows run from the south",),
    "46_surface_and_terrain_swapped": ("below the terrain", "swapped"),
    "46b_same_file_twice": ("the same heights",),
    "54_point_cloud": ("TQ3080_P_10742_20190101.laz", "point cloud"),
    "55_shp_alone": ("lsoa.dbf and lsoa.shx",),
    "55b_shp_without_dbf": ("lsoa.dbf", "codes"),
}


def copy_case(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder / "case")
    # What lies beside the repository may not be written to.
    for path in (folder / "case", *(folder / "case").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder / "case" / "config.toml"


@pytest.mark.parametrize("name", FINE)
def test_a_case_is_taken(
    tmp_path: Path, run_command: Callable[..., int], capsys: Any, name: str
) -> None:
    config, right = copy_case(CASES / name, tmp_path), FINE[name]
    assert run_command("chips", str(config)) == 0
    said = capsys.readouterr().out
    assert [part for part in right.notes if part not in said] == []
    assert bool(right.notes) == ("note: " in said)
    chips = config.parent / "run" / "chips"
    areas = pd.read_parquet(chips / "areas.parquet")
    assert len(areas) == 12
    assert areas["ground_covered"].mean() == pytest.approx(right.covered, abs=0.01)
    surface = np.asarray(zarr.open_array(chips / "layers" / "heights.zarr", mode="r")[0])
    assert np.nanmean(surface) == pytest.approx(right.surface_m, abs=0.05)


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_is_refused(tmp_path: Path, expect_line: Callable[..., None], name: str) -> None:
    expect_line(copy_case(CASES / name, tmp_path), *REFUSED[name], command="chips")


def test_polygons_under_two_codes_are_refused(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = copy_case(LEARNING / "54-duplicated-polygons", tmp_path)
    expect_line(config, "data.areas = 'areas.gpkg'", "share 100%", "keep one of", command="chips")


def test_a_model_of_terrain_wants_one(tmp_path: Path, run_command: Any, capsys: Any) -> None:
    config = copy_case(CASES / "64_model_with_terrain_place_without", tmp_path)
    for stage in ("chips", "describe", "split", "train"):
        assert run_command(stage, str(config)) == 0
    there = config.parent
    words = ["predict", str(there / "run"), "--dsm", str(there / "there_dsm.tif")]
    words += ["--areas", str(there / "there.gpkg"), "--out", str(there / "there")]
    assert run_command(*words) == 2
    assert "--dtm: missing, and this model learnt its heights above a terrain" in (
        capsys.readouterr().err
    )
