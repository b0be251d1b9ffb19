"""What skills come to in other worlds: how far one can be off, and what chance alone gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.judge.resampling import MIN_GROUPS
from basrelief.judge.worlds import WorldKind, name_kinds
from basrelief.judge.yardsticks import MEAN, differ
from basrelief.learn.knowledge import DISTRICT, LIDAR, PLACE, find_eyes
from basrelief.run import Record

N_SPREADS = 2.4
"""Standard deviations on either side that make a 95 % interval. On simulated labels the normal
distribution's 1.96 held what was to be expected less often: the spread is itself estimated from
the one set of labels there is. Chosen on simulated labels, never by real scores (LOG.md)."""

LEAST_SPREAD = 0.005
"""A skill that varies less than this by chance is taken to vary by it: of no other use is a
baseline that always gives the mean."""

SKILL = ("skill", "skill_low", "skill_high")
DIFFERENCE = ("difference", "low", "high")
"""A value and the ends of its interval, as they stand in a score, and in a comparison."""

Floats = NDArray[np.float64]
Nothing = str
"""The question of a claim: whether an eye is worth having (``no_lidar``, ``no_<eye>``), or whether
anything tells labels (`NO_PATTERN`)."""

NO_PATTERN: Nothing = "no_pattern"

SMOOTH: tuple[WorldKind, ...] = name_kinds()
"""Worlds where neighbours are alike, and what lies on the ground says nothing."""

UNPATTERNED: tuple[WorldKind, ...] = ("no_pattern",)
"""Worlds where nothing says anything."""

WHERE = frozenset({PLACE, DISTRICT})
"""What says where an area lies, and no more."""


def name_nothing(eye: str) -> Nothing:
    """Name the question whether an eye is worth having; LIDAR is one however it is seen.

    Examples
    --------
    >>> name_nothing("heights"), name_nothing("census")
    ('no_lidar', 'no_census')
    """
    return "no_lidar" if eye in LIDAR else f"no_{eye}"


@dataclass(frozen=True, eq=False)
class Refits:
    """What recipes come to in other worlds, in one scheme: skills, or how many would be found."""

    targets: tuple[str, ...]
    knows: Mapping[str, Collection[str]]
    """By recipe, the codes of what it knows."""

    n_districts: int
    """Of the areas that can be learnt from."""

    figures: dict[str, dict[WorldKind, Floats]] = field(default_factory=dict)
    """By recipe and kind of world: (world, target). Of the mean they are 0."""

    def gain(self, recipe: str, versus: str, target: str | None, kind: WorldKind) -> Floats | None:
        """Take the value of one recipe over another's in each world, (world,).

        The mean over targets where ``target`` is None; None where either was not fitted anew, or
        has no value in some world.
        """
        mine = self._take(recipe, kind)
        # Skill is over the mean already: against it, a skill is the gain.
        theirs = np.zeros(1) if versus == MEAN else self._take(versus, kind)
        if mine is None or theirs is None:
            return None
        apart: Floats = mine - theirs
        gains = apart.mean(axis=1) if target is None else apart[:, self.targets.index(target)]
        # All worlds or none: those that are left would be no fair draw.
        return gains if np.isfinite(gains).all() else None

    def by_chance(self, recipe: str, versus: str, target: str | None) -> dict[WorldKind, Floats]:
        """Take the gains where there is nothing to gain, by kind of world: (world,) each.

        Such worlds are those of `find_nothing`. Empty where no such world is known.
        """
        kinds = find_nothing(self.knows[recipe], self.knows.get(versus, ()))
        gains = {kind: self.gain(recipe, versus, target, kind) for kind in kinds}
        return {kind: gain for kind, gain in gains.items() if gain is not None}

    def bound_score(self, record: Record) -> Record:
        """Give a record of ``scores.json`` the interval of refits, see `_bound`."""
        return self._bound(record, SKILL, MEAN)

    def bound_pair(self, record: Record) -> Record:
        """Give a comparison of two recipes, for a target, the interval of refits."""
        return self._bound(record, DIFFERENCE, record["versus"])

    def bound_means(self, record: Record) -> Record:
        """Give a recipe's means over targets the intervals of refits: its own, and of each gain."""
        over = {
            versus: self.bound_pair({"recipe": record["recipe"], "versus": versus} | gain)
            for versus, gain in record["over"].items()
        }
        return self.bound_score(record) | {"over": over}

    def _bound(self, record: Record, names: tuple[str, str, str], versus: str) -> Record:
        """Give a record the interval of refits where there is one, and say which kind it has.

        Parameters
        ----------
        record
            With ``recipe``, ``target`` (none for a mean over targets) and the fields ``names``: a
            value, and the ends of its interval from resampled groups. Where these are None, for
            too few groups, no interval is to be had.

        Returns
        -------
        The record, and in ``interval`` where it comes from: ``refitted`` (every fold fitted anew
        to other labels), ``few_districts`` (the same, for what knows places or districts, where
        there are too few districts to tell how much they share: too narrow where that is most),
        ``drawn_in`` (the same,
        with a lower end drawn in to where chance could just reach: on simulated labels it held what
        is to be expected less often than its name would say, see benchmarks), ``resampled``
        (groups of tested items, the models held fixed: narrower than what is to be expected), or
        None.
        """
        value, low, _ = (record[name] for name in names)
        if value is None or low is None:
            return record | {"interval": None}
        recipe, target = record["recipe"], record.get("target")
        alike = self.gain(recipe, versus, target, "alike")
        if alike is None:
            return record | {"interval": "resampled"}
        by_chance = self._spread_by_chance(recipe, versus, target)
        ends = bound_gain(value, spread_of_gains(alike), by_chance)
        apart = differ(self.knows[recipe], self.knows.get(versus, ()))
        # Places that are near are of one district too: where few districts share much, what knows
        # the place alone varies with them as well.
        is_rough = {PLACE, DISTRICT} & set(apart) and self.n_districts < MIN_GROUPS
        low, high = ends
        is_drawn_in = value - low < N_SPREADS * spread_of_gains(alike) * (1 - 1e-9)
        kind = "few_districts" if is_rough else "drawn_in" if is_drawn_in else "refitted"
        # No skill is above 1, and no prediction better than the truth.
        high = min(high, 1.0) if versus == MEAN else high
        return record | {names[1]: low, names[2]: high, "interval": kind}

    def _spread_by_chance(self, recipe: str, versus: str, target: str | None) -> float | None:
        """Measure how gains vary where eyes add nothing to them; None where that is not known.

        Of two that differ in more than an eye what is left is a gain too: its spread is one near no
        gain, if not quite at it.
        """
        theirs = self.knows.get(versus, ())
        # Skills of place vary as much where they are small: they come and go with what neighbours
        # happen to share. Shuffled labels do not show that, and held 73 to 81 % of the time.
        has_more = bool(set(find_eyes(self.knows[recipe])) - set(theirs))
        kinds = name_kinds(find_eyes(theirs)) if has_more else ()
        gains = [self.gain(recipe, versus, target, kind) for kind in kinds]
        return max((spread_of_gains(gain) for gain in gains if gain is not None), default=None)

    def tabulate(self, recipe: str, scheme: str, unit: str) -> pd.DataFrame:
        """Lay a recipe's skills out: ``recipe, scheme, unit, kind, world, target, skill``."""
        frames = [
            pd.DataFrame(values, columns=list(self.targets))
            .rename_axis("world")
            .reset_index()
            .melt("world", var_name="target", value_name="skill")
            .assign(recipe=recipe, scheme=scheme, unit=unit, kind=kind)
            for kind, values in self.figures[recipe].items()
        ]
        return pd.concat(frames, ignore_index=True)

    def _take(self, recipe: str, kind: WorldKind) -> Floats | None:
        """Take a recipe's values in the worlds of a kind, (world, target)."""
        return self.figures.get(recipe, {}).get(kind)


