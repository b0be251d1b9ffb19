"""What each recipe is held against, so that a gain is that of LIDAR and of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from basrelief.config import Settings
from basrelief.learn.knowledge import LIDAR, order_codes
from basrelief.learn.recipes import KrigedRecipe, NetworkRecipe, Recipe, find_members
from basrelief.run import Record

MEAN = "mean"
"""Stands for always predicting the mean of the training fold, which knows nothing."""

GAUSSIAN_PROCESS = "gaussian_process"
"""Learns place, with LIDAR beside it or without: so that the two can be a like pair."""


How = Literal["features", "learner"]
"""What two recipes may differ in beside what they know: how they read LIDAR, and what learns."""

LABELS = {"name", "about"}
"""Fields of a recipe's file that change no prediction."""

READS = {"kind", "backbone", "variant", "bands", "preprocessing"}
"""Fields of a network's recipe that say how it reads a chip; the others say how it learns."""


@dataclass(frozen=True)
class Traits:
    """All that a recipe's predictions come from, beside the labels."""

    knows: tuple[str, ...] = ()
    """Codes of what it knows, as `learn.knowledge.CODES`."""

    features: str = ""
    """How it reads LIDAR, as its own file and those of its members say it; nothing without."""

    learner: str = ""
    """What learns, as its own file says it; nothing of the mean."""


NOTHING = Traits()
"""Those of the mean."""


def describe_recipe(recipe: Recipe, knows: tuple[str, ...], settings: Settings) -> Traits:
    """Describe what a recipe's predictions come from, by its own file and its members'."""
    if isinstance(recipe, NetworkRecipe):
        about = recipe.model_dump(exclude=LABELS)
        reads = {name: value for name, value in about.items() if name in READS}
        learns = {name: value for name, value in about.items() if name not in READS}
        return Traits(knows, repr(reads), repr(learns))
    # Members by what they say, and sorted: their names and their order change no prediction.
    members = find_members(recipe, settings)
    features = sorted(repr(member.model_dump(exclude=LABELS)) for member in members)
    # A linear model of one set, or of several that inner folds weigh, is one learner. With place
    # it is a process, of which the features are one part.
    learner = GAUSSIAN_PROCESS if isinstance(recipe, KrigedRecipe) else "linear"
    return Traits(knows, repr(features), learner)


def tell_apart(one: Traits, other: Traits) -> Record:
    """Tell all that two recipes differ in: ``differs_in`` and ``differs_how``, lists of codes.

    Examples
    --------
    >>> place = Traits(("place",), "", "gaussian_process")
    >>> tell_apart(Traits(("heights", "place"), "vgg16", "gaussian_process"), place)
    {'differs_in': ['heights'], 'differs_how': []}
    >>> vgg16, relief = (Traits(("heights",), each, "linear") for each in ("vgg16", "relief"))
    >>> tell_apart(vgg16, relief)
    {'differs_in': [], 'differs_how': ['features']}
    """
    return {
        "differs_in": list(differ(one.knows, other.knows)),
        "differs_how": list(differ_how(one, other)),
    }


def differ_how(one: Traits, other: Traits) -> tuple[How, ...]:
    """Name how two recipes differ beside what they know.

    Features are told where both see LIDAR: that one of them reads what the other does not know
    is what `differ` says. The mean reads and learns nothing, and so differs in what is known.
    """
    found: list[How] = []
    if one.features and other.features and one.features != other.features:
        found.append("features")
    if one.learner and other.learner and one.learner != other.learner:
        found.append("learner")
    return tuple(found)


def differ(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    """Name what one of two recipes knows and the other does not.

    Whoever tells how two recipes compare names all of it: a gain over another is that of
    everything that the two differ in. Nothing where they know the same: `differ_how` then says
    what sets them apart.

    Parameters
    ----------
    one, other
        Codes of what each knows, as `learn.knowledge.CODES`.

    Examples
    --------
    >>> differ(("heights", "place", "district"), ("place",))
    ('heights', 'district')
    """
    return order_codes(set(one) ^ set(other))


def find_yardstick(name: str, knows_by_recipe: Mapping[str, Collection[str]]) -> str:
    """Find what a recipe's gain from LIDAR is measured against: what differs in LIDAR alone.

    Parameters
    ----------
    knows_by_recipe
        What recipes and baselines know, the simplest first; the mean need not be there.

    Returns
    -------
    ``mean`` for LIDAR alone, and for what sees no LIDAR. Where nothing else knows just the
    rest, what knows most of it: `differ` says what else sets them apart.

    Examples
    --------
    >>> knows = {"place-alone": ("place",), "place-and-district": ("place", "district")}
    >>> find_yardstick("joint", knows | {"joint": ("heights", "place", "district")})
    'place-and-district'
    >>> find_yardstick("lidar", knows | {"lidar": ("heights",)})
    'mean'
    """
    known = set(knows_by_recipe[name])
    rest = known - set(LIDAR)
    if rest == known:
        return MEAN
    able = {other: len(each) for other, each in knows_by_recipe.items() if rest >= set(each)}
    # The mean comes first, and the simplest of those that know as much.
    able = {MEAN: 0} | able
    return max(able, key=lambda other: able[other])
