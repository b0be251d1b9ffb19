"""Catalogue entries (STAC) for the final models and for what is drawn on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import geopandas as gpd
import pystac
import rasterio
import shapely
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from rasterio.warp import transform_bounds
from stac_model.input import InputStructure, ModelInput
from stac_model.output import ModelOutput, ModelResult
from stac_model.schema import MLModelExtension, MLModelProperties

from basrelief import __version__
from basrelief.chips.layers import Layer
from basrelief.eyes import COLOURS, OVERLAYS
from basrelief.hashes import hash_file
from basrelief.learn.recipes import NetworkRecipe
from basrelief.run import replacing, write_json
from basrelief.tell.facts import Facts
from basrelief.tell.maps.contributions import name_unit, read_contributions
from basrelief.tell.models import Model
from basrelief.tell.page.data import say_flights
from basrelief.tell.provenance import read_date
from basrelief.tell.words import name_layer, name_source, name_target, write_targets

BANDS: dict[str, tuple[tuple[str, str], ...]] = {
    "relief": (
        ("height", "Height above ground, m"),
        ("slope", "Slope of the ground, degrees"),
        ("altitude", "Altitude of the ground, m"),
    ),
    "shaded": tuple((name, f"Coloured hillshade, {name}") for name in COLOURS),
}

BANDS["relief+photo"] = (
    *BANDS["relief"],
    *((name, f"Photo, {name}, 0 to 255") for name in COLOURS),
)

MANY_FEATURES = 100
"""More features than this are not named one by one."""

TOML, JSON = "application/toml", "application/json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
PARQUET, ZARR = "application/vnd.apache.parquet", "application/vnd+zarr"
OF_THE_FILE = "The date is that of the file."


def write_items(facts: Facts, models: Sequence[Model]) -> None:
    """Write ``stac/``: a catalogue, an item a final model, and one a raster on the ground.

    Models follow the Machine Learning Model extension (MLM) of STAC, through stac-model's
    typed classes, which check every field and need no network.
    """
    items = [describe_model(model, facts) for model in models]
    if facts.settings.data.has_rasters:
        items.append(make_chips_item(facts))
        items += [describe_raster(*raster, facts) for raster in find_rasters(facts)]
    catalogue = pystac.Catalog("basrelief", "The models of a run and what they draw on the ground.")
    for item in items:
        catalogue.add_link(pystac.Link("item", f"./{item.id}.json", JSON, title=item.id))
    with replacing(facts.run.folder / "stac") as part:
        part.mkdir()
        for entry in (catalogue, *items):
            name = "catalog" if entry is catalogue else entry.id
            # No link to itself: a run folder can be moved, and its catalogue with it.
            record = entry.to_dict(include_self_link=False, transform_hrefs=False)
            write_json(part / f"{name}.json", record)
    facts.run.say(f"report: stac/ describes {len(models)} models, {len(items)} items in all")


def write_model_item(folder: Path, model: Model, facts: Facts, licence: str) -> None:
    """Write the item of one model that leaves its run, into ``stac/`` of its folder."""
    item = describe_model(model, facts)
    item.properties["license"] = licence
    record = item.to_dict(include_self_link=False, transform_hrefs=False)
    write_json(folder / "stac" / f"{item.id}.json", record)


def describe_model(model: Model, facts: Facts) -> pystac.Item:
    """Describe a final model, with the files that it is made of."""
    targets = write_targets(model.final.targets)
    bands = name_bands(model)
    item = pystac.Item(
        f"model-{model.name}",
        **find_extent(facts),
        datetime=model.written,
        properties={
            "title": f"{facts.tell(model.name)}: {targets} from {name_source(facts.has_ground)}",
            "description": f"{model.recipe.about}. {tell_date(facts)}",
            **bands,
        },
    )
    MLModelExtension.ext(item, add_if_missing=True).apply(tell_model(model, facts))
    # Which library's safetensors reads the file back.
    library = "torch" if isinstance(model.recipe, NetworkRecipe) else "numpy"
    weights = pystac.Asset(
        f"../{model.file}",
        title="Weights",
        media_type="application/octet-stream",
        roles=["mlm:model", "mlm:weights"],
        # The extension asks for it wherever a file has the role of a model.
        extra_fields={"mlm:artifact_type": f"safetensors.{library}.save_file", **bands},
    )
    # Added before its hash: an extension writes to the item that an asset belongs to.
    item.add_asset("model", weights)
    _add_hash(weights, model.n_bytes, model.sha256)
    folder = f"../{Path(model.file).parent.as_posix()}"
    item.add_asset("recipe", pystac.Asset(f"{folder}/recipe.toml", "Recipe", media_type=TOML))
    item.add_asset("about", pystac.Asset(f"{folder}/model.json", "Labels seen", media_type=JSON))
    card = pystac.Asset("../model_card.md", "Model card", media_type="text/markdown")
    item.add_asset("card", card)
    return item


def name_bands(model: Model) -> dict[str, Any]:
    """Name the bands that a network sees; nothing for what sees features.

    The extension wants them among an item's own properties, and the core allows them there
    only where an asset has them too.
    """
    if not isinstance(model.recipe, NetworkRecipe):
        return {}
    bands = BANDS[model.final.bands]
    return {"bands": [{"name": name, "description": text} for name, text in bands]}


def tell_model(model: Model, facts: Facts) -> MLModelProperties:
    """Say what goes into a model and what comes out, in the extension's own terms."""
    recipe, final = model.recipe, model.final
    is_network = isinstance(recipe, NetworkRecipe)
    output = ModelOutput(
        name=f"scores, in order: {', '.join(final.targets)}",
        tasks={"regression"},
        result=ModelResult(
            shape=[-1, len(final.targets)], dim_order=["batch", "target"], data_type="float64"
        ),
    )
    given = facts.settings.models.weights
    sources = [
        f"a file of weights of {name}" if name in given else f"timm {name}"
        for name in model.backbones
        # Weights at random come from nowhere.
        if given.get(name) != "none"
    ]
    # What has a field of its own is not told again as a parameter.
    chosen = recipe.model_dump(mode="json", exclude={"kind", "name", "about"}, exclude_none=True)
    return MLModelProperties(
        # The schema allows letters, digits, dots, dashes and blanks, and so do names of recipes.
        name=f"basrelief {model.name} model",
        architecture=model.architecture,
        tasks={"regression"},
        framework="PyTorch" if is_network else "NumPy",
        framework_version=version("torch" if is_network else "numpy"),
        total_parameters=model.n_parameters,
        pretrained=bool(sources),
        pretrained_source=" and ".join(sources) or None,
        hyperparameters=chosen or None,
        input=[tell_input(model)],
        output=[output],
    )


