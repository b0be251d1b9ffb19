"""The report's map in a browser: by mouse, by keyboard, without WebGL, on paper, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin

from basrelief.config import Settings
from basrelief.explain.area_sums import ADDS
from basrelief.run import Run, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.layers import MapLayer, gather_layers
from basrelief.tell.page import report as report_module
from basrelief.tell.words import format_number

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def layers(town_settings: Settings, town_run: Run) -> list[MapLayer]:
    return gather_layers(read_facts(town_settings, town_run))


@pytest.fixture(scope="module")
def overlaid(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
    plant_sums: Callable[[Run], pd.DataFrame],
) -> Path:
    """A report whose map has contributions of the ground, and an area without prediction.

    To one area, E05, its ground adds next to nothing.
    """
    run = write_judged(tmp_path_factory.mktemp("overlaid") / "run")
    sums = plant_sums(run)
    sums.loc[sums["area_id"] == "E05", list(ADDS)] = 0.0004
    sums.to_parquet(run.explain / "areas.parquet")
    values = np.tile(np.linspace(-12.3, 12.3, 200), (10, 1)).astype(np.float32)
    profile: dict[str, Any] = {"count": 1, "dtype": "float32", "nodata": np.nan, "crs": 27700}
    profile |= {"height": 10, "width": 200, "transform": from_origin(0, 100, 10, 10)}
    with rasterio.open(run.explain / "crime.tif", "w", driver="GTiff", **profile) as raster:
        raster.write(values, 1)
    told = {"file": "explain/crime.tif", "unit": "crime", "layer": "heights"}
    record = {"recipe": "dense-vgg16", "target": "crime"} | told
    write_json(run.explain / "contributions.json", [record])
    path = run.folder / "evaluate" / "residuals.parquet"
    predicted = pd.read_parquet(path)
    predicted[predicted["area_id"] != predicted["area_id"].iloc[0]].to_parquet(path)
    report_module.write_page(read_facts(judged_settings, run))
    return run.report


def open_map(browser: Any, report: Path, **settings: Any) -> tuple[Any, list[str]]:
    """Open the report at its map; note all that the browser complains of or asks for."""
    page = browser.new_page(**settings)
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(f"{report.as_uri()}#map")
    page.locator("#map").scroll_into_view_if_needed()
    page.wait_for_selector("#map-view[data-idle]", state="attached", timeout=60_000)
    return page, heard


def is_at_home(heard: str) -> bool:
    """Whether what was asked for lies in the page itself."""
    return heard.startswith(("file:", "blob:", "data:"))


def pick_area(layers: list[MapLayer], place: int = 0) -> pd.Series[Any]:
    """Take an area that was predicted for every target."""
    predicted = pd.concat([layer.table["predicted"].notna() for layer in layers], axis=1)
    row: pd.Series[Any] = layers[0].table[predicted.all(axis=1)].iloc[place]
    return row


def tell(layer: MapLayer, row: Any, column: str) -> str:
    """Write a number as the page should."""
    return format_number(float(layer.table.loc[row, column]), layer.classes.places)


def test_an_area_clicked_tells_its_numbers(
    webgl: Any, town_run: Run, layers: list[MapLayer]
) -> None:
    page, heard = open_map(webgl, town_run.report)
    canvas = page.locator("#map-canvas canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    status = page.get_by_role("status")
    name = status.locator("b").inner_text()
    (row,) = layers[0].table.index[layers[0].table["area_name"] == name]
    said = status.inner_text()
    assert f"predicted\n{tell(layers[0], row, 'predicted')}" in said
    assert f"observed\n{tell(layers[0], row, 'observed')}" in said
    low, high = tell(layers[0], row, "lower_80"), tell(layers[0], row, "upper_80")
    assert f"80% interval {low} to {high}" in said
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_another_score_and_layer_change_colours_legend_and_numbers(
    webgl: Any, town_run: Run, layers: list[MapLayer]
) -> None:
    page, heard = open_map(webgl, town_run.report)
    area = pick_area(layers)
    before = page.locator("#map-canvas").screenshot()
    page.get_by_label("Score", exact=True).select_option("health")
    page.get_by_label("observed", exact=True).check()
    page.get_by_label("Find an area").fill(area["area_id"])
    page.get_by_role("button", name="Show").click()
    page.wait_for_timeout(500)
    assert page.locator("#map-canvas").screenshot() != before
    legend = page.locator("#map-legend").inner_text()
    assert all(label in legend for label in layers[2].classes.labels)
    assert "health" in page.get_by_role("status").inner_text()
    assert tell(layers[2], area.name, "observed") in page.get_by_role("status").inner_text()
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_everything_can_be_reached_by_keyboard(
    webgl: Any, town_run: Run, layers: list[MapLayer]
) -> None:
    page, _ = open_map(webgl, town_run.report)
    area = pick_area(layers, 3)
    page.get_by_label("Score", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    said = page.locator("#map-says").inner_text()
    assert said.lower().startswith("barriers to housing and services, observed − predicted")
    page.keyboard.press("Tab")
    page.keyboard.type(area["area_name"].lower())
    page.keyboard.press("Enter")
    said = page.get_by_role("status").inner_text()
    assert said.startswith(area["area_name"])
    assert tell(layers[1], area.name, "residual") in said
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    page.close()


def test_a_name_that_no_area_has_is_told(webgl: Any, town_run: Run) -> None:
    page, _ = open_map(webgl, town_run.report)
    page.get_by_label("Find an area").fill("Atlantis")
    page.keyboard.press("Enter")
    assert "No area here is called “Atlantis”." in page.get_by_role("status").inner_text()
    page.close()


def test_a_legend_counts_every_area_once(webgl: Any, town_run: Run, layers: list[MapLayer]) -> None:
    page, _ = open_map(webgl, town_run.report)
    for name in ("predicted", "observed", "observed − predicted", "width of the 80% interval"):
        page.get_by_label(name, exact=True).check()
        shown = page.locator("#map-legend li:not(:has(.stripes))").all_inner_texts()
        counts = [int(text.rsplit("(", 1)[1].rstrip(")")) for text in shown]
        assert sum(counts) == len(layers[0].table)
    page.close()


def test_without_webgl_a_picture_answers_as_the_map_would(
    no_webgl: Any, town_run: Run, layers: list[MapLayer]
) -> None:
    page, heard = open_map(no_webgl, town_run.report)
    assert page.locator("#map-canvas").is_hidden()
    picture = page.locator("#map-picture svg")
    assert picture.is_visible()
    assert picture.locator(".areas path").count() == len(layers[0].table)
    area = pick_area(layers)
    row = layers[0].table["area_id"].tolist().index(area["area_id"])
    outline = picture.locator(f".areas path[data-row='{row}']")
    colours = layers[0].classes
    wanted = colours.colours[colours.find(layers[0].table["predicted"].to_numpy())[row]]
    assert outline.get_attribute("fill") == wanted
    outline.dispatch_event("click")
    assert page.get_by_role("status").inner_text().startswith(area["area_name"])
    page.get_by_label("Score", exact=True).select_option(label="barriers to housing and services")
    assert "barriers" in page.get_by_role("status").inner_text()
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_on_paper_stands_the_picture_even_where_nobody_looked(webgl: Any, town_run: Run) -> None:
    page = webgl.new_page()
    page.goto(town_run.report.as_uri())
    assert page.locator("#map-picture svg").count() == 0
    page.pdf()
    assert page.locator("#map-picture svg .areas path").count() > 0
    page.emulate_media(media="print")
    assert page.locator("#map-picture svg").is_visible()
    assert page.locator("#map-canvas").is_hidden()
    page.close()


def test_a_phone_shows_the_map_without_scrolling_sideways(webgl: Any, town_run: Run) -> None:
    page, heard = open_map(webgl, town_run.report, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#map-canvas").bounding_box()
    assert box["width"] <= 390
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "predicted" in page.get_by_role("status").inner_text()
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_areas_are_where_the_data_have_them(no_webgl: Any, town_run: Run) -> None:
    page, _ = open_map(no_webgl, town_run.report)
    areas = gpd.read_parquet(town_run.chips / "areas.parquet").reset_index(drop=True)
    drawn = page.evaluate("JSON.parse(document.getElementById('map-areas').textContent)")
    shown = gpd.GeoDataFrame.from_features(drawn, crs="EPSG:4326").to_crs(areas.crs)
    difference = shown.geometry.symmetric_difference(areas.geometry)
    assert (difference.area / areas.geometry.area).max() < 0.05
    page.close()


def test_contributions_lie_over_the_map_with_their_legend(webgl: Any, overlaid: Path) -> None:
    page, heard = open_map(webgl, overlaid)
    before = page.locator("#map-canvas").screenshot()
    page.get_by_label("show", exact=True).check()
    page.wait_for_timeout(500)
    assert page.locator("#map-canvas").screenshot() != before
    legend = page.locator("#map-legend").inner_text()
    assert (
        "what the ground adds to crime by dense-vgg16, looking at the heights: −12 (lowers)"
        in legend
    )
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_pale_ground_lies_only_where_something_was_predicted(no_webgl: Any, overlaid: Path) -> None:
    page, _ = open_map(no_webgl, overlaid)
    page.get_by_label("show", exact=True).check()
    layer = page.evaluate("JSON.parse(document.getElementById('map-layers').textContent)[0]")
    n_predicted = sum(value is not None for value in layer["predicted"])
    assert n_predicted == len(layer["predicted"]) - 1
    pale = page.locator("#map-picture .overlay path").get_attribute("d")
    assert pale.count("M") == n_predicted
    assert page.locator("#map-picture .overlay image").count() == 1
    page.close()


def test_an_area_clicked_tells_what_its_ground_adds(webgl: Any, overlaid: Path) -> None:
    page, heard = open_map(webgl, overlaid)
    canvas = page.locator("#map-canvas canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 0.98 * box["width"] / 2, "y": box["height"] / 2})
    told = page.get_by_role("status").get_by_role("table", name="What its ground adds")
    lines = [line.split() for line in told.locator("tr").all_inner_texts()[1:]]
    assert [" ".join(line[:2]) for line in lines[:2]] == ["large buildings", "open flat"]
    assert lines[1][3:] == ["−0.520", "50%"]
    area = page.get_by_role("status").locator("p").first.inner_text()
    east = int(area.split("(E")[1][:2]) / 20
    assert lines[0][2] == f"+{0.61 + east:.3f}"
    assert "not what makes anyone better or worse off" in page.get_by_role("status").inner_text()
    assert [each for each in heard if not is_at_home(each)] == []
    page.close()


def test_bars_tell_sign_and_size_and_numbers_tell_them_without(
    no_webgl: Any, overlaid: Path
) -> None:
    page, _ = open_map(no_webgl, overlaid)
    page.get_by_label("Find an area").fill("E10")
    page.keyboard.press("Enter")
    bars = page.locator("#map-area .sums .bar")
    middles = [cell.bounding_box() for cell in bars.all()]
    drawn = [bar.bounding_box() for bar in bars.locator("i").all()]
    # The fifth kind adds nothing: it has a number, and no bar.
    assert (len(middles), len(drawn)) == (5, 4)
    raises, lowers = drawn[:2]
    middle = middles[0]["x"] + middles[0]["width"] / 2
    assert raises["x"] == pytest.approx(middle, abs=1)
    assert lowers["x"] + lowers["width"] == pytest.approx(middle, abs=1)
    assert raises["width"] / lowers["width"] == pytest.approx(1.11 / 0.52, rel=0.1)
    assert page.locator("#map-area .sums tr").last.inner_text().split()[2] == "0.000"
    page.close()


def test_an_area_without_sums_tells_none(no_webgl: Any, overlaid: Path) -> None:
    page, _ = open_map(no_webgl, overlaid)
    page.get_by_label("Find an area").fill("E00")
    page.keyboard.press("Enter")
    assert "not predicted" in page.get_by_role("status").inner_text()
    assert page.locator("#map-area .sums").count() == 0
    page.close()


def test_ground_that_adds_less_than_is_shown_is_told_in_a_sentence(
    no_webgl: Any, overlaid: Path
) -> None:
    page, _ = open_map(no_webgl, overlaid)
    page.get_by_label("Find an area").fill("E05")
    page.keyboard.press("Enter")
    said = page.get_by_role("status").inner_text()
    assert "no kind of its ground adds or takes away as much as 0.001." in said
    assert page.locator("#map-area .sums").count() == 0
    page.close()


def test_what_ground_adds_fits_on_a_phone(no_webgl: Any, overlaid: Path) -> None:
    page, _ = open_map(no_webgl, overlaid, **PHONE)
    page.get_by_label("Find an area").fill("E10")
    page.get_by_role("button", name="Show").click()
    box = page.locator("#map-area .sums").bounding_box()
    assert box["x"] + box["width"] <= 390 - 16
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
