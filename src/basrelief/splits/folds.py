"""How items are dealt into folds: at random as Keras does, or whole groups together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basrelief.config import InputError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
"""Of the training set: what validates where no fold is free for it."""

MIN_RANDOM = 7
"""The fewest items of which a random split makes three parts, none of them empty."""


@dataclass(frozen=True, eq=False)
class RandomSplit:
    """Positions of the items of a random split, (n_part,) each, in shuffled order."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_at_random(n_items: int, seed: int) -> RandomSplit:
    """Split as the coursework does.

    A fifth tests, as drawn by scikit-learn's `train_test_split`; of the shuffled rest the
    first fifth validates, as `validation_split` of Keras' `ImageDataGenerator` takes it.

    Parameters
    ----------
    seed
        ``random_state`` of `train_test_split`; a number and not a generator, because the
        coursework's split is defined by one.

    Raises
    ------
    InputError
        If there are too few items for three parts.

    Examples
    --------
    >>> split = split_at_random(649, seed=251238730)
    >>> len(split.train), len(split.validation), len(split.test)
    (416, 103, 130)
    """
    if n_items < MIN_RANDOM:
        raise InputError(
            f"split.schemes: scheme 'random' needs at least {MIN_RANDOM} chips that are used and "
            f"labelled, found {n_items}. Add data, or use smaller chips (chips.size_px)."
        )
    # Here, for it takes a second: a typed name that is wrong is refused before.
    from sklearn.model_selection import train_test_split

    rest, test = train_test_split(np.arange(n_items), test_size=TEST_SHARE, random_state=seed)
    # Cut off, as Keras does: a fifth of 519 pictures are 103 and not 104.
    n_validation = int(VALIDATION_SHARE * len(rest))
    return RandomSplit(train=rest[n_validation:], validation=rest[:n_validation], test=test)


def assign_folds(groups: NDArray[Any], n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal items into folds at random, whole groups together.

    The groups are shuffled and each goes to the fold with the fewest items so far, so folds
    differ in size by no more than the largest group.

    Parameters
    ----------
    groups : (n_items,)
        The group of each item.
    n_folds
        Folds wanted; as many as there are groups where those are fewer.

    Returns
    -------
    (n_items,)
        Fold of each item, from 0; no fold is empty.

    Raises
    ------
    InputError
        If there are fewer than two groups.

    Examples
    --------
    >>> assign_folds(np.array(["a", "a", "b", "c"]), 2, np.random.default_rng(0)).tolist()
    [1, 1, 0, 0]
    """
    names, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise InputError(
            f"split.folds = {n_folds}: folds need at least 2 groups that can be held out in "
            f"turn, found {len(names)}. Use data from a larger place, or smaller groups."
        )
    # More folds than groups would leave some of them without a test area.
    filled = np.zeros(min(n_folds, len(names)), dtype=np.int64)
    fold_of_group = np.empty(len(names), dtype=np.int64)
    for group in rng.permutation(len(names)):
        fold = int(filled.argmin())
        fold_of_group[group] = fold
        filled[fold] += sizes[group]
    return fold_of_group[group_of]


def block_of(xy: NDArray[np.float64], block_m: float) -> NDArray[np.str_]:
    """Name the square of ground that each point lies in.

    Parameters
    ----------
    xy : (n, 2), metres
        Points as (easting, northing) in a projected CRS; for an area, a point inside it.
    block_m : metres
        Side of the squares, whose corners are at multiples of it.

    Returns
    -------
    (n,)
        ``column_row`` of the square, counted from the CRS's origin.

    Examples
    --------
    >>> block_of(np.array([[525100.0, 185999.0], [526000.0, 185999.0]]), 1000.0).tolist()
    ['525_185', '526_185']
    """
    # From the CRS's origin and not the data's corner: one more tile must not move the blocks.
    cells = np.floor(xy / block_m).astype(np.int64)
    return np.array([f"{column}_{row}" for column, row in cells], dtype=str)
