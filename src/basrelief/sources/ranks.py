"""Ranks as numbers that can be learnt: the scores that they would be of a normal distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from basrelief.sources.licences import Credit
from basrelief.sources.published import PublishedIndex

SUFFIX = "_from_rank"
"""Ends the names of targets that were made of ranks: they are no scores of the office's own."""


def describe_ranked(credit: Credit, domains: tuple[str, ...]) -> PublishedIndex:
    """Describe an index of which an office publishes ranks: its targets are made of them.

    Parameters
    ----------
    credit
        As of `PublishedIndex`.
    domains
        Short names of what is ranked.
    """
    targets = tuple(f"{each}{SUFFIX}" for each in domains)
    return PublishedIndex(
        credit=credit,
        headings={each: (each,) for each in targets},
        domains=targets,
        around_0=frozenset(targets),
    )


def score_ranks(ranks: pd.Series[float], n_areas: int) -> pd.Series[float]:
    """Turn ranks into normal scores, higher where deprivation is.

    Outside England, offices publish ranks alone. Differences of ranks mean little at the ends,
    and their even spread suits no model of errors; normal scores have neither fault.

    Parameters
    ----------
    ranks
        1 for the most deprived of ``n_areas``; ties share the middle of their ranks. NaN stays.

    Raises
    ------
    ValueError
        If a rank is below 1 or above ``n_areas``.

    References
    ----------
    Blom (1958), Statistical estimates and transformed beta-variables; here with the middle of
    each rank's share.

    Examples
    --------
    >>> score_ranks(pd.Series([1.0, 2.0, 3.0]), 3).round(2).tolist()
    [0.97, 0.0, -0.97]
    """
    known = ranks.dropna()
    if len(known) and not (known.min() >= 1 and known.max() <= n_areas):
        raise ValueError(f"ranks from {known.min():g} to {known.max():g}, of {n_areas} areas")
    return pd.Series(ndtri(1 - (ranks.astype(np.float64) - 0.5) / n_areas), ranks.index)
