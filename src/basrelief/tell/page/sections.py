"""The list of the pages' sections: both pages, and their contents, are drawn from it.

A section is an entry of `SECTIONS` and a module whose ``gather`` is given the facts of the page
that is drawn, or a template of fixed words, or both where it wants a layout of its own. Without
one, ``plain.html.j2`` draws its ``sentences``, ``rows`` and ``pictures``. The public page is
drawn from narrowed facts (`release.narrow`), so that no section can tell it what may not be
handed out; a template is told what its ``gather`` returns, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from basrelief.tell.facts import Facts
from basrelief.tell.page import (
    again,
    audit,
    chance,
    counts,
    data,
    eyes,
    failures,
    ground,
    limits,
    looks,
    models,
    parts,
    question,
    results,
    slope,
    splits,
    sureness,
    targeting,
    verdict,
    web_map,
    withheld,
)


@dataclass(frozen=True)
class Section:
    """One section of the pages."""

    id: str
    """What links lead to; its template is called after it, where it has one."""

    title: str
    gather: Callable[[Facts], dict[str, Any] | None] = lambda facts: {}
    """Gathers what the template names; None leaves the section out. Fixed words need none."""

    is_public: bool = False
    """Whether it stands on the public page too: what does not say so is not published."""


# From what every reader asks first to what only a few will check.
SECTIONS = (
    Section("verdict", "Verdict", verdict.gather, is_public=True),
    Section("question", "What was asked", question.gather, is_public=True),
    Section("data", "The data", data.gather, is_public=True),
    Section("splits", "What was held out", splits.gather, is_public=True),
    Section("results", "How well it works", results.gather, is_public=True),
    Section("counts", "Read out as counts", counts.gather, is_public=True),
    Section("chance", "What chance gives", chance.gather, is_public=True),
    Section("parts", "What each part brings", parts.gather, is_public=True),
    Section("eyes", "What each eye adds", eyes.gather, is_public=True),
    Section("map", "On the map", web_map.gather, is_public=True),
    Section("audit", "The leakage audit", audit.gather, is_public=True),
    Section("sureness", "How sure", sureness.gather, is_public=True),
    Section("failures", "Where it fails", failures.gather, is_public=True),
    Section("targeting", "Who would be found", targeting.gather, is_public=True),
    Section("slope", "Slope and altitude", slope.gather, is_public=True),
    Section("models", "How it learnt", models.gather),
    Section("ground", "What on the ground raises and lowers it", ground.gather),
    Section("looks", "What it looks at", looks.gather, is_public=True),
    Section("limits", "Limits", limits.gather, is_public=True),
    Section("use", "Fair use", limits.gather_use, is_public=True),
    Section("licences", "Data and licences", limits.gather_credits, is_public=True),
    Section("withheld", "What is withheld", withheld.gather, is_public=True),
    Section("again", "How to do it again", again.gather, is_public=True),
)
"""Every section, in the order in which it stands."""
