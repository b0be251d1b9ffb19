"""The explore page in a browser: two tiers, by mouse, by keyboard, on a phone, and on paper."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from basrelief.reader import open_run
from basrelief.run import Run

SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""Drawing by the processor: machines that run tests have no screen."""

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as player:
        yield player.chromium.launch(executable_path=chromium, args=SOFTWARE)


def open_page(browser: Any, served: Any, path: str = "/runs/town", **settings: Any) -> Any:
    """Open a page; whatever the browser complains of, or asks of others, is a fault."""
    page = browser.new_page(**settings)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((served.url, "data:", "blob:"))
            else faults.append(asked.url)
        ),
    )
    page.faults = faults
    page.goto(served.url + path)
    page.wait_for_selector("#map-view[data-idle]")
    return page


def choose(page: Any, name: str) -> str:
    """Choose an area by its name or code; what is told of it."""
    page.fill("#map-find input", name)
    page.keyboard.press("Enter")
    text: str = page.inner_text("#map-area")
    return text


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["desk", "phone"])
def test_an_area_is_told_with_unit_direction_and_interval(
    settings: dict[str, Any], browser: Any, public: Any, served_run: Run
) -> None:
    page = open_page(browser, public, **settings)
    told = choose(page, "e07")
    row = open_run(served_run.folder).map("crime").set_index("area_id").loc["E07"]
    assert "Barnet 007A (E07" in told
    assert f"{row['observed']:.2f}".replace("-", "−") in told
    ends = [f"{row[name]:.2f}".replace("-", "−") for name in ("lower_80", "upper_80")]
    assert " to ".join(ends) in told
    assert "Higher is worse." in told
    assert "applies here" in told
    assert "observed − predicted" not in told
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0
    assert page.faults == []
    page.close()


def test_an_analyst_sees_errors_and_widths_too(browser: Any, analyst: Any) -> None:
    page = open_page(browser, analyst)
    assert "observed − predicted" in choose(page, "Barnet 003A")
    for value, says in (("residual", "Orange: higher"), ("width", "")):
        page.check(f"input[value={value}]")
        assert says in page.inner_text(".map-pane:nth-child(2) .legend")
    assert "Width of the 80% interval" in page.inner_text(".map-pane:nth-child(2) h3")
    assert page.faults == []
    page.close()


def test_everything_is_reached_by_keyboard_alone(browser: Any, analyst: Any) -> None:
    page = open_page(browser, analyst)
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.name || e.className || e.textContent.trim())(document.activeElement)"
            )
        )
        if page.evaluate("document.activeElement.name") == "area":
            page.keyboard.type("E05")
            page.keyboard.press("Enter")
    assert "Barnet 005A" in page.inner_text("#map-area")
    assert {"target", "layer", "area", "maplibregl-canvas"} <= reached
    page.close()


def test_an_area_is_chosen_with_the_mouse_on_either_map(browser: Any, public: Any) -> None:
    page = open_page(browser, public)
    for pane in (0, 1):
        choose(page, "")
        canvas = page.locator(".map-canvas canvas").nth(pane)
        box = canvas.bounding_box()
        canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
        page.wait_for_selector("#map-area.is-chosen")
        assert "Barnet 0" in page.inner_text("#map-area")
    page.close()


def test_a_page_on_paper_has_both_maps_and_no_controls(browser: Any, public: Any) -> None:
    page = open_page(browser, public, color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".map-picture svg").count() == 2
    assert page.locator(".map-picture svg").first.is_visible()
    assert not page.locator("#map-find").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()


def test_reports_run_their_own_scripts_shut_away_from_the_server(browser: Any, public: Any) -> None:
    """Their map draws, and they can neither ask the server for anything nor read its cookies."""
    page = browser.new_page()
    page.goto(f"{public.url}/runs/town/files/public/report.html")
    page.wait_for_selector("#map-view[data-drawn]")
    assert page.evaluate("origin") == "null"
    code = "fetch('/health').then(() => 'had', () => 'refused')"
    assert page.evaluate(code) == "refused"
    page.close()


def test_two_runs_stand_side_by_side(
    browser: Any, write_finished: Callable[..., Run], tmp_path: Path, start: Callable[..., Any]
) -> None:
    folders = [str(write_finished(tmp_path / name).folder) for name in ("one", "two")]
    with start(*folders, cwd=tmp_path) as served:
        page = browser.new_page()
        page.goto(f"{served.url}/runs/one/beside/two")
        for name in ("one", "two"):
            frame = page.frame_locator(f"iframe[title={name}]")
            # A map is drawn once it is looked at.
            frame.locator("#map-view").scroll_into_view_if_needed()
            frame.locator("#map-view[data-idle]").wait_for()
            assert frame.locator("h1").inner_text() == name
        page.close()


def test_the_page_says_what_a_run_without_a_map_has(
    write_finished: Callable[..., Run], tmp_path: Path, start: Callable[..., Any]
) -> None:
    run = write_finished(tmp_path / "town", allow="nothing")
    with start(str(run.folder), cwd=tmp_path) as served:
        page = served.ask("/runs/town").text
        assert "There is no map of this run that you may see." in page
        assert "public/report.html" in page
        assert "areas.csv" not in page
        assert served.ask("/collections").json["collections"] == []
        assert served.ask("/runs/town/files/public/areas.csv").status == 404


def test_no_page_has_a_script_in_itself(public: Any) -> None:
    page = public.ask("/runs/town", Accept="text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "<script>" not in page.text
    assert "onclick" not in page.text
