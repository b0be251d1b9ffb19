"""The report's parts, its search and its folds, in a browser: by keyboard, unscripted, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import report, summary
from basrelief.tell.page.sections import PARTS

TabTo = Callable[[Any, str], Any]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
) -> Path:
    """The judged run's page."""
    run = write_judged(tmp_path_factory.mktemp("parted") / "run")
    report.write_page(read_facts(judged_settings, run))
    return run.report


@pytest.fixture
def page(no_webgl: Any, written: Path) -> Any:
    """The page, opened."""
    page = no_webgl.new_page()
    page.goto(written.as_uri())
    yield page
    page.close()


def list_shown(page: Any) -> list[str]:
    """Sections of which something can be seen."""
    sections = page.locator("main section")
    shown: list[str] = [each.get_attribute("id") for each in sections.all() if each.is_visible()]
    # Where content is skipped a box stays: what is checked is whether its words can be read.
    script = "id => document.getElementById(id).checkVisibility({contentVisibilityAuto: true})"
    return [each for each in shown if page.evaluate(script, each)]


def test_one_part_is_shown_and_it_begins_with_the_verdict(page: Any) -> None:
    assert list_shown(page) == ["verdict", "question"]
    page.locator("nav .group a", has_text="Data").click()
    assert list_shown(page) == ["data", "splits"]
    assert page.locator("nav .group [aria-current]").inner_text() == "Data"


def test_a_link_into_another_part_leads_there(page: Any) -> None:
    page.locator("#verdict a[href='#use']").click()
    assert "use" in list_shown(page)
    page.go_back()
    assert "verdict" in list_shown(page)


def test_the_search_finds_folded_words_in_other_parts_by_keyboard(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("burglary barnet")
    assert "0 places found" in page.locator("#search-says").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.type("kendall")
    said = page.locator("#search-says").inner_text()
    n = int(said.split()[0])
    assert n == page.locator("#search-found button").count() > 0
    page.keyboard.press("Enter")
    found = page.evaluate("document.activeElement.textContent").lower()
    assert "kendall" in found
    assert "results" in list_shown(page)
    assert page.evaluate("document.activeElement.checkVisibility({contentVisibilityAuto: true})")


def test_the_search_counts_as_the_text_does(page: Any, written: Path) -> None:
    page.get_by_label("Search this report").fill("not for publication")
    assert page.locator("#search-says").inner_text() == "1 place found."
    assert written.read_text(encoding="utf-8").count("not for publication") == 1


def test_everything_unfolds_and_folds_at_once(page: Any) -> None:
    folds = page.locator("main details")
    page.get_by_role("button", name="Unfold everything").click()
    assert page.locator("main details[open]").count() == folds.count() > 0
    page.get_by_role("button", name="Unfold everything").click()
    assert page.locator("main details[open]").count() == 0


def test_without_scripts_and_on_paper_every_section_is_there(no_webgl: Any, written: Path) -> None:
    every = re.findall(r'<section id="([^"]+)"', written.read_text(encoding="utf-8"))
    context = no_webgl.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written.as_uri())
    assert page.locator("main section:visible").count() == len(every)
    assert page.locator("#search").is_hidden()
    context.close()
    page = no_webgl.new_page()
    page.goto(written.as_uri())
    page.emulate_media(media="print")
    assert list_shown(page) == every
    page.close()


def test_every_part_of_the_list_has_sections_and_no_section_stands_twice() -> None:
    ids = [section.id for part in PARTS for section in part.sections]
    assert len(ids) == len(set(ids))
    assert [part.title for part in PARTS] == ["Answer", "Evidence", "Map", "Data", "How"]
    assert not {part.id for part in PARTS} & set(ids)


def list_summaries(page: str) -> list[str]:
    """What opens each fold of a page, as it is written."""
    body = page[page.index("<main>") :]
    return re.findall(r"<details[^>]*><summary>(.*?)</summary>", body, re.DOTALL)


@pytest.mark.parametrize("which", ["judged", "town"])
def test_every_fold_says_what_is_in_it(written: Path, town_run: Run, which: str) -> None:
    path = written if which == "judged" else town_run.report
    summaries = list_summaries(path.read_text(encoding="utf-8"))
    assert len(summaries) > 5
    # What is fair use opens with a sentence that says it.
    bare = [each for each in summaries if 'class="n"' not in each and not each.endswith(".</b>")]
    assert bare == []


@pytest.mark.parametrize("which", ["judged", "town"])
def test_one_is_told_as_one_and_many_as_many(written: Path, town_run: Run, which: str) -> None:
    path = written if which == "judged" else town_run.report
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<(script|style|pre|svg)\b.*?</\1>|<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    counted = "area|picture|score|recipe|chart|map|list|row|district|gain|block|kind|line|file|eye"
    assert re.findall(rf"(?<![\d.,−] )(?<![\d.,−])\b1 (?:{counted})s\b", text) == []
    assert re.findall(rf"\b(?:[2-9]|\d\d+) (?:{counted})\b(?!-)", text) == []


def test_the_summary_is_of_the_findings_and_short(written: Path, town_run: Run) -> None:
    for path in (written, town_run.report):
        page = path.read_text(encoding="utf-8")
        start = page.index('<div class="summary">')
        said = re.sub(r"<[^>]+>", " ", page[start : page.index("</div>", start)])
        assert 30 < len(said.split()) <= summary.MOST_WORDS


def test_the_summary_holds_the_judged_figures(
    tmp_path: Path, write_judged: Callable[[Path], Run], judged_settings: Settings
) -> None:
    facts: Facts = read_facts(judged_settings, write_judged(tmp_path / "run"))
    said = " ".join(summary.summarise(facts))
    assert "dense-vgg16 was asked to predict crime over 20 areas" in said
    assert "crime 0.40 (0.20 to 0.50; 95%)" in said
    assert "Of 1 gain that could be claimed for LIDAR, 1 survives chance." in said
    assert "held 80%" in said
    assert "crime (3 of 4)" in said


# The analyst's five tasks, by keyboard alone; the search is one of those above.


def test_the_evidence_is_reached_by_keyboard(page: Any, tab_to: TabTo) -> None:
    tab_to(page, "nav .group a[href='#part-evidence']")
    page.keyboard.press("Enter")
    assert "results" in list_shown(page)
    assert "verdict" not in list_shown(page)


def test_a_fold_opens_by_keyboard(page: Any, tab_to: TabTo) -> None:
    page.goto(f"{page.url.partition('#')[0]}#part-data")
    tab_to(page, "#data summary")
    page.keyboard.press("Enter")
    assert page.locator("#data details[open]").count() == 1


def test_score_and_interval_are_read_off_the_map_by_keyboard(
    no_webgl: Any, town_run: Run, tab_to: TabTo
) -> None:
    page = no_webgl.new_page()
    page.goto(town_run.report.as_uri())
    tab_to(page, "nav .group a[href='#part-map']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-view[data-idle]", state="attached", timeout=60_000)
    tab_to(page, "#map-target")
    page.keyboard.press("ArrowDown")
    assert page.locator("#map-says").inner_text().lower().startswith("barriers")
    name = page.evaluate(
        "(() => { const read = id => JSON.parse(document.getElementById(id).textContent);"
        "const row = read('map-layers')[1].low.findIndex(low => low !== null);"
        "return read('map-areas').features[row].properties.area_id; })()"
    )
    tab_to(page, "input[name=area]")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    said = page.get_by_role("status").inner_text()
    assert name in said
    assert re.search(r"80% interval \S+ to \S+\)", said)
    page.close()
