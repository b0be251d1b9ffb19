"""Features of areas from tables by area: their columns, and which of them are not known."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

MANY_BLANK = 0.05
"""Share of a table's areas from which on it counts that a column is blank. Of fewer, one odd area
would make a feature of its own, three standard deviations high."""


def table_features(
    table: pd.DataFrame, eye: str, learnt: Collection[str] | None = None
) -> pd.DataFrame:
    """Make features of a table's columns.

    A blank becomes the mean where a model standardises its features. That many are blank may say
    something itself, as where a figure is withheld of the smallest, so that there a column of 0
    and 1 stands beside. An area of which the table knows nothing is unknown in all of them: then
    the set adds nothing to its prediction.

    Parameters
    ----------
    table
        One row an area, by ``area_id``; numbers, NaN where unknown.
    eye
        Name of the table, which stands before each feature's.
    learnt
        Names of the features that a model learnt from: of another place these say which blanks
        count. None where it is yet to learn.

    References
    ----------
    Van Ness et al. (2023), The missing indicator method: from low to high dimensions, KDD.

    Examples
    --------
    >>> table = pd.DataFrame({"rent": [1.0, None, None]}, index=["a", "b", "c"])
    >>> table_features(table.assign(rooms=[3.0, 4.0, None]), "census")
       census: rent  census: rooms  census: rent is not known
    a           1.0            3.0                        0.0
    b           NaN            4.0                        1.0
    c           NaN            NaN                        NaN
    """
    is_covered = table.notna().any(axis=1)
    # Named after the table: a column may be called as a measure of relief, which has a scale.
    features = table.add_prefix(f"{eye}: ").astype(float)
    blank = features[is_covered].isna()
    for name in features.columns:
        flag = f"{name} is not known"
        is_of_many = MANY_BLANK <= blank[name].mean() <= 1 - MANY_BLANK
        if is_of_many if learnt is None else flag in learnt:
            features[flag] = blank[name].astype(float).reindex(features.index)
    return features
