"""A town with a photo, from its files to scores, maps and another town."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio

from basrelief.config import InputError, Settings, load_settings
from basrelief.judge.transfer import NewRasters, transfer_model
from basrelief.run import Run, read_json
from basrelief.running import run_all
from basrelief.sources.town import write_town

RECIPE = """\
kind = "dense"
name = "small-photo"
about = "a"
backbone = "test_resnet"
stages = [1]
layer = "photo"
rendering = "colours"
pools = ["ground"]
"""


@pytest.fixture(scope="module")
def photographed(
    tmp_path_factory: pytest.TempPathFactory, shorten_town: Callable[..., Path]
) -> tuple[Run, Settings]:
    """A finished run of a town whose scores are to be told by a small network."""
    folder = tmp_path_factory.mktemp("photographed") / "town"
    config = write_town(folder, seed=3, resolution_m=10.0, eyes=["photo"])
    (folder / "small-photo.toml").write_text(RECIPE)
    shorten_town(
        config,
        ('"relief-statistics", "dense-photo", "vgg16"', '"relief-statistics", "small-photo.toml"'),
        ("vgg16 =", "test_resnet ="),
        (', "heat"', ""),
    )
    return run_all(config, quiet=True), load_settings(config)


def test_a_photo_tells_what_it_alone_shows_and_relief_does_not(
    photographed: tuple[Run, Settings],
) -> None:
    scores = pd.read_parquet(photographed[0].scores.with_suffix(".parquet"))
    skill = scores[scores["unit"] == "area"].set_index(["recipe", "target"])["skill"]
    assert skill["small-photo", "upkeep"] > 0.4
    assert skill["relief-statistics", "upkeep"] < 0.1
    assert skill["relief-statistics", "crime"] > 0.4
    assert skill["small-photo", "crime"] < 0.1


def test_a_photo_is_an_eye_whose_gain_is_over_all_others(
    photographed: tuple[Run, Settings],
) -> None:
    records = read_json(photographed[0].folder / "evaluate" / "recipes.json")
    by_name = {each["recipe"]: each for each in records}
    whole = by_name["kriged-relief-statistics-small-photo"]
    assert whole["knows"] == ["heights", "photo", "place", "district"]
    twins = whole["yardsticks"]
    assert by_name[twins["photo"]]["knows"] == ["heights", "place", "district"]
    assert by_name[twins["heights"]]["knows"] == ["photo", "place", "district"]
    scores = pd.read_parquet(photographed[0].scores.with_suffix(".parquet"))
    skill = scores[scores["unit"] == "area"].set_index(["recipe", "target"])["skill"]
    assert skill[whole["recipe"], "upkeep"] > skill[twins["photo"], "upkeep"] + 0.2
    assert skill[whole["recipe"], "crime"] > skill[twins["heights"], "crime"] + 0.2


def test_the_map_says_of_each_area_what_each_eye_adds(
    photographed: tuple[Run, Settings],
) -> None:
    table = gpd.read_file(photographed[0].maps / "areas.gpkg", layer="upkeep")
    added = table.filter(regex="^adds_")
    assert list(added) == ["adds_heights", "adds_photo", "adds_place", "adds_district"]
    assert added.corrwith(table["observed"])["adds_photo"] > 0.6
    assert added["adds_photo"].std() > 5 * added["adds_heights"].std()
    page = photographed[0].report.read_text(encoding="utf-8")
    # The network has random weights, and the eye is called as everywhere.
    assert '"the photo"' in page
    # And as a layer to be chosen, in classes about 0 that all eyes share.
    assert page.count('<input type="radio" name="layer"') == 5 + added.shape[1]
    assert '<input type="radio" name="layer" value="the photo"> what the photo adds' in page
    layers = json.loads(page.partition('id="map-layers">')[2].partition("</script>")[0])
    eyes = next(each["eyes"] for each in layers if each["name"] == "upkeep")
    assert eyes["breaks"] == [-each for each in reversed(eyes["breaks"])]
    assert eyes["names"][1] == "the photo"
    np.testing.assert_allclose(eyes["added"][1], added["adds_photo"], atol=10.0 ** -eyes["places"])


def test_what_looks_at_a_photo_is_said_to_know_it(photographed: tuple[Run, Settings]) -> None:
    run, _ = photographed
    known = {each["recipe"]: each["knows"] for each in read_json(run.models / "recipes.json")}
    assert known["small-photo"] == ["photo"]
    assert known["relief-statistics"] == ["heights"]


def test_the_map_of_a_photo_has_its_cells_and_passes_its_tests(
    photographed: tuple[Run, Settings],
) -> None:
    run, _ = photographed
    records = read_json(run.explain / "contributions.json")
    (record,) = (each for each in records if each["recipe"] == "small-photo")
    assert (record["target"], record["layer"]) == ("upkeep", "photo")
    with rasterio.open(run.folder / record["file"]) as raster:
        # Two pixels of 10 m a cell of the stage that is read, and more where it is coarser.
        assert raster.res[0] % 10.0 == 0
        assert np.isfinite(raster.read(1)).any()
    tests = {
        each["test"]: each["passes"]
        for each in read_json(run.explain / "tests.json")
        if each["recipe"] == "small-photo"
    }
    assert tests["completeness"] is True
    assert tests["flat chips"] is True
    assert tests["deletion"] is True
    # Kinds of ground are told from heights: of a photo nobody knows them.
    assert read_json(run.explain / "kinds.json") == []


def test_the_photo_is_told_of_on_the_page_and_in_the_sheet(
    photographed: tuple[Run, Settings],
) -> None:
    run, _ = photographed
    told = "A photo is looked at too: 1 file, cells of 10 m, bands red, green, and blue"
    for path in (run.report, run.folder / "data_sheet.md"):
        text = path.read_text(encoding="utf-8")
        assert told in text
        assert "taken on 2020-06-21" in text
    assert ", looking at the photo" in run.report.read_text(encoding="utf-8")
    roles = {each["role"] for each in read_json(run.folder / "inputs.json")}
    assert "photo" in roles


def place_of(folder: Path, *, has_photo: bool = True) -> NewRasters:
    return NewRasters(
        str(folder / "lidar" / "DSM_*.tif"),
        str(folder / "lidar" / "DTM_*.tif"),
        None,
        str(folder / "areas.gpkg"),
        str(folder / "labels.csv"),
        overlays={"photo": str(folder / "photo.tif")} if has_photo else {},
    )


@pytest.fixture(scope="module")
def other_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a town that no model saw."""
    folder = tmp_path_factory.mktemp("other") / "town"
    return write_town(folder, seed=4, resolution_m=10.0, eyes=["photo"]).parent


