"""Photos as files: which bands are which, what numbers mean, and where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import Affine
from rasterio.enums import ColorInterp

from basrelief.config import InputError
from basrelief.eyes import PhotoSettings
from basrelief.grid import Grid
from basrelief.sources.overlays import OverlayFile, read_overlay, read_overlay_header
from basrelief.sources.tiles import RasterFile

GRID = Grid(500_000.0, 100_000.0, 10.0, (12, 16))
RGB = ["red", "green", "blue"]
BNG = CRS.from_epsg(27700)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a GeoTIFF: its numbers, and what its header says."""

    def write_file(
        values: NDArray[Any],
        names: list[str] | None = None,
        *,
        path: str = "photo.tif",
        tags: dict[str, str] | None = None,
        scale: float | None = None,
        offset: float = 0.0,
        **profile: Any,
    ) -> Path:
        count, height, width = values.shape
        usual = {"crs": "EPSG:27700", "transform": GRID.transform, "photometric": "minisblack"}
        with rasterio.open(
            tmp_path / path,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=values.dtype,
            **(usual | profile),
        ) as dataset:
            dataset.write(values)
            if names:
                dataset.descriptions = names
            if tags:
                dataset.update_tags(**tags)
            if scale is not None:
                dataset.scales, dataset.offsets = [scale] * count, [offset] * count
        return tmp_path / path

    return write_file


