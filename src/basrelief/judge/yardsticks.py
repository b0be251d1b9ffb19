"""What each recipe is held against, so that a gain is that of one eye and of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from basrelief.config import Settings
from basrelief.learn.knowledge import HEIGHTS, LIDAR, PICTURES, find_eyes, order_codes
from basrelief.learn.recipe_files import find_members, read_recipe
from basrelief.learn.recipes import KrigedRecipe, NetworkRecipe, Recipe, SetRecipe
from basrelief.run import Record

MEAN = "mean"
"""Stands for always predicting the mean of the training fold, which knows nothing."""

GAUSSIAN_PROCESS = "gaussian_process"
"""Learns place, with LIDAR beside it or without: so that the two can be a like pair."""


How = Literal["features", "learner"]
"""What two recipes may differ in beside what they know: how they read what both look at, and what
learns."""

LABELS = {"name", "about"}
"""Fields of a recipe's file that change no prediction."""

READS = {"kind", "backbone", "variant", "bands", "preprocessing"}
"""Fields of a network's recipe that say how it reads a chip; the others say how it learns."""


@dataclass(frozen=True)
class Traits:
    """All that a recipe's predictions come from, beside the labels."""

    knows: tuple[str, ...] = ()
    """Codes of what it knows, as `learn.knowledge.CODES`."""

    features: Mapping[str, str] = field(default_factory=dict)
    """By eye, how it reads it, as its own file and those of its members say it."""

    learner: str = ""
    """What learns, as its own file says it; nothing of the mean."""


NOTHING = Traits()
"""Those of the mean."""


def describe_recipe(recipe: Recipe, knows: tuple[str, ...], settings: Settings) -> Traits:
    """Describe what a recipe's predictions come from, by its own file and its members'."""
    members = [] if isinstance(recipe, NetworkRecipe) else find_members(recipe, settings)
    return _describe(recipe, knows, members)


def describe_trained(folder: Path, knows: tuple[str, ...]) -> Traits:
    """Describe the same of a final model, by the recipes that lie in its folder."""
    members = [read_recipe(path) for path in sorted(folder.glob("members/*/recipe.toml"))]
    sets = [each for each in members if isinstance(each, SetRecipe)]
    return _describe(read_recipe(folder / "recipe.toml"), knows, sets)


def _describe(recipe: Recipe, knows: tuple[str, ...], members: Sequence[SetRecipe]) -> Traits:
    if isinstance(recipe, NetworkRecipe):
        about = recipe.model_dump(exclude=LABELS)
        reads = {name: value for name, value in about.items() if name in READS}
        learns = {name: value for name, value in about.items() if name not in READS}
        return Traits(knows, dict.fromkeys(find_eyes(knows), repr(reads)), repr(learns))
    # Members by what they say, and sorted: their names and their order change no prediction.
    read: dict[str, list[str]] = {}
    for member in members:
        read.setdefault(member.eye, []).append(repr(member.model_dump(exclude=LABELS)))
    features = {eye: repr(sorted(each)) for eye, each in read.items()}
    # A linear model of one set, or of several that inner folds weigh, is one learner. With place
    # it is a process, of which the features are one part.
    learner = GAUSSIAN_PROCESS if isinstance(recipe, KrigedRecipe) else "linear"
    return Traits(knows, features, learner)


def tell_apart(one: Traits, other: Traits) -> Record:
    """Tell all that two recipes differ in: ``differs_in`` and ``differs_how``, lists of codes.

    Examples
    --------
    >>> place = Traits(("place",), {}, "gaussian_process")
    >>> tell_apart(Traits(("heights", "place"), {"heights": "vgg16"}, "gaussian_process"), place)
    {'differs_in': ['heights'], 'differs_how': []}
    >>> reads = ({"heights": each} for each in ("vgg16", "relief"))
    >>> vgg16, relief = (Traits(("heights",), each, "linear") for each in reads)
    >>> tell_apart(vgg16, relief)
    {'differs_in': [], 'differs_how': ['features']}
    """
    return {
        "differs_in": list(differ(one.knows, other.knows)),
        "differs_how": list(differ_how(one, other)),
    }


def differ_how(one: Traits, other: Traits) -> tuple[How, ...]:
    """Name how two recipes differ beside what they know.

    Features are told where both look by the same eye: that one of them reads what the other does
    not know is what `differ` says. The mean reads and learns nothing, and so differs in what is
    known.
    """
    found: list[How] = []
    shared = set(one.features) & set(other.features)
    if any(one.features[eye] != other.features[eye] for eye in shared):
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


def find_yardstick(name: str, traits: Mapping[str, Traits], eye: str) -> str:
    """Find what a recipe's gain from an eye is measured against: what differs in this eye alone.

    Parameters
    ----------
    traits
        What recipes and baselines rest on, the simplest first; the mean need not be there.
    eye
        A code of what the recipe knows.

    Returns
    -------
    ``mean`` for an eye alone. Where nothing else knows just the rest, what knows most of it:
    `differ` says what else sets them apart. Of several that know as much, one that reads and
    learns alike.

    Examples
    --------
    >>> names = {"place-alone": ("place",), "place-and-district": ("place", "district")}
    >>> names |= {"joint": ("heights", "place", "district"), "lidar": ("heights",)}
    >>> traits = {name: Traits(knows) for name, knows in names.items()}
    >>> find_yardstick("joint", traits, "heights"), find_yardstick("lidar", traits, "heights")
    ('place-and-district', 'mean')
    """
    own = traits[name]
    rest = set(own.knows) - {eye}
    able = {MEAN: NOTHING} | {
        other: each for other, each in traits.items() if rest >= set(each.knows)
    }

    def rank(other: str) -> tuple[int, int, bool]:
        theirs = able[other]
        alike = sum(own.features.get(k) == read for k, read in theirs.features.items())
        return len(theirs.knows), alike, own.learner == theirs.learner

    # The mean comes first, and the simplest of those that know as much.
    return max(able, key=rank)


def find_yardsticks(traits: Mapping[str, Traits]) -> dict[str, dict[str, str]]:
    """Find by recipe and eye what differs from it in this eye alone: see `find_yardstick`.

    Of LIDAR there always is one. Another eye has one only where the two differ in nothing else:
    recipes are made so that all eyes together have (`learn.eyes`).
    """
    found: dict[str, dict[str, str]] = {}
    for name, own in traits.items():
        found[name] = {}
        for eye in find_eyes(own.knows):
            versus = find_yardstick(name, traits, eye)
            theirs = traits.get(versus, NOTHING)
            is_exact = differ(own.knows, theirs.knows) == (eye,) and not differ_how(own, theirs)
            if eye in LIDAR or is_exact:
                found[name][eye] = versus
    return found


def keep_lidar(yardsticks: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Keep by recipe what differs from it in LIDAR alone; the mean for what sees none.

    Examples
    --------
    >>> keep_lidar({"joint": {"census": "b", "heights": "a"}, "place-alone": {}})
    {'joint': 'a', 'place-alone': 'mean'}
    """
    return {
        name: by_eye.get(HEIGHTS, by_eye.get(PICTURES, MEAN)) for name, by_eye in yardsticks.items()
    }
