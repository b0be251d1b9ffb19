"""A town with street pictures, from its files to scores and pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from basrelief.config import Settings, load_settings
from basrelief.marks import is_finished
from basrelief.run import Run, read_json
from basrelief.running import run_all
from basrelief.sources.town import write_town
from basrelief.stages import fingerprint_stages

MARKUP = '<img src=x onerror="alert(1)">Mrs Planted'

RECIPE = """\
kind = "street"
name = "small-street"
about = "a"
backbone = "test_resnet"
size_px = 64
"""


def plant(folder: Path) -> None:
    """Hide a name in a picture's file, and markup in the name of who took most."""
    told = PngInfo()
    told.add_text("Author", "Planted Ltd")
    exif = Image.Exif()
    exif[0x010E] = "home of Planted Ltd"
    path = folder / "street" / "s00001.png"
    with Image.open(path) as picture:
        picture.save(path, pnginfo=told, exif=exif)
    table = pd.read_csv(folder / "street.csv", dtype=str)
    table["author"] = table["author"].replace("walker 1", MARKUP)
    table.to_csv(folder / "street.csv", index=False)


@pytest.fixture(scope="module")
def walked(
    tmp_path_factory: pytest.TempPathFactory, shorten_town: Callable[..., Path]
) -> tuple[Run, Settings]:
    """A finished run of a town whose scores are to be told by a small network."""
    folder = tmp_path_factory.mktemp("walked") / "town"
    config = write_town(folder, seed=3, resolution_m=10.0, eyes=["street"])
    (folder / "small-street.toml").write_text(RECIPE)
    plant(folder)
    shorten_town(
        config,
        (
            '"relief-statistics", "street-vgg16", "vgg16"',
            '"relief-statistics", "small-street.toml"',
        ),
        ("vgg16 =", "test_resnet ="),
        scheme="block",
        worlds=40,
    )
    return run_all(config, quiet=True), load_settings(config)


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def read_skills(run: Run) -> pd.Series[float]:
    """Skills with whole blocks held out and a buffer around, by recipe and target."""
    scores = pd.read_parquet(run.scores.with_suffix(".parquet"))
    scores = scores[(scores["unit"] == "area") & (scores["scheme"] == "block")]
    return scores.set_index(["recipe", "target"])["skill"]


def test_street_pictures_tell_what_they_alone_show(walked: tuple[Run, Settings]) -> None:
    skill = read_skills(walked[0])
    assert skill["small-street", "bustle"] > 0.4
    assert skill["relief-statistics", "bustle"] < 0.1
    assert skill["relief-statistics", "crime"] > 0.4
    assert skill["small-street", "crime"] < 0.1


def test_street_pictures_are_an_eye_whose_gain_is_over_all_others(
    walked: tuple[Run, Settings],
) -> None:
    records = read_json(walked[0].folder / "evaluate" / "recipes.json")
    by_name = {each["recipe"]: each for each in records}
    whole = by_name["kriged-relief-statistics-small-street"]
    assert whole["knows"] == ["heights", "street", "place", "district"]
    twins = whole["yardsticks"]
    assert by_name[twins["street"]]["knows"] == ["heights", "place", "district"]
    assert by_name[twins["heights"]]["knows"] == ["street", "place", "district"]
    skill = read_skills(walked[0])
    assert skill[whole["recipe"], "bustle"] > skill[twins["street"], "bustle"] + 0.2
    assert skill[whole["recipe"], "crime"] > skill[twins["heights"], "crime"] + 0.2


def test_the_eye_is_claimed_for_what_it_shows_and_for_nothing_else(
    walked: tuple[Run, Settings],
) -> None:
    claims = read_json(walked[0].folder / "evaluate" / "claims.json")
    whole, others = "kriged-relief-statistics-small-street", "kriged-relief-statistics"
    held = {
        each["target"]: each["holds"]
        for each in claims
        if (each["recipe"], each["versus"], each["nothing"]) == (whole, others, "no_street")
    }
    assert held["bustle"]
    assert not held["crime"]