def draw(n_bands: int, kind: str = "uint8") -> NDArray[Any]:
    """Numbers of each band from its own hundred on."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 50, (n_bands, *GRID.shape))
    return (values + 50 * np.arange(n_bands)[:, None, None]).astype(kind)


def open_file(path: Path, bands: list[str] = RGB, **asked: Any) -> OverlayFile:
    settings = PhotoSettings(files="*.tif", bands=bands, **asked)
    return read_overlay_header(RasterFile(path, None, path.name, False), settings, BNG)


def read(path: Path, bands: list[str] = RGB, grid: Grid = GRID, **asked: Any) -> NDArray[Any]:
    found = read_overlay(open_file(path, bands, **asked), grid)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("names", "asked", "at"),
    [
        (["Blue", "Green", "Red", "NIR"], ["red", "green", "blue"], [2, 1, 0]),
        (["B02", "B03", "B04", "B08"], ["red", "green", "blue"], [2, 1, 0]),
        (["B02", "B03", "B04", "B08"], ["B08", "B04", "B03"], [3, 2, 1]),
        (None, ["blue", "green", "red", "nir"], [0, 1, 2, 3]),
        (["a", "b", "c", "d"], ["blue", "green", "red", "nir"], [0, 1, 2, 3]),
    ],
)
def test_bands_are_found_by_name_or_else_by_their_order(
    write: Write, names: list[str] | None, asked: list[str], at: list[int]
) -> None:
    values = draw(4)
    found = read(write(values, names), asked)
    np.testing.assert_array_equal(found, values[at].astype(np.float32))


@pytest.mark.parametrize(
    ("n_bands", "names", "says"),
    [
        (4, None, "it has 4 bands"),
        (3, ["red", "gren", "blue"], "its bands are red, gren, blue"),
        (4, ["red", "green", "b", "nir"], "its bands are red, green, b, nir"),
    ],
)
def test_bands_that_do_not_fit_are_refused(
    write: Write, n_bands: int, names: list[str] | None, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        open_file(write(draw(n_bands), names))


def test_a_files_own_scale_and_offset_make_reflectances(write: Write) -> None:
    values = draw(3, "uint16") * 20 + 1000
    path = write(values, RGB, scale=1e-4, offset=-0.1)
    assert open_file(path).unit == "reflectance"
    np.testing.assert_allclose(read(path), values * 1e-4 - 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("tags", "offset"),
    [
        ({"PROCESSING_BASELINE": "04.00"}, -1000),
        ({"PROCESSING_BASELINE": "05.10", "BOA_QUANTIFICATION_VALUE": "10000"}, -1000),
        ({"PROCESSING_BASELINE": "03.01"}, 0),
        ({"BOA_QUANTIFICATION_VALUE": "10000", "BOA_ADD_OFFSET": "-1000"}, -1000),
    ],
)
def test_sentinel_2_says_its_offset_by_its_processing_baseline(
    write: Write, tags: dict[str, str], offset: int
) -> None:
    values = draw(3, "uint16") * 20 + 1000
    found = read(write(values, RGB, tags=tags))
    np.testing.assert_allclose(found, (values.astype(np.float64) + offset) / 1e4, atol=1e-6)


def test_numbers_of_16_bits_without_a_scale_are_refused_and_can_be_given_one(write: Write) -> None:
    values = draw(3, "uint16") * 20
    path = write(values, RGB)
    with pytest.raises(InputError, match=r"16 bits and does not say .* scale = 0.0001"):
        open_file(path)
    found = read(path, scale=1e-4, offset=-0.1)
    np.testing.assert_allclose(found, values * 1e-4 - 0.1, atol=1e-6)


def test_a_scale_that_contradicts_the_file_is_refused(write: Write) -> None:
    path = write(draw(3, "uint16"), RGB, scale=1e-4)
    with pytest.raises(InputError, match=r"multiplied by 0.0001 .* offset say 0.001 and 0"):
        open_file(path, scale=1e-3)


def test_nodata_alpha_and_blank_corners_are_no_data(write: Write) -> None:
    values = draw(3)
    values[:, 2, 3] = 200
    assert np.isnan(read(write(values, nodata=200))[:, 2, 3]).all()
    values[:, 5, 5] = 0
    found = read(write(values))
    assert np.isnan(found).sum() == 3
    assert np.isnan(found[:, 5, 5]).all()
    path = write(np.concatenate([values, np.full((1, *GRID.shape), 255, np.uint8)]))
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (*dataset.colorinterp[:3], ColorInterp.alpha)
        alpha = np.full(GRID.shape, 255, np.uint8)
        alpha[7, 1] = 0
        dataset.write(alpha, 4)
    found = read(path)
    assert np.isnan(found[:, 7, 1]).all()
    # Where a file says what is no data, a black cell is a black cell.
    assert (found[:, 5, 5] == 0).all()


def test_a_mask_of_the_dataset_is_respected(write: Write) -> None:
    path = write(draw(3))
    with rasterio.open(path, "r+") as dataset:
        mask = np.full(GRID.shape, 255, np.uint8)
        mask[4:6, 2:9] = 0
        dataset.write_mask(mask)
    found = open_file(path)
    assert np.isnan(read_overlay(found, GRID)[0]).sum() == 14  # type: ignore[index]


def test_clouds_and_their_shadows_are_masked_by_sentinel_2s_classes(write: Write) -> None:
    classes = np.full(GRID.shape, 4)  # vegetation
    classes[0, :12] = np.arange(12)
    values = np.concatenate([draw(3, "uint16") * 50, classes[None].astype(np.uint16)])
    path = write(values, [*RGB, "SCL"], tags={"PROCESSING_BASELINE": "03.00"})
    is_known = np.isfinite(read(path, mask="SCL")[0])
    assert np.flatnonzero(~is_known[0]).tolist() == [0, 1, 3, 8, 9, 10]
    assert is_known[1:].all()
    assert np.isfinite(read(path)).all()


def test_another_crs_is_warped_to_where_things_are(write: Write) -> None:
    """A field of a known colour at a known place, in UTM, is found there in the National Grid."""
    centre = (500_080.0, 99_940.0)
    from pyproj import Transformer

    x, y = Transformer.from_crs(27700, 32630, always_xy=True).transform(*centre)
    values = np.full((3, 60, 60), 20, np.uint8)
    values[:, 28:32, 28:32] = 220
    corner = Affine(10.0, 0.0, x - 300.0, 0.0, -10.0, y + 300.0)
    path = write(values, RGB, crs="EPSG:32630", transform=corner)
    found = read(path)
    assert np.isfinite(found).all()
    rows, cols = np.nonzero(found[0] > 120)
    middle = (
        GRID.west + 10.0 * (cols.mean() + 0.5),
        GRID.north - 10.0 * (rows.mean() + 0.5),
    )
    np.testing.assert_allclose(middle, centre, atol=5.0)


def test_rows_from_the_south_are_turned_round(write: Write) -> None:
    values = draw(3)
    _, south, _, _ = GRID.bounds
    upward = Affine(10.0, 0.0, GRID.west, 0.0, 10.0, south)
    np.testing.assert_allclose(read(write(values[:, ::-1], transform=upward)), values, atol=1e-3)


def test_what_a_file_does_not_show_is_unknown(write: Write) -> None:
    path = write(draw(3))
    found = read(path, grid=GRID.pad(4))
    assert np.isfinite(found[0]).sum() == GRID.n_cells
    aside = Grid(900_000.0, 100_000.0, 10.0, (5, 5))
    assert read_overlay(open_file(path), aside) is None


@pytest.mark.parametrize(
    ("tags", "path", "date"),
    [
        ({"ACQUISITION_DATE": "2021-06-12"}, "a.tif", "2021-06-12"),
        ({"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}, "a.tif", None),
        ({}, "S2A_30UXC_20210612_0_L2A.tif", "2021-06-12"),
        ({}, "S2A_MSIL2A_20210612T105031_N0500.tif", "2021-06-12"),
        ({}, "tile_20219999.tif", None),
    ],
)
def test_the_day_of_a_photo_is_that_of_its_metadata_or_its_name(
    write: Write, tags: dict[str, str], path: str, date: str | None
) -> None:
    assert open_file(write(draw(3), path=path, tags=tags)).date == date
