from __future__ import annotations

from pathlib import Path

import pytest

from basrelief.config import DataSettings, Settings, load_settings
from basrelief.run import Run
from basrelief.sources.inputs import (
    InputFile,
    expand_pattern,
    find_inputs,
    list_pictures,
    list_pictures_below,
)
from basrelief.stage_settings import ModelSettings
from basrelief.stages import fingerprint_stages
from basrelief.tell.provenance import OF_LABELS, ROLES, read_sources
from basrelief.tell.release.narrow import narrow_sources
from basrelief.typed import Typed


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def settle(folder: Path, models: ModelSettings | None = None, **data: str) -> Settings:
    settings = Settings(data=DataSettings(**data), models=models or ModelSettings())  # type: ignore[arg-type]
    settings._folder = folder
    return settings


def names_of(settings: Settings) -> list[tuple[str, str]]:
    folder = settings.locate("")
    found = find_inputs(settings)
    return [(file.key, file.path.relative_to(folder).as_posix()) for file in found]


PLACE = """
[data]
dsm = "dsm/*.tif"
dtm = "dtm/*.tif"
areas = "areas.gpkg"
labels = "labels.csv"
lookup = "lookup.csv"
crime = "crime/*.csv"
photo = { files = "photo/*.tif", bands = ["red", "green", "blue"] }
embedding = { files = "embedding/*.tif" }
street = { folder = "street", table = "street*.csv" }

[data.tables]
census = { file = "census.csv", columns = ["rent"] }
last_release = { file = "old.csv", role = "last_release" }

[models]
recipes = ["joined.toml", "dense-vgg16"]
weights = { vgg16 = "mine.safetensors" }
"""
JOINED = 'kind = "kriged"\nname = "joined"\nabout = "a"\ntrend = ["part.toml", "census"]\n'
PART = 'kind = "random-features"\nname = "part"\nabout = "a"\n'
FROM_CHIPS = ["chips", "describe", "split", "train", "evaluate", "explain", "map", "report"]
ROLES_OF = {
    **dict.fromkeys(["dsm/s.tif", "dsm/s.tif.aux.xml"], "surface heights"),
    "dtm/t.tif": "ground heights",
    "areas.gpkg": "areas",
    "labels.csv": "scores",
    "lookup.csv": "lookup between censuses",
    "crime/2020.csv": "counts of crime",
    **dict.fromkeys(["photo/p.tif", "photo/p.tif.msk"], "photo"),
    "embedding/e.tif": "embedding",
    **dict.fromkeys(["street.csv", "street/1.jpg"], "street pictures and their tables"),
    **dict.fromkeys(["census.csv", "old.csv"], "tables by area"),
    **dict.fromkeys(["joined.toml", "part.toml", "mine.safetensors"], "recipes and weights given"),
    "credits.json": "whose fetched files are",
    "truth.json": "truth of a made-up town",
}
"""What each file of a place with everything is to its run."""


def make_place(folder: Path) -> Settings:
    touch(folder, *ROLES_OF)
    for name, text in (("c.toml", PLACE), ("joined.toml", JOINED), ("part.toml", PART)):
        (folder / name).write_text(text)
    return load_settings(folder / "c.toml")


@pytest.mark.parametrize("name", ROLES_OF)
def test_a_byte_of_any_input_makes_the_stages_that_read_it_run_again(
    tmp_path: Path, name: str
) -> None:
    settings = make_place(tmp_path)
    before = fingerprint_stages(settings, Run(settings.locate("run")))
    with (tmp_path / name).open("ab") as file:
        file.write(b"\n")
    after = fingerprint_stages(settings, Run(settings.locate("run")))
    first = {"recipes and weights given": "train"} | dict.fromkeys(
        ["whose fetched files are", "truth of a made-up town"], "report"
    )
    begins = FROM_CHIPS.index(first.get(ROLES_OF[name], "chips"))
    # What nothing reads that reads it is as it was.
    expected = [each for each in FROM_CHIPS[begins:] if begins == 0 or each != "describe"]
    assert [stage for stage in before if before[stage] != after[stage]] == expected


def test_every_input_is_told_where_the_run_comes_from_by_what_it_is_to_it(tmp_path: Path) -> None:
    settings = make_place(tmp_path)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    sources = read_sources(settings, run)
    told = {name: source.role for source in sources for name in source.names}
    assert told == {name.rpartition("/")[2]: role for name, role in ROLES_OF.items()}
    # Whoever may not know a single label is not told the hash of a file that may hold it.
    public = {source.role for source in narrow_sources(sources, is_whole=False)}
    assert public == set(ROLES_OF.values()) - set(OF_LABELS)
    assert set(OF_LABELS) <= set(ROLES.values())


