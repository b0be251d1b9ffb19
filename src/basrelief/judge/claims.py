"""Claims that a recipe is worth having, and which of them survive chance over a whole report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basrelief.judge.chance import (
    NO_PATTERN,
    Nothing,
    Refits,
    name_nothing,
    spread_of_gains,
)
from basrelief.judge.scores import SMALLEST_GAIN
from basrelief.judge.worlds import WorldKind, find_role
from basrelief.judge.yardsticks import MEAN, keep_lidar
from basrelief.learn.knowledge import sees_lidar
from basrelief.run import Record, Run, read_json

MAX_CHANCE = 0.05
"""How often a whole report may claim anything where there is nothing."""

Floats = NDArray[np.float64]
Key = tuple[str, str, str, str | None]
"""Recipe, scheme, unit and target of a claim; no target for the mean over targets."""


@dataclass(frozen=True)
class Claim:
    """That a recipe has something over what it is held against."""

    recipe: str
    versus: str
    scheme: str
    unit: str
    target: str | None
    """None for the mean over targets."""

    value: float
    nothing: Nothing
    """Where there is nothing to gain: ``no_lidar`` or ``no_<eye>`` for a gain of one eye alone,
    ``no_pattern`` for a skill that may be of anything."""

    by_chance: Mapping[WorldKind, Floats]
    """(world,) Gains in each kind of such worlds; empty where there are none."""


def settle_claims(claims: Sequence[Claim]) -> list[Record]:
    """Find which claims survive chance over all that a report may claim.

    What was fitted anew is held against the largest gain of any claim in the same world, in
    units of each claim's spread: claims are judged together, as like each other as they are. Where
    there are worlds of several kinds, as drawn ones and the real labels moved elsewhere, a claim
    has to survive each: a process fitted to labels is often rougher than they are. What was held
    against nothing claims nothing: no range of one fit speaks for chance. Whether an eye
    is worth having, whichever it is, and whether anything can be told are two questions: two
    families of claims. Each eye has worlds of its own, in which the others say what they say; one
    of each is taken together, as one report, as if they had nothing in common: the largest of them
    is then no smaller than it would be if they had.

    Returns
    -------
    Records with ``recipe, versus, scheme, unit, target, nothing, value, is_tested, p, holds``;
    ``p`` is how often a report would have so large a gain of any recipe where there is nothing.
    A claim ``holds`` where that is at most 5 % and the gain is one that matters.

    References
    ----------
    Westfall and Young (1993), Resampling-Based Multiple Testing, section 2.3 (max-t).
    """
    p_values: dict[int, float] = {}
    for is_of_eye in (True, False):
        family = [k for k, c in enumerate(claims) if (c.nothing != NO_PATTERN) == is_of_eye]
        drawn = [k for k in family if claims[k].by_chance]
        # Held against nothing, a gain may as well be chance.
        p_values |= dict.fromkeys(family, 1.0)
        p_values |= dict(zip(drawn, _rank_together([claims[k] for k in drawn]), strict=True))
    return [_record(claim, p_values[k]) for k, claim in enumerate(claims)]


def _rank_together(claims: Sequence[Claim]) -> list[float]:
    """Rank each claim among the largest gains by chance in each world; the worst of all kinds."""
    worst = [0.0] * len(claims)
    by_role = [{find_role(kind): each for kind, each in c.by_chance.items()} for c in claims]
    for role in sorted({role for gains in by_role for role in gains}):
        own = [k for k, gains in enumerate(by_role) if role in gains]
        drawn = np.stack([by_role[k][role] for k in own], axis=1)  # (world, claim)
        # The real gains count as one world more. By a spread that they have no part in, they
        # would pass for larger than any drawn one too often: up to five times as often.
        every = np.vstack([[claims[k].value for k in own], drawn])
        spread = _even_out(np.array([spread_of_gains(each) for each in every.T]))
        largest = (drawn / spread).max(axis=1)
        for k, each in zip(own, spread, strict=True):
            reached = int((largest >= claims[k].value / each).sum())
            worst[k] = max(worst[k], (1 + reached) / (1 + len(largest)))
    return worst


def _even_out(spread: Floats) -> Floats:
    """Add the usual spread to each, (claim,): a gain that hardly ever varies is no great one.

    References
    ----------
    Tusher, Tibshirani and Chu (2001), PNAS 98, 5116-5121 (the constant added to a spread).
    """
    return np.asarray(np.hypot(spread, np.median(spread)))


def _record(claim: Claim, p: float) -> Record:
    names = ("recipe", "versus", "scheme", "unit", "target", "nothing", "value")
    holds = p <= MAX_CHANCE and claim.value >= SMALLEST_GAIN
    is_tested = bool(claim.by_chance)
    found = {"is_tested": is_tested, "p": p if is_tested else None, "holds": bool(holds)}
    return {name: getattr(claim, name) for name in names} | found


@dataclass(frozen=True)
class Knowledge:
    """What recipes know, and what each is held against."""

    knows: Mapping[str, Collection[str]]
    """By recipe, codes of what it knows."""

    by_eye: Mapping[str, Mapping[str, str]]
    """By recipe and eye, what differs from it in this eye alone."""

    @property
    def yardsticks(self) -> dict[str, str]:
        """By recipe, what differs from it in LIDAR alone; the mean where nothing does."""
        return keep_lidar(self.by_eye)

    def find_eye(self, recipe: str, versus: str) -> str | None:
        """Find the eye whose gain one recipe's over another is; None if it is that of none."""
        found = self.by_eye.get(recipe, {})
        return next((eye for eye, other in found.items() if other == versus), None)

    def sees_lidar(self, name: str) -> bool:
        """Whether a recipe sees LIDAR; the mean does not."""
        return sees_lidar(self.knows.get(name, ()))


def list_claims(
    records: Iterable[Record], names: tuple[str, str, str], known: Knowledge, refits: Refits
) -> Iterator[Claim]:
    """List what records may claim: a gain over the mean, or over what differs in one eye alone.

    Parameters
    ----------
    records
        With ``recipe, scheme, unit, target`` (none for a mean over targets), ``versus`` where it
        is not the mean, and the fields ``names``: a value and the ends of its interval. What has
        no interval claims nothing.
    refits
        Of the records' scheme and unit.
    """
    for record in records:
        recipe, versus, target = record["recipe"], record.get("versus", MEAN), record.get("target")
        value, low, _ = (record[name] for name in names)
        eye = known.find_eye(recipe, versus)
        if (eye is None and versus != MEAN) or value is None or low is None:
            continue
        yield Claim(
            recipe,
            versus,
            record["scheme"],
            record["unit"],
            target,
            value,
            NO_PATTERN if eye is None else name_nothing(eye),
            refits.by_chance(recipe, versus, target),
        )


def find_surviving(claims: Iterable[Record], nothing: Nothing) -> set[Key]:
    """Find which claims of `settle_claims` hold, of one question: their keys."""
    return {key_of(claim) for claim in claims if claim["holds"] and claim["nothing"] == nothing}


def find_claimed(run: Run) -> dict[str, set[str]]:
    """Find by recipe the targets for which a run's report claims that LIDAR is worth having."""
    claimed: dict[str, set[str]] = {}
    for claim in read_json(run.folder / "evaluate" / "claims.json"):
        if claim["holds"] and claim["nothing"] == "no_lidar" and claim["target"] is not None:
            claimed.setdefault(claim["recipe"], set()).add(claim["target"])
    return claimed


def key_of(record: Record) -> Key:
    """Take what a record and the claims on it have in common."""
    return record["recipe"], record["scheme"], record["unit"], record.get("target")
