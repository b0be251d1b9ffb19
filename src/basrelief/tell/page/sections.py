"""The list of the analyst's page's parts and sections: page and contents are drawn from it.

A section is an entry of a part in `PARTS` and a module whose ``gather`` is given the facts of the
run, or a template of fixed words, or both where it wants a layout of its own. Without one,
``plain.html.j2`` draws its ``sentences``, ``rows`` and ``pictures``. A template is told what its
``gather`` returns, and nothing else.
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
)


@dataclass(frozen=True)
class Section:
    """One section of the page."""

    id: str
    """What links lead to; its template is called after it, where it has one."""

    title: str
    gather: Callable[[Facts], dict[str, Any] | None] = lambda facts: {}
    """Gathers what the template names; None leaves the section out. Fixed words need none."""


@dataclass(frozen=True)
class Part:
    """Sections that one question leads to: a browser shows one part at a time."""

    title: str
    sections: tuple[Section, ...]

    @property
    def id(self) -> str:
        """What links lead to: none of a section's own."""
        return f"part-{self.title.lower()}"


# From what every reader asks first to what only a few will check.
PARTS = (
    Part(
        "Answer",
        (
            Section("verdict", "Verdict", verdict.gather),
            Section("question", "What was asked", question.gather),
        ),
    ),
    Part(
        "Evidence",
        (
            Section("results", "How well it works", results.gather),
            Section("counts", "Read out as counts", counts.gather),
            Section("chance", "What chance gives", chance.gather),
            Section("parts", "What each part brings", parts.gather),
            Section("eyes", "What each eye adds", eyes.gather),
            Section("audit", "The leakage audit", audit.gather),
            Section("sureness", "How sure", sureness.gather),
            Section("failures", "Where it fails", failures.gather),
            Section("targeting", "Who would be found", targeting.gather),
            Section("slope", "Slope and altitude", slope.gather),
        ),
    ),
    Part(
        "Map",
        (
            Section("map", "On the map", web_map.gather),
            Section("ground", "What on the ground raises and lowers it", ground.gather),
            Section("looks", "What it looks at", looks.gather),
        ),
    ),
    Part(
        "Data",
        (
            Section("data", "The data", data.gather),
            Section("splits", "What was held out", splits.gather),
        ),
    ),
    Part(
        "How",
        (
            Section("models", "How it learnt", models.gather),
            Section("limits", "Limits", limits.gather),
            Section("use", "Fair use", limits.gather_use),
            Section("licences", "Data and licences", limits.gather_credits),
            Section("again", "How to do it again", again.gather),
        ),
    ),
)
"""Every section by the part that it stands in, in order."""

SECTIONS = tuple(section for part in PARTS for section in part.sections)
"""Every section, in the order in which it stands."""
