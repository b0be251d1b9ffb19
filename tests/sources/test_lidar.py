from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.lidar import Mosaic, check_same_place, open_mosaic
from basrelief.typed import Typed

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the code")


def write_tif(
    path: Path,
    values: NDArray[Any],
    *,
    west: float = 1000.0,
    north: float = 2000.0,
    cell: float = 2.0,
    nodata: float | None = None,
    crs: str | None = "EPSG:27700",
) -> Path:
    values = np.asarray(values)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype=values.dtype,
        crs=crs,
        nodata=nodata,
        transform=rasterio.Affine(cell, 0, west, 0, -cell, north),
    ) as dataset:
        dataset.write(values, 1)
    return path


def write_asc(path: Path, values: NDArray[Any], *, west: int = 1000, south: int = 1980) -> Path:
    rows, cols = values.shape
    head = f"ncols {cols}\nnrows {rows}\nxllcorner {west}\nyllcorner {south}\ncellsize 2\n"
    body = "\n".join(" ".join(f"{v:g}" for v in row) for row in values)
    path.write_text(f"{head}NODATA_value -9999\n{body}\n")
    return path


def quiet() -> Notes:
    return Notes(Run("nowhere", quiet=True))


def open_here(folder: Path, typed: str = "*", crs: str | None = None) -> Mosaic:
    return open_mosaic(Typed("dsm", typed, folder / typed), crs, quiet())


def heights(rows: int = 10, cols: int = 10, start: float = 0.0) -> NDArray[np.float32]:
    return (np.arange(rows * cols, dtype=np.float32) + start).reshape(rows, cols)


def test_two_tiles_are_read_as_one(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights())
    write_tif(tmp_path / "b.tif", heights(start=100), west=1020)
    mosaic = open_here(tmp_path)
    raster = mosaic.read((1010, 1990, 1030, 2000))
    expected = np.hstack([heights(), heights(start=100)])[:5, 5:15]
    np.testing.assert_array_equal(raster.values, expected)
    assert raster.grid.bounds == (1010, 1990, 1030, 2000)
    assert mosaic.grid.bounds == (1000, 1980, 1040, 2000)


def test_ground_without_tiles_is_nan(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights())
    raster = open_here(tmp_path).read((990, 1990, 1004, 2010))
    assert raster.values.shape == (10, 7)
    assert np.isnan(raster.values[:5]).all()
    assert np.isnan(raster.values[:, :5]).all()
    assert (raster.values[5:, 5:] == heights()[:5, :2]).all()


@given(
    west=st.floats(980, 1020),
    south=st.floats(1970, 1990),
    width=st.floats(0.1, 30),
    height=st.floats(0.1, 30),
)
@settings(max_examples=50)
def test_a_window_is_the_smallest_that_covers_the_bounds(
    tmp_path_factory: pytest.TempPathFactory,
    west: float,
    south: float,
    width: float,
    height: float,
) -> None:
    folder = tmp_path_factory.mktemp("tile")
    write_tif(folder / "a.tif", heights())
    asked = (west, south, west + width, south + height)
    raster = open_here(folder).read(asked)
    outer = np.array(raster.grid.bounds)
    beyond = (outer - asked) * [-1, -1, 1, 1]
    assert (beyond > -0.01).all()
    assert (beyond < 2).all()
    n_rows, n_cols = raster.values.shape
    assert (outer[2] - outer[0], outer[3] - outer[1]) == (2 * n_cols, 2 * n_rows)


def test_nodata_is_nan_whether_declared_or_not(tmp_path: Path) -> None:
    values = heights().astype(np.float64)
    values[0, :5] = [-9999, -3.4028230607370965e38, np.inf, 1e20, np.nan]
    write_tif(tmp_path / "a.tif", values, nodata=7)
    read = open_here(tmp_path).read((1000, 1980, 1020, 2000)).values
    assert read.dtype == np.float32
    assert np.flatnonzero(np.isnan(read)).tolist() == [0, 1, 2, 3, 4, 7]


def test_the_first_tile_with_data_wins(tmp_path: Path) -> None:
    first = heights()
    first[:5] = -9999
    write_tif(tmp_path / "a.tif", first, nodata=-9999)
    write_tif(tmp_path / "b.tif", heights(start=1000))
    read = open_here(tmp_path).read((1000, 1980, 1020, 2000)).values
    np.testing.assert_array_equal(read[:5], heights(start=1000)[:5])
    np.testing.assert_array_equal(read[5:], heights()[5:])


def test_an_ascii_grid_that_starts_with_whole_numbers_keeps_its_decimals(tmp_path: Path) -> None:
    values = np.full((300, 500), -9999.0)
    values[-1] = 12.75
    write_asc(tmp_path / "a.asc", values, south=0)
    mosaic = open_here(tmp_path, crs="EPSG:27700")
    assert (mosaic.read((1000, 0, 1100, 2)).values == 12.75).all()


