"""The public version of the report, and the record of what was withheld from it.

The page is made of the sections of `PARTS`, each of which is told what is listed with it and
nothing else, from facts that were narrowed before. What is on no list is not published.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from basrelief.config import SCHEMES
from basrelief.learn.recipes import list_recipes
from basrelief.run import read_json, replacing, write_json
from basrelief.tell import words
from basrelief.tell.credits import list_credits
from basrelief.tell.facts import Facts, Panel
from basrelief.tell.page import (
    audit,
    drawn_maps,
    failures,
    parts,
    results,
    sections,
    slope,
    sureness,
    targeting,
    verdict,
    web_map,
)
from basrelief.tell.page.report import format_settings, make_environment, read_truth
from basrelief.tell.provenance import Source, list_versions
from basrelief.tell.release import handout
from basrelief.tell.release.gate import MIN_BEHIND, Release, Withheld, may_average
from basrelief.tell.release.withheld import bar_chips, list_withheld, say_bounds


@dataclass(frozen=True)
class Part:
    """A section of the public page, and what it is told."""

    template: str
    names: tuple[str, ...]


PARTS = (
    Part(
        "public-verdict.html.j2",
        (
            *("verdict", "joined", "headline", "findings", "errors", "groups", "few", "warning"),
            *("axis", "schemes", "release_said"),
        ),
    ),
    Part("public-data.html.j2", ("question", "targets", "recipes", "data")),
    Part("splits.html.j2", ("splits", "settings")),
    Part(
        "judged.html.j2",
        (
            *("results", "audit", "sureness", "failures", "found", "settings", "is_public"),
            *("map", "parts"),
        ),
    ),
    Part("slope.html.j2", ("slope",)),
    Part("looks.html.j2", ("gallery",)),
    Part("limits.html.j2", ("samples", "schemes", "settings", "gallery", "map")),
    Part(
        "public-withheld.html.j2",
        ("release_said", "population_said", "min_behind", "reason", "withheld"),
    ),
    Part(
        "again.html.j2",
        ("configuration", "settings", "sources", "versions", "machine", "is_public"),
    ),
)
"""The sections of the public page, in order: what is not here is not published."""

CONTENTS = {
    "verdict": "Verdict",
    "question": "What was asked",
    "data": "The data",
    "splits": "What was held out",
    "results": "How well it works",
    "parts": "What each part brings",
    "map": "On the map",
    "audit": "The leakage audit",
    "sure": "How sure",
    "fails": "Where it fails",
    "found": "Who would be found",
    "slope": "Slope and altitude",
    "looks": "What it looks at",
    "limits": "Limits",
    "use": "Fair use",
    "licences": "Data and licences",
    "withheld": "What is withheld",
    "again": "How to do it again",
}


def publish_run(facts: Facts, narrowed: Facts, release: Release, sources: Sequence[Source]) -> None:
    """Write ``public/`` anew, and ``publish.json``.

    ``public/`` has ``report.html`` and, where an area may be shown, ``areas.csv``, ``areas.md``
    (its columns and licences) and (with places) ``areas.geojson``; with ``allow = "nothing"`` a
    page that says so. ``publish.json`` lists what was published, what was withheld and why,
    and the settings that decided it.

    Parameters
    ----------
    narrowed
        What `narrow_facts` leaves of the facts.
    """
    publish = facts.settings.publish
    folder = facts.run.folder / "public"
    if publish.allow == "nothing":
        reason = 'publish.allow = "nothing"'
        withheld = [Withheld("everything", None, reason)]
        with replacing(folder) as part:
            part.mkdir()
            page = make_environment().get_template("nothing.html.j2").render(reason=publish.reason)
            (part / "report.html").write_text(page, encoding="utf-8")
        write_record(facts, release, withheld, folder)
        facts.run.say("report: nothing is published; public/report.html says so")
        return
    withheld = list_withheld(facts, narrowed, release)
    with replacing(folder) as part:
        part.mkdir()
        page = draw_page(facts, narrowed, release, withheld, sources)
        (part / "report.html").write_text(page, encoding="utf-8")
        if release.shown:
            table = handout.tabulate_areas(narrowed)
            handout.write_csv(table, part / "areas.csv")
            (part / "areas.md").write_text(explain_table(narrowed), encoding="utf-8")
            if narrowed.samples.has_places:
                handout.write_geojson(narrowed, table, part / "areas.geojson")
    write_record(narrowed, release, withheld, folder)
    facts.run.say(
        f"report: public/ shows {len(release.shown)} areas, {len(release.hidden)} are withheld; "
        "publish.json says why"
    )


def explain_table(narrowed: Facts) -> str:
    """Explain the columns of the tables, and give the words that their sources ask for."""
    targets = narrowed.samples.targets
    page: str = (
        make_environment()
        .get_template("areas.md.j2")
        .render(
            has_places=narrowed.samples.has_places,
            targets=[(target, words.name_target(target)) for target in targets],
            digits=handout.SIGNIFICANT,
            credits=list_credits(narrowed.settings),
        )
    )
    return page


def write_record(
    facts: Facts, release: Release, withheld: Sequence[Withheld], folder: Path
) -> None:
    """Write ``publish.json``. It names no area that is withheld."""
    publish = facts.settings.publish
    is_open = publish.allow != "nothing"
    figures = [
        {
            "target": finding.target,
            "recipe": finding.recipe,
            "scheme": finding.scheme,
            "worth": finding.words,
        }
        for finding in results.find_main(facts)
        if is_open and release.shown and facts.shown.get(finding.target) == finding.recipe
    ]
    record = {
        **publish.model_dump(),
        "min_areas_behind_an_average": MIN_BEHIND,
        "population": release.population,
        "published": [
            {"item": f"public/{path.name}", "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        ],
        "areas_published": len(release.shown) if is_open else 0,
        "figures": figures,
        "averages_published": len(facts.scores) if is_open else 0,
        "withheld": [asdict(entry) for entry in withheld],
    }
    write_json(facts.run.folder / "publish.json", record)


def draw_page(
    facts: Facts,
    narrowed: Facts,
    release: Release,
    withheld: Sequence[Withheld],
    sources: Sequence[Source],
) -> str:
    """Fill the page, section by section, each with what it is listed to be told."""
    environment = make_environment()
    told = gather_public(facts, narrowed, release) | {"withheld": withheld, "sources": sources}
    body = "\n".join(
        environment.get_template(part.template).render({name: told[name] for name in part.names})
        for part in PARTS
    )
    return environment.get_template("public.html.j2").render(
        title=words.name_report(narrowed.samples.targets),
        place=words.say_place(narrowed.labelled_districts, len(release.shown)),
        contents=[(name, text) for name, text in CONTENTS.items() if f'id="{name}"' in body],
        truth=read_truth(facts),
        map=told["map"],
        body=Markup(body),  # noqa: S704 - every section has been escaped by its own template
    )


def gather_public(facts: Facts, narrowed: Facts, release: Release) -> dict[str, Any]:
    """Gather what the sections are told, from the narrowed facts.

    Parameters
    ----------
    facts
        Only for averages over all areas and, where they are allowed, for pictures of chips.
    """
    settings, publish = narrowed.settings, narrowed.settings.publish
    findings = results.find_main(narrowed)
    asked = [record for record in narrowed.scores if record["recipe"] in narrowed.asked]
    gallery = show_pictures(facts, release) if publish.allow == "chips" else []
    return {
        "settings": settings,
        "samples": narrowed.samples,
        "targets": [words.name_target(target) for target in narrowed.samples.targets],
        "schemes": narrowed.schemes,
        "verdict": verdict.show_verdict(narrowed),
        "headline": words.say_headline(findings, settings),
        "findings": findings,
        "errors": words.say_errors(findings),
        "groups": words.group_findings(findings),
        "few": words.warn_of_few(findings),
        "warning": words.warn_of_leak(asked, narrowed.leakage, settings),
        "axis": results.choose_axis(findings),
        "question": words.say_question(settings, list(narrowed.joining)),
        "joined": parts.say_joined(narrowed),
        "parts": parts.show_parts(narrowed),
        "recipes": describe_recipes(narrowed.asked),
        "data": show_data(facts, narrowed, release),
        "splits": show_splits(narrowed),
        "results": results.show_results(narrowed),
        "map": web_map.show_map(narrowed, is_public=True),
        "audit": audit.show_audit(narrowed),
        "sureness": sureness.show_sureness(narrowed),
        "failures": failures.show_failures(narrowed),
        "found": targeting.show_targeting(narrowed),
        "slope": slope.show_slope(narrowed),
        "gallery": gallery,
        "release_said": say_bounds(publish, release),
        "population_said": release.population,
        "min_behind": MIN_BEHIND,
        "reason": publish.reason if publish.allow == "chips" else None,
        "configuration": format_settings(settings),
        "versions": [*list_versions(), ("Python", platform.python_version())],
        "machine": "",
        "is_public": True,
    }


def describe_recipes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Describe recipes; those that do not come with the package by their name alone."""
    about = {recipe.name: recipe.about for recipe in list_recipes()}
    return [(name, about.get(name, "")) for name in names]


