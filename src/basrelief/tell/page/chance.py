"""What chance gives: which claims survive it, and gains with the labels moved elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.words import name_recipe, name_scheme, name_target

REFITTED = ("refitted", "few_districts", "drawn_in")
"""Kinds of interval that come from fitting anew."""

CLAIM = ("recipe", "versus", "scheme", "unit", "target")
"""What a gain and the claim of it have in common."""


@dataclass(frozen=True)
class Moved:
    """One gain of LIDAR, beside those with the labels moved and turned over the place."""

    target: str
    recipe: str
    over: str
    record: Record
    holds: bool
    """Whether the claim survives chance over the whole report."""

    @property
    def sense(self) -> str:
        """Whether it can be told from chance: one of `SENSES`."""
        return "better" if self.holds else "even"


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather how many claims survive chance, and the relocation test; None without any claim."""
    claims = facts.judged.claims
    if not claims:
        return None
    # The scheme that the rest of the page shows stands open, the others are folded below it.
    moved = [
        (name_scheme(scheme, facts.settings), rows)
        for scheme in [facts.shown_scheme, *(s for s in facts.schemes if s != facts.shown_scheme)]
        if (rows := _list_moved(facts, scheme))
    ]
    return {
        "lidar": _count(select(claims, nothing="no_lidar")),
        "others": _count(select(claims, nothing="no_pattern")),
        "is_refitted": any(record["interval"] in REFITTED for record in facts.scores),
        "moved": moved,
        "n_moved": moved[0][1][0].record["n_moved"] if moved else 0,
    }


def _count(claims: list[Record]) -> tuple[int, int]:
    """Count the claims that survive, and all."""
    # What was held against nothing could not have survived, and is not counted as lost.
    tested = select(claims, is_tested=True)
    return sum(claim["holds"] for claim in tested), len(tested)


def _list_moved(facts: Facts, scheme: str) -> list[Moved]:
    """List the gains of what was asked for, each target's and the mean over them last."""
    records = [
        record
        for record in select(facts.judged.relocation, scheme=scheme)
        if record["recipe"] in facts.asked
    ]
    # The mean over targets last: it sums the others up.
    records.sort(key=lambda record: (facts.asked.index(record["recipe"]), record["target"] is None))
    return [
        Moved(
            "all scores" if record["target"] is None else name_target(record["target"]),
            record["recipe"],
            "the mean" if record["versus"] == MEAN else name_recipe(record["versus"]),
            record,
            any(
                claim["holds"]
                for claim in select(facts.judged.claims, nothing="no_lidar")
                if all(claim[key] == record[key] for key in CLAIM)
            ),
        )
        for record in records
    ]