def test_tiles_inside_a_zip_are_found(tmp_path: Path) -> None:
    tile = write_asc(tmp_path / "su4419_DSM_1M.asc", heights())
    with zipfile.ZipFile(tmp_path / "LIDAR-DSM-1M-SU41 (old).zip", "w") as archive:
        archive.write(tile, "deep/su4419_DSM_1M.asc")
        archive.writestr("index.txt", "FILENAME")
    tile.unlink()
    mosaic = open_here(tmp_path, "*.zip", crs="EPSG:27700")
    assert mosaic.tiles[0].name == "LIDAR-DSM-1M-SU41 (old).zip/deep/su4419_DSM_1M.asc"
    np.testing.assert_array_equal(mosaic.read(mosaic.grid.bounds).values, heights())


def test_grids_that_differ_in_the_last_digits_are_one(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights(), cell=1.0000000000000124, west=1000.0001220703)
    write_tif(tmp_path / "b.tif", heights(), cell=1.0, west=1010.00012207)
    mosaic = open_here(tmp_path)
    assert mosaic.read(mosaic.grid.bounds).values.shape == (10, 20)
    assert mosaic.read((1000, 1990, 1020, 2000)).values.shape == (10, 20)


def test_a_folder_with_brackets_in_its_name_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "lidar [old]"
    folder.mkdir()
    write_tif(folder / "a.tif", heights())
    assert len(open_here(folder, "*.tif").tiles) == 1


def test_a_stored_scale_is_applied(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", heights().astype(np.int16), nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.01,), (20.0,)
    read = open_here(tmp_path).read((1000, 1998, 1006, 2000)).values
    np.testing.assert_allclose(read, [[np.nan, 20.01, 20.02]], rtol=1e-6)


def test_a_mosaic_can_be_sent_to_another_process(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights())
    mosaic = open_here(tmp_path)
    mosaic.read(mosaic.grid.bounds)
    copy = pickle.loads(pickle.dumps(mosaic))
    np.testing.assert_array_equal(copy.read(mosaic.grid.bounds).values, heights())


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("basrelief.sources.lidar.MAX_OPEN", 8)
    for number in range(12):
        write_tif(tmp_path / f"{number:02d}.tif", heights(), west=1000 + 20 * number)
    mosaic = open_here(tmp_path)
    assert not np.isnan(mosaic.read(mosaic.grid.bounds).values).any()
    assert len(mosaic._datasets) == 8


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.dsm = 'x/\*\.tif': no file matches"):
        open_here(tmp_path, "x/*.tif")


def test_a_folder_instead_of_a_pattern_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    with pytest.raises(InputError, match=r'a folder.*"tiles/\*\.tif"'):
        open_here(tmp_path, "tiles")


def test_a_file_that_is_no_raster_is_named_before_a_missing_crs(tmp_path: Path) -> None:
    write_asc(tmp_path / "a.asc", heights())
    (tmp_path / "z.txt").write_text("readme")
    with pytest.raises(InputError, match=r"z\.txt: this is no raster"):
        open_here(tmp_path)


def test_a_missing_crs_is_said_before_anything_else(tmp_path: Path) -> None:
    write_asc(tmp_path / "a.asc", heights())
    write_tif(tmp_path / "b.tif", heights(), cell=5)
    with pytest.raises(InputError, match=r'a\.asc: carries no CRS.*data\.crs = "EPSG:27700"'):
        open_here(tmp_path)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("EPSG:999999", r"data\.crs = 'EPSG:999999': no such CRS"),
        ("EPSG:4326", r"data\.crs: EPSG:4326 is not a projected CRS in metres"),
        ("EPSG:2263", r"data\.crs: EPSG:2263 is not a projected CRS in metres"),
    ],
)
def test_a_crs_that_cannot_serve_is_refused(tmp_path: Path, typed: str, message: str) -> None:
    write_asc(tmp_path / "a.asc", heights())
    with pytest.raises(InputError, match=message):
        open_here(tmp_path, crs=typed)


def test_a_typed_crs_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights())
    with pytest.raises(InputError, match=r"'EPSG:32630': a\.tif itself says EPSG:27700"):
        open_here(tmp_path, crs="EPSG:32630")


