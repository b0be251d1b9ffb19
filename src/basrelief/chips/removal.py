"""Scores of a table of pictures before and after some pictures were removed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

REMOVAL = "removal.csv"
"""The table's file, in the folders of the chips and describe stages."""


def describe_removal(
    before: pd.DataFrame, after: pd.DataFrame, scores: Sequence[str]
) -> pd.DataFrame:
    """Describe every score of the table over all pictures, and over those that are kept.

    Returns
    -------
    Columns ``target``, ``rows`` (``"before"`` or ``"after"``), and those of ``DataFrame.describe``.

    Examples
    --------
    >>> before = pd.DataFrame({"crime": [1.0, 2.0, 9.0]})
    >>> describe_removal(before, before[:2], ["crime"]).iloc[:, [0, 1, 2, 9]].to_numpy().tolist()
    [['crime', 'before', 3.0, 9.0], ['crime', 'after', 2.0, 2.0]]
    """
    if not scores:
        return pd.DataFrame(columns=["target", "rows"])
    told = {"before": before, "after": after}
    each = [frame[list(scores)].describe().T.assign(rows=rows) for rows, frame in told.items()]
    table = pd.concat(each).rename_axis("target").reset_index()
    # By score, so that what the removal changed stands in two lines, one under the other.
    table = table.sort_values(
        "target", key=lambda names: names.map(list(scores).index), kind="stable"
    )
    return table[["target", "rows", *table.columns.drop(["target", "rows"])]].reset_index(drop=True)
