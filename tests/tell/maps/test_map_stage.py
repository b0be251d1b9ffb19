from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as Xml

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.maps.static_maps import draw_static

TARGETS = ["crime", "barriers", "health"]


@pytest.fixture(scope="module")
def facts(town_settings: Settings, town_run: Run) -> Facts:
    return read_facts(town_settings, town_run)


@pytest.fixture(scope="module")
def layers(facts: Facts) -> list[MapLayer]:
    return gather_layers(facts)


@pytest.fixture(scope="module")
def styles(town_run: Run) -> pd.DataFrame:
    table: pd.DataFrame = pyogrio.read_dataframe(town_run.maps / "areas.gpkg", layer="layer_styles")
    return table


def read_layer(run: Run, target: str) -> gpd.GeoDataFrame:
    return pyogrio.read_dataframe(run.maps / "areas.gpkg", layer=target)


def test_there_is_a_layer_a_target_with_a_row_an_area(town_run: Run) -> None:
    names = [name for name, _ in pyogrio.list_layers(town_run.maps / "areas.gpkg")]
    assert names == [*TARGETS, "layer_styles"]
    areas = gpd.read_parquet(town_run.chips / "areas.parquet")
    crime = read_layer(town_run, "crime")
    assert crime["area_id"].tolist() == areas["area_id"].tolist()
    assert crime.crs == areas.crs
    assert crime.geometry.area.to_numpy() == pytest.approx(areas.geometry.area.to_numpy())


def test_values_are_the_held_out_means_over_repeats(town_run: Run, facts: Facts) -> None:
    recipe = facts.shown["crime"]
    table = pd.read_parquet(town_run.predictions)
    asked = (table["recipe"] == recipe) & (table["target"] == "crime") & (table["unit"] == "area")
    means = table[asked & (table["scheme"] == "block")].groupby("id")[["y_pred", "upper_95"]].mean()
    crime = read_layer(town_run, "crime").set_index("area_id").loc[means.index]
    assert crime["predicted"].to_numpy() == pytest.approx(means["y_pred"].to_numpy())
    assert crime["upper_95"].to_numpy() == pytest.approx(means["upper_95"].to_numpy())
    assert set(crime["recipe"]) == {recipe}
    residual = crime["observed"] - crime["predicted"]
    assert crime["residual"].to_numpy() == pytest.approx(residual.to_numpy())


def test_intervals_lie_inside_each_other(town_run: Run) -> None:
    crime = read_layer(town_run, "crime").dropna(subset=["predicted"])
    order = ["lower_95", "lower_80", "lower_50", "upper_50", "upper_80", "upper_95"]
    assert (np.diff(crime[order].to_numpy(), axis=1) >= 0).all()


def test_every_layer_has_styles_where_qgis_looks_for_them(
    town_run: Run, styles: pd.DataFrame
) -> None:
    for target in TARGETS:
        info = pyogrio.read_info(town_run.maps / "areas.gpkg", layer=target)
        mine = styles[styles["f_table_name"] == target]
        assert set(mine["f_geometry_column"]) == {info["geometry_name"]}
        assert set(mine["f_table_schema"]) == {""}
        assert mine.loc[mine["useAsDefault"], "styleName"].tolist() == ["predicted"]
        assert {"predicted", "observed", "residual"} <= set(mine["styleName"])
    assert styles["styleName"].str.len().max() <= 30
    assert styles["update_time"].notna().all()


def test_styles_name_columns_that_the_layers_have(town_run: Run, styles: pd.DataFrame) -> None:
    columns = set(read_layer(town_run, "crime").columns)
    for qml in styles["styleQML"]:
        for rule in Xml.fromstring(qml).iter("rule"):
            assert set(re.findall(r'"(\w+)"', rule.attrib["filter"])) <= columns


def test_predicted_and_observed_have_the_same_classes(styles: pd.DataFrame) -> None:
    by_name = styles[styles["f_table_name"] == "crime"].set_index("styleName")["styleQML"]
    predicted, observed = (
        [rule.attrib["label"] for rule in Xml.fromstring(by_name[name]).iter("rule")][:5]
        for name in ("predicted", "observed")
    )
    assert predicted == observed


def test_the_parquet_file_has_one_row_an_area(town_run: Run, layers: list[MapLayer]) -> None:
    table = gpd.read_parquet(town_run.maps / "areas.parquet")
    assert table["area_id"].is_unique
    assert table.crs == layers[0].table.crs
    wanted = {f"{target}_{name}" for target in TARGETS for name in ("predicted", "upper_80")}
    assert wanted <= set(table.columns)
    pd.testing.assert_series_equal(
        table["health_predicted"], layers[2].table["predicted"], check_names=False
    )


def test_the_list_says_what_each_map_is_worth(town_run: Run, facts: Facts) -> None:
    listed = read_json(town_run.maps / "layers.json")
    assert [record["target"] for record in listed] == TARGETS
    for record in listed:
        assert record["recipe"] == facts.find_code(facts.shown[record["target"]])
        assert record["says"].startswith(facts.shown[record["target"]])
        assert "held out" in record["says"]
        assert "mean" in record["says"]


def test_a_drawing_has_four_maps_and_stands_by_itself(town_run: Run) -> None:
    svg = (town_run.maps / "crime.svg").read_text(encoding="utf-8")
    assert Xml.fromstring(svg).tag.endswith("svg")
    for title in ("Predicted crime", "Observed crime", "Observed − predicted", "applies"):
        assert title in svg
    assert "N ↑" in svg
    assert "m</text>" in svg
    assert "var(--" not in svg
    assert "currentColor" not in svg


def test_areas_outside_are_striped_in_the_drawing(layers: list[MapLayer]) -> None:
    layer = layers[0]
    assert ("<pattern" in draw_static(layer)) == bool(layer.is_outside.any())


def test_contribution_maps_are_handed_over_where_explaining_left_some(
    town_settings: Settings, town_run: Run, tmp_path: Path
) -> None:
    folder = shutil.copytree(
        town_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.zarr")
    )
    heat = next((folder / "explain").glob("*/crime-*.tif")).relative_to(folder)
    record = {
        "recipe": "dense",
        "target": "crime",
        "file": str(heat),
        "unit": "",
        "layer": "heights",
    }
    write_json(folder / "explain" / "contributions.json", [record])
    write_maps(town_settings, Run(folder, quiet=True))
    assert (folder / "maps" / "crime-dense.tif").exists()
    assert [path.name for path in town_run.maps.glob("*.tif")] == ["relief.tif"]


def test_a_run_that_is_not_judged_by_area_leaves_no_maps(
    town_settings: Settings, town_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(
        town_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.zarr")
    )
    path = folder / "evaluate" / "residuals.parquet"
    pd.read_parquet(path).iloc[:0].to_parquet(path)
    write_maps(town_settings, Run(folder))
    assert not (folder / "maps").exists()
    assert "nothing to draw" in capsys.readouterr().out
