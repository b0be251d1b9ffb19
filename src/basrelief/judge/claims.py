"""Claims that a recipe is worth having, and which of them survive chance over a whole report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from basrelief.judge.chance import Nothing, Refits, spread_of_gains
from basrelief.judge.scores import SMALLEST_GAIN
from basrelief.judge.worlds import Kind
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import sees_lidar
from basrelief.run import Record, Run, read_json

MAX_CHANCE = 0.05
"""How often a whole report may claim anything where there is nothing."""

ALONE = 2.5
"""By how much an interval is stretched that holds models fixed and has to speak for chance. Plain,
such intervals let a quarter of reports claim what is not there with blocks held out (600 areas, 18
claims), and two thirds with districts, where none is trusted. See benchmarks/claims_many.py."""

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
    interval: tuple[float, float]
    nothing: Nothing
    """Where there is nothing to gain: ``no_lidar`` for a gain of LIDAR alone, ``no_pattern`` for
    a skill that may be of anything."""

    by_chance: Mapping[Kind, Floats]
    """(world,) Gains in each kind of such worlds; empty where there are none."""

    is_alone: bool = False
    """Whether it may be judged by its own interval where there are no worlds."""


def settle_claims(claims: Sequence[Claim]) -> list[Record]:
    """Find which claims survive chance over all that a report may claim.

    What was fitted anew is held against the largest gain of any claim in the same world, in
    units of each claim's spread: claims are judged together, as like each other as they are. Where
    there are worlds of several kinds, as drawn ones and the real labels moved elsewhere, a claim
    has to survive each: a process fitted to labels is often rougher than they are. What was not
    fitted because areas are too many is taken for normal and held against as many as there are
    (Bonferroni); what was held against nothing for another reason claims nothing. Whether LIDAR
    is worth having and whether anything can be told are two questions: two families of claims.

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
    for nothing in dict.fromkeys(claim.nothing for claim in claims):
        family = [k for k, claim in enumerate(claims) if claim.nothing == nothing]
        drawn = [k for k in family if claims[k].by_chance]
        other = [k for k in family if not claims[k].by_chance and claims[k].is_alone]
        p_values |= dict.fromkeys(family, 1.0)
        # Two ways of judging are two chances to be wrong.
        n_ways = bool(drawn) + bool(other)
        p_values |= dict(zip(drawn, _rank_together([claims[k] for k in drawn]), strict=True))
        p_values |= {k: len(other) * _judge_alone(claims[k]) for k in other}
        p_values |= {k: min(1.0, n_ways * p_values[k]) for k in (*drawn, *other)}
    return [_record(claim, p_values[k]) for k, claim in enumerate(claims)]


def _rank_together(claims: Sequence[Claim]) -> list[float]:
    """Rank each claim among the largest gains by chance in each world; the worst of all kinds."""
    worst = [0.0] * len(claims)
    for kind in {kind for claim in claims for kind in claim.by_chance}:
        own = [k for k, claim in enumerate(claims) if kind in claim.by_chance]
        drawn = np.stack([claims[k].by_chance[kind] for k in own], axis=1)  # (world, claim)
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


def _judge_alone(claim: Claim) -> float:
    """How often chance gives such a gain, by its interval's lower half taken for normal."""
    half = ALONE * max(claim.value - claim.interval[0], 1e-12)
    return float(stats.norm.sf(stats.norm.ppf(0.975) * claim.value / half))


def _record(claim: Claim, p: float) -> Record:
    names = ("recipe", "versus", "scheme", "unit", "target", "nothing", "value")
    holds = p <= MAX_CHANCE and claim.value >= SMALLEST_GAIN
    is_tested = bool(claim.by_chance) or claim.is_alone
    found = {"is_tested": is_tested, "p": p if is_tested else None, "holds": bool(holds)}
    return {name: getattr(claim, name) for name in names} | found


@dataclass(frozen=True)
class Knowledge:
    """What recipes know, and what each is held against."""

    knows: Mapping[str, Collection[str]]
    """By recipe, codes of what it knows."""

    yardsticks: Mapping[str, str]
    """By recipe, what differs from it in LIDAR alone."""

    def sees_lidar(self, name: str) -> bool:
        """Whether a recipe sees LIDAR; the mean does not."""
        return sees_lidar(self.knows.get(name, ()))


def list_claims(
    records: Iterable[Record], names: tuple[str, str, str], known: Knowledge, refits: Refits
) -> Iterator[Claim]:
    """List what records may claim: a gain over the mean, or over what differs in LIDAR alone.

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
        value, low, high = (record[name] for name in names)
        if versus not in (MEAN, known.yardsticks[recipe]) or value is None or low is None:
            continue
        is_of_lidar = known.sees_lidar(recipe) and versus == known.yardsticks[recipe]
        yield Claim(
            recipe,
            versus,
            record["scheme"],
            record["unit"],
            target,
            value,
            (low, high),
            "no_lidar" if is_of_lidar else "no_pattern",
            refits.by_chance(recipe, versus, target),
            refits.is_alone,
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