def find_nothing(one: Collection[str], other: Collection[str]) -> tuple[WorldKind, ...]:
    """Find the worlds where one recipe has nothing over another, by what both know.

    A claim has to survive chance in each kind of them:

    - An eye: neighbours are alike, and so is their ground. By luck the two go together over a
      whole place, far more often than in shuffled labels: smooth worlds in which the other's eyes
      say what they say, and no further one says anything.
    - Size of the polygon, against the mean: the same. Neighbours are of a size too, so smooth
      worlds, which know of no size; and shuffled ones, as for anything that tells labels.
    - Place and district, alone or beside eyes, against the mean: shuffled labels. Smooth worlds
      are no chance for these: that labels go by where an area lies is the very claim.

    Anything else differs in several things at once: no world is without just these.

    Examples
    --------
    >>> find_nothing(("heights", "place"), ("place",)), find_nothing(("place",), ())
    (('no_lidar', 'moved'), ('no_pattern',))
    >>> find_nothing(("size",), ()), find_nothing(("heights", "census"), ("census",))
    (('no_pattern', 'no_lidar', 'moved'), ('beside census', 'moved beside census'))
    """
    apart = differ(one, other)
    if len(apart) == 1 and find_eyes(apart) and apart[0] in one:
        return name_kinds(find_eyes(other))
    if other:
        return ()
    return UNPATTERNED if WHERE.intersection(apart) else UNPATTERNED + SMOOTH


def bound_gain(value: float, spread: float, by_chance: float | None) -> tuple[float, float]:
    """Take the 95 % interval of a gain in skill.

    Gains vary the more the larger they are: a model that finds nothing is nearly the mean. The
    spread is taken to grow evenly from what it is by chance to what it is in worlds like this
    one, and the lower end is the gain from which the observed one could just be reached. It lies
    above 0 where chance does not reach the observed gain.

    Parameters
    ----------
    spread, by_chance
        Standard deviations in worlds like this one, and in those where there is nothing; None
        where no such world is known.

    References
    ----------
    Wilson (1927), JASA 22, 209-212 (an interval whose spread depends on what it bounds).

    Examples
    --------
    >>> [round(end, 3) for end in bound_gain(0.3, 0.1, 0.1)]
    [0.06, 0.54]
    >>> [round(end, 3) for end in bound_gain(0.3, 0.1, 0.02)]
    [0.154, 0.54]
    """
    high = value + N_SPREADS * spread
    if by_chance is None or value <= N_SPREADS * by_chance:
        return value - N_SPREADS * spread, high
    growth = max(spread - by_chance, 0.0) / value
    return (value - N_SPREADS * by_chance) / (1 + N_SPREADS * growth), high


def spread_of_gains(values: Floats) -> float:
    """Take the standard deviation of gains, (world,); never nothing."""
    return max(float(np.std(values)), LEAST_SPREAD)
