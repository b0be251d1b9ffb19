from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer
from rasterio.transform import from_origin

from basrelief.run import Run, write_json
from basrelief.tell.maps.contributions import read_contributions, write_rasters
from basrelief.tell.page import map_pictures
from basrelief.tell.page.map_pictures import make_map_picture, shade_contributions

WEST, NORTH, CELL_M = 530000.0, 180000.0, 10.0
RECORD = {
    "recipe": "dense-vgg16",
    "target": "crime",
    "file": "explain/dense-vgg16/crime.tif",
    "unit": "points",
    "layer": "heights",
}


def write_contributions(folder: Path, values: np.ndarray) -> Run:
    """Write a contribution map as explaining would, on the National Grid."""
    run = Run(folder, quiet=True)
    path = folder / RECORD["file"]
    path.parent.mkdir(parents=True)
    profile: dict[str, Any] = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan}
    profile |= {"height": values.shape[0], "width": values.shape[1], "crs": "EPSG:27700"}
    profile["transform"] = from_origin(WEST, NORTH, CELL_M, CELL_M)
    with rasterio.open(path, "w", **profile) as raster:
        raster.write(values.astype(np.float32), 1)
    write_json(run.explain / "contributions.json", [RECORD, RECORD | {"file": "explain/gone.tif"}])
    return run


def make_values() -> np.ndarray:
    """East raises, west lowers, the south is not covered."""
    values = np.tile(np.linspace(-1, 1, 120), (80, 1))
    values[60:] = np.nan
    return values


def test_a_run_without_contributions_has_none(tmp_path: Path) -> None:
    assert read_contributions(Run(tmp_path)) == []


def test_only_contributions_whose_file_is_there_are_read(tmp_path: Path) -> None:
    run = write_contributions(tmp_path, make_values())
    assert read_contributions(run) == [RECORD]


def test_rasters_are_cloud_optimised_and_have_the_same_values(tmp_path: Path) -> None:
    run = write_contributions(tmp_path, make_values())
    write_rasters([RECORD], run, tmp_path)
    with rasterio.open(tmp_path / "crime-dense-vgg16.tif") as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.bounds.left == WEST
        assert raster.bounds.top == NORTH
        np.testing.assert_array_equal(raster.read(1), make_values().astype(np.float32))
    assert "singlebandpseudocolor" in (tmp_path / "crime-dense-vgg16.qml").read_text()


def test_an_overlay_lies_on_its_ground(tmp_path: Path) -> None:
    overlay = make_map_picture(RECORD, write_contributions(tmp_path, make_values()))
    assert overlay is not None
    to_degrees = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True)
    corner = to_degrees.transform(WEST, NORTH)
    # The grid is turned a little against the web's: its box reaches a few cells beyond.
    assert overlay["corners"][0] == pytest.approx(corner, abs=5e-4)
    west, east = overlay["corners"][0][0], overlay["corners"][1][0]
    assert east - west == pytest.approx(120 * CELL_M / 69_500, rel=0.05)


def test_what_raises_is_orange_what_lowers_purple_and_what_is_not_covered_clear(
    tmp_path: Path,
) -> None:
    overlay = make_map_picture(RECORD, write_contributions(tmp_path, make_values()))
    assert overlay is not None
    data = base64.b64decode(overlay["picture"].split(",")[1])
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    middle, n_cols = picture.shape[0] // 3, picture.shape[1]
    raises, lowers = picture[middle, n_cols - 8], picture[middle, 8]
    assert raises[:3].tolist() == [230, 97, 1]
    assert lowers[:3].tolist() == [94, 60, 153]
    assert raises[3] > 200
    assert picture[middle, n_cols // 2, 3] < 40
    assert picture[-3, :, 3].max() == 0


def test_a_picture_that_is_too_large_gets_fewer_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=(300, 300))
    run = write_contributions(tmp_path, values)
    monkeypatch.setattr(map_pictures, "MAX_BYTES", 20_000)
    overlay = make_map_picture(RECORD, run)
    assert overlay is not None
    assert len(overlay["picture"]) < 20_000 * 4 / 3 + 100


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_where_nothing_contributes_there_is_no_overlay(tmp_path: Path, value: float) -> None:
    run = write_contributions(tmp_path, np.full((20, 20), value))
    assert make_map_picture(RECORD, run) is None


def test_pictures_are_small() -> None:
    values = np.random.default_rng(0).normal(size=(800, 800)).astype(np.float32)
    assert len(shade_contributions(values, 2.0)) < map_pictures.MAX_BYTES