def test_a_changed_label_counts_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "place [2024]"
    touch(folder, "pictures/LIDAR_1.png", "c.toml")
    (folder / "c.toml").write_text('[data]\nimages = "pictures"\ntable = "t.csv"\n')
    (folder / "t.csv").write_text("id,crime\n1,0.5\n")
    settings = load_settings(folder / "c.toml")
    before = fingerprint_stages(settings, Run(settings.locate("run")))
    (folder / "t.csv").write_text("id,crime\n1,-0.5\n")
    after = fingerprint_stages(settings, Run(settings.locate("run")))
    assert [stage for stage in before if before[stage] == after[stage]] == []
    assert names_of(settings) == [("data.table", "t.csv"), ("data.images", "pictures/LIDAR_1.png")]


def test_whose_inputs_are_concerns_the_report_alone(tmp_path: Path) -> None:
    touch(tmp_path, "place/lidar/a.tif", "place/a.gpkg", "place/l.csv")
    settings = settle(tmp_path, dsm="place/lidar/*.tif", areas="place/a.gpkg", labels="place/l.csv")
    before = fingerprint_stages(settings, Run(tmp_path / "run"))
    touch(tmp_path, "place/credits.json", "place/lidar/tiles.parquet", "truth.json")
    known = names_of(settings)
    assert ("told.credits", "place/credits.json") in known
    assert ("told.truth", "truth.json") in known
    assert ("data.dsm", "place/lidar/tiles.parquet") in known
    (tmp_path / "place" / "lidar" / "tiles.parquet").unlink()
    after = fingerprint_stages(settings, Run(tmp_path / "run"))
    assert [stage for stage in before if before[stage] != after[stage]] == ["report"]


def test_tiles_below_two_stars_are_inputs_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "lidar/a.tif", "lidar/x/b.tif", "lidar/x/y/c.tif", "lidar/x/d.txt")
    settings = settle(tmp_path, dsm="lidar/**/*.tif", areas="a.gpkg", labels="l.csv")
    found = [name for _, name in names_of(settings)]
    assert found == ["lidar/a.tif", "lidar/x/b.tif", "lidar/x/y/c.tif"]


@pytest.mark.parametrize("typed", ["b[1].tif", "in [2024]/*.tif", "in [2024]/b[1].tif"])
def test_what_exists_under_its_own_name_is_no_pattern(tmp_path: Path, typed: str) -> None:
    touch(tmp_path, "b[1].tif", "b1.tif", "in [2024]/b[1].tif", "in 2/b1.tif")
    assert [name for _, name in expand_pattern(typed, tmp_path / typed)] == [
        typed.replace("*", "b[1]")
    ]


def test_brackets_are_a_pattern_where_nothing_is_called_so(tmp_path: Path) -> None:
    touch(tmp_path, "x/b1.tif", "x/b2.tif", "x/b3.tif")
    found = expand_pattern("x/b[12].tif", tmp_path / "x/b[12].tif")
    assert [name for _, name in found] == ["x/b1.tif", "x/b2.tif"]


def test_names_are_told_as_they_would_be_typed(tmp_path: Path) -> None:
    touch(tmp_path, "lidar/a.tif", "here/c.toml")
    above = expand_pattern("../lidar/*.tif", tmp_path / "here" / "../lidar/*.tif")
    assert [name for _, name in above] == ["../lidar/a.tif"]
    typed = str(tmp_path / "lidar" / "*.tif")
    assert expand_pattern(typed, Path(typed)) == [
        (tmp_path / "lidar" / "a.tif", str(tmp_path / "lidar" / "a.tif"))
    ]
    assert expand_pattern("lidar", tmp_path / "lidar") == []


def test_what_a_format_keeps_beside_a_file_counts(tmp_path: Path) -> None:
    beside = ["a.shp", "a.DBF", "a.shx", "a.prj", "a.cpg", "b.tif", "b.tfw", "b.tif.aux.xml"]
    touch(tmp_path, *beside, "a.txt", "other.dbf", "labels.csv")
    settings = settle(tmp_path, dsm="*.tif", areas="a.shp", labels="labels.csv")
    assert sorted(name for _, name in names_of(settings)) == sorted([*beside, "labels.csv"])
    before = fingerprint_stages(settings, Run(settings.locate("run")))["chips"]
    (tmp_path / "a.DBF").write_bytes(b"other codes")
    assert fingerprint_stages(settings, Run(settings.locate("run")))["chips"] != before


def test_a_zip_is_one_file_and_a_geodatabase_all_of_its(tmp_path: Path) -> None:
    touch(tmp_path, "tiles.zip", "a.gdb/one", "a.gdb/deep/two", "l.csv")
    settings = settle(tmp_path, dsm="*.zip", areas="a.gdb", labels="l.csv")
    assert [name for _, name in names_of(settings)] == [
        *("tiles.zip", "a.gdb/deep/two", "a.gdb/one", "l.csv")
    ]


