from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from basrelief.sources.fetch.client import ServiceError
from basrelief.sources.fetch.heights import check_heights, list_squares_with
from basrelief.sources.formats import CHECKED_BYTES

WEST, NORTH = 525_000, 190_000  # TQ28NE


def write(path: Path, values: np.ndarray, crs: int | None = 27700, cell_m: float = 1.0) -> Path:
    planes = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=planes.shape[2],
        height=planes.shape[1],
        count=len(planes),
        dtype=planes.dtype,
        crs=crs,
        transform=rasterio.Affine(cell_m, 0, WEST, 0, -cell_m, NORTH),
    ) as dataset:
        dataset.write(planes)
    return path


HEIGHTS = np.linspace(1, 90, 2500, dtype=np.float32).reshape(50, 50)


@pytest.mark.parametrize(
    ("values", "crs", "cell_m", "message"),
    [
        (HEIGHTS * 0, 27700, 1.0, "0 or without data everywhere"),
        (HEIGHTS * np.nan, 27700, 1.0, "0 or without data everywhere"),
        (HEIGHTS * 0 - 3.4e38, 27700, 1.0, "0 or without data everywhere"),
        (HEIGHTS.round(), 27700, 1.0, "a picture, no heights"),
        (HEIGHTS.astype(np.uint8), 27700, 1.0, "whole numbers of one byte"),
        (np.stack([HEIGHTS] * 3), 27700, 1.0, "has 3 bands"),
        (HEIGHTS, 32630, 1.0, "in EPSG:32630, not on the National Grid"),
        (HEIGHTS, 27700, 2.0, "cells of 2 m, asked for were 1 m"),
        (HEIGHTS.repeat(101, 1), 27700, 1.0, "which is not TQ28NE"),
    ],
)
def test_what_is_no_heights_of_the_square_is_refused(
    tmp_path: Path, values: np.ndarray, crs: int, cell_m: float, message: str
) -> None:
    path = write(tmp_path / "a.tif", values, crs, cell_m)
    with pytest.raises(ServiceError, match=message):
        check_heights("TQ28NE", 1.0)(path)


@pytest.mark.parametrize("crs", [27700, None])
def test_heights_are_taken_with_whole_or_without_a_system(tmp_path: Path, crs: int | None) -> None:
    check_heights("TQ28NE", 1.0)(write(tmp_path / "a.tif", HEIGHTS, crs))
    # Level at 300 m, or below the sea, whole numbers are no picture.
    check_heights("TQ28NE", 1.0)(write(tmp_path / "b.tif", HEIGHTS.round() + 300, crs))
    check_heights("TQ28NE", 1.0)(write(tmp_path / "c.tif", HEIGHTS.round() - 5, crs))


def test_an_altered_byte_deep_in_an_archive_is_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((3000, 3000), np.float32)
    # Of the first bytes alone every reader of archives looks at the checksum.
    assert values.nbytes > 2 * CHECKED_BYTES
    raster, archive = write(tmp_path / "a.tif", values), tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(raster, "a.tif")
    check_heights("TQ28NE", 1.0)(archive)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ServiceError, match=r"a\.tif in it was altered on the way"):
        check_heights("TQ28NE", 1.0)(archive)


def test_an_archive_without_heights_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("readme.txt", "nothing here")
    with pytest.raises(ServiceError, match="it: holds no raster"):
        check_heights("TQ28NE", 1.0)(archive)


def test_squares_of_a_place_are_those_with_its_ground() -> None:
    square = shapely.box(525_000, 185_000, 530_000, 190_000)
    assert list_squares_with(square, 5_000) == ["TQ28NE"]
    # Two parts far from each other, and a hole as wide as a square.
    ring = square.buffer(100, join_style="mitre").difference(square)
    assert len(list_squares_with(ring, 5_000)) == 8
    parts = shapely.union_all([shapely.box(1, 1, 2, 2), shapely.box(20_001, 1, 20_002, 2)])
    assert list_squares_with(parts, 1_000) == ["SV0000", "SV2000"]
