"""What is worth having: decided at the end, when all that a report may claim is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from basrelief.judge.chance import (
    DIFFERENCE,
    NO_PATTERN,
    SKILL,
    Nothing,
    Refits,
    find_nothing,
    name_nothing,
)
from basrelief.judge.claims import (
    Claim,
    Key,
    Knowledge,
    find_surviving,
    key_of,
    list_claims,
    settle_claims,
)
from basrelief.judge.compare import choose_listed
from basrelief.judge.preference import list_ahead, prefer_recipe
from basrelief.judge.relocation import rank
from basrelief.judge.scores import SMALLEST_GAIN, find_worth
from basrelief.judge.worlds import find_role
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import LIDAR, find_eyes
from basrelief.run import Record, Run, read_json

Answer = Literal["lidar", "place", "nothing"]
"""What tells a target: LIDAR, alone or beside place; place, district or size without it; or
nothing that is known."""

GAIN = ("difference", "low", "high", "differs_in", "differs_how", "beats", "is_beaten")
"""Of the gain over its yardstick, as they stand in a record of means over targets."""

OF_RELOCATION = ("recipe", "versus", "scheme", "unit", "target", "value")


@dataclass(frozen=True, eq=False)
class Compared:
    """All recipes of one scheme and unit held against each other, their gains bounded."""

    scheme: str
    unit: str
    order: list[str]
    """Recipes from the simplest on."""

    pairs: dict[str, list[Record]]
    """By target: each pair once, the later in ``order`` with the earlier."""

    over_targets: list[Record]
    refits: Refits

    def holds(self, record: Record) -> bool:
        """Whether a record is of this scheme and unit."""
        return bool(record["scheme"] == self.scheme and record["unit"] == self.unit)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What survives chance over the whole report, and what follows from it."""

    claims: list[Record] = field(default_factory=list)
    scores: list[Record] = field(default_factory=list)
    """With their ``worth``."""

    pairs: list[Record] = field(default_factory=list)
    """Each once, with ``beats`` and ``is_beaten``."""

    over_targets: list[Record] = field(default_factory=list)
    preferred: list[Record] = field(default_factory=list)
    relocation: list[Record] = field(default_factory=list)
    """Each gain of LIDAR among those with the labels moved and turned over the place."""


def settle(scores: Sequence[Record], compared: Sequence[Compared], known: Knowledge) -> Verdicts:
    """Settle what all scores and comparisons of a report may be said to show.

    A recipe is ``better`` than the mean where that claim survives. One that looks by an eye beats
    one that does not only where its gain from such an eye alone survives as well, and it is
    preferred only where those of all its eyes do: a pair that differs in more would pass place for
    LIDAR.
    """
    claims = settle_claims([claim for each in compared for claim in _list_all(scores, each, known)])
    questions = {claim["nothing"] for claim in claims}
    surviving = {nothing: find_surviving(claims, nothing) for nothing in questions}
    tested = {(claim["nothing"], key_of(claim)) for claim in claims if claim["is_tested"]}
    court = _Court(known, surviving, tested)
    verdicts = Verdicts(claims, [court.weigh(record) for record in scores])
    for each in compared:
        verdicts.relocation.extend(_rank_moved(claims, each))
        verdicts.over_targets.extend(court.weigh_means(record) for record in each.over_targets)
        own = [record for record in verdicts.scores if each.holds(record)]
        for target, records in each.pairs.items():
            decided = [court.decide(record) for record in records]
            verdicts.pairs.extend(decided)
            skills = {r["recipe"]: r for r in own if r["target"] == target}
            order = [name for name in each.order if name in skills]
            if order:
                able = [name for name in order if court.is_able(skills[name])]
                key = {"target": target, "scheme": each.scheme, "unit": each.unit}
                adding = court.find_adding(able, skills, decided)
                choice = prefer_recipe(
                    decided, skills, order, able, adding, court.list_blind(order)
                )
                verdicts.preferred.append(key | choice)
    return verdicts


def _rank_moved(claims: Sequence[Record], each: Compared) -> Iterator[Record]:
    """Rank each gain of LIDAR among the gains with labels moved and turned over the place.

    Yields
    ------
    Records with ``recipe, versus, scheme, unit, target, value, n_moved, highest`` (of the moved),
    ``p``: the share of the placements, the real one among them, that reach the real gain.
    """
    for claim in claims:
        if claim["nothing"] != "no_lidar" or not each.holds(claim):
            continue
        recipe, versus, target = (claim[name] for name in ("recipe", "versus", "target"))
        knows = each.refits.knows
        kinds = find_nothing(knows[recipe], knows.get(versus, ()))
        # One kind at most: that in which all else that both know says what it says.
        (kind,) = [kind for kind in kinds if find_role(kind) == "moved"] or [""]
        moved = each.refits.gain(recipe, versus, target, kind)
        # What was not fitted anew, as a network, was tried on other labels than it learnt.
        is_refitted = each.refits.gain(recipe, versus, target, "alike") is not None
        if moved is not None and is_refitted:
            yield {name: claim[name] for name in OF_RELOCATION} | {
                "n_moved": len(moved),
                "highest": float(moved.max()),
                "p": float(rank(np.asarray(claim["value"]), moved)),
            }


def _list_all(scores: Sequence[Record], each: Compared, known: Knowledge) -> list[Claim]:
    """List what a scheme and unit may claim."""
    own = [record for record in scores if each.holds(record)]
    pairs = [record for records in each.pairs.values() for record in records]
    means = [record | {"versus": MEAN} for record in each.over_targets]
    gains = [
        record | {"versus": versus} | record["over"][versus]
        for record in each.over_targets
        for versus in dict.fromkeys(known.by_eye[record["recipe"]].values())
        if versus != MEAN and versus in record["over"]
    ]
    lists = ((own, SKILL), (means, SKILL), (pairs, DIFFERENCE), (gains, DIFFERENCE))
    return [
        claim
        for records, names in lists
        for claim in list_claims(records, names, known, each.refits)
    ]


