"""The disclosure gate: which areas' figures may be handed out, and which averages beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.config import Settings
from basrelief.sources.census import RESIDENTS
from basrelief.stage_settings import PublishSettings
from basrelief.tell.facts import Facts
from basrelief.tell.publication import Withheld

MIN_BEHIND = 10
"""Fewest areas behind an average, and behind what is left of one when every published area is
taken away: the rule of ten of secure data services (Office for National Statistics, Secure
Research Service; UK Longitudinal Linkage Collaboration)."""


@dataclass(frozen=True)
class Release:
    """Which areas' figures may be handed out."""

    shown: frozenset[str]
    hidden: frozenset[str]
    """Areas that were used, and whose figures are withheld."""

    small: frozenset[str]
    """Those of them behind which too few people stand, or nobody knows how many."""

    withheld: tuple[Withheld, ...]
    population: str
    """How the bound on people could be applied, in a sentence."""


def decide_release(areas: pd.DataFrame, publish: PublishSettings) -> Release:
    """Decide whose figures may be handed out.

    An area is withheld where too few people or too little of its ground stand behind its
    figure. No average of ours is over a withheld area (see `refit`), but others publish some, and
    whoever takes all figures shown away from one of those is left with the withheld ones. With
    fewer than ten withheld, more are: those with the fewest people (complementary suppression;
    Willenborg and de Waal 2001, Elements of Statistical Disclosure Control, Springer).

    No label has a part in this: whose figures are withheld tells none.

    Parameters
    ----------
    areas
        As in ``chips/areas.parquet``: ``area_id``, ``is_used``, ``ground_covered`` (NaN where
        unknown) and, where the labels give it, ``population``.

    Returns
    -------
    Only areas with ``is_used`` are told of: no others have a figure.
    """
    # In order of their codes: areas of as many people are then always taken in the same order.
    used = areas[areas["is_used"].astype(bool)].sort_values("area_id")
    ids = used["area_id"].to_numpy(dtype=object)
    people = count_people(used)
    ground = used["ground_covered"].to_numpy(np.float64)
    # What is unknown is not known to be enough: NaN fails both comparisons.
    is_small = ~(people >= publish.min_population) if publish.min_population else people < 0
    is_bare = ~(ground >= publish.min_ground_covered) if publish.min_ground_covered else ground < 0
    is_first = is_small | is_bare
    is_hidden = is_first | complement(is_first, people)
    # Each area is counted once, under the first reason that holds for it.
    reasons = (
        (is_small & ~np.isnan(people), f"fewer than {publish.min_population:,} people"),
        (is_small & np.isnan(people), "how many people live there is not known"),
        (
            is_bare & ~is_small & ~np.isnan(ground),
            f"less than {publish.min_ground_covered:.0%} of the ground behind the figure",
        ),
        (is_bare & ~is_small & np.isnan(ground), "how much of the ground is shown is not known"),
        (
            is_hidden & ~is_first,
            f"beside fewer than {MIN_BEHIND} withheld areas, those could be found by subtraction "
            "from averages that others publish",
        ),
    )
    return Release(
        shown=frozenset(ids[~is_hidden]),
        hidden=frozenset(ids[is_hidden]),
        small=frozenset(ids[is_small]),
        withheld=tuple(
            Withheld("figures of areas", int(which.sum()), reason)
            for which, reason in reasons
            if which.any()
        ),
        population=say_population(used, publish),
    )


def find_bounds(settings: Settings) -> PublishSettings:
    """Find the bounds that hold: no ground is asked for where nothing looks at any."""
    if settings.data.kind != "tables":
        return settings.publish
    return settings.publish.model_copy(update={"min_ground_covered": 0.0})


def find_open(facts: Facts) -> frozenset[str]:
    """Find the areas whose figures may be handed out: classes of maps are of these on every page.

    Parameters
    ----------
    facts
        Of a run, or narrowed already.
    """
    areas = facts.samples.areas
    if facts.is_public:
        return frozenset(areas.loc[areas["is_used"].astype(bool), "area_id"])
    return decide_release(areas, find_bounds(facts.settings)).shown


def count_people(areas: pd.DataFrame) -> NDArray[np.float64]:
    """Give the people of each area: from the labels, else how many it was drawn to hold.

    Returns
    -------
    (n,)
        NaN where neither is known.
    """
    drawn_for = areas["area_id"].astype(str).str[:3].map(RESIDENTS)
    has_counts = "population" in areas and areas["population"].notna().any()
    # A gap in a table that counts people is no leave to guess.
    known = areas["population"] if has_counts else drawn_for
    people: NDArray[np.float64] = np.asarray(known, dtype=np.float64)
    return people


def complement(is_first: NDArray[np.bool_], people: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose what else is withheld, so that those withheld cannot be found by subtraction.

    Parameters
    ----------
    is_first : (n,)
        What is withheld for its own sake.
    people : (n,)
        The fewest are taken first; NaN comes last.

    Returns
    -------
    (n,)

    Examples
    --------
    >>> is_first = np.array([True] + [False] * 19)
    >>> int(complement(is_first, np.arange(20.0)).sum())
    9
    """
    n_first, extra = int(is_first.sum()), np.zeros(len(is_first), dtype=bool)
    # Over fewer than ten areas there is no average to subtract from.
    if n_first == 0 or len(is_first) < MIN_BEHIND:
        return extra
    others = np.flatnonzero(~is_first)
    order = np.argsort(people[others], kind="stable")
    extra[others[order[: max(0, MIN_BEHIND - n_first)]]] = True
    return extra


def may_average(n: int, n_hidden: int) -> bool:
    """Whether an average over ``n`` areas, of which ``n_hidden`` are withheld, may be shown.

    Examples
    --------
    >>> may_average(99, 0), may_average(99, 1), may_average(99, 10), may_average(9, 0)
    (True, False, True, False)
    """
    return n >= MIN_BEHIND and (n_hidden == 0 or n_hidden >= MIN_BEHIND)


def say_population(used: pd.DataFrame, publish: PublishSettings) -> str:
    """Say how the bound on people could be applied."""
    if not publish.min_population:
        return "No bound on people was set (min_population = 0)."
    if "population" in used and used["population"].notna().any():
        n_known = int(used["population"].notna().sum())
        return f"The labels give the people of {n_known} of {len(used)} areas."
    n_drawn = int(np.isfinite(count_people(used)).sum())
    if n_drawn:
        return (
            "The labels do not say how many people live in an area. "
            f"{n_drawn} of {len(used)} areas have codes of census areas, taken to hold as many "
            "as those are drawn for: 100, 1,000 or 5,000."
        )
    return (
        "How many people live in an area is not known: the labels do not say, and the codes are "
        "not those of census areas. With a column population in the labels more can be shown; "
        "min_population = 0 shows areas without regard to people."
    )