def test_pictures_count_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "p/LIDAR_1.PNG", "p/LIDAR_2.png", "p/._LIDAR_2.png", "p/notes.txt", "t.csv")
    settings = settle(tmp_path, images="p", table="t.csv")
    found = [name for key, name in names_of(settings) if key == "data.images"]
    assert found == ["p/LIDAR_1.PNG", "p/LIDAR_2.png"]


def test_recipes_and_weights_that_the_user_gave_are_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "mine.safetensors", "mine.toml", "t.csv")
    models = ModelSettings(
        recipes=["vgg16", "mine.toml"], weights={"vgg16": "mine.safetensors", "resnet50": "none"}
    )
    settings = settle(tmp_path, models, images="p", table="t.csv")
    assert find_inputs(settings)[1:] == [
        InputFile("models.recipes", tmp_path / "mine.toml"),
        InputFile("models.weights", tmp_path / "mine.safetensors"),
    ]


def test_inputs_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    assert find_inputs(settle(tmp_path, dsm="gone/*.tif", areas="a", labels="b")) == []


@pytest.mark.parametrize(
    ("typed", "beside"),
    [
        ("a.dbf", ["a.shp", "a.shx", "a.prj", "a.cpg"]),
        ("a.tab", ["a.dat", "a.map", "a.id", "a.ind"]),
        ("a.dat", ["a.tab", "a.map", "a.id", "a.ind"]),
        ("a.mid", ["a.mif"]),
        ("a.gpkg", ["a.gpkg-wal"]),
    ],
)
def test_a_source_opened_by_any_of_its_files_is_all_of_them(
    tmp_path: Path, typed: str, beside: list[str]
) -> None:
    touch(tmp_path, typed, *beside, "a.txt", "l.csv")
    settings = settle(tmp_path, dsm="*.asc", areas=typed, labels="l.csv")
    found = [name for key, name in names_of(settings) if key == "data.areas"]
    assert found == [typed, *beside]


def test_a_world_file_of_any_name_counts(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "a.wld", "b.tif", "b.tifw", "l.csv")
    settings = settle(tmp_path, dsm="*.tif", areas="a.gpkg", labels="l.csv")
    found = [name for key, name in names_of(settings) if key == "data.dsm"]
    assert found == ["a.tif", "a.wld", "b.tif", "b.tifw"]


def test_a_recipe_is_followed_to_those_that_it_is_made_of(tmp_path: Path) -> None:
    touch(tmp_path, "l.csv", "three.toml")
    (tmp_path / "one.toml").write_text('kind = "kriged"\ntrend = "two.toml"\n')
    (tmp_path / "two.toml").write_text('members = ["three.toml", "relief-statistics"]\n')
    models = ModelSettings(recipes=["one.toml"])
    settings = settle(tmp_path, models, dsm="*.tif", areas="a.gpkg", labels="l.csv")
    found = [name for key, name in names_of(settings) if key == "models.recipes"]
    assert found == ["one.toml", "three.toml", "two.toml"]


def test_a_file_called_none_is_no_weights(tmp_path: Path) -> None:
    touch(tmp_path, "none", "t.csv")
    settings = settle(tmp_path, ModelSettings(weights={"vgg16": "none"}), images="p", table="t.csv")
    assert names_of(settings) == [("data.table", "t.csv")]


def test_what_a_run_draws_is_no_tile_of_the_next(tmp_path: Path) -> None:
    touch(tmp_path, "lidar/a.tif", "run/run.json", "run/explain/contribution.tif")
    assert [name for _, name in expand_pattern("**/*.tif", tmp_path / "**/*.tif")] == [
        "lidar/a.tif"
    ]
    typed = "run/explain/*.tif"
    assert len(expand_pattern(typed, tmp_path / typed)) == 1  # asked for by its own folder


def test_what_a_run_draws_is_no_picture_of_the_next(tmp_path: Path) -> None:
    drawn = "run/explain/mine/crime-highest-1.png"
    touch(tmp_path, "LIDAR/LIDAR_1.png", "run/run.json", drawn, "t.csv")
    assert list_pictures(Typed("images", "", tmp_path)) == [tmp_path / "LIDAR" / "LIDAR_1.png"]
    assert list_pictures_below(tmp_path) == [tmp_path / "LIDAR" / "LIDAR_1.png"]
    # Asked for by its own folder.
    assert list_pictures(Typed("images", "run", tmp_path / "run")) == [tmp_path / drawn]


def test_a_link_to_nothing_and_a_folder_are_no_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "p/LIDAR_1.png", "p/LIDAR_2.png/a.txt", "t.csv")
    (tmp_path / "p" / "LIDAR_3.png").symlink_to("gone.png")
    settings = settle(tmp_path, images="p", table="t.csv")
    assert [name for key, name in names_of(settings) if key == "data.images"] == ["p/LIDAR_1.png"]
