"""What each recipe is held against, so that a gain is that of LIDAR and of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from basrelief.learn.knowledge import LIDAR, order_codes

MEAN = "mean"
"""Stands for always predicting the mean of the training fold, which knows nothing."""


def differ(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    """Name what one of two recipes knows and the other does not.

    Whoever tells how two recipes compare names all of it: a gain over another is that of
    everything that the two differ in. Nothing where they know the same, and differ in how they
    use it.

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
