from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from PIL import Image

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.picture_files import open_picture
from basrelief.sources.pictures import Pictures, read_pictures
from basrelief.typed import Typed

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason="the real data are not beside the code")


def make_pictures(folder: Path, *ids: int) -> None:
    (folder / "LIDAR").mkdir(exist_ok=True)
    for number in ids:
        Image.new("RGBA", (8, 8), (10, 20, 30, 255)).save(folder / "LIDAR" / f"LIDAR_{number}.png")


def no_notes() -> Notes:
    return Notes(Run(Path(), quiet=True))


def read(
    folder: Path,
    table: str,
    *,
    targets: list[str] | Literal["all"] = "all",
    area_column: str | None = None,
    notes: Notes | None = None,
    needs_labels: bool = True,
) -> Pictures:
    (folder / "table.csv").write_text(table, encoding="utf-8-sig")
    return read_pictures(
        Typed("images", "LIDAR", folder / "LIDAR"),
        Typed("table", "table.csv", folder / "table.csv"),
        targets=targets,
        area_column=area_column,
        notes=notes or no_notes(),
        needs_labels=needs_labels,
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


def lay(folder: Path, *names: str) -> None:
    """Lay pictures of other names, or in sub-folders."""
    for name in names:
        path = folder / "LIDAR" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).convert("RGB").save(path)


FOUND = {
    "zeros lost": (["LIDAR_0007.png"], "id,crime\n7,1\n", ["0007"], "found by their number"),
    "zeros kept": (["LIDAR_0007.png"], "id,crime\n0007,1\n", ["0007"], None),
    "decimals": (["LIDAR_100.png"], "id,crime\n100.00,1\n", ["100"], None),
    "lower case": (["lidar_100.png"], "id,crime\n100,1\n", ["100"], None),
    "no prefix": (["100.png"], "id,crime\n100,1\n", ["100"], None),
    "JPEG": (["LIDAR_100.jpg", "LIDAR_101.JPEG"], "id,crime\n100,1\n101,2\n", ["100", "101"], None),
    "TIFF": (["LIDAR_100.tif"], "id,crime\n100,1\n", ["100"], None),
    "capitals above": (["LIDAR_100.png"], "ID,crime\n100,1\n", ["100"], None),
    "two folders": (
        ["north/LIDAR_1.png", "south/LIDAR_1.png"],
        "image_location,crime\nnorth/LIDAR_1.png,1\nsouth\\LIDAR_1.png,2\n",
        ["north/1", "south/1"],
        None,
    ),
    "folders below, ids": (["a/LIDAR_1.png", "b/LIDAR_2.png"], "id,crime\n2,1\n", ["2"], None),
    "a running number as id": (
        ["LIDAR_100.png", "LIDAR_101.png"],
        "id,image_location,crime\n0,LIDAR_101.png,1\n1,LIDAR_100.png,2\n",
        ["101", "100"],
        "found by image_location (2 of 2 rows)",
    ),
    "stale paths beside ids": (
        ["LIDAR_1.png"],
        "id,image_location,crime\n1,gone/LIDAR_9.png,1\n",
        ["1"],
        None,
    ),
    "an accent of a Mac": (["LIDAR_e\u0301.png"], "id,crime\n\u00e9,1\n", ["\u00e9"], None),
    "sub-folders beside": (
        ["LIDAR_1.png", "old/LIDAR_1.png"],
        "id,crime\n1,1\n",
        ["1"],
        "1 pictures in its sub-folders are not read",
    ),
    "a column of parts": (
        ["LIDAR_1.png", "LIDAR_2.png"],
        "id,Set,crime\n1,Train,1\n2,test,2\n",
        ["1", "2"],
        "its column 'Set' (test, train) is not used",
    ),
    "one part alone": (["LIDAR_1.png"], "id,set,crime\n1,train,1\n", ["1"], None),
}


@pytest.mark.parametrize("kind", FOUND)
def test_pictures_are_found(kind: str, tmp_path: Path) -> None:
    names, table, ids, says = FOUND[kind]
    lay(tmp_path, *names)
    notes = no_notes()
    frame = read(tmp_path, table, notes=notes).frame
    assert frame["chip_id"].tolist() == ids
    assert [says in line for line in notes.lines] == [True] if says else notes.lines == []


UNCLEAR = {
    "two files of one id": (
        ["LIDAR_1.png", "LIDAR_1.jpg"],
        "id,crime\n1,1\n",
        r"'LIDAR_1.jpg' and 'LIDAR_1.png' are both called as a row says",
    ),
    "the same name in two folders": (
        ["north/LIDAR_1.png", "south/LIDAR_1.png"],
        "id,crime\n1,1\n",
        r"'north/LIDAR_1.png' and 'south/LIDAR_1.png' are both called",
    ),
    "id and location disagree": (
        ["LIDAR_1.png", "LIDAR_2.png"],
        "id,image_location,crime\n1,LIDAR_2.png,1\n2,LIDAR_2.png,2\n",
        r"in 1 rows id and image_location mean different pictures .*'LIDAR_1.png' and 'LIDAR_2",
    ),
    "zeros lost from two": (
        ["LIDAR_07.png", "LIDAR_007.png"],
        "id,crime\n7,1\n",
        r"none of its 1 rows has a picture",
    ),
    "pictures of another kind": (["LIDAR_1.bmp"], "id,crime\n1,1\n", r"it holds .bmp"),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_what_may_be_meant_twice_is_refused(kind: str, tmp_path: Path) -> None:
    names, table, says = UNCLEAR[kind]
    lay(tmp_path, *names)
    with pytest.raises(InputError, match=says):
        read(tmp_path, table)


def test_a_models_new_pictures_need_no_labels(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    table = "id,health\n1,2\n"
    pictures = read(tmp_path, table, targets=["crime", "health"], needs_labels=False)
    assert pictures.targets == ("health",)


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
    with pytest.raises(InputError, match=r"data\.images = 'LIDAR': holds no picture"):
        read(tmp_path, "id,crime\n1,.5\n")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    images = Typed("images", "LIDAR", tmp_path / "LIDAR")
    absent = Typed("table", "t.csv", tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"data\.table = 't\.csv': no such file"):
        read_pictures(images, absent, targets="all", area_column=None, notes=no_notes())


@pytest.mark.real
@NEEDS_DATA
def test_the_real_coursework_set_is_matched() -> None:
    folder = DATA / "coursework"
    pictures = read_pictures(
        Typed("images", "LIDAR", folder / "LIDAR"),
        Typed("table", "EmbeddingData.csv", folder / "EmbeddingData.csv"),
        targets="all",
        area_column=None,
        notes=no_notes(),
    )
    table = pd.read_csv(folder / "EmbeddingData.csv")
    assert (pictures.n_pictures, pictures.n_rows, len(pictures.frame)) == (841, 656, 656)
    assert len(pictures.pictures_without_row) == 185
    assert (pictures.rows_without_picture, pictures.duplicates) == ((), ())
    assert pictures.frame["chip_id"].tolist() == table["id"].astype(str).tolist()
    assert pictures.frame["crime"].tolist() == table["crime"].tolist()
    assert pictures.frame["area_id"].nunique() == 112
    picture = open_picture(folder / "LIDAR" / pictures.frame["picture"].iloc[0], 224)
    assert (picture.bands.shape, picture.opaque) == ((3, 224, 224), 1.0)
