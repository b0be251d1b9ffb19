"""Whether a page can be read without eyes, colour or a mouse."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.page import report as report_module
from basrelief.tell.stage import tell_run

CSS = Path(report_module.__file__).with_name("report.css").read_text(encoding="utf-8")
SIGNS = set("▲●▼◆◇□▨")
VOID = {"meta", "link", "img", "input", "br", "hr", "path", "circle", "line"}


class Outline(HTMLParser):
    """What of a page the tests ask for, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.nameless: list[str] = []
        self.tables: list[bool] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        inner = any(name == "svg" for name, _ in self.open)
        is_named = given.get("aria-hidden") == "true" or bool(given.get("aria-label"))
        if (tag == "img" and not given.get("alt")) or (tag == "svg" and not (inner or is_named)):
            self.nameless.append(self.get_starttag_text() or tag)
        if tag == "table":
            around = [each for each in self.open if each[0] in ("div", "figure", "section")]
            # A region's name, a figure's caption or a section's heading names its table.
            self.tables.append(bool(around))
        if tag not in VOID:
            self.open.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag not in VOID and self.open and self.open.pop()[0] != tag:
            pass


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> dict[str, str]:
    run = write_judged(tmp_path_factory.mktemp("access") / "run")
    tell_run(open_settings, run)
    found = {"report": run.report, "public": run.folder / "public" / "report.html"}
    return {name: path.read_text(encoding="utf-8") for name, path in found.items()}


@pytest.fixture(scope="module", params=["report", "public"])
def page(pages: dict[str, str], request: pytest.FixtureRequest) -> str:
    text = pages[request.param]
    # A map's library is no part of what is read.
    return re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", "", text, flags=re.DOTALL)


def test_every_picture_has_a_text_in_its_place(page: str) -> None:
    assert Outline(page).nameless == []


def test_headings_skip_no_level_going_down(page: str) -> None:
    levels = Outline(page).headings
    assert levels.count(1) == 1
    first = levels.index(1)
    steps = zip(levels[first:], levels[first + 1 :], strict=False)
    assert all(lower <= upper + 1 for upper, lower in steps), levels


def test_every_table_has_column_heads_and_stands_under_a_name(page: str) -> None:
    assert all(Outline(page).tables)
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        assert 'scope="col"' in table or 'scope="row"' in table
    for region in re.findall(r'<div class="scroll"[^>]*>', page):
        assert 'role="region"' in region
        assert "aria-label=" in region
        assert 'tabindex="0"' in region


def test_what_colour_tells_a_sign_tells_too(page: str) -> None:
    for cell in re.findall(r'<span class="cell[^>]*>.*?</b>', page, flags=re.DOTALL):
        assert SIGNS & set(cell)
    for words in re.findall(r'<span class="words">.*?</span></span>', page, flags=re.DOTALL):
        assert SIGNS & set(words)
    for words in re.findall(r'<li class="(?:better|worse|even)"><b>.*?</b>', page):
        assert SIGNS & set(words)


def test_every_link_leads_somewhere_and_no_two_parts_share_an_id(page: str) -> None:
    links = re.findall(r'<a[^>]* href="#([^"]+)"', page)
    is_mine = "For the analyst, not for publication" in page
    assert not is_mine or {"audit", "sureness", "failures", "targeting"} <= set(links)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert set(links) <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_control_has_a_name(page: str) -> None:
    for control in re.findall(r"<(?:input|select)[^>]*>", page):
        start = page.index(control)
        before = page[max(0, start - 200) : start]
        is_inside = before.rfind("<label") > before.rfind("</label>")
        name = re.search(r'id="([^"]+)"', control)
        assert is_inside or "aria-label" in control or (name and f'for="{name[1]}"' in page)


def test_focus_can_be_seen() -> None:
    assert re.search(r":focus-visible\s*\{[^}]*outline: 3px", CSS)