def test_a_model_tells_another_town_by_its_photo(
    photographed: tuple[Run, Settings], other_town: Path, tmp_path: Path
) -> None:
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(photographed[0], place_of(other_town), out, "small-photo")
    (score,) = (each for each in read_json(out.scores) if each["target"] == "upkeep")
    assert score["skill"] > 0.4


def test_a_model_of_two_eyes_says_both_of_what_it_scores(
    photographed: tuple[Run, Settings], other_town: Path, tmp_path: Path
) -> None:
    run, out = photographed[0], Run(tmp_path / "out", quiet=True)
    transfer_model(run, place_of(other_town), out, "kriged-relief-statistics-small-photo")
    for record in read_json(out.scores):
        assert record["knows"] == ["heights", "photo"]
        assert record["skill"] > 0.4


def test_a_photo_that_is_coarser_than_what_was_learnt_from_is_refused(
    photographed: tuple[Run, Settings], other_town: Path, tmp_path: Path
) -> None:
    with rasterio.open(other_town / "photo.tif") as fine:
        values, profile = fine.read()[:, ::2, ::2], dict(fine.profile)
    profile |= {"height": values.shape[1], "width": values.shape[2]}
    profile["transform"] = profile["transform"] @ rasterio.Affine.scale(2)
    with rasterio.open(tmp_path / "coarse.tif", "w", **profile) as coarse:
        coarse.write(values)
    place = replace(place_of(other_town), overlays={"photo": str(tmp_path / "coarse.tif")})
    out = Run(tmp_path / "out", quiet=True)
    with pytest.raises(InputError, match=r"--photo .* cells of 20 m, coarser than the 10 m"):
        transfer_model(photographed[0], place, out, "small-photo")


def test_a_model_that_looks_at_a_photo_asks_for_one(
    photographed: tuple[Run, Settings], tmp_path: Path
) -> None:
    run, settings = photographed
    out, folder = Run(tmp_path / "out", quiet=True), settings.locate("")
    with pytest.raises(InputError, match="--photo: missing, and this model looks at a photo"):
        transfer_model(run, place_of(folder, has_photo=False), out, "small-photo")
    with pytest.raises(InputError, match="this model looks at none"):
        transfer_model(run, place_of(folder), out, "relief-statistics")
