"""The analyst's page: one file that a stranger can read, print and check."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from basrelief.run import replacing
from basrelief.tell import words
from basrelief.tell.facts import Facts
from basrelief.tell.page.environment import make_environment
from basrelief.tell.page.sections import PARTS, Part, Section
from basrelief.tell.training import say_shortfalls


def write_page(facts: Facts) -> None:
    """Write ``report.html`` from facts that were read."""
    page = draw_page(facts)
    with replacing(facts.run.report) as part:
        part.write_text(page, encoding="utf-8")
    facts.run.say(f"report: one page of {len(page.encode()) / 1e6:.1f} MB")


def draw_page(facts: Facts) -> str:
    """Draw the analyst's page, part by part and section by section."""
    environment = make_environment("page")
    parts = [(part, gather_part(facts, part)) for part in PARTS]
    present = {name: found for _, gathered in parts for name, found in gathered.items()}
    drawn = [
        {
            "id": part.id,
            "title": part.title,
            "sections": [
                _draw_section(environment, section, gathered[section.id], present.keys())
                for section in part.sections
                if section.id in gathered
            ],
        }
        for part, gathered in parts
        if gathered
    ]
    page: str = environment.get_template("page.html.j2").render(
        title=words.open_sentence(
            words.name_report(facts.samples.targets, words.name_source(facts.has_ground))
        ),
        place=words.say_place(facts.labelled_districts, len(facts.labels)),
        truth=facts.truth,
        shortfalls=say_shortfalls(facts.trainings),
        parts=drawn,
        map=present.get("map"),
    )
    return page


def gather_part(facts: Facts, part: Part) -> dict[str, dict[str, Any]]:
    """Gather what the templates of a part's sections name, by section; without those left out."""
    gathered = {section.id: section.gather(facts) for section in part.sections}
    return {name: found for name, found in gathered.items() if found is not None}


def _draw_section(
    environment: Environment, section: Section, told: Mapping[str, Any], present: Collection[str]
) -> dict[str, str]:
    """Draw one section from what its own gather told it; links have to know what is there."""
    template = environment.select_template([f"{section.id}.html.j2", "plain.html.j2"])
    body = template.render(told, present=present)
    # Every section is escaped by its own template.
    return {"id": section.id, "title": section.title, "body": Markup(body)}  # noqa: S704