def test_areas_with_few_pictures_are_predicted_by_the_other_eyes(
    walked: tuple[Run, Settings],
) -> None:
    run, _ = walked
    areas = pd.read_parquet(run.chips / "areas.parquet").set_index("area_id")
    few = areas.index[~areas["has_street"]]
    assert (areas.loc[few, "street_pictures"] < 10).all()
    assert len(few)
    features = pd.read_parquet(run.features / "small-street" / "features.parquet")
    assert features.index.intersection(few).empty
    predicted = pd.read_parquet(run.predictions)
    whole = predicted[predicted["recipe"] == "kriged-relief-statistics-small-street"]
    own = whole[(whole["target"] == "crime") & whole["id"].isin(few)]
    # By heights: their mean would be one number for all areas of a fold.
    assert np.abs(own["y_pred"] - own["y_mean"]).min() > 1e-3


def test_what_is_kept_of_pictures_is_pooled_and_nothing_single(
    walked: tuple[Run, Settings], list_columns: Callable[[str], set[str]]
) -> None:
    run, _ = walked
    assert set(read(run.chips / "street.parquet")) == list_columns("chips/street.parquet")
    n_areas = int(pd.read_parquet(run.chips / "areas.parquet")["has_street"].sum())
    n_pictures = read_json(run.chips / "chips.json")["street"]["n_pictures"]
    assert n_pictures > 10 * n_areas
    features = pd.read_parquet(run.features / "small-street" / "features.parquet")
    assert len(features) == n_areas
    names = {path.name for path in run.folder.rglob("*") if path.is_file()}
    assert not [name for name in names if re.fullmatch(r"s\d{5}\.(png|jpg)", name)]
    # An area's row is of ten pictures or more; no other table may have a row for each picture.
    tables = {path.name for path in run.folder.rglob("*.parquet") if len(read(path)) == n_pictures}
    assert tables == {"street.parquet"}
    public = "".join(
        path.read_text(encoding="utf-8", errors="ignore")
        for path in (run.folder / "public").rglob("*")
        if path.is_file()
    )
    assert not re.search(r"s\d{5}\.png", public)


def test_pages_name_the_eye_and_whose_its_pictures_are(walked: tuple[Run, Settings]) -> None:
    run, _ = walked
    told = "Street pictures are looked at too: "
    for path in (run.report, run.folder / "data_sheet.md"):
        assert told in path.read_text(encoding="utf-8")
    public = (run.folder / "public" / "report.html").read_text(encoding="utf-8")
    assert "Street pictures by walker " in public
    page = run.report.read_text(encoding="utf-8")
    assert "no map of cells of what they show. They were not kept." in page
    assert "street pictures alone" in page
    assert "all but street pictures" in page
    credit = "Street pictures by walker "
    assert credit in page
    assert "CC BY 4.0" in page.partition(credit)[2][:300]
    roles = {each["role"] for each in read_json(run.folder / "inputs.json")}
    assert "street pictures and their tables" in roles
    assert "street pictures" in (run.folder / "model_card.md").read_text(encoding="utf-8")


def test_what_a_picture_s_file_says_goes_nowhere_and_an_author_s_markup_is_text(
    walked: tuple[Run, Settings],
) -> None:
    run, _ = walked
    files = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    assert [path for path, found in files.items() if b"Planted Ltd" in found] == []
    pages = {run.report, *(run.folder / "public").rglob("*.html")}
    assert len(pages) > 1
    assert [path for path in pages if b"<img src=x" in files[path]] == []
    # Whose the pictures are is told all the same.
    told = files[run.folder / "public" / "report.html"]
    assert b"Mrs Planted" in told


def test_a_run_is_not_repeated_until_a_picture_changes(walked: tuple[Run, Settings]) -> None:
    run, settings = walked
    before = fingerprint_stages(settings, run)
    assert is_finished(run, "chips", before["chips"])
    path = settings.locate("street") / "s00000.png"
    path.write_bytes(path.read_bytes() + b"0")
    after = fingerprint_stages(settings, run)
    assert after["chips"] != before["chips"]
    path.write_bytes(path.read_bytes()[:-1])
