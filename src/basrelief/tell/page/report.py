"""The pages: one file each that a stranger can read, print and check."""

from __future__ import annotations

from dataclasses import replace

from jinja2 import Environment
from markupsafe import Markup

from basrelief.config import Settings
from basrelief.run import Run, replacing
from basrelief.style import DARK, LIGHT, OVER_MAPS, PRINT
from basrelief.tell import words
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import audit
from basrelief.tell.page.sections import SECTIONS
from basrelief.tell.provenance import read_sources
from basrelief.tell.senses import SENSES
from basrelief.tell.templates import open_templates


def write_report(settings: Settings, run: Run) -> None:
    """Write ``report.html`` from what the other stages left in the run folder.

    One file that asks the network for nothing; only its map needs scripts. It is for the
    analyst: it shows single chips and areas, and says so.

    Raises
    ------
    InputError
        If a stage that it tells of has not run.
    """
    sources = read_sources(settings, run)
    write_page(replace(read_facts(settings, run), sources=sources))


def write_page(facts: Facts) -> None:
    """Write ``report.html`` from facts that were read."""
    page = draw_page(facts)
    with replacing(facts.run.report) as part:
        part.write_text(page, encoding="utf-8")
    facts.run.say(f"report: one page of {len(page.encode()) / 1e6:.1f} MB")


def draw_page(facts: Facts) -> str:
    """Draw the analyst's page, or the public page from narrowed facts, section by section."""
    environment = make_environment()
    listed = [section for section in SECTIONS if section.is_public or not facts.is_public]
    gathered = {section.id: section.gather(facts) for section in listed}
    told = {name: found for name, found in gathered.items() if found is not None}
    drawn = [
        {
            "id": section.id,
            "title": section.title,
            # Nothing but what its own gather told it; links have to know what is there.
            "body": Markup(  # noqa: S704 - every section is escaped by its own template
                environment.select_template([f"{section.id}.html.j2", "plain.html.j2"]).render(
                    told[section.id], present=told.keys()
                )
            ),
        }
        for section in listed
        if section.id in told
    ]
    page: str = environment.get_template("page.html.j2").render(
        title=words.name_report(facts.samples.targets),
        place=words.say_place(facts.labelled_districts, len(facts.labels)),
        is_public=facts.is_public,
        truth=facts.truth,
        sections=drawn,
        map=told.get("map"),
    )
    return page


def make_environment() -> Environment:
    """Make what fills the pages' templates."""
    environment = open_templates("page", "release")
    environment.filters["sentence"] = words.open_sentence
    environment.filters["drawn"] = Markup
    environment.filters["tint"] = audit.tint
    environment.globals["senses"] = SENSES
    environment.globals["colours"] = write_colours()
    return environment


def write_colours() -> str:
    """Write the colours of pages as variables of their style: light, dark, and on paper."""
    light, dark, paper = (
        f":root {{ {' '.join(f'--{name}: {colour};' for name, colour in colours.items())} }}"
        for colours in (LIGHT | OVER_MAPS, DARK, PRINT)
    )
    # What prints may be a dark screen: paper comes last.
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {paper} }}"
