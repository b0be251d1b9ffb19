"""A town with embeddings of what its photo shows, from files in AlphaEarth's coding to a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import geometry_mask

from basrelief.config import InputError, Settings, load_settings
from basrelief.judge.transfer import NewRasters, transfer_model
from basrelief.run import Run, read_json
from basrelief.running import run_all
from basrelief.sources.credits import ALPHAEARTH, find_credits
from basrelief.sources.town import write_town

N_BANDS = 64


def embed(photo: Path, path: Path) -> None:
    """Write unit vectors that stand for a photo's colours, as AlphaEarth writes its own."""
    with rasterio.open(photo) as file:
        colours, profile = file.read().astype(float), dict(file.profile)
    mixed = np.random.default_rng(0).normal(size=(N_BANDS, 3))  # one network for every place
    vectors = np.einsum("bc,crw->brw", mixed, colours / 255 - 0.4)
    vectors /= np.linalg.norm(vectors, axis=0)
    whole = np.round(np.sign(vectors) * np.sqrt(np.abs(vectors)) * 127.5)
    profile |= {"count": N_BANDS, "dtype": "int8", "nodata": -128, "photometric": "minisblack"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(whole.astype(np.int8))
        file.descriptions = [f"A{k:02}" for k in range(N_BANDS)]


def write_embedded_town(folder: Path, seed: int, shorten_town: Callable[..., Path]) -> Path:
    """A town of two scores: one that relief tells, and one that the embeddings tell."""
    config = write_town(folder, seed=seed, resolution_m=10.0, eyes=["photo"])
    embed(folder / "photo.tif", folder / "aef.tif")
    photo = 'files = "photo.tif"\nbands = ["red", "green", "blue"]'
    shorten_town(
        config,
        ('"relief-statistics", "dense-photo", "vgg16"', '"relief-statistics", "embedding"'),
        (', "heat"', ""),
        (f"[data.photo]\n{photo}", '[data.embedding]\nfiles = "aef.tif"\ncoding = "alphaearth"'),
    )
    text = config.read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("weights", "epochs"))]
    config.write_text("\n".join(lines) + "\n")
    return config


@pytest.fixture(scope="module")
def embedded(
    tmp_path_factory: pytest.TempPathFactory, shorten_town: Callable[..., Path]
) -> tuple[Run, Settings]:
    """A finished run of such a town."""
    folder = tmp_path_factory.mktemp("embedded") / "town"
    config = write_embedded_town(folder, 3, shorten_town)
    return run_all(config, quiet=True), load_settings(config)


def test_embeddings_tell_what_they_alone_hold(embedded: tuple[Run, Settings]) -> None:
    scores = pd.read_parquet(embedded[0].scores.with_suffix(".parquet"))
    skill = scores[scores["unit"] == "area"].set_index(["recipe", "target"])["skill"]
    assert skill["embedding", "upkeep"] > 0.4
    assert skill["embedding", "crime"] < 0.1
    joint = "kriged-relief-statistics-embedding"
    assert skill[joint, "upkeep"] > skill["kriged-relief-statistics", "upkeep"] + 0.2
    assert skill[joint, "crime"] > skill["kriged-embedding", "crime"] + 0.2


def test_features_are_the_mean_vectors_of_the_areas(embedded: tuple[Run, Settings]) -> None:
    run, settings = embedded
    features = pd.read_parquet(run.features / "embedding" / "features.parquet")
    areas = gpd.read_file(settings.locate("areas.gpkg"))
    code = next(name for name in areas if name.endswith("code") or name.lower().startswith("lsoa"))
    areas = areas.set_index(code).loc[features.index]
    with rasterio.open(settings.locate("aef.tif")) as file:
        stored, transform = file.read().astype(float), file.transform
    vectors = np.sign(stored) * (stored / 127.5) ** 2
    for area_id in features.index[:5]:
        # Cells by their centres: those that a side cuts make a few thousandths of difference.
        inside = geometry_mask([areas.geometry[area_id]], stored.shape[1:], transform, invert=True)
        expected = vectors[:, inside].mean(axis=1)
        np.testing.assert_allclose(features.loc[area_id], expected, atol=0.005)


def test_embeddings_are_told_of_and_kept_as_input(embedded: tuple[Run, Settings]) -> None:
    run, settings = embedded
    page = run.report.read_text(encoding="utf-8")
    # Files in this coding are AlphaEarth's as a rule; those of a made-up town are nobody's.
    assert ALPHAEARTH in find_credits(settings, ["E01000001"]).usual
    assert "Google" not in page
    assert "Precomputed embeddings of satellite pictures are looked at too: 1 file" in page
    assert "embedding" in {each["role"] for each in read_json(run.folder / "inputs.json")}
    known = {each["recipe"]: each["knows"] for each in read_json(run.models / "recipes.json")}
    assert known["embedding"] == ["embedding"]


def place_of(folder: Path, embedding: str | None) -> NewRasters:
    return NewRasters(
        str(folder / "lidar" / "DSM_*.tif"),
        str(folder / "lidar" / "DTM_*.tif"),
        None,
        str(folder / "areas.gpkg"),
        str(folder / "labels.csv"),
        overlays={} if embedding is None else {"embedding": str(folder / embedding)},
    )


def test_a_model_tells_another_town_by_its_embeddings(
    embedded: tuple[Run, Settings], tmp_path: Path, shorten_town: Callable[..., Path]
) -> None:
    write_embedded_town(tmp_path / "there", 4, shorten_town)
    out = Run(tmp_path / "out", quiet=True)
    transfer_model(embedded[0], place_of(tmp_path / "there", "aef.tif"), out, "embedding")
    (score,) = (each for each in read_json(out.scores) if each["target"] == "upkeep")
    assert score["skill"] > 0.4
    with pytest.raises(InputError, match="--embedding: missing, and this model looks at embedd"):
        transfer_model(embedded[0], place_of(tmp_path / "there", None), out, "embedding")
    place = place_of(tmp_path / "there", "aef.tif")
    with pytest.raises(InputError, match=r"--embedding .* this model looks at none"):
        transfer_model(embedded[0], place, out, "relief-statistics")
