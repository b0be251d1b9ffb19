"""Features of street pictures: pooled as NumPy would, of an area's own pictures alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from basrelief.chips.store import Samples
from basrelief.chips.street import take_street
from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import StreetSettings
from basrelief.learn.recipes import StreetRecipe
from basrelief.learn.street_features import Moments, check_street, load_encoder, street_features
from basrelief.run import Notes, Run
from basrelief.sources.picture_files import open_picture
from basrelief.splits.heldout import hold_out_areas
from basrelief.stage_settings import ModelSettings

WEST, SOUTH, SIDE_M, N = 530_000.0, 180_000.0, 100.0, 6
COUNTS = (40, 9, 12, 10, 0, 11)
"""Pictures of each area, from west to east: one more than a batch, and one too few."""

RECIPE = StreetRecipe(kind="street", name="walk", about="a", backbone="test_resnet", size_px=32)


def lay_street(folder: Path, counts: tuple[int, ...] = COUNTS) -> tuple[Settings, Samples]:
    """Areas in a row from west to east, with pictures in each."""
    rng, rows = np.random.default_rng(0), []
    (folder / "street").mkdir(parents=True)
    (folder / "chips").mkdir()
    for area, count in enumerate(counts):
        for k in range(count):
            own = f"{area}-{k}"
            pixels = rng.integers(0, 255, (24, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "street" / f"{own}.png")
            x, y = (WEST + SIDE_M * (area + rng.uniform()), SOUTH + SIDE_M * rng.uniform())
            rows.append((own, x, y))
    table = pd.DataFrame(rows, columns=["id", "easting", "northing"])
    table.to_csv(folder / "street.csv", index=False)
    street = StreetSettings(folder="street", table="street.csv")
    settings = Settings(
        data=DataSettings(dsm="a", areas="b", labels="c", street=street),
        models=ModelSettings(weights={"test_resnet": "none"}, device="cpu", precision="fp32"),
    )
    settings._folder = folder
    west = WEST + SIDE_M * np.arange(len(counts))
    areas = gpd.GeoDataFrame(
        {"area_id": [f"E{k}" for k in range(len(counts))], "is_used": True},
        geometry=[shapely.box(x, SOUTH, x + SIDE_M, SOUTH + SIDE_M) for x in west],
        crs="EPSG:27700",
    )
    take_street(settings, Notes(Run(folder / "run", quiet=True)), areas, folder / "chips")
    return settings, cast(Samples, SimpleNamespace(areas=areas, folder=folder / "chips"))


def describe(folder: Path, **laid: Any) -> pd.DataFrame:
    settings, samples = lay_street(folder, **laid)
    encoder = load_encoder(RECIPE, settings)
    return street_features(samples, RECIPE, encoder, settings, Run(folder / "run", quiet=True))


def test_pools_are_those_of_all_pictures_at_once() -> None:
    # Far from 0: sums of squares would lose the spread.
    seen = np.random.default_rng(0).normal(1e6, 1, (50, 3))
    moments = Moments()
    for batch in np.split(seen, [7, 20, 21]):
        moments.add(batch)
    np.testing.assert_allclose(moments.tell("mean"), seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.tell("std"), seen.std(axis=0, ddof=1), rtol=1e-6)
    assert moments.tell("count")[0] == pytest.approx(np.log10(50))


def test_an_area_is_told_by_the_network_s_view_of_its_pictures(tmp_path: Path) -> None:
    features = describe(tmp_path)
    settings, n_channels = lay_street(tmp_path / "again")[0], (features.shape[1] - 1) // 2
    encoder = load_encoder(RECIPE, settings)
    assert n_channels > 1
    names = sorted((tmp_path / "street").glob("0-*.png"))
    seen = encoder.encode(np.stack([open_picture(name, RECIPE.size_px).bands for name in names]))
    expected = np.concatenate([seen.mean(axis=0), seen.std(axis=0, ddof=1), [np.log10(40)]])
    found = features.to_numpy()[list(features.index).index("E0")]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    columns = list(features.columns)
    assert [columns[0], columns[n_channels], columns[-1]] == ["mean/0", "std/0", "count/0"]


def test_an_area_with_fewer_than_ten_pictures_is_not_described(tmp_path: Path) -> None:
    assert list(describe(tmp_path).index) == ["E0", "E2", "E3", "E5"]


def test_pictures_of_other_areas_change_nothing(tmp_path: Path) -> None:
    whole = describe(tmp_path / "whole")
    settings, samples = lay_street(tmp_path / "part")
    for path in (tmp_path / "part" / "street").glob("[1-5]-*.png"):
        pixels = np.random.default_rng(int(path.stem[2:])).integers(0, 255, (9, 9, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    encoder, run = load_encoder(RECIPE, settings), Run(tmp_path / "run", quiet=True)
    part = street_features(samples, RECIPE, encoder, settings, run)
    assert part.loc[["E0"]].equals(whole.loc[["E0"]])
    assert not part.loc[["E2"]].equals(whole.loc[["E2"]])


@pytest.mark.parametrize("buffer_m", [0.0, 50.0, 150.0])
def test_no_picture_within_the_buffer_of_a_test_area_trains(
    tmp_path: Path, buffer_m: float
) -> None:
    _, samples = lay_street(tmp_path)
    listed = pd.read_parquet(tmp_path / "chips" / "street.parquet")
    places = pd.read_csv(tmp_path / "street.csv").set_index("id")
    n = len(samples.areas)
    assigned = pd.DataFrame({"repeat": 0, "id": samples.areas["area_id"], "fold": np.arange(n)})
    polygons = dict(zip(samples.areas["area_id"], samples.areas["geometry"], strict=True))
    for fold in hold_out_areas(assigned, samples, "block", buffer_m):
        learnt = listed[listed["area_id"].isin(fold.train)]
        at = places.loc[[Path(name).stem for name in learnt["picture"]]]
        (held,) = (polygons[own] for own in fold.test)
        near = [held.distance(shapely.Point(*xy)) for xy in at.to_numpy()]
        assert min(near) >= buffer_m


def test_what_is_kept_of_a_picture_is_its_area_and_whose_it_is(tmp_path: Path) -> None:
    lay_street(tmp_path)
    (kept,) = (tmp_path / "chips").iterdir()
    columns = ["area_id", "picture", "captured", "author", "licence", "link", "service"]
    assert list(pd.read_parquet(kept).columns) == columns


def test_pixels_are_kept_for_a_reason_alone_and_without_metadata(tmp_path: Path) -> None:
    settings, samples = lay_street(tmp_path)
    exif = Image.Exif()
    exif[0x010E] = "Mrs Miller's house"
    path = tmp_path / "street" / "0-0.png"
    with Image.open(path) as picture:
        picture.save(path, exif=exif)
    street = StreetSettings(
        folder="street", table="street.csv", keep_pixels=True, reason="the council's own"
    )
    asked = settings.model_copy(
        update={"data": settings.data.model_copy(update={"street": street})}
    )
    asked._folder = tmp_path
    areas = cast(gpd.GeoDataFrame, samples.areas)
    notes = Notes(Run(tmp_path / "run", quiet=True))
    taken = take_street(asked, notes, areas, tmp_path / "chips")
    assert taken.describe()["kept_because"] == "the council's own"
    kept = list((tmp_path / "chips" / "street_pixels").iterdir())
    assert len(kept) == sum(COUNTS)
    assert all(b"Miller" not in each.read_bytes() for each in kept)


def test_a_picture_is_looked_at_as_its_camera_was_held(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right by a quarter
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    upright = open_picture(tmp_path / "a.png", 8, is_upright=True).bands
    assert upright[0, 0].min() > upright[0, -1].max()
    assert open_picture(tmp_path / "a.png", 8).bands[0, 0, 0] == 255


@pytest.mark.parametrize("backbone", ["vit_tiny_patch16_224", "test_vit", "resnet18"])
def test_any_backbone_of_timm_can_look(tmp_path: Path, backbone: str) -> None:
    settings, _ = lay_street(tmp_path)
    models = settings.models.model_copy(update={"weights": {backbone: "none"}})
    other = settings.model_copy(update={"models": models})
    recipe = RECIPE.model_copy(update={"backbone": backbone, "size_px": 64})
    check_street(recipe, other)
    seen = load_encoder(recipe, other).encode(np.zeros((2, 3, 64, 64), np.uint8))
    assert len(seen) == 2
    assert np.isfinite(seen).all()


def test_a_size_that_a_backbone_refuses_is_said(tmp_path: Path) -> None:
    settings, _ = lay_street(tmp_path)
    models = settings.models.model_copy(update={"weights": {"inception_v3": "none"}})
    other = settings.model_copy(update={"models": models})
    recipe = RECIPE.model_copy(update={"backbone": "inception_v3", "size_px": 32})
    with pytest.raises(InputError, match=r"'inception_v3' cannot look at pictures of size_px = 32"):
        check_street(recipe, other)
