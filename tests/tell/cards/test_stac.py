from __future__ import annotations

import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pystac import STACObjectType
from pystac.validation import JsonSchemaSTACValidator
from rasterio.transform import from_origin
from stac_model.schema import MLModelProperties

from basrelief.config import DataSettings, Settings
from basrelief.hashes import hash_file
from basrelief.learn.recipe_files import format_recipe, load_recipe
from basrelief.run import Run, read_json, write_json
from basrelief.tell.cards.stac import describe_model, describe_raster, find_rasters
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.models import read_models

SETTINGS = Settings(data=DataSettings(dsm="d", areas="a", labels="l"))


@pytest.fixture(scope="module")
def items(town_run: Run) -> dict[str, dict[str, Any]]:
    folder = town_run.folder / "stac"
    return {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_every_final_model_and_the_chips_have_an_item(items: dict[str, Any], town_run: Run) -> None:
    models = {f"model-{model.name}" for model in read_models(town_run)}
    assert {"model-small", "model-relief-statistics"} <= models
    assert set(items) == models | {"catalog", "chips", "map-relief"}
    links = {Path(link["href"]).stem for link in items["catalog"]["links"]}
    assert links == set(items) - {"catalog"}


def test_items_are_valid_by_the_core_schema_and_the_typed_extension(
    items: dict[str, Any], offline: None
) -> None:
    validator = JsonSchemaSTACValidator()
    for name, item in items.items():
        kind = STACObjectType.CATALOG if name == "catalog" else STACObjectType.ITEM
        validator.validate_core(item, kind, item["stac_version"])
        if name.startswith("model-"):
            properties = MLModelProperties.model_validate(item["properties"])
            assert properties.name == f"basrelief {name.removeprefix('model-')} model"


def test_a_network_names_its_bands_and_a_regression_its_features(items: dict[str, Any]) -> None:
    network = items["model-small"]["properties"]
    bands = network["mlm:input"][0]["bands"]
    assert bands == ["height", "slope", "altitude"]
    # As the extension's schema has it: bands stand in the item, and among the dimensions.
    assert [band["name"] for band in network["bands"]] == bands
    assert "bands" in network["mlm:input"][0]["input"]["dim_order"]
    ridge = items["model-relief-statistics"]["properties"]["mlm:input"][0]
    assert ridge["bands"] == ridge["variables"] == []
    assert ridge["input"]["shape"][1] == len(ridge["description"].split(", "))
    assert "height_mean_m" in ridge["description"]


@pytest.mark.parametrize("name", ["model-small", "model-relief-statistics", "chips"])
def test_assets_are_there_and_hash_as_told(items: dict[str, Any], town_run: Run, name: str) -> None:
    for asset in items[name]["assets"].values():
        path = town_run.folder / "stac" / asset["href"]
        assert path.exists()
        if "file:checksum" in asset:
            assert asset["file:checksum"] == f"1220{hash_file(path)}"
            assert asset["file:size"] == path.stat().st_size


def test_names_and_versions_suit_the_extensions_schema(items: dict[str, Any]) -> None:
    for item in (items["model-small"], items["model-relief-statistics"]):
        told = item["properties"]
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", told["mlm:name"])
        assert re.match(r"\d+\.\d+\.\d+", told["mlm:framework_version"])
        chosen = told.get("mlm:hyperparameters", {"none": None})
        assert chosen
        assert all(re.fullmatch(r"[0-9a-zA-Z_.-]+", key) for key in chosen)
        assert "mlm:artifact_type" in item["assets"]["model"]
        assert told["mlm:pretrained"] is False


def test_items_lie_where_the_town_does(items: dict[str, Any]) -> None:
    west, south, east, north = items["chips"]["bbox"]
    assert -0.4 < west < east < 0.0
    assert 50.2 < south < north < 50.3
    assert items["chips"]["properties"]["proj:code"] == "EPSG:27700"


def test_no_path_of_this_machine_is_in_the_catalogue(town_run: Run) -> None:
    for path in (town_run.folder / "stac").glob("*.json"):
        assert str(town_run.folder.parent) not in path.read_text()


def write_contribution(facts: Facts, folder: Path) -> Path:
    path = folder / "explain" / "crime.tif"
    path.parent.mkdir(parents=True)
    transform = from_origin(520_000, 43_000, 2, 2)
    options = {"driver": "GTiff", "dtype": "float32", "crs": facts.samples.chips.crs}
    size = {"width": 30, "height": 20, "count": 1, "nodata": np.nan, "transform": transform}
    with rasterio.open(path, "w", **options, **size) as raster:
        raster.write(np.zeros((1, 20, 30), np.float32))
    told = {"recipe": "relief-statistics", "target": "crime", "file": "explain/crime.tif"}
    write_json(
        folder / "explain" / "contributions.json", [told | {"unit": "score", "layer": "heights"}]
    )
    return path


def test_a_contribution_has_its_grid_and_its_model(
    town_settings: Settings, town_run: Run, tmp_path: Path, offline: None
) -> None:
    facts = read_facts(town_settings, town_run)
    path = write_contribution(facts, tmp_path)
    moved = replace(facts, run=Run(tmp_path, quiet=True))
    ((name, found, told),) = find_rasters(moved)
    assert (name, found) == ("contribution-relief-statistics-crime", path)
    written = describe_raster(name, found, told, moved).to_dict(transform_hrefs=False)
    item = json.loads(json.dumps(written))
    assert (
        item["properties"]["title"]
        == "What the ground adds to crime, by relief-statistics, looking at the heights"
    )
    assert item["properties"]["proj:shape"] == [20, 30]
    assert item["properties"]["proj:transform"][:3] == [2, 0, 520_000]
    assert item["assets"]["data"]["href"] == "../explain/crime.tif"
    assert item["links"][0]["href"] == "./model-relief-statistics.json"
    validator = JsonSchemaSTACValidator()
    validator.validate_core(item, STACObjectType.ITEM, item["stac_version"])


def test_a_recipe_made_of_others_tells_what_they_look_through(
    town_settings: Settings, town_run: Run, tmp_path: Path
) -> None:
    final = tmp_path / "models" / "kriged" / "final"
    shutil.copytree(town_run.models / "relief-statistics" / "final", final)
    (final / "recipe.toml").write_text(format_recipe(load_recipe("kriged-dense-vgg16", SETTINGS)))
    member = final / "members" / "0-dense-vgg16"
    member.mkdir(parents=True)
    (member / "recipe.toml").write_text(format_recipe(load_recipe("dense-vgg16", SETTINGS)))
    write_json(tmp_path / "models" / "recipes.json", [{"recipe": "kriged"}])
    # What an earlier configuration trained is not of this run.
    shutil.copytree(final, tmp_path / "models" / "earlier" / "final")
    (model,) = read_models(Run(tmp_path, quiet=True))
    assert model.backbones == ("vgg16",)
    assert "frozen vgg16, and a Gaussian process" in model.architecture
    assert model.sees.endswith("at home also its place, its district and its neighbours' scores")
    facts = read_facts(town_settings, town_run)
    item = describe_model(model, replace(facts, settings=SETTINGS)).to_dict(transform_hrefs=False)
    told = MLModelProperties.model_validate(item["properties"])
    assert (told.pretrained, told.pretrained_source) == (True, "timm vgg16")
