"""The list that both pages are drawn from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import ChoiceLoader, FileSystemLoader, UndefinedError

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import report
from basrelief.tell.page.chart import Point, Row, Statement, choose_axis
from basrelief.tell.page.environment import make_environment
from basrelief.tell.page.sections import SECTIONS, Part, Section
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.resident.page import draw_public_page


@pytest.fixture(scope="module")
def facts(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
) -> Facts:
    return read_facts(judged_settings, write_judged(tmp_path_factory.mktemp("listed") / "run"))


@pytest.fixture(scope="module")
def narrowed(facts: Facts, judged_settings: Settings) -> Facts:
    return narrow_facts(facts, decide_release(facts.samples.areas, judged_settings.publish))


@pytest.fixture(scope="module")
def page(facts: Facts) -> str:
    """The analyst's page."""
    return report.draw_page(facts)


def add_section(monkeypatch: pytest.MonkeyPatch, folder: Path, words: str) -> None:
    """Put an imagined section, whose gather tells its ``told``, after the verdict."""
    (folder / "imagined.html.j2").write_text(words)

    def gather(facts: Facts) -> dict[str, Any]:
        return {"told": f"{len(facts.labels)} areas"}

    section = Section("imagined", "An imagined section", gather)
    # The others' figures take seconds to draw, and none of them is looked at.
    monkeypatch.setattr(report, "PARTS", (Part("Answer", (SECTIONS[0], section)),))
    environment = make_environment("page")
    assert environment.loader is not None
    environment.loader = ChoiceLoader([environment.loader, FileSystemLoader(folder)])
    monkeypatch.setattr(report, "make_environment", lambda *wings: environment)


def test_contents_list_the_sections_that_are_there_in_their_order(
    page: str,
) -> None:
    contents = re.findall(r'<li><a href="#([^"]+)">', page[: page.index("</nav>")])
    drawn = re.findall(r'<section id="([^"]+)"', page)
    assert contents == [name for name in drawn if name != "library-licences"]
    assert contents == [s.id for s in SECTIONS if s.id in contents]


def test_no_section_of_the_analysts_page_stands_on_the_public_page(
    facts: Facts, narrowed: Facts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_section(monkeypatch, tmp_path, "<p>Of {{ told }}.</p>")
    assert "<p>Of 20 areas.</p>" in report.draw_page(facts)
    public = draw_public_page(narrowed)
    assert [section.id for section in SECTIONS if f'href="#{section.id}"' in public] == []


def test_a_template_knows_nothing_but_what_its_own_gather_tells(
    facts: Facts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("facts", "settings", "samples", "configuration", "sources", "pictures"):
        add_section(monkeypatch, tmp_path, f"{{{{ {name} }}}}")
        with pytest.raises(UndefinedError, match=f"'{name}' is undefined"):
            report.draw_page(facts)
        monkeypatch.undo()


def test_narrowed_facts_know_no_run_folder_and_no_file(facts: Facts, narrowed: Facts) -> None:
    assert not narrowed.run.explain.exists()
    assert not narrowed.run.models.exists()
    assert str(facts.run.folder) not in repr((narrowed.run, narrowed.settings, narrowed.heat))


def test_the_analysts_page_withholds_nothing_and_says_nothing_of_it(
    facts: Facts, page: str
) -> None:
    assert facts.publication is None
    assert 'id="withheld"' not in page


def test_a_section_without_a_template_is_drawn_plainly(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather(facts: Facts) -> dict[str, Any]:
        row = Row(
            "moved", (Point(0.25, 0.1, 0.4, "better"),), statement=Statement("better", "worth it")
        )
        return {"sentences": ["A <plain> one."], "rows": [row], "axis": choose_axis([row])}

    section = Section("imagined", "An imagined section", gather)
    monkeypatch.setattr(report, "PARTS", (Part("Answer", (SECTIONS[0], section)),))
    page = report.draw_page(facts)
    drawn = page[page.index('<section id="imagined"') :]
    assert "<h2>An imagined section</h2>" in drawn
    assert "<p>A &lt;plain&gt; one.</p>" in drawn
    assert "<b>0.25</b>" in drawn
