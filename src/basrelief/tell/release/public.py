"""The public folder: the page and tables that may be handed out, and the record of what is not.

The page is a page of its own (`tell.resident`), drawn from facts that were narrowed before
(`narrow`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from basrelief.run import Record, replacing, write_json
from basrelief.tell.facts import Facts
from basrelief.tell.findings import say_unshown
from basrelief.tell.publication import Withheld
from basrelief.tell.release import handout
from basrelief.tell.release.gate import MIN_BEHIND, Release
from basrelief.tell.release.withheld import list_protection, say_cure
from basrelief.tell.templates import open_templates
from basrelief.tell.tiles import FILE as TILES
from basrelief.tell.tiles import write_tiles
from basrelief.tell.words import name_known, name_target, say_shown


def publish_run(
    facts: Facts,
    narrowed: Facts,
    release: Release,
    page: str,
    offers: Sequence[Record],
    place: str | None = None,
) -> None:
    """Write ``public/`` anew, and ``publish.json``.

    ``public/`` has ``report.html`` and, where an area may be shown, ``areas.csv``, ``areas.md``
    (its columns and licences) and (with places) ``areas.geojson``, the same as tiles
    (``areas.pmtiles``) and ``explore.json``; with ``allow = "nothing"`` a
    page that says so. ``publish.json`` lists what was published, what was withheld and why,
    and the settings that decided it.

    Parameters
    ----------
    narrowed
        What `narrow_facts` leaves of the facts.
    page
        What is drawn of them.
    offers
        Final models that may be handed out, as `list_offers` has them.
    place
        What a server's explore page draws of the narrowed facts; None where that is nothing.
    """
    is_open = facts.settings.publish.allow != "nothing"
    # As a whole: nothing may stay that an earlier, laxer setting let out.
    with replacing(facts.run.folder / "public") as part:
        part.mkdir()
        (part / "report.html").write_text(page, encoding="utf-8")
        # The page links to these very files.
        tables = handout.list_tables(narrowed) if is_open else []
        if tables:
            table = handout.tabulate_public(narrowed)
            handout.write_csv(table, part / "areas.csv")
            (part / "areas.md").write_text(explain_table(narrowed), encoding="utf-8")
        if "areas.geojson" in tables:
            shown = handout.outline_table(narrowed, table)
            handout.write_outlines(shown, part / "areas.geojson")
            write_tiles(shown, part / TILES)
        if place is not None:
            (part / "explore.json").write_text(place, encoding="utf-8")
    # After the folder: it lists what really lies there.
    write_record(facts, narrowed, release, offers)
    if not is_open:
        facts.run.say("report: nothing is published; public/report.html says so")
        return
    if not release.shown:
        settings = facts.settings
        cure = say_cure(settings.publish, of_pictures=settings.data.images is not None)
        facts.run.say(f"report: public/ shows no figure. {cure}")
        return
    facts.run.say(
        f"report: public/: {say_shown(len(release.shown), len(facts.samples.areas))}, "
        f"{len(release.hidden)} withheld; publish.json says why"
    )


def explain_table(narrowed: Facts) -> str:
    """Explain the columns of the tables, and give the words that their sources ask for."""
    targets = narrowed.samples.targets
    text: str = (
        open_templates("release")
        .get_template("areas.md.j2")
        .render(
            has_places=narrowed.samples.has_places,
            has_ground=narrowed.has_ground,
            targets=[
                (target, name_target(target), _name_predictor(narrowed, target))
                for target in targets
            ],
            digits=handout.SIGNIFICANT,
            unshown=say_unshown(narrowed.find_failing()),
            known=narrowed.credits.known,
            told=narrowed.credits.told,
            usual=narrowed.credits.usual,
        )
    )
    return text


def _name_predictor(narrowed: Facts, target: str) -> str:
    """Name what predicts a target in the tables, and what it knows; empty where nothing does."""
    recipe = narrowed.shown.get(target)
    if recipe is None or target in narrowed.unshown:
        return ""
    known = name_known(narrowed.judged.knows.get(recipe, ()))
    return f"{recipe}, from {known}" if known else recipe


def _list_figures(narrowed: Facts) -> list[Record]:
    """List of which target, by which recipe, figures of areas are handed out."""
    return [
        {
            "target": finding.target,
            "recipe": finding.recipe,
            "scheme": finding.scheme,
            "worth": finding.words,
        }
        for finding in narrowed.findings
        # Of that recipe alone: others are told as averages.
        if narrowed.shown.get(finding.target) == finding.recipe
        and finding.target not in narrowed.unshown
    ]


def write_record(facts: Facts, narrowed: Facts, release: Release, offers: Sequence[Record]) -> None:
    """Write ``publish.json``. It names no area that is withheld."""
    publish, publication = facts.settings.publish, narrowed.publication
    assert publication is not None
    is_open = publish.allow != "nothing"
    withheld = publication.withheld
    if not is_open:
        # Single reasons decided nothing here.
        withheld = (Withheld("everything", None, 'publish.allow = "nothing"'),)
    credits = vars(narrowed.credits)
    record = {
        **publish.model_dump(),
        "min_areas_behind_an_average": MIN_BEHIND,
        "population": release.population,
        "published": [
            {"item": f"public/{path.name}", "bytes": path.stat().st_size}
            for path in sorted((facts.run.folder / "public").iterdir())
        ],
        "areas_published": len(release.shown) if is_open else 0,
        "figures": _list_figures(narrowed) if is_open and release.shown else [],
        "averages_published": len(narrowed.scores) if is_open else 0,
        "drawn_from": asdict(publication.basis),
        **list_protection(publication.basis, is_whole=publication.is_whole),
        "withheld": [asdict(entry) for entry in withheld],
        "models": list(offers),
        "credits": {basis: [asdict(each) for each in own] for basis, own in credits.items()},
        "is_made_up": bool(narrowed.truth),
    }
    write_json(facts.run.folder / "publish.json", record)
