"""The report stage: everything that a reader is told, or may be handed."""

from __future__ import annotations

from dataclasses import replace

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.cards.cards import write_cards
from basrelief.tell.cards.stac import write_items
from basrelief.tell.facts import read_facts
from basrelief.tell.models import read_models
from basrelief.tell.page.report import write_page
from basrelief.tell.provenance import read_sources
from basrelief.tell.release.gate import decide_release, find_bounds
from basrelief.tell.release.models import list_offers
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.release.public import publish_run
from basrelief.tell.release.refit import find_public_facts
from basrelief.tell.resident.explore import describe_place, write_place
from basrelief.tell.resident.page import draw_public_page


def tell_run(settings: Settings, run: Run) -> None:
    """Write the report, its public version, what was withheld from it, cards and a catalogue.

    Raises
    ------
    InputError
        If a stage that it tells of has not run.
    """
    # Else all would be withheld of a run without rasters.
    settings = settings.model_copy(update={"publish": find_bounds(settings)})
    sources = read_sources(settings, run)
    facts = replace(read_facts(settings, run), sources=sources)
    # Once for both cards and the catalogue: weights are hashed, and may be large.
    models = read_models(run)
    release = decide_release(facts.samples.areas, settings.publish)
    # First: to fit anew takes long, and the analyst need not wait for that.
    write_page(facts)
    public, basis = find_public_facts(settings, run, facts, release)
    # Before anything is drawn, so that no section can tell what it was not given.
    narrowed = narrow_facts(public, release, basis)
    # Of a refit other models than those that cards and catalogue of the run tell of.
    seen = models if public.run == run else read_models(public.run)
    offers = list_offers(seen, release, basis, settings.publish)
    is_told = settings.publish.allow != "nothing" and basis.kind != "nothing"
    place = describe_place(narrowed) if is_told else None
    publish_run(facts, narrowed, release, draw_public_page(narrowed), offers, place)
    write_place(run, describe_place(facts))
    write_cards(facts, narrowed, release, models)
    write_items(facts, models)
