from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import torch
from PIL import Image

from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.config import DataSettings, Settings
from basrelief.explain import gallery, stage
from basrelief.explain.kinds import EDGES, KINDS, SIDES, TOP_AND_BOTTOM
from basrelief.grid import Grid
from basrelief.learn.encoders import NetworkPlan, build_network
from basrelief.learn.predict import save_network
from basrelief.learn.recipe_files import format_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.run import Run, read_json, write_json
from basrelief.stage_settings import ModelSettings

N_CHIPS = 10
SIZE_PX = 32
SETTINGS = Settings(
    data=DataSettings(dsm="a", areas="b", labels="c", targets=["crime", "income"]),
    models=ModelSettings(weights={"test_resnet": "none"}, device="cpu"),
)
RECIPE = NetworkRecipe(
    kind="network",
    name="small",
    about="a small network",
    backbone="test_resnet",
    bands=["relief"],
    head=HeadRecipe(),
    optimiser=OptimiserRecipe(learning_rate=1e-3),
    train=TrainRecipe(trainable="all", epochs=1, batch_size=4),
)


def write_chips(run: Run) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(0)
    run.chips.mkdir(parents=True)
    east = 500_016.0 + SIZE_PX * np.arange(N_CHIPS)
    table = {"chip_id": [f"c{i}" for i in range(N_CHIPS)], "valid": 1.0, "is_used": True}
    table |= {"crime": rng.normal(size=N_CHIPS), "income": rng.normal(size=N_CHIPS)}
    table |= {"easting": east, "northing": 100_016.0}
    points = gpd.points_from_xy(east, np.full(N_CHIPS, 100_016.0))
    chips = gpd.GeoDataFrame(table, geometry=points, crs=27700)
    chips.to_parquet(run.chips / "chips.parquet")
    area = chips[["geometry"]].iloc[:1].assign(area_id="E01", is_used=True)
    area.to_parquet(run.chips / "areas.parquet")
    pd.DataFrame({"chip_id": chips["chip_id"], "area_id": "E01", "weight": 1.0}).to_parquet(
        run.chips / "membership.parquet"
    )
    half = SIZE_PX / 2
    grid = Grid(east[0] - half, 100_016.0 + half, 1.0, (SIZE_PX, N_CHIPS * SIZE_PX))
    path = run.chips / "layers" / "heights.zarr"
    layer = create_layer(path, grid, HEIGHT_BANDS, pyproj.CRS(27700), SIZE_PX)
    for chip in grid.tiles(SIZE_PX):
        heights = rng.uniform(0, 20, (2, SIZE_PX, SIZE_PX)).astype(np.float32)
        heights[:, :4, :4] = np.nan
        layer.write(grid.find(chip), heights)
    facts = {"kind": "heights", "targets": ["crime", "income"], "size_px": SIZE_PX}
    write_json(run.chips / "chips.json", facts | {"resolution_m": 1.0})
    return chips


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("explained") / "run", quiet=True)
    chips = write_chips(run)
    folder = run.models / "small" / "area" / "0-0"
    folder.mkdir(parents=True)
    plan = NetworkPlan(bands="relief", targets=("crime", "income"), size_px=SIZE_PX)
    network = build_network(RECIPE, plan, SETTINGS, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in network.head[-1].parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
    save_network(network, folder / "model.safetensors")
    (folder / "recipe.toml").write_text(format_recipe(RECIPE))
    write_json(folder / "finished.json", {})
    key = {"recipe": "small", "scheme": "area", "unit": "chip", "id": chips["chip_id"]}
    tested = [
        pd.DataFrame(
            key | {"target": target, "y_true": chips[target], "y_pred": np.arange(N_CHIPS) / 10}
        )
        for target in ("crime", "income")
    ]
    pd.concat(tested).to_parquet(run.predictions)
    (run.folder / "evaluate").mkdir()
    write_json(run.folder / "evaluate" / "claims.json", [])
    (run.explain / "gone").mkdir(parents=True)
    stage.explain_recipes(SETTINGS, run)
    return run


def test_the_gallery_holds_highest_lowest_and_worst(run: Run) -> None:
    records = read_json(run.explain / "small" / "summary.json")
    crime = [record for record in records if record["target"] == "crime"]
    kinds = [record["kind"] for record in crime]
    assert [kinds.count(kind) for kind in ("highest", "lowest", "worst")] == [4, 4, 4]
    assert [kinds.count(kind) for kind in ("most", "least")] == [2, 2]
    assert [record["chip_id"] for record in crime[:2]] == ["c9", "c8"]


def test_every_record_has_its_files(run: Run) -> None:
    for record in read_json(run.explain / "small" / "summary.json"):
        with Image.open(run.explain / "small" / record["file"]) as picture:
            assert picture.size == (2 * SIZE_PX + 2, SIZE_PX)
        assert (run.explain / "small" / record["map_file"]).exists()


def test_a_heat_map_lies_on_its_chips_ground(run: Run) -> None:
    record = read_json(run.explain / "small" / "summary.json")[0]
    with rasterio.open(run.explain / "small" / record["map_file"]) as raster:
        assert raster.crs.to_epsg() == 27700
        assert tuple(raster.bounds) == (500_288.0, 100_000.0, 500_320.0, 100_032.0)
        heat = raster.read(1)
    assert np.isnan(heat[:4, :4]).all()
    assert np.nanmax(np.abs(heat)) == pytest.approx(record["max_abs"])


def test_each_target_is_explained_by_its_own_output(run: Run) -> None:
    folder = run.explain / "small"
    names = ("crime-highest-1.tif", "income-highest-1.tif")
    one, other = (rasterio.open(folder / name).read(1) for name in names)
    assert not np.allclose(np.nan_to_num(one), np.nan_to_num(other))


def test_heat_is_tested_and_what_has_no_ground_to_map_has_no_maps(run: Run) -> None:
    tests = read_json(run.explain / "tests.json")
    found = {(record["recipe"], record["target"], record["test"]) for record in tests}
    names = ("randomised weights", "deletion", "insertion", "flat chips", "edges")
    assert found == {("small", target, name) for target in ("crime", "income") for name in names}
    assert read_json(run.explain / "contributions.json") == []
    assert pd.read_parquet(run.explain / "areas.parquet").empty
    curves = read_json(run.explain / "curves.json")
    keys = ["recipe", "target", "test", "shares", "ranked", "at_random", "n", "of"]
    assert [list(record) for record in curves] == [keys] * 4


def test_heat_is_told_by_kind_of_ground_and_beside_the_edges(run: Run) -> None:
    kinds = read_json(run.explain / "kinds.json")
    crime = [record for record in kinds if record["target"] == "crime"]
    assert [record["kind"] for record in crime] == [*KINDS, EDGES, TOP_AND_BOTTOM, SIDES]
    keys = {"recipe", "target", "kind", "share_of_ground", "contribution", "low", "high", "unit"}
    assert all(set(record) == keys | {"p", "holds"} for record in kinds)
    # Nothing was claimed of LIDAR by this recipe, so that no kind of ground holds.
    assert not any(record["holds"] for record in kinds)
    shares = [record["share_of_ground"] for record in crime[: len(KINDS)]]
    assert sum(shares) == pytest.approx(1.0)


def test_explanations_of_recipes_that_left_the_run_are_removed(run: Run) -> None:
    assert not (run.explain / "gone").exists()


def test_the_last_scheme_that_was_evaluated_is_explained(run: Run) -> None:
    folder = run.models / "small"
    evaluated = pd.DataFrame({"recipe": "small", "scheme": ["area", "random"]})
    assert stage.find_networks(evaluated, run) == [("small", "area", folder / "area" / "0-0")]
    # The other lies there from an earlier configuration.
    found = stage.find_networks(evaluated[1:], run)
    assert [scheme for _, scheme, _ in found] in ([], ["random"])
    assert stage.find_networks(evaluated[:0], run) == []


def test_few_chips_are_not_both_highest_and_lowest() -> None:
    tested = pd.DataFrame({"id": list("abc"), "y_true": [0.0, np.nan, 5.0], "y_pred": [1, 2, 3]})
    chosen = gallery.choose_chips(tested)
    by_kind = chosen.groupby("kind", sort=False)["id"].agg("".join).to_dict()
    assert by_kind == {"highest": "c", "lowest": "a", "worst": "ca", "most": "c", "least": "a"}


def test_heat_is_drawn_orange_where_it_raises_and_purple_where_it_lowers() -> None:
    heat = np.zeros((64, 64), dtype=np.float32)
    heat[:32], heat[32:] = 1.0, -1.0
    picture = np.asarray(gallery.draw_heat(np.zeros((3, 64, 64), np.uint8), heat, 1.0))
    raised, lowered = picture[0, -1].astype(int), picture[-1, -1].astype(int)
    assert raised[0] > raised[2] + 50
    assert lowered[2] > lowered[1] + 50


def test_no_heat_at_all_leaves_the_chip_grey() -> None:
    nothing = np.zeros((64, 64), dtype=np.float32)
    picture = np.asarray(gallery.draw_heat(np.full((3, 64, 64), 80, np.uint8), nothing, 0.0))
    assert np.ptp(picture[:, -60:].astype(int), axis=2).max() == 0
    assert gallery.describe_heat(nothing)["share_positive"] == 0.0
