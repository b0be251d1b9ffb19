"""Which column of a table is a target's, and what its numbers can be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from basrelief.config import InputError
from basrelief.names import suggest, tidy_text
from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.census import COUNTRIES
from basrelief.typed import Typed

INDICES = tuple(country.index for country in COUNTRIES)
"""Published indices whose headings are known; where two know a heading the first decides."""

DOMAINS = tuple(dict.fromkeys(name for index in INDICES for name in index.domains))
"""What ``"all"`` stands for, as far as a table has it."""

TARGETS = tuple(dict.fromkeys(name for index in INDICES for name in index.headings))
"""Short names of the targets that are known by their published headings."""

RANGES = {name: span for index in reversed(INDICES) for name, span in index.ranges.items()}
"""By target the least and the largest that it can be as it is published."""

NOT_BELOW_0 = frozenset(TARGETS).difference(*(index.around_0 for index in INDICES))
"""Shares, rates and scores from 0 to 100; those that are left out are published around 0."""

BY_DISTRICT = {name: by for index in INDICES for name, by in index.by_district.items()}
"""Targets of whose indicators some are set by district, each with an example."""


FEW = 5
"""Fewer values say nothing of whether they are all deciles, or ranks."""

MAX_LINE = 100
"""Letters of a line that says where targets are taken from."""

OLD_NAMES = {"barriers": "housing_and_access", "living_environment": "environment"}
"""What tables of early releases call a domain that has another name since."""


def find_target(columns: Sequence[str], target: str) -> str | None:
    """Find a target's column: by its own name, else by its published heading.

    Examples
    --------
    >>> find_target(["LSOA code (2011)", "Income Score (rate)"], "income")
    'Income Score (rate)'
    """
    # A user's own column may be called as a published one is; then it is the one that is meant.
    plain = tidy_text(target)
    if plain in columns:
        return plain
    return next(filter(None, (index.find(columns, target) for index in INDICES)), None)


def find_targets(
    columns: Sequence[str], targets: list[str] | Literal["all"], typed: Typed
) -> dict[str, str]:
    """Find the column of every target.

    Returns
    -------
    dict
        Target to heading, in the order of ``targets``. ``"all"``, alone or among others, is
        the IMD and its domains, those present.

    Raises
    ------
    InputError
        If a target has no column; lists those that do.
    """
    wanted = expand_targets(targets, DOMAINS)
    found = {target: find_target(columns, target) for target in wanted}
    present = {target: heading for target, heading in found.items() if heading is not None}
    # What "all" stands for may be absent; what was typed may not.
    missing = [target for target in wanted if target not in present and target in targets]
    # No target at all is asked of a table where every target comes from counts of crime.
    if not missing and (present or not targets):
        for target, heading in present.items():
            _refuse_several(columns, target, heading, typed)
        return present
    known = [name for name in TARGETS if find_target(columns, name)]
    # Told by their short names already.
    named = {find_target(columns, name) for name in known}
    # File 7 has a rank and a decile beside every score: nobody learns from those.
    others = [
        column
        for column in columns
        if column and column not in named and " Rank" not in column and " Decile" not in column
    ]
    available = "; ".join(
        part for part in (list_names(known, limit=len(TARGETS)), list_names(others)) if part
    )
    asked = repr(missing[0]) if missing else '"all"'
    fault = f"{typed.name('targets')}: {typed} has no column for {asked}"
    for index in INDICES:
        other = index.find_other(columns, missing[0]) if missing else None
        if other is not None:
            raise InputError(
                f"{fault} but {other!r}, which is headed as something else or was made of it. Give "
                "a table with what is published itself, or the whole heading as the target."
            )
    meant = suggest(missing[0], [*known, *others]) if missing else ""
    if not missing and "all" in columns:
        meant = (
            ' As a target "all" stands for the IMD and its domains: rename the column "all", such '
            'as to "total", and give that name.'
        )
    raise InputError(f"{fault}. It has: {available}.{meant}")


def _refuse_several(columns: Sequence[str], target: str, heading: str, typed: Typed) -> None:
    """Stop where several columns are headed as a target is published, and none is called so."""
    if heading == tidy_text(target):
        return
    # Of one edition there is one; two editions side by side have two, and nobody said which.
    several = next(filter(None, (index.find_all(columns, target) for index in INDICES)), [])
    if len(several) > 1:
        raise InputError(
            f"{typed.name('targets')}: {typed} has several columns for {target!r}: "
            f"{list_names([repr(name) for name in several])}. Give the whole heading of one."
        )


def expand_targets(targets: list[str] | Literal["all"], every: Sequence[str]) -> list[str]:
    """List the targets asked for, each once and in the order typed, with ``"all"`` written out.

    Parameters
    ----------
    targets
        As typed in ``data.targets``; ``"all"`` may stand alone or among names.
    every
        What ``"all"`` stands for.

    Examples
    --------
    >>> expand_targets(["theft", "all", "crime"], ["imd", "crime"])
    ['theft', 'imd', 'crime']
    """
    typed = ["all"] if targets == "all" else targets
    expanded = [every if name == "all" else [name] for name in typed]
    return list(dict.fromkeys(name for names in expanded for name in names))


def find_domains(columns: Sequence[str]) -> list[str]:
    """List the IMD and its domains, those that have a column."""
    return [name for name in DOMAINS if find_target(columns, name) is not None]


def say_headings(headings: Mapping[str, str], notes: Notes) -> None:
    """Say from which column each target is taken whose name is another."""
    told = [f'{name} <- "{tidy_text(h)}"' for name, h in headings.items() if tidy_text(name) != h]
    line = ""
    for each in told:
        if line and len(line) + len(each) + 2 > MAX_LINE:
            notes.run.say(f"chips: {line}")
            line = ""
        line = f"{line}; {each}" if line else each
    if line:
        notes.run.say(f"chips: {line}")


def check_range(values: pd.Series[float], target: str, heading: str, typed: Typed) -> None:
    """Stop where a column that is headed as published holds what cannot be published there.

    Parameters
    ----------
    values
        By the codes of areas or rows.
    heading
        As the table has it. A column that a user called as the target is the user's own, and may
        hold anything.

    Raises
    ------
    InputError
        Says what the values look like: percent, ranks or deciles, or a few that are beyond all.
    """
    known = values.dropna()
    # A column of the user's own may be an index of another country, on another scale.
    if heading == tidy_text(target) or target not in RANGES or known.empty:
        return
    low, high = RANGES[target]
    beyond = known[(known < low) | (known > high)]
    looks = _find_look(known, high)
    if not looks and beyond.empty:
        return
    shown = f"{beyond.iloc[0]:g} in {beyond.index[0]}" if len(beyond) else f"{known.iloc[0]:g}"
    told = f"{typed}: {heading!r} is published from {low:g} to {high:g}, and holds {shown}"
    if looks:
        raise InputError(f"{told}: {looks}.")
    raise InputError(
        f"{told}, and such in {len(beyond)} of {len(known)} rows. Leave the cell empty where "
        "nothing is known, or give the column a name of your own as the target."
    )


def _find_look(known: pd.Series[float], high: float) -> str:
    """Say what values look like that are not what they are headed as; empty where nothing does."""
    is_whole = len(known) >= FEW and bool(np.all(known == known.round()))
    if is_whole and known.between(1, 10).all() and known.nunique() > 2:
        return "whole numbers from 1 to 10 look like deciles. Give the scores"
    if (
        is_whole
        and known.min() >= 1
        and known.max() > min(max(high, 100), 1000)
        and known.is_unique
    ):
        return "whole numbers, none of them twice, look like ranks. Give the scores"
    # Most must be: a single 99 stands for nothing known.
    if high == 1.0 and known.between(0, 100).all() and (known > high).mean() > 0.5:
        return "they look like percent. Give shares (0.05), or write them with % (5%)"
    return ""


def find_score(columns: Sequence[str], target: str) -> str | None:
    """Find a target's column in a release of an index; None where there is none.

    Releases of before 2015 are headed otherwise by everybody who keeps them: the target's name and
    "score" is taken too.

    Examples
    --------
    >>> find_score(["Income_rank", "Income_score"], "income")
    'Income_score'
    """
    found = find_target(columns, target)
    if found is not None:
        return found
    # Whole: a rank, or a decile of a score, is none.
    names = "|".join(filter(None, (target, OLD_NAMES.get(target))))
    pattern = re.compile(rf"(?:{names})_scores?", re.IGNORECASE)
    return next((c for c in columns if pattern.fullmatch(re.sub(r"[\s-]+", "_", c))), None)
