"""The pages: one file each that a stranger can read, print and check."""

from __future__ import annotations

from jinja2 import Environment
from markupsafe import Markup

from basrelief.run import replacing
from basrelief.style import DARK, LIGHT, OVER_MAPS, PRINT
from basrelief.tell import words
from basrelief.tell.facts import Facts
from basrelief.tell.page import audit
from basrelief.tell.page.sections import SECTIONS
from basrelief.tell.release.withheld import say_basis
from basrelief.tell.senses import SENSES
from basrelief.tell.templates import open_templates
from basrelief.tell.training import say_shortfalls


def write_page(facts: Facts) -> None:
    """Write ``report.html`` from facts that were read."""
    page = draw_page(facts)
    with replacing(facts.run.report) as part:
        part.write_text(page, encoding="utf-8")
    facts.run.say(f"report: one page of {len(page.encode()) / 1e6:.1f} MB")


def draw_public_page(narrowed: Facts) -> str:
    """Draw the page that may be handed out; where nothing may be, one that says so."""
    publish, publication = narrowed.settings.publish, narrowed.publication
    assert publication is not None
    is_open = publish.allow != "nothing"
    if is_open and publication.basis.kind != "nothing":
        return draw_page(narrowed)
    basis = say_basis(publication.basis, is_whole=publication.is_whole)
    page: str = (
        make_environment()
        .get_template("nothing.html.j2")
        .render(
            reason=publish.reason,
            is_open=is_open,
            withheld=publication.withheld,
            sentences=(publication.bounds, publication.population, basis),
        )
    )
    return page


def draw_page(facts: Facts) -> str:
    """Draw the analyst's page, or the public page from narrowed facts, section by section."""
    environment = make_environment()
    # Left out by what the section says of itself, not by its name: a new one is private until it
    # says otherwise.
    listed = [section for section in SECTIONS if section.is_public or not facts.is_public]
    gathered = {section.id: section.gather(facts) for section in listed}
    present = {name: found for name, found in gathered.items() if found is not None}
    drawn = [
        {
            "id": section.id,
            "title": section.title,
            # Nothing but what its own gather told it; links have to know what is there.
            "body": Markup(  # noqa: S704 - every section is escaped by its own template
                environment.select_template([f"{section.id}.html.j2", "plain.html.j2"]).render(
                    present[section.id], present=present.keys()
                )
            ),
        }
        for section in listed
        if section.id in present
    ]
    page: str = environment.get_template("page.html.j2").render(
        title=words.open_sentence(
            words.name_report(facts.samples.targets, words.name_source(facts.has_ground))
        ),
        place=words.say_place(facts.labelled_districts, len(facts.labels)),
        is_public=facts.is_public,
        truth=facts.truth,
        shortfalls=say_shortfalls(facts.trainings),
        sections=drawn,
        map=present.get("map"),
    )
    return page


def make_environment() -> Environment:
    """Make what fills the pages' templates."""
    environment = open_templates("page")
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