def tell_input(model: Model) -> ModelInput:
    """Say what a model is given: the bands of a chip, or the features of an area."""
    final = model.final
    if isinstance(model.recipe, NetworkRecipe):
        size = final.chips.size_px
        return ModelInput(
            name=f"chip of {final.chips.ground_m:g} m",
            bands=[name for name, _ in BANDS[final.bands]],
            input=InputStructure(
                shape=[-1, 3, size, size],
                dim_order=["batch", "bands", "height", "width"],
                data_type="float32",
            ),
        )
    known = list(final.features)
    many = "as in model.json, where each is described"
    # A dense recipe has a thousand features, of which no name tells anything.
    named = ", ".join(known) if len(known) <= MANY_FEATURES else many
    return ModelInput(
        name="features of an area's own ground",
        description=f"In order: {named}",
        input=InputStructure(
            shape=[-1, len(final.features)], dim_order=["batch", "feature"], data_type="float64"
        ),
        pre_processing_function={
            "format": "python",
            "expression": "basrelief.learn.features:make_features",
            "description": f"basrelief {__version__}",
        },
    )


def make_chips_item(facts: Facts) -> pystac.Item:
    """Describe the store of chips: where the heights lie that everything rests on."""
    chips: Any = facts.samples.chips
    size = facts.samples.size_px
    item = pystac.Item(
        "chips",
        **locate_bounds(chips.total_bounds, chips.crs),
        datetime=read_date(facts.run.chips / "chips.parquet"),
        properties={
            "title": "Chips",
            "description": f"{len(chips)} squares of heights: surface, ground. {tell_date(facts)}",
            "gsd": facts.samples.resolution_m,
        },
    )
    project(item, chips.crs, None)
    bands = [{"name": "surface", "unit": "m"}, {"name": "ground", "unit": "m"}]
    # As a text, for JSON has no NaN; STAC spells it so.
    about = {"bands": bands, "data_type": "float32", "nodata": "nan"}
    # A Zarr store is a folder: it has no single size and hash.
    pixels = pystac.Asset(
        "../chips/layers/heights.zarr",
        "Heights",
        f"(band, row, col) of the whole place, read in squares of {size} cells a side",
        ZARR,
        ["data"],
        about,
    )
    item.add_asset("pixels", pixels)
    for name in OVERLAYS:
        if name in facts.samples.layers:
            item.add_asset(name, _describe_layer(name, facts.samples.layers[name]))
    index = pystac.Asset("../chips/chips.parquet", "Index", media_type=PARQUET, roles=["metadata"])
    item.add_asset("index", index)
    return item


