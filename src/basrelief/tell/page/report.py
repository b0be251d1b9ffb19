"""The analyst's page: one file that a stranger can read, print and check."""

from __future__ import annotations

from markupsafe import Markup

from basrelief.run import replacing
from basrelief.tell import words
from basrelief.tell.facts import Facts
from basrelief.tell.page.environment import make_environment
from basrelief.tell.page.sections import SECTIONS
from basrelief.tell.training import say_shortfalls


def write_page(facts: Facts) -> None:
    """Write ``report.html`` from facts that were read."""
    page = draw_page(facts)
    with replacing(facts.run.report) as part:
        part.write_text(page, encoding="utf-8")
    facts.run.say(f"report: one page of {len(page.encode()) / 1e6:.1f} MB")


def draw_page(facts: Facts) -> str:
    """Draw the analyst's page, section by section."""
    environment = make_environment("page")
    gathered = {section.id: section.gather(facts) for section in SECTIONS}
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
        for section in SECTIONS
        if section.id in present
    ]
    page: str = environment.get_template("page.html.j2").render(
        title=words.open_sentence(
            words.name_report(facts.samples.targets, words.name_source(facts.has_ground))
        ),
        place=words.say_place(facts.labelled_districts, len(facts.labels)),
        truth=facts.truth,
        shortfalls=say_shortfalls(facts.trainings),
        sections=drawn,
        map=present.get("map"),
    )
    return page
