"""A resident's five tasks by keyboard alone; the page on paper, without WebGL, and on a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.tell.stage import tell_run

A4 = {"width": 673, "height": 900}
"""The width that paper leaves between margins, in pixels of print."""

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

TabTo = Callable[[Any, str], Any]


@pytest.fixture(scope="module")
def public(town_run: Run) -> Path:
    """The town's public page, of three scores."""
    return town_run.folder / "public" / "report.html"


def open_page(browser: Any, path: Path, **settings: Any) -> Any:
    """Open a page at its map."""
    page = browser.new_page(**settings)
    page.goto(path.as_uri())
    page.wait_for_selector("#map-view:not([hidden])")
    return page


def test_how_sure_it_is_stands_on_the_first_screen(no_webgl: Any, public: Path) -> None:
    page = open_page(no_webgl, public, viewport={"width": 1280, "height": 800})
    box = page.locator(".sure dd").bounding_box()
    assert box["y"] + box["height"] < 800
    assert page.locator(".sure dd").inner_text().strip()
    page.close()


def test_an_area_is_found_and_read_by_keyboard(no_webgl: Any, public: Path, tab_to: TabTo) -> None:
    page = open_page(no_webgl, public)
    name = page.evaluate(
        "JSON.parse(document.getElementById('map-areas').textContent)"
        ".features.map(each => each.properties.area_id).filter(Boolean)[0]"
    )
    tab_to(page, "input[name=area]")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    said = page.get_by_role("status").inner_text()
    assert name in said
    assert re.search(r"estimate\n\S*\d", said)
    assert re.search(r"likely range\n\S*\d", said)
    page.close()


def test_the_score_is_switched_by_keyboard(
    no_webgl: Any, town_run: Run, town_settings: Settings, tmp_path: Path, tab_to: TabTo
) -> None:
    # Of what cannot be told no map is handed out: here every score counts as told.
    run = Run(shutil.copytree(town_run.folder, tmp_path / "run"), quiet=True)
    write_json(run.scores, [each | {"worth": "better"} for each in read_json(run.scores)])
    tell_run(town_settings, run)
    page = open_page(no_webgl, run.folder / "public" / "report.html")
    before = page.locator("#map-says").inner_text()
    tab_to(page, "#map-target")
    page.keyboard.press("ArrowDown")
    assert page.locator("#map-says").inner_text() != before
    page.close()


def test_the_table_is_downloaded_by_keyboard(
    no_webgl: Any, public: Path, tmp_path: Path, tab_to: TabTo
) -> None:
    page = open_page(no_webgl, public, accept_downloads=True)
    tab_to(page, "a[href='areas.csv']")
    with page.expect_download() as caught:
        page.keyboard.press("Enter")
    caught.value.save_as(tmp_path / "areas.csv")
    assert (tmp_path / "areas.csv").read_bytes() == public.with_name("areas.csv").read_bytes()
    page.close()


def test_the_contact_is_reached_by_keyboard(
    no_webgl: Any,
    tmp_path: Path,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
    tab_to: TabTo,
) -> None:
    told = {"contact": "ann@council.example", "authors": ["Ann"]}
    publish = open_settings.publish.model_copy(update=told)
    run = write_judged(tmp_path / "run")
    tell_run(open_settings.model_copy(update={"publish": publish}), run)
    page = open_page(no_webgl, run.folder / "public" / "report.html")
    assert tab_to(page, "a[href^='mailto:']").get_attribute("href") == "mailto:ann@council.example"
    page.close()


def test_without_webgl_both_maps_are_pictures_that_answer(no_webgl: Any, public: Path) -> None:
    page = open_page(no_webgl, public)
    page.locator("#map").scroll_into_view_if_needed()
    page.wait_for_selector("#map-view[data-idle]", state="attached", timeout=60_000)
    pictures = page.locator(".map-picture svg")
    assert pictures.count() == 2
    assert page.locator(".map-canvas:visible").count() == 0
    pictures.first.locator(".areas path[data-row]").first.dispatch_event("click")
    assert "No area chosen" not in page.get_by_role("status").inner_text()
    page.close()


def test_on_paper_nothing_is_cut_and_the_map_is_a_picture(webgl: Any, public: Path) -> None:
    page = open_page(webgl, public, viewport=A4)
    # What a browser does before it prints, and then how it lays out.
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".map-picture svg:visible").count() == 2
    assert page.locator(".map-canvas:visible, form:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    cut = page.evaluate(
        "[...document.querySelectorAll('main *:not(svg *)')].filter(each => each.checkVisibility()"
        " && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML)"
    )
    assert cut == []
    text = page.locator("main").inner_text()
    assert "What not to do with it" in text
    assert len(page.pdf()) > 10_000
    page.close()


def test_a_phone_shows_every_column_without_scrolling_sideways(no_webgl: Any, public: Path) -> None:
    page = open_page(no_webgl, public, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "each => each.scrollWidth > each.clientWidth"
    assert page.locator(".scroll").count() == 1
    assert page.evaluate(f"[...document.querySelectorAll('.scroll')].filter({wide}).length") == 0
    page.close()
