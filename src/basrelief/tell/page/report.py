"""The report: one page that a stranger can read, print and check."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from basrelief.config import Settings, format_toml
from basrelief.run import Run, read_json, replacing
from basrelief.style import DARK, LIGHT, OVER_MAPS, PRINT
from basrelief.tell import words
from basrelief.tell.credits import list_credits
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import (
    audit,
    doubts,
    failures,
    ground,
    parts,
    results,
    sections,
    slope,
    sureness,
    targeting,
    verdict,
    web_map,
)
from basrelief.tell.provenance import Source, list_versions, read_sources
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
    write_page(read_facts(settings, run), read_sources(settings, run))


def write_page(facts: Facts, sources: Sequence[Source]) -> None:
    """Write ``report.html`` from facts that were read."""
    page = make_environment().get_template("report.html.j2").render(gather_page(facts, sources))
    with replacing(facts.run.report) as part:
        part.write_text(page, encoding="utf-8")
    facts.run.say(f"report: one page of {len(page.encode()) / 1e6:.1f} MB")


def gather_page(facts: Facts, sources: Sequence[Source]) -> dict[str, Any]:
    """Gather everything that the template names."""
    settings, samples = facts.settings, facts.samples
    findings = results.find_main(facts)
    asked = [record for record in facts.scores if record["recipe"] in facts.asked]
    return {
        "settings": settings,
        "samples": samples,
        "title": words.name_report(samples.targets),
        "place": words.say_place(facts.labelled_districts, len(facts.labels)),
        "targets": [words.name_target(target) for target in samples.targets],
        "schemes": facts.schemes,
        "verdict": verdict.show_verdict(facts),
        "headline": words.say_headline(findings, settings),
        "findings": findings,
        "errors": words.say_errors(findings),
        "groups": words.group_findings(findings),
        "few": words.warn_of_few(findings),
        "warning": words.warn_of_leak(asked, facts.leakage, settings),
        "axis": results.choose_axis(findings),
        "question": words.say_question(settings, list(facts.joining)),
        "joined": parts.say_joined(facts),
        "parts": parts.show_parts(facts),
        "ground": ground.show_ground(facts),
        "doubts": doubts.say_doubts(facts),
        "data": sections.show_data(facts),
        "splits": sections.show_splits(facts),
        "models": sections.show_models(facts),
        "asked": facts.asked,
        "results": results.show_results(facts),
        "map": web_map.show_map(facts),
        "audit": audit.show_audit(facts),
        "sureness": sureness.show_sureness(facts),
        "failures": failures.show_failures(facts),
        "found": targeting.show_targeting(facts),
        "slope": slope.show_slope(facts),
        "gallery": sections.show_gallery(facts),
        "is_public": False,
        "sources": sources,
        "configuration": format_settings(settings),
        "versions": [*list_versions(), ("Python", platform.python_version())],
        "truth": read_truth(facts),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def read_truth(facts: Facts) -> list[tuple[str, str]]:
    """Read what drives each score where the data are a synthetic town; empty elsewhere."""
    path = facts.settings.locate("truth.json")
    if not path.exists():
        return []
    driven_by = read_json(path).get("driven_by", {})
    return [(target, driven_by[target]) for target in facts.samples.targets if target in driven_by]


def format_settings(settings: Settings) -> str:
    """Write the resolved settings as TOML, as one would give them."""
    return format_toml(settings.model_dump(exclude_none=True))


def make_environment() -> Environment:
    """Make what fills the pages' templates."""
    environment = open_templates("page", "release")
    environment.filters["drawn"] = Markup
    environment.filters["place"] = lambda share: round(100 * share, 2)
    environment.filters["tint"] = audit.tint
    environment.globals["name_scheme"] = words.name_scheme
    environment.globals["list_credits"] = list_credits
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