def find_answers(run: Run) -> dict[str, Answer]:
    """Find what tells each target, by the recipe preferred for areas in the scheme that is listed.

    Empty where no recipe was preferred for areas.
    """
    folder = run.folder / "evaluate"
    knows = {record["recipe"]: record["knows"] for record in read_json(folder / "recipes.json")}
    records = [r for r in read_json(folder / "preferred.json") if r["unit"] == "area"]
    listed = choose_listed(record["scheme"] for record in records)
    known = Knowledge(knows, {})
    return {
        record["target"]: _answer(record["recipe"], known)
        for record in records
        if record["scheme"] == listed
    }


def _answer(recipe: str, known: Knowledge) -> Answer:
    if recipe == MEAN:
        return "nothing"
    return "lidar" if known.sees_lidar(recipe) else "place"


@dataclass(frozen=True)
class _Court:
    """Decides by the claims that survive."""

    known: Knowledge
    surviving: Mapping[Nothing, set[Key]]
    """By question: that an eye adds something to all else that the recipe knows, or that the recipe
    tells anything at all."""

    tested: set[tuple[Nothing, Key]]
    """What was held against chance at all."""

    def weigh(self, record: Record) -> Record:
        """Give a score its worth."""
        eye = self.known.find_eye(record["recipe"], MEAN)
        nothing = NO_PATTERN if eye is None else name_nothing(eye)
        survives = key_of(record) in self.surviving.get(nothing, set())
        is_tested = (nothing, key_of(record)) in self.tested
        worth = find_worth(record, survives if is_tested else None)
        # The interval says how much, and the claim whether: of place a skill can be no chance,
        # and still be nearly anything.
        if worth == "unsure" and survives and is_tested:
            worth = "better"
        return record | {"worth": worth}

    def weigh_means(self, record: Record) -> Record:
        """Give the means over targets of a recipe their worth, and each gain its sense."""
        place = {name: record[name] for name in ("scheme", "unit")}
        over = {versus: self.decide(place | gain) for versus, gain in record["over"].items()}
        gain = over.get(record["versus"], {})
        return self.weigh(record) | {name: gain.get(name) for name in GAIN} | {"over": over}

    def decide(self, record: Record) -> Record:
        """Decide whether one recipe beats another."""
        value, low, high = (record[name] for name in DIFFERENCE)
        one, other = record["recipe"], record["versus"]
        if value is None or low is None or abs(value) < SMALLEST_GAIN:
            return record | {"beats": False, "is_beaten": False}
        return record | {
            "beats": low > 0 and self._may_win(record, one, other),
            "is_beaten": high < 0 and self._may_win(record, other, one),
        }

    def is_able(self, score: Record) -> bool:
        """Whether a recipe may be preferred: it is better, and not for what others know too."""
        name = score["recipe"]
        # An eye without a twin that lacks it alone was never asked about; LIDAR always is.
        asked = {*LIDAR, *self.known.by_eye.get(name, {})}
        eyes = [eye for eye in find_eyes(self.known.knows.get(name, ())) if eye in asked]
        return score["worth"] == "better" and all(self._adds(score, name, eye) for eye in eyes)

    def find_adding(
        self, able: Sequence[str], skills: Mapping[str, Record], decided: Sequence[Record]
    ) -> list[str]:
        """Find where LIDAR's gain is no chance, and nothing that sees none has as much skill.

        The first is of like with like. The second asks no interval, for of a pair that differs in
        more than LIDAR it says little, but it asks on common items: a network has one fold alone.
        """
        won = {(r["recipe"], r["versus"]) for r in decided if r["beats"]}
        won |= {(r["versus"], r["recipe"]) for r in decided if r["is_beaten"]}
        ahead = list_ahead(decided)
        blind = [name for name in self.list_blind(skills) if name != MEAN]
        found = []
        for name in able:
            versus = self.known.yardsticks[name]
            # To be able is to be better than the mean, for LIDAR alone by LIDAR's own claim.
            adds = versus == MEAN or (name, versus) in won
            is_first = all((name, other) in ahead for other in blind)
            if self.known.sees_lidar(name) and adds and is_first:
                found.append(name)
        return found

    def list_blind(self, names: Iterable[str]) -> list[str]:
        """List the recipes that see no LIDAR."""
        return [name for name in names if not self.known.sees_lidar(name)]

    def _may_win(self, record: Record, one: str, other: str) -> bool:
        """Whether one recipe may be said to beat another, if its interval says so."""
        eyes = self._list_more(one, other)
        if eyes:
            return any(self._adds(record, one, eye) for eye in eyes)
        # Ground that is drawn again with models held fixed varies less than skills do.
        return bool(record.get("interval") != "resampled")

    def _list_more(self, one: str, other: str) -> list[str]:
        """List the eyes of one recipe of which another has none, LIDAR being one however seen."""
        mine, theirs = (find_eyes(self.known.knows.get(name, ())) for name in (one, other))
        has_lidar = self.known.sees_lidar(other)
        return [eye for eye in mine if eye not in theirs and not (eye in LIDAR and has_lidar)]

    def _adds(self, record: Record, name: str, eye: str) -> bool:
        """Whether a recipe's claim on an eye survives where a record is of."""
        return key_of(record | {"recipe": name}) in self.surviving.get(name_nothing(eye), set())