def test_a_crs_with_heights_counts_as_its_horizontal_part(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights(), crs="EPSG:7405")
    write_tif(tmp_path / "b.tif", heights(), west=1020)
    assert open_here(tmp_path).crs.to_epsg() == 27700


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"crs": "EPSG:32630"}, r"a\.tif is in EPSG:27700, b\.tif in EPSG:32630"),
        ({"west": 1020.5}, r"b\.tif lies 0\.25 of a cell off the grid of a\.tif"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(
    tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    write_tif(tmp_path / "a.tif", heights())
    write_tif(tmp_path / "b.tif", heights(), **other)
    with pytest.raises(InputError, match=message):
        open_here(tmp_path)


def test_a_raster_without_a_place_is_refused(tmp_path: Path) -> None:
    Image.fromarray(heights()).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: carries no place on the ground"):
        open_here(tmp_path, crs="EPSG:27700")


def test_a_zip_without_a_raster_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("index.txt", "FILENAME")
    with pytest.raises(InputError, match=r"a\.zip: holds no raster"):
        open_here(tmp_path)


def test_a_broken_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"a\.zip: cannot be opened as a zip archive"):
        open_here(tmp_path)


def test_a_truncated_geotiff_is_named(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", heights(200, 200))
    path.write_bytes(path.read_bytes()[:20_000])
    mosaic = open_here(tmp_path)
    with pytest.raises(InputError, match=r"^a\.tif: cannot be read to its end"):
        mosaic.read(mosaic.grid.bounds)


def test_a_truncated_ascii_grid_is_named(tmp_path: Path) -> None:
    path = write_asc(tmp_path / "a.asc", heights(100, 100))
    path.write_bytes(path.read_bytes()[:20_000])
    mosaic = open_here(tmp_path, crs="EPSG:27700")
    with pytest.raises(InputError, match=r"^a\.asc: cannot be read to its end"):
        mosaic.read(mosaic.grid.bounds)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"crs": "EPSG:32630"}, "its CRS is EPSG:32630, that of data.dsm EPSG:27700"),
        ({"cell": 10.0}, "its cells are 10 m, those of data.dsm 2 m.* of 8 m or finer"),
        ({"west": 9000.0}, "they share no ground"),
    ],
)
def test_a_terrain_that_does_not_match_is_refused(
    tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    write_tif(tmp_path / "dsm.tif", heights())
    write_tif(tmp_path / "dtm.tif", heights(), **other)
    with pytest.raises(InputError, match=message):
        check_same_place(open_here(tmp_path, "dsm*"), open_here(tmp_path, "dtm*"), quiet())


@pytest.mark.parametrize("cell", [1.0, 5.0])
def test_a_terrain_of_other_cells_is_taken_with_a_word(tmp_path: Path, cell: float) -> None:
    write_tif(tmp_path / "dsm.tif", heights())
    write_tif(tmp_path / "dtm.tif", heights(), cell=cell)
    notes = quiet()
    check_same_place(open_here(tmp_path, "dsm*"), open_here(tmp_path, "dtm*"), notes)
    assert notes.lines == [
        f"data.dsm: its cells are {cell:g} m, those of data.dsm 2 m; each is brought to the "
        "chips' cells from its own"
    ]


def test_bounds_without_ground_are_refused(tmp_path: Path) -> None:
    write_tif(tmp_path / "a.tif", heights())
    with pytest.raises(ValueError, match="west, south, east, north"):
        open_here(tmp_path).read((1010, 1990, 1010, 2000))


@pytest.mark.real
@NEEDS_DATA
def test_real_ascii_tiles_read_alike_in_small_and_large_windows() -> None:
    mosaic = open_here(DATA, "lidar/tq28ne/*.asc", crs="EPSG:27700")
    assert (len(mosaic.tiles), mosaic.grid.cell_m) == (25, 2.0)
    assert mosaic.grid.bounds == (525000, 185000, 530000, 190000)
    whole = mosaic.read(mosaic.grid.bounds).values
    assert np.isnan(whole).mean() == pytest.approx(0.003, abs=0.001)
    assert (np.nanmin(whole), np.nanmax(whole)) == pytest.approx((28.7, 159.5), abs=0.05)
    part = mosaic.read((525900, 186900, 526124, 187124)).values
    np.testing.assert_array_equal(part, whole[1438:1550, 450:562])


@pytest.mark.real
@NEEDS_DATA
def test_real_surface_and_terrain_with_different_nodata_match() -> None:
    dsm = open_here(DATA, "lidar/barbican/dsm*.tif")
    dtm = open_here(DATA, "lidar/barbican/dem*.tif")
    check_same_place(dsm, dtm, quiet())
    above = dsm.read(dsm.grid.bounds).values - dtm.read(dsm.grid.bounds).values
    assert above.shape == (601, 651)
    assert np.nanmean(above) == pytest.approx(14.29, abs=0.01)


@pytest.mark.real
@NEEDS_DATA
def test_a_real_tile_without_crs_is_refused() -> None:
    with pytest.raises(InputError, match=r"tq2585_DSM_2M\.asc: carries no CRS"):
        open_here(DATA, "lidar/tq28ne/*.asc")
