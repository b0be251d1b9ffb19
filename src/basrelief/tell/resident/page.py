"""The public page: one screen that answers, a map, and questions with short answers."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from basrelief.chips.since import SINCE
from basrelief.sources.census import RESIDENTS
from basrelief.sources.iod import EDITIONS
from basrelief.sources.targets import DOMAINS
from basrelief.tell.facts import Facts
from basrelief.tell.page.environment import make_environment
from basrelief.tell.page.looks import embed_picture
from basrelief.tell.release.handout import list_tables
from basrelief.tell.release.withheld import say_basis
from basrelief.tell.resident import map as resident_map
from basrelief.tell.resident.answers import (
    list_answers,
    say_asked,
    say_heights,
    say_sure,
    say_tested,
)
from basrelief.tell.words import (
    MANY_TARGETS,
    MAX_PLACES,
    has_index,
    join_words,
    say_shown,
    say_years,
    write_targets,
)

# Without ? and &, by which an address could bring along a text to be sent.
EMAIL = re.compile(r"[^\s@:/?&]+@[^\s@:/?&]+\.[^\s@:/?&]+")
# No other schemes: some of them run as a script of the page.
WEB = re.compile(r"https?://\S+")


def draw_public_page(narrowed: Facts) -> str:
    """Draw the page that may be handed out; where nothing may be, one that says so.

    Parameters
    ----------
    narrowed
        As `narrow_facts` leaves them: no part of the page can tell what it was not given.
    """
    publish, publication = narrowed.settings.publish, narrowed.publication
    assert publication is not None
    is_open = publish.allow != "nothing"
    # Where nothing could be learnt from what may be shown, a page with its reason is all.
    is_told = is_open and publication.basis.kind != "nothing"
    found = gather(narrowed) if is_told else {"map": None, "reason": publish.reason}
    name = "resident.html.j2" if is_told else "nothing.html.j2"
    tables = list_tables(narrowed) if is_open else []
    page: str = (
        make_environment("resident", "page")
        .get_template(name)
        .render(
            is_open=is_open,
            publication=publication,
            basis=say_basis(publication.basis, is_whole=publication.is_whole),
            tables=tables,
            publish=publish,
            contact=link_contact(publish.contact),
            judged_on=say_day(narrowed.judged_on),
            **found,
        )
    )
    return page


def gather(facts: Facts) -> dict[str, Any]:
    """Gather what the page tells."""
    answers = list_answers(facts)
    publish = facts.settings.publish
    return {
        "title": say_title(facts),
        "notes": say_notes(facts),
        "asked": say_asked(facts),
        "where": say_where(facts),
        "behind": say_behind(facts),
        "shown": say_shown(len(facts.labels), len(facts.samples.areas))
        if facts.samples.has_places
        else "",
        "sure": say_sure(facts, answers),
        "answers": answers,
        "heights": say_heights(facts),
        "tested": say_tested(facts),
        "flown": say_flown(facts),
        "edition": say_edition(facts),
        "has_index": has_index(facts.samples.targets),
        "has_crime": "crime" in facts.samples.targets or facts.settings.data.crime is not None,
        "has_ground": facts.has_ground,
        "is_trial": any(r["is_shortened"] or r["random_weights"] for r in facts.trainings),
        "is_made_up": bool(facts.truth),
        "credits": facts.credits,
        "pictures": [
            embed_picture(heat.picture, "Left the ground, right what raised the estimate there.")
            for heat in facts.heat
        ],
        "reason": publish.reason if publish.allow == "chips" else None,
        "map": resident_map.gather(facts),
    }


def say_title(facts: Facts) -> str:
    """Name the page by what it is about, and where."""
    targets = facts.samples.targets
    many = "deprivation" if has_index(targets) else f"{len(targets)} scores"
    subject = write_targets(targets) if len(targets) < MANY_TARGETS else many
    districts = sorted(facts.labelled_districts)
    # More names than these would be longer than the question.
    place = f" in {join_words(districts)}" if 0 < len(districts) <= 4 else ""
    return f"{subject}{place}: can a computer tell?"


def say_where(facts: Facts) -> str:
    """Say for which ground: districts by name, and how large an area is."""
    districts = sorted(facts.labelled_districts)
    named = join_words(districts) if len(districts) <= MAX_PLACES else f"{len(districts)} districts"
    n = f"{len(facts.labels):,} small areas"
    where = f"{n} in {named}." if districts else f"{n}."
    # Codes of the census say for how many people at least areas were drawn.
    drawn = {RESIDENTS.get(str(code)[:3]) for code in facts.samples.areas["area_id"].dropna()}
    # A made-up town has such codes as well, and nobody drew its areas.
    (people,) = drawn if len(drawn) == 1 and not facts.truth else (None,)
    about = f" The census drew each for {people:,} people or more." if people else ""
    return where + about


def say_notes(facts: Facts) -> list[str]:
    """Say what has to be known of single scores, in sentences."""
    targets = facts.samples.targets
    shared = [target for target in targets if facts.say_by_district(target)]
    changes = [target for target in targets if target.endswith(SINCE)]
    notes = []
    if shared:
        named = write_targets(shared)
        notes.append(f"Part of the score for {named} is set for a whole district at once.")
    if changes:
        notes.append(
            "What was far from the average comes nearer to it by itself, so an estimate of change "
            "is no forecast."
        )
    return notes


def say_behind(facts: Facts) -> str:
    """Say what has to stand behind a figure that is shown."""
    publish = facts.settings.publish
    bounds = []
    if publish.min_population:
        bounds.append(f"{publish.min_population:,} people")
    if publish.min_ground_covered:
        bounds.append(f"{publish.min_ground_covered:.0%} of the ground")
    if not bounds:
        return ""
    return f"At least {join_words(bounds)} must stand behind a figure, so that no one is exposed."


def say_flown(facts: Facts) -> str:
    """Say in which years the ground was flown; empty where there are no heights."""
    if not facts.settings.data.has_rasters:
        return ""
    used = facts.labels
    if "flown_to" not in used or used["flown_to"].isna().all():
        return "In which years the aeroplane flew is not known."
    first, last = used["flown_from"].min(), used["flown_to"].max()
    # Of some ground only the last year is known.
    return f"The aeroplane flew {say_years(first, last, is_clause=True)}."


def say_edition(facts: Facts) -> str:
    """Say of which edition the official scores are, or of which year, as far as it is known."""
    years = facts.labels.get("label_year")
    known = [] if years is None else sorted(years.dropna().unique())
    if len(known) != 1 or facts.truth:
        return ""
    year = int(known[0])
    codes = facts.labels["area_id"].astype(str)
    # By the codes of England: other countries have indices of their own for the same year.
    edition = EDITIONS.get(year) if codes.str.startswith("E01").all() else None
    # A score of the user's own is of no edition.
    if edition and set(facts.samples.targets) <= set(DOMAINS):
        named = f"the English Indices of Deprivation {edition}"
        return f"The official scores are {named}, which speak of about {year}."
    return f"The official scores speak of {year}."


def say_day(day: date | None) -> str:
    """Say a day in words; empty where it is not known.

    Examples
    --------
    >>> say_day(date(2026, 1, 2))
    '2 January 2026'
    """
    # No directive leaves a leading 0 out on every system.
    return f"{day.day} {day:%B %Y}" if day else ""


def link_contact(contact: str | None) -> str | None:
    """Give the address that a contact links to; None where it is words.

    Examples
    --------
    >>> link_contact("ann@council.example"), link_contact("Room 5")
    ('mailto:ann@council.example', None)
    """
    if contact is None:
        return None
    if EMAIL.fullmatch(contact):
        return f"mailto:{contact}"
    return contact if WEB.fullmatch(contact) else None
