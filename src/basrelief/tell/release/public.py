"""The public folder: the page and tables that may be handed out, and the record of what is not.

The page is drawn as the analyst's is, from facts that were narrowed before (`narrow`), of the
sections that `page.sections` lists as public: what is not on that list is not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from basrelief.run import replacing, write_json
from basrelief.tell import words
from basrelief.tell.credits import list_credits
from basrelief.tell.facts import Facts
from basrelief.tell.page.report import draw_page, make_environment
from basrelief.tell.release import handout
from basrelief.tell.release.gate import MIN_BEHIND, Release, Withheld


def publish_run(facts: Facts, narrowed: Facts, release: Release) -> None:
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
        write_record(facts, narrowed, release, withheld)
        facts.run.say("report: nothing is published; public/report.html says so")
        return
    withheld = list(narrowed.publication.withheld) if narrowed.publication else []
    with replacing(folder) as part:
        part.mkdir()
        page = draw_page(narrowed)
        (part / "report.html").write_text(page, encoding="utf-8")
        if release.shown:
            table = handout.tabulate_areas(narrowed)
            handout.write_csv(table, part / "areas.csv")
            (part / "areas.md").write_text(explain_table(narrowed), encoding="utf-8")
            if narrowed.samples.has_places:
                handout.write_geojson(narrowed, table, part / "areas.geojson")
    write_record(facts, narrowed, release, withheld)
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
    facts: Facts, narrowed: Facts, release: Release, withheld: Sequence[Withheld]
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
        for finding in narrowed.findings
        if is_open and release.shown and narrowed.shown.get(finding.target) == finding.recipe
    ]
    record = {
        **publish.model_dump(),
        "min_areas_behind_an_average": MIN_BEHIND,
        "population": release.population,
        "published": [
            {"item": f"public/{path.name}", "bytes": path.stat().st_size}
            for path in sorted((facts.run.folder / "public").iterdir())
        ],
        "areas_published": len(release.shown) if is_open else 0,
        "figures": figures,
        "averages_published": len(narrowed.scores) if is_open else 0,
        "withheld": [asdict(entry) for entry in withheld],
    }
    write_json(facts.run.folder / "publish.json", record)