def _describe_layer(name: str, layer: Layer) -> pystac.Asset:
    """Describe a layer beside heights."""
    named = [{"name": band.name, "unit": band.unit} for band in layer.bands]
    return pystac.Asset(
        f"../chips/layers/{name}.zarr",
        name_layer(name).removeprefix("the ").capitalize(),
        f"(band, row, col) of the areas' ground and what lies around it, cells of "
        f"{layer.grid.cell_m:g} m",
        ZARR,
        ["data"],
        {"bands": named, "data_type": "float32", "nodata": "nan"},
    )


def find_rasters(facts: Facts) -> list[tuple[str, Path, dict[str, Any]]]:
    """Find the rasters that were drawn on the ground: name, file, and what is known of it."""
    folder = facts.run.folder
    found: list[tuple[str, Path, dict[str, Any]]] = [
        (f"contribution-{record['recipe']}-{record['target']}", folder / record["file"], record)
        for record in read_contributions(facts.run)
    ]
    maps = sorted(facts.run.maps.glob("*.tif"))
    return found + [(f"map-{path.stem}", path, {}) for path in maps]


def describe_raster(name: str, path: Path, record: dict[str, Any], facts: Facts) -> pystac.Item:
    """Describe one raster, from its own file."""
    with rasterio.open(path) as raster:
        item = pystac.Item(
            name,
            **locate_bounds(raster.bounds, raster.crs),
            datetime=read_date(path),
            properties={
                "title": title_raster(path, facts.tell(record)),
                "description": tell_date(facts),
                "gsd": abs(raster.transform.a),
            },
        )
        project(item, raster.crs, raster)
        bands = [
            {"data_type": dtype, "nodata": "nan"} | ({"unit": name_unit(record)} if record else {})
            for dtype in raster.dtypes
        ]
    href = f"../{path.relative_to(facts.run.folder).as_posix()}"
    asset = pystac.Asset(href, media_type=COG, roles=["data"], extra_fields={"bands": bands})
    item.add_asset("data", asset)
    _add_hash(asset, path.stat().st_size, hash_file(path))
    if record:
        item.add_link(pystac.Link("derived_from", f"./model-{record['recipe']}.json", JSON))
    return item


def title_raster(path: Path, record: dict[str, Any]) -> str:
    """Title a raster for people, its target in words."""
    if "target" not in record:
        return path.stem
    by = f"{record['recipe']}, looking at {name_layer(record['layer'])}"
    return f"What the ground adds to {name_target(record['target'])}, by {by}"


def _add_hash(asset: pystac.Asset, n_bytes: int, sha256: str) -> None:
    """Add a file's size and hash to an asset that its item has."""
    # A multihash of SHA-256: its code and length go before it.
    FileExtension.ext(asset, add_if_missing=True).apply(size=n_bytes, checksum=f"1220{sha256}")


def project(item: pystac.Item, crs: Any, raster: Any) -> None:
    """Add the projection, and a raster's grid."""
    epsg = crs.to_epsg()
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        # A CRS without a number is written out, so that it can be read all the same.
        code=None if epsg is None else f"EPSG:{epsg}",
        wkt2=crs.to_wkt() if epsg is None else None,
        shape=None if raster is None else [raster.height, raster.width],
        # The third row of the matrix is the same for all.
        transform=None if raster is None else list(raster.transform)[:6],
    )


def find_extent(facts: Facts) -> dict[str, Any]:
    """Give the extent of the areas that were used; nothing where places are not known."""
    areas: Any = facts.samples.areas
    if not isinstance(areas, gpd.GeoDataFrame):
        # STAC lets an item lie nowhere, and pictures do.
        return {"geometry": None, "bbox": None}
    used = areas[areas["is_used"].astype(bool)]
    return locate_bounds(used.total_bounds, areas.crs)


def locate_bounds(bounds: Sequence[float], crs: Any) -> dict[str, Any]:
    """Turn west, south, east, north into an outline in degrees."""
    # Six decimals of a degree are a tenth of a metre.
    degrees = [round(side, 6) for side in transform_bounds(crs, 4326, *bounds)]
    return {"geometry": shapely.geometry.mapping(shapely.box(*degrees)), "bbox": degrees}


def tell_date(facts: Facts) -> str:
    """Say what the date of an item is, and when the ground was flown."""
    return f"{OF_THE_FILE} {say_flights(facts.samples.areas)}"
