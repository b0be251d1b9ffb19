from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from basrelief.config import InputError, Typed
from basrelief.run import Notes, Run
from basrelief.sources.pictures import Pictures, open_picture, read_pictures

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the code")


def make_pictures(folder: Path, *ids: int) -> None:
    (folder / "LIDAR").mkdir(exist_ok=True)
    for number in ids:
        Image.new("RGBA", (8, 8), (10, 20, 30, 255)).save(folder / "LIDAR" / f"LIDAR_{number}.png")


def read(
    folder: Path,
    table: str,
    *,
    targets: list[str] | Literal["all"] = "all",
    area_column: str | None = None,
) -> Pictures:
    (folder / "table.csv").write_text(table, encoding="utf-8-sig")
    return read_pictures(
        Typed("images", "LIDAR", folder / "LIDAR"),
        Typed("table", "table.csv", folder / "table.csv"),
        targets=targets,
        area_column=area_column,
        notes=Notes(Run(folder, quiet=True)),
    )


def test_pictures_meet_their_rows_in_the_tables_order(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1, 2, 3)
    pictures = read(tmp_path, "id,LSOA11CD,LAD17CD,crime\n3,E01,E09,.5\n1,E02,,\n9,E03,E09,1\n")
    frame = pictures.frame
    assert frame["chip_id"].tolist() == ["3", "1"]
    assert frame["picture"].tolist() == ["LIDAR_3.png", "LIDAR_1.png"]
    assert frame["area_id"].tolist() == ["E01", "E02"]
    assert frame["lad"].tolist() == ["E09", None]
    assert frame["msoa"].tolist() == [None, None]
    assert frame["crime"].isna().tolist() == [False, True]
    assert pictures.pictures_without_row == ("LIDAR_2.png",)
    assert pictures.rows_without_picture == ("9",)
    assert (pictures.n_pictures, pictures.n_rows, pictures.targets) == (3, 3, ("crime",))


@pytest.mark.parametrize("place", ["LIDAR_2.png", "old/LIDAR/LIDAR_2.png", "C:\\x\\LIDAR_2.png"])
def test_pictures_are_found_by_their_location(tmp_path: Path, place: str) -> None:
    make_pictures(tmp_path, 1, 2)
    frame = read(tmp_path, f"image_location,crime\n{place},.5\n").frame
    assert frame["picture"].tolist() == ["LIDAR_2.png"]
    assert frame["chip_id"].tolist() == ["2"]
    assert frame["area_id"].tolist() == [None]


def test_rows_given_twice_are_merged_and_conflicts_reported(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1, 2)
    pictures = read(tmp_path, "id,crime\n1,.5\n1,.5\n2,1\n2,7\n")
    assert pictures.frame["crime"].tolist() == [0.5, 1.0]
    assert pictures.duplicates == ("2",)
    assert pictures.n_rows == 4


def test_hidden_copies_are_no_pictures(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    (tmp_path / "LIDAR" / "._LIDAR_1.png").write_bytes(b"")
    assert read(tmp_path, "id,crime\n1,.5\n").n_pictures == 1


def test_ids_that_a_spreadsheet_made_decimal_are_found(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    assert read(tmp_path, "id,crime\n1.0,.5\n").frame["chip_id"].tolist() == ["1"]


def test_a_typed_area_column_is_taken(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    frame = read(tmp_path, "id,zone,crime\n1,Z,.5\n", area_column="zone").frame
    assert frame["area_id"].tolist() == ["Z"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,crime\n1,.5\n", r'neither a column "id" nor "image_location".*name, crime'),
        ("id,crime\n7,.5\n", r"none of its 1 rows has a picture.*'7'.*'LIDAR_1\.png'"),
        ("id,gini\n1,.5\n", r'no column for "all".*id, gini'),
        ("id,crime\n1,low\n", r"'crime' .* must be finite numbers, found 'low'"),
        ("id,crime\n", "has headings but no rows"),
        ("", "the file is empty"),
    ],
)
def test_a_table_that_cannot_serve_is_refused(tmp_path: Path, table: str, message: str) -> None:
    make_pictures(tmp_path, 1)
    with pytest.raises(InputError, match=rf"data\.ta.*{message}"):
        read(tmp_path, table)


def test_a_typed_area_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    with pytest.raises(InputError, match=r"data\.area_column = 'zone'.*id, crime"):
        read(tmp_path, "id,crime\n1,.5\n", area_column="zone")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.images = 'LIDAR': no such folder"):
        read(tmp_path, "id,crime\n1,.5\n")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LIDAR").mkdir()
    with pytest.raises(InputError, match=r"data\.images = 'LIDAR': holds no PNG file"):
        read(tmp_path, "id,crime\n1,.5\n")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    images = Typed("images", "LIDAR", tmp_path / "LIDAR")
    absent = Typed("table", "t.csv", tmp_path / "t.csv")
    notes = Notes(Run(tmp_path, quiet=True))
    with pytest.raises(InputError, match=r"data\.table = 't\.csv': no such file"):
        read_pictures(images, absent, targets="all", area_column=None, notes=notes)


def test_a_picture_is_read_as_three_bands(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    pixels = open_picture(tmp_path / "LIDAR" / "LIDAR_1.png", 8)
    assert pixels.shape == (3, 8, 8)
    assert pixels.dtype == np.uint8
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]


def test_a_picture_of_another_size_is_resized(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    assert open_picture(tmp_path / "LIDAR" / "LIDAR_1.png", 32).shape == (3, 32, 32)


@pytest.mark.parametrize("keep", [0, 20, 60, 0.5, 0.9])
def test_a_truncated_picture_is_an_oserror(tmp_path: Path, keep: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: int(keep if keep >= 1 else keep * len(whole))])
    with pytest.raises(OSError, match=r"^a\.png: cannot be read"):
        open_picture(tmp_path / "a.png", 64)


def test_a_picture_with_flipped_bytes_is_an_oserror(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    damaged = bytearray((tmp_path / "a.png").read_bytes())
    damaged[200:300] = bytes(100)
    (tmp_path / "a.png").write_bytes(damaged)
    with pytest.raises(OSError, match=r"^a\.png: cannot be read"):
        open_picture(tmp_path / "a.png", 64)


def test_a_picture_of_sixteen_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: mode I;16 has more than 8 bits"):
        open_picture(tmp_path / "a.png", 8)


@pytest.mark.real
@NEEDS_DATA
def test_the_real_coursework_set_is_matched() -> None:
    folder = DATA / "coursework"
    pictures = read_pictures(
        Typed("images", "LIDAR", folder / "LIDAR"),
        Typed("table", "EmbeddingData.csv", folder / "EmbeddingData.csv"),
        targets="all",
        area_column=None,
        notes=Notes(Run(folder, quiet=True)),
    )
    table = pd.read_csv(folder / "EmbeddingData.csv")
    assert (pictures.n_pictures, pictures.n_rows, len(pictures.frame)) == (841, 656, 656)
    assert len(pictures.pictures_without_row) == 185
    assert (pictures.rows_without_picture, pictures.duplicates) == ((), ())
    assert pictures.frame["chip_id"].tolist() == table["id"].astype(str).tolist()
    assert pictures.frame["crime"].tolist() == table["crime"].tolist()
    assert pictures.frame["area_id"].nunique() == 112
    pixels = open_picture(folder / "LIDAR" / pictures.frame["picture"].iloc[0], 224)
    assert pixels.shape == (3, 224, 224)
