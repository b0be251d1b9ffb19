"""What chance gives: which claims survive it, and gains with the labels moved elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.intervals import REFITTED
from basrelief.tell.words import name_recipe, name_scheme, name_target

CLAIM = ("recipe", "versus", "scheme", "unit", "target")
"""What a gain and the claim of it have in common."""

TRIED_HOW = (
    "So each gain was held against the largest gain of all in worlds where there is none to be "
    "had: labels drawn for the same areas, alike between neighbours, of which LIDAR knows "
    "nothing, and the real labels moved elsewhere; "
)
REFITTED_HOW = f"{TRIED_HOW}every recipe but networks was fitted anew to both."
FIXED_HOW = f"{TRIED_HOW}predictions were held fixed."
"""How gains are judged where labels of other worlds were drawn: by what was fitted to them."""

RATE = (
    "On simulated labels of 99 areas at most one such page in twenty claimed anything of LIDAR "
    "where there was nothing; of 600 made-up areas none of 30 did."
)
"""How often a page claims of LIDAR what is not there: `benchmarks/claims.py`, `claims_many.py`."""

UNMEASURED = {
    "eyes": "With other eyes beside LIDAR that was not measured.",
    "tables": "How often a page of tables alone claims what is not there was not measured.",
    "networks": (
        "With networks it was not measured: their predictions are held fixed, and a model that "
        "stood in for one claimed something in 8 of 100 worlds without LIDAR, with blocks and a "
        "buffer held out."
    ),
}
"""Of which pages it is not known, by what they have besides."""

OF_LIDAR = ("no_lidar", "no_pattern")
"""Where there is nothing: what claims of other eyes are not held against."""

UNTRIED_HOW = "So no gain is claimed that was not held against what chance gives."
"""How gains are judged where none could be held against anything."""


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
        "eyes": _count([each for each in claims if each["nothing"] not in OF_LIDAR]),
        "has_ground": facts.has_ground,
        "others": _count(select(claims, nothing="no_pattern")),
        "how": say_how(
            claims,
            facts.scores,
            has_eyes=bool(facts.judged.list_eyes()),
            has_ground=facts.has_ground,
        ),
        "moved": moved,
        "n_moved": moved[0][1][0].record["n_moved"] if moved else 0,
    }


def say_how(
    claims: Sequence[Record],
    scores: Sequence[Record],
    *,
    has_eyes: bool = False,
    has_ground: bool = True,
) -> str:
    """Say how gains were judged, and how often a page judged so claims what is not there.

    Parameters
    ----------
    has_eyes
        Whether there are other eyes than LIDAR.
    has_ground
        Whether anything looks at the ground.

    Examples
    --------
    >>> claim = {"recipe": "stack", "nothing": "no_lidar", "is_tested": False}
    >>> say_how([claim], [{"recipe": "stack", "interval": "resampled"}])[:23]
    'So no gain is claimed t'
    """
    tested = select(claims, is_tested=True)
    if not tested:
        return UNTRIED_HOW
    refitted = {record["recipe"] for record in scores if record["interval"] in REFITTED}
    recipes = {claim["recipe"] for claim in select(tested, nothing="no_lidar")}
    # What could have claimed counts, and not what did: it is the page's making that has a rate.
    beside = {"eyes": has_eyes, "networks": bool(recipes - refitted)}
    rest = [UNMEASURED[name] for name, is_there in beside.items() if is_there]
    how = REFITTED_HOW if refitted else FIXED_HOW
    if not has_ground:
        return f"{how.replace('LIDAR', 'the table in question')} {UNMEASURED['tables']}"
    return " ".join([how, *([RATE] if recipes & refitted else []), *rest])


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
