"""Rates of cases read out as counts, beside the same features read out as rates."""

from __future__ import annotations

from typing import Any

from basrelief.judge.counts import LEAST_CASES
from basrelief.tell.facts import Facts, select
from basrelief.tell.words import format_number, name_scheme, name_target


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what a Poisson read-out comes to by deviance; None where nothing was counted."""
    records = facts.judged.counts
    if not records:
        return None
    # The page shows the first and folds the others.
    order = [facts.shown_scheme, *(s for s in facts.schemes if s != facts.shown_scheme)]
    schemes = [
        (name_scheme(scheme, facts.settings), found)
        for scheme in order
        if (found := select(records, scheme=scheme))
    ]
    return {
        "schemes": [
            (name, [record | {"named": name_target(record["target"])} for record in found])
            for name, found in schemes
        ],
        # What has no range counts for neither side.
        "n_better": sum((record["gain_low"] or 0) > 0 for record in records),
        "n_worse": sum((record["gain_high"] or 0) < 0 for record in records),
        "n": len(records),
        "least": format_number(LEAST_CASES, 1),
    }