def show_data(facts: Facts, narrowed: Facts, release: Release) -> dict[str, Any]:
    """Gather counts, where areas are shown, and the mean and spread of each score."""
    counts = read_json(facts.run.describe / "counts.json")
    panels = sections.draw_labels(narrowed)
    if narrowed.samples.has_places:
        n_shown, areas = len(release.shown), narrowed.samples.areas
        caption = f"{n_shown} areas whose figures are shown (filled); {len(areas) - n_shown} others"
        panels.insert(0, Panel(drawn_maps.draw_coverage(areas, f"Map. {caption}."), f"{caption}."))
    return {
        "panels": panels,
        "counts": sections.list_counts(counts),
        "summary": summarise(facts, release),
    }


def summarise(facts: Facts, release: Release) -> list[tuple[str, list[float]]]:
    """Read count, mean and standard deviation of each score where they may be shown.

    The least, the greatest and the quartiles are single areas' scores.
    """
    summary = pd.read_csv(facts.run.describe / "summary.csv", index_col=0)
    told = summary.loc[list(facts.samples.targets), ["count", "mean", "std"]].to_numpy(np.float64)
    return [
        (words.name_target(target), row.tolist())
        for target, row in zip(facts.samples.targets, told, strict=True)
        if may_average(int(row[0]), count_labelled(facts, release, target))
    ]


def count_labelled(facts: Facts, release: Release, target: str) -> int:
    """Count the withheld areas behind a score's mean; of pictures none is shown at all."""
    labels = facts.labels
    known = labels[labels[target].notna()]
    if not facts.samples.has_places or not release.shown:
        return len(known)
    return int(known["area_id"].isin(release.hidden).sum())


def show_splits(narrowed: Facts) -> dict[str, Any]:
    """Gather the schemes and the sizes of their parts; no map of who was held out with whom."""
    known = {record["scheme"] for record in narrowed.leakage} | set(narrowed.schemes)
    schemes = [scheme for scheme in SCHEMES if scheme in known]
    return {"schemes": schemes, "panels": [], "leakage": narrowed.leakage}


def show_pictures(facts: Facts, release: Release) -> list[dict[str, Any]]:
    """Gather heat maps without their chips' names, places and predictions.

    Chips that show ground of an area with too few people are left out.
    """
    return sections.show_gallery(facts, barred=bar_chips(facts, release), is_named=False)
